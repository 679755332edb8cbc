//! Load of an account by the rules of the field: demand of blocks on the clock, summed over the account's points.
//!
//! Only import counts. A value's time is spread over the blocks that it covers; a block makes a demand of a point when
//! values cover enough of it, and a demand of the account when it does so at every point that should have one.

use crate::calendar::{DayTariff, NO_PERIOD, PERIODS};
use crate::decimal::Decimal;
use crate::load::LoadTime;
use crate::weight::{Rule, Series};
use crate::zone::Zone;

/// Digits after the point of a measured power.
pub const PLACES: u32 = 4;

/// A span in which everything that a meter's power is understood by is constant.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Beginning.
    pub from_ms: i64,
    /// End, exclusive.
    pub to_ms: i64,
    /// Weights.
    pub rule: Rule,
    /// PT × CT; 1 where readings are primary.
    pub multiplier: Decimal,
    /// Tariff table, by its number; none when the point has none.
    pub tariff: Option<usize>,
}

/// The blocks of a period.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    /// Beginning of the first block.
    pub from_ms: i64,
    /// Length of a block.
    pub window_ms: i64,
    /// Number of blocks.
    pub blocks: usize,
    /// Time of a block that values must cover for a demand.
    pub coverage_ms: i64,
}

impl Grid {
    /// Beginning of a block.
    pub fn start_ms(&self, block: usize) -> i64 {
        self.from_ms + block as i64 * self.window_ms
    }

