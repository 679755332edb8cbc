//! Programs of DL/T 698.45: what an attribute in a GetResponseNormal becomes when its data are numbers of one type.
//!
//! A form (attribute, array or structure, count, type) is compiled when it is met first, by asking the general way what
//! it makes of known numbers: once of 1, 2, 3 …, once of the greatest number of the type, which stands for "no value" of
//! some quantities. What gives anything but one number with one scale for each element has no program.

use std::ops::Range;

use keyacct_model::decimal::POW10;
use keyacct_model::{Kind, Quality, Reading, Value};

use super::{axdr, decode, frame};
use crate::assemble::Assembler;
use crate::digits::LANES;
use crate::frame::Address;
use crate::program::{LabelRun, RUN};
use crate::protocol::Protocol;
use crate::registers::Registers;
use crate::visit::{Head, Visitor};
use crate::walk::Lookup;

const CACHE: usize = 256;
/// Bytes of a frame before the APDU, with a server address of six bytes.
const HEADER: usize = 14;
/// What follows the data: no report, no time tag; check sequence, end byte.
const BEHIND: usize = 5;
/// GetResponseNormal.
const SERVICE: [u8; 2] = [0x85, 0x01];

/// What the values of one form of answer are.
#[derive(Clone, Debug, Default)]
pub struct AnswerProgram {
    /// How many values there are.
    pub values: usize,
    /// Whether the values are of kind `event`; all or none are.
    pub events: bool,
    /// The labels; those behind the last value are zeros.
    pub labels: Vec<LabelRun>,
    tag: u8,
    size: usize,
    signed: bool,
    divisor: f64,
    /// The number that stands for no value.
    none: Option<i64>,
}

/// Bytes of a number and whether it has a sign, by the tag of its type.
fn number_type(tag: u8) -> Option<(usize, bool)> {
    match tag {
        5 => Some((4, true)),
        6 => Some((4, false)),
        15 => Some((1, true)),
        16 => Some((2, true)),
        17 => Some((1, false)),
        18 => Some((2, false)),
        _ => None,
    }
}

/// An answer that may have a program: its form as a key, and its elements with their tags.
struct Form<'f> {
    key: u64,
    elements: &'f [u8],
}

/// The form of a frame; none where it has no program for certain.
#[inline]
fn form_of(sent: &[u8]) -> Option<Form<'_>> {
    // Answer of a server, neither split nor scrambled; single address of six bytes; no report and no time tag behind.
    let inside = sent.get(HEADER..)?;
    let (apdu, behind) = inside.split_at(inside.len().checked_sub(BEHIND)?);
    let &[a, b, _piid, o0, o1, o2, o3, 1, ref data @ ..] = apdu else { return None };
    if sent[3] & 0xA8 != 0x80 || sent[4] & 0x0F != 5 || [a, b] != SERVICE || behind[..2] != [0, 0] {
        return None;
    }
    let (container, count, elements) = match data {
        [container @ (axdr::ARRAY | axdr::STRUCTURE), count @ 1..=127, elements @ ..] => {
            (*container, *count, elements)
        }
        _ => (0, 1, data),
    };
    let tag = *elements.first()?;
    let key = u64::from(u32::from_be_bytes([o0, o1, o2, o3])) << 24
        | u64::from(container) << 16
        | u64::from(count) << 8
        | u64::from(tag);
    Some(Form { key, elements })
}

/// Programs by form, compiled when a form is met first.
#[derive(Debug)]
pub struct AnswerPrograms<'c> {
    /// Of all protocols, as the decoder has them.
    lookups: Vec<Lookup<'c>>,
    cache: Vec<(u64, Option<AnswerProgram>)>,
}

impl<'c> AnswerPrograms<'c> {
    /// Programs over the catalogues.
    pub fn new(registers: &'c Registers) -> Self {
        let lookups = Protocol::ALL.iter().map(|p| Lookup::new(registers.of(*p))).collect();
        AnswerPrograms { lookups, cache: vec![(u64::MAX, None); CACHE] }
    }

