//! Scratch files: what a run puts aside for a while lies in a file without a name, which goes with the run however it ends.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyacct_model::{Error, ErrorCode, Result};
use keyacct_stats::state_bytes::Bytes;

use crate::month_tables::unwritable;

/// Bytes that are written at once.
const PENDING: usize = 65_536;
/// Bytes that are not worth being copied to what is written at once.
const AT_ONCE: usize = 8_192;
/// Bytes that are read at once, for what was put aside together is mostly wanted together.
const AHEAD: usize = 16_384;
/// Bits of a [`Mark`] for the length.
const LENGTH_BITS: u32 = 16;

/// Where scratch files are made.
#[derive(Clone)]
pub(crate) struct Scratch(Arc<Path>);

impl Scratch {
    /// In a folder.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Scratch(folder.into())
    }

    /// The file that is there, or one of its own.
    ///
    /// # Errors
    /// `write.*`.
    pub(crate) fn file_in<'a>(&self, file: &'a mut Option<ScratchFile>) -> Result<&'a mut ScratchFile> {
        Ok(match file {
            Some(file) => file,
            none => none.insert(self.file()?),
        })
    }

    /// A file of its own.
    ///
    /// # Errors
    /// `write.*`.
    pub(crate) fn file(&self) -> Result<ScratchFile> {
        let file = tempfile::tempfile_in(&self.0).map_err(|e| unwritable(&e, &self.0))?;
        let ahead = (0, Vec::new());
        Ok(ScratchFile { file, folder: self.0.to_path_buf(), written: 0, pending: Vec::new(), ahead })
    }
}

fn cut() -> Error {
    Error::new(ErrorCode::Internal, "a scratch file has been cut")
}

/// Where something lies in a scratch file, and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(u64);

impl Mark {
    /// Nothing lies there.
    pub(crate) const NONE: Mark = Mark(0);

    /// Bytes that lie there.
    pub(crate) fn length(self) -> usize {
        self.0 as usize & ((1 << LENGTH_BITS) - 1)
    }

    fn at(self) -> u64 {
        self.0 >> LENGTH_BITS
    }
}

/// A scratch file, which grows at its end.
pub(crate) struct ScratchFile {
    file: File,
    folder: PathBuf,
    written: u64,
    /// What belongs behind it.
    pending: Vec<u8>,
    /// What was read last, and where it lies.
    ahead: (u64, Vec<u8>),
}

impl ScratchFile {
    /// Bytes put aside so far.
    pub(crate) fn length(&self) -> u64 {
        self.written + self.pending.len() as u64
    }

    /// Forgets all that was put aside. What follows takes its place, which costs less than a new file.
    pub(crate) fn clear(&mut self) {
        self.written = 0;
        self.pending.clear();
        self.ahead.1.clear();
    }

    /// Puts bytes aside, fewer than 65 536.
    ///
    /// # Errors
    /// `write.*`.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<Mark> {
        let at = self.length();
        if bytes.is_empty() || bytes.len() >> LENGTH_BITS != 0 || at >> (64 - LENGTH_BITS) != 0 {
            return Err(Error::new(
                ErrorCode::Internal,
                format!("{} bytes cannot be put aside", bytes.len()),
            ));
        }
        if self.pending.is_empty() && bytes.len() >= AT_ONCE {
            self.write(bytes)?;
        } else {
            self.pending.extend_from_slice(bytes);
            if self.pending.len() >= PENDING {
                self.settle()?;
            }
        }
        Ok(Mark(at << LENGTH_BITS | bytes.len() as u64))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.seek(SeekFrom::Start(self.written));
        written.and_then(|_| self.file.write_all(bytes)).map_err(|e| unwritable(&e, &self.folder))?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Writes what is pending.
    fn settle(&mut self) -> Result<()> {
        let mut pending = std::mem::take(&mut self.pending);
        let written = self.write(&pending);
        pending.clear();
        self.pending = pending;
        written
    }

