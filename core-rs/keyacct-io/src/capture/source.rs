//! What every kind of capture gives, and which kind a file is.

use std::io::Read;
use std::path::Path;

use keyacct_model::{Result, Stamp};

use super::text::TextLog;
use crate::container::{self, Container, Content, Kind, Limits, Transport};

/// Which way bytes went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// From the master to the device.
    Sent,
    /// From the device to the master.
    Received,
    /// The capture does not say; what a frame says about its direction decides.
    Unknown,
}

/// A time as a capture states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// A civil time of a log line; a date may be missing.
    Line(Stamp),
    /// When a packet was captured, milliseconds since 1970-01-01 UTC.
    Received(i64),
}

/// Bytes in the order of the line, with what the capture says about them.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'c> {
    /// The conversation; 0 where there is only one.
    pub stream: u64,
    /// Which byte stream of the conversation: a direction.
    pub lane: u8,
    /// Which way they went.
    pub side: Side,
    /// When, if the capture says so.
    pub written: Option<Written>,
    /// Line of a text log from 1; 0 where there are no lines.
    pub line: u64,
    /// Byte offset in the file of the line or packet; none where the offset in the stream is that in the file.
    pub offset: Option<u64>,
    /// Whether bytes are missing before these: what was begun cannot go on.
    pub gap: bool,
    /// The bytes.
    pub bytes: &'c [u8],
}

/// One step through a capture.
#[derive(Clone, Copy, Debug)]
pub enum Step<'c> {
    /// The next bytes.
    Bytes(Chunk<'c>),
    /// No more of this conversation will come.
    End(u64),
}

/// Gives the chunks of a capture one after another, in bounded memory.
pub trait Source {
    /// The next step; none at the end.
    ///
    /// # Errors
    /// `input.*`: the file cannot be read, or is not of the form of this source.
    fn next_step(&mut self) -> Result<Option<Step<'_>>>;

    /// What the container counted so far; none where there is no container.
    fn counts(&self) -> Option<container::Tally> {
        None
    }
}

/// A capture of any kind, gzip around it taken off.
pub enum Capture {
    /// Lines of hex with times and directions.
    Text(Box<TextLog<Content>>),
    /// Raw bytes, or packets whose connections are put together.
    Packets(Box<Packets>),
}

/// Chunks of a container.
pub struct Packets {
    container: Container,
    bytes: Vec<u8>,
}

impl Capture {
    /// Opens a file and finds out of which kind it is. `name` is what errors call it.
    ///
    /// # Errors
    /// `input.not_found`, `input.unreadable`, `input.empty`, or `input.format` when it is no capture.
    pub fn open(path: &str, name: &str) -> Result<Capture> {
        let container = container::open(Path::new(path), Limits::default()).map_err(|e| e.in_file(name))?;
        Ok(Self::of(container, name))
    }

    /// A capture from anything that can be read; see [`Capture::open`].
    ///
    /// # Errors
    /// As [`Capture::open`].
    pub fn read(name: &str, input: impl Read + Send + 'static) -> Result<Capture> {
        Ok(Self::of(container::read(name, input, Limits::default())?, name))
    }

    fn of(container: Container, name: &str) -> Capture {
        match container.kind() {
            Kind::Text => Capture::Text(Box::new(TextLog::new(container.into_content(), name))),
            _ => Capture::Packets(Box::new(Packets { container, bytes: Vec::new() })),
        }
    }
}

impl Source for Capture {
    fn next_step(&mut self) -> Result<Option<Step<'_>>> {
        match self {
            Capture::Text(log) => log.next_step(),
            Capture::Packets(packets) => packets.next_step(),
        }
    }

    fn counts(&self) -> Option<container::Tally> {
        match self {
            Capture::Text(_) => None,
            Capture::Packets(packets) => packets.counts(),
        }
    }
}

impl Source for Packets {
    fn next_step(&mut self) -> Result<Option<Step<'_>>> {
        match self.container.next().transpose()? {
            None => Ok(None),
            Some(container::Event::End(stream)) => Ok(Some(Step::End(stream.index))),
            Some(container::Event::Bytes(chunk)) => {
                self.bytes = chunk.bytes;
                let is_file = chunk.stream.transport == Transport::File;
                Ok(Some(Step::Bytes(Chunk {
                    stream: chunk.stream.index,
                    lane: chunk.direction.index() as u8,
                    side: Side::Unknown,
                    written: chunk.time_us.map(|us| Written::Received(us.div_euclid(1000))),
                    line: 0,
                    offset: (!is_file).then_some(chunk.file_offset),
                    gap: chunk.gap_before.is_some(),
                    bytes: &self.bytes,
                })))
            }
        }
    }

    fn counts(&self) -> Option<container::Tally> {
        Some(self.container.tally())
    }
}
