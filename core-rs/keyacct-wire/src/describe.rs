//! Everything a frame says, as the published JSON object; with `fields`, byte range by byte range.

use std::ops::Range;

use keyacct_model::{Phase, Quality, Reading, Value};

use crate::decoder::Decoder;
use crate::deframe::{Deframer, Event};
use crate::diagnose::diagnose;
use crate::error::{Fault, WireError};
use crate::frame::Direction;
use crate::json::Json;
use crate::protocol::{Expect, Protocol};
use crate::registers::Registers;
use crate::visit::{Head, Name, Visitor};

/// What to tell.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Which protocols to look for.
    pub expect: Expect,
    /// Whether to add the annotated tree under `fields`.
    pub fields: bool,
    /// Whether names and hints are Chinese.
    pub chinese: bool,
}

/// A field of the annotated tree.
struct Node {
    at: Range<usize>,
    name: Name,
    meaning: Name,
    is_value: bool,
    is_secret: bool,
    explained: bool,
    children: Vec<Node>,
}

struct Item {
    point: u16,
    function: u16,
    identifier: Option<String>,
    values: Vec<Json>,
}

/// Collects what a decoder tells.
struct Describe {
    wish: Wish,
    head: Option<Head>,
    header: Vec<(&'static str, Json)>,
    values: Vec<Json>,
    items: Vec<Item>,
    identifier: Option<String>,
    unknown: Vec<(Range<usize>, String)>,
    device: Option<crate::frame::Address>,
    open: Vec<Node>,
    nodes: Vec<Node>,
}

/// One object for each frame of a line, in order; one object with `valid: false` for a line without any.
pub fn describe_line(bytes: &[u8], line: u64, wish: Wish, registers: &Registers) -> Vec<Json> {
    let mut objects = Vec::new();
    let mut broken: Option<WireError> = None;
    let mut decoder = Decoder::new(registers);
    Deframer::new(wish.expect).whole(bytes, |event| match event {
        Event::Frame { offset, protocol, bytes, .. } => {
            objects.push(describe_frame(&mut decoder, bytes, line, offset, protocol, wish));
        }
        Event::Invalid(error) => broken = broken.or(Some(error)),
        Event::Noise { .. } => {}
    });
    if objects.is_empty()
        && let Some(protocol) = wish.expect.whole_line(bytes)
    {
        objects.push(describe_frame(&mut decoder, bytes, line, 0, protocol, wish));
    }
    if objects.is_empty() {
        objects.push(describe_invalid(bytes, line, broken, wish));
    }
    objects
}

fn describe_frame(
    decoder: &mut Decoder<'_>,
    frame: &[u8],
    line: u64,
    offset: u64,
    protocol: Protocol,
    wish: Wish,
) -> Json {
    let mut seen = Describe {
        wish,
        head: None,
        header: Vec::new(),
        values: Vec::new(),
        items: Vec::new(),
        identifier: None,
        unknown: Vec::new(),
        device: None,
        open: Vec::new(),
        nodes: Vec::new(),
    };
    decoder.decode(protocol, frame, &mut seen);
    let mut object = vec![
        ("line", Json::Int(line as i64)),
        ("offset", Json::Int(offset as i64)),
        ("length", Json::from(frame.len())),
        ("protocol", Json::from(protocol.as_str())),
        ("valid", Json::Bool(true)),
    ];
    if let Some(head) = seen.head {
        let terminal = matches!(protocol, Protocol::Gdw1376_1 | Protocol::Dlt698_45);
        let direction = head.direction.map(|direction| match (direction, terminal) {
            (Direction::Down, false) => "request",
            (Direction::Up, false) => "response",
            (Direction::Down, true) => "downlink",
            (Direction::Up, true) => "uplink",
        });
        object.extend(direction.map(|text| ("direction", Json::from(text))));
        if !head.address.as_bytes().is_empty() {
            object.push(("address", Json::from(head.address.as_str())));
        }
    }
    // A protocol may say a published key in its own way (Modbus: `address` is a register number).
    object.retain(|(key, _)| !seen.header.iter().any(|(own, _)| own == key));
    object.append(&mut seen.header);
    if !seen.items.is_empty() {
        let items = seen.items.into_iter().map(|item| {
            let mut object =
                vec![("pn", Json::Int(item.point.into())), ("fn", Json::Int(item.function.into()))];
            object.extend(item.identifier.map(|hex| ("identifier", Json::Text(hex))));
            object.push(("values", Json::List(item.values)));
            Json::Object(object)
        });
        object.push(("items", Json::List(items.collect())));
    }
    if !seen.values.is_empty() {
        object.push(("values", Json::List(seen.values)));
    }
    if !seen.unknown.is_empty() {
        let unknown = seen.unknown.into_iter().map(|(at, key)| {
            let hex = crate::format::hex(frame.get(at.clone()).unwrap_or_default().iter());
            Json::Object(vec![
                ("key", Json::Text(key)),
                ("offset", Json::from(at.start)),
                ("length", Json::from(at.len())),
                ("hex", Json::Text(hex)),
            ])
        });
        object.push(("unknown", Json::List(unknown.collect())));
    }
    if wish.fields {
        let nodes = fill(seen.nodes, 0..frame.len());
        object.push(("fields", Json::List(nodes.iter().map(|n| n.json(frame, wish.chinese)).collect())));
    }
    Json::Object(object)
}

fn describe_invalid(bytes: &[u8], line: u64, broken: Option<WireError>, wish: Wish) -> Json {
    let error = broken.unwrap_or_else(|| no_frame(bytes, wish.expect));
    let mut told = vec![
        ("code", Json::from(error.fault.code())),
        ("message", Json::Text(pick(error.fault.told(), wish))),
        ("offset", Json::Int(error.offset as i64)),
    ];
    let told_cause = diagnose(bytes, wish.expect);
    if let Some(diagnosis) = told_cause {
        told.push(("hint", Json::Text(pick(diagnosis.cause, wish))));
        told.extend(diagnosis.nearest.map(|protocol| ("nearest", Json::from(protocol.as_str()))));
    }
    Json::Object(vec![
        ("line", Json::Int(line as i64)),
        ("offset", Json::Int(error.offset as i64)),
        ("length", Json::from(bytes.len())),
        ("valid", Json::Bool(false)),
        ("error", Json::Object(told)),
    ])
}

fn pick(name: Name, wish: Wish) -> String {
    if wish.chinese { name.zh } else { name.en }
}

/// The object of a line that is no hex text.
pub fn describe_unreadable(line: u64, what: &str) -> Json {
    Json::Object(vec![
        ("line", Json::Int(line as i64)),
        ("offset", Json::Int(0)),
        ("length", Json::Int(0)),
        ("valid", Json::Bool(false)),
        (
            "error",
            Json::Object(vec![
                ("code", Json::from("input.format")),
                ("message", Json::from(what)),
                ("offset", Json::Int(0)),
            ]),
        ),
    ])
}

/// Why a line holds no frame, when nothing in it even looked like one: the fault at the first start byte.
fn no_frame(bytes: &[u8], expect: Expect) -> WireError {
    let Some(framing) = expect.framings().first() else {
        return WireError { offset: 0, fault: Fault::Rule("no protocol to look for") };
    };
    let at = framing.start().and_then(|start| bytes.iter().position(|b| *b == start)).unwrap_or(0);
    let fault = match framing.check(&bytes[at..]) {
        Err(fault) => fault,
        Ok(_) => Fault::Rule("no frame"),
    };
    WireError { offset: at as u64, fault }
}

impl Describe {
    fn add(&mut self, node: Node) {
        if self.wish.fields {
            self.open.last_mut().map_or(&mut self.nodes, |group| &mut group.children).push(node);
        }
    }
}

fn value_text(reading: &Reading) -> String {
    match &reading.value {
        Value::Null => String::new(),
        Value::Number(number) => number.to_string(),
        Value::Time(stamp) => stamp.to_string(),
        Value::Text(text) => text.clone(),
    }
}

fn reading_name(reading: &Reading) -> Name {
    let mut suffix = String::new();
    match reading.phase {
        Phase::None | Phase::Total => {}
        phase => suffix.push_str(&format!(" {phase}")),
    }
    if reading.tariff.0 > 0 {
        suffix.push_str(&format!(" T{}", reading.tariff.0));
    }
    if reading.index > 0 && reading.index != reading.tariff.0 {
        suffix.push_str(&format!(" #{}", reading.index));
    }
    Name::new(format!("{}{suffix}", reading.quantity.en()), format!("{}{suffix}", reading.quantity.zh()))
}

fn reading_meaning(reading: &Reading) -> Name {
    let mut text = value_text(reading);
    let unit = reading.unit.as_str();
    if matches!(reading.value, Value::Number(_)) && !unit.is_empty() {
        text.push_str(&format!(" {unit}"));
    }
    if let Some(time) = reading.time {
        text.push_str(&format!(" @ {time}"));
    }
    let mut name = Name::new(text.clone(), text);
    for bit in Quality::NAMES.iter().filter(|(bit, _)| reading.quality.has(*bit)) {
        let zh = match bit.0 {
            Quality::NO_DATA => "无数据",
            Quality::INVALID_DIGIT => "非法数字",
            Quality::CLOCK_SUSPECT => "时钟可疑",
            _ => bit.1,
        };
        name.en = format!("{} ({})", name.en, bit.1.replace('_', " ")).trim_start().to_owned();
        name.zh = format!("{} ({zh})", name.zh).trim_start().to_owned();
    }
    name
}

/// A value in the published form.
fn value_json(reading: &Reading) -> Json {
    let value = match &reading.value {
        Value::Null => Json::Null,
        Value::Number(number) if number.scale == 0 => Json::Int(number.digits),
        Value::Number(number) => Json::Number(*number),
        Value::Time(_) | Value::Text(_) => Json::Text(value_text(reading)),
    };
    let none_if_empty = |text: &str| if text.is_empty() { Json::Null } else { Json::from(text) };
    let mut object = vec![
        ("quantity", Json::from(reading.quantity.as_str())),
        ("phase", none_if_empty(reading.phase.as_str())),
        ("tariff", Json::from(reading.tariff.0)),
        ("value", value),
        ("unit", none_if_empty(reading.unit.as_str())),
        ("kind", Json::from(reading.kind.as_str())),
    ];
    if reading.index > 0 {
        object.push(("index", Json::from(reading.index)));
    }
    if let Some(time) = reading.time {
        object.push(("time", Json::Text(time.to_string())));
    }
    if reading.quality != Quality::GOOD {
        object.push(("quality", Json::List(reading.quality.names().map(Json::from).collect())));
    }
    Json::Object(object)
}

impl Visitor for Describe {
    fn head(&mut self, head: &Head) -> bool {
        self.head = Some(*head);
        true
    }

