//! Python's door to the encoders: a mapping such as decoding publishes in, a frame out.

use keyacct_model::{Error, ErrorCode};
use keyacct_wire::compose::compose;
use keyacct_wire::conversation;
use keyacct_wire::given::{Given, Misfit, read_decimal};
use keyacct_wire::{Expect, Protocol};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::error::to_py;
use crate::wire::{Registers, expect};

/// Deepest nesting of a message.
const DEEPEST: u8 = 64;

/// Adds the functions of this module to `keyacct._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(encode, module)?)?;
    module.add_function(wrap_pyfunction!(answers, module)?)
}

/// The frame of a message; `message` has the keys that decoding publishes for its protocol.
#[pyfunction]
fn encode<'py>(
    py: Python<'py>,
    registers: &Registers,
    message: &Bound<'py, PyAny>,
    protocol: &str,
) -> PyResult<Bound<'py, PyBytes>> {
    let expect = expect(py, protocol)?;
    let message = given(message, DEEPEST)?;
    match compose(expect, &registers.inner, &message) {
        Ok(frame) => Ok(PyBytes::new(py, &frame)),
        Err(Misfit { key, wanted }) => {
            let error = Error::new(ErrorCode::InputValue, format!("{key}: {wanted}"));
            Err(to_py(
                py,
                error.hint(format!("a {protocol} message has the keys that decoding such a frame shows")),
            ))
        }
    }
}

/// Whether `reply` answers `request`, both whole frames.
#[pyfunction]
fn answers(py: Python<'_>, request: &[u8], reply: &[u8], protocol: &str) -> PyResult<bool> {
    let protocol = match expect(py, protocol)? {
        Expect::Only(protocol) => protocol,
        _ => Protocol::Dlt698_45,
    };
    Ok(conversation::answers(protocol, request, reply))
}

fn wrong(py: Python<'_>, what: &str) -> PyErr {
    to_py(py, Error::new(ErrorCode::InputValue, what))
}

/// A Python value as the encoders take it. Floats keep the digits that Python prints.
fn given(value: &Bound<'_, PyAny>, depth: u8) -> PyResult<Given> {
    let py = value.py();
    let Some(depth) = depth.checked_sub(1) else { return Err(wrong(py, "the message is nested too deep")) };
    if value.is_none() {
        return Ok(Given::Null);
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Given::Text(text.to_str()?.to_owned()));
    }
    if let Ok(truth) = value.cast::<PyBool>() {
        return Ok(Given::Bool(truth.is_true()));
    }
    if value.is_instance_of::<PyInt>() {
        return Ok(match value.extract::<i64>() {
            Ok(number) => Given::Int(number),
            Err(_) => Given::Text(value.str()?.to_str()?.to_owned()),
        });
    }
    if let Ok(number) = value.cast::<PyFloat>() {
        let digits = format!("{}", number.value());
        let number = read_decimal(&digits);
        return number
            .map(Given::Number)
            .ok_or_else(|| wrong(py, "NaN, infinity or a number of too many digits"));
    }
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Given::Text(bytes.as_bytes().iter().map(|byte| format!("{byte:02X}")).collect()));
    }
    if let Ok(dict) = value.cast::<PyDict>() {
        let members = dict.iter().map(|(key, value)| Ok((key.extract::<String>()?, given(&value, depth)?)));
        return Ok(Given::Object(members.collect::<PyResult<_>>()?));
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        let items = value.try_iter()?.map(|item| given(&item?, depth));
        return Ok(Given::List(items.collect::<PyResult<_>>()?));
    }
    // Decimal and other numbers that print as plain digits.
    match read_decimal(value.call_method1("__format__", ("f",))?.str()?.to_str()?) {
        Some(number) => Ok(Given::Number(number)),
        None => Err(wrong(py, &format!("{} belongs in no message", value.get_type().name()?))),
    }
}
