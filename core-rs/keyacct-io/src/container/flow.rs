//! One conversation: where it begins, which packets are of it, when it ends.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use super::event::{Chunk, Direction, Event, Stream, Transport};
use super::half::{Bench, Half, Ready, Segment, WINDOW};
use super::limits::Limits;
use super::tally::Tally;
use super::tcp::Header;

/// A packet of a conversation.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) header: Header,
    pub(super) segment: Segment,
}

impl Piece {
    /// Sequence number of its first byte; a SYN counts as one before.
    fn first(&self) -> u32 {
        self.header.seq.wrapping_add(u32::from(self.header.syn))
    }

    #[expect(clippy::cast_possible_truncation, reason = "sequence numbers are modulo 2^32")]
    fn after(&self) -> u32 {
        self.first().wrapping_add(self.segment.length as u32)
    }

    fn carries(&self) -> bool {
        self.segment.length > 0 || self.header.fin
    }
}

/// What has been made ready for the reader of the events.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) events: VecDeque<Event>,
}

/// What a conversation works with besides itself.
pub(super) struct Context<'a> {
    pub(super) limits: &'a Limits,
    pub(super) tally: &'a mut Tally,
    pub(super) out: &'a mut Outbox,
    /// Bytes that this conversation may hold.
    pub(super) room: usize,
}

#[derive(Debug)]
pub(super) struct Flow {
    transport: Transport,
    /// Initiator and responder, as far as known.
    ends: [SocketAddr; 2],
    handshake: bool,
    stream: Option<Arc<Stream>>,
    halves: [Half; 2],
    /// Packets held until it is clear where the conversation begins.
    opening: Option<Vec<Piece>>,
    /// A packet of each direction that does not fit; the next one tells whether it begins a new conversation.
    strays: [Option<Piece>; 2],
    packets: u64,
    /// The end was told; what still comes is repetition.
    ended: bool,
}

impl Flow {
    pub(super) fn new(transport: Transport, from: SocketAddr, to: SocketAddr) -> Self {
        Self {
            transport,
            ends: [from, to],
            handshake: false,
            stream: None,
            halves: Default::default(),
            opening: (transport == Transport::Tcp).then(Vec::new),
            strays: [None, None],
            packets: 0,
            ended: false,
        }
    }

    /// Bytes held, with overhead.
    pub(super) fn cost(&self) -> usize {
        let waiting = self.opening.iter().flatten().chain(self.strays.iter().flatten());
        self.halves[0].cost() + self.halves[1].cost() + waiting.map(|p| p.segment.cost()).sum::<usize>()
    }

    fn direction(&self, piece: &Piece) -> Direction {
        if piece.from == self.ends[0] { Direction::A } else { Direction::B }
    }

    /// Delivers a UDP datagram.
    pub(super) fn datagram(&mut self, piece: Piece, context: &mut Context) {
        let direction = self.direction(&piece);
        self.work(
            context,
            |flow, bench| flow.halves[direction.index()].deliver(piece.segment, bench),
            direction,
        );
    }

    /// Takes a TCP packet. If it shows that another conversation has begun between the same ports, its packets so far
    /// come back, and this one is to be finished.
    pub(super) fn packet(&mut self, piece: Piece, context: &mut Context) -> Option<Vec<Piece>> {
        self.packets += 1;
        if self.opening.is_none() {
            return self.feed(piece, context);
        }
        if piece.header.syn {
            if self.contradicts(&piece) {
                return Some(vec![piece]);
            }
            self.orient(&piece);
            let direction = self.direction(&piece);
            self.halves[direction.index()].isn = Some(piece.header.seq);
        }
        if let Some(ack) = piece.header.ack.filter(|_| !piece.header.rst) {
            let answered = &mut self.halves[self.direction(&piece).other().index()].first_ack;
            *answered = Some(answered.map_or(ack, |low| earlier(low, ack)));
        }
        if let Some(held) = self.opening.as_mut().filter(|_| piece.carries() && !piece.header.rst) {
            held.push(piece);
        }
        let known = self.halves.iter().all(|half| half.isn.is_some());
        let full = self.cost() > context.room.min(context.limits.max_stream_bytes);
        if known || full || self.packets >= context.limits.reorder_packets {
            return self.release(context);
        }
        None
    }

    /// The SYN is of another conversation than what was seen before it.
    fn contradicts(&self, syn: &Piece) -> bool {
        let isn = syn.header.seq;
        let foreign = |position: u32| position.wrapping_sub(isn) > WINDOW;
        let own = &self.halves[self.direction(syn).index()];
        own.isn.is_some_and(|known| known != isn)
            || self.opening.iter().flatten().any(|held| {
                if held.from == syn.from {
                    foreign(held.header.seq)
                } else {
                    held.header.ack.is_some_and(foreign)
                }
            })
    }

    /// Who sent the SYN is the initiator.
    fn orient(&mut self, syn: &Piece) {
        let initiator = if syn.header.ack.is_none() { syn.from } else { syn.to };
        self.handshake = true;
        self.begin_with(initiator);
    }

    fn begin_with(&mut self, initiator: SocketAddr) {
        if self.ends[0] != initiator {
            self.ends.swap(0, 1);
            self.halves.swap(0, 1);
        }
    }

