//! The rules of the one deframer, whatever the bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may fail loudly

use keyacct_wire::dlt645::{Control, FrameView};
use keyacct_wire::{Deframer, Event, Expect, Protocol};
use proptest::prelude::*;

/// An event without borrowed bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Frame(u64, u64, Vec<u8>),
    Noise(u64, u64),
    Invalid(u64, &'static str),
}

fn keep(seen: &mut Vec<Seen>) -> impl FnMut(Event<'_>) + '_ {
    |event| {
        seen.push(match event {
            Event::Frame { offset, preamble, bytes, .. } => Seen::Frame(offset, preamble, bytes.to_vec()),
            Event::Noise { offset, length } => Seen::Noise(offset, length),
            Event::Invalid(error) => Seen::Invalid(error.offset, error.fault.code()),
        });
    }
}

fn whole(bytes: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    Deframer::new(Expect::Auto).whole(bytes, keep(&mut seen));
    seen
}

fn pieces(bytes: &[u8], cuts: &[usize]) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut deframer = Deframer::new(Expect::Auto);
    let longest = Expect::Auto.framings().iter().map(|f| f.longest()).max().unwrap();
    let mut from = 0;
    for cut in cuts.iter().copied().chain([bytes.len()]) {
        let cut = cut.clamp(from, bytes.len());
        deframer.push(&bytes[from..cut], keep(&mut seen));
        assert!(deframer.held() <= longest, "{} bytes held", deframer.held());
        from = cut;
    }
    deframer.finish(keep(&mut seen));
    seen
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    (any::<[u8; 6]>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..=255))
        .prop_map(|(address, control, data)| FrameView::emit(address, Control(control), &data))
}

/// Bytes that like to look like frames: start bytes, end bytes, preamble, false lengths.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(0x68), Just(0x16), Just(0xFE), Just(0x91), any::<u8>()];
    let false_start = any::<[u8; 2]>()
        .prop_map(|[control, length]| vec![0x68, 0xFE, 0xFE, 0xFE, 0xFE, 0xFE, 0xFE, 0x68, control, length]);
    prop::collection::vec(prop_oneof![prop::collection::vec(byte, 0..40), false_start], 0..4)
        .prop_map(|parts| parts.concat())
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![noise(), frame()], 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn events_tile_the_input(bytes in stream()) {
        let mut at = 0;
        for event in whole(&bytes) {
            match event {
                Seen::Frame(offset, preamble, frame) => {
                    prop_assert_eq!(offset, at + preamble);
                    prop_assert!(bytes[at as usize..offset as usize].iter().all(|b| *b == 0xFE));
                    prop_assert_eq!(&bytes[offset as usize..][..frame.len()], &frame[..]);
                    at = offset + frame.len() as u64;
                }
                Seen::Noise(offset, length) => {
                    prop_assert_eq!(offset, at);
                    at += length;
                }
                Seen::Invalid(..) => {}
            }
        }
        prop_assert_eq!(at, bytes.len() as u64);
    }

    #[test]
    fn any_cut_gives_the_same_events(bytes in stream(), mut cuts in prop::collection::vec(0usize..2000, 0..12)) {
        cuts.sort_unstable();
        prop_assert_eq!(pieces(&bytes, &cuts), whole(&bytes));
    }

    #[test]
    fn byte_by_byte_gives_the_same_events(bytes in stream()) {
        let every: Vec<usize> = (0..bytes.len()).collect();
        prop_assert_eq!(pieces(&bytes, &every), whole(&bytes));
    }

    #[test]
    fn a_frame_behind_noise_is_found(noise in noise(), frame in frame()) {
        let bytes = [noise.clone(), frame.clone()].concat();
        let found = whole(&bytes);
        // Noise can by chance form a whole frame that swallows the beginning of ours; then that one is reported.
        let swallowed = found.iter().any(|e| matches!(e, Seen::Frame(o, _, f)
            if *o < noise.len() as u64 && *o as usize + f.len() > noise.len()));
        let ours = found.iter().any(|e| matches!(e, Seen::Frame(o, _, f) if *o == noise.len() as u64 && *f == frame));
        prop_assert!(ours || swallowed);
    }

    #[test]
    fn one_flipped_bit_is_never_the_same_frame_with_another_value(frame in frame(), place in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut bytes = frame.clone();
        let at = place.index(bytes.len());
        bytes[at] ^= 1 << bit;
        for event in whole(&bytes) {
            if let Seen::Frame(offset, _, found) = event {
                // A flipped length bit may leave a shorter frame inside; it must not be one of the same length.
                prop_assert!(offset > 0 || found.len() != frame.len());
            }
        }
    }
}

#[test]
fn the_false_start_of_the_concentrator_does_not_swallow_the_frame() {
    // Public corpus, concentrator-resync-01: C and L of the false start are 88H.
    let hex = "68FEFEFEFEFEFE6888888888888868110433333433E216";
    let bytes = keyacct_wire::hex::decode(hex).unwrap();
    let frames: Vec<u64> = whole(&bytes)
        .iter()
        .filter_map(|e| if let Seen::Frame(o, ..) = e { Some(*o) } else { None })
        .collect();
    assert_eq!(frames, [7]);
}

#[test]
fn every_byte_is_probed_at_most_once_for_each_framing() {
    let false_length = [0x68, 0, 0, 0, 0, 0, 0, 0x68, 0x91, 0xFF].repeat(20_000);
    for bytes in [vec![0x68; 200_000], false_length, vec![0x16; 200_000], vec![0xFE; 200_000]] {
        let mut deframer = Deframer::new(Expect::Only(Protocol::Dlt645_2007));
        deframer.whole(&bytes, |_| {});
        assert!(deframer.probes() <= bytes.len() as u64, "{} probes", deframer.probes());
    }
}

