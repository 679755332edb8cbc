//! A wide data set of samples written anew in our own layout: exact decimals, delta-coded, uncompressed.
//!
//! The order of rows, the files and their names stay, so statistics of the copy are to the bit those of the original.
//! What the layout rests on: docs/design/segments.md.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{PrimitiveBuilder, StringDictionaryBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal32Type, Decimal64Type, Float32Type, Float64Type, Int32Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use keyacct_model::{Error, ErrorCode, Result};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::month_pipeline::COLUMNS;
use crate::month_stats::{Opened, SINGLE_KEY};
use crate::month_tables::unwritable;
use crate::parquet_column::{Batch, ColumnReader, Plan};
use crate::parquet_file::parts;
use crate::value_column::{Form, Values, double, single};

/// Rows of a row group.
const GROUP_ROWS: usize = 262_144;
/// Most decimals behind the point; with more, a decimal does not lead back to its single-precision number for certain.
const MOST_DECIMALS: u8 = 8;
/// Whole numbers of up to fifteen digits and doubles lead to each other.
const MOST: f64 = 1e15;
/// Largest number of nine digits, which INT32 holds.
const SHORT: f64 = 999_999_999.0;
/// Columns of values.
const VALUES: usize = COLUMNS.len() - 2;

/// What became of a column of values.
#[derive(Clone, Debug)]
pub struct PackedColumn {
    /// Its name.
    pub name: &'static str,
    /// Its type in the copy, as a person writes it.
    pub kind: String,
    /// A value that no short decimal stands for: then the column is kept as floating numbers.
    pub kept_for: Option<f64>,
}

/// What was written.
#[derive(Debug)]
pub struct Packed {
    /// Readings.
    pub rows: u64,
    /// Bytes of the files read and written.
    pub bytes: (u64, u64),
    /// Files.
    pub files: Vec<PathBuf>,
    /// Columns of values.
    pub columns: Vec<PackedColumn>,
}

/// Writes the samples of `data` (a folder, or one file; `limits` is no sample file) to the folder `out`. `interrupted` is
/// asked at every batch.
///
/// # Errors
/// `usage.invalid` when both are one folder; `input.*` as of the statistics, and when an exact decimal has more than
/// fifteen digits; `write.*`. Nothing is left of the copy then.
pub fn pack(
    data: &Path,
    limits: &Path,
    out: &Path,
    interrupted: &mut dyn FnMut() -> Result<()>,
) -> Result<Packed> {
    let files = parts(data, limits)?;
    std::fs::create_dir_all(out).map_err(|e| unwritable(&e, out))?;
    let folder = files.first().and_then(|file| file.parent()).unwrap_or(data);
    if std::fs::canonicalize(folder).ok() == std::fs::canonicalize(out).ok() {
        return Err(Error::new(ErrorCode::Usage, format!("{} holds the samples themselves", out.display()))
            .hint("name another folder"));
    }
    let opened = Opened::new(&files)?;
    let decisions = decide(&opened, interrupted)?;
    let mut staged = Staged::default();
    let (mut rows, mut bytes) = (0, (0, 0));
    for (number, file) in files.iter().enumerate() {
        let name = file.file_name().unwrap_or_default();
        let path = staged.add(out.join(name))?;
        rows += write(&opened, number, &decisions, &path, interrupted)?;
        let length = |path: &Path| std::fs::metadata(path).map_or(0, |m| m.len());
        bytes = (bytes.0 + length(file), bytes.1 + length(&path));
    }
    interrupted()?;
    let columns = decisions.iter().enumerate().map(|(n, decision)| decision.told(COLUMNS[n + 2])).collect();
    Ok(Packed { rows, bytes, files: staged.publish()?, columns })
}

/// Files under temporary names, which go away unless they are published.
#[derive(Default)]
struct Staged(Vec<(PathBuf, PathBuf)>);

