//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers. Checksums are not looked at: a capture on the sending machine holds
//! packets whose checksums the network card fills in later.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::fields::{array, be16, be32};
use super::fragments::{Fragment, Key};

/// What an IP header leads to. Offsets are those of the slice given to [`parse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    Datagram(Datagram),
    /// A piece of a datagram.
    Fragment(Fragment),
    Bad,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Datagram {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) protocol: u8,
    /// Captured payload.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Payload bytes that were on the wire but not captured.
    pub(super) missing: usize,
}

/// More extension headers than any sender uses.
const MAX_EXTENSIONS: usize = 16;

/// Longest packet a card with segmentation offload takes (Linux stops at 512 KiB); its own length field is then zero,
/// so the container's word for it is not taken beyond this.
const MAX_OFFLOAD_BYTES: usize = 1 << 20;

/// Reads the header at the start of `bytes`; `wire_length` is how long this was before the snap length cut it.
pub(super) fn parse(bytes: &[u8], wire_length: usize) -> Network {
    let wire_length = wire_length.max(bytes.len());
    let parsed = match bytes.first().map(|b| b >> 4) {
        Some(4) => parse_v4(bytes, wire_length),
        Some(6) => parse_v6(bytes, wire_length),
        _ => None,
    };
    parsed.unwrap_or(Network::Bad)
}

/// The length of a packet whose header says zero, which segmentation offload leaves for the capture to see.
fn offloaded(wire_length: usize) -> Option<usize> {
    (wire_length <= MAX_OFFLOAD_BYTES).then_some(wire_length)
}

fn parse_v4(bytes: &[u8], wire_length: usize) -> Option<Network> {
    let header = usize::from(bytes.first()? & 0x0F) * 4;
    let total = match usize::from(be16(bytes, 2)?) {
        0 => offloaded(wire_length)?,
        n => n,
    };
    let source = Ipv4Addr::from(array::<4>(bytes, 12)?);
    let destination = Ipv4Addr::from(array::<4>(bytes, 16)?);
    if header < 20 || total < header || total > wire_length || header > bytes.len() {
        return None;
    }
    let protocol = *bytes.get(9)?;
    // More-fragments bit or an offset.
    let word = be16(bytes, 6)?;
    if word & 0x3FFF != 0 {
        let id = u32::from(be16(bytes, 4)?);
        return Some(Network::Fragment(Fragment {
            key: Key { source: source.into(), destination: destination.into(), protocol, id },
            at: usize::from(word & 0x1FFF) * 8,
            more: word & 0x2000 != 0,
            start: header,
            end: total.min(bytes.len()),
            missing: total.saturating_sub(bytes.len()),
        }));
    }
    Some(Network::Datagram(Datagram {
        source: source.into(),
        destination: destination.into(),
        protocol,
        start: header,
        end: total.min(bytes.len()),
        missing: total.saturating_sub(bytes.len()),
    }))
}

