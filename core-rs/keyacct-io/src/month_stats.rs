//! `keyacct stats`: day and month figures of every meter of a Parquet data set.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_schema::{DataType, Field};
use keyacct_model::{Error, ErrorCode, Result};
use keyacct_stats::month::{Kernel, Meter};
use parquet::basic::SortOrder;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};

use crate::month_kept::Kept;
use crate::month_limits::Limits;
use crate::month_pipeline::{COLUMNS, METERS_IN_MEMORY, Output, Run};
use crate::month_tables::{Batches, Tables};
use crate::parquet_column::{ColumnReader, Plan, is_local_time};
use crate::parquet_file::{ParquetInput, parts};
use crate::scratch_file::Scratch;
use crate::value_column::Form;

/// Rows that are decoded at once, at most.
const BATCH_ROWS: usize = 131_072;
/// Rows that are decoded at once, at least.
const LEAST_BATCH_ROWS: usize = 16_384;
/// Batches that a small data set is cut into.
const BATCHES: usize = 10;

/// What a run is asked for.
pub struct Question<'a> {
    /// Folder of the samples, or one file.
    pub data: &'a Path,
    /// The limits file.
    pub limits: &'a Path,
    /// Folder for `day.parquet` and `month.parquet`; none keeps the tables in memory.
    pub out: Option<&'a Path>,
    /// Folder that keeps the states of days, so that only what has changed is computed; needs `out`.
    pub state: Option<&'a Path>,
    /// Nominal interval.
    pub interval_ms: i64,
    /// Share of the nominal voltage below which a value is not assessed.
    pub loss: f64,
    /// Workers; none takes the number of cores.
    pub threads: Option<usize>,
    /// Only the meters of this range; none takes all. Row groups whose statistics say that they hold none are not read.
    pub meters: Option<MeterRange>,
}

/// Meters from one id on and before another, in the order of their bytes; none is open.
#[derive(Clone, Debug, Default)]
pub struct MeterRange {
    /// First id.
    pub from: Option<String>,
    /// Id after the last.
    pub before: Option<String>,
}

impl MeterRange {
    fn holds(&self, id: &[u8]) -> bool {
        self.from.as_ref().is_none_or(|from| from.as_bytes() <= id)
            && self.before.as_ref().is_none_or(|before| id < before.as_bytes())
    }

    /// Whether a row group with these ids as bounds may hold a meter of the range; without bounds it may.
    fn meets(&self, bounds: Option<(&[u8], &[u8])>) -> bool {
        let Some((low, high)) = bounds else { return true };
        let ends_before = self.from.as_ref().is_some_and(|from| high < from.as_bytes());
        let begins_after = self.before.as_ref().is_some_and(|before| low >= before.as_bytes());
        !ends_before && !begins_after
    }
}

/// Lowest and highest value of a text column in a row group, which may be cut short outwards; nothing when the file does
/// not tell them, or only in the order of older writers.
fn bounds<'a>(
    file: &ParquetMetaData,
    group: &'a RowGroupMetaData,
    column: &str,
) -> Option<(&'a [u8], &'a [u8])> {
    let at = group.columns().iter().position(|c| c.column_path().string() == column)?;
    if file.file_metadata().column_order(at).sort_order() != SortOrder::UNSIGNED {
        return None;
    }
    let statistics = group.column(at).statistics()?;
    if statistics.is_min_max_deprecated() {
        return None;
    }
    statistics.min_bytes_opt().zip(statistics.max_bytes_opt())
}

/// What a run gave.
pub struct Answer {
    /// The day table; without batches when it was written to a file.
    pub day: Batches,
    /// The month table.
    pub month: Batches,
    /// Meters with readings but without limits, sorted; they are in neither table.
    pub without_limits: Vec<String>,
    /// Readings that were read.
    pub rows: u64,
}

