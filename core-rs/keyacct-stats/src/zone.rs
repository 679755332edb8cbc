//! Civil time of instants: a zone as the list of its offsets over a span.

use crate::civil::DAY_MS;

/// Offsets of a zone, each from an instant on; the first holds from the beginning of time.
#[derive(Clone, Debug)]
pub struct Zone {
    offsets: Vec<(i64, i64)>,
}

impl Zone {
    /// From (UTC ms from which it holds, offset in ms), ascending. An empty list is UTC.
    pub fn new(mut offsets: Vec<(i64, i64)>) -> Zone {
        if offsets.is_empty() {
            offsets.push((i64::MIN, 0));
        }
        offsets[0].0 = i64::MIN;
        Zone { offsets }
    }

    /// Wall-clock milliseconds of an instant.
    #[inline]
    pub fn local(&self, ms: i64) -> i64 {
        if let [(_, offset)] = self.offsets[..] {
            return ms.saturating_add(offset);
        }
        let at = self.offsets.partition_point(|&(from, _)| from <= ms).max(1) - 1;
        ms.saturating_add(self.offsets[at].1)
    }

    /// Civil day of an instant, counted from 1970-01-01.
    #[inline]
    pub fn day(&self, ms: i64) -> i64 {
        self.local(ms).div_euclid(DAY_MS)
    }

    /// The first instant of a civil day. Where 00:00 is skipped it is the instant of the jump.
    pub fn midnight(&self, day: i64) -> i64 {
        let wanted = day.saturating_mul(DAY_MS);
        for (n, &(from, offset)) in self.offsets.iter().enumerate() {
            let until = self.offsets.get(n + 1).map_or(i64::MAX, |next| next.0);
            let at = wanted.saturating_sub(offset).max(from);
            if at < until {
                return at;
            }
        }
        wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_fixed_offset_shifts_the_day() {
        let zone = Zone::new(vec![(0, 8 * HOUR)]);
        assert_eq!(zone.day(16 * HOUR - 1), 0);
        assert_eq!(zone.day(16 * HOUR), 1);
        assert_eq!(zone.midnight(1), 16 * HOUR);
    }

    #[test]
    fn the_day_of_a_change_has_23_or_25_hours() {
        // +1 h until 01:00 UTC of day 10, then +2 h until 01:00 UTC of day 20, then +1 h again.
        let (spring, autumn) = (10 * DAY_MS + HOUR, 20 * DAY_MS + HOUR);
        let zone = Zone::new(vec![(0, HOUR), (spring, 2 * HOUR), (autumn, HOUR)]);
        assert_eq!(zone.midnight(11) - zone.midnight(10), 23 * HOUR);
        assert_eq!(zone.midnight(21) - zone.midnight(20), 25 * HOUR);
        assert_eq!(zone.midnight(16) - zone.midnight(15), 24 * HOUR);
    }

    #[test]
    fn a_midnight_that_is_skipped_is_the_instant_of_the_jump() {
        // At 00:00 of day 5 (UTC+0) the clocks go to 01:00.
        let zone = Zone::new(vec![(0, 0), (5 * DAY_MS, HOUR)]);
        assert_eq!(zone.midnight(5), 5 * DAY_MS);
        assert_eq!(zone.day(5 * DAY_MS - 1), 4);
        assert_eq!(zone.day(5 * DAY_MS), 5);
    }
}
