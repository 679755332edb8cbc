//! Bytes of any Python object with the buffer protocol, without a copy where they lie in one piece.

#![allow(unsafe_code)] // a foreign buffer is a raw pointer; this is the only module that makes a slice of one

use std::borrow::Cow;

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;

/// The bytes of a buffer: borrowed when contiguous, else copied together.
///
/// # Errors
/// Those of Python while copying.
pub fn bytes<'b>(py: Python<'_>, view: &'b PyBuffer<u8>) -> PyResult<Cow<'b, [u8]>> {
    if !view.is_c_contiguous() {
        return view.to_vec(py).map(Cow::Owned);
    }
    if view.item_count() == 0 {
        return Ok(Cow::Borrowed(&[]));
    }
    // SAFETY: the buffer is C-contiguous and holds `len_bytes` initialised bytes at `buf_ptr`; `view` keeps the
    // exporter alive and its memory in place for 'b. An exporter that is written to by another thread meanwhile gives
    // wrong bytes, as it does for `hashlib` or `zlib`; the documentation of the function forbids it.
    Ok(Cow::Borrowed(unsafe { std::slice::from_raw_parts(view.buf_ptr().cast::<u8>(), view.len_bytes()) }))
}
