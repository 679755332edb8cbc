//! Any data in a well-formed DL/T 645 frame is described without a panic, and the frame is built again as it was.
#![no_main]

use std::sync::LazyLock;

use keyacct_wire::describe::{Wish, describe_line};
use keyacct_wire::dlt645::{Control, FrameView, Message};
use keyacct_wire::registers::Registers;
use keyacct_wire::{Expect, Protocol};
use libfuzzer_sys::fuzz_target;

static REGISTERS: LazyLock<Registers> =
    LazyLock::new(|| Registers::embedded().expect("the built-in rows are checked at build time"));

fuzz_target!(|input: &[u8]| {
    let Some((control, data)) = input.split_first() else { return };
    let bytes = FrameView::emit([0x61, 1, 0, 0, 0, 0], Control(*control), data);
    let wish = Wish { expect: Expect::Only(Protocol::Dlt645_2007), fields: true, chinese: false };
    let objects = describe_line(&bytes, 1, wish, &REGISTERS);
    assert_eq!(objects.len(), 1);
    let message = Message::parse(&bytes).expect("a frame that was just built");
    assert_eq!(message.emit(), bytes);
});
