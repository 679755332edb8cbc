"""What the registry says of the accounts of a priority table for an event: safety load, use plan, area, hours borne."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from keyacct.config import SheddingSettings, Workspace
from keyacct.database import registry_tables, tables
from keyacct.database.engine import open_database
from keyacct.database.shedding_tables import shed_burden, shed_draft, shed_state, use_plan

HELD = ("executing", "released", "evaluated")
"""States of a draft from which its day was a day with an event."""


@dataclass(frozen=True)
class AccountFacts:
    """An account as of an event. safety_load_kw: the highest that holds during the event; None: the registry has none.
    kept: it must be kept supplied by its safety data. plan: its use plan. rounds: a terminal with relay rounds is there.
    """

    account_no: str
    account_name: str
    area: str
    status: str
    safety_load_kw: float | None
    kept: bool
    plan: Mapping[str, Any] | None
    rounds: bool
    history_h: float
    recent_h: float


def facts_of(
    workspace: Workspace, accounts: Collection[str], day: dt.date, from_ms: int, to_ms: int
) -> dict[str, AccountFacts]:
    """The facts of accounts for an event on a civil day from from_ms to to_ms, by account number."""
    settings = workspace.settings.shedding
    with open_database(workspace).read() as connection:

        def dated(table: sa.Table, key: str = "account_no") -> dict[str, list[dict[str, Any]]]:
            query = (
                sa.select(table)
                .where(table.c.valid_from < to_ms, table.c.valid_to > from_ms)
                .order_by(table.c.valid_from)
            )
            found: dict[str, list[dict[str, Any]]] = {}
            for row in connection.execute(query).mappings():
                found.setdefault(row[key], []).append(dict(row))
            return found

        names = {r.account_no: r.account_name for r in connection.execute(sa.select(tables.account))}
        safety, plans = dated(registry_tables.safety_data), dated(use_plan)
        terms, sites = dated(registry_tables.account_terms), dated(registry_tables.terminal_site)
        areas = _areas(connection, settings, dated)
        history = _hours(connection, day, settings.history_days)
        recent = _hours(connection, day, settings.rest_days)
    switched = {row["account_no"] for rows in sites.values() for row in rows if row["control_rounds"] > 0}
    result = {}
    for account in sorted(accounts):
        own = safety.get(account, [])
        loads = [row["safety_load_kw"] for row in own]
        known = bool(loads) and all(kw is not None for kw in loads)
        term = terms.get(account, [{}])[-1]
        plan = plans.get(account)
        area = term.get("supply_station") if settings.area == "supply_station" else areas.get(account)
        result[account] = AccountFacts(
            account, names.get(account, ""), area or "-", term.get("status") or "active",
            max(loads) if known else None, any(row["guarantee_flag"] or row["protected_class"] for row in own),
            plan[-1] if plan else None, account in switched, history.get(account, 0.0), recent.get(account, 0.0),
        )  # fmt: skip
    return result


def _areas(connection: sa.Connection, settings: SheddingSettings, dated: Any) -> dict[str, str]:
    """Where each account hangs: of its billing points, by name, the first that says so."""
    if settings.area == "supply_station":
        return {}
    supply, owners = dated(tables.point_supply, "point"), dated(tables.point_account, "point")
    billing = sa.select(tables.point.c.point).where(tables.point.c.kind == "billing").order_by(tables.point.c.point)
    result: dict[str, str] = {}
    for (point,) in connection.execute(billing):
        for owner in owners.get(point, []):
            for row in supply.get(point, []):
                if row[settings.area]:
                    result.setdefault(owner["account_no"], row[settings.area])
    return result


def _hours(connection: sa.Connection, day: dt.date, days: int) -> dict[str, float]:
    """Hours that each account bore in the days before a day."""
    since = (day - dt.timedelta(days=days)).isoformat()
    query = (
        sa.select(shed_burden.c.account_no, sa.func.sum(shed_burden.c.hours).label("hours"))
        .where(shed_burden.c.day >= since, shed_burden.c.day < day.isoformat())
        .group_by(shed_burden.c.account_no)
    )
    return {row.account_no: float(row.hours) for row in connection.execute(query)}


def event_days(workspace: Workspace) -> set[dt.date]:
    """Civil days on which a plan was carried out, or on which somebody bore hours."""
    with open_database(workspace).read() as connection:
        query = sa.select(shed_draft.c.day).join(shed_state, shed_state.c.draft == shed_draft.c.draft)
        days = {row.day for row in connection.execute(query.where(shed_state.c.state.in_(HELD)))}
        days |= {row.day for row in connection.execute(sa.select(shed_burden.c.day).distinct())}
    return {dt.date.fromisoformat(day) for day in days}
