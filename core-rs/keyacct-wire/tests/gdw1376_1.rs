//! Q/GDW 1376.1: captured frames are built again from their parts and from their values; the deframer's rules hold for
//! its frames; whatever stands in a frame ends soon.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may fail loudly

use std::ops::Range;
use std::sync::LazyLock;

use keyacct_model::{Quantity, Reading, Stamp, Value};
use keyacct_wire::catalogue::Catalogue;
use keyacct_wire::decoder::Decoder;
use keyacct_wire::frame::Frame;
use keyacct_wire::gdw1376_1::{
    Control, FrameView, Identifier, Message, SeqField, StampKind, TerminalAddress, body_key, event_unit,
    history_unit, stamp_bytes, stamp_kind, unit_bytes,
};
use keyacct_wire::registers::Registers;
use keyacct_wire::visit::{Head, Name, Visitor};
use keyacct_wire::{Deframer, Event, Expect, Protocol, hex};
use proptest::prelude::*;

static REGISTERS: LazyLock<Registers> = LazyLock::new(|| Registers::embedded().unwrap());
const CORPUS: &str = include_str!("../../../fixtures/frames/gdw1376.1.jsonl");

fn frames() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for line in CORPUS.lines() {
        let text = line.split("\"hex\": \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        Deframer::new(Expect::Only(Protocol::Gdw1376_1)).whole(&hex::decode(text).unwrap(), |event| {
            if let Event::Frame { bytes, .. } = event {
                frames.push(bytes.to_vec());
            }
        });
    }
    frames
}

/// The values of one point and function, as an encoder takes them.
#[derive(Debug, Default)]
struct Unit {
    point: u16,
    function: u16,
    values: Vec<Value>,
    at: Option<Range<usize>>,
    last: Range<usize>,
    known: bool,
}

#[derive(Default)]
struct Collect {
    bytes: Vec<u8>,
    units: Vec<Unit>,
    readings: usize,
    unknown: usize,
}

impl Collect {
    fn push(&mut self, at: Range<usize>, value: Value) {
        let Some(unit) = self.units.last_mut() else { return };
        unit.values.push(value);
        unit.at = Some(unit.at.take().map_or(at.clone(), |all| all.start..at.end.max(all.end)));
        unit.last = at;
    }
}

impl Visitor for Collect {
    fn head(&mut self, _head: &Head) -> bool {
        true
    }

    fn value(&mut self, at: Range<usize>, reading: &Reading) {
        self.readings += 1;
        let known = self.units.last().is_some_and(|unit| unit.known);
        let inside = self.units.last().and_then(|unit| unit.at.clone()).is_some_and(|all| at.end <= all.end);
        match reading.quantity {
            Quantity::Weekday => {
                if let Some(unit) = self.units.last_mut() {
                    *unit.values.last_mut().unwrap() = reading.value.clone();
                }
            }
            _ if !known || inside => {} // named bits of a word, a relayed frame inside its content
            _ => {
                self.push(at.clone(), reading.value.clone());
                if at.len() == 6 && matches!(reading.value, Value::Time(_)) {
                    self.push(at, Value::Number(0.into())); // the weekday, unless it is told next
                }
            }
        }
    }

    fn item(&mut self, point: u16, function: u16) {
        self.units.push(Unit { point, function, known: true, ..Unit::default() });
    }

    fn secret(&mut self, at: Range<usize>, _name: impl FnOnce() -> Name) {
        let text = self.bytes[at.clone()].iter().map(|b| format!("{b:02X}")).collect();
        self.push(at, Value::Text(text));
    }

    fn unknown(&mut self, _at: Range<usize>, _key: impl FnOnce() -> String) {
        self.unknown += 1;
        if let Some(unit) = self.units.last_mut() {
            unit.known = false;
        }
    }
}

fn collect(frame: &[u8], registers: &Registers) -> Collect {
    let mut seen = Collect { bytes: frame.to_vec(), ..Collect::default() };
    Decoder::new(registers).decode(Protocol::Gdw1376_1, frame, &mut seen);
    seen
}