    /// Ends the opening: settles where each direction begins and goes through what was held.
    fn release(&mut self, context: &mut Context) -> Option<Vec<Piece>> {
        let held = self.opening.take().unwrap_or_default();
        if let Some(first) = held.first().filter(|_| !self.handshake) {
            self.begin_with(first.from);
        }
        for direction in [Direction::A, Direction::B] {
            let half = &mut self.halves[direction.index()];
            let sender = self.ends[direction.index()];
            let firsts = held.iter().filter(|p| p.from == sender).map(Piece::first);
            let start = match half.isn {
                Some(isn) => Some(isn.wrapping_add(1)),
                // The other side's first acknowledgement tells as well: what it waits for may be still to come.
                None => {
                    let first = firsts.reduce(earlier);
                    let near = |ack: &u32| first.is_none_or(|seq| seq.wrapping_sub(*ack) <= WINDOW);
                    half.first_ack.filter(near).or(first)
                }
            };
            if let Some(start) = start {
                half.anchor(start);
            }
        }
        let mut held = held.into_iter();
        while let Some(piece) = held.next() {
            if let Some(mut others) = self.feed(piece, context) {
                others.extend(held);
                return Some(others);
            }
        }
        None
    }

    /// Takes a packet of the running conversation.
    fn feed(&mut self, piece: Piece, context: &mut Context) -> Option<Vec<Piece>> {
        let direction = self.direction(&piece);
        let (own, other) = (direction.index(), direction.other().index());
        let Header { syn, fin, rst, ack, seq, .. } = piece.header;
        if syn {
            let half = &mut self.halves[own];
            if half.is_anchored() && half.isn != Some(seq) {
                return Some(vec![piece]);
            }
            if !half.is_anchored() {
                half.isn = Some(seq);
                half.anchor(seq.wrapping_add(1));
            }
        }
        // A reset needs nothing: whoever opens the same ports again does so with a SYN, and until then nothing comes.
        // Its bytes, if any, are words of the system (RFC 9293 §3.10.7.4).
        if rst {
            return None;
        }
        let now = self.packets;
        if let Some(ack) = ack {
            self.halves[other].acknowledged(ack, now);
        }
        if piece.carries() {
            let (first, after) = (piece.first(), piece.after());
            if !self.halves[own].is_anchored() {
                self.halves[own].anchor(first);
            }
            let Piece { from, to, header, segment } = piece;
            let room = context.room;
            let elsewhere = self.cost() - self.halves[own].cost();
            context.room = room.saturating_sub(elsewhere);
            let mut refused = None;
            self.work(
                context,
                |flow, bench| match flow.halves[own].accept(first, segment, bench) {
                    Ok(()) if fin => flow.halves[own].close(after),
                    Ok(()) => {}
                    Err(segment) => refused = Some(segment),
                },
                direction,
            );
            context.room = room;
            if let Some(segment) = refused {
                return self.stray(own, Piece { from, to, header, segment }, context);
            }
        }
        for direction in [Direction::A, Direction::B] {
            self.work(context, |flow, bench| flow.halves[direction.index()].expire(bench), direction);
        }
        if !self.ended && self.halves.iter().all(Half::is_finished) {
            self.close(context);
        }
        None
    }

    /// A packet far from where its direction stands: the second in a row begins a new conversation.
    fn stray(&mut self, own: usize, piece: Piece, context: &mut Context) -> Option<Vec<Piece>> {
        if let Some(before) = self.strays[own].take() {
            if before.after() == piece.first() && !before.header.fin {
                let answer = self.strays[1 - own].take();
                let mut pieces: Vec<Piece> = answer.into_iter().chain([before, piece]).collect();
                pieces.sort_by_key(|piece| piece.segment.offset);
                return Some(pieces);
            }
            context.tally.stray_bytes += before.segment.bytes.len() as u64;
        }
        if piece.segment.length == 0 {
            return None;
        }
        if self.cost() + piece.segment.cost() <= context.room {
            self.strays[own] = Some(piece);
        } else {
            context.tally.stray_bytes += piece.segment.bytes.len() as u64;
        }
        None
    }

    /// Delivers all that is left and tells the end.
    pub(super) fn finish(&mut self, context: &mut Context) {
        if self.opening.is_some() {
            // Packets of a further conversation among those held are only strays here.
            for piece in self.release(context).into_iter().flatten() {
                context.tally.stray_bytes += piece.segment.bytes.len() as u64;
            }
        }
        for piece in self.strays.iter_mut().filter_map(Option::take) {
            context.tally.stray_bytes += piece.segment.bytes.len() as u64;
        }
        if !self.ended {
            self.close(context);
        }
    }

    fn close(&mut self, context: &mut Context) {
        self.ended = true;
        for direction in [Direction::A, Direction::B] {
            self.work(context, |flow, bench| flow.halves[direction.index()].finish(bench), direction);
        }
        if let Some(stream) = &self.stream {
            context.out.events.push_back(Event::End(Arc::clone(stream)));
        }
    }

    /// Lets a half work and passes on what it made ready.
    fn work(&mut self, context: &mut Context, job: impl FnOnce(&mut Self, &mut Bench), direction: Direction) {
        let mut bench = Bench {
            limits: context.limits,
            tally: &mut *context.tally,
            ready: Vec::new(),
            now: self.packets,
            room: context.room,
        };
        job(self, &mut bench);
        for Ready { bytes, time_us, offset, gap } in bench.ready {
            let stream = self.stream.get_or_insert_with(|| {
                context.tally.streams += 1;
                Arc::new(Stream {
                    index: context.tally.streams - 1,
                    transport: self.transport,
                    a: Some(self.ends[0]),
                    b: Some(self.ends[1]),
                    handshake: self.handshake,
                })
            });
            context.out.events.push_back(Event::Bytes(Chunk {
                stream: Arc::clone(stream),
                direction,
                time_us,
                bytes,
                file_offset: offset,
                gap_before: (gap > 0).then_some(gap),
            }));
        }
    }
}

/// The earlier of two sequence numbers.
fn earlier(a: u32, b: u32) -> u32 {
    if b.wrapping_sub(a).cast_signed() < 0 { b } else { a }
}
