//! A container from its opening to its last event.

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use keyacct_model::{Error, ErrorCode, Result};

use super::event::{Chunk, Direction, Event, Stream, Transport};
use super::flow::{Outbox, Piece};
use super::fragments::{Fragments, Key};
use super::half::Segment;
use super::ip::{self, Datagram};
use super::limits::Limits;
use super::link;
use super::pcap::{Packet, Pcap};
use super::pcapng::Pcapng;
use super::sniff::Kind;
use super::source::{Content, Source};
use super::table::Table;
use super::tally::Tally;
use super::tcp;

/// Opens a capture file.
///
/// # Errors
/// `input.not_found`, `input.unreadable`, `input.empty`; `input.format` for a header that is broken or a format that is
/// not read; `input.limit` for gzip inside gzip.
pub fn open(path: &Path, limits: Limits) -> Result<Container> {
    let name = path.display().to_string();
    let file = File::open(path).and_then(|file| {
        let directory = file.metadata()?.is_dir();
        if directory { Err(std::io::ErrorKind::IsADirectory.into()) } else { Ok(file) }
    });
    let file = file.map_err(|e| {
        let missing = e.kind() == std::io::ErrorKind::NotFound;
        let code = if missing { ErrorCode::InputNotFound } else { ErrorCode::InputUnreadable };
        let hint = if missing {
            ("check the path", "请检查路径")
        } else {
            (
                "check the path and permissions; name the capture file itself",
                "请检查路径和权限; 应指定报文记录文件本身",
            )
        };
        Error::new(code, format!("cannot open: {e}"))
            .hint(hint.0)
            .in_chinese(format!("无法打开: {e}"), hint.1)
            .in_file(&name)
    })?;
    read(&name, file, limits)
}

/// Reads a capture from anything; `name` is what errors call it.
///
/// # Errors
/// As [`open`].
pub fn read(name: &str, input: impl Read + Send + 'static, limits: Limits) -> Result<Container> {
    let (mut source, kind) = Source::open(name, Box::new(input), &limits)?;
    let format = match kind {
        Kind::Text | Kind::Binary => Format::Raw(Arc::new(Stream {
            index: 0,
            transport: Transport::File,
            a: None,
            b: None,
            handshake: false,
        })),
        Kind::Pcap => Format::Pcap(Pcap::open(&mut source).map_err(|e| e.in_file(name))?),
        Kind::Pcapng => Format::Pcapng(Pcapng::new()),
    };
    Ok(Container {
        name: name.to_owned(),
        source,
        kind,
        format,
        limits,
        tally: Tally::default(),
        table: Table::default(),
        fragments: Fragments::default(),
        out: Outbox::default(),
        packet: Vec::new(),
        failure: None,
        state: State::Reading,
    })
}

#[derive(Debug)]
enum Format {
    Raw(Arc<Stream>),
    Pcap(Pcap),
    Pcapng(Pcapng),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reading,
    /// The file has ended, soundly or not; conversations are ended one by one.
    Ending,
    Ended,
}

/// An open capture: an iterator of events.
///
/// Where the container itself is broken, all that was good before comes first, then the error, then nothing.
pub struct Container {
    name: String,
    source: Source,
    kind: Kind,
    format: Format,
    limits: Limits,
    tally: Tally,
    table: Table,
    fragments: Fragments,
    out: Outbox,
    packet: Vec<u8>,
    failure: Option<Error>,
    state: State,
}

impl Container {
    /// What the file holds.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether gzip was around it.
    pub fn is_gzip(&self) -> bool {
        self.source.gzip().is_some()
    }

    /// The counts so far.
    pub fn tally(&self) -> Tally {
        let mut tally = self.tally.clone();
        tally.content_bytes = self.source.offset();
        if let Some(gzip) = self.source.gzip() {
            tally.compressed_bytes = gzip.compressed();
            tally.gzip_members = gzip.members();
            tally.trailing_bytes = gzip.trailing();
        }
        tally
    }

    /// The content itself, decompressed and bounded, instead of events: for a reader of text. To be called before the
    /// first event.
    pub fn into_content(self) -> Content {
        self.source.into_content()
    }

    /// Reads on until there is an event, the end or an error.
    fn step(&mut self) -> Result<()> {
        let packet = match &mut self.format {
            Format::Raw(stream) => {
                let mut bytes = vec![0; self.limits.chunk_bytes.max(1)];
                let file_offset = self.source.offset();
                let got = self.source.fill(&mut bytes)?;
                bytes.truncate(got);
                if got == 0 {
                    self.out.events.push_back(Event::End(Arc::clone(stream)));
                    self.state = State::Ended;
                    return Ok(());
                }
                self.tally.streams = 1;
                self.tally.delivered_bytes += got as u64;
                self.out.events.push_back(Event::Bytes(Chunk {
                    stream: Arc::clone(stream),
                    direction: Direction::A,
                    time_us: None,
                    bytes,
                    file_offset,
                    gap_before: None,
                }));
                return Ok(());
            }
            Format::Pcap(pcap) => pcap.next(&mut self.source, &mut self.packet, &self.limits)?,
            Format::Pcapng(ng) => {
                ng.next(&mut self.source, &mut self.packet, &self.limits, &mut self.tally)?
            }
        };
        match packet {
            Some(packet) => self.take(packet),
            None => self.state = State::Ending,
        }
        Ok(())
    }

