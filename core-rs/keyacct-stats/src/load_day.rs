//! Load of one meter in one civil day, as it is kept: blocks by source, and what stands at the day's ends.
//!
//! The multiplier is in the sums: an energy that is spread over blocks is divided by shares of the whole sum, so dividing
//! first and multiplying later would not give the same last digit.

use crate::field_load::{Grid, Loose, MeterLoad, PointLoad, Span};
use crate::state_bytes::Bytes;
use crate::voltage_day::{ends, seam};
use crate::weight::{NONE, Series};

/// Sums of blocks, by rising number: number in the day, sum in units of 10^−9 of a meter's, and covered ms.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Blocks(pub Vec<(i64, i128, i64)>);

/// As bytes: the greatest common divisor of the sums (values times the time and the multiplier, which a day has in common),
/// the usual covered time, and per block the step from the one before, the covered time where it is another, and the rest.
impl Bytes for Blocks {
    fn write(&self, to: &mut Vec<u8>) {
        let divisor = self.0.iter().fold(0, |all, block| common(all, block.1.unsigned_abs())).max(1);
        let usual = self.0.first().map_or(0, |block| block.2);
        (self.0.len() as i64, divisor as i128, usual).write(to);
        let mut before = -1;
        for &(number, sum, covered_ms) in &self.0 {
            let step = (number - before - 1) << 1;
            before = number;
            (step | i64::from(covered_ms != usual)).write(to);
            if covered_ms != usual {
                covered_ms.write(to);
            }
            (sum / divisor as i128).write(to);
        }
    }
    fn read(from: &mut &[u8]) -> Option<Blocks> {
        let (length, divisor, usual) = <(i64, i128, i64)>::read(from)?;
        // Every block has at least two bytes, so a false length ends here and not in the allocator.
        let length = usize::try_from(length).ok().filter(|&length| length <= from.len())?;
        let mut blocks = Vec::with_capacity(length);
        let mut before = -1_i64;
        for _ in 0..length {
            let token = i64::read(from)?;
            let number = before.checked_add(token >> 1)?.checked_add(1).filter(|&n| n > before)?;
            before = number;
            let covered_ms = if token & 1 == 1 { i64::read(from)? } else { usual };
            blocks.push((number, i128::read(from)?.checked_mul(divisor)?, covered_ms));
        }
        Some(Blocks(blocks))
    }
}

fn common(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

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
    Blocks(there.map(|(n, block)| (n as i64, block.sum, block.covered_ms)).collect())
}

fn unpack(blocks: &Blocks, from: usize, into: &mut PointLoad) {
    for &(number, sum, covered_ms) in &blocks.0 {
        let at = usize::try_from(number).ok().and_then(|number| into.blocks.get_mut(from + number));
        if let Some(block) = at {
            block.sum = block.sum.saturating_add(sum);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(blocks: &Blocks) -> Vec<u8> {
        let mut to = Vec::new();
        blocks.write(&mut to);
        to
    }

    #[test]
    fn blocks_come_back_as_they_were() {
        let of = |blocks: &[(i64, i128, i64)]| Blocks(blocks.to_vec());
        let far = i128::from(i64::MAX) * 1_000_000_000;
        for blocks in [
            of(&[]),
            of(&[(0, 0, 900_000)]),
            of(&[(0, 12, 5), (1, -18, 5), (95, 0, 900_000), (287, 6, 1)]),
            of(&[(3, far, 1), (4, -far, 2), (1_439, 1, i64::MAX)]),
            of(&[(0, i128::MAX, 0), (1, i128::MIN + 1, 0)]),
        ] {
            let written = bytes(&blocks);
            let mut rest = written.as_slice();
            assert_eq!(Blocks::read(&mut rest), Some(blocks));
            assert!(rest.is_empty());
            for cut in 0..written.len() {
                let whole = Blocks::read(&mut &written[..cut]);
                assert!(whole.is_none_or(|of| of.0.is_empty()), "cut at {cut}");
            }
        }
    }

    #[test]
    fn a_day_of_quarter_hours_takes_four_bytes_a_block() {
        let sum = |n: i64| i128::from(600_000 - n * 4_321) * 900_000 * 23 * 1_000_000_000;
        let day = Blocks((0..96).map(|n| (n, sum(n), 900_000)).collect());
        assert!(bytes(&day).len() <= 96 * 4 + 24, "{}", bytes(&day).len());
    }

    #[test]
    fn bytes_that_are_no_blocks_are_refused() {
        for tokens in [&[1_i64 << 40, 1, 0][..], &[1, 1, 0, -3, 1], &[2, 1, 0, 0, 1, -2, 1], &[-1, 1, 0]] {
            let mut written = Vec::new();
            tokens.iter().for_each(|token| token.write(&mut written));
            assert_eq!(Blocks::read(&mut written.as_slice()), None, "{tokens:?}");
        }
        let mut written = Vec::new();
        (1_i64, i128::MAX, 0_i64).write(&mut written);
        (0_i64, 2_i128).write(&mut written);
        assert_eq!(Blocks::read(&mut written.as_slice()), None);
    }
}
