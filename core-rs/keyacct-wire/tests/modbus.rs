//! Modbus in a stream: no start byte, several possible lengths, a reply that needs its request.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may fail loudly

use keyacct_model::{Decimal, Value};
use keyacct_wire::describe::{Wish, describe_line};
use keyacct_wire::registers::Registers;
use keyacct_wire::{Deframer, Event, Expect, Protocol, modbus};
use proptest::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Frame(u64, Vec<u8>),
    Noise(u64, u64),
    Invalid(u64),
}

fn keep(seen: &mut Vec<Seen>) -> impl FnMut(Event<'_>) + '_ {
    |event| {
        seen.push(match event {
            Event::Frame { offset, bytes, .. } => Seen::Frame(offset, bytes.to_vec()),
            Event::Noise { offset, length } => Seen::Noise(offset, length),
            Event::Invalid(error) => Seen::Invalid(error.offset),
        });
    }
}

fn whole(protocol: Protocol, bytes: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    Deframer::new(Expect::Only(protocol)).whole(bytes, keep(&mut seen));
    seen
}

/// A PDU of every sort.
fn pdu() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::collection::vec(any::<u16>(), 1..60);
    prop_oneof![
        (1u8..=4, any::<u16>(), 1u16..=125).prop_map(|(f, a, n)| modbus::read(f, a, n).unwrap()),
        (3u8..=4, words.clone()).prop_map(|(f, w)| modbus::read_registers_answer(f, &w).unwrap()),
        (any::<u16>(), words).prop_map(|(a, w)| modbus::write_registers(a, &w).unwrap()),
        (any::<u16>(), any::<u16>()).prop_map(|(a, v)| modbus::write_one(6, a, v)),
        (any::<u16>(), any::<u16>(), any::<u16>()).prop_map(|(a, x, y)| modbus::mask_write(a, x, y)),
        (1u8..=6, 1u8..=0x0B).prop_map(|(f, c)| modbus::exception(f, c)),
        prop::collection::vec(any::<bool>(), 1..100).prop_map(|b| modbus::read_bits_answer(1, &b).unwrap()),
    ]
}

fn frame(protocol: Protocol) -> impl Strategy<Value = Vec<u8>> {
    (any::<u8>(), any::<u16>(), pdu()).prop_map(move |(unit, transaction, pdu)| match protocol {
        Protocol::ModbusTcp => modbus::tcp(transaction, unit, &pdu).unwrap(),
        _ => modbus::rtu(unit, &pdu),
    })
}

fn stream(protocol: Protocol) -> impl Strategy<Value = Vec<u8>> {
    let noise = prop::collection::vec(prop_oneof![Just(0u8), Just(3), Just(4), any::<u8>()], 0..30);
    prop::collection::vec(prop_oneof![noise, frame(protocol)], 0..8).prop_map(|parts| parts.concat())
}

fn either() -> impl Strategy<Value = (Protocol, Vec<u8>)> {
    prop_oneof![Just(Protocol::ModbusRtu), Just(Protocol::ModbusTcp)]
        .prop_flat_map(|protocol| stream(protocol).prop_map(move |bytes| (protocol, bytes)))
}

fn either_frame() -> impl Strategy<Value = (Protocol, Vec<u8>)> {
    prop_oneof![Just(Protocol::ModbusRtu), Just(Protocol::ModbusTcp)]
        .prop_flat_map(|protocol| frame(protocol).prop_map(move |bytes| (protocol, bytes)))
}

proptest! {
    #[test]
    fn events_tile_the_input((protocol, bytes) in either()) {
        let mut at = 0;
        for event in whole(protocol, &bytes) {
            match event {
                Seen::Frame(offset, frame) => {
                    prop_assert!(bytes[at as usize..offset as usize].iter().all(|b| *b == 0xFE));
                    at = offset + frame.len() as u64;
                }
                Seen::Noise(offset, length) => {
                    prop_assert_eq!(offset, at);
                    at += length;
                }
                Seen::Invalid(_) => {}
            }
        }
        prop_assert_eq!(at, bytes.len() as u64);
    }

    #[test]
    fn byte_by_byte_gives_the_same_events((protocol, bytes) in either()) {
        let mut seen = Vec::new();
        let mut deframer = Deframer::new(Expect::Only(protocol));
        for byte in &bytes {
            deframer.push(&[*byte], keep(&mut seen));
            prop_assert!(deframer.held() <= 260);
        }
        deframer.finish(keep(&mut seen));
        prop_assert_eq!(seen, whole(protocol, &bytes));
    }

    #[test]
    fn what_is_built_is_found_whole((protocol, bytes) in either_frame()) {
        prop_assert_eq!(whole(protocol, &bytes), [Seen::Frame(0, bytes.clone())]);
    }

    #[test]
    fn a_frame_behind_noise_is_found(noise in prop::collection::vec(any::<u8>(), 0..40), (protocol, frame) in either_frame()) {
        let found = whole(protocol, &[noise.clone(), frame.clone()].concat());
        let start = noise.len() as u64;
        // Noise can by chance form a whole frame that swallows the beginning of ours.
        let swallowed = found.iter().any(|e| matches!(e, Seen::Frame(o, f) if *o < start && o + f.len() as u64 > start));
        prop_assert!(swallowed || found.contains(&Seen::Frame(start, frame)));
    }

    #[test]
    fn a_register_number_reads_back(digits in -2_000_000_000i64..2_000_000_000, order in 0usize..4, places in 0u8..6) {
        let order = ["ABCD", "CDAB", "BADC", "DCBA"][order];
        let format = keyacct_wire::register::RegisterFormat::parse(&format!("I32.{places}-{order}")).unwrap();
        let value = Value::Number(Decimal::new(digits, places));
        let mut bytes = Vec::new();
        format.write(&value, &mut bytes).unwrap();
        prop_assert_eq!(format.read(&bytes).0, value);
    }
}