impl Staged {
    fn add(&mut self, name: PathBuf) -> Result<PathBuf> {
        let own = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let temporary = name.with_file_name(format!(".{own}.{}.tmp", std::process::id()));
        self.0.push((temporary.clone(), name));
        Ok(temporary)
    }

    fn publish(mut self) -> Result<Vec<PathBuf>> {
        let mut published = Vec::new();
        for (temporary, name) in std::mem::take(&mut self.0) {
            std::fs::rename(&temporary, &name).map_err(|e| unwritable(&e, &name))?;
            published.push(name);
        }
        Ok(published)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        for (temporary, _) in &self.0 {
            let _ = std::fs::remove_file(temporary);
        }
    }
}

/// How a column of values is written.
#[derive(Clone, Copy, Debug)]
struct Decision {
    /// Whether all files hold it in single precision.
    single: bool,
    /// Decimals behind the point; none keeps the floating numbers, for the sake of the value in `kept_for`.
    scale: Option<u8>,
    kept_for: f64,
    /// Largest amount.
    most: f64,
}

impl Decision {
    fn short(&self) -> bool {
        self.scale.is_some_and(|scale| self.most * 10_f64.powi(i32::from(scale)) <= SHORT)
    }

    /// Takes a value that single or double precision holds.
    fn meet(&mut self, value: f64) {
        let Some(mut scale) = self.scale else { return };
        self.most = self.most.max(value.abs());
        while whole(value, scale, self.single).is_none() {
            if scale == MOST_DECIMALS {
                (self.scale, self.kept_for) = (None, value);
                return;
            }
            scale += 1;
        }
        self.scale = Some(scale);
        if self.most * 10_f64.powi(i32::from(scale)) > MOST {
            (self.scale, self.kept_for) = (None, value);
        }
    }

    fn data_type(&self) -> DataType {
        match self.scale {
            Some(scale) if self.short() => DataType::Decimal32(9, scale as i8),
            Some(scale) => DataType::Decimal64(18, scale as i8),
            None if self.single => DataType::Float32,
            None => DataType::Float64,
        }
    }

    fn told(&self, name: &'static str) -> PackedColumn {
        let kind = match (self.scale, self.single) {
            (Some(scale), _) => format!("decimal({}, {scale})", if self.short() { 9 } else { 18 }),
            (None, true) => "float32".to_owned(),
            (None, false) => "float64".to_owned(),
        };
        PackedColumn { name, kind, kept_for: self.scale.is_none().then_some(self.kept_for) }
    }
}

/// The whole number of 10^−scale that leads back to a value, if there is one.
fn whole(value: f64, scale: u8, is_single: bool) -> Option<i64> {
    let nearest = (value * 10_f64.powi(i32::from(scale))).round();
    if nearest.abs() > MOST {
        return None;
    }
    // At a power of two the values above lie wider apart than those below, so a neighbour may be the one.
    [0, -1, 1].into_iter().map(|step| nearest as i64 + step).find(|&number| {
        let number = i128::from(number);
        (if is_single { f64::from(single(number, scale)) } else { double(number, scale) }) == value
    })
}

fn decide(opened: &Opened, interrupted: &mut dyn FnMut() -> Result<()>) -> Result<[Decision; VALUES]> {
    let plan = &opened.plan;
    let mut decisions = std::array::from_fn(|n| Decision {
        single: plan.forms.iter().all(|forms| forms[n].is_single()),
        scale: Some(0),
        kept_for: f64::NAN,
        most: 0.0,
    });
    for (n, decision) in decisions.iter_mut().enumerate() {
        let mut reader = opened.reader(n + 2);
        let mut values = empty(decision.single);
        for batch in &plan.batches {
            interrupted()?;
            read(&mut reader, plan, batch, n, &mut values)?;
            match &values {
                Values::Narrow(values) => {
                    values.iter().filter(|v| !v.is_nan()).for_each(|&v| decision.meet(f64::from(v)))
                }
                Values::Wide(values) => values.iter().filter(|v| !v.is_nan()).for_each(|&v| decision.meet(v)),
            }
        }
    }
    Ok(decisions)
}

