//! Any bytes as a capture: no panic, no more held than allowed, no byte delivered that was not given.

#![no_main]

use std::io::Cursor;

use keyacct_io::container::{Event, Limits, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
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
});
