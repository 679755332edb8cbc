//! A small writer of packets and capture files, written from the standards alone: it shares nothing with the reader.

#![allow(dead_code, reason = "each test binary uses a part")]

/// One end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct End {
    pub host: u8,
    pub port: u16,
}

pub const CLIENT: End = End { host: 1, port: 40_000 };
pub const SERVER: End = End { host: 2, port: 9_999 };

pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const ACK: u8 = 0x10;

/// What is around a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrap {
    Ethernet,
    Vlan,
    QinQ,
    Sll,
    Sll2,
    Null,
    Raw,
    Ipv4Options,
    Ipv6,
    Ipv6Extensions,
}

pub const WRAPS: [Wrap; 10] = [
    Wrap::Ethernet,
    Wrap::Vlan,
    Wrap::QinQ,
    Wrap::Sll,
    Wrap::Sll2,
    Wrap::Null,
    Wrap::Raw,
    Wrap::Ipv4Options,
    Wrap::Ipv6,
    Wrap::Ipv6Extensions,
];

impl Wrap {
    /// Number in the registry of link types.
    pub fn link(self) -> u32 {
        match self {
            Self::Sll => 113,
            Self::Sll2 => 276,
            Self::Null => 0,
            Self::Raw => 101,
            _ => 1,
        }
    }
}

/// One's complement sum (RFC 1071).
fn checksum(parts: &[&[u8]]) -> u16 {
    let all: Vec<u8> = parts.concat();
    let mut sum: u32 = 0;
    for pair in all.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    }
    while sum >> 16 != 0 {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}

/// A TCP segment in its packet.
pub fn tcp(wrap: Wrap, from: End, to: End, flags: u8, seq: u32, ack: u32, payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(from.port.to_be_bytes());
    segment.extend(to.port.to_be_bytes());
    segment.extend(seq.to_be_bytes());
    segment.extend((if flags & ACK == 0 { 0 } else { ack }).to_be_bytes());
    segment.extend([0x60, flags, 0xFA, 0xF0, 0, 0, 0, 0, 1, 1, 1, 0]); // 24 bytes: three no-operations and an end
    segment.extend(payload);
    ip(wrap, from, to, 6, 16, segment)
}

/// A UDP datagram in its packet.
pub fn udp(wrap: Wrap, from: End, to: End, payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(from.port.to_be_bytes());
    segment.extend(to.port.to_be_bytes());
    segment.extend((payload.len() as u16 + 8).to_be_bytes());
    segment.extend([0, 0]);
    segment.extend(payload);
    ip(wrap, from, to, 17, 6, segment)
}

fn ip(wrap: Wrap, from: End, to: End, protocol: u8, sum_at: usize, mut segment: Vec<u8>) -> Vec<u8> {
    let v6 = matches!(wrap, Wrap::Ipv6 | Wrap::Ipv6Extensions);
    let address = |end: End| {
        if v6 {
            vec![0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, end.host]
        } else {
            vec![10, 0, 0, end.host]
        }
    };
    let (source, destination) = (address(from), address(to));
    let length = (segment.len() as u32).to_be_bytes();
    let sum = checksum(&[&source, &destination, &length, &[0, 0, 0, protocol], &segment]);
    segment[sum_at..sum_at + 2].copy_from_slice(&sum.to_be_bytes());
    let mut packet;
    if v6 {
        let extensions: Vec<u8> = if wrap == Wrap::Ipv6Extensions {
            // Hop-by-hop options, then destination options of 16 bytes; both padded with PadN.
            [&[60, 0, 1, 4, 0, 0, 0, 0][..], &[protocol, 1, 1, 12], &[0; 12]].concat()
        } else {
            Vec::new()
        };
        packet = vec![0x60, 0, 0, 0];
        packet.extend((extensions.len() as u16 + segment.len() as u16).to_be_bytes());
        packet.extend([if extensions.is_empty() { protocol } else { 0 }, 64]);
        packet.extend(source);
        packet.extend(destination);
        packet.extend(extensions);
    } else {
        let options: &[u8] = if wrap == Wrap::Ipv4Options { &[0x94, 4, 0, 0, 1, 1, 1, 0] } else { &[] };
        let header = 20 + options.len();
        packet = vec![0x40 | (header / 4) as u8, 0];
        packet.extend(((header + segment.len()) as u16).to_be_bytes());
        packet.extend([0, 1, 0x40, 0, 64, protocol, 0, 0]);
        packet.extend(source);
        packet.extend(destination);
        packet.extend(options);
        let sum = checksum(&[&packet]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
    }
    packet.extend(segment);
    link(wrap, v6, packet)
}

fn link(wrap: Wrap, v6: bool, packet: Vec<u8>) -> Vec<u8> {
    let kind: [u8; 2] = if v6 { [0x86, 0xDD] } else { [0x08, 0x00] };
    let mac = [0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1];
    let mut frame = match wrap {
        Wrap::Sll => [&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0][..], &kind].concat(),
        Wrap::Sll2 => [&kind[..], &[0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0]].concat(),
        Wrap::Null => vec![2, 0, 0, 0],
        Wrap::Raw => Vec::new(),
        Wrap::Vlan => [&mac[..], &[0x81, 0, 0, 100], &kind].concat(),
        Wrap::QinQ => [&mac[..], &[0x88, 0xA8, 0, 7, 0x81, 0, 0, 100], &kind].concat(),
        _ => [&mac[..], &kind].concat(),
    };
    frame.extend(packet);
    // Ethernet pads to 60 bytes.
    if wrap.link() == 1 {
        frame.resize(frame.len().max(60), 0xEE);
    }
    frame
}

