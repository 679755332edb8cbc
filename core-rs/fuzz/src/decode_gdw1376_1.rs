//! Any data in a well-formed Q/GDW 1376.1 frame is described without a panic, and the frame is built again as it was.

use keyacct_wire::describe::{Wish, describe_line};
use keyacct_wire::gdw1376_1::{Control, Message, SeqField, TerminalAddress};
use keyacct_wire::{Expect, Protocol};

/// Protocol identifier, control byte, function code, sequence byte, data.
pub fn run(input: &[u8]) {
    let [protocol_id, control, afn, seq, data @ ..] = input else { return };
    let message = Message {
        protocol_id: protocol_id & 3,
        control: Control(*control),
        address: TerminalAddress { region: 0x9612, terminal: 0x3456, group: false, master: 1 },
        afn: *afn,
        seq: SeqField(*seq),
        data: data.to_vec(),
    };
    let Some(bytes) = message.emit() else { return };
    let wish = Wish { expect: Expect::Only(Protocol::Gdw1376_1), fields: true, chinese: false };
    assert_eq!(describe_line(&bytes, 1, wish, &crate::REGISTERS).len(), 1);
    assert_eq!(Message::parse(&bytes).as_ref(), Ok(&message));
}

/// What known frames hold.
pub fn seeds() -> Vec<Vec<u8>> {
    let inside = crate::seeds::frames("gdw1376.1").into_iter().filter_map(|line| {
        let at = line.iter().position(|byte| *byte == 0x68)?;
        let message = Message::parse(&line[at..]).ok()?;
        let head = [message.protocol_id, message.control.0, message.afn, message.seq.0];
        Some([&head[..], &message.data].concat())
    });
    inside.collect()
}
