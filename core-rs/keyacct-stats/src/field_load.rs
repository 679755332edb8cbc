//! Load of an account by the rules of the field: demand of blocks on the clock, summed over the account's points.
//!
//! Only import counts. A value's time is spread over the blocks that it covers; a block makes a demand of a point when
//! values cover enough of it, and a demand of the account when it does so at every point that should have one.
//!
//! Where a meter has no power, its energies stand for it: increments, else differences of registers. Sums are whole
//! numbers, so that the energy of a period is that of its steps to the last digit.

use crate::calendar::{NO_PERIOD, PERIODS, Tariffs};
use crate::decimal::Decimal;
use crate::field_energy::{GAP_OVER_SEAM, REGISTER_DECREASE, UNATTRIBUTED};
use crate::load::LoadTime;
use crate::weight::{NONE, Rule, Series};
use crate::zone::Zone;

/// Figures come from energies, wholly or in part.
pub const FROM_ENERGY: u32 = 32;
const MS_PER_HOUR: i64 = 3_600_000;
/// Digits after the point that are kept of a multiplier.
pub const MULTIPLIER_PLACES: u32 = 9;

/// Digits after the point of a measured power or energy.
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
    /// Digits after the point of the multipliers; sums are whole numbers of 10^−(PLACES + scale) kW × ms.
    pub scale: u32,
}

impl Grid {
    /// Beginning of a block.
    pub fn start_ms(&self, block: usize) -> i64 {
        self.from_ms + block as i64 * self.window_ms
    }

    /// A sum as kWh, rounded once.
    pub fn kwh(&self, sum: i128) -> f64 {
        let below = i128::from(MS_PER_HOUR) * 10_i128.pow(PLACES + self.scale);
        let divisor = common_divisor(sum.unsigned_abs(), below.unsigned_abs()) as i128;
        (sum / divisor) as f64 / (below / divisor) as f64
    }

    /// The mean power that a sum is over some time. Digits that only the multipliers could have are taken away first, so
    /// that a whole multiplier is divided as one.
    fn kw(&self, sum: i128, ms: i64) -> f64 {
        let scale = 10_i128.pow(self.scale);
        if sum % scale == 0 {
            return (sum / scale) as f64 / (ms as f64 * 10_f64.powi(PLACES as i32));
        }
        sum as f64 / (ms as f64 * 10_f64.powi((PLACES + self.scale) as i32))
    }

    /// Blocks that [from, to) touches.
    fn touched(&self, from_ms: i64, to_ms: i64) -> std::ops::Range<usize> {
        let first = (from_ms - self.from_ms).max(0).div_euclid(self.window_ms) as usize;
        let last = (to_ms - self.from_ms).max(0) + self.window_ms - 1;
        let end = (last.div_euclid(self.window_ms) as usize).min(self.blocks);
        first.min(end)..end
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

fn common_divisor(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Block {
    pub(crate) sum: i128,
    pub(crate) covered_ms: i64,
    from_energy: bool,
}

/// Energy between two registers that lie too far apart for a power.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loose {
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
    pub(crate) sum: i128,
}

/// Block sums of one point.
#[derive(Clone, Debug)]
pub struct PointLoad {
    pub(crate) blocks: Vec<Block>,
    pub(crate) loose: Vec<Loose>,
    pub(crate) met: Vec<(i64, u32)>,
}

/// What one meter has at one point: any of it may be empty.
#[derive(Clone, Copy, Debug)]
pub struct MeterLoad<'a> {
    /// Active power.
    pub power: Series<'a>,
    /// Imported energy of intervals, stamped at their ends.
    pub increments: Series<'a>,
    /// Register of imported energy.
    pub registers: Series<'a>,
}

impl PointLoad {
    /// No values yet.
    pub fn new(grid: &Grid) -> PointLoad {
        PointLoad { blocks: vec![Block::default(); grid.blocks], loose: Vec::new(), met: Vec::new() }
    }

    /// Adds a meter with all its spans at the point, in order of time. Block by block its power counts; where power
    /// covers too little for a demand, increments do if they cover more, and then registers.
    pub fn add(&mut self, meter: &MeterLoad<'_>, spans: &[Span], grid: &Grid) {
        let mut of_meter = PointLoad::new(grid);
        for span in spans {
            of_meter.add_power(span, meter.power, grid, |_| true);
        }
        let has = |series: Series<'_>| series.value.iter().any(|&v| v != NONE);
        let mut from_increments = PointLoad::new(grid);
        if has(meter.increments) {
            from_increments.add_increments(spans, meter.increments, grid);
        }
        let mut from_registers = PointLoad::new(grid);
        if has(meter.registers) {
            from_registers.add_registers(spans, meter.registers, grid);
        }
        self.add_sources(of_meter, &from_increments, &from_registers, grid);
    }

