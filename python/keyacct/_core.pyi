"""Contract of the extension `keyacct._core`: every name of `__all__`, under the module that wraps it."""

from collections.abc import Sequence
from typing import Any, Protocol, final

__all__ = [
    "OPTIMISED",
    "ArrowStream",
    "Registers",
    "__version__",
    "decode",
    "describe",
    "error_codes",
    "protocols",
    "replay",
]

__version__: str
OPTIMISED: bool

class SupportsArrowStream(Protocol):
    """Anything that gives an Arrow C stream: pyarrow, polars, duckdb, our own."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

@final
class ArrowStream:
    """A table on its way to Python, readable once by anything that takes `__arrow_c_stream__`."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

def error_codes() -> list[tuple[str, int]]:
    """(code, exit code) of every error (keyacct.errors)."""

# keyacct.wire

@final
class Registers:
    """The register catalogues: built in, and a user's own (name, text) on top."""

    def __new__(cls, files: Sequence[tuple[str, str]] = ...) -> Registers: ...
    def rows(self) -> list[dict[str, Any]]:
        """Every row: protocol, key, name, quantity, kind, format, access, source, file, line."""
    def rows_of_key(self, key: str) -> list[tuple[str, str]]:
        """(protocol, key as spelled) of the rows that an identifier or a register name belongs to."""

def protocols() -> list[str]:
    """Names that `--protocol` takes."""

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
    registers: Registers, buffer: object, protocol: str = "auto"
) -> tuple[ArrowStream, dict[str, Any]]:
    """Readings of a whole byte stream, and the tally."""

# keyacct.capture.replay

def replay(
    registers: Registers,
    path: str,
    protocol: str = "auto",
    *,
    day: int | None = None,
    assumed: tuple[int, int] | None = None,
) -> tuple[ArrowStream, dict[str, Any]]:
    """Readings and tally of a capture file."""
