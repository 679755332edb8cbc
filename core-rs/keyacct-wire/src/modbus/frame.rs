//! The two frames: RTU (Modbus over Serial Line, clause 2.5.1) and TCP (Messaging on TCP/IP, clause 3.1).
//!
//! RTU has no start byte and no length: where a frame ends follows from its function, and whether it is one from its
//! CRC. Several lengths can be possible (a read is asked with 8 bytes and answered with as many as it likes); the
//! shortest one whose CRC is right wins, and none is asked for before its bytes are there.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use super::pdu::{self, Pdu, Size};
use crate::checksum::crc16_modbus;
use crate::error::Fault;
use crate::frame::{Address, Direction, Frame, Probe};
use crate::protocol::Protocol;

/// What both frames carry.
pub trait Adu<'a>: Frame<'a> {
    /// The device.
    fn unit(&self) -> u8;
    /// Function and data.
    fn pdu(&self) -> Pdu<'a>;
    /// Offset of the function code in the frame.
    fn base(&self) -> usize;
    /// The number that pairs request and reply (TCP).
    fn transaction(&self) -> Option<u16>;
    /// All bytes.
    fn bytes(&self) -> &'a [u8];
}

/// Bytes of a whole RTU frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtuView<'a> {
    bytes: &'a [u8],
}

/// Bytes of a whole TCP frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpView<'a> {
    bytes: &'a [u8],
}

const CRC: usize = 2;
const MBAP: usize = 7;
/// Bytes of the MBAP header that its length field does not count.
const UNCOUNTED: usize = 6;

fn unit_address(unit: u8) -> Address {
    Address::from(unit.to_string().as_str())
}

fn crc_fault(frame: &[u8]) -> Option<Fault> {
    let (body, sent) = frame.split_at_checked(frame.len().checked_sub(CRC)?)?;
    let (found, computed) = (u16::from_le_bytes(sent.try_into().ok()?), crc16_modbus(body));
    (found != computed).then_some(Fault::Checksum { found, computed })
}

impl<'a> Frame<'a> for RtuView<'a> {
    const START: Option<u8> = None;
    const LEN: RangeInclusive<usize> = 4..=256;

    fn probe(at_start: &[u8]) -> Probe {
        let Some(pdu) = at_start.get(1..) else { return Probe::Need(2) };
        let mut sizes = [pdu::request_size(pdu), pdu::reply_size(pdu)].map(|size| match size {
            Size::No => (usize::MAX, false),
            Size::Need(count) => (1 + count, false),
            Size::Is(count) => (1 + count + CRC, true),
        });
        sizes.sort_unstable();
        let mut probe = Probe::No;
        for (length, is_whole) in sizes {
            match at_start.get(..length) {
                _ if length == usize::MAX => {}
                Some(frame) if crc_fault(frame).is_none() => return Probe::Len(length),
                Some(_) => probe = Probe::Len(length),
                None => return if is_whole { Probe::Len(length) } else { Probe::Need(length) },
            }
        }
        probe
    }

    fn parse(frame: &'a [u8]) -> Result<Self, Fault> {
        if frame.len() < *Self::LEN.start() {
            return Err(Fault::Truncated { needed: *Self::LEN.start(), found: frame.len() });
        }
        if let Some(fault) = crc_fault(frame) {
            return Err(fault);
        }
        pdu_or_fault(&frame[1..frame.len() - CRC])?;
        Ok(RtuView { bytes: frame })
    }

    fn view(frame: &'a [u8]) -> Self {
        RtuView { bytes: frame }
    }

    fn protocol(&self) -> Protocol {
        Protocol::ModbusRtu
    }

    fn direction(&self) -> Option<Direction> {
        self.pdu().direction()
    }

    fn address(&self) -> Address {
        unit_address(self.unit())
    }

    fn payload(&self) -> Cow<'a, [u8]> {
        Cow::Borrowed(self.pdu().bytes())
    }
}

/// Why bytes are no PDU.
fn pdu_or_fault(bytes: &[u8]) -> Result<Pdu<'_>, Fault> {
    Pdu::parse(bytes).ok_or_else(|| match (pdu::request_size(bytes), pdu::reply_size(bytes)) {
        (Size::No, Size::No) => Fault::Rule("the function code or the count behind it is none of Modbus"),
        (_, Size::Is(found) | Size::Need(found)) | (Size::Is(found) | Size::Need(found), _) => {
            Fault::Length { found }
        }
    })
}