    /// The program of a valid frame and the bytes of its elements; none for a frame that takes the general way.
    #[inline]
    pub fn find<'f>(&mut self, frame: &'f [u8]) -> Option<(&AnswerProgram, &'f [u8])> {
        let form = form_of(frame)?;
        let slot = (form.key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as usize % CACHE;
        if self.cache[slot].0 != form.key {
            let program = self.compile(form.key);
            self.cache[slot] = (form.key, program);
        }
        let program = self.cache[slot].1.as_ref()?;
        let step = 1 + program.size;
        if form.elements.len() != program.values * step {
            return None;
        }
        let same = form.elements.iter().step_by(step).fold(true, |same, tag| same & (*tag == program.tag));
        same.then_some((program, form.elements))
    }

    #[cold]
    fn compile(&mut self, key: u64) -> Option<AnswerProgram> {
        let (container, count, tag) = ((key >> 16) as u8, (key >> 8) as u8, key as u8);
        let (size, signed) = number_type(tag)?;
        let bits = 8 * size as u32 - u32::from(signed);
        let greatest = i64::from(u32::MAX >> (32 - bits));
        let mut ask = |number: &dyn Fn(u8) -> i64| {
            let mut apdu = [&SERVICE[..], &[0], &((key >> 24) as u32).to_be_bytes(), &[1]].concat();
            if container != 0 {
                apdu.extend([container, count]);
            }
            for n in 0..count {
                apdu.push(tag);
                apdu.extend(&number(n).to_be_bytes()[8 - size..]);
            }
            apdu.extend([0, 0]);
            let mut heard = Heard::default();
            decode(&apdu, &mut Assembler::default(), &mut self.lookups, &mut heard);
            (!heard.more && heard.readings.len() == usize::from(count)).then_some(heard.readings)
        };
        let counted = ask(&|n| i64::from(n) + 1)?;
        let full = ask(&|_| greatest)?;
        let Value::Number(first) = counted.first()?.value else { return None };
        let empty = full.first()?.value == Value::Null;
        let mut program = AnswerProgram {
            values: usize::from(count),
            events: counted.first()?.kind == Kind::Event,
            labels: Vec::new(),
            tag,
            size,
            signed,
            divisor: *POW10.get(usize::from(first.scale))?,
            none: empty.then_some(greatest),
        };
        for (n, (low, high)) in counted.iter().zip(&full).enumerate() {
            let plain = matches!(low.value, Value::Number(number)
                if number.digits == n as i64 + 1 && number.scale == first.scale);
            let end = match high.value {
                Value::Number(number) => !empty && number.digits == greatest && number.scale == first.scale,
                _ => empty && high.value == Value::Null && high.quality == Quality::NO_DATA,
            };
            let bare = low.quality == Quality::GOOD && low.time.is_none() && high.time.is_none();
            if !plain
                || !end
                || !bare
                || (low.kind == Kind::Event) != program.events
                || !same_labels(low, high)
            {
                return None;
            }
            program.label(n, low);
        }
        Some(program)
    }
}

/// A value that is empty says the same of itself, but for the unit: it may have none.
fn same_labels(low: &Reading, high: &Reading) -> bool {
    let labels = |r: &Reading| (r.quantity, r.phase, r.tariff, r.index, r.kind);
    labels(low) == labels(high)
}

impl AnswerProgram {
    fn label(&mut self, n: usize, reading: &Reading) {
        let at = n % RUN;
        if at == 0 {
            self.labels.push(LabelRun::default());
        }
        if let Some(run) = self.labels.last_mut() {
            run.kinds[at] = reading.kind as i8;
            run.quantities[at] = reading.quantity as i16;
            run.phases[at] = reading.phase as i8;
            run.tariffs[at] = reading.tariff.0;
            run.indices[at] = reading.index;
            run.units[at] = reading.unit as i8;
        }
    }

    /// The values of the elements from `from` on, at most [`LANES`]; for each whether there is none.
    #[inline]
    pub fn numbers(&self, elements: &[u8], from: usize) -> ([f64; LANES], [bool; LANES]) {
        match (self.size, self.signed) {
            (4, true) => self.read::<4>(elements, from, |b| i64::from(i32::from_be_bytes(b))),
            (4, false) => self.read::<4>(elements, from, |b| i64::from(u32::from_be_bytes(b))),
            (2, true) => self.read::<2>(elements, from, |b| i64::from(i16::from_be_bytes(b))),
            (2, false) => self.read::<2>(elements, from, |b| i64::from(u16::from_be_bytes(b))),
            (_, true) => self.read::<1>(elements, from, |[b]| i64::from(b as i8)),
            (_, false) => self.read::<1>(elements, from, |[b]| i64::from(b)),
        }
    }

    #[inline]
    fn read<const SIZE: usize>(
        &self,
        elements: &[u8],
        from: usize,
        number: impl Fn([u8; SIZE]) -> i64,
    ) -> ([f64; LANES], [bool; LANES]) {
        let (mut numbers, mut none) = ([0.0; LANES], [false; LANES]);
        let elements = elements.get(from * (1 + SIZE)..).unwrap_or_default();
        for (lane, element) in elements.chunks_exact(1 + SIZE).take(LANES).enumerate() {
            if let Some(bytes) = element[1..].first_chunk::<SIZE>() {
                let digits = number(*bytes);
                numbers[lane] = digits as f64 / self.divisor;
                none[lane] = self.none == Some(digits);
            }
        }
        (numbers, none)
    }
}

/// The server address of a frame that has a program, lowest byte first.
#[inline]
pub fn server_of(sent: &[u8]) -> [u8; 6] {
    let mut address = [0; 6];
    address.copy_from_slice(&sent[frame::ADDRESS_AT..frame::ADDRESS_AT + 6]);
    address
}

/// What the general way says.
#[derive(Default)]
struct Heard {
    readings: Vec<Reading>,
    more: bool,
}

impl Visitor for Heard {
    fn head(&mut self, _: &Head) -> bool {
        true
    }

    fn value(&mut self, _: Range<usize>, reading: &Reading) {
        self.readings.push(reading.clone());
    }

    fn item(&mut self, _: u16, _: u16) {
        self.more = true;
    }

    fn carried(&mut self, _: Option<&Address>) {
        self.more = true;
    }

    fn unknown(&mut self, _: Range<usize>, _: impl FnOnce() -> String) {
        self.more = true;
    }
}
