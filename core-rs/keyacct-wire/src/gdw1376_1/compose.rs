//! A message, as decoding publishes it, becomes a frame.

use std::sync::LazyLock;

use keyacct_model::{Quantity, Stamp, Value};

use super::afn::{Afn, SeqField};
use super::answer::{event_unit, history_unit, stamp_bytes};
use super::decode::event_key;
use super::encode::{Aux, MANNER};
use super::frame::{Control, Edition, FrameView, TerminalAddress};
use super::stamp::{StampKind, stamp_kind, step_minutes};
use super::unit::{Identifier, Place, place};
use crate::catalogue::{Body, Catalogue};
use crate::frame::Direction;
use crate::given::{Composed, Given, misfit, put_back, within};
use crate::layout::{Item, Layout};
use crate::told::{Astray, Told, told};
use crate::write::{Manner, Writer};

/// The frame of a message: `address` with `msa` and `group`, `protocol_id`, `control` (a byte, or its parts), `afn`, `seq`
/// (a byte, or its parts), `items` and `aux`.
///
/// An item is `pn`, `fn` and what follows them: nothing, `data` in hex, `values` in the order of the register's fields;
/// of history `at` (with `density` and `points` of a curve in a question, a list of `values` per point in an answer);
/// of events `counters`, `first` and `events` with `erc` and `values`.
///
/// # Errors
/// The key that does not fit.
pub fn compose(catalogue: &Catalogue, message: &Given) -> Composed<Vec<u8>> {
    let address = within("address", message.need("address")?.text())?;
    let master = message.int("msa", 127, Some(0))? as u8;
    let Some(address) = TerminalAddress::parse(address, master) else {
        return misfit("address", "four digits, a hyphen and four hex digits belong here: 9612-3456");
    };
    let address = TerminalAddress { group: message.bit("group")?, ..address };
    let protocol_id = message.int("protocol_id", 3, Some(2))? as u8;
    let afn = within("afn", message.need("afn")?.hex(Some(1)))?[0];
    let control = Control(within("control", control(message.need("control")?))?);
    let aux = match message.get("aux") {
        Some(aux) => within("aux", auxiliary(aux))?,
        None => Aux::default(),
    };
    let seq = match message.get("seq") {
        Some(seq) => within("seq", sequence(seq))?,
        None => SeqField::single(0, false).0 | u8::from(aux.time.is_some()) << 7,
    };
    let edition = if protocol_id == 1 { Edition::Gdw130 } else { Edition::Gdw1376 };
    let unit = Unit { catalogue, afn, direction: control.direction(), edition };
    let mut data = Vec::new();
    let raw = message.get("items").and_then(|items| items.list().ok()?.iter().find_map(|i| i.get("data")));
    if let Some(items) = message.get("items") {
        data = within("items", unit.all(items.list()?))?;
    }
    if let (None, Some(unknown)) = (raw, message.get("unknown")) {
        within("unknown", put_back(unknown, FrameView::DATA, &mut data))?;
    }
    data.extend(message.bytes("payload", None)?.unwrap_or_default());
    data.extend(aux.bytes());
    FrameView::emit(protocol_id, control, address, afn, SeqField(seq), &data)
        .map_or_else(|| misfit("items", "are more than a frame can hold"), Ok)
}

fn control(given: &Given) -> Composed<u8> {
    if !matches!(given, Given::Object(_)) {
        return Ok(given.whole(0, 255)? as u8);
    }
    let bit = |key: &str, at: u8| given.bit(key).map(|set| u8::from(set) << at);
    let fifth = bit("acd", 5)? | bit("fcb", 5)?;
    Ok(bit("dir", 7)? | bit("prm", 6)? | fifth | bit("fcv", 4)? | given.int("func", 15, None)? as u8)
}

fn sequence(given: &Given) -> Composed<u8> {
    if !matches!(given, Given::Object(_)) {
        return Ok(given.whole(0, 255)? as u8);
    }
    let bit = |key: &str, at: u8| given.bit(key).map(|set| u8::from(set) << at);
    let number = given.int("pseq", 15, Some(0))? as u8;
    Ok(bit("tpv", 7)? | bit("fir", 6)? | bit("fin", 5)? | bit("con", 4)? | number)
}

fn auxiliary(given: &Given) -> Composed<Aux> {
    let counters = match given.get("ec") {
        None => None,
        Some(list) => match within("ec", list.each(|n| n.whole(0, 255)))?[..] {
            [important, ordinary] => Some([important as u8, ordinary as u8]),
            _ => return misfit("ec", "two counters belong here"),
        },
    };
    let password = given.bytes("pw", None)?;
    if password.as_ref().is_some_and(|pw| !matches!(pw.len(), 2 | 16)) {
        return misfit("pw", "16 bytes in hex belong here, 2 in Q/GDW 130-2005");
    }
    let time = match given.get("tp") {
        None => None,
        Some(tp) => {
            let label = || -> Composed<(u8, Stamp, u8)> {
                let time = within("time", tp.need("time")?.stamp())?;
                if [time.day, time.hour, time.minute, time.second].contains(&None) {
                    return misfit("time", "a day and a time such as d28 16:19:39 belong here");
                }
                let delay = tp.int("delay_min", 255, Some(0))? as u8;
                Ok((tp.int("pfc", 255, Some(0))? as u8, time, delay))
            };
            Some(within("tp", label())?)
        }
    };
    Ok(Aux { counters, password, time })
}

