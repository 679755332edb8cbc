//! The only resynchronisation logic: a byte stream in any pieces becomes frames and noise that tile it.
//!
//! At every byte that can begin a frame each framing is asked in turn; the first one that accepts a whole frame wins.
//! If none does, the start byte is noise and the search goes on **one byte** further, so a real frame inside a false
//! one is found. A decision depends on the stream only, never on how it was cut; only [`Deframer::finish`] turns "not
//! yet" into "no". Work per byte is bounded: a probe reads a header, and a frame's checksum is added up only when its
//! cheap rules (start bytes, end byte) hold.

use crate::dlt645;
use crate::dlt698_45;
use crate::error::{Fault, WireError};
use crate::frame::Probe;
use crate::protocol::{Expect, Framing, Protocol};
use crate::running_fcs::RunningFcs;

/// What was found. `Frame` and `Noise` tile the input; `Invalid` is a remark on noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole frame with all its checks right.
    Frame {
        /// Offset of its first byte (after any preamble) in the stream.
        offset: u64,
        /// Preamble bytes FEH right before it; they belong to the frame, not to the noise.
        preamble: u64,
        /// Its protocol.
        protocol: Protocol,
        /// The frame without preamble.
        bytes: &'a [u8],
    },
    /// Bytes that belong to no frame.
    Noise {
        /// Offset of the first one.
        offset: u64,
        /// How many.
        length: u64,
    },
    /// Something that had the header of a frame but is none. Starts inside its presumed length are not told again.
    Invalid(WireError),
}

enum Step {
    Frame(Protocol, usize),
    Reject(Option<(Fault, usize)>),
    Wait,
}

/// Finds frames in a byte stream that arrives in pieces. Keeps at most one longest frame and the current piece.
#[derive(Debug)]
pub struct Deframer {
    expect: Expect,
    framings: &'static [Framing],
    start: Option<u8>,
    held: Vec<u8>,
    offset: u64,
    noise: u64,
    preamble: u64,
    claimed: u64,
    probes: u64,
    inspected: u64,
    quick: Quick,
    fcs: RunningFcs,
    most: usize,
    in_vain: u64,
}

/// Before which frame a scan ends early.
#[derive(Clone, Copy)]
enum Stop<'s> {
    /// None.
    Never,
    /// The first one.
    First,
    /// One that begins at one of these offsets, ascending, and is not inside what a broken frame claimed.
    At(&'s [u64]),
}

/// Which framings are found by a look, without a step: those that are asked first.
#[derive(Clone, Copy, Debug)]
struct Quick {
    dlt645: bool,
    dlt698_45: bool,
}

impl Quick {
    fn of(framings: &[Framing]) -> Quick {
        match framings {
            [Framing::Dlt645, Framing::Dlt698_45, ..] => Quick { dlt645: true, dlt698_45: true },
            [Framing::Dlt645, ..] => Quick { dlt645: true, dlt698_45: false },
            [Framing::Dlt698_45, ..] => Quick { dlt645: false, dlt698_45: true },
            _ => Quick { dlt645: false, dlt698_45: false },
        }
    }

    fn any(self) -> bool {
        self.dlt645 || self.dlt698_45
    }

    /// Preamble, length and protocol of the frame that begins these bytes.
    #[inline]
    fn next_frame(self, bytes: &[u8]) -> Option<(usize, usize, Protocol)> {
        if self.dlt645
            && let Some((preamble, length)) = dlt645::next_frame(bytes)
        {
            return Some((preamble, length, dlt645::Control(bytes[preamble + 8]).edition()));
        }
        if !self.dlt698_45 {
            return None;
        }
        let (preamble, length) = dlt698_45::next_frame(bytes, LONG)?;
        // With a second start byte it might be a frame of DL/T 645 that needs a second look; that is asked first.
        let other = self.dlt645 && bytes[preamble + 7] == 0x68;
        (!other).then_some((preamble, length, Protocol::Dlt698_45))
    }
}