    /// Adds a meter by its power and, where that is too little, by its energies.
    pub(crate) fn add_sources(
        &mut self,
        mut of_meter: PointLoad,
        increments: &PointLoad,
        registers: &PointLoad,
        grid: &Grid,
    ) {
        of_meter.fill(increments, grid);
        of_meter.fill(registers, grid);
        for (into, block) in self.blocks.iter_mut().zip(&of_meter.blocks) {
            into.sum = into.sum.saturating_add(block.sum);
            into.covered_ms += block.covered_ms;
            into.from_energy |= block.from_energy;
        }
        self.loose.append(&mut of_meter.loose);
        self.met.append(&mut of_meter.met);
    }

    /// Takes what a poorer source has where this one has too little.
    fn fill(&mut self, other: &PointLoad, grid: &Grid) {
        self.met.extend_from_slice(&other.met);
        for step in &other.loose {
            let empty = |block: &Block| block.covered_ms == 0;
            if self.blocks[grid.touched(step.from_ms, step.to_ms)].iter().all(empty) {
                self.loose.push(*step);
                self.met.push((step.from_ms, UNATTRIBUTED | FROM_ENERGY));
            }
        }
        for (mine, block) in self.blocks.iter_mut().zip(&other.blocks) {
            if mine.covered_ms < grid.coverage_ms && block.covered_ms > mine.covered_ms {
                *mine = Block { from_energy: true, ..*block };
            }
        }
    }

    /// Adds the powers of a span whose stamps are taken.
    pub(crate) fn add_power(
        &mut self,
        span: &Span,
        power: Series<'_>,
        grid: &Grid,
        taken: impl Fn(i64) -> bool,
    ) {
        let factor = span.multiplier.units(grid.scale);
        span.rule.weigh(power, span.from_ms, span.to_ms, |w| {
            if !taken(w.at_ms) {
                return;
            }
            let sum = i128::from(w.value.max(0)).saturating_mul(i128::from(w.weight_ms));
            self.spread(sum.saturating_mul(factor), w.from_ms, w.weight_ms, grid);
        });
    }

    pub(crate) fn add_increments(&mut self, spans: &[Span], increments: Series<'_>, grid: &Grid) {
        for (&at_ms, &value) in increments.at_ms.iter().zip(increments.value) {
            let begins = |s: &&Span| (s.from_ms..s.to_ms).contains(&at_ms.saturating_sub(s.rule.interval_ms));
            if let (Some(span), true) = (spans.iter().find(begins), value != NONE) {
                let interval_ms = span.rule.interval_ms;
                self.spread(energy_sum(value.max(0), span, grid), at_ms - interval_ms, interval_ms, grid);
            }
        }
    }

    /// Steps between neighbouring readings inside the spans, as `field_energy::from_registers` reads them.
    pub(crate) fn add_registers(&mut self, spans: &[Span], registers: Series<'_>, grid: &Grid) {
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return };
        let span_of = |ms: i64| spans.iter().find(|s| (s.from_ms..s.to_ms).contains(&ms));
        let mut before: Option<(i64, i64)> = None;
        for (&at_ms, &value) in registers.at_ms.iter().zip(registers.value) {
            if value == NONE || at_ms < first.from_ms || at_ms > last.to_ms {
                continue;
            }
            let Some((then_ms, then)) = before.replace((at_ms, value)) else { continue };
            let (Some(from), Some(into)) = (span_of(then_ms), span_of(at_ms - 1)) else {
                self.met.push((then_ms, GAP_OVER_SEAM));
                continue;
            };
            let gap = at_ms - then_ms;
            let near = gap <= into.rule.reach_ms();
            if value < then {
                self.met.push((at_ms - 1, REGISTER_DECREASE));
            } else if near {
                let span = span_of(at_ms - gap.min(into.rule.interval_ms)).unwrap_or(into);
                self.spread(energy_sum(value - then, span, grid), then_ms, gap, grid);
            } else if from.multiplier == into.multiplier {
                let sum = energy_sum(value - then, into, grid);
                self.loose.push(Loose { from_ms: then_ms, to_ms: at_ms, sum });
            } else {
                self.met.push((then_ms, GAP_OVER_SEAM));
            }
        }
    }

