//! Python's door to the deframer for live streams: a piece in, the whole frames in it out.

use keyacct_wire::{Deframer, Event, Expect};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::wire::expect;

/// Cuts the streams of many peers: it keeps nothing between calls, what waits is given back and comes again in front of
/// the next piece.
#[pyclass(module = "keyacct._core", frozen)]
pub struct FrameCutter {
    expect: Expect,
    most: usize,
}

#[pymethods]
impl FrameCutter {
    /// `most`: bytes of the longest frame; one that says to be longer is refused by its header.
    #[new]
    fn new(py: Python<'_>, protocol: &str, most: usize) -> PyResult<Self> {
        Ok(FrameCutter { expect: expect(py, protocol)?, most })
    }

    /// (whole frames, bytes of a frame that has begun, cost of what was no frame).
    ///
    /// The cost counts each byte passed over, and a sixteenth of those whose checksum was added up in vain,
    /// so that a budget in bytes also bounds the time.
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyBytes>,
    ) -> (Vec<Bound<'py, PyBytes>>, Bound<'py, PyBytes>, usize) {
        let bytes = data.as_bytes();
        let mut deframer = Deframer::new(self.expect).at_most(self.most);
        let (mut frames, mut used) = (Vec::new(), 0);
        deframer.push(bytes, |event| {
            if let Event::Frame { bytes, preamble, .. } = event {
                used += bytes.len() + preamble as usize;
                frames.push(PyBytes::new(py, bytes));
            }
        });
        let held = deframer.held();
        let begun = PyBytes::new(py, bytes.get(bytes.len() - held..).unwrap_or_default());
        (frames, begun, bytes.len() - held - used + deframer.in_vain() as usize / 16)
    }
}
