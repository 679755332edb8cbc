//! Data of the 2007 edition: by function first, then by the rows of the catalogue.

use std::ops::Range;

use keyacct_model::{Kind, Phase, Quality, Quantity, Reading, Tariff, Unit, Value};

use super::control::{self, Control};
use super::frame::FrameView;
use super::freeze_block::{freeze_block, is_freeze_block};
use super::load_record::{is_load_record, load_records};
use crate::catalogue::Body;
use crate::cursor::Cursor;
use crate::format::{self, Part, read_time};
use crate::frame::{Direction, Frame};
use crate::json::Json;
use crate::layout::fixed_size;
use crate::visit::{Head, Name, Visitor};
use crate::walk::{Lookup, walk};

const BROADCAST_TIME: [Part; 6] =
    [Part::Year, Part::Month, Part::Day, Part::Hour, Part::Minute, Part::Second];
const RECORD_START: [Part; 5] = [Part::Year, Part::Month, Part::Day, Part::Hour, Part::Minute];

/// Levels of a State Grid meter with a security chip: the data are ciphertext and a MAC, or plain with a MAC behind.
/// (Known in outline only; the lengths below keep plain data of the same levels readable.)
const CIPHERTEXT: u8 = 0x98;
const WITH_MAC: u8 = 0x99;
const MAC: usize = 4;
/// N1..N8 of a control command.
const COMMAND: usize = 8;

/// Tells the visitor everything about one frame of the 2007 edition.
#[inline]
pub fn decode<V: Visitor>(frame: &FrameView<'_>, lookup: &mut Lookup<'_>, visitor: &mut V) {
    let control = frame.control();
    let wanted = visitor.head(&Head {
        protocol: crate::Protocol::Dlt645_2007,
        direction: Some(control.direction()),
        address: frame.address(),
    });
    if !wanted {
        return;
    }
    envelope(frame, control::function_name, visitor);
    let mut buffer = [0; 255];
    let data = frame.unmask(&mut buffer);
    let mut data = Cursor::new(data, FrameView::DATA);
    if control.is_abnormal() {
        error_reply(&mut data, visitor);
        return;
    }
    match (control.function(), control.direction()) {
        (0x11, Direction::Up) => read_answer(&mut data, false, lookup, visitor),
        (0x12, Direction::Up) => read_answer(&mut data, true, lookup, visitor),
        (0x11, Direction::Down) => read_request(&mut data, visitor),
        (0x12, Direction::Down) => {
            identifier(&mut data, visitor);
            sequence(&mut data, visitor);
        }
        (0x13 | 0x15, _) => address(&mut data, visitor),
        (0x14, Direction::Down) => write(&mut data, lookup, visitor),
        (0x08, _) => broadcast_time(&mut data, visitor),
        (0x16, Direction::Down) => freeze(&mut data, visitor),
        (0x17, _) => baud_word(&mut data, visitor),
        (0x18, Direction::Down) => {
            identifier(&mut data, visitor);
            password(&mut data, visitor, "password_level", Name::new("Old password", "原密码"));
            password(&mut data, visitor, "new_password_level", Name::new("New password", "新密码"));
        }
        (0x18, Direction::Up) => {
            password(&mut data, visitor, "new_password_level", Name::new("New password", "新密码"));
        }
        (0x19 | 0x1A, Direction::Down) => {
            authority(&mut data, visitor);
            rest(&mut data, visitor);
        }
        (0x1B, Direction::Down) => {
            // Behind level 98H the identifier is ciphertext with its MAC, 20 bytes.
            if authority(&mut data, visitor) != Some(CIPHERTEXT) || data.left() == 4 {
                identifier(&mut data, visitor);
            }
            rest(&mut data, visitor);
        }
        (0x1C, Direction::Down) => command(&mut data, visitor),
        (0x03, _) => {
            identifier(&mut data, visitor);
            if control.direction() == Direction::Down {
                operator(&mut data, visitor);
            }
            rest(&mut data, visitor);
        }
        _ => rest(&mut data, visitor),
    }
}

