//! The two tables of `keyacct stats`: columns in their published order, as Arrow batches or as Parquet files.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use keyacct_model::{Error, ErrorCode, Result};
use keyacct_stats::load::BLOCK_MS;
use keyacct_stats::month::{MonthTally, Tally};
use keyacct_stats::power_factor::MS_PER_HOUR;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::month_limits::Limits;
use crate::month_pipeline::Output;

/// Rows of an output batch, and of a row group of an output file: days, and months, whose rows are longer. While a group
/// is filled its rows are held, and with them the encoded pages: few rows are little memory, and cost readers little.
const BATCH_ROWS: [usize; 2] = [16_384, 4_096];

/// A column being filled. NaN and `i64::MIN` stand for null.
enum Column {
    Float(Vec<f64>),
    Count(Vec<i64>),
    Time(Vec<i64>),
    Flag(Vec<Option<bool>>),
}

impl Column {
    fn data_type(&self) -> DataType {
        match self {
            Column::Float(_) => DataType::Float64,
            Column::Count(_) => DataType::Int64,
            Column::Time(_) => DataType::Timestamp(TimeUnit::Millisecond, None),
            Column::Flag(_) => DataType::Boolean,
        }
    }

    fn take(&mut self) -> ArrayRef {
        let present = |valid: BooleanBuffer| Some(NullBuffer::new(valid)).filter(|n| n.null_count() > 0);
        match self {
            Column::Float(values) => {
                let valid = BooleanBuffer::collect_bool(values.len(), |i| !values[i].is_nan());
                Arc::new(Float64Array::new(std::mem::take(values).into(), present(valid)))
            }
            Column::Count(values) => Arc::new(Int64Array::from(std::mem::take(values))),
            Column::Time(values) => {
                let valid = BooleanBuffer::collect_bool(values.len(), |i| values[i] != i64::MIN);
                Arc::new(TimestampMillisecondArray::new(std::mem::take(values).into(), present(valid)))
            }
            Column::Flag(values) => Arc::new(BooleanArray::from(std::mem::take(values))),
        }
    }
}

/// Rows of a table that are not yet a batch.
struct Rows {
    schema: SchemaRef,
    meters: Vec<u32>,
    days: Vec<i32>,
    columns: Vec<Column>,
}

/// Fills the columns of a row one after the other.
struct Row<'a>(std::slice::IterMut<'a, Column>);

impl Row<'_> {
    fn float(&mut self, value: Option<f64>) {
        if let Some(Column::Float(column)) = self.0.next() {
            column.push(value.unwrap_or(f64::NAN));
        }
    }
    fn count(&mut self, value: i64) {
        if let Some(Column::Count(column)) = self.0.next() {
            column.push(value);
        }
    }
    fn time(&mut self, value: Option<i64>) {
        if let Some(Column::Time(column)) = self.0.next() {
            column.push(value.unwrap_or(i64::MIN));
        }
    }
    fn flag(&mut self, value: Option<bool>) {
        if let Some(Column::Flag(column)) = self.0.next() {
            column.push(value);
        }
    }

    fn tally(&mut self, t: &Tally) {
        self.count(t.n);
        for x in &t.phase {
            let seen = x.monitored_ms > 0;
            self.count(x.monitored_ms);
            self.count(x.over_ms);
            self.count(x.under_ms);
            self.count(x.below_floor_ms);
            self.float(x.rate().map(|r| 100.0 * r));
            self.float(seen.then_some(x.max.0));
            self.time(seen.then_some(x.max_at_ms));
            self.float(seen.then_some(x.min.0));
            self.time(seen.then_some(x.min_at_ms));
            self.float(x.mean());
        }
        let energy = t.energy().energy();
        self.float(Some(energy.active / MS_PER_HOUR));
        self.float(Some(energy.reactive / MS_PER_HOUR));
        self.float(energy.power_factor());
        for period in &t.period {
            self.float(period.energy().power_factor());
        }
        let load = t.load.demands();
        self.float(load.map(|d| d.highest.0));
        self.time(load.map(|d| d.highest.1 * BLOCK_MS));
        self.float(load.map(|d| d.lowest.0));
        self.float(load.map(|d| d.mean));
        self.float(load.filter(|d| d.highest.0 > 0.0).map(|d| d.mean / d.highest.0));
        self.float(t.ep.difference());
        self.float(t.eq.difference());
    }
}

