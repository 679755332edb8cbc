//! Link layers: from the start of a captured packet to its IP header.
//!
//! Link types are those of the registry of pcap (<https://www.tcpdump.org/linktypes.html>).

use super::fields::{be16, be32};

/// Where the network layer of a packet begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    /// An IP packet of either version, from this offset.
    Ip(usize),
    /// Something sound that is not IP.
    Other,
    /// The header contradicts itself or the packet is too short for it.
    Bad,
    /// A link type that is not read.
    Unknown,
}

const NULL: u32 = 0;
const ETHERNET: u32 = 1;
const PPP: u32 = 9;
/// DLT_RAW has other numbers on some systems, and files were written with them.
const RAW: [u32; 5] = [12, 14, 101, 228, 229];
const PPP_HDLC: u32 = 50;
const LOOP: u32 = 108;
const LINUX_SLL: u32 = 113;
const LINUX_SLL2: u32 = 276;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86DD;
const PPPOE_SESSION: u16 = 0x8864;
/// 802.1Q, 802.1ad (QinQ) and two numbers used for the same before the standard.
const VLAN: [u16; 4] = [0x8100, 0x88A8, 0x9100, 0x9200];
/// More tags than any network has.
const MAX_TAGS: usize = 8;

/// Finds the IP header in `packet`, captured with `link`.
pub(super) fn network(link: u32, packet: &[u8]) -> Network {
    match link {
        ETHERNET => ethertype(packet, be16(packet, 12), 14),
        LINUX_SLL => ethertype(packet, be16(packet, 14), 16),
        LINUX_SLL2 => ethertype(packet, be16(packet, 0), 20),
        NULL | LOOP => family(packet),
        PPP | PPP_HDLC => ppp(packet, 0),
        _ if RAW.contains(&link) => Network::Ip(0),
        _ => Network::Unknown,
    }
}

/// Follows an EtherType whose content begins at `at`, through VLAN tags, LLC/SNAP and PPPoE.
fn ethertype(packet: &[u8], first: Option<u16>, mut at: usize) -> Network {
    let mut kind = first;
    for _ in 0..=MAX_TAGS {
        match kind {
            None => return Network::Bad,
            Some(IPV4 | IPV6) => return Network::Ip(at),
            Some(tag) if VLAN.contains(&tag) => {
                kind = be16(packet, at + 2);
                at += 4;
            }
            Some(PPPOE_SESSION) => return ppp(packet, at + 6),
            // A length instead of a type (802.3): SNAP carries the type behind AA AA 03 and the zero organisation.
            Some(0..=1500) => {
                let snap = packet.get(at..at + 6) == Some(&[0xAA, 0xAA, 0x03, 0, 0, 0]);
                if !snap {
                    return Network::Other;
                }
                kind = be16(packet, at + 6);
                at += 8;
            }
            Some(_) => return Network::Other,
        }
    }
    Network::Bad
}

/// BSD loopback: the address family in the byte order of the machine that captured (LOOP: of the network).
fn family(packet: &[u8]) -> Network {
    let Some(family) = be32(packet, 0) else { return Network::Bad };
    // AF_INET is 2 everywhere; AF_INET6 is 10, 24, 28 or 30.
    match if family > 0xFFFF { family.swap_bytes() } else { family } {
        2 | 10 | 24 | 28 | 30 => Network::Ip(4),
        _ => Network::Other,
    }
}

/// PPP (RFC 1661), with or without address and control field, with a protocol of one or two bytes.
fn ppp(packet: &[u8], start: usize) -> Network {
    let at = if packet.get(start..start + 2) == Some(&[0xFF, 0x03]) { start + 2 } else { start };
    match (packet.get(at), packet.get(at + 1)) {
        (Some(0x21 | 0x57), Some(_)) => Network::Ip(at + 1),
        (Some(0x00), Some(0x21 | 0x57)) => Network::Ip(at + 2),
        (Some(_), Some(_)) => Network::Other,
        _ => Network::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_layer_leads_to_the_ip_header() {
        let mac = [0u8; 12];
        let ethernet = |rest: &[u8]| [&mac[..], rest].concat();
        let cases: [(u32, Vec<u8>, Network); 17] = [
            (1, ethernet(&[0x08, 0x00, 0x45]), Network::Ip(14)),
            (1, ethernet(&[0x86, 0xDD, 0x60]), Network::Ip(14)),
            (1, ethernet(&[0x81, 0x00, 0x00, 0x64, 0x08, 0x00, 0x45]), Network::Ip(18)),
            (1, ethernet(&[0x88, 0xA8, 0, 1, 0x81, 0x00, 0, 2, 0x08, 0x00, 0x45]), Network::Ip(22)),
            (1, ethernet(&[0x00, 0x20, 0xAA, 0xAA, 3, 0, 0, 0, 0x08, 0x00, 0x45]), Network::Ip(22)),
            (1, ethernet(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 9, 0x00, 0x21, 0x45]), Network::Ip(22)),
            (1, ethernet(&[0x08, 0x06, 0x00]), Network::Other),
            (1, vec![0; 13], Network::Bad),
            (1, ethernet(&[0x81, 0x00].repeat(40)), Network::Bad),
            (0, vec![2, 0, 0, 0, 0x45], Network::Ip(4)),
            (0, vec![0, 0, 0, 30, 0x60], Network::Ip(4)),
            (108, vec![0, 0, 0, 2, 0x45], Network::Ip(4)),
            (101, vec![0x45], Network::Ip(0)),
            (113, [&[0u8; 14][..], &[0x08, 0x00, 0x45]].concat(), Network::Ip(16)),
            (276, [&[0x08, 0x00][..], &[0; 18], &[0x45]].concat(), Network::Ip(20)),
            (9, vec![0xFF, 0x03, 0x00, 0x21, 0x45], Network::Ip(4)),
            (105, vec![0; 40], Network::Unknown),
        ];
        for (link, packet, expected) in cases {
            assert_eq!(network(link, &packet), expected, "link {link}: {packet:02X?}");
        }
    }
}
