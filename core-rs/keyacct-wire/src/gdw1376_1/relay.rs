//! Relayed frames (AFN 10H F1): the answer of a meter inside the answer of its terminal.

use std::ops::Range;

use keyacct_model::Reading;

use crate::dlt645;
use crate::frame::{Address, Direction, Frame, Probe};
use crate::json::Json;
use crate::protocol::Protocol;
use crate::visit::{Head, Name, Visitor};
use crate::walk::Lookup;

/// Hands on what a carried frame says, at its place in the carrying one. Header fields are the carrier's own.
struct Carried<'v, V: Visitor> {
    outer: &'v mut V,
    shift: usize,
}

impl<V: Visitor> Carried<'_, V> {
    fn at(&self, at: Range<usize>) -> Range<usize> {
        at.start + self.shift..at.end + self.shift
    }
}

impl<V: Visitor> Visitor for Carried<'_, V> {
    fn head(&mut self, head: &Head) -> bool {
        self.outer.carried(Some(&head.address));
        true
    }

    fn value(&mut self, at: Range<usize>, reading: &Reading) {
        self.outer.value(self.at(at), reading);
    }

    fn header(&mut self, _key: &'static str, _value: impl FnOnce() -> Json) {}

    fn field(&mut self, at: Range<usize>, name: impl FnOnce() -> (Name, Name)) {
        self.outer.field(self.at(at), name);
    }

    fn secret(&mut self, at: Range<usize>, name: impl FnOnce() -> Name) {
        self.outer.secret(self.at(at), name);
    }

    fn carried(&mut self, device: Option<&Address>) {
        self.outer.carried(device);
    }

    fn enter(&mut self, at: Range<usize>, name: impl FnOnce() -> Name) {
        self.outer.enter(self.at(at), name);
    }

    fn leave(&mut self) {
        self.outer.leave();
    }

    fn unknown(&mut self, at: Range<usize>, key: impl FnOnce() -> String) {
        self.outer.unknown(self.at(at), key);
    }
}

/// Tells the frame inside a relay unit that began at `from` and ends at the cursor, if it is a whole DL/T 645 frame.
pub fn tell<V: Visitor>(
    from: usize,
    direction: Direction,
    unit: &[u8],
    lookups: &mut [Lookup<'_>],
    visitor: &mut V,
) {
    // Port and length up; port, control, two timeouts and length down, in older masters without control.
    let headers: &[usize] = if direction == Direction::Up { &[3] } else { &[6, 5] };
    let starts = headers.iter().copied().find(|header| {
        let length = unit.get(header - 2..*header).map(|b| usize::from(u16::from_le_bytes([b[0], b[1]])));
        length.is_some_and(|length| header + length == unit.len())
    });
    let Some(start) = starts else { return };
    let content = &unit[start..];
    let preamble = content.iter().take_while(|byte| **byte == 0xFE).count();
    let inner = &content[preamble..];
    let Probe::Len(length) = dlt645::FrameView::probe(inner) else { return };
    let Some(Ok(frame)) = inner.get(..length).map(dlt645::FrameView::parse) else { return };
    let shift = from + start + preamble;
    let protocol = frame.protocol();
    visitor.enter(shift..shift + length, || {
        let name = protocol.as_str();
        Name::new(format!("Relayed frame, {name}"), format!("转发报文, {name}"))
    });
    let mut carried = Carried { outer: visitor, shift };
    match protocol {
        Protocol::Dlt645_2007 => dlt645::decode(&frame, &mut lookups[protocol as usize], &mut carried),
        Protocol::Dlt645_1997 => dlt645::decode_1997(&frame, &mut lookups[protocol as usize], &mut carried),
        _ => carried.outer.field(shift..shift + length, || {
            (Name::new("Frame", "报文"), Name::new(frame.address().as_str(), frame.address().as_str()))
        }),
    }
    visitor.carried(None);
    visitor.leave();
}