impl Rows {
    fn new(key: &str, month: bool) -> Rows {
        let mut columns: Vec<(String, Column)> = Vec::new();
        let float = |name: &str| (name.to_owned(), Column::Float(Vec::new()));
        let count = |name: &str| (name.to_owned(), Column::Count(Vec::new()));
        let time = |name: &str| (name.to_owned(), Column::Time(Vec::new()));
        columns.push(count("n"));
        for x in ["a", "b", "c"] {
            columns.extend(["mon", "over", "under", "loss"].map(|name| count(&format!("{x}_{name}_ms"))));
            columns.push(float(&format!("{x}_rate")));
            for extreme in ["max", "min"] {
                columns.push(float(&format!("{x}_{extreme}")));
                columns.push(time(&format!("{x}_{extreme}_ts")));
            }
            columns.push(float(&format!("{x}_mean")));
        }
        columns.extend(["wp_kwh", "wq_kvarh", "pf", "pf_peak", "pf_flat", "pf_valley", "md_kw"].map(float));
        columns.push(time("md_ts"));
        columns.extend(["lmin_kw", "lmean_kw", "load_factor", "ep_kwh", "eq_kvarh"].map(float));
        if month {
            columns.extend((0..24).map(|hour| float(&format!("pf_h{hour:02}"))));
            columns.push(float("pf_std"));
            columns.push(("pf_pass".to_owned(), Column::Flag(Vec::new())));
        }
        let mut fields =
            vec![Field::new("meter_id", DataType::Utf8, false), Field::new(key, DataType::Date32, false)];
        fields.extend(
            columns.iter().map(|(name, c)| Field::new(name, c.data_type(), !matches!(c, Column::Count(_)))),
        );
        Rows {
            schema: Arc::new(Schema::new(fields)),
            meters: Vec::new(),
            days: Vec::new(),
            columns: columns.into_iter().map(|(_, column)| column).collect(),
        }
    }

    fn row(&mut self, meter: u32, day: i64) -> Row<'_> {
        self.meters.push(meter);
        self.days.push(day as i32); // times are checked to be far within the range of a date
        Row(self.columns.iter_mut())
    }

    fn take(&mut self, limits: &Limits) -> Result<RecordBatch> {
        let ids = StringArray::from_iter_values(self.meters.drain(..).map(|m| &limits.ids[m as usize]));
        let mut arrays: Vec<ArrayRef> =
            vec![Arc::new(ids), Arc::new(Date32Array::from(std::mem::take(&mut self.days)))];
        arrays.extend(self.columns.iter_mut().map(Column::take));
        RecordBatch::try_new(self.schema.clone(), arrays)
            .map_err(|e| Error::new(ErrorCode::Internal, e.to_string()))
    }
}

/// Where batches of a table go.
enum Target {
    Memory(Vec<RecordBatch>),
    File(Box<TableFile>),
}

impl Target {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Target::Memory(batches) => {
                batches.push(batch.clone());
                Ok(())
            }
            Target::File(file) => file.write(batch),
        }
    }
}

/// A Parquet file being written under a temporary name, which goes away unless the file is published.
pub(crate) struct TableFile<W = ArrowWriter<File>> {
    writer: Option<W>,
    temporary: PathBuf,
    name: PathBuf,
}

