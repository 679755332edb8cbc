//! A message, as decoding publishes it, becomes a frame.

use keyacct_model::Stamp;

use super::afn::{Afn, SeqField};
use super::answer::{event_unit, history_unit, stamp_bytes};
use super::encode::{Aux, unit_bytes};
use super::frame::{Control, Edition, FrameView, TerminalAddress};
use super::stamp::stamp_kind;
use super::unit::{Identifier, Place, place};
use crate::catalogue::Catalogue;
use crate::frame::Direction;
use crate::given::{Composed, Given, misfit, within};

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
    if let Some(items) = message.get("items") {
        data = within("items", items.each(|item| unit.bytes(item)))?.concat();
    }
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

impl Unit<'_> {
    fn bytes(&self, item: &Given) -> Composed<Vec<u8>> {
        let point = item.int("pn", 0xFFFF, Some(0))? as u16;
        let function = item.int("fn", 2048, None)? as u16;
        let Some(identifier) = Identifier::of(point, function) else {
            return misfit("fn", "pn 0 to 2040 (65535 all) and fn 1 to 2048 belong here");
        };
        let made = if let Some(data) = item.bytes("data", None)? {
            Some([&identifier.0[..], &data].concat())
        } else if let Some(events) = item.get("events") {
            self.events(item, function, events)?
        } else if item.get("at").is_some() {
            self.history(item, point, function, identifier)?
        } else if let Some(values) = item.get("values").filter(|v| **v != Given::List(Vec::new())) {
            let values = within("values", values.values())?;
            let keys = match place(self.afn, self.direction, self.edition, function) {
                Place::Row(key) | Place::QueryOr(key) => vec![key],
                Place::Either(first, second) => vec![first, second],
                Place::Unknown => Vec::new(),
            };
            keys.into_iter().find_map(|key| unit_bytes(self.catalogue, key, point, function, &values))
        } else {
            Some(identifier.0.to_vec())
        };
        made.map_or_else(
            || misfit("values", "do not fit the function: see `keyacct registers` for its fields"),
            Ok,
        )
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
                within("values", values.each(Given::values))?
            }
            one => vec![within("values", one.values())?],
        };
        Ok(history_unit(self.catalogue, point, function, &at, density, &per_point))
    }

    fn events(&self, item: &Given, function: u16, events: &Given) -> Composed<Option<Vec<u8>>> {
        let counters = match within("counters", item.need("counters")?.each(|n| n.whole(0, 255)))?[..] {
            [important, ordinary] => [important as u8, ordinary as u8],
            _ => return misfit("counters", "two counters belong here"),
        };
        let first = item.int("first", 255, None)? as u8;
        let event = |event: &Given| -> Composed<(u8, Vec<keyacct_model::Value>)> {
            let code = event.int("erc", 255, None)? as u8;
            Ok((code, within("values", event.need("values")?.values())?))
        };
        let events = within("events", events.each(event))?;
        if Afn(self.afn) != Afn::EVENTS {
            return misfit("events", "belong to AFN 0E");
        }
        Ok(event_unit(self.catalogue, function, counters, first, &events))
    }
}
