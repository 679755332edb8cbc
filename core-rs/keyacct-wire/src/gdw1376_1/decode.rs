//! A frame's header, AUX and data units.

use std::ops::Range;

use super::afn::{Afn, link_function};
use super::auxiliary::{self, end};
use super::events;
use super::frame::FrameView;
use super::relay;
use super::stamp::{self, StampKind, TimeStamp};
use super::unit::{Identifier, Place, body_key, place};
use crate::catalogue::{Body, Row};
use crate::cursor::Cursor;
use crate::format;
use crate::frame::{Direction, Frame};
use crate::json::Json;
use crate::layout::Item;
use crate::protocol::Protocol;
use crate::visit::{Head, Name, Visitor};
use crate::walk::{Lookup, walk_stamped};

const TIME_LABEL: usize = 6;
const EVENT_COUNTERS: usize = 2;

/// A visitor that takes nothing: to measure data before they are told.
pub(super) struct Nobody;

impl Visitor for Nobody {
    fn head(&mut self, _head: &Head) -> bool {
        true
    }

    fn value(&mut self, _at: Range<usize>, _reading: &keyacct_model::Reading) {}
}

/// Tells the visitor everything about one frame. `lookups` are those of all protocols, in their order: a relayed frame
/// is another protocol's.
pub fn decode<V: Visitor>(frame: &FrameView<'_>, lookups: &mut [Lookup<'_>], visitor: &mut V) {
    let head = Head { protocol: Protocol::Gdw1376_1, direction: frame.direction(), address: frame.address() };
    if !visitor.head(&head) {
        return;
    }
    envelope(frame, visitor);
    let mut data = Cursor::new(frame.data(), FrameView::DATA);
    let time = if frame.seq().has_time() { end(&mut data, TIME_LABEL) } else { None };
    // Some terminals set ACD and send no counters: a bare identifier has no room for them.
    let room = !(Identifier::SIZE..Identifier::SIZE + EVENT_COUNTERS).contains(&data.left());
    let counters =
        if frame.control().has_event_counters() && room { end(&mut data, EVENT_COUNTERS) } else { None };
    let mut units = Units::of(frame, lookups);
    let password = units.password_len(&data);
    let password = end(&mut data, password).filter(|(_, bytes)| !bytes.is_empty());
    auxiliary::tell(time.as_ref(), counters.as_ref(), password.as_ref(), visitor);
    units.tell(&mut data, visitor);
    if data.left() > 0 {
        visitor.header("payload", || Json::Text(format::hex(data.rest().iter())));
    }
}

fn word(text: impl std::fmt::Display) -> Name {
    Name::new(text.to_string(), text.to_string())
}

fn envelope<V: Visitor>(frame: &FrameView<'_>, visitor: &mut V) {
    let (control, seq, terminal) = (frame.control(), frame.seq(), frame.terminal());
    let up = control.direction() == Direction::Up;
    let bit = |set: bool| Json::Int(set.into());
    visitor.header("protocol_id", || Json::from(frame.protocol_id()));
    visitor.header("control", || {
        Json::Object(vec![
            ("dir", bit(up)),
            ("prm", bit(control.is_initiator())),
            (if up { "acd" } else { "fcb" }, Json::from(control.bit5())),
            ("fcv", Json::from(control.bit4())),
            ("func", Json::from(control.function())),
        ])
    });
    visitor.header("group", || Json::Bool(terminal.group));
    visitor.header("msa", || Json::from(terminal.master));
    visitor.header("afn", || Json::Text(format!("{:02X}", frame.afn())));
    visitor.header("seq", || {
        Json::Object(vec![
            ("tpv", bit(seq.has_time())),
            ("fir", bit(seq.is_first())),
            ("fin", bit(seq.is_last())),
            ("con", bit(seq.wants_confirm())),
            ("pseq", Json::from(seq.number())),
        ])
    });
    let end = frame.bytes().len();
    visitor.field(0..1, || (Name::new("Start", "帧起始符"), Name::new("", "")));
    visitor.field(1..5, || {
        let (length, id) = (end - 8, frame.protocol_id());
        let edition = match id {
            1 => "Q/GDW 130-2005",
            2 => "Q/GDW 1376.1",
            _ => "-",
        };
        (
            Name::new("Length, twice", "长度 (两遍)"),
            Name::new(
                format!("{length} bytes, protocol {id}: {edition}"),
                format!("{length} 字节, 规约 {id}: {edition}"),
            ),
        )
    });
    visitor.field(5..6, || (Name::new("Start", "帧起始符"), Name::new("", "")));
    visitor.field(6..7, || {
        let function = link_function(control.is_initiator(), control.function());
        let en = if up { "terminal to master" } else { "master to terminal" };
        let zh = if up { "终端→主站" } else { "主站→终端" };
        let (waits, zh_waits) =
            if control.has_event_counters() { (", event waits", ", 有重要事件") } else { ("", "") };
        (
            Name::new("Control", "控制域"),
            Name::new(format!("{en}: {}{waits}", function.en), format!("{zh}: {}{zh_waits}", function.zh)),
        )
    });
    visitor.field(7..11, || (Name::new("Terminal address", "终端地址"), word(frame.address())));
    visitor.field(11..12, || {
        let (group, zh) = if terminal.group { (", group address", ", 组地址") } else { ("", "") };
        (
            Name::new("Master station", "主站地址"),
            Name::new(format!("{}{group}", terminal.master), format!("{}{zh}", terminal.master)),
        )
    });
    visitor.field(12..13, || (Name::new("Function", "应用层功能码"), Afn(frame.afn()).name()));
    visitor.field(13..14, || {
        let (en, zh) = match (seq.is_first(), seq.is_last()) {
            (true, true) => ("single frame", "单帧"),
            (true, false) => ("first of several frames", "首帧"),
            (false, false) => ("middle frame", "中间帧"),
            (false, true) => ("last frame", "末帧"),
        };
        let (wanted, zh_wanted) =
            if seq.wants_confirm() { (", answer wanted", ", 需确认") } else { ("", "") };
        let number = seq.number();
        (
            Name::new("Sequence", "帧序列域"),
            Name::new(format!("{en}, number {number}{wanted}"), format!("{zh}, 序号 {number}{zh_wanted}")),
        )
    });
    visitor.field(end - 2..end - 1, || (Name::new("Checksum", "校验和"), Name::new("correct", "正确")));
    visitor.field(end - 1..end, || (Name::new("End", "结束符"), Name::new("", "")));
}

