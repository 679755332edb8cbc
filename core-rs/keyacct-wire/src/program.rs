//! Flat programs: what the data of an identifier become when every field is a BCD number of one width.
//!
//! Blocks of voltages, currents, powers, energies are nearly all that a line carries. Their rows are compiled once into
//! columns of labels, so that a reader of many frames copies labels and turns digits into numbers, nothing else. What
//! does not fit (times, texts, counts, alternatives) has no program and goes through [`crate::walk`], which also is the
//! definition of what a program must give.

use keyacct_model::{Kind, Unit};

use crate::catalogue::{Body, Catalogue, Row};
use crate::digits::BcdForm;
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
            let run = self.labels.last_mut()?;
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
