//! Voltage compliance of one phase: time over and under the limits, extremes and mean (GB/T 12325-2008).

use crate::level::Level;

/// What a voltage is judged by. All comparisons are strict; integers carry limits rounded so that strictness holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band<N> {
    /// Below this a value is not assessed (outage, blown fuse), only its time is counted.
    pub floor: N,
    /// Below this (and not below the floor) a value is under the limit.
    pub lower: N,
    /// Above this a value is over the limit.
    pub upper: N,
    /// Above this a value is an over-voltage, whatever the limit.
    pub ceiling: N,
}

/// Times in milliseconds, extremes with the first instant that has them, and the sum for the mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhaseTime<N: Level> {
    /// Assessed time.
    pub monitored_ms: i64,
    /// Assessed time above the upper limit.
    pub over_ms: i64,
    /// Assessed time below the lower limit.
    pub under_ms: i64,
    /// Time below the assessment floor; not part of `monitored_ms`.
    pub below_floor_ms: i64,
    /// Assessed time above the over-voltage ceiling.
    pub overvoltage_ms: i64,
    /// Σ level × ms of the assessed time.
    pub sum: N::Sum,
    /// Highest assessed level; meaningless while nothing is monitored.
    pub max: N,
    /// Instant of the highest level.
    pub max_at_ms: i64,
    /// Lowest assessed level; meaningless while nothing is monitored.
    pub min: N,
    /// Instant of the lowest level.
    pub min_at_ms: i64,
}

impl<N: Level> Default for PhaseTime<N> {
    fn default() -> Self {
        PhaseTime {
            monitored_ms: 0,
            over_ms: 0,
            under_ms: 0,
            below_floor_ms: 0,
            overvoltage_ms: 0,
            sum: N::Sum::default(),
            max: N::LOWEST,
            max_at_ms: 0,
            min: N::HIGHEST,
            min_at_ms: 0,
        }
    }
}

impl<N: Level> PhaseTime<N> {
    /// Adds a level that stands for `weight_ms`, stamped `at_ms`. Levels come in the order of their stamps.
    #[inline(always)]
    pub fn add(&mut self, level: N, weight_ms: i64, at_ms: i64, band: &Band<N>) {
        if level < band.floor {
            self.below_floor_ms += weight_ms;
            return;
        }
        self.monitored_ms += weight_ms;
        if level > band.upper {
            self.over_ms += weight_ms;
        }
        if level > band.ceiling {
            self.overvoltage_ms += weight_ms;
        }
        if level < band.lower {
            self.under_ms += weight_ms;
        }
        self.sum += level.over(weight_ms);
        if level > self.max {
            self.max = level;
            self.max_at_ms = at_ms;
        }
        if level < self.min {
            self.min = level;
            self.min_at_ms = at_ms;
        }
    }

    /// Adds what a later span of time gave.
    pub fn merge(&mut self, later: &Self) {
        self.below_floor_ms += later.below_floor_ms;
        self.monitored_ms += later.monitored_ms;
        self.over_ms += later.over_ms;
        self.under_ms += later.under_ms;
        self.overvoltage_ms += later.overvoltage_ms;
        self.sum += later.sum;
        if later.max > self.max {
            self.max = later.max;
            self.max_at_ms = later.max_at_ms;
        }
        if later.min < self.min {
            self.min = later.min;
            self.min_at_ms = later.min_at_ms;
        }
    }

    /// Compliance rate 0..1; nothing when nothing was monitored.
    pub fn rate(&self) -> Option<f64> {
        (self.monitored_ms > 0)
            .then(|| 1.0 - (self.over_ms + self.under_ms) as f64 / self.monitored_ms as f64)
    }

    /// Time-weighted mean level; nothing when nothing was monitored.
    pub fn mean(&self) -> Option<f64> {
        (self.monitored_ms > 0).then(|| N::total(self.sum) / self.monitored_ms as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAND: Band<i64> = Band { floor: 154_000, lower: 198_000, upper: 235_400, ceiling: 264_000 };

    #[test]
    fn a_level_on_a_limit_complies_and_one_step_beyond_does_not() {
        let mut phase = PhaseTime::<i64>::default();
        for (n, level) in
            [235_400, 235_401, 198_000, 197_999, 154_000, 153_999, 264_001].into_iter().enumerate()
        {
            phase.add(level, 60_000, n as i64, &BAND);
        }
        assert_eq!(phase.monitored_ms, 6 * 60_000);
        assert_eq!(phase.over_ms, 2 * 60_000);
        assert_eq!(phase.under_ms, 2 * 60_000);
        assert_eq!(phase.below_floor_ms, 60_000);
        assert_eq!(phase.overvoltage_ms, 60_000);
        assert_eq!((phase.max, phase.max_at_ms, phase.min, phase.min_at_ms), (264_001, 6, 154_000, 4));
        assert_eq!(phase.rate(), Some(1.0 - 4.0 / 6.0));
    }

    #[test]
    fn nothing_monitored_gives_no_rate_and_no_mean() {
        let mut phase = PhaseTime::<i64>::default();
        phase.add(0, 1000, 0, &BAND);
        assert_eq!((phase.rate(), phase.mean(), phase.below_floor_ms), (None, None, 1000));
    }

    #[test]
    fn merging_keeps_the_earlier_of_equal_extremes() {
        let (mut a, mut b) = (PhaseTime::<f64>::default(), PhaseTime::<f64>::default());
        let band = Band { floor: 0.0, lower: 1.0, upper: 9.0, ceiling: 12.0 };
        a.add(5.0, 10, 1, &band);
        b.add(5.0, 30, 2, &band);
        a.merge(&b);
        assert_eq!((a.max_at_ms, a.min_at_ms, a.mean(), a.monitored_ms), (1, 1, Some(5.0), 40));
    }
}
