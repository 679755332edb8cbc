//! TCP (RFC 9293) and UDP (RFC 768) headers.

use super::fields::{be16, be32};

pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;

/// A TCP header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) source_port: u16,
    pub(super) destination_port: u16,
    pub(super) seq: u32,
    pub(super) ack: Option<u32>,
    pub(super) syn: bool,
    pub(super) fin: bool,
    pub(super) rst: bool,
    /// Bytes of the header, options included.
    pub(super) length: usize,
}

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// The header at the start of `bytes`, or nothing where it is impossible.
pub(super) fn parse(bytes: &[u8]) -> Option<Header> {
    let length = usize::from(bytes.get(12)? >> 4) * 4;
    let flags = *bytes.get(13)?;
    if !(20..=bytes.len()).contains(&length) || (flags & SYN != 0 && flags & (FIN | RST) != 0) {
        return None;
    }
    Some(Header {
        source_port: be16(bytes, 0)?,
        destination_port: be16(bytes, 2)?,
        seq: be32(bytes, 4)?,
        ack: (flags & ACK != 0).then_some(be32(bytes, 8)?),
        syn: flags & SYN != 0,
        fin: flags & FIN != 0,
        rst: flags & RST != 0,
        length,
    })
}

/// Ports of a UDP header and the length of its payload on the wire.
pub(super) fn parse_udp(bytes: &[u8], wire_length: usize) -> Option<(u16, u16, usize)> {
    let length = match usize::from(be16(bytes, 4)?) {
        // Offload and jumbograms leave it empty.
        0 => wire_length,
        n => n,
    };
    if !(8..=wire_length).contains(&length) || bytes.len() < 8 {
        return None;
    }
    Some((be16(bytes, 0)?, be16(bytes, 2)?, length - 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_headers_are_refused() {
        let mut h = [0u8; 24];
        h[12] = 6 << 4;
        h[13] = ACK;
        assert_eq!(parse(&h).map(|h| (h.length, h.ack)), Some((24, Some(0))));
        assert_eq!(parse(&h[..20]), None, "options beyond the end");
        h[12] = 4 << 4;
        assert_eq!(parse(&h), None, "shorter than a header");
        h[12] = 5 << 4;
        h[13] = SYN | FIN;
        assert_eq!(parse(&h), None, "opening and closing at once");
        assert_eq!(parse_udp(&[0, 1, 0, 2, 0, 12, 0, 0, 9, 9, 9, 9], 12), Some((1, 2, 4)));
        assert_eq!(parse_udp(&[0, 1, 0, 2, 0, 13, 0, 0, 9, 9, 9, 9], 12), None);
        assert_eq!(parse_udp(&[0, 1, 0, 2, 0, 7, 0, 0], 8), None);
    }
}
