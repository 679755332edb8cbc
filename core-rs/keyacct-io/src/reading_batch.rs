//! Columns of readings as Arrow record batches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::types::{
    ArrowDictionaryKeyType, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
};
use arrow_array::{
    Array, ArrayRef, ArrowNativeTypeOp, DictionaryArray, Float64Array, Int64Array, PrimitiveArray,
    RecordBatch, StringArray, TimestampMillisecondArray, UInt8Array, UInt16Array,
};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, BooleanBufferBuilder, NullBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, SchemaRef};
use keyacct_model::{Kind, Phase, Quality, Quantity, Unit};
use keyacct_wire::Protocol;

use crate::column_block::Place;
use crate::columns::{Columns, Mostly, NO_TIME};

impl Columns {
    pub(crate) fn into_batch(
        mut self,
        schema: &SchemaRef,
        words: &Words,
        receipt: bool,
    ) -> Result<RecordBatch, ArrowError> {
        let rows = self.rows;
        self.renamed();
        let block = self.block.freeze();
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
            let line = self.line.into_vec(rows);
            let nulls = nulls(&line, |l| *l != 0);
            Arc::new(Int64Array::new(line.into(), nulls))
        };
        let instants = |column: Mostly<i64>| -> TimestampMillisecondArray {
            let all = column.into_vec(rows);
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
            Arc::new(UInt16Array::from(self.quality.into_vec(rows)))
        };
        let shared = self.protocol.constant().and_then(|one| words.one_protocol.get(&one));
        let protocol: ArrayRef = match shared {
            Some(all) => all.slice(0, rows),
            None => dictionary::<Int8Type>(self.protocol.into_vec(rows).into(), None, &words.protocol)?,
        };
        let mut columns: Vec<ArrayRef> = vec![
            line,
            Arc::new(Int64Array::new(block.column::<Int64Type>(Place::Offset, rows), None)),
            dictionary::<Int32Type>(block.column::<Int32Type>(Place::Device, rows), None, &words.device)?,
            protocol,
            dictionary::<Int8Type>(block.column::<Int8Type>(Place::Kind, rows), None, &words.kind)?,
            dictionary::<Int16Type>(block.column::<Int16Type>(Place::Quantity, rows), None, &words.quantity)?,
            optional(block.column::<Int8Type>(Place::Phase, rows), Phase::None as i8, &words.phase)?,
            Arc::new(UInt8Array::new(block.column::<UInt8Type>(Place::Tariff, rows), None)),
            Arc::new(UInt8Array::new(block.column::<UInt8Type>(Place::Index, rows), None)),
            time,
            Arc::new(Float64Array::new(block.column::<Float64Type>(Place::Value, rows), numbers)),
            optional(block.column::<Int8Type>(Place::Unit, rows), Unit::None as i8, &words.unit)?,
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
    one_protocol: BTreeMap<i8, ArrayRef>,
}

impl Words {
    /// `rows`: of the largest batch; `only`: the protocols that batches have nothing but.
    pub(crate) fn new(devices: Vec<String>, rows: usize, only: BTreeSet<i8>) -> Result<Words, ArrowError> {
        let protocol = strings(Protocol::ALL.iter().map(|w| w.as_str()));
        let one = |p: i8| Ok((p, dictionary::<Int8Type>(vec![p; rows].into(), None, &protocol)?));
        Ok(Words {
            device: Arc::new(StringArray::from(devices)),
            one_protocol: only.into_iter().map(one).collect::<Result<_, ArrowError>>()?,
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

/// Dictionary column of bytes in which `none` means null.
fn optional(keys: ScalarBuffer<i8>, none: i8, words: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let nulls = if holds(&keys, |key| *key == none) { Some(not_equal(&keys, none)) } else { None };
    dictionary::<Int8Type>(keys, nulls, words)
}

/// Whether any value is so; looks at all of a run before it asks, so that the compiler can make vectors of it.
fn holds<T>(values: &[T], so: impl Fn(&T) -> bool) -> bool {
    values.chunks(4096).any(|run| run.iter().fold(false, |met, value| met | so(value)))
}

/// One bit for each byte, set where it differs.
fn not_equal(bytes: &[i8], from: i8) -> NullBuffer {
    const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    let (words, rest) = bytes.as_chunks::<8>();
    let same = u64::from_ne_bytes([from as u8; 8]);
    let mut bits: Vec<u8> = Vec::with_capacity(bytes.len() / 8 + 1);
    bits.extend(words.iter().map(|word| {
        let differs = u64::from_le_bytes(word.map(|b| b as u8)) ^ same;
        let tops = (((differs & LOW) + LOW) | differs) & !LOW;
        ((tops >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8
    }));
    bits.push(rest.iter().enumerate().fold(0, |bits, (n, b)| bits | u8::from(*b != from) << n));
    NullBuffer::new(BooleanBuffer::new(bits.into(), 0, bytes.len()))
}

/// Dictionary column.
fn dictionary<K: ArrowDictionaryKeyType>(
    keys: ScalarBuffer<K::Native>,
    nulls: Option<NullBuffer>,
    words: &ArrayRef,
) -> Result<ArrayRef, ArrowError> {
    let known = K::Native::usize_as(words.len());
    let outside = holds(&keys, |key| key.is_lt(K::Native::default()) | key.is_ge(known));
    let keys = PrimitiveArray::<K>::new(keys, nulls);
    if outside {
        return Ok(Arc::new(DictionaryArray::try_new(keys, Arc::clone(words))?)); // nulls may hide them, or it says which
    }
    // SAFETY: every key is at least 0 and less than the number of words, just looked at. (`try_new` looks at one after
    // the other, which takes a tenth of the time of a decode.)
    #[allow(unsafe_code)]
    let checked = unsafe { DictionaryArray::new_unchecked(keys, Arc::clone(words)) };
    Ok(Arc::new(checked))
}
