//! What every link frame can do. A frame is a view on bytes that never copies.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::ops::RangeInclusive;

use crate::error::Fault;
use crate::protocol::Protocol;
use crate::visit::Name;

/// What the first bytes at a possible frame start tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// No frame begins here.
    No,
    /// Cannot be told before this many bytes are there.
    Need(usize),
    /// If this is a frame, it is this long.
    Len(usize),
}

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Master to device (`request`; `downlink` for terminals).
    Down,
    /// Device to master (`response`; `uplink` for terminals).
    Up,
}

/// A link frame of one protocol family.
///
/// `probe` and `parse` are called by the one [`crate::Deframer`]; they look at bytes only, keep no state and never wait.
pub trait Frame<'a>: Sized {
    /// The byte every frame begins with; none where there is no such byte (Modbus).
    const START: Option<u8>;
    /// Length of a whole frame in bytes.
    const LEN: RangeInclusive<usize>;

    /// Reads the header only: is a frame possible here, and how long is it? Must not read further than the header.
    fn probe(at_start: &[u8]) -> Probe;

    /// Checks length fields, checksums and end byte of exactly one frame.
    ///
    /// # Errors
    /// The first rule that is broken; the cheap ones are asked first.
    fn parse(frame: &'a [u8]) -> Result<Self, Fault>;

    /// The view of bytes that [`Frame::parse`] has accepted before; checks nothing again.
    fn view(frame: &'a [u8]) -> Self;

    /// The protocol by the frame alone, where a family has several (DL/T 645 by function code).
    fn protocol(&self) -> Protocol;

    /// Who sends, where the frame tells.
    fn direction(&self) -> Option<Direction>;

    /// The device's address in reading order.
    fn address(&self) -> Address;

    /// The data field, transparent: offsets such as 33H removed.
    fn payload(&self) -> Cow<'a, [u8]>;

    /// The likely cause when a line holds no valid frame at all, where that is cheap to see.
    fn advise(_line: &[u8]) -> Option<Name> {
        None
    }
}

/// A device address in reading order, up to 40 characters, kept without a heap.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Address {
    len: u8,
    text: [u8; Address::MAX],
}

impl Address {
    /// Longest address: 16 bytes of 698.45 in hex, with a point number.
    pub const MAX: usize = 40;

    /// No address.
    pub const NONE: Address = Address { len: 0, text: [0; Address::MAX] };

    /// The hex digits of bytes that are sent lowest first.
    pub fn from_reversed(bytes: &[u8]) -> Address {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        let mut address = Address::NONE;
        for byte in bytes.iter().rev().take(Self::MAX / 2) {
            let at = usize::from(address.len);
            address.text[at] = HEX[usize::from(byte >> 4)];
            address.text[at + 1] = HEX[usize::from(byte & 15)];
            address.len += 2;
        }
        address
    }

    /// The characters.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[..usize::from(self.len)]
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl std::hash::Hash for Address {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write(self.as_bytes()); // the bytes behind the text are always zero, so equal addresses hash equally
    }
}

impl Write for Address {
    /// Appends; what does not fit is cut, so an address is never longer than it can be.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes().filter(u8::is_ascii) {
            if usize::from(self.len) < Self::MAX {
                self.text[usize::from(self.len)] = byte;
                self.len += 1;
            }
        }
        Ok(())
    }
}

impl From<&str> for Address {
    fn from(text: &str) -> Address {
        let mut address = Address::NONE;
        let _ = address.write_str(text);
        address
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.as_str())
    }
}
