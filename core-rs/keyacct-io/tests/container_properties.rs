//! Containers under everything that can happen to packets on their way, and to files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod packets;

use std::io::Cursor;

use keyacct_io::container::{Chunk, Direction, Event, Limits, Tally, read};
use packets::*;
use proptest::prelude::*;

fn load(bytes: Vec<u8>, limits: Limits) -> (Vec<Chunk>, Tally) {
    let Ok(mut container) = read("test", Cursor::new(bytes), limits) else {
        return Default::default();
    };
    let mut chunks = Vec::new();
    let mut ended = std::collections::HashSet::new();
    for event in container.by_ref().flatten() {
        match event {
            Event::Bytes(chunk) => {
                assert!(!ended.contains(&chunk.stream.index), "bytes after the end");
                chunks.push(chunk);
            }
            Event::End(stream) => assert!(ended.insert(stream.index), "ended twice"),
        }
    }
    let tally = container.tally();
    (chunks, tally)
}

/// What was sent each way, and the packets that carried it. Each direction's bytes differ at every position within
/// 251, so that a byte out of place shows.
fn conversation(isn: [u32; 2], syn: bool, close: bool, turns: &[(usize, usize)]) -> (Talk, [Vec<u8>; 2]) {
    let mut talk = Talk::new(Wrap::Raw, CLIENT, SERVER, isn);
    let mut sent = [Vec::new(), Vec::new()];
    if syn {
        talk.open();
    }
    for &(who, length) in turns {
        let from = sent[who].len();
        let payload: Vec<u8> = (from..from + length).map(|i| (i % 251) as u8 ^ (who as u8 * 0x55)).collect();
        talk.send(who, ACK, &payload);
        sent[who].extend(payload);
    }
    if close {
        talk.close();
    }
    (talk, sent)
}

fn turns() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((0..2usize, 1..60usize), 1..60)
}

/// Initial sequence numbers, most of them such that they wrap within the conversation.
fn isn() -> impl Strategy<Value = [u32; 2]> {
    let one = || prop_oneof![3 => 0xFFFF_FE00u32.., 1 => any::<u32>()];
    [one(), one()]
}

