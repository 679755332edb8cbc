//! Any APDU, bare and in a well-formed DL/T 698.45 frame, is described without a panic; what is accepted keeps its
//! meaning when it is written again.

use keyacct_wire::describe::{Wish, describe_line};
use keyacct_wire::dlt698_45::{Apdu, Control, FrameView, ServerAddress};
use keyacct_wire::{Expect, Frame, Protocol};

/// The first byte is the control byte, the others are the APDU.
pub fn run(input: &[u8]) {
    let Some((control, data)) = input.split_first() else { return };
    let server = ServerAddress::single("000000000001").expect("hex digits");
    let wish = |expect| Wish { expect, fields: true, chinese: false };
    if let Some(frame) = FrameView::emit(Control(*control), &server, 0x10, data) {
        let expect = Expect::Only(Protocol::Dlt698_45);
        assert_eq!(describe_line(&frame, 1, wish(expect), &crate::REGISTERS).len(), 1);
    }
    if let Ok(apdu) = Apdu::parse(data) {
        let bare = wish(Expect::Bare(Protocol::Dlt698_45));
        assert_eq!(describe_line(data, 1, bare, &crate::REGISTERS).len(), 1);
        let emitted = apdu.emit();
        assert!(emitted.len() <= data.len());
        assert_eq!(Apdu::parse(&emitted).expect("what was written"), apdu);
    }
}

/// Control byte and APDU of known frames, and known APDUs.
pub fn seeds() -> Vec<Vec<u8>> {
    let inside = crate::seeds::frames("dlt698.45").into_iter().map(|line| {
        let at = line.iter().position(|byte| *byte == 0x68).unwrap_or(0);
        let end = line.iter().rposition(|byte| *byte == 0x16).map_or(line.len(), |end| end + 1);
        match line.get(at..end).and_then(|frame| FrameView::parse(frame).ok()) {
            Some(view) => [&[view.control().0][..], &view.payload()].concat(),
            None => [&[0x43][..], &line].concat(),
        }
    });
    inside.collect()
}