/// Tells the visitor the joined data of a split answer, whose first frame `frame` is. `whole`: no part is missing; else
/// only identifiers whose data are read from the front are decoded, up to the last whole value.
pub fn decode_joined<V: Visitor>(
    frame: &FrameView<'_>,
    data: &[u8],
    whole: bool,
    lookup: &mut Lookup<'_>,
    visitor: &mut V,
) {
    let head = Head {
        protocol: crate::Protocol::Dlt645_2007,
        direction: Some(frame.control().direction()),
        address: frame.address(),
    };
    if !visitor.head(&head) {
        return;
    }
    let mut first = [0; 255];
    let Some(di) = Cursor::new(frame.unmask(&mut first), FrameView::DATA).array().map(u32::from_le_bytes)
    else {
        return;
    };
    let mut data = Cursor::new(data, FrameView::DATA + 4);
    let by_length = match lookup.find(u64::from(di)).map(|row| &row.body) {
        Some(Body::Layout(layout)) => layout.0.len() > 1,
        Some(Body::Block(_)) => false,
        None => !is_load_record(di),
    };
    if whole || !by_length {
        values(di, &mut data, lookup, visitor);
    } else if data.left() > 0 {
        visitor.unknown(data.position()..data.position() + data.left(), || format!("{di:08X}"));
    }
}

/// The fields around the data; the same for every frame.
pub(super) fn envelope<V: Visitor>(frame: &FrameView<'_>, name: fn(u8) -> Name, visitor: &mut V) {
    let bytes = frame.bytes();
    let end = bytes.len();
    let control = frame.control();
    visitor.header("control", || Json::Text(format!("0x{:02X}", control.0)));
    visitor.field(0..1, || (Name::new("Start", "帧起始符"), Name::new("", "")));
    visitor.field(1..7, || {
        let text = frame.address().as_str().to_owned();
        (Name::new("Address", "地址域"), Name::new(text.clone(), text))
    });
    visitor.field(7..8, || (Name::new("Start", "帧起始符"), Name::new("", "")));
    visitor.field(8..9, || (Name::new("Control", "控制码"), control_meaning(control, name)));
    visitor.field(9..10, || {
        let count = bytes[9].to_string();
        (Name::new("Length of the data", "数据域长度"), Name::new(count.clone(), count))
    });
    visitor.field(end - 2..end - 1, || (Name::new("Checksum", "校验码"), Name::new("correct", "正确")));
    visitor.field(end - 1..end, || (Name::new("End", "结束符"), Name::new("", "")));
}

fn control_meaning(control: Control, name: fn(u8) -> Name) -> Name {
    let function = name(control.function());
    let (mut en, mut zh) = match control.direction() {
        Direction::Down => (format!("request: {}", function.en), format!("主站请求: {}", function.zh)),
        Direction::Up if control.is_abnormal() => {
            (format!("abnormal reply: {}", function.en), format!("从站异常应答: {}", function.zh))
        }
        Direction::Up => (format!("reply: {}", function.en), format!("从站应答: {}", function.zh)),
    };
    if control.has_more() {
        en.push_str(", more frames follow");
        zh.push_str(", 有后续帧");
    }
    Name::new(en, zh)
}

fn error_reply<V: Visitor>(data: &mut Cursor<'_>, visitor: &mut V) {
    let from = data.position();
    if let Some(byte) = data.byte() {
        visitor.header("error", || {
            Json::Object(vec![
                ("byte", Json::Text(format!("{byte:02X}"))),
                ("meaning", Json::Text(control::error_meaning(byte).en)),
            ])
        });
        visitor.field(from..from + 1, || (Name::new("Error", "错误信息字"), control::error_meaning(byte)));
    }
    rest(data, visitor);
}

fn identifier<V: Visitor>(data: &mut Cursor<'_>, visitor: &mut V) -> Option<u32> {
    let from = data.position();
    let di = u32::from_le_bytes(data.array()?);
    visitor.header("di", || Json::Text(format!("{di:08X}")));
    visitor.field(from..from + 4, || {
        let text = format!("{di:08X}");
        (Name::new("Data identifier", "数据标识"), Name::new(text.clone(), text))
    });
    Some(di)
}

fn sequence<V: Visitor>(data: &mut Cursor<'_>, visitor: &mut V) {
    let from = data.position();
    if let Some(byte) = data.byte() {
        number(from, byte, "seq", Name::new("Sequence number", "帧序号"), visitor);
    }
}

fn number<V: Visitor>(from: usize, byte: u8, key: &'static str, name: Name, visitor: &mut V) {
    visitor.header(key, || Json::from(byte));
    visitor.field(from..from + 1, || (name, Name::new(byte.to_string(), byte.to_string())));
}