fn built_again(view: &FrameView<'_>, unit: &Unit, rows: &Catalogue) -> Option<Vec<u8>> {
    let (afn, up) = (view.afn(), view.control().0 & 0x80 != 0);
    let bytes = match (afn, up) {
        (0x0D, true) => {
            let kind = stamp_kind(unit.function);
            let (stamp, values) = unit.values.split_first()?;
            let Value::Time(stamp) = stamp else { return None };
            match kind {
                StampKind::Curve => return None,
                _ => history_unit(rows, unit.point, unit.function, stamp, 0, &[values.to_vec()])?,
            }
        }
        (0x0D, false) => {
            let Value::Time(stamp) = unit.values.first()? else { return None };
            [&[0; 4][..], &stamp_bytes(stamp_kind(unit.function), stamp, 0, 0)?].concat()
        }
        (0x0A, true) => {
            unit_bytes(rows, body_key(0x04, unit.function), unit.point, unit.function, &unit.values)?
        }
        (0x0A | 0x0E | 0x0F | 0x10, false) => unit_bytes(
            rows,
            body_key(afn, unit.function) << 8 | 0xD0,
            unit.point,
            unit.function,
            &unit.values,
        )?,
        _ => unit_bytes(rows, body_key(afn, unit.function), unit.point, unit.function, &unit.values)?,
    };
    Some(bytes[Identifier::SIZE..].to_vec())
}

#[test]
fn captured_frames_are_built_again_from_their_parts() {
    let frames = frames();
    assert_eq!(frames.len(), 94);
    for frame in frames {
        assert_eq!(Message::parse(&frame).unwrap().emit().unwrap(), frame);
    }
}

#[test]
fn captured_values_are_written_as_they_were() {
    let registers = &*REGISTERS;
    let rows = registers.of(Protocol::Gdw1376_1);
    let (mut same, mut with_gaps) = (0, 0);
    for frame in frames() {
        let view = FrameView::parse(&frame).unwrap();
        for unit in collect(&frame, registers).units {
            let Some(at) =
                unit.at.clone().filter(|_| unit.known && (view.afn(), view.control().0 >> 7) != (0x0E, 1))
            else {
                continue;
            };
            if unit.values.contains(&Value::Null) {
                with_gaps += 1; // EF, FF and half-filled gaps are written as EE
                continue;
            }
            let again = built_again(&view, &unit, rows);
            assert_eq!(again.as_deref(), Some(&frame[at]), "AFN {:02X} F{}", view.afn(), unit.function);
            same += 1;
        }
    }
    assert!(same >= 60 && with_gaps <= 12, "{same} units the same, {with_gaps} with gaps");
}

#[test]
fn a_curve_and_events_are_read_as_they_were_written() {
    let registers = &*REGISTERS;
    let rows = registers.of(Protocol::Gdw1376_1);
    let start = Stamp { second: None, ..Stamp::full(2026, 6, 30, 23, 30, 0) };
    let volts: Vec<Vec<Value>> =
        [2301, 2302, 2303].iter().map(|n| vec![Value::Number(keyacct_model::Decimal::new(*n, 1))]).collect();
    let unit = history_unit(rows, 9, 90, &start, 1, &volts).unwrap();
    let off = Value::Time(Stamp { second: None, ..Stamp::full(2026, 7, 1, 3, 4, 0) });
    let event = event_unit(rows, 1, [3, 4], 255, &[(14, vec![off, Value::Null])]).unwrap();
    let address = TerminalAddress::parse("9612-3456", 0).unwrap();
    let frame =
        |afn, data: &[u8]| FrameView::emit(2, Control(0x88), address, afn, SeqField::single(1, false), data);

    struct Told(Vec<(Quantity, String, Option<String>)>);
    impl Visitor for Told {
        fn head(&mut self, _head: &Head) -> bool {
            true
        }
        fn value(&mut self, _at: Range<usize>, reading: &Reading) {
            let value = match &reading.value {
                Value::Number(number) => number.to_string(),
                Value::Time(stamp) => stamp.to_string(),
                Value::Text(text) => text.clone(),
                Value::Null => String::new(),
            };
            self.0.push((reading.quantity, value, reading.time.map(|t| t.to_string())));
        }
    }
    let tell = |frame: Vec<u8>| {
        let mut told = Told(Vec::new());
        Decoder::new(registers).decode(Protocol::Gdw1376_1, &frame, &mut told);
        told.0
    };
    let curve = tell(frame(0x0D, &unit).unwrap());
    let points: Vec<_> = curve.iter().filter(|(q, ..)| *q == Quantity::Voltage).collect();
    assert_eq!(points[0].1, "230.1");
    let times: Vec<_> = points.iter().filter_map(|(.., time)| time.clone()).collect();
    assert_eq!(times, ["2026-06-30T23:30", "2026-06-30T23:45", "2026-07-01T00:00"]);
    let events = tell(frame(0x0E, &event).unwrap());
    let texts: Vec<_> = events.iter().map(|(_, value, _)| value.as_str()).collect();
    assert_eq!(texts, ["3", "4", "255", "0", "14", "2026-07-01T03:04", ""]);
}

