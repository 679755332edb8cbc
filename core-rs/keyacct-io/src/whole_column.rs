//! A column of whole numbers of one row group, decoded from its pages without the general reader: delta-coded or plain
//! INT32 and INT64, null or not. What has another form goes through the general reader.

use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageReader};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::serialized_reader::SerializedPageReader;

use crate::delta_page::{Deltas, Levels, Plain, Torn, Whole};
use crate::parquet_file::{Chunk, SharedFile};

/// Rows that are decoded and handed on at once, so that they are still near.
const STEP: usize = 8_192;

/// Takes decoded rows.
pub(crate) trait Take<T> {
    /// Values that follow one another.
    fn some(&mut self, values: &[T]);
    /// One row without a value.
    fn none(&mut self);
}

enum Numbers<T> {
    Delta(Deltas<T>),
    Plain(Plain),
}

struct PageRows<T> {
    rows: usize,
    levels: Option<Levels>,
    numbers: Numbers<T>,
}

/// Reads a column of whole numbers of one row group.
pub(crate) struct Reader<T> {
    pages: SerializedPageReader<Chunk>,
    nullable: bool,
    /// Rows of the group that no page read so far holds.
    rows_left: usize,
    page: Option<PageRows<T>>,
    scratch: Vec<T>,
    nulls: Vec<u32>,
}

/// Such a reader of either width.
pub(crate) enum WholeReader {
    /// INT32.
    Short(Reader<i32>),
    /// INT64.
    Long(Reader<i64>),
}

impl WholeReader {
    /// A reader of leaf column `leaf` of a row group; nothing when it has another form.
    ///
    /// # Errors
    /// When the place of its pages is impossible.
    pub(crate) fn open(
        file: &SharedFile,
        group: &RowGroupMetaData,
        leaf: usize,
    ) -> Result<Option<WholeReader>, ParquetError> {
        let chunk = group.column(leaf);
        let descriptor = chunk.column_descr();
        let ours = |e| matches!(e, Encoding::DELTA_BINARY_PACKED | Encoding::PLAIN | Encoding::RLE);
        let flat = descriptor.max_rep_level() == 0 && descriptor.max_def_level() <= 1;
        if !flat || chunk.dictionary_page_offset().is_some() || !chunk.encodings().all(ours) {
            return Ok(None);
        }
        let rows = group.num_rows().max(0) as usize;
        let nullable = descriptor.max_def_level() == 1;
        let (start, length) = chunk.byte_range();
        let pages =
            || SerializedPageReader::new(Arc::new(Chunk::of(file, start, length)?), chunk, rows, None);
        Ok(match chunk.column_type() {
            Type::INT32 => Some(WholeReader::Short(Reader::new(pages()?, nullable, rows))),
            Type::INT64 => Some(WholeReader::Long(Reader::new(pages()?, nullable, rows))),
            _ => None,
        })
    }
}

impl<T: Whole> Reader<T> {
    fn new(pages: SerializedPageReader<Chunk>, nullable: bool, rows_left: usize) -> Self {
        Reader { pages, nullable, rows_left, page: None, scratch: Vec::new(), nulls: Vec::new() }
    }

    /// Hands the next `rows` rows over.
    pub(crate) fn rows(&mut self, mut rows: usize, into: &mut impl Take<T>) -> Result<(), ParquetError> {
        while rows > 0 {
            if self.page.as_ref().is_none_or(|page| page.rows == 0) {
                self.page = Some(self.next_page()?);
            }
            let Some(page) = &mut self.page else { continue };
            let step = rows.min(page.rows).min(STEP);
            self.nulls.clear();
            self.scratch.clear();
            if let Some(levels) = &mut page.levels {
                levels.nulls(step, 0, &mut self.nulls).map_err(torn)?;
            }
            let values = step - self.nulls.len();
            match &mut page.numbers {
                Numbers::Delta(deltas) => deltas.take(values, &mut self.scratch),
                Numbers::Plain(plain) => plain.take(values, &mut self.scratch),
            }
            .map_err(torn)?;
            let mut taken = 0;
            for (before, &row) in self.nulls.iter().enumerate() {
                let to = row as usize - before;
                into.some(&self.scratch[taken..to]);
                into.none();
                taken = to;
            }
            into.some(&self.scratch[taken..]);
            page.rows -= step;
            rows -= step;
            if let (0, Numbers::Delta(deltas)) = (page.rows, &page.numbers)
                && deltas.left() > 0
            {
                return Err(torn(Torn("it holds more values than its levels tell")));
            }
        }
        Ok(())
    }

    fn next_page(&mut self) -> Result<PageRows<T>, ParquetError> {
        let page =
            self.pages.get_next_page()?.ok_or_else(|| torn(Torn("a column ends before its row group")))?;
        let rows = page.num_values() as usize;
        if rows > self.rows_left {
            return Err(torn(Torn("it holds more rows than its row group")));
        }
        self.rows_left -= rows;
        let encoding = page.encoding();
        let (runs, values) = self.parts(&page)?;
        let numbers = match encoding {
            Encoding::DELTA_BINARY_PACKED => Numbers::Delta(Deltas::new(values, rows).map_err(torn)?),
            Encoding::PLAIN => Numbers::Plain(Plain::new(values)),
            other => {
                return Err(ParquetError::General(format!(
                    "a page coded as {other} that its footer does not tell"
                )));
            }
        };
        Ok(PageRows { rows, levels: runs.map(Levels::new), numbers })
    }

    /// Levels and values of a page.
    fn parts(&self, page: &Page) -> Result<(Option<Bytes>, Bytes), ParquetError> {
        let buffer = page.buffer();
        let cut = |from: usize, length: usize| {
            let end = from.checked_add(length).filter(|end| *end <= buffer.len());
            end.map(|end| (buffer.slice(from..end), buffer.slice(end..)))
                .ok_or_else(|| torn(Torn("its levels are longer than itself")))
        };
        match page {
            Page::DataPage { .. } if self.nullable => {
                let length =
                    buffer.first_chunk::<4>().map_or(usize::MAX, |b| u32::from_le_bytes(*b) as usize);
                cut(4, length).map(|(runs, values)| (Some(runs), values))
            }
            Page::DataPageV2 { def_levels_byte_len, rep_levels_byte_len, .. } => {
                let (_, rest) = cut(0, *rep_levels_byte_len as usize)?;
                let from = buffer.len() - rest.len();
                let (runs, values) = cut(from, *def_levels_byte_len as usize)?;
                Ok((self.nullable.then_some(runs), values))
            }
            Page::DataPage { .. } => Ok((None, buffer.clone())),
            Page::DictionaryPage { .. } => Err(torn(Torn("a dictionary that its footer does not tell"))),
        }
    }
}

fn torn(torn: Torn) -> ParquetError {
    ParquetError::General(format!("a page of whole numbers: {}", torn.0))
}
