from collections.abc import Sequence

__version__: str
OPTIMISED: bool

class ArrowStream:
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

def error_codes() -> list[tuple[str, int]]: ...
def month_stats(
    data: str,
    limits: str,
    *,
    interval_ms: int,
    loss: float,
    out: str | None = None,
    threads: int | None = None,
) -> tuple[ArrowStream, ArrowStream, list[str], int]: ...