/// A packet as captured.
#[derive(Clone, Debug)]
pub struct Captured {
    pub time_ns: u64,
    pub bytes: Vec<u8>,
    /// Snap length; the packet is cut to it.
    pub snap: usize,
}

impl Captured {
    pub fn at(time_ns: u64, bytes: Vec<u8>) -> Self {
        Self { time_ns, bytes, snap: usize::MAX }
    }

    fn kept(&self) -> &[u8] {
        &self.bytes[..self.bytes.len().min(self.snap)]
    }
}

/// Form of a capture file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Pcap { big: bool, nano: bool },
    Pcapng { big: bool, nano: bool },
}

pub const FORMS: [Form; 8] = [
    Form::Pcap { big: false, nano: false },
    Form::Pcap { big: true, nano: false },
    Form::Pcap { big: false, nano: true },
    Form::Pcap { big: true, nano: true },
    Form::Pcapng { big: false, nano: false },
    Form::Pcapng { big: true, nano: false },
    Form::Pcapng { big: false, nano: true },
    Form::Pcapng { big: true, nano: true },
];

pub const PLAIN: Form = Form::Pcap { big: false, nano: false };

fn n16(big: bool, n: u16) -> [u8; 2] {
    if big { n.to_be_bytes() } else { n.to_le_bytes() }
}

fn n32(big: bool, n: u32) -> [u8; 4] {
    if big { n.to_be_bytes() } else { n.to_le_bytes() }
}

/// A capture file.
pub fn file(form: Form, link: u32, packets: &[Captured]) -> Vec<u8> {
    let mut out = Vec::new();
    match form {
        Form::Pcap { big, nano } => {
            out.extend(n32(big, if nano { 0xA1B2_3C4D } else { 0xA1B2_C3D4 }));
            out.extend(n16(big, 2));
            out.extend(n16(big, 4));
            for field in [0, 0, 262_144, link] {
                out.extend(n32(big, field));
            }
            for p in packets {
                let fraction = p.time_ns % 1_000_000_000 / if nano { 1 } else { 1_000 };
                let seconds = (p.time_ns / 1_000_000_000) as u32;
                for field in [seconds, fraction as u32, p.kept().len() as u32, p.bytes.len() as u32] {
                    out.extend(n32(big, field));
                }
                out.extend(p.kept());
            }
        }
        Form::Pcapng { big, nano } => {
            let section =
                [&n32(big, 0x1A2B_3C4D)[..], &n16(big, 1), &n16(big, 0), &[0xFF; 8], &[0; 4]].concat();
            out.extend(block(big, 0x0A0D_0D0A, &section));
            // if_name "eth0", then if_tsresol, then the end of options.
            let resolution = [if nano { 9 } else { 6 }, 0, 0, 0];
            let options =
                [&n16(big, 2)[..], &n16(big, 4), b"eth0", &n16(big, 9), &n16(big, 1), &resolution, &[0; 4]];
            let interface =
                [&n16(big, link as u16)[..], &[0, 0], &n32(big, 262_144), &options.concat()].concat();
            out.extend(block(big, 1, &interface));
            out.extend(block(big, 5, &[0; 12]));
            for p in packets {
                let stamp = if nano { p.time_ns } else { p.time_ns / 1_000 };
                let mut body = Vec::new();
                for field in
                    [0, (stamp >> 32) as u32, stamp as u32, p.kept().len() as u32, p.bytes.len() as u32]
                {
                    body.extend(n32(big, field));
                }
                body.extend(p.kept());
                body.resize(body.len().next_multiple_of(4), 0);
                out.extend(block(big, 6, &body));
            }
        }
    }
    out
}

/// A pcapng block around its body.
pub fn block(big: bool, kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let length = n32(big, padded as u32 + 12);
    let mut out = [&n32(big, kind)[..], &length, body].concat();
    out.resize(8 + padded, 0);
    out.extend(length);
    out
}

/// One packet a millisecond from the start of 2024 (UTC), as they come.
pub fn timed(packets: impl IntoIterator<Item = Vec<u8>>) -> Vec<Captured> {
    let start = 1_704_067_200_000_000_000;
    packets.into_iter().enumerate().map(|(i, p)| Captured::at(start + i as u64 * 1_000_000, p)).collect()
}

/// A connection, written packet by packet.
pub struct Talk {
    pub wrap: Wrap,
    pub client: End,
    pub server: End,
    /// Next sequence number of client and server.
    pub seq: [u32; 2],
    pub packets: Vec<Vec<u8>>,
}

impl Talk {
    /// A connection whose initial sequence numbers are given.
    pub fn new(wrap: Wrap, client: End, server: End, isn: [u32; 2]) -> Self {
        Self { wrap, client, server, seq: isn, packets: Vec::new() }
    }

    /// A segment of the client (0) or the server (1); moves its sequence number on.
    pub fn send(&mut self, who: usize, flags: u8, payload: &[u8]) -> &mut Self {
        let (from, to) = if who == 0 { (self.client, self.server) } else { (self.server, self.client) };
        let ack = self.seq[1 - who];
        self.packets.push(tcp(self.wrap, from, to, flags, self.seq[who], ack, payload));
        let counted = payload.len() as u32 + u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
        self.seq[who] = self.seq[who].wrapping_add(counted);
        self
    }

    /// The three packets that open.
    pub fn open(&mut self) -> &mut Self {
        self.send(0, SYN, b"").send(1, SYN | ACK, b"").send(0, ACK, b"")
    }

    /// The packets that close.
    pub fn close(&mut self) -> &mut Self {
        self.send(0, FIN | ACK, b"").send(1, FIN | ACK, b"").send(0, ACK, b"")
    }
}
