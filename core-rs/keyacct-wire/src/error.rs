//! What is wrong with a frame, and at which byte.

use std::fmt;

/// What is wrong with the bytes that looked like a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The byte is not the start byte of the frame.
    Start {
        /// The byte that is there.
        found: u8,
    },
    /// The second start byte is missing.
    SecondStart {
        /// The byte that is there.
        found: u8,
    },
    /// A length field that no frame can have, or two copies that differ.
    Length {
        /// What the field says.
        found: usize,
    },
    /// The input ends before the frame does.
    Truncated {
        /// Bytes that the frame needs, as far as its header tells.
        needed: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// The end byte is missing.
    End {
        /// The byte that is there.
        found: u8,
    },
    /// The sum over the frame differs from the checksum byte.
    Checksum {
        /// As sent.
        found: u16,
        /// As computed.
        computed: u16,
    },
    /// The check sequence of the header differs (HCS).
    HeaderChecksum {
        /// As sent.
        found: u16,
        /// As computed.
        computed: u16,
    },
    /// Any other rule of the frame that is broken.
    Rule(&'static str),
}

/// A fault and the byte offset at which the frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WireError {
    /// Offset of the frame's first byte in the input.
    pub offset: u64,
    /// What is wrong.
    pub fault: Fault,
}

impl Fault {
    /// Stable code of the cause; tallies count by it.
    pub const fn code(self) -> &'static str {
        match self {
            Fault::Start { .. } => "frame.no_start",
            Fault::SecondStart { .. } => "frame.second_start",
            Fault::Length { .. } => "frame.length",
            Fault::Truncated { .. } => "frame.truncated",
            Fault::End { .. } => "frame.end_byte",
            Fault::Checksum { .. } => "frame.checksum",
            Fault::HeaderChecksum { .. } => "frame.header_checksum",
            Fault::Rule(_) => "frame.rule",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Fault::Start { found } => write!(f, "no start byte: {found:02X}H is there"),
            Fault::SecondStart { found } => write!(f, "second start byte missing: {found:02X}H is there"),
            Fault::Length { found } => write!(f, "the length field says {found}, which no frame can have"),
            Fault::Truncated { needed, found } => {
                write!(f, "the frame needs {needed} bytes, only {found} are there")
            }
            Fault::End { found } => write!(f, "end byte 16H missing: {found:02X}H is there"),
            Fault::Checksum { found, computed } if found < 256 && computed < 256 => {
                write!(f, "checksum {found:02X}H, computed {computed:02X}H")
            }
            Fault::Checksum { found, computed } => {
                write!(f, "checksum {found:04X}H, computed {computed:04X}H")
            }
            Fault::HeaderChecksum { found, computed } => {
                write!(f, "header checksum {found:04X}H, computed {computed:04X}H")
            }
            Fault::Rule(rule) => f.write_str(rule),
        }
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, frame at byte {}", self.fault, self.offset)
    }
}

impl std::error::Error for WireError {}
