//! Any bytes as Modbus, alone and behind a request for them: described without a panic, the events tile the input.

use keyacct_wire::describe::{Wish, describe_line};
use keyacct_wire::{Deframer, Event, Expect, Protocol, modbus};

/// A stream; and the first byte as a number of registers, the others as what they hold.
pub fn run(input: &[u8]) {
    let Some((count, data)) = input.split_first() else { return };
    for protocol in [Protocol::ModbusRtu, Protocol::ModbusTcp] {
        let mut covered = 0;
        Deframer::new(Expect::Only(protocol)).whole(input, |event| match event {
            Event::Frame { offset, bytes, .. } => covered = offset + bytes.len() as u64,
            Event::Noise { offset, length } => covered = offset + length,
            Event::Invalid(_) => {}
        });
        assert_eq!(covered, input.len() as u64);
    }
    let Some(read) = modbus::read(4, 0, u16::from(*count)) else { return };
    let registers: Vec<u16> =
        data.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    let Some(answer) = modbus::read_registers_answer(4, &registers) else { return };
    let stream = [modbus::rtu(1, &read), modbus::rtu(1, &answer)].concat();
    let wish = Wish { expect: Expect::Only(Protocol::ModbusRtu), fields: true, chinese: false };
    assert!(!describe_line(&stream, 1, wish, &crate::REGISTERS).is_empty());
}

/// Known frames.
pub fn seeds() -> Vec<Vec<u8>> {
    crate::seeds::frames("modbus")
}
