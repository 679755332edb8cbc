//! DL/T 645-1997: what is built reads back; forms that no public capture shows are synthetic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may fail loudly

use std::sync::LazyLock;

use keyacct_model::{Decimal, Value};
use keyacct_wire::describe::{Wish, describe_line};
use keyacct_wire::dlt645::{
    Control, FrameView, Message, read_answer_1997, read_request_1997, write_request_1997,
};
use keyacct_wire::registers::Registers;
use keyacct_wire::{Expect, Protocol, hex};
use proptest::prelude::*;

static REGISTERS: LazyLock<Registers> = LazyLock::new(|| Registers::embedded().unwrap());

fn describe(bytes: &[u8]) -> String {
    let wish = Wish { expect: Expect::Only(Protocol::Dlt645_1997), fields: true, chinese: false };
    describe_line(bytes, 1, wish, &REGISTERS)[0].to_string()
}

/// A synthetic frame: control, data in hex as before the offset.
fn synthetic(control: u8, data: &str) -> String {
    let data = hex::decode(&data.replace(' ', "")).unwrap();
    describe(&FrameView::emit([0x61, 1, 0, 0, 0, 0], Control(control), &data))
}

fn numbers(told: &str) -> Vec<&str> {
    told.split("\"value\": ").skip(1).map(|rest| rest.split([',', '}']).next().unwrap()).collect()
}

#[test]
fn requests_and_answers_are_built_as_captured() {
    // Public corpus: qiu-serial-97-04 and heyuan-manual-02 (100 V stated by the maker).
    let text = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02X}")).collect::<String>();
    assert_eq!(text(read_request_1997("010003635927", 0xB612).unwrap()), "6827596303000168010245E9E816");
    let answer =
        read_answer_1997(REGISTERS.of(Protocol::Dlt645_1997), "3", 0xB611, &[Value::Number(100.into())]);
    assert_eq!(text(answer.unwrap()), "6803000000000068810444E93334EC16");
}

#[test]
fn a_block_counts_tariffs_and_its_end_mark_is_no_data() {
    let told = synthetic(0x81, "1F90 15809500 56341200 78563412 AA");
    assert_eq!(numbers(&told), ["9580.15", "1234.56", "123456.78"]);
    assert!(told.contains("\"tariff\": 2, \"value\": 123456.78"), "{told}");
    assert!(told.contains("End of the block") && !told.contains("Unexplained"), "{told}");
}

#[test]
fn last_month_is_index_one_and_the_quadrants_stand_in_the_order_1_4_2_3() {
    let told = synthetic(0x81, "4095 00010000");
    assert!(told.contains("reactive_q4") && told.contains("\"index\": 1"), "{told}");
    assert!(synthetic(0x81, "5091 00010000").contains("reactive_q2"));
    assert!(synthetic(0x81, "6091 00010000").contains("reactive_q3"));
}

#[test]
fn the_length_tells_in_which_size_an_item_comes() {
    assert_eq!(numbers(&synthetic(0x81, "21B6 3412")), ["12.34"]);
    assert_eq!(numbers(&synthetic(0x81, "21B6 563412")), ["123.456"]);
    assert_eq!(numbers(&synthetic(0x81, "2FB6 0001 0002 0003")), ["1.00", "2.00", "3.00"]);
    assert_eq!(numbers(&synthetic(0x81, "2FB6 000100 000200 000300")), ["0.100", "0.200", "0.300"]);
    assert_eq!(numbers(&synthetic(0x81, "40B6 3412")), ["12.34"]);
    assert_eq!(numbers(&synthetic(0x81, "40B6 563412")), ["12.3456"]);
    assert_eq!(numbers(&synthetic(0x81, "30B6 561280")), ["80.1256"]); // 1997 has no sign bit
}

#[test]
fn a_class_is_read_block_by_block_between_separators() {
    let told = synthetic(
        0x81,
        "FFB6 2002 2102 2202 AA 0001 0002 0003 AA 000010 000010 000020 000030 000000 000000 AA 0100 0200 0300 0400 AA 0010 0010 0010 0010 AA",
    );
    assert_eq!(numbers(&told).len(), 3 + 3 + 6 + 4 + 4, "{told}");
    assert!(synthetic(0x81, "FFB6 2002 2102").contains("unknown"));
}

#[test]
fn commands_passwords_and_errors_are_named() {
    let told = synthetic(0x04, "10C0 04123456 01 15 06 26");
    assert!(told.contains("\"password_level\": 4") && told.contains("2026-06-15"), "{told}");
    assert!(synthetic(0x0F, "04111111 04222222").contains("\"new_password_level\": 4"));
    assert!(synthetic(0x0C, "08").contains("\"value\": 2400"));
    assert!(synthetic(0x0A, "120000000000").contains("000000000012"));
    assert!(synthetic(0xC1, "02").contains("wrong data identifier"));
    assert!(synthetic(0xC4, "04").contains("wrong password"));
    let following = synthetic(0xA2, "1F90 1234");
    assert!(following.contains("\"payload\": \"1234\"") && !following.contains("\"seq\""), "{following}");
}

#[test]
fn a_write_is_built_from_its_values() {
    let catalogue = REGISTERS.of(Protocol::Dlt645_1997);
    let bytes =
        write_request_1997(catalogue, "161", 0xC111, [4, 0x12, 0x34, 0x56], &[Value::Number(15.into())]);
    let message = Message::parse(&bytes.unwrap()).unwrap();
    assert_eq!((message.control.0, &message.data[..]), (0x04, &[0x11, 0xC1, 4, 0x12, 0x34, 0x56, 0x15][..]));
}

proptest! {
    #[test]
    fn energies_read_back(values in prop::collection::vec(0i64..100_000_000, 1..=15)) {
            let numbers_in: Vec<Value> = values.iter().map(|v| Value::Number(Decimal::new(*v, 2))).collect();
        let bytes = read_answer_1997(REGISTERS.of(Protocol::Dlt645_1997), "161", 0x901F, &numbers_in).unwrap();
        let told = describe(&bytes);
        let want: Vec<String> = values.iter().map(|v| Decimal::new(*v, 2).to_string()).collect();
        prop_assert_eq!(numbers(&told), want);
    }

    #[test]
    fn any_data_is_described_without_a_panic(control: u8, data in prop::collection::vec(any::<u8>(), 0..=80)) {
        let told = describe(&FrameView::emit([1, 2, 3, 4, 5, 6], Control(control), &data));
        prop_assert!(told.contains("\"valid\": true"));
    }
}
