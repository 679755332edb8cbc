"""Edits of single values by hand: with a reason and a person, audited, and taken back without a trace in the order."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from keyacct import clock
from keyacct.config import Workspace
from keyacct.database import tables
from keyacct.database.engine import open_database
from keyacct.database.quality_tables import sample_edit
from keyacct.errors import InputError, UsageError, WriteError
from keyacct.model import civil
from keyacct.store import merge, quality
from keyacct.store.compact import Rewriting, rewrite_day
from keyacct.store.families import TS, Family, ValueColumn, family_of
from keyacct.store.files import civil_day
from keyacct.store.index import live_segments
from keyacct.store.ingest import BatchWriter
from keyacct.store.read import read_table

TAKEN_BACK = "edit taken back"
_TRIES = 5


@dataclass(frozen=True)
class EditRequest:
    """One value of one meter. value: as text, None to retract it. kind, subkey: only where they are not clear."""

    family: str
    column: str
    meter: str
    ts_ms: int
    value: str | None
    reason: str
    person: str
    kind: str | None = None
    subkey: Mapping[str, Any] = field(default_factory=dict)


def edit_value(workspace: Workspace, request: EditRequest) -> dict[str, Any]:
    """Put a value right (or retract it); the row of `sample_edit`. It wins over everything measured.

    Raises UsageError (no reason, no person, unknown column), InputError (no number, nothing to retract), WriteError.
    """
    reason, person = _said(request.reason, "reason"), _said(request.person, "person")
    family = family_of(request.family)
    column = family.value(request.column)
    if column is None:
        raise UsageError(
            "usage.invalid", f"{family.name} has no column {request.column!r}",
            hint=f"choose of {', '.join(family.value_names)}",
        )  # fmt: skip
    key, old = _present(workspace, family, request)
    if request.value is None and (old is None or old[column.name] is None):
        raise InputError("input.value", "there is no value to retract", hint="check meter, time and column",
                         where={"meter": request.meter, "column": column.name})  # fmt: skip
    new = None if request.value is None else _value(request.value, column, request)
    before = None if old is None else old[column.name]
    now = clock.now_ms()
    row = {
        **dict.fromkeys(family.input_schema.names), **key, column.name: before if new is None else new,
        "quality": quality.RETRACTED if new is None else quality.EDITED, "recv_at": now,
    }  # fmt: skip
    made: dict[str, Any] = {
        "family": family.name, "meter": request.meter, "kind": key["kind"], "ts": request.ts_ms,
        "subkey": "|".join(str(key[name]) for name, _ in family.subkey), "column": column.name,
        "old_value": None if before is None else str(before), "new_value": None if new is None else str(new),
        "reason": reason, "person": person, "made_at": now,
    }  # fmt: skip

    def record(connection: sa.Connection, batch: int) -> None:
        made["batch"] = batch
        made["id"] = connection.execute(sample_edit.insert().values(**made).returning(sample_edit.c.id)).scalar_one()

    with BatchWriter(workspace, source=f"edit by {person}", sha256=None, decoder="edit-1") as writer:
        writer.add(family.name, pa.Table.from_pylist([row], schema=family.input_schema))
        writer.commit(note={"edit": dict(made)}, record=record)
    return _shown(workspace, made)


def undo_edit(workspace: Workspace, number: int, *, reason: str, person: str) -> dict[str, Any]:
    """Take an edit back: the value that would hold without it holds again, also if it came or was compacted meanwhile.

    Raises UsageError, InputError (no such edit, taken back already), WriteError.
    """
    reason, person = _said(reason, "reason"), _said(person, "person")
    database = open_database(workspace)
    for _ in range(_TRIES):
        with database.read() as connection:
            found = connection.execute(sa.select(sample_edit).where(sample_edit.c.id == number)).mappings().first()
            if found is None or found["undone_at"] is not None:
                what = "there is no edit" if found is None else "taken back already: edit"
                raise InputError("input.value", f"{what} {number}", hint="see `keyacct quality edits`")
            edit = dict(found)
            day = civil_day(edit["ts"], workspace)
            segments = live_segments(connection, edit["family"], days=[day])
            lost = _lost(connection, edit)
        undone = {"undone_at": clock.now_ms(), "undone_by": person, "undone_reason": reason}

        def record(connection: sa.Connection, edit: dict[str, Any] = edit, undone: dict[str, Any] = undone) -> None:
            connection.execute(sample_edit.update().where(sample_edit.c.id == edit["id"]).values(**undone))
            connection.execute(
                sa.text(
                    'INSERT INTO revision (family, meter, kind, ts, subkey, "column", batch, value, quality, recv_at,'
                    " reason, noted_at) VALUES (:family, :meter, :kind, :ts, :subkey, :column, :batch, :value, :quality,"
                    " :recv_at, :reason, :noted_at) ON CONFLICT DO NOTHING"
                ),
                {
                    **{name: edit[name] for name in ("family", "meter", "kind", "ts", "subkey", "column", "batch")},
                    "value": edit["new_value"] if edit["new_value"] is not None else "", "recv_at": edit["made_at"],
                    "quality": quality.EDITED if edit["new_value"] is not None else quality.RETRACTED,
                    "reason": TAKEN_BACK, "noted_at": undone["undone_at"],
                },
            )  # fmt: skip

        def change(
            engine: duckdb.DuckDBPyConnection, edit: dict[str, Any] = edit, lost: list[dict[str, Any]] = lost
        ) -> None:
            _without(engine, edit, lost)

        note = {"edit": edit["id"], "reason": reason, "person": person}
        rewriting = Rewriting(change=change, record=record, action="store.undo_edit", note=note)
        if not rewrite_day(workspace, edit["family"], day, segments, rewriting).lost_race:
            return _shown(workspace, {**edit, **undone})
    raise WriteError("write.failed", "the day was compacted again and again meanwhile", hint="run again")


def edits(workspace: Workspace, *, meter: str | None = None) -> list[dict[str, Any]]:
    """Every edit, also those taken back, in the order they were made."""
    query = sa.select(sample_edit).order_by(sample_edit.c.id)
    if meter is not None:
        query = query.where(sample_edit.c.meter == meter)
    with open_database(workspace).read() as connection:
        return [_shown(workspace, dict(row)) for row in connection.execute(query).mappings()]


def _said(text: str, what: str) -> str:
    if not text.strip():
        raise UsageError("usage.invalid", f"an edit needs a {what}", hint="it stands in the audit chain")
    return text.strip()


def _present(
    workspace: Workspace, family: Family, request: EditRequest
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The key of the value, and the row that holds now."""
    subkey = {name: request.subkey.get(name) for name, _ in family.subkey}
    missing = [name for name, value in subkey.items() if value is None]
    if missing:
        raise UsageError("usage.invalid", f"{family.name} also needs {', '.join(missing)}", hint="see docs/data.md")
    rows = read_table(workspace, family.name, request.ts_ms, request.ts_ms + 1, [request.meter]).to_pylist()
    rows = [
        row for row in rows
        if all(row[name] == value for name, value in subkey.items()) and request.kind in (None, row["kind"])
    ]  # fmt: skip
    if len(rows) > 1:
        kinds = ", ".join(sorted({row["kind"] for row in rows}))
        raise UsageError("usage.invalid", f"there are values of several kinds: {kinds}", hint="choose with --kind")
    kind = rows[0]["kind"] if rows else request.kind or "interval"
    return {"meter": request.meter, "kind": kind, "ts": request.ts_ms, **subkey}, rows[0] if rows else None


