//! From the chunks of a capture to readings and a tally.

use std::collections::BTreeMap;

use keyacct_model::{Quality, Result, Stamp};
use keyacct_wire::decoder::Decoder;
use keyacct_wire::registers::Registers;
use keyacct_wire::{Deframer, Event, Expect, Protocol, WireError};

use super::source::{Side, Source, Written};
use crate::readings::{Origin, Readings, Yield, collect};

const DAY_MS: i64 = 86_400_000;

/// What a capture held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Bytes of the line.
    pub bytes: u64,
    /// Valid frames by the number of their protocol.
    pub frames: [u64; Protocol::ALL.len()],
    /// Bytes that belong to no frame.
    pub noise_bytes: u64,
    /// Broken frames by the code of the cause.
    pub invalid: BTreeMap<&'static str, u64>,
    /// Line and offset of the first broken frame, with what is wrong.
    pub first_invalid: Option<(u64, String)>,
    /// Readings.
    pub readings: u64,
    /// Those of kind `event`.
    pub events: u64,
    /// Data identifiers that no catalogue knows.
    pub unknown: u64,
    /// Readings without any time; the store refuses them.
    pub undated: u64,
}

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
}

struct Run<'r> {
    decoder: Decoder<'r>,
    clock: Clock,
    out: Outcome,
    last_of_day: i64,
    assumed: i64,
}

struct Line {
    deframer: Deframer,
    written: Option<Written>,
}

/// Everything of a capture. Each direction is a byte stream of its own; a frame belongs to the line that completes it.
///
/// # Errors
/// Those of the source.
pub fn replay(
    source: &mut dyn Source,
    expect: Expect,
    registers: &Registers,
    clock: Clock,
) -> Result<Outcome> {
    let mut run = Run::new(registers, clock);
    let mut lines: [Line; 3] =
        std::array::from_fn(|_| Line { deframer: Deframer::new(expect), written: None });
    let mut place = (0, 0);
    while let Some(chunk) = source.next_chunk()? {
        let line = &mut lines[match chunk.side {
            Side::Sent => 0,
            Side::Received => 1,
            Side::Unknown => 2,
        }];
        if chunk.written.is_some() || line.deframer.held() == 0 {
            line.written = chunk.written;
        }
        place = (chunk.line, chunk.offset);
        run.out.tally.bytes += chunk.bytes.len() as u64;
        let time = line.written.and_then(|w| run.civil(&w.stamp));
        let sent = chunk.side == Side::Sent;
        line.deframer.push(chunk.bytes, |event| run.event(event, place, time, sent));
    }
    for (n, line) in lines.iter_mut().enumerate() {
        let time = line.written.and_then(|w| run.civil(&w.stamp));
        line.deframer.finish(|event| run.event(event, place, time, n == 0));
    }
    Ok(run.out)
}

/// Everything of a byte stream that lies in memory.
pub fn stream(bytes: &[u8], expect: Expect, registers: &Registers) -> Outcome {
    let mut run = Run::new(registers, Clock::default());
    run.out.tally.bytes = bytes.len() as u64;
    Deframer::new(expect).whole(bytes, |event| {
        let place = match event {
            Event::Frame { offset, .. } => offset,
            _ => 0,
        };
        run.event(event, (0, place), None, false);
    });
    run.out
}

impl<'r> Run<'r> {
    fn new(registers: &'r Registers, clock: Clock) -> Self {
        let out = Outcome { readings: Readings::new(), tally: Tally::default() };
        Run { decoder: Decoder::new(registers), clock, out, last_of_day: 0, assumed: 0 }
    }

    /// Civil milliseconds of a time that the capture states; a bare time of day needs the day, and a step back over
    /// more than half a day is midnight.
    fn civil(&mut self, stamp: &Stamp) -> Option<i64> {
        if stamp.has_date() {
            return stamp.civil_ms();
        }
        let day = self.clock.day.as_mut()?;
        let of_day = stamp.ms_of_day();
        if of_day + DAY_MS / 2 < self.last_of_day {
            *day += 1;
        }
        self.last_of_day = of_day;
        Some(*day * DAY_MS + of_day)
    }

    #[inline]
    fn event(&mut self, event: Event<'_>, (line, offset): (u64, u64), time: Option<i64>, sent: bool) {
        match event {
            Event::Frame { protocol, bytes, .. } => self.frame(protocol, bytes, line, offset, time, sent),
            Event::Noise { length, .. } => self.out.tally.noise_bytes += length,
            Event::Invalid(error) => self.broken(error, line),
        }
    }

    fn broken(&mut self, error: WireError, line: u64) {
        let tally = &mut self.out.tally;
        *tally.invalid.entry(error.fault.code()).or_default() += 1;
        if tally.first_invalid.is_none() {
            tally.first_invalid = Some((line, error.to_string()));
        }
    }

    #[inline]
    fn frame(
        &mut self,
        protocol: Protocol,
        bytes: &[u8],
        line: u64,
        offset: u64,
        time: Option<i64>,
        sent: bool,
    ) {
        self.out.tally.frames[protocol as usize] += 1;
        if sent {
            self.decoder.note_request(protocol, bytes);
            return; // what the master sends makes no reading, also where the frame does not tell its direction
        }
        let assumed = self.clock.assumed.map(|(start, step)| start + step * self.assumed);
        let time = match (time, assumed) {
            (Some(ms), _) => Some((ms, Quality::GOOD)),
            (None, Some(ms)) => Some((ms, Quality::TIME_ASSUMED)),
            (None, None) => None,
        };
        let origin = Origin { offset, line, time };
        let gave: Yield = collect(&mut self.decoder, protocol, bytes, origin, &mut self.out.readings);
        if gave.readings > 0 && time.is_some_and(|(_, bit)| bit == Quality::TIME_ASSUMED) {
            self.assumed += 1;
        }
        let tally = &mut self.out.tally;
        tally.readings += gave.readings;
        tally.events += gave.events;
        tally.unknown += gave.unknown;
        tally.undated += gave.undated;
    }
}