fn empty(single: bool) -> Values {
    if single { Values::Narrow(Vec::new()) } else { Values::Wide(Vec::new()) }
}

fn read(reader: &mut ColumnReader, plan: &Plan, batch: &Batch, n: usize, into: &mut Values) -> Result<()> {
    let form = plan.forms[plan.groups[batch.group].file][n];
    reader.values(plan, batch, form, into).map_err(|(_, error)| error)?;
    let Form::Decimal { scale, single: false } = form else { return Ok(()) };
    let Values::Wide(values) = into else { return Ok(()) };
    let most = MOST / 10_f64.powi(i32::from(scale));
    if let Some(row) = values.iter().position(|v| v.abs() > most) {
        let error =
            Error::new(ErrorCode::InputValue, format!("{} has more than fifteen digits", values[row]))
                .hint("write the column with fewer decimals")
                .at(|p| p.column = Some(COLUMNS[n + 2].into()));
        return Err(plan.place(error, batch, Some(row)));
    }
    Ok(())
}

fn write(
    opened: &Opened,
    file: usize,
    decisions: &[Decision; VALUES],
    path: &Path,
    interrupted: &mut dyn FnMut() -> Result<()>,
) -> Result<u64> {
    let plan = &opened.plan;
    let schema = schema(decisions);
    let into = File::create(path).map_err(|e| unwritable(&e, path))?;
    let failed = |e: parquet::errors::ParquetError| not_written(&e, path);
    let options =
        ArrowWriterOptions::new().with_properties(properties(decisions)).with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(into, schema.clone(), options).map_err(failed)?;
    let mut readers: Vec<ColumnReader> = (0..COLUMNS.len()).map(|n| opened.reader(n)).collect();
    let mut values = decisions.map(|decision| empty(decision.single));
    let mut times = Vec::new();
    let mut rows = 0;
    for batch in plan.batches.iter().filter(|batch| plan.groups[batch.group].file == file) {
        interrupted()?;
        let meters = readers[0].array(plan, batch).map_err(|(_, error)| error)?;
        let mut columns = vec![ids(&meters).map_err(|(row, error)| plan.place(error, batch, Some(row)))?];
        readers[1].times(plan, batch, &mut times).map_err(|(_, error)| error)?;
        columns.push(Arc::new(TimestampMillisecondArray::from(times.clone())));
        for (n, decision) in decisions.iter().enumerate() {
            read(&mut readers[n + 2], plan, batch, n, &mut values[n])?;
            columns.push(packed(&values[n], decision)?);
        }
        let batch = RecordBatch::try_new(schema.clone(), columns)
            .map_err(|e| Error::new(ErrorCode::Internal, e.to_string()))?;
        rows += batch.num_rows() as u64;
        writer.write(&batch).map_err(failed)?;
    }
    writer.finish().map_err(failed)?;
    writer.inner().sync_all().map_err(|e| unwritable(&e, path))?;
    Ok(rows)
}

fn not_written(error: &parquet::errors::ParquetError, path: &Path) -> Error {
    if let parquet::errors::ParquetError::External(inner) = error
        && let Some(io) = inner.downcast_ref::<std::io::Error>()
    {
        return unwritable(io, path);
    }
    Error::new(ErrorCode::WriteFailed, format!("cannot write: {error}")).in_file(path.display().to_string())
}

/// Meter ids with 32-bit dictionary keys and only the ids that occur.
fn ids(column: &ArrayRef) -> std::result::Result<ArrayRef, (usize, Error)> {
    let column = column.as_dictionary::<Int32Type>();
    let values = column.values().as_string::<i32>();
    let mut builder = StringDictionaryBuilder::<Int32Type>::new();
    for row in 0..column.len() {
        match column.key(row).filter(|&key| values.is_valid(key)) {
            Some(key) => {
                builder.append_value(values.value(key));
            }
            None => {
                let error = Error::new(ErrorCode::InputValue, "no meter id");
                return Err((row, error.hint("remove the row or give its meter")));
            }
        }
    }
    Ok(Arc::new(builder.finish()))
}