fn directions(first: u16) -> [Direction; 2] {
    if first == CLIENT.port { [Direction::A, Direction::B] } else { [Direction::B, Direction::A] }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Packets may come up to seven places early or late (SYN and FIN too), and each may come twice.
    #[test]
    fn order_and_repetition_do_not_matter(
        isn in isn(), syn in any::<bool>(), close in any::<bool>(), turns in turns(),
        shuffle in prop::collection::vec((0..7usize, any::<bool>()), 70),
    ) {
        let (talk, sent) = conversation(isn, syn, close, &turns);
        let mut order = Vec::new();
        for (i, packet) in talk.packets.iter().enumerate() {
            let (late, twice) = shuffle[i % shuffle.len()];
            order.push((i + late, packet.clone()));
            if twice {
                order.push((i + shuffle[(i + 31) % shuffle.len()].0, packet.clone()));
            }
        }
        order.sort_by_key(|&(place, _)| place);
        let packets = timed(order.into_iter().map(|(_, packet)| packet));
        let (chunks, tally) = load(file(PLAIN, 101, &packets), Limits::default());
        let first = chunks[0].stream.a.unwrap().port();
        prop_assert!(!syn || first == CLIENT.port);
        prop_assert_eq!(tally.streams, 1);
        prop_assert_eq!((tally.gaps, tally.overlaps_differing, tally.stray_bytes), (0, 0, 0));
        for (who, direction) in directions(first).into_iter().enumerate() {
            let own = chunks.iter().filter(|c| c.direction == direction);
            let bytes: Vec<u8> = own.flat_map(|c| c.bytes.clone()).collect();
            prop_assert_eq!(&bytes, &sent[who]);
        }
    }

    /// Lost packets, and spans sent again with other borders: what arrived at all is delivered once, in its place.
    #[test]
    fn losses_are_gaps_of_the_right_length(
        isn in isn(), turns in turns(), lost in prop::collection::vec(prop::bool::weighted(0.2), 80),
        again in prop::collection::vec((any::<prop::sample::Index>(), 0..90usize, 0..90usize), 0..6),
    ) {
        let (talk, sent) = conversation(isn, true, true, &turns);
        let mut arrived = [vec![false; sent[0].len()], vec![false; sent[1].len()]];
        let mut at = [0usize; 2];
        let data = 3..3 + turns.len();
        let mut packets: Vec<Vec<u8>> = talk.packets[..3].to_vec();
        for (i, &(who, length)) in data.clone().zip(&turns) {
            if !lost[i] {
                packets.push(talk.packets[i].clone());
                arrived[who][at[who]..at[who] + length].fill(true);
            }
            at[who] += length;
            for (when, back, length) in &again {
                if when.index(turns.len()) + 3 == i {
                    // Ends where the sender stands, so it is a repetition that fills a hole at most.
                    let from = at[who].saturating_sub(*back);
                    let to = (from + length).min(at[who]);
                    let (a, b) = if who == 0 { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
                    let seq = isn[who].wrapping_add(1 + from as u32);
                    packets.push(tcp(Wrap::Raw, a, b, 0, seq, 0, &sent[who][from..to]));
                    arrived[who][from..to].fill(true);
                }
            }
        }
        packets.extend_from_slice(&talk.packets[data.end..]);
        // No hole may be given up while a repetition is on its way: that is another test's matter.
        let limits = Limits { reorder_packets: 1_000, ..Limits::default() };
        let (chunks, tally) = load(file(PLAIN, 101, &timed(packets)), limits);
        prop_assert_eq!(tally.overlaps_differing, 0);
        for (who, direction) in [Direction::A, Direction::B].into_iter().enumerate() {
            let mut place = 0;
            let mut seen = vec![false; sent[who].len()];
            for chunk in chunks.iter().filter(|c| c.direction == direction) {
                place += chunk.gap_before.unwrap_or(0) as usize;
                let end = place + chunk.bytes.len();
                prop_assert_eq!(&chunk.bytes, &sent[who][place..end]);
                seen[place..end].fill(true);
                place = end;
            }
            prop_assert_eq!(place, sent[who].len(), "every byte is delivered or told lost");
            prop_assert_eq!(&seen, &arrived[who]);
        }
    }

    /// Damaged files: no panic, bounded memory, nothing delivered that is not in the file.
    #[test]
    fn damage_is_survived_within_bounds(
        form in prop::sample::select(&FORMS[..]), wrap in prop::sample::select(&WRAPS[..]), turns in turns(),
        cut in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
    ) {
        let mut packets = Vec::new();
        for port in 0..6 {
            let client = End { host: 1, port: 40_000 + port };
            let mut talk = Talk::new(wrap, client, SERVER, [port.into(), 9]);
            for &(who, length) in &turns {
                talk.send(who, ACK, &vec![port as u8; length]);
            }
            // Every third packet is missing.
            packets.extend(talk.packets.into_iter().enumerate().filter(|(i, _)| i % 3 != 1).map(|(_, p)| p));
        }
        let mut bytes = file(form, wrap.link(), &timed(packets));
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= value;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        let small = Limits {
            max_streams: 4, max_stream_bytes: 700, max_stream_segments: 5, max_total_bytes: 1_500,
            reorder_packets: 6, ..Limits::default()
        };
        let length = bytes.len() as u64;
        let (chunks, tally) = load(bytes.clone(), small);
        prop_assert!(tally.max_held_bytes <= 1_500, "{}", tally.max_held_bytes);
        prop_assert!(tally.delivered_bytes <= length);
        for chunk in chunks {
            let at = chunk.file_offset as usize;
            prop_assert_eq!(&bytes[at..at + chunk.bytes.len()], &chunk.bytes[..]);
        }
    }

    /// Anything behind the magic numbers.
    #[test]
    fn noise_is_survived(magic in 0..8usize, noise in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut bytes = file(FORMS[magic], 1, &[]);
        bytes.extend(&noise);
        load(bytes, Limits::default());
        load([&b"\x1F\x8B\x08\x00\x00\x00\x00\x00\x00\x03"[..], &noise].concat(), Limits::default());
        load(noise, Limits::default());
    }
}

/// A sender of holes: 2,000 connections that each hold something; then one that holds more than it may.
#[test]
fn held_bytes_stay_below_their_limits() {
    let mut packets = Vec::new();
    for port in 0..2_000u16 {
        let mut talk = Talk::new(Wrap::Raw, End { host: 1, port: 10_000 + port }, SERVER, [1, 1]);
        talk.open().send(0, ACK, &[1; 1_000]).send(0, ACK, &[2; 1_000]);
        talk.packets.remove(3);
        packets.extend(talk.packets);
    }
    let mut talk = Talk::new(Wrap::Raw, CLIENT, SERVER, [1, 1]);
    talk.open().send(0, ACK, &[1; 1_000]);
    talk.packets.pop();
    for _ in 0..500 {
        talk.send(0, ACK, &[2; 1_000]);
    }
    packets.extend(talk.packets);
    let limits = Limits {
        max_streams: 1_500,
        max_total_bytes: 400_000,
        max_stream_bytes: 50_000,
        ..Limits::default()
    };
    let bytes = file(PLAIN, 101, &timed(packets));
    let (chunks, tally) = load(bytes.clone(), limits);
    assert!(tally.max_held_bytes <= 400_000);
    assert!(tally.max_held_bytes > 350_000, "the test reaches the limit: {}", tally.max_held_bytes);
    assert_eq!(tally.delivered_bytes, 2_000 * 1_000 + 500 * 1_000, "given up is the hole, not the bytes");
    assert_eq!((tally.gaps, tally.lost_bytes), (2_001, 2_001_000));
    assert!(tally.limit_flushes > 0 && tally.evicted_streams > 1_500);
    assert_eq!(chunks.len(), 2_500);
    // The same with the total as the only limit, and one connection that could hold it all.
    let limits = Limits { max_total_bytes: 40_000, ..Limits::default() };
    let (_, tally) = load(bytes, limits);
    assert!(tally.max_held_bytes <= 40_000 && tally.delivered_bytes == 2_500_000);
}

/// Cut at every single byte: all packets that are whole are read, and a cut inside of one is told.
#[test]
fn a_cut_at_every_byte_keeps_what_is_whole() {
    for form in [FORMS[0], FORMS[7]] {
        let (talk, sent) = conversation([1, 2], true, true, &[(0, 30), (1, 40), (0, 5)]);
        let whole = file(form, 101, &timed(talk.packets));
        let mut last = 0;
        for length in 1..=whole.len() {
            let (chunks, tally) = load(whole[..length].to_vec(), Limits::default());
            assert!(tally.packets >= last, "more bytes never give fewer packets");
            last = tally.packets;
            let own = chunks.iter().filter(|c| c.direction == Direction::A && c.stream.a.is_some());
            let bytes: Vec<u8> = own.flat_map(|c| c.bytes.clone()).collect();
            assert!(sent[0].starts_with(&bytes));
        }
        assert_eq!(last, 9);
    }
}
