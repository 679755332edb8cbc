//! Columns of readings while they are filled, and the record batches they become.
//!
//! A column whose value never changes (no line, no time, quality good) is not written at all until it does; all
//! batches share one array for it.

use std::sync::Arc;

use arrow_array::types::{ArrowDictionaryKeyType, Int8Type, Int16Type, Int32Type};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Float64Array, Int64Array, PrimitiveArray, RecordBatch, StringArray,
    TimestampMillisecondArray, UInt8Array, UInt16Array,
};
use arrow_buffer::{BooleanBufferBuilder, NullBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, SchemaRef};
use keyacct_model::decimal::POW10;
use keyacct_model::{Kind, Phase, Quality, Quantity, Unit};
use keyacct_wire::Protocol;
use keyacct_wire::format::read_bcd;
use keyacct_wire::program::{Program, RUN, masked_bcd};

pub(crate) const NO_TIME: i64 = i64::MIN;
pub(crate) const BATCH: usize = 1 << 17;
/// Rows behind the last one that a run of labels may write on.
const SLACK: usize = 2 * RUN;

/// One value, ready for its columns.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub offset: i64,
    pub time: i64,
    pub received: i64,
    pub value: Option<f64>,
    pub line: i64,
    pub device: i32,
    pub quantity: u16,
    pub quality: u16,
    pub protocol: u8,
    pub kind: u8,
    pub phase: u8,
    pub unit: u8,
    pub tariff: u8,
    pub index: u8,
}

/// A column that is the same all the way, until it is not.
#[derive(Default)]
pub(crate) struct Mostly<T> {
    value: T,
    count: usize,
    all: Vec<T>,
}

impl<T: Copy + PartialEq> Mostly<T> {
    #[inline]
    fn push(&mut self, value: T, count: usize) {
        if self.all.is_empty() && (self.count == 0 || self.value == value) {
            self.value = value;
        } else {
            self.spread();
            self.all.resize(self.count + count, value);
        }
        self.count += count;
    }

    #[cold]
    fn spread(&mut self) {
        if self.all.is_empty() {
            self.all.resize(self.count, self.value);
        }
    }

    fn set(&mut self, at: usize, value: T) {
        self.spread();
        self.all[at] = value;
    }

    /// The one value of all rows.
    fn constant(&self) -> Option<T> {
        self.all.is_empty().then_some(self.value)
    }

    fn is(&self, value: T) -> bool {
        self.constant() == Some(value)
    }

    fn into_vec(mut self) -> Vec<T> {
        self.spread();
        self.all
    }
}

pub(crate) struct Columns {
    rows: usize,
    offset: Vec<i64>,
    device: Vec<i32>,
    kind: Vec<i8>,
    quantity: Vec<i16>,
    phase: Vec<i8>,
    tariff: Vec<u8>,
    index: Vec<u8>,
    unit: Vec<i8>,
    value: Vec<f64>,
    null_values: Vec<u32>,
    line: Mostly<i64>,
    time: Mostly<i64>,
    received: Mostly<i64>,
    protocol: Mostly<i8>,
    quality: Mostly<u16>,
    texts: Vec<(u32, String)>,
}

