//! Frames found in public material: a frame that is built from its parsed meaning is the frame that was captured.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may fail loudly

use keyacct_wire::dlt645::Message;
use keyacct_wire::{Deframer, Event, Expect, Protocol, hex};

const DLT645_2007: &str = include_str!("../../../fixtures/frames/dlt645-2007.jsonl");

/// The hex of every line; the values are compared by `tests/wire/test_corpus.py`.
fn streams(file: &str) -> impl Iterator<Item = Vec<u8>> {
    file.lines().map(|line| {
        let text = line.split("\"hex\": \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        hex::decode(text).unwrap()
    })
}

#[test]
fn captured_645_frames_are_built_again_byte_by_byte() {
    let mut count = 0;
    for bytes in streams(DLT645_2007) {
        Deframer::new(Expect::Only(Protocol::Dlt645_2007)).whole(&bytes, |event| {
            if let Event::Frame { bytes, .. } = event {
                assert_eq!(Message::parse(bytes).unwrap().emit(), bytes);
                count += 1;
            }
        });
    }
    assert!(count >= 200, "only {count} frames in the corpus");
}
