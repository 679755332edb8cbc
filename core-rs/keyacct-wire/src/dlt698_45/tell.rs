//! Tells a visitor everything an APDU says: fields by the grammar, data of objects by the catalogue ([`super::object`]).

use std::ops::Range;

use keyacct_model::{Kind as Sort, Phase, Quality, Quantity, Reading, Stamp, Tariff, Unit, Value};

use super::axdr;
use super::grammar::{Field, Kind, Shape};
use super::tree::{Apdu, Body, Node};
use super::{published, value, words};
use crate::frame::Address;
use crate::json::Json;
use crate::protocol::Protocol;
use crate::visit::{Name, Visitor};
use crate::walk::Lookup;

/// Columns that say when the other values of a row are from, best first: time of the freeze, of storage, of success, of
/// the start of reading, of the event.
const STAMPS: [u16; 5] = [0x2021, 0x6042, 0x6041, 0x6040, 0x201E];

/// Header fields that readers of values want as well.
const VALUES: [(&str, Quantity); 6] = [
    ("dar", Quantity::AccessResult),
    ("heartbeat_s", Quantity::HeartbeatInterval),
    ("request_time", Quantity::Clock),
    ("established", Quantity::ConnectedSince),
    ("software_version", Quantity::SoftwareVersion),
    ("hardware_version", Quantity::HardwareVersion),
];

/// Services whose own `time` is the clock of the device.
const CLOCKS: [&str; 2] = ["LINK-Request", "RELEASE-Notification"];

/// What is known on the way.
pub(super) struct Tell<'v, 'l, 'c, V: Visitor> {
    pub visitor: &'v mut V,
    /// Those of all protocols: an APDU may carry another protocol's frame.
    pub lookups: &'l mut [Lookup<'c>],
    /// Offset of the APDU in the frame.
    pub base: usize,
    /// Record table of the values, for what sort of freeze they are.
    pub table: Option<u16>,
    /// Stamp of the row.
    pub stamp: Option<Stamp>,
    /// Whether the service's own `time` is a clock.
    pub clock: bool,
    /// Place of the next part in its list.
    pub numbered: Option<usize>,
}

/// What the fields before said about the data that follow.
#[derive(Clone, Copy, Default)]
struct Context<'t, 'a> {
    attribute: Option<u32>,
    method: Option<u32>,
    columns: &'t [Node<'a>],
}

pub(super) fn name(en: impl Into<String>, zh: impl Into<String>) -> Name {
    Name::new(en, zh)
}

pub(super) fn same(text: impl Into<String>) -> Name {
    let text = text.into();
    Name::new(text.clone(), text)
}

impl<'c, V: Visitor> Tell<'_, '_, 'c, V> {
    /// Everything from an APDU's first byte on.
    pub fn apdu(&mut self, apdu: &Apdu<'_>, from: u32) {
        let head = 1 + u32::from(apdu.service.choice.is_some());
        let service = apdu.service.name;
        self.visitor.field(self.range(from, from + head), || (name("Service", "服务"), same(service)));
        self.clock = CLOCKS.contains(&service);
        self.fields(apdu.service.fields.iter().zip(&apdu.nodes));
    }

    pub(super) fn range(&self, from: u32, to: u32) -> Range<usize> {
        self.base + from as usize..self.base + to as usize
    }

    pub(super) fn at(&self, node: &Node<'_>) -> Range<usize> {
        self.range(node.from, node.to)
    }

