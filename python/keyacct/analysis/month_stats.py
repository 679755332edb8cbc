"""Month statistics of interval samples in plain Parquet files: the door to the streaming kernel in the core.

pyarrow is imported only where tables are returned: the command that writes files does without it.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from keyacct import _core
from keyacct.errors import UsageError, from_os_error

if TYPE_CHECKING:
    import pyarrow as pa

ENGINES = ("local", "dask")
"""Where statistics can be computed: here, or by ranges of meters on the workers of a Dask cluster."""

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


class Written(NamedTuple):
    """What `write_stats` has done: rows read, and the meters that have readings but no limits (left out).

    tasks and retried: of a cluster, the ranges of meters, and the attempts that a lost worker did not end.
    """

    rows: int
    without_limits: tuple[str, ...]
    tasks: int = 1
    retried: int = 0


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
    scheduler: str | None = None,
    tasks: int | None = None,
) -> Written:
    """Write `day.parquet` and `month.parquet` of a data set to the folder `out`; both appear whole or not
    at all.

    state: folder in which the day states of every file are kept, about 0.8 KB a meter and day. Then a file that comes
    behind the known ones is read alone and joined, a changed file or a meter with other limits is computed again
    alone, and with nothing new no sample is read; the figures are the same to the last bit. A file is known by its
    name, length, time of change and footer. One process at a time works with such a folder, others wait. Other arguments
    and errors as in `stats`; besides WriteError (exit 9).
    """
    _check_engine(engine)
    if engine == "dask":
        if state is not None:
            raise UsageError("usage.invalid", "day states are kept by the engine local only", hint="leave --state away")
        from keyacct.analysis.cluster_stats import write_with_dask

        merged = write_with_dask(
            Path(data), Path(limits), Path(out), interval_ms=interval_ms(interval), loss=loss, scheduler=scheduler,
            tasks=tasks,
        )  # fmt: skip
        return Written(merged.rows, merged.without_limits, merged.tasks, merged.retried)
    if scheduler is not None:
        raise UsageError("usage.invalid", "a scheduler is for the engine dask", hint="add --engine dask")
    with nullcontext() if state is None else _alone(Path(state)):
        return _write(data, limits, out, interval=interval, loss=loss, threads=threads, state=state)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Waits until no other process works with a folder of states; the system lets go of a dead process's lock."""
    import fcntl

    path = folder / "state.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise from_os_error(error, writing=True, file=str(path)) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(
    data: str | os.PathLike[str],
    limits: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    interval: str | int | dt.timedelta,
    loss: float,
    threads: int | None,
    state: str | os.PathLike[str] | None,
) -> Written:
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
    scheduler: str | None = None,
    stage: str | os.PathLike[str] | None = None,
) -> tuple[pa.Table, pa.Table]:
    """Day and month figures of every meter of a Parquet data set.

    data: folder of `part-*.parquet` (else all its `*.parquet` but the limits file), or one file; columns
    meter_id, ts (local wall clock without zone; the start of the time a reading stands for), ua ub uc (V
    secondary), p q (kW, kvar), ep eq (kWh, kvarh registers), floats or decimals; rows of one meter in time order, a later row
    of equal time corrects the earlier. limits: Parquet file with meter_id, pt, u_nom, u_lower, u_upper,
    pf_std, tariff (48 letters P/F/V). interval: nominal interval, `"15min"`, whole minutes, or a
    timedelta. loss: share of the nominal voltage below which a value is not assessed. threads: workers,
    default one a core; the result does not depend on it. engine: `local`, or `dask` (extra `cluster`) on the
    workers of `scheduler` or else on workers started here; they write to a folder in `stage`, which all of them must
    see (else one for temporary files). The engine does not change a bit of the result.

    Returns (day, month): a row per meter and day, and per meter and month. Meters without a row in
    `limits` are left out (`write_stats` names them). Units are in the names; `*_rate` is percent. Raises
    UsageError, InputError (exit 4) with file, row group, row, column or meter.
    """
    import pyarrow as pa

    _check_engine(engine)
    if engine == "dask":
        import tempfile

        import pyarrow.parquet as pq

        with tempfile.TemporaryDirectory(dir=stage) as folder:
            write_stats(data, limits, folder, interval=interval, loss=loss, engine=engine, scheduler=scheduler)
            tables = [pq.read_table(Path(folder) / name, memory_map=False) for name in ("day.parquet", "month.parquet")]
        return tables[0], tables[1]
    day, month, _, _ = _core.month_stats(
        os.fspath(data),
        os.fspath(limits),
        interval_ms=interval_ms(interval),
        loss=loss,
        threads=threads,
    )
    return pa.table(day), pa.table(month)