/// Offset of the first byte like this.
#[inline]
fn find(byte: u8, bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<32>) {
        if chunk.iter().fold(false, |met, b| met | (*b == byte)) {
            break;
        }
        at += chunk.len();
    }
    bytes[at..].iter().position(|b| *b == byte).map(|n| at + n)
}

/// From this length on check sequences of presumed frames are not added up one by one, as they may overlap.
const LONG: usize = 512;

fn is_long(framing: Framing, length: usize) -> bool {
    framing == Framing::Dlt698_45 && length >= LONG
}

const PREAMBLE: u8 = 0xFE;
/// Bytes of the longest header that a probe reads.
const HEADER: u64 = 24;
/// Bytes that a look in vain costs: header and body of a frame of DL/T 645 that it takes, header of DL/T 698.45.
const LOOK: u64 = 128;
const PIECE: usize = 1 << 16;

impl Deframer {
    /// A deframer at the beginning of a stream.
    pub fn new(expect: Expect) -> Self {
        Self::at(expect, 0)
    }

    /// A deframer that counts offsets from `offset`.
    pub fn at(expect: Expect, offset: u64) -> Self {
        let framings = expect.framings();
        let first = framings.first().and_then(|f| f.start());
        let start = if framings.iter().all(|f| f.start() == first) { first } else { None };
        Deframer {
            expect,
            framings,
            start,
            held: Vec::new(),
            offset,
            noise: 0,
            preamble: 0,
            claimed: 0,
            probes: 0,
            inspected: 0,
            quick: Quick::of(framings),
            fcs: RunningFcs::default(),
            most: usize::MAX,
            in_vain: 0,
        }
    }

    /// Takes no frame that its header says to be longer than `most` bytes, so that no more than these are ever held for
    /// one: for streams of peers that cannot be trusted.
    #[must_use]
    pub fn at_most(self, most: usize) -> Self {
        Deframer { most, ..self }
    }

    /// How often a framing was asked; at most the number of framings for each byte.
    pub fn probes(&self) -> u64 {
        self.probes
    }

    /// Bytes that were looked at to tell frames from noise, those of a frame and of its start counted anew each time.
    pub fn inspected(&self) -> u64 {
        self.inspected
    }

    /// Bytes of presumed frames whose checksum was added up and is wrong.
    pub fn in_vain(&self) -> u64 {
        self.in_vain
    }

    /// Bytes that are held because a frame may be beginning in them.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Offset of the first byte that is held or still to come.
    pub fn position(&self) -> u64 {
        self.offset
    }