impl<'a> Frame<'a> for TcpView<'a> {
    const START: Option<u8> = None;
    const LEN: RangeInclusive<usize> = 8..=260;

    fn probe(at_start: &[u8]) -> Probe {
        match at_start {
            [_, _, high, ..] if *high != 0 => Probe::No,
            [_, _, _, low, ..] if *low != 0 => Probe::No,
            [_, _, _, _, high, ..] if *high != 0 => Probe::No,
            [_, _, _, _, _, length, ..] if *length < 2 || usize::from(*length) > pdu::LONGEST + 1 => {
                Probe::No
            }
            [_, _, _, _, _, length, _, function, ..] => {
                let sizes = [pdu::request_size(&[*function]), pdu::reply_size(&[*function])];
                match sizes {
                    [Size::No, Size::No] => Probe::No,
                    _ => Probe::Len(UNCOUNTED + usize::from(*length)),
                }
            }
            _ => Probe::Need(MBAP + 1),
        }
    }

    fn parse(frame: &'a [u8]) -> Result<Self, Fault> {
        if frame.len() < *Self::LEN.start() {
            return Err(Fault::Truncated { needed: *Self::LEN.start(), found: frame.len() });
        }
        if frame[2..4] != [0, 0] {
            return Err(Fault::Rule("the protocol number of the MBAP header is not 0"));
        }
        let length = usize::from(u16::from_be_bytes([frame[4], frame[5]]));
        if UNCOUNTED + length > frame.len() {
            return Err(Fault::Truncated { needed: UNCOUNTED + length, found: frame.len() });
        }
        if UNCOUNTED + length != frame.len() {
            return Err(Fault::Length { found: length });
        }
        pdu_or_fault(&frame[MBAP..])?;
        Ok(TcpView { bytes: frame })
    }

    fn view(frame: &'a [u8]) -> Self {
        TcpView { bytes: frame }
    }

    fn protocol(&self) -> Protocol {
        Protocol::ModbusTcp
    }

    fn direction(&self) -> Option<Direction> {
        self.pdu().direction()
    }

    fn address(&self) -> Address {
        unit_address(self.unit())
    }

    fn payload(&self) -> Cow<'a, [u8]> {
        Cow::Borrowed(self.pdu().bytes())
    }
}

impl<'a> Adu<'a> for RtuView<'a> {
    fn unit(&self) -> u8 {
        self.bytes[0]
    }

    fn pdu(&self) -> Pdu<'a> {
        Pdu::view(&self.bytes[1..self.bytes.len() - CRC])
    }

    fn base(&self) -> usize {
        1
    }

    fn transaction(&self) -> Option<u16> {
        None
    }

    fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl<'a> Adu<'a> for TcpView<'a> {
    fn unit(&self) -> u8 {
        self.bytes[MBAP - 1]
    }

    fn pdu(&self) -> Pdu<'a> {
        Pdu::view(&self.bytes[MBAP..])
    }

    fn base(&self) -> usize {
        MBAP
    }

    fn transaction(&self) -> Option<u16> {
        Some(u16::from_be_bytes([self.bytes[0], self.bytes[1]]))
    }

    fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendors_example_is_a_reply_and_a_read_is_a_request() {
        // Eastron SDM630 manual: 230.2 V; public notes of a battery monitor.
        let reply = [0x01, 0x04, 0x04, 0x43, 0x66, 0x33, 0x34, 0x1B, 0x38];
        assert_eq!(RtuView::parse(&reply).map(|f| f.direction()), Ok(Some(Direction::Up)));
        let request = [0x01, 0x03, 0x00, 0x00, 0x00, 0x02, 0xC4, 0x0B];
        assert_eq!(RtuView::parse(&request).map(|f| f.direction()), Ok(Some(Direction::Down)));
    }

    #[test]
    fn a_byte_count_that_does_not_fit_is_invalid_though_the_crc_is_right() {
        let mut frame = vec![0x01, 0x04, 0x06, 0x43, 0x66, 0x33, 0x34];
        frame.extend(crc16_modbus(&frame).to_le_bytes());
        assert_eq!(RtuView::parse(&frame), Err(Fault::Length { found: 8 }));
        let tcp = [0, 1, 0, 0, 0, 7, 1, 4, 6, 0x43, 0x66, 0x33, 0x34];
        assert_eq!(TcpView::parse(&tcp), Err(Fault::Length { found: 8 }));
        let tcp = [0, 1, 0, 0, 0, 6, 1, 4, 4, 0x43, 0x66, 0x33, 0x34];
        assert_eq!(TcpView::parse(&tcp), Err(Fault::Length { found: 6 }));
    }
}
