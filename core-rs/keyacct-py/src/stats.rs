//! Statistics: Python's doors to `keyacct-stats` and to the Parquet reader of `keyacct-io`.

use std::path::PathBuf;

use arrow_array::{RecordBatch, RecordBatchReader};
use keyacct_io::day_sections::DayAt;
use keyacct_io::field_parameters::{
    Frame, Parameter, parameters as read_parameters, tariffs as read_tariffs,
};
use keyacct_io::month_stats::{MeterRange, Question, month_stats as compute};
use keyacct_io::sample_pack::pack;
use keyacct_io::{DayJoin, Rules, Source, Unbalance, What, energy, load, unbalance, voltage, voltage_loss};
use keyacct_model::{Error, ErrorCode};
use keyacct_stats::calendar::{Slot, SpecialDays};
use keyacct_stats::voltage_loss::Conditions;
use keyacct_stats::zone::Zone;
use pyo3::prelude::*;

use crate::arrow::{ArrowStream, read_stream};
use crate::error::to_py;

/// Day and month figures of a Parquet data set: `(day, month, meters without limits, rows read)`. With `out` the tables
/// are written there and come back empty; with `state` too, the states of days are kept there and only what has changed
/// is computed. `meters` is a range of ids (first, one after the last; none is open).
#[pyfunction]
#[pyo3(signature = (data, limits, *, interval_ms, loss, out=None, threads=None, state=None, meters=None))]
#[expect(clippy::too_many_arguments, reason = "a door for Python: every argument is a place or a setting")]
fn month_stats(
    py: Python<'_>,
    data: PathBuf,
    limits: PathBuf,
    interval_ms: i64,
    loss: f64,
    out: Option<PathBuf>,
    threads: Option<usize>,
    state: Option<PathBuf>,
    meters: Option<(Option<String>, Option<String>)>,
) -> PyResult<(ArrowStream, ArrowStream, Vec<String>, u64)> {
    let mut raised = None;
    let answer = py.detach(|| {
        let question = Question {
            data: &data,
            limits: &limits,
            out: out.as_deref(),
            state: state.as_deref(),
            interval_ms,
            loss,
            threads,
            meters: meters.map(|(from, before)| MeterRange { from, before }),
        };
        compute(&question, &mut || {
            Python::attach(|py| py.check_signals()).map_err(|signal| {
                raised = Some(signal);
                Error::new(ErrorCode::Interrupted, "stopped")
            })
        })
    });
    match answer {
        Ok(a) => Ok((
            ArrowStream::from_batches(a.day.0, a.day.1),
            ArrowStream::from_batches(a.month.0, a.month.1),
            a.without_limits,
            a.rows,
        )),
        Err(error) => Err(raised.unwrap_or_else(|| to_py(py, error))),
    }
}

/// Name and type of a column, and a value that kept it as it was.
type PackedColumn = (String, String, Option<f64>);
/// Rows, bytes read, bytes written, files, columns.
type PackedSet = (u64, u64, u64, Vec<PathBuf>, Vec<PackedColumn>);

/// Writes a wide data set in our own layout: `(rows, bytes read, bytes written, files, columns)`; a column is its name,
/// its type in the copy and, where it is kept as floating numbers, a value that no short decimal stands for.
#[pyfunction]
fn pack_samples(py: Python<'_>, data: PathBuf, limits: PathBuf, out: PathBuf) -> PyResult<PackedSet> {
    let mut raised = None;
    let packed = py.detach(|| {
        pack(&data, &limits, &out, &mut || {
            Python::attach(|py| py.check_signals()).map_err(|signal| {
                raised = Some(signal);
                Error::new(ErrorCode::Interrupted, "stopped")
            })
        })
    });
    let packed = packed.map_err(|error| raised.unwrap_or_else(|| to_py(py, error)))?;
    let columns = packed.columns.into_iter().map(|c| (c.name.to_owned(), c.kind, c.kept_for)).collect();
    Ok((packed.rows, packed.bytes.0, packed.bytes.1, packed.files, columns))
}

fn table(batch: RecordBatch) -> ArrowStream {
    ArrowStream::from_batches(batch.schema(), vec![batch])
}

/// What holds for a whole question: `(from_ms, to_ms, zone offsets, max_gap_intervals, snapshots_follow, special days)`;
/// a special day is `(days since 1970-01-01, whether a holiday)`.
type FrameOf = (i64, i64, Vec<(i64, i64)>, i64, bool, Vec<(i64, bool)>);

fn frame((from_ms, to_ms, offsets, max_gap_intervals, snapshots_follow, special): FrameOf) -> Frame {
    let special = SpecialDays::new(special);
    Frame { from_ms, to_ms, zone: Zone::new(offsets), special, max_gap_intervals, snapshots_follow }
}

