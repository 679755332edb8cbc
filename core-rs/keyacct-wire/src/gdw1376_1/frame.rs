//! The link frame of Q/GDW 1376.1.
//!
//! What devices do differently: FEH before the frame on serial lines; D4 of an uplink control byte set; the master's
//! station number not echoed; the two low bits of L zero.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::RangeInclusive;

use crate::checksum::sum8;
use crate::error::Fault;
use crate::frame::{Address, Direction, Frame, Probe};
use crate::protocol::Protocol;
use crate::visit::Name;

mod field {
    use std::ops::Range;
    pub const START: usize = 0;
    pub const LENGTH: Range<usize> = 1..3;
    pub const LENGTH_COPY: Range<usize> = 3..5;
    pub const SECOND_START: usize = 5;
    pub const CONTROL: usize = 6;
    pub const ADDRESS: Range<usize> = 7..12;
    pub const AFN: usize = 12;
    pub const SEQ: usize = 13;
    pub const DATA: usize = 14;
    /// Checksum and end byte behind the data.
    pub const TRAILER: usize = 2;
    /// Bytes that L does not count: two start bytes, both copies of L, checksum and end byte.
    pub const AROUND: usize = 8;
}

const START_BYTE: u8 = 0x68;
const END_BYTE: u8 = 0x16;
/// C, A, AFN and SEQ.
const SHORTEST_USER: usize = 8;
const LONGEST_USER: usize = 0x3FFF;

/// Edition by the low two bits of L.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Edition {
    /// Q/GDW 130-2005: passwords of 2 bytes, meter indexes of 1 byte.
    Gdw130,
    /// Q/GDW 376.1 and 1376.1, also what says nothing.
    Gdw1376,
}

impl Edition {
    /// Bytes of the password in AUX.
    pub const fn password_len(self) -> usize {
        match self {
            Edition::Gdw130 => 2,
            Edition::Gdw1376 => 16,
        }
    }

    /// The one that this is not.
    pub const fn other(self) -> Edition {
        match self {
            Edition::Gdw130 => Edition::Gdw1376,
            Edition::Gdw1376 => Edition::Gdw130,
        }
    }
}

/// The control byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Control(pub u8);

impl Control {
    /// Who sends.
    pub const fn direction(self) -> Direction {
        if self.0 & 0x80 == 0 { Direction::Down } else { Direction::Up }
    }

    /// Whether the sender has begun the exchange.
    pub const fn is_initiator(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// D5: frame count bit (downlink), or "an important event waits" (uplink).
    pub const fn bit5(self) -> u8 {
        self.0 >> 5 & 1
    }

    /// D4: frame count valid (downlink); reserved uplink.
    pub const fn bit4(self) -> u8 {
        self.0 >> 4 & 1
    }

    /// Whether event counters stand in AUX.
    pub const fn has_event_counters(self) -> bool {
        self.0 & 0xA0 == 0xA0
    }

    /// Function code.
    pub const fn function(self) -> u8 {
        self.0 & 0x0F
    }
}

/// Address of a terminal and the master's station number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TerminalAddress {
    /// Region, four BCD digits as bytes in reading order: 9612 is 0x9612.
    pub region: u16,
    /// Terminal, binary; printed as four hex digits.
    pub terminal: u16,
    /// Whether it is a group address.
    pub group: bool,
    /// Station number 0..=127 of the master, echoed in answers.
    pub master: u8,
}

impl TerminalAddress {
    /// The five bytes of A.
    pub fn bytes(self) -> [u8; 5] {
        let ([a, b], [c, d]) = (self.region.to_le_bytes(), self.terminal.to_le_bytes());
        [a, b, c, d, self.master << 1 | u8::from(self.group)]
    }

    /// The address of the five bytes of A.
    pub fn from_bytes(bytes: [u8; 5]) -> TerminalAddress {
        let [a, b, c, d, e] = bytes;
        TerminalAddress {
            region: u16::from_le_bytes([a, b]),
            terminal: u16::from_le_bytes([c, d]),
            group: e & 1 == 1,
            master: e >> 1,
        }
    }

