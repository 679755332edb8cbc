//! `keyacct._core`: the registration list. Every function converts, releases the GIL, calls a crate, wraps.

use pyo3::prelude::*;

mod arrow;
mod buffer;
mod cutter;
mod encode;
mod error;
mod plan;
mod stats;
mod wire;

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("OPTIMISED", !cfg!(debug_assertions))?;
    module.add_class::<arrow::ArrowStream>()?;
    module.add_class::<cutter::FrameCutter>()?;
    module.add_function(wrap_pyfunction!(error::error_codes, module)?)?;
    plan::register(module)?;
    wire::register(module)?;
    encode::register(module)?;
    stats::register(module)
}
