//! What one packet carries, for whoever holds packets without a capture file around them.

use std::net::SocketAddr;
use std::ops::Range;

use super::{ip, link, tcp};

/// Sender, receiver, where the payload stands, and the number of its first byte (TCP), of a packet of TCP or UDP over IP
/// of this link type.
pub(crate) fn carried(
    link: u32,
    packet: &[u8],
) -> Option<(SocketAddr, SocketAddr, Range<usize>, Option<u32>)> {
    let link::Network::Ip(at) = link::network(link, packet) else { return None };
    let bytes = packet.get(at..)?;
    let ip::Network::Datagram(ip) = ip::parse(bytes, bytes.len()) else { return None };
    let inside = bytes.get(ip.start..ip.end)?;
    let (ports, header, length, sequence) = match ip.protocol {
        tcp::TCP => {
            let header = tcp::parse(inside)?;
            let first = header.seq.wrapping_add(u32::from(header.syn));
            (
                (header.source_port, header.destination_port),
                header.length,
                inside.len() - header.length,
                Some(first),
            )
        }
        tcp::UDP => {
            let (source, destination, length) = tcp::parse_udp(inside, inside.len())?;
            ((source, destination), 8, length, None)
        }
        _ => return None,
    };
    let start = at + ip.start + header;
    let (from, to) = (SocketAddr::new(ip.source, ports.0), SocketAddr::new(ip.destination, ports.1));
    Some((from, to, start..start + length, sequence))
}
