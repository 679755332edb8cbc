"""Takes a backup: a consistent copy while others write, complete or not there at all, hard-linked to earlier ones."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import os
import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from keyacct import clock
from keyacct._core import __version__
from keyacct.config import FILE_NAME, Workspace
from keyacct.database import audit
from keyacct.database.audit_check import check_chain
from keyacct.database.backups import backup as backup_table
from keyacct.database.engine import REVISIONS, open_database
from keyacct.errors import ConfigError, InputError, WriteError, from_os_error
from keyacct.store.index import Segment
from keyacct.workflow.backup.content import backups_in, copy_stream, open_backup
from keyacct.workflow.backup.manifest import DATABASE, DIGEST, MANIFEST, FileEntry, Manifest, Problem, digest_line
from keyacct.workflow.backup.snapshot import LINKS, Snapshot, only_one, reading
from keyacct.workflow.backup.target import PARTIAL, FolderTarget, Target, TarTarget

CRASH_VARIABLE = "KEYACCT_CRASH_AT"
EARLIER = 5
"""So many earlier backups are looked through for files that need no copy."""


def crash_point(step: str) -> None:
    """Die as by `kill -9` right after a step, when `KEYACCT_CRASH_AT` names it (fault tests)."""
    if os.environ.get(CRASH_VARIABLE) == step:
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class TakenBackup:
    """A backup that was taken. linked: files that an earlier backup already had. problems: what is not in it."""

    path: Path
    manifest: Manifest
    linked: int = 0
    copied_bytes: int = 0
    removed: list[str] = field(default_factory=list)
    same_disk: bool = False

    def as_row(self) -> dict[str, Any]:
        """As a row for printing."""
        return {
            "path": str(self.path), "files": len(self.manifest.files), "bytes": self.manifest.total_bytes,
            "linked": self.linked, "copied_bytes": self.copied_bytes, "problems": len(self.manifest.problems),
            "audit_seq": self.manifest.audit_seq, "removed": self.removed,
        }  # fmt: skip


def place_of(workspace: Workspace, to: Path | None) -> Path:
    """Where backups go: what was asked for, else the settings. Raises ConfigError."""
    if to is None:
        if not workspace.settings.backup.folder:
            raise ConfigError(
                "config.invalid", "it is not said where the backup goes",
                hint='name a folder with --to, or set `folder = "DIR"` in [backup] of keyacct.toml',
            )  # fmt: skip
        to = workspace.root / workspace.settings.backup.folder
    root, target = workspace.root.resolve(), to.resolve()
    if target == root or any(target.is_relative_to(root / name) for name in ("samples", "stage")):
        raise ConfigError(
            "config.invalid", "a backup cannot go into the workspace's own folders",
            hint="choose a folder on another disk", where={"file": str(to)},
        )  # fmt: skip
    return to


def take_backup(workspace: Workspace, to: Path | None = None, *, full: bool = False) -> TakenBackup:
    """The same as `try_backup`; another backup that is running is a WriteError."""
    taken = try_backup(workspace, to, full=full)
    if taken is None:
        raise WriteError(
            "write.failed", "another backup of this workspace is running", hint="wait for it to end",
            where={"file": str(workspace.root)},
        )  # fmt: skip
    return taken


def try_backup(workspace: Workspace, to: Path | None = None, *, full: bool = False) -> TakenBackup | None:
    """Back the workspace up into a new folder below `to`, or into the file `to` where its name ends in `.tar`.

    full: copy every file, also those that an earlier backup in the same place has. A segment that is missing or damaged
    is taken from an earlier backup where one has it, else the backup says so in its `problems`. None when another backup of
    this workspace is running. Raises ConfigError, WriteError; then nothing of a backup remains.
    """
    place = place_of(workspace, to)
    with only_one(workspace) as alone:
        if not alone:
            return None
        snapshot = Snapshot(workspace, workspace.root / f"{LINKS}{os.getpid()}")
        try:
            with _failures(workspace.root):
                snapshot.take()
            crash_point("backup-1")
            return _write(workspace, snapshot, place, full=full)
        finally:
            snapshot.close()


def _write(workspace: Workspace, snapshot: Snapshot, place: Path, *, full: bool) -> TakenBackup:
    taken_at = clock.now_ms()
    with reading(snapshot.database) as connection:
        chain = check_chain(connection)
        branch = audit.branch_of(connection)
    target = _target(place, _stem(branch, taken_at))
    try:
        problems = []
        if chain.broken is not None:
            problems.append(Problem(DATABASE, f"audit chain: {chain.broken.message}"))
        earlier = {} if full else _earlier(target.place, {segment.sha256 for segment in snapshot.segments})
        _check_room(target.place, snapshot, earlier, linking=isinstance(target, FolderTarget))
        entries = [target.add(DATABASE, snapshot.database), *_settings(workspace, target)]
        crash_point("backup-2")
        linked = linked_bytes = 0
        for number, segment in enumerate(snapshot.segments):
            entry, was_linked, problem = _segment(snapshot, target, segment, earlier.get(segment.sha256))
            entries += [entry] if entry is not None else []
            problems += [Problem(segment.path, problem)] if problem else []
            linked += was_linked
            linked_bytes += segment.bytes * was_linked
            if number == len(snapshot.segments) // 2:
                crash_point("backup-3")
        manifest = Manifest(
            target.name, __version__, REVISIONS[-1], workspace.settings.workspace.name, _kind(workspace), taken_at, branch,
            chain.head_seq, chain.head_hash, tuple(sorted(entries, key=lambda entry: entry.path)), tuple(problems),
        )  # fmt: skip
        document = manifest.document()
        target.put(MANIFEST, document)
        target.put(DIGEST, digest_line(document))
        crash_point("backup-4")
        path = target.finish()
    except BaseException:
        target.discard()
        raise
    crash_point("backup-5")
    result = TakenBackup(path, manifest, linked, manifest.total_bytes - linked_bytes)
    result.same_disk = _device(path) == _device(workspace.root)
    _record(workspace, result, hashlib.sha256(document).hexdigest())
    crash_point("backup-6")
    return result


def _stem(branch: str, taken_at: int) -> str:
    at = dt.datetime.fromtimestamp(taken_at / 1000, dt.UTC)
    return f"keyacct-{branch[:8]}-{at:%Y%m%dT%H%M%SZ}"


def _target(place: Path, stem: str) -> Target:
    """A target whose name is free; what an interrupted backup left of the same name goes away."""
    if place.name.endswith(".tar"):
        if place.exists():
            raise WriteError(
                "write.failed", "the file is there already", hint="choose another name", where={"file": str(place)}
            )
        return TarTarget(place.parent, stem, place)
    with _failures(place):
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in place.glob(f"{PARTIAL}keyacct-{stem.split('-')[1]}-*"):
            shutil.rmtree(left, ignore_errors=True)
    name, number = stem, 1
    while (place / name).exists():
        number += 1
        name = f"{stem}-{number}"
    return FolderTarget(place, name)


def _earlier(place: Path, wanted: set[str]) -> dict[str, Path]:
    """SHA-256 → file of an earlier backup that should have this content; the newest first."""
    found: dict[str, Path] = {}
    for path in [p for p in reversed(backups_in(place)) if p.is_dir()][:EARLIER]:
        with contextlib.suppress(InputError), open_backup(path) as content:
            for entry in content.manifest().files:
                if entry.sha256 in wanted:
                    found.setdefault(entry.sha256, path / entry.path)
        if len(found) == len(wanted):
            break
    return found


def _check_room(place: Path, snapshot: Snapshot, earlier: dict[str, Path], *, linking: bool) -> None:
    """Refuse at once what cannot fit."""
    need = snapshot.database.stat().st_size + sum(
        segment.bytes for segment in snapshot.segments if not (linking and segment.sha256 in earlier)
    )
    with _failures(place):
        free = shutil.disk_usage(place).free
    if need > free:
        raise WriteError(
            "write.disk_full", f"the backup needs {need} bytes, {free} are free",
            hint="free some space, keep fewer backups, or choose another place", where={"file": str(place)},
        )  # fmt: skip


def _settings(workspace: Workspace, target: Target) -> Iterator[FileEntry]:
    """The settings, and the further files and folders that they name."""
    for name in dict.fromkeys((FILE_NAME, *workspace.settings.backup.also)):
        path = workspace.root / name
        if not path.resolve().is_relative_to(workspace.root.resolve()):
            raise ConfigError(
                "config.invalid", f"backup.also: {name!r} lies outside the workspace", hint="name what lies in it",
                where={"file": str(workspace.root / FILE_NAME)},
            )  # fmt: skip
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path] * path.is_file()
        for file in files:
            inner = file.relative_to(workspace.root).as_posix()
            if inner == FILE_NAME:
                content = without_password(file.read_bytes())
                target.put(inner, content)
                yield FileEntry(inner, len(content), hashlib.sha256(content).hexdigest())
            else:
                yield target.add(inner, file)


def without_password(settings: bytes) -> bytes:
    """Settings without the password of the database's address: a backup lies where others may read it."""
    return re.sub(rb"(?m)^(\s*url\s*=\s*[\"']postgres(?:ql)?://[^:/@\"']*):[^@\"']*@", rb"\1@", settings)


