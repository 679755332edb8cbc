"""Versions of the government's priority table (限电序位表): imported, approved, chosen for a day. A version never changes.

Only an approved version that is valid on the day of the event may be used; of several the one that began last.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from keyacct import clock
from keyacct.config import Workspace
from keyacct.database import audit, tables
from keyacct.database.chain import canonical
from keyacct.database.engine import open_database
from keyacct.database.shedding_tables import priority_approval, priority_entry, priority_table
from keyacct.errors import ConfigError, InputError, InternalError, RefusedError, UsageError, WriteError
from keyacct.i18n import Text
from keyacct.model import civil
from keyacct.plan.digests import sha256
from keyacct.plan.priority_file import Entry, read_entries


@dataclass(frozen=True)
class PriorityTable:
    """A version with its entries in their order. The approval's fields are None while it is not approved."""

    version: str
    title: str
    issued_by: str
    valid_from: dt.date
    valid_to: dt.date
    digest: str
    approved_by: str | None
    approval_no: str | None
    approved_on: dt.date | None
    entries: tuple[Entry, ...]


def entries_digest(entries: Sequence[Entry]) -> str:
    """SHA-256 of the entries in canonical form, whatever their order."""
    rows = [[e.account_no, e.seq, e.cls, int(e.protected), e.weight, e.remark] for e in entries]
    return sha256(canonical({"entries": sorted(rows, key=lambda row: str(row[0]))}).encode())


def import_table(
    workspace: Workspace, data: bytes, *, file: str, version: str, issued_by: str, valid_from: dt.date,
    valid_to: dt.date, title: str = "", write: bool = True,
) -> PriorityTable:  # fmt: skip
    """Keep a version from a file (CSV or .xlsx); not approved yet. The same entries again change nothing.

    Raises InputError with file and row, UsageError for a version that exists with other content or for bad dates.
    """
    if not version.strip() or not issued_by.strip():
        raise UsageError(
            "usage.invalid", "a version and the body that issued it are needed", hint="--version, --issued-by"
        )
    if valid_to < valid_from:
        raise UsageError(
            "usage.invalid",
            f"the table would end on {valid_to}, before it begins on {valid_from}",
            hint="swap the dates",
        )
    entries = read_entries(data, file)
    digest = entries_digest(entries)
    table = PriorityTable(
        version,
        title,
        issued_by,
        valid_from,
        valid_to,
        digest,
        None,
        None,
        None,
        tuple(sorted(entries, key=lambda e: e.seq)),
    )
    database = open_database(workspace)
    with database.read() as connection:
        known = {row[0] for row in connection.execute(sa.select(tables.account.c.account_no))}
    for entry in entries:
        if entry.account_no not in known:
            raise InputError(
                "input.value", f"account {entry.account_no!r} is not in the registry",
                hint="import the account first (keyacct registry import), or take the row out",
                where={"file": file, "row": entry.row},
            )  # fmt: skip
    with database.read() as connection:
        before = _row(connection, version)
    if before is not None:
        same = (before["digest"], before["issued_by"], before["valid_from"], before["valid_to"], before["title"])
        if same == (digest, issued_by, valid_from.isoformat(), valid_to.isoformat(), title):
            return load_table(workspace, version)
        raise UsageError(
            "usage.invalid", f"there is a version {version!r} of the priority table already, with other content",
            hint="a version never changes: give the mended table a version of its own",
        )  # fmt: skip
    if not write:
        return table
    now = clock.now_ms()
    with database.write() as connection:
        connection.execute(
            priority_table.insert().values(
                version=version, title=title, issued_by=issued_by, valid_from=valid_from.isoformat(),
                valid_to=valid_to.isoformat(), file=file, digest=digest, noted_at=now,
            )
        )  # fmt: skip
        connection.execute(
            priority_entry.insert(),
            [
                {"version": version, "account_no": e.account_no, "seq": e.seq, "cls": e.cls,
                 "protected": int(e.protected), "weight": e.weight, "remark": e.remark}
                for e in table.entries
            ],
        )  # fmt: skip
        body = {"version": version, "issued_by": issued_by, "valid_from": valid_from.isoformat(),
                "valid_to": valid_to.isoformat(), "file": file, "digest": digest, "entries": len(entries)}  # fmt: skip
        audit.append(connection, "priority_table.import", body)
    return table


