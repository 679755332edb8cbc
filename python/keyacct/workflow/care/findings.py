"""Findings of care: what of a device is not as it should be, since when, until when. Found again it is the same finding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from keyacct.config import Workspace
from keyacct.database import audit
from keyacct.database import registry_tables as more
from keyacct.database import tables as registry
from keyacct.database.care_tables import care_finding
from keyacct.database.engine import open_database
from keyacct.model import civil
from keyacct.workflow.care.journal import METER, Device

GENERAL, SEVERE = "general", "severe"
CLOCK, CLOCK_FAULT, PARAMETER = "clock_deviation", "clock_fault", "param_mismatch"
"""Rules, by the names of the field's list of anomalies."""


@dataclass(frozen=True)
class Check:
    """One thing compared. differs: None where nothing can be said, which leaves an open finding as it is."""

    rule: str
    parameter: str
    differs: bool | None
    expected: str = ""
    found: str = ""
    severity: str = GENERAL
    detail: str = ""


def note_findings(connection: sa.Connection, device: Device, checks: Iterable[Check], now: int) -> tuple[int, int]:
    """Open, renew and close findings of a device; how many were opened and closed. Opening and closing are audited."""
    table = care_finding
    kind, name = device
    opened = closed = 0
    open_rows = {
        (row["rule"], row["parameter"]): row
        for row in connection.execute(
            sa.select(table).where(table.c.device_kind == kind, table.c.device == name, table.c.resolved_at.is_(None))
        ).mappings()
    }
    for check in checks:
        if check.differs is None:
            continue
        row = open_rows.get((check.rule, check.parameter))
        told = {"rule": check.rule, kind: name, "parameter": check.parameter}
        values = {
            "severity": check.severity, "expected": check.expected, "found": check.found, "detail": check.detail,
            "last_seen_at": now,
        }  # fmt: skip
        if row is not None:
            same = [column == row[column.name] for column in table.primary_key.columns]
            if check.differs:
                connection.execute(table.update().where(*same).values(times=table.c.times + 1, **values))
            else:
                connection.execute(table.update().where(*same).values(resolved_at=now))
                audit.append(connection, "care.finding_closed", {**told, "found": check.found})
                closed += 1
        elif check.differs:
            connection.execute(table.insert().values(
                device_kind=kind, device=name, rule=check.rule, parameter=check.parameter, since=now, times=1,
                resolved_at=None, **values,
            ))  # fmt: skip
            body = {**told, "severity": check.severity, "expected": check.expected, "found": check.found}
            audit.append(connection, "care.finding", body)
            opened += 1
    return opened, closed


def open_parameters(connection: sa.Connection, device: Device, rule: str) -> list[str]:
    """Parameters of a device with an open finding of a rule."""
    table = care_finding
    kind, name = device
    query = sa.select(table.c.parameter).where(
        table.c.device_kind == kind, table.c.device == name, table.c.rule == rule, table.c.resolved_at.is_(None)
    )
    return [str(row[0]) for row in connection.execute(query.order_by(table.c.parameter))]


def findings_query(device: str | None = None, rule: str | None = None) -> sa.Select[Any]:
    """All findings, or those of a device or a rule, in the order of devices."""
    table = care_finding
    query = sa.select(table)
    if device is not None:
        query = query.where(table.c.device == device)
    if rule is not None:
        query = query.where(table.c.rule == rule)
    return query.order_by(table.c.device_kind, table.c.device, table.c.rule, table.c.parameter, table.c.since)


def findings(
    workspace: Workspace, *, device: str | None = None, rule: str | None = None, resolved: bool = False
) -> list[dict[str, Any]]:
    """Findings with their account and point; resolved: also those that are over."""
    query = findings_query(device, rule)
    if not resolved:
        query = query.where(care_finding.c.resolved_at.is_(None))
    zone = workspace.zone
    with open_database(workspace).read() as connection:
        rows = connection.execute(query).mappings().all()
        return [
            {
                "rule": row["rule"], "severity": row["severity"], "device_kind": row["device_kind"],
                "device": row["device"], **_place(connection, row), "parameter": row["parameter"],
                "expected": row["expected"], "found": row["found"], "since": civil(row["since"], zone),
                "last_seen_at": civil(row["last_seen_at"], zone), "times": row["times"],
                "resolved_at": civil(row["resolved_at"], zone) if row["resolved_at"] is not None else None,
                "detail": row["detail"],
            }
            for row in rows
        ]  # fmt: skip


def _place(connection: sa.Connection, row: Any) -> dict[str, str | None]:
    """Account and point of the device when it was last seen so."""
    at = row["last_seen_at"]
    if row["device_kind"] == METER:
        placed, owned = registry.meter_point, registry.point_account
        query = (
            sa.select(owned.c.account_no, placed.c.point)
            .select_from(placed.outerjoin(owned, sa.and_(
                owned.c.point == placed.c.point, owned.c.valid_from <= at, owned.c.valid_to > at
            )))
            .where(placed.c.meter_no == row["device"], placed.c.valid_from <= at, placed.c.valid_to > at)
        )  # fmt: skip
        found = connection.execute(query.order_by(placed.c.point)).first()
        return {"account_no": found[0] if found else None, "point": found[1] if found else None}
    # A terminal: the table takes no third kind.
    site, terminal = more.terminal_site, more.terminal
    account = connection.execute(
        sa.select(site.c.account_no).join(terminal, terminal.c.terminal_no == site.c.terminal_no).where(
            terminal.c.address == row["device"], site.c.valid_from <= at, site.c.valid_to > at
        ).order_by(site.c.account_no)
    ).scalar()  # fmt: skip
    return {"account_no": account, "point": None}
