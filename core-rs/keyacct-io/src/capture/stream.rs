//! Bytes that are one stream: in memory as a whole, or read from a file in windows; on several threads.
//!
//! The bytes are cut before frames. A thread goes on until it comes to a frame at which another one began: from there on
//! both would find the same, so the frames are those of one thread. Where a cut lay inside a frame nobody comes to it,
//! and what was found behind it is thrown away. From the first frame on that says something only together with others (a
//! split answer, Modbus) a stream is read by one thread.

use std::fs::File;
use std::io::{ErrorKind, Read};

use keyacct_model::{Error, ErrorCode, Result};
use keyacct_wire::registers::Registers;
use keyacct_wire::{Deframer, Event, Expect};

use super::replay::{Clock, Outcome, Place, Run};
use super::source::Side;

/// Bytes for which a further thread is worth its start.
const SHARE: usize = 1 << 20;
/// Bytes of a file that are in memory at a time, for each thread.
const WINDOW: usize = 16 << 20;
const MOST_THREADS: usize = 8;

/// Everything of a byte stream that lies in memory, on up to `threads` threads; their number changes nothing.
pub fn stream(bytes: &[u8], expect: Expect, registers: &Registers, threads: usize) -> Outcome {
    let expect = super::sort::of_bytes(bytes, expect);
    stream_in(bytes, expect, registers, threads.min(bytes.len() / SHARE))
}

fn stream_in(bytes: &[u8], expect: Expect, registers: &Registers, parts: usize) -> Outcome {
    let mut stream = Stream::new(expect, registers);
    stream.take(bytes, true, parts);
    stream.finish()
}

/// Everything of a file of raw bytes, as [`stream`], with a window of it in memory.
///
/// # Errors
/// `input.not_found`, `input.unreadable`.
pub fn stream_file(path: &str, expect: Expect, registers: &Registers, threads: usize) -> Result<Outcome> {
    let failed = |e: std::io::Error| {
        let missing = e.kind() == ErrorKind::NotFound;
        let code = if missing { ErrorCode::InputNotFound } else { ErrorCode::InputUnreadable };
        Error::new(code, format!("cannot read: {e}")).in_file(path)
    };
    let mut file = File::open(path).map_err(failed)?;
    let threads = threads.clamp(1, MOST_THREADS);
    stream_read(|to| file.read(to).map_err(failed), expect, registers, threads, WINDOW * threads)
}

fn stream_read(
    mut read: impl FnMut(&mut [u8]) -> Result<usize>,
    expect: Expect,
    registers: &Registers,
    threads: usize,
    window: usize,
) -> Result<Outcome> {
    let mut stream = Stream::new(expect, registers);
    let mut bytes: Vec<u8> = Vec::new();
    loop {
        let mut end = bytes.len();
        bytes.resize(end + window, 0);
        let mut last = false;
        while end < bytes.len() && !last {
            let got = read(&mut bytes[end..])?;
            end += got;
            last = got == 0;
        }
        bytes.truncate(end);
        if stream.deframer.position() == 0 {
            stream = Stream::new(super::sort::of_bytes(&bytes, expect), registers);
        }
        let used = stream.take(&bytes, last, threads);
        if last {
            return Ok(stream.finish());
        }
        bytes.drain(..used);
    }
}

/// A stream as far as it has been read.
struct Stream<'r> {
    registers: &'r Registers,
    expect: Expect,
    run: Run<'r>,
    deframer: Deframer,
}

/// What a thread has found from its cut on.
struct Part<'r> {
    run: Run<'r>,
    deframer: Deframer,
    used: usize,
    next: Option<u64>,
}

const PLACE: Place = Place { lane: 0, side: Side::Unknown, line: 0, offset: None };

/// Reads from `at` on, to the end or to one of `stops`.
fn read<'r>(
    (run, deframer): (&mut Run<'r>, &mut Deframer),
    bytes: &[u8],
    base: u64,
    stops: &[u64],
    last: bool,
) -> (usize, Option<u64>) {
    let at = (deframer.position() - base) as usize;
    let (used, next) = deframer.until(&bytes[at..], stops, last, |event| {
        if let Event::Frame { protocol, bytes: frame, offset, .. } = event {
            let from = &bytes[(offset - base) as usize..];
            run.frame(protocol, frame, Some(from), Place { offset: Some(offset), ..PLACE }, None);
        } else {
            run.event(event, PLACE, None);
        }
    });
    (at + used, next)
}

