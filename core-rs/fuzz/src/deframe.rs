//! Any bytes, cut anywhere: the events tile the input and do not depend on the cut.

use keyacct_wire::{Deframer, Event, Expect};

/// The first byte says where to cut the others.
pub fn run(input: &[u8]) {
    let Some((cut, bytes)) = input.split_first() else { return };
    let cut = usize::from(*cut).min(bytes.len());
    let (mut whole, mut cut_up) = ((0, 0), (0, 0));
    Deframer::new(Expect::Auto).whole(bytes, |event| cover(event, &mut whole));
    let mut deframer = Deframer::new(Expect::Auto);
    deframer.push(&bytes[..cut], |event| cover(event, &mut cut_up));
    deframer.push(&bytes[cut..], |event| cover(event, &mut cut_up));
    deframer.finish(|event| cover(event, &mut cut_up));
    assert_eq!(whole, cut_up);
    assert_eq!(whole.0, bytes.len() as u64);
}

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

/// Frames of every protocol, alone and in a row, cut somewhere.
pub fn seeds() -> Vec<Vec<u8>> {
    let frames = crate::seeds::all_frames();
    let rows = frames.chunks(4).map(|four| four.concat());
    frames.iter().cloned().chain(rows).map(|bytes| [&[9][..], &bytes].concat()).collect()
}
