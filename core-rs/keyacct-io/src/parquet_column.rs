//! One column of a data set, decoded batch by batch into plain vectors that are used again and again.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int32Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, PrimitiveArray, StringArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, TimeUnit};
use keyacct_model::{Error, ErrorCode, Result};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::month_limits::Limits;
use crate::parquet_file::{ParquetInput, guarded, not_decodable};

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
    /// Row groups.
    pub groups: Vec<Group>,
    /// Batches.
    pub batches: Vec<Batch>,
}

impl Plan {
    /// Cuts files into batches of at most `batch_rows`.
    pub fn new(files: Vec<ParquetInput>, batch_rows: usize) -> Plan {
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
        Plan { files, groups, batches }
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

/// Reads one column of the data set from its first batch to its last.
pub struct ColumnReader {
    name: &'static str,
    positions: Vec<usize>,
    batch_rows: usize,
    reader: Option<ParquetRecordBatchReader>,
}

impl ColumnReader {
    /// A reader of a column; `positions` are its places in each file.
    pub fn new(name: &'static str, positions: Vec<usize>, batch_rows: usize) -> Self {
        ColumnReader { name, positions, batch_rows, reader: None }
    }

    /// The column of the next batch; batches must be asked for in order.
    ///
    /// # Errors
    /// `input.format` with file, row group and column.
    pub fn read(&mut self, plan: &Plan, batch: &Batch) -> Result<ArrayRef> {
        let group = plan.groups[batch.group];
        let input = &plan.files[group.file];
        let array = guarded(|| self.decode(input, group, batch), &input.name);
        array.and_then(|result| result).map_err(|e| plan.place(self.named(e), batch, None))
    }

    fn decode(&mut self, input: &ParquetInput, group: Group, batch: &Batch) -> Result<ArrayRef> {
        if batch.offset == 0 {
            let mask = ProjectionMask::roots(input.metadata.parquet_schema(), [self.positions[group.file]]);
            let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(
                input.file.clone(),
                input.metadata.clone(),
            )
            .with_row_groups(vec![group.row_group])
            .with_projection(mask)
            .with_batch_size(self.batch_rows)
            .build()
            .map_err(|e| not_decodable(&e, &input.name))?;
            self.reader = Some(reader);
        }
        let short = || not_decodable(&"a column is shorter than its row group", &input.name);
        let next = self.reader.as_mut().and_then(Iterator::next).ok_or_else(short)?;
        let next = next.map_err(|e| not_decodable(&e, &input.name))?;
        if next.num_rows() != batch.rows { Err(short()) } else { Ok(next.column(0).clone()) }
    }

    /// The error with this column's name.
    pub fn named(&self, error: Error) -> Error {
        error.at(|p| p.column = Some(self.name.into()))
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
    numbers: Vec<u32>,
    /// Meters with readings but without limits.
    pub unknown: Arc<Mutex<HashSet<String>>>,
}

impl MeterLookup {
    /// A lookup for a number of shards.
    pub fn new(limits: Arc<Limits>, shards: usize) -> Self {
        let unknown = Arc::default();
        MeterLookup { limits, shards: shards as u32, dictionary: None, numbers: Vec::new(), unknown }
    }

    /// Fills `into` from a column. The error says the row within the batch.
    ///
    /// # Errors
    /// `input.value` for a row without meter.
    pub fn take(&mut self, column: &ArrayRef, into: &mut Meters) -> std::result::Result<(), (usize, Error)> {
        let column = column.as_dictionary::<Int32Type>();
        if let Some(row) = first_null(column) {
            return Err((
                row,
                Error::new(ErrorCode::InputValue, "no meter id").hint("remove the row or give its meter"),
            ));
        }
        let values = column.values().as_string::<i32>();
        let same = |known: &StringArray| {
            known.len() == values.len() && known.value_data().as_ptr() == values.value_data().as_ptr()
        };
        // The kept array holds its buffer alive, so an equal address is the same dictionary.
        if !self.dictionary.as_ref().is_some_and(same) {
            let number = |id: &str| self.limits.number.get(id).copied().unwrap_or(UNKNOWN);
            self.numbers = (0..values.len())
                .map(|i| if values.is_null(i) { UNKNOWN } else { number(values.value(i)) })
                .collect();
            self.dictionary = Some(values.clone());
        }
        into.number.clear();
        into.rows.resize_with(self.shards as usize, Vec::new);
        into.rows.iter_mut().for_each(Vec::clear);
        let mut last_unknown = -1;
        for (row, &key) in column.keys().values().iter().enumerate() {
            let number = self.numbers[key as usize];
            into.number.push(number);
            if number == UNKNOWN {
                if key != last_unknown {
                    last_unknown = key;
                    if let Ok(mut unknown) = self.unknown.lock() {
                        unknown.insert(values.value(key as usize).to_owned());
                    }
                }
            } else {
                into.rows[(number % self.shards) as usize].push(row as u32);
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

/// Times of a batch in milliseconds; finer units are rounded down. The error says the row within the batch.
///
/// # Errors
/// `input.value` for a row without time.
pub fn times(column: &ArrayRef, into: &mut Vec<i64>) -> std::result::Result<(), (usize, Error)> {
    if let Some(row) = first_null(column) {
        return Err((
            row,
            Error::new(ErrorCode::InputValue, "no time").hint("remove the row or give its time"),
        ));
    }
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
    // Day arithmetic stays far from the ends of i64.
    const FAR: i64 = 1 << 53;
    if let Some(row) = into.iter().position(|t| !(-FAR..FAR).contains(t)) {
        return Err((
            row,
            Error::new(ErrorCode::InputValue, format!("the time {} ms is out of range", into[row])),
        ));
    }
    Ok(())
}

/// Values of a batch, NaN where there is none.
pub enum Values {
    /// As single precision: the file has no finer column.
    Narrow(Vec<f32>),
    /// As double precision.
    Wide(Vec<f64>),
}

/// Amounts from here on are no voltage, power or register; below it sums are exact and cannot overflow.
const MOST: f64 = 1e12;

/// Fills `into` from a column of floats. The error says the row within the batch.
///
/// # Errors
/// `input.value` for a NaN or an infinity in the file: nothing stands for "no value" but a null.
pub fn values(column: ArrayRef, into: &mut Values) -> std::result::Result<(), (usize, Error)> {
    let bad = match (column.data_type(), into) {
        (DataType::Float32, Values::Narrow(into)) => {
            take::<Float32Type>(column, into, f32::NAN, |v: f32| v.abs() < MOST as f32)
        }
        (DataType::Float64, Values::Wide(into)) => {
            take::<Float64Type>(column, into, f64::NAN, |v: f64| v.abs() < MOST)
        }
        (DataType::Float32, Values::Wide(into)) => {
            let column = column.as_primitive::<Float32Type>();
            into.clear();
            into.extend(column.values().iter().map(|&v| f64::from(v)));
            settle(into, column.nulls(), f64::NAN, |v: f64| v.abs() < MOST)
        }
        (found, _) => {
            let what = format!("a column of {found} among values");
            return Err((0, Error::new(ErrorCode::Internal, what)));
        }
    };
    match bad {
        None => Ok(()),
        Some(row) => Err((
            row,
            Error::new(ErrorCode::InputValue, "NaN, infinity, or a number that no meter shows")
                .hint("write a null where there is no value"),
        )),
    }
}

/// Takes the memory of a column that nobody else holds, else a copy of it.
fn take<T: ArrowPrimitiveType>(
    column: ArrayRef,
    into: &mut Vec<T::Native>,
    none: T::Native,
    is_finite: impl Fn(T::Native) -> bool,
) -> Option<usize> {
    let array: PrimitiveArray<T> = column.as_primitive::<T>().clone();
    drop(column);
    let (_, values, nulls) = array.into_parts();
    let rows = values.len();
    match values.into_inner().into_vec::<T::Native>() {
        Ok(mut values) => {
            values.truncate(rows);
            *into = values;
        }
        Err(shared) => {
            into.clear();
            into.extend_from_slice(shared.typed_data());
        }
    }
    settle(into, nulls.as_ref(), none, is_finite)
}

/// Puts `none` where there is no value; gives the first row with a value that none can be.
fn settle<V: Copy>(
    values: &mut [V],
    nulls: Option<&NullBuffer>,
    none: V,
    is_finite: impl Fn(V) -> bool,
) -> Option<usize> {
    let all_finite = values.iter().fold(true, |all, &v| all & is_finite(v));
    match nulls.filter(|n| n.null_count() > 0) {
        None => {
            if !all_finite {
                return values.iter().position(|&v| !is_finite(v));
            }
        }
        Some(nulls) => {
            // What lies under a null may be anything, so the slow look is taken at valid values only.
            if !all_finite {
                let bad = |(row, &v): (usize, &V)| nulls.is_valid(row) && !is_finite(v);
                if let Some(row) = values.iter().enumerate().position(bad) {
                    return Some(row);
                }
            }
            for row in (!nulls.inner()).set_indices() {
                values[row] = none;
            }
        }
    }
    None
}
