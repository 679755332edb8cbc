//! Frames: Python's doors to `keyacct-wire` and to the capture reader of `keyacct-io`.

use keyacct_io::capture::{Capture, Clock, Outcome, Tally, replay as replay_capture, stream, stream_file};
use keyacct_io::container;
use keyacct_model::{Error, ErrorCode, Kind, Quantity};
use keyacct_wire::catalogue::Body;
use keyacct_wire::describe::{Wish, describe_line};
use keyacct_wire::hex::decode_line;
use keyacct_wire::{Expect, Protocol, registers};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrow::ArrowStream;
use crate::error::to_py;

/// The register catalogues: built in, and a user's own on top.
#[pyclass(module = "keyacct._core", frozen)]
pub struct Registers {
    pub(crate) inner: registers::Registers,
}

#[pymethods]
impl Registers {
    /// `files`: (name, text) of catalogues to add; a key that is known already is an error. `model`: what the Modbus
    /// devices are.
    #[new]
    #[pyo3(signature = (files=Vec::new(), model=None))]
    fn new(py: Python<'_>, files: Vec<(String, String)>, model: Option<&str>) -> PyResult<Self> {
        let mut inner = registers::Registers::embedded().map_err(|e| to_py(py, e))?;
        for (name, text) in &files {
            inner.add(name, text).map_err(|e| to_py(py, e))?;
        }
        if let Some(model) = model {
            inner.choose_model(model).map_err(|e| to_py(py, e))?;
        }
        Ok(Registers { inner })
    }

    /// Every row as a dict of the catalogue's columns, with its protocol, its quantities in Chinese, and where it stands.
    fn rows<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let mut rows = Vec::new();
        let protocols = Protocol::ALL.iter().map(|p| (p.as_str().to_owned(), self.inner.of(*p)));
        let models = self.inner.models().iter().map(|m| (format!("modbus:{}", m.name), &m.catalogue));
        for (protocol, catalogue) in protocols.chain(models) {
            for row in catalogue.rows() {
                let dict = PyDict::new(py);
                let [key, quantity, format] = &row.spelled;
                let is_block = matches!(row.body, Body::Block(_));
                dict.set_item("protocol", &protocol)?;
                dict.set_item("key", key)?;
                dict.set_item("name", &row.name)?;
                dict.set_item("quantity", quantity)?;
                dict.set_item("chinese", chinese_of(&[quantity, format]))?;
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

    /// (protocol, key as spelled) of the rows that an identifier or a register name belongs to.
    fn rows_of_key(&self, key: &str) -> Vec<(&'static str, String)> {
        let row = |protocol: &Protocol| {
            let catalogue = self.inner.of(*protocol);
            let (_, row) = catalogue.find(catalogue.key_of(key)?)?;
            Some((protocol.as_str(), row.spelled[0].clone()))
        };
        Protocol::ALL.iter().filter_map(row).collect()
    }
}

/// The quantities that texts of a row name, in Chinese, each once.
fn chinese_of(texts: &[&String]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for text in texts {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for quantity in words.filter_map(Quantity::by_name) {
            if !names.contains(&quantity.zh()) {
                names.push(quantity.zh());
            }
        }
    }
    names.join(", ")
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
            let what = match (found, chinese) {
                (Some(c), false) => format!("column {column}: {c:?} is no hex digit"),
                (None, false) => format!("column {column}: half a byte is left over"),
                (Some(c), true) => format!("第 {column} 列: {c:?} 不是十六进制数字"),
                (None, true) => format!("第 {column} 列: 多出半个字节"),
            };
            vec![keyacct_wire::describe::describe_unreadable(line, &what).to_string()]
        }
    }))
}

fn outcome<'py>(py: Python<'py>, outcome: Outcome) -> PyResult<(ArrowStream, Bound<'py, PyDict>)> {
    let Outcome { readings: table, tally, failure } = outcome;
    let (schema, batches) = py
        .detach(|| table.finish())
        .map_err(|e| to_py(py, Error::new(ErrorCode::Internal, format!("readings to Arrow: {e}"))))?;
    let told = tally_dict(py, &tally)?;
    told.set_item("failure", failure.map(|error| to_py(py, error).into_value(py)))?;
    Ok((ArrowStream::from_batches(schema, batches), told))
}

fn tally_dict<'py>(py: Python<'py>, tally: &Tally) -> PyResult<Bound<'py, PyDict>> {
    let frames = PyDict::new(py);
    for protocol in Protocol::ALL {
        match tally.frames[*protocol as usize] {
            0 => {}
            count => frames.set_item(protocol.as_str(), count)?,
        }
    }
    let (invalid, firsts) = (PyDict::new(py), PyDict::new(py));
    for (code, cause) in &tally.invalid {
        invalid.set_item(code, cause.count)?;
        let told = cause.fault.told();
        firsts.set_item(code, (cause.first.line, cause.first.offset, told.en, told.zh))?;
    }
    let dict = PyDict::new(py);
    dict.set_item("bytes", tally.bytes)?;
    dict.set_item("frames", frames)?;
    dict.set_item("noise_bytes", tally.noise_bytes)?;
    dict.set_item("invalid", invalid)?;
    dict.set_item("first_invalid", firsts)?;
    dict.set_item("first_noise", tally.first_noise.map(|spot| (spot.line, spot.offset)))?;
    dict.set_item("readings", tally.readings)?;
    dict.set_item("events", tally.events)?;
    dict.set_item("unknown_identifiers", tally.unknown)?;
    dict.set_item("undated", tally.undated)?;
    dict.set_item("incomplete_answers", tally.incomplete)?;
    dict.set_item("stale_parts", tally.stale)?;
    dict.set_item("container", tally.container.as_ref().map(|t| container_dict(py, t)).transpose()?)?;
    Ok(dict)
}

