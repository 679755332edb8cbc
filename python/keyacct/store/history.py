"""What lost: every value that a key had beside the one that holds, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from keyacct.config import Workspace
from keyacct.database import tables
from keyacct.database.engine import open_database
from keyacct.model import civil
from keyacct.store import quality
from keyacct.store.families import family_of
from keyacct.store.read import read_table


def history(
    workspace: Workspace, from_ms: int, to_ms: int, *, meter: str | None = None, family: str | None = None,
    column: str | None = None,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Rows, ordered by key: family, meter, kind, ts, subkey, column, value (that lost), quality, recv_at, batch, reason,
    noted_at, and `holds`: the value that holds now (null: none), `holds_quality`, `holds_batch`.

    Raises UsageError for an unknown family.
    """
    table = tables.revision
    query = sa.select(table).where(table.c.ts >= from_ms, table.c.ts < to_ms)
    if meter is not None:
        query = query.where(table.c.meter == meter)
    if family is not None:
        query = query.where(table.c.family == family_of(family).name)
    if column is not None:
        query = query.where(table.c.column == column)
    keys = (table.c.family, table.c.meter, table.c.kind, table.c.ts, table.c.subkey, table.c.column)
    with open_database(workspace).read() as connection:
        rows = [dict(row) for row in connection.execute(query.order_by(*keys, table.c.batch)).mappings()]
    zone = workspace.zone
    holding: dict[tuple[Any, ...], dict[str, Any]] = {}
    loaded: tuple[str, str] | None = None
    for row in rows:
        if (row["family"], row["meter"]) != loaded:
            loaded = (row["family"], row["meter"])
            holding = _holding(workspace, rows, *loaded)
        now = holding.get((row["kind"], row["ts"], row["subkey"]), {})
        value = now.get(row["column"])
        yield {
            "family": row["family"], "meter": row["meter"], "kind": row["kind"], "ts": civil(row["ts"], zone),
            "subkey": row["subkey"], "column": row["column"], "value": row["value"],
            "quality": quality.names(row["quality"]),
            "recv_at": None if row["recv_at"] is None else civil(row["recv_at"], zone), "batch": row["batch"],
            "reason": row["reason"], "noted_at": civil(row["noted_at"], zone),
            "holds": None if value is None else str(value),
            "holds_quality": quality.names(now["quality"]) if now else None,
            "holds_batch": now.get("batch"),
        }  # fmt: skip


def _holding(
    workspace: Workspace, rows: list[dict[str, Any]], family: str, meter: str
) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The rows that hold now, by kind, ts and subkey, of one meter in the span of what lost."""
    stamps = [row["ts"] for row in rows if (row["family"], row["meter"]) == (family, meter)]
    subkey = [name for name, _ in family_of(family).subkey]
    table = read_table(workspace, family, min(stamps), max(stamps) + 1, [meter])
    return {
        (row["kind"], round(row["ts"].timestamp() * 1000), "|".join(str(row[name]) for name in subkey)): row
        for row in table.to_pylist()
    }
