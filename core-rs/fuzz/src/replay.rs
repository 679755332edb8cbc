//! Any bytes as a capture file, from its opening to its tally: no panic, and the counts fit one another.

use std::io::Cursor;

use keyacct_io::capture::{Capture, Clock, replay};
use keyacct_wire::Expect;

/// The bytes as the content of a file.
pub fn run(input: &[u8]) {
    let Ok(mut capture) = Capture::read("fuzz", Cursor::new(input.to_vec())) else { return };
    let clock = Clock { day: Some(20_000), assumed: None };
    let Ok(outcome) = replay(&mut capture, Expect::Auto, &crate::REGISTERS, clock) else { return };
    let tally = outcome.tally;
    assert!(tally.noise_bytes <= tally.bytes);
    assert_eq!(tally.readings, outcome.readings.len());
    assert!(tally.events + tally.undated <= tally.readings * 2);
    let (_, batches) = outcome.readings.finish().expect("columns of one length");
    assert_eq!(batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>(), tally.readings);
}

/// Logs, packets, and frames as raw bytes.
pub fn seeds() -> Vec<Vec<u8>> {
    let frames = crate::seeds::all_frames();
    let rows = frames.chunks(16).map(|frames| frames.concat());
    let mut seeds: Vec<_> = rows.collect();
    seeds.extend(crate::seeds::logs().into_iter().map(|mut log| {
        log.truncate(2_000);
        log
    }));
    seeds.extend(crate::seeds::packet_files());
    seeds
}
