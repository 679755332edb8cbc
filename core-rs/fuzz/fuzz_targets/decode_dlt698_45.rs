//! Any APDU, bare and in a well-formed DL/T 698.45 frame, is described without a panic; what is accepted keeps its
//! meaning when it is written again.
#![no_main]

use std::sync::LazyLock;

use keyacct_wire::describe::{Wish, describe_line};
use keyacct_wire::dlt698_45::{Apdu, Control, FrameView, ServerAddress};
use keyacct_wire::registers::Registers;
use keyacct_wire::{Expect, Protocol};
use libfuzzer_sys::fuzz_target;

static REGISTERS: LazyLock<Registers> =
    LazyLock::new(|| Registers::embedded().expect("the built-in rows are checked at build time"));

fuzz_target!(|input: &[u8]| {
    let Some((control, data)) = input.split_first() else { return };
    let server = ServerAddress::single("000000000001").expect("hex digits");
    let wish = |expect| Wish { expect, fields: true, chinese: false };
    if let Some(frame) = FrameView::emit(Control(*control), &server, 0x10, data) {
        let expect = Expect::Only(Protocol::Dlt698_45);
        assert_eq!(describe_line(&frame, 1, wish(expect), &REGISTERS).len(), 1);
    }
    if let Ok(apdu) = Apdu::parse(data) {
        assert_eq!(describe_line(data, 1, wish(Expect::Bare(Protocol::Dlt698_45)), &REGISTERS).len(), 1);
        let emitted = apdu.emit();
        assert!(emitted.len() <= data.len());
        assert_eq!(Apdu::parse(&emitted).expect("what was written"), apdu);
    }
});
