//! From the chunks of a capture to readings and a tally.

use std::collections::HashMap;
use std::collections::btree_map::Entry;

use keyacct_model::{Error, Quality, Result};
use keyacct_wire::assemble::{Assembler, Joined, Taken, part_of};
use keyacct_wire::decoder::Decoder;
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

struct Run<'r> {
    decoder: Decoder<'r>,
    programs: Programs<'r>,
    split: Assembler,
    clock: Clock,
    out: Outcome,
    last_of_day: i64,
    assumed: i64,
    met_split: bool,
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
struct Place {
    lane: u64,
    side: Side,
    line: u64,
    offset: Option<u64>,
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

/// Bytes for which a further thread is worth its start.
const SHARE: usize = 1 << 20;

/// Everything of a byte stream that lies in memory, on up to `threads` threads; their number changes nothing.
///
/// The bytes are cut before frames. A thread goes on until it comes to a frame at which another one began: from there on
/// both would find the same, so the frames are those of one thread. Where a cut lay inside a frame nobody comes to it,
/// and what was found behind it is thrown away. A stream with split answers, which may lie across a cut, is read by one.
pub fn stream(bytes: &[u8], expect: Expect, registers: &Registers, threads: usize) -> Outcome {
    let expect = super::sort::of_bytes(bytes, expect);
    stream_in(bytes, expect, registers, threads.min(bytes.len() / SHARE))
}

fn stream_in(bytes: &[u8], expect: Expect, registers: &Registers, parts: usize) -> Outcome {
    let mut starts: Vec<u64> = vec![0];
    for part in 1..parts {
        let from = bytes.len() / parts * part;
        starts.extend(Deframer::first_frame(expect, &bytes[from..]).map(|at| (from + at) as u64));
    }
    starts.dedup();
    let part = |start: u64, later: &[u64]| {
        let mut run = Run::new(registers, Clock::default());
        let place = Place { lane: 0, side: Side::Unknown, line: 0, offset: None };
        let mut deframer = Deframer::at(expect, start);
        let rest = &bytes[start as usize..];
        let next = deframer.until(rest, later, |event| run.event(event, place, None));
        (run, next)
    };
    if starts.len() == 1 {
        return part(0, &[]).0.finish_stream(bytes);
    }
    let mut done: Vec<_> = std::thread::scope(|scope| {
        let part = &part;
        let work = |n: usize| {
            let later = &starts[n + 1..];
            let start = starts[n];
            scope.spawn(move || part(start, later))
        };
        let threads: Vec<_> = (0..starts.len()).map(work).collect();
        threads.into_iter().map(|thread| thread.join().ok()).collect()
    });
    let mut whole: Option<Run<'_>> = None;
    let mut at = Some(0);
    while let Some(start) = at {
        let found = starts.binary_search(&start).ok().and_then(|n| done[n].take());
        let Some((run, next)) = found.filter(|(run, _)| !run.met_split) else {
            return part(0, &[]).0.finish_stream(bytes);
        };
        match &mut whole {
            Some(whole) => whole.append(run.out),
            None => whole = Some(run),
        }
        at = next;
    }
    whole.unwrap_or_else(|| Run::new(registers, Clock::default())).finish_stream(bytes)
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
enum Time {
    Civil(i64),
    Received(i64),
}

impl<'r> Run<'r> {
    fn new(registers: &'r Registers, clock: Clock) -> Self {
        let out = Outcome { readings: Readings::new(), tally: Tally::default(), failure: None };
        Run {
            decoder: Decoder::new(registers),
            programs: Programs::new(registers.of(Protocol::Dlt645_2007)),
            split: Assembler::new(),
            clock,
            out,
            last_of_day: 0,
            assumed: 0,
            met_split: false,
        }
    }

    fn finish_stream(mut self, bytes: &[u8]) -> Outcome {
        self.out.tally.bytes = bytes.len() as u64;
        self.finish()
    }

    /// Adds what a later part of the same stream held.
    fn append(&mut self, later: Outcome) {
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

    fn finish(mut self) -> Outcome {
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
    fn event(&mut self, event: Event<'_>, place: Place, time: Option<Time>) {
        match event {
            Event::Frame { protocol, bytes, offset, .. } => {
                let place = Place { offset: Some(place.offset.unwrap_or(offset)), ..place };
                self.frame(protocol, bytes, place, time);
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

    #[inline]
    fn frame(&mut self, protocol: Protocol, bytes: &[u8], place: Place, time: Option<Time>) {
        self.out.tally.frames[protocol as usize] += 1;
        if time.is_none()
            && place.line == 0
            && place.side != Side::Sent
            && self.clock.assumed.is_none()
            && protocol == Protocol::Dlt645_2007
            && self.run_program(bytes, place)
        {
            return;
        }
        self.decode(protocol, bytes, place, time);
    }

    /// Takes a plain answer whose identifier has a program; false for anything else.
    #[inline]
    fn run_program(&mut self, frame: &[u8], place: Place) -> bool {
        let &[_, a, b, c, d, e, f, _, 0x91, 4..=255, d0, d1, d2, d3, ref data @ ..] = frame else {
            return false;
        };
        let di = u32::from_le_bytes([d0, d1, d2, d3].map(|byte| byte.wrapping_sub(0x33)));
        let Some(program) = self.programs.find(u64::from(di)) else { return false };
        let offset = place.offset.unwrap_or(0);
        let protocol = Protocol::Dlt645_2007;
        let count = self.out.readings.run(program, protocol, [a, b, c, d, e, f], offset, data);
        let tally = &mut self.out.tally;
        tally.readings += count;
        tally.undated += count;
        tally.events += if program.events { count } else { 0 };
        true
    }

    #[inline(never)]
    fn decode(&mut self, protocol: Protocol, bytes: &[u8], place: Place, time: Option<Time>) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readings::schema;
    use arrow_array::RecordBatch;
    use arrow_select::concat::concat_batches;
    use keyacct_wire::catalogue::keys;
    use keyacct_wire::dlt645::{Control, FrameView};
    use proptest::prelude::*;
    use std::sync::LazyLock;

    static REGISTERS: LazyLock<Registers> = LazyLock::new(|| Registers::embedded().unwrap_or_default());
    static KEYS: LazyLock<Vec<u32>> = LazyLock::new(|| {
        let rows = REGISTERS.of(Protocol::Dlt645_2007).rows();
        rows.iter().flat_map(|row| keys(&row.pattern).step_by(5)).map(|key| key as u32).collect()
    });

    fn table(readings: Readings) -> Option<RecordBatch> {
        let (schema, batches) = readings.finish().ok()?;
        concat_batches(&schema, &batches).ok()
    }

    /// The definition: every frame walked by its rows, value by value.
    fn general(bytes: &[u8]) -> Option<RecordBatch> {
        let mut decoder = Decoder::new(&REGISTERS);
        let mut readings = Readings::new();
        Deframer::new(Expect::Auto).whole(bytes, |event| {
            if let Event::Frame { protocol, bytes, offset, .. } = event {
                collect(&mut decoder, protocol, bytes, Origin { offset, ..Origin::default() }, &mut readings);
            }
        });
        table(readings)
    }

    /// Frames of all rows with legal, illegal and empty digits, errors, requests, broken sums, noise, false starts.
    fn frames() -> impl Strategy<Value = Vec<u8>> {
        let data = prop_oneof![
            proptest::collection::vec((0u8..10, 0u8..10).prop_map(|(a, b)| a << 4 | b), 0..80),
            proptest::collection::vec(any::<u8>(), 0..80),
            proptest::collection::vec(Just(0xFFu8), 0..40),
        ];
        let control = prop_oneof![12 => Just(0x91u8), 1 => Just(0xD1), 1 => Just(0x11), 1 => Just(0x93)];
        let frame = (any::<prop::sample::Index>(), control, data, 0u8..5, 0u8..12).prop_map(
            |(key, control, data, device, spoil)| {
                let mut plain = key.get(&KEYS).to_le_bytes().to_vec();
                plain.extend(data);
                let mut frame = FrameView::emit([device, 1, 0, 0, 0, 0x12], Control(control), &plain);
                if spoil == 0 {
                    let last = frame.len() - 2;
                    frame[last] ^= 0x11;
                }
                frame
            },
        );
        let noise = prop_oneof![
            3 => Just(vec![0xFE, 0xFE]),
            1 => Just(vec![0x68, 0, 0, 0, 0, 0, 0, 0x68, 0x91, 60]),
            1 => proptest::collection::vec(any::<u8>(), 0..6),
        ];
        proptest::collection::vec((noise, frame), 1..60)
            .prop_map(|all| all.into_iter().flat_map(|(noise, frame)| [noise, frame].concat()).collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn programs_and_threads_give_what_the_rows_say(bytes in frames(), parts in 1usize..9) {
            let one = stream_in(&bytes, Expect::Auto, &REGISTERS, 1);
            let many = stream_in(&bytes, Expect::Auto, &REGISTERS, parts);
            prop_assert_eq!(&many.tally, &one.tally);
            prop_assert_eq!(one.tally.readings, one.readings.len());
            let slow = general(&bytes);
            prop_assert!(slow.is_some());
            prop_assert_eq!(&table(one.readings), &slow);
            prop_assert_eq!(&table(many.readings), &slow);
        }
    }

    #[test]
    fn a_stream_with_split_answers_does_not_depend_on_threads() {
        let part = |control, data: &[u8]| FrameView::emit([1, 0, 0, 0, 0, 0], Control(control), data);
        let first = part(0xB1, &[0, 0xFF, 1, 0, 1, 2, 3, 4, 5]);
        let last = part(0x92, &[0, 0xFF, 1, 0, 6, 7, 8, 1]);
        let bytes = [first, last].concat().repeat(20);
        let one = stream_in(&bytes, Expect::Auto, &REGISTERS, 1);
        assert_eq!((one.tally.readings, one.tally.incomplete, one.tally.stale), (40, 0, 0));
        let many = stream_in(&bytes, Expect::Auto, &REGISTERS, 4);
        assert_eq!(many.tally, one.tally);
        assert_eq!(table(many.readings), table(one.readings));
    }

    #[test]
    fn nothing_gives_an_empty_table() {
        let empty = stream(&[], Expect::Auto, &REGISTERS, 2);
        assert_eq!(table(empty.readings).map(|t| (t.num_rows(), t.schema())), Some((0, schema(false))));
    }
}
