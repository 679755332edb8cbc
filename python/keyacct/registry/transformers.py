"""Transformers of customers with their nameplates, the time that they were in operation, and who is metered behind them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from keyacct.config import Workspace
from keyacct.database import registry_tables, tables
from keyacct.database.engine import open_database


@dataclass(frozen=True)
class Transformer:
    """A nameplate, and [from_ms, to_ms) in which it belonged to an account, on a line, with a status (None: nothing is noted)."""

    transformer: str
    account_no: str | None
    status: str
    from_ms: int
    to_ms: int
    rated_kva: float | None
    no_load_loss_kw: float | None
    load_loss_kw: float | None
    i0_pct: float | None
    uk_pct: float | None
    supply_line: str | None = None


def transformers(workspace: Workspace, from_ms: int, to_ms: int) -> list[Transformer]:
    """Every transformer of the registry by the spans of its state in [from_ms, to_ms), clipped to it.

    One without any state is in operation all the time and belongs to no account by itself.
    """
    plate, state = registry_tables.transformer, registry_tables.transformer_state
    names = ("rated_kva", "no_load_loss_kw", "load_loss_kw", "i0_pct", "uk_pct")
    with open_database(workspace).read() as connection:
        plates = {row["transformer"]: row for row in connection.execute(sa.select(plate)).mappings()}
        states = [dict(row) for row in connection.execute(sa.select(state).order_by(state.c.valid_from)).mappings()]
    noted = {row["transformer"] for row in states}
    for name in sorted(plates.keys() - noted):
        always = {"valid_from": tables.BEGINNING_MS, "valid_to": tables.END_MS}
        states.append({"transformer": name, "account_no": None, "supply_line": None, "status": "run", **always})
    return [
        Transformer(
            transformer=row["transformer"], account_no=row["account_no"], status=row["status"],
            from_ms=max(row["valid_from"], from_ms), to_ms=min(row["valid_to"], to_ms), supply_line=row["supply_line"],
            **{name: plates[row["transformer"]][name] for name in names},
        )
        for row in states
        if row["valid_from"] < to_ms and row["valid_to"] > from_ms
    ]  # fmt: skip


@dataclass(frozen=True)
class Behind:
    """[from_ms, to_ms) in which a metered billing point of mode `hl` belonged to an account and named a transformer."""

    point: str
    account_no: str | None
    transformer: str | None
    from_ms: int
    to_ms: int


def points_behind(workspace: Workspace, from_ms: int, to_ms: int) -> list[Behind]:
    """The points of all accounts that are metered behind their transformer, by spans clipped to [from_ms, to_ms).

    Sorted by point and time. A point counts while it has a meter.
    """
    point = tables.point
    own = sa.select(point.c.point).where(point.c.metering_mode == "hl", point.c.kind == "billing")
    with open_database(workspace).read() as connection:

        def dated(table: sa.Table) -> dict[str, list[dict[str, Any]]]:
            query = sa.select(table).where(
                table.c.point.in_(own), table.c.valid_from < to_ms, table.c.valid_to > from_ms
            )  # fmt: skip
            found: dict[str, list[dict[str, Any]]] = {}
            for row in connection.execute(query).mappings():
                found.setdefault(row["point"], []).append(dict(row))
            return found

        fitted, owner, supply = dated(tables.meter_point), dated(tables.point_account), dated(tables.point_supply)
    result = []
    for name in sorted(fitted):
        of_point = [track.get(name, []) for track in (fitted, owner, supply)]
        edges = {row[edge] for rows in of_point for row in rows for edge in ("valid_from", "valid_to")}
        for start, end in pairwise(sorted({from_ms, to_ms} | {at for at in edges if from_ms < at < to_ms})):
            meter, account, line = (
                next((row for row in rows if row["valid_from"] <= start and end <= row["valid_to"]), None)
                for rows in of_point
            )  # fmt: skip
            if meter is not None:
                result.append(
                    Behind(
                        name, account["account_no"] if account else None, line["transformer"] if line else None, start, end
                    )
                )  # fmt: skip
    return result