#[test]
fn a_file_without_password_and_a_command_with_one_are_told_apart() {
    let registers = &*REGISTERS;
    let address = TerminalAddress::parse("9612-3456", 1).unwrap();
    let frame = |afn, data: &[u8]| {
        FrameView::emit(2, Control(0x4A), address, afn, SeqField::single(1, true), data).unwrap()
    };
    let secrets = |frame: Vec<u8>| {
        struct Secrets(usize);
        impl Visitor for Secrets {
            fn head(&mut self, _head: &Head) -> bool {
                true
            }
            fn value(&mut self, _at: Range<usize>, _reading: &Reading) {}
            fn secret(&mut self, at: Range<usize>, _name: impl FnOnce() -> Name) {
                self.0 += at.len();
            }
        }
        let mut secrets = Secrets(0);
        Decoder::new(registers).decode(Protocol::Gdw1376_1, &frame, &mut secrets);
        secrets.0
    };
    let file = [&[0, 0, 1, 0, 1, 1, 0, 0xD3, 0, 0xD2, 0, 0, 0, 16, 0][..], &[0x55; 16]].concat();
    assert_eq!(secrets(frame(0x0F, &file)), 0);
    assert_eq!(secrets(frame(0x0F, &[&file[..], &[0; 16]].concat())), 16);
    let clock = [0, 0, 0x40, 0x03, 0x30, 0x15, 0x08, 0x01, 0x07, 0x26];
    assert_eq!(secrets(frame(0x05, &[&clock[..], &[0; 16]].concat())), 16);
    assert_eq!(secrets(frame(0x05, &clock)), 0);
}

#[test]
fn maximum_demand_has_its_time_though_all_times_follow_all_values() {
    let registers = &*REGISTERS;
    // AFN 0D F3 by hand: month of the values in front, then M = 1, two demands, their two times, the same for reactive.
    let body = hex::decode(
        concat!(
            "0101 0400 010126 0000010126 01", // F3 of 2026-01-01, read at 2026-01-01T00:00, one tariff
            "563412 785600 30103112 45090101", // 12.3456 and 0.5678 kW, 12-31T10:30 and 01-01T09:45
            "000000 EEEEEE 00000000 EEEEEEEE"
        )
        .replace(' ', "")
        .as_str(),
    )
    .unwrap();
    let address = TerminalAddress::parse("9612-3456", 1).unwrap();
    let frame = FrameView::emit(2, Control(0x88), address, 0x0D, SeqField::single(1, false), &body).unwrap();

    #[derive(Default)]
    struct Told(Vec<(u8, String, Option<String>)>);
    impl Visitor for Told {
        fn head(&mut self, _head: &Head) -> bool {
            true
        }
        fn value(&mut self, _at: Range<usize>, reading: &Reading) {
            if reading.quantity == Quantity::ActiveImportDemand
                && let Value::Number(number) = reading.value
            {
                let time = reading.time.map(|t| t.to_string());
                self.0.push((reading.tariff.0, number.to_string(), time));
            }
        }
    }
    let mut told = Told::default();
    Decoder::new(registers).decode(Protocol::Gdw1376_1, &frame, &mut told);
    // December before a January stamp is of the year before.
    let expected = [
        (0, "12.3456".to_owned(), Some("2025-12-31T10:30".to_owned())),
        (1, "0.5678".to_owned(), Some("2026-01-01T09:45".to_owned())),
    ];
    assert_eq!(told.0, expected);
    let seen = collect(&frame, registers);
    assert_eq!(seen.units.last().and_then(|unit| unit.at.clone()), Some(18..frame.len() - 2));
}

