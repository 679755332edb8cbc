//! Tables cross as Arrow C streams in capsules (`__arrow_c_stream__`): anything that has the method comes in,
//! anything that reads it takes what goes out. No Arrow library is needed on either side's behalf.

#![allow(unsafe_code)] // the C data interface is made of raw pointers; this is the only module that touches them

use std::ffi::CStr;

use arrow_array::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use arrow_array::{RecordBatch, RecordBatchIterator, RecordBatchReader};
use arrow_schema::{ArrowError, SchemaRef};
use keyacct_model::{Error, ErrorCode};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::error::to_py;

const STREAM: &CStr = c"arrow_array_stream";

/// A table on its way to Python. It can be read once.
#[pyclass(module = "keyacct._core")]
pub struct ArrowStream {
    reader: std::sync::Mutex<Option<Box<dyn RecordBatchReader + Send>>>,
}

impl ArrowStream {
    /// A stream over batches that are already there.
    pub fn from_batches(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        Self::from_reader(Box::new(RecordBatchIterator::new(
            batches.into_iter().map(Ok::<_, ArrowError>),
            schema,
        )))
    }

    /// A stream over batches as they are made.
    pub fn from_reader(reader: Box<dyn RecordBatchReader + Send>) -> Self {
        ArrowStream { reader: std::sync::Mutex::new(Some(reader)) }
    }
}

#[pymethods]
impl ArrowStream {
    /// The Arrow C stream of this table (PyCapsule protocol). `requested_schema` is not honoured, as the protocol allows.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        let taken = self.reader.lock().ok().and_then(|mut slot| slot.take());
        let reader = taken.ok_or_else(|| {
            to_py(py, Error::new(ErrorCode::Internal, "this Arrow stream has been read already"))
        })?;
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(reader), STREAM)
    }
}

/// The batches of any Python object that has `__arrow_c_stream__`.
///
/// # Errors
/// `input.schema` when the object has no such method or gives no valid stream.
pub fn read_stream(table: &Bound<'_, PyAny>) -> PyResult<RecordBatchStreamReader> {
    let py = table.py();
    let bad = |what: String| to_py(py, Error::new(ErrorCode::InputSchema, what));
    let method = table
        .getattr("__arrow_c_stream__")
        .map_err(|_| bad(format!("{} gives no Arrow stream", table.get_type())))?;
    let capsule = method.call0()?;
    let capsule =
        capsule.cast::<PyCapsule>().map_err(|_| bad("__arrow_c_stream__ gave no capsule".into()))?;
    let pointer = capsule
        .pointer_checked(Some(STREAM))
        .map_err(|_| bad("__arrow_c_stream__ gave a capsule of another kind".into()))?;
    // SAFETY: the capsule is named `arrow_array_stream`, so by the protocol it holds an initialised
    // ArrowArrayStream; from_raw moves it out and leaves a released one behind, which the capsule may then drop.
    let reader =
        unsafe { RecordBatchStreamReader::from_raw(pointer.as_ptr().cast::<FFI_ArrowArrayStream>()) };
    reader.map_err(|e| bad(e.to_string()))
}