/// The error of a file that cannot be written.
pub fn unwritable(error: &std::io::Error, path: &Path) -> Error {
    let (code, hint) = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            (ErrorCode::WriteFull, "free some space and run again")
        }
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            (ErrorCode::WriteReadOnly, "check the owner and permissions, or choose another place")
        }
        _ => (ErrorCode::WriteFailed, "nothing that was there has been changed"),
    };
    Error::new(code, format!("cannot write: {error}")).hint(hint).in_file(path.display().to_string())
}

/// How result tables are written: compressed by what is quickest to write and read.
///
/// `page_index`: whether a reader can find single pages; what is joined later drops it.
fn properties(schema: &SchemaRef, page_index: bool) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::LZ4_RAW)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(!page_index)
        .set_created_by(concat!("keyacct ", env!("CARGO_PKG_VERSION")).to_owned());
    for field in schema.fields() {
        // Means and extremes hardly repeat; a dictionary of them costs time and room.
        if matches!(field.data_type(), DataType::Float64) {
            let path = ColumnPath::from(field.name().clone());
            properties = properties.set_column_dictionary_enabled(path, false);
        }
    }
    properties.build()
}

/// Batches of a table as the bytes of a Parquet file.
///
/// # Errors
/// `internal`, when the batches do not fit the schema.
pub fn parquet_bytes((schema, batches): &Batches) -> Result<Bytes> {
    let inner = |e: parquet::errors::ParquetError| Error::new(ErrorCode::Internal, e.to_string());
    let mut writer =
        ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties(schema, false))).map_err(inner)?;
    for batch in batches {
        writer.write(batch).and_then(|()| writer.flush()).map_err(inner)?;
    }
    writer.into_inner().map(Bytes::from).map_err(inner)
}

impl<W> TableFile<W> {
    /// Begins a file in a folder.
    pub(crate) fn begin(folder: &Path, table: &str) -> Result<(TableFile<W>, File)> {
        let name = folder.join(format!("{table}.parquet"));
        let temporary = folder.join(format!(".{table}.parquet.{}.tmp", std::process::id()));
        let file = File::create(&temporary).map_err(|e| unwritable(&e, &temporary))?;
        Ok((TableFile { writer: None, temporary, name }, file))
    }

    fn failed(&self, error: &parquet::errors::ParquetError) -> Error {
        if let parquet::errors::ParquetError::External(inner) = error
            && let Some(io) = inner.downcast_ref::<std::io::Error>()
        {
            return unwritable(io, &self.name);
        }
        Error::new(ErrorCode::WriteFailed, format!("cannot write: {error}"))
            .hint("nothing that was there has been changed")
            .in_file(self.name.display().to_string())
    }

    /// The name that the file is to have.
    pub(crate) fn name(&self) -> &Path {
        &self.name
    }

    /// Gives the file its name.
    pub(crate) fn publish(self) -> Result<()> {
        std::fs::rename(&self.temporary, &self.name).map_err(|e| unwritable(&e, &self.name))
    }
}

impl TableFile<ArrowWriter<File>> {
    fn create(folder: &Path, table: &str, schema: &SchemaRef) -> Result<Self> {
        let (mut table, file) = TableFile::begin(folder, table)?;
        let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties(schema, true)));
        table.writer = Some(writer.map_err(|e| table.failed(&e))?);
        Ok(table)
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self.writer.as_mut().map(|writer| writer.write(batch).and_then(|()| writer.flush())) {
            Some(Err(e)) => Err(self.failed(&e)),
            _ => Ok(()),
        }
    }

    /// Ends the file and forces it to the disk, still under its temporary name.
    fn close(&mut self) -> Result<()> {
        if let Some(mut writer) = self.writer.take() {
            writer.finish().map_err(|e| self.failed(&e))?;
            writer.inner().sync_all().map_err(|e| unwritable(&e, &self.name))?;
        }
        Ok(())
    }
}