    fn value(&mut self, at: Range<usize>, reading: &Reading) {
        let mut json = value_json(reading);
        if let (Some(device), Json::Object(fields)) = (&self.device, &mut json) {
            fields.push(("device", Json::from(device.as_str())));
        }
        self.items.last_mut().map_or(&mut self.values, |item| &mut item.values).push(json);
        let node = Node {
            at: at.clone(),
            name: reading_name(reading),
            meaning: reading_meaning(reading),
            is_value: true,
            is_secret: false,
            explained: true,
            children: Vec::new(),
        };
        let siblings = self.open.last_mut().map_or(&mut self.nodes, |group| &mut group.children);
        match siblings.last_mut() {
            Some(last) if last.is_value && last.at == at => last.children.push(node), // bits of a word
            _ => self.add(node),
        }
    }

    fn item(&mut self, point: u16, function: u16) {
        let identifier = self.identifier.take();
        self.items.push(Item { point, function, identifier, values: Vec::new() });
    }

    fn shared(&mut self, identifier: impl FnOnce() -> Option<String>) {
        self.identifier = identifier();
    }

    fn header(&mut self, key: &'static str, value: impl FnOnce() -> Json) {
        self.header.push((key, value()));
    }

    fn field(&mut self, at: Range<usize>, name: impl FnOnce() -> (Name, Name)) {
        let (name, meaning) = name();
        self.add(Node {
            at,
            name,
            meaning,
            is_value: false,
            is_secret: false,
            explained: true,
            children: Vec::new(),
        });
    }

