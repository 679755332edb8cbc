"""Reading samples: one merged row per key, from one snapshot of the index, in bounded memory."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence

import duckdb
import pyarrow as pa

from keyacct.config import Workspace
from keyacct.database.engine import open_database
from keyacct.errors import WriteError
from keyacct.store import merge
from keyacct.store.engine import io_error, query_engine
from keyacct.store.families import Family, family_of
from keyacct.store.index import Segment, live_segments, overlapping
from keyacct.store.resolve import device_aliases

CHUNK_ROWS = 2_000_000
"""Stored rows that are merged and sorted at a time; more are read meter range by meter range."""
BATCH_ROWS = 65_536
LISTED_METERS = 200
MOST_ROWS_A_DAY = 1440
"""Rows of a meter and day that are reckoned with when a few meters are asked for."""


def read_family(
    workspace: Workspace, family: str, from_ms: int, to_ms: int, meters: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
) -> pa.RecordBatchReader:  # fmt: skip
    """Samples of a family with from_ms ≤ ts < to_ms: one merged row per key, sorted by the key (meter, kind, ts, …).

    Schema: `FAMILIES[family].schema`, or only `columns` of it, which is much less to read. Values of unknown devices
    appear under the meter that the registry names as of their time, else under `?protocol:address[/point]`. The list of
    files is taken in one read transaction: writers and compaction do not disturb a reader. meters: only these. Raises
    UsageError, WriteError `write.store_damaged`.
    """
    definition = family_of(family)
    with open_database(workspace).read() as connection:
        segments = live_segments(connection, definition.name, from_ms, to_ms)
        aliases = device_aliases(connection)
    if meters is not None:
        asked = sorted(set(meters))
        segments = [
            s for s in segments
            if meters and (s.unresolved_rows or _holds_some(asked, s.min_meter, s.max_meter))
        ]  # fmt: skip
    schema = definition.schema if columns is None else pa.schema([definition.schema.field(name) for name in columns])
    batches = _batches(workspace, definition, schema, segments, aliases, from_ms, to_ms, meters)
    return pa.RecordBatchReader.from_batches(schema, batches)


def _holds_some(asked: list[str], low: str, high: str) -> bool:
    """Whether some of the sorted names lie in [low, high]."""
    at = bisect.bisect_left(asked, low)
    return at < len(asked) and asked[at] <= high


def read_table(
    workspace: Workspace, family: str, from_ms: int, to_ms: int, meters: Sequence[str] | None = None
) -> pa.Table:
    """The same as one table, for small spans."""
    return read_family(workspace, family, from_ms, to_ms, meters).read_all()


def _batches(
    workspace: Workspace, family: Family, schema: pa.Schema, segments: list[Segment], aliases: pa.Table, from_ms: int,
    to_ms: int, meters: Sequence[str] | None,
) -> Iterator[pa.RecordBatch]:  # fmt: skip
    if not segments:
        return
    try:
        yield from _merged(workspace, family, schema, segments, aliases, from_ms, to_ms, meters)
    except WriteError as error:
        raise located(workspace, error, [segment.path for segment in segments]) from error


def _merged(
    workspace: Workspace, family: Family, schema: pa.Schema, segments: list[Segment], aliases: pa.Table, from_ms: int,
    to_ms: int, meters: Sequence[str] | None,
) -> Iterator[pa.RecordBatch]:  # fmt: skip
    with query_engine(workspace) as engine:
        engine.register("aliases", aliases)
        if meters is not None:
            engine.register("wanted", pa.table({"meter": pa.array(sorted(set(meters)), pa.string())}))
        source = _Source(workspace, family, segments, aliases.num_rows > 0, from_ms, to_ms, meters)
        for low, high in _meter_ranges(engine, source, segments):
            query = source.sql(low, high, schema.names)
            reader = engine.sql(query).to_arrow_reader(BATCH_ROWS)
            while (batch := _next(workspace, reader)) is not None:
                yield pa.RecordBatch.from_arrays(
                    [column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)],
                    schema=schema,
                )


def located(workspace: Workspace, error: WriteError, paths: Sequence[str]) -> WriteError:
    """The same error with the first file and row group that cannot be decoded; as it was when all of them can."""
    import pyarrow.parquet as pq

    if error.code != "write.store_damaged":
        return error
    for path in paths:
        file, group = workspace.root.absolute() / path, None
        try:
            with pq.ParquetFile(file) as parquet:
                for group in range(parquet.metadata.num_row_groups):
                    parquet.read_row_group(group, use_threads=False)
        except (OSError, pa.ArrowException) as fault:
            where: dict[str, str | int] = {"file": str(file)}
            if group is not None:
                where["row_group"] = group
            return WriteError(
                error.code, f"a stored file cannot be read: {str(fault).splitlines()[0]}",
                hint="run `keyacct store verify`, restore the file from a backup", where=where,
            )  # fmt: skip
    return error


def _next(workspace: Workspace, reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
    try:
        return reader.read_next_batch()
    except StopIteration:
        return None
    except (OSError, pa.ArrowException) as error:  # a damaged page is met only while the rows stream
        raise io_error(error, workspace.root) from error


def family_sql(workspace: Workspace, family: Family, segments: list[Segment], aliases: pa.Table) -> str:
    """The query for everything in some segments: one merged row per key, in no order. Needs the table `aliases`."""
    source = _Source(workspace, family, segments, aliases.num_rows > 0, None, None, None)
    return source.sql(None, None, None)


class _Source:
    """The query of one read: days in one clean segment as they are, the others merged."""

    def __init__(
        self, workspace: Workspace, family: Family, segments: list[Segment], named: bool, from_ms: int | None,
        to_ms: int | None, meters: Sequence[str] | None,
    ) -> None:  # fmt: skip
        self.family = family
        self.few = len(set(meters)) if meters is not None else None
        mixed = overlapping(segments)
        # Rows of a device that has a name by now may meet rows of its meter in any segment of the day.
        renamed = {s.day for s in segments if s.unresolved_rows} if named else set()
        clean = [s for s in segments if s.path not in mixed and s.day not in renamed]
        paths = {s.path for s in clean}
        root = workspace.root.absolute()
        self.clean = [str(root / s.path) for s in clean]
        self.mixed = [str(root / s.path) for s in segments if s.path not in paths]
        self.named = named and any(s.unresolved_rows for s in segments)
        self.span = "true"
        if from_ms is not None and to_ms is not None:
            self.span = f"ts >= make_timestamptz({from_ms * 1000}) AND ts < make_timestamptz({to_ms * 1000})"
        self.meters = ""
        if (
            meters is not None and len(meters) <= LISTED_METERS
        ):  # a list lets the scan skip row groups, a table does not
            self.meters = f" AND meter IN ({', '.join(_text(meter) for meter in sorted(set(meters)))})"
        elif meters is not None:
            self.meters = " AND meter IN (SELECT meter FROM wanted)"

    def rows(self, paths: list[str], low: str | None, high: str | None) -> str:
        """Rows of some files under their resolved meters."""
        bounds, raw = self.meters, self.meters
        if low is not None and high is not None:
            bounds += f" AND meter BETWEEN {_text(low)} AND {_text(high)}"
            raw = bounds
        if self.named:
            raw = f" AND ((true{raw}) OR meter LIKE '?%')" if raw else ""
        columns = merge.names(self.family.schema.names)
        source = f"(SELECT {columns} FROM {merge.files_sql(self.family, paths)} WHERE {self.span}{raw})"
        if self.named:
            resolved = merge.resolved_sql(self.family, source)
            source = f"(SELECT {columns} FROM {resolved} WHERE true{bounds})"
        return source

    def sql(self, low: str | None, high: str | None, sorted_columns: Sequence[str] | None) -> str:
        """The whole query for a range of meters: some columns, sorted by the key, or all of them in no order."""
        columns = merge.names(self.family.schema.names)
        parts = []
        if self.clean:
            parts.append(f"SELECT {columns} FROM {self.rows(self.clean, low, high)}")
        if self.mixed:
            merged = merge.merged_sql(self.family, self.rows(self.mixed, low, high))
            parts.append(f"SELECT {columns} FROM ({merged})")
        rows = " UNION ALL ".join(parts)
        if sorted_columns is None:
            return rows
        return f"SELECT {merge.names(sorted_columns)} FROM ({rows}) ORDER BY {merge.names(self.family.keys)}"


def _meter_ranges(
    engine: duckdb.DuckDBPyConnection, source: _Source, segments: list[Segment]
) -> list[tuple[str | None, str | None]]:
    """Ranges of meters that hold about CHUNK_ROWS rows each, in order."""
    rows = sum(segment.rows for segment in segments)
    if source.few is not None:
        rows = min(rows, source.few * len({segment.day for segment in segments}) * MOST_ROWS_A_DAY)
    if rows <= CHUNK_ROWS:
        return [(None, None)]
    parts = source.rows(source.clean + source.mixed, None, None)
    counted = engine.execute(f"SELECT meter, count(*) FROM {parts} GROUP BY meter ORDER BY meter").fetchall()
    ranges: list[tuple[str | None, str | None]] = []
    low, held = None, 0
    for index, (meter, rows) in enumerate(counted):
        low = meter if low is None else low
        held += rows
        if held >= CHUNK_ROWS or index == len(counted) - 1:
            ranges.append((low, meter))
            low, held = None, 0
    return ranges


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
