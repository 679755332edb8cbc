//! Frames that another frame carries: relayed by a terminal (1376.1 AFN 10H), or passed through a port (698.45 proxy).

use std::ops::Range;

use keyacct_model::Reading;

use crate::dlt645;
use crate::dlt698_45;
use crate::frame::{Address, Frame, Probe};
use crate::json::Json;
use crate::protocol::{Framing, Protocol};
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

    fn frame_inside(&mut self, _content: &[u8], _at: usize, _lookups: &mut [Lookup<'_>]) -> bool {
        false
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

/// Tells the frame in `content`, which begins at byte `at` of the carrying frame: DL/T 645 of both editions and
/// DL/T 698.45, behind any wake-up bytes. Whether there was a valid one; nothing is told otherwise. What a carried frame
/// itself passes through stays bytes.
pub fn tell<V: Visitor>(content: &[u8], at: usize, lookups: &mut [Lookup<'_>], visitor: &mut V) -> bool {
    let preamble = content.iter().take_while(|byte| **byte == 0xFE).count();
    let inner = &content[preamble..];
    let shift = at + preamble;
    for framing in [Framing::Dlt645, Framing::Dlt698_45] {
        let Probe::Len(length) = framing.probe(inner) else { continue };
        let Some(bytes) = inner.get(..length) else { continue };
        let Ok(protocol) = framing.check(bytes) else { continue };
        visitor.enter(shift..shift + length, || {
            let name = protocol.as_str();
            Name::new(format!("Carried frame, {name}"), format!("内含报文, {name}"))
        });
        let mut carried = Carried { outer: visitor, shift };
        match protocol {
            Protocol::Dlt645_1997 => {
                let frame = dlt645::FrameView::view(bytes);
                dlt645::decode_1997(&frame, &mut lookups[protocol as usize], &mut carried);
            }
            Protocol::Dlt698_45 => dlt698_45::decode_carried(bytes, lookups, &mut carried),
            _ => {
                dlt645::decode(&dlt645::FrameView::view(bytes), &mut lookups[protocol as usize], &mut carried)
            }
        }
        visitor.carried(None);
        visitor.leave();
        return true;
    }
    false
}