/// Voltage compliance by the rules of the field: `(days, period)`, a row per point and phase.
#[pyfunction]
fn field_voltage(
    py: Python<'_>,
    samples: &Bound<'_, PyAny>,
    parameters: &Bound<'_, PyAny>,
    question: FrameOf,
    floor_share: f64,
    ceiling_share: f64,
) -> PyResult<(ArrowStream, ArrowStream)> {
    let (mut samples, mut parameters) = (read_stream(samples)?, read_stream(parameters)?);
    let answer = py.detach(|| {
        let parameters = read_parameters(&mut parameters, &[])?;
        voltage(&mut samples, &parameters, &frame(question), floor_share, ceiling_share)
    });
    let (days, period) = answer.map_err(|e| to_py(py, e))?;
    Ok((table(days), table(period)))
}

/// Voltage loss while current flows: `(days, events)`. `rated_a` belongs to the rows of the parameters; `conditions` are
/// shares: loss below, loss until, phase loss below, working voltage, current that flows, current that is drawn.
#[pyfunction]
#[expect(
    clippy::too_many_arguments,
    reason = "a door for Python: every argument is a column source or a setting"
)]
fn field_voltage_loss(
    py: Python<'_>,
    voltage: &Bound<'_, PyAny>,
    current: &Bound<'_, PyAny>,
    parameters: &Bound<'_, PyAny>,
    rated_a: Vec<f64>,
    question: FrameOf,
    conditions: [f64; 6],
    delay_ms: i64,
) -> PyResult<(ArrowStream, ArrowStream)> {
    let (mut voltage, mut current) = (read_stream(voltage)?, read_stream(current)?);
    let mut parameters = read_stream(parameters)?;
    let [loss_below, loss_until, phase_loss_below, working, flows, drawn] = conditions;
    let conditions = Conditions { loss_below, loss_until, phase_loss_below, working, flows, drawn, delay_ms };
    let answer = py.detach(|| {
        let parameters = read_parameters(&mut parameters, &[])?;
        let samples = (&mut voltage as _, &mut current as _);
        voltage_loss(samples, &parameters, &rated_a, &frame(question), &conditions)
    });
    let (days, events) = answer.map_err(|e| to_py(py, e))?;
    Ok((table(days), table(events)))
}

/// Unbalance of points: a row each with basis, mean, 95 % value, highest, its instant, time over a limit. `rows` have a
/// row a point and instant, sorted; with `smallest_current`, a share of the rated one, they are currents, else voltages.
#[pyfunction]
#[pyo3(signature = (rows, limit, smallest_current=None))]
fn phase_unbalance(
    py: Python<'_>,
    rows: &Bound<'_, PyAny>,
    limit: f64,
    smallest_current: Option<f64>,
) -> PyResult<ArrowStream> {
    let mut rows = read_stream(rows)?;
    let what = smallest_current.map_or(Unbalance::Voltage, Unbalance::Current);
    let answer = py.detach(|| unbalance(&mut rows, what, limit));
    answer.map(table).map_err(|e| to_py(py, e))
}

/// Load of accounts by the rules of the field: `(days, period, curve of the peak day)`.
#[pyfunction]
#[expect(
    clippy::too_many_arguments,
    reason = "a door for Python: every argument is a column source or a setting"
)]
fn field_load(
    py: Python<'_>,
    power: &Bound<'_, PyAny>,
    energy: &Bound<'_, PyAny>,
    parameters: &Bound<'_, PyAny>,
    tariffs: &Bound<'_, PyAny>,
    question: FrameOf,
    window_ms: i64,
    minimum_coverage: f64,
) -> PyResult<(ArrowStream, ArrowStream, ArrowStream)> {
    let (mut power, mut energy) = (read_stream(power)?, read_stream(energy)?);
    let (mut parameters, mut tariffs) = (read_stream(parameters)?, read_stream(tariffs)?);
    let answer = py.detach(|| {
        let (names, slots) = read_tariffs(&mut tariffs)?;
        let parameters = read_parameters(&mut parameters, &names)?;
        let samples = (&mut power as _, &mut energy as _);
        load(samples, &parameters, &slots, &frame(question), window_ms.max(60_000), minimum_coverage)
    });
    let [days, period, curve] = answer.map_err(|e| to_py(py, e))?;
    Ok((table(days), table(period), table(curve)))
}

/// A civil day of kept states: `(start_ms, end_ms, folder, digest of samples and settings)`.
type DayOf = (i64, i64, PathBuf, String);
/// `(floor share, ceiling share, window_ms, minimum coverage)`.
type RulesOf = (f64, f64, i64, f64);

/// What a call about kept days brings, read.
struct Days {
    what: What,
    days: Vec<DayAt>,
    parameters: Vec<Parameter>,
    wide: Vec<Parameter>,
    tariffs: Vec<Vec<Slot>>,
    frame: Frame,
    rules: Rules,
}

/// Kept states of civil days: which are missing, making them, and joining them to what the field kernels give.
#[pyclass(frozen, module = "keyacct._core")]
pub struct FieldDays(Days);

