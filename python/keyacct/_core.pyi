"""Contract of the Rust extension. `stubtest` compares it with the built module."""

from typing import Any, Protocol, final

__all__ = ["OPTIMISED", "ArrowStream", "__version__", "error_codes", "shed_plan"]

__version__: str
OPTIMISED: bool

class SupportsArrowStream(Protocol):
    """Anything that gives an Arrow C stream: pyarrow, polars, duckdb, our own."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

@final
class ArrowStream:
    """A table on its way out of the core; it can be read once."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

def error_codes() -> list[tuple[str, int]]: ...

# keyacct-plan
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
