//! The link frame of DL/T 645, both editions (2007: clause 5; 1997: clause 5).
//!
//! What devices do differently: any number of FEH before the frame, also none; wildcard addresses with AA pairs; FE×6 or
//! FF×6 as address from some tools; more data bytes than the standard's 200 (read) and 50 (write).

use std::borrow::Cow;
use std::ops::RangeInclusive;

use super::control::Control;
use crate::checksum::sum8;
use crate::error::Fault;
use crate::frame::{Address, Direction, Frame, Probe};
use crate::protocol::Protocol;
use crate::visit::Name;

mod field {
    use std::ops::Range;
    pub const START: usize = 0;
    pub const ADDRESS: Range<usize> = 1..7;
    pub const SECOND_START: usize = 7;
    pub const CONTROL: usize = 8;
    pub const LENGTH: usize = 9;
    pub const DATA: usize = 10;
    /// Checksum and end byte behind the data.
    pub const TRAILER: usize = 2;
}

const START_BYTE: u8 = 0x68;
const END_BYTE: u8 = 0x16;
const OFFSET: u8 = 0x33;

/// Preamble bytes that [`next_frame`] passes over.
const MOST_PREAMBLE: usize = 8;
/// Bytes under the checksum of the frames that it takes: with 54 data bytes, which nearly all have.
const BODY: usize = 64;
/// Bytes that it looks at.
const LOOK: usize = MOST_PREAMBLE + BODY + field::TRAILER;

/// Ones, then zeros: the part that begins n bytes before the middle keeps the first n bytes of what it is laid upon.
static KEEP: [u8; 2 * BODY] = {
    let mut keep = [0; 2 * BODY];
    let mut at = 0;
    while at < BODY {
        keep[at] = 0xFF;
        at += 1;
    }
    keep
};

/// Preamble and length of a whole, valid frame that begins `bytes`, behind up to eight FEH. None for anything that needs
/// a second look: few bytes, a long frame, something else. No branch depends on what is in a valid frame, so frames of
/// changing kinds cost no mispredicted ones.
#[inline]
pub fn next_frame(bytes: &[u8]) -> Option<(usize, usize)> {
    const STARTS: u64 = 0x6800_0000_0000_0068;
    let bytes = bytes.first_chunk::<LOOK>()?;
    let word = |at: usize| bytes.get(at..)?.first_chunk::<8>().map(|b| u64::from_le_bytes(*b));
    let preamble = ((word(0)? ^ 0xFEFE_FEFE_FEFE_FEFE).trailing_zeros() / 8) as usize;
    let frame = bytes.get(preamble..)?.first_chunk::<{ BODY + field::TRAILER }>()?;
    let head = u64::from_le_bytes(*frame.first_chunk::<8>()?);
    let body = field::DATA + usize::from(frame[field::LENGTH]);
    if head & 0xFF00_0000_0000_00FF != STARTS || body > BODY || frame[body + 1] != END_BYTE {
        return None;
    }
    let counted = KEEP.get(BODY - body..)?.first_chunk::<BODY>()?;
    let sum = frame.iter().zip(counted).fold(0u8, |sum, (byte, keep)| sum.wrapping_add(byte & keep));
    (sum == frame[body]).then_some((preamble, body + field::TRAILER))
}

/// Bytes of a whole DL/T 645 frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameView<'a> {
    bytes: &'a [u8],
}

impl<'a> FrameView<'a> {
    /// Offset of the first data byte.
    pub const DATA: usize = field::DATA;

    /// The control byte.
    pub fn control(&self) -> Control {
        Control(self.bytes[field::CONTROL])
    }

    /// The six address bytes as sent, lowest first.
    pub fn address_bytes(&self) -> &'a [u8] {
        &self.bytes[field::ADDRESS]
    }

    /// The data bytes as sent, with the offset 33H.
    pub fn data(&self) -> &'a [u8] {
        &self.bytes[field::DATA..self.bytes.len() - field::TRAILER]
    }

    /// The data bytes without the offset, in a buffer of the caller.
    pub fn unmask<'b>(&self, buffer: &'b mut [u8; 255]) -> &'b [u8] {
        let data = self.data();
        for (plain, sent) in buffer.iter_mut().zip(data) {
            *plain = sent.wrapping_sub(OFFSET);
        }
        &buffer[..data.len()]
    }

    /// All bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Builds a frame from its parts; data without the offset. More than 255 data bytes are cut.
    pub fn emit(address: [u8; 6], control: Control, data: &[u8]) -> Vec<u8> {
        let data = &data[..data.len().min(255)];
        let mut bytes = Vec::with_capacity(field::DATA + data.len() + field::TRAILER);
        bytes.push(START_BYTE);
        bytes.extend(address);
        bytes.extend([START_BYTE, control.0, data.len() as u8]);
        bytes.extend(data.iter().map(|byte| byte.wrapping_add(OFFSET)));
        bytes.extend([sum8(&bytes), END_BYTE]);
        bytes
    }
}