    /// Books a sum evenly on the blocks of its time; what is rounded in one block is made good in the next.
    pub(crate) fn spread(&mut self, sum: i128, from_ms: i64, length_ms: i64, grid: &Grid) {
        let end = from_ms + length_ms;
        let until_ms = |ms: i64| sum.saturating_mul(i128::from(ms - from_ms)) / i128::from(length_ms.max(1));
        let mut at = from_ms.max(grid.from_ms);
        while at < end {
            let number = (at - grid.from_ms).div_euclid(grid.window_ms);
            let Some(block) = self.blocks.get_mut(number as usize) else { break };
            let until = end.min(grid.from_ms + (number + 1) * grid.window_ms);
            block.sum = block.sum.saturating_add(until_ms(until) - until_ms(at));
            block.covered_ms += until - at;
            at = until;
        }
    }
}

/// An energy as a sum: 10^−PLACES kWh to 10^−PLACES kW × ms, times the multiplier.
fn energy_sum(value: i64, span: &Span, grid: &Grid) -> i128 {
    (i128::from(value) * i128::from(MS_PER_HOUR)).saturating_mul(span.multiplier.units(grid.scale))
}

#[derive(Clone, Copy, Debug, Default)]
struct AccountBlock {
    kw: f64,
    sum: i128,
    covered_ms: i64,
    points: u32,
    covered_points: u32,
    period_sum: [i128; PERIODS],
    from_energy: bool,
}

/// Load of an account over a period.
#[derive(Clone, Debug)]
pub struct AccountLoad {
    blocks: Vec<AccountBlock>,
    loose: Vec<Loose>,
    met: Vec<(i64, u32)>,
}

/// Figures of a day or a period.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Demands.
    pub load: LoadTime<f64>,
    /// Imported energy, as [`Grid::kwh`] takes it.
    pub sum: i128,
    /// The same by tariff period; what no tariff covers is in none.
    pub period_sum: [i128; PERIODS],
    /// Whether there is any energy or power.
    pub measured: bool,
    /// What was met, as bits.
    pub flags: u32,
    /// Time with values, summed over the points.
    pub covered_ms: i64,
    /// Time that should have values, summed over the points.
    pub expected_ms: i64,
}

impl AccountLoad {
    /// No points yet.
    pub fn new(grid: &Grid) -> AccountLoad {
        AccountLoad { blocks: vec![AccountBlock::default(); grid.blocks], loose: Vec::new(), met: Vec::new() }
    }

