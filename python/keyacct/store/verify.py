"""Checks of the store, the list of its live files for other programs, and the clean-up of what is no longer needed."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from keyacct import clock
from keyacct.config import Workspace
from keyacct.database import audit, tables
from keyacct.database.engine import open_database
from keyacct.model import civil
from keyacct.store.files import file_sha256
from keyacct.store.index import all_segments, live_segments
from keyacct.store.state_files import of_no_use

GRACE_S = 3600
ORPHAN_S = 24 * 3600


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong (or, for an orphan, left over). code: for scripts. path: the file or table."""

    code: str
    path: str
    message: str
    damage: bool = True

    def as_row(self) -> dict[str, Any]:
        """As a row for printing."""
        return {"code": self.code, "path": self.path, "damage": self.damage, "message": self.message}


@dataclass
class Verification:
    """Result of a check. files, bytes: checked by content (with `quick` by size only)."""

    files: int = 0
    bytes: int = 0
    audit_rows: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def damaged(self) -> bool:
        """Whether anything that holds data is wrong."""
        return any(finding.damage for finding in self.findings)


def verify(workspace: Workspace, *, quick: bool = False) -> Verification:
    """Check every live file against its recorded SHA-256 (quick: its size), the database and the audit chain; find
    orphans. Nothing is changed.
    """
    database = open_database(workspace)
    result = Verification()
    for line in database.integrity():
        result.findings.append(Finding("database", "register.db", line))
    with database.read() as connection:
        segments = all_segments(connection)
        result.audit_rows, bad, _ = audit.verify(connection)
    if bad is not None:
        result.findings.append(
            Finding("audit", "register.db", f"row {bad} of the audit chain does not fit the one before")
        )
    for segment in segments:
        if segment.dead_at is not None:
            continue
        path = workspace.root / segment.path
        try:
            size = path.stat().st_size
            good = size == segment.bytes and (quick or file_sha256(path) == segment.sha256)
        except FileNotFoundError:
            result.findings.append(Finding("missing", segment.path, f"the file is gone, {segment.rows} rows with it"))
            continue
        except OSError as error:
            result.findings.append(Finding("unreadable", segment.path, str(error.strerror or error)))
            continue
        result.files += 1
        result.bytes += size
        if not good:
            what = "size" if size != segment.bytes else "SHA-256"
            result.findings.append(Finding("damaged", segment.path, f"{what} differs from the recorded one"))
    for orphan in _orphans(workspace, {segment.path for segment in segments}):
        name = orphan.relative_to(workspace.root).as_posix()
        result.findings.append(Finding("orphan", name, "belongs to no batch; `store clean` removes it", damage=False))
    return result


def _orphans(workspace: Workspace, known: set[str]) -> list[Path]:
    """Files of samples/ and stage/ that the index does not know."""
    found = [
        path for path in sorted(workspace.samples.rglob("*"))
        if path.is_file() and path.relative_to(workspace.root).as_posix() not in known
    ]  # fmt: skip
    return found + (sorted(workspace.stage.iterdir()) if workspace.stage.is_dir() else [])


def store_files(
    workspace: Workspace, family: str | None = None, from_ms: int | None = None, to_ms: int | None = None
) -> list[dict[str, Any]]:
    """The live sample files of one snapshot: path, rows, min_ts, max_ts, bytes, sha256, family, day, snapshot.

    Where a day has more than one file, or `unique_keys` is false, rows of one key must be merged (docs/data.md).
    """
    with open_database(workspace).read() as connection:
        segments = live_segments(connection, family, from_ms, to_ms)
        snapshot = connection.execute(sa.select(sa.func.max(tables.audit.c.seq))).scalar() or 0
    zone = workspace.zone
    return [
        {
            "path": str((workspace.root / s.path).absolute()), "rows": s.rows,
            "min_ts": civil(s.min_ts, zone), "max_ts": civil(s.max_ts, zone), "bytes": s.bytes, "sha256": s.sha256,
            "family": s.family, "day": s.day, "unique_keys": s.unique_keys, "schema_version": s.schema_version,
            "snapshot": snapshot,
        }
        for s in segments
    ]  # fmt: skip


def clean(workspace: Workspace, *, grace_s: int = GRACE_S, dry_run: bool = False) -> list[str]:
    """Remove files replaced at least `grace_s` ago, orphans older than a day, and day states of days without samples; their
    paths, relative. Raises WriteError.
    """
    now = clock.now_ms()
    database = open_database(workspace)
    with database.read() as connection:
        segments = all_segments(connection)
    dead = [s for s in segments if s.dead_at is not None and s.dead_at <= now - grace_s * 1000]
    removed: list[str] = []
    for segment in dead:
        path = workspace.root / segment.path
        if not dry_run:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
        removed.append(segment.path)
    for orphan in _orphans(workspace, {segment.path for segment in segments}):
        try:
            old = orphan.stat().st_mtime * 1000 <= now - ORPHAN_S * 1000
        except OSError:
            continue
        if old:
            if not dry_run:
                if orphan.is_dir():
                    shutil.rmtree(orphan, ignore_errors=True)
                else:
                    orphan.unlink(missing_ok=True)
            removed.append(orphan.relative_to(workspace.root).as_posix())
    for folder in of_no_use(workspace, segments):
        if not dry_run:
            shutil.rmtree(folder, ignore_errors=True)
        removed.append(folder.relative_to(workspace.root).as_posix())
    if dead and not dry_run:
        with database.write() as connection:
            for segment in dead:
                connection.execute(tables.segment.delete().where(tables.segment.c.id == segment.id))
            audit.append(connection, "store.clean", {"removed": [s.path for s in dead]})
    return removed