def _value(text: str, column: ValueColumn, request: EditRequest) -> Any:
    where = {"meter": request.meter, "column": column.name}
    if pa.types.is_string(column.type):
        return text
    if column.type == TS:
        raise UsageError("usage.invalid", f"{column.name} is a time and cannot be edited", hint="edit the value")
    try:
        number = Decimal(text)
        if pa.types.is_decimal(column.type):
            return pa.scalar(number).cast(column.type).as_py()
        return float(number)
    except (InvalidOperation, pa.ArrowInvalid):
        raise InputError(
            "input.value", f"{text[:40]!r} is no value of {column.name} ({column.type} {column.unit})".rstrip(),
            hint="write a plain number with as many decimals as the family keeps", where=where,
        ) from None  # fmt: skip


def _lost(connection: sa.Connection, edit: dict[str, Any]) -> list[dict[str, Any]]:
    """Values of the key that lost and would come back: not those of edits that were themselves taken back."""
    table = tables.revision
    gone = sa.select(sample_edit.c.batch).where(sample_edit.c.undone_at.is_not(None))
    query = sa.select(table).where(
        *(table.c[name] == edit[name] for name in ("family", "meter", "kind", "ts", "subkey", "column")),
        table.c.batch != edit["batch"], table.c.batch.not_in(gone), table.c.reason != "later in the batch",
    )  # fmt: skip
    return [dict(row) for row in connection.execute(query).mappings()]