#[test]
fn a_relayed_meter_speaks_for_itself() {
    // Public session of meter 000000000161 (fixtures/captures/meter-161-session.txt): forward energy 0.26 kWh.
    let meter = hex::decode("FEFEFEFE6861010000000068910833333433593333338A16").unwrap();
    let unit = [&[0, 0, 1, 0, 31][..], &(meter.len() as u16).to_le_bytes(), &meter].concat();
    let address = TerminalAddress::parse("9612-3456", 1).unwrap();
    let frame = FrameView::emit(2, Control(0x88), address, 0x10, SeqField::single(1, false), &unit).unwrap();

    #[derive(Default)]
    struct Told(Option<String>, Vec<(Option<String>, Quantity, Range<usize>)>);
    impl Visitor for Told {
        fn head(&mut self, head: &Head) -> bool {
            assert_eq!(head.address.as_str(), "9612-3456");
            true
        }
        fn value(&mut self, at: Range<usize>, reading: &Reading) {
            self.1.push((self.0.clone(), reading.quantity, at));
        }
        fn carried(&mut self, device: Option<&keyacct_wire::Address>) {
            self.0 = device.map(ToString::to_string);
        }
    }
    let mut told = Told::default();
    Decoder::new(&REGISTERS).decode(Protocol::Gdw1376_1, &frame, &mut told);
    assert_eq!(told.0, None);
    let carried: Vec<_> = told.1.iter().filter(|(device, ..)| device.is_some()).cloned().collect();
    // 14 bytes of header, identifier, port and length, preamble, 10 bytes of the meter's header, its identifier.
    let at = 14 + 4 + 3 + 4 + 10 + 4;
    assert_eq!(carried, [(Some("000000000161".into()), Quantity::ActiveImport, at..at + 4)]);
    assert_eq!(told.1.len() - carried.len(), 3);
}

fn message() -> impl Strategy<Value = Message> {
    let parts = (0u8..4, any::<u8>(), any::<[u8; 5]>(), any::<u8>(), any::<u8>());
    (parts, prop::collection::vec(any::<u8>(), 0..300)).prop_map(
        |((protocol_id, control, address, afn, seq), data)| {
            let address = TerminalAddress::from_bytes(address);
            Message { protocol_id, control: Control(control), address, afn, seq: SeqField(seq), data }
        },
    )
}

/// Units that begin as real ones do, so that rows are found; counts and masks behind them are arbitrary.
fn likely_message() -> impl Strategy<Value = Message> {
    let unit = (0u16..20, 1u16..249, prop::collection::vec(any::<u8>(), 0..80)).prop_map(
        |(point, function, data)| [&Identifier::of(point, function).unwrap().0[..], &data].concat(),
    );
    (
        message(),
        prop::sample::select(vec![0u8, 1, 2, 4, 5, 9, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F, 0x10, 0x13]),
        prop::collection::vec(unit, 1..4),
    )
        .prop_map(|(message, afn, units)| Message { afn, data: units.concat(), ..message })
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Frame(u64, Vec<u8>),
    Noise(u64, u64),
}

fn scan(bytes: &[u8], cuts: &[usize]) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut on = |event: Event<'_>| match event {
        Event::Frame { offset, preamble, bytes, .. } => {
            seen.push(Seen::Frame(offset - preamble, bytes.to_vec()))
        }
        Event::Noise { offset, length } => seen.push(Seen::Noise(offset, length)),
        Event::Invalid(_) => {}
    };
    let mut deframer = Deframer::new(Expect::Auto);
    let mut from = 0;
    for cut in cuts.iter().copied().chain([bytes.len()]) {
        let cut = cut.clamp(from, bytes.len());
        deframer.push(&bytes[from..cut], &mut on);
        from = cut;
    }
    deframer.finish(&mut on);
    seen
}

