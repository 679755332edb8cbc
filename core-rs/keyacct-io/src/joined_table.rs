//! A result table put together from Parquet files of one schema, as they are: their pages are copied in long pieces, and
//! only the footer is made anew. A kept file is checked while it is copied, so it is read once and never held whole.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use keyacct_model::{Error, ErrorCode, Result};
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter,
    RowGroupMetaData,
};

use crate::kept_file::Named;
use crate::month_tables::{TableFile, unwritable};

/// Begin and end of a Parquet file.
const MARK: &[u8] = b"PAR1";
/// Length of the footer, and the mark.
const END: usize = 8;
/// Bytes that are copied at a time: they stay in the cache of a core between checking and writing.
const STEP: usize = 1 << 18;

/// A table being put together under a temporary name, which goes away unless the file is published.
pub struct JoinedFile {
    table: TableFile<()>,
    file: File,
    length: u64,
    about: Option<FileMetaData>,
    groups: Vec<RowGroupMetaData>,
}

impl JoinedFile {
    /// Begins a table in a folder, which is made if need be.
    ///
    /// # Errors
    /// `write.*`.
    pub fn begin(folder: &Path, table: &str) -> Result<JoinedFile> {
        std::fs::create_dir_all(folder).map_err(|e| unwritable(&e, folder))?;
        let (table, file) = TableFile::begin(folder, table)?;
        let mut joined = JoinedFile { table, file, length: 0, about: None, groups: Vec::new() };
        joined.write(MARK)?;
        Ok(joined)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| unwritable(&e, self.table.name()))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Appends the rows of a Parquet file that was just made.
    ///
    /// # Errors
    /// `write.*`; `internal` when it is none.
    pub fn append(&mut self, piece: &[u8]) -> Result<()> {
        let content =
            piece.len().checked_sub(END).and_then(|at| at.checked_sub(footer_length(&piece[at..])?));
        let content = content.filter(|&n| n >= MARK.len()).ok_or_else(|| strange("no Parquet"))?;
        let begin = self.length;
        self.write(&piece[MARK.len()..content])?;
        self.footer(&piece[content..piece.len() - END], begin)
    }

    /// Appends the rows of a kept Parquet file. Gives false when it is missing or not what its name says; this table is
    /// then of no use any more.
    ///
    /// # Errors
    /// `write.*`; `internal` when a whole file is no Parquet.
    pub fn append_kept(&mut self, kind: Named, folder: &Path, name: &str) -> Result<bool> {
        let open = || -> std::io::Result<(File, u64, usize)> {
            let mut file = File::open(folder.join(name))?;
            let at = file.seek(SeekFrom::End(-(END as i64)))?;
            let mut end = [0; END];
            file.read_exact(&mut end)?;
            file.rewind()?;
            let content = at.checked_sub(footer_length(&end).unwrap_or_default() as u64);
            let content = content.filter(|&n| n >= MARK.len() as u64);
            let content = content.ok_or(std::io::ErrorKind::InvalidData)?;
            Ok((file, content, (at - content) as usize))
        };
        let Ok((mut file, content, footer_length)) = open() else { return Ok(false) };
        let begin = self.length;
        let mut sum = crc32fast::Hasher::new();
        let mut buffer = vec![0; STEP];
        let (mut left, mut skip) = (content, MARK.len());
        while left > 0 {
            let step = &mut buffer[..left.min(STEP as u64) as usize];
            if file.read_exact(step).is_err() {
                return Ok(false);
            }
            sum.update(step);
            self.write(&step[skip..])?;
            (left, skip) = (left - step.len() as u64, 0);
        }
        let mut footer = Vec::with_capacity(footer_length + END);
        if file.read_to_end(&mut footer).is_err() || footer.len() != footer_length + END {
            return Ok(false);
        }
        sum.update(&footer);
        if kind.name(sum.finalize(), content + footer.len() as u64) != name {
            return Ok(false);
        }
        self.footer(&footer[..footer_length], begin)?;
        Ok(true)
    }

    /// Takes the row groups of a piece over; `begin`: where its content lies now that lay behind its mark.
    fn footer(&mut self, footer: &[u8], begin: u64) -> Result<()> {
        let metadata = ParquetMetaDataReader::decode_metadata(footer).map_err(strange)?;
        let by = begin as i64 - MARK.len() as i64;
        for group in metadata.row_groups() {
            let columns = group.columns().iter().map(|column| moved(column, by)).collect::<Result<_>>()?;
            let moved = group.clone().into_builder().set_column_metadata(columns);
            let moved = moved.set_ordinal(self.groups.len() as i32);
            let moved = moved.set_file_offset(group.file_offset().unwrap_or(MARK.len() as i64) + by);
            self.groups.push(moved.build().map_err(strange)?);
        }
        self.about.get_or_insert_with(|| metadata.file_metadata().clone());
        Ok(())
    }

    /// Lets the disk begin with what is written; it waits for nothing that comes later.
    ///
    /// # Errors
    /// `write.*`.
    pub fn settle(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| unwritable(&e, self.table.name()))
    }

    /// Ends the file and forces it to the disk, still under its temporary name.
    ///
    /// # Errors
    /// `write.*`; `internal` when nothing was appended.
    pub fn close(&mut self) -> Result<()> {
        let about = self.about.take().ok_or_else(|| strange("a table without a schema"))?;
        let groups = std::mem::take(&mut self.groups);
        let rows = groups.iter().map(RowGroupMetaData::num_rows).sum();
        let created_by = Some(concat!("keyacct ", env!("CARGO_PKG_VERSION")).to_owned());
        let kept = about.key_value_metadata().cloned();
        let file = FileMetaData::new(about.version(), rows, created_by, kept, about.schema_descr_ptr(), None);
        let mut end = Vec::new();
        let metadata = ParquetMetaData::new(file, groups);
        ParquetMetaDataWriter::new(&mut end, &metadata).finish().map_err(strange)?;
        self.write(&end)?;
        self.file.sync_all().map_err(|e| unwritable(&e, self.table.name()))
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// `write.*`.
    pub fn publish(self) -> Result<()> {
        self.table.publish()
    }
}

fn strange(error: impl ToString) -> Error {
    Error::new(ErrorCode::Internal, error.to_string())
}

/// Length of the footer, by the last bytes of a file; nothing when they are not Parquet's.
fn footer_length(end: &[u8]) -> Option<usize> {
    let (length, mark) = end.split_at_checked(4)?;
    (mark == MARK).then_some(u32::from_le_bytes(length.try_into().ok()?) as usize)
}

/// A column whose pages lie elsewhere. Indexes of pages are not taken along.
fn moved(column: &ColumnChunkMetaData, by: i64) -> Result<ColumnChunkMetaData> {
    column
        .clone()
        .into_builder()
        .set_data_page_offset(column.data_page_offset() + by)
        .set_dictionary_page_offset(column.dictionary_page_offset().map(|at| at + by))
        .set_offset_index_offset(None)
        .set_offset_index_length(None)
        .set_column_index_offset(None)
        .set_column_index_length(None)
        .build()
        .map_err(strange)
}
