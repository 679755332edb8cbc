"""The record of every attempt to give a command: attempt, states and audit rows, each change in one transaction.

`sent` is committed before the first byte leaves. Where nothing follows it, nobody knows whether the device has obeyed: the
attempt is `unknown`, the state is read back, a person decides.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from keyacct import clock
from keyacct.config import Workspace
from keyacct.control.orders import Order
from keyacct.control.refusals import Refusal
from keyacct.database import audit
from keyacct.database.control_tables import control_attempt, control_step
from keyacct.database.engine import open_database

FOLLOWS: dict[str | None, frozenset[str]] = {
    None: frozenset({"shown", "requested"}),
    "requested": frozenset({"approved", "sent", "refused", "expired", "cancelled"}),
    "approved": frozenset({"alarmed", "sent", "refused", "expired", "cancelled"}),
    "sent": frozenset({"alarmed", "confirmed", "partial", "refused", "unknown"}),
    "alarmed": frozenset({"sent", "confirmed", "partial", "unknown", "cancelled"}),
    "confirmed": frozenset({"released", "partial"}),
    "partial": frozenset({"confirmed", "released", "unknown"}),
    "unknown": frozenset({"confirmed", "partial", "refused", "released"}),
}
"""Which state may follow which."""
GIVEN = frozenset({"sent", "alarmed", "confirmed", "partial", "unknown", "released"})
"""States in which a device may have obeyed."""


@dataclass(frozen=True)
class Attempt:
    """One attempt as it is kept. state: the last one, `unknown` where it ends with `sent`."""

    number: int
    kind: str
    action: str
    protocol: str
    address: str
    settings: Mapping[str, Any]
    state: str
    requested_by: str
    made_at_ms: int
    detail: Mapping[str, Any]


def begin(
    workspace: Workspace, kind: str, order: Order, frames: Iterable[str], state: str, detail: Mapping[str, Any]
) -> int:
    """Keep a new attempt with its first states (the last one is `state`); its number."""
    target = order.target
    with open_database(workspace).write() as connection:
        number = (connection.execute(sa.select(sa.func.max(control_attempt.c.attempt))).scalar() or 0) + 1
        connection.execute(
            control_attempt.insert().values(
                attempt=number, kind=kind, protocol=target.protocol, address=target.address,
                account_no=target.account_no, meter_no=target.meter_no, terminal_no=target.terminal_no,
                action=order.command.action, settings=_text(order.settings), digest=order.digest, reason=order.reason,
                not_before=order.not_before_ms, not_after=order.not_after_ms, plan=order.plan,
                table_version=order.table_version, frames=_text(list(frames)),
                requested_by=order.requested_by, made_at=clock.now_ms(),
            )
        )  # fmt: skip
        first = "shown" if state == "shown" else "requested"
        _step(connection, number, None, first, {"kind": kind, **order.subject, "digest": order.digest})
        if state != first:
            _step(connection, number, first, state, detail)
    return number


def advance(workspace: Workspace, number: int, state: str, detail: Mapping[str, Any]) -> None:
    """The next state of an attempt, committed with its audit row."""
    with open_database(workspace).write() as connection:
        _step(connection, number, _last(connection, number), state, detail)


def _last(connection: sa.Connection, number: int) -> str | None:
    query = (
        sa.select(control_step.c.state).where(control_step.c.attempt == number).order_by(control_step.c.number.desc())
    )
    state = connection.execute(query.limit(1)).scalar()
    return None if state is None else str(state)


def _step(connection: sa.Connection, number: int, last: str | None, state: str, detail: Mapping[str, Any]) -> None:
    if state not in FOLLOWS.get(last, frozenset()):
        raise ValueError(f"{state} does not follow {last}")
    place = connection.execute(
        sa.select(sa.func.count()).select_from(control_step).where(control_step.c.attempt == number)
    ).scalar_one()
    connection.execute(
        control_step.insert().values(
            attempt=number, number=place + 1, state=state, detail=_text(detail),
            noted_by=audit.operator_of(connection), noted_at=clock.now_ms(),
        )
    )  # fmt: skip
    audit.append(connection, f"control.{state}", {"attempt": number, **detail})


def reasons_detail(reasons: Sequence[Refusal]) -> dict[str, Any]:
    """Reasons as they are kept."""
    return {"reasons": [{"code": reason.code, "text": reason.text.en} for reason in reasons]}


def list_attempts(workspace: Workspace, limit: int = 50) -> list[Attempt]:
    """The newest attempts, newest first."""
    with open_database(workspace).read() as connection:
        rows = list(
            connection.execute(
                sa.select(control_attempt).order_by(control_attempt.c.attempt.desc()).limit(limit)
            ).mappings()
        )
        found = []
        for row in rows:
            query = sa.select(control_step).where(control_step.c.attempt == row["attempt"])
            step = list(connection.execute(query.order_by(control_step.c.number)).mappings())[-1]
            state = "unknown" if step["state"] == "sent" else step["state"]
            found.append(
                Attempt(
                    row["attempt"], row["kind"], row["action"], row["protocol"], row["address"],
                    json.loads(row["settings"]), state, row["requested_by"], row["made_at"], json.loads(step["detail"]),
                )
            )  # fmt: skip
    return found


def was_given(workspace: Workspace, digest: str) -> bool:
    """Whether a device may have got exactly this command already."""
    query = (
        sa.select(sa.func.count())
        .select_from(control_attempt.join(control_step, control_step.c.attempt == control_attempt.c.attempt))
        .where(control_attempt.c.digest == digest, control_attempt.c.kind == "device", control_step.c.state.in_(GIVEN))
    )
    with open_database(workspace).read() as connection:
        return bool(connection.execute(query).scalar_one())


def trips_since(workspace: Workspace, from_ms: int) -> int:
    """Trips outside a plan that may have reached a device since then."""
    query = (
        sa.select(sa.func.count(sa.distinct(control_attempt.c.attempt)))
        .select_from(control_attempt.join(control_step, control_step.c.attempt == control_attempt.c.attempt))
        .where(
            control_attempt.c.kind == "device", control_attempt.c.action == "trip", control_attempt.c.plan.is_(None),
            control_step.c.state.in_(GIVEN), control_step.c.noted_at >= from_ms,
        )
    )  # fmt: skip
    with open_database(workspace).read() as connection:
        return int(connection.execute(query).scalar_one())


def _text(value: Any) -> str:
    return json.dumps(audit.without_secrets(value), sort_keys=True, ensure_ascii=False)
