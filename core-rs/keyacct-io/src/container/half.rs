//! One direction of a TCP connection: segments in any order, bytes in theirs.

use std::collections::BTreeMap;

use super::limits::Limits;
use super::tally::Tally;

/// What a held segment costs beside its bytes.
pub(super) const OVERHEAD_BYTES: usize = 128;

/// A segment this far from where its direction stands is of another connection. No receiver's buffer on such lines is
/// larger, and a random sequence number falls within it once in 128 times.
pub(super) const WINDOW: u32 = 16 << 20;

/// Payload of a packet. The capture may hold less of it than was on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) bytes: Vec<u8>,
    /// Length on the wire; what exceeds `bytes` is its lost tail.
    pub(super) length: u64,
    pub(super) time_us: Option<i64>,
    pub(super) offset: u64,
}

impl Segment {
    pub(super) fn cost(&self) -> usize {
        self.bytes.len() + OVERHEAD_BYTES
    }

    /// The captured bytes from `from` to `to`, counted on the wire.
    fn slice(&self, from: u64, to: u64) -> &[u8] {
        let held = |n: u64| index(n).min(self.bytes.len());
        &self.bytes[held(from)..held(to)]
    }

    /// The part from `from` to `to`, counted on the wire.
    fn part(&self, from: u64, to: u64) -> Self {
        Self {
            bytes: self.slice(from, to).to_vec(),
            length: to - from,
            time_us: self.time_us,
            offset: self.offset + from,
        }
    }
}

/// Bytes whose turn has come, and how many before them are lost.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) bytes: Vec<u8>,
    pub(super) time_us: Option<i64>,
    pub(super) offset: u64,
    pub(super) gap: u64,
}

/// What a half works with besides itself.
pub(super) struct Bench<'a> {
    pub(super) limits: &'a Limits,
    pub(super) tally: &'a mut Tally,
    pub(super) ready: Vec<Ready>,
    /// Packets of the conversation so far, its clock.
    pub(super) now: u64,
    /// Bytes that may be held.
    pub(super) room: usize,
}

impl Bench<'_> {
    fn push(&mut self, ready: Ready) {
        self.tally.gaps += u64::from(ready.gap > 0);
        self.tally.lost_bytes += ready.gap;
        self.tally.delivered_bytes += ready.bytes.len() as u64;
        self.ready.push(ready);
    }
}

/// One direction. Positions are 64-bit, their lower half is the sequence number, so wrapping needs no care.
#[derive(Debug, Default)]
pub(super) struct Half {
    /// Initial sequence number, where the SYN was seen.
    pub(super) isn: Option<u32>,
    /// Earliest acknowledgement of the other side, while the conversation opens.
    pub(super) first_ack: Option<u32>,
    /// Position of the next byte to deliver; none before the first segment.
    next: Option<u64>,
    /// Segments behind a hole, by position; they do not overlap.
    held: BTreeMap<u64, Segment>,
    held_cost: usize,
    /// Lost bytes that the next delivery tells of.
    gap: u64,
    /// Position after the last byte.
    fin: Option<u64>,
    /// Last delivered bytes, up to `next`.
    history: Vec<u8>,
    /// The receiver has told to have everything before this.
    acked: u64,
    /// When `acked` was found beyond `next`: the capture lacks what the receiver has.
    acked_since: Option<u64>,
    last: (Option<i64>, u64),
}

impl Half {
    pub(super) fn is_anchored(&self) -> bool {
        self.next.is_some()
    }

    /// Tells where the direction begins.
    pub(super) fn anchor(&mut self, seq: u32) {
        // High enough that a position before the first one is still positive.
        self.next = Some(1 << 40 | u64::from(seq));
    }

    pub(super) fn cost(&self) -> usize {
        self.held_cost
    }

    /// The FIN was seen and everything before it delivered.
    pub(super) fn is_finished(&self) -> bool {
        self.fin.is_some() && self.fin == self.next
    }

    /// Position of a sequence number, if it lies within the window around `next`.
    fn place(&self, seq: u32) -> Option<u64> {
        let next = self.next?;
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is the sequence number")]
        let distance = seq.wrapping_sub(next as u32).cast_signed();
        (distance.unsigned_abs() <= WINDOW).then(|| next.wrapping_add_signed(distance.into()))
    }

    /// Takes a segment; gives it back if it is not of this connection.
    pub(super) fn accept(
        &mut self,
        seq: u32,
        mut segment: Segment,
        bench: &mut Bench,
    ) -> Result<(), Segment> {
        let (Some(mut start), Some(next)) = (self.place(seq), self.next) else { return Err(segment) };
        let mut end = start + segment.length;
        if let Some(fin) = self.fin.filter(|&fin| end > fin) {
            if start >= fin {
                return Err(segment);
            }
            segment = segment.part(0, fin - start);
            end = fin;
        }
        if start < next {
            self.compare_delivered(start, next, &segment, bench.tally);
            if end <= next {
                return Ok(());
            }
            segment = segment.part(next - start, segment.length);
            start = next;
        }
        if start == end {
            return Ok(());
        }
        if start == next && self.held.is_empty() {
            self.deliver(segment, bench);
        } else {
            self.hold(start, end, &segment, bench.tally);
            self.drain(bench);
        }
        let limits = bench.limits;
        while !self.held.is_empty()
            && (self.held_cost > bench.room.min(limits.max_stream_bytes)
                || self.held.len() > limits.max_stream_segments)
        {
            bench.tally.limit_flushes += 1;
            self.give_up(bench);
        }
        Ok(())
    }

