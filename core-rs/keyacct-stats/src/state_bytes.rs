//! States as bytes: whole numbers as zigzag varints, floating numbers as they are, times from the start of their day.

use std::sync::Arc;

use crate::block_span::{Block, BlockSpan};
use crate::civil::DAY_MS;
use crate::day_state::{DayState, OpenDay, Tally};
use crate::energy_day::EnergyDay;
use crate::exact::{ExactEnergy, Measured};
use crate::field_load::Loose;
use crate::load_day::LoadDay;
use crate::month::{Meter, MonthTally, Parameters, Reading};
use crate::register::FirstLast;
use crate::tariff::HalfHours;
use crate::voltage::{Band, PhaseTime};
use crate::voltage_day::VoltageDay;

/// Something that can be written as bytes and read back.
pub trait Bytes: Sized {
    /// Appends the bytes.
    fn write(&self, to: &mut Vec<u8>);
    /// Takes them from the front; nothing when they are not of this form.
    fn read(from: &mut &[u8]) -> Option<Self>;
}

/// Appends the first bytes of a few: a copy of known length is one instruction, one of any length a call.
#[inline(always)]
fn append<const N: usize>(to: &mut Vec<u8>, bytes: &[u8; N], length: usize) {
    let end = to.len() + length;
    to.extend_from_slice(bytes);
    to.truncate(end);
}

fn front<'a>(from: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (front, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(front)
}

impl Bytes for i128 {
    fn write(&self, to: &mut Vec<u8>) {
        let mut left = ((self << 1) ^ (self >> 127)) as u128;
        while left >= 0x80 {
            to.push(left as u8 | 0x80);
            left >>= 7;
        }
        to.push(left as u8);
    }
    fn read(from: &mut &[u8]) -> Option<i128> {
        let (mut value, mut shift) = (0_u128, 0);
        loop {
            let (&byte, rest) = from.split_first()?;
            *from = rest;
            value |= u128::from(byte & 0x7F).checked_shl(shift)?;
            if byte < 0x80 {
                return Some((value >> 1) as i128 ^ -((value & 1) as i128));
            }
            shift += 7;
        }
    }
}

impl Bytes for i64 {
    #[inline]
    fn write(&self, to: &mut Vec<u8>) {
        let mut left = ((self << 1) ^ (self >> 63)) as u64;
        let (mut bytes, mut length) = ([0; 10], 0);
        while left >= 0x80 {
            bytes[length] = left as u8 | 0x80;
            length += 1;
            left >>= 7;
        }
        bytes[length] = left as u8;
        append(to, &bytes, length + 1);
    }
    #[inline]
    fn read(from: &mut &[u8]) -> Option<i64> {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let (&byte, rest) = from.split_first()?;
            *from = rest;
            value |= u64::from(byte & 0x7F).checked_shl(shift)?;
            if byte < 0x80 {
                return Some((value >> 1) as i64 ^ -((value & 1) as i64));
            }
            shift += 7;
        }
    }
}

impl Bytes for f64 {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend(self.to_le_bytes());
    }
    fn read(from: &mut &[u8]) -> Option<f64> {
        Some(f64::from_le_bytes(front(from, 8)?.try_into().ok()?))
    }
}

fn write_text(text: &str, to: &mut Vec<u8>) {
    (text.len() as i64).write(to);
    to.extend(text.as_bytes());
}

fn read_text<'a>(from: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(i64::read(from)?).ok()?;
    std::str::from_utf8(front(from, length)?).ok()
}

impl Bytes for String {
    fn write(&self, to: &mut Vec<u8>) {
        write_text(self, to);
    }
    fn read(from: &mut &[u8]) -> Option<String> {
        read_text(from).map(String::from)
    }
}

impl Bytes for Arc<str> {
    fn write(&self, to: &mut Vec<u8>) {
        write_text(self, to);
    }
    fn read(from: &mut &[u8]) -> Option<Arc<str>> {
        read_text(from).map(Arc::from)
    }
}

impl<T: Bytes> Bytes for Vec<T> {
    fn write(&self, to: &mut Vec<u8>) {
        (self.len() as i64).write(to);
        self.iter().for_each(|item| item.write(to));
    }
    fn read(from: &mut &[u8]) -> Option<Vec<T>> {
        let length = usize::try_from(i64::read(from)?).ok()?;
        // Every item has at least one byte, so a false length ends here and not in the allocator.
        if length > from.len() {
            return None;
        }
        (0..length).map(|_| T::read(from)).collect()
    }
}

