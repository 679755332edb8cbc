//! Any data in a well-formed Q/GDW 1376.1 frame is described without a panic, and the frame is built again as it was.
#![no_main]

use std::sync::LazyLock;

use keyacct_wire::describe::{Wish, describe_line};
use keyacct_wire::gdw1376_1::{Control, Message, SeqField, TerminalAddress};
use keyacct_wire::registers::Registers;
use keyacct_wire::{Expect, Protocol};
use libfuzzer_sys::fuzz_target;

static REGISTERS: LazyLock<Registers> =
    LazyLock::new(|| Registers::embedded().expect("the built-in rows are checked at build time"));

fuzz_target!(|input: &[u8]| {
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
    let objects = describe_line(&bytes, 1, wish, &REGISTERS);
    assert_eq!(objects.len(), 1);
    assert_eq!(Message::parse(&bytes).as_ref(), Ok(&message));
});
