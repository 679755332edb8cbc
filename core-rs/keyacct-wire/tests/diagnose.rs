//! What `decode` says of a line without a valid frame. Every case spoils a captured frame in one way and names it.
#![allow(clippy::expect_used, clippy::panic)] // a test may fail loudly

use keyacct_wire::diagnose::{Diagnosis, diagnose};
use keyacct_wire::{Expect, Protocol, hex};

/// Public corpus appframe-02 (237.1 V of phase A).
const ANSWER: &str = "6834010014122368910633343435A456AF16";
/// YuChaoYuan1/LYZD.WPF, LYZD.Verify/DataCollect/EnergyRealData.cs.
const READ_698: &str = "681700430502000000000010485E0501070010020000040116";
/// A captured login (corpus gs011) with its length put right.
const LOGIN: &str = "68320032 0068C90521B2A100027900000100BE16";
/// arendst/Tasmota SDM630 driver: the answer 230.2 V.
const MODBUS: &str = "010404436633341B38";

fn bytes(text: &str) -> Vec<u8> {
    hex::decode_line(text).expect("hex")
}

fn told(line: &[u8], expect: Expect) -> Diagnosis {
    diagnose(line, expect).unwrap_or_else(|| panic!("no word about {line:02X?}"))
}

fn auto(line: &[u8]) -> (Option<Protocol>, String) {
    let told = told(line, Expect::Auto);
    assert!(!told.cause.zh.is_ascii(), "Chinese: {}", told.cause.zh);
    (told.nearest, told.cause.en)
}

#[test]
fn what_was_done_to_the_whole_line_is_undone() {
    use Protocol::{Dlt645_2007, Dlt698_45};
    let frame = bytes(ANSWER);
    let each = |change: fn(u8) -> u8| -> Vec<u8> { frame.iter().map(|byte| change(*byte)).collect() };
    let even = |byte: u8| byte & 0x7F | (((byte & 0x7F).count_ones() as u8 & 1) << 7);
    for (line, words) in [
        (ANSWER.as_bytes().to_vec(), "ASCII codes"),
        (frame.iter().flat_map(|byte| [*byte, *byte]).collect(), "twice"),
        (each(|byte| byte.rotate_left(4)), "halves of every byte"),
        (frame.chunks(2).flat_map(|pair| pair.iter().rev().copied()).collect(), "every two bytes"),
        (each(|byte| !byte), "inverted"),
        (each(u8::reverse_bits), "reverse order"),
        (frame.iter().rev().copied().collect(), "bytes are in reverse order"),
        (each(|byte| byte & 0x7F), "7 data bits"),
    ] {
        let (nearest, cause) = auto(&line);
        assert!(cause.contains(words), "{words}: {cause}");
        assert_eq!(nearest, Some(Dlt645_2007), "{cause}");
    }
    // A request whose bytes are all below 80H survives the parity bit: 68 address 68 11 04 data, sum below 80H.
    let low = bytes("68610100000000681104333334331416");
    let (nearest, cause) = auto(&low.iter().map(|byte| even(*byte)).collect::<Vec<_>>());
    assert!(cause.contains("even parity"), "{cause}");
    assert_eq!(nearest, Some(Dlt645_2007));
    let (nearest, cause) = auto(READ_698.as_bytes());
    assert!(cause.contains("ASCII"), "{cause}");
    assert_eq!(nearest, Some(Dlt698_45));
}

#[test]
fn a_meter_frame_names_its_one_mistake() {
    let frame = bytes(ANSWER);
    let spoiled = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut line = frame.clone();
        change(&mut line);
        let (nearest, cause) = auto(&line);
        assert_eq!(nearest, Some(Protocol::Dlt645_2007), "{cause}");
        cause
    };
    let said = |cause: String, words: &str| assert!(cause.contains(words), "{words}: {cause}");
    said(spoiled(&|f| (10..16).for_each(|n| f[n] = f[n].wrapping_sub(0x33))), "33H");
    said(spoiled(&|f| f[9] = 8), "the length field says 8");
    said(spoiled(&|f| f[9] = 4), "the length field says 4");
    said(spoiled(&|f| f.truncate(15)), "3 more bytes");
    said(
        spoiled(&|f| {
            f.remove(3);
        }),
        "5 address bytes",
    );
    said(spoiled(&|f| f[16] = 0xAE), "should be AFH");
    // A byte too many: the last data byte is there twice, or any other stands where none belongs.
    said(spoiled(&|f| f.insert(16, 0x99)), "last data byte 99H is dropped");
    said(spoiled(&|f| f.insert(4, 0x99)), "7 address bytes");
    // Sums that gateways make: 68H to the last byte is what the standard wants.
    let sum = |part: &[u8]| part.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    said(spoiled(&|f| f[16] = sum(&f[..15])), "last byte 56H is dropped");
    said(spoiled(&|f| f[16] = sum(&f[1..16])), "without the first 68H");
    said(spoiled(&|f| f[16] = f[..16].iter().fold(0, |x, byte| x ^ byte)), "XOR");
    said(
        spoiled(&|f| {
            f[16] = f[16].wrapping_add(0xFC);
            f.splice(0..0, [0xFE, 0xFE]);
        }),
        "2 FEH before",
    );
}

#[test]
fn a_terminal_frame_and_an_object_frame_name_theirs() {
    let mut login = bytes(LOGIN);
    assert_eq!(login.len(), 20);
    login[18] ^= 0x04;
    let (nearest, cause) = auto(&login);
    assert_eq!(nearest, Some(Protocol::Gdw1376_1));
    assert!(cause.contains("should be BEH"), "{cause}");
    let mut login = bytes(LOGIN);
    login[3] = 0x36;
    assert!(auto(&login).1.contains("two copies"), "{}", auto(&login).1);
    let mut read = bytes(READ_698);
    read[20] ^= 0x10;
    let (nearest, cause) = auto(&read);
    assert_eq!(nearest, Some(Protocol::Dlt698_45));
    assert!(cause.contains("one bit"), "a check sequence of 16 bits shows which: {cause}");
    read[20] ^= 0x0F;
    let cause = auto(&read).1;
    assert!(cause.contains("HCS") && cause.contains("checksum"), "{cause}");
}

#[test]
fn modbus_is_told_from_its_neighbours() {
    let frame = bytes(MODBUS);
    let (body, crc) = frame.split_at(7);
    let swapped = [body, &[crc[1], crc[0]][..]].concat();
    assert!(auto(&swapped).1.contains("high byte first"));
    assert!(auto(body).1.contains("without its CRC: 1B38"), "{}", auto(body).1);
    let tcp = told(&frame, Expect::Only(Protocol::ModbusTcp));
    assert_eq!(tcp.nearest, Some(Protocol::ModbusRtu));
    assert!(tcp.cause.en.contains("--protocol modbus-rtu"));
    let mbap = [&[0, 1, 0, 0, 0, 7][..], body].concat();
    let rtu = told(&mbap, Expect::Only(Protocol::ModbusRtu));
    assert_eq!(rtu.nearest, Some(Protocol::ModbusTcp));
    let other = told(&bytes(ANSWER), Expect::Only(Protocol::Dlt698_45));
    assert_eq!(other.nearest, Some(Protocol::Dlt645_2007));
    assert!(other.cause.en.contains("--protocol dlt645-2007"));
}

#[test]
fn noise_has_no_cause() {
    for line in [&[][..], &[0x68], &[0x16; 40], &[0x55; 300]] {
        assert_eq!(diagnose(line, Expect::Auto), None, "{line:02X?}");
    }
}
