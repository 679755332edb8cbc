//! What a terminal answers, beyond the units of [`super::unit_bytes`]: history with its time stamp, and events.

use keyacct_model::{Stamp, Value};

use super::decode::event_key;
use super::encode::NO_DATA;
use super::stamp::{StampKind, stamp_kind};
use super::unit::{Identifier, body_key};
use crate::catalogue::{Body, Catalogue};
use crate::format::{Part, write_time};
use crate::layout::Layout;
use crate::write::write_layout;

fn layout(catalogue: &Catalogue, key: u64) -> Option<&Layout> {
    match &catalogue.find(key)?.1.body {
        Body::Layout(layout) => Some(layout),
        Body::Block(_) => None,
    }
}

/// A unit of history (AFN 0DH): identifier, time stamp, values. A curve has one list of values a point, everything else
/// exactly one list.
pub fn history_unit(
    catalogue: &Catalogue,
    point: u16,
    function: u16,
    at: &Stamp,
    density: u8,
    points: &[Vec<Value>],
) -> Option<Vec<u8>> {
    let kind = stamp_kind(function);
    let count = u8::try_from(points.len()).ok()?;
    if kind != StampKind::Curve && count != 1 {
        return None;
    }
    let layout = layout(catalogue, body_key(0x0D, function))?;
    let mut out = Identifier::of(point, function)?.0.to_vec();
    out.extend(stamp_bytes(kind, at, density, count)?);
    for values in points {
        out.extend(write_layout(layout, values, NO_DATA)?);
    }
    Some(out)
}

/// A unit of events (AFN 0EH, F1 or F2): both counters, the first pointer, and each event by its code and the values of
/// its row.
pub fn event_unit(
    catalogue: &Catalogue,
    function: u16,
    counters: [u8; 2],
    first: u8,
    events: &[(u8, Vec<Value>)],
) -> Option<Vec<u8>> {
    if !(1..=256).contains(&events.len()) {
        return None;
    }
    let mut out = Identifier::of(0, function)?.0.to_vec();
    out.extend(counters);
    out.extend([first, first.wrapping_add(events.len() as u8)]);
    for (code, values) in events {
        let body = write_layout(layout(catalogue, event_key(*code))?, values, NO_DATA)?;
        out.extend([*code, u8::try_from(body.len()).ok()?]);
        out.extend(body);
    }
    Some(out)
}

/// The time stamp of a question or an answer of AFN 0DH.
pub fn stamp_bytes(kind: StampKind, at: &Stamp, density: u8, points: u8) -> Option<Vec<u8>> {
    let parts: &[Part] = match kind {
        StampKind::Day => &[Part::Year, Part::Month, Part::Day],
        StampKind::Month => &[Part::Year, Part::Month],
        StampKind::Curve => &[Part::Year, Part::Month, Part::Day, Part::Hour, Part::Minute],
    };
    let mut out = Vec::new();
    write_time(at, 0, parts, &mut out)?;
    if kind == StampKind::Curve {
        out.extend([density, points]);
    }
    Some(out)
}
