"""What is kept of care: clocks as last seen, what was done to devices, each change with its audit row in one transaction.

An action is committed before its first byte leaves. One without an outcome (the process was killed) is told as `unknown`:
whether the device heard it shows at the next reading; it is not sent again by itself, and counts as done.
"""

from __future__ import annotations

import datetime as dt
import json
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from keyacct import clock
from keyacct.capture.device_clock import ClockReading
from keyacct.config import Workspace
from keyacct.database import audit
from keyacct.database.care_tables import care_action, care_clock, care_clock_past, care_outcome
from keyacct.database.engine import open_database
from keyacct.errors import RefusedError
from keyacct.i18n import Text
from keyacct.model import civil

METER, TERMINAL = "meter", "terminal"
Device = tuple[str, str]
"""(`meter`, its number) or (`terminal`, its address)."""


@dataclass(frozen=True)
class Act:
    """One thing to be done to a device."""

    kind: str
    device: Device
    method: str
    shown: str
    detail: Mapping[str, Any]


def refused(told: str, reason: str) -> RefusedError:
    """The refusal (exit 8) of what would have been done to devices."""
    hint = Text("without --execute it shows what would be sent", "不加 --execute 可查看将发送的报文")
    return RefusedError("refused.not_approved", told, hint=str(hint), where={"reason": reason})


def begin(workspace: Workspace, acts: Sequence[Act]) -> list[int]:
    """Keep what is about to be done; its numbers. Raises WriteError: then nothing may be sent."""
    with open_database(workspace).write() as connection:
        return begin_within(connection, acts)


def begin_within(connection: sa.Connection, acts: Sequence[Act]) -> list[int]:
    """The same within a transaction."""
    number = connection.execute(sa.select(sa.func.max(care_action.c.action))).scalar() or 0
    numbers = []
    for act in acts:
        number += 1
        kind, device = act.device
        connection.execute(care_action.insert().values(
            action=number, kind=act.kind, device_kind=kind, device=device, method=act.method, frame=act.shown,
            detail=json.dumps(dict(act.detail), ensure_ascii=False, sort_keys=True),
            noted_by=audit.operator_of(connection), begun_at=clock.now_ms(),
        ))  # fmt: skip
        body = {"action": number, kind: device, "method": act.method, "frame": act.shown, **act.detail}
        audit.append(connection, f"care.{act.kind}", body)
        numbers.append(number)
    return numbers


def end(workspace: Workspace, outcomes: Iterable[tuple[int, str, str]]) -> None:
    """Keep what came of actions: (number, `done`, `failed`, `not_sent` or `unproved`, what was seen)."""
    with open_database(workspace).write() as connection:
        for number, state, detail in outcomes:
            connection.execute(care_outcome.insert().values(
                action=number, state=state, detail=detail[:300], noted_at=clock.now_ms()
            ))  # fmt: skip
            audit.append(connection, "care.outcome", {"action": number, "state": state, "detail": detail[:300]})


def settings_of_clocks(workspace: Workspace, since_ms: int, kind: str = METER) -> dict[str, list[int]]:
    """When clocks were set since an instant, by device; only what may have left."""
    action, outcome = care_action, care_outcome
    query = (
        sa.select(action.c.device, action.c.begun_at)
        .join(outcome, outcome.c.action == action.c.action, isouter=True)
        .where(action.c.kind == "sync", action.c.device_kind == kind, action.c.begun_at >= since_ms)
        .where(sa.or_(outcome.c.state.is_(None), outcome.c.state != "not_sent"))
        .order_by(action.c.action)
    )
    found: dict[str, list[int]] = {}
    with open_database(workspace).read() as connection:
        for device, at in connection.execute(query):
            found.setdefault(device, []).append(int(at))
    return found


def note_clock(
    connection: sa.Connection, device: Device, reading: ClockReading, verdict: str, *, right_s: float
) -> None:
    """What a clock said, in place of what it said before; what was off by more than right_s seconds is kept for good.

    A clock that is right leaves one line when it was off before, so that healthy ones add nothing however often they are read.
    """
    table, past = care_clock, care_clock_past
    kind, name = device
    deviation = round(reading.deviation_s, 3)
    before = connection.execute(
        sa.select(past.c.deviation_s)
        .where(past.c.device_kind == kind, past.c.device == name, past.c.measured_at < reading.measured_at_ms)
        .order_by(past.c.measured_at.desc())
        .limit(1)
    ).scalar()
    if abs(deviation) > right_s or (before is not None and abs(before) > right_s):
        same = (past.c.device_kind == kind, past.c.device == name, past.c.measured_at == reading.measured_at_ms)
        connection.execute(past.delete().where(*same))
        connection.execute(past.insert().values(
            device_kind=kind, device=name, measured_at=reading.measured_at_ms, deviation_s=deviation
        ))  # fmt: skip
    connection.execute(table.delete().where(table.c.device_kind == kind, table.c.device == name))
    connection.execute(table.insert().values(
        device_kind=kind, device=name, measured_at=reading.measured_at_ms,
        device_time=reading.device_time.isoformat(timespec="seconds"), deviation_s=round(reading.deviation_s, 3),
        uncertainty_s=round(reading.uncertainty_s, 3), verdict=verdict,
    ))  # fmt: skip


def last_clocks(workspace: Workspace) -> list[dict[str, Any]]:
    """Every clock as it was last seen."""
    table = care_clock
    with open_database(workspace).read() as connection:
        rows = connection.execute(sa.select(table).order_by(table.c.device_kind, table.c.device)).mappings().all()
    return [{**row, "measured_at": civil(row["measured_at"], workspace.zone)} for row in rows]


def actions(workspace: Workspace, *, device: str | None = None) -> list[dict[str, Any]]:
    """What was done, the newest last. state `unknown`: it was about to be sent, and nobody knows more."""
    action, outcome = care_action, care_outcome
    query = sa.select(action, outcome.c.state, outcome.c.detail.label("seen")).join(
        outcome, outcome.c.action == action.c.action, isouter=True
    )
    if device is not None:
        query = query.where(action.c.device == device)
    with open_database(workspace).read() as connection:
        rows = connection.execute(query.order_by(action.c.action)).mappings().all()
    return [
        {
            "action": row["action"], "begun_at": civil(row["begun_at"], workspace.zone), "kind": row["kind"],
            "device_kind": row["device_kind"], "device": row["device"], "method": row["method"],
            "state": row["state"] or "unknown", "seen": row["seen"] or "", "noted_by": row["noted_by"],
            "frame": row["frame"], "detail": json.loads(row["detail"]),
        }
        for row in rows
    ]  # fmt: skip


def local_of(at_ms: int, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    """The naive civil time of an instant."""
    return civil(at_ms, zone).replace(tzinfo=None)