fn describe(model: Option<&str>, protocol: Protocol, bytes: &[u8]) -> Vec<String> {
    let mut registers = Registers::embedded().unwrap();
    if let Some(model) = model {
        registers.choose_model(model).unwrap();
    }
    let wish = Wish { expect: Expect::Only(protocol), fields: false, chinese: false };
    describe_line(bytes, 1, wish, &registers).iter().map(ToString::to_string).collect()
}

fn sdm630(unit: u8, asked: u8) -> Vec<u8> {
    // Eastron SDM630 manual: 43 66 33 34 is 230.2 V.
    let request = modbus::rtu(asked, &modbus::read(4, 0, 2).unwrap());
    [request, modbus::rtu(unit, &[4, 4, 0x43, 0x66, 0x33, 0x34])].concat()
}

#[test]
fn a_reply_behind_its_request_has_values_when_the_model_is_known() {
    let told = describe(Some("sdm630"), Protocol::ModbusRtu, &sdm630(1, 1));
    assert!(
        told[1].contains(r#""quantity": "voltage", "phase": "A", "tariff": 0, "value": 230.20001"#),
        "{}",
        told[1]
    );
    assert!(!describe(None, Protocol::ModbusRtu, &sdm630(1, 1))[1].contains("values"));
}

#[test]
fn the_reply_of_another_unit_has_no_values() {
    assert!(!describe(Some("sdm630"), Protocol::ModbusRtu, &sdm630(2, 1))[1].contains("values"));
}

#[test]
fn on_tcp_the_transaction_pairs() {
    let answer = modbus::read_registers_answer(4, &[0x4366, 0x3334]).unwrap();
    let read = |t, address| modbus::tcp(t, 1, &modbus::read(4, address, 2).unwrap()).unwrap();
    let stream = [
        read(7, 0),
        read(8, 0x46),
        modbus::tcp(8, 1, &answer).unwrap(),
        modbus::tcp(7, 1, &answer).unwrap(),
        modbus::tcp(7, 1, &answer).unwrap(), // answered already
    ];
    let told = describe(Some("sdm630"), Protocol::ModbusTcp, &stream.concat());
    assert!(told[2].contains("frequency"), "{}", told[2]);
    assert!(told[3].contains("voltage"), "{}", told[3]);
    assert!(!told[4].contains("values"), "{}", told[4]);
}

#[test]
fn a_users_model_needs_no_rebuild_and_its_wrong_rows_are_named() {
    let header = "# model: mine\nkey\tname\tquantity\tphase\ttariff\tkind\tformat\tunit\taccess\tsource\n";
    let row = "030010\tvoltage_a\tvoltage\tA\t-\tsnapshot\tU16.1\tV\tr\tsheet\n";
    let mut registers = Registers::embedded().unwrap();
    registers.add("mine.tsv", &format!("{header}{row}")).unwrap();
    registers.choose_model("mine").unwrap();
    let stream =
        [modbus::rtu(9, &modbus::read(3, 16, 1).unwrap()), modbus::rtu(9, &[3, 2, 0x09, 0x01])].concat();
    let wish = Wish { expect: Expect::Only(Protocol::ModbusRtu), fields: false, chinese: false };
    assert!(describe_line(&stream, 1, wish, &registers)[1].to_string().contains(r#""value": 230.5"#));
    for wrong in
        [row.replace("U16.1", "XX.X0"), row.replace("030010", "0010"), row.replace("U16.1", "XX.XXXX")]
    {
        let error = Registers::embedded().unwrap().add("mine.tsv", &format!("{header}{wrong}")).unwrap_err();
        assert_eq!(error.place.line, Some(3), "{wrong}");
    }
    assert!(registers.choose_model("no_such_model").is_err());
}

#[test]
fn a_request_for_two_registers_from_zero_is_rtu_though_it_looks_like_tcp() {
    // Public notes of a battery monitor: 01 03 00 00 00 02 C4 0B is also an MBAP header with one byte of PDU.
    let bytes = keyacct_wire::hex::decode("010300000002C40B").unwrap();
    assert_eq!(Expect::Auto.whole_line(&bytes), Some(Protocol::ModbusRtu));
}