#[pymethods]
impl FieldDays {
    /// `what` is voltage, load, energy or integrated; `wide` are the parameters of all accounts around the period.
    #[new]
    #[expect(
        clippy::too_many_arguments,
        reason = "a door for Python: every argument is a table, a place or a setting"
    )]
    fn new(
        py: Python<'_>,
        what: &str,
        days: Vec<DayOf>,
        parameters: &Bound<'_, PyAny>,
        wide: &Bound<'_, PyAny>,
        tariffs: &Bound<'_, PyAny>,
        question: FrameOf,
        rules: RulesOf,
    ) -> PyResult<FieldDays> {
        let what = match what {
            "voltage" => What::Voltage,
            "load" => What::Load,
            "energy" => What::Energy,
            "integrated" => What::Integrated,
            other => {
                let unknown = Error::new(ErrorCode::Usage, format!("no states of {other}"));
                return Err(to_py(py, unknown));
            }
        };
        let (mut parameters, mut wide, mut tariffs) =
            (read_stream(parameters)?, read_stream(wide)?, read_stream(tariffs)?);
        let mut read = || {
            let (names, slots) = read_tariffs(&mut tariffs)?;
            Ok((read_parameters(&mut parameters, &names)?, read_parameters(&mut wide, &names)?, slots))
        };
        let (parameters, wide, tariffs) = read().map_err(|e| to_py(py, e))?;
        let day = |(start_ms, end_ms, folder, made_of)| DayAt { start_ms, end_ms, folder, made_of };
        let (floor_share, ceiling_share, window_ms, minimum_coverage) = rules;
        let rules = Rules { floor_share, ceiling_share, window_ms: window_ms.max(60_000), minimum_coverage };
        let days = days.into_iter().map(day).collect();
        Ok(FieldDays(Days { what, days, parameters, wide, tariffs, frame: frame(question), rules }))
    }

    /// Day by day, the meters whose samples are needed.
    fn outdated(&self, py: Python<'_>) -> Vec<Vec<String>> {
        py.detach(|| self.join().outdated())
    }

    /// Makes and keeps what is missing of a day (by its number) from the samples of the day.
    fn make(&self, py: Python<'_>, number: usize, samples: Vec<Bound<'_, PyAny>>) -> PyResult<()> {
        let mut readers = samples.iter().map(read_stream).collect::<PyResult<Vec<_>>>()?;
        let made = py.detach(|| {
            let day =
                self.0.days.get(number).ok_or_else(|| {
                    Error::new(ErrorCode::Internal, format!("there is no day number {number}"))
                })?;
            let mut samples: Vec<&mut dyn RecordBatchReader> =
                readers.iter_mut().map(|reader| reader as _).collect();
            self.join().make(day, &mut samples)
        });
        made.map_err(|e| to_py(py, e))
    }

    /// The tables that the field kernel gives over the samples; nothing when a state is missing or days cannot be joined.
    fn tables(&self, py: Python<'_>) -> PyResult<Option<Vec<ArrowStream>>> {
        let tables = py.detach(|| {
            let join = self.join();
            Ok(match self.0.what {
                What::Voltage => join.voltage()?.map(|(days, period)| vec![days, period]),
                What::Load => join.load()?.map(Vec::from),
                What::Energy | What::Integrated => join.energy()?.map(|(sums, rows)| vec![sums, rows]),
            })
        });
        let tables = tables.map_err(|e| to_py(py, e))?;
        Ok(tables.map(|tables| tables.into_iter().map(table).collect()))
    }
}

impl FieldDays {
    fn join(&self) -> DayJoin<'_> {
        let Days { what, days, parameters, wide, tariffs, frame, rules } = &self.0;
        DayJoin { what: *what, days, parameters, wide, tariffs, frame, rules: *rules }
    }
}

/// Energies of points by the rules of the field: `(sums, where they come from)`; `power` integrates p and q.
#[pyfunction]
fn field_energy(
    py: Python<'_>,
    samples: &Bound<'_, PyAny>,
    parameters: &Bound<'_, PyAny>,
    tariffs: &Bound<'_, PyAny>,
    question: FrameOf,
    power: bool,
) -> PyResult<(ArrowStream, ArrowStream)> {
    let (mut samples, mut parameters, mut tariffs) =
        (read_stream(samples)?, read_stream(parameters)?, read_stream(tariffs)?);
    let answer = py.detach(|| {
        let (names, slots) = read_tariffs(&mut tariffs)?;
        let parameters = read_parameters(&mut parameters, &names)?;
        let source = if power { Source::Power } else { Source::Energy };
        energy(&mut samples, &parameters, &slots, &frame(question), source)
    });
    let (sums, rows) = answer.map_err(|e| to_py(py, e))?;
    Ok((table(sums), table(rows)))
}

/// Adds the functions of this module to `keyacct._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<FieldDays>()?;
    module.add_function(wrap_pyfunction!(month_stats, module)?)?;
    module.add_function(wrap_pyfunction!(pack_samples, module)?)?;
    module.add_function(wrap_pyfunction!(field_voltage, module)?)?;
    module.add_function(wrap_pyfunction!(field_voltage_loss, module)?)?;
    module.add_function(wrap_pyfunction!(field_load, module)?)?;
    module.add_function(wrap_pyfunction!(phase_unbalance, module)?)?;
    module.add_function(wrap_pyfunction!(field_energy, module)?)
}