impl<T: Bytes> Bytes for Option<T> {
    fn write(&self, to: &mut Vec<u8>) {
        to.push(u8::from(self.is_some()));
        self.iter().for_each(|item| item.write(to));
    }
    fn read(from: &mut &[u8]) -> Option<Option<T>> {
        match front(from, 1)? {
            [0] => Some(None),
            [1] => T::read(from).map(Some),
            _ => None,
        }
    }
}

impl<A: Bytes, B: Bytes> Bytes for (A, B) {
    fn write(&self, to: &mut Vec<u8>) {
        self.0.write(to);
        self.1.write(to);
    }
    fn read(from: &mut &[u8]) -> Option<(A, B)> {
        Some((A::read(from)?, B::read(from)?))
    }
}

impl<A: Bytes, B: Bytes, C: Bytes> Bytes for (A, B, C) {
    fn write(&self, to: &mut Vec<u8>) {
        self.0.write(to);
        self.1.write(to);
        self.2.write(to);
    }
    fn read(from: &mut &[u8]) -> Option<(A, B, C)> {
        Some((A::read(from)?, B::read(from)?, C::read(from)?))
    }
}

impl<T: Bytes + Default, const N: usize> Bytes for [T; N] {
    fn write(&self, to: &mut Vec<u8>) {
        self.iter().for_each(|item| item.write(to));
    }
    fn read(from: &mut &[u8]) -> Option<[T; N]> {
        let mut items: [T; N] = std::array::from_fn(|_| T::default());
        for item in &mut items {
            *item = T::read(from)?;
        }
        Some(items)
    }
}

/// An exact sum ([`crate::exact`]): sums of single-precision values end in dozens of zero bits, because a value has few
/// digits of its own. As bytes: one with sign, zeros in steps of four bits, and length; then the rest of its size.
struct Sum(i128);

impl Bytes for Sum {
    #[inline]
    fn write(&self, to: &mut Vec<u8>) {
        let size = self.0.unsigned_abs();
        let zeros = (size.trailing_zeros() / 4).min(7);
        let size = if size == 0 { 0 } else { size >> (4 * zeros) };
        let zeros = if size == 0 { 0 } else { zeros };
        // Of fifteen bytes and more all sixteen are written.
        let length = match (128 - size.leading_zeros()).div_ceil(8) {
            short @ 0..15 => short,
            _ => 15,
        };
        let mut bytes = [0; 17];
        bytes[0] = (u8::from(self.0 < 0) << 7) | ((zeros as u8) << 4) | length as u8;
        bytes[1..].copy_from_slice(&size.to_le_bytes());
        append(to, &bytes, if length == 15 { 17 } else { 1 + length as usize });
    }
    #[inline]
    fn read(from: &mut &[u8]) -> Option<Sum> {
        let (&head, rest) = from.split_first()?;
        let length = if head & 15 == 15 { 16 } else { usize::from(head & 15) };
        let (digits, behind) = rest.split_at_checked(length)?;
        *from = behind;
        let size = match rest.first_chunk() {
            Some(sixteen) => {
                // What lies behind its own bytes is shifted out.
                let beyond = 8 * (16 - length as u32);
                let all = u128::from_le_bytes(*sixteen).checked_shl(beyond).unwrap_or(0);
                all.checked_shr(beyond).unwrap_or(0)
            }
            None => {
                let mut size = [0; 16];
                size[..length].copy_from_slice(digits);
                u128::from_le_bytes(size)
            }
        };
        let size = (size << (4 * (head >> 4 & 7))) as i128;
        Some(Sum(if head >> 7 == 1 { size.wrapping_neg() } else { size }))
    }
}

/// Writes and reads a struct field by field, in one order.
macro_rules! fields {
    ($name:ident { $($field:ident),* $(,)? } $(, sums { $($sum:ident),* })?) => {
        impl Bytes for $name {
            fn write(&self, to: &mut Vec<u8>) {
                $(self.$field.write(to);)*
                $($(Sum(self.$sum).write(to);)*)?
            }
            fn read(from: &mut &[u8]) -> Option<Self> {
                $(let $field = Bytes::read(from)?;)*
                $($(let $sum = Sum::read(from)?.0;)*)?
                Some($name { $($field,)* $($($sum),*)? })
            }
        }
    };
}

type Phase = PhaseTime<Measured>;
type WholePhase = PhaseTime<i64>;
type Limits = Band<Measured>;

impl Bytes for Measured {
    fn write(&self, to: &mut Vec<u8>) {
        self.0.write(to);
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        f64::read(from).map(Measured)
    }
}

