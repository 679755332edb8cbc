//! Any bytes as a capture: no panic, no more held than allowed, no byte delivered that was not given.

use std::io::Cursor;

use keyacct_io::container::{Event, Limits, read};

/// Limits so small that a short input reaches them.
pub fn run(input: &[u8]) {
    let limits = Limits {
        max_output_bytes: 1 << 20,
        max_streams: 8,
        max_stream_bytes: 4_096,
        max_stream_segments: 16,
        max_total_bytes: 8_192,
        reorder_packets: 8,
        ..Limits::default()
    };
    let Ok(mut container) = read("fuzz", Cursor::new(input.to_vec()), limits) else { return };
    let mut failed = false;
    for event in container.by_ref() {
        assert!(!failed, "an error is the last thing");
        match event {
            Ok(Event::Bytes(chunk)) => assert!(chunk.bytes.len() <= 256 << 10),
            Ok(Event::End(_)) => {}
            Err(_) => failed = true,
        }
    }
    let tally = container.tally();
    assert!(tally.max_held_bytes <= 8_192);
    assert!(tally.delivered_bytes <= tally.content_bytes);
}

/// Packets of every link layer in every form of file.
pub fn seeds() -> Vec<Vec<u8>> {
    crate::seeds::packet_files()
}
