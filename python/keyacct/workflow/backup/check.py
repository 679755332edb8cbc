"""Verifies a backup: every file against the manifest, the database, its audit chain, and its list of segments."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keyacct.database.audit_check import check_chain
from keyacct.database.engine import REVISIONS, Database, bring_up
from keyacct.errors import ConfigError, KeyacctError
from keyacct.store.index import live_segments
from keyacct.workflow.backup.content import Content, copy_stream, open_backup
from keyacct.workflow.backup.manifest import DATABASE, DIGEST, MANIFEST, Manifest


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. code: missing, damaged, unreadable, database, audit, absent (the backup itself says that
    it lacks the file), unknown (not in the manifest; nothing is lost by it).
    """

    code: str
    path: str
    message: str

    def as_row(self) -> dict[str, Any]:
        """As a row for printing."""
        return vars(self)


@dataclass
class BackupCheck:
    """Result of a check. files, bytes: those that are as they were written."""

    path: Path
    manifest: Manifest
    files: int = 0
    bytes: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def damaged(self) -> bool:
        """Whether it is not what was written."""
        return any(finding.code not in ("absent", "unknown") for finding in self.findings)


def verify_backup(path: Path) -> BackupCheck:
    """Check a backup. Raises InputError when it is none, or its manifest is damaged."""
    with open_backup(path) as content, tempfile.TemporaryDirectory(prefix="keyacct-verify-") as folder:
        result = BackupCheck(path, content.manifest())
        copy = Path(folder) / DATABASE
        for entry in result.manifest.files:
            try:
                with content.open(entry.path) as file, _copy(copy if entry.path == DATABASE else None) as out:
                    size, digest = copy_stream(file, out)
            except FileNotFoundError:
                result.findings.append(Finding("missing", entry.path, "the file is not in the backup any more"))
                continue
            except OSError as error:
                result.findings.append(Finding("unreadable", entry.path, str(error.strerror or error)))
                continue
            if (size, digest) != (entry.bytes, entry.sha256):
                what = "SHA-256" if size == entry.bytes else "size"
                result.findings.append(Finding("damaged", entry.path, f"{what} differs from the recorded one"))
                continue
            result.files, result.bytes = result.files + 1, result.bytes + size
        _unknown(result, content)
        sound = not any(finding.path == DATABASE for finding in result.findings)
        if sound and any(entry.path == DATABASE for entry in result.manifest.files):
            result.findings += check_database(copy, result.manifest)
        elif sound:
            result.findings.append(Finding("missing", DATABASE, "the backup holds no database"))
        result.findings += [Finding("absent", p.path, p.problem) for p in result.manifest.problems]
    return result


def check_database(path: Path, manifest: Manifest) -> Iterator[Finding]:
    """The database of a backup (a copy, which may be brought up to date): soundness, audit chain, list of segments."""
    try:
        database = opened(path, manifest)
        for line in database.integrity():
            yield Finding("database", DATABASE, line)
        with database.read() as connection:
            chain = check_chain(connection)
            segments = live_segments(connection)
    except ConfigError:
        raise
    except KeyacctError as error:
        yield Finding("database", DATABASE, error.message)
        return
    known = {problem.path for problem in manifest.problems}
    if chain.broken is not None and DATABASE not in known:
        yield Finding("audit", DATABASE, chain.broken.message)
    elif chain.broken is None and (chain.head_seq, chain.head_hash) != (manifest.audit_seq, manifest.audit_hash):
        yield Finding("audit", DATABASE, f"the chain ends at row {chain.head_seq}, not at row {manifest.audit_seq}")
    listed = {entry.path: entry for entry in manifest.files}
    for segment in segments:
        entry = listed.get(segment.path)
        if entry is None and segment.path not in known:
            yield Finding("missing", segment.path, f"the index has it, the backup does not: {segment.rows} rows")
        elif entry is not None and entry.sha256 != segment.sha256:
            yield Finding("damaged", segment.path, "not the segment that the index has")


def opened(path: Path, manifest: Manifest) -> Database:
    """The database of a backup, brought to the present form. Raises ConfigError `config.schema_newer`."""
    if manifest.schema not in REVISIONS:
        raise ConfigError(
            "config.schema_newer", f"the backup has form {manifest.schema}, this keyacct knows up to {REVISIONS[-1]}",
            hint="use a newer keyacct", where={"file": manifest.name},
        )  # fmt: skip
    database = Database(path)
    bring_up(database)
    return database


def _unknown(result: BackupCheck, content: Content) -> None:
    listed = {entry.path for entry in result.manifest.files} | {MANIFEST, DIGEST}
    for name in content.names():
        if name not in listed:
            result.findings.append(Finding("unknown", name, "not in the manifest"))


@contextlib.contextmanager
def _copy(path: Path | None) -> Iterator[Any]:
    if path is None:
        yield None
        return
    with path.open("wb") as out:
        yield out
