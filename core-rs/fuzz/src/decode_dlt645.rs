//! Any data in a well-formed DL/T 645 frame of either edition is described without a panic, and the frame is built
//! again as it was.

use keyacct_wire::describe::{Wish, describe_line};
use keyacct_wire::dlt645::{Control, FrameView, Message};
use keyacct_wire::{Expect, Frame, Protocol};

/// The first byte is the control byte, the others are the data.
pub fn run(input: &[u8]) {
    let Some((control, data)) = input.split_first() else { return };
    let bytes = FrameView::emit([0x61, 1, 0, 0, 0, 0], Control(*control), data);
    for protocol in [Protocol::Dlt645_2007, Protocol::Dlt645_1997] {
        let wish = Wish { expect: Expect::Only(protocol), fields: true, chinese: false };
        assert_eq!(describe_line(&bytes, 1, wish, &crate::REGISTERS).len(), 1);
    }
    let message = Message::parse(&bytes).expect("a frame that was just built");
    assert_eq!(message.emit(), bytes);
}

/// Control byte and data of known frames.
pub fn seeds() -> Vec<Vec<u8>> {
    let frames = ["dlt645-2007", "dlt645-2007-synthetic", "dlt645-1997"].map(crate::seeds::frames).concat();
    let inside = frames.iter().filter_map(|line| {
        let at = line.iter().position(|byte| *byte == 0x68)?;
        let length = 12 + usize::from(*line.get(at + 9)?);
        let view = FrameView::parse(line.get(at..at + length)?).ok()?;
        Some([&[view.control().0][..], &view.payload()].concat())
    });
    inside.collect()
}