    fn fields<'t, 'a: 't>(&mut self, fields: impl Iterator<Item = (&'static Field, &'t Node<'a>)>) {
        let mut context = Context::default();
        let mut device = false;
        for (field, node) in fields {
            device |= field.key == "tsa";
            self.field(field, node, &mut context);
        }
        if device {
            self.visitor.carried(None);
        }
    }

    fn field<'t, 'a>(&mut self, field: &'static Field, node: &'t Node<'a>, context: &mut Context<'t, 'a>) {
        match (field.key, node.kind) {
            ("oad", Kind::Oad) => {
                context.attribute = Some(node.number() as u32);
                self.identifier(|| name(field.en, field.zh), node, false);
            }
            ("omd", Kind::Omd) => {
                context.method = Some(node.number() as u32);
                self.identifier(|| name(field.en, field.zh), node, true);
            }
            ("columns", _) => {
                context.columns = node.children();
                self.plain(field, node);
            }
            ("tsa", _) => {
                self.plain(field, node);
                self.visitor.carried(Some(&address(node)));
            }
            ("data", Kind::Data) => self.object_of(*context, node),
            ("data", Kind::Optional(_)) => {
                self.mark(node);
                if let Some(data) = node.children().first() {
                    self.object_of(*context, data);
                }
            }
            ("rows", _) => self.rows(*context, node),
            (_, Kind::Choice(Shape::Flat | Shape::FlatWord(_), _)) => {
                self.mark(node);
                for (field, inner) in node.fields() {
                    self.field(field, inner, context);
                }
            }
            ("command" | "octets", Kind::Octets) => {
                self.plain(field, node);
                self.frame_inside(node);
            }
            ("octets", Kind::SeqOf(_)) => {
                self.plain(field, node);
                node.children().iter().for_each(|part| self.frame_inside(part));
            }
            _ => self.plain(field, node),
        }
    }

    /// What passes through a port is mostly a meter's frame.
    fn frame_inside(&mut self, octets: &Node<'_>) {
        let bytes = octets.bytes();
        let at = self.base + octets.to as usize - bytes.len();
        self.visitor.frame_inside(bytes, at, self.lookups);
    }

    pub(super) fn lookup(&mut self) -> &mut Lookup<'c> {
        &mut self.lookups[Protocol::Dlt698_45 as usize]
    }

    fn object_of(&mut self, context: Context<'_, '_>, node: &Node<'_>) {
        match (context.attribute, context.method) {
            (Some(oad), _) => self.object(oad, false, node),
            (None, Some(omd)) => self.object(omd, true, node),
            (None, None) => self.unknown_values(node, Quantity::ObjectValue, Sort::Status, 0),
        }
    }

    fn identifier(&mut self, title: impl FnOnce() -> Name, node: &Node<'_>, method: bool) {
        let id = node.number() as u32;
        let row = self.find(id, method);
        self.visitor.field(self.at(node), || {
            let known = row.map_or(String::new(), |(row, key, _)| format!(" {}", row.name_of(key)));
            (title(), same(format!("{id:08X}{known}")))
        });
    }

    /// A field without special meaning, with everything inside it.
    fn plain(&mut self, field: &'static Field, node: &Node<'_>) {
        let number = self.numbered.take();
        let title = || number.map_or_else(|| name(field.en, field.zh), |n| same(format!("#{n}")));
        match node.kind {
            Kind::Oad => self.identifier(title, node, false),
            Kind::Omd => self.identifier(title, node, true),
            Kind::Group(_) | Kind::SeqOf(_) | Kind::Rows | Kind::Apdu => {
                self.visitor.enter(self.at(node), title);
                self.mark(node);
                self.inside(field, node);
                self.visitor.leave();
            }
            Kind::Optional(_) | Kind::Choice(..) if !node.children().is_empty() => {
                self.visitor.enter(self.at(node), title);
                self.mark(node);
                self.inside(field, node);
                self.visitor.leave();
            }
            _ => self.leaf(field, title, node),
        }
    }

    fn inside(&mut self, field: &'static Field, node: &Node<'_>) {
        match (node.kind, &node.body) {
            (_, Body::Apdu(apdu)) => {
                let length: u32 = apdu.nodes.first().map_or(0, |n| n.from);
                let head = 1 + u32::from(apdu.service.choice.is_some());
                self.apdu(apdu, length.saturating_sub(head));
            }
            (Kind::Group(_) | Kind::Choice(..), _) => self.fields(node.fields()),
            (Kind::SeqOf(_) | Kind::Rows, _) => {
                for (n, child) in node.children().iter().enumerate() {
                    self.numbered = Some(n + 1);
                    self.plain(field, child);
                }
            }
            _ => node.children().iter().for_each(|child| self.plain(field, child)),
        }
    }

    /// The bytes before the first part of a node: count, length, number of the alternative, mark of presence.
    pub(super) fn mark(&mut self, node: &Node<'_>) {
        let first = match &node.body {
            Body::Apdu(apdu) => {
                let head = 1 + u32::from(apdu.service.choice.is_some());
                apdu.nodes.first().map(|n| n.from.saturating_sub(head))
            }
            _ => node.children().first().map(|n| n.from),
        };
        let to = first.unwrap_or(node.to);
        if to <= node.from {
            return;
        }
        let count = node.children().len();
        let (kind, arm) = (node.kind, node.arm());
        let tag = if let Body::Tagged(tag, _) = node.body { tag } else { 0 };
        self.visitor.field(self.range(node.from, to), || match kind {
            Kind::Choice(..) => (
                name("Choice", "选择"),
                same(arm.map_or(String::new(), |a| format!("{} {}", a.number, a.word))),
            ),
            Kind::Optional(_) if count == 0 => (name("Optional part", "可选项"), name("absent", "无")),
            Kind::Optional(_) => (name("Optional part", "可选项"), name("present", "有")),
            Kind::Apdu => (name("Length", "长度"), same("")),
            Kind::Data => {
                let type_name = axdr::type_of(tag).map_or("", |t| t.name);
                (name("Type", "类型"), same(format!("{type_name}, {count}")))
            }
            _ => (name("Count", "个数"), same(count.to_string())),
        });
    }

    fn leaf(&mut self, field: &'static Field, title: impl FnOnce() -> Name, node: &Node<'_>) {
        let clock = self.clock && field.key == "time";
        let quantity = VALUES.iter().find(|(key, _)| *key == field.key).map(|(_, q)| *q);
        if let Some(quantity) = quantity.or(clock.then_some(Quantity::Clock)) {
            self.header_value(quantity, node);
            return;
        }
        if matches!(node.kind, Kind::Secret) {
            self.visitor.secret(self.at(node), title);
            return;
        }
        self.visitor.field(self.at(node), || {
            let meaning = match (node.kind, &node.body) {
                (Kind::Optional(_), Body::Absent) => name("absent", "无"),
                (Kind::Choice(..), _) => {
                    same(node.arm().map_or(String::new(), |arm| format!("{} {}", arm.number, arm.word)))
                }
                (Kind::Piid, _) => piid(node.number() as u8, field.key == "piid_acd"),
                (Kind::Octets, _) | (Kind::Fixed(_), _) => same(""),
                (Kind::Tsa, _) => same(address(node).as_str()),
                _ => match published::value(node) {
                    Json::Text(text) => same(text),
                    other => same(other.to_string()),
                },
            };
            (title(), meaning)
        });
    }

    fn header_value(&mut self, quantity: Quantity, node: &Node<'_>) {
        let mut told = value::read(node, 0, false);
        if matches!(node.kind, Kind::Dar) {
            told.value = Value::Number((node.number() as i64).into());
        }
        if let (Kind::Fixed(_), Ok(text)) = (node.kind, std::str::from_utf8(node.bytes())) {
            told.value = Value::Text(text.trim_matches(['\0', ' ']).to_owned());
        }
        let reading = Reading {
            quantity,
            phase: Phase::None,
            tariff: Tariff::TOTAL,
            index: 0,
            kind: Sort::Status,
            unit: if matches!(told.value, Value::Number(_)) { quantity.unit() } else { Unit::None },
            value: told.value,
            quality: told.quality,
            time: None,
        };
        let at = self.at(node);
        let is_result = matches!(node.kind, Kind::Dar);
        self.visitor.enter(at.clone(), || {
            if is_result { words::result(node.number() as u8) } else { same(quantity.as_str()) }
        });
        self.visitor.value(at, &reading);
        self.weekday(told.weekday, &reading, node);
        self.visitor.leave();
    }

    pub(super) fn weekday(&mut self, weekday: Option<u8>, reading: &Reading, node: &Node<'_>) {
        if let Some(weekday) = weekday {
            let part = Reading {
                quantity: Quantity::Weekday,
                value: Value::Number(i64::from(weekday).into()),
                quality: Quality::GOOD,
                ..reading.clone()
            };
            let at = self.at(node);
            self.visitor.value(at, &part);
        }
    }

    fn rows(&mut self, context: Context<'_, '_>, node: &Node<'_>) {
        let table = context.attribute.map(|oad| (oad >> 16) as u16);
        self.visitor.enter(self.at(node), || name("Rows", "记录行"));
        self.mark(node);
        for row in node.children() {
            self.visitor.enter(self.at(row), || name("Row", "记录"));
            self.row(table, context.columns, row.children());
            self.visitor.leave();
        }
        self.visitor.leave();
    }

    fn row(&mut self, table: Option<u16>, columns: &[Node<'_>], cells: &[Node<'_>]) {
        let mut best = STAMPS.len();
        let mut device = false;
        let outer = (self.table, self.stamp);
        self.stamp = None;
        each_column(columns, cells, |oad, cell| {
            let oi = (oad >> 16) as u16;
            if let Some(rank) = STAMPS.iter().position(|s| *s == oi)
                && rank < best
                && let Some(stamp) = value::stamp(cell)
            {
                best = rank;
                self.stamp = Some(stamp);
            }
            if oi == 0x202A
                && let Some(tsa) = cell.children().first()
            {
                self.visitor.carried(Some(&address(tsa)));
                device = true;
            }
        });
        for (column, cell) in columns.iter().zip(cells) {
            self.table = match column.children() {
                [road, _] => Some((road.number() >> 16) as u16),
                _ => table,
            };
            let alone = column.children().len() == 1;
            if !alone && cell.elements().is_some() {
                self.visitor.enter(self.at(cell), || name("Columns recorded together", "关联列"));
                self.mark(cell);
                let groups = recorded_together(column, cell);
                for (oad, part) in groups {
                    self.object(oad, false, part);
                }
                self.visitor.leave();
            } else {
                each_column(std::slice::from_ref(column), std::slice::from_ref(cell), |oad, part| {
                    self.object(oad, false, part);
                });
            }
        }
        (self.table, self.stamp) = outer;
        if device {
            self.visitor.carried(None);
        }
    }
}

