"""The audit chain of a workspace for people: check it against its anchor, list it, note what was handed out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from keyacct.config import Workspace
from keyacct.database import audit
from keyacct.database.anchor import Anchor, add_head, read_anchor
from keyacct.database.audit_check import ChainCheck, check_chain, rows_of
from keyacct.database.engine import audit_writer, open_database
from keyacct.database.tables import audit as audit_table
from keyacct.errors import ConfigError, UsageError, WriteError, from_os_error
from keyacct.model import civil


def record(workspace: Workspace, action: str, body: Mapping[str, Any]) -> str:
    """Note something that changes no table, such as a batch export of customer data; the row's hash."""
    with open_database(workspace).write() as connection:
        return audit.append(connection, action, body)


def check_audit(workspace: Workspace, heads: list[str] | None = None) -> ChainCheck:
    """Check the chain, against the anchor of the settings and against heads `SEQ:HASH` that somebody has kept.

    Raises UsageError for a head of another form, InputError for an anchor that cannot be read.
    """
    path = audit_writer(workspace).anchor
    anchor = read_anchor(path) if path is not None else None
    with open_database(workspace).read() as connection:
        if heads:
            anchor = anchor if anchor is not None else Anchor()
            branch = audit.branch_of(connection)
            for text in heads:
                seq, hash_ = _parse_head(text)
                anchor.add(branch, seq, hash_)
        return check_chain(connection, anchor)


def _parse_head(text: str) -> tuple[int, str]:
    match = re.fullmatch(r"(\d{1,15}):([0-9a-f]{64})", text.strip().lower())
    if match is None:
        raise UsageError(
            "usage.invalid",
            f"{text!r} is no head of an audit chain",
            hint="write SEQ:HASH as `keyacct audit head` does",
        )
    return int(match[1]), match[2]


def audit_head(workspace: Workspace) -> audit.Head | None:
    """The last row of the chain; None for a chain without rows."""
    with open_database(workspace).read() as connection:
        return audit.head(connection)


def anchor_now(workspace: Workspace) -> audit.Head | None:
    """Tell the anchor the present head, as after a first setting of it or a time in which it could not be written.

    Raises ConfigError when there is no anchor in the settings, WriteError.
    """
    path = audit_writer(workspace).anchor
    if path is None:
        raise ConfigError(
            "config.invalid", "the settings name no anchor",
            hint='set `anchor = "FILE"` in [audit] of keyacct.toml, on another disk or host',
        )  # fmt: skip
    found = check_audit(workspace) if path.exists() else None
    if found is not None and found.broken is not None and found.broken.fault != "anchor":
        raise WriteError(
            "write.store_damaged", f"the chain does not hold, the anchor was not written: {found.broken.message}",
            hint="see `keyacct audit verify`", where={"file": str(path)},
        )  # fmt: skip
    head = audit_head(workspace)
    if head is not None:
        try:
            add_head(path, head)
        except OSError as error:
            raise from_os_error(error, writing=True, file=str(path)) from None
    return head


@dataclass(frozen=True)
class AuditFilter:
    """Which rows: action (it or what begins with it and a dot), who, a span of time, text that stands in the body, rows
    after a number, and at most the last `limit` of them.
    """

    action: str | None = None
    who: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    about: str | None = None
    after: int | None = None
    limit: int | None = None


def list_audit(workspace: Workspace, asked: AuditFilter) -> Iterator[dict[str, Any]]:
    """Rows of the chain, oldest first: seq, at (local), who, os_user, action, body, hash."""
    zone = workspace.zone
    with open_database(workspace).read() as connection:
        after = asked.after
        query = _where(sa.select(audit_table.c.seq), asked)
        if asked.limit is not None:
            last = query.order_by(audit_table.c.seq.desc()).limit(asked.limit).subquery()
            first = connection.execute(sa.select(sa.func.min(last.c.seq))).scalar()
            if first is None:
                return
            after = max(first - 1, after or 0)
        wanted = {row.seq for row in connection.execute(query)} if _narrow(asked) else None
        for row in rows_of(connection, after):
            if wanted is not None and row.seq not in wanted:
                continue
            try:
                content = json.loads(row.body)
            except ValueError:  # a damaged row is listed too; `verify` names it
                content = {"body": {"damaged": row.body[:200]}}
            yield {
                "seq": row.seq, "at": civil(row.at, zone), "who": row.who, "os_user": content.get("os_user"),
                "action": row.action, "body": content.get("body"), "hash": row.hash,
            }  # fmt: skip


def _narrow(asked: AuditFilter) -> bool:
    return any(v is not None for v in (asked.action, asked.who, asked.from_ms, asked.to_ms, asked.about))


def _where(query: sa.Select[Any], asked: AuditFilter) -> sa.Select[Any]:
    columns = audit_table.c
    if asked.action is not None:
        query = query.where(sa.or_(columns.action == asked.action, columns.action.startswith(asked.action + ".")))
    if asked.who is not None:
        query = query.where(columns.who == asked.who)
    if asked.from_ms is not None:
        query = query.where(columns.at >= asked.from_ms)
    if asked.to_ms is not None:
        query = query.where(columns.at < asked.to_ms)
    if asked.about is not None:
        # As it stands in canonical JSON: quotes and backslashes escaped.
        query = query.where(columns.body.contains(json.dumps(asked.about, ensure_ascii=False)[1:-1], autoescape=True))
    if asked.after is not None:
        query = query.where(columns.seq > asked.after)
    return query