#[test]
fn the_end_of_the_input_decides_what_waited() {
    let mut deframer = Deframer::new(Expect::Auto);
    let mut seen = Vec::new();
    deframer.push(&[0x68, 1, 2, 3, 4, 5, 6, 0x68, 0x91, 0xFF, 0x33], keep(&mut seen));
    assert_eq!(deframer.held(), 11);
    deframer.finish(keep(&mut seen));
    assert_eq!(seen, [Seen::Invalid(0, "frame.truncated"), Seen::Noise(0, 11)]);
}

/// Bytes looked at for each byte of the stream, whole and in pieces.
fn inspected_per_byte(expect: Expect, bytes: &[u8]) -> f64 {
    let mut whole = Deframer::new(expect);
    whole.whole(bytes, |_| {});
    let mut pieces = Deframer::new(expect);
    bytes.chunks(20_000).for_each(|piece| pieces.push(piece, |_| {}));
    pieces.finish(|_| {});
    let longest = expect.framings().iter().map(|framing| framing.longest()).max().unwrap();
    assert!(pieces.held() <= longest);
    let most = whole.inspected().max(pieces.inspected());
    most as f64 / bytes.len() as f64
}

#[test]
fn hostile_streams_cost_work_in_proportion_to_their_length() {
    let lying = |length: [u8; 2]| [&[0x68][..], &length, &length, &[0x68, 0x4B, 0, 0, 0, 0, 0]].concat();
    // A header of 698.45 whose own check sequence is right and whose length is the greatest there is.
    let mut header = vec![0x68, 0xFF, 0x3F, 0xC3, 0x05, 1, 2, 3, 4, 5, 6, 0x10];
    let hcs = keyacct_wire::checksum::fcs16(&header[1..]);
    header.extend(hcs.to_le_bytes());
    // The same where the end byte is right as well: 16384 bytes behind a start stands the flags byte of another header.
    let mut overlapping = vec![0x68, 0xFF, 0x3F, 0xC3, 0x16, 1, 2, 3, 4, 5, 6, 7, 0x10];
    let hcs = keyacct_wire::checksum::fcs16(&overlapping[1..]);
    overlapping.extend(hcs.to_le_bytes());
    let half = FrameView::emit([1, 0, 0, 0, 0, 0], Control(0x91), &[0x33; 200])[..150].to_vec();
    let hostile: Vec<(&str, Vec<u8>)> = vec![
        ("start bytes only", vec![0x68]),
        ("end bytes only", vec![0x16]),
        ("preamble only", vec![0xFE]),
        ("lengths of 65535", lying([0xFF, 0xFF])),
        ("lengths of 16383 for 376.1", lying([0xFE, 0xFF])),
        ("645 that claims 255 bytes", vec![0x68, 0, 0, 0, 0, 0, 0, 0x68, 0x91, 0xFF]),
        ("698 with the longest frame", header),
        ("overlapping longest frames of 698", overlapping),
        ("half a frame", half),
        ("start and end", vec![0x68, 0x16]),
    ];
    for protocol in [Protocol::Dlt645_2007, Protocol::Dlt698_45, Protocol::Gdw1376_1] {
        for expect in [Expect::Only(protocol), Expect::Auto] {
            for (name, unit) in &hostile {
                let short = inspected_per_byte(expect, &unit.repeat(40_000 / unit.len()));
                let long = inspected_per_byte(expect, &unit.repeat(160_000 / unit.len()));
                assert!(long < 310.0, "{name}, {expect:?}: {long} bytes looked at for each byte");
                assert!(long < short * 1.5 + 1.0, "{name}, {expect:?}: {short}, then {long}");
            }
        }
    }
}

/// A log-in of DL/T 698.45 and a report of 25 bytes more: what may be held for a peer is a matter of the header.
#[test]
fn a_frame_longer_than_may_be_is_refused_by_its_header_and_the_next_is_found() {
    let login = hex("681E008105111111111111009E7601000000B407E90403040F14050000E8B016");
    let long = hex(
        "683F00430561010000000000291802010010FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF0400040001100000000258010631323334353600F71216",
    );
    let stream = [&long[..], &login].concat();
    let frames = |most: usize| {
        let mut seen = Vec::new();
        let mut deframer = Deframer::new(Expect::Only(Protocol::Dlt698_45)).at_most(most);
        deframer.push(&stream, keep(&mut seen));
        let held = deframer.held();
        (seen.into_iter().filter(|one| matches!(one, Seen::Frame(..))).count(), held)
    };
    assert_eq!((frames(long.len()), frames(long.len() - 1), frames(login.len() - 1).0), ((2, 0), (1, 0), 0));

    let mut deframer = Deframer::new(Expect::Only(Protocol::Dlt698_45)).at_most(login.len());
    deframer.push(&long[..long.len() - 1], |_| {}); // not whole: without a bound it would be waited for
    assert!(deframer.held() <= login.len());
    let mut waiting = Deframer::new(Expect::Only(Protocol::Dlt698_45));
    waiting.push(&long[..long.len() - 1], |_| {});
    assert_eq!(waiting.held(), long.len() - 1);
}

#[test]
fn what_is_added_up_in_vain_is_counted() {
    let mut broken = hex("681E008105111111111111009E7601000000B407E90403040F14050000E8B016");
    let mut deframer = Deframer::new(Expect::Only(Protocol::Dlt698_45));
    deframer.push(&broken, |_| {});
    assert_eq!(deframer.in_vain(), 0);
    broken[29] ^= 1;
    deframer.push(&broken, |_| {});
    assert_eq!(deframer.in_vain(), broken.len() as u64);
}

fn hex(text: &str) -> Vec<u8> {
    keyacct_wire::hex::decode(text).unwrap()
}
