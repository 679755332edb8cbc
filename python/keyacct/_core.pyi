"""Contract of the Rust extension. `stubtest` compares it with the built module."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, final, type_check_only

__all__ = [
    "OPTIMISED",
    "ArrowStream",
    "FieldDays",
    "FrameCutter",
    "Registers",
    "__version__",
    "answers",
    "decode",
    "decode_file",
    "describe",
    "encode",
    "error_codes",
    "field_energy",
    "field_load",
    "field_voltage",
    "field_voltage_loss",
    "month_stats",
    "pack_samples",
    "phase_unbalance",
    "protocols",
    "replay",
    "shed_plan",
]

__version__: str
OPTIMISED: bool

@type_check_only
class SupportsArrowStream(Protocol):
    """Anything that gives an Arrow C stream: pyarrow, polars, duckdb, our own."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

@final
class ArrowStream:
    """A table on its way out of the core; it can be read once."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

def error_codes() -> list[tuple[str, int]]:
    """(code, exit code) of every error (keyacct.errors)."""

# --- keyacct.wire -----------------------------------------------------------------------------------------------------

@final
class Registers:
    """The register catalogues: built in, and a user's own (name, text) on top."""

    def __new__(cls, files: Sequence[tuple[str, str]] = ..., model: str | None = None) -> Registers: ...
    def rows(self) -> list[dict[str, Any]]:
        """Every row: protocol, key, name, quantity, chinese, kind, format, access, source, file, line."""

    def rows_of_key(self, key: str) -> list[tuple[str, str]]:
        """(protocol, key as spelled) of the rows that an identifier or a register name belongs to."""

def protocols() -> list[str]:
    """Names that `--protocol` takes."""

@final
class FrameCutter:
    """Cuts the streams of many peers; keeps nothing between calls. most: bytes of the longest frame."""

    def __new__(cls, protocol: str, most: int) -> FrameCutter: ...
    def __call__(self, data: bytes) -> tuple[list[bytes], bytes, int]:
        """(whole frames, bytes of a frame that has begun, cost of what was no frame)."""

def describe(
    registers: Registers,
    text: str,
    line: int,
    protocol: str = "auto",
    *,
    fields: bool = False,
    chinese: bool = False,
) -> list[str]:
    """JSON objects of one line of hex text, one a frame."""

def decode(
    registers: Registers, buffer: object, protocol: str = "auto", *, threads: int | None = None
) -> tuple[ArrowStream, dict[str, Any]]:
    """Readings of a whole byte stream, and the tally."""

def decode_file(
    registers: Registers, path: str, protocol: str = "auto", *, threads: int | None = None
) -> tuple[ArrowStream, dict[str, Any]]:
    """Readings of a file of raw bytes, read in windows, and the tally."""

def encode(registers: Registers, message: object, protocol: str) -> bytes:
    """The frame of a message; `message` has the keys that decoding publishes for its protocol."""

def answers(request: bytes, reply: bytes, protocol: str) -> bool:
    """Whether `reply` answers `request`, both whole frames."""

# --- keyacct.capture.replay -------------------------------------------------------------------------------------------

def replay(
    registers: Registers,
    path: str,
    protocol: str = "auto",
    *,
    name: str | None = None,
    day: int | None = None,
    assumed: tuple[int, int] | None = None,
) -> tuple[ArrowStream, dict[str, Any]]:
    """Readings and tally of a capture file; `failure` of the tally is the error that ended the reading early, or None."""

# --- keyacct.analysis -------------------------------------------------------------------------------------------------

def month_stats(
    data: str,
    limits: str,
    *,
    interval_ms: int,
    loss: float,
    out: str | None = None,
    threads: int | None = None,
    state: str | None = None,
    meters: tuple[str | None, str | None] | None = None,
) -> tuple[ArrowStream, ArrowStream, list[str], int]: ...
def pack_samples(
    data: str, limits: str, out: str
) -> tuple[int, int, int, list[Path], list[tuple[str, str, float | None]]]:
    """(rows, bytes read, bytes written, files, (column, type, a value that kept it as it is))."""

_Question = tuple[int, int, list[tuple[int, int]], int, bool, list[tuple[int, bool]]]

def field_voltage(
    samples: object, parameters: object, question: _Question, floor_share: float, ceiling_share: float
) -> tuple[ArrowStream, ArrowStream]: ...
def field_voltage_loss(
    voltage: object,
    current: object,
    parameters: object,
    rated_a: list[float],
    question: _Question,
    conditions: tuple[float, float, float, float, float, float],
    delay_ms: int,
) -> tuple[ArrowStream, ArrowStream]: ...
def phase_unbalance(rows: object, limit: float, smallest_current: float | None = None) -> ArrowStream: ...
def field_load(
    power: object,
    energy: object,
    parameters: object,
    tariffs: object,
    question: _Question,
    window_ms: int,
    minimum_coverage: float,
) -> tuple[ArrowStream, ArrowStream, ArrowStream]: ...
def field_energy(
    samples: object, parameters: object, tariffs: object, question: _Question, power: bool
) -> tuple[ArrowStream, ArrowStream]: ...

@final
class FieldDays:
    """Kept states of civil days: which are missing, making them, joining them. `what`: voltage, load, energy, integrated."""

    def __new__(
        cls,
        what: str,
        days: Sequence[tuple[int, int, str, str]],
        parameters: object,
        wide: object,
        tariffs: object,
        question: _Question,
        rules: tuple[float, float, int, float],
    ) -> FieldDays: ...
    def outdated(self) -> list[list[str]]: ...
    def make(self, number: int, samples: Sequence[object]) -> None: ...
    def tables(self) -> list[ArrowStream] | None: ...

# --- keyacct.plan -----------------------------------------------------------------------------------------------------

def shed_plan(
    terms: dict[str, object],
    customers: bytes,
    baseline: bytes,
    system: bytes,
    areas: bytes | None = None,
    fixed: bytes | None = None,
    previous: bytes | None = None,
) -> dict[str, Any]:
    """Plans the tables of a problem folder; `terms` and the result are those of `keyacct.plan.planner`."""
