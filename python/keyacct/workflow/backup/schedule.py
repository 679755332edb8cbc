"""When a backup is due, when the operator is reminded, and how many are kept."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from keyacct import clock
from keyacct.config import Workspace
from keyacct.database import audit
from keyacct.database.backups import backup as backup_table
from keyacct.database.engine import open_database
from keyacct.database.tables import audit as audit_table
from keyacct.errors import InputError
from keyacct.workflow.backup.content import backups_in, open_backup

HOUR_MS = 3_600_000
EARLY_SHARE = 10
"""A run that comes up to this part of the interval too early still takes its backup: cron is not to the second."""


@dataclass(frozen=True)
class BackupState:
    """How a workspace stands. last_at, place, name: of the newest backup, None before the first. due: `--due` takes one.
    overdue: the operator is reminded. age_ms: time since the newest, or since the workspace was made.
    """

    last_at: int | None
    place: str | None
    name: str | None
    age_ms: int
    due: bool
    overdue: bool


def backup_state(workspace: Workspace) -> BackupState:
    """Whether a backup is due. A clock that was set back makes nothing due twice and nothing late."""
    settings = workspace.settings.backup
    with open_database(workspace).read() as connection:
        query = sa.select(backup_table).order_by(backup_table.c.taken_at.desc()).limit(1)
        last = connection.execute(query).first()
        made = connection.execute(sa.select(audit_table.c.at).order_by(audit_table.c.seq).limit(1)).scalar()
    now = clock.now_ms()
    age = max(0, now - (last.taken_at if last is not None else made if made is not None else now))
    interval = settings.every_hours * HOUR_MS
    return BackupState(
        last.taken_at if last is not None else None,
        last.place if last is not None else None,
        last.name if last is not None else None,
        age,
        last is None or age >= interval - interval // EARLY_SHARE,
        age >= settings.remind_after_hours * HOUR_MS,
    )


def list_backups(workspace: Workspace, place: Path | None = None) -> list[dict[str, Any]]:
    """Backups that the workspace knows of (or, of a place, those that lie there), the oldest first. state: there, gone
    (nobody removed it through keyacct), removed, damaged.
    """
    if place is not None:
        return [_listed(path) for path in backups_in(place)]
    with open_database(workspace).read() as connection:
        query = sa.select(backup_table).order_by(backup_table.c.taken_at, backup_table.c.name)
        rows = [dict(row) for row in connection.execute(query).mappings()]
    result = []
    for row in rows:
        path = Path(row["place"]) / row["name"]
        state = "removed" if row["removed_at"] is not None else "there" if path.exists() else "gone"
        result.append(
            {
                "path": str(path), "taken_at": row["taken_at"], "files": row["files"], "bytes": row["bytes"],
                "audit_seq": row["audit_seq"], "state": state,
            }
        )  # fmt: skip
    return result


def _listed(path: Path) -> dict[str, Any]:
    try:
        with open_backup(path) as content:
            manifest = content.manifest()
    except InputError:
        return {
            "path": str(path),
            "taken_at": None,
            "files": None,
            "bytes": None,
            "audit_seq": None,
            "state": "damaged",
        }
    return {
        "path": str(path), "taken_at": manifest.taken_at, "files": len(manifest.files), "bytes": manifest.total_bytes,
        "audit_seq": manifest.audit_seq, "state": "there",
    }  # fmt: skip


def prune(workspace: Workspace, place: Path, keep: int) -> list[str]:
    """Remove the oldest backups of this workspace in a place, so that the newest `keep` complete ones stay; their names.

    Backups of other workspaces, those whose manifest cannot be read, and those from before a restore are neither counted
    nor touched: a copy restored for a trial must not remove what the office that went on has. Nor is the newest one that
    lacks nothing.
    """
    with open_database(workspace).read() as connection:
        branch = audit.branch_of(connection)[:8]
    own: list[tuple[Path, bool]] = []
    for path in backups_in(place):
        if path.is_dir() and path.name.split("-")[1] == branch:
            with contextlib.suppress(InputError), open_backup(path) as content:
                own.append((path, not content.manifest().problems))
    whole = [path for path, good in own if good]
    stay = {path for path, _ in own[-keep:]} | set(whole[-1:])
    removed = []
    for path, _ in own:
        if path in stay:
            continue
        # Under another name first: a removal that is interrupted must not leave what looks like a backup.
        going = path.with_name(f".partial-{path.name}")
        with contextlib.suppress(OSError):
            path.rename(going)
            removed.append(path.name)
            shutil.rmtree(going)
    if removed:
        with open_database(workspace).write() as connection:
            connection.execute(
                backup_table.update()
                .where(backup_table.c.place == str(place.resolve()), backup_table.c.name.in_(removed))
                .values(removed_at=clock.now_ms())
            )
            audit.append(connection, "backup.remove", {"place": str(place.resolve()), "names": removed})
    return removed
