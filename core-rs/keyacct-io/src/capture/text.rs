//! Text logs: a line is a time (or none), a direction (or none) and hex, in whatever layout the tool wrote.
//!
//! ```text
//! 2018-06-06 10:38:15.123 TX 68 AA …        15:44:29 RX 68…        [10:00:01]发→◇68 …        >> 0x68,0xAA
//! ```
//! [`super::line`] reads one line, [`super::dump`] the lines of a hex dump. What is between lines is here: a line
//! without hex is a heading, whose time and direction hold for the lines below that have none; a line that says nothing
//! goes on where the one before stopped. UTF-16 becomes UTF-8; GBK needs no conversion, its signs are looked for as they
//! are. `docs/captures.md` lists the layouts.

use std::collections::HashMap;
use std::io::BufRead;
use std::net::SocketAddr;

use keyacct_model::{Error, ErrorCode, Result};

use super::dump::{self, Dump};
use super::line::{Line, parse_line};
use super::source::{Chunk, Side, Source, Step, Written};
use crate::container::error_of;

const LONGEST_LINE: usize = 16 << 20;
/// Conversations of hex dumps that are kept apart.
const MOST_FLOWS: usize = 4_096;

/// How the characters of a file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    /// ASCII, UTF-8, GBK: hex digits are single bytes.
    Bytes,
    Utf16 {
        big: bool,
    },
}

/// A text log that is read line by line.
pub struct TextLog<R> {
    reader: R,
    name: String,
    encoding: Option<Encoding>,
    raw: Vec<u8>,
    text: Vec<u8>,
    /// The line in `text` has not been looked at.
    waits: bool,
    line: u64,
    offset: u64,
    /// Where the next line begins.
    next: u64,
    with_bytes: u64,
    /// What the heading said.
    heading: (Option<Written>, Option<Side>),
    /// What the last line with bytes said.
    side: Side,
    dump: Option<Dump>,
    flows: HashMap<(SocketAddr, SocketAddr), Flow>,
    bytes: Vec<u8>,
}

/// One direction of a conversation in a hex dump of packets.
#[derive(Clone, Copy, Debug)]
struct Flow {
    stream: u64,
    lane: u8,
    next: Option<u32>,
}

/// Bytes and what the log says of them.
struct Found {
    stream: u64,
    lane: u8,
    side: Side,
    written: Option<Written>,
    line: u64,
    offset: u64,
    gap: bool,
}

impl<R: BufRead> TextLog<R> {
    /// A log; `name` is the file as the caller named it.
    pub fn new(reader: R, name: &str) -> Self {
        TextLog {
            reader,
            name: name.to_owned(),
            encoding: None,
            raw: Vec::new(),
            text: Vec::new(),
            waits: false,
            line: 0,
            offset: 0,
            next: 0,
            with_bytes: 0,
            heading: (None, None),
            side: Side::Unknown,
            dump: None,
            flows: HashMap::new(),
            bytes: Vec::new(),
        }
    }

