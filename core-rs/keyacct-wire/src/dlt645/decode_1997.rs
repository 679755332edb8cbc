//! Data of the 1997 edition: identifiers of two bytes, passwords without operator, follow frames without number.

use keyacct_model::{Quantity, Value};

use super::control_1997;
use super::decode::{address, broadcast_time, envelope, password, rest, text_value};
use super::frame::FrameView;
use crate::cursor::Cursor;
use crate::frame::{Direction, Frame};
use crate::json::Json;
use crate::visit::{Head, Name, Visitor};
use crate::walk::{Lookup, walk};

/// Between the groups of a block; no BCD byte, so it cannot be data.
const SEPARATOR: u8 = 0xAA;
/// Behind the end of a block: AAH, or what some makers send as AAH + 33H before the offset is added to all bytes.
const BLOCK_ENDS: [u8; 2] = [SEPARATOR, 0xDD];

/// Tells the visitor everything about one frame of the 1997 edition.
#[inline]
pub fn decode_1997<V: Visitor>(frame: &FrameView<'_>, lookup: &mut Lookup<'_>, visitor: &mut V) {
    let control = frame.control();
    let wanted = visitor.head(&Head {
        protocol: crate::Protocol::Dlt645_1997,
        direction: Some(control.direction()),
        address: frame.address(),
    });
    if !wanted {
        return;
    }
    envelope(frame, control_1997::function_name, visitor);
    let mut buffer = [0; 255];
    let mut data = Cursor::new(frame.unmask(&mut buffer), FrameView::DATA);
    let data = &mut data;
    if control.is_abnormal() {
        return error_reply(data, visitor);
    }
    match (control.function(), control.direction()) {
        // What is read again is the frame before, so it may be the first one as well as a later one.
        (0x01 | 0x03, Direction::Up) => match identifier(data, visitor) {
            Some(di) => values(di, data, lookup, visitor),
            None => rest(data, visitor),
        },
        (0x02, Direction::Up) => {
            // A later part of an answer begins anywhere inside a value: only the joined data can be decoded.
            identifier(data, visitor);
            rest(data, visitor);
        }
        (0x01..=0x03, Direction::Down) => {
            identifier(data, visitor);
            rest(data, visitor);
        }
        (0x04, Direction::Down) => match identifier(data, visitor) {
            Some(di) => {
                old_password(data, visitor);
                values(di, data, lookup, visitor);
            }
            None => rest(data, visitor),
        },
        (0x08, _) => broadcast_time(data, visitor),
        (0x0A, _) => address(data, visitor),
        (0x0C, _) => baud_word(data, visitor),
        (0x0F, Direction::Down) => {
            old_password(data, visitor);
            new_password(data, visitor);
            rest(data, visitor);
        }
        (0x0F, Direction::Up) => {
            new_password(data, visitor);
            rest(data, visitor);
        }
        (0x10, Direction::Down) => {
            old_password(data, visitor);
            rest(data, visitor);
        }
        _ => rest(data, visitor),
    }
}

fn old_password<V: Visitor>(data: &mut Cursor<'_>, visitor: &mut V) {
    password(data, visitor, "password_level", Name::new("Password", "密码"));
}

fn new_password<V: Visitor>(data: &mut Cursor<'_>, visitor: &mut V) {
    password(data, visitor, "new_password_level", Name::new("New password", "新密码"));
}

fn error_reply<V: Visitor>(data: &mut Cursor<'_>, visitor: &mut V) {
    let from = data.position();
    if let Some(byte) = data.byte() {
        visitor.header("error", || {
            Json::Object(vec![
                ("byte", Json::Text(format!("{byte:02X}"))),
                ("meaning", Json::Text(control_1997::error_meaning(byte).en)),
            ])
        });
        visitor
            .field(from..from + 1, || (Name::new("Error", "错误信息字"), control_1997::error_meaning(byte)));
    }
    rest(data, visitor);
}

fn identifier<V: Visitor>(data: &mut Cursor<'_>, visitor: &mut V) -> Option<u16> {
    let from = data.position();
    let di = u16::from_le_bytes(data.array()?);
    visitor.header("di", || Json::Text(format!("{di:04X}")));
    visitor.field(from..from + 2, || {
        let text = format!("{di:04X}");
        (Name::new("Data identifier", "数据标识"), Name::new(text.clone(), text))
    });
    Some(di)
}

#[inline]
fn values<V: Visitor>(di: u16, data: &mut Cursor<'_>, lookup: &mut Lookup<'_>, visitor: &mut V) {
    if di & 0x0F == 0x0F && data.rest().last().is_some_and(|last| BLOCK_ENDS.contains(last)) {
        data.take_end(1);
        let at = data.position() + data.left();
        visitor.field(at..at + 1, || (Name::new("End of the block", "块结束符"), Name::new("", "")));
    }
    if di & 0xFF == 0xFF && groups(di, data, lookup, visitor) {
        return;
    }
    row(di, data, lookup, visitor);
    if lookup.find(u64::from(di)).is_some() {
        rest(data, visitor);
    }
}

fn row<V: Visitor>(di: u16, data: &mut Cursor<'_>, lookup: &mut Lookup<'_>, visitor: &mut V) {
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
        }
        None if data.left() > 0 => visitor.unknown(from..from + data.left(), || format!("{di:04X}")),
        None => {}
    }
}

/// All blocks of a class (`B6FF`): one after another, AAH between them. Read only if there are as many parts as the
/// catalogue has blocks: without separators a block of unknown length could not be told from the next one.
fn groups<V: Visitor>(di: u16, data: &mut Cursor<'_>, lookup: &mut Lookup<'_>, visitor: &mut V) -> bool {
    let blocks: Vec<u16> = (0..=0x0E)
        .map(|group| di & 0xFF00 | group << 4 | 0x0F)
        .filter(|block| lookup.find(u64::from(*block)).is_some())
        .collect();
    let parts = data.rest().split(|byte| *byte == SEPARATOR);
    if blocks.is_empty() || parts.clone().count() != blocks.len() {
        return false;
    }
    let lengths: Vec<usize> = parts.map(<[u8]>::len).collect();
    for (n, (block, length)) in blocks.into_iter().zip(lengths).enumerate() {
        if n > 0 {
            let at = data.position();
            data.take(1);
            visitor.field(at..at + 1, || (Name::new("Separator", "分隔符"), Name::new("", "")));
        }
        let from = data.position();
        if let Some(part) = data.take(length) {
            row(block, &mut Cursor::new(part, from), lookup, visitor);
        }
    }
    true
}

fn baud_word<V: Visitor>(data: &mut Cursor<'_>, visitor: &mut V) {
    let from = data.position();
    if let Some(word) = data.byte() {
        visitor.header("baud_word", || Json::Text(format!("0x{word:02X}")));
        let rate = control_1997::baud_rate(word).map(|rate| Value::Number(i64::from(rate).into()));
        text_value(from..from + 1, Quantity::BaudRate, rate, visitor);
    }
    rest(data, visitor);
}