/// Noise that likes to look like a header: both copies of a length, start bytes, end bytes.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let false_start = (32u16..2000).prop_map(|l| {
        let [low, high] = (l << 2 | 2).to_le_bytes();
        vec![0x68, low, high, low, high, 0x68, 0x88]
    });
    let byte = prop_oneof![Just(0x68), Just(0x16), Just(0xFE), any::<u8>()];
    prop::collection::vec(prop_oneof![prop::collection::vec(byte, 0..30), false_start], 0..4)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn parse_and_emit_are_inverse(message in message()) {
        let bytes = message.emit().unwrap();
        prop_assert_eq!(Message::parse(&bytes).unwrap(), message);
    }

    #[test]
    fn events_tile_the_input_however_it_is_cut(
        parts in prop::collection::vec(prop_oneof![noise(), message().prop_map(|m| m.emit().unwrap())], 0..6),
        mut cuts in prop::collection::vec(0usize..1500, 0..10),
    ) {
        let bytes = parts.concat();
        cuts.sort_unstable();
        let seen = scan(&bytes, &[]);
        prop_assert_eq!(&scan(&bytes, &cuts), &seen);
        let mut at = 0;
        for event in seen {
            match event {
                Seen::Frame(offset, frame) => {
                    prop_assert_eq!(offset, at);
                    let from = bytes[at as usize..].iter().position(|b| *b != 0xFE).unwrap() as u64;
                    at += from + frame.len() as u64;
                }
                Seen::Noise(offset, length) => {
                    prop_assert_eq!(offset, at);
                    at += length;
                }
            }
        }
        prop_assert_eq!(at, bytes.len() as u64);
    }

    #[test]
    fn a_frame_behind_noise_is_found(noise in noise(), message in message()) {
        let frame = message.emit().unwrap();
        let bytes = [noise.clone(), frame.clone()].concat();
        let found = scan(&bytes, &[]);
        let end = |e: &Seen| if let Seen::Frame(o, f) = e { *o as usize + f.len() } else { 0 };
        let ours = found.iter().any(|e| matches!(e, Seen::Frame(_, f) if *f == frame));
        // Noise can by chance form a whole frame that swallows the beginning of ours.
        prop_assert!(ours || found.iter().any(|e| end(e) > noise.len()));
    }

    #[test]
    fn whatever_stands_in_a_frame_ends_soon(message in prop_oneof![message(), likely_message()]) {
        let registers = &*REGISTERS;
        let frame = message.emit().unwrap();
        let seen = collect(&frame, registers);
        // A byte has at most its word and eight bits; an empty unit costs an identifier of up to 64 points and functions.
        prop_assert!(seen.readings <= 10 * frame.len() + 16);
        prop_assert!(seen.units.len() <= 16 * frame.len());
        prop_assert!(seen.unknown <= 1);
        for unit in seen.units {
            let all = unit.at.unwrap_or(0..0);
            prop_assert!(all.end <= frame.len() - 2);
        }
    }
}

#[test]
fn hostile_headers_and_masks_cost_linear_time_and_memory() {
    // Every six bytes a header of the greatest length with an end byte in the right place.
    let header = [0x68, 0xFF, 0xFF, 0xFF, 0xFF, 0x68].repeat(30_000);
    let mut deframer = Deframer::new(Expect::Only(Protocol::Gdw1376_1));
    let mut most = 0;
    for piece in header.chunks(1000) {
        deframer.push(piece, |_| {});
        most = most.max(deframer.held());
    }
    deframer.finish(|_| {});
    assert!(most <= 16_391, "{most} bytes held");
    assert!(deframer.probes() <= header.len() as u64);
    // The longest frame full of identifiers with all bits set, and one whose counts all say 65535.
    let address = TerminalAddress::parse("9612-3456", 0).unwrap();
    let registers = &*REGISTERS;
    for (control, afn, data) in [
        (0x4B, 0x0C, [0xFF, 0x01, 0xFF, 0x03].repeat(4093)),
        (0x88, 0x0A, [&[0, 0, 2, 1][..], &[0xFF; 16_000]].concat()),
        (0x88, 0x0E, [&[0, 0, 1, 0, 0, 0, 0, 0][..], &[0; 16_000]].concat()),
        (0x4A, 0x04, [&[0, 0, 1, 4][..], &[0xFF; 16_000]].concat()),
    ] {
        let frame = FrameView::emit(2, Control(control), address, afn, SeqField(0x60), &data).unwrap();
        let seen = collect(&frame, registers);
        assert!(seen.readings <= 10 * frame.len() && seen.units.len() <= 16 * frame.len());
    }
}