/// Bytes that nothing explains stay uncovered; a visitor that shows fields marks them.
pub(super) fn rest<V: Visitor>(data: &mut Cursor<'_>, visitor: &mut V) {
    if data.left() > 0 {
        let bytes = data.rest();
        visitor.header("payload", || Json::Text(format::hex(bytes.iter())));
    }
}

#[inline]
fn read_answer<V: Visitor>(data: &mut Cursor<'_>, following: bool, lookup: &mut Lookup<'_>, visitor: &mut V) {
    let Some(di) = identifier(data, visitor) else {
        rest(data, visitor);
        return;
    };
    if following
        && data.left() > 0
        && let Some(&[byte]) = data.take_end(1)
    {
        number(data.position() + data.left(), byte, "seq", Name::new("Sequence number", "帧序号"), visitor);
    }
    if following {
        // Later parts of an answer begin anywhere inside a value: only the joined data can be decoded.
        rest(data, visitor);
        return;
    }
    values(di, data, lookup, visitor);
}

#[inline]
fn values<V: Visitor>(di: u32, data: &mut Cursor<'_>, lookup: &mut Lookup<'_>, visitor: &mut V) {
    let from = data.position();
    let key = u64::from(di);
    match lookup.find(key) {
        Some(row) => {
            let catalogue = lookup.catalogue();
            visitor.enter(from..from + data.left(), || {
                let name = row.name_of(key);
                Name::new(name.clone(), name)
            });
            walk(catalogue, row, key, data, visitor);
            visitor.leave();
            rest(data, visitor);
        }
        None if is_load_record(di) => {
            visitor.enter(from..from + data.left(), || Name::new("Load records", "负荷记录"));
            load_records(di, data, visitor);
            visitor.leave();
        }
        None if is_freeze_block(di) => {
            visitor.enter(from..from + data.left(), || Name::new("Freeze block", "冻结数据块"));
            freeze_block(di, lookup.catalogue(), data, visitor);
            visitor.leave();
        }
        None if data.left() > 0 => visitor.unknown(from..from + data.left(), || format!("{di:08X}")),
        None => {}
    }
}

fn read_request<V: Visitor>(data: &mut Cursor<'_>, visitor: &mut V) {
    if identifier(data, visitor).is_none() {
        rest(data, visitor);
        return;
    }
    let from = data.position();
    if let Some(count) = data.byte() {
        let plain = format::bcd(count);
        text_value(
            from..from + 1,
            Quantity::RecordCount,
            plain.map(|n| Value::Number(i64::from(n).into())),
            visitor,
        );
    }
    time_value(data, Quantity::RecordStart, &RECORD_START, visitor);
    rest(data, visitor);
}

pub(super) fn text_value<V: Visitor>(
    at: Range<usize>,
    quantity: Quantity,
    value: Option<Value>,
    visitor: &mut V,
) {
    let quality = if value.is_some() { Quality::GOOD } else { Quality::INVALID_DIGIT };
    visitor.value(
        at,
        &Reading {
            quantity,
            phase: Phase::None,
            tariff: Tariff::TOTAL,
            index: 0,
            kind: Kind::Parameter,
            value: value.unwrap_or(Value::Null),
            unit: Unit::None,
            quality,
            time: None,
        },
    );
}

fn time_value<V: Visitor>(data: &mut Cursor<'_>, quantity: Quantity, parts: &[Part], visitor: &mut V) {
    let from = data.position();
    if let Some(bytes) = data.take(parts.len()) {
        let (stamp, _, _) = read_time(bytes, parts);
        text_value(from..data.position(), quantity, stamp.map(Value::Time), visitor);
    }
}

pub(super) fn address<V: Visitor>(data: &mut Cursor<'_>, visitor: &mut V) {
    let from = data.position();
    if let Some(bytes) = data.take(6) {
        let text = format::hex(bytes.iter().rev());
        text_value(from..data.position(), Quantity::MeterAddress, Some(Value::Text(text)), visitor);
    }
    rest(data, visitor);
}

pub(super) fn broadcast_time<V: Visitor>(data: &mut Cursor<'_>, visitor: &mut V) {
    time_value(data, Quantity::BroadcastTime, &BROADCAST_TIME, visitor);
    rest(data, visitor);
}

fn freeze<V: Visitor>(data: &mut Cursor<'_>, visitor: &mut V) {
    let from = data.position();
    if let Some(bytes) = data.take(4) {
        let printed = format::hex(bytes.iter().rev());
        visitor.header("freeze", || Json::Text(control::freeze_meaning(&printed).en));
        text_value(from..data.position(), Quantity::FreezeCommand, Some(Value::Text(printed)), visitor);
    }
    rest(data, visitor);
}

