"""Writing reports: documents of a kind, in the formats asked for, and a manifest of what was written."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

from keyacct import clock
from keyacct.config import Workspace
from keyacct.errors import ConfigError, InternalError, KeyacctError, UsageError, WriteError
from keyacct.i18n import Lang
from keyacct.model import Period
from keyacct.report.document import Document
from keyacct.report.files import file_part, make_folder, settle, write_whole
from keyacct.report.kind import Build, Kind
from keyacct.report.kinds import KINDS
from keyacct.report.look import Look, read_look
from keyacct.report.subject import all_accounts
from keyacct.report.writers import FORMATS, parts

MANIFEST = "manifest.json"
ACCOUNTS_AT_ONCE = 200
"""Accounts whose figures are held in memory at the same time."""


@dataclass(frozen=True)
class Written:
    """A file of the batch. account_no is empty for the index; rows: of the tables in the file."""

    account_no: str
    format: str
    file: str
    rows: int
    bytes: int
    sha256: str
    inputs_sha256: str


@dataclass(frozen=True)
class Failed:
    """An account that has no report, and why."""

    account_no: str
    code: str
    message: str
    hint: str


@dataclass(frozen=True)
class Batch:
    """What a run of `write_reports` did."""

    files: tuple[Written, ...]
    failed: tuple[Failed, ...]


def find_kind(name: str) -> Kind:
    """The kind of that name. Raises UsageError for an unknown name, ConfigError for an unavailable kind."""
    kind = KINDS.get(name)
    if kind is None:
        near = get_close_matches(name, KINDS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(
            "usage.invalid", f"there is no report {name!r}", hint=f"{hint}`keyacct report --list` names them"
        )
    if kind.needs is not None:
        raise ConfigError(
            "config.report_unavailable",
            f"report {name!r} is unavailable: needs {kind.needs}",
            hint="`keyacct report --list` names the reports that can be made",
        )
    return kind


def check_formats(formats: Sequence[str]) -> tuple[str, ...]:
    """The formats, each once, in our order. Raises UsageError for one that is not written."""
    for name in formats:
        if name not in FORMATS:
            raise UsageError("usage.invalid", f"{name!r} is no report format", hint=f"choose of {', '.join(FORMATS)}")
    if not formats:
        raise UsageError("usage.invalid", "no report format is named", hint=f"choose of {', '.join(FORMATS)}")
    return tuple(name for name in FORMATS if name in formats)


def write_reports(
    workspace: Workspace,
    kind: str,
    period: Period,
    *,
    accounts: Sequence[str] | None,
    formats: Sequence[str],
    out: Path,
    lang: Lang,
    csv_bom: bool = False,
    dry_run: bool = False,
) -> Batch:
    """Write the reports of the accounts (None: all of the registry) into the folder `out`, each file whole.

    Files are named `<kind>_<account>_<period>_<lang>.<format>` (CSV: one a table, with its key at the
    end); several accounts get an `index_<lang>.html`; `manifest.json` lists every file with its digest.
    An account that fails is in `Batch.failed`, the others are written; when none can be made, the first
    error is raised. dry_run: make everything, write nothing.
    Raises UsageError, ConfigError; WriteError at the first file that cannot be written (files before it
    stay).
    """
    started, began = clock.now(), time.monotonic()
    chosen = find_kind(kind)
    wanted = check_formats(formats)
    numbers = list(dict.fromkeys(all_accounts(workspace) if accounts is None else accounts))
    if not numbers:
        raise ConfigError(
            "config.registry_invalid",
            "the registry holds no account",
            hint="bring accounts in with `keyacct registry import`",
        )
    if not dry_run:
        make_folder(out)
    run = _Run(workspace.root, lang, wanted, read_look(workspace, csv_bom=csv_bom), None if dry_run else out)
    for item in _documents(chosen, workspace, period, numbers, started):
        if isinstance(item, Document):
            run.add(item)
        else:
            run.failures.append(item)
    if run.failures and run.first is None:
        raise run.failures[0][1]
    run.finish(several=len(numbers) > 1)
    batch = Batch(tuple(run.files), tuple(_failed(account_no, error) for account_no, error in run.failures))
    if not dry_run:
        manifest = _manifest(batch, chosen, period, lang) | {
            "generated_at": started.isoformat(),
            "run_seconds": round(time.monotonic() - began, 3),
        }
        text = json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"
        write_whole(out / MANIFEST, text.encode())
        settle(out)
    return batch


Failure = tuple[str, KeyacctError]


def _documents(
    kind: Kind, workspace: Workspace, period: Period, accounts: Sequence[str], generated_at: dt.datetime
) -> Iterator[Document | Failure]:
    build = kind.build
    if build is None:
        raise InternalError("internal.bug", f"report {kind.name!r} has no builder")
    rest = iter(accounts)
    while part := list(islice(rest, ACCOUNTS_AT_ONCE)):
        yield from _build(build, workspace, period, part, generated_at)


def _build(
    build: Build, workspace: Workspace, period: Period, accounts: Sequence[str], generated_at: dt.datetime
) -> list[Document | Failure]:
    """The documents of the accounts; those that fail are found by halving, so one bad account costs a
    few rounds.

    A damaged store or a defect of ours is no account's fault and goes up.
    """
    try:
        return list(build(workspace, period, accounts, generated_at))
    except (WriteError, InternalError):
        raise
    except KeyacctError as error:
        if len(accounts) == 1:
            return [(accounts[0], error)]
        middle = len(accounts) // 2
        halves = (accounts[:middle], accounts[middle:])
        return [item for half in halves for item in _build(build, workspace, period, half, generated_at)]


class _Run:
    """The files of one run."""

    def __init__(self, root: Path, lang: Lang, formats: Sequence[str], look: Look, out: Path | None) -> None:
        from keyacct.report.html import IndexEntry

        self.root, self.lang, self.formats, self.look, self.out = root, lang, formats, look, out
        self.files: list[Written] = []
        self.failures: list[Failure] = []
        self.entries: list[IndexEntry] = []
        self.first: Document | None = None

    def add(self, document: Document) -> None:
        """Write one document in every format."""
        from keyacct.report.html import IndexEntry

        self.first = self.first or document
        own: list[tuple[str, str]] = []
        for kind in self.formats:
            for part in parts(document, self.lang, kind, self.look, self.root):
                name = file_name(document, self.lang, kind, part.name)
                self._put(name, part.content, document.account_no, kind, part.rows, document.inputs_sha256)
                own.append((f"{kind} {part.name}".strip(), name))
        figures = (*document.figures, document.completeness)
        self.entries.append(IndexEntry(document.account_no, document.account_name, figures, tuple(own)))

    def finish(self, *, several: bool) -> None:
        """The index, and the names made durable."""
        if several and self.first is not None:
            from keyacct.report.html import write_index

            content = write_index(self.entries, self.first, self.lang)
            self._put(f"index_{self.lang}.html", content, "", "html", len(self.entries), "")
        if self.out is not None:
            settle(self.out)

    def _put(self, name: str, content: bytes, account_no: str, format: str, rows: int, inputs: str) -> None:
        if self.out is not None:
            write_whole(self.out / name, content)
        digest = hashlib.sha256(content).hexdigest()
        self.files.append(Written(account_no, format, name, rows, len(content), digest, inputs))


def file_name(document: Document, lang: Lang, format: str, part: str = "") -> str:
    """Name of a report's file. part: the table of a CSV file."""
    period = document.period.label.replace("..", "_to_").replace("/", "_")
    tail = f"_{part}" if part else ""
    return f"{document.kind}_{file_part(document.account_no)}_{period}_{lang}{tail}.{format}"


def _failed(account_no: str, error: KeyacctError) -> Failed:
    return Failed(account_no, error.code, str(error), error.hint)


def _manifest(batch: Batch, kind: Kind, period: Period, lang: Lang) -> dict[str, object]:
    """What the batch made, without its time."""
    return {
        "kind": kind.name,
        "period": {"label": period.label, "first": str(period.first), "last": str(period.last)},
        "lang": lang,
        "files": [asdict(file) for file in batch.files],
        "failed": [asdict(failure) for failure in batch.failed],
    }
