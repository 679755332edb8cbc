//! Parquet files as a data set: finding them in a folder, opening them, checking their columns.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use bytes::{Buf, Bytes};
use keyacct_model::{Error, ErrorCode, Result};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

/// A file that many readers share: every read names its own offset.
#[derive(Clone)]
pub struct SharedFile {
    file: Arc<File>,
    length: u64,
}

impl SharedFile {
    /// Opens a file for reading.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(SharedFile { file: Arc::new(file), length })
    }

    #[cfg(unix)]
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&*self.file, buffer, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(&*self.file, buffer, offset)
    }
}

/// A position in a [`SharedFile`].
pub struct Cursor {
    file: SharedFile,
    offset: u64,
}

impl Read for Cursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buffer, self.offset)?;
        self.offset += n as u64;
        Ok(n)
    }
}

impl Length for SharedFile {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for SharedFile {
    type T = BufReader<Cursor>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        // Only page headers are read through this; they are some dozen bytes long.
        Ok(BufReader::with_capacity(512, Cursor { file: self.clone(), offset: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        // A damaged footer may claim any length; no more is allocated than the file can hold.
        if start.saturating_add(length as u64) > self.length {
            return Err(ParquetError::EOF(format!(
                "{length} bytes at {start} are wanted, the file ends at {}",
                self.length
            )));
        }
        let mut buffer = vec![0; length];
        let mut cursor = Cursor { file: self.clone(), offset: start };
        cursor.read_exact(&mut buffer)?;
        Ok(buffer.into())
    }
}

/// Columns of a row group that are read from the file at once, up to this many bytes.
const AT_ONCE: u64 = 1 << 20;

/// The bytes of a column of a row group: read at once where they are few, for pages of some ten kilobytes cost more by
/// being asked for than by being read.
pub enum Chunk {
    /// Bytes from an offset of the file on.
    Read(u64, Bytes),
    /// To be read page by page.
    InFile(SharedFile),
}

impl Chunk {
    /// Of `length` bytes from `start` on.
    ///
    /// # Errors
    /// When the file is shorter.
    pub fn of(file: &SharedFile, start: u64, length: u64) -> parquet::errors::Result<Chunk> {
        if length > AT_ONCE {
            return Ok(Chunk::InFile(file.clone()));
        }
        Ok(Chunk::Read(start, file.get_bytes(start, length as usize)?))
    }
}

/// What lies behind `start` of bytes that begin at `first`.
fn behind(start: u64, first: u64, bytes: &Bytes) -> parquet::errors::Result<Bytes> {
    let at = start.checked_sub(first).filter(|at| *at <= bytes.len() as u64);
    let at = at.ok_or_else(|| {
        ParquetError::EOF(format!("bytes at {start} are wanted of a column that begins at {first}"))
    })?;
    Ok(bytes.slice(at as usize..))
}

impl Length for Chunk {
    fn len(&self) -> u64 {
        match self {
            Chunk::Read(first, bytes) => first + bytes.len() as u64,
            Chunk::InFile(file) => file.length,
        }
    }
}

impl ChunkReader for Chunk {
    type T = Box<dyn Read + Send>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(match self {
            Chunk::Read(first, bytes) => Box::new(behind(start, *first, bytes)?.reader()),
            Chunk::InFile(file) => Box::new(file.get_read(start)?),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        match self {
            Chunk::InFile(file) => file.get_bytes(start, length),
            Chunk::Read(first, bytes) => {
                let bytes = behind(start, *first, bytes)?;
                let short =
                    || ParquetError::EOF(format!("{length} bytes at {start} are wanted of a shorter column"));
                if length > bytes.len() { Err(short()) } else { Ok(bytes.slice(..length)) }
            }
        }
    }
}

/// A Parquet file whose footer has been read.
pub struct ParquetInput {
    /// Name for messages.
    pub name: String,
    /// Its bytes.
    pub file: SharedFile,
    /// Footer and Arrow schema, as the file has it.
    pub metadata: ArrowReaderMetadata,
}

/// The error of a file that cannot be opened or read.
pub fn unreadable(error: &io::Error, path: &Path) -> Error {
    let (code, what, hint) = match error.kind() {
        io::ErrorKind::NotFound => {
            (ErrorCode::InputNotFound, "no such file or folder".to_owned(), "check the path")
        }
        _ => (ErrorCode::InputUnreadable, format!("cannot read: {error}"), "check the path and permissions"),
    };
    Error::new(code, what).hint(hint).in_file(path.display().to_string())
}

/// The error of a Parquet file, or a part of one, that cannot be decoded.
pub fn not_decodable(error: &impl std::fmt::Display, name: &str) -> Error {
    Error::new(ErrorCode::InputFormat, format!("not readable as Parquet: {error}"))
        .hint("the file is damaged or cut short; copy or write it again")
        .in_file(name)
}

impl ParquetInput {
    /// Opens a file and reads its footer.
    ///
    /// # Errors
    /// `input.not_found`, `input.unreadable`, `input.format`.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = SharedFile::open(path).map_err(|e| unreadable(&e, path))?;
        let load = || ArrowReaderMetadata::load(&file, ArrowReaderOptions::new());
        let metadata = guarded(load, &name)?.map_err(|e| not_decodable(&e, &name))?;
        Ok(ParquetInput { name, file, metadata })
    }

    /// The column of a name, with its position.
    ///
    /// # Errors
    /// `input.schema` naming the columns that are there.
    pub fn column(&self, name: &str, wanted: &str) -> Result<(usize, &Field)> {
        let fields = self.metadata.schema().fields();
        match fields.iter().position(|f| f.name() == name) {
            Some(at) => Ok((at, &fields[at])),
            None => {
                let there: Vec<&str> = fields.iter().map(|f| f.name().as_str()).collect();
                Err(Error::new(
                    ErrorCode::InputSchema,
                    format!("column {name} is missing; there are {}", there.join(", ")),
                )
                .hint(format!("add {name} as {wanted}, or name the right folder"))
                .in_file(&self.name)
                .at(|p| p.column = Some(name.into())))
            }
        }
    }

    /// The error of a column of the wrong type.
    pub fn wrong_type(&self, field: &Field, wanted: &str) -> Error {
        Error::new(ErrorCode::InputSchema, format!("type {} where {wanted} is needed", field.data_type()))
            .hint("write the column with that type")
            .in_file(&self.name)
            .at(|p| p.column = Some(field.name().clone()))
    }

    /// The same file read with some columns as other Arrow types.
    ///
    /// # Errors
    /// `input.schema` when a column cannot be read so.
    pub fn retyped(mut self, types: &[(usize, DataType)]) -> Result<Self> {
        let mut fields: Vec<Field> =
            self.metadata.schema().fields().iter().map(|f| f.as_ref().clone()).collect();
        for (at, data_type) in types {
            fields[*at] = fields[*at].clone().with_data_type(data_type.clone());
        }
        let schema = Schema::new_with_metadata(fields, self.metadata.schema().metadata().clone());
        let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
        self.metadata = ArrowReaderMetadata::try_new(self.metadata.metadata().clone(), options)
            .map_err(|e| Error::new(ErrorCode::InputSchema, e.to_string()).in_file(&self.name))?;
        Ok(self)
    }
}

/// Runs a decoder, which may panic on a damaged file, and makes such a panic an error.
///
/// # Errors
/// `input.format` after a panic.
pub fn guarded<T>(decode: impl FnOnce() -> T, name: &str) -> Result<T> {
    // Nothing that the decoder has touched is used after a panic: the run ends with this error.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(decode)).map_err(|panic| {
        let what = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
            .unwrap_or_else(|| "the decoder failed".to_owned());
        not_decodable(&what, name)
    })
}

/// The Parquet files of a data set in the order of their names: `part-*.parquet` of a folder, else all its `*.parquet`
/// but `except`; or the one file that is named.
///
/// # Errors
/// `input.not_found`, `input.unreadable`, or `input.empty` when there is no such file.
pub fn parts(data: &Path, except: &Path) -> Result<Vec<PathBuf>> {
    if data.is_file() {
        return Ok(vec![data.to_owned()]);
    }
    let mut all = Vec::new();
    for entry in std::fs::read_dir(data).map_err(|e| unreadable(&e, data))? {
        let path = entry.map_err(|e| unreadable(&e, data))?.path();
        if path.extension().is_some_and(|e| e == "parquet") && path.is_file() {
            all.push(path);
        }
    }
    let is_part =
        |p: &PathBuf| p.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("part-"));
    if all.iter().any(is_part) {
        all.retain(is_part);
    } else {
        let except = std::fs::canonicalize(except).ok();
        all.retain(|p| except.is_none() || std::fs::canonicalize(p).ok() != except);
    }
    if all.is_empty() {
        return Err(Error::new(ErrorCode::InputEmpty, "no Parquet files with samples in this folder")
            .hint("name the folder that holds part-*.parquet")
            .in_file(data.display().to_string()));
    }
    all.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    Ok(all)
}