    /// Takes a packet, whose bytes are in `self.packet`.
    fn take(&mut self, packet: Packet) {
        let captured = self.packet.len();
        let missing = packet.wire_length.saturating_sub(captured);
        let tally = &mut self.tally;
        tally.packets += 1;
        tally.packet_bytes += captured as u64;
        tally.truncated_packets += u64::from(missing > 0);
        tally.truncated_bytes += missing as u64;
        if missing > 0 {
            tally.dropped("truncated_packets", packet.offset);
        }
        let at = match link::network(packet.link, &self.packet) {
            link::Network::Ip(at) => at,
            link::Network::Other => {
                tally.dropped("other_packets", packet.offset);
                return tally.other_packets += 1;
            }
            link::Network::Unknown => {
                tally.dropped("unknown_link_packets", packet.offset);
                return tally.unknown_link_packets += 1;
            }
            link::Network::Bad => {
                tally.dropped("broken_packets", packet.offset);
                return *cause(&mut tally.bad_link, &mut tally.cut_headers, missing) += 1;
            }
        };
        let bytes = self.packet.get(at..).unwrap_or_default();
        match ip::parse(bytes, packet.wire_length.saturating_sub(at)) {
            ip::Network::Fragment(fragment) => {
                tally.dropped("ip_fragments", packet.offset);
                tally.fragments += 1;
                let piece = bytes.get(fragment.start..fragment.end).unwrap_or_default();
                let offset = packet.offset + (at + fragment.start) as u64;
                if let Some(whole) = self.fragments.take(&fragment, piece, offset) {
                    tally.fragments -= whole.pieces.min(tally.fragments);
                    tally.reassembled += 1;
                    if tally.fragments == 0 {
                        tally.first_dropped.remove("ip_fragments");
                    }
                    self.packet = whole.payload;
                    let Key { source, destination, protocol, .. } = fragment.key;
                    let (start, end, missing) = (0, self.packet.len(), 0);
                    let ip = Datagram { source, destination, protocol, start, end, missing };
                    self.transport(Packet { offset: whole.offset, ..packet }, 0, ip);
                }
            }
            ip::Network::Bad => {
                tally.dropped("broken_packets", packet.offset);
                *cause(&mut tally.bad_ip, &mut tally.cut_headers, missing) += 1;
            }
            ip::Network::Datagram(datagram) => self.transport(packet, at, datagram),
        }
    }

    /// Takes what an IP header, which began at `at`, leads to.
    fn transport(&mut self, packet: Packet, at: usize, ip: Datagram) {
        let tally = &mut self.tally;
        let bytes = self.packet.get(at + ip.start..at + ip.end).unwrap_or_default();
        let parsed = match ip.protocol {
            tcp::TCP => {
                tally.tcp_packets += 1;
                tcp::parse(bytes).map(|header| (header, bytes.len() + ip.missing - header.length))
            }
            tcp::UDP => {
                tally.udp_packets += 1;
                tcp::parse_udp(bytes, bytes.len() + ip.missing).map(
                    |(source_port, destination_port, length)| {
                        (
                            tcp::Header { source_port, destination_port, length: 8, ..Default::default() },
                            length,
                        )
                    },
                )
            }
            _ => {
                tally.dropped("other_packets", packet.offset);
                return tally.other_packets += 1;
            }
        };
        let Some((header, length)) = parsed else {
            tally.dropped("broken_packets", packet.offset);
            return *cause(&mut tally.bad_transport, &mut tally.cut_headers, ip.missing) += 1;
        };
        let transport = if ip.protocol == tcp::TCP { Transport::Tcp } else { Transport::Udp };
        if transport == Transport::Udp && (!self.limits.udp || length == 0) {
            return;
        }
        let payload = &bytes[header.length..];
        let piece = Piece {
            from: SocketAddr::new(ip.source, header.source_port),
            to: SocketAddr::new(ip.destination, header.destination_port),
            header,
            segment: Segment {
                bytes: payload[..payload.len().min(length)].to_vec(),
                length: length as u64,
                time_us: packet.time_us,
                offset: packet.offset + (at + ip.start + header.length) as u64,
            },
        };
        self.table.packet(transport, piece, &self.limits, tally, &mut self.out);
    }
}

/// The counter of an impossible header: the snap length's, if it cut the packet.
fn cause<'a>(bad: &'a mut u64, cut: &'a mut u64, missing: usize) -> &'a mut u64 {
    if missing > 0 { cut } else { bad }
}

impl Iterator for Container {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(event) = self.out.events.pop_front() {
                return Some(Ok(event));
            }
            match self.state {
                State::Reading => {
                    if let Err(e) = self.step() {
                        self.failure = Some(e.in_file(&self.name));
                        self.state = State::Ending;
                        if let Format::Raw(stream) = &self.format {
                            self.out.events.push_back(Event::End(Arc::clone(stream)));
                        }
                    }
                }
                State::Ending => {
                    if !self.table.finish_oldest(&self.limits, &mut self.tally, &mut self.out) {
                        self.state = State::Ended;
                    }
                }
                State::Ended => return self.failure.take().map(Err),
            }
        }
    }
}
