//! From the chunks of a capture to readings and a tally.

use std::collections::HashMap;
use std::collections::btree_map::Entry;

use keyacct_model::{Error, Quality, Result};
use keyacct_wire::assemble::{Assembler, Joined, Taken, part_of};
use keyacct_wire::decoder::Decoder;
use keyacct_wire::digits::without_offset;
use keyacct_wire::dlt698_45::program::{AnswerPrograms, server_of};
use keyacct_wire::program::Programs;
use keyacct_wire::registers::Registers;
use keyacct_wire::{Deframer, Event, Expect, Protocol, WireError};

use super::sort::{Known, Piece, Sort};
use super::source::{Chunk, Side, Source, Step, Written};
use super::tally::{Cause, Spot, Tally};
use crate::readings::{Origin, Readings, Yield, collect, collect_joined};

const DAY_MS: i64 = 86_400_000;
/// Byte streams of one conversation: sent, received, and what does not say.
const LANES: u8 = 3;

/// Where the time of values comes from that carry none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// Civil day (days since 1970) that completes a time of day.
    pub day: Option<i64>,
    /// Civil milliseconds of the first frame without any time, and the step to the next one.
    pub assumed: Option<(i64, i64)>,
}

/// Readings and tally of a capture.
pub struct Outcome {
    /// The readings, in the order of their frames.
    pub readings: Readings,
    /// What was counted.
    pub tally: Tally,
    /// Why the capture was not read to its end, though something of it was.
    pub failure: Option<Error>,
}

pub(super) struct Run<'r> {
    decoder: Decoder<'r>,
    programs: Programs<'r>,
    answers: AnswerPrograms<'r>,
    split: Assembler,
    clock: Clock,
    pub(super) out: Outcome,
    last_of_day: i64,
    assumed: i64,
    /// Whether a frame was met whose meaning depends on other frames.
    pub(super) met_split: bool,
}

/// One direction of one conversation.
struct Line {
    sort: Sort,
    deframer: Deframer,
    written: Option<Written>,
    place: Place,
}

/// Where bytes stand and what is known about them.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) lane: u64,
    pub(super) side: Side,
    pub(super) line: u64,
    pub(super) offset: Option<u64>,
}

impl Place {
    /// The place of what stands at `offset` of its stream.
    fn spot(self, offset: u64) -> Spot {
        Spot { line: self.line, offset: self.offset.unwrap_or(offset) }
    }
}

/// Everything of a capture. Each direction of each conversation is a byte stream of its own; a frame belongs to the
/// line or packet that completes it.
///
/// A source that breaks midway ends the streams there: what was read stays, the error is [`Outcome::failure`].
///
/// # Errors
/// Those of a source that gave nothing.
pub fn replay(
    source: &mut dyn Source,
    expect: Expect,
    registers: &Registers,
    clock: Clock,
) -> Result<Outcome> {
    let mut run = Run::new(registers, clock);
    let mut lines: HashMap<(u64, u8), Line> = HashMap::new();
    let mut failure = None;
    loop {
        match source.next_step() {
            Ok(None) => break,
            Err(error) => {
                failure = Some(error);
                break;
            }
            Ok(Some(Step::Bytes(chunk))) => {
                let line =
                    lines.entry((chunk.stream, chunk.lane)).or_insert_with(|| Line::new(expect, &chunk));
                line.take(&chunk, &mut run);
            }
            Ok(Some(Step::End(stream))) => {
                let ended: Vec<_> = (0..LANES).filter_map(|lane| lines.remove(&(stream, lane))).collect();
                ended.into_iter().for_each(|mut line| line.end(&mut run));
            }
        }
    }
    let mut left: Vec<_> = lines.into_iter().collect();
    left.sort_by_key(|(key, _)| *key);
    left.iter_mut().for_each(|(_, line)| line.end(&mut run));
    let mut out = run.finish();
    out.tally.container = source.counts();
    match failure {
        Some(error) if out.tally.bytes == 0 => return Err(error),
        failure => out.failure = failure,
    }
    Ok(out)
}

impl Line {
    fn new(expect: Expect, chunk: &Chunk<'_>) -> Line {
        let lane = chunk.stream << 8 | u64::from(chunk.lane);
        let place = Place { lane, side: chunk.side, line: chunk.line, offset: chunk.offset };
        Line { sort: Sort::new(expect), deframer: Deframer::new(expect), written: None, place }
    }

    fn take(&mut self, chunk: &Chunk<'_>, run: &mut Run<'_>) {
        if chunk.gap {
            // What was begun before the gap cannot be completed by what follows it.
            self.end(run);
        }
        run.out.tally.bytes += chunk.bytes.len() as u64;
        for known in self.sort.take(chunk, self.deframer.held()) {
            match known {
                Known::Expect(expect) => self.look_for(expect, run),
                Known::Piece(piece) => self.push(&piece, &piece.bytes, run),
                Known::Here => self.push(&Piece::without_bytes(chunk), chunk.bytes, run),
            }
        }
    }

