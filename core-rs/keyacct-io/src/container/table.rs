//! All conversations of a capture, the longest silent one first to go.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::event::Transport;
use super::flow::{Context, Flow, Outbox, Piece};
use super::limits::Limits;
use super::tally::Tally;

type Key = (Transport, SocketAddr, SocketAddr);

#[derive(Debug)]
struct Slot {
    key: Key,
    flow: Flow,
    older: Option<usize>,
    newer: Option<usize>,
}

/// Conversations by their ends, and in the order of their last packet (a list through the slots).
#[derive(Debug, Default)]
pub(super) struct Table {
    by_ends: HashMap<Key, usize>,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    oldest: Option<usize>,
    newest: Option<usize>,
    /// Bytes held by all of them.
    held: usize,
}

impl Table {
    /// Takes a packet of a conversation.
    pub(super) fn packet(
        &mut self,
        transport: Transport,
        piece: Piece,
        limits: &Limits,
        tally: &mut Tally,
        out: &mut Outbox,
    ) {
        let (low, high) =
            if piece.from <= piece.to { (piece.from, piece.to) } else { (piece.to, piece.from) };
        let key = (transport, low, high);
        let at = match self.by_ends.get(&key) {
            Some(&at) => at,
            None if piece.header.rst => return,
            None => {
                while self.by_ends.len() >= limits.max_streams.max(1) {
                    self.evict(limits, tally, out);
                }
                self.insert(key, Flow::new(transport, piece.from, piece.to))
            }
        };
        self.unlink(at);
        self.link(at);
        if transport == Transport::Tcp {
            while self.held + piece.segment.cost() > limits.max_total_bytes && self.oldest != Some(at) {
                self.evict(limits, tally, out);
            }
        }
        let Some(slot) = self.slots.get_mut(at).and_then(Option::as_mut) else { return };
        let elsewhere = self.held - slot.flow.cost();
        let mut context =
            Context { limits, tally, out, room: limits.max_total_bytes.saturating_sub(elsewhere) };
        if transport == Transport::Udp {
            slot.flow.datagram(piece, &mut context);
        } else if let Some(pieces) = slot.flow.packet(piece, &mut context) {
            slot.flow.finish(&mut context);
            restart(slot, pieces, &mut context);
        }
        self.held = elsewhere + slot.flow.cost();
        tally.max_held_bytes = tally.max_held_bytes.max(self.held as u64);
    }

    /// Ends the conversation that was silent for longest; false when there is none.
    pub(super) fn finish_oldest(&mut self, limits: &Limits, tally: &mut Tally, out: &mut Outbox) -> bool {
        let Some(at) = self.oldest else { return false };
        self.unlink(at);
        if let Some(mut slot) = self.slots.get_mut(at).and_then(Option::take) {
            self.held -= slot.flow.cost();
            self.by_ends.remove(&slot.key);
            self.free.push(at);
            slot.flow.finish(&mut Context { limits, tally, out, room: limits.max_total_bytes });
        }
        true
    }

    fn evict(&mut self, limits: &Limits, tally: &mut Tally, out: &mut Outbox) {
        tally.evicted_streams += 1;
        self.finish_oldest(limits, tally, out);
    }

    /// A new slot, not yet in the list.
    fn insert(&mut self, key: Key, flow: Flow) -> usize {
        let slot = Some(Slot { key, flow, older: None, newer: None });
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at] = slot;
                at
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        self.by_ends.insert(key, at);
        at
    }

    fn slot(&mut self, at: Option<usize>) -> Option<&mut Slot> {
        self.slots.get_mut(at?)?.as_mut()
    }

    /// Takes a slot out of the list, if it is in it.
    fn unlink(&mut self, at: usize) {
        let Some(slot) = self.slot(Some(at)) else { return };
        let (older, newer) = (slot.older.take(), slot.newer.take());
        if let Some(slot) = self.slot(older) {
            slot.newer = newer;
        } else if self.oldest == Some(at) {
            self.oldest = newer;
        }
        if let Some(slot) = self.slot(newer) {
            slot.older = older;
        } else if self.newest == Some(at) {
            self.newest = older;
        }
    }

    /// Puts a slot at the newest end of the list.
    fn link(&mut self, at: usize) {
        let before = self.newest.replace(at);
        match self.slot(before) {
            Some(slot) => slot.newer = Some(at),
            None => self.oldest = Some(at),
        }
        if let Some(slot) = self.slot(Some(at)) {
            slot.older = before;
        }
    }
}

/// Begins a new conversation between the same ends, with the packets that showed it.
fn restart(slot: &mut Slot, pieces: Vec<Piece>, context: &mut Context) {
    let Some(first) = pieces.first() else { return };
    slot.flow = Flow::new(Transport::Tcp, first.from, first.to);
    let mut pieces = pieces.into_iter();
    while let Some(piece) = pieces.next() {
        if let Some(others) = slot.flow.packet(piece, context) {
            // A conversation within the handful of packets that began one: nothing to be trusted.
            for piece in others.into_iter().chain(pieces.by_ref()) {
                context.tally.stray_bytes += piece.segment.bytes.len() as u64;
            }
        }
    }
}