def _without(engine: duckdb.DuckDBPyConnection, edit: dict[str, Any], lost: list[dict[str, Any]]) -> None:
    """Take the edited value out of `day_rows`, put those that lost back; their standing decides as ever."""
    family = family_of(edit["family"])
    column = merge.quote(edit["column"])
    subkey = " || '|' || ".join(f"{merge.quote(name)}::VARCHAR" for name, _ in family.subkey) or "''"
    here = f"meter = ? AND kind = ? AND epoch_ms(ts) = ? AND {subkey} = ?"
    key = [edit["meter"], edit["kind"], edit["ts"], edit["subkey"]]
    names = merge.names(family.schema.names)
    rest = [name for name in family.schema.names if name not in family.keys]
    typed = [f"?::{merge.sql_type(family.schema.field(name).type)} AS {merge.quote(name)}" for name in rest]
    again = (
        f"INSERT INTO day_rows SELECT {names}, {merge.order_sql()} FROM (SELECT {merge.names(family.keys)},"
        f" {', '.join(typed)} FROM day_rows WHERE {here} LIMIT 1)"
    )
    stands = f"{here} AND batch = ? AND quality = ? AND epoch_ms(recv_at) IS NOT DISTINCT FROM ?::BIGINT"
    for row in lost:
        own = [*key, row["batch"], row["quality"], row["recv_at"]]
        if engine.execute(f"SELECT 1 FROM day_rows WHERE {stands} LIMIT 1", own).fetchall():
            engine.execute(f"UPDATE day_rows SET {column} = ? WHERE {stands}", [row["value"], *own])
            continue
        values: dict[str, Any] = {
            edit["column"]: row["value"], "quality": row["quality"], "batch": row["batch"],
            "recv_at": None if row["recv_at"] is None else dt.datetime.fromtimestamp(row["recv_at"] / 1000, dt.UTC),
        }  # fmt: skip
        engine.execute(again, [*(values.get(name) for name in rest), *key])
    engine.execute(f"UPDATE day_rows SET {column} = NULL WHERE {here} AND batch = ?", [*key, edit["batch"]])
    empty = " AND ".join(f"{merge.quote(name)} IS NULL" for name in family.value_names)
    engine.execute(f"DELETE FROM day_rows WHERE {here} AND batch = ? AND {empty}", [*key, edit["batch"]])


def _shown(workspace: Workspace, edit: dict[str, Any]) -> dict[str, Any]:
    zone = workspace.zone
    times = {
        name: None if edit.get(name) is None else civil(edit[name], zone) for name in ("ts", "made_at", "undone_at")
    }
    return {"id": edit["id"], **{key: value for key, value in edit.items() if key != "id"}, **times}
