//! The pcapng file format (draft-ietf-opsawg-pcapng): sections of blocks, each in the byte order of its section header.

use keyacct_model::{ErrorCode, Result};

use super::fields::Order;
use super::limits::Limits;
use super::pcap::Packet;
use super::source::Source;
use super::tally::Tally;

const SECTION: u32 = 0x0A0D_0D0A;
const INTERFACE: u32 = 1;
/// Obsolete packet block.
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const PACKET: u32 = 6;

const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: u32,
    snap_length: usize,
    /// Ticks of a second; none where the resolution is finer than anything that could be told.
    ticks: Option<u64>,
    offset_s: i64,
}

#[derive(Debug)]
pub(super) struct Pcapng {
    order: Order,
    interfaces: Vec<Option<Interface>>,
}

impl Pcapng {
    /// Reads nothing yet: the first block is the section header.
    pub(super) fn new() -> Self {
        Self { order: Order::Little, interfaces: Vec::new() }
    }

    /// The next packet into `buf`, or nothing at the end.
    pub(super) fn next(
        &mut self,
        source: &mut Source,
        buf: &mut Vec<u8>,
        limits: &Limits,
        tally: &mut Tally,
    ) -> Result<Option<Packet>> {
        loop {
            let start = source.offset();
            let mut head = [0u8; 12];
            let got = source.fill(&mut head[..8])?;
            if got == 0 {
                return Ok(None);
            }
            if got < 8 {
                return Err(source.cut("a block header", start, got, 8));
            }
            let mut kind = self.order.u32(&head, 0).unwrap_or(0);
            let mut body = 8;
            if head[..4] == SECTION.to_be_bytes() {
                // The byte order of the section, and with it of its own length, is in the next field.
                source.need(&mut head[8..12], "a section header")?;
                body = 12;
                kind = SECTION;
                self.order = match head[8..12] {
                    [0x1A, 0x2B, 0x3C, 0x4D] => Order::Big,
                    [0x4D, 0x3C, 0x2B, 0x1A] => Order::Little,
                    _ => {
                        return Err(source.broken(
                            start + 8,
                            "a pcapng section header without its byte order mark",
                            "pcapng 段头缺少字节序标记",
                        ));
                    }
                };
            }
            let length = self.order.u32(&head, 4).unwrap_or(0) as usize;
            // Some writers leave out the padding in the length, not in the file.
            let padded = length.checked_add(3).map_or(usize::MAX, |n| n & !3);
            if padded < body + 4 || padded > limits.max_block_bytes {
                let message = format!("a pcapng block of {length} bytes: its header is damaged");
                let chinese = format!("pcapng 块长度 {length} 字节: 块头损坏");
                return Err(source.broken(start, message, chinese));
            }
            source.take(buf, padded - body, "a pcapng block")?;
            let trailer = self.order.u32(buf, buf.len() - 4).unwrap_or(0) as usize;
            if trailer != length {
                let message = format!("a pcapng block of {length} bytes that ends with the length {trailer}");
                let chinese = format!("pcapng 块首长度 {length}, 块尾长度 {trailer}, 不一致");
                return Err(source.broken(start, message, chinese));
            }
            buf.truncate(buf.len() - 4);
            let body_at = start + body as u64;
            let packet = match kind {
                SECTION => {
                    let major = self.order.u16(buf, 0);
                    if major != Some(1) {
                        let message =
                            format!("pcapng version {}, only version 1 is known", major.unwrap_or(0));
                        let chinese = format!("pcapng 版本 {}, 仅支持版本 1", major.unwrap_or(0));
                        return Err(source.broken(body_at, message, chinese));
                    }
                    self.interfaces.clear();
                    continue;
                }
                INTERFACE => {
                    if self.interfaces.len() >= limits.max_interfaces {
                        let message = format!("more than {} interfaces in a section", limits.max_interfaces);
                        let chinese = format!("一个段内接口超过 {} 个", limits.max_interfaces);
                        let mut e = source.broken(start, message, chinese);
                        e.code = ErrorCode::InputLimit;
                        return Err(e);
                    }
                    let interface = self.interface(buf);
                    tally.bad_blocks += u64::from(interface.is_none());
                    // A bad one keeps its number, so that those after it keep theirs.
                    self.interfaces.push(interface);
                    continue;
                }
                PACKET | OLD_PACKET => self.packet(kind, buf, body_at),
                SIMPLE_PACKET => self.simple_packet(buf, body_at),
                _ => {
                    tally.other_blocks += 1;
                    continue;
                }
            };
            match packet.filter(|(_, from, to)| to - from <= limits.max_packet_bytes) {
                Some((packet, from, to)) => {
                    buf.truncate(to);
                    buf.drain(..from);
                    return Ok(Some(packet));
                }
                None => tally.bad_blocks += 1,
            }
        }
    }