    /// Counts a repeated part of `segment`, from `start` up to `next`.
    fn compare_delivered(&self, start: u64, next: u64, segment: &Segment, tally: &mut Tally) {
        let end = (start + segment.length).min(next);
        if segment.length <= 1 && end == next {
            tally.keepalives += 1;
            return;
        }
        tally.retransmitted_bytes += end - start;
        let kept_from = next - self.history.len() as u64;
        let from = start.max(kept_from);
        let Some(both) = (start + segment.bytes.len() as u64).min(end).checked_sub(from) else { return };
        let new = segment.bytes.get(index(from - start)..index(from - start + both));
        let old = self.history.get(index(from - kept_from)..index(from - kept_from + both));
        tally.overlaps_differing += u64::from(new != old);
    }

    /// Puts the parts of a segment that are not held yet beside those that are.
    fn hold(&mut self, start: u64, end: u64, segment: &Segment, tally: &mut Tally) {
        let mut at = start;
        let mut parts = Vec::new();
        let mut differs = false;
        let before = self.held.range(..start).next_back().map_or(start, |(&from, _)| from);
        for (&from, old) in self.held.range(before..end) {
            let to = from + old.length;
            if to <= start {
                continue;
            }
            if at < from {
                parts.push((at, from));
            }
            let (low, high) = (from.max(start), to.min(end));
            tally.retransmitted_bytes += high - low;
            let (a, b) = (old.slice(low - from, high - from), segment.slice(low - start, high - start));
            let both = a.len().min(b.len());
            differs |= a[..both] != b[..both];
            at = to;
        }
        if at < end {
            parts.push((at, end));
        }
        tally.overlaps_differing += u64::from(differs);
        for (from, to) in parts {
            let part = segment.part(from - start, to - start);
            self.held_cost += part.cost();
            self.held.insert(from, part);
        }
    }

    /// Delivers what is held without a hole before it.
    fn drain(&mut self, bench: &mut Bench) {
        while let Some(entry) = self.held.first_entry() {
            if Some(*entry.key()) != self.next {
                return;
            }
            let segment = entry.remove();
            self.held_cost -= segment.cost();
            self.deliver(segment, bench);
        }
    }

    /// Delivers the next segment, as a datagram or in its turn.
    pub(super) fn deliver(&mut self, segment: Segment, bench: &mut Bench) {
        let Segment { bytes, length, time_us, offset } = segment;
        let lost_tail = length - bytes.len() as u64;
        self.advance(self.next.unwrap_or(0) + length, bench.now);
        self.last = (time_us, offset + bytes.len() as u64);
        if lost_tail > 0 {
            self.history.clear();
        } else {
            self.remember(&bytes, bench.limits.history_bytes);
        }
        if !bytes.is_empty() {
            bench.push(Ready { bytes, time_us, offset, gap: std::mem::take(&mut self.gap) });
        }
        self.gap += lost_tail;
    }

    fn remember(&mut self, bytes: &[u8], most: usize) {
        let tail = &bytes[bytes.len().saturating_sub(most)..];
        let surplus = (self.history.len() + tail.len()).saturating_sub(most);
        self.history.drain(..surplus);
        self.history.extend_from_slice(tail);
    }

    fn advance(&mut self, next: u64, now: u64) {
        self.next = Some(next);
        self.acked_since = (self.acked > next).then_some(now);
    }

    /// Takes the hole before the first held segment, or before the FIN, for lost.
    fn give_up(&mut self, bench: &mut Bench) {
        if let (Some(next), Some(target)) = (self.next, self.after_hole()) {
            self.gap += target - next;
            self.history.clear();
            self.advance(target, bench.now);
            self.drain(bench);
        }
    }

    fn after_hole(&self) -> Option<u64> {
        self.held.first_key_value().map(|(&at, _)| at).or(self.fin.filter(|&fin| Some(fin) != self.next))
    }

    /// Takes note that the receiver has everything before `ack`.
    pub(super) fn acknowledged(&mut self, ack: u32, now: u64) {
        if let (Some(at), Some(next)) = (self.place(ack), self.next) {
            self.acked = self.acked.max(at);
            if self.acked > next && self.acked_since.is_none() {
                self.acked_since = Some(now);
            }
        }
    }

    /// Gives up a hole whose bytes the receiver has had for so long that the capture will not bring them.
    pub(super) fn expire(&mut self, bench: &mut Bench) {
        let due = self.acked_since.is_some_and(|since| bench.now - since >= bench.limits.reorder_packets);
        if due && self.after_hole().is_some_and(|at| at <= self.acked) {
            self.give_up(bench);
        }
    }

    /// Takes note of a FIN at this sequence number.
    pub(super) fn close(&mut self, seq: u32) {
        let last = self.held.last_key_value().map_or(self.next, |(&at, segment)| Some(at + segment.length));
        if self.fin.is_none() {
            self.fin = self.place(seq).filter(|&fin| Some(fin) >= last);
        }
    }

    /// Delivers all that is left, holes told.
    pub(super) fn finish(&mut self, bench: &mut Bench) {
        while self.after_hole().is_some() {
            self.give_up(bench);
        }
        if self.gap > 0 {
            let (time_us, offset) = self.last;
            let gap = std::mem::take(&mut self.gap);
            bench.push(Ready { bytes: Vec::new(), time_us, offset, gap });
        }
        self.history = Vec::new();
    }
}

fn index(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
