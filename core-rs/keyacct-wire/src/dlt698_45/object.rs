//! Data of an object's attribute or method by the rows of the catalogue.
//!
//! Keys are the eight digits of an OAD with index 00; methods have `01` in front. A layout's items are the elements of
//! the array or structure in their order, a repeat is an array of any length, and an OAD with an index n has the n-th of
//! them alone. The data types are on the wire: of a format only the decimal places, the bit names and the spelling for
//! the encoder count.

use keyacct_model::{Kind as Sort, Phase, Quality, Quantity, Reading, Tariff, Unit, Value};

use super::axdr;
use super::tell::{Tell, name, same};
use super::tree::{Body, Node};
use super::value;
use crate::catalogue::{Body as RowBody, PhaseOf, Row};
use crate::format::{Bit, Format};
use crate::layout::{Count, Field, Item};
use crate::visit::Visitor;

/// Prefix of the key of a method.
pub const METHOD: u64 = 0x01 << 32;
/// Bits of an attribute that name a special feature of it.
const FEATURES: u32 = 0x0000_E000;

/// What a row says of all its values.
#[derive(Clone, Copy)]
struct Common {
    phase: Phase,
    tariff: u8,
    sort: Sort,
    index: u8,
    count: u8,
}

impl<'c, V: Visitor> Tell<'_, '_, 'c, V> {
    /// The row of an attribute or method, its key, and the index that the key leaves out.
    pub(super) fn find(&mut self, id: u32, method: bool) -> Option<(&'c Row, u64, u8)> {
        if method {
            let key = METHOD | u64::from(id & !0xFF);
            return self.lookup().find(key).map(|row| (row, key, 0));
        }
        let exact = u64::from(id);
        if let Some(row) = self.lookup().find(exact) {
            return Some((row, exact, 0));
        }
        let whole = u64::from(id & !0xFF);
        if let Some(row) = self.lookup().find(whole) {
            return Some((row, whole, id as u8));
        }
        let plain = u64::from(id & !0xFF & !FEATURES);
        self.lookup().find(plain).map(|row| (row, plain, id as u8))
    }

    /// The data of an attribute, or parameters or result of a method.
    pub(super) fn object(&mut self, id: u32, method: bool, data: &Node<'_>) {
        let found = self.find(id, method);
        self.visitor.enter(self.at(data), || {
            same(found.map_or(format!("{id:08X}"), |(row, key, _)| format!("{id:08X} {}", row.name_of(key))))
        });
        match found {
            Some((row, key, index)) => {
                let bound = row.pattern.bind(key);
                let common = Common {
                    phase: match row.phase {
                        PhaseOf::Fixed(phase) => phase,
                        PhaseOf::Key => Phase::from_number(bound.phase.unwrap_or(0)),
                    },
                    tariff: row.tariff.or(bound.tariff).unwrap_or(0),
                    sort: frozen(row.kind, self.table),
                    index: bound.index.unwrap_or(0),
                    count: 0,
                };
                if let RowBody::Layout(layout) = &row.body {
                    let items = chosen(&layout.0, data);
                    if matches!(row.kind, Sort::Event) && data.elements().is_some() {
                        self.event_code(id, data, common);
                    }
                    self.whole(items, data, index, common);
                }
            }
            None => {
                let start = self.at(data).start;
                self.visitor.unknown(start..start, || format!("{id:08X}"));
                self.unknown_values(data, Quantity::ObjectValue, frozen(Sort::Status, None), 0);
            }
        }
        self.visitor.leave();
    }

    /// Which event a record is of: its object identifier.
    fn event_code(&mut self, id: u32, data: &Node<'_>, common: Common) {
        let reading = Reading {
            quantity: Quantity::EventCode,
            value: Value::Text(format!("{:04X}", id >> 16)),
            ..self.reading(Quantity::EventCode, common)
        };
        let start = self.at(data).start;
        self.visitor.value(start..start, &reading);
    }

    fn reading(&self, quantity: Quantity, common: Common) -> Reading {
        Reading {
            quantity,
            phase: common.phase,
            tariff: Tariff(common.tariff),
            index: common.index,
            kind: common.sort,
            value: Value::Null,
            unit: Unit::None,
            quality: Quality::GOOD,
            time: self.stamp,
        }
    }