impl Bytes for HalfHours {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend(self.bits().to_le_bytes());
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        HalfHours::from_bits(u128::from_le_bytes(front(from, 16)?.try_into().ok()?))
    }
}

fields!(Block { number, ms }, sums { sum });
fields!(BlockSpan { weight_ms, head, tail, highest, lowest }, sums { sum });
fields!(ExactEnergy {}, sums { active, reactive });
fields!(FirstLast { first, last });
fields!(Limits { floor, lower, upper, ceiling });
fields!(Parameters { pt, band, pf_standard, tariff });
fields!(Reading { ts, u, p, q, ep, eq });
fields!(
    Phase { monitored_ms, over_ms, under_ms, below_floor_ms, overvoltage_ms, max, max_at_ms, min, min_at_ms },
    sums { sum }
);
fields!(WholePhase {
    monitored_ms,
    over_ms,
    under_ms,
    below_floor_ms,
    overvoltage_ms,
    sum,
    max,
    max_at_ms,
    min,
    min_at_ms,
});
fields!(VoltageDay { heads, tails, spans });
fields!(Loose { from_ms, to_ms, sum });
fields!(LoadDay {
    power,
    power_head,
    power_tail,
    increments,
    increment_heads,
    registers,
    loose,
    met,
    register_head,
    register_tail,
});
fields!(EnergyDay { registers, heads, tails, increments, increment_heads, power, power_head, power_tail });
fields!(DayState { open, hour });
fields!(Tally { n, phase, period, load, ep, eq });
fields!(MonthTally { all, hour });
fields!(Meter { part, month_first, month });

impl Bytes for OpenDay {
    fn write(&self, to: &mut Vec<u8>) {
        let start = self.day * DAY_MS;
        self.day.write(to);
        (self.first_ts - start).write(to);
        Reading { ts: self.last.ts - start, ..self.last }.write(to);
        let mut tally = self.tally;
        move_times(&mut tally, -start, -self.day * BLOCKS);
        tally.write(to);
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        let day = i64::read(from)?;
        let start = day.checked_mul(DAY_MS)?;
        let first_ts = i64::read(from)?.checked_add(start)?;
        let mut last = Reading::read(from)?;
        last.ts = last.ts.checked_add(start)?;
        let mut tally = Tally::read(from)?;
        move_times(&mut tally, start, day * BLOCKS);
        let open = OpenDay { day, first_ts, last, tally };
        (open.holds(first_ts) && open.holds(last.ts) && first_ts <= last.ts).then_some(open)
    }
}

/// Blocks of a day.
const BLOCKS: i64 = DAY_MS / crate::load::BLOCK_MS;

/// Moves the instants and block numbers of what has been met.
fn move_times(tally: &mut Tally, by_ms: i64, by_blocks: i64) {
    for phase in &mut tally.phase {
        if phase.monitored_ms > 0 {
            phase.max_at_ms = phase.max_at_ms.wrapping_add(by_ms);
            phase.min_at_ms = phase.min_at_ms.wrapping_add(by_ms);
        }
    }
    let load = &mut tally.load;
    for block in [&mut load.head, &mut load.tail, &mut load.highest, &mut load.lowest] {
        if block.ms > 0 {
            block.number = block.number.wrapping_add(by_blocks);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exact::amount;

    fn bytes(sum: i128) -> Vec<u8> {
        let mut bytes = Vec::new();
        Sum(sum).write(&mut bytes);
        bytes
    }

    #[test]
    fn a_sum_comes_back_whatever_its_size_and_sign_and_is_refused_when_cut() {
        let mut sums = vec![0, 1, i128::MAX, i128::MIN];
        for shift in 0..126 {
            sums.extend([1 << shift, 0b1011 << (shift - shift.min(3)), (1 << shift) - 1, i128::MAX >> shift]);
        }
        for sum in sums.iter().flat_map(|&sum| [sum, sum.wrapping_neg()]) {
            let bytes = bytes(sum);
            let from = &mut &bytes[..];
            assert_eq!(Sum::read(from).map(|found| found.0), Some(sum));
            assert!(from.is_empty());
            assert!((0..bytes.len()).all(|end| Sum::read(&mut &bytes[..end]).is_none()), "{sum}");
        }
    }

    #[test]
    fn a_sum_of_single_precision_values_takes_few_bytes() {
        let sum = (0..96).map(|n| amount(f64::from(n as f32 * 0.37 + 51.3), 900_000)).sum();
        assert!(bytes(sum).len() <= 8, "{} bytes", bytes(sum).len());
        assert_eq!(bytes(0).len(), 1);
    }
}