    /// The next line into `text`; false at the end.
    fn read(&mut self) -> Result<bool> {
        if std::mem::take(&mut self.waits) {
            return Ok(true);
        }
        self.raw.clear();
        self.offset = self.next;
        let encoding = match self.encoding {
            Some(encoding) => encoding,
            None => {
                let head = self.reader.fill_buf().map_err(|e| error_of(e).in_file(&self.name))?;
                *self.encoding.insert(encoding_of(head))
            }
        };
        let count = read_line(&mut self.reader, &mut self.raw, encoding)
            .map_err(|e| error_of(e).in_file(&self.name).at(|p| p.offset = p.offset.or(Some(self.next))))?;
        if count == 0 {
            return Ok(false);
        }
        self.line += 1;
        self.next += count as u64;
        let (line, offset) = (self.line, self.offset);
        let place = |e: Error| {
            e.in_file(&self.name).at(|p| {
                p.line = Some(line);
                p.offset = Some(offset);
            })
        };
        if count > LONGEST_LINE {
            let most = LONGEST_LINE >> 20;
            let error = Error::new(ErrorCode::InputLimit, format!("the line is longer than {most} MiB"))
                .hint("this is no text log; write one chunk of bytes a line")
                .in_chinese(format!("此行超过 {most} MiB"), "这不是文本日志; 每行应只有一段报文");
            return Err(place(error));
        }
        self.text.clear();
        match encoding {
            Encoding::Bytes => self.text.extend_from_slice(&self.raw),
            Encoding::Utf16 { big } => {
                let unit = |pair: &[u8]| {
                    let pair = [pair[0], *pair.get(1).unwrap_or(&0)];
                    if big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
                };
                let units = self.raw.chunks(2).map(unit);
                let text: String = char::decode_utf16(units).map(|c| c.unwrap_or('\u{FFFD}')).collect();
                self.text.extend_from_slice(text.as_bytes());
            }
        }
        if self.text.contains(&0) {
            let error = Error::new(ErrorCode::InputFormat, "this is no text log: it holds NUL bytes")
                .hint("a text log holds lines of hex, with or without time and direction")
                .in_chinese(
                    "这不是文本日志: 含有 NUL 字节",
                    "文本日志每行为一段十六进制报文, 可带时间和方向",
                );
            return Err(place(error));
        }
        Ok(true)
    }

    /// The bytes of a dump that has ended; none for a packet without payload.
    fn dumped(&mut self, dump: Dump) -> Option<Found> {
        let Dump { bytes, line, offset, written, side, .. } = dump;
        let mut found = Found { stream: 0, lane: lane_of(side), side, written, line, offset, gap: false };
        self.bytes = bytes;
        let Some(packet) = dump::packet(&self.bytes) else { return Some(found) };
        let (from, to) = (packet.from, packet.to);
        if !self.flows.contains_key(&(from, to)) {
            if self.flows.len() >= MOST_FLOWS {
                self.flows.clear();
            }
            let (stream, lane) = match self.flows.get(&(to, from)) {
                Some(back) => (back.stream, 1 - back.lane),
                None => (self.line, 0), // a number that no other has
            };
            self.flows.insert((from, to), Flow { stream, lane, next: None });
        }
        let flow = self.flows.get_mut(&(from, to))?;
        (found.stream, found.lane, found.side) = (flow.stream, flow.lane, Side::Unknown);
        let mut payload = packet.payload;
        if let Some(sequence) = packet.sequence {
            let sent = u32::try_from(payload.len()).unwrap_or(0);
            let ahead = sequence.wrapping_sub(flow.next.unwrap_or(sequence)).cast_signed();
            if ahead < 0 {
                // Sent again; what is new of it stays.
                payload.start += usize::try_from(ahead.unsigned_abs()).unwrap_or(0).min(payload.len());
            }
            found.gap = ahead > 0;
            if ahead >= 0 || !payload.is_empty() {
                flow.next = Some(sequence.wrapping_add(sent));
            }
        }
        if payload.is_empty() {
            return None;
        }
        self.bytes.truncate(payload.end);
        self.bytes.drain(..payload.start);
        Some(found)
    }

    fn find(&mut self) -> Result<Option<Found>> {
        loop {
            if !self.read()? {
                if let Some(dump) = self.dump.take() {
                    match self.dumped(dump) {
                        Some(found) => return Ok(Some(found)),
                        None => continue,
                    }
                }
                return Ok(None);
            }
            if let Some(row) = dump::row(&self.text, self.dump.as_ref().map(|dump| dump.bytes.len())) {
                if row.begins
                    && let Some(dump) = self.dump.take()
                {
                    self.waits = true;
                    match self.dumped(dump) {
                        Some(found) => return Ok(Some(found)),
                        None => continue,
                    }
                }
                let (written, side) = self.heading;
                let (line, offset) = (self.line, self.offset);
                let dump = self.dump.get_or_insert_with(|| Dump {
                    bytes: Vec::new(),
                    line,
                    offset,
                    written,
                    side: side.unwrap_or(Side::Unknown),
                });
                dump.bytes.extend(row.bytes);
                continue;
            }
            if let Some(dump) = self.dump.take() {
                self.waits = true;
                if let Some(found) = self.dumped(dump) {
                    return Ok(Some(found));
                }
                continue;
            }
            let Line { written, side, stream } = parse_line(&self.text, &mut self.bytes);
            if self.bytes.is_empty() {
                if written.is_some() || side.is_some() {
                    self.heading = (written, side);
                    self.side = Side::Unknown;
                }
                continue;
            }
            // A line that names its time or its direction needs no heading.
            let told = written.is_some() || side.is_some();
            if told {
                self.heading = (None, None);
            }
            self.side = match (side, told) {
                (Some(side), _) => side,
                (None, true) => Side::Unknown,
                (None, false) => self.heading.1.unwrap_or(self.side),
            };
            let written = written.or(self.heading.0);
            return Ok(Some(Found {
                stream,
                lane: lane_of(self.side),
                side: self.side,
                written,
                line: self.line,
                offset: self.offset,
                gap: false,
            }));
        }
    }
}

