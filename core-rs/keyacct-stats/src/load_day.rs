//! Load of one meter in one civil day, as it is kept: blocks by source, and what stands at the day's ends.
//!
//! The multiplier is in the sums: an energy that is spread over blocks is divided by shares of the whole sum, so dividing
//! first and multiplying later would not give the same last digit.

use crate::field_load::{Grid, Loose, MeterLoad, PointLoad, Span};
use crate::voltage_day::{ends, seam};
use crate::weight::{NONE, Series};

/// Sums of blocks: number in the day, sum in units of 10^−9 of a meter's, what is left of it, and covered ms.
pub type Blocks = Vec<(i64, (i128, i128), i64)>;

const UNIT: i128 = 1_000_000_000;

/// What one meter gave in one civil day, for one point.
#[derive(Clone, Debug, Default)]
pub struct LoadDay {
    /// Blocks from power, without the first value.
    pub power: Blocks,
    /// The first power: stamp and value.
    pub power_head: Option<(i64, i64)>,
    /// Stamp of the last power.
    pub power_tail: Option<i64>,
    /// Blocks from increments that lie wholly in the day.
    pub increments: Blocks,
    /// Increments that may reach back into the day before: stamp and value.
    pub increment_heads: Vec<(i64, i64)>,
    /// Blocks from steps of the register.
    pub registers: Blocks,
    pub(crate) loose: Vec<Loose>,
    /// What was met between registers, as bits.
    pub met: Vec<(i64, i64)>,
    /// The first reading of the register.
    pub register_head: Option<(i64, i64)>,
    /// The last reading of the register.
    pub register_tail: Option<(i64, i64)>,
}

fn packed(load: &PointLoad) -> Blocks {
    let there = load.blocks.iter().enumerate().filter(|(_, block)| block.covered_ms > 0);
    there.map(|(n, block)| (n as i64, (block.sum / UNIT, block.sum % UNIT), block.covered_ms)).collect()
}

fn unpack(blocks: &Blocks, from: usize, into: &mut PointLoad) {
    for &(number, (whole, rest), covered_ms) in blocks {
        let at = usize::try_from(number).ok().and_then(|number| into.blocks.get_mut(from + number));
        if let Some(block) = at {
            block.sum = block.sum.saturating_add(whole.saturating_mul(UNIT).saturating_add(rest));
            block.covered_ms += covered_ms;
        }
    }
}

/// The part of a series of which the stamps fulfil something.
fn only<'a>(series: Series<'a>, keep: impl Fn(i64) -> bool) -> (Vec<i64>, Vec<bool>, Vec<i64>) {
    let rows = || (0..series.at_ms.len()).filter(|&row| keep(series.at_ms[row]) && series.value[row] != NONE);
    (
        rows().map(|row| series.at_ms[row]).collect(),
        rows().map(|row| series.snapshot[row]).collect(),
        rows().map(|row| series.value[row]).collect(),
    )
}

impl LoadDay {
    /// From the samples of the day. `spans` are those of the meter at its point, cut to the day, and `mounted` is the time
    /// of the day in which its registers count there, ends included; `grid` are the blocks of the day. No interval that
    /// might count for an increment of the day is longer than `longest_ms`.
    pub fn new(
        meter: &MeterLoad<'_>,
        spans: &[Span],
        mounted: Option<(i64, i64)>,
        grid: &Grid,
        longest_ms: i64,
    ) -> LoadDay {
        let mut day = LoadDay::default();
        if let Some((first, last)) = ends(meter.power) {
            day.power_head = Some((meter.power.at_ms[first], meter.power.value[first]));
            day.power_tail = Some(meter.power.at_ms[last]);
        }
        let head = day.power_head.map(|(at_ms, _)| at_ms);
        let mut power = PointLoad::new(grid);
        for span in spans {
            power.add_power(span, meter.power, grid, |at_ms| Some(at_ms) != head);
        }
        day.power = packed(&power);
        let inside = |at_ms: i64| at_ms - longest_ms >= grid.from_ms;
        let (at_ms, snapshot, value) = only(meter.increments, inside);
        let mut increments = PointLoad::new(grid);
        let series = Series { at_ms: &at_ms, snapshot: &snapshot, value: &value };
        increments.add_increments(spans, series, grid);
        day.increments = packed(&increments);
        let (at_ms, _, value) = only(meter.increments, |at_ms| !inside(at_ms));
        day.increment_heads = at_ms.into_iter().zip(value).collect();
        if let Some((from, to)) = mounted {
            let (at_ms, snapshot, value) = only(meter.registers, |at_ms| (from..=to).contains(&at_ms));
            let series = Series { at_ms: &at_ms, snapshot: &snapshot, value: &value };
            let mut registers = PointLoad::new(grid);
            registers.add_registers(spans, series, grid);
            day.registers = packed(&registers);
            day.loose = registers.loose;
            day.met = registers.met.into_iter().map(|(at_ms, flags)| (at_ms, i64::from(flags))).collect();
            day.register_head = at_ms.first().copied().zip(value.first().copied());
            day.register_tail = at_ms.last().copied().zip(value.last().copied());
        }
        day
    }
}

/// A kept day where days are joined, with the number of its first block; nothing for a day outside the blocks.
#[derive(Clone, Copy, Debug)]
pub struct KeptLoad<'a> {
    /// What was kept.
    pub of: &'a LoadDay,
    /// Its first block in the period.
    pub first_block: Option<usize>,
}

impl PointLoad {
    /// Adds a meter with all its spans at the point from kept days, in order: one day before the period and one behind it
    /// stand at the ends, as the first values of a day may reach back and a register is read from its last value on.
    pub fn add_days(&mut self, kept: &[KeptLoad<'_>], spans: &[Span], grid: &Grid) {
        let [mut power, mut increments, mut registers] = std::array::from_fn(|_| PointLoad::new(grid));
        let (mut power_tail, mut register_tail) = (None, None);
        for day in kept {
            if let Some(first) = day.first_block {
                unpack(&day.of.power, first, &mut power);
                unpack(&day.of.increments, first, &mut increments);
                unpack(&day.of.registers, first, &mut registers);
                registers.loose.extend_from_slice(&day.of.loose);
                registers.met.extend(day.of.met.iter().map(|&(at_ms, flags)| (at_ms, flags as u32)));
            }
            if let Some((at_ms, value)) = day.of.power_head {
                let stamps = seam(power_tail, at_ms);
                let (values, snapshot) = (vec![value; stamps.len()], vec![false; stamps.len()]);
                let series = Series { at_ms: &stamps, snapshot: &snapshot, value: &values };
                for span in spans {
                    power.add_power(span, series, grid, |stamp| stamp == at_ms);
                }
            }
            power_tail = day.of.power_tail.or(power_tail);
            let (at_ms, value): (Vec<i64>, Vec<i64>) = day.of.increment_heads.iter().copied().unzip();
            let snapshot = vec![false; at_ms.len()];
            increments.add_increments(
                spans,
                Series { at_ms: &at_ms, snapshot: &snapshot, value: &value },
                grid,
            );
            if let (Some((then_ms, then)), Some((at_ms, value))) = (register_tail, day.of.register_head) {
                let series =
                    Series { at_ms: &[then_ms, at_ms], snapshot: &[false; 2], value: &[then, value] };
                registers.add_registers(spans, series, grid);
            }
            register_tail = day.of.register_tail.or(register_tail);
        }
        self.add_sources(power, &increments, &registers, grid);
    }
}