    /// Blocks that begin in [from, to).
    fn range(&self, from_ms: i64, to_ms: i64) -> std::ops::Range<usize> {
        let at = |ms: i64| {
            let from_start = (ms - self.from_ms).max(0);
            (from_start.div_euclid(self.window_ms) + i64::from(from_start % self.window_ms != 0)) as usize
        };
        let end = at(to_ms).min(self.blocks);
        at(from_ms).min(end)..end
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Block {
    kw_ms: f64,
    covered_ms: i64,
}

/// Block sums of one point.
#[derive(Clone, Debug)]
pub struct PointLoad {
    blocks: Vec<Block>,
}

impl PointLoad {
    /// No values yet.
    pub fn new(grid: &Grid) -> PointLoad {
        PointLoad { blocks: vec![Block::default(); grid.blocks] }
    }

    /// Adds the power values of a span.
    pub fn add(&mut self, span: &Span, power: Series<'_>, grid: &Grid) {
        let multiplier = span.multiplier.as_f64();
        span.rule.weigh(power, span.from_ms, span.to_ms, |w| {
            let import = w.value.max(0) as f64;
            let mut from = w.from_ms.max(grid.from_ms);
            let end = w.from_ms + w.weight_ms;
            while from < end {
                let number = (from - grid.from_ms).div_euclid(grid.window_ms);
                let Some(block) = self.blocks.get_mut(number as usize) else { break };
                let until = end.min(grid.from_ms + (number + 1) * grid.window_ms);
                block.kw_ms += import * (until - from) as f64 * multiplier / 10_f64.powi(PLACES as i32);
                block.covered_ms += until - from;
                from = until;
            }
        });
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct AccountBlock {
    kw: f64,
    kw_ms: f64,
    covered_ms: i64,
    points: u32,
    covered_points: u32,
    period_kw_ms: [f64; PERIODS],
}

/// Load of an account over a period.
#[derive(Clone, Debug)]
pub struct AccountLoad {
    blocks: Vec<AccountBlock>,
}

/// Figures of a day or a period.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Demands.
    pub load: LoadTime<f64>,
    /// Σ import × ms of everything covered, kW·ms.
    pub kw_ms: f64,
    /// The same by tariff period; what no tariff covers is in none.
    pub period_kw_ms: [f64; PERIODS],
    /// Time with values, summed over the points.
    pub covered_ms: i64,
    /// Time that should have values, summed over the points.
    pub expected_ms: i64,
}

impl AccountLoad {
    /// No points yet.
    pub fn new(grid: &Grid) -> AccountLoad {
        AccountLoad { blocks: vec![AccountBlock::default(); grid.blocks] }
    }

    /// Adds a point with all its spans, once every meter of the point has been added to `point`.
    pub fn add(
        &mut self,
        point: &PointLoad,
        spans: &[Span],
        tariffs: &[Vec<crate::calendar::Slot>],
        grid: &Grid,
        zone: &Zone,
    ) {
        for span in spans {
            let slots = span.tariff.and_then(|n| tariffs.get(n)).map_or(&[][..], Vec::as_slice);
            let mut tariff = DayTariff::new(slots);
            for number in grid.range(span.from_ms, span.to_ms) {
                let (block, of_point) = (&mut self.blocks[number], point.blocks[number]);
                block.points += 1;
                block.kw_ms += of_point.kw_ms;
                block.covered_ms += of_point.covered_ms.min(grid.window_ms);
                if of_point.covered_ms > 0 && of_point.covered_ms >= grid.coverage_ms {
                    block.covered_points += 1;
                    block.kw += of_point.kw_ms / of_point.covered_ms as f64;
                }
                let period = tariff.period(zone.local(grid.start_ms(number)));
                if period != NO_PERIOD {
                    block.period_kw_ms[usize::from(period)] += of_point.kw_ms;
                }
            }
        }
    }

    /// Demand of a block; nothing where a point lacks values.
    pub fn demand_kw(&self, number: usize) -> Option<f64> {
        let block = self.blocks.get(number)?;
        (block.points > 0 && block.covered_points == block.points).then_some(block.kw)
    }

    /// Figures of the period and of its days, `first_day` being the first.
    pub fn figures(&self, grid: &Grid, zone: &Zone, first_day: i64, days: usize) -> (Figures, Vec<Figures>) {
        let mut total = Figures::default();
        let mut of_days = vec![Figures::default(); days];
        for (number, block) in self.blocks.iter().enumerate() {
            let day = zone.day(grid.start_ms(number)) - first_day;
            let demand = self.demand_kw(number);
            for figures in [Some(&mut total), of_days.get_mut(day as usize)].into_iter().flatten() {
                if let Some(kw) = demand {
                    figures.load.add(kw, grid.window_ms, number as i64, 0);
                }
                figures.kw_ms += block.kw_ms;
                figures.covered_ms += block.covered_ms;
                figures.expected_ms += i64::from(block.points) * grid.window_ms;
                for (sum, kw_ms) in figures.period_kw_ms.iter_mut().zip(block.period_kw_ms) {
                    *sum += kw_ms;
                }
            }
        }
        total.load.close(0);
        of_days.iter_mut().for_each(|figures| figures.load.close(0));
        (total, of_days)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: i64 = 60_000;

    fn span(multiplier: f64) -> Span {
        Span {
            from_ms: 0,
            to_ms: 60 * MIN,
            rule: Rule { interval_ms: 15 * MIN, max_gap_intervals: 2, snapshots_follow: false },
            multiplier: Decimal::from_f64(multiplier).unwrap(),
            tariff: None,
        }
    }

    const GRID: Grid = Grid { from_ms: 0, window_ms: 15 * MIN, blocks: 4, coverage_ms: 12 * MIN };

    fn load(points: &[(f64, &[i64], &[i64])]) -> AccountLoad {
        let mut account = AccountLoad::new(&GRID);
        for (multiplier, at_min, value) in points {
            let at_ms: Vec<i64> = at_min.iter().map(|t| t * MIN).collect();
            let snapshot = vec![false; at_ms.len()];
            let mut point = PointLoad::new(&GRID);
            let span = span(*multiplier);
            point.add(&span, Series { at_ms: &at_ms, snapshot: &snapshot, value }, &GRID);
            account.add(&point, &[span], &[], &GRID, &Zone::new(vec![]));
        }
        account
    }

    #[test]
    fn the_demand_of_an_account_is_the_highest_sum_and_not_the_sum_of_the_highest() {
        let account = load(&[
            (1.0, &[15, 30, 45, 60], &[10_000, 90_000, 20_000, 20_000]),
            (10.0, &[15, 30, 45, 60], &[1_000, 1_000, 9_000, 1_000]),
        ]);
        let (total, days) = account.figures(&GRID, &Zone::new(vec![]), 0, 1);
        assert_eq!((total.load.max(), total.load.max_block), (Some(11.0), 2));
        assert_eq!((total.load.min(), total.load.min_block), (Some(2.0), 0));
        assert_eq!(total.load.mean(), Some((2.0 + 10.0 + 11.0 + 3.0) / 4.0));
        assert_eq!(days[0].load.max(), Some(11.0));
        assert_eq!((total.covered_ms, total.expected_ms), (120 * MIN, 120 * MIN));
    }

    #[test]
    fn a_block_without_the_values_of_one_point_makes_no_demand_of_the_account() {
        let account = load(&[(1.0, &[15, 30, 45, 60], &[10_000; 4]), (1.0, &[60], &[50_000])]);
        let demands: Vec<_> = (0..4).map(|n| account.demand_kw(n)).collect();
        assert_eq!(demands, [None, None, None, Some(6.0)]);
    }

    #[test]
    fn export_counts_as_no_load_and_a_bridged_gap_fills_its_block() {
        let account = load(&[(1.0, &[15, 45, 60], &[-10_000, 40_000, 20_000])]);
        let demands: Vec<_> = (0..4).map(|n| account.demand_kw(n)).collect();
        assert_eq!(demands, [Some(0.0), Some(4.0), Some(4.0), Some(2.0)]);
    }
}
