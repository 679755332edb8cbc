//! Statistics: Python's doors to `keyacct-stats` and to the Parquet reader of `keyacct-io`.

use std::path::PathBuf;

use keyacct_io::month_stats::{Question, month_stats as compute};
use keyacct_model::{Error, ErrorCode};
use pyo3::prelude::*;

use crate::arrow::ArrowStream;
use crate::error::to_py;

/// Day and month figures of a Parquet data set: `(day, month, meters without limits, rows read)`. With `out` the tables
/// are written there and come back empty.
#[pyfunction]
#[pyo3(signature = (data, limits, *, interval_ms, loss, out=None, threads=None))]
fn month_stats(
    py: Python<'_>,
    data: PathBuf,
    limits: PathBuf,
    interval_ms: i64,
    loss: f64,
    out: Option<PathBuf>,
    threads: Option<usize>,
) -> PyResult<(ArrowStream, ArrowStream, Vec<String>, u64)> {
    let mut raised = None;
    let answer = py.detach(|| {
        let question =
            Question { data: &data, limits: &limits, out: out.as_deref(), interval_ms, loss, threads };
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

/// Adds the functions of this module to `keyacct._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(month_stats, module)?)
}
