"""Brings a backup back: into an empty place, every file checked on the way, a workspace only when all of it is there."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sqlite3
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from keyacct.config import FILE_NAME, DatabaseAddress, Workspace, open_workspace, parse_settings
from keyacct.database import audit
from keyacct.database.anchor import write_head
from keyacct.database.engine import (
    Database,
    audit_writer,
    create_database,
    create_server_database,
    open_database,
)
from keyacct.errors import ConfigError, InputError, KeyacctError, WriteError, from_os_error
from keyacct.store.files import sync_file
from keyacct.workflow.backup.check import Finding, check_database, opened
from keyacct.workflow.backup.content import Content, copy_stream, open_backup
from keyacct.workflow.backup.manifest import DATABASE, FileEntry, Manifest
from keyacct.workflow.backup.take import crash_point
from keyacct.workflow.backup.target import sync_tree

WORK = ".restore-partial"
"""Folder in the target that holds what is not yet checked; where it stands, a restore was interrupted."""

FOLDERS = ("samples", "stage", "reports")


@dataclass(frozen=True)
class Restored:
    """A workspace that was brought back."""

    workspace: Workspace
    manifest: Manifest
    absent: int

    def as_row(self) -> dict[str, Any]:
        """As a row for printing."""
        return {
            "path": str(self.workspace.root), "backup": self.manifest.name, "files": len(self.manifest.files),
            "bytes": self.manifest.total_bytes, "audit_seq": self.manifest.audit_seq, "absent": self.absent,
        }  # fmt: skip


def restore_backup(
    backup: Path, target: Path, *, database_url: str | None = None, allow_partial: bool = False, dry_run: bool = False
) -> Restored | None:
    """Bring a backup back into `target`, which must be empty or not be there.

    database_url: an empty PostgreSQL database for the registry, "" for the file register.db; None: as the settings in the
    backup say. Any backup can be brought back to either.

    Every file is compared with the manifest while it is copied, then the database, its audit chain and its list of
    segments; only then the files move into place, the settings last, and the chain gets a row that says so. allow_partial:
    also a backup that itself says that files are missing. Raises ConfigError (place not empty), InputError (damaged, named
    by file), WriteError; then nothing remains in `target`. None for a dry run.
    """
    with open_backup(backup) as content:
        manifest = content.manifest()
        if manifest.problems and not allow_partial:
            first = manifest.problems[0]
            raise InputError(
                "input.format",
                f"the backup lacks {len(manifest.problems)} files, the first {first.path}: {first.problem}",
                hint="use another backup, or take what there is with --allow-partial", where={"file": str(backup)},
            )  # fmt: skip
        settings = _settings(content, manifest, backup, database_url)
        address = parse_settings(tomllib.loads(settings), FILE_NAME).database.url
        if address is not None:
            require_empty_server(address)
        made = _prepare(target, manifest, dry_run=dry_run)
        if dry_run:
            return None
        work = target / WORK
        try:
            _copy(content, manifest, backup, work)
            crash_point("restore-1")
            _check(manifest, backup, work)
            (work / FILE_NAME).write_text(settings, encoding="utf-8", newline="")
            if address is not None:
                _fill_server(work / DATABASE, address)
            sync_tree(work)
            crash_point("restore-2")
            _move(work, target)
        except BaseException as error:
            with contextlib.suppress(OSError):
                shutil.rmtree(work)
                for entry in manifest_roots(manifest):
                    _remove(target / entry)
                if made:
                    target.rmdir()
            if isinstance(error, OSError):
                raise from_os_error(error, writing=True, file=str(target)) from error
            raise
    workspace = open_workspace(target)
    with open_database(workspace).read() as connection:
        head = audit.head(connection)
    anchor = audit_writer(workspace).anchor
    if anchor is not None and head is not None:
        write_head(anchor, head)
    return Restored(workspace, manifest, len(manifest.problems))


def manifest_roots(manifest: Manifest) -> list[str]:
    """Names in the workspace's folder that a restore makes."""
    return sorted({entry.path.partition("/")[0] for entry in manifest.files} | set(FOLDERS))


def _prepare(target: Path, manifest: Manifest, *, dry_run: bool) -> bool:
    """See that the place is empty; whether it was made now. What an interrupted restore left goes away."""
    try:
        there = sorted(path.name for path in target.iterdir())
    except FileNotFoundError:
        there = []
        made = True
    except OSError as error:
        raise from_os_error(error, writing=True, file=str(target)) from None
    else:
        made = False
    interrupted = WORK in there and FILE_NAME not in there
    left = set(there) - ({WORK, *manifest_roots(manifest)} if interrupted else set())
    if left or FILE_NAME in there:
        raise ConfigError(
            "config.workspace_exists", f"a backup is restored into an empty folder only, here is {min(left or there)}",
            hint="choose another folder", where={"file": str(target)},
        )  # fmt: skip
    if dry_run:
        return made
    try:
        if interrupted:
            for entry in manifest_roots(manifest):
                _remove(target / entry)
            shutil.rmtree(target / WORK)
        (target / WORK).mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise from_os_error(error, writing=True, file=str(target)) from None
    free = shutil.disk_usage(target).free
    if manifest.total_bytes > free:
        _remove(target / WORK)
        raise WriteError(
            "write.disk_full", f"the backup holds {manifest.total_bytes} bytes, {free} are free",
            hint="choose another disk", where={"file": str(target)},
        )  # fmt: skip
    return made


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _copy(content: Content, manifest: Manifest, backup: Path, work: Path) -> None:
    for entry in manifest.files:
        file = work / entry.path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as out:
            _take(content, entry, backup, out)


