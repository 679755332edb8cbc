//! The link frame of DL/T 698.45 (2017, clause 6.2).
//!
//! What devices do differently: addresses of one to sixteen bytes, wildcards (nibble A) sent as single addresses, any
//! client address, FEH before the frame on serial lines. There is no byte stuffing.

use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};

use crate::checksum::{fcs16, x25};
use crate::error::Fault;
use crate::frame::{Address, Direction, Frame, Probe};
use crate::protocol::Protocol;
use crate::visit::Name;

mod field {
    use std::ops::Range;
    pub const START: usize = 0;
    pub const LENGTH: Range<usize> = 1..3;
    pub const CONTROL: usize = 3;
    pub const ADDRESS_FLAGS: usize = 4;
    pub const ADDRESS: usize = 5;
    /// Client address and check sequence of the header, behind the address.
    pub const CLIENT_AND_HCS: usize = 3;
    /// Check sequence and end byte behind the data.
    pub const TRAILER: usize = 3;
}

/// Offset of the server address.
pub const ADDRESS_AT: usize = field::ADDRESS;
const START_BYTE: u8 = 0x68;
const END_BYTE: u8 = 0x16;
const SCRAMBLE: u8 = 0x33;
/// Bits of the length field that count bytes; the two above are the KiB unit and a reserved bit.
const LENGTH_BITS: u16 = 0x3FFF;

/// The control byte: direction, who began, split, scramble, function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Control(pub u8);

impl Control {
    /// A client's request.
    pub const REQUEST: Control = Control(0x43);
    /// A server's answer to a client's request.
    pub const ANSWER: Control = Control(0xC3);
    /// A server's report.
    pub const REPORT: Control = Control(0x83);
    /// The client's answer to a report.
    pub const REPORT_ANSWER: Control = Control(0x03);
    /// A server's login, heartbeat or logout.
    pub const LINK_REQUEST: Control = Control(0x81);
    /// The client's answer to it.
    pub const LINK_ANSWER: Control = Control(0x01);

    /// Who sends.
    pub const fn direction(self) -> Direction {
        if self.0 & 0x80 == 0 { Direction::Down } else { Direction::Up }
    }

    /// Whether the exchange was begun by the client.
    pub const fn is_from_client(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// Whether the data are a part of an APDU, with a header of their own.
    pub const fn is_split(self) -> bool {
        self.0 & 0x20 != 0
    }

    /// Whether 33H is added to each byte of the data.
    pub const fn is_scrambled(self) -> bool {
        self.0 & 0x08 != 0
    }

    /// 1 link management, 3 user data.
    pub const fn function(self) -> u8 {
        self.0 & 0x07
    }

    /// The same with the split bit set.
    pub const fn split(self) -> Control {
        Control(self.0 | 0x20)
    }

    /// The same with the scramble bit set.
    pub const fn scrambled(self) -> Control {
        Control(self.0 | 0x08)
    }
}

/// Server address of a frame as sent: flags, then the bytes lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServerAddress {
    flags: u8,
    bytes: [u8; 16],
}

impl ServerAddress {
    /// A single address from its hex digits in reading order, 1..=32 of them; an odd count gets a leading zero.
    pub fn single(text: &str) -> Option<ServerAddress> {
        Self::from_flags(0, text)
    }

    /// An address of a type (0 single, 1 wildcard, 2 group, 3 broadcast) and a logical address 0..=3.
    pub fn typed(kind: u8, logical: u8, text: &str) -> Option<ServerAddress> {
        Self::from_flags((kind & 3) << 6 | (logical & 3) << 4, text)
    }

    fn from_flags(flags: u8, text: &str) -> Option<ServerAddress> {
        let even = if text.len().is_multiple_of(2) { text.to_owned() } else { format!("0{text}") };
        let given = crate::hex::decode(&even)?;
        if given.is_empty() || given.len() > 16 {
            return None;
        }
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(given.iter().rev()) {
            *to = *from;
        }
        Some(ServerAddress { flags: flags | (given.len() - 1) as u8, bytes })
    }

    fn sent(&self) -> &[u8] {
        &self.bytes[..usize::from(self.flags & 0x0F) + 1]
    }
}

/// Bytes of a whole DL/T 698.45 frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameView<'a> {
    bytes: &'a [u8],
}

/// Bytes from the start byte to the header's check sequence, by the address flags.
const fn header_size(flags: u8) -> usize {
    field::ADDRESS + (flags & 0x0F) as usize + 1 + field::CLIENT_AND_HCS
}

impl<'a> FrameView<'a> {
    /// The control byte.
    pub fn control(&self) -> Control {
        Control(self.bytes[field::CONTROL])
    }

    /// Address flags: type, logical address, length.
    pub fn address_flags(&self) -> u8 {
        self.bytes[field::ADDRESS_FLAGS]
    }

    /// Where the address bytes lie; they are sent lowest first.
    pub fn address_range(&self) -> Range<usize> {
        field::ADDRESS..self.header() - field::CLIENT_AND_HCS
    }

