//! Flat programs: what the data of an identifier become when every field is a BCD number of one width.
//!
//! Blocks of voltages, currents, powers, energies are nearly all that a line carries. Their rows are compiled once into
//! columns of labels, so that a reader of many frames copies labels and turns digits into numbers, nothing else. What
//! does not fit (times, texts, counts, alternatives) has no program and goes through [`crate::walk`], which also is the
//! definition of what a program must give.

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

/// Labels of the values of one identifier, column by column, each padded with zeros to a multiple of [`RUN`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// How many values there can be.
    pub values: usize,
    /// Bytes of one value, 2..=4.
    pub width: usize,
    /// Places after the point.
    pub scale: u8,
    /// Whether the top bit is a minus sign.
    pub signed: bool,
    /// Whether the values are of kind `event`; all or none are.
    pub events: bool,
    /// Numbers of [`Kind`].
    pub kinds: Vec<i8>,
    /// Numbers of the quantity.
    pub quantities: Vec<i16>,
    /// Numbers of the phase.
    pub phases: Vec<i8>,
    /// Tariffs.
    pub tariffs: Vec<u8>,
    /// Which of the last n.
    pub indices: Vec<u8>,
    /// Numbers of [`Unit`].
    pub units: Vec<i8>,
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
        program.pad();
        Some(program)
    }

    fn add(&mut self, row: &Row, key: u64, items: &[Item]) -> Option<()> {
        let labels = Labels::of(row, row.pattern.bind(key));
        for item in items {
            let Item::Field(field) = item else { return None };
            let Format::Bcd { bytes: bytes @ 2..=4, scale, signed } = field.format else { return None };
            let kind = field.kind.unwrap_or(labels.kind);
            let form = (usize::from(bytes), scale, signed, kind == Kind::Event);
            if self.values == 0 {
                (self.width, self.scale, self.signed, self.events) = form;
            }
            let same = (self.width, self.scale, self.signed, self.events) == form;
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
            self.values += 1;
            self.kinds.push(kind as i8);
            self.quantities.push(field.quantity as i16);
            self.phases.push(field.phase.unwrap_or(labels.phase) as i8);
            self.tariffs.push(labels.tariff);
            self.indices.push(labels.index);
            self.units.push(unit as i8);
        }
        Some(())
    }

    fn pad(&mut self) {
        let length = self.values.next_multiple_of(RUN);
        self.kinds.resize(length, 0);
        self.quantities.resize(length, 0);
        self.phases.resize(length, 0);
        self.tariffs.resize(length, 0);
        self.indices.resize(length, 0);
        self.units.resize(length, 0);
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

/// A BCD number of `WIDTH` bytes from the first four of `sent`, as sent with the offset 33H; none for a digit above 9.
#[inline]
pub fn masked_bcd<const WIDTH: usize>(sent: [u8; 4], signed: bool) -> Option<i32> {
    const OFFSET: u32 = 0x3333_3333;
    const TOP: u32 = 0x8080_8080;
    let word = u32::from_le_bytes(sent);
    let plain = ((word | TOP) - OFFSET) ^ ((word ^ !OFFSET) & TOP);
    let mut digits = plain & (u32::MAX >> (32 - 8 * WIDTH));
    let sign = 1u32 << (8 * WIDTH - 1);
    let negative = signed && digits & sign != 0;
    if signed {
        digits &= !sign;
    }
    // A nibble above 9 carries into the next one when 6 is added.
    let sixes = u64::from(digits) + 0x6666_6666;
    if (sixes ^ u64::from(digits) ^ 0x6666_6666) & 0x1_1111_1110 != 0 {
        return None;
    }
    let pairs = ((digits >> 4) & 0x0F0F_0F0F) * 10 + (digits & 0x0F0F_0F0F);
    let fours = (pairs & 0x00FF_00FF) + ((pairs >> 8) & 0x00FF_00FF) * 100;
    let value = ((fours & 0xFFFF) + (fours >> 16) * 10_000) as i32;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::read_bcd;
    use keyacct_model::Value;
    use proptest::prelude::*;

    fn slow(sent: [u8; 4], width: usize, signed: bool) -> Option<i64> {
        let plain = sent.map(|b| b.wrapping_sub(0x33));
        match read_bcd(&plain[..width], 0, signed).0 {
            Value::Number(number) => Some(number.digits),
            _ => None,
        }
    }

    proptest! {
        #[test]
        fn digits_are_read_as_one_by_one(
            sent in any::<[u8; 4]>(), nibbles in any::<[(u8, u8); 4]>(), signed in any::<bool>(),
        ) {
            let legal = nibbles.map(|(a, b)| (((a % 10) << 4) | (b % 10)).wrapping_add(0x33));
            for sent in [sent, legal] {
                prop_assert_eq!(masked_bcd::<2>(sent, signed).map(i64::from), slow(sent, 2, signed));
                prop_assert_eq!(masked_bcd::<3>(sent, signed).map(i64::from), slow(sent, 3, signed));
                prop_assert_eq!(masked_bcd::<4>(sent, signed).map(i64::from), slow(sent, 4, signed));
            }
        }
    }
}
