//! Flat programs: what the data of an identifier become when every field is a BCD number of one width.
//!
//! Blocks of voltages, currents, powers, energies are nearly all that a line carries. Their rows are compiled once into
//! columns of labels, so that a reader of many frames copies labels and turns digits into numbers, nothing else. What
//! does not fit (times, texts, counts, alternatives) has no program and goes through [`crate::walk`], which also is the
//! definition of what a program must give.

use keyacct_model::decimal::POW10;
use keyacct_model::{Kind, Unit};

use crate::catalogue::{Body, Catalogue, Row};
use crate::format::Format;
use crate::layout::Item;
use crate::walk::Labels;

/// Values are copied in runs of this many; every column of a program is padded to it.
pub const RUN: usize = 8;
/// More fields than any block has.
const MOST: usize = 128;
const CACHE: usize = 256;

/// Labels of up to [`RUN`] values that follow one another, column by column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LabelRun {
    /// Numbers of [`Kind`].
    pub kinds: [i8; RUN],
    /// Numbers of the phase.
    pub phases: [i8; RUN],
    /// Tariffs.
    pub tariffs: [u8; RUN],
    /// Which of the last n.
    pub indices: [u8; RUN],
    /// Numbers of [`Unit`].
    pub units: [i8; RUN],
    /// Numbers of the quantity.
    pub quantities: [i16; RUN],
}

/// What the values of one identifier are: one form of number, and their labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// How many values there can be.
    pub values: usize,
    /// How a value is written.
    pub form: BcdForm,
    /// Whether the values are of kind `event`; all or none are.
    pub events: bool,
    /// The labels; those behind the last value are zeros.
    pub labels: Vec<LabelRun>,
}

/// How a BCD number of two to four bytes is written.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BcdForm {
    /// Bytes of one value, 2..=4.
    pub width: usize,
    /// Places after the point.
    pub scale: u8,
    /// Whether the top bit is a minus sign.
    pub signed: bool,
    /// Power of ten of the places.
    pub divisor: f64,
    digits: u32,
    sign: u32,
}

impl BcdForm {
    /// A form; `width` 2..=4.
    pub fn new(width: u8, scale: u8, signed: bool) -> BcdForm {
        let width = usize::from(width.clamp(2, 4));
        let sign = if signed { 1u32 << (8 * width - 1) } else { 0 };
        let digits = (u32::MAX >> (32 - 8 * width)) & !sign;
        let divisor = POW10.get(usize::from(scale)).copied().unwrap_or(1.0);
        BcdForm { width, scale, signed, divisor, digits, sign }
    }
}

impl Program {
    /// The program of a key; none when a field is not of the one form.
    pub fn compile(catalogue: &Catalogue, row: &Row, key: u64) -> Option<Program> {
        let mut program = Program::default();
        match &row.body {
            Body::Layout(layout) => {
                let [items] = &layout.0[..] else { return None };
                program.add(row, key, items)?;
            }
            Body::Block(segments) => {
                for segment in segments {
                    let member = catalogue.rows().get(segment.row)?;
                    let Body::Layout(layout) = &member.body else { return None };
                    for value in segment.low..=segment.high {
                        let key = segment.base | key & segment.bound | u64::from(value) << segment.shift;
                        program.add(member, key, layout.usual())?;
                    }
                }
            }
        }
        Some(program)
    }

    fn add(&mut self, row: &Row, key: u64, items: &[Item]) -> Option<()> {
        let labels = Labels::of(row, row.pattern.bind(key));
        for item in items {
            let Item::Field(field) = item else { return None };
            let Format::Bcd { bytes: bytes @ 2..=4, scale, signed } = field.format else { return None };
            let kind = field.kind.unwrap_or(labels.kind);
            let form = BcdForm::new(bytes, scale, signed);
            if self.values == 0 {
                (self.form, self.events) = (form, kind == Kind::Event);
            }
            let same = (self.form, self.events) == (form, kind == Kind::Event);
            if !same
                || field.counted
                || field.indexed
                || field.stamps
                || field.occurrence.is_some()
                || self.values == MOST
            {
                return None;
            }
            let unit: Unit = field.quantity.unit();
            let at = self.values % RUN;
            if at == 0 {
                self.labels.push(LabelRun::default());
            }
            let Some(run) = self.labels.last_mut() else { return None };
            run.kinds[at] = kind as i8;
            run.quantities[at] = field.quantity as i16;
            run.phases[at] = field.phase.unwrap_or(labels.phase) as i8;
            run.tariffs[at] = labels.tariff;
            run.indices[at] = labels.index;
            run.units[at] = unit as i8;
            self.values += 1;
        }
        Some(())
    }
}

/// Programs by key, compiled when a key is met first.
#[derive(Debug)]
pub struct Programs<'c> {
    catalogue: &'c Catalogue,
    cache: Vec<(u64, Option<Program>)>,
}

