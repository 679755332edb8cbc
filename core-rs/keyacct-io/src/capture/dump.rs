//! Hex dumps: lines with an offset in front and characters behind, as `tcpdump -x -X`, `xxd`, `hexdump -C`, `od -tx1`
//! and Wireshark write them. Consecutive lines are one piece. A piece that is an IP packet (or an Ethernet frame around
//! one) is reduced to what it carries.

use std::net::SocketAddr;
use std::ops::Range;

use super::source::{Side, Written};
use crate::container::carried;

/// Lines of one dump.
#[derive(Clone, Debug)]
pub(super) struct Dump {
    pub(super) bytes: Vec<u8>,
    pub(super) line: u64,
    pub(super) offset: u64,
    pub(super) written: Option<Written>,
    pub(super) side: Side,
}

/// A line of a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its offset is 0.
    pub(super) begins: bool,
    pub(super) bytes: Vec<u8>,
}

/// Bytes of a line; tools write 16, some 32.
const MOST: usize = 32;
/// Bytes of one dump; no packet is longer.
const MOST_BYTES: usize = 1 << 20;

/// A line of a dump whose `so_far` bytes have come (none: no dump is open): its offset is 0 or goes on from there.
pub(super) fn row(text: &[u8], so_far: Option<usize>) -> Option<Row> {
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let text = text.trim_ascii();
    let bare = text.strip_prefix(b"0x").unwrap_or(text);
    let digits = bare.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if !(4..=8).contains(&digits) {
        return None;
    }
    let number = |radix| usize::from_str_radix(std::str::from_utf8(&bare[..digits]).ok()?, radix).ok();
    let goes_on = |n: Option<usize>| n.is_some() && n == so_far.filter(|n| *n > 0 && *n <= MOST_BYTES);
    let begins = number(16) == Some(0);
    let octal = || digits >= 7 && goes_on(number(8));
    if !(begins || goes_on(number(16)) || octal()) {
        return None;
    }
    let behind = &bare[digits..];
    // A colon, two blanks, a tab; od has one blank, behind seven digits.
    let rest = match behind {
        [b':', rest @ ..] | [b'\t', rest @ ..] => rest,
        [b' ', b' ', rest @ ..] => rest,
        [b' ', rest @ ..] if digits >= 7 => rest,
        _ => return None,
    };
    let bytes = columns(rest);
    (!bytes.is_empty()).then_some(Row { begins, bytes })
}

/// The bytes up to the characters behind them: words of whole bytes, with a wider gap only in the middle.
fn columns(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut at = text.iter().take_while(|byte| **byte == b' ').count();
    while at < text.len() && bytes.len() < MOST {
        let length = text[at..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let word = &text[at..at + length];
        let ends = text.get(at + length).is_none_or(|byte| matches!(byte, b' ' | b'\t' | b'-'));
        if !ends || !matches!(length, 2 | 4 | 8) {
            break;
        }
        let word = std::str::from_utf8(word).ok().and_then(keyacct_wire::hex::decode).unwrap_or_default();
        bytes.extend(word);
        at += length;
        let gap = text[at..].iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'-')).count();
        if gap > 2 || (gap == 2 && bytes.len() != 8) {
            break;
        }
        at += gap;
    }
    bytes
}

/// What a packet carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) payload: Range<usize>,
    /// Number of its first byte, with TCP.
    pub(super) sequence: Option<u32>,
}

/// The packet that a whole dump is; tcpdump begins at the IP header, Wireshark at that of Ethernet.
pub(super) fn packet(bytes: &[u8]) -> Option<Packet> {
    const RAW: u32 = 101;
    const ETHERNET: u32 = 1;
    let (from, to, payload, sequence) = carried(RAW, bytes).or_else(|| carried(ETHERNET, bytes))?;
    Some(Packet { from, to, payload, sequence })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(text: &str, so_far: Option<usize>) -> Option<(bool, usize)> {
        row(text.as_bytes(), so_far).map(|row| (row.begins, row.bytes.len()))
    }

    #[test]
    fn the_lines_of_usual_tools_are_known() {
        for (text, so_far, found) in [
            ("\t0x0000:  4500 003c 1c46 4000 4006 b1e6 ac10 0a63  E..<.F@.@......c", None, (true, 16)),
            ("\t0x0010:  ac10 0a0c                                ....", Some(16), (false, 4)),
            ("00000000: 6861 0100 0000 0068 1104 3333 3433 1416  ha.....h..33 43..", None, (true, 16)),
            ("00000010: 16                                       .", Some(16), (false, 1)),
            (
                "00000000  68 61 01 00 00 00 00 68  11 04 33 33 34 33 14 16  |ha.....h..33 43..|",
                None,
                (true, 16),
            ),
            ("0000   68 61 01 00 00 00 00 68 11 04 33 33 34 33 14 16   ha.....h..3343..", None, (true, 16)),
            ("0000  68 aa 16                                          h..", None, (true, 3)),
            ("0000000 68 61 01 00 00 00 00 68 11 04 33 33 34 33 14 16", None, (true, 16)),
            ("0000020 16", Some(16), (false, 1)),
        ] {
            assert_eq!(bytes_of(text, so_far), Some(found), "{text}");
        }
    }

    #[test]
    fn other_lines_are_none() {
        for (text, so_far) in [
            ("68 AA 16", None),
            ("0010  68 aa 16", None),
            ("0020  68 aa 16", Some(16)),
            ("00000010", Some(16)),
            ("0000 68 AA 16", None),
            ("10:00:01 RX 68", None),
        ] {
            assert_eq!(bytes_of(text, so_far), None, "{text}");
        }
    }
}