/// Reads the data units of one frame.
struct Units<'l, 'c> {
    afn: u8,
    direction: Direction,
    edition: super::frame::Edition,
    lookups: &'l mut [Lookup<'c>],
}

/// How a unit's walk ended.
#[derive(PartialEq, Eq)]
enum Unit {
    /// All of it was there.
    Whole,
    /// The data end inside it, or it has no layout.
    Stopped,
    /// Bytes behind it belong to nobody.
    Foreign,
}

impl<'l, 'c> Units<'l, 'c> {
    fn of(frame: &FrameView<'_>, lookups: &'l mut [Lookup<'c>]) -> Units<'l, 'c> {
        Units { afn: frame.afn(), direction: frame.control().direction(), edition: frame.edition(), lookups }
    }

    /// Bytes of the password behind the units. It has no mark of its own: where the units' lengths are known and fill the
    /// data without one, there is none (masters leave it away in file transfers); where they fill them before a password of
    /// the other edition, it is that one (masters that set the protocol of one and write the password of the other).
    fn password_len(&mut self, data: &Cursor<'_>) -> usize {
        if self.direction == Direction::Up || !Afn(self.afn).has_password() {
            return 0;
        }
        let (own, other) = (self.edition.password_len(), self.edition.other().password_len());
        if self.fills_before(data, own) {
            return own;
        }
        let alone = Afn(self.afn) == Afn::FILE || self.fills(data);
        match data.left() >= Identifier::SIZE + own {
            _ if alone => 0,
            _ if self.fills_before(data, other) => other,
            true => own,
            false => 0,
        }
    }

    /// Whether the units fill the data but for so many bytes at the end.
    fn fills_before(&mut self, data: &Cursor<'_>, length: usize) -> bool {
        let mut cut = data.clone();
        data.left() >= Identifier::SIZE + length && cut.take_end(length).is_some() && self.fills(&cut)
    }

    fn fills(&mut self, data: &Cursor<'_>) -> bool {
        let mut data = data.clone();
        self.tell(&mut data, &mut Nobody) && data.left() == 0
    }

    /// Tells every unit; whether all were whole.
    fn tell<V: Visitor>(&mut self, data: &mut Cursor<'_>, visitor: &mut V) -> bool {
        while let Some(identifier) = Identifier::at(data.rest()) {
            let from = data.position();
            if data.take(Identifier::SIZE).is_none() {
                return false;
            }
            visitor.field(from..data.position(), || {
                let text = format::Format::PointFunction.read(&identifier.0).0;
                let text = if let keyacct_model::Value::Text(text) = text { text } else { String::new() };
                (Name::new("Data unit identifier", "数据单元标识"), word(text))
            });
            visitor.shared(|| identifier.members().len().gt(&1).then(|| format::hex(identifier.0.iter())));
            let mut foreign = false;
            let mut asked = false;
            for point in identifier.points() {
                for function in identifier.functions() {
                    visitor.item(point, function);
                    match self.unit(point, function, &mut asked, data, visitor) {
                        Unit::Whole => {}
                        Unit::Foreign => foreign = true,
                        Unit::Stopped => return false,
                    }
                }
            }
            if foreign {
                return true;
            }
        }
        data.left() == 0
    }

    fn row(&mut self, key: u64) -> Option<(&'c Row, u64)> {
        Some((self.lookups[Protocol::Gdw1376_1 as usize].find(key)?, key))
    }

    fn unit<V: Visitor>(
        &mut self,
        point: u16,
        function: u16,
        asked: &mut bool,
        data: &mut Cursor<'_>,
        visitor: &mut V,
    ) -> Unit {
        let (afn, from) = (Afn(self.afn), data.position());
        let found = match place(self.afn, self.direction, self.edition, function) {
            Place::Row(key) => self.row(key),
            Place::Either(first, second) => self.row(first).or_else(|| self.row(second)),
            Place::QueryOr(key) => match self.row(key) {
                Some(found) => Some(found),
                None if afn == Afn::HISTORY && !*asked => {
                    *asked = true; // one time stamp for all points and functions of an identifier
                    let stamp = stamp::read_stamp(stamp::stamp_kind(function), data, visitor);
                    return if stamp.is_some() { Unit::Whole } else { Unit::Stopped };
                }
                None => return Unit::Whole,
            },
            Place::Unknown => None,
        };
        let is_events = afn == Afn::EVENTS && self.direction == Direction::Up && matches!(function, 1 | 2);
        let Some((row, key)) = found else {
            if is_events {
                return whole(events::read(&mut self.lookups[Protocol::Gdw1376_1 as usize], data, visitor));
            }
            let key = format!("{:02X} F{function}", self.afn);
            visitor.unknown(from..from + data.left(), || key);
            data.take(data.left());
            return Unit::Stopped;
        };
        let before = data.rest();
        visitor.enter(from..from, || word(format!("P{point} F{function} {}", row.name)));
        let done = self.body(row, key, function, data, visitor);
        if afn == Afn::RELAY && function == 1 {
            relay::tell(from, self.direction, &before[..data.position() - from], self.lookups, visitor);
        }
        visitor.leave();
        match done {
            true if afn == Afn::CONFIRM && function <= 2 => Unit::Foreign,
            done => whole(done),
        }
    }

    fn body<V: Visitor>(
        &mut self,
        row: &Row,
        key: u64,
        function: u16,
        data: &mut Cursor<'_>,
        visitor: &mut V,
    ) -> bool {
        let Body::Layout(layout) = &row.body else { return false };
        let alternatives = &layout.0;
        match (Afn(self.afn), self.direction) {
            (Afn::HISTORY, Direction::Up) => {
                let kind = stamp::stamp_kind(function);
                let Some(stamp) = stamp::read_stamp(kind, data, visitor) else { return false };
                let items = choose(alternatives, row, key, data);
                if kind == StampKind::Curve {
                    return series(row, key, items, stamp, data, visitor);
                }
                let at = stamp.at.map(|at| kind.stands_for(at, row.kind));
                walk_stamped(row, key, items, at, data, visitor)
            }
            (Afn::CURRENT, Direction::Up) if matches!(function, 89..=116) => {
                let Some(stamp) = stamp::read_hour(data, visitor) else { return false };
                series(row, key, choose(alternatives, row, key, data), stamp, data, visitor)
            }
            _ => walk_stamped(row, key, choose(alternatives, row, key, data), None, data, visitor),
        }
    }
}

const fn whole(done: bool) -> Unit {
    if done { Unit::Whole } else { Unit::Stopped }
}

fn series<V: Visitor>(
    row: &Row,
    key: u64,
    items: &[Item],
    stamp: TimeStamp,
    data: &mut Cursor<'_>,
    visitor: &mut V,
) -> bool {
    (0..stamp.points).all(|n| walk_stamped(row, key, items, stamp.point(n), data, visitor))
}

/// The alternative that fits: one behind which the data end, else one behind which an identifier can begin.
fn choose<'i>(alternatives: &'i [Vec<Item>], row: &Row, key: u64, data: &Cursor<'_>) -> &'i [Item] {
    let [_, _, ..] = alternatives else { return alternatives.first().map_or(&[], Vec::as_slice) };
    let mut likely = None;
    for items in alternatives {
        let mut rest = data.clone();
        if walk_stamped(row, key, items, None, &mut rest, &mut Nobody) {
            if rest.left() == 0 {
                return items;
            }
            if Identifier::at(rest.rest()).is_some() {
                likely = likely.or(Some(items));
            }
        }
    }
    likely.or(alternatives.first()).map_or(&[], Vec::as_slice)
}

/// The key of an event's row: EC, then the code in four decimal digits.
pub(super) const fn event_key(code: u8) -> u64 {
    body_key(0xEC, code as u16)
}