    /// From reading order, `9612-3456`; the master's station number is given apart.
    pub fn parse(text: &str, master: u8) -> Option<TerminalAddress> {
        let (region, terminal) = text.split_once('-')?;
        let number = |t: &str| if t.len() == 4 { u16::from_str_radix(t, 16).ok() } else { None };
        Some(TerminalAddress {
            region: number(region)?,
            terminal: number(terminal)?,
            group: false,
            master: master & 0x7F,
        })
    }
}

/// Bytes of a whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameView<'a> {
    bytes: &'a [u8],
}

impl<'a> FrameView<'a> {
    /// Offset of the first data byte.
    pub const DATA: usize = field::DATA;

    /// All bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The control byte.
    pub fn control(&self) -> Control {
        Control(self.bytes[field::CONTROL])
    }

    /// The low two bits of L as sent.
    pub fn protocol_id(&self) -> u8 {
        self.bytes[field::LENGTH.start] & 3
    }

    /// The edition.
    pub fn edition(&self) -> Edition {
        if self.protocol_id() == 1 { Edition::Gdw130 } else { Edition::Gdw1376 }
    }

    /// The address.
    pub fn terminal(&self) -> TerminalAddress {
        let mut bytes = [0; 5];
        bytes.copy_from_slice(&self.bytes[field::ADDRESS]);
        TerminalAddress::from_bytes(bytes)
    }

    /// The function code of the application layer.
    pub fn afn(&self) -> u8 {
        self.bytes[field::AFN]
    }

    /// The sequence byte.
    pub fn seq(&self) -> super::afn::SeqField {
        super::afn::SeqField(self.bytes[field::SEQ])
    }

    /// Data units and AUX.
    pub fn data(&self) -> &'a [u8] {
        &self.bytes[field::DATA..self.bytes.len() - field::TRAILER]
    }

    /// Builds a frame from its parts; `data` are data units and AUX. None when that is longer than a frame can be.
    pub fn emit(
        protocol_id: u8,
        control: Control,
        address: TerminalAddress,
        afn: u8,
        seq: super::afn::SeqField,
        data: &[u8],
    ) -> Option<Vec<u8>> {
        let user = SHORTEST_USER + data.len();
        if user > LONGEST_USER {
            return None;
        }
        let [low, high] = ((user as u16) << 2 | u16::from(protocol_id & 3)).to_le_bytes();
        let mut bytes = Vec::with_capacity(user + field::AROUND);
        bytes.extend([START_BYTE, low, high, low, high, START_BYTE, control.0]);
        bytes.extend(address.bytes());
        bytes.extend([afn, seq.0]);
        bytes.extend_from_slice(data);
        bytes.extend([sum8(&bytes[field::CONTROL..]), END_BYTE]);
        Some(bytes)
    }
}

impl<'a> Frame<'a> for FrameView<'a> {
    const START: Option<u8> = Some(START_BYTE);
    const LEN: RangeInclusive<usize> = SHORTEST_USER + field::AROUND..=LONGEST_USER + field::AROUND;

    fn probe(at_start: &[u8]) -> Probe {
        match *at_start {
            [START_BYTE, a, b, c, d, START_BYTE, ..] if (a, b) == (c, d) => {
                match usize::from(u16::from_le_bytes([a, b]) >> 2) {
                    ..SHORTEST_USER => Probe::No,
                    user => Probe::Len(user + field::AROUND),
                }
            }
            [START_BYTE, _, _, _, _, _, ..] => Probe::No,
            [START_BYTE, a, _, c, ..] if a != c => Probe::No,
            [START_BYTE, _, b, _, d] if b != d => Probe::No,
            [START_BYTE, ..] => Probe::Need(field::CONTROL),
            _ => Probe::No,
        }
    }

    fn parse(frame: &'a [u8]) -> Result<Self, Fault> {
        let needed = match Self::probe(frame) {
            Probe::Len(needed) => needed,
            Probe::Need(needed) => return Err(Fault::Truncated { needed, found: frame.len() }),
            Probe::No => return Err(no_header(frame)),
        };
        if frame.len() < needed {
            return Err(Fault::Truncated { needed, found: frame.len() });
        }
        if frame.len() > needed {
            return Err(Fault::Length { found: needed - field::AROUND });
        }
        let (body, trailer) = frame.split_at(needed - field::TRAILER);
        if trailer[1] != END_BYTE {
            return Err(Fault::End { found: trailer[1] });
        }
        let computed = sum8(&body[field::CONTROL..]);
        if trailer[0] != computed {
            return Err(Fault::Checksum { found: trailer[0].into(), computed: computed.into() });
        }
        Ok(FrameView { bytes: frame })
    }

    fn view(frame: &'a [u8]) -> Self {
        FrameView { bytes: frame }
    }

    fn protocol(&self) -> Protocol {
        Protocol::Gdw1376_1
    }

    fn direction(&self) -> Option<Direction> {
        Some(self.control().direction())
    }

    fn address(&self) -> Address {
        let (terminal, mut address) = (self.terminal(), Address::NONE);
        let _ = write!(address, "{:04X}-{:04X}", terminal.region, terminal.terminal);
        address
    }

    fn payload(&self) -> Cow<'a, [u8]> {
        Cow::Borrowed(self.data())
    }

    fn advise(line: &[u8]) -> Option<Name> {
        super::advice::advise(line)
    }
}