    fn interface(&self, body: &[u8]) -> Option<Interface> {
        let mut interface = Interface {
            link: u32::from(self.order.u16(body, 0)?),
            snap_length: match self.order.u32(body, 4)? as usize {
                0 => usize::MAX,
                n => n,
            },
            ticks: Some(1_000_000),
            offset_s: 0,
        };
        let mut at = 8;
        while let (Some(code), Some(length)) = (self.order.u16(body, at), self.order.u16(body, at + 2)) {
            let length = usize::from(length);
            match (code, length) {
                (0, _) => break,
                (IF_TSRESOL, 1) => interface.ticks = ticks(*body.get(at + 4)?),
                (IF_TSOFFSET, 8) => interface.offset_s = self.order.i64(body, at + 4)?,
                _ => {}
            }
            at += 4 + length.next_multiple_of(4);
        }
        Some(interface)
    }

    /// An enhanced packet block, or its forerunner, which has a drop count beside a shorter interface number.
    fn packet(&self, kind: u32, body: &[u8], body_at: u64) -> Option<(Packet, usize, usize)> {
        let index =
            if kind == PACKET { self.order.u32(body, 0)? as usize } else { self.order.u16(body, 0)?.into() };
        let interface = (*self.interfaces.get(index)?)?;
        let high = self.order.u32(body, 4)?;
        let low = self.order.u32(body, 8)?;
        let captured = self.order.u32(body, 12)? as usize;
        let wire_length = (self.order.u32(body, 16)? as usize).max(captured);
        let end = 20usize.checked_add(captured).filter(|&end| end <= body.len())?;
        let time_us = interface.time_us(u64::from(high) << 32 | u64::from(low));
        Some((Packet { time_us, link: interface.link, wire_length, offset: body_at + 20 }, 20, end))
    }

    /// A simple packet block: no time, the first interface, cut to its snap length.
    fn simple_packet(&self, body: &[u8], body_at: u64) -> Option<(Packet, usize, usize)> {
        let interface = (*self.interfaces.first()?)?;
        let wire_length = self.order.u32(body, 0)? as usize;
        let end = wire_length.min(interface.snap_length).saturating_add(4).min(body.len());
        Some((Packet { time_us: None, link: interface.link, wire_length, offset: body_at + 4 }, 4, end))
    }
}

impl Interface {
    fn time_us(&self, stamp: u64) -> Option<i64> {
        let ticks = u128::from(self.ticks?);
        let us = i64::try_from(u128::from(stamp) * 1_000_000 / ticks).ok()?;
        self.offset_s.checked_mul(1_000_000)?.checked_add(us)
    }
}

/// Ticks a second of an `if_tsresol`: a power of 2 with the high bit set, else of 10.
fn ticks(resolution: u8) -> Option<u64> {
    let power = u32::from(resolution & 0x7F);
    if resolution & 0x80 != 0 { 2u64.checked_pow(power) } else { 10u64.checked_pow(power) }
}