def approve_table(
    workspace: Workspace, version: str, *, approved_by: str, approval_no: str, approved_on: dt.date
) -> PriorityTable:
    """Note that the government approved a version. Raises UsageError when it was approved before, RefusedError for an
    approval in the future, ConfigError for an unknown version.
    """
    if not approved_by.strip() or not approval_no.strip():
        raise UsageError("usage.invalid", "who approved, and under which number?", hint="--by and --approval-no")
    table = load_table(workspace, version)
    today = civil(clock.now_ms(), workspace.zone).date()
    if approved_on > today:
        raise RefusedError(
            "refused.not_approved", f"the approval of {version} would be of {approved_on}, today is {today}",
            hint="enter the approval when it has been given",
        )  # fmt: skip
    if table.approved_by is not None:
        if (table.approved_by, table.approval_no, table.approved_on) == (approved_by, approval_no, approved_on):
            return table
        raise UsageError(
            "usage.invalid",
            f"version {version} was approved by {table.approved_by} on {table.approved_on} ({table.approval_no})",
            hint="an approval is not changed; import a new version",
        )
    with open_database(workspace).write() as connection:
        noted_by = audit.operator_of(connection)
        connection.execute(
            priority_approval.insert().values(
                version=version, approved_by=approved_by, approval_no=approval_no, approved_on=approved_on.isoformat(),
                noted_by=noted_by, noted_at=clock.now_ms(),
            )
        )  # fmt: skip
        body = {"version": version, "digest": table.digest, "approved_by": approved_by, "approval_no": approval_no,
                "approved_on": approved_on.isoformat()}  # fmt: skip
        audit.append(connection, "priority_table.approve", body)
    return load_table(workspace, version)


def _row(connection: sa.Connection, version: str) -> dict[str, Any] | None:
    found = connection.execute(sa.select(priority_table).where(priority_table.c.version == version)).mappings().first()
    return dict(found) if found is not None else None


def load_table(workspace: Workspace, version: str) -> PriorityTable:
    """A version with its entries, held to its digest. Raises ConfigError (unknown), WriteError (damaged)."""
    with open_database(workspace).read() as connection:
        row = _row(connection, version)
        if row is None:
            known = [r[0] for r in connection.execute(sa.select(priority_table.c.version).order_by("version"))]
            raise ConfigError(
                "config.registry_not_found", f"there is no version {version!r} of the priority table",
                hint=f"known are {', '.join(known)}" if known else "import one: keyacct shed table import",
            )  # fmt: skip
        query = sa.select(priority_entry).where(priority_entry.c.version == version).order_by(priority_entry.c.seq)
        entries = tuple(
            Entry(r["account_no"], r["seq"], r["cls"], bool(r["protected"]), r["weight"], r["remark"], 0)
            for r in connection.execute(query).mappings()
        )
        query = sa.select(priority_approval).where(priority_approval.c.version == version)
        approval = connection.execute(query).mappings().first()
    if entries_digest(entries) != row["digest"]:
        raise WriteError(
            "write.store_damaged", f"the entries of priority table {version} are not those that were imported",
            hint="restore the database from a backup",
        )  # fmt: skip
    return PriorityTable(
        version, row["title"], row["issued_by"], dt.date.fromisoformat(row["valid_from"]),
        dt.date.fromisoformat(row["valid_to"]), row["digest"],
        approval["approved_by"] if approval else None, approval["approval_no"] if approval else None,
        dt.date.fromisoformat(approval["approved_on"]) if approval else None, entries,
    )  # fmt: skip