struct Unit<'c> {
    catalogue: &'c Catalogue,
    afn: u8,
    direction: Direction,
    edition: Edition,
}

const MISFIT: &str = "do not fit the function: see `keyacct registers` for its fields";

impl Unit<'_> {
    /// The units of items. One identifier for several points or functions stands with the first of their items, as
    /// `identifier`; items that decoding did not reach are not there.
    fn all(&self, items: &[Given]) -> Composed<Vec<u8>> {
        let mut out = Vec::new();
        let mut shared = Vec::new();
        for (n, item) in items.iter().enumerate() {
            let unit = within(n + 1, self.bytes(item))?;
            let (own, body) = unit.split_at(Identifier::SIZE);
            if let Some(identifier) = within(n + 1, item.bytes("identifier", Some(Identifier::SIZE)))? {
                let several = Identifier::at(&identifier).map(Identifier::members).unwrap_or_default();
                let here = several.iter().zip(&items[n..]).all(|(member, item)| {
                    let own = item.int("pn", 0xFFFF, Some(0)).ok().zip(item.int("fn", 2048, None).ok());
                    own == Some((i64::from(member.0), i64::from(member.1)))
                });
                if several.is_empty() || !here {
                    let key = format!("{}.identifier", n + 1);
                    return misfit(&key, "names other points and functions than the items that follow");
                }
                out.extend(identifier);
                shared = several;
            } else if shared.is_empty() {
                out.extend(own);
            }
            if !shared.is_empty() {
                shared.remove(0);
            }
            out.extend(body);
        }
        Ok(out)
    }

    fn bytes(&self, item: &Given) -> Composed<Vec<u8>> {
        let point = item.int("pn", 0xFFFF, Some(0))? as u16;
        let function = item.int("fn", 2048, None)? as u16;
        let Some(identifier) = Identifier::of(point, function) else {
            return misfit("fn", "pn 0 to 2040 (65535 all) and fn 1 to 2048 belong here");
        };
        if let Some(data) = item.bytes("data", None)? {
            return Ok([&identifier.0[..], &data].concat());
        }
        let made = if let Some(events) = item.get("events") {
            self.events(item, function, events)?
        } else if item.get("at").is_some() {
            self.history(item, point, function, identifier)?
        } else if let Some(values) = item.get("values").filter(|v| **v != Given::List(Vec::new())) {
            let told = within("values", told(values))?;
            let body = within("values", self.values(function, &told))?;
            Some([&identifier.0[..], &body].concat())
        } else {
            Some(identifier.0.to_vec())
        };
        made.map_or_else(|| misfit("values", MISFIT), Ok)
    }

    /// What follows an identifier, from the values of its row; published ones begin with the time stamp of history.
    fn values(&self, function: u16, told: &[Told]) -> Composed<Vec<u8>> {
        let mut writer = Writer::new(told, MANNER);
        let up = self.direction == Direction::Up;
        let mut points = 1;
        match Afn(self.afn) {
            Afn::HISTORY if told.first().is_some_and(|first| first.quantity.is_some()) => {
                let kind = stamp_kind(function);
                let curve = kind == StampKind::Curve;
                writer.items(match kind {
                    StampKind::Day => &DAY,
                    StampKind::Month => &MONTH,
                    StampKind::Curve => &CURVE,
                })?;
                if curve {
                    points = told.get(2).and_then(|count| count.whole(255)).unwrap_or(0);
                }
                if !up {
                    writer.end()?;
                    return Ok(writer.into_bytes());
                }
            }
            Afn::CURRENT if up && matches!(function, 89..=116) => {
                writer.items(&HOUR)?;
                let step = told.get(1).and_then(|d| d.whole(255)).and_then(|d| step_minutes(d as u8));
                points = step.map_or(0, |minutes| 60 / i64::from(minutes));
            }
            Afn::EVENTS if up && told.first().is_some_and(|t| t.is(Quantity::EventCounterImportant)) => {
                self.published_events(&mut writer)?;
                return Ok(writer.into_bytes());
            }
            _ => {}
        }
        let keys = match place(self.afn, self.direction, self.edition, function) {
            Place::Row(key) | Place::QueryOr(key) => vec![key],
            Place::Either(first, second) => vec![first, second],
            Place::Unknown => Vec::new(),
        };
        let row = keys.into_iter().find_map(|key| self.catalogue.find(key)).map(|(_, row)| &row.body);
        let Some(Body::Layout(layout)) = row else {
            return misfit("", "belong to no register: give the item's `data` in hex");
        };
        for point in 1..=points {
            writer.layout(layout, point == points)?;
        }
        writer.end()?;
        Ok(writer.into_bytes())
    }

    /// Counters and pointers, then events: each begins with its code; bytes that its row does not explain come last.
    fn published_events(&self, writer: &mut Writer<'_>) -> Composed<()> {
        writer.items(&EVENTS)?;
        while let Some(code) = writer.left().first() {
            let from = writer.written();
            let number = code.whole(255).filter(|_| code.is(Quantity::EventCode));
            let Some(number) = number else {
                return Err(
                    Astray { at: from, wanted: "an event_code from 0 to 255 belongs here".into() }.into()
                );
            };
            let rest = &writer.left()[1..];
            let next = rest.iter().position(|told| told.is(Quantity::EventCode)).unwrap_or(rest.len());
            let told = &rest[..next];
            let mut body = Writer::new(told, Manner { ends_early: true, ..MANNER });
            if let Some((_, row)) = self.catalogue.find(event_key(number as u8))
                && let Body::Layout(layout) = &row.body
                && !told.first().is_some_and(|told| told.is(Quantity::EventData))
            {
                body.layout(layout, false).map_err(|a| Astray { at: from + 1 + a.at, ..a })?;
            }
            if body.written() < told.len() {
                let from = from + 1 + body.written();
                body.items(&EVENT_DATA).and_then(|()| body.end()).map_err(|a| Astray { at: from, ..a })?;
            }
            let body = body.into_bytes();
            let Ok(length) = u8::try_from(body.len()) else {
                return Err(Astray { at: from, wanted: "the event is longer than 255 bytes".into() }.into());
            };
            writer.bytes(&[number as u8, length]);
            writer.bytes(&body);
            writer.skip(1 + told.len());
        }
        Ok(())
    }

    fn history(
        &self,
        item: &Given,
        point: u16,
        function: u16,
        identifier: Identifier,
    ) -> Composed<Option<Vec<u8>>> {
        let at = within("at", item.need("at")?.stamp())?;
        let density = item.int("density", 255, Some(0))? as u8;
        let Some(values) = item.get("values") else {
            let points = item.int("points", 255, Some(0))? as u8;
            let stamp = stamp_bytes(stamp_kind(function), &at, density, points);
            return Ok(stamp.map(|stamp| [&identifier.0[..], &stamp].concat()));
        };
        let per_point = match values {
            Given::List(list) if matches!(list.first(), Some(Given::List(_))) => {
                within("values", values.each(plain))?
            }
            one => vec![within("values", plain(one))?],
        };
        Ok(history_unit(self.catalogue, point, function, &at, density, &per_point))
    }

    fn events(&self, item: &Given, function: u16, events: &Given) -> Composed<Option<Vec<u8>>> {
        let counters = match within("counters", item.need("counters")?.each(|n| n.whole(0, 255)))?[..] {
            [important, ordinary] => [important as u8, ordinary as u8],
            _ => return misfit("counters", "two counters belong here"),
        };
        let first = item.int("first", 255, None)? as u8;
        let event = |event: &Given| -> Composed<(u8, Vec<Value>)> {
            let code = event.int("erc", 255, None)? as u8;
            Ok((code, within("values", plain(event.need("values")?))?))
        };
        let events = within("events", events.each(event))?;
        if Afn(self.afn) != Afn::EVENTS {
            return misfit("events", "belong to AFN 0E");
        }
        Ok(event_unit(self.catalogue, function, counters, first, &events))
    }
}

/// The values of a list without what is said about them.
fn plain(list: &Given) -> Composed<Vec<Value>> {
    list.each(Given::value)
}

fn fixed(layout: &str) -> Vec<Item> {
    Layout::parse(layout).map_or_else(|_| Vec::new(), |layout| layout.usual().to_vec())
}

static DAY: LazyLock<Vec<Item>> = LazyLock::new(|| fixed("data_date:A20"));
static MONTH: LazyLock<Vec<Item>> = LazyLock::new(|| fixed("data_month:A21"));
static CURVE: LazyLock<Vec<Item>> =
    LazyLock::new(|| fixed("curve_start:A15 curve_density:BIN1 point_count:BIN1"));
static HOUR: LazyLock<Vec<Item>> = LazyLock::new(|| fixed("curve_start:hh curve_density:BIN1"));
static EVENTS: LazyLock<Vec<Item>> = LazyLock::new(|| {
    fixed(
        "event_counter_important:BIN1 event_counter_ordinary:BIN1 event_pointer_start:BIN1 \
         event_pointer_end:BIN1",
    )
});
static EVENT_DATA: LazyLock<Vec<Item>> = LazyLock::new(|| fixed("event_data:MASK[*]"));
