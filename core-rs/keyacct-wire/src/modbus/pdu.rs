//! The protocol data unit: function code and data, without the frame around it. Lengths follow from the data alone.

use crate::frame::Direction;

/// Longest PDU of the specification.
pub const LONGEST: usize = 253;
/// Most registers of one read (clause 6.3).
const READ_REGISTERS: u16 = 125;
/// Most coils of one read (clause 6.1).
const READ_BITS: u16 = 2000;

/// How long a PDU is, as far as its first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// This is no such PDU.
    No,
    /// Cannot be told before this many bytes are there.
    Need(usize),
    /// This long.
    Is(usize),
}

/// A PDU that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pdu<'a> {
    bytes: &'a [u8],
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// Whether the quantity of a request is one that a device may be asked for; its bytes must be there.
fn counted(pdu: &[u8], at: usize, most: u16, size: usize) -> Size {
    match word(pdu, at) {
        Some(count) if (1..=most).contains(&count) => Size::Is(size),
        Some(_) => Size::No,
        None => Size::Need(at + 2),
    }
}

/// A count of data bytes at `at`, `unit` bytes each.
fn bytes_at(pdu: &[u8], at: usize, unit: usize) -> Size {
    match pdu.get(at).map(|count| usize::from(*count)) {
        Some(count) if count > 0 && count % unit == 0 && at + 1 + count <= LONGEST => {
            Size::Is(at + 1 + count)
        }
        Some(_) => Size::No,
        None => Size::Need(at + 1),
    }
}

/// A quantity at `at`, behind it the count of data bytes that fits it.
fn counted_bytes(pdu: &[u8], at: usize, most: u16, bytes: fn(u16) -> usize) -> Size {
    let Some(count) = word(pdu, at) else { return Size::Need(at + 3) };
    match pdu.get(at + 2) {
        _ if !(1..=most).contains(&count) => Size::No,
        None => Size::Need(at + 3),
        Some(stated) if usize::from(*stated) == bytes(count) => Size::Is(at + 3 + bytes(count)),
        Some(_) => Size::No,
    }
}

/// Length of a request that begins with these bytes.
pub fn request_size(pdu: &[u8]) -> Size {
    match pdu.first() {
        None => Size::Need(1),
        Some(0x01 | 0x02) => counted(pdu, 3, READ_BITS, 5),
        Some(0x03 | 0x04) => counted(pdu, 3, READ_REGISTERS, 5),
        Some(0x05) => match word(pdu, 3) {
            Some(0x0000 | 0xFF00) => Size::Is(5),
            Some(_) => Size::No,
            None => Size::Need(5),
        },
        Some(0x06) => Size::Is(5),
        Some(0x07 | 0x0B | 0x0C | 0x11) => Size::Is(1),
        Some(0x08) => Size::Is(5),
        Some(0x0F) => counted_bytes(pdu, 3, 1968, |count| usize::from(count).div_ceil(8)),
        Some(0x10) => counted_bytes(pdu, 3, 123, |count| usize::from(count) * 2),
        Some(0x16) => Size::Is(7),
        Some(0x17) => match counted(pdu, 3, READ_REGISTERS, 0) {
            Size::Is(_) => counted_bytes(pdu, 7, 121, |count| usize::from(count) * 2),
            other => other,
        },
        Some(0x2B) => match (pdu.get(1), pdu.get(2)) {
            (None, _) => Size::Need(3),
            (Some(0x0E), None) => Size::Need(3),
            (Some(0x0E), Some(1..=4)) => Size::Is(4),
            _ => Size::No,
        },
        Some(_) => Size::No,
    }
}

/// Length of a reply that begins with these bytes.
pub fn reply_size(pdu: &[u8]) -> Size {
    match pdu.first() {
        None => Size::Need(1),
        Some(0x01 | 0x02 | 0x0C | 0x11) => bytes_at(pdu, 1, 1),
        Some(0x03 | 0x04 | 0x17) => bytes_at(pdu, 1, 2),
        Some(0x05 | 0x06 | 0x08 | 0x16) => request_size(pdu),
        Some(0x07) => Size::Is(2),
        Some(0x0B) => Size::Is(5),
        Some(0x0F) => counted(pdu, 3, 1968, 5),
        Some(0x10) => counted(pdu, 3, 123, 5),
        Some(0x2B) => identification_size(pdu),
        Some(0x81..=0x8C | 0x8F..=0x91 | 0x96 | 0x97 | 0xAB) => match pdu.get(1) {
            None => Size::Need(2),
            Some(1..=0x0B) => Size::Is(2),
            Some(_) => Size::No,
        },
        Some(_) => Size::No,
    }
}

/// Read device identification: objects with a length each.
fn identification_size(pdu: &[u8]) -> Size {
    if pdu.len() < 7 {
        return if pdu.get(1).is_none_or(|kind| *kind == 0x0E) { Size::Need(7) } else { Size::No };
    }
    if pdu[1] != 0x0E || !(1..=4).contains(&pdu[2]) {
        return Size::No;
    }
    let mut at = 7;
    for _ in 0..pdu[6] {
        match pdu.get(at + 1) {
            Some(length) => at += 2 + usize::from(*length),
            None => return Size::Need(at + 2),
        }
        if at > LONGEST {
            return Size::No;
        }
    }
    Size::Is(at)
}

impl<'a> Pdu<'a> {
    /// The PDU of exactly these bytes; none when their number does not fit what they say.
    pub fn parse(bytes: &'a [u8]) -> Option<Pdu<'a>> {
        let whole = [request_size(bytes), reply_size(bytes)].contains(&Size::Is(bytes.len()));
        whole.then_some(Pdu { bytes })
    }

    /// The PDU of bytes that have been accepted before.
    pub fn view(bytes: &'a [u8]) -> Pdu<'a> {
        Pdu { bytes }
    }

    /// All bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The function code as sent; 80H and more in an exception.
    pub fn function(&self) -> u8 {
        self.bytes.first().copied().unwrap_or(0)
    }

    /// The function that was asked for.
    pub fn asked(&self) -> u8 {
        self.function() & 0x7F
    }

    /// The exception code of an abnormal reply.
    pub fn exception(&self) -> Option<u8> {
        if self.function() < 0x80 { None } else { self.bytes.get(1).copied() }
    }

    /// Who sends, where the bytes tell: a write of one value is answered with itself. Where both fit (a reply with
    /// three bytes of coils), it is taken for a request.
    pub fn direction(&self) -> Option<Direction> {
        let whole = Size::Is(self.bytes.len());
        match (request_size(self.bytes) == whole, reply_size(self.bytes) == whole) {
            (true, true) if matches!(self.function(), 0x05 | 0x06 | 0x08 | 0x16) => None,
            (true, _) => Some(Direction::Down),
            (false, true) => Some(Direction::Up),
            (false, false) => None,
        }
    }

    /// The 16-bit field at an offset.
    pub fn word(&self, at: usize) -> Option<u16> {
        word(self.bytes, at)
    }
}