impl<'a> Frame<'a> for FrameView<'a> {
    const START: Option<u8> = Some(START_BYTE);
    const LEN: RangeInclusive<usize> = 12..=267;

    fn probe(at_start: &[u8]) -> Probe {
        match at_start {
            [START_BYTE, ..] if at_start.len() <= field::SECOND_START => Probe::Need(field::DATA),
            [START_BYTE, _, _, _, _, _, _, START_BYTE, rest @ ..] => match rest {
                [_, length, ..] => Probe::Len(field::DATA + usize::from(*length) + field::TRAILER),
                _ => Probe::Need(field::DATA),
            },
            _ => Probe::No,
        }
    }

    fn parse(frame: &'a [u8]) -> Result<Self, Fault> {
        let needed = match Self::probe(frame) {
            Probe::Len(needed) => needed,
            Probe::Need(needed) => return Err(Fault::Truncated { needed, found: frame.len() }),
            Probe::No => {
                return Err(match frame.get(field::START) {
                    Some(&START_BYTE) => Fault::SecondStart { found: frame[field::SECOND_START] },
                    Some(&found) => Fault::Start { found },
                    None => Fault::Truncated { needed: *Self::LEN.start(), found: 0 },
                });
            }
        };
        if frame.len() < needed {
            return Err(Fault::Truncated { needed, found: frame.len() });
        }
        if frame.len() > needed {
            return Err(Fault::Length { found: usize::from(frame[field::LENGTH]) });
        }
        // The end byte first: it is one comparison, and in noise it nearly always decides.
        let (body, trailer) = frame.split_at(needed - field::TRAILER);
        if trailer[1] != END_BYTE {
            return Err(Fault::End { found: trailer[1] });
        }
        let computed = sum8(body);
        if trailer[0] != computed {
            return Err(Fault::Checksum { found: trailer[0].into(), computed: computed.into() });
        }
        Ok(FrameView { bytes: frame })
    }

    fn view(frame: &'a [u8]) -> Self {
        FrameView { bytes: frame }
    }

    fn protocol(&self) -> Protocol {
        self.control().edition()
    }

    fn direction(&self) -> Option<Direction> {
        Some(self.control().direction())
    }

    fn address(&self) -> Address {
        Address::from_reversed(self.address_bytes())
    }

    fn payload(&self) -> Cow<'a, [u8]> {
        Cow::Owned(self.data().iter().map(|byte| byte.wrapping_sub(OFFSET)).collect())
    }

    fn advise(line: &[u8]) -> Option<Name> {
        super::advice::advise(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ_VOLTAGE: [u8; 16] =
        [0x68, 0x61, 0x01, 0, 0, 0, 0, 0x68, 0x11, 0x04, 0x33, 0x34, 0x34, 0x35, 0x17, 0x16];

    #[test]
    fn a_captured_request_parses_and_is_built_again() {
        let Ok(frame) = FrameView::parse(&READ_VOLTAGE) else { unreachable!("a captured frame") };
        assert_eq!(frame.address().as_str(), "000000000161");
        assert_eq!(*frame.payload(), [0x00, 0x01, 0x01, 0x02]);
        assert_eq!(FrameView::emit([0x61, 1, 0, 0, 0, 0], frame.control(), &frame.payload()), READ_VOLTAGE);
    }

    #[test]
    fn every_broken_rule_has_its_name() {
        let mut frame = READ_VOLTAGE;
        frame[14] = 0x18;
        assert_eq!(FrameView::parse(&frame), Err(Fault::Checksum { found: 0x18, computed: 0x17 }));
        frame[15] = 0x17;
        assert_eq!(FrameView::parse(&frame), Err(Fault::End { found: 0x17 }));
        assert_eq!(FrameView::parse(&frame[..15]), Err(Fault::Truncated { needed: 16, found: 15 }));
        frame[7] = 0x69;
        assert_eq!(FrameView::parse(&frame), Err(Fault::SecondStart { found: 0x69 }));
    }
}
