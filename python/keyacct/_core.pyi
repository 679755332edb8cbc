"""Contract of the extension `keyacct._core`. Every name of `__all__` is wrapped by the module named beside it."""

from collections.abc import Sequence
from typing import Any, Protocol, final

__all__ = ["OPTIMISED", "ArrowStream", "Registers", "__version__", "describe", "error_codes", "protocols"]

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