impl<'c> Programs<'c> {
    /// Programs of a catalogue.
    pub fn new(catalogue: &'c Catalogue) -> Self {
        Programs { catalogue, cache: vec![(u64::MAX, None); CACHE] }
    }

    /// The program of a key; none for a key whose data are not of the one form, or that nothing knows.
    #[inline]
    pub fn find(&mut self, key: u64) -> Option<&Program> {
        let slot = (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as usize % CACHE;
        if self.cache[slot].0 != key {
            self.compile(slot, key);
        }
        self.cache[slot].1.as_ref()
    }

    #[cold]
    fn compile(&mut self, slot: usize, key: u64) {
        let row = self.catalogue.find(key);
        self.cache[slot] = (key, row.and_then(|(_, row)| Program::compile(self.catalogue, row, key)));
    }
}

/// Values that [`masked_bcd`] reads at once.
pub const LANES: usize = 4;
/// Bytes that it looks at; those behind its values do not matter.
pub const WINDOW: usize = 28;

/// The whole numbers of four values that lie one behind the other, as sent with the offset 33H, and for each a word that
/// is not 0 if one of its digits is above 9 (the number means nothing then). All four lanes do the same, without a
/// branch, so that the compiler makes vector instructions of them.
#[inline]
pub fn masked_bcd(sent: &[u8; WINDOW], form: &BcdForm) -> ([f64; LANES], [u32; LANES]) {
    const NIBBLES: u32 = 0x0F0F_0F0F;
    const PAIRS: u32 = 0x00FF_00FF;
    let width = form.width & 7; // at most 3 * 7 + 4 bytes: no index can be out of bounds
    let (mut numbers, mut wrong) = ([0.0; LANES], [0; LANES]);
    let mut words = [0; LANES];
    for (lane, word) in words.iter_mut().enumerate() {
        let at = lane * width;
        *word = without_offset(u32::from_le_bytes([sent[at], sent[at + 1], sent[at + 2], sent[at + 3]]));
    }
    for lane in 0..LANES {
        let minus = if words[lane] & form.sign == 0 { 0 } else { u32::MAX };
        let digits = words[lane] & form.digits;
        let (low, high) = (digits & NIBBLES, (digits >> 4) & NIBBLES);
        wrong[lane] = ((low + 0x0606_0606) | (high + 0x0606_0606)) & 0x1010_1010;
        let pairs = (high << 3) + (high << 1) + low;
        let tens = (pairs >> 8) & PAIRS;
        let fours = (tens << 6) + (tens << 5) + (tens << 2) + (pairs & PAIRS);
        let lower = ((fours & 0xFFFF) ^ minus).wrapping_sub(minus) as i32;
        let upper = ((fours >> 16) ^ minus).wrapping_sub(minus) as i32;
        numbers[lane] = f64::from(lower) + f64::from(upper) * 10_000.0; // exact: eight digits
    }
    (numbers, wrong)
}

/// 33H taken from each byte of a word.
#[inline]
pub fn without_offset(sent: u32) -> u32 {
    const OFFSET: u32 = 0x3333_3333;
    const TOP: u32 = 0x8080_8080;
    ((sent | TOP) - OFFSET) ^ ((sent ^ !OFFSET) & TOP)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::read_bcd;
    use keyacct_model::Value;
    use proptest::prelude::*;

    fn slow(sent: &[u8], signed: bool) -> Option<f64> {
        let plain: Vec<u8> = sent.iter().map(|b| b.wrapping_sub(0x33)).collect();
        match read_bcd(&plain, 0, signed).0 {
            Value::Number(number) => Some(number.digits as f64),
            _ => None,
        }
    }

    proptest! {
        #[test]
        fn digits_are_read_as_one_by_one(
            any in any::<[u8; WINDOW]>(), spoil in any::<u32>(), signed in any::<bool>(), width in 2u8..=4,
        ) {
            // Legal digits, but for the bytes that `spoil` names and the top ones.
            let sent: [u8; WINDOW] = std::array::from_fn(|n| {
                let byte = if spoil >> n & 1 == 1 { any[n] } else { ((any[n] >> 4) % 10) << 4 | (any[n] & 15) % 10 };
                byte.wrapping_add(0x33)
            });
            let (numbers, wrong) = masked_bcd(&sent, &BcdForm::new(width, 0, signed));
            let width = usize::from(width);
            for (lane, bytes) in sent.chunks(width).take(LANES).enumerate() {
                match slow(bytes, signed) {
                    Some(number) => prop_assert_eq!((numbers[lane].to_bits(), wrong[lane]), (number.to_bits(), 0)),
                    None => prop_assert_ne!(wrong[lane], 0),
                }
            }
        }
    }
}
