"""Writing papers that are about an event instead of a period: files, manifest, index, as reports are written."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
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
from keyacct.workflow.report_work import Job, Outcome, Paper, error_of, processes, work

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
    paper = Paper(lang, look, root, folder.out)
    writing = {name: fingerprint.of_writing(look, root, lang, name) for name in formats}
    done: list[Written] = []
    todo: list[Job] = []
    kept = 0
    for document in documents:
        content = fingerprint.of_document(document)
        lacking = []
        for name in formats:
            entries = folder.of(document.kind, document.period.label, lang, document.account_no, name)
            digest = fingerprint.joined(content, writing[name])
            if entries and all(e.content_sha256 == digest for e in entries) and folder.whole(entries):
                folder.add(said(document, lang), entries)
                done += entries
                kept += len(entries)
            else:
                lacking.append(name)
        if lacking:
            todo.append(Job(document, tuple(lacking)))

    def take(job: Job, outcome: Outcome) -> None:
        made, trouble = outcome
        document = job.document
        if made:
            content = fingerprint.of_document(document)
            entries = [
                Written(
                    document.account_no, file.format, file.file, file.rows, file.bytes, file.sha256,
                    document.inputs_sha256, document.kind, document.period.label, lang,
                    document.generated_at.isoformat(timespec="seconds"),
                    fingerprint.joined(content, writing[file.format]),
                )
                for file in made
            ]  # fmt: skip
            folder.add(said(document, lang), entries)
            done.extend(entries)
        if trouble is not None:
            raise error_of(trouble)

    try:
        for kind in {document.kind for document in documents}:
            own = [document for document in documents if document.kind == kind]
            folder.drop(kind, own[0].period.label, lang, {document.account_no for document in own})
        work(todo, paper, 1 if len(todo) <= FEW_DOCUMENTS else jobs or processes(), take)
        if len(documents) > 1:
            page = index_page(folder, KINDS[documents[0].kind], paper, documents[0].office, clock.now())
            if page is not None:
                folder.add(None, [page[0]])
                done.append(page[0])
                kept += page[1]
    finally:
        if folder.out is not None and done:
            folder.write(_account(documents, formats, lang, began, len(done) - kept, kept))
        folder.close()
    if folder.out is not None:
        settle(folder.out)
        if workspace is not None and len(done) > kept and documents:
            kinds = sorted({document.kind for document in documents})
            body = {"kind": ",".join(kinds), "period": documents[0].period.label, "files": len(done) - kept}
            record(workspace, "report.export", body)
    order = {(document.kind, document.account_no): place for place, document in enumerate(documents)}
    done.sort(key=lambda e: (order.get((e.kind, e.account_no), -1), FORMATS.index(e.format), e.file))
    return WrittenPapers(tuple(done), kept)


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