/// What the container counted; zeros are left out.
fn container_dict<'py>(py: Python<'py>, tally: &container::Tally) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, count) in [
        ("content_bytes", tally.content_bytes),
        ("compressed_bytes", tally.compressed_bytes),
        ("gzip_members", tally.gzip_members),
        ("trailing_bytes", tally.trailing_bytes),
        ("packets", tally.packets),
        ("tcp_packets", tally.tcp_packets),
        ("udp_packets", tally.udp_packets),
        ("other_packets", tally.other_packets),
        ("unknown_link_packets", tally.unknown_link_packets),
        ("ip_fragments", tally.fragments),
        ("reassembled_datagrams", tally.reassembled),
        ("broken_packets", tally.bad_link + tally.bad_ip + tally.bad_transport),
        ("broken_blocks", tally.bad_blocks),
        ("truncated_packets", tally.truncated_packets + tally.cut_headers),
        ("truncated_bytes", tally.truncated_bytes),
        ("streams", tally.streams),
        ("evicted_streams", tally.evicted_streams),
        ("retransmitted_bytes", tally.retransmitted_bytes),
        ("differing_retransmissions", tally.overlaps_differing),
        ("gaps", tally.gaps),
        ("lost_bytes", tally.lost_bytes),
        ("stray_bytes", tally.stray_bytes),
    ] {
        if count > 0 {
            dict.set_item(name, count)?;
        }
    }
    if !tally.first_dropped.is_empty() {
        dict.set_item("first_dropped", tally.first_dropped.clone())?;
    }
    Ok(dict)
}

/// Readings of a whole byte stream, and the tally. `buffer` is anything with the buffer protocol; it must not be
/// written to while this runs. `threads`: none for as many as there are cores.
#[pyfunction]
#[pyo3(signature = (registers, buffer, protocol="auto", *, threads=None))]
fn decode<'py>(
    py: Python<'py>,
    registers: &Registers,
    buffer: &Bound<'py, PyAny>,
    protocol: &str,
    threads: Option<usize>,
) -> PyResult<(ArrowStream, Bound<'py, PyDict>)> {
    let expect = expect(py, protocol)?;
    let view = PyBuffer::<u8>::get(buffer).map_err(|_| {
        let what = format!("{} gives no bytes", buffer.get_type());
        to_py(
            py,
            Error::new(ErrorCode::InputFormat, what)
                .hint("pass bytes, bytearray, memoryview, mmap or a uint8 array"),
        )
    })?;
    let bytes = crate::buffer::bytes(py, &view)?;
    let threads = threads.unwrap_or_else(cores);
    let done = py.detach(|| stream(&bytes, expect, &registers.inner, threads));
    outcome(py, done)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// As `decode`, of a file of raw bytes that is read window by window.
#[pyfunction]
#[pyo3(signature = (registers, path, protocol="auto", *, threads=None))]
fn decode_file<'py>(
    py: Python<'py>,
    registers: &Registers,
    path: &str,
    protocol: &str,
    threads: Option<usize>,
) -> PyResult<(ArrowStream, Bound<'py, PyDict>)> {
    let expect = expect(py, protocol)?;
    let threads = threads.unwrap_or_else(cores);
    let done = py.detach(|| stream_file(path, expect, &registers.inner, threads));
    outcome(py, done.map_err(|e| to_py(py, e))?)
}

/// Readings and tally of a capture file, which errors call `name`; `failure` of the tally is the error that ended the
/// reading early. `day`: days since 1970 that complete a time of day; `assumed`: civil
/// milliseconds of the first frame without any time, and the step to the next.
#[pyfunction]
#[pyo3(signature = (registers, path, protocol="auto", *, name=None, day=None, assumed=None))]
fn replay<'py>(
    py: Python<'py>,
    registers: &Registers,
    path: &str,
    protocol: &str,
    name: Option<&str>,
    day: Option<i64>,
    assumed: Option<(i64, i64)>,
) -> PyResult<(ArrowStream, Bound<'py, PyDict>)> {
    let expect = expect(py, protocol)?;
    let done = py.detach(|| {
        let mut capture = Capture::open(path, name.unwrap_or(path))?;
        replay_capture(&mut capture, expect, &registers.inner, Clock { day, assumed })
    });
    outcome(py, done.map_err(|e| to_py(py, e))?)
}

/// Adds the functions of this module to `keyacct._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Registers>()?;
    module.add_function(wrap_pyfunction!(protocols, module)?)?;
    module.add_function(wrap_pyfunction!(describe, module)?)?;
    module.add_function(wrap_pyfunction!(decode, module)?)?;
    module.add_function(wrap_pyfunction!(decode_file, module)?)?;
    module.add_function(wrap_pyfunction!(replay, module)?)
}
