"""Compaction: the segments of a day become one, sorted by key; nothing of the order of values is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from keyacct import clock
from keyacct.config import Workspace
from keyacct.database import audit
from keyacct.database.engine import open_database
from keyacct.store import merge
from keyacct.store.engine import fetch_arrow, query_engine
from keyacct.store.families import FAMILIES
from keyacct.store.files import SEGMENT_ROWS, PendingSegment, move_into_place, write_segments
from keyacct.store.index import Segment, add_revisions, add_segments, kill_segments, live_segments, overlapping


@dataclass(frozen=True)
class Compaction:
    """What became of one day of one family. lost_race: another process had replaced a segment meanwhile."""

    family: str
    day: str
    segments: int
    rows_before: int
    rows_after: int
    bytes_before: int
    bytes_after: int
    lost_race: bool = False

    def as_row(self) -> dict[str, Any]:
        """As a row for printing."""
        return {**self.__dict__}


def due(workspace: Workspace, *, minimum: int = 2) -> list[tuple[str, str, list[Segment]]]:
    """Days of families that lie in `minimum` segments or more where fewer would do, with their live segments."""
    with open_database(workspace).read() as connection:
        live = live_segments(connection)
    days: dict[tuple[str, str], list[Segment]] = {}
    for segment in live:
        days.setdefault((segment.family, segment.day), []).append(segment)
    return [
        (family, day, segments)
        for (family, day), segments in days.items()
        if len(segments) >= minimum and (overlapping(segments) or len(segments) > _enough(segments))
    ]


def _enough(segments: list[Segment]) -> int:
    """How many segments a compacted day of these rows may have."""
    return 1 + sum(segment.rows for segment in segments) // SEGMENT_ROWS


def compact(workspace: Workspace, *, minimum: int = 2) -> Iterator[Compaction]:
    """Compact every day that lies in `minimum` segments or more; one `Compaction` per day as it is done.

    Segments that arrive meanwhile stay as they are. Replaced files live on until `clean` removes them after its grace
    time, so that readers that have begun can finish. Raises WriteError.
    """
    for family, day, segments in due(workspace, minimum=minimum):
        yield rewrite_day(workspace, family, day, segments)


class _LostRaceError(Exception):
    """A segment that was read is dead by now."""


@dataclass(frozen=True)
class Rewriting:
    """What a rewriting of a day does besides joining its rows.

    change: runs on the temp table `day_rows` (columns of the family and `o`, the standing) before rows are merged.
    record: runs in the transaction that makes the new segments visible. action, note: of the audit row.
    """

    change: Callable[[duckdb.DuckDBPyConnection], None] | None = None
    record: Callable[[sa.Connection], None] | None = None
    action: str = "store.compact"
    note: dict[str, Any] = field(default_factory=dict)


def rewrite_day(
    workspace: Workspace, family_name: str, day: str, segments: list[Segment], rewriting: Rewriting | None = None
) -> Compaction:
    """Put new segments in the place of the live ones of a day, in one transaction. Raises WriteError.

    When one of them was replaced meanwhile, nothing happens: `lost_race`.
    """
    rewriting = rewriting or Rewriting()
    family = FAMILIES[family_name]
    keys, columns = merge.names(family.keys), merge.names(family.schema.names)
    source = merge.files_sql(family, [str(workspace.root / segment.path) for segment in segments])
    pending: list[PendingSegment] = []
    try:
        with query_engine(workspace) as engine:
            engine.execute(f"CREATE TEMP TABLE day_rows AS SELECT {columns}, {merge.order_sql()} AS o FROM {source}")
            if rewriting.change is not None:
                rewriting.change(engine)
            winners = merge.winners_sql(family, f"(SELECT {columns} FROM day_rows)")
            engine.execute(f"CREATE TEMP TABLE winners AS {winners}")
            kept = merge.winning_parts_sql(family, "day_rows", "winners")
            losers = fetch_arrow(engine, merge.losers_sql(family, "day_rows", "winners")).to_pylist()
            reader = engine.sql(f"SELECT {columns} FROM ({kept}) ORDER BY {keys}").to_arrow_reader(65_536)
            write_segments(workspace, family, day, _cast(reader, family.schema), pending)
        entries = [segment.entry() for segment in pending]
        result = Compaction(
            family_name, day, len(segments), sum(s.rows for s in segments), sum(e.rows for e in entries),
            sum(s.bytes for s in segments), sum(e.bytes for e in entries),
        )  # fmt: skip
        move_into_place(pending)
        now = clock.now_ms()
        with open_database(workspace).write() as connection:
            _kill(connection, segments, now)
            add_segments(connection, entries)
            add_revisions(connection, family_name, losers, now)
            if rewriting.record is not None:
                rewriting.record(connection)
            body = {
                **rewriting.note, "family": family_name, "day": day, "segments": [[e.path, e.sha256] for e in entries],
                "replaced": [s.path for s in segments], "rows": sum(e.rows for e in entries),
            }  # fmt: skip
            audit.append(connection, rewriting.action, body)
    except _LostRaceError:
        for segment in pending:
            segment.discard()
        return Compaction(**{**result.__dict__, "lost_race": True})
    except BaseException:
        # A commit that reported a failure may still have reached the disk: then the files must stay.
        if not (pending and _is_live(workspace, pending[0].entry().path)):
            for segment in pending:
                segment.discard()
        raise
    return result


def _kill(connection: sa.Connection, segments: list[Segment], at_ms: int) -> None:
    if not kill_segments(connection, [s.id for s in segments if s.id is not None], at_ms):
        raise _LostRaceError


def _cast(reader: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in reader:
        columns = [column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _is_live(workspace: Workspace, path: str) -> bool:
    try:
        with open_database(workspace).read() as connection:
            return any(segment.path == path for segment in live_segments(connection))
    except Exception:  # unknown: an orphan is harmless, a missing file is not
        return True