/// Computes the tables. `interrupted` is asked about ten times a second on the calling thread.
///
/// # Errors
/// `usage.invalid` for impossible settings; `input.*` for unreadable, wrong or unsorted files; `write.*`; what
/// `interrupted` says. In each case the files that were in `out` are left as they were.
pub fn month_stats(question: &Question<'_>, interrupted: &mut dyn FnMut() -> Result<()>) -> Result<Answer> {
    if !(1..=86_400_000).contains(&question.interval_ms) {
        return Err(Error::new(ErrorCode::Usage, format!("an interval of {} ms", question.interval_ms))
            .hint("give 1 minute to 1 day, for example 15min"));
    }
    if !(0.0..1.0).contains(&question.loss) {
        return Err(Error::new(ErrorCode::Usage, format!("loss {} is not within 0 to 1", question.loss))
            .hint("give a share of the nominal voltage, for example 0.70"));
    }
    let limits = Arc::new(Limits::read(question.limits, question.loss)?);
    let files = parts(question.data, question.limits)?;
    let workers = question
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get))
        .clamp(1, 64);
    if let Some(state) = question.state {
        let out = question.out.ok_or_else(|| {
            Error::new(ErrorCode::Usage, "states are kept only where tables are written")
                .hint("name a folder for the tables")
        })?;
        if question.meters.is_some() {
            return Err(Error::new(ErrorCode::Usage, "states are kept of all meters or of none")
                .hint("leave the range of meters away"));
        }
        let run = Kept { state, out, limits, interval_ms: question.interval_ms, workers };
        return run.run(&files, interrupted);
    }
    let mut opened = Opened::new(&files)?;
    let mut limits = limits;
    if let Some(range) = &question.meters {
        opened.keep(range);
        let inside = limits.number.iter().filter(|(id, _)| range.holds(id.as_bytes())).map(|(_, n)| *n);
        limits = Arc::new(limits.only(inside));
    }
    let rows = opened.rows();
    let mut tables = match question.out {
        Some(folder) => Tables::in_folder(limits.clone(), folder)?,
        None => Tables::in_memory(limits.clone()),
    };
    let folder = question.out.map_or_else(std::env::temp_dir, Path::to_path_buf);
    let scratch = (limits.number.len() > METERS_IN_MEMORY).then(|| Scratch::in_folder(&folder));
    let mut without_limits =
        opened.run::<Meter, _>(limits, question.interval_ms, workers, scratch, &mut tables, interrupted)?;
    if let Some(range) = &question.meters {
        without_limits.retain(|id| range.holds(id.as_bytes()));
    }
    interrupted()?;
    let [day, month] = tables.finish()?;
    Ok(Answer { day, month, without_limits, rows })
}

/// Files of a data set, opened and checked.
pub struct Opened {
    pub(crate) plan: Plan,
    positions: [Vec<usize>; COLUMNS.len()],
    wide: bool,
    /// Rows that are decoded at once.
    batch_rows: usize,
}

impl Opened {
    /// Opens files and checks their columns.
    ///
    /// # Errors
    /// `input.*`.
    pub fn new(paths: &[PathBuf]) -> Result<Opened> {
        let mut files = Vec::new();
        let mut positions: [Vec<usize>; COLUMNS.len()] = Default::default();
        let mut forms = Vec::new();
        for path in paths {
            let input = ParquetInput::open(path)?;
            let checked = check(&input)?;
            files.push(input.retyped(&checked.types)?);
            forms.push(checked.forms);
            for (all, at) in positions.iter_mut().zip(checked.at) {
                all.push(at);
            }
        }
        // Registers are always double; single precision serves while no file has finer voltages or powers.
        let wide = forms.iter().any(|forms| !forms[..5].iter().all(|form| form.is_single()));
        let rows = |file: &ParquetInput| file.metadata.metadata().file_metadata().num_rows();
        let rows = files.iter().map(rows).fold(0, i64::saturating_add).max(0) as usize;
        // Less of a small data set at a time: its batches would otherwise be memory that is touched once.
        let batch_rows = (rows / BATCHES).clamp(LEAST_BATCH_ROWS, BATCH_ROWS);
        Ok(Opened { plan: Plan::new(files, forms, batch_rows), positions, wide, batch_rows })
    }

    /// Leaves away the row groups that hold no meter of a range.
    fn keep(&mut self, range: &MeterRange) {
        let Plan { files, groups, batches, .. } = &mut self.plan;
        batches.retain(|batch| {
            let group = groups[batch.group];
            let metadata = files[group.file].metadata.metadata();
            range.meets(bounds(metadata, metadata.row_group(group.row_group), COLUMNS[0]))
        });
    }

    /// A reader of a column.
    pub(crate) fn reader(&self, column: usize) -> ColumnReader {
        ColumnReader::new(COLUMNS[column], self.positions[column].clone(), self.batch_rows)
    }

