"""What the registry and the samples say against a command: one list, asked at the request and again before sending.

Source: the interlocks of orderly power use; each reason is in `refusals.CHECKS`.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import Any

import sqlalchemy as sa

from keyacct.config import Workspace
from keyacct.control.commands import OPENING, DownFloat, EnableLimit, PowerLimit, Trip
from keyacct.control.orders import Order
from keyacct.control.refusals import Refusal, check
from keyacct.control.targets import CommissionedMapping
from keyacct.database import registry_tables as registry
from keyacct.database import shedding_tables as shedding
from keyacct.database import tables
from keyacct.database.engine import open_database

MINUTE_MS = 60_000


def registry_refusals(workspace: Workspace, order: Order, mapping: CommissionedMapping, now_ms: int) -> list[Refusal]:
    """What the registry says against an order. Commands that open nothing are only asked whose device it is."""
    target = order.target
    device = target.terminal_no or target.meter_no
    reasons: list[Refusal] = []
    if device is None:
        return [check("not_registered", target)]
    if device not in workspace.settings.control.terminals:
        reasons.append(check("not_on_list", device))
    if target.account_no is None:
        return [*reasons, check("no_account", device)]
    commissioned = mapping.of(device, order.relay_round) if order.relay_round is not None else None
    if order.relay_round is not None or isinstance(order.command, Trip):
        name = f"{device}/{order.relay_round}" if order.relay_round is not None else device
        if commissioned is None or commissioned.account_no != target.account_no:
            reasons.append(check("no_mapping", name))
    if not isinstance(order.command, OPENING):
        return reasons
    with open_database(workspace).read() as connection:
        reasons += _account(connection, workspace, target.account_no, now_ms)
        safety = _held(connection, registry.safety_data, target.account_no, now_ms)
    reasons += _safety(order, target.account_no, safety, commissioned.safety_load_behind if commissioned else None)
    return reasons


def _held(connection: sa.Connection, table: sa.Table, account_no: str, now_ms: int) -> list[Any]:
    """The rows of a dated table that hold now."""
    query = sa.select(table).where(
        table.c.account_no == account_no, table.c.valid_from <= now_ms, table.c.valid_to > now_ms
    )
    return list(connection.execute(query).mappings())


def _account(connection: sa.Connection, workspace: Workspace, account_no: str, now_ms: int) -> list[Refusal]:
    held = _held(connection, registry.account_terms, account_no, now_ms)
    reasons = [] if held else [check("no_contract", account_no)]
    for terms in held:
        if terms["status"] != "active":
            reasons.append(check("contract", account_no, terms["status"]))
        if terms["critical_grade"] not in (None, "", "none"):
            reasons.append(check("critical", account_no, terms["critical_grade"]))
    for safety in _held(connection, registry.safety_data, account_no, now_ms):
        if safety["guarantee_flag"]:
            reasons.append(check("guaranteed", account_no))
        if safety["protected_class"]:
            reasons.append(check("protected", account_no, safety["protected_class"]))
    sources = _held(connection, registry.source, account_no, now_ms)
    if not sources:
        reasons.append(check("no_source", account_no))
    if len(sources) > 1 or any(source["auto_transfer"] for source in sources):
        reasons.append(check("dual_source", account_no, len(sources)))
    zone = zoneinfo.ZoneInfo(workspace.settings.workspace.timezone)
    today = dt.datetime.fromtimestamp(now_ms / 1000, zone).date().isoformat()
    listed = (
        sa.select(shedding.priority_entry.c.version)
        .join(shedding.priority_table, shedding.priority_table.c.version == shedding.priority_entry.c.version)
        .where(
            shedding.priority_entry.c.account_no == account_no,
            shedding.priority_entry.c.protected == 1,
            shedding.priority_table.c.valid_from <= today,
            shedding.priority_table.c.valid_to >= today,
        )
    )
    version = connection.execute(listed).scalar()
    if version is not None:
        reasons.append(check("protected", account_no, version))
    return reasons


def _safety(order: Order, account_no: str, rows: list[Any], behind: bool | None) -> list[Refusal]:
    """Safety load: known, not behind the breaker, and left by a limit."""
    if not rows or rows[0]["safety_load_kw"] is None:
        return [check("no_safety_data", account_no)]
    safety_kw = float(rows[0]["safety_load_kw"])
    if safety_kw <= 0:
        return []
    reasons = []
    if behind:
        reasons.append(check("safety_breaker", account_no, rows[0]["safety_load_breaker"] or "?"))
    command = order.command
    if isinstance(command, PowerLimit | EnableLimit) and command.limit_kw < safety_kw:
        reasons.append(check("below_safety", command.limit_kw, f"{safety_kw:g}", account_no))
    if isinstance(command, DownFloat):
        reasons.append(check("float_safety", account_no, f"{safety_kw:g}"))
    return reasons


def telemetry_refusals(workspace: Workspace, order: Order, now_ms: int) -> list[Refusal]:
    """Whether the account's power was seen lately, for commands that open."""
    if not isinstance(order.command, OPENING) or order.target.account_no is None:
        return []
    from keyacct.store.read import read_family

    minutes = workspace.settings.control.telemetry_min
    with open_database(workspace).read() as connection:
        meters = _meters_of(connection, order.target.account_no, now_ms)
    # 24:00 of a day is 00:00 of the next, and what is stamped now is not late: hence the millisecond
    reader = read_family(workspace, "power", now_ms - 24 * 60 * MINUTE_MS, now_ms + 1, meters) if meters else None
    last = (
        max((max(batch.column("ts").cast("int64").to_pylist(), default=0) for batch in reader), default=0)
        if reader
        else 0
    )
    if now_ms - last <= minutes * MINUTE_MS:
        return []
    zone = zoneinfo.ZoneInfo(workspace.settings.workspace.timezone)
    seen = dt.datetime.fromtimestamp(last / 1000, zone).isoformat(timespec="minutes") if last else "–"
    return [check("telemetry_old", order.target.account_no, seen, minutes)]


def _meters_of(connection: sa.Connection, account_no: str, now_ms: int) -> list[str]:
    placed, owned = tables.meter_point, tables.point_account
    query = sa.select(placed.c.meter_no).join(owned, owned.c.point == placed.c.point).where(
        owned.c.account_no == account_no, placed.c.valid_from <= now_ms, placed.c.valid_to > now_ms,
        owned.c.valid_from <= now_ms, owned.c.valid_to > now_ms,
    )  # fmt: skip
    return sorted({row[0] for row in connection.execute(query)})