    fn whole(&mut self, items: &[Item], data: &Node<'_>, index: u8, common: Common) {
        match (items, index.checked_sub(1)) {
            ([Item::Repeat(_, inner)], Some(n)) => {
                let count = Common { count: n, index, ..common };
                self.group(inner, data, count);
            }
            ([_, _, ..], Some(n)) => match items.get(usize::from(n)) {
                Some(item) => self.group(std::slice::from_ref(item), data, common),
                None => self.unknown_values(data, Quantity::ObjectValue, common.sort, index),
            },
            _ => self.group(items, data, common),
        }
    }

    /// Items of a layout against one value: several items are the elements of a structure or array.
    fn group(&mut self, items: &[Item], data: &Node<'_>, common: Common) {
        match items {
            [item] => self.item(item, data, common),
            _ => match data.elements() {
                Some(elements) => {
                    self.mark(data);
                    for (n, element) in elements.iter().enumerate() {
                        match items.get(n) {
                            Some(item) => self.item(item, element, common),
                            None => {
                                let index = (n + 1).min(255) as u8;
                                self.unknown_values(element, Quantity::ObjectValue, common.sort, index);
                            }
                        }
                    }
                }
                None if is_null(data) => {
                    for item in items.iter().filter(|i| matches!(i, Item::Field(_))) {
                        self.item(item, data, common);
                    }
                }
                None => {
                    if let Some(item) = items.first() {
                        self.item(item, data, common);
                    }
                }
            },
        }
    }

    fn item(&mut self, item: &Item, data: &Node<'_>, common: Common) {
        match item {
            // A structure inside a structure is a group that comes once.
            Item::Repeat(Count::Fixed(1), inner) => self.group(inner, data, common),
            Item::Repeat(_, inner) => match data.elements() {
                Some(elements) => {
                    self.mark(data);
                    for (n, element) in elements.iter().enumerate() {
                        self.group(
                            inner,
                            element,
                            Common { count: n.min(255) as u8, index: (n + 1).min(255) as u8, ..common },
                        );
                    }
                }
                None => self.group(inner, data, common),
            },
            Item::Field(field) | Item::Count(_, field) => self.value(field, data, common),
            Item::Secret(_) => self.visitor.secret(self.at(data), || name("Password", "密码")),
            Item::Slot(..) | Item::Skip(_) | Item::Columns(..) => {
                self.unknown_values(data, Quantity::ObjectValue, common.sort, 0);
            }
        }
    }

    fn value(&mut self, field: &Field, data: &Node<'_>, common: Common) {
        if field.occurrence.is_some()
            && let Some([value, time]) = data.elements()
        {
            self.visitor.enter(self.at(data), || name(field.quantity.en(), field.quantity.zh()));
            self.mark(data);
            self.scalar(field, value, Some(time), common);
            self.visitor.field(self.at(time), || {
                let at = value::stamp(time).map_or(String::new(), |stamp| stamp.to_string());
                (name("Time of occurrence", "发生时间"), same(at))
            });
            self.visitor.leave();
            return;
        }
        match data.elements() {
            Some(elements) => {
                // More than the row says: every leaf is a value of the field.
                self.visitor.enter(self.at(data), || name(field.quantity.en(), field.quantity.zh()));
                self.mark(data);
                for (n, element) in elements.iter().enumerate() {
                    let index = (n + 1).min(255) as u8;
                    self.value(field, element, Common { index, ..common });
                }
                self.visitor.leave();
            }
            None => self.scalar(field, data, None, common),
        }
    }

