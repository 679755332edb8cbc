//! Readings as Arrow record batches.
//!
//! A value costs one push of a small struct; columns are made from full runs of those, one column after another, so
//! neither a heap allocation nor a dozen scattered writes fall on the way of a number.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;
use std::sync::Arc;

use arrow_array::types::{ArrowDictionaryKeyType, Int8Type, Int16Type, Int32Type};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Float64Array, Int64Array, PrimitiveArray, RecordBatch, StringArray,
    TimestampMillisecondArray, UInt8Array, UInt16Array,
};
use arrow_buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use keyacct_model::decimal::POW10;
use keyacct_model::{Kind, Phase, Quality, Quantity, Reading, Unit, Value};
use keyacct_wire::decoder::Decoder;
use keyacct_wire::visit::{Head, Visitor};
use keyacct_wire::{Address, Direction, Protocol};

const NO_TIME: i64 = i64::MIN;
const NO_NUMBER: u8 = u8::MAX;
const RUN: usize = 4096;
const BATCH: usize = 1 << 17;

/// The columns of a table of readings.
pub fn schema() -> SchemaRef {
    let words = |key| DataType::Dictionary(Box::new(key), Box::new(DataType::Utf8));
    let time = DataType::Timestamp(TimeUnit::Millisecond, None);
    Arc::new(Schema::new(vec![
        Field::new("line", DataType::Int64, true),
        Field::new("offset", DataType::Int64, false),
        Field::new("device", words(DataType::Int32), false),
        Field::new("protocol", words(DataType::Int8), false),
        Field::new("kind", words(DataType::Int8), false),
        Field::new("quantity", words(DataType::Int16), false),
        Field::new("phase", words(DataType::Int8), true),
        Field::new("tariff", DataType::UInt8, false),
        Field::new("index", DataType::UInt8, false),
        Field::new("time", time, true),
        Field::new("value", DataType::Float64, true),
        Field::new("unit", words(DataType::Int8), true),
        Field::new("text", DataType::Utf8, true),
        Field::new("quality", DataType::UInt16, false),
    ]))
}

#[derive(Clone, Copy)]
struct Row {
    offset: i64,
    time: i64,
    digits: i64,
    line: u32,
    device: i32,
    quantity: u16,
    quality: u16,
    protocol: u8,
    kind: u8,
    phase: u8,
    unit: u8,
    tariff: u8,
    index: u8,
    scale: u8,
}

