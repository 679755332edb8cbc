"""Samples for other programs: one row per meter and time with the families side by side, as `keyacct stats` reads it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from keyacct.config import Workspace
from keyacct.errors import InputError, from_os_error
from keyacct.store import merge
from keyacct.store.engine import query_engine
from keyacct.store.families import ENERGY, POWER, VOLT, family_of
from keyacct.store.read import read_family
from keyacct.store.views import add_views
from keyacct.workflow.sql import guarded
from keyacct.workflow.wide_limits import WideLimits, wide_limits

WIDE = pa.schema(
    [
        ("meter_id", pa.string()),
        ("ts", pa.timestamp("ms")),
        *((name, VOLT) for name in ("ua", "ub", "uc")),
        *((name, POWER) for name in ("p", "q")),
        *((name, ENERGY) for name in ("ep", "eq")),
    ]
)
"""ts: civil time of the workspace; ua ub uc in V, p kW, q kvar, registers ep kWh, eq kvarh: as the meter reads them, exact."""

DELTA_CODED = {
    "compression": "none",
    "use_dictionary": ["meter_id"],
    "column_encoding": dict.fromkeys(WIDE.names[1:], "DELTA_BINARY_PACKED"),
    "store_decimal_as_integer": True,
    "row_group_size": 262_144,
}
"""Our own layout of wide samples; docs/design/segments.md has what it rests on."""

PART_ROWS = 1_000_000

_SOURCES = {
    "voltage": (("interval", "snapshot"), {"ua": "a", "ub": "b", "uc": "c"}),
    "power": (("interval", "snapshot"), {"p": "p", "q": "q"}),
    "energy": (("register", "freeze_minute", "freeze_hour", "freeze_day"), {"ep": "import", "eq": "reactive_import"}),
}


def wide_rows(
    engine: duckdb.DuckDBPyConnection, workspace: Workspace, from_ms: int, to_ms: int, *, stamp: str = "end"
) -> pa.RecordBatchReader:
    """The rows of `WIDE`, by meter and time. stamp `start`: interval values are stamped at their beginning (stats)."""
    add_views(engine, workspace, families=tuple(_SOURCES))
    minutes = workspace.settings.samples.interval_min
    zone = workspace.settings.workspace.timezone
    types = {field.name: f"DECIMAL({field.type.precision}, {field.type.scale})" for field in list(WIDE)[2:]}
    parts = []
    for family, (kinds, columns) in _SOURCES.items():
        shift = f"ts - INTERVAL {minutes} MINUTE" if stamp == "start" and family != "energy" else "ts"
        own = ", ".join(
            (f"max({merge.quote(columns[name])})" if name in columns else "NULL") + f"::{types[name]} AS {name}"
            for name in WIDE.names[2:]
        )
        listed = ", ".join(f"'{kind}'" for kind in kinds)
        parts.append(
            f"SELECT meter, {shift} AS ts, {own} FROM {family} WHERE kind IN ({listed})"
            f" AND ts >= make_timestamptz({from_ms * 1000}) AND ts < make_timestamptz({to_ms * 1000}) GROUP BY ALL"
        )
    values = ", ".join(f"max({name})" for name in WIDE.names[2:])
    reader = engine.sql(
        f"SELECT meter, timezone('{zone}', ts)::TIMESTAMP_MS, {values} FROM ({' UNION ALL '.join(parts)})"
        " GROUP BY meter, ts ORDER BY meter, ts"
    ).to_arrow_reader(65_536)
    return pa.RecordBatchReader.from_batches(
        WIDE, (pa.RecordBatch.from_arrays(batch.columns, schema=WIDE) for batch in reader)
    )


def export_wide(
    workspace: Workspace, out: Path, from_ms: int, to_ms: int, *, stamp: str = "end"
) -> list[tuple[Path, int]]:
    """Write `out`/part-NNNN.parquet; the files with their rows. Parts that an earlier export left are removed.

    Raises InputError when there is nothing in the span, WriteError.
    """
    written: list[tuple[Path, int]] = []
    with query_engine(workspace) as engine, guarded():
        reader = wide_rows(engine, workspace, from_ms, to_ms, stamp=stamp)
        try:
            out.mkdir(parents=True, exist_ok=True)
            for number, batches in enumerate(_parts(reader)):
                path = out / f"part-{number:04d}.parquet"
                written.append(
                    (path, write_parquet(pa.RecordBatchReader.from_batches(WIDE, batches), path, delta_coded=True))
                )
            for old in sorted(out.glob("part-*.parquet")):
                if old not in [path for path, _ in written] and written:
                    old.unlink()
        except OSError as error:
            raise from_os_error(error, writing=True, file=str(out)) from error
    if not written:
        raise InputError("input.empty", "there are no samples in this span", hint="see `keyacct store files`")
    return written


def export_limits(workspace: Workspace, out: Path, from_ms: int, to_ms: int) -> tuple[Path, WideLimits]:
    """Write `out`/limits.parquet from the registry; what it holds. Raises WriteError."""
    limits = wide_limits(workspace, from_ms, to_ms)
    path = out / "limits.parquet"
    write_parquet(limits.table.to_reader(), path)
    return path, limits


def _parts(reader: pa.RecordBatchReader) -> Iterator[list[pa.RecordBatch]]:
    """Batches of about PART_ROWS rows together."""
    held: list[pa.RecordBatch] = []
    for batch in reader:
        held.append(batch)
        if sum(part.num_rows for part in held) >= PART_ROWS:
            yield held
            held = []
    if held:
        yield held


def write_parquet(reader: pa.RecordBatchReader, path: Path, *, delta_coded: bool = False) -> int:
    """Write a result as one Parquet file, whole or not at all; its rows. delta_coded: a wide table in our own layout.
    Raises WriteError.
    """
    whole = path.with_name(path.name + ".part")
    rows = 0
    try:
        if delta_coded:
            table = reader.read_all()
            pq.write_table(table, whole, **DELTA_CODED)
            rows = table.num_rows
        else:
            with pq.ParquetWriter(whole, reader.schema, compression="zstd") as writer:
                for batch in reader:
                    writer.write_batch(batch)
                    rows += batch.num_rows
        os.replace(whole, path)
    except OSError as error:
        raise from_os_error(error, writing=True, file=str(path)) from error
    finally:
        whole.unlink(missing_ok=True)
    return rows


def export_family(workspace: Workspace, family: str, out: Path, from_ms: int, to_ms: int) -> list[tuple[Path, int]]:
    """Write the merged rows of a family to `out`/<family>.parquet. Raises UsageError, WriteError."""
    definition = family_of(family)
    path = out / f"{definition.name}.parquet"
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise from_os_error(error, writing=True, file=str(out)) from error
    return [(path, write_parquet(read_family(workspace, definition.name, from_ms, to_ms), path))]
