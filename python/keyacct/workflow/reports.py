"""Writing reports: documents of a kind, in the formats asked for, and a manifest of all that lies in the folder."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

from keyacct import clock
from keyacct.config import Workspace
from keyacct.errors import ConfigError, InternalError, KeyacctError, UsageError, WriteError
from keyacct.i18n import Lang
from keyacct.model import Period
from keyacct.report import fingerprint
from keyacct.report.document import Document
from keyacct.report.files import make_folder, settle
from keyacct.report.kind import Build, Kind
from keyacct.report.kinds import KINDS
from keyacct.report.look import Look, read_look
from keyacct.report.subject import all_accounts
from keyacct.report.writers import FORMATS
from keyacct.workflow.auditing import record
from keyacct.workflow.report_index import index_page, said
from keyacct.workflow.report_manifest import MANIFEST, Failed, Folder, Written
from keyacct.workflow.report_state import audit_head, state_of
from keyacct.workflow.report_work import Job, Outcome, Paper, entries_of, error_of, file_name, processes, work

__all__ = [
    "FORMATS",
    "MANIFEST",
    "Batch",
    "Failed",
    "Written",
    "check_formats",
    "file_name",
    "find_kind",
    "write_reports",
]

ACCOUNTS_AT_ONCE = 24
"""Accounts whose figures are held in memory at the same time; their rows and documents take some 2 MB each."""

FEW_ACCOUNTS = 6
"""Up to so many are written in this process: starting others would take longer."""

Progress = Callable[[int, int], None]
"""Told (accounts done, accounts in all)."""


@dataclass(frozen=True)
class Batch:
    """What a run of `write_reports` did. files: written or found done; kept: how many were found done."""

    files: tuple[Written, ...]
    failed: tuple[Failed, ...]
    kept: int = 0


def find_kind(name: str) -> Kind:
    """The kind of that name. Raises UsageError for an unknown name, ConfigError for an unavailable kind."""
    base, _, own = name.partition(":")
    kind = KINDS.get(base if own else name)
    if own and kind is not None:
        kind = kind.named(own) if kind.named is not None else None
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
    if kind.made_by:
        raise UsageError(
            "usage.invalid",
            f"report {name!r} is about no period",
            hint=f"`keyacct {kind.made_by}` makes it",
        )
    return kind


def check_formats(formats: Sequence[str]) -> tuple[str, ...]:
    """The formats, each once, in our order. Raises UsageError for one that is not written."""
    choose = f"choose of {', '.join(FORMATS)}"
    for name in formats:
        if name not in FORMATS:
            raise UsageError("usage.invalid", f"{name!r} is no report format", hint=choose)
    if not formats:
        raise UsageError("usage.invalid", "no report format is named", hint=choose)
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
    jobs: int | None = None,
    rewrite: bool = False,
    progress: Progress | None = None,
) -> Batch:
    """Write the reports of the accounts (None: all of the registry) into the folder `out`, each file whole.

    Files are named `<kind>_<account>_<period>_<lang>.<format>` (CSV: one a table, with its key at the end); several
    accounts get an `index_<lang>.html`; `manifest.json` lists every file of the folder with its digest. A file that was
    made from the same inputs by the same program stays as it is (rewrite: is made again). An account that fails is in
    `Batch.failed`, the others are written; when none can be made, the first error is raised. dry_run: make everything,
    write nothing. jobs: processes, by default one a processor.
    Raises UsageError, ConfigError; WriteError at the first file that cannot be written (files before it stay, and the
    next run goes on from there).
    """
    began = time.monotonic()
    chosen = find_kind(kind)
    wanted = check_formats(formats)
    if jobs is not None and jobs < 1:
        raise UsageError("usage.invalid", "--jobs is less than 1", hint="give the number of processes, or leave it out")
    numbers = list(dict.fromkeys(all_accounts(workspace) if accounts is None else accounts))
    if not numbers:
        raise ConfigError(
            "config.registry_invalid",
            "the registry holds no account",
            hint="bring accounts in with `keyacct registry import`",
        )
    look = read_look(workspace, csv_bom=csv_bom)
    _check_setting(look, workspace, wanted, lang)
    if not dry_run:
        make_folder(out)
    folder = Folder.read(None if dry_run else out)
    run = _Run(workspace, chosen, period, wanted, Paper(lang, look, workspace.root, folder.out), folder, clock.now())
    try:
        run.write(numbers, rewrite=rewrite, jobs=jobs, progress=progress or (lambda done, total: None))
    except BaseException:
        if folder.out is not None and run.done:  # what was finished is on record, so the next run goes on from there
            folder.write(run.account(began))
        raise
    finally:
        folder.close()
    batch = run.batch()
    if folder.out is not None:
        folder.write(run.account(began))
        settle(folder.out)
        if run.written and run.state:
            body = {
                "kind": kind,
                "period": f"{period.first}..{period.last}",
                "accounts": len(numbers),
                "files": run.written,
            }
            record(workspace, "report.export", body)
    return batch


def _check_setting(look: Look, workspace: Workspace, formats: Sequence[str], lang: Lang) -> None:
    """What would fail for every account fails once: no font for the language, a wrong template."""
    from keyacct.report.templates_check import check_templates

    if "pdf" in formats:
        from keyacct.report.fonts import find_font, require_font

        require_font(find_font(look.font, workspace.root), "中" if lang == "zh" else "")
    if look.templates is not None:
        for finding in check_templates(look, workspace.root):
            if finding.error is not None and finding.format in formats:
                raise finding.error


Failure = tuple[str, KeyacctError]


@dataclass
class _Run:
    """One run of one kind over one period."""

    workspace: Workspace
    kind: Kind
    period: Period
    formats: tuple[str, ...]
    paper: Paper
    folder: Folder
    started: dt.datetime
    done: list[Written] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    kept: int = 0
    written: int = 0

    def __post_init__(self) -> None:
        self.office = self.kind.scope == "office"
        self.state = state_of(self.workspace, self.period, self.started)
        self.writing = {
            name: fingerprint.of_writing(self.paper.look, self.workspace.root, self.paper.lang, name)
            for name in self.formats
        }

    def write(self, accounts: Sequence[str], *, rewrite: bool, jobs: int | None, progress: Progress) -> None:
        """Every account that is not done; then the index."""
        order = {account: place for place, account in enumerate(accounts)}
        if self.office and self.state:
            self.state = fingerprint.joined(self.state, *accounts)
        todo = [""] if self.office else list(accounts)
        total = len(todo)
        if not rewrite and self.state:
            todo = [account for account in todo if not self._untouched(account)]
        finished = total - len(todo)
        progress(finished, total)
        count = min(jobs or processes(), len(todo))
        if jobs is None and len(todo) <= FEW_ACCOUNTS:
            count = 1
        wanted = accounts if self.office and todo else todo

        def take(job: Job, outcome: Outcome) -> None:
            nonlocal finished
            self._take(job, outcome)
            finished += 1
            progress(min(finished, total), total)

        work(self._jobs(wanted, rewrite=rewrite), self.paper, count, take)
        if self.failures and not self.done:
            raise self.failures[0][1]
        self.done.sort(key=lambda entry: (order.get(entry.account_no, -1), FORMATS.index(entry.format), entry.file))
        self.failures.sort(key=lambda failure: order.get(failure[0], -1))
        period, lang = self.period.label, self.paper.lang
        failed = [_failed(account, error, self.kind.name, period, lang) for account, error in self.failures]
        self.folder.note_failures(self.kind.name, period, lang, accounts, failed)
        if len(accounts) > 1:
            self._index()
        progress(total, total)

    def _untouched(self, account: str) -> bool:
        """Whether nothing has changed since the files of an account were found right, and they lie there whole."""
        found = [self.folder.of(self.kind.name, self.period.label, self.paper.lang, account, f) for f in self.formats]
        wanted = [fingerprint.joined(self.state, self.writing[name]) for name in self.formats]
        for entries, state in zip(found, wanted, strict=True):
            if not all(entry.state_sha256 == state for entry in entries) or not self.folder.whole(entries):
                return False
        entries = [entry for group in found for entry in group]
        self.done += entries
        self.kept += len(entries)
        return True

    def _jobs(self, accounts: Sequence[str], *, rewrite: bool) -> Iterator[Job]:
        if not accounts:
            return
        for item in _documents(self.kind, self.workspace, self.period, accounts, self.started):
            if not isinstance(item, Document):
                self.failures.append(item)
                continue
            content = fingerprint.of_document(item)
            missing = (
                self.formats if rewrite else tuple(name for name in self.formats if not self._keep(item, name, content))
            )
            yield Job(item, missing)

    def _keep(self, document: Document, format: str, content: str) -> bool:
        """Whether the files of a document in a format say what it says; they then count as done."""
        digest = fingerprint.joined(content, self.writing[format])
        entries = self.folder.holding(document, self.paper.lang, format, digest)
        if not entries:
            return False
        entries = [replace(entry, state_sha256=self._state(format)) for entry in entries]
        self.folder.add(said(document, self.paper.lang), entries)
        self.done += entries
        self.kept += len(entries)
        return True

    def _state(self, format: str) -> str:
        return fingerprint.joined(self.state, self.writing[format]) if self.state else ""

    def _take(self, job: Job, outcome: Outcome) -> None:
        """Put on record what a job made."""
        made, trouble = outcome
        document = job.document
        if made:
            states = {name: self._state(name) for name in self.formats}
            entries = entries_of(document, made, self.paper.lang, self.writing, states)
            self.folder.add(said(document, self.paper.lang), entries)
            self.done += entries
            self.written += len(entries)
        if trouble is not None:
            error = error_of(trouble)
            if isinstance(error, WriteError | InternalError):
                raise error
            self.failures.append((document.account_no, error))

    def _index(self) -> None:
        page = index_page(self.folder, self.kind, self.paper, self.workspace.settings.workspace.name, self.started)
        if page is None:
            return
        entry, unchanged = page
        self.folder.add(None, [entry])
        self.done.append(entry)
        self.kept += unchanged
        self.written += not unchanged

    def batch(self) -> Batch:
        """What was done."""
        period, lang = self.period.label, self.paper.lang
        failed = tuple(_failed(account, error, self.kind.name, period, lang) for account, error in self.failures)
        return Batch(tuple(self.done), failed, self.kept)

    def account(self, began: float) -> dict[str, object]:
        """What the manifest says of the run. Its time and the head of the audit chain stand here, in no report."""
        return {
            "kind": self.kind.name,
            "period": {"label": self.period.label, "first": str(self.period.first), "last": str(self.period.last)},
            "lang": self.paper.lang,
            "formats": list(self.formats),
            "generated_at": self.started.isoformat(),
            "run_seconds": round(time.monotonic() - began, 3),
            "written": self.written,
            "kept": self.kept,
            "audit_head": audit_head(self.workspace),
        }


def _documents(
    kind: Kind, workspace: Workspace, period: Period, accounts: Sequence[str], generated_at: dt.datetime
) -> Iterator[Document | Failure]:
    build = kind.build
    if build is None:
        raise InternalError("internal.bug", f"report {kind.name!r} has no builder")
    rest = iter(accounts)
    at_once = len(accounts) if kind.scope == "office" else ACCOUNTS_AT_ONCE
    while part := list(islice(rest, at_once)):
        yield from _build(build, workspace, period, part, generated_at, halve=kind.scope == "account")


def _build(
    build: Build,
    workspace: Workspace,
    period: Period,
    accounts: Sequence[str],
    generated_at: dt.datetime,
    *,
    halve: bool,
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
        if not halve:
            return [("", error)]
        if len(accounts) == 1:
            return [(accounts[0], error)]
        middle = len(accounts) // 2
        halves = (accounts[:middle], accounts[middle:])
        return [item for half in halves for item in _build(build, workspace, period, half, generated_at, halve=True)]


def _failed(account_no: str, error: KeyacctError, kind: str, period: str, lang: str) -> Failed:
    return Failed(account_no, error.code, str(error), error.hint, kind, period, lang)