    /// The server address with its flags, to answer with.
    pub fn server(&self) -> ServerAddress {
        let mut bytes = [0; 16];
        let sent = &self.bytes[self.address_range()];
        bytes[..sent.len()].copy_from_slice(sent);
        ServerAddress { flags: self.address_flags(), bytes }
    }

    /// The client address.
    pub fn client(&self) -> u8 {
        self.bytes[self.header() - field::CLIENT_AND_HCS]
    }

    /// Bytes before the data.
    pub fn header(&self) -> usize {
        header_size(self.address_flags())
    }

    /// The data as sent, scrambled or not.
    pub fn data(&self) -> &'a [u8] {
        &self.bytes[self.header()..self.bytes.len() - field::TRAILER]
    }

    /// All bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Builds a frame; data plain, scrambled here if the control byte says so. None when they do not fit a frame.
    pub fn emit(control: Control, server: &ServerAddress, client: u8, data: &[u8]) -> Option<Vec<u8>> {
        let header = header_size(server.flags);
        let length = u16::try_from(header - 1 + data.len() + 2).ok().filter(|n| *n <= LENGTH_BITS)?;
        let mut bytes = Vec::with_capacity(header + data.len() + field::TRAILER);
        bytes.push(START_BYTE);
        bytes.extend(length.to_le_bytes());
        bytes.extend([control.0, server.flags]);
        bytes.extend(server.sent());
        bytes.push(client);
        bytes.extend(fcs16(&bytes[1..]).to_le_bytes());
        let shift = if control.is_scrambled() { SCRAMBLE } else { 0 };
        bytes.extend(data.iter().map(|byte| byte.wrapping_add(shift)));
        bytes.extend(fcs16(&bytes[1..]).to_le_bytes());
        bytes.push(END_BYTE);
        Some(bytes)
    }
}

/// Longest header: a server address of sixteen bytes.
const LONGEST_HEADER: usize = header_size(0x0F);

/// Preamble and length of a whole, valid frame that begins `bytes`, behind up to eight FEH; none for anything that needs a
/// second look, as one of `long` bytes or more. The data are looked at only if the header's own check sequence is right.
#[inline]
pub fn next_frame(bytes: &[u8], long: usize) -> Option<(usize, usize)> {
    let preamble = (u64::from_le_bytes(*bytes.first_chunk()?) ^ 0xFEFE_FEFE_FEFE_FEFE).trailing_zeros() / 8;
    let frame = bytes.get(preamble as usize..)?;
    let head = frame.first_chunk::<LONGEST_HEADER>()?;
    let length = u16::from_le_bytes([head[field::LENGTH.start], head[field::LENGTH.end - 1]]);
    let (header, whole) = (header_size(head[field::ADDRESS_FLAGS]), usize::from(length) + 2);
    if head[field::START] != START_BYTE || whole >= long || whole < header + field::TRAILER {
        return None;
    }
    let frame = frame.get(..whole)?;
    let sent = |at: usize| u16::from_le_bytes([frame[at], frame[at + 1]]);
    if frame[whole - 1] != END_BYTE {
        return None;
    }
    // The header's check sequence is among the bytes under that of the frame: one goes on where the other has stopped.
    let register = x25(0xFFFF, &frame[1..header - 2]);
    if !register != sent(header - 2) {
        return None;
    }
    let register = x25(register, &frame[header - 2..whole - field::TRAILER]);
    (!register == sent(whole - field::TRAILER)).then_some((preamble as usize, whole))
}

/// Check sequence as sent and as computed, where they differ.
fn differs(checked: &[u8], sent: &[u8]) -> Option<(u16, u16)> {
    let found = u16::from_le_bytes([sent[0], sent[1]]);
    let computed = fcs16(checked);
    (found != computed).then_some((found, computed))
}

