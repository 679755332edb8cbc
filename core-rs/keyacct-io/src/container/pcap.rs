//! The libpcap file format (draft-ietf-opsawg-pcap): a header, then records, in the byte order of the magic number.

use keyacct_model::Result;

use super::fields::Order;
use super::limits::Limits;
use super::source::Source;

/// A packet as a container holds it; its bytes are in the buffer given along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) time_us: Option<i64>,
    pub(super) link: u32,
    /// Length on the wire.
    pub(super) wire_length: usize,
    /// Offset of the packet's first byte in the content.
    pub(super) offset: u64,
}

#[derive(Debug)]
pub(super) struct Pcap {
    order: Order,
    /// Fractions of a second are nanoseconds.
    nano: bool,
    /// Bytes of a record header: 16, or 24 with the patch of Kuznetzov.
    record: usize,
    link: u32,
}

impl Pcap {
    /// Reads the file header.
    pub(super) fn open(source: &mut Source) -> Result<Self> {
        let mut h = [0u8; 24];
        source.need(&mut h, "the pcap file header")?;
        let order = if h[0] == 0xA1 { Order::Big } else { Order::Little };
        let magic = order.u32(&h, 0).unwrap_or(0);
        let major = order.u16(&h, 4).unwrap_or(0);
        if major != 2 {
            return Err(source.broken(
                4,
                format!("pcap version {major}, only version 2 is known"),
                format!("pcap 版本 {major}, 仅支持版本 2"),
            ));
        }
        Ok(Self {
            order,
            nano: magic == 0xA1B2_3C4D,
            record: if magic == 0xA1B2_CD34 { 24 } else { 16 },
            // The upper half holds the length of the frame check sequence, which the IP length leaves out anyway.
            link: order.u32(&h, 20).unwrap_or(0) & 0xFFFF,
        })
    }

    /// The next packet into `buf`, or nothing at the end.
    pub(super) fn next(
        &mut self,
        source: &mut Source,
        buf: &mut Vec<u8>,
        limits: &Limits,
    ) -> Result<Option<Packet>> {
        let start = source.offset();
        let mut header = [0u8; 24];
        let h = &mut header[..self.record];
        let got = source.fill(h)?;
        if got == 0 {
            return Ok(None);
        }
        if got < h.len() {
            return Err(source.cut("a record header", start, got, self.record));
        }
        let field = |at| self.order.u32(h, at).unwrap_or(0);
        let (seconds, fraction, captured) = (field(0), field(4), field(8) as usize);
        if captured > limits.max_packet_bytes {
            let message = format!(
                "a packet of {captured} bytes, more than {}: the record header is damaged",
                limits.max_packet_bytes
            );
            let chinese = format!("记录长度 {captured} 字节, 超过 {}: 记录头损坏", limits.max_packet_bytes);
            return Err(source.broken(start, message, chinese));
        }
        let wire_length = (field(12) as usize).max(captured);
        let offset = source.offset();
        source.take(buf, captured, "a packet")?;
        let fraction_us = if self.nano { fraction / 1_000 } else { fraction };
        let time_us = i64::from(seconds) * 1_000_000 + i64::from(fraction_us);
        Ok(Some(Packet { time_us: Some(time_us), link: self.link, wire_length, offset }))
    }
}
