"""One CSV file a table, UTF-8: keys as header, plain numbers, text that no spreadsheet runs as a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from keyacct.i18n import Lang
from keyacct.report.document import Cell, Document, Figure, Table

BOM = "\ufeff"
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")
"""First characters that make a spreadsheet take text for a formula; full-width ones in some settings."""


def write_csv(document: Document, lang: Lang, *, bom: bool = False) -> dict[str, bytes]:
    """The document's key figures and tables: name of the part → bytes.

    A missing value is an empty field. Every row begins with the account number, so files of many accounts can
    be joined. bom: begin with a byte-order mark, which older spreadsheet programs need to see that it
    is UTF-8.
    """
    parts = {"figures": _figures([*document.figures, document.completeness], document.account_no, lang)}
    for table in document.tables():
        parts[table.spec.key] = _table(table, document.account_no, lang)
    return {name: ((BOM if bom else "") + text).encode("utf-8") for name, text in parts.items()}


def safe(text: str) -> str:
    """Text as a field: with an apostrophe in front where a spreadsheet would run it."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _field(cell: Cell, lang: Lang) -> str:
    if cell.absent is not None:
        return ""
    return cell.plain if cell.plain is not None else safe(cell.text.to(lang))


def _table(table: Table, account_no: str, lang: Lang) -> str:
    header = ["account_no", *(column.key for column in table.spec.columns)]
    return _write([header, *([safe(account_no), *(_field(cell, lang) for cell in row)] for row in table.rows)])


def _figures(figures: Iterable[Figure], account_no: str, lang: Lang) -> str:
    rows = [["account_no", "figure", "value", "unit", "assessment", "remark"]]
    for figure in figures:
        reason = figure.cell.absent or figure.detail
        rows.append(
            [
                safe(account_no),
                figure.column.key,
                _field(figure.cell, lang),
                figure.column.unit.to(lang),
                figure.verdict or "",
                safe(reason.to(lang)),
            ]
        )
    return _write(rows)


def _write(rows: Iterable[Sequence[str]]) -> str:
    buffer = io.StringIO()
    # Lines end as RFC 4180 says; it also makes the writer quote a text that holds a lone carriage return.
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue()
