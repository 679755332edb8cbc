//! Statistics: Python's doors to `keyacct-stats` and to the Parquet reader of `keyacct-io`.

use pyo3::prelude::*;

/// Adds the functions of this module to `keyacct._core`.
pub fn register(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