    /// From here on these frames are looked for.
    fn look_for(&mut self, expect: Expect, run: &mut Run<'_>) {
        let (place, time) = (self.place, self.written.and_then(|w| run.time(w)));
        self.deframer.finish(|event| run.event(event, place, time));
        self.deframer = Deframer::at(expect, self.deframer.position());
    }

    fn push(&mut self, piece: &Piece, bytes: &[u8], run: &mut Run<'_>) {
        if piece.written.is_some() || self.deframer.held() == 0 {
            self.written = piece.written;
        }
        self.place.line = piece.line;
        self.place.offset = piece.offset;
        let time = self.written.and_then(|w| run.time(w));
        let place = self.place;
        self.deframer.push(bytes, |event| run.event(event, place, time));
    }

    fn end(&mut self, run: &mut Run<'_>) {
        for known in self.sort.end() {
            match known {
                Known::Expect(expect) => self.look_for(expect, run),
                Known::Piece(piece) => self.push(&piece, &piece.bytes, run),
                Known::Here => {}
            }
        }
        let (place, time) = (self.place, self.written.and_then(|w| run.time(w)));
        self.deframer.finish(|event| run.event(event, place, time));
        run.split.end(place.lane);
        run.lost(place, time);
    }
}

/// What a line or packet says about time.
#[derive(Clone, Copy)]
pub(super) enum Time {
    Civil(i64),
    Received(i64),
}

impl<'r> Run<'r> {
    pub(super) fn new(registers: &'r Registers, clock: Clock) -> Self {
        let out = Outcome { readings: Readings::new(), tally: Tally::default(), failure: None };
        Run {
            decoder: Decoder::new(registers),
            programs: Programs::new(registers.of(Protocol::Dlt645_2007)),
            answers: AnswerPrograms::new(registers),
            split: Assembler::new(),
            clock,
            out,
            last_of_day: 0,
            assumed: 0,
            met_split: false,
        }
    }

    /// Adds what a later part of the same stream held.
    pub(super) fn append(&mut self, later: Outcome) {
        let (tally, more) = (&mut self.out.tally, later.tally);
        for (count, more) in tally.frames.iter_mut().zip(more.frames) {
            *count += more;
        }
        for (code, cause) in more.invalid {
            match tally.invalid.entry(code) {
                Entry::Vacant(entry) => drop(entry.insert(cause)),
                Entry::Occupied(mut entry) => entry.get_mut().count += cause.count,
            }
        }
        tally.first_noise = tally.first_noise.or(more.first_noise);
        tally.noise_bytes += more.noise_bytes;
        tally.readings += more.readings;
        tally.events += more.events;
        tally.unknown += more.unknown;
        tally.undated += more.undated;
        self.out.readings.append(later.readings);
    }

    pub(super) fn finish(mut self) -> Outcome {
        self.split.finish();
        self.lost(Place { lane: 0, side: Side::Unknown, line: 0, offset: None }, None);
        self.out.tally.incomplete = self.split.incomplete();
        self.out.tally.stale = self.split.stale();
        self.out
    }

    /// The time that a capture states; a bare time of day needs the day, and a step back over more than half a day is
    /// midnight.
    fn time(&mut self, written: Written) -> Option<Time> {
        let stamp = match written {
            Written::Received(ms) => return Some(Time::Received(ms)),
            Written::Line(stamp) => stamp,
        };
        if stamp.has_date() {
            return stamp.civil_ms().map(Time::Civil);
        }
        let day = self.clock.day.as_mut()?;
        let of_day = stamp.ms_of_day();
        if of_day + DAY_MS / 2 < self.last_of_day {
            *day += 1;
        }
        self.last_of_day = of_day;
        Some(Time::Civil(*day * DAY_MS + of_day))
    }

    #[inline]
    pub(super) fn event(&mut self, event: Event<'_>, place: Place, time: Option<Time>) {
        match event {
            Event::Frame { protocol, bytes, offset, .. } => {
                let place = Place { offset: Some(place.offset.unwrap_or(offset)), ..place };
                self.frame(protocol, bytes, None, place, time);
            }
            Event::Noise { offset, length } => {
                self.out.tally.noise_bytes += length;
                if self.out.tally.first_noise.is_none() {
                    self.out.tally.first_noise = Some(place.spot(offset));
                }
            }
            Event::Invalid(error) => self.broken(error, place),
        }
    }

