//! Every printed format: what is written reads back, and the marks of missing data are seen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may fail loudly

use keyacct_model::{Decimal, Quality, Value};
use keyacct_wire::catalogue::{Catalogue, Pattern};
use keyacct_wire::dlt645::{Message, read_answer, read_request};
use keyacct_wire::layout::{Layout, parse_format};
use keyacct_wire::registers::Registers;
use keyacct_wire::{Expect, Protocol, hex};
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_decimal_reads_back(digits in 0i64..80_000_000, negative: bool, scale in 0usize..6) {
        let text = format!("S{}", "X".repeat(8 - scale) + if scale > 0 { "." } else { "" } + &"X".repeat(scale));
        let format = parse_format(&text).unwrap();
        let digits = if negative { -digits } else { digits };
        let value = Value::Number(Decimal::new(digits, scale as u8));
        let mut bytes = Vec::new();
        format.write(&value, &mut bytes).unwrap();
        prop_assert_eq!(bytes.len(), 4);
        prop_assert_eq!(format.read(&bytes), (value, Quality::GOOD));
    }

    #[test]
    fn a_message_survives_its_bytes(address: [u8; 6], control: u8, data in prop::collection::vec(any::<u8>(), 0..=255)) {
        let message = Message { address, control: keyacct_wire::dlt645::Control(control), data };
        let bytes = message.emit();
        prop_assert_eq!(Message::parse(&bytes).unwrap(), message.clone());
        prop_assert_eq!(Message::parse(&bytes).unwrap().emit(), bytes);
    }

    #[test]
    fn no_bytes_make_a_layout_or_key_panic(text in "[ -~]{0,40}") {
        let _ = Layout::parse(&text);
        let _ = Pattern::parse(&text);
        let _ = parse_format(&text);
        let _ = hex::decode_line(&text);
    }
}

#[test]
fn missing_and_wrong_digits_are_told_apart() {
    let voltage = parse_format("XXX.X").unwrap();
    assert_eq!(voltage.read(&[0xFF, 0xFF]), (Value::Null, Quality::NO_DATA));
    assert_eq!(voltage.read(&[0xEE, 0xEE]), (Value::Null, Quality::NO_DATA));
    assert_eq!(voltage.read(&[0x1A, 0x22]), (Value::Null, Quality::INVALID_DIGIT));
    assert_eq!(voltage.read(&[0x71, 0x23]).0, Value::Number(Decimal::new(2371, 1)));
}

#[test]
fn the_top_bit_is_a_minus_sign_and_no_complement() {
    // Public corpus, meter-161-52: power factor 33H C3H on the wire is 00H 90H, which is -1.000.
    let factor = parse_format("SX.XXX").unwrap();
    assert_eq!(factor.read(&[0x00, 0x90]).0, Value::Number(Decimal::new(-1000, 3)));
    // Sign-magnitude: the largest current is 799.999 A.
    let current = parse_format("SXXX.XXX").unwrap();
    assert_eq!(current.read(&[0x99, 0x99, 0x79]).0, Value::Number(Decimal::new(799_999, 3)));
    assert!(current.write(&Value::Number(Decimal::new(800_000, 3)), &mut Vec::new()).is_none());
}

#[test]
fn a_request_and_an_answer_are_built_as_captured() {
    // Public corpus, meter-161-03 and appframe-05.
    let request = read_request("161", 0x0201_0100).unwrap();
    assert_eq!(hex_of(&request), "68610100000000681104333434351716");
    let registers = Registers::embedded().unwrap();
    let values = [Value::Number(Decimal::new(2371, 1)), Value::Null, Value::Null];
    let answer =
        read_answer(registers.of(Protocol::Dlt645_2007), "231214000134", 0x0201_FF00, &values).unwrap();
    assert_eq!(hex_of(&answer), "6834010014122368910A33323435A456323232327916");
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect()
}

#[test]
fn names_find_their_keys() {
    let registers = Registers::embedded().unwrap();
    let catalogue = registers.of(Protocol::Dlt645_2007);
    for (name, key) in [
        ("voltage_a", 0x0201_0100),
        ("02010100", 0x0201_0100),
        ("active_import", 0x0001_0000),
        ("active_import_t2", 0x0001_0200),
        ("active_import_t1_settlement3", 0x0001_0103),
        ("active_power_total", 0x0203_0000),
        ("voltage_block", 0x0201_FF00),
    ] {
        assert_eq!(catalogue.key_of(name), Some(key), "{name}");
    }
    assert_eq!(catalogue.key_of("no_such_register"), None);
}

const HEADER: &str = "key\tname\tquantity\tphase\ttariff\tkind\tformat\tunit\taccess\tsource\n";

#[test]
fn a_users_file_may_add_but_not_replace() {
    let mut registers = Registers::embedded().unwrap();
    let row = "0F010100\tmaker_voltage\tvoltage\tA\t-\tsnapshot\tXXX.XX\tV\tr\tmaker's sheet\n";
    let wrong = registers.add("own.tsv", &format!("{HEADER}{row}")).unwrap_err(); // five digits are no whole bytes
    assert_eq!(wrong.place.line, Some(2));
    let row = row.replace("XXX.XX", "XXXX.XX");
    registers.add("own.tsv", &format!("{HEADER}{row}")).unwrap();
    assert!(registers.of(Protocol::Dlt645_2007).find(0x0F01_0100).is_some());
    let again = HEADER.to_owned() + "02010100\tmine\tvoltage\tA\t-\tsnapshot\tXXX.X\tV\tr\tx\n";
    let error = registers.add("own.tsv", &again).unwrap_err();
    assert_eq!(error.place.line, Some(2));
    assert!(error.message.contains("is there already"), "{}", error.message);
}

#[test]
fn a_wrong_row_is_named_with_its_line_and_its_neighbour() {
    for (row, part) in [
        ("01\tx\tvolage\tA\t-\tsnapshot\tXX\tV\tr\t-", "voltage"),
        ("01\tx\tvoltage\tA\t-\tsnapshot\tXX\tkW\tr\t-", "does not fit"),
        ("01\tx\tvoltage\tD\t-\tsnapshot\tXX\tV\tr\t-", "no phase"),
        ("0G\tx\tvoltage\tA\t-\tsnapshot\tXX\tV\tr\t-", "no key"),
        ("01\tx\tvoltage\tA\t-\tsnapshot\tQQ\tV\tr\t-", "no format"),
        ("01\tx\tvoltage\tA\t-\tsomething\tXX\tV\tr\t-", "no kind"),
        ("01\tx\t= 02{p}\t-\t-\t-\t\t\tr\t-", "no rows"),
    ] {
        let error = Catalogue::default().add("a.tsv", &format!("{HEADER}{row}\n")).unwrap_err();
        assert_eq!(error.place.line, Some(2));
        assert!(error.message.contains(part), "{row}: {}", error.message);
    }
}

#[test]
fn only_protocols_that_are_built_can_be_asked_for() {
    assert_eq!(Expect::by_name("dlt645-2007"), Some(Expect::Only(Protocol::Dlt645_2007)));
    assert_eq!(Expect::by_name("auto"), Some(Expect::Auto));
    assert_eq!(Expect::by_name("dlt645"), None);
    for name in Expect::names().skip(1) {
        assert!(matches!(Expect::by_name(name), Some(Expect::Only(p)) if p.framing().is_some()));
    }
}
