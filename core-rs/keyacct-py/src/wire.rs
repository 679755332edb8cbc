//! Frames: Python's doors to `keyacct-wire` and to the capture reader of `keyacct-io`.

use pyo3::prelude::*;

/// Adds the functions of this module to `keyacct._core`.
pub fn register(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
