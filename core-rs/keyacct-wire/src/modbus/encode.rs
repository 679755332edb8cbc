//! Building frames: PDUs of requests and answers, and the two frames around them.

use super::pdu::LONGEST;
use crate::checksum::crc16_modbus;

/// A PDU in an RTU frame.
pub fn rtu(unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(pdu.len() + 3);
    frame.push(unit);
    frame.extend_from_slice(pdu);
    frame.extend(crc16_modbus(&frame).to_le_bytes());
    frame
}

/// A PDU in a TCP frame; none when it is longer than a PDU can be.
pub fn tcp(transaction: u16, unit: u8, pdu: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(pdu.len() + 1).ok().filter(|_| pdu.len() <= LONGEST)?;
    let mut frame = Vec::with_capacity(pdu.len() + 7);
    frame.extend(transaction.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(length.to_be_bytes());
    frame.push(unit);
    frame.extend_from_slice(pdu);
    Some(frame)
}

pub(super) fn words(function: u8, words: &[u16]) -> Vec<u8> {
    std::iter::once(function).chain(words.iter().flat_map(|word| word.to_be_bytes())).collect()
}

/// A read (functions 01 to 04); none when a device may not be asked for so many.
pub fn read(function: u8, address: u16, count: u16) -> Option<Vec<u8>> {
    let pdu = words(function, &[address, count]);
    let most = matches!(function, 0x01..=0x04) && super::pdu::request_size(&pdu) == super::pdu::Size::Is(5);
    most.then_some(pdu)
}

/// The answer to a read of registers (functions 03, 04, 17H).
pub fn read_registers_answer(function: u8, registers: &[u16]) -> Option<Vec<u8>> {
    let count = u8::try_from(registers.len() * 2).ok().filter(|count| (2..=250).contains(count))?;
    let data = registers.iter().flat_map(|word| word.to_be_bytes());
    Some([function, count].into_iter().chain(data).collect())
}

/// The answer to a read of coils or inputs (functions 01, 02), lowest bit first.
pub fn read_bits_answer(function: u8, bits: &[bool]) -> Option<Vec<u8>> {
    let packed = pack(bits);
    let count = u8::try_from(packed.len()).ok().filter(|count| (1..=250).contains(count))?;
    Some([function, count].into_iter().chain(packed).collect())
}

fn pack(bits: &[bool]) -> Vec<u8> {
    let byte = |part: &[bool]| part.iter().enumerate().fold(0, |byte, (n, bit)| byte | u8::from(*bit) << n);
    bits.chunks(8).map(byte).collect()
}

/// A write of one value (06; 05 with FF00H or 0000H), which is also its answer.
pub fn write_one(function: u8, address: u16, value: u16) -> Vec<u8> {
    words(function, &[address, value])
}

/// A write of registers (10H); its answer is `words` of address and count.
pub fn write_registers(address: u16, registers: &[u16]) -> Option<Vec<u8>> {
    let count = u16::try_from(registers.len()).ok().filter(|count| (1..=123).contains(count))?;
    let mut pdu = words(0x10, &[address, count]);
    pdu.push((count * 2) as u8);
    pdu.extend(registers.iter().flat_map(|word| word.to_be_bytes()));
    Some(pdu)
}

/// A write of coils (0FH), lowest bit first; its answer is `words` of address and count.
pub fn write_coils(address: u16, bits: &[bool]) -> Option<Vec<u8>> {
    let count = u16::try_from(bits.len()).ok().filter(|count| (1..=1968).contains(count))?;
    let packed = pack(bits);
    let mut pdu = words(0x0F, &[address, count]);
    pdu.push(packed.len() as u8);
    pdu.extend(packed);
    Some(pdu)
}

/// A read and a write of registers in one (17H); the write comes first.
pub fn read_write(address: u16, count: u16, write_address: u16, registers: &[u16]) -> Option<Vec<u8>> {
    let written = u16::try_from(registers.len()).ok().filter(|count| (1..=121).contains(count))?;
    if !(1..=125).contains(&count) {
        return None;
    }
    let mut pdu = words(0x17, &[address, count, write_address, written]);
    pdu.push((written * 2) as u8);
    pdu.extend(registers.iter().flat_map(|word| word.to_be_bytes()));
    Some(pdu)
}

/// A change of single bits of a register (16H), which is also its answer.
pub fn mask_write(address: u16, and: u16, or: u16) -> Vec<u8> {
    words(0x16, &[address, and, or])
}

/// An exception to a function.
pub fn exception(function: u8, code: u8) -> Vec<u8> {
    vec![function | 0x80, code]
}
