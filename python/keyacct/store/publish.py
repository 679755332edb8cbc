"""Compacted days as a Delta table, for Spark, Trino and whoever reads a lake. An export: the store is never read back.

Needs the extra `lake` (deltalake, Apache-2.0).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from keyacct.config import Workspace
from keyacct.database.engine import open_database
from keyacct.errors import ConfigError, WriteError
from keyacct.store.families import FAMILIES
from keyacct.store.index import Segment, live_segments
from keyacct.store.read import read_family
from keyacct.store.resolve import device_aliases


@dataclass(frozen=True)
class Published:
    """A day of a family in the table. changed: written now; else it was there with the same content."""

    family: str
    day: str
    rows: int
    changed: bool

    def as_row(self) -> dict[str, Any]:
        """As a row for printing."""
        return {**self.__dict__}


def publish(
    workspace: Workspace, target: str, *, family: str | None = None, from_day: str = "", to_day: str = "9",
) -> Iterator[Published]:  # fmt: skip
    """Bring the Delta tables `TARGET/<family>` up to the live days, partitioned by `day`; one entry per day.

    A day whose segments have not changed since is left alone, so doing it again changes nothing. Each day is one Delta
    commit that replaces the partition: a reader sees the old day or the new one. Raises ConfigError, WriteError.
    """
    try:
        import deltalake
        from deltalake.exceptions import DeltaError
    except ModuleNotFoundError:
        raise ConfigError(
            "config.invalid", "publishing needs the package deltalake", hint="pip install 'keyacct[lake]'"
        ) from None
    with open_database(workspace).read() as connection:
        live = live_segments(connection, family)
        aliases = device_aliases(connection)
    named = hashlib.sha256(repr(aliases.to_pydict()).encode()).hexdigest()
    days: dict[tuple[str, str], list[Segment]] = {}
    for segment in live:
        if from_day <= segment.day <= to_day:
            days.setdefault((segment.family, segment.day), []).append(segment)
    known: dict[str, dict[str, str]] = {}
    for (name, day), segments in sorted(days.items()):
        parts = sorted(s.sha256 for s in segments)
        digest = hashlib.sha256("\n".join([*parts, named if any(s.unresolved_rows for s in segments) else ""]).encode())
        place = f"{target.rstrip('/')}/{name}"
        try:
            if name not in known:
                known[name] = _published(deltalake, place)
            if known[name].get(day) == digest.hexdigest():
                yield Published(name, day, sum(s.rows for s in segments), changed=False)
                continue
            rows = _write_day(deltalake, workspace, place, name, day, segments, digest.hexdigest())
        except (DeltaError, OSError) as error:
            raise WriteError(
                "write.failed", f"cannot publish {name} of {day}: {str(error).splitlines()[0]}",
                hint="days before it are published; run again", where={"file": place},
            ) from error  # fmt: skip
        yield Published(name, day, rows, changed=True)


def _published(deltalake: Any, place: str) -> dict[str, str]:
    """By day of a table: the digest of the segments that it was last written from."""
    if not deltalake.DeltaTable.is_deltatable(place):
        return {}
    found: dict[str, str] = {}
    for commit in deltalake.DeltaTable(place).history():  # the newest first
        if "keyacct_day" in commit:
            found.setdefault(str(commit["keyacct_day"]), str(commit["keyacct_digest"]))
    return found


def _write_day(
    deltalake: Any, workspace: Workspace, place: str, name: str, day: str, segments: list[Segment], digest: str
) -> int:
    schema = FAMILIES[name].schema
    first, last = min(s.min_ts for s in segments), max(s.max_ts for s in segments)
    reader = read_family(workspace, name, first, last + 1)
    rows = 0
    published = pa.schema(
        [pa.field("day", pa.string()), *(pa.field(f.name, _delta_type(f.type)) for f in schema)]
    )  # fmt: skip

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal rows
        for batch in reader:
            rows += batch.num_rows
            columns = [pa.array([day]).take(pa.array([0] * batch.num_rows))]
            columns += [column.cast(_delta_type(column.type)) for column in batch.columns]
            yield pa.RecordBatch.from_arrays(columns, schema=published)

    deltalake.write_deltalake(
        place, pa.RecordBatchReader.from_batches(published, batches()), mode="overwrite", partition_by=["day"],
        predicate=f"day = '{day}'", schema_mode="merge",
        commit_properties=deltalake.CommitProperties(
            custom_metadata={"keyacct_day": day, "keyacct_digest": digest}
        ),
    )  # fmt: skip
    return rows


def _delta_type(type_: pa.DataType) -> pa.DataType:
    """Delta knows signed whole numbers and microseconds."""
    if pa.types.is_timestamp(type_):
        return pa.timestamp("us", tz="UTC")
    if pa.types.is_unsigned_integer(type_):
        return pa.int32() if type_.bit_width > 8 else pa.int16()
    return type_