fn parse_v6(bytes: &[u8], wire_length: usize) -> Option<Network> {
    let total = match usize::from(be16(bytes, 4)?) {
        0 => offloaded(wire_length)?,
        n => n + 40,
    };
    let source = Ipv6Addr::from(array::<16>(bytes, 8)?);
    let destination = Ipv6Addr::from(array::<16>(bytes, 24)?);
    if total > wire_length {
        return None;
    }
    let end = total.min(bytes.len());
    let mut protocol = *bytes.get(6)?;
    let mut start = 40;
    for _ in 0..MAX_EXTENSIONS {
        let length = match protocol {
            // Hop-by-hop, routing, destination options, mobility.
            0 | 43 | 60 | 135 => (usize::from(*bytes.get(start + 1)?) + 1) * 8,
            // Authentication header counts in words.
            51 => (usize::from(*bytes.get(start + 1)?) + 2) * 4,
            44 => {
                let word = be16(bytes, start + 2)?;
                if word & 0xFFF9 != 0 {
                    let (protocol, id) = (*bytes.get(start)?, be32(bytes, start + 4)?);
                    let key = Key { source: source.into(), destination: destination.into(), protocol, id };
                    let start = start + 8;
                    return (start <= end).then_some(Network::Fragment(Fragment {
                        key,
                        at: usize::from(word & 0xFFF8),
                        more: word & 1 != 0,
                        start,
                        end,
                        missing: total - end,
                    }));
                }
                8
            }
            _ => {
                return Some(Network::Datagram(Datagram {
                    source: source.into(),
                    destination: destination.into(),
                    protocol,
                    start,
                    end,
                    missing: total - end,
                }));
            }
        };
        protocol = *bytes.get(start)?;
        start += length;
        if start > end {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(header_words: u8, total: u16, fragment: u16, payload: usize) -> Vec<u8> {
        let mut p = vec![0; usize::from(header_words) * 4 + payload];
        p[0] = 0x40 | header_words;
        p[2..4].copy_from_slice(&total.to_be_bytes());
        p[6..8].copy_from_slice(&fragment.to_be_bytes());
        p[9] = 6;
        p[12..16].copy_from_slice(&[10, 0, 0, 1]);
        p[16..20].copy_from_slice(&[10, 0, 0, 2]);
        p
    }

    fn span(bytes: &[u8], wire: usize) -> Option<(usize, usize, usize)> {
        match parse(bytes, wire) {
            Network::Datagram(d) => Some((d.start, d.end, d.missing)),
            _ => None,
        }
    }

    #[test]
    fn options_and_ethernet_padding_are_not_payload() {
        assert_eq!(span(&v4(5, 30, 0, 26), 46), Some((20, 30, 0)), "16 bytes of padding");
        assert_eq!(span(&v4(15, 70, 0, 10), 70), Some((60, 70, 0)));
        assert_eq!(span(&v4(5, 30, 0x4000, 10), 30), Some((20, 30, 0)), "don't fragment");
        assert_eq!(span(&v4(5, 0, 0, 10), 30), Some((20, 30, 0)), "segmentation offload");
        assert_eq!(span(&v4(5, 1500, 0, 10), 1500), Some((20, 30, 1470)), "snap length");
    }

    #[test]
    fn lying_headers_are_bad_and_pieces_are_fragments() {
        assert_eq!(parse(&v4(5, 1500, 0, 10), 30), Network::Bad);
        assert_eq!(parse(&v4(4, 30, 0, 14), 30), Network::Bad);
        assert_eq!(parse(&v4(15, 30, 0, 0), 60), Network::Bad);
        assert_eq!(parse(&v4(5, 30, 0, 10)[..15], 30), Network::Bad);
        let piece = |packet: &[u8]| match parse(packet, packet.len()) {
            Network::Fragment(f) => Some((f.at, f.more, f.start, f.end)),
            _ => None,
        };
        assert_eq!(piece(&v4(5, 30, 0x2000, 10)), Some((0, true, 20, 30)));
        assert_eq!(piece(&v4(5, 30, 0x0001, 10)), Some((8, false, 20, 30)));
        assert_eq!(parse(&[], 0), Network::Bad);
        assert_eq!(parse(&[0x55; 40], 40), Network::Bad);
    }

    #[test]
    fn extension_headers_are_walked() {
        let mut p = vec![0; 40 + 8 + 16 + 8 + 5];
        p[0] = 0x60;
        p[4..6].copy_from_slice(&37u16.to_be_bytes());
        p[40] = 60; // hop-by-hop, 8 bytes, then destination options
        p[48] = 44; // 16 bytes, then an atomic fragment (RFC 6946)
        p[49] = 1;
        p[64] = 6;
        assert_eq!(span(&p, 77), Some((72, 77, 0)));
        p[66..68].copy_from_slice(&0x0001u16.to_be_bytes());
        assert!(matches!(parse(&p, 77), Network::Fragment(f) if (f.at, f.more, f.start) == (0, true, 72)));
        p[49] = 200;
        assert_eq!(parse(&p, 77), Network::Bad, "an extension longer than the packet");
        let circle = [vec![0x60, 0, 0, 0, 0, 200, 0], vec![0; 233]].concat();
        assert_eq!(parse(&circle, 240), Network::Bad, "hop-by-hop without end");
    }
}
