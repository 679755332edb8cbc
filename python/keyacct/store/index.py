"""The index of segments in `register.db`: which files are live, of which family, day and span."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from keyacct.database import tables
from keyacct.errors import ConfigError
from keyacct.store.families import SCHEMA_VERSION


@dataclass(frozen=True)
class Segment:
    """One file of the store. path: relative to the workspace. unique_keys: no key twice. dead_at: replaced then."""

    path: str
    family: str
    day: str
    rows: int
    min_ts: int
    max_ts: int
    min_meter: str
    max_meter: str
    bytes: int
    sha256: str
    first_batch: int
    last_batch: int
    schema_version: int
    unique_keys: bool
    unresolved_rows: int
    created_at: int
    dead_at: int | None = None
    id: int | None = None

    def values(self) -> dict[str, Any]:
        """As a row for the database."""
        row = asdict(self)
        if row["id"] is None:
            del row["id"]
        row["unique_keys"] = int(self.unique_keys)
        return row


def live_segments(
    connection: sa.Connection,
    family: str | None = None,
    from_ms: int | None = None,
    to_ms: int | None = None,
    days: Sequence[str] | None = None,
) -> list[Segment]:
    """Live segments that may hold rows with from_ms ≤ ts < to_ms, by family, day and path.

    Raises ConfigError `config.schema_newer` for a segment that a newer keyacct wrote.
    """
    table = tables.segment
    query = sa.select(table).where(table.c.dead_at.is_(None)).order_by(table.c.family, table.c.day, table.c.path)
    if family is not None:
        query = query.where(table.c.family == family)
    if from_ms is not None:
        query = query.where(table.c.max_ts >= from_ms)
    if to_ms is not None:
        query = query.where(table.c.min_ts < to_ms)
    if days is not None:
        query = query.where(table.c.day.in_(days))
    found = [_segment(row) for row in connection.execute(query).mappings()]
    for segment in found:
        if segment.schema_version > SCHEMA_VERSION:
            raise ConfigError(
                "config.schema_newer",
                f"samples of {segment.family} on {segment.day} have form {segment.schema_version},"
                f" this keyacct knows up to {SCHEMA_VERSION}",
                hint="use a newer keyacct", where={"file": segment.path},
            )  # fmt: skip
    return found


def overlapping(segments: Sequence[Segment]) -> set[str]:
    """Paths of the segments that share meters and day with another one, or hold a key more than once.

    Only their rows must be merged; all other segments can be read as they are.
    """
    found = {segment.path for segment in segments if not segment.unique_keys}
    by_day: dict[tuple[str, str], list[Segment]] = {}
    for segment in segments:
        by_day.setdefault((segment.family, segment.day), []).append(segment)
    for day in by_day.values():
        reach: Segment | None = None
        for segment in sorted(day, key=lambda s: (s.min_meter, s.max_meter)):
            if reach is not None and segment.min_meter <= reach.max_meter:
                found |= {segment.path, reach.path}
            if reach is None or segment.max_meter > reach.max_meter:
                reach = segment
    return found


def all_segments(connection: sa.Connection) -> list[Segment]:
    """Every segment the index knows, dead ones too."""
    return [_segment(row) for row in connection.execute(sa.select(tables.segment)).mappings()]


def _segment(row: Any) -> Segment:
    return Segment(**{**row, "unique_keys": bool(row["unique_keys"])})


def add_segments(connection: sa.Connection, segments: Sequence[Segment]) -> None:
    """Make segments visible, in the caller's transaction."""
    if segments:
        connection.execute(tables.segment.insert(), [segment.values() for segment in segments])


def kill_segments(connection: sa.Connection, ids: Sequence[int], at_ms: int) -> bool:
    """Mark segments as replaced; False when one of them already was (then the caller must roll back)."""
    table = tables.segment
    killed = 0
    for start in range(0, len(ids), 500):
        part = ids[start : start + 500]
        result = connection.execute(
            table.update().where(table.c.id.in_(part), table.c.dead_at.is_(None)).values(dead_at=at_ms)
        )
        killed += result.rowcount
    return killed == len(ids)


def add_revisions(connection: sa.Connection, family: str, losers: Sequence[dict[str, Any]], at_ms: int) -> int:
    """Keep values that lost; how many were not known yet."""
    if not losers:
        return 0
    statement = (
        'INSERT INTO revision (family, meter, kind, ts, subkey, "column", batch, value, quality, recv_at,'
        " reason, noted_at) VALUES (:family, :meter, :kind, :ts, :subkey, :column_name, :batch, :value, :quality,"
        " :recv_at, :reason, :noted_at) ON CONFLICT DO NOTHING"
    )
    rows = [{**loser, "family": family, "noted_at": at_ms} for loser in losers]
    return connection.execute(sa.text(statement), rows).rowcount


def note_unresolved(connection: sa.Connection, device: str, rows: int, low: int, high: int, batch: int) -> None:
    """Count the rows of a device that no meter claims, with the span of their stamps."""
    connection.execute(
        sa.text(
            "INSERT INTO unresolved_device AS u (device, rows, min_ts, max_ts, first_batch, last_batch)"
            " VALUES (:device, :rows, :low, :high, :batch, :batch) ON CONFLICT (device) DO UPDATE SET"
            " rows = u.rows + excluded.rows,"
            " min_ts = CASE WHEN excluded.min_ts < u.min_ts THEN excluded.min_ts ELSE u.min_ts END,"
            " max_ts = CASE WHEN excluded.max_ts > u.max_ts THEN excluded.max_ts ELSE u.max_ts END,"
            " last_batch = excluded.last_batch"
        ),
        {"device": device, "rows": rows, "low": low, "high": high, "batch": batch},
    )