fn lane_of(side: Side) -> u8 {
    match side {
        Side::Sent => 0,
        Side::Received => 1,
        Side::Unknown => 2,
    }
}

impl<R: BufRead> Source for TextLog<R> {
    fn next_step(&mut self) -> Result<Option<Step<'_>>> {
        let Some(found) = self.find()? else {
            if self.with_bytes == 0 {
                return Err(Error::new(ErrorCode::InputFormat, "there is no hex in this file")
                    .hint("a text log holds lines of hex, with or without time and direction")
                    .in_chinese("文件中没有十六进制报文", "文本日志每行为一段十六进制报文, 可带时间和方向")
                    .in_file(&self.name));
            }
            return Ok(None);
        };
        self.with_bytes += 1;
        let Found { stream, lane, side, written, line, offset, gap } = found;
        Ok(Some(Step::Bytes(Chunk {
            stream,
            lane,
            side,
            written,
            line,
            offset: Some(offset),
            gap,
            bytes: &self.bytes,
        })))
    }
}

/// UTF-16 has a mark, or a NUL beside every character of a log.
fn encoding_of(head: &[u8]) -> Encoding {
    match head {
        [0xFF, 0xFE, ..] => Encoding::Utf16 { big: false },
        [0xFE, 0xFF, ..] => Encoding::Utf16 { big: true },
        [first, 0, _, 0, ..] if *first != 0 => Encoding::Utf16 { big: false },
        [0, first, 0, _, ..] if *first != 0 => Encoding::Utf16 { big: true },
        _ => Encoding::Bytes,
    }
}

/// One line with its end; stops one piece behind the longest line that is taken.
fn read_line(reader: &mut impl BufRead, to: &mut Vec<u8>, encoding: Encoding) -> std::io::Result<usize> {
    loop {
        let ready = reader.fill_buf()?;
        if ready.is_empty() {
            return Ok(to.len());
        }
        let mut used = ready.len();
        let mut whole = false;
        for at in (0..ready.len()).filter(|at| ready[*at] == b'\n') {
            // In UTF-16 the digit's other half may be the byte of a line end, and the pair may be cut by the buffer.
            let before = to.len() + at;
            match encoding {
                Encoding::Bytes => (used, whole) = (at + 1, true),
                Encoding::Utf16 { big: true } => {
                    let high = if at > 0 { ready.get(at - 1) } else { to.last() };
                    whole = before % 2 == 1 && high == Some(&0);
                    used = at + 1;
                }
                Encoding::Utf16 { big: false } => match ready.get(at + 1) {
                    Some(0) if before.is_multiple_of(2) => (used, whole) = (at + 2, true),
                    _ => {}
                },
            }
            if whole {
                break;
            }
            used = ready.len();
        }
        to.extend_from_slice(&ready[..used]);
        reader.consume(used);
        // The second half of a line end that the buffer had cut.
        if !whole && encoding == (Encoding::Utf16 { big: false }) && to.len().is_multiple_of(2) {
            whole = to.ends_with(b"\n\0");
        }
        if whole || to.len() > LONGEST_LINE {
            return Ok(to.len());
        }
    }
}
