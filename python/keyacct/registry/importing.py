"""`registry import`: documents into the registry, all of them or nothing, every fault named with its place."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import sqlalchemy as sa

from keyacct.config import Workspace
from keyacct.database import audit
from keyacct.database.engine import ConstraintError, Database, open_database
from keyacct.errors import ConfigError, InputError, UsageError, from_os_error
from keyacct.registry import checking
from keyacct.registry.difference import Changes, apply_changes, count_changes, list_changes
from keyacct.registry.entity import Entity
from keyacct.registry.entry import EntryReader, RawEntry
from keyacct.registry.fault import Fault, Place, in_order, registry_invalid
from keyacct.registry.read_csv import read_csv
from keyacct.registry.read_toml import decode_text, read_toml
from keyacct.registry.staging import Staging

ENDINGS = (".toml", ".csv", ".xlsx")
MAX_FILE_BYTES = 1 << 30


@dataclass(frozen=True)
class Document:
    """One file to import: its name for messages, its bytes, and for CSV the kind of its entries."""

    file: str
    data: bytes
    ending: str = ".toml"
    kind: str = ""


@dataclass
class ImportReport:
    """What an import came to. faults: everything that is wrong. left_out: entries left out by `partial`."""

    changes: Changes = field(default_factory=Changes)
    faults: list[Fault] = field(default_factory=list)
    left_out: int = 0
    written: bool = False
    differences: list[dict[str, Any]] = field(default_factory=list)


class _UndoError(Exception):
    """Ends a transaction that was for looking only."""


def _undo() -> NoReturn:
    raise _UndoError


def read_documents(paths: Sequence[str | Path], *, kind: str = "") -> Iterator[Document]:
    """The files named, one after another; of a folder its files by name. Raises InputError, UsageError."""
    for path in map(Path, paths):
        found = [path]
        if path.is_dir():
            found = sorted(inner for inner in path.iterdir() if inner.suffix.lower() in ENDINGS)
            if not found:
                raise InputError(
                    "input.empty", "there is no .toml, .csv or .xlsx file in the folder", where={"file": str(path)}
                )
        for file in found:
            ending = file.suffix.lower()
            try:
                if file.stat().st_size > MAX_FILE_BYTES:
                    raise InputError(
                        "input.limit", f"the file is larger than {MAX_FILE_BYTES} bytes", hint="split it",
                        where={"file": str(file)},
                    )  # fmt: skip
                yield Document(str(file), file.read_bytes(), ending if ending in ENDINGS else ".toml", kind)
            except OSError as error:
                raise from_os_error(error, writing=False, file=str(file)) from None


def import_registry(
    workspace: Workspace, text: str, *, file: str = "-", replace: bool = False, dry_run: bool = False
) -> Changes:
    """Take a TOML document into the registry, in one transaction; see `import_documents`.

    Raises InputError (no TOML), ConfigError `config.registry_invalid` that lists the faults; then nothing is written.
    """
    report = import_documents(workspace, [Document(file, text.encode())], replace=replace, dry_run=dry_run)
    if report.faults:
        raise registry_invalid(report.faults)
    return report.changes


def import_documents(
    workspace: Workspace, documents: Iterable[Document], *, replace: bool = False, partial: bool = False,
    dry_run: bool = False, differences: bool = False,
) -> ImportReport:  # fmt: skip
    """Take documents into the registry, together and in one transaction; nothing is written while a fault is found.

    Entries are recognised by their key (and valid_from): known ones are brought up to date, new ones added; the same
    documents again change nothing. The slots of a tariff table are given together: those given take the place of all it
    had. replace: the documents are the whole registry, what they leave out is removed. partial: entries with faults,
    and those that refer to them, are left out and the rest is written. differences: list every change, field by field.
    Raises InputError where a file is not of its form or all are empty.
    """
    if replace and partial:
        raise UsageError(
            "usage.invalid", "--replace with --partial would remove what has a fault", hint="mend it first"
        )
    database = open_database(workspace)
    report = ImportReport()
    names: list[dict[str, str]] = []
    stages: list[Staging] = []

    def read_in(connection: sa.Connection) -> None:
        stages.append(Staging(connection, replace=replace))
        names.extend(_stage(stages[0], workspace, documents, report))

    with _transaction(database, read_in):
        staging = stages[0]
        _judge(staging, workspace, report, partial=partial)
        if differences and (not report.faults or partial):
            report.differences = list(list_changes(staging, workspace.zone))
        body = {"documents": names, "replace": replace}
        _settle(database, staging, report, "registry.import", body, partial=partial, dry_run=dry_run)
    report.faults = in_order(report.faults)
    return report


def import_rows(
    workspace: Workspace, build: Callable[[sa.Connection], Iterable[tuple[Entity, dict[str, Any], Place]]], *,
    action: str, body: dict[str, Any], dry_run: bool = False,
) -> ImportReport:  # fmt: skip
    """Bring rows into the registry under the rules of an import; the audit row says what each became.

    build: makes the rows from what the registry holds, within the write transaction.
    """
    database = open_database(workspace)
    report = ImportReport()
    with _transaction(database) as connection:
        staging = Staging(connection, replace=False)
        for entity, row, place in build(connection):
            staging.add(entity, row, place)
        staging.finish()
        _judge(staging, workspace, report, partial=False)
        if not report.faults:
            report.differences = list(list_changes(staging, workspace.zone))
        _settle(
            database, staging, report, action, {**body, "fields": report.differences}, partial=False, dry_run=dry_run
        )
    report.faults = in_order(report.faults)
    return report


@contextlib.contextmanager
def _transaction(database: Database, before: Callable[[sa.Connection], None] | None = None) -> Iterator[sa.Connection]:
    try:
        with database.write(before) as connection:
            yield connection
    except _UndoError:
        pass
    except ConstraintError as error:
        raise ConfigError(
            "config.registry_invalid", f"the database refuses the change: {error}",
            hint="entries that other records need (roster, cases) cannot be removed",
        ) from None  # fmt: skip


def _settle(
    database: Database, staging: Staging, report: ImportReport, action: str, body: dict[str, Any], *, partial: bool,
    dry_run: bool,
) -> None:  # fmt: skip
    """Count, and write with its audit row, or end the transaction without."""
    if report.faults and not partial:
        _undo()
    report.changes = count_changes(staging)
    if dry_run or not report.changes.total:
        _undo()
    database.defer_references(staging.connection)
    apply_changes(staging)
    changes = report.changes
    given = {name: {k: v for k, v in getattr(changes, name).items() if v} for name in ("added", "changed", "removed")}
    audit.append(staging.connection, action, {**body, **given})
    report.written = True


def _stage(
    staging: Staging, workspace: Workspace, documents: Iterable[Document], report: ImportReport
) -> list[dict[str, str]]:
    reader = EntryReader(workspace)
    names: list[dict[str, str]] = []
    for document in documents:
        for raw in _entries(document, reader.faults):
            for entity, row, place in reader.rows(raw):
                staging.add(entity, row, place)
        names.append({"file": document.file, "sha256": hashlib.sha256(document.data).hexdigest()})
    report.faults += reader.faults
    report.left_out = len({fault.place for fault in reader.faults if fault.place.row or fault.place.entry})
    if not staging.number and not reader.faults and not (staging.replace and names):
        raise InputError(
            "input.empty", "there is no entry in the document", hint="see `keyacct registry template` for the form",
            where={"file": names[0]["file"] if names else "-"},
        )  # fmt: skip
    staging.finish()
    return names


def _entries(document: Document, faults: list[Fault]) -> Iterator[RawEntry]:
    readers: dict[str, Callable[[], Iterator[RawEntry]]] = {
        ".toml": lambda: read_toml(decode_text(document.data, document.file), document.file, faults),
        ".csv": lambda: read_csv(io.BytesIO(document.data), document.file, faults, document.kind),
        ".xlsx": lambda: _workbook(document, faults),
    }
    return readers[document.ending]()


def _workbook(document: Document, faults: list[Fault]) -> Iterator[RawEntry]:
    from keyacct.registry.read_xlsx import read_xlsx

    return read_xlsx(document.data, document.file, faults)


def _judge(staging: Staging, workspace: Workspace, report: ImportReport, *, partial: bool) -> None:
    """Find what is wrong; with `partial` leave it out, and what hangs on it, until nothing is wrong."""
    again = list(checking.repeats(staging))
    staging.forget(number for number, _ in again if number is not None)
    report.faults += [fault for _, fault in again]
    report.left_out += len(again)
    while True:
        found = list(checking.check(staging, workspace.zone))
        report.faults += [fault for _, fault in found]
        bad = {number for number, _ in found if number is not None}
        if not partial or not bad:
            return
        report.left_out += len(bad)
        staging.forget(bad)
