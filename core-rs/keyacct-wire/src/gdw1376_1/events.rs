//! Class 3 data: event counters, and events that each say their own length.

use keyacct_model::{Kind, Phase, Quality, Quantity, Reading, Tariff, Unit, Value};

use super::decode::event_key;
use crate::catalogue::Body;
use crate::cursor::Cursor;
use crate::format;
use crate::visit::{Name, Visitor};
use crate::walk::{Lookup, walk_stamped};

const HEADER: [Quantity; 4] = [
    Quantity::EventCounterImportant,
    Quantity::EventCounterOrdinary,
    Quantity::EventPointerStart,
    Quantity::EventPointerEnd,
];

fn reading(quantity: Quantity, value: Value) -> Reading {
    Reading {
        quantity,
        phase: Phase::None,
        tariff: Tariff::TOTAL,
        index: 0,
        kind: Kind::Event,
        value,
        unit: Unit::None,
        quality: Quality::GOOD,
        time: None,
    }
}

/// Tells EC1, EC2, Pm, Pn and (Pn − Pm) mod 256 events, 0 meaning 256; whether all of them were there.
pub fn read<V: Visitor>(lookup: &mut Lookup<'_>, data: &mut Cursor<'_>, visitor: &mut V) -> bool {
    let from = data.position();
    let Some(header) = data.array::<4>() else { return false };
    for (n, (quantity, byte)) in HEADER.into_iter().zip(header).enumerate() {
        visitor.value(from + n..from + n + 1, &reading(quantity, Value::Number(i64::from(byte).into())));
    }
    let [.., first, last] = header;
    let count = match last.wrapping_sub(first) {
        0 => 256,
        count => usize::from(count),
    };
    (0..count).all(|_| event(lookup, data, visitor))
}

fn event<V: Visitor>(lookup: &mut Lookup<'_>, data: &mut Cursor<'_>, visitor: &mut V) -> bool {
    let from = data.position();
    let [code, length, ..] = *data.rest() else { return false };
    let length = usize::from(length);
    if data.left() < 2 + length || data.take(2).is_none() {
        return false;
    }
    let Some(body) = data.take(length) else { return false };
    let row = lookup.find(event_key(code));
    visitor.enter(from..data.position(), || {
        let name = row.map_or_else(|| format!("ERC {code}"), |row| format!("ERC {code} {}", row.name));
        Name::new(name.clone(), name)
    });
    visitor.value(from..from + 1, &reading(Quantity::EventCode, Value::Number(i64::from(code).into())));
    visitor.field(from + 1..from + 2, || {
        let text = length.to_string();
        (Name::new("Length of the event", "记录长度"), Name::new(text.clone(), text))
    });
    let mut body = Cursor::new(body, from + 2);
    if let Some(row) = row
        && let Body::Layout(layout) = &row.body
    {
        // Of several layouts the length decides; a body of another length than all of them stays raw.
        let items = layout.choose(length).unwrap_or_default();
        walk_stamped(row, event_key(code), items, None, &mut body, visitor);
    }
    // An event of unknown or other length keeps what is not explained: the next one begins where the length says.
    let at = body.position();
    let rest = body.rest();
    if !rest.is_empty() {
        visitor
            .value(at..at + rest.len(), &reading(Quantity::EventData, Value::Text(format::hex(rest.iter()))));
    }
    visitor.leave();
    true
}