    /// Takes the next piece of the stream and reports what is certain.
    pub fn push(&mut self, mut piece: &[u8], mut on: impl FnMut(Event<'_>)) {
        while !piece.is_empty() {
            if self.held.is_empty() {
                let (used, _) = self.scan(piece, false, Stop::Never, &mut on);
                self.held.extend_from_slice(&piece[used..]);
                return;
            }
            let (now, later) = piece.split_at(piece.len().min(PIECE));
            piece = later;
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(now);
            let (used, _) = self.scan(&held, false, Stop::Never, &mut on);
            held.drain(..used);
            self.held = held;
        }
    }

    /// The stream has ended: what waited for more bytes is decided without them. The deframer can go on with a
    /// further stream, whose offsets continue.
    pub fn finish(&mut self, mut on: impl FnMut(Event<'_>)) {
        let held = std::mem::take(&mut self.held);
        self.scan(&held, true, Stop::Never, &mut on);
        self.flush(&mut on);
    }

    /// Everything of a stream that lies in memory as a whole, without copying it.
    pub fn whole(&mut self, bytes: &[u8], mut on: impl FnMut(Event<'_>)) {
        if self.held.is_empty() {
            self.scan(bytes, true, Stop::Never, &mut on);
            self.flush(&mut on);
        } else {
            self.push(bytes, &mut on);
            self.finish(on);
        }
    }

    /// A stream that is one data unit as a whole: it is held to its end, or is noise from the start when it is longer
    /// than any.
    fn bare(
        &mut self,
        protocol: Protocol,
        bytes: &[u8],
        last: bool,
        on: &mut impl FnMut(Event<'_>),
    ) -> usize {
        let too_long = self.noise > 0 || bytes.len() > PIECE;
        if bytes.is_empty() || !last && !too_long {
            return 0;
        }
        let checked =
            if too_long { Err((0, Fault::Rule("longer than any APDU"))) } else { protocol.check_bare(bytes) };
        match checked {
            Ok(()) => {
                on(Event::Frame { offset: self.offset, preamble: 0, protocol, bytes });
                self.offset += bytes.len() as u64;
            }
            Err((at, fault)) => {
                if self.noise == 0 {
                    on(Event::Invalid(WireError { offset: self.offset + at as u64, fault }));
                }
                self.skip(bytes);
            }
        }
        bytes.len()
    }

    /// As [`Deframer::whole`], but ends before a frame that begins at one of `stops` (ascending): a deframer that begins
    /// there goes on exactly as this one would. Gives how many bytes were used and the offset of that frame; none at the
    /// end of the bytes. If they are not the `last` ones, this deframer goes on with those it did not use and more.
    pub fn until(
        &mut self,
        bytes: &[u8],
        stops: &[u64],
        last: bool,
        mut on: impl FnMut(Event<'_>),
    ) -> (usize, Option<u64>) {
        let (used, stopped) = self.scan(bytes, last, Stop::At(stops), &mut on);
        if stopped {
            let preamble = self.preamble;
            self.noise -= preamble; // it belongs to the frame that is not told here
            self.flush_noise(self.offset - preamble, &mut on);
            self.preamble = 0;
        } else if last {
            self.flush(&mut on);
        }
        (used, stopped.then_some(self.offset))
    }

    /// Offset of the first frame in `bytes`, which end the stream.
    pub fn first_frame(expect: Expect, bytes: &[u8]) -> Option<usize> {
        let mut deframer = Self::new(expect);
        let (at, stopped) = deframer.scan(bytes, true, Stop::First, &mut |_| {});
        stopped.then_some(at)
    }

    #[inline]
    fn scan(
        &mut self,
        bytes: &[u8],
        last: bool,
        stop: Stop<'_>,
        on: &mut impl FnMut(Event<'_>),
    ) -> (usize, bool) {
        if let Expect::Bare(protocol) = self.expect {
            return (self.bare(protocol, bytes, last, on), false);
        }
        let mut at = 0;
        while at < bytes.len() {
            if self.quick.any() && self.noise == self.preamble {
                at = self.run(bytes, at, stop, on);
                if at == bytes.len() {
                    break;
                }
            }
            let start = match self.start {
                Some(start) => find(start, &bytes[at..]).map_or(bytes.len(), |n| at + n),
                None => at,
            };
            if start > at {
                self.skip(&bytes[at..start]);
                at = start;
                continue;
            }
            match self.step(&bytes[at..], last) {
                Step::Frame(protocol, length) => {
                    let here = match stop {
                        Stop::Never => false,
                        Stop::First => true,
                        Stop::At(stops) => {
                            self.claimed <= self.offset && stops.binary_search(&self.offset).is_ok()
                        }
                    };
                    if here {
                        return (at, true);
                    }
                    let preamble = self.preamble;
                    self.noise -= preamble;
                    self.flush_noise(self.offset - preamble, on);
                    let frame = &bytes[at..at + length];
                    on(Event::Frame { offset: self.offset, preamble, protocol, bytes: frame });
                    self.offset += length as u64;
                    self.preamble = 0;
                    at += length;
                }
                Step::Reject(broken) => {
                    if let Some((fault, length)) = broken
                        && self.offset >= self.claimed
                    {
                        self.claimed = self.offset + length as u64;
                        on(Event::Invalid(WireError { offset: self.offset, fault }));
                    }
                    self.skip(&bytes[at..=at]);
                    at += 1;
                }
                Step::Wait => break,
            }
        }
        (at, false)
    }

    /// Frames that follow one another with nothing but preamble between, as [`Deframer::step`] would find them. Gives
    /// where they end: at bytes that need more than a look.
    #[inline]
    fn run(&mut self, bytes: &[u8], from: usize, stop: Stop<'_>, on: &mut impl FnMut(Event<'_>)) -> usize {
        let base = self.offset.wrapping_sub(from as u64);
        let next_stop = match stop {
            Stop::Never => u64::MAX,
            Stop::First => 0,
            Stop::At(stops) => stops.iter().copied().find(|at| *at >= self.offset).unwrap_or(u64::MAX),
        };
        let (mut at, mut preamble, mut frames) = (from, self.preamble, 0);
        self.inspected += LOOK; // at the end of the run, in vain
        while let Some((skipped, length, by_frame)) =
            bytes.get(at..).and_then(|rest| self.quick.next_frame(rest))
        {
            let start = at + skipped;
            let offset = base.wrapping_add(start as u64);
            if offset >= next_stop || length > self.most {
                break;
            }
            let frame = &bytes[start..start + length];
            let protocol = self.expect.label(by_frame);
            on(Event::Frame { offset, preamble: preamble + skipped as u64, protocol, bytes: frame });
            (at, preamble) = (start + length, 0);
            frames += 1;
        }
        if frames > 0 {
            self.probes += frames;
            self.inspected += frames * HEADER + (at - from) as u64;
            self.offset = base.wrapping_add(at as u64);
            (self.noise, self.preamble) = (0, 0);
        }
        at
    }

    fn step(&mut self, at_start: &[u8], last: bool) -> Step {
        let mut broken: Option<(Fault, usize)> = None;
        for framing in self.framings {
            self.probes += 1;
            self.inspected += HEADER;
            match framing.probe(at_start) {
                Probe::No => {}
                Probe::Len(length) if length > self.most => {}
                Probe::Len(length) if length <= at_start.len() => match self
                    .check(*framing, &at_start[..length])
                {
                    Ok(protocol) => {
                        self.inspected += length as u64;
                        return Step::Frame(self.expect.label(protocol), length);
                    }
                    Err(fault) => {
                        // Only a frame whose cheap rules hold is added up.
                        let summed = matches!(fault, Fault::Checksum { .. }) && !is_long(*framing, length);
                        let added = if summed { length as u64 } else { 0 };
                        self.inspected += added;
                        self.in_vain += added;
                        broken = broken.or(Some((fault, length)));
                    }
                },
                _ if !last => return Step::Wait,
                Probe::Len(needed) => {
                    let fault = Fault::Truncated { needed, found: at_start.len() };
                    broken = broken.or(Some((fault, at_start.len())));
                }
                Probe::Need(_) => {}
            }
        }
        Step::Reject(broken)
    }

    fn check(&mut self, framing: Framing, frame: &[u8]) -> Result<Protocol, Fault> {
        if is_long(framing, frame.len())
            && let [_, checked @ .., low, high, 0x16] = frame
        {
            let (computed, added) = self.fcs.of(checked, self.offset + 1);
            self.inspected += added;
            let found = u16::from_le_bytes([*low, *high]);
            if found != computed {
                return Err(Fault::Checksum { found, computed });
            }
        }
        framing.check(frame)
    }

    fn skip(&mut self, noise: &[u8]) {
        let tail = noise.iter().rev().take_while(|b| **b == PREAMBLE).count();
        self.preamble = if tail == noise.len() { self.preamble + tail as u64 } else { tail as u64 };
        self.noise += noise.len() as u64;
        self.offset += noise.len() as u64;
    }

    fn flush(&mut self, on: &mut impl FnMut(Event<'_>)) {
        self.flush_noise(self.offset, on);
        self.preamble = 0;
    }

    fn flush_noise(&mut self, end: u64, on: &mut impl FnMut(Event<'_>)) {
        if self.noise > 0 {
            on(Event::Noise { offset: end - self.noise, length: self.noise });
            self.noise = 0;
        }
    }
}
