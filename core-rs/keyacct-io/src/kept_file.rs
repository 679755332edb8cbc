//! Files that are kept and may be made again: each whole or not there, and each able to tell whether it is whole.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use keyacct_model::Result;

use crate::month_tables::unwritable;

/// The content of a kept file between its mark and its checksum; nothing when it is not whole.
pub fn kept_content<'a>(bytes: &'a [u8], magic: &[u8]) -> Option<&'a [u8]> {
    let content = bytes.strip_prefix(magic)?;
    let (content, sum) = content.split_at_checked(content.len().checked_sub(4)?)?;
    (crc32fast::hash(content).to_le_bytes() == sum).then_some(content)
}

/// Writes a file with a mark and a checksum: whole or not at all, under its own name only when it is on the disk.
///
/// # Errors
/// `write.*`.
pub fn keep(path: &Path, magic: &[u8], content: &[u8]) -> Result<()> {
    let mut writer = KeptWriter::begin(path, magic)?;
    writer.write(content)?;
    writer.close()
}

/// A kept file that is written piece by piece under a temporary name, which goes away unless the file is closed.
pub struct KeptWriter {
    file: File,
    path: PathBuf,
    temporary: PathBuf,
    /// What is yet to be written.
    pub buffer: Vec<u8>,
    sum: crc32fast::Hasher,
    length: u64,
}

impl KeptWriter {
    /// Content that is written at a time: it stays in the cache of a core until then.
    const STEP: usize = 1 << 16;

    /// Begins a file with a mark. The path may get its last part when the file is closed.
    ///
    /// # Errors
    /// `write.*`.
    pub fn begin(path: &Path, magic: &[u8]) -> Result<KeptWriter> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".{}.tmp", std::process::id()));
        let temporary = PathBuf::from(temporary);
        let file = File::create(&temporary).map_err(|e| unwritable(&e, path))?;
        let (path, buffer, sum) = (path.to_owned(), Vec::new(), crc32fast::Hasher::new());
        let mut writer = KeptWriter { file, path, temporary, buffer, sum, length: 0 };
        // From here on the temporary file goes away with the writer, also when there is no room for the mark.
        writer.file.write_all(magic).map_err(|e| unwritable(&e, &writer.path))?;
        Ok(writer)
    }

    /// Adds content.
    fn write(&mut self, content: &[u8]) -> Result<()> {
        self.sum.update(content);
        self.length += content.len() as u64;
        self.file.write_all(content).map_err(|e| unwritable(&e, &self.path))
    }

    /// Writes the buffer out when it has become long.
    ///
    /// # Errors
    /// `write.*`.
    #[inline]
    pub fn settle(&mut self) -> Result<()> {
        if self.buffer.len() >= Self::STEP { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        self.write(&buffer)?;
        buffer.clear();
        self.buffer = buffer;
        Ok(())
    }

    /// Ends the file with its checksum; it is on the disk when this is back.
    ///
    /// # Errors
    /// `write.*`.
    pub fn close(mut self) -> Result<()> {
        self.flush()?;
        let sum = self.sum.clone().finalize().to_le_bytes();
        self.file.write_all(&sum).map_err(|e| unwritable(&e, &self.path))?;
        self.publish(&self.path)
    }

    /// Ends the file under the name of its content in the same folder; it is on the disk when this is back.
    ///
    /// # Errors
    /// `write.*`.
    pub fn close_named(mut self, kind: Named) -> Result<String> {
        self.flush()?;
        let name = kind.name(self.sum.clone().finalize(), self.length);
        self.publish(&self.path.with_file_name(&name))?;
        Ok(name)
    }

    fn publish(&self, path: &Path) -> Result<()> {
        let done = self.file.sync_all().and_then(|()| std::fs::rename(&self.temporary, path));
        done.map_err(|e| unwritable(&e, path))
    }
}

impl Drop for KeptWriter {
    fn drop(&mut self) {
        // Once the file has its name there is nothing of this one.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

/// The content of a kept file that has been found whole, read piece by piece: little of it is in memory at a time.
pub struct KeptReader {
    file: File,
    buffer: Vec<u8>,
    at: usize,
}

impl KeptReader {
    /// Content that is read at a time.
    const STEP: usize = 1 << 16;
    /// Content that is there when a piece is asked for, unless it is the last.
    pub const PIECE: usize = 1 << 13;

    /// Reads on behind what is there; gives how much came.
    fn read_on(&mut self) -> Option<usize> {
        (&self.file).take(Self::STEP as u64).read_to_end(&mut self.buffer).ok()
    }

    /// What comes next: at least a piece, or all that is left; nothing when it cannot be read.
    pub fn front(&mut self) -> Option<&[u8]> {
        if self.buffer.len() - self.at < Self::PIECE {
            self.buffer.drain(..self.at);
            self.at = 0;
            self.read_on()?;
        }
        Some(&self.buffer[self.at..])
    }

    /// Passes over what was taken.
    pub fn pass(&mut self, length: usize) {
        self.at = (self.at + length).min(self.buffer.len());
    }
}

/// A kind of files that are named by their content.
#[derive(Clone, Copy)]
pub struct Named {
    /// First part of the name.
    pub stem: &'static str,
    /// Last part of the name, with its dot.
    pub suffix: &'static str,
}

impl Named {
    /// The name of a content with this CRC-32 and length.
    pub fn name(&self, sum: u32, length: u64) -> String {
        format!("{}-{sum:08x}-{length}{}", self.stem, self.suffix)
    }

    /// Whether a file of this name is of this kind.
    pub fn holds(&self, name: &str) -> bool {
        name.strip_prefix(self.stem).is_some_and(|rest| rest.starts_with('-') && rest.ends_with(self.suffix))
    }

    /// Keeps a content, on the disk when this is back; gives its name.
    ///
    /// # Errors
    /// `write.*`.
    pub fn keep(&self, folder: &Path, content: &[u8]) -> Result<String> {
        let name = self.name(crc32fast::hash(content), content.len() as u64);
        let path = folder.join(&name);
        if !std::fs::read(&path).is_ok_and(|there| there == content) {
            let mut writer = KeptWriter::begin(&path, &[])?;
            writer.write(content)?;
            writer.publish(&path)?;
        }
        Ok(name)
    }

    /// The content of a name, to be read from its front; nothing when it is missing or damaged.
    pub fn open(self, folder: &Path, name: &str) -> Option<KeptReader> {
        let file = File::open(folder.join(name)).ok()?;
        let buffer = Vec::with_capacity(KeptReader::STEP + KeptReader::PIECE);
        let mut reader = KeptReader { file, buffer, at: 0 };
        let (mut sum, mut length) = (crc32fast::Hasher::new(), 0);
        while let read @ 1.. = reader.read_on()? {
            sum.update(&reader.buffer);
            length += read as u64;
            reader.buffer.clear();
        }
        reader.file.rewind().ok()?;
        (self.name(sum.finalize(), length) == name).then_some(reader)
    }
}
