//! Readings of frames, collected into Arrow record batches.
//!
//! Two ways lead into the columns: [`collect`] takes what a decoder tells, value by value; [`Readings::run`] takes the
//! answers that have a flat program, whole frames at a time. Both give the same rows (`tests/readings.rs`).

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use keyacct_model::{Kind, Quality, Reading, Value};
use keyacct_wire::assemble::Joined;
use keyacct_wire::decoder::Decoder;
use keyacct_wire::dlt698_45::program::AnswerProgram;
use keyacct_wire::program::Program;
use keyacct_wire::visit::{Head, Visitor};
use keyacct_wire::{Address, Direction, Protocol};

use crate::columns::{Columns, NO_TIME, Row};
use crate::reading_batch::Words;

/// The columns of a table of readings; with `receipt` also when a frame was received.
pub fn schema(receipt: bool) -> SchemaRef {
    let words = |key| DataType::Dictionary(Box::new(key), Box::new(DataType::Utf8));
    let time = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Millisecond, zone.map(Into::into));
    let mut fields = vec![
        Field::new("line", DataType::Int64, true),
        Field::new("offset", DataType::Int64, false),
        Field::new("device", words(DataType::Int32), false),
        Field::new("protocol", words(DataType::Int8), false),
        Field::new("kind", words(DataType::Int8), false),
        Field::new("quantity", words(DataType::Int16), false),
        Field::new("phase", words(DataType::Int8), true),
        Field::new("tariff", DataType::UInt8, false),
        Field::new("index", DataType::UInt8, false),
        Field::new("time", time(None), true),
        Field::new("value", DataType::Float64, true),
        Field::new("unit", words(DataType::Int8), true),
        Field::new("text", DataType::Utf8, true),
        Field::new("quality", DataType::UInt16, false),
    ];
    if receipt {
        fields.push(Field::new("recv_at", time(Some("UTC")), true));
    }
    Arc::new(Schema::new(fields))
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

/// Devices by their six address bytes: what [`Address`] would find, without making one.
#[derive(Default)]
struct RawDevices {
    slots: Vec<(u64, i32)>,
    used: usize,
    last: Option<(u64, i32)>,
}

const EMPTY: u64 = u64::MAX;

impl RawDevices {
    #[inline(always)]
    fn find(&mut self, raw: u64) -> Option<i32> {
        if let Some((known, number)) = self.last
            && known == raw
        {
            return Some(number);
        }
        let mut at = self.slot(raw)?;
        loop {
            match self.slots[at] {
                (found, number) if found == raw => {
                    self.last = Some((raw, number));
                    return Some(number);
                }
                (EMPTY, _) => return None,
                _ => at = (at + 1) & (self.slots.len() - 1),
            }
        }
    }

    #[inline]
    fn slot(&self, raw: u64) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        Some((raw.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize & mask)
    }

    fn insert(&mut self, raw: u64, number: i32) {
        if (self.used + 1) * 2 > self.slots.len() {
            let more = (self.slots.len() * 2).max(64);
            let old = std::mem::replace(&mut self.slots, vec![(EMPTY, 0); more]);
            for (raw, number) in old.into_iter().filter(|(raw, _)| *raw != EMPTY) {
                self.place(raw, number);
            }
        }
        self.place(raw, number);
        self.used += 1;
    }

    fn place(&mut self, raw: u64, number: i32) {
        let Some(mut at) = self.slot(raw) else { return };
        while self.slots[at].0 != EMPTY {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = (raw, number);
    }
}

/// Collects readings.
#[derive(Default)]
pub struct Readings {
    columns: Option<Box<Columns>>,
    done: Vec<Columns>,
    devices: HashMap<Address, i32, BuildHasherDefault<Quick>>,
    raw: RawDevices,
    names: Vec<String>,
    count: u64,
    /// Whether several threads have filled them, so that several may finish them.
    beside: bool,
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

    /// The number of the device with these six address bytes, lowest first.
    #[inline]
    fn raw_device(&mut self, address: [u8; 6]) -> i32 {
        let [a, b, c, d, e, f] = address;
        let raw = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
        if let Some(known) = self.raw.find(raw) {
            return known;
        }
        let number = self.device(&Address::from_reversed(&address));
        self.raw.insert(raw, number);
        number
    }

    #[inline]
    fn columns(&mut self, rows: usize) -> &mut Columns {
        if self.columns.as_ref().is_none_or(|c| c.room() < rows) {
            self.next_columns();
        }
        self.columns.get_or_insert_with(|| Box::new(Columns::new(0)))
    }

    #[cold]
    fn next_columns(&mut self) {
        let full = self.columns.take();
        let rows = full.as_ref().map_or(0, |full| full.rows());
        self.done.extend(full.map(|columns| *columns));
        self.columns = Some(Box::new(Columns::new(rows)));
    }