impl<W> Drop for TableFile<W> {
    fn drop(&mut self) {
        // After publishing there is nothing of that name; otherwise a half-written file goes away.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

/// Both tables of a run.
pub struct Tables {
    limits: Arc<Limits>,
    rows: [Rows; 2],
    target: [Target; 2],
}

/// A table: schema and batches.
pub type Batches = (SchemaRef, Vec<RecordBatch>);

impl Tables {
    /// Tables that stay in memory.
    pub fn in_memory(limits: Arc<Limits>) -> Tables {
        let rows = [Rows::new("day", false), Rows::new("month", true)];
        Tables { limits, rows, target: [Target::Memory(Vec::new()), Target::Memory(Vec::new())] }
    }

    /// Tables written to `day.parquet` and `month.parquet` of a folder, which is made if need be.
    ///
    /// # Errors
    /// `write.*`.
    pub fn in_folder(limits: Arc<Limits>, folder: &Path) -> Result<Tables> {
        std::fs::create_dir_all(folder).map_err(|e| unwritable(&e, folder))?;
        let mut tables = Tables::in_memory(limits);
        for (n, name) in ["day", "month"].into_iter().enumerate() {
            let file = TableFile::create(folder, name, &tables.rows[n].schema)?;
            tables.target[n] = Target::File(Box::new(file));
        }
        Ok(tables)
    }

    fn write(&mut self) -> Result<()> {
        for ((rows, target), least) in self.rows.iter_mut().zip(&mut self.target).zip(BATCH_ROWS) {
            if rows.meters.len() >= least {
                target.write(&rows.take(&self.limits)?)?;
            }
        }
        Ok(())
    }

    /// Ends both tables: publishes the files, or gives the batches of day and month.
    ///
    /// # Errors
    /// `write.*`; then nothing is published.
    pub fn finish(mut self) -> Result<[Batches; 2]> {
        let limits = &self.limits;
        let close = |rows: &mut Rows, target: &mut Target| {
            if !rows.meters.is_empty() {
                target.write(&rows.take(limits)?)?;
            }
            if let Target::File(file) = target { file.close() } else { Ok(()) }
        };
        let ([days, months], [day, month]) = (&mut self.rows, &mut self.target);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| close(months, month));
            close(days, day)?;
            other.join().unwrap_or_else(|_| Err(Error::new(ErrorCode::Internal, "writing the months failed")))
        })?;
        let schemas = self.rows.map(|rows| rows.schema);
        let mut folder = None;
        let mut batches = [Vec::new(), Vec::new()];
        for (target, batches) in self.target.into_iter().zip(&mut batches) {
            match target {
                Target::Memory(all) => *batches = all,
                Target::File(file) => {
                    folder = file.name.parent().map(Path::to_owned);
                    file.publish()?;
                }
            }
        }
        if let Some(folder) = folder {
            // Makes the renames last; where a folder cannot be opened (Windows) the files themselves are safe.
            let _ = File::open(folder).and_then(|f| f.sync_all());
        }
        let [day, month] = schemas;
        let [days, months] = batches;
        Ok([(day, days), (month, months)])
    }
}

impl Output for Tables {
    fn day(&mut self, meter: u32, day: i64, tally: &Tally) {
        self.rows[0].row(meter, day).tally(tally);
    }

    fn month(&mut self, meter: u32, day: i64, tally: &MonthTally) {
        let standard = self.limits.parameters[meter as usize].pf_standard;
        let mut row = self.rows[1].row(meter, day);
        row.tally(&tally.all);
        for hour in &tally.hour {
            row.float(hour.energy().power_factor());
        }
        row.float(Some(standard));
        row.flag(tally.all.energy().energy().power_factor().map(|pf| pf >= standard));
    }

    #[inline]
    fn flush(&mut self) -> Result<()> {
        if self.rows.iter().zip(BATCH_ROWS).any(|(rows, least)| rows.meters.len() >= least) {
            return self.write();
        }
        Ok(())
    }
}