    #[cold]
    fn broken(&mut self, error: WireError, place: Place) {
        let new = Cause { count: 0, first: place.spot(error.offset), fault: error.fault };
        self.out.tally.invalid.entry(error.fault.code()).or_insert(new).count += 1;
    }

    /// `from`: the bytes that the frame begins, where more than the frame are at hand.
    #[inline]
    pub(super) fn frame(
        &mut self,
        protocol: Protocol,
        bytes: &[u8],
        from: Option<&[u8]>,
        place: Place,
        time: Option<Time>,
    ) {
        self.out.tally.frames[protocol as usize] += 1;
        if time.is_none()
            && place.line == 0
            && place.side != Side::Sent
            && self.clock.assumed.is_none()
            && match protocol {
                Protocol::Dlt645_2007 => self.run_program(from.unwrap_or(bytes), bytes.len(), place),
                Protocol::Dlt698_45 => self.run_answer(bytes, place),
                _ => false,
            }
        {
            return;
        }
        self.decode(protocol, bytes, place, time);
    }

    /// Takes a plain answer whose identifier has a program; false for anything else. The frame are the first `length`
    /// bytes of `from`.
    #[inline]
    fn run_program(&mut self, from: &[u8], length: usize, place: Place) -> bool {
        let &[_, a, b, c, d, e, f, _, 0x91, 4..=255, d0, d1, d2, d3, ref data @ ..] = from else {
            return false;
        };
        let di = without_offset(u32::from_le_bytes([d0, d1, d2, d3]));
        let Some(program) = self.programs.find(u64::from(di)) else { return false };
        let offset = place.offset.unwrap_or(0);
        let protocol = Protocol::Dlt645_2007;
        let count = self.out.readings.run(program, protocol, [a, b, c, d, e, f], offset, (data, length - 16));
        let tally = &mut self.out.tally;
        tally.readings += count;
        tally.undated += count;
        tally.events += if program.events { count } else { 0 };
        true
    }

    /// As [`Run::run_program`], for DL/T 698.45.
    #[inline]
    fn run_answer(&mut self, frame: &[u8], place: Place) -> bool {
        let Some((program, elements)) = self.answers.find(frame) else { return false };
        let offset = place.offset.unwrap_or(0);
        self.out.readings.answer(program, server_of(frame), offset, elements);
        let (tally, count) = (&mut self.out.tally, program.values as u64);
        tally.readings += count;
        tally.undated += count;
        tally.events += if program.events { count } else { 0 };
        true
    }

    #[inline(never)]
    fn decode(&mut self, protocol: Protocol, bytes: &[u8], place: Place, time: Option<Time>) {
        self.met_split |= Decoder::remembers(protocol, bytes);
        if place.side == Side::Sent {
            self.decoder.note_request(protocol, bytes);
            return; // what the master sends makes no reading, also where the frame does not tell its direction
        }
        let Some(part) = part_of(protocol, bytes) else {
            let origin = self.origin(place, time);
            let gave = collect(&mut self.decoder, protocol, bytes, origin, &mut self.out.readings);
            return self.count(gave, origin);
        };
        self.met_split = true;
        let taken = self.split.take(place.lane, bytes, part);
        self.lost(place, time);
        if let Taken::Whole(joined) = taken {
            self.joined(&joined, true, place, time);
        }
    }

    /// What there is of answers that were given up.
    fn lost(&mut self, place: Place, time: Option<Time>) {
        for joined in self.split.take_lost() {
            self.joined(&joined, false, place, time);
        }
    }

    fn joined(&mut self, joined: &Joined, whole: bool, place: Place, time: Option<Time>) {
        let origin = self.origin(place, time);
        let gave = collect_joined(&mut self.decoder, joined, whole, origin, &mut self.out.readings);
        self.count(gave, origin);
    }

    fn origin(&self, place: Place, time: Option<Time>) -> Origin {
        let assumed = self.clock.assumed.map(|(start, step)| start + step * self.assumed);
        let (time, received) = match (time, assumed) {
            (Some(Time::Civil(ms)), _) => (Some((ms, Quality::GOOD)), None),
            (Some(Time::Received(ms)), _) => (None, Some(ms)),
            (None, Some(ms)) => (Some((ms, Quality::TIME_ASSUMED)), None),
            (None, None) => (None, None),
        };
        Origin { offset: place.offset.unwrap_or(0), line: place.line, time, received }
    }

    fn count(&mut self, gave: Yield, origin: Origin) {
        if gave.readings > 0 && origin.time.is_some_and(|(_, bit)| bit == Quality::TIME_ASSUMED) {
            self.assumed += 1;
        }
        let tally = &mut self.out.tally;
        tally.readings += gave.readings;
        tally.events += gave.events;
        tally.unknown += gave.unknown;
        tally.undated += gave.undated;
    }
}