def _take(content: Content, entry: FileEntry, backup: Path, out: BinaryIO) -> None:
    """Copy a file of the backup; InputError when it is not what the manifest records."""
    where = {"file": f"{backup}/{entry.path}"}
    try:
        source = content.open(entry.path)
    except FileNotFoundError:
        raise InputError("input.format", "the backup lacks this file", hint="use another backup", where=where) from None
    with source:
        found = copy_stream(source, out)
    if found != (entry.bytes, entry.sha256):
        raise InputError(
            "input.format", "the file is damaged: its content is not what the manifest records",
            hint="use another backup; `keyacct backup verify` lists every damaged file", where=where,
        )  # fmt: skip


def _check(manifest: Manifest, backup: Path, work: Path) -> None:
    """The database in the work folder: sound, its chain whole, its segments there; then the row that begins a branch."""
    found: list[Finding] = list(check_database(work / DATABASE, manifest))
    if found:
        raise InputError(
            "input.format", f"{found[0].path}: {found[0].message}", hint="use another backup",
            where={"file": str(backup)},
        )  # fmt: skip
    with contextlib.closing(sqlite3.connect(work / DATABASE, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
    try:
        with opened(work / DATABASE, manifest).write() as connection:
            body = {
                "backup": manifest.name, "taken_at": manifest.taken_at, "files": len(manifest.files),
                "audit_head": [manifest.audit_seq, manifest.audit_hash],
                "absent": [problem.path for problem in manifest.problems],
            }  # fmt: skip
            audit.append(connection, audit.RESTORED, body)
    except KeyacctError as error:
        raise InputError(
            "input.format", error.message, hint="use another backup", where={"file": str(backup)}
        ) from error
    for name in FOLDERS:
        (work / name).mkdir(exist_ok=True)


def _settings(content: Content, manifest: Manifest, backup: Path, database_url: str | None) -> str:
    """The settings of the backup, with another address of the database where one is given."""
    unusable = InputError(
        "input.format", f"the backup holds no readable {FILE_NAME}", hint="use another backup",
        where={"file": str(backup)},
    )  # fmt: skip
    entry = next((entry for entry in manifest.files if entry.path == FILE_NAME), None)
    if entry is None:
        raise unusable
    out = io.BytesIO()
    _take(content, entry, backup, out)
    try:
        text = out.getvalue().decode()
        tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise unusable from None
    if database_url is None:
        return text
    lines = text.splitlines()
    kept = [line for n, line in enumerate(lines) if not (_section(lines, n) == "database" and _is_url(line))]
    if database_url:
        address = f"url = {json.dumps(database_url, ensure_ascii=False)}"
        if "[database]" in [line.strip() for line in kept]:
            kept.insert([line.strip() for line in kept].index("[database]") + 1, address)
        else:
            kept += ["", "[database]", address]
    return "\n".join(kept) + "\n"


def _section(lines: list[str], number: int) -> str:
    """The section of a settings file that a line stands in."""
    headers = [line.strip()[1:-1] for line in lines[: number + 1] if line.strip().startswith("[")]
    return headers[-1] if headers else ""


def _is_url(line: str) -> bool:
    return line.partition("=")[0].strip() == "url"


def _fill_server(copy: Path, address: DatabaseAddress) -> None:
    """The checked database into an empty one on a server, in one transaction; the copy goes away."""
    from keyacct.database.copying import copy_rows

    server = create_server_database(address)
    with Database(copy).read() as source, server.write() as into:
        copy_rows(source, into, server)
    for end in ("", "-wal", "-shm"):
        copy.with_name(copy.name + end).unlink(missing_ok=True)


def require_empty_server(address: DatabaseAddress) -> None:
    """Refuse a server's database that holds a workspace. Raises ConfigError."""
    from keyacct.database.postgres import PostgresDatabase, check_new

    check_new(PostgresDatabase(address, create_database))


def _move(work: Path, target: Path) -> None:
    """Into place, the settings last: until then it is no workspace."""
    names = sorted(path.name for path in work.iterdir() if path.name != FILE_NAME)
    for number, name in enumerate(names):
        (work / name).rename(target / name)
        if number == len(names) // 2:
            crash_point("restore-3")
    sync_file(target)
    (work / FILE_NAME).rename(target / FILE_NAME)
    work.rmdir()
    sync_file(target)
    sync_file(target.parent)
