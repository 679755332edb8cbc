//! Walks data by the rows of a catalogue and tells a visitor every value.

use keyacct_model::{Kind, Phase, Quality, Quantity, Reading, Stamp, Tariff, Unit, Value};

use crate::catalogue::{Body, Bound, Catalogue, PhaseOf, Row, Segment};
use crate::cursor::Cursor;
use crate::format::{Format, Part, Size, read_binary, read_time};
use crate::layout::{Count, Field, Item};
use crate::visit::{Name, Visitor};

/// Rows that one identifier of a frame may fill; a hostile count cannot ask for more.
const MOST_REPEATS: usize = 4096;
const CACHE: usize = 256;

/// Looks rows up, remembering the identifiers that come again and again.
#[derive(Debug)]
pub struct Lookup<'c> {
    catalogue: &'c Catalogue,
    cache: Vec<(u64, u32)>,
}

impl<'c> Lookup<'c> {
    /// A lookup in a catalogue.
    pub fn new(catalogue: &'c Catalogue) -> Self {
        Lookup { catalogue, cache: vec![(u64::MAX, 0); CACHE] }
    }

    /// The catalogue itself.
    pub fn catalogue(&self) -> &'c Catalogue {
        self.catalogue
    }

    /// The row of a key.
    #[inline]
    pub fn find(&mut self, key: u64) -> Option<&'c Row> {
        let slot = (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as usize % CACHE;
        let (known, row) = self.cache[slot];
        if known == key {
            return self.catalogue.rows().get(row as usize);
        }
        let (at, row) = self.catalogue.find(key)?;
        self.cache[slot] = (key, at as u32);
        Some(row)
    }
}

struct Walk<'v, V: Visitor> {
    visitor: &'v mut V,
    phase: Phase,
    tariff: u8,
    index: u8,
    kind: Kind,
    count: u8,
    stamp: Option<Stamp>,
    slots: [u32; 26],
}

/// Tells every value of the data of one identifier. Data that end early end the walk after the last whole value; bytes
/// behind the last one stay in the cursor.
#[inline]
pub fn walk<V: Visitor>(catalogue: &Catalogue, row: &Row, key: u64, data: &mut Cursor<'_>, visitor: &mut V) {
    walk_at(catalogue, row, key, None, data, visitor);
}

/// As [`walk`], for data that a block has given their time.
pub fn walk_at<V: Visitor>(
    catalogue: &Catalogue,
    row: &Row,
    key: u64,
    stamp: Option<Stamp>,
    data: &mut Cursor<'_>,
    visitor: &mut V,
) {
    match &row.body {
        Body::Layout(layout) => {
            let Some(items) = layout.choose(data.left()) else {
                let from = data.position();
                visitor.unknown(from..from + data.left(), || row.name_of(key));
                return;
            };
            walk_row(row, row.pattern.bind(key), stamp, items, data, visitor);
        }
        Body::Block(segments) => {
            for segment in segments {
                if !walk_segment(catalogue, segment, key, stamp, data, visitor) {
                    return;
                }
            }
        }
    }
}

fn walk_segment<V: Visitor>(
    catalogue: &Catalogue,
    segment: &Segment,
    key: u64,
    stamp: Option<Stamp>,
    data: &mut Cursor<'_>,
    visitor: &mut V,
) -> bool {
    let Some(row) = catalogue.rows().get(segment.row) else { return false };
    let Body::Layout(layout) = &row.body else { return false };
    let items = layout.usual();
    for value in segment.low..=segment.high {
        if data.left() == 0 {
            return false;
        }
        let member = segment.base | key & segment.bound | u64::from(value) << segment.shift;
        if !walk_row(row, row.pattern.bind(member), stamp, items, data, visitor) {
            return false;
        }
    }
    true
}

/// What a row and the variable bytes of a key say about values that name nothing themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels {
    pub(crate) phase: Phase,
    pub(crate) tariff: u8,
    pub(crate) index: u8,
    pub(crate) kind: Kind,
}

impl Labels {
    pub(crate) fn of(row: &Row, bound: Bound) -> Labels {
        let phase = match row.phase {
            PhaseOf::Fixed(phase) => phase,
            PhaseOf::Key => Phase::from_number(bound.phase.unwrap_or(0)),
        };
        let settled = bound.settled && row.kind == Kind::Register;
        Labels {
            phase,
            tariff: row.tariff.or(bound.tariff).unwrap_or(0),
            index: bound.index.unwrap_or(0),
            kind: if settled { Kind::FreezeSettlement } else { row.kind },
        }
    }
}

fn walk_row<V: Visitor>(
    row: &Row,
    bound: Bound,
    stamp: Option<Stamp>,
    items: &[Item],
    data: &mut Cursor<'_>,
    visitor: &mut V,
) -> bool {
    let Labels { phase, tariff, index, kind } = Labels::of(row, bound);
    Walk { visitor, phase, tariff, index, kind, count: 0, stamp, slots: [0; 26] }.items(items, data)
}

/// Walks a layout that belongs to no row, such as the fixed data of a command. Gives whether it was whole.
pub fn walk_items<V: Visitor>(items: &[Item], kind: Kind, data: &mut Cursor<'_>, visitor: &mut V) -> bool {
    walk_items_at(items, kind, None, data, visitor)
}

