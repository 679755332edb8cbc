//! One frame, or one bare APDU, told to a visitor.

use std::ops::Range;

use keyacct_model::Reading;

use super::frame::FrameView;
use super::published;
use super::split::{BlockHeader, BlockKind, part_of};
use super::tell::{Tell, name, same};
use super::tree::Apdu;
use crate::assemble::{self, Assembler, Taken};
use crate::frame::{Address, Direction, Frame};
use crate::json::Json;
use crate::visit::{Head, Name, Visitor};
use crate::walk::Lookup;

const ADDRESS_TYPES: [&str; 4] = ["single", "wildcard", "group", "broadcast"];
const ADDRESS_TYPES_ZH: [&str; 4] = ["单地址", "通配地址", "组地址", "广播地址"];

/// Tells the visitor everything about one frame, or about an APDU without link frame: no APDU begins with 68H.
pub fn decode<V: Visitor>(
    bytes: &[u8],
    assembler: &mut Assembler,
    lookups: &mut [Lookup<'_>],
    visitor: &mut V,
) {
    if bytes.first() == Some(&0x68) {
        frame(&FrameView::view(bytes), assembler, lookups, visitor);
        return;
    }
    let direction = bytes.first().map(|tag| if tag & 0x80 == 0 { Direction::Down } else { Direction::Up });
    // The link services are named by who answers: the server asks, the client responds.
    let direction = match bytes.first() {
        Some(0x01) => Some(Direction::Up),
        Some(0x81) => Some(Direction::Down),
        _ => direction,
    };
    if visitor.head(&Head { protocol: crate::Protocol::Dlt698_45, direction, address: Address::NONE }) {
        apdu(bytes, 0, lookups, visitor);
    }
}

/// Tells a frame that another one carries; a part of a longer APDU stays a part.
pub(crate) fn decode_carried<V: Visitor>(bytes: &[u8], lookups: &mut [Lookup<'_>], visitor: &mut V) {
    frame(&FrameView::view(bytes), &mut Assembler::default(), lookups, visitor);
}

fn frame<V: Visitor>(
    frame: &FrameView<'_>,
    assembler: &mut Assembler,
    lookups: &mut [Lookup<'_>],
    visitor: &mut V,
) {
    let control = frame.control();
    let wanted = visitor.head(&Head {
        protocol: crate::Protocol::Dlt698_45,
        direction: Some(control.direction()),
        address: frame.address(),
    });
    if !wanted {
        return;
    }
    envelope(frame, visitor);
    let payload = frame.payload();
    let from = frame.header();
    if !control.is_split() {
        if !payload.is_empty() {
            apdu(&payload, from, lookups, visitor);
        }
        return;
    }
    let Some((header, part)) = BlockHeader::parse(&payload) else {
        visitor.header("apdu_error", || fault("a split frame without block header", 0));
        return;
    };
    visitor.header("fragment", || header.json(part));
    visitor.field(from..from + BlockHeader::SIZE, || {
        let zh = match header.kind {
            BlockKind::First => "起始帧",
            BlockKind::Last => "结束帧",
            BlockKind::Confirm => "确认帧",
            BlockKind::Middle => "中间帧",
        };
        let number = header.number;
        (
            name("Block", "分帧格式域"),
            name(format!("{} block, {number}", header.kind.as_str()), format!("{zh}, {number}")),
        )
    });
    let part_range = from + BlockHeader::SIZE..from + payload.len();
    if !part.is_empty() {
        visitor.field(part_range.clone(), || (name("Part of an APDU", "APDU片段"), same("")));
    }
    if let Some(part) = part_of(frame.bytes())
        && let Taken::Whole(joined) = assembler.take(0, frame.bytes(), part)
    {
        apdu(&joined.data, 0, lookups, &mut Joined { visitor, at: part_range });
    }
}

/// Tells what an APDU says that was joined of several frames. Ranges are offsets in the APDU.
pub fn decode_joined<V: Visitor>(joined: &assemble::Joined, lookups: &mut [Lookup<'_>], visitor: &mut V) {
    let frame = FrameView::view(&joined.frame);
    let direction = Some(frame.control().direction());
    if visitor.head(&Head { protocol: crate::Protocol::Dlt698_45, direction, address: frame.address() }) {
        apdu(&joined.data, 0, lookups, visitor);
    }
}

fn fault(rule: &str, at: usize) -> Json {
    Json::Object(vec![("message", Json::from(rule)), ("offset", Json::from(at))])
}

fn apdu<V: Visitor>(bytes: &[u8], base: usize, lookups: &mut [Lookup<'_>], visitor: &mut V) {
    let apdu = match Apdu::parse(bytes) {
        Ok(apdu) => apdu,
        Err(broken) => {
            visitor.header("apdu_error", || fault(broken.rule, base + broken.at));
            return;
        }
    };
    visitor.header("service", || Json::from(apdu.service.name));
    for key in ["oad", "omd"] {
        if let Some(node) = apdu.field(key) {
            visitor.header(key, || published::value(node));
        }
    }
    visitor.header("apdu", || published::apdu(&apdu));
    Tell { visitor, lookups, base, table: None, stamp: None, clock: false, numbered: None }.apdu(&apdu, 0);
}

/// The fields around the data; the same for every frame.
fn envelope<V: Visitor>(frame: &FrameView<'_>, visitor: &mut V) {
    let control = frame.control();
    let flags = frame.address_flags();
    let kind = usize::from(flags >> 6);
    visitor.header("link", || {
        let bit = |set: bool| Json::Int(i64::from(set));
        Json::Object(vec![
            ("dir", bit(control.direction() == Direction::Up)),
            ("prm", bit(control.is_from_client())),
            ("split", bit(control.is_split())),
            ("scrambled", bit(control.is_scrambled())),
            ("func", Json::from(control.function())),
            ("sa_type", Json::from(ADDRESS_TYPES[kind])),
            ("logical", Json::from(flags >> 4 & 3)),
            ("ca", Json::from(frame.client())),
        ])
    });
    let bytes = frame.bytes();
    let (header, end) = (frame.header(), bytes.len());
    let address = frame.address_range();
    visitor.field(0..1, || (name("Start", "起始字符"), same("")));
    visitor.field(1..3, || (name("Length", "长度域"), same((end - 2).to_string())));
    visitor.field(3..4, || (name("Control", "控制域"), control_meaning(frame)));
    visitor.field(4..5, || {
        let (logical, size) = (flags >> 4 & 3, (flags & 15) + 1);
        (
            name("Address flags", "服务器地址标志"),
            name(
                format!("{} address, logical {logical}, {size} bytes", ADDRESS_TYPES[kind]),
                format!("{}, 逻辑地址 {logical}, {size} 字节", ADDRESS_TYPES_ZH[kind]),
            ),
        )
    });
    visitor.field(address, || (name("Server address", "服务器地址"), same(frame.address().as_str())));
    visitor.field(header - 3..header - 2, || {
        (name("Client address", "客户机地址"), same(frame.client().to_string()))
    });
    visitor.field(header - 2..header, || (name("Header checksum", "帧头校验"), name("correct", "正确")));
    visitor.field(end - 3..end - 1, || (name("Frame checksum", "帧校验"), name("correct", "正确")));
    visitor.field(end - 1..end, || (name("End", "结束字符"), same("")));
}

fn control_meaning(frame: &FrameView<'_>) -> Name {
    let control = frame.control();
    let (mut en, mut zh) = match (control.direction(), control.is_from_client()) {
        (Direction::Down, true) => ("client's request".to_owned(), "客户机请求".to_owned()),
        (Direction::Up, true) => ("server's answer".to_owned(), "服务器响应".to_owned()),
        (Direction::Up, false) => ("server's report".to_owned(), "服务器上报".to_owned()),
        (Direction::Down, false) => {
            ("client's answer to a report".to_owned(), "客户机对上报的响应".to_owned())
        }
    };
    let (function_en, function_zh) = match control.function() {
        1 => ("link management", "链路管理"),
        3 => ("user data", "用户数据"),
        _ => ("reserved function", "保留功能码"),
    };
    en.push_str(&format!(", {function_en}"));
    zh.push_str(&format!(", {function_zh}"));
    if control.is_split() {
        en.push_str(", split");
        zh.push_str(", 分帧");
    }
    if control.is_scrambled() {
        en.push_str(", scrambled with 33H");
        zh.push_str(", 加扰码33H");
    }
    Name::new(en, zh)
}

/// Hands on what an APDU joined of several frames says: its bytes are not in the last frame, so every value belongs to
/// the last part as a whole.
struct Joined<'v, V: Visitor> {
    visitor: &'v mut V,
    at: Range<usize>,
}

impl<V: Visitor> Visitor for Joined<'_, V> {
    fn head(&mut self, head: &Head) -> bool {
        self.visitor.head(head)
    }

    fn value(&mut self, _: Range<usize>, reading: &Reading) {
        self.visitor.value(self.at.clone(), reading);
    }

    fn header(&mut self, key: &'static str, value: impl FnOnce() -> Json) {
        self.visitor.header(key, value);
    }

    fn carried(&mut self, device: Option<&Address>) {
        self.visitor.carried(device);
    }

    fn frame_inside(&mut self, _content: &[u8], _at: usize, _lookups: &mut [Lookup<'_>]) -> bool {
        false // its bytes are not in this frame; a reader of readings gets them with the joined APDU
    }

    fn unknown(&mut self, _: Range<usize>, key: impl FnOnce() -> String) {
        self.visitor.unknown(self.at.start..self.at.start, key);
    }
}