impl Columns {
    pub(crate) fn new() -> Self {
        let rows = BATCH + SLACK;
        Columns {
            rows: 0,
            offset: vec![0; rows],
            device: vec![0; rows],
            kind: vec![0; rows],
            quantity: vec![0; rows],
            phase: vec![0; rows],
            tariff: vec![0; rows],
            index: vec![0; rows],
            unit: vec![0; rows],
            value: vec![0.0; rows],
            null_values: Vec::new(),
            line: Mostly::default(),
            time: Mostly::default(),
            received: Mostly::default(),
            protocol: Mostly::default(),
            quality: Mostly::default(),
            texts: Vec::new(),
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Rows that still fit.
    pub(crate) fn room(&self) -> usize {
        BATCH - self.rows
    }

    pub(crate) fn push(&mut self, row: &Row, text: Option<String>) {
        let at = self.rows;
        self.offset[at] = row.offset;
        self.device[at] = row.device;
        self.kind[at] = row.kind as i8;
        self.quantity[at] = row.quantity as i16;
        self.phase[at] = row.phase as i8;
        self.tariff[at] = row.tariff;
        self.index[at] = row.index;
        self.unit[at] = row.unit as i8;
        self.value[at] = row.value.unwrap_or(0.0);
        if row.value.is_none() {
            self.null_values.push(at as u32);
        }
        self.line.push(row.line, 1);
        self.time.push(row.time, 1);
        self.received.push(row.received, 1);
        self.protocol.push(row.protocol as i8, 1);
        self.quality.push(row.quality, 1);
        if let Some(text) = text {
            self.texts.push((at as u32, text));
        }
        self.rows += 1;
    }

    /// Values of a program without line and time. `data`: bytes as sent, from the first value to the frame's end, so
    /// that two bytes of trailer lie behind the last value.
    #[inline]
    pub(crate) fn run(
        &mut self,
        program: &Program,
        count: usize,
        data: &[u8],
        (offset, device, protocol): (i64, i32, i8),
    ) {
        match program.width {
            2 => self.numbers::<2>(program, count, data),
            3 => self.numbers::<3>(program, count, data),
            _ => self.numbers::<4>(program, count, data),
        }
        let mut from = 0;
        while from < count {
            let at = self.rows + from;
            let to = at + RUN;
            let labels = from..from + RUN;
            self.offset[at..to].copy_from_slice(&[offset; RUN]);
            self.device[at..to].copy_from_slice(&[device; RUN]);
            self.kind[at..to].copy_from_slice(&program.kinds[labels.clone()]);
            self.quantity[at..to].copy_from_slice(&program.quantities[labels.clone()]);
            self.phase[at..to].copy_from_slice(&program.phases[labels.clone()]);
            self.tariff[at..to].copy_from_slice(&program.tariffs[labels.clone()]);
            self.index[at..to].copy_from_slice(&program.indices[labels.clone()]);
            self.unit[at..to].copy_from_slice(&program.units[labels]);
            from += RUN;
        }
        self.line.push(0, count);
        self.time.push(NO_TIME, count);
        self.received.push(NO_TIME, count);
        self.protocol.push(protocol, count);
        self.rows += count;
    }

    #[inline]
    fn numbers<const WIDTH: usize>(&mut self, program: &Program, count: usize, data: &[u8]) {
        let divisor = POW10[usize::from(program.scale)];
        let base = self.rows;
        self.quality.push(0, count);
        for (n, value) in self.value[base..base + count].iter_mut().enumerate() {
            let sent = &data[n * WIDTH..n * WIDTH + 4];
            match masked_bcd::<WIDTH>([sent[0], sent[1], sent[2], sent[3]], program.signed) {
                Some(digits) => *value = f64::from(digits) / divisor,
                None => {
                    let plain = [sent[0], sent[1], sent[2], sent[3]].map(|b| b.wrapping_sub(0x33));
                    let (_, quality) = read_bcd(&plain[..WIDTH], program.scale, program.signed);
                    *value = 0.0;
                    self.null_values.push((base + n) as u32);
                    self.quality.set(base + n, quality.0);
                }
            }
        }
    }

    /// Renames devices, for columns that were filled beside others.
    pub(crate) fn rename(&mut self, names: &[i32]) {
        for device in &mut self.device[..self.rows] {
            *device = names[*device as usize];
        }
    }

    pub(crate) fn has_receipt(&self) -> bool {
        self.rows > 0 && !self.received.is(NO_TIME)
    }

    pub(crate) fn into_batch(
        mut self,
        schema: &SchemaRef,
        words: &Words,
        receipt: bool,
    ) -> Result<RecordBatch, ArrowError> {
        let rows = self.rows;
        self.offset.truncate(rows);
        self.device.truncate(rows);
        self.kind.truncate(rows);
        self.quantity.truncate(rows);
        self.phase.truncate(rows);
        self.tariff.truncate(rows);
        self.index.truncate(rows);
        self.unit.truncate(rows);
        self.value.truncate(rows);
        let numbers = (!self.null_values.is_empty()).then(|| {
            let mut valid = BooleanBufferBuilder::new(rows);
            valid.append_n(rows, true);
            for row in &self.null_values {
                valid.set_bit(*row as usize, false);
            }
            NullBuffer::new(valid.finish())
        });
        let line: ArrayRef = if self.line.is(0) {
            words.no_line.slice(0, rows)
        } else {
            let line = self.line.into_vec();
            let nulls = nulls(&line, |l| *l != 0);
            Arc::new(Int64Array::new(line.into(), nulls))
        };
        let instants = |column: Mostly<i64>| -> TimestampMillisecondArray {
            let all = column.into_vec();
            let nulls = nulls(&all, |t| *t != NO_TIME);
            TimestampMillisecondArray::new(all.into(), nulls)
        };
        let time: ArrayRef =
            if self.time.is(NO_TIME) { words.no_time.slice(0, rows) } else { Arc::new(instants(self.time)) };
        let text: ArrayRef = if self.texts.is_empty() {
            words.no_text.slice(0, rows)
        } else {
            let mut all: Vec<Option<&str>> = vec![None; rows];
            for (row, text) in &self.texts {
                all[*row as usize] = Some(text);
            }
            Arc::new(StringArray::from(all))
        };
        let quality: ArrayRef = if self.quality.is(Quality::GOOD.0) {
            words.good.slice(0, rows)
        } else {
            Arc::new(UInt16Array::from(self.quality.into_vec()))
        };
        let protocol: ArrayRef = match self.protocol.constant() {
            Some(one) => words.one_protocol[one as usize].slice(0, rows),
            None => dictionary::<Int8Type>(self.protocol.into_vec(), None, &words.protocol)?,
        };
        let mut columns: Vec<ArrayRef> = vec![
            line,
            Arc::new(Int64Array::new(self.offset.into(), None)),
            dictionary::<Int32Type>(self.device, None, &words.device)?,
            protocol,
            dictionary::<Int8Type>(self.kind, None, &words.kind)?,
            dictionary::<Int16Type>(self.quantity, None, &words.quantity)?,
            dictionary::<Int8Type>(self.phase, Some(Phase::None as i8), &words.phase)?,
            Arc::new(UInt8Array::from(self.tariff)),
            Arc::new(UInt8Array::from(self.index)),
            time,
            Arc::new(Float64Array::new(self.value.into(), numbers)),
            dictionary::<Int8Type>(self.unit, Some(Unit::None as i8), &words.unit)?,
            text,
            quality,
        ];
        if receipt {
            columns.push(Arc::new(instants(self.received).with_timezone("UTC")));
        }
        RecordBatch::try_new(Arc::clone(schema), columns)
    }
}

/// Dictionaries and constant columns that all batches share.
pub(crate) struct Words {
    device: ArrayRef,
    protocol: ArrayRef,
    kind: ArrayRef,
    quantity: ArrayRef,
    phase: ArrayRef,
    unit: ArrayRef,
    no_line: ArrayRef,
    no_time: ArrayRef,
    no_text: ArrayRef,
    good: ArrayRef,
    one_protocol: Vec<ArrayRef>,
}

impl Words {
    /// `rows`: of the largest batch.
    pub(crate) fn new(devices: Vec<String>, rows: usize) -> Result<Words, ArrowError> {
        let protocol = strings(Protocol::ALL.iter().map(|w| w.as_str()));
        let one = |p: &Protocol| dictionary::<Int8Type>(vec![*p as i8; rows], None, &protocol);
        Ok(Words {
            device: Arc::new(StringArray::from(devices)),
            one_protocol: Protocol::ALL.iter().map(one).collect::<Result<_, _>>()?,
            protocol,
            kind: strings(Kind::ALL.iter().map(|w| w.as_str())),
            quantity: strings(Quantity::ALL.iter().map(|w| w.as_str())),
            phase: strings(Phase::ALL.iter().map(|w| w.as_str())),
            unit: strings(Unit::ALL.iter().map(|w| w.as_str())),
            no_line: Arc::new(Int64Array::new_null(rows)),
            no_time: Arc::new(TimestampMillisecondArray::new_null(rows)),
            no_text: Arc::new(StringArray::new_null(rows)),
            good: Arc::new(UInt16Array::from(vec![0; rows])),
        })
    }
}

fn strings<'w>(words: impl Iterator<Item = &'w str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(words))
}

/// The null buffer of a column; none where every value is valid, which most columns are.
fn nulls<T>(values: &[T], valid: impl Fn(&T) -> bool) -> Option<NullBuffer> {
    if values.iter().all(&valid) {
        return None;
    }
    Some(NullBuffer::from_iter(values.iter().map(valid)))
}

/// Dictionary column; `none` is the index that means null.
fn dictionary<K: ArrowDictionaryKeyType>(
    indices: Vec<K::Native>,
    none: Option<K::Native>,
    words: &ArrayRef,
) -> Result<ArrayRef, ArrowError> {
    let nulls = none.and_then(|none| nulls(&indices, |i| *i != none));
    let keys = PrimitiveArray::<K>::new(ScalarBuffer::from(indices), nulls);
    Ok(Arc::new(DictionaryArray::try_new(keys, Arc::clone(words))?))
}