/// Which rule of the header is broken.
fn no_header(frame: &[u8]) -> Fault {
    let copies = (frame.get(field::LENGTH), frame.get(field::LENGTH_COPY));
    match (frame.get(field::START), frame.get(field::SECOND_START), copies) {
        (None, ..) => Fault::Truncated { needed: SHORTEST_USER + field::AROUND, found: 0 },
        (Some(&START_BYTE), Some(&START_BYTE), (Some(length), Some(copy))) if length == copy => {
            Fault::Length { found: usize::from(u16::from_le_bytes([length[0], length[1]]) >> 2) }
        }
        (Some(&START_BYTE), Some(&START_BYTE), _) => Fault::Rule("the two copies of the length differ"),
        (Some(&START_BYTE), Some(&found), _) => Fault::SecondStart { found },
        (Some(&START_BYTE), None, _) => Fault::Rule("the two copies of the length differ"),
        (Some(&found), ..) => Fault::Start { found },
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic)] // a test may fail loudly
mod tests {
    use super::*;
    use crate::hex;

    /// Login of a terminal (corpus gs011).
    const LOGIN: &str = "683200320068C90521B2A100027900000100BE16";

    #[test]
    fn a_captured_login_parses_and_is_built_again() {
        let bytes = hex::decode(LOGIN).expect("hex");
        let frame = FrameView::parse(&bytes).expect("a captured frame");
        assert_eq!(frame.address().as_str(), "2105-A1B2");
        assert_eq!((frame.afn(), frame.seq().0, frame.control().0), (0x02, 0x79, 0xC9));
        let built = FrameView::emit(2, frame.control(), frame.terminal(), 2, frame.seq(), frame.data());
        assert_eq!(built, Some(bytes.clone()));
        assert_eq!(TerminalAddress::parse("2105-A1B2", 0), Some(frame.terminal()));
    }

    #[test]
    fn every_broken_rule_has_its_name() {
        let bytes = hex::decode(LOGIN).expect("hex");
        let with = |at: usize, byte: u8| {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            FrameView::parse(&bytes).map(|_| ())
        };
        assert_eq!(with(18, 0xBF), Err(Fault::Checksum { found: 0xBF, computed: 0xBE }));
        assert_eq!(with(19, 0x17), Err(Fault::End { found: 0x17 }));
        assert_eq!(with(5, 0x69), Err(Fault::SecondStart { found: 0x69 }));
        assert_eq!(with(3, 0x36), Err(Fault::Rule("the two copies of the length differ")));
        assert_eq!(
            FrameView::parse(&bytes[..19]).map(|_| ()),
            Err(Fault::Truncated { needed: 20, found: 19 })
        );
        assert_eq!(FrameView::probe(&[0x68, 0x1E, 0, 0x1E, 0, 0x68]), Probe::No); // 7 bytes from C on
        assert_eq!(FrameView::probe(&[0x68, 0xFF, 0xFF, 0xFF, 0xFF, 0x68]), Probe::Len(16391));
    }
}
