"""Compaction: the segments of a day become one, sorted by key; nothing of the order of values is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from keyacct import clock
from keyacct.config import Workspace
from keyacct.database import audit
from keyacct.database.engine import open_database
from keyacct.store import merge
from keyacct.store.engine import fetch_arrow, query_engine
from keyacct.store.families import FAMILIES
from keyacct.store.files import PendingSegment, move_into_place
from keyacct.store.index import Segment, add_revisions, add_segments, kill_segments, live_segments


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
    """Days of families that lie in `minimum` segments or more, with their live segments."""
    with open_database(workspace).read() as connection:
        live = live_segments(connection)
    days: dict[tuple[str, str], list[Segment]] = {}
    for segment in live:
        days.setdefault((segment.family, segment.day), []).append(segment)
    return [(family, day, segments) for (family, day), segments in days.items() if len(segments) >= minimum]


def compact(workspace: Workspace, *, minimum: int = 2) -> Iterator[Compaction]:
    """Compact every day that lies in `minimum` segments or more; one `Compaction` per day as it is done.

    Segments that arrive meanwhile stay as they are. Replaced files live on until `clean` removes them after its grace
    time, so that readers that have begun can finish. Raises WriteError.
    """
    for family, day, segments in due(workspace, minimum=minimum):
        yield _compact_day(workspace, family, day, segments)


class _LostRaceError(Exception):
    """A segment that was read is dead by now."""


def _compact_day(workspace: Workspace, family_name: str, day: str, segments: list[Segment]) -> Compaction:
    family = FAMILIES[family_name]
    keys, columns = merge.names(family.keys), merge.names(family.schema.names)
    source = merge.files_sql([str(workspace.root / segment.path) for segment in segments])
    with query_engine(workspace) as engine:
        engine.execute(f"CREATE TEMP TABLE day_rows AS SELECT {columns}, {merge.order_sql()} AS o FROM {source}")
        engine.execute(f"CREATE TEMP TABLE winners AS {merge.winners_sql(family, f'(SELECT {columns} FROM day_rows)')}")
        kept = merge.winning_parts_sql(family, "day_rows", "winners")
        losers = fetch_arrow(engine, merge.losers_sql(family, "day_rows", "winners")).to_pylist()
        reader = engine.sql(f"SELECT {columns} FROM ({kept}) ORDER BY {keys}").to_arrow_reader(65_536)
        pending = PendingSegment(workspace, family, day, _cast(reader, family.schema))
    entry = pending.entry()
    result = Compaction(
        family_name, day, len(segments), sum(s.rows for s in segments), entry.rows,
        sum(s.bytes for s in segments), entry.bytes,
    )  # fmt: skip
    try:
        move_into_place([pending])
        now = clock.now_ms()
        with open_database(workspace).write() as connection:
            _kill(connection, segments, now)
            add_segments(connection, [entry])
            add_revisions(connection, family_name, losers, now)
            body = {
                "family": family_name, "day": day, "segment": [entry.path, entry.sha256],
                "replaced": [s.path for s in segments], "rows": entry.rows,
            }  # fmt: skip
            audit.append(connection, "store.compact", body)
    except _LostRaceError:
        pending.discard()
        return Compaction(**{**result.__dict__, "lost_race": True})
    except BaseException:
        if not _is_live(workspace, entry.path):
            pending.discard()
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