    /// Adds the values of one answer that has a program; gives how many. `data`: the bytes behind the identifier as
    /// sent, of which the first `length` are the answer's; the more lie behind them, the better. The values have no time.
    #[inline]
    pub fn run(
        &mut self,
        program: &Program,
        protocol: Protocol,
        address: [u8; 6],
        offset: u64,
        (data, length): (&[u8], usize),
    ) -> u64 {
        let device = self.raw_device(address);
        let count = program.form.values(length).min(program.values);
        self.columns(count).run(program, count, data, (offset as i64, device, protocol as i8));
        self.count += count as u64;
        count as u64
    }

    /// Adds the values of one answer of DL/T 698.45 that has a program.
    #[inline]
    pub fn answer(&mut self, program: &AnswerProgram, address: [u8; 6], offset: u64, elements: &[u8]) {
        let device = self.raw_device(address);
        let place = (offset as i64, device, Protocol::Dlt698_45 as i8);
        self.columns(program.values).answer(program, elements, place);
        self.count += program.values as u64;
    }

    /// Adds the readings of a later part of the same source.
    pub fn append(&mut self, later: Readings) {
        let names: Arc<[i32]> =
            later.names.iter().map(|name| self.device(&Address::from(name.as_str()))).collect();
        self.beside = true;
        self.done.extend(self.columns.take().map(|columns| *columns));
        let further = later.done.into_iter().chain(later.columns.map(|columns| *columns));
        self.done.extend(further.map(|mut columns| {
            columns.rename(Arc::clone(&names));
            columns
        }));
        self.count += later.count;
    }

    /// The columns and all of the readings as record batches; every batch has the same dictionaries.
    ///
    /// # Errors
    /// Only if a column could not be built, which would be a defect.
    pub fn finish(mut self) -> Result<(SchemaRef, Vec<RecordBatch>), ArrowError> {
        self.done.extend(self.columns.take().map(|columns| *columns));
        self.done.retain(|columns| columns.rows() > 0);
        let receipt = self.done.iter().any(Columns::has_receipt);
        let schema = schema(receipt);
        let rows = self.done.iter().map(Columns::rows).max().unwrap_or(0);
        let only = self.done.iter().filter_map(Columns::one_protocol).collect();
        let words = Words::new(self.names, rows, only)?;
        let finish = |columns: Vec<Columns>| -> Result<Vec<RecordBatch>, ArrowError> {
            columns.into_iter().map(|columns| columns.into_batch(&schema, &words, receipt)).collect()
        };
        let batches = if self.beside {
            let later = self.done.split_off(self.done.len() / 2);
            std::thread::scope(|scope| {
                let later = scope.spawn(|| finish(later));
                let mut batches = finish(std::mem::take(&mut self.done))?;
                let lost = |_| ArrowError::ComputeError("a thread that made batches has ended".into());
                batches.extend(later.join().map_err(lost)??);
                Ok::<_, ArrowError>(batches)
            })?
        } else {
            finish(self.done)?
        };
        Ok((schema, batches))
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
    /// When the frame was received, milliseconds since 1970-01-01 UTC. A value without a time of its own or of the line
    /// has none then, and the bit `time_of_receipt`.
    pub received: Option<i64>,
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

/// Decodes a split answer that has been put together, and adds its readings.
pub fn collect_joined(
    decoder: &mut Decoder<'_>,
    joined: &Joined,
    whole: bool,
    origin: Origin,
    table: &mut Readings,
) -> Yield {
    let mut collect =
        Collect { table, origin, head: None, point: None, protocol: 0, device: 0, gave: Yield::default() };
    decoder.decode_joined(joined, whole, &mut collect);
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
        if time.is_none() && self.origin.received.is_some() {
            quality |= Quality::TIME_OF_RECEIPT;
        }
        let value = match &reading.value {
            Value::Number(number) => Some(number.to_f64()),
            _ => None,
        };
        let text = match &reading.value {
            Value::Text(text) => Some(text.clone()),
            Value::Time(stamp) => Some(stamp.to_string()),
            // A time of occurrence without its year is no instant, but must not be lost.
            _ => reading.time.filter(|_| own.is_none()).map(|stamp| stamp.to_string()),
        };
        self.gave.readings += 1;
        self.gave.events += u64::from(reading.kind == Kind::Event);
        self.gave.undated += u64::from(time.is_none() && self.origin.received.is_none());
        let row = Row {
            offset: self.origin.offset as i64,
            time: time.unwrap_or(NO_TIME),
            received: self.origin.received.unwrap_or(NO_TIME),
            value,
            line: self.origin.line as i64,
            device: self.device,
            quantity: reading.quantity as u16,
            quality: quality.0,
            protocol: self.protocol,
            kind: reading.kind as u8,
            phase: reading.phase as u8,
            unit: reading.unit as u8,
            tariff: reading.tariff.0,
            index: reading.index,
        };
        self.table.columns(1).push(&row, text);
        self.table.count += 1;
    }

    fn unknown(&mut self, _at: Range<usize>, _key: impl FnOnce() -> String) {
        self.gave.unknown += 1;
    }
}
