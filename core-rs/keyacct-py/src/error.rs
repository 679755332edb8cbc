//! Rust errors to Python exceptions, in one place: `keyacct_model::Error` becomes the class of `keyacct.errors`
//! that its kind names, with code, message, hint and place.

use keyacct_model::{Error, ErrorCode};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The Python exception of an error. Falls back to `RuntimeError` only if `keyacct.errors` cannot be imported.
pub fn to_py(py: Python<'_>, error: Error) -> PyErr {
    build(py, &error).unwrap_or_else(|broken| broken)
}

fn build(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let place = PyDict::new(py);
    let p = &error.place;
    if let Some(v) = &p.file {
        place.set_item("file", v)?;
    }
    for (key, value) in [("line", p.line), ("row_group", p.row_group), ("row", p.row), ("offset", p.offset)] {
        if let Some(v) = value {
            place.set_item(key, v)?;
        }
    }
    if let Some(v) = &p.column {
        place.set_item("column", v)?;
    }
    if let Some(v) = &p.meter {
        place.set_item("meter", v)?;
    }
    let make = py.import("keyacct.errors")?.getattr("from_core")?;
    let chinese = error.chinese.as_deref().cloned();
    let exception = make.call1((error.code.as_str(), &error.message, &error.hint, place, chinese))?;
    Ok(PyErr::from_value(exception))
}

/// `(code, exit code)` of every error, for the test that compares both sides.
#[pyfunction]
pub fn error_codes() -> Vec<(&'static str, u8)> {
    ErrorCode::ALL.iter().map(|c| (c.as_str(), c.kind().exit_code())).collect()
}