    /// Readings in them.
    pub fn rows(&self) -> u64 {
        self.plan.batches.iter().map(|b| b.rows as u64).sum()
    }

    /// Runs a kernel over all readings; gives the meters without limits. `scratch` is where the states of many meters are put
    /// aside.
    ///
    /// # Errors
    /// `write.*`; the first fault in data set order, or what `interrupted` says.
    pub(crate) fn run<K: Kernel, O: Output>(
        self,
        limits: Arc<Limits>,
        interval_ms: i64,
        workers: usize,
        scratch: Option<Scratch>,
        output: &mut O,
        interrupted: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Vec<String>> {
        let readers = COLUMNS
            .into_iter()
            .zip(self.positions)
            .map(|(name, at)| ColumnReader::new(name, at, self.batch_rows))
            .collect();
        Run::<O, K>::new(&self.plan, limits, readers, self.wide, interval_ms, workers, scratch, output)?
            .run(interrupted)
    }
}

/// What a file's columns are.
struct Checked {
    at: [usize; COLUMNS.len()],
    /// Columns that are read as another type than the file's.
    types: Vec<(usize, DataType)>,
    forms: [Form; 7],
}

/// Key in the footer of a file: names of the decimal columns that stand for single-precision numbers.
pub const SINGLE_KEY: &str = "keyacct.single_precision";

/// Finds and checks the columns of a file.
fn check(input: &ParquetInput) -> Result<Checked> {
    let known = input.metadata.metadata().file_metadata().key_value_metadata();
    let singles = known.and_then(|all| all.iter().find(|one| one.key == SINGLE_KEY));
    let singles = singles.and_then(|one| one.value.as_deref()).unwrap_or_default();
    let mut checked = Checked { at: [0; COLUMNS.len()], types: Vec::new(), forms: [Form::Double; 7] };
    for (n, name) in COLUMNS.into_iter().enumerate() {
        let wanted = match n {
            0 => "string",
            1 => "timestamp without zone",
            2..=6 => "decimal, float32 or float64",
            _ => "decimal or float64",
        };
        let (position, field) = input.column(name, wanted)?;
        checked.at[n] = position;
        if n >= 2 {
            let (form, read_as) = form(input, field, wanted, singles.split(',').any(|one| one == name))?;
            checked.forms[n - 2] = form;
            checked.types.extend(read_as.map(|data_type| (position, data_type)));
            continue;
        }
        let fits = match (n, field.data_type()) {
            (0, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => true,
            (0, DataType::Dictionary(_, value)) => {
                matches!(**value, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
            }
            (0, _) => false,
            (_, DataType::Timestamp(_, Some(zone))) => {
                return Err(input
                    .wrong_type(field, wanted)
                    .hint(format!("times are local wall clock: convert from {zone} and drop the zone")));
            }
            (_, data_type) => is_local_time(data_type),
        };
        if !fits {
            return Err(input.wrong_type(field, wanted));
        }
        if n == 0 {
            // Meter ids are read as dictionary keys whatever the file calls them: a text is looked up once a dictionary.
            let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            checked.types.push((position, dictionary));
        }
    }
    Ok(checked)
}

/// How a column of values is held, and the type that it is to be read as.
fn form(input: &ParquetInput, field: &Field, wanted: &str, single: bool) -> Result<(Form, Option<DataType>)> {
    use DataType as T;
    Ok(match field.data_type() {
        T::Float32 => (Form::Single, None),
        T::Float64 => (Form::Double, None),
        T::Decimal32(precision, scale) | T::Decimal64(precision, scale) | T::Decimal128(precision, scale)
            if (0..=38).contains(scale) =>
        {
            let read_as = match precision {
                0..=9 => T::Decimal32(*precision, *scale),
                10..=18 => T::Decimal64(*precision, *scale),
                _ => T::Decimal128(*precision, *scale),
            };
            let read_as = (read_as != *field.data_type()).then_some(read_as);
            (Form::Decimal { scale: *scale as u8, single }, read_as)
        }
        data_type if data_type.is_integer() => {
            return Err(input
                .wrong_type(field, wanted)
                .hint("whole numbers do not say how many decimals they have: write DECIMAL(9, decimals)"));
        }
        _ => return Err(input.wrong_type(field, wanted)),
    })
}