def _kind(workspace: Workspace) -> str:
    return "sqlite" if workspace.settings.database.url is None else "postgresql"


def _segment(
    snapshot: Snapshot, target: Target, segment: Segment, earlier: Path | None
) -> tuple[FileEntry | None, bool, str]:
    """(entry, whether it was linked, what is wrong) of one segment."""
    entry = FileEntry(segment.path, segment.bytes, segment.sha256)
    if earlier is not None and _sha256(earlier) != segment.sha256:
        earlier = None  # bit rot in an earlier backup must not be handed on
    if earlier is not None and target.link(segment.path, earlier):
        return entry, True, ""
    problem = "missing in the workspace"
    for source in (snapshot.source(segment), earlier):
        if source is None or not source.is_file():
            continue
        if isinstance(target, TarTarget) and _sha256(source) != segment.sha256:
            problem = "damaged in the workspace"  # what is in a tar cannot be taken back
            continue
        if target.add(segment.path, source) == entry:
            return entry, False, ""
        target.drop(segment.path)
        problem = "damaged in the workspace"
    return None, False, problem


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return copy_stream(file, None)[1]
    except OSError:
        return None


def _record(workspace: Workspace, taken: TakenBackup, manifest_sha256: str) -> None:
    manifest = taken.manifest
    place = str(taken.path.parent.resolve())
    same = sa.and_(backup_table.c.place == place, backup_table.c.name == taken.path.name)
    with open_database(workspace).write() as connection:
        connection.execute(backup_table.delete().where(same))  # a file that was taken away, and is there again
        connection.execute(
            backup_table.insert().values(
                name=taken.path.name, place=place, taken_at=manifest.taken_at, files=len(manifest.files),
                bytes=manifest.total_bytes, manifest_sha256=manifest_sha256, audit_seq=manifest.audit_seq,
            )
        )  # fmt: skip
        body = {
            "name": taken.path.name, "place": place, "files": len(manifest.files), "bytes": manifest.total_bytes,
            "manifest_sha256": manifest_sha256, "audit_head": [manifest.audit_seq, manifest.audit_hash],
            "problems": len(manifest.problems),
        }  # fmt: skip
        audit.append(connection, "backup.take", body)


def _device(path: Path) -> int:
    return path.stat().st_dev


@contextlib.contextmanager
def _failures(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise from_os_error(error, writing=True, file=str(path)) from error
