"""Writing papers that are about an event instead of a period: files, manifest, index, as reports are written."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from keyacct import clock
from keyacct.config import Workspace
from keyacct.i18n import Lang
from keyacct.report import fingerprint
from keyacct.report.document import Document
from keyacct.report.files import make_folder, settle
from keyacct.report.fonts import find_font, require_font
from keyacct.report.kinds import KINDS
from keyacct.report.look import Look, read_look
from keyacct.report.writers import FORMATS
from keyacct.workflow.auditing import record
from keyacct.workflow.report_index import index_page, said
from keyacct.workflow.report_manifest import Folder, Written
from keyacct.workflow.report_work import Job, Outcome, Paper, entries_of, error_of, processes, work

FEW_DOCUMENTS = 6
"""Up to so many are written in this process: starting others would take longer."""


@dataclass(frozen=True)
class WrittenPapers:
    """What was written. kept: how many files were found as they would be written again."""

    files: tuple[Written, ...]
    kept: int


def write_papers(
    documents: Sequence[Document],
    *,
    formats: Sequence[str],
    out: Path,
    lang: Lang,
    workspace: Workspace | None = None,
    dry_run: bool = False,
    jobs: int | None = None,
) -> WrittenPapers:
    """Writes the documents into a folder, each file whole; a file that says the same already stays as it is.

    Files of the same kind and day about customers that are in none of the documents any more are taken away. With a
    workspace its look is used, and the hand-out is noted in its audit chain. Raises ConfigError (no font), WriteError.
    """
    began = time.monotonic()
    look = read_look(workspace) if workspace is not None else Look()
    root = workspace.root if workspace is not None else out
    if "pdf" in formats:
        require_font(find_font(look.font, root), "中" if lang == "zh" else "")
    if not dry_run:
        make_folder(out)
    folder = Folder.read(None if dry_run else out)
    run = _Run(folder, Paper(lang, look, root, folder.out), tuple(formats))
    try:
        run.write(documents, jobs)
    finally:
        if folder.out is not None and run.done:  # what was finished is on record
            folder.write(_account(documents, formats, lang, began, len(run.done) - run.kept, run.kept))
        folder.close()
    if folder.out is not None:
        settle(folder.out)
        if workspace is not None and len(run.done) > run.kept:
            kinds = sorted({document.kind for document in documents})
            body = {"kind": ",".join(kinds), "period": documents[0].period.label, "files": len(run.done) - run.kept}
            record(workspace, "report.export", body)
    order = {(document.kind, document.account_no): place for place, document in enumerate(documents)}
    run.done.sort(key=lambda e: (order.get((e.kind, e.account_no), -1), FORMATS.index(e.format), e.file))
    return WrittenPapers(tuple(run.done), run.kept)


@dataclass
class _Run:
    """One run: what is there already stays, the rest is written."""

    folder: Folder
    paper: Paper
    formats: tuple[str, ...]
    done: list[Written] = field(default_factory=list)
    kept: int = 0

    def __post_init__(self) -> None:
        paper = self.paper
        self.writing = {name: fingerprint.of_writing(paper.look, paper.root, paper.lang, name) for name in self.formats}

    def write(self, documents: Sequence[Document], jobs: int | None) -> None:
        """Every document; papers of customers that have none any more go; then the index."""
        for kind in sorted({document.kind for document in documents}):
            own = [document for document in documents if document.kind == kind]
            accounts = {document.account_no for document in own}
            self.folder.drop(kind, own[0].period.label, self.paper.lang, accounts)
        todo = [Job(document, lacking) for document in documents if (lacking := self._lacking(document))]
        work(todo, self.paper, 1 if len(todo) <= FEW_DOCUMENTS else jobs or processes(), self._take)
        if len(documents) > 1:
            first = documents[0]
            page = index_page(self.folder, KINDS[first.kind], self.paper, first.office, clock.now())
            if page is not None:
                self.folder.add(None, [page[0]])
                self.done.append(page[0])
                self.kept += page[1]

    def _lacking(self, document: Document) -> tuple[str, ...]:
        """The formats in which the document does not lie there yet; the others count as done."""
        content = fingerprint.of_document(document)
        lacking = []
        for name in self.formats:
            digest = fingerprint.joined(content, self.writing[name])
            if entries := self.folder.holding(document, self.paper.lang, name, digest):
                self.folder.add(said(document, self.paper.lang), entries)
                self.done += entries
                self.kept += len(entries)
            else:
                lacking.append(name)
        return tuple(lacking)

    def _take(self, job: Job, outcome: Outcome) -> None:
        """Put on record what a job made. Raises the error of a format that failed."""
        made, trouble = outcome
        document = job.document
        if made:
            entries = entries_of(document, made, self.paper.lang, self.writing)
            self.folder.add(said(document, self.paper.lang), entries)
            self.done += entries
        if trouble is not None:
            raise error_of(trouble)


def _account(
    documents: Sequence[Document], formats: Sequence[str], lang: Lang, began: float, written: int, kept: int
) -> dict[str, object]:
    """What the manifest says of the run."""
    period = documents[0].period
    return {
        "kind": ",".join(dict.fromkeys(document.kind for document in documents)),
        "period": {"label": period.label, "first": str(period.first), "last": str(period.last)},
        "lang": lang,
        "formats": list(formats),
        "generated_at": clock.now().isoformat(),
        "run_seconds": round(time.monotonic() - began, 3),
        "written": written,
        "kept": kept,
        "audit_head": None,
    }