impl<'a> Frame<'a> for FrameView<'a> {
    const START: Option<u8> = Some(START_BYTE);
    const LEN: RangeInclusive<usize> = 12..=LENGTH_BITS as usize + 2;

    /// The header's own check sequence decides: it bounds the length, so noise never asks for more bytes.
    fn probe(at_start: &[u8]) -> Probe {
        let Some(&flags) = at_start.get(field::ADDRESS_FLAGS) else {
            return if at_start.first() == Some(&START_BYTE) {
                Probe::Need(field::ADDRESS)
            } else {
                Probe::No
            };
        };
        let length = u16::from_le_bytes([at_start[1], at_start[2]]);
        let (header, whole) = (header_size(flags), usize::from(length) + 2);
        if at_start[field::START] != START_BYTE || length > LENGTH_BITS || whole < header + field::TRAILER {
            return Probe::No;
        }
        match at_start.get(..header) {
            None => Probe::Need(header),
            Some(all) if differs(&all[1..header - 2], &all[header - 2..]).is_some() => Probe::No,
            Some(_) => Probe::Len(whole),
        }
    }

    fn parse(frame: &'a [u8]) -> Result<Self, Fault> {
        let found = frame.len();
        match frame.first() {
            Some(&START_BYTE) if found > field::ADDRESS_FLAGS => {}
            Some(&START_BYTE) | None => return Err(Fault::Truncated { needed: *Self::LEN.start(), found }),
            Some(&found) => return Err(Fault::Start { found }),
        }
        let header = header_size(frame[field::ADDRESS_FLAGS]);
        let length = u16::from_le_bytes([frame[field::LENGTH.start], frame[field::LENGTH.end - 1]]);
        let needed = usize::from(length & LENGTH_BITS) + 2;
        if length > LENGTH_BITS || needed < header + field::TRAILER {
            return Err(Fault::Length { found: usize::from(length) });
        }
        if found < header {
            return Err(Fault::Truncated { needed: header, found });
        }
        // The header first: with it wrong, the length is only a guess.
        if let Some((found, computed)) = differs(&frame[1..header - 2], &frame[header - 2..]) {
            return Err(Fault::HeaderChecksum { found, computed });
        }
        if found < needed {
            return Err(Fault::Truncated { needed, found });
        }
        if found > needed {
            return Err(Fault::Length { found: usize::from(length) });
        }
        let (body, trailer) = frame.split_at(needed - field::TRAILER);
        if trailer[2] != END_BYTE {
            return Err(Fault::End { found: trailer[2] });
        }
        if let Some((found, computed)) = differs(&body[1..], trailer) {
            return Err(Fault::Checksum { found, computed });
        }
        Ok(FrameView { bytes: frame })
    }

    fn view(frame: &'a [u8]) -> Self {
        FrameView { bytes: frame }
    }

    fn protocol(&self) -> Protocol {
        Protocol::Dlt698_45
    }

    fn direction(&self) -> Option<Direction> {
        Some(self.control().direction())
    }

    fn address(&self) -> Address {
        Address::from_reversed(&self.bytes[self.address_range()])
    }

    fn payload(&self) -> Cow<'a, [u8]> {
        if self.control().is_scrambled() {
            Cow::Owned(self.data().iter().map(|byte| byte.wrapping_sub(SCRAMBLE)).collect())
        } else {
            Cow::Borrowed(self.data())
        }
    }

    fn advise(line: &[u8]) -> Option<Name> {
        super::advice::advise(line)
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)] // a test may fail loudly
mod tests {
    use super::*;

    // YuChaoYuan1/LYZD.WPF, LYZD.Verify/DataCollect/EnergyRealData.cs
    const READ_ENERGY: &str = "681700430502000000000010485E0501070010020000040116";

    fn captured() -> Vec<u8> {
        crate::hex::decode(READ_ENERGY).expect("hex")
    }

    #[test]
    fn a_captured_request_parses_and_is_built_again() {
        let bytes = captured();
        let frame = FrameView::parse(&bytes).expect("a captured frame");
        assert_eq!(frame.address().as_str(), "000000000002");
        assert_eq!((frame.client(), frame.control()), (0x10, Control::REQUEST));
        let server = ServerAddress::single("000000000002").expect("hex digits");
        assert_eq!(server, frame.server());
        assert_eq!(FrameView::emit(Control::REQUEST, &server, 0x10, &frame.payload()), Some(bytes.clone()));
    }

    #[test]
    fn scrambled_data_are_checked_as_sent_and_read_plain() {
        let server = ServerAddress::single("2").expect("hex digits");
        let bytes = FrameView::emit(Control::REQUEST.scrambled(), &server, 0, &[0x05, 0xFF]).expect("short");
        let frame = FrameView::parse(&bytes).expect("valid");
        assert_eq!((frame.data(), &*frame.payload()), (&[0x38, 0x32][..], &[0x05, 0xFF][..]));
    }

    #[test]
    fn every_broken_rule_has_its_name() {
        let mut bytes = captured();
        bytes[23] ^= 1;
        assert_eq!(FrameView::parse(&bytes), Err(Fault::Checksum { found: 0x0004, computed: 0x0104 }));
        bytes[24] = 0x17;
        assert_eq!(FrameView::parse(&bytes), Err(Fault::End { found: 0x17 }));
        assert_eq!(FrameView::parse(&bytes[..24]), Err(Fault::Truncated { needed: 25, found: 24 }));
        bytes[13] = 0;
        assert_eq!(FrameView::parse(&bytes), Err(Fault::HeaderChecksum { found: 0x0048, computed: 0x5E48 }));
        bytes[2] = 0x40;
        assert_eq!(FrameView::parse(&bytes), Err(Fault::Length { found: 0x4017 }));
    }

    #[test]
    fn a_length_that_no_frame_has_is_refused_before_anything_else() {
        for length in [[0xFF, 0xFF], [0x00, 0x40], [0, 0], [5, 0]] {
            let mut bytes = captured();
            bytes[1..3].copy_from_slice(&length);
            assert_eq!(FrameView::probe(&bytes), Probe::No);
        }
    }
}