fn baud_word<V: Visitor>(data: &mut Cursor<'_>, visitor: &mut V) {
    let from = data.position();
    if let Some(word) = data.byte() {
        visitor.header("baud_word", || Json::Text(format!("0x{word:02X}")));
        let rate = control::baud_rate(word).map(|rate| Value::Number(i64::from(rate).into()));
        text_value(from..from + 1, Quantity::BaudRate, rate, visitor);
    }
    rest(data, visitor);
}

/// PA P0 P1 P2; gives PA. The password itself is shown in the bytes only, never as a value.
pub(super) fn password<V: Visitor>(
    data: &mut Cursor<'_>,
    visitor: &mut V,
    key: &'static str,
    name: Name,
) -> Option<u8> {
    let from = data.position();
    let level = data.array::<4>().map(|[level, ..]| level);
    if let Some(level) = level {
        let shown = format::bcd(level).unwrap_or(level);
        visitor.header(key, || Json::from(shown));
        let level = || {
            (
                Name::new("Password level", "密码级别"),
                Name::new(format!("level {shown}"), format!("{shown} 级")),
            )
        };
        visitor.field(from..from + 1, level);
        visitor.secret(from + 1..from + 4, || name);
    }
    level
}

fn operator<V: Visitor>(data: &mut Cursor<'_>, visitor: &mut V) {
    let from = data.position();
    if let Some(bytes) = data.take(4) {
        let code = format::hex(bytes.iter().rev());
        visitor.header("operator", || Json::Text(code.clone()));
        visitor.field(from..from + 4, || {
            (Name::new("Operator code", "操作者代码"), Name::new(code.clone(), code.clone()))
        });
    }
}

fn authority<V: Visitor>(data: &mut Cursor<'_>, visitor: &mut V) -> Option<u8> {
    let level = password(data, visitor, "password_level", Name::new("Password", "密码"));
    operator(data, visitor);
    level
}

fn write<V: Visitor>(data: &mut Cursor<'_>, lookup: &mut Lookup<'_>, visitor: &mut V) {
    let Some(di) = identifier(data, visitor) else { return rest(data, visitor) };
    match authority(data, visitor) {
        Some(CIPHERTEXT) => rest(data, visitor),
        Some(WITH_MAC) if data.left() > MAC && !is_whole(di, data.left(), lookup) => {
            let mac = data.take_end(MAC).map(<[u8]>::to_vec).unwrap_or_default();
            values(di, data, lookup, visitor);
            let at = data.position() + data.left();
            visitor.field(at..at + MAC, || {
                let shown = format::hex(mac.iter());
                (Name::new("MAC", "报文认证码"), Name::new(shown.clone(), shown))
            });
        }
        _ => values(di, data, lookup, visitor),
    }
}

/// Whether data of this length are those of the identifier and nothing more.
fn is_whole(di: u32, length: usize, lookup: &mut Lookup<'_>) -> bool {
    match lookup.find(u64::from(di)).map(|row| &row.body) {
        Some(Body::Layout(layout)) => layout.0.iter().any(|items| fixed_size(items) == Some(length)),
        _ => false,
    }
}

fn command<V: Visitor>(data: &mut Cursor<'_>, visitor: &mut V) {
    if authority(data, visitor) == Some(CIPHERTEXT) && data.left() > COMMAND {
        return rest(data, visitor);
    }
    let from = data.position();
    if let Some(n1) = data.byte() {
        visitor.header("n1", || Json::Text(format!("0x{n1:02X}")));
        visitor.header("command", || Json::Text(control::command_meaning(n1).en));
        text_value(from..from + 1, Quantity::Command, Some(Value::Text(format!("{n1:02X}"))), visitor);
    }
    let from = data.position();
    if data.byte().is_some() {
        visitor.field(from..from + 1, || (Name::new("Reserved", "保留"), Name::new("", "")));
    }
    if data.left() >= BROADCAST_TIME.len() {
        let bytes = &data.rest()[..BROADCAST_TIME.len()];
        let printed = format::hex(bytes.iter().rev());
        visitor.header("deadline_bcd_YYMMDDhhmmss", || Json::Text(printed));
        time_value(data, Quantity::CommandDeadline, &BROADCAST_TIME, visitor);
    }
    rest(data, visitor);
}
