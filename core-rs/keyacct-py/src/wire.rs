//! Frames: Python's doors to `keyacct-wire` and to the capture reader of `keyacct-io`.

use keyacct_model::{Error, ErrorCode, Kind};
use keyacct_wire::catalogue::Body;
use keyacct_wire::describe::{Wish, describe_line};
use keyacct_wire::hex::decode_line;
use keyacct_wire::{Expect, Protocol, registers};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::to_py;

/// The register catalogues: built in, and a user's own on top.
#[pyclass(module = "keyacct._core", frozen)]
pub struct Registers {
    pub(crate) inner: registers::Registers,
}

#[pymethods]
impl Registers {
    /// `files`: (name, text) of catalogues to add; a key that is known already is an error.
    #[new]
    #[pyo3(signature = (files=Vec::new()))]
    fn new(py: Python<'_>, files: Vec<(String, String)>) -> PyResult<Self> {
        let mut inner = registers::Registers::embedded().map_err(|e| to_py(py, e))?;
        for (name, text) in &files {
            inner.add(name, text).map_err(|e| to_py(py, e))?;
        }
        Ok(Registers { inner })
    }

    /// Every row as a dict of the catalogue's columns, with its protocol and where it stands.
    fn rows<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let mut rows = Vec::new();
        for protocol in Protocol::ALL {
            for row in self.inner.of(*protocol).rows() {
                let dict = PyDict::new(py);
                let [key, quantity, format] = &row.spelled;
                let is_block = matches!(row.body, Body::Block(_));
                dict.set_item("protocol", protocol.as_str())?;
                dict.set_item("key", key)?;
                dict.set_item("name", &row.name)?;
                dict.set_item("quantity", quantity)?;
                dict.set_item("kind", if is_block { "" } else { Kind::as_str(row.kind) })?;
                dict.set_item("format", format)?;
                dict.set_item("access", &row.access)?;
                dict.set_item("source", &row.source)?;
                dict.set_item("file", &row.place.0)?;
                dict.set_item("line", row.place.1)?;
                rows.push(dict);
            }
        }
        Ok(rows)
    }
}

/// What the name of a protocol asks for. `usage.invalid` names those that can be asked for.
pub(crate) fn expect(py: Python<'_>, protocol: &str) -> PyResult<Expect> {
    Expect::by_name(protocol).ok_or_else(|| {
        let names: Vec<_> = Expect::names().collect();
        let known = Protocol::ALL.iter().any(|p| p.as_str() == protocol);
        let what = if known { "cannot be decoded yet" } else { "is no protocol" };
        let error = Error::new(ErrorCode::Usage, format!("{protocol:?} {what}"));
        to_py(py, error.hint(format!("choose one of {}", names.join(", "))))
    })
}

/// Names that `--protocol` takes.
#[pyfunction]
fn protocols() -> Vec<&'static str> {
    Expect::names().collect()
}

/// One line of hex text as JSON objects, one a frame; empty for a line without bytes. A line that is no hex gives one
/// object with `valid: false`, as a line without a frame does.
#[pyfunction]
#[pyo3(signature = (registers, text, line, protocol="auto", *, fields=false, chinese=false))]
fn describe(
    py: Python<'_>,
    registers: &Registers,
    text: &str,
    line: u64,
    protocol: &str,
    fields: bool,
    chinese: bool,
) -> PyResult<Vec<String>> {
    let wish = Wish { expect: expect(py, protocol)?, fields, chinese };
    Ok(py.detach(|| match decode_line(text) {
        Ok(bytes) if bytes.is_empty() => Vec::new(),
        Ok(bytes) => {
            describe_line(&bytes, line, wish, &registers.inner).iter().map(ToString::to_string).collect()
        }
        Err((column, found)) => {
            let what = match found {
                Some(c) => format!("column {column}: {c:?} is no hex digit"),
                None => format!("column {column}: half a byte is left over"),
            };
            vec![keyacct_wire::describe::describe_unreadable(line, &what).to_string()]
        }
    }))
}

/// Adds the functions of this module to `keyacct._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Registers>()?;
    module.add_function(wrap_pyfunction!(protocols, module)?)?;
    module.add_function(wrap_pyfunction!(describe, module)?)
}
