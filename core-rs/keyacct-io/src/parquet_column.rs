//! One column of a data set, decoded batch by batch into plain vectors that are used again and again.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Int32Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::{DataType, TimeUnit};
use keyacct_model::{Error, ErrorCode};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::{ConvertedType, LogicalType, TimeUnit as ParquetUnit};
use parquet::errors::ParquetError;
use parquet::schema::types::{ColumnDescPtr, ColumnDescriptor};

use crate::month_limits::Limits;
use crate::parquet_file::{ParquetInput, guarded, not_decodable};
use crate::value_column::{Form, Values, decimals, plausible, values};
use crate::whole_column::{Take, WholeReader};

/// A row group of a data set.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Number of the file.
    pub file: usize,
    /// Number of the row group in its file.
    pub row_group: usize,
    /// Rows of the file before this group.
    pub rows_before: u64,
}

/// A run of rows of one row group.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// Number of the group in the data set.
    pub group: usize,
    /// Rows of the group before this batch.
    pub offset: u64,
    /// Rows.
    pub rows: usize,
    /// Rows of the data set before this batch.
    pub first_row: u64,
}

/// Files, row groups and batches in data set order.
pub struct Plan {
    /// Files.
    pub files: Vec<ParquetInput>,
    /// How each file holds the seven columns of values.
    pub forms: Vec<[Form; 7]>,
    /// Row groups.
    pub groups: Vec<Group>,
    /// Batches.
    pub batches: Vec<Batch>,
}

impl Plan {
    /// Cuts files into batches of at most `batch_rows`.
    pub fn new(files: Vec<ParquetInput>, forms: Vec<[Form; 7]>, batch_rows: usize) -> Plan {
        let (mut groups, mut batches, mut first_row) = (Vec::new(), Vec::new(), 0);
        for (number, file) in files.iter().enumerate() {
            let mut rows_before = 0;
            for (row_group, group) in file.metadata.metadata().row_groups().iter().enumerate() {
                let rows = group.num_rows().max(0) as u64;
                let mut offset = 0;
                while offset < rows {
                    let n = (rows - offset).min(batch_rows as u64);
                    batches.push(Batch { group: groups.len(), offset, rows: n as usize, first_row });
                    offset += n;
                    first_row += n;
                }
                groups.push(Group { file: number, row_group, rows_before });
                rows_before += rows;
            }
        }
        Plan { files, forms, groups, batches }
    }

    /// The error with file, row group and, if known, the row (from 1, within its file) of a batch.
    pub fn place(&self, error: Error, batch: &Batch, row: Option<usize>) -> Error {
        let group = self.groups[batch.group];
        error.in_file(&self.files[group.file].name).at(|p| {
            p.row_group = Some(group.row_group as u64);
            if let Some(row) = row {
                p.row = Some(group.rows_before + batch.offset + row as u64 + 1);
            }
        })
    }
}

/// What a row group's column is decoded by.
enum Source {
    General(ParquetRecordBatchReader),
    Whole(Box<WholeReader>),
}

/// Reads one column of the data set from its first batch to its last; batches must be asked for in order.
pub struct ColumnReader {
    name: &'static str,
    positions: Vec<usize>,
    batch_rows: usize,
    source: Option<Source>,
}

/// A fault and the row of the batch that has it.
pub type Fault = (usize, Error);

impl ColumnReader {
    /// A reader of a column; `positions` are its places in each file.
    pub fn new(name: &'static str, positions: Vec<usize>, batch_rows: usize) -> Self {
        ColumnReader { name, positions, batch_rows, source: None }
    }

    /// Meters of the next batch.
    ///
    /// # Errors
    /// `input.*` with file, row group, column and, if known, row.
    pub fn meters(
        &mut self,
        plan: &Plan,
        batch: &Batch,
        lookup: &mut MeterLookup,
        into: &mut Meters,
    ) -> Result<(), Fault> {
        let array = self.array(plan, batch)?;
        lookup.take(&array, into).map_err(|fault| self.placed(plan, batch, fault))
    }

    /// The next batch as an array.
    ///
    /// # Errors
    /// As of the meters.
    pub fn array(&mut self, plan: &Plan, batch: &Batch) -> Result<ArrayRef, Fault> {
        let none = || (0, Error::new(ErrorCode::Internal, "a column without an array"));
        self.read(plan, batch, false, |_| Ok(()))?.ok_or_else(none)
    }

    /// Times of the next batch in milliseconds.
    ///
    /// # Errors
    /// As of the meters.
    pub fn times(&mut self, plan: &Plan, batch: &Batch, into: &mut Vec<i64>) -> Result<(), Fault> {
        let per_ms = self.leaf(plan, batch).and_then(|(_, leaf)| ticks_per_ms(leaf));
        let mut null = None;
        let array = self.read(plan, batch, per_ms.is_some(), |reader| {
            into.clear();
            let mut instants = Instants { into, per_ms: per_ms.unwrap_or(1), null: None };
            if let WholeReader::Long(reader) = reader {
                reader.rows(batch.rows, &mut instants)?;
            }
            null = instants.null;
            Ok(())
        })?;
        if let Some(array) = array {
            null = times(&array, into);
        }
        checked(into, null).map_err(|fault| self.placed(plan, batch, fault))
    }

