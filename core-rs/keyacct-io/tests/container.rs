//! Containers from outside: what goes in as packets comes out as the bytes the two sides sent.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod packets;

use std::io::{Cursor, Write};

use keyacct_io::container::{
    Chunk, Container, Direction, Event, Kind, Limits, Stream, Tally, Transport, read,
};
use keyacct_model::{Error, ErrorCode};
use packets::*;

/// Everything a container gave.
struct Got {
    chunks: Vec<Chunk>,
    ends: Vec<Stream>,
    error: Option<Error>,
    tally: Tally,
}

impl Got {
    /// Bytes of a direction of the stream with this index, with how many were told lost.
    fn bytes(&self, stream: u64, direction: Direction) -> (Vec<u8>, u64) {
        let own = self.chunks.iter().filter(|c| c.stream.index == stream && c.direction == direction);
        let lost = own.clone().filter_map(|c| c.gap_before).sum();
        (own.flat_map(|c| c.bytes.clone()).collect(), lost)
    }
}

fn drain(mut container: Container) -> Got {
    let (mut chunks, mut ends, mut error) = (Vec::new(), Vec::new(), None);
    for event in container.by_ref() {
        assert!(error.is_none(), "an error is the last thing");
        match event {
            Ok(Event::Bytes(chunk)) => chunks.push(chunk),
            Ok(Event::End(stream)) => ends.push((*stream).clone()),
            Err(e) => error = Some(e),
        }
    }
    let tally = container.tally();
    assert_eq!(tally.delivered_bytes, chunks.iter().map(|c| c.bytes.len() as u64).sum::<u64>());
    assert_eq!(tally.lost_bytes, chunks.iter().filter_map(|c| c.gap_before).sum::<u64>());
    assert_eq!(tally.streams, ends.len() as u64, "every stream ends once");
    Got { chunks, ends, error, tally }
}

fn load_with(bytes: Vec<u8>, limits: Limits) -> Got {
    drain(read("test", Cursor::new(bytes), limits).unwrap())
}

fn load(bytes: Vec<u8>) -> Got {
    load_with(bytes, Limits::default())
}