fn packed(values: &Values, decision: &Decision) -> Result<ArrayRef> {
    let Some(scale) = decision.scale else {
        return Ok(match values {
            Values::Narrow(values) => floats::<Float32Type>(values, |v| v.is_nan()),
            Values::Wide(values) => floats::<Float64Type>(values, |v| v.is_nan()),
        });
    };
    let values: Box<dyn Iterator<Item = f64>> = match values {
        Values::Narrow(values) => Box::new(values.iter().map(|&v| f64::from(v))),
        Values::Wide(values) => Box::new(values.iter().copied()),
    };
    let number = |value: f64| -> Result<Option<i64>> {
        if value.is_nan() {
            return Ok(None);
        }
        let changed = || Error::new(ErrorCode::InputUnreadable, "a file changed while it was read");
        whole(value, scale, decision.single).map(Some).ok_or_else(changed)
    };
    let name = |e: arrow_schema::ArrowError| Error::new(ErrorCode::Internal, e.to_string());
    if decision.short() {
        let mut column = PrimitiveBuilder::<Decimal32Type>::new();
        for value in values {
            column.append_option(number(value)?.map(|number| number as i32));
        }
        Ok(Arc::new(column.finish().with_precision_and_scale(9, scale as i8).map_err(name)?))
    } else {
        let mut column = PrimitiveBuilder::<Decimal64Type>::new();
        for value in values {
            column.append_option(number(value)?);
        }
        Ok(Arc::new(column.finish().with_precision_and_scale(18, scale as i8).map_err(name)?))
    }
}

fn floats<T: ArrowPrimitiveType>(values: &[T::Native], none: impl Fn(T::Native) -> bool) -> ArrayRef {
    let mut column = PrimitiveBuilder::<T>::new();
    values.iter().for_each(|&v| column.append_option((!none(v)).then_some(v)));
    Arc::new(column.finish())
}

fn schema(decisions: &[Decision; VALUES]) -> SchemaRef {
    let text = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let mut fields = vec![
        Field::new(COLUMNS[0], text, false),
        Field::new(COLUMNS[1], DataType::Timestamp(TimeUnit::Millisecond, None), false),
    ];
    fields.extend(
        decisions
            .iter()
            .zip(&COLUMNS[2..])
            .map(|(decision, name)| Field::new(*name, decision.data_type(), true)),
    );
    Arc::new(Schema::new(fields))
}

fn properties(decisions: &[Decision; VALUES]) -> WriterProperties {
    let path = |name: &str| ColumnPath::from(name);
    let singles: Vec<&str> = decisions
        .iter()
        .zip(&COLUMNS[2..])
        .filter(|(decision, _)| decision.single && decision.scale.is_some())
        .map(|(_, name)| *name)
        .collect();
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_key_value_metadata(Some(vec![KeyValue::new(SINGLE_KEY.to_owned(), singles.join(","))]))
        .set_created_by(concat!("keyacct ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_column_dictionary_enabled(path(COLUMNS[1]), false)
        .set_column_encoding(path(COLUMNS[1]), Encoding::DELTA_BINARY_PACKED);
    for (decision, name) in decisions.iter().zip(&COLUMNS[2..]) {
        properties = properties.set_column_dictionary_enabled(path(name), false);
        let encoding = match decision.scale {
            Some(_) => Encoding::DELTA_BINARY_PACKED,
            // Floats without a pattern: their bytes in streams are what a general compressor can still use.
            None => Encoding::BYTE_STREAM_SPLIT,
        };
        properties = properties.set_column_encoding(path(name), encoding);
        if decision.scale.is_none() {
            properties = properties.set_column_compression(path(name), Compression::LZ4_RAW);
        }
    }
    properties.build()
}