    /// Values of the next batch, which the file holds in this form.
    ///
    /// # Errors
    /// As of the meters.
    pub fn values(&mut self, plan: &Plan, batch: &Batch, form: Form, into: &mut Values) -> Result<(), Fault> {
        let decimal = matches!(form, Form::Decimal { .. });
        let mut short = false;
        let array = self.read(plan, batch, decimal, |reader| match reader {
            WholeReader::Short(reader) => {
                short = true;
                decimals(reader, batch.rows, form, into)
            }
            WholeReader::Long(reader) => decimals(reader, batch.rows, form, into),
        })?;
        let taken = match array {
            Some(array) => values(array, form, into),
            None if short => Ok(()), // 32 bits hold nothing that a meter could not show
            None => plausible(into),
        };
        taken.map_err(|fault| self.placed(plan, batch, fault))
    }

    /// The column of the next batch as an array, or nothing when `whole` has taken it from a reader of whole numbers.
    fn read(
        &mut self,
        plan: &Plan,
        batch: &Batch,
        may_be_whole: bool,
        whole: impl FnOnce(&mut WholeReader) -> Result<(), ParquetError>,
    ) -> Result<Option<ArrayRef>, Fault> {
        let group = plan.groups[batch.group];
        let input = &plan.files[group.file];
        let read = guarded(
            || {
                if batch.offset == 0 {
                    self.source = Some(self.open(plan, batch, may_be_whole)?);
                }
                match &mut self.source {
                    Some(Source::Whole(reader)) => whole(reader).map(|()| None),
                    Some(Source::General(reader)) => next(reader, batch.rows).map(Some),
                    None => Err(ParquetError::General("read out of order".to_owned())),
                }
            },
            &input.name,
        );
        read.and_then(|read| read.map_err(|e| not_decodable(&e, &input.name)))
            .map_err(|e| (0, plan.place(self.named(e), batch, None)))
    }

    fn open(&self, plan: &Plan, batch: &Batch, may_be_whole: bool) -> Result<Source, ParquetError> {
        let group = plan.groups[batch.group];
        let ParquetInput { file, metadata, .. } = &plan.files[group.file];
        if may_be_whole && let Some((leaf, _)) = self.leaf(plan, batch) {
            let row_group = metadata.metadata().row_group(group.row_group);
            if let Some(reader) = WholeReader::open(file, row_group, leaf)? {
                return Ok(Source::Whole(Box::new(reader)));
            }
        }
        let mask = ProjectionMask::roots(metadata.parquet_schema(), [self.positions[group.file]]);
        ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), metadata.clone())
            .with_row_groups(vec![group.row_group])
            .with_projection(mask)
            .with_batch_size(self.batch_rows)
            .build()
            .map(Source::General)
    }

    /// The leaf of this column in the file of a batch.
    fn leaf<'p>(&self, plan: &'p Plan, batch: &Batch) -> Option<(usize, &'p ColumnDescriptor)> {
        let schema = plan.files[plan.groups[batch.group].file].metadata.parquet_schema();
        let is_it = |column: &ColumnDescPtr| *column.path().parts() == [self.name];
        schema.columns().iter().position(is_it).map(|at| (at, &*schema.columns()[at]))
    }

    fn placed(&self, plan: &Plan, batch: &Batch, (row, error): Fault) -> Fault {
        (row, plan.place(self.named(error), batch, Some(row)))
    }

    /// The error with this column's name.
    fn named(&self, error: Error) -> Error {
        error.at(|p| p.column = Some(self.name.into()))
    }
}

fn next(reader: &mut ParquetRecordBatchReader, rows: usize) -> Result<ArrayRef, ParquetError> {
    let short = || ParquetError::General("a column is shorter than its row group".to_owned());
    let next = reader.next().ok_or_else(short)??;
    if next.num_rows() != rows { Err(short()) } else { Ok(next.column(0).clone()) }
}

/// Ticks of a millisecond in a column of 64-bit times; nothing when it holds something else.
fn ticks_per_ms(column: &ColumnDescriptor) -> Option<i64> {
    match (column.logical_type_ref(), column.converted_type()) {
        (Some(LogicalType::Timestamp(t)), _) => Some(match t.unit {
            ParquetUnit::MILLIS => 1,
            ParquetUnit::MICROS => 1_000,
            ParquetUnit::NANOS => 1_000_000,
        }),
        (None, ConvertedType::TIMESTAMP_MILLIS) => Some(1),
        (None, ConvertedType::TIMESTAMP_MICROS) => Some(1_000),
        _ => None,
    }
}

/// Takes times; finer units are rounded down.
struct Instants<'a> {
    into: &'a mut Vec<i64>,
    per_ms: i64,
    null: Option<usize>,
}

impl Take<i64> for Instants<'_> {
    fn some(&mut self, values: &[i64]) {
        if self.per_ms == 1 {
            self.into.extend_from_slice(values);
        } else {
            self.into.extend(values.iter().map(|t| t.div_euclid(self.per_ms)));
        }
    }

    fn none(&mut self) {
        self.null = self.null.or(Some(self.into.len()));
        self.into.push(0);
    }
}