impl<'r> Stream<'r> {
    fn new(expect: Expect, registers: &'r Registers) -> Self {
        let run = Run::new(registers, Clock::default());
        Stream { registers, expect, run, deframer: Deframer::new(expect) }
    }

    fn finish(mut self) -> Outcome {
        self.run.out.tally.bytes = self.deframer.position();
        self.run.finish()
    }

    /// Takes the bytes that follow those which were used; `last` if they end the stream. Gives how many were used: the
    /// others are to be given again with what follows them.
    fn take(&mut self, bytes: &[u8], last: bool, parts: usize) -> usize {
        let base = self.deframer.position();
        let parts = if self.run.met_split { 1 } else { parts };
        let mut starts: Vec<u64> = Vec::new();
        for part in 1..parts {
            let from = bytes.len() / parts * part;
            let first = Deframer::first_frame(self.expect, &bytes[from..]);
            starts.extend(first.map(|at| base + (from + at) as u64));
        }
        starts.dedup();
        let (registers, expect) = (self.registers, self.expect);
        let (mut done, (mut used, mut next)) = std::thread::scope(|scope| {
            let work = |n: usize| {
                let (start, later) = (starts[n], &starts[n + 1..]);
                scope.spawn(move || {
                    let (mut run, mut deframer) =
                        (Run::new(registers, Clock::default()), Deframer::at(expect, start));
                    let (used, next) = read((&mut run, &mut deframer), bytes, base, later, last);
                    Part { run, deframer, used, next }
                })
            };
            let threads: Vec<_> = (0..starts.len()).map(work).collect();
            let first = read((&mut self.run, &mut self.deframer), bytes, base, &starts, last);
            let done: Vec<_> = threads.into_iter().map(|thread| thread.join().ok()).collect();
            (done, first)
        });
        while let Some(start) = next {
            let found = starts.binary_search(&start).ok().and_then(|n| done[n].take());
            match found.filter(|part| !part.run.met_split && !self.run.met_split) {
                Some(part) => {
                    self.run.append(part.run.out);
                    (self.deframer, used, next) = (part.deframer, part.used, part.next);
                }
                None => {
                    self.deframer = Deframer::at(expect, start);
                    (used, next) = read((&mut self.run, &mut self.deframer), bytes, base, &[], last);
                }
            }
        }
        used
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readings::{Origin, Readings, collect, schema};
    use arrow_array::RecordBatch;
    use arrow_select::concat::concat_batches;
    use keyacct_wire::catalogue::keys;
    use keyacct_wire::decoder::Decoder;
    use keyacct_wire::dlt645::{Control, FrameView};
    use keyacct_wire::{Protocol, dlt698_45, modbus};
    use proptest::prelude::*;
    use std::sync::LazyLock;

    static REGISTERS: LazyLock<Registers> = LazyLock::new(|| Registers::embedded().unwrap_or_default());
    static KEYS: LazyLock<Vec<u32>> = LazyLock::new(|| {
        let rows = REGISTERS.of(Protocol::Dlt645_2007).rows();
        rows.iter().flat_map(|row| keys(&row.pattern).step_by(5)).map(|key| key as u32).collect()
    });

    static OBJECTS: LazyLock<Vec<u32>> = LazyLock::new(|| {
        let rows = REGISTERS.of(Protocol::Dlt698_45).rows();
        let all = rows.iter().flat_map(|row| keys(&row.pattern).step_by(3));
        all.filter_map(|key| u32::try_from(key).ok()).collect()
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

    /// Answers of DL/T 698.45 about any object: arrays, structures and single values of one type or of several, with the
    /// numbers that mean "none"; single frames and, rarely, parts of split ones.
    fn answer() -> impl Strategy<Value = Vec<u8>> {
        let number = prop_oneof![
            any::<[u8; 4]>(),
            Just([0xFF; 4]),
            Just([0x7F, 0xFF, 0xFF, 0xFF]),
            Just([0xFF, 0xFF, 0x7F, 0xFF])
        ];
        let tag =
            prop::sample::select(vec![(5u8, 4usize), (6, 4), (15, 1), (16, 2), (17, 1), (18, 2), (0, 0)]);
        let elements = prop_oneof![
            3 => (tag.clone(), prop::collection::vec(number.clone(), 0..12))
                .prop_map(|(tag, all)| all.into_iter().map(|number| (tag, number)).collect::<Vec<_>>()),
            1 => prop::collection::vec((tag, number), 0..6),
        ];
        let control = prop_oneof![12 => Just(0xC3u8), 1 => Just(0xCB), 1 => Just(0x43), 1 => Just(0xE3), 1 => Just(0x83)];
        (any::<prop::sample::Index>(), 0u32..4, 0u8..3, elements, control, 0u8..5, 0u8..12).prop_map(
            |(object, index, container, elements, control, device, spoil)| {
                let mut apdu = vec![0x85, 1, spoil];
                apdu.extend((object.get(&OBJECTS) & !0xFF | index).to_be_bytes());
                apdu.push(1);
                if container > 0 {
                    apdu.extend([container, elements.len() as u8]);
                }
                for ((tag, size), number) in elements {
                    apdu.push(tag);
                    apdu.extend(&number[..size]);
                }
                apdu.extend([0, u8::from(spoil == 1)]);
                let address = dlt698_45::ServerAddress::single(&format!("12000000000{device}"));
                let control = dlt698_45::Control(control);
                let frame = address.and_then(|to| dlt698_45::FrameView::emit(control, &to, 0x10, &apdu));
                let mut frame = frame.unwrap_or_default();
                if spoil == 0 {
                    let last = frame.len() - 2;
                    frame[last] ^= 0x11;
                }
                frame
            },
        )
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
        let frame = prop_oneof![2 => frame, 1 => answer()];
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
        fn programs_and_threads_give_what_the_rows_say(
            bytes in frames(), parts in 1usize..9, window in 1usize..2000,
        ) {
            let one = stream_in(&bytes, Expect::Auto, &REGISTERS, 1);
            let many = stream_in(&bytes, Expect::Auto, &REGISTERS, parts);
            prop_assert_eq!(&many.tally, &one.tally);
            prop_assert_eq!(one.tally.readings, one.readings.len());
            let slow = general(&bytes);
            prop_assert!(slow.is_some());
            prop_assert_eq!(&table(one.readings), &slow);
            prop_assert_eq!(&table(many.readings), &slow);
            let mut rest = &bytes[..];
            let file = stream_read(|to| rest.read(to).map_err(|_| unreachable!()), Expect::Auto, &REGISTERS, parts, window);
            prop_assert!(file.is_ok());
            if let Ok(file) = file {
                prop_assert_eq!(&file.tally, &one.tally);
                prop_assert_eq!(&table(file.readings), &slow);
            }
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
    fn modbus_does_not_depend_on_threads() {
        let mut registers = Registers::embedded().unwrap_or_default();
        assert!(registers.choose_model("sdm630").is_ok());
        let ask = modbus::read(4, 0, 4).map(|pdu| modbus::rtu(1, &pdu)).unwrap_or_default();
        let values = [0x4366, 0x3333, 0x4366, 0x3333];
        let answer = modbus::read_registers_answer(4, &values).map(|pdu| modbus::rtu(1, &pdu));
        let bytes = [ask, answer.unwrap_or_default()].concat().repeat(25);
        let expect = Expect::Only(Protocol::ModbusRtu);
        let one = stream_in(&bytes, expect, &registers, 1);
        assert_eq!(one.tally.readings, 50);
        for parts in 2..8 {
            let many = stream_in(&bytes, expect, &registers, parts);
            assert_eq!(many.tally, one.tally, "{parts} parts");
        }
    }

    #[test]
    fn nothing_gives_an_empty_table() {
        let empty = stream(&[], Expect::Auto, &REGISTERS, 2);
        assert_eq!(table(empty.readings).map(|t| (t.num_rows(), t.schema())), Some((0, schema(false))));
    }
}
