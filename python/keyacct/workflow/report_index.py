"""The index page of a folder of reports: every report in it, with its key figures and links to its files."""

from __future__ import annotations

import datetime as dt
import hashlib
from itertools import groupby

from keyacct.i18n import Lang
from keyacct.report import fingerprint
from keyacct.report.document import Document
from keyacct.report.files import write_whole
from keyacct.report.html import IndexEntry, IndexGroup, IndexValue, write_index
from keyacct.report.kind import Kind
from keyacct.report.kinds import KINDS
from keyacct.workflow.report_manifest import Folder, Said, Written
from keyacct.workflow.report_work import Paper


def said(document: Document, lang: Lang) -> Said:
    """The document's line in the index."""
    figures = tuple(
        (
            figure.column.key,
            figure.cell.text.to(lang),
            figure.cell.plain or "",
            figure.cell.absent.to(lang) if figure.cell.absent is not None else "",
            figure.verdict or "",
        )
        for figure in (*document.figures, document.completeness)
    )
    return Said(
        document.account_no, document.account_name, document.kind, document.period.label, lang,
        document.title.to(lang), figures,
    )  # fmt: skip


def index_page(folder: Folder, kind: Kind, paper: Paper, office: str, now: dt.datetime) -> tuple[Written, bool] | None:
    """Write the index of all reports of the folder in one language. (its entry, whether it already lay there)."""
    lang = paper.lang
    groups = _groups(folder, lang)
    if not groups:
        return None
    name = f"index_{lang}.html"
    content_digest = fingerprint.joined(
        repr(groups), office, fingerprint.of_writing(paper.look, paper.root, lang, "index")
    )
    old = next(iter(folder.of("", "", lang, "", "html")), None)
    if old is not None and old.content_sha256 == content_digest and folder.whole([old]):
        return old, True
    made = now.isoformat(timespec="seconds")
    content = write_index(groups, office, now, lang, paper.look)
    if paper.out is not None:
        write_whole(paper.out / name, content)
    rows = sum(len(group.entries) for group in groups)
    digest = hashlib.sha256(content).hexdigest()
    entry = Written(
        "", "html", name, rows, len(content), digest, "", lang=lang, generated_at=made, content_sha256=content_digest
    )
    return entry, False


def _groups(folder: Folder, lang: Lang) -> list[IndexGroup]:
    """A table a kind and period, the latest period first within its kind."""
    lines = [line for line in folder.said.values() if line.lang == lang]
    files: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for entry in folder.files.values():
        if entry.lang == lang and entry.kind:
            part = entry.file.removesuffix(".csv").rpartition(f"_{lang}_")[2] if entry.format == "csv" else ""
            found = files.setdefault((entry.kind, entry.period, entry.account_no), [])
            found.append((f"{entry.format} {part}".strip(), entry.file))
    groups = []
    lines.sort(key=lambda line: (line.kind, line.period, line.account_no))
    for (kind, period), members in groupby(lines, key=lambda line: (line.kind, line.period)):
        group = list(members)
        entries = tuple(
            IndexEntry(
                line.account_no,
                line.account_name,
                tuple(IndexValue(*figure) for figure in line.figures),
                tuple(sorted(files.get((kind, period, line.account_no), ()), key=_order)),
            )
            for line in group
        )
        entries = tuple(entry for entry in entries if entry.files)
        if entries:
            columns = {column.key: column for column in KINDS[kind].figures} if kind in KINDS else {}
            groups.append(IndexGroup(group[0].title, period, columns, entries))
    return groups


def _order(file: tuple[str, str]) -> tuple[int, str]:
    formats = ("xlsx", "pdf", "html", "csv")
    return (formats.index(file[0].split()[0]), file[0])