/// Every attribute of a row with its value.
fn each_column<'t, 'a>(
    columns: &'t [Node<'a>],
    cells: &'t [Node<'a>],
    mut on: impl FnMut(u32, &'t Node<'a>),
) {
    for (column, cell) in columns.iter().zip(cells) {
        match column.children() {
            [oad] => on(oad.number() as u32, cell),
            [_, _] => recorded_together(column, cell).for_each(|(oad, part)| on(oad, part)),
            _ => {}
        }
    }
}

/// The values of attributes that were recorded together: firmwares send one array or structure with a value for each
/// attribute, or an array of such structures; anything else belongs to the first attribute.
fn recorded_together<'t, 'a>(
    column: &'t Node<'a>,
    cell: &'t Node<'a>,
) -> impl Iterator<Item = (u32, &'t Node<'a>)> {
    let oads = column.children().get(1).map_or(&[][..], Node::children);
    let cells = cell.elements().unwrap_or_default();
    let is_row =
        |n: &Node<'_>| matches!(n.body, Body::Tagged(axdr::STRUCTURE, _)) && n.children().len() == oads.len();
    let several = oads.len() > 1 && !cells.is_empty() && cells.iter().all(is_row);
    let nested = if several { cells } else { std::slice::from_ref(cell) };
    nested.iter().flat_map(move |row| {
        let parts = row.elements().filter(|parts| parts.len() == oads.len());
        let parts = parts.unwrap_or(std::slice::from_ref(row));
        oads.iter().map(|oad| oad.number() as u32).zip(parts)
    })
}

/// The address of a TSA in reading order, without its flags.
pub(super) fn address(tsa: &Node<'_>) -> Address {
    Address::from(crate::format::hex(tsa.bytes().iter().skip(1)).as_str())
}

fn piid(byte: u8, answer: bool) -> Name {
    let (mut en, mut zh) = (format!("{}", byte & 0x3F), format!("{}", byte & 0x3F));
    if byte & 0x80 != 0 {
        en.push_str(", high priority");
        zh.push_str(", 高优先级");
    }
    if byte & 0x40 != 0 && answer {
        en.push_str(", an event waits to be read");
        zh.push_str(", 有事件待读");
    }
    Name::new(en, zh)
}
