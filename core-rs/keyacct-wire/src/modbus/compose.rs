//! A message, as decoding publishes it, becomes a frame.

use super::encode::{
    exception, mask_write, read, read_bits_answer, read_registers_answer, rtu, tcp, write_one,
    write_registers,
};
use super::pdu::{LONGEST, Pdu};
use crate::given::{Composed, Given, misfit, within};
use crate::protocol::Protocol;

/// The frame of a message: `unit`, `function`, over TCP `transaction`, and what the function has: of a request `address`
/// with `count`, `value`, `registers`, `coils` or `and_mask` and `or_mask` (23: `write_address` and `registers` too); of a
/// reply `registers` or `coils` (also as `bits`) without address, `address` and `count`, or `exception`; of the others
/// `sub_function`, `value`, `event_count` and `payload` as decoding shows them. Or `pdu` in hex.
///
/// # Errors
/// The key that does not fit.
pub fn compose(protocol: Protocol, message: &Given) -> Composed<Vec<u8>> {
    let unit = message.int("unit", 255, None)? as u8;
    let pdu = match message.bytes("pdu", None)? {
        Some(pdu) => pdu,
        None => pdu(message)?,
    };
    if pdu.len() > LONGEST || Pdu::parse(&pdu).is_none() {
        return misfit(
            "function",
            "its parts are no legal message of this function: see the specification's limits",
        );
    }
    if protocol == Protocol::ModbusRtu {
        return Ok(rtu(unit, &pdu));
    }
    let transaction = message.int("transaction", 0xFFFF, Some(0))? as u16;
    tcp(transaction, unit, &pdu).map_or_else(|| misfit("function", "the message is too long"), Ok)
}

fn pdu(message: &Given) -> Composed<Vec<u8>> {
    let function = message.int("function", 255, None)? as u8;
    if message.get("exception").is_some() {
        return Ok(exception(function, message.int("exception", 255, None)? as u8));
    }
    let word = |key: &str| message.int(key, 0xFFFF, None).map(|n| n as u16);
    let words = || within("registers", message.need("registers")?.each(|n| Ok(n.whole(0, 0xFFFF)? as u16)));
    // Decoding shows `bits`: of coils and of inputs.
    let key = if message.get("bits").is_some() { "bits" } else { "coils" };
    let bits = || within(key, message.need(key)?.each(|n| Ok(n.whole(0, 1)? == 1)));
    let counted = |given: usize| match message.int("count", 0xFFFF, Some(given as i64))? {
        count if count == given as i64 => Ok(()),
        _ => misfit("count", format!("is not that of the values, {given}")),
    };
    let payload = message.bytes("payload", None)?;
    let is_request = message.get("address").is_some();
    let made = match (function, is_request) {
        (1..=4, true) => read(function, word("address")?, word("count")?),
        (1 | 2, false) => read_bits_answer(function, &bits()?),
        (3 | 4 | 0x17, false) => read_registers_answer(function, &words()?),
        (5 | 6, _) => Some(write_one(function, word("address")?, word("value")?)),
        (0x0F, true) if message.get(key).is_some() => {
            let bits = bits()?;
            counted(bits.len())?;
            super::encode::write_coils(word("address")?, &bits)
        }
        (0x10, true) if message.get("registers").is_some() => {
            let words = words()?;
            counted(words.len())?;
            write_registers(word("address")?, &words)
        }
        (0x0F | 0x10, true) => Some(super::encode::words(function, &[word("address")?, word("count")?])),
        (0x08, _) => Some(super::encode::words(function, &[word("sub_function")?, word("value")?])),
        (0x0B, _) if message.get("value").is_some() => {
            Some(super::encode::words(function, &[word("value")?, word("event_count")?]))
        }
        (0x07 | 0x0B | 0x0C | 0x11, _) => Some(match payload {
            None => vec![function],
            Some(status) if function == 0x07 => [vec![function], status].concat(),
            Some(data) => [vec![function, data.len() as u8], data].concat(),
        }),
        (0x16, _) => Some(mask_write(word("address")?, word("and_mask")?, word("or_mask")?)),
        (0x17, true) => {
            super::encode::read_write(word("address")?, word("count")?, word("write_address")?, &words()?)
        }
        _ => return misfit("function", "give the PDU in hex as `pdu`"),
    };
    made.map_or_else(|| misfit("function", "more registers or coils than it may have"), Ok)
}
