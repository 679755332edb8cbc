"""What every report of a workspace depends on, as one digest: while it stays the same, no report can have changed."""

from __future__ import annotations

import datetime as dt
import hashlib
import json

import sqlalchemy as sa

from keyacct.config import Workspace
from keyacct.database import tables
from keyacct.database.engine import open_database
from keyacct.errors import ConfigError
from keyacct.model import Period
from keyacct.report import fingerprint


def audit_head(workspace: Workspace, *, changes_only: bool = False) -> dict[str, object] | None:
    """Number and hash of the last row of the audit chain; None without a database or rows.

    changes_only: of the last row that is no export: those tell what was handed out and change nothing.
    """
    try:
        database = open_database(workspace)
    except ConfigError:
        return None
    with database.read() as connection:
        query = sa.select(tables.audit.c.seq, tables.audit.c.hash).order_by(tables.audit.c.seq.desc()).limit(1)
        if changes_only:
            query = query.where(tables.audit.c.action.not_like("%.export"))
        last = connection.execute(query).first()
    return None if last is None else {"seq": last.seq, "hash": last.hash}


def state_of(workspace: Workspace, period: Period, now: dt.datetime) -> str:
    """SHA-256 of the audit chain's head, the program, the settings, the workspace's own definitions and the civil day.

    Every change of registry or store moves the head. Empty where there is no chain: then nothing can be concluded.
    """
    head = audit_head(workspace, changes_only=True)
    if head is None:
        return ""
    settings = json.dumps(workspace.settings.model_dump(mode="json"), sort_keys=True)
    day = str(now.astimezone(workspace.zone).date())
    own = [
        f"{file.relative_to(workspace.root).as_posix()} {hashlib.sha256(file.read_bytes()).hexdigest()}"
        for pattern in ("*.toml", "*/*.toml")
        for file in sorted(workspace.root.glob(pattern))
        if file.is_file()
    ]
    return fingerprint.joined(str(head["hash"]), fingerprint.of_computing(), settings, repr(period), day, *own)