    fn enter(&mut self, at: Range<usize>, name: impl FnOnce() -> Name) {
        if self.wish.fields {
            let meaning = Name::new("", "");
            self.open.push(Node {
                at,
                name: name(),
                meaning,
                is_value: false,
                is_secret: false,
                explained: true,
                children: Vec::new(),
            });
        }
    }

    fn secret(&mut self, at: Range<usize>, name: impl FnOnce() -> Name) {
        let meaning =
            Name::new(format!("{} bytes, not shown", at.len()), format!("{} 字节, 不显示", at.len()));
        let name = name();
        self.add(Node {
            at,
            name,
            meaning,
            is_value: false,
            is_secret: true,
            explained: true,
            children: Vec::new(),
        });
    }

    fn carried(&mut self, device: Option<&crate::frame::Address>) {
        self.device = device.copied();
    }

    fn leave(&mut self) {
        if let Some(mut group) = self.open.pop() {
            let end = group.children.iter().map(|n| n.at.end).max();
            group.at.end = group.at.end.max(end.unwrap_or(0)); // a group whose end was not known at its beginning
            self.add(group);
        }
    }

    fn unknown(&mut self, at: Range<usize>, key: impl FnOnce() -> String) {
        let key = key();
        self.unknown.push((at.clone(), key.clone()));
        let name = Name::new("Unknown identifier", "未知数据标识");
        let meaning = Name::new(key.clone(), key);
        self.add(Node {
            at,
            name,
            meaning,
            is_value: false,
            is_secret: false,
            explained: false,
            children: Vec::new(),
        });
    }
}

/// Orders fields and puts a marked one wherever nothing explains the bytes.
fn fill(mut nodes: Vec<Node>, whole: Range<usize>) -> Vec<Node> {
    nodes.sort_by_key(|n| (n.at.start, n.at.end));
    let mut out = Vec::with_capacity(nodes.len());
    let mut at = whole.start;
    let gap = |from: usize, to: usize| Node {
        at: from..to,
        name: Name::new("Unexplained", "未解析"),
        meaning: Name::new("", ""),
        is_value: false,
        is_secret: false,
        explained: false,
        children: Vec::new(),
    };
    for mut node in nodes {
        if node.at.start > at {
            out.push(gap(at, node.at.start));
        }
        at = at.max(node.at.end);
        if !node.is_value && !node.children.is_empty() {
            node.children = fill(node.children, node.at.clone());
        }
        out.push(node);
    }
    if at < whole.end {
        out.push(gap(at, whole.end));
    }
    out
}

impl Node {
    /// Its bytes in hex, those of secrets within it not shown. `bytes`: those of this node.
    fn hex(&self, bytes: &[u8]) -> String {
        let mut hex = crate::format::hex(bytes.iter());
        self.hide(self.at.start, &mut hex);
        hex
    }

    fn hide(&self, start: usize, hex: &mut String) {
        if self.is_secret {
            let end = (2 * self.at.end.saturating_sub(start)).min(hex.len());
            let from = (2 * self.at.start.saturating_sub(start)).min(end);
            hex.replace_range(from..end, &"*".repeat(end - from));
        }
        self.children.iter().for_each(|child| child.hide(start, hex));
    }

    fn json(&self, frame: &[u8], chinese: bool) -> Json {
        let pick = |name: &Name| Json::Text(if chinese { name.zh.clone() } else { name.en.clone() });
        let bytes = frame.get(self.at.clone()).unwrap_or_default();
        let mut object = vec![
            ("offset", Json::from(self.at.start)),
            ("length", Json::from(self.at.len())),
            ("name", pick(&self.name)),
            ("hex", Json::Text(self.hex(bytes))),
            ("meaning", pick(&self.meaning)),
            ("explained", Json::Bool(self.explained)),
        ];
        if !self.children.is_empty() {
            object
                .push(("fields", Json::List(self.children.iter().map(|n| n.json(frame, chinese)).collect())));
        }
        Json::Object(object)
    }
}