/// Multiplies eight bytes at a time: addresses are short, come by the million and from no adversary.
#[derive(Default)]
struct Quick(u64);

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = (self.0 ^ u64::from_le_bytes(word)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[derive(Default)]
struct Columns {
    line: Vec<i64>,
    offset: Vec<i64>,
    device: Vec<i32>,
    protocol: Vec<i8>,
    kind: Vec<i8>,
    quantity: Vec<i16>,
    phase: Vec<i8>,
    tariff: Vec<u8>,
    index: Vec<u8>,
    time: Vec<i64>,
    value: Vec<f64>,
    number: Vec<bool>,
    unit: Vec<i8>,
    quality: Vec<u16>,
    text: Vec<(u32, String)>,
}

/// Collects readings.
#[derive(Default)]
pub struct Readings {
    rows: Vec<Row>,
    columns: Columns,
    done: Vec<Columns>,
    devices: HashMap<Address, i32, BuildHasherDefault<Quick>>,
    names: Vec<String>,
    texts: Vec<(u32, String)>,
    count: u64,
}

impl Readings {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn device(&mut self, address: &Address) -> i32 {
        if let Some(known) = self.devices.get(address) {
            return *known;
        }
        let number = self.names.len() as i32;
        self.devices.insert(*address, number);
        self.names.push(address.as_str().to_owned());
        number
    }

    #[inline]
    fn push(&mut self, row: Row) {
        self.rows.push(row);
        self.count += 1;
        if self.rows.len() == RUN {
            self.flush();
        }
    }

    /// Rows to columns, one column after the other.
    fn flush(&mut self) {
        let (rows, to) = (&self.rows, &mut self.columns);
        if to.offset.is_empty() && !self.done.is_empty() {
            to.reserve(BATCH);
        }
        let base = to.offset.len() as u32;
        to.line.extend(rows.iter().map(|r| i64::from(r.line)));
        to.offset.extend(rows.iter().map(|r| r.offset));
        to.device.extend(rows.iter().map(|r| r.device));
        to.protocol.extend(rows.iter().map(|r| r.protocol as i8));
        to.kind.extend(rows.iter().map(|r| r.kind as i8));
        to.quantity.extend(rows.iter().map(|r| r.quantity as i16));
        to.phase.extend(rows.iter().map(|r| r.phase as i8));
        to.tariff.extend(rows.iter().map(|r| r.tariff));
        to.index.extend(rows.iter().map(|r| r.index));
        to.time.extend(rows.iter().map(|r| r.time));
        to.number.extend(rows.iter().map(|r| r.scale != NO_NUMBER));
        to.value.extend(rows.iter().map(|r| r.digits as f64 / POW10[usize::from(r.scale % 19)]));
        to.unit.extend(rows.iter().map(|r| r.unit as i8));
        to.quality.extend(rows.iter().map(|r| r.quality));
        to.text.extend(self.texts.drain(..).map(|(row, text)| (base + row, text)));
        self.rows.clear();
        if self.columns.offset.len() >= BATCH {
            self.done.push(std::mem::take(&mut self.columns));
        }
    }

    /// All of them as record batches; every batch has the same dictionaries.
    ///
    /// # Errors
    /// Only if a column could not be built, which would be a defect.
    pub fn finish(mut self) -> Result<Vec<RecordBatch>, ArrowError> {
        self.flush();
        self.done.push(std::mem::take(&mut self.columns));
        let words = Words {
            device: Arc::new(StringArray::from(std::mem::take(&mut self.names))),
            protocol: strings(Protocol::ALL.iter().map(|w| w.as_str())),
            kind: strings(Kind::ALL.iter().map(|w| w.as_str())),
            quantity: strings(Quantity::ALL.iter().map(|w| w.as_str())),
            phase: strings(Phase::ALL.iter().map(|w| w.as_str())),
            unit: strings(Unit::ALL.iter().map(|w| w.as_str())),
        };
        let schema = schema();
        let used = std::mem::take(&mut self.done).into_iter().filter(|c| !c.offset.is_empty());
        used.map(|columns| columns.into_batch(&schema, &words)).collect()
    }
}

struct Words {
    device: ArrayRef,
    protocol: ArrayRef,
    kind: ArrayRef,
    quantity: ArrayRef,
    phase: ArrayRef,
    unit: ArrayRef,
}

fn strings<'w>(words: impl Iterator<Item = &'w str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(words))
}

/// The null buffer of a column; none where every value is valid, which most columns are.
fn nulls<T>(values: &[T], valid: impl Fn(&T) -> bool) -> Option<NullBuffer> {
    if values.iter().all(&valid) {
        return None;
    }
    Some(NullBuffer::new(BooleanBuffer::collect_bool(values.len(), |n| valid(&values[n]))))
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

impl Columns {
    /// Room for a whole batch, once it is known that there are many.
    fn reserve(&mut self, rows: usize) {
        for wide in [&mut self.line, &mut self.offset, &mut self.time] {
            wide.reserve(rows);
        }
        for narrow in [&mut self.protocol, &mut self.kind, &mut self.phase, &mut self.unit] {
            narrow.reserve(rows);
        }
        self.device.reserve(rows);
        self.quantity.reserve(rows);
        self.tariff.reserve(rows);
        self.index.reserve(rows);
        self.value.reserve(rows);
        self.number.reserve(rows);
        self.quality.reserve(rows);
    }

    fn into_batch(self, schema: &SchemaRef, words: &Words) -> Result<RecordBatch, ArrowError> {
        let rows = self.offset.len();
        let lines = nulls(&self.line, |l| *l != 0);
        let times = nulls(&self.time, |t| *t != NO_TIME);
        let numbers = nulls(&self.number, |is_number| *is_number);
        let text = if self.text.is_empty() {
            StringArray::new_null(rows)
        } else {
            let mut all: Vec<Option<&str>> = vec![None; rows];
            for (row, text) in &self.text {
                all[*row as usize] = Some(text);
            }
            StringArray::from(all)
        };
        RecordBatch::try_new(
            Arc::clone(schema),
            vec![
                Arc::new(Int64Array::new(self.line.into(), lines)),
                Arc::new(Int64Array::new(self.offset.into(), None)),
                dictionary::<Int32Type>(self.device, None, &words.device)?,
                dictionary::<Int8Type>(self.protocol, None, &words.protocol)?,
                dictionary::<Int8Type>(self.kind, None, &words.kind)?,
                dictionary::<Int16Type>(self.quantity, None, &words.quantity)?,
                dictionary::<Int8Type>(self.phase, Some(Phase::None as i8), &words.phase)?,
                Arc::new(UInt8Array::from(self.tariff)),
                Arc::new(UInt8Array::from(self.index)),
                Arc::new(TimestampMillisecondArray::new(self.time.into(), times)),
                Arc::new(Float64Array::new(self.value.into(), numbers)),
                dictionary::<Int8Type>(self.unit, Some(Unit::None as i8), &words.unit)?,
                Arc::new(text) as Arc<dyn Array>,
                Arc::new(UInt16Array::from(self.quality)),
            ],
        )
    }
}

/// Where a frame came from, and the time of its values when it carries none of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin {
    /// Byte offset in the source.
    pub offset: u64,
    /// Line of a text log, 0 where there are no lines.
    pub line: u64,
    /// Civil milliseconds, and the quality bit that says where they come from.
    pub time: Option<(i64, Quality)>,
}