def list_tables(workspace: Workspace) -> list[dict[str, Any]]:
    """Every version, the latest validity first: its fields, its approval, the number of entries and protected ones."""
    t, a, e = priority_table, priority_approval, priority_entry
    counts = sa.select(e.c.version, sa.func.count().label("accounts"), sa.func.sum(e.c.protected).label("protected"))
    query = (
        sa.select(t.c.version, t.c.title, t.c.issued_by, t.c.valid_from, t.c.valid_to, a.c.approved_by, a.c.approval_no,
                  a.c.approved_on, t.c.digest)
        .select_from(t.outerjoin(a, a.c.version == t.c.version))
        .order_by(t.c.valid_from.desc(), t.c.version)
    )  # fmt: skip
    with open_database(workspace).read() as connection:
        counted = {row.version: row for row in connection.execute(counts.group_by(e.c.version))}
        rows = [dict(row) for row in connection.execute(query).mappings()]
    return [
        {**row, "accounts": int(counted[row["version"]].accounts), "protected": int(counted[row["version"]].protected or 0)}
        for row in rows
    ]  # fmt: skip


def hold_to_day(table: PriorityTable, day: dt.date) -> None:
    """Passes for a version that may be used for an event on a day. Raises RefusedError (exit 8) naming table and date."""
    if table.approved_by is None or table.approved_on is None:
        raise RefusedError(
            "refused.not_approved",
            str(Text(f"priority table {table.version} is not approved, so it may not be used for {day}",
                     f"序位表 {table.version} 未经批准, 不得用于 {day}")),
            hint=str(Text("note the government's approval: keyacct shed table approve",
                          "请登记政府批复: keyacct shed table approve")),
        )  # fmt: skip
    if not table.valid_from <= day <= table.valid_to:
        raise RefusedError(
            "refused.not_approved",
            str(Text(f"priority table {table.version} holds from {table.valid_from} to {table.valid_to}, the event is on {day}",
                     f"序位表 {table.version} 有效期 {table.valid_from} 至 {table.valid_to}, 事件日为 {day}")),
            hint=str(Text("use the version that is valid on the day of the event", "请使用事件日有效的版本")),
        )  # fmt: skip
    if table.approved_on > day:
        raise RefusedError(
            "refused.not_approved",
            str(Text(f"priority table {table.version} was approved on {table.approved_on}, the event is on {day}",
                     f"序位表 {table.version} 批准于 {table.approved_on}, 晚于事件日 {day}")),
            hint=str(Text("use the version that was in force on that day", "请使用当日有效的版本")),
        )  # fmt: skip


def table_for(workspace: Workspace, day: dt.date, version: str | None = None) -> PriorityTable:
    """The version for an event on a day: the named one, else of the approved and valid ones the one that began last.

    Raises RefusedError (exit 8) with a sentence that names table and date, ConfigError for an unknown version.
    """
    if version is not None:
        table = load_table(workspace, version)
        hold_to_day(table, day)
        return table
    rows = list_tables(workspace)
    good = [
        row for row in rows
        if row["approved_on"] is not None and row["valid_from"] <= day.isoformat() <= row["valid_to"]
        and row["approved_on"] <= day.isoformat()
    ]  # fmt: skip
    if good:
        best = max(good, key=lambda row: (row["valid_from"], row["approved_on"], row["version"]))
        return load_table(workspace, best["version"])
    if not rows:
        raise RefusedError(
            "refused.not_approved",
            str(Text(f"there is no priority table, so nothing can be planned for {day}", f"没有序位表, 无法编制 {day} 的方案")),
            hint=str(Text("import and approve one: keyacct shed table import", "请导入并登记批复: keyacct shed table import")),
        )  # fmt: skip
    # The nearest one says best what is wrong.
    near = min(rows, key=lambda row: (not row["valid_from"] <= day.isoformat() <= row["valid_to"], row["version"]))
    hold_to_day(load_table(workspace, near["version"]), day)
    raise InternalError("internal.bug", f"priority table {near['version']} is good for {day} and was not chosen")
