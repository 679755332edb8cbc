//! Building Modbus frames for pollers and simulators.

use keyacct_model::{Error, ErrorCode};
use keyacct_wire::modbus;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::to_py;

fn framed<'py>(
    py: Python<'py>,
    unit: u8,
    pdu: Option<Vec<u8>>,
    transaction: Option<u16>,
) -> PyResult<Bound<'py, PyBytes>> {
    let frame = pdu.and_then(|pdu| match transaction {
        Some(transaction) => modbus::tcp(transaction, unit, &pdu),
        None => Some(modbus::rtu(unit, &pdu)),
    });
    let frame = frame.ok_or_else(|| {
        let error = Error::new(ErrorCode::Usage, "no Modbus frame can hold this");
        to_py(
            py,
            error.hint(
                "functions 1 to 4, at most 125 registers or 2000 bits of a read, 123 registers of a write",
            ),
        )
    })?;
    Ok(PyBytes::new(py, &frame))
}

/// A read of registers or bits (functions 1 to 4); with `transaction` for TCP, else RTU.
#[pyfunction]
#[pyo3(signature = (unit, function, address, count, transaction=None))]
fn modbus_read<'py>(
    py: Python<'py>,
    unit: u8,
    function: u8,
    address: u16,
    count: u16,
    transaction: Option<u16>,
) -> PyResult<Bound<'py, PyBytes>> {
    framed(py, unit, modbus::read(function, address, count), transaction)
}

/// The answer to a read of registers (functions 3, 4, 23).
#[pyfunction]
#[pyo3(signature = (unit, function, registers, transaction=None))]
fn modbus_answer<'py>(
    py: Python<'py>,
    unit: u8,
    function: u8,
    registers: Vec<u16>,
    transaction: Option<u16>,
) -> PyResult<Bound<'py, PyBytes>> {
    framed(py, unit, modbus::read_registers_answer(function, &registers), transaction)
}

/// A write of registers (function 16).
#[pyfunction]
#[pyo3(signature = (unit, address, registers, transaction=None))]
fn modbus_write<'py>(
    py: Python<'py>,
    unit: u8,
    address: u16,
    registers: Vec<u16>,
    transaction: Option<u16>,
) -> PyResult<Bound<'py, PyBytes>> {
    framed(py, unit, modbus::write_registers(address, &registers), transaction)
}

/// An exception to a function.
#[pyfunction]
#[pyo3(signature = (unit, function, code, transaction=None))]
fn modbus_exception<'py>(
    py: Python<'py>,
    unit: u8,
    function: u8,
    code: u8,
    transaction: Option<u16>,
) -> PyResult<Bound<'py, PyBytes>> {
    framed(py, unit, Some(modbus::exception(function, code)), transaction)
}

/// Adds the functions of this module to `keyacct._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(modbus_read, module)?)?;
    module.add_function(wrap_pyfunction!(modbus_answer, module)?)?;
    module.add_function(wrap_pyfunction!(modbus_write, module)?)?;
    module.add_function(wrap_pyfunction!(modbus_exception, module)?)
}