/// What one frame gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Yield {
    /// Readings.
    pub readings: u64,
    /// Those of kind `event`.
    pub events: u64,
    /// Identifiers that no catalogue knows.
    pub unknown: u64,
    /// Readings that have no time.
    pub undated: u64,
}

struct Collect<'t> {
    table: &'t mut Readings,
    origin: Origin,
    head: Option<Head>,
    point: Option<u16>,
    protocol: u8,
    device: i32,
    gave: Yield,
}

/// Decodes one frame and adds its readings. Requests give none.
pub fn collect(
    decoder: &mut Decoder<'_>,
    protocol: Protocol,
    frame: &[u8],
    origin: Origin,
    table: &mut Readings,
) -> Yield {
    let mut collect =
        Collect { table, origin, head: None, point: None, protocol: 0, device: 0, gave: Yield::default() };
    decoder.decode(protocol, frame, &mut collect);
    collect.gave
}

impl Visitor for Collect<'_> {
    #[inline]
    fn head(&mut self, head: &Head) -> bool {
        if head.direction == Some(Direction::Down) {
            return false;
        }
        self.protocol = head.protocol as u8;
        self.device = self.table.device(&head.address);
        self.head = Some(*head);
        true
    }

    fn item(&mut self, point: u16, _function: u16) {
        if self.point == Some(point) {
            return;
        }
        self.point = Some(point);
        if let Some(head) = self.head {
            let mut address = head.address;
            if point > 0 {
                let _ = std::fmt::Write::write_fmt(&mut address, format_args!("/{point}"));
            }
            self.device = self.table.device(&address);
        }
    }

    fn carried(&mut self, device: Option<&Address>) {
        self.point = None;
        if let Some(address) = device.or(self.head.as_ref().map(|head| &head.address)) {
            self.device = self.table.device(address);
        }
    }

    #[inline]
    fn value(&mut self, _at: Range<usize>, reading: &Reading) {
        let mut quality = reading.quality;
        let own = reading.time.as_ref().and_then(keyacct_model::Stamp::civil_ms);
        let time = own.or_else(|| {
            self.origin.time.map(|(ms, bit)| {
                quality |= bit;
                ms
            })
        });
        let (digits, scale) = match &reading.value {
            Value::Number(number) => (number.digits, number.scale),
            _ => (0, NO_NUMBER),
        };
        let text = match &reading.value {
            Value::Text(text) => Some(text.clone()),
            Value::Time(stamp) => Some(stamp.to_string()),
            // A time of occurrence without its year is no instant, but must not be lost.
            _ => reading.time.filter(|_| own.is_none()).map(|stamp| stamp.to_string()),
        };
        if let Some(text) = text {
            self.table.texts.push((self.table.rows.len() as u32, text));
        }
        self.gave.readings += 1;
        self.gave.events += u64::from(reading.kind == Kind::Event);
        self.gave.undated += u64::from(time.is_none());
        self.table.push(Row {
            offset: self.origin.offset as i64,
            time: time.unwrap_or(NO_TIME),
            digits,
            line: self.origin.line.min(u64::from(u32::MAX)) as u32,
            device: self.device,
            quantity: reading.quantity as u16,
            quality: quality.0,
            protocol: self.protocol,
            kind: reading.kind as u8,
            phase: reading.phase as u8,
            unit: reading.unit as u8,
            tariff: reading.tariff.0,
            index: reading.index,
            scale,
        });
    }

    fn unknown(&mut self, _at: Range<usize>, _key: impl FnOnce() -> String) {
        self.gave.unknown += 1;
    }
}
