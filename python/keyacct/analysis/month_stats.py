"""Month statistics of interval samples in plain Parquet files: the door to the streaming kernel in the core.

pyarrow is imported only where tables are returned: the command that writes files does without it.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keyacct import _core
from keyacct.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

ENGINES = ("local",)
"""Where statistics can be computed."""

_UNIT_MS = {"ms": 1, "s": 1_000, "min": 60_000, "m": 60_000, "h": 3_600_000}


def interval_ms(interval: str | int | dt.timedelta) -> int:
    """A nominal interval in milliseconds, from `"15min"`, `"1h"`, `"30s"`, whole minutes, or a timedelta.

    Raises UsageError when it is none of these, or not between 1 ms and 1 day.
    """
    value: int | None = None
    if isinstance(interval, dt.timedelta):
        value = interval // dt.timedelta(milliseconds=1)
    elif isinstance(interval, int):
        value = interval * 60_000
    elif match := re.fullmatch(r"(\d{1,9})\s*(ms|s|min|m|h)", interval.strip()):
        value = int(match[1]) * _UNIT_MS[match[2]]
    if value is None or not 1 <= value <= 86_400_000:
        raise UsageError("usage.invalid", f"{interval!r} is no interval", hint="write for example 15min, 1min or 1h")
    return value


@dataclass(frozen=True)
class Written:
    """What `write_stats` has done: rows read, and the meters that have readings but no limits (left out)."""

    rows: int
    without_limits: tuple[str, ...]


def _check_engine(engine: str) -> None:
    if engine not in ENGINES:
        raise UsageError("usage.invalid", f"no engine {engine!r}", hint=f"choose {' or '.join(ENGINES)}")


def write_stats(
    data: str | os.PathLike[str],
    limits: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    interval: str | int | dt.timedelta,
    loss: float = 0.70,
    engine: str = "local",
    threads: int | None = None,
    state: str | os.PathLike[str] | None = None,
) -> Written:
    """Write `day.parquet` and `month.parquet` of a data set to the folder `out`; both appear whole or not
    at all.

    state: folder in which the day states of every file are kept, about 1 KB a meter and day. Then a file that comes
    behind the known ones is read alone and joined, a changed file or a meter with other limits is computed again
    alone, and with nothing new no sample is read; the figures are the same to the last bit. A file is known by its
    name, length, time of change and footer. Other arguments and errors as in `stats`; besides WriteError (exit 9).
    """
    _check_engine(engine)
    _, _, without_limits, rows = _core.month_stats(
        os.fspath(data),
        os.fspath(limits),
        interval_ms=interval_ms(interval),
        loss=loss,
        out=os.fspath(out),
        threads=threads,
        state=None if state is None else os.fspath(state),
    )
    return Written(rows, tuple(without_limits))


def stats(
    data: str | os.PathLike[str],
    limits: str | os.PathLike[str],
    *,
    interval: str | int | dt.timedelta,
    loss: float = 0.70,
    engine: str = "local",
    threads: int | None = None,
) -> tuple[pa.Table, pa.Table]:
    """Day and month figures of every meter of a Parquet data set.

    data: folder of `part-*.parquet` (else all its `*.parquet` but the limits file), or one file; columns
    meter_id, ts (local wall clock without zone; the start of the time a reading stands for), ua ub uc (V
    secondary), p q (kW, kvar), ep eq (kWh, kvarh registers); rows of one meter in time order, a later row
    of equal time corrects the earlier. limits: Parquet file with meter_id, pt, u_nom, u_lower, u_upper,
    pf_std, tariff (48 letters P/F/V). interval: nominal interval, `"15min"`, whole minutes, or a
    timedelta. loss: share of the nominal voltage below which a value is not assessed. threads: workers,
    default one a core; the result does not depend on it.

    Returns (day, month): a row per meter and day, and per meter and month. Meters without a row in
    `limits` are left out (`write_stats` names them). Units are in the names; `*_rate` is percent. Raises
    UsageError, InputError (exit 4) with file, row group, row, column or meter.
    """
    import pyarrow as pa

    _check_engine(engine)
    day, month, _, _ = _core.month_stats(
        os.fspath(data),
        os.fspath(limits),
        interval_ms=interval_ms(interval),
        loss=loss,
        threads=threads,
    )
    return pa.table(day), pa.table(month)