    /// Adds a point with all its spans, once every meter of the point has been added to `point`.
    pub fn add(&mut self, point: &PointLoad, spans: &[Span], tariffs: Tariffs<'_>, grid: &Grid, zone: &Zone) {
        self.loose.extend_from_slice(&point.loose);
        self.met.extend_from_slice(&point.met);
        for span in spans {
            let mut tariff = tariffs.day(span.tariff);
            for number in grid.range(span.from_ms, span.to_ms) {
                let (block, of_point) = (&mut self.blocks[number], point.blocks[number]);
                block.points += 1;
                block.sum = block.sum.saturating_add(of_point.sum);
                block.from_energy |= of_point.from_energy;
                block.covered_ms += of_point.covered_ms.min(grid.window_ms);
                if of_point.covered_ms > 0 && of_point.covered_ms >= grid.coverage_ms {
                    block.covered_points += 1;
                    block.kw += grid.kw(of_point.sum, of_point.covered_ms);
                }
                let period = tariff.period(zone.local(grid.start_ms(number)));
                if period != NO_PERIOD {
                    let sum = &mut block.period_sum[usize::from(period)];
                    *sum = sum.saturating_add(of_point.sum);
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
                figures.sum = figures.sum.saturating_add(block.sum);
                figures.measured |= block.covered_ms > 0;
                figures.flags |= if block.from_energy { FROM_ENERGY } else { 0 };
                figures.covered_ms += block.covered_ms;
                figures.expected_ms += i64::from(block.points) * grid.window_ms;
                for (sum, more) in figures.period_sum.iter_mut().zip(block.period_sum) {
                    *sum = sum.saturating_add(more);
                }
            }
        }
        for step in &self.loose {
            let day = zone.day(step.from_ms);
            // Energy over several days belongs to the period, but to none of its days.
            let of_day = if day == zone.day(step.to_ms - 1) {
                of_days.get_mut((day - first_day) as usize)
            } else {
                None
            };
            for figures in [Some(&mut total), of_day].into_iter().flatten() {
                figures.sum = figures.sum.saturating_add(step.sum);
                figures.measured = true;
            }
        }
        for &(at_ms, flags) in &self.met {
            total.flags |= flags;
            if let Some(figures) = of_days.get_mut((zone.day(at_ms) - first_day) as usize) {
                figures.flags |= flags;
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

    const GRID: Grid = Grid { from_ms: 0, window_ms: 15 * MIN, blocks: 4, coverage_ms: 12 * MIN, scale: 0 };

    fn no_tariffs() -> Tariffs<'static> {
        Tariffs { tables: &[], special: Box::leak(Box::default()) }
    }

    const EMPTY: Series<'_> = Series { at_ms: &[], snapshot: &[], value: &[] };

    fn load(points: &[(f64, &[i64], &[i64])]) -> AccountLoad {
        let mut account = AccountLoad::new(&GRID);
        for (multiplier, at_min, value) in points {
            let at_ms: Vec<i64> = at_min.iter().map(|t| t * MIN).collect();
            let snapshot = vec![false; at_ms.len()];
            let mut point = PointLoad::new(&GRID);
            let span = span(*multiplier);
            let power = Series { at_ms: &at_ms, snapshot: &snapshot, value };
            let meter = MeterLoad { power, increments: EMPTY, registers: EMPTY };
            point.add(&meter, &[span], &GRID);
            account.add(&point, &[span], no_tariffs(), &GRID, &Zone::new(vec![]));
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

    fn energies(
        increments: (&[i64], &[i64]),
        registers: (&[i64], &[i64]),
        power: (&[i64], &[i64]),
    ) -> AccountLoad {
        let ms = |at_min: &[i64]| at_min.iter().map(|t| t * MIN).collect::<Vec<_>>();
        let at_ms = [ms(power.0), ms(increments.0), ms(registers.0)];
        let snapshot = [false; 16];
        let series =
            |n: usize, value| Series { at_ms: &at_ms[n], snapshot: &snapshot[..at_ms[n].len()], value };
        let meter = MeterLoad {
            power: series(0, power.1),
            increments: series(1, increments.1),
            registers: series(2, registers.1),
        };
        let mut point = PointLoad::new(&GRID);
        point.add(&meter, &[span(2.0)], &GRID);
        let mut account = AccountLoad::new(&GRID);
        account.add(&point, &[span(2.0)], no_tariffs(), &GRID, &Zone::new(vec![]));
        account
    }

    fn demands(account: &AccountLoad) -> Vec<Option<f64>> {
        (0..4).map(|n| account.demand_kw(n)).collect()
    }

    #[test]
    fn an_increment_is_the_mean_power_of_its_interval() {
        // 0.25 kWh in a quarter of an hour, times 2, are 2 kW.
        let account = energies((&[15, 45], &[2_500, 5_000]), (&[], &[]), (&[], &[]));
        assert_eq!(demands(&account), [Some(2.0), None, Some(4.0), None]);
        let (total, _) = account.figures(&GRID, &Zone::new(vec![]), 0, 1);
        assert_eq!((GRID.kwh(total.sum), total.flags), (1.5, FROM_ENERGY));
    }

    #[test]
    fn registers_are_read_by_differences_and_a_fall_is_no_power() {
        let account = energies((&[], &[]), (&[0, 15, 45, 60], &[10_000, 12_500, 17_500, 3]), (&[], &[]));
        assert_eq!(demands(&account), [Some(2.0), Some(2.0), Some(2.0), None]);
        let (total, _) = account.figures(&GRID, &Zone::new(vec![]), 0, 1);
        assert_eq!((GRID.kwh(total.sum), total.flags), (1.5, FROM_ENERGY | REGISTER_DECREASE));
    }

    #[test]
    fn registers_too_far_apart_give_energy_and_no_power() {
        let account = energies((&[], &[]), (&[0, 60], &[0, 10_000]), (&[], &[]));
        assert_eq!(demands(&account), [None; 4]);
        let (total, days) = account.figures(&GRID, &Zone::new(vec![]), 0, 1);
        assert_eq!((GRID.kwh(total.sum), total.flags), (2.0, FROM_ENERGY | UNATTRIBUTED));
        assert_eq!((GRID.kwh(days[0].sum), total.covered_ms), (2.0, 0));
    }

    #[test]
    fn power_goes_before_increments_and_increments_before_registers() {
        let account = energies(
            (&[15, 30], &[2_500, 2_500]),
            (&[0, 15, 30, 45, 60], &[0, 90_000, 180_000, 182_500, 270_000]),
            (&[15], &[70_000]),
        );
        assert_eq!(demands(&account), [Some(14.0), Some(2.0), Some(2.0), Some(70.0)]);
    }
}
