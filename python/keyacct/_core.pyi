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

_Question = tuple[int, int, list[tuple[int, int]], int, bool]

def field_voltage(
    samples: object, parameters: object, question: _Question, floor_share: float, ceiling_share: float
) -> tuple[ArrowStream, ArrowStream]: ...
def field_load(
    samples: object,
    parameters: object,
    tariffs: object,
    question: _Question,
    window_ms: int,
    minimum_coverage: float,
) -> tuple[ArrowStream, ArrowStream, ArrowStream]: ...
def field_energy(
    samples: object, parameters: object, tariffs: object, question: _Question, power: bool
) -> tuple[ArrowStream, ArrowStream]: ...
