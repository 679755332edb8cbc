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
    /// Bytes between a value and its time of occurrence.
    apart: Option<usize>,
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
                data.take(data.left());
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
            index: bound.index.unwrap_or(row.index),
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
    let mut walk = Walk::of_row(row, bound, visitor);
    walk.stamp = stamp;
    walk.items(items, data)
}

/// Walks one alternative of a row's layout whose values carry a time that stands before them; whether all of it was
/// there. A time of occurrence without year or month takes them from that time.
pub fn walk_stamped<V: Visitor>(
    row: &Row,
    key: u64,
    items: &[Item],
    stamp: Option<Stamp>,
    data: &mut Cursor<'_>,
    visitor: &mut V,
) -> bool {
    let mut walk = Walk::of_row(row, row.pattern.bind(key), visitor);
    walk.stamp = stamp;
    walk.items(items, data)
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
    let mut walk = Walk {
        visitor,
        phase: Phase::None,
        tariff: 0,
        index: 0,
        kind,
        count: 0,
        stamp,
        apart: None,
        slots: [0; 26],
    };
    walk.items(items, data)
}

impl<'v, V: Visitor> Walk<'v, V> {
    fn of_row(row: &Row, bound: Bound, visitor: &'v mut V) -> Walk<'v, V> {
        let Labels { phase, tariff, index, kind } = Labels::of(row, bound);
        Walk { visitor, phase, tariff, index, kind, count: 0, stamp: None, apart: None, slots: [0; 26] }
    }

    fn items(&mut self, items: &[Item], data: &mut Cursor<'_>) -> bool {
        for item in items {
            let whole = match item {
                Item::Field(field) => self.field(field, data),
                Item::Slot(slot, format) => self.slot(*slot, format, data),
                Item::Count(slot, field) => self.count(*slot, field, data),
                Item::Skip(format) => self.skip(format, data),
                Item::Secret(format) => self.secret(format, data),
                Item::Columns(count, field) => self.columns(*count, field, data),
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
            Count::Bits(slot) => return self.repeat_bits(slot, inner, data),
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

    fn columns(&mut self, count: Count, field: &Field, data: &mut Cursor<'_>) -> bool {
        let count = match count {
            Count::Fixed(count) => usize::from(count),
            Count::Slot(slot, plus) => self.slots[usize::from(slot)] as usize + usize::from(plus),
            Count::Bits(_) | Count::Rest => return false, // the notation has no such columns
        };
        let time = field.occurrence.as_ref().map_or(0, Vec::len);
        let Some(size) = self.size(&field.format, data) else { return false };
        if count > MOST_REPEATS || data.left() < count * (size + time) {
            return false;
        }
        let outer = self.count;
        let mut whole = true;
        for n in 0..count {
            self.count = n.min(255) as u8;
            self.apart = Some((count - n - 1) * size + n * time);
            whole = whole && self.field(field, data);
        }
        (self.count, self.apart) = (outer, None);
        whole && data.take(count * time).is_some()
    }

    fn repeat_bits(&mut self, slot: u8, inner: &[Item], data: &mut Cursor<'_>) -> bool {
        let (word, outer) = (self.slots[usize::from(slot)], self.count);
        let mut whole = true;
        for bit in (0..32u8).filter(|bit| word >> bit & 1 == 1) {
            self.count = bit;
            whole = whole && self.items(inner, data);
        }
        self.count = outer;
        whole
    }

    fn count(&mut self, slot: u8, field: &Field, data: &mut Cursor<'_>) -> bool {
        let start = data.rest();
        let left = data.left();
        let whole = self.field(field, data);
        self.slots[usize::from(slot)] = read_binary(&start[..left - data.left()], false) as u32;
        whole
    }

    fn secret(&mut self, format: &Format, data: &mut Cursor<'_>) -> bool {
        let from = data.position();
        let Some(size) = self.size(format, data) else { return false };
        if data.take(size).is_none() {
            return false;
        }
        self.visitor.secret(from..data.position(), || Name::new("Password", "密码"));
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
            Format::Text { size, .. } | Format::Hex { size, .. } | Format::Mask(size) => match size {
                Size::Fixed(bytes) => Some(usize::from(*bytes)),
                Size::Slot(slot, less) => {
                    (self.slots[usize::from(*slot)] as usize).checked_sub(usize::from(*less))
                }
                Size::Rest => Some(data.left()),
            },
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
        let counted = self.count.saturating_add(field.first);
        let mut reading = Reading {
            quantity: field.quantity,
            phase: field.phase.unwrap_or(self.phase),
            tariff: Tariff(if field.counted { counted } else { self.tariff }),
            index: if field.counted || field.indexed { counted } else { self.index },
            kind: field.kind.unwrap_or(self.kind),
            value,
            unit: if number { field.quantity.unit() } else { Unit::None },
            quality,
            time: self.stamp,
        };
        if field.counted && self.index != 0 {
            reading.index = self.index;
        }
        let end = data.position();
        if let Some(parts) = &field.occurrence {
            // In columns the times of all values follow the last of them and are taken together.
            let bytes = match self.apart {
                None => data.take(parts.len()),
                Some(apart) => data.rest().get(apart..apart + parts.len()),
            };
            let at = end + self.apart.unwrap_or(0);
            let Some(bytes) = bytes else { return false };
            let (time, _, quality) = read_time(bytes, parts);
            let (complete, assumed) = time.map_or((None, false), |time| complete(time, self.stamp));
            reading.time = complete;
            if quality.has(Quality::INVALID_DIGIT) {
                reading.quality |= Quality::CLOCK_SUSPECT;
            }
            if assumed {
                reading.quality |= Quality::YEAR_ASSUMED;
            }
            if field.tells_occurrence {
                self.visitor.value(from..end, &reading);
                let sent = Reading {
                    quantity: Quantity::OccurredAt,
                    value: time.map_or(Value::Null, Value::Time),
                    unit: Unit::None,
                    quality,
                    ..reading
                };
                self.visitor.value(at..at + parts.len(), &sent);
                return true;
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
                        unit: bit.quantity.unit(),
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

/// A time of occurrence with the year and month of the time that stands before it, and whether the year is a guess. A
/// month later than that of the other time belongs to the year before.
fn complete(mut time: Stamp, of: Option<Stamp>) -> (Option<Stamp>, bool) {
    let Some(of) = of.filter(|_| time.year.is_none() && time.day.is_some()) else {
        return (Some(time), false);
    };
    let Some(year) = of.year else { return (Some(time), false) };
    let sent = time.month.is_some();
    time.month = time.month.or(of.month);
    let before = sent && time.month > of.month;
    time.year = if before { year.checked_sub(1) } else { Some(year) };
    (Some(time), sent)
}

fn same(number: u32) -> Name {
    Name::new(number.to_string(), number.to_string())
}
