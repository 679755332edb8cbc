//! Load: block demand with its extremes, mean and energy.

use crate::level::Level;

/// Length of a demand block, milliseconds.
pub const BLOCK_MS: i64 = 900_000;

/// Mean power of blocks on the clock, of which the highest and the lowest are kept with the first block that has them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoadTime<N: Level> {
    /// Time with a value.
    pub weight_ms: i64,
    /// Σ power × ms.
    pub sum: N::Sum,
    /// Highest block demand, in units of the level.
    pub max: f64,
    /// Number of the block with the highest demand.
    pub max_block: i64,
    /// Lowest block demand.
    pub min: f64,
    /// Number of the block with the lowest demand.
    pub min_block: i64,
    block: i64,
    block_ms: i64,
    block_sum: N::Sum,
}

impl<N: Level> Default for LoadTime<N> {
    fn default() -> Self {
        LoadTime {
            weight_ms: 0,
            sum: N::Sum::default(),
            max: f64::NEG_INFINITY,
            max_block: 0,
            min: f64::INFINITY,
            min_block: 0,
            block: i64::MIN,
            block_ms: 0,
            block_sum: N::Sum::default(),
        }
    }
}

impl<N: Level> LoadTime<N> {
    /// Adds a power that stands for `weight_ms` of a block. Blocks come in order; one with less than `coverage_ms` of
    /// values makes no demand.
    #[inline(always)]
    pub fn add(&mut self, power: N, weight_ms: i64, block: i64, coverage_ms: i64) {
        if block != self.block {
            self.close(coverage_ms);
            self.block = block;
        }
        let amount = power.over(weight_ms);
        self.block_sum += amount;
        self.block_ms += weight_ms;
        self.sum += amount;
        self.weight_ms += weight_ms;
    }

    /// Ends the open block. Called before the figures are read or merged.
    #[inline(always)]
    pub fn close(&mut self, coverage_ms: i64) {
        if self.block_ms > 0 && self.block_ms >= coverage_ms {
            let demand = N::total(self.block_sum) / self.block_ms as f64;
            if demand > self.max {
                self.max = demand;
                self.max_block = self.block;
            }
            if demand < self.min {
                self.min = demand;
                self.min_block = self.block;
            }
        }
        self.block_ms = 0;
        self.block_sum = N::Sum::default();
    }

    /// Adds what a later span of time gave; both are closed.
    pub fn merge(&mut self, later: &Self) {
        self.weight_ms += later.weight_ms;
        self.sum += later.sum;
        if later.max > self.max {
            self.max = later.max;
            self.max_block = later.max_block;
        }
        if later.min < self.min {
            self.min = later.min;
            self.min_block = later.min_block;
        }
    }

    /// Highest block demand; nothing without a covered block.
    pub fn max(&self) -> Option<f64> {
        self.max.is_finite().then_some(self.max)
    }

    /// Lowest block demand; nothing without a covered block.
    pub fn min(&self) -> Option<f64> {
        self.min.is_finite().then_some(self.min)
    }

    /// Mean power of the time with values.
    pub fn mean(&self) -> Option<f64> {
        (self.weight_ms > 0).then(|| N::total(self.sum) / self.weight_ms as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demand_of_a_block_is_its_weighted_mean_and_the_first_of_equals_is_named() {
        let mut load = LoadTime::<i64>::default();
        load.add(100, 300_000, 4, 0);
        load.add(400, 600_000, 4, 0);
        load.add(300, 900_000, 5, 0);
        load.add(50, 900_000, 7, 0);
        load.close(0);
        assert_eq!((load.max(), load.max_block), (Some(300.0), 4));
        assert_eq!((load.min(), load.min_block), (Some(50.0), 7));
        assert_eq!(load.mean(), Some(650.0 / 3.0));
    }

    #[test]
    fn a_block_with_too_few_values_makes_no_demand_but_counts_for_the_mean() {
        let mut load = LoadTime::<f64>::default();
        load.add(9.0, 300_000, 1, 720_000);
        load.add(3.0, 900_000, 2, 720_000);
        load.close(720_000);
        assert_eq!((load.max(), load.min(), load.mean()), (Some(3.0), Some(3.0), Some(4.5)));
    }
}
