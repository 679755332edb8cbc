//! What every kind of capture gives, and which kind a file is.

use std::fs::File;
use std::io::{BufReader, Read, Seek};

use keyacct_model::{Error, ErrorCode, Result, Stamp};

use super::text::TextLog;

/// Which way bytes went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// From the master to the device.
    Sent,
    /// From the device to the master.
    Received,
    /// The capture does not say.
    Unknown,
}

/// A time as a capture states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The stamp; a date may be missing.
    pub stamp: Stamp,
}

/// Bytes in the order of the line, with what the capture says about them.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'c> {
    /// Which way they went.
    pub side: Side,
    /// When, if the capture says so.
    pub written: Option<Written>,
    /// Line of a text log from 1; 0 where there are no lines.
    pub line: u64,
    /// Byte offset in the file of the line or of the first byte.
    pub offset: u64,
    /// The bytes.
    pub bytes: &'c [u8],
}

/// Gives the chunks of a capture one after another, in bounded memory.
pub trait Source {
    /// The next chunk; none at the end.
    ///
    /// # Errors
    /// `input.*`: the file cannot be read, or is not of the form of this source.
    fn next_chunk(&mut self) -> Result<Option<Chunk<'_>>>;
}

/// A capture file of any kind.
pub enum Capture {
    /// Lines of hex with times and directions.
    Text(TextLog<BufReader<File>>),
}

impl Capture {
    /// Opens a file and finds out of which kind it is.
    ///
    /// # Errors
    /// `input.not_found`, `input.unreadable`, `input.empty`, or `input.format` when it is no capture.
    pub fn open(path: &str) -> Result<Capture> {
        let unreadable = |e: std::io::Error| io_error(&e, path);
        let mut file = File::open(path).map_err(unreadable)?;
        if file.metadata().map_err(unreadable)?.is_dir() {
            return Err(Error::new(ErrorCode::InputUnreadable, "this is a folder, a file is needed")
                .in_file(path)
                .hint("name the capture file itself"));
        }
        let mut head = vec![0; 1 << 16];
        let mut filled = 0;
        while filled < head.len() {
            match file.read(&mut head[filled..]).map_err(unreadable)? {
                0 => break,
                n => filled += n,
            }
        }
        head.truncate(filled);
        if head.is_empty() {
            return Err(Error::new(ErrorCode::InputEmpty, "the file is empty")
                .in_file(path)
                .hint("check that the capture was written; nothing was read"));
        }
        TextLog::<BufReader<File>>::check_head(&head).map_err(|e| e.in_file(path))?;
        file.rewind().map_err(unreadable)?;
        Ok(Capture::Text(TextLog::new(BufReader::with_capacity(1 << 16, file), path)))
    }
}

impl Source for Capture {
    fn next_chunk(&mut self) -> Result<Option<Chunk<'_>>> {
        match self {
            Capture::Text(log) => log.next_chunk(),
        }
    }
}

/// The error of a file that cannot be read.
pub(super) fn io_error(error: &std::io::Error, path: &str) -> Error {
    use std::io::ErrorKind;
    let made = match error.kind() {
        ErrorKind::NotFound => {
            Error::new(ErrorCode::InputNotFound, "no such file or folder").hint("check the path")
        }
        ErrorKind::IsADirectory => {
            Error::new(ErrorCode::InputUnreadable, "this is a folder, a file is needed").hint("name a file")
        }
        _ => Error::new(ErrorCode::InputUnreadable, format!("cannot read: {error}"))
            .hint("check the path and permissions"),
    };
    made.in_file(path)
}