/// Meter numbers of a batch, and which rows each shard is to take.
#[derive(Default)]
pub struct Meters {
    /// Number of the meter of each row; [`UNKNOWN`] without limits.
    pub number: Vec<u32>,
    /// Rows of each shard, ascending.
    pub rows: Vec<Vec<u32>>,
}

/// Number of a meter that has no row in the limits.
pub const UNKNOWN: u32 = u32::MAX;

/// Turns dictionary keys into meter numbers. A dictionary is looked up once, not once a row.
pub struct MeterLookup {
    limits: Arc<Limits>,
    shards: u32,
    dictionary: Option<StringArray>,
    /// Number and shard of each id of the dictionary.
    numbers: Vec<(u32, u32)>,
    /// Which ids of the dictionary are noted as unknown.
    noted: Vec<bool>,
    /// Meters with readings but without limits.
    pub unknown: Arc<Mutex<HashSet<String>>>,
}

impl MeterLookup {
    /// A lookup for a number of shards.
    pub fn new(limits: Arc<Limits>, shards: usize) -> Self {
        let unknown = Arc::default();
        let (numbers, noted) = (Vec::new(), Vec::new());
        MeterLookup { limits, shards: shards as u32, dictionary: None, numbers, noted, unknown }
    }

    /// Fills `into` from a column. The error says the row within the batch.
    ///
    /// # Errors
    /// `input.value` for a row without meter.
    fn take(&mut self, column: &ArrayRef, into: &mut Meters) -> Result<(), Fault> {
        let column = column.as_dictionary::<Int32Type>();
        if let Some(row) = first_null(column) {
            return Err((
                row,
                Error::new(ErrorCode::InputValue, "no meter id").hint("remove the row or give its meter"),
            ));
        }
        let values = column.values().as_string::<i32>();
        // The kept array holds its buffer alive, so an equal address is the same dictionary; another row group mostly has
        // the same ids in the same order.
        let same = |known: &StringArray| {
            known.len() == values.len()
                && known.null_count() == 0
                && values.null_count() == 0
                && (known.value_data().as_ptr() == values.value_data().as_ptr()
                    || (known.value_offsets() == values.value_offsets()
                        && known.value_data() == values.value_data()))
        };
        if !self.dictionary.as_ref().is_some_and(same) {
            let number = |id: &str| self.limits.number.get(id).copied().unwrap_or(UNKNOWN);
            self.numbers = (0..values.len())
                .map(|i| if values.is_null(i) { UNKNOWN } else { number(values.value(i)) })
                .map(|number| (number, number % self.shards))
                .collect();
            self.noted = vec![false; values.len()];
            self.dictionary = Some(values.clone());
        }
        into.number.clear();
        into.rows.resize_with(self.shards as usize, Vec::new);
        into.rows.iter_mut().for_each(Vec::clear);
        for (row, &key) in column.keys().values().iter().enumerate() {
            let (number, shard) = self.numbers[key as usize];
            into.number.push(number);
            if number != UNKNOWN {
                into.rows[shard as usize].push(row as u32);
            } else if !std::mem::replace(&mut self.noted[key as usize], true)
                && let Ok(mut unknown) = self.unknown.lock()
            {
                unknown.insert(values.value(key as usize).to_owned());
            }
        }
        Ok(())
    }
}

fn first_null(column: &dyn Array) -> Option<usize> {
    column.nulls().and_then(|nulls| nulls.iter().position(|valid| !valid))
}

/// Whether a column's type can be a time of this data set.
pub fn is_local_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(_, None))
}

/// Times of a batch in milliseconds, and the first row without one; finer units are rounded down.
fn times(column: &ArrayRef, into: &mut Vec<i64>) -> Option<usize> {
    into.clear();
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            into.extend(
                column.as_primitive::<TimestampSecondType>().values().iter().map(|t| t.saturating_mul(1000)),
            );
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => into.extend(
            column.as_primitive::<TimestampMicrosecondType>().values().iter().map(|t| t.div_euclid(1_000)),
        ),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => into.extend(
            column.as_primitive::<TimestampNanosecondType>().values().iter().map(|t| t.div_euclid(1_000_000)),
        ),
        _ => into.extend_from_slice(column.as_primitive::<TimestampMillisecondType>().values()),
    }
    first_null(column)
}

/// Refuses a row without time, and times so far away that arithmetic could overflow.
fn checked(times: &[i64], null: Option<usize>) -> Result<(), Fault> {
    if let Some(row) = null {
        let error = Error::new(ErrorCode::InputValue, "no time").hint("remove the row or give its time");
        return Err((row, error));
    }
    const FAR: i64 = 1 << 53;
    let far = |t: &i64| !(-FAR..FAR).contains(t);
    if times.iter().fold(false, |any, t| any | far(t))
        && let Some(row) = times.iter().position(far)
    {
        let what = format!("the time {} ms is out of range", times[row]);
        return Err((row, Error::new(ErrorCode::InputValue, what)));
    }
    Ok(())
}