    fn scalar(&mut self, field: &Field, data: &Node<'_>, time: Option<&Node<'_>>, common: Common) {
        let number = field.format.is_number();
        let scale = match field.format {
            Format::Binary { scale, .. } => scale,
            _ => 0,
        };
        let physical = number && (scale > 0 || field.quantity.unit() != Unit::None);
        let told = value::read(data, scale, physical);
        let unit = if number { field.quantity.unit() } else { Unit::None };
        let mut reading = Reading {
            phase: field.phase.unwrap_or(common.phase),
            tariff: Tariff(if field.counted { common.count } else { common.tariff }),
            index: if field.counted { common.count } else { common.index },
            kind: field.kind.unwrap_or(common.sort),
            unit: if matches!(told.value, Value::Number(_)) { told.unit.unwrap_or(unit) } else { Unit::None },
            value: told.value,
            quality: told.quality,
            ..self.reading(field.quantity, common)
        };
        if let Some(time) = time {
            reading.time = value::stamp(time);
            if reading.time.is_none() && value::read(time, 0, false).quality.has(Quality::INVALID_DIGIT) {
                reading.quality |= Quality::CLOCK_SUSPECT;
            }
        }
        let at = self.at(data);
        self.visitor.value(at.clone(), &reading);
        self.weekday(told.weekday, &reading, data);
        if let (Format::Bits { bits, .. }, Some(inner)) = (&field.format, data.children().first()) {
            self.bits(bits, inner, data, &reading);
        }
    }

    /// Named bits: bit 0 is the first one sent, the highest of the first byte.
    fn bits(&mut self, bits: &[Bit], inner: &Node<'_>, data: &Node<'_>, whole: &Reading) {
        let Body::Bits(count, bytes) = inner.body else { return };
        for bit in bits.iter().filter(|bit| u32::from(bit.high) < count) {
            let run = (bit.low..=bit.high).rev().fold(0i64, |run, n| {
                let set = bytes[usize::from(n / 8)] >> (7 - n % 8) & 1;
                run << 1 | i64::from(set)
            });
            let part = Reading {
                quantity: bit.quantity,
                phase: bit.phase.unwrap_or(whole.phase),
                value: Value::Number(run.into()),
                ..whole.clone()
            };
            let at = self.at(data);
            self.visitor.value(at, &part);
        }
    }

    /// Values that no row explains, each leaf for itself.
    pub(super) fn unknown_values(&mut self, data: &Node<'_>, quantity: Quantity, sort: Sort, index: u8) {
        if let Some(elements) = data.elements() {
            self.visitor.enter(self.at(data), || match data.body {
                Body::Tagged(axdr::ARRAY, _) => name("Array", "数组"),
                _ => name("Structure", "结构"),
            });
            self.mark(data);
            for (n, element) in elements.iter().enumerate() {
                self.unknown_values(element, quantity, sort, (n + 1).min(255) as u8);
            }
            self.visitor.leave();
            return;
        }
        let told = value::read(data, 0, false);
        let common = Common { phase: Phase::None, tariff: 0, sort, index, count: 0 };
        let reading = Reading {
            unit: told.unit.unwrap_or(Unit::None),
            value: told.value,
            quality: told.quality,
            ..self.reading(quantity, common)
        };
        let at = self.at(data);
        self.visitor.value(at, &reading);
        self.weekday(told.weekday, &reading, data);
    }
}

/// The alternative with as many items as the data have elements, else the first.
fn chosen<'i>(alternatives: &'i [Vec<Item>], data: &Node<'_>) -> &'i [Item] {
    let fits = |items: &&Vec<Item>| data.elements().is_some_and(|elements| elements.len() == items.len());
    alternatives.iter().find(fits).or(alternatives.first()).map_or(&[], Vec::as_slice)
}

fn is_null(data: &Node<'_>) -> bool {
    matches!(data.body, Body::Tagged(0, _))
}

/// A register in a freeze table is a freeze; a table of years has no word of its own and keeps its stamp.
fn frozen(kind: Sort, table: Option<u16>) -> Sort {
    match (kind, table) {
        (Sort::Register, Some(0x5002)) => Sort::FreezeMinute,
        (Sort::Register, Some(0x5003)) => Sort::FreezeHour,
        (Sort::Register, Some(0x5004)) => Sort::FreezeDay,
        (Sort::Register, Some(0x5005)) => Sort::FreezeSettlement,
        (Sort::Register, Some(0x5006)) => Sort::FreezeMonth,
        (kind, _) => kind,
    }
}
