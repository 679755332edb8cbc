//! Any bytes, cut anywhere: the events tile the input and do not depend on the cut.
#![no_main]

use keyacct_wire::{Deframer, Event, Expect};
use libfuzzer_sys::fuzz_target;

/// End of what the events have covered so far, and how many frames there were.
fn cover(event: Event<'_>, covered: &mut (u64, u64)) {
    match event {
        Event::Frame { offset, preamble, bytes, .. } => {
            assert_eq!(offset, covered.0 + preamble);
            *covered = (offset + bytes.len() as u64, covered.1 + 1);
        }
        Event::Noise { offset, length } => {
            assert_eq!(offset, covered.0);
            covered.0 += length;
        }
        Event::Invalid(_) => {}
    }
}

fuzz_target!(|input: &[u8]| {
    let (cut, bytes) = match input.split_first() {
        Some((cut, bytes)) => (usize::from(*cut).min(bytes.len()), bytes),
        None => return,
    };
    let (mut whole, mut cut_up) = ((0, 0), (0, 0));
    Deframer::new(Expect::Auto).whole(bytes, |event| cover(event, &mut whole));
    let mut deframer = Deframer::new(Expect::Auto);
    deframer.push(&bytes[..cut], |event| cover(event, &mut cut_up));
    deframer.push(&bytes[cut..], |event| cover(event, &mut cut_up));
    deframer.finish(|event| cover(event, &mut cut_up));
    assert_eq!(whole, cut_up);
    assert_eq!(whole.0, bytes.len() as u64);
});
