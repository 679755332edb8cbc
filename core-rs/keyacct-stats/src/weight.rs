//! How long a value counts, and for which time, by the rules of the field.

/// The rule of one meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Nominal interval.
    pub interval_ms: i64,
    /// A value covers the time since the one before it up to this many intervals; beyond, one interval.
    pub max_gap_intervals: i64,
    /// Whether snapshots stand for the time that follows them instead.
    pub snapshots_follow: bool,
}

/// A value and the time that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weighted {
    /// Stamp.
    pub at_ms: i64,
    /// Beginning of the time it stands for.
    pub from_ms: i64,
    /// Length of that time.
    pub weight_ms: i64,
    /// The instant whose civil day and slot take the whole weight.
    pub anchor_ms: i64,
    /// The value.
    pub value: i64,
}

/// Stands for "no value" in a column of whole numbers.
pub const NONE: i64 = i64::MIN;

/// A column of one meter, in the order of its stamps, which differ.
#[derive(Clone, Copy, Debug)]
pub struct Series<'a> {
    /// Stamps.
    pub at_ms: &'a [i64],
    /// Whether the row is a snapshot.
    pub snapshot: &'a [bool],
    /// Values, [`NONE`] where there is none.
    pub value: &'a [i64],
}

impl Rule {
    /// Longest time that a value can cover.
    pub fn reach_ms(&self) -> i64 {
        self.interval_ms.saturating_mul(self.max_gap_intervals)
    }

    /// Calls `take` for every value whose anchor lies in [from, to), in the order of the stamps.
    pub fn weigh(&self, series: Series<'_>, from_ms: i64, to_ms: i64, mut take: impl FnMut(Weighted)) {
        let reach = self.reach_ms();
        let covered = |gap: i64| if gap <= reach { gap } else { self.interval_ms };
        let mut previous: Option<i64> = None;
        let first = series.at_ms.partition_point(|&t| t < from_ms.saturating_sub(reach));
        let next = |row: usize| {
            (row + 1..series.at_ms.len()).find(|&n| series.value[n] != NONE).map(|n| series.at_ms[n])
        };
        for row in first..series.at_ms.len() {
            let (at_ms, value) = (series.at_ms[row], series.value[row]);
            if value == NONE {
                continue;
            }
            if at_ms.saturating_sub(reach) >= to_ms {
                break;
            }
            let weighted = if self.snapshots_follow && series.snapshot[row] {
                let weight_ms = next(row).map_or(self.interval_ms, |n| covered(n - at_ms));
                Weighted { at_ms, from_ms: at_ms, weight_ms, anchor_ms: at_ms, value }
            } else {
                let weight_ms = previous.map_or(self.interval_ms, |p| covered(at_ms - p));
                let anchor_ms = at_ms - weight_ms.min(self.interval_ms);
                Weighted { at_ms, from_ms: at_ms - weight_ms, weight_ms, anchor_ms, value }
            };
            previous = Some(at_ms);
            if (from_ms..to_ms).contains(&weighted.anchor_ms) {
                take(weighted);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: i64 = 60_000;
    const RULE: Rule = Rule { interval_ms: 15 * MIN, max_gap_intervals: 2, snapshots_follow: false };

    fn weigh(rule: Rule, at_min: &[i64], value: &[i64], from: i64, to: i64) -> Vec<(i64, i64, i64)> {
        let at_ms: Vec<i64> = at_min.iter().map(|t| t * MIN).collect();
        let snapshot = vec![true; at_ms.len()];
        let mut out = Vec::new();
        let series = Series { at_ms: &at_ms, snapshot: &snapshot, value };
        rule.weigh(series, from * MIN, to * MIN, |w| {
            out.push((w.at_ms / MIN, w.weight_ms / MIN, w.anchor_ms / MIN));
        });
        out
    }

    #[test]
    fn a_value_covers_the_time_since_the_one_before_up_to_two_intervals() {
        let got = weigh(RULE, &[0, 15, 45, 76, 80], &[1; 5], -1000, 1000);
        assert_eq!(got, [(0, 15, -15), (15, 15, 0), (45, 30, 30), (76, 15, 61), (80, 4, 76)]);
    }

    #[test]
    fn a_missing_value_is_bridged_by_the_next_one() {
        let got = weigh(RULE, &[0, 15, 30], &[1, NONE, 1], 0, 1000);
        assert_eq!(got, [(30, 30, 15)]);
    }

    #[test]
    fn the_stamp_at_the_end_of_a_period_belongs_to_it_and_the_one_at_its_start_does_not() {
        let got = weigh(RULE, &[0, 15, 30, 45], &[1; 4], 0, 30);
        assert_eq!(got, [(15, 15, 0), (30, 15, 15)]);
    }

    #[test]
    fn snapshots_that_follow_cover_the_time_until_the_next() {
        let rule = Rule { snapshots_follow: true, ..RULE };
        let got = weigh(rule, &[0, 10, 40, 100], &[1; 4], 0, 1000);
        assert_eq!(got, [(0, 10, 0), (10, 30, 10), (40, 15, 40), (100, 15, 100)]);
    }
}
