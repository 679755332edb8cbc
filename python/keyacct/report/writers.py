"""Every format by its name: the one place that knows the writers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from keyacct.errors import InternalError
from keyacct.i18n import Lang
from keyacct.report.document import Document
from keyacct.report.look import Look

FORMATS = ("xlsx", "pdf", "html", "csv")


@dataclass(frozen=True)
class Part:
    """One file of a report. name: the table of a CSV file, else empty; rows: of the tables in it."""

    name: str
    rows: int
    content: bytes


def parts(
    document: Document, lang: Lang, format: str, look: Look | None = None, root: Path | None = None
) -> list[Part]:
    """The files of a document in one format: one, or for CSV one a table.

    root: folder of the workspace, for what the look names in it. Raises ConfigError where a PDF cannot be set or an own
    template is wrong.
    """
    return list(_parts(document, lang, format, look or Look(), root))


def _parts(document: Document, lang: Lang, format: str, look: Look, root: Path | None) -> Iterator[Part]:
    if format == "xlsx":
        from keyacct.report.xlsx import write_xlsx

        yield Part("", document.row_count(), write_xlsx(document, lang, look))
    elif format == "pdf":
        from keyacct.report.pdf import write_pdf

        yield Part("", document.row_count(), write_pdf(document, lang, look, root))
    elif format == "html":
        from keyacct.report.html import write_html

        yield Part("", document.row_count(), write_html(document, lang, look))
    elif format == "csv":
        from keyacct.report.csv import write_csv

        rows = {table.spec.key: len(table.rows) for table in document.tables()}
        rows["figures"] = len(document.figures) + 1
        for name, content in write_csv(document, lang, bom=look.csv_bom).items():
            yield Part(name, rows[name], content)
    else:
        raise InternalError("internal.bug", f"no writer for {format!r}")