fn capture(packets: Vec<Vec<u8>>) -> Got {
    load(file(PLAIN, 1, &timed(packets)))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const ASK: &[u8] = b"\x68\x01\x00\x00\x00\x00\x00\x68\x11\x04\x33\x33\x34\x33\xB4\x16";
const TELL: &[u8] = b"\x68\x01\x00\x00\x00\x00\x00\x68\x91\x08\x33\x33\x34\x33\x45\x67\x89\x3A\x00\x16";

fn talk(wrap: Wrap) -> Talk {
    let mut talk = Talk::new(wrap, CLIENT, SERVER, [1_000, 5_000]);
    talk.open().send(0, ACK, ASK).send(1, ACK, TELL).send(0, ACK, b"").close();
    talk
}

#[test]
fn every_form_and_every_wrapping_gives_the_same_bytes() {
    for form in FORMS {
        for wrap in WRAPS {
            let bytes = file(form, wrap.link(), &timed(talk(wrap).packets));
            let got = load(bytes.clone());
            assert_eq!(got.bytes(0, Direction::A), (ASK.to_vec(), 0), "{form:?} {wrap:?}");
            assert_eq!(got.bytes(0, Direction::B), (TELL.to_vec(), 0), "{form:?} {wrap:?}");
            let stream = &got.ends[0];
            assert_eq!((stream.transport, stream.handshake), (Transport::Tcp, true));
            assert_eq!(stream.a.map(|a| a.port()), Some(40_000));
            assert_eq!(got.error, None);
            assert_eq!((got.tally.packets, got.tally.tcp_packets, got.tally.gaps), (9, 9, 0));
            // The fourth packet, 3 ms after the start of 2024.
            assert_eq!(got.chunks[0].time_us, Some(1_704_067_200_003_000));
            for chunk in &got.chunks {
                let at = chunk.file_offset as usize;
                assert_eq!(bytes[at..at + chunk.bytes.len()], chunk.bytes, "{form:?} {wrap:?}");
            }
        }
    }
}

#[test]
fn the_sender_of_the_syn_is_the_initiator_whoever_is_seen_first() {
    let mut t = Talk::new(Wrap::Ethernet, CLIENT, SERVER, [7, 9]);
    t.open().send(1, ACK, TELL).send(0, ACK, ASK);
    t.packets.swap(0, 1);
    let got = capture(t.packets);
    assert_eq!(got.ends[0].to_string(), "tcp 10.0.0.1:40000 -> 10.0.0.2:9999");
    assert_eq!(got.bytes(0, Direction::A).0, ASK);
}

#[test]
fn a_capture_begun_in_mid_stream_starts_with_who_speaks_first() {
    let mut t = Talk::new(Wrap::Ethernet, CLIENT, SERVER, [u32::MAX - 3, 77]);
    t.send(1, ACK, b"").send(1, ACK, TELL).send(0, ACK, ASK);
    let got = capture(t.packets);
    assert_eq!(got.ends[0].to_string(), "tcp 10.0.0.2:9999 -> 10.0.0.1:40000");
    assert!(!got.ends[0].handshake);
    assert_eq!(got.bytes(0, Direction::A), (TELL.to_vec(), 0));
    assert_eq!(got.bytes(0, Direction::B), (ASK.to_vec(), 0));
}

#[test]
fn a_lost_segment_is_a_gap_once_the_receiver_has_acknowledged_it() {
    let mut t = Talk::new(Wrap::Ethernet, CLIENT, SERVER, [10, 20]);
    t.open();
    for i in 0..40u8 {
        t.send(0, ACK, &[i; 10]).send(1, ACK, &[0x80 + i; 6]);
    }
    t.packets.remove(3 + 2 * 5);
    let got = capture(t.packets);
    let (bytes, lost) = got.bytes(0, Direction::A);
    assert_eq!((bytes.len(), lost, got.tally.gaps), (390, 10, 1));
    let gap = got.chunks.iter().position(|c| c.gap_before.is_some()).unwrap();
    assert_eq!(got.chunks[gap].bytes, [6; 10], "told where it is");
    let late = got.chunks.iter().filter(|c| c.direction == Direction::B).count();
    let before = got.chunks[..gap].iter().filter(|c| c.direction == Direction::B).count();
    assert!(before < late - 20, "told soon, not at the end: after {before} of {late} answers");
}

#[test]
fn a_hole_the_receiver_still_waits_for_is_kept_open() {
    // The receiver repeats its acknowledgement of what came before the hole, for 100 packets; then the segment comes.
    let mut t = Talk::new(Wrap::Ethernet, CLIENT, SERVER, [10, 20]);
    t.open().send(0, ACK, b"first");
    let acked = t.seq[0];
    t.send(0, ACK, b"second");
    let lost = t.packets.pop().unwrap();
    for i in 0..100u8 {
        t.send(0, ACK, &[i; 3]);
        t.packets.push(tcp(Wrap::Ethernet, SERVER, CLIENT, ACK, t.seq[1], acked, b""));
    }
    t.packets.push(lost);
    let got = capture(t.packets);
    let expected: Vec<u8> = b"firstsecond".iter().copied().chain((0..100).flat_map(|i| [i; 3])).collect();
    assert_eq!(got.bytes(0, Direction::A), (expected, 0));
}

#[test]
fn the_loss_of_the_last_segment_is_told_by_the_fin() {
    let mut t = Talk::new(Wrap::Ethernet, CLIENT, SERVER, [10, 20]);
    t.open().send(0, ACK, ASK).send(0, ACK, b"1234567").close();
    t.packets.remove(4);
    let got = capture(t.packets);
    assert_eq!(got.bytes(0, Direction::A), (ASK.to_vec(), 7));
    assert!(got.chunks.last().is_some_and(|c| c.bytes.is_empty() && c.gap_before == Some(7)));
}

#[test]
fn the_first_copy_wins_and_a_differing_one_is_counted() {
    let mut t = Talk::new(Wrap::Ethernet, CLIENT, SERVER, [100, 200]);
    t.open();
    let at = |seq: u32, bytes: &[u8]| tcp(Wrap::Ethernet, CLIENT, SERVER, ACK, seq, 201, bytes);
    t.packets.push(at(101 + 4, b"EFGH")); // held
    t.packets.push(at(101 + 2, b"cdxxxxij")); // around the held one, with other bytes
    t.packets.push(at(101, b"AB"));
    t.packets.push(at(101, b"AB")); // repeated as it was
    t.packets.push(at(101, b"ABzz")); // repeated with other bytes after delivery
    t.packets.push(at(101 + 9, b"j")); // keep-alive
    t.packets.push(at(101 + 8, b"ijKL")); // half new
    let got = capture(t.packets);
    assert_eq!(got.bytes(0, Direction::A), (b"ABcdEFGHijKL".to_vec(), 0));
    assert_eq!(got.tally.overlaps_differing, 2);
    assert_eq!(got.tally.retransmitted_bytes, 4 + 2 + 4 + 2);
    assert_eq!(got.tally.keepalives, 1);
}

#[test]
fn a_new_syn_after_fin_or_reset_or_nothing_is_a_new_stream() {
    for closing in [FIN | ACK, RST, 0] {
        let mut packets = Vec::new();
        for isn in [1_000, 900_000_000u32] {
            let mut t = Talk::new(Wrap::Ethernet, CLIENT, SERVER, [isn, isn + 7]);
            t.open().send(0, ACK, ASK).send(1, ACK, TELL);
            if closing == FIN | ACK {
                t.close();
            } else if closing == RST {
                t.send(0, RST, b"");
            }
            packets.extend(t.packets);
        }
        let got = capture(packets);
        assert_eq!(got.tally.streams, 2, "{closing:02X}");
        for stream in 0..2 {
            assert_eq!(got.bytes(stream, Direction::A), (ASK.to_vec(), 0), "{closing:02X}");
            assert_eq!(got.bytes(stream, Direction::B), (TELL.to_vec(), 0), "{closing:02X}");
        }
    }
}

#[test]
fn ports_used_again_without_a_captured_syn_are_a_new_stream() {
    let mut packets = Vec::new();
    for isn in [1_000, 900_000_000u32] {
        let mut t = Talk::new(Wrap::Ethernet, CLIENT, SERVER, [isn, isn + 7]);
        for _ in 0..20 {
            t.send(0, ACK, ASK).send(1, ACK, TELL);
        }
        packets.extend(t.packets);
    }
    let got = capture(packets);
    assert_eq!((got.tally.streams, got.tally.gaps, got.tally.stray_bytes), (2, 0, 0));
    assert_eq!(got.bytes(1, Direction::A).0, ASK.repeat(20));
    assert_eq!(got.bytes(1, Direction::B).0, TELL.repeat(20));
}

#[test]
fn late_repetitions_after_the_end_begin_nothing() {
    let mut t = talk(Wrap::Ethernet);
    t.packets.extend(t.packets.clone());
    let got = capture(t.packets);
    assert_eq!(got.tally.streams, 1);
    assert_eq!(got.bytes(0, Direction::A), (ASK.to_vec(), 0));
}

#[test]
fn snap_length_cuts_are_gaps_and_cut_headers_are_counted() {
    let mut packets = timed(talk(Wrap::Ethernet).packets);
    packets[3].snap = 14 + 20 + 24 + 5;
    packets[4].snap = 30;
    let got = load(file(PLAIN, 1, &packets));
    assert_eq!(got.bytes(0, Direction::A), (ASK[..5].to_vec(), ASK.len() as u64 - 5));
    assert_eq!(got.bytes(0, Direction::B), (Vec::new(), TELL.len() as u64));
    assert_eq!((got.tally.truncated_packets, got.tally.cut_headers), (2, 1));
}

#[test]
fn other_traffic_is_counted_and_udp_is_delivered() {
    let mut packets = talk(Wrap::Ethernet).packets;
    packets.push(udp(Wrap::Ethernet, CLIENT, SERVER, ASK));
    packets.push(udp(Wrap::Ethernet, SERVER, CLIENT, TELL));
    let arp = [&[0xFF; 6][..], &[2, 0, 0, 0, 0, 1, 8, 6], &[0; 46]].concat();
    packets.push(arp);
    let mut fragment = talk(Wrap::Ethernet).packets.remove(3);
    fragment[14 + 6] = 0x20;
    packets.push(fragment.clone());
    fragment[14 + 6] = 0;
    fragment[14 + 2] = 0xFF;
    packets.push(fragment);
    let mut bad_tcp = talk(Wrap::Ethernet).packets.remove(3);
    bad_tcp[14 + 20 + 12] = 0x10;
    packets.push(bad_tcp);
    let bytes = file(PLAIN, 1, &timed(packets));
    let got = load(bytes.clone());
    assert_eq!(
        (got.tally.other_packets, got.tally.fragments, got.tally.bad_ip, got.tally.bad_transport),
        (1, 1, 1, 1)
    );
    assert_eq!(got.tally.udp_packets, 2);
    assert_eq!(got.bytes(1, Direction::A), (ASK.to_vec(), 0));
    assert_eq!(got.bytes(1, Direction::B), (TELL.to_vec(), 0));
    let without = load_with(bytes, Limits { udp: false, ..Limits::default() });
    assert_eq!((without.tally.streams, without.tally.udp_packets), (1, 2));
    assert_eq!(load(file(PLAIN, 105, &timed(talk(Wrap::Ethernet).packets))).tally.unknown_link_packets, 9);
}

#[test]
fn raw_and_text_files_are_one_stream() {
    let binary: Vec<u8> = (0..200_000u32).map(|i| (i * 7 + i / 251) as u8).collect();
    let got = load(binary.clone());
    assert_eq!(got.bytes(0, Direction::A), (binary.clone(), 0));
    assert_eq!(got.chunks.iter().map(|c| c.file_offset).collect::<Vec<_>>(), [0, 65_536, 131_072, 196_608]);
    let text = "12:00:01 TX 68 01 16\r\n".repeat(2_000);
    for packed in [false, true] {
        let bytes = if packed { gzip(text.as_bytes()) } else { text.clone().into_bytes() };
        let container = read("log", Cursor::new(bytes), Limits::default()).unwrap();
        assert_eq!((container.kind(), container.is_gzip()), (Kind::Text, packed));
        let lines = std::io::BufRead::lines(container.into_content()).map(Result::unwrap);
        assert!(lines.eq(text.lines().map(String::from)));
    }
    let got = load(gzip(&binary));
    assert_eq!(got.bytes(0, Direction::A), (binary, 0));
    assert_eq!(got.tally.gzip_members, 1);
}

#[test]
fn gzip_members_join_and_what_follows_them_is_ignored() {
    let bytes = file(FORMS[5], 1, &timed(talk(Wrap::Ethernet).packets));
    for trailer in [&b""[..], &[0; 512], b"\x1F\x8Bnot a member", b"\x1F"] {
        let packed = [&gzip(&bytes[..100])[..], &gzip(&bytes[100..]), trailer].concat();
        let got = load(packed.clone());
        if trailer == b"\x1F" {
            // One byte of what may be a further member: the file was cut.
            assert_eq!(got.error.as_ref().map(|e| e.code), Some(ErrorCode::InputFormat));
        } else {
            assert_eq!(got.error, None);
            assert_eq!(got.tally.trailing_bytes, trailer.len() as u64);
        }
        assert_eq!(got.bytes(0, Direction::B), (TELL.to_vec(), 0));
        assert_eq!(got.tally.compressed_bytes, packed.len() as u64);
    }
}

#[test]
fn bombs_and_nested_gzip_are_refused_within_bounds() {
    let zeros = gzip(&vec![0u8; 12 << 20]);
    let got = load(zeros.clone());
    let error = got.error.unwrap();
    assert_eq!(error.code, ErrorCode::InputLimit);
    assert!(error.place.offset.is_some() && error.place.file.as_deref() == Some("test"));
    assert!((7 << 20..=8 << 20).contains(&got.tally.delivered_bytes), "{}", got.tally.delivered_bytes);
    let limits = Limits { max_ratio: 2_000, max_output_bytes: 1 << 20, ..Limits::default() };
    let got = load_with(zeros, limits);
    assert_eq!(got.error.unwrap().code, ErrorCode::InputLimit);
    assert!(got.tally.delivered_bytes <= 1 << 20);
    let nested = read("n", Cursor::new(gzip(&gzip(b"\x68\x16"))), Limits::default()).err().unwrap();
    assert_eq!(nested.code, ErrorCode::InputLimit);
    let members = gzip(b"\x68\x16").repeat(1_001);
    let got = load(members);
    assert_eq!(got.error.unwrap().code, ErrorCode::InputLimit);
    assert_eq!(got.tally.delivered_bytes, 2_000);
}

#[test]
fn a_damaged_gzip_file_gives_what_came_before() {
    let binary: Vec<u8> = (0..300_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let packed = gzip(&binary);
    let cut = load(packed[..packed.len() / 2].to_vec());
    assert_eq!(
        cut.error.as_ref().map(|e| (e.code, e.place.offset)),
        Some((ErrorCode::InputFormat, Some(packed.len() as u64 / 2)))
    );
    assert!(cut.tally.delivered_bytes > 100_000);
    assert!(binary.starts_with(&cut.bytes(0, Direction::A).0));
    let mut wrong = packed.clone();
    let crc = wrong.len() - 8;
    wrong[crc] ^= 1;
    let wrong = load(wrong);
    assert_eq!(wrong.error.map(|e| e.code), Some(ErrorCode::InputFormat));
    assert_eq!(wrong.tally.delivered_bytes, 300_000);
}

#[test]
fn a_broken_container_gives_what_came_before_and_says_where() {
    let packets = timed(talk(Wrap::Ethernet).packets);
    let good = file(PLAIN, 1, &packets);
    let lying = [&good[..], &[0; 8], &[0xFF; 8], b"rest"].concat();
    let got = load(lying);
    assert_eq!(got.bytes(0, Direction::A).0, ASK);
    let error = got.error.unwrap();
    assert_eq!((error.code, error.place.offset), (ErrorCode::InputFormat, Some(good.len() as u64)));
    for big in [false, true] {
        let good = file(Form::Pcapng { big, nano: false }, 1, &packets);
        let tails: [(&[u8], bool); 6] = [
            (&[6, 6, 6, 6, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0], true),
            (&[0; 12], true),
            (&[1, 2, 3], true),
            (&[6, 6, 6, 6, 12, 0, 0, 12, 0, 0, 0, 0], true),
            (&block(big, 6, &[0xFF; 40]), false), // a packet of an interface that is not there
            (&block(big, 0x0BAD, &[1; 40]), false),
        ];
        for (tail, fatal) in tails {
            let got = load([&good, tail].concat());
            assert_eq!(got.bytes(0, Direction::B).0, TELL);
            assert_eq!(
                got.error.as_ref().map(|e| e.code),
                fatal.then_some(ErrorCode::InputFormat),
                "{tail:02X?}"
            );
            if let Some(error) = got.error {
                assert_eq!(error.place.offset, Some(good.len() as u64));
            } else {
                assert_eq!(got.tally.bad_blocks + got.tally.other_blocks, 2, "with the statistics block");
            }
        }
    }
}

#[test]
fn pcapng_sections_may_change_byte_order_and_times_their_resolution() {
    let packets = timed(talk(Wrap::Ethernet).packets);
    let (head, tail) = packets.split_at(4);
    let bytes = [file(FORMS[4], 1, head), file(FORMS[7], 1, tail)].concat();
    let got = load(bytes);
    assert_eq!(got.bytes(0, Direction::A), (ASK.to_vec(), 0));
    assert_eq!(got.bytes(0, Direction::B), (TELL.to_vec(), 0));
    assert_eq!(got.chunks[1].time_us, Some(1_704_067_200_004_000));
    // 2^-10 s ticks and an offset of 100 s: 3 × 1024 + 512 ticks are 3.5 s.
    let section = block(true, 0x0A0D_0D0A, &[&[0x1A, 0x2B, 0x3C, 0x4D, 0, 1, 0, 0][..], &[0xFF; 8]].concat());
    let options =
        [&[0, 9, 0, 1, 0x8A, 0, 0, 0][..], &[0, 14, 0, 8, 0, 0, 0, 0, 0, 0, 0, 100], &[0; 4]].concat();
    let interface = block(true, 1, &[&[0, 1, 0, 0, 0, 0, 0, 0][..], &options].concat());
    let frame = udp(Wrap::Ethernet, CLIENT, SERVER, &[0x55; 40]);
    let n = (frame.len() as u32).to_be_bytes();
    let packet = block(true, 6, &[&[0; 8][..], &3_584u32.to_be_bytes(), &n, &n, &frame].concat());
    let simple = block(true, 3, &[&n[..], &frame].concat());
    let got = load([section, interface, packet, simple].concat());
    assert_eq!(got.chunks.iter().map(|c| c.time_us).collect::<Vec<_>>(), [Some(103_500_000), None]);
    assert_eq!(got.bytes(0, Direction::A).0, [0x55; 80]);
}

#[test]
fn files_that_cannot_be_read_say_so() {
    let error = |bytes: &[u8]| read("f", Cursor::new(bytes.to_vec()), Limits::default()).err().unwrap().code;
    assert_eq!(error(b""), ErrorCode::InputEmpty);
    assert_eq!(error(&gzip(b"")), ErrorCode::InputEmpty);
    assert_eq!(error(b"PK\x03\x04zip"), ErrorCode::InputFormat);
    assert_eq!(error(b"\xD4\xC3\xB2\xA1\x02\x00"), ErrorCode::InputFormat);
    assert_eq!(error(b"\x1F\x8B\x08"), ErrorCode::InputFormat);
    let open = |path: &str| keyacct_io::container::open(path.as_ref(), Limits::default()).err().unwrap().code;
    assert_eq!(open("no/such/file.pcap"), ErrorCode::InputNotFound);
    assert_eq!(open("."), ErrorCode::InputUnreadable);
}
