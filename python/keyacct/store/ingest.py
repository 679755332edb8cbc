"""The way of samples into the store: one batch, visible whole or not at all, each value once.

Steps, in the order that the promises rest on: 1 validate in memory, 2 write to the stage, 3 sync, 4 make the day
folders, 5 move into place, 6 sync the folders, 7 index, capture and audit in one transaction, 8 commit, 9 acknowledge.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa

from keyacct import clock
from keyacct.config import Workspace
from keyacct.database import audit, tables
from keyacct.database.engine import Database, open_database
from keyacct.errors import ConfigError, InternalError, from_os_error
from keyacct.store import merge
from keyacct.store.engine import fetch_arrow, one, query_engine
from keyacct.store.families import FAMILIES, Family
from keyacct.store.files import PendingSegment, crash_point, move_into_place, write_segments
from keyacct.store.index import add_revisions, add_segments, live_segments, note_unresolved
from keyacct.store.ulid import ulid

SPILL_ROWS = 500_000
"""Rows of one family that are held in memory before they go to a file in the stage."""


@dataclass
class IngestSummary:
    """What a batch came to. rows: rows given. added: rows written. duplicates: rows that said nothing new.
    revisions: values that lost against another value of their key, now or before.
    """

    batch: int | None = None
    rows: int = 0
    added: int = 0
    duplicates: int = 0
    revisions: int = 0
    rejects: int = 0
    segments: int = 0
    already_ingested: bool = False
    unresolved: dict[str, int] = field(default_factory=dict)
    families: dict[str, int] = field(default_factory=dict)

    def as_row(self) -> dict[str, Any]:
        """As one row for printing."""
        return {
            "batch": self.batch, "rows": self.rows, "added": self.added, "duplicates": self.duplicates,
            "revisions": self.revisions, "rejects": self.rejects, "segments": self.segments,
            "already_ingested": self.already_ingested, "unresolved_devices": len(self.unresolved),
        }  # fmt: skip


class BatchWriter:
    """One batch on its way into the store. Use as a context manager: without `commit` nothing remains.

    sha256, length: of the raw bytes, so that the same capture is taken once per decoder version. source: where from.
    """

    def __init__(
        self, workspace: Workspace, *, source: str, sha256: str | None, length: int = 0, decoder: str = "1"
    ) -> None:
        self.workspace = workspace
        self.source, self.sha256, self.length, self.decoder = source, sha256, length, decoder
        self.database = open_database(workspace)
        self._name = ulid()
        self._held: dict[str, list[pa.Table]] = {}
        self._held_rows: dict[str, int] = {}
        self._spill: dict[str, pq.ParquetWriter] = {}
        self._spill_paths: dict[str, Path] = {}
        self._sequence = 0
        self._segments: list[PendingSegment] = []
        self._committed = False

    def __enter__(self) -> BatchWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._spill.values():
            with contextlib.suppress(Exception):
                writer.close()
        for path in self._spill_paths.values():
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        if not self._committed:
            for segment in self._segments:
                segment.discard()

    def already_ingested(self) -> bool:
        """Whether this capture, read by this decoder, is in the store."""
        if self.sha256 is None:
            return False
        with self.database.read() as connection:
            query = sa.select(tables.batch.c.id).where(
                tables.batch.c.capture_sha256 == self.sha256, tables.batch.c.decoder == self.decoder
            )
            return connection.execute(query).first() is not None

    def add(self, family: str, rows: pa.Table, sequence: pa.ChunkedArray | None = None) -> None:
        """Take rows of a family, in its `input_schema`, any order; a later row of equal standing goes before.

        sequence: numbers that say which row is later (int64, without them: as they come).
        """
        if rows.num_rows == 0:
            return
        definition = FAMILIES[family]
        rows = rows.select(definition.input_schema.names).cast(definition.input_schema)
        local = pc.local_timestamp(pc.subtract(rows["ts"], pa.scalar(1, pa.duration("ms"))).cast(
            pa.timestamp("ms", tz=self.workspace.settings.workspace.timezone)
        ))  # fmt: skip
        rows = rows.append_column("day", local.cast(pa.date32()).cast(pa.string()))
        if sequence is None:
            sequence = pa.array(range(self._sequence, self._sequence + rows.num_rows), pa.int64())
            self._sequence += rows.num_rows
        rows = rows.append_column("seq", sequence)
        self._held.setdefault(family, []).append(rows)
        self._held_rows[family] = self._held_rows.get(family, 0) + rows.num_rows
        if self._held_rows[family] >= SPILL_ROWS:
            self._spill_held(family)

    def _spill_held(self, family: str) -> None:
        table = pa.concat_tables(self._held.pop(family))
        self._held_rows[family] = 0
        try:
            if family not in self._spill:
                self.workspace.stage.mkdir(exist_ok=True)
                path = self.workspace.stage / f"raw-{self._name}-{family}.parquet"
                self._spill_paths[family] = path
                self._spill[family] = pq.ParquetWriter(path, table.schema, compression="lz4")
            self._spill[family].write_table(table, row_group_size=131_072)
        except OSError as error:
            raise from_os_error(error, writing=True, file=str(self.workspace.stage)) from error

    def sources(self, connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[Family, str]]:
        """Each family that has rows, with the SQL source of them: columns of input_schema, `day`, `seq`."""
        for family in FAMILIES.values():
            if family.name in self._spill:
                if self._held_rows[family.name]:
                    self._spill_held(family.name)
                self._spill[family.name].close()
                yield family, merge.raw_files_sql([str(self._spill_paths[family.name])])
            elif self._held.get(family.name):
                connection.register("held", pa.concat_tables(self._held[family.name]))
                yield family, "held"
                connection.unregister("held")

    def commit(
        self, *, rejects: int = 0, note: dict[str, Any] | None = None,
        record: Callable[[sa.Connection, int], None] | None = None,
    ) -> IngestSummary:  # fmt: skip
        """Write, index and acknowledge the batch. Raises WriteError; then nothing of it is visible.

        record: more to write in the same transaction; it is given the batch number.
        """
        crash_point(1)
        summary = IngestSummary(rejects=rejects)
        if self.already_ingested():
            summary.already_ingested = True
            return summary
        self._check_zone()
        with self.database.write() as connection:
            last = tables.batch_sequence.c.last
            summary.batch = connection.execute(
                tables.batch_sequence.update().values(last=last + 1).returning(last)
            ).scalar_one()
        losers: list[tuple[str, list[dict[str, Any]]]] = []
        stamps: dict[str, tuple[int, int, int]] = {}
        with query_engine(self.workspace) as engine:
            for family, source in self.sources(engine):
                self._write_family(engine, family, source, summary, losers)
                _count_unresolved(engine, source, stamps)
        summary.segments = len(self._segments)
        summary.unresolved = {device: rows for device, (rows, _, _) in stamps.items()}
        crash_point(2)
        move_into_place(self._segments)
        self._record(summary, losers, stamps, note or {}, record)
        self._committed = True
        crash_point(9)
        return summary

    def _check_zone(self) -> None:
        """The partition of a row depends on the zone, so a workspace with samples keeps the zone it began with."""
        zone = self.workspace.settings.workspace.timezone
        table = tables.workspace_setting
        with self.database.write() as connection:
            connection.execute(
                sa.text(
                    "INSERT INTO workspace_setting (key, value) VALUES ('samples.timezone', :zone) ON CONFLICT DO NOTHING"
                ),
                {"zone": zone},
            )
            first = connection.execute(sa.select(table.c.value).where(table.c.key == "samples.timezone")).scalar_one()
        if first != zone:
            raise ConfigError(
                "config.invalid", f"workspace.timezone is {zone}, but the samples were stored by days of {first}",
                hint="set it back, or make a new workspace and import the samples there",
                where={"file": str(self.workspace.root / "keyacct.toml")},
            )  # fmt: skip

    def _write_family(
        self, engine: duckdb.DuckDBPyConnection, family: Family, source: str, summary: IngestSummary,
        losers: list[tuple[str, list[dict[str, Any]]]],
    ) -> None:  # fmt: skip
        source = _without_repeats(engine, family, source, summary)
        days = [row[0] for row in engine.execute(f"SELECT DISTINCT day FROM {source} ORDER BY day").fetchall()]
        if self._all_new(engine, family, source, days):
            self._write_new(engine, family, source, summary)
            return
        for day in days:
            engine.execute(
                f"CREATE OR REPLACE TEMP TABLE given AS SELECT * EXCLUDE (day), {summary.batch}::BIGINT AS batch"
                f" FROM {source} WHERE day = '{day}'"
            )
            rows, lost = _settle_day(engine, self.workspace, self.database, family, day, summary)
            if lost:
                losers.append((family.name, lost))
            if rows.num_rows:
                write_segments(self.workspace, family, day, rows.cast(family.schema).to_batches(), self._segments)
                summary.added += rows.num_rows
                summary.families[family.name] = summary.families.get(family.name, 0) + rows.num_rows

    def _all_new(self, engine: duckdb.DuckDBPyConnection, family: Family, source: str, days: list[str]) -> bool:
        """Whether nothing is stored near these rows and no two of them share a key: the usual case, and a quick one."""
        keys = merge.names(family.keys)
        low, high, first, last, rows, distinct = one(
            engine,
            f"SELECT min(meter), max(meter), epoch_ms(min(ts)), epoch_ms(max(ts)), count(*),"
            f" (SELECT count(*) FROM (SELECT DISTINCT {keys}, quality, recv_at FROM {source})) FROM {source}",
        )
        if rows != distinct:
            return False
        with self.database.read() as connection:
            live = live_segments(connection, family.name, first, last + 1)
        return not any(s.min_meter <= high and s.max_meter >= low and s.day in days for s in live)

    def _write_new(
        self, engine: duckdb.DuckDBPyConnection, family: Family, source: str, summary: IngestSummary
    ) -> None:
        """One sorted pass over rows of which none is stored: a segment per day."""
        columns = merge.names([name for name in family.schema.names if name != "batch"])
        query = (
            f"SELECT {columns}, {summary.batch}::BIGINT AS batch, day FROM {source}"
            f" ORDER BY day, {merge.names(family.keys)}"
        )
        for day, batches in _by_day(engine.sql(query).to_arrow_reader(65_536)):
            rows = pa.Table.from_batches(batches).cast(family.schema)
            write_segments(self.workspace, family, day, rows.to_batches(), self._segments)
            summary.rows += rows.num_rows
            summary.added += rows.num_rows
            summary.families[family.name] = summary.families.get(family.name, 0) + rows.num_rows

    def _record(
        self, summary: IngestSummary, losers: list[tuple[str, list[dict[str, Any]]]],
        stamps: dict[str, tuple[int, int, int]], note: dict[str, Any],
        record: Callable[[sa.Connection, int], None] | None,
    ) -> None:  # fmt: skip
        """Steps 7 and 8: everything about the batch in one transaction."""
        now = clock.now_ms()
        try:
            with self.database.write() as connection:
                if self.sha256 is not None:
                    connection.execute(
                        sa.text(
                            "INSERT INTO capture (sha256, source, length, first_seen_at)"
                            " VALUES (:sha256, :source, :length, :now) ON CONFLICT DO NOTHING"
                        ),
                        {"sha256": self.sha256, "source": self.source, "length": self.length, "now": now},
                    )
                for family, lost in losers:
                    summary.revisions += add_revisions(connection, family, lost, now)
                connection.execute(
                    tables.batch.insert().values(
                        id=summary.batch, capture_sha256=self.sha256, decoder=self.decoder, rows=summary.added,
                        rejects=summary.rejects, duplicates=summary.duplicates, revisions=summary.revisions,
                        committed_at=now,
                    )
                )  # fmt: skip
                add_segments(connection, [segment.entry() for segment in self._segments])
                for device, (rows, low, high) in stamps.items():
                    note_unresolved(connection, device, rows, low, high, summary.batch or 0)
                if record is not None:
                    record(connection, summary.batch or 0)
                body = {
                    **note, "batch": summary.batch, "source": self.source, "sha256": self.sha256,
                    "rows": summary.added, "duplicates": summary.duplicates, "revisions": summary.revisions,
                    "rejects": summary.rejects,
                    "segments": [[s.target.relative_to(s.root).as_posix(), s.sha256] for s in self._segments],
                }  # fmt: skip
                audit.append(connection, "store.ingest", body)
                crash_point(7)
            crash_point(8)
        except sqlite3.IntegrityError:
            for segment in self._segments:
                segment.discard()
            if not self.already_ingested():
                raise
            self._segments = []
            summary.already_ingested, summary.added, summary.segments = True, 0, 0
        except BaseException:
            # A commit that reported a failure may still have reached the disk: then the files must stay.
            self._committed = self._is_recorded(summary.batch)
            raise

    def _is_recorded(self, batch: int | None) -> bool:
        try:
            with self.database.read() as connection:
                query = sa.select(tables.batch.c.id).where(tables.batch.c.id == batch)
                return connection.execute(query).first() is not None
        except Exception:  # unknown: orphans are harmless, missing files are not
            return True


def _without_repeats(engine: duckdb.DuckDBPyConnection, family: Family, source: str, summary: IngestSummary) -> str:
    """The source without rows that are the same in everything; those are counted as duplicates."""
    said = merge.names([name for name in family.schema.names if name != "batch"])
    rows, distinct = one(
        engine, f"SELECT count(*), (SELECT count(*) FROM (SELECT DISTINCT {said} FROM {source})) FROM {source}"
    )
    if rows == distinct:
        return source
    summary.rows += rows - distinct
    summary.duplicates += rows - distinct
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE told AS SELECT {said}, day, max(seq) AS seq FROM {source} GROUP BY {said}, day"
    )
    return "told"


def _by_day(reader: pa.RecordBatchReader) -> Iterator[tuple[str, list[pa.RecordBatch]]]:
    """Batches sorted by `day`, cut and gathered day by day, without that column."""
    day = ""
    held: list[pa.RecordBatch] = []
    for batch in reader:
        column = batch.column("day")
        rows = batch.drop_columns(["day"])
        start = 0
        while start < batch.num_rows:
            here = column[start].as_py()
            end = start + pc.sum(pc.equal(column.slice(start), here)).as_py()
            if held and here != day:
                yield day, held
                held = []
            day = here
            held.append(rows.slice(start, end - start))
            start = end
    if held:
        yield day, held


def _settle_day(
    engine: duckdb.DuckDBPyConnection, workspace: Workspace, database: Database, family: Family, day: str,
    summary: IngestSummary,
) -> tuple[pa.Table, list[dict[str, Any]]]:  # fmt: skip
    """Of the temp table `given` (one day of the batch): the rows to write, and the values that lost.

    Rows of one key, quality and receipt become one row. A row is left out when the store holds the same values with at
    least the same standing: then it can never matter.
    """
    keys, values = merge.names(family.keys), family.value_names
    given, distinct, distinct_keys = one(
        engine,
        f"SELECT count(*), (SELECT count(*) FROM (SELECT DISTINCT {keys}, quality, recv_at FROM given)),"
        f" (SELECT count(*) FROM (SELECT DISTINCT {keys} FROM given)) FROM given",
    )
    folded = ", ".join(f"arg_max({merge.quote(c)}, seq) AS {merge.quote(c)}" for c in values)
    if distinct == given:
        engine.execute("CREATE OR REPLACE TEMP VIEW fresh AS SELECT * EXCLUDE (seq) FROM given")
    else:
        engine.execute(
            f"CREATE OR REPLACE TEMP TABLE fresh_rows AS SELECT {keys}, {folded}, quality, recv_at, batch FROM given"
            f" GROUP BY {keys}, quality, recv_at, batch"
        )
        engine.execute("CREATE OR REPLACE TEMP VIEW fresh AS SELECT * FROM fresh_rows")
    summary.rows += given
    columns = merge.names(family.schema.names)
    with database.read() as connection:
        live = live_segments(connection, family.name, days=[day])
    low, high = one(engine, "SELECT min(meter), max(meter) FROM fresh")
    first, last = one(engine, "SELECT epoch_ms(min(ts)), epoch_ms(max(ts)) FROM fresh")
    near = [
        segment for segment in live
        if segment.min_meter <= high and segment.max_meter >= low
        and segment.min_ts <= last and segment.max_ts >= first
    ]  # fmt: skip
    if not near and distinct == given:
        return fetch_arrow(engine, f"SELECT {columns} FROM fresh ORDER BY {keys}"), []
    if near:
        stored = merge.files_sql(family, [str(workspace.root / segment.path) for segment in near])
        engine.execute(
            f"CREATE OR REPLACE TEMP TABLE stored AS SELECT {columns} FROM {stored}"
            f" SEMI JOIN (SELECT DISTINCT {keys} FROM fresh) USING ({keys})"
        )
    else:
        empty = family.schema.empty_table()
        engine.register("empty_rows", empty)
        engine.execute(f"CREATE OR REPLACE TEMP TABLE stored AS SELECT {columns} FROM empty_rows")
        engine.unregister("empty_rows")
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE known AS SELECT *, 1 AS found FROM ({merge.winners_sql(family, 'stored')})"
    )
    kept = _kept_sql(family)
    engine.execute(f"CREATE OR REPLACE TEMP TABLE kept AS {kept}")
    rows = fetch_arrow(engine, f"SELECT {columns} FROM kept WHERE NOT settled ORDER BY {keys}")
    repeated, disputed = one(engine, "SELECT count(*) FILTER (repeated), count(*) FILTER (disputed) FROM kept")
    summary.duplicates += repeated
    if not disputed and distinct_keys == given:
        return rows, []
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE all_rows AS SELECT {columns} FROM given UNION ALL SELECT {columns} FROM stored"
    )
    engine.execute(
        f"CREATE OR REPLACE TEMP VIEW both_rows AS SELECT {columns} FROM fresh UNION ALL SELECT {columns} FROM stored"
    )
    engine.execute(f"CREATE OR REPLACE TEMP TABLE winners AS {merge.winners_sql(family, 'both_rows')}")
    return rows, fetch_arrow(engine, merge.losers_sql(family, "all_rows", "winners")).to_pylist()


def _kept_sql(family: Family) -> str:
    """The rows of `fresh` with three marks.

    `settled`: never matters, leave it out; `repeated`: says nothing new; `disputed`: another value is known.
    """
    on = " AND ".join(f"f.{merge.quote(key)} = k.{merge.quote(key)}" for key in family.keys)
    repeated, settled, disputed = [], [], []
    standing = merge.order_sql(batch="0")
    for column in family.value_names:
        c, w = f"f.{merge.quote(column)}", f"k.{merge.quote('w_' + column)}"
        same = f"{c} IS NULL OR ({w} IS NOT NULL AND {w}.v = {c})"
        repeated.append(f"({same})")
        disputed.append(f"({c} IS NOT NULL AND {w} IS NOT NULL AND {w}.v <> {c})")
        settled.append(f"({c} IS NULL OR {w}.o - {w}.b >= f.standing)")
    return (
        f"SELECT f.*, coalesce(k.found = 1 AND {' AND '.join(repeated)}, false) AS repeated,"
        f" coalesce(k.found = 1 AND {' AND '.join(repeated)} AND {' AND '.join(settled)}, false) AS settled,"
        f" coalesce({' OR '.join(disputed)}, false) AS disputed"
        f" FROM (SELECT *, {standing} AS standing FROM fresh) f LEFT JOIN known k ON {on}"
    )


def _count_unresolved(engine: duckdb.DuckDBPyConnection, source: str, stamps: dict[str, tuple[int, int, int]]) -> None:
    query = (
        f"SELECT meter, count(*), epoch_ms(min(ts)), epoch_ms(max(ts)) FROM {source}"
        " WHERE meter LIKE '?%' GROUP BY meter ORDER BY meter"
    )
    for device, rows, low, high in engine.execute(query).fetchall():
        known = stamps.get(device, (0, low, high))
        stamps[device] = (known[0] + rows, min(known[1], low), max(known[2], high))


def ingest(
    workspace: Workspace, rows: dict[str, pa.Table], *, source: str, sha256: str | None = None, length: int = 0,
    decoder: str = "1", rejects: int = 0,
) -> IngestSummary:  # fmt: skip
    """Store rows of one or more families (`Family.input_schema`) as one batch. Raises WriteError."""
    for family in rows:
        if family not in FAMILIES:
            raise InternalError("internal.bug", f"ingest of an unknown family {family!r}")
    with BatchWriter(workspace, source=source, sha256=sha256, length=length, decoder=decoder) as writer:
        for family, table in rows.items():
            writer.add(family, table)
        return writer.commit(rejects=rejects)