/// As [`walk_items`], for values whose time is known already.
pub fn walk_items_at<V: Visitor>(
    items: &[Item],
    kind: Kind,
    stamp: Option<Stamp>,
    data: &mut Cursor<'_>,
    visitor: &mut V,
) -> bool {
    let phase = Phase::None;
    Walk { visitor, phase, tariff: 0, index: 0, kind, count: 0, stamp, slots: [0; 26] }.items(items, data)
}

impl<V: Visitor> Walk<'_, V> {
    fn items(&mut self, items: &[Item], data: &mut Cursor<'_>) -> bool {
        for item in items {
            let whole = match item {
                Item::Field(field) => self.field(field, data),
                Item::Slot(slot, format) => self.slot(*slot, format, data),
                Item::Skip(format) => self.skip(format, data),
                Item::Repeat(count, inner) => self.repeat(*count, inner, data),
            };
            if !whole {
                return false;
            }
        }
        true
    }

    fn repeat(&mut self, count: Count, inner: &[Item], data: &mut Cursor<'_>) -> bool {
        let count = match count {
            Count::Fixed(count) => usize::from(count),
            Count::Slot(slot, plus) => self.slots[usize::from(slot)] as usize + usize::from(plus),
            Count::Rest => MOST_REPEATS,
        };
        let outer = self.count;
        for n in 0..count.min(MOST_REPEATS) {
            if data.left() == 0 {
                self.count = outer;
                return count == MOST_REPEATS;
            }
            self.count = n.min(255) as u8;
            if !self.items(inner, data) {
                self.count = outer;
                return false;
            }
        }
        self.count = outer;
        true
    }

    fn slot(&mut self, slot: u8, format: &Format, data: &mut Cursor<'_>) -> bool {
        let from = data.position();
        let Some(bytes) = format.size().and_then(|size| data.take(size)) else { return false };
        let number = match format.read(bytes).0 {
            Value::Number(number) => u32::try_from(number.digits).unwrap_or(0),
            _ => 0,
        };
        self.slots[usize::from(slot)] = number;
        self.visitor.field(from..data.position(), || (Name::new("Count", "个数"), same(number)));
        true
    }

    fn skip(&mut self, format: &Format, data: &mut Cursor<'_>) -> bool {
        let from = data.position();
        let Some(size) = self.size(format, data) else { return false };
        if data.take(size).is_none() {
            return false;
        }
        self.visitor.field(from..data.position(), || (Name::new("Reserved", "保留"), Name::new("", "")));
        true
    }

    fn size(&self, format: &Format, data: &Cursor<'_>) -> Option<usize> {
        match format {
            Format::Text { size, .. } | Format::Hex { size, .. } => Some(match size {
                Size::Fixed(bytes) => usize::from(*bytes),
                Size::Slot(slot) => self.slots[usize::from(*slot)] as usize,
                Size::Rest => data.left(),
            }),
            _ => format.size(),
        }
    }

    #[inline]
    fn field(&mut self, field: &Field, data: &mut Cursor<'_>) -> bool {
        let from = data.position();
        let Some(size) = self.size(&field.format, data) else { return false };
        let occurrence = field.occurrence.as_ref().map_or(0, Vec::len);
        if data.left() < size + occurrence {
            return false;
        }
        let Some(bytes) = data.take(size) else { return false };
        let (value, quality) = field.format.read(bytes);
        let number = field.format.is_number();
        let mut reading = Reading {
            quantity: field.quantity,
            phase: field.phase.unwrap_or(self.phase),
            tariff: Tariff(if field.counted { self.count } else { self.tariff }),
            index: if field.counted { self.count } else { self.index },
            kind: field.kind.unwrap_or(self.kind),
            value,
            unit: if number { field.quantity.unit() } else { Unit::None },
            quality,
            time: self.stamp,
        };
        if field.counted && self.index != 0 {
            reading.index = self.index;
        }
        if let Some(parts) = &field.occurrence
            && let Some(bytes) = data.take(parts.len())
        {
            let (time, _, quality) = read_time(bytes, parts);
            reading.time = time;
            if quality.has(Quality::INVALID_DIGIT) {
                reading.quality |= Quality::CLOCK_SUSPECT;
            }
        }
        let at = from..data.position();
        self.visitor.value(at.clone(), &reading);
        match &field.format {
            Format::Time(parts) => self.time(field, parts, bytes, at, &reading),
            Format::Bits { bits, .. } if !bits.is_empty() => {
                let word = read_binary(bytes, false) as u64;
                for bit in bits {
                    let run = (word >> bit.low) & (u64::MAX >> (63 - (bit.high - bit.low)));
                    let part = Reading {
                        quantity: bit.quantity,
                        phase: bit.phase.unwrap_or(reading.phase),
                        value: Value::Number((run as i64).into()),
                        ..reading.clone()
                    };
                    self.visitor.value(at.clone(), &part);
                }
            }
            _ => {}
        }
        true
    }

    fn time(
        &mut self,
        field: &Field,
        parts: &[Part],
        bytes: &[u8],
        at: std::ops::Range<usize>,
        reading: &Reading,
    ) {
        if field.stamps
            && let Value::Time(stamp) = reading.value
        {
            self.stamp = Some(stamp);
        }
        if let (_, Some(weekday), _) = read_time(bytes, parts) {
            let part = Reading {
                quantity: Quantity::Weekday,
                value: Value::Number(i64::from(weekday).into()),
                ..reading.clone()
            };
            self.visitor.value(at, &part);
        }
    }
}

fn same(number: u32) -> Name {
    Name::new(number.to_string(), number.to_string())
}