    /// Reads what lies from a place on, as much as there is room and it reaches.
    fn read(&mut self, at: u64, to: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        let mut read = self.file.seek(SeekFrom::Start(at)).map(drop);
        while read.is_ok() && done < to.len() {
            match self.file.read(&mut to[done..]) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => read = Err(error),
            }
        }
        read.map(|()| done).map_err(|e| unwritable(&e, &self.folder))
    }

    /// Reads the bytes of a mark of this file to where they just fit.
    ///
    /// # Errors
    /// As [`ScratchFile::get`].
    pub(crate) fn copy(&mut self, mark: Mark, to: &mut [u8]) -> Result<()> {
        if mark.at() + to.len() as u64 > self.written {
            self.settle()?;
        }
        if self.read(mark.at(), to)? < to.len() { Err(cut()) } else { Ok(()) }
    }

    /// The bytes of a mark of this file.
    ///
    /// # Errors
    /// `write.*`; `internal` when the file has been cut by others.
    pub(crate) fn get(&mut self, mark: Mark) -> Result<&[u8]> {
        let length = mark.length();
        let from = mark.at().checked_sub(self.ahead.0).and_then(|from| usize::try_from(from).ok());
        let from = match from.filter(|from| from + length <= self.ahead.1.len()) {
            Some(from) => from,
            None => {
                if mark.at() + length as u64 > self.written {
                    self.settle()?;
                }
                let mut bytes = std::mem::take(&mut self.ahead.1);
                bytes.resize(length.max(AHEAD), 0);
                let read = self.read(mark.at(), &mut bytes)?;
                // Behind what is written may lie what was forgotten.
                bytes.truncate(read.min((self.written - mark.at()) as usize));
                self.ahead = (mark.at(), bytes);
                0
            }
        };
        self.ahead.1.get(from..from + length).ok_or_else(cut)
    }

    /// What was put aside under a mark of this file.
    ///
    /// # Errors
    /// As [`ScratchFile::get`].
    pub(crate) fn get_as<T: Bytes>(&mut self, mark: Mark) -> Result<T> {
        let mut bytes = self.get(mark)?;
        let read = T::read(&mut bytes).filter(|_| bytes.is_empty());
        read.ok_or_else(|| Error::new(ErrorCode::Internal, "a scratch file has been changed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_aside_comes_back_in_any_order() {
        let mut file = Scratch::in_folder(&std::env::temp_dir()).file().unwrap();
        let text = |n: usize| vec![n as u8; 1 + n * 977 % 20_000];
        let marks: Vec<Mark> = (0..200).map(|n| file.put(&text(n)).unwrap()).collect();
        let mut bytes = Vec::new();
        for n in (0..200).rev().chain(0..200).chain((0..200).map(|n| n * 37 % 200)) {
            assert_eq!(file.get(marks[n]).unwrap(), text(n));
            bytes.resize(text(n).len(), 0);
            file.copy(marks[n], &mut bytes).unwrap();
            assert_eq!(bytes, text(n));
        }
        let last = file.put(&text(7)).unwrap();
        assert_eq!(file.get(last).unwrap(), text(7));
        assert_eq!(file.get(marks[199]).unwrap(), text(199));
        file.clear();
        let first = file.put(b"anew").unwrap();
        assert_eq!((file.length(), file.get(first).unwrap()), (4, &b"anew"[..]));
        assert_eq!(file.put(&text(19)).map(Mark::length), Ok(text(19).len()));
        assert_eq!(file.get(first).unwrap(), b"anew");
        let second = file.put(&text(17)).unwrap();
        assert_eq!(file.get(second).unwrap(), text(17), "not what lay there before");
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        let mut file = Scratch::in_folder(&std::env::temp_dir()).file().unwrap();
        assert_eq!(file.put(&[]).unwrap_err().code, ErrorCode::Internal);
        assert_eq!(file.put(&vec![0; 65_536]).unwrap_err().code, ErrorCode::Internal);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = Scratch::in_folder(Path::new("/nowhere/at/all")).file().err().unwrap();
        assert_eq!(error.code, ErrorCode::WriteFailed);
        assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    }
}
