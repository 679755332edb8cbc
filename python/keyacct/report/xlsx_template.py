"""The office's own workbook, filled: its cells with known names get the report's values, all else stays as it is.

Names (Formulas → Name Manager in Excel), each of one cell:

    keyacct_office  keyacct_title  keyacct_subtitle  keyacct_period  keyacct_first_day  keyacct_last_day
    keyacct_account_no  keyacct_account_name  keyacct_generated_at  keyacct_inputs_sha256
    keyacct_figure_<key>                   a key figure
    keyacct_table_<key>                    a table with its headings, from this cell to the right and down
    keyacct_column_<table>.<column>        the values of one column, from this cell down

Keys are those of the data dictionary. Only here is openpyxl used: no other library keeps what it does not know.
"""

from __future__ import annotations

import datetime as dt
import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keyacct.errors import ConfigError
from keyacct.i18n import Lang
from keyacct.report.document import Cell, Column, Document

PREFIX = "keyacct_"
LARGEST_TEMPLATE_BYTES = 10 * 1024 * 1024
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_MODIFIED = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*(</dcterms:)")


def fill_template(file: Path, document: Document, lang: Lang) -> bytes:
    """The workbook of the template with the document's values.

    Raises ConfigError: openpyxl is not installed, the file is no workbook, or a name in it is not known.
    """
    book = _open(file)
    try:
        known = dict(_values(document, lang))
        for name, sheet, row, column in _names(book, file):
            _fill(known, name, document, lang, sheet, row, column, file)
        buffer = io.BytesIO()
        book.save(buffer)
    finally:
        book.close()
    return _steady(buffer.getvalue(), document.generated_at)


def _open(file: Path) -> Any:
    try:
        import openpyxl
    except ImportError:
        raise ConfigError(
            "config.report_unavailable",
            "an xlsx template needs the library openpyxl",
            hint="pip install 'keyacct[templates]', or take the template away",
            where={"file": str(file)},
        ) from None
    try:
        if file.stat().st_size > LARGEST_TEMPLATE_BYTES:
            raise _wrong(file, f"it has more than {LARGEST_TEMPLATE_BYTES >> 20} MiB", "take out pictures")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what openpyxl does not know it says at every opening
            return openpyxl.load_workbook(file, keep_links=False)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, openpyxl.utils.exceptions.InvalidFileException) as error:
        raise _wrong(file, f"it is no workbook that can be read: {error}", "save it as .xlsx without macros") from None


def _names(book: Any, file: Path) -> Iterator[tuple[str, Any, int, int]]:
    """(name without prefix, sheet, row, column) of every name that is ours, in order."""
    found = 0
    defined = dict(book.defined_names)
    for sheet in book.worksheets:  # a name may also belong to one sheet
        defined |= dict(sheet.defined_names)
    for name in sorted(defined):
        if not name.lower().startswith(PREFIX):
            continue
        places = list(defined[name].destinations)
        if len(places) != 1 or ":" in places[0][1]:
            raise _wrong(file, f"the name {name!r} is not of one cell", "let it refer to a single cell")
        sheet, place = places[0]
        if sheet not in book.sheetnames:
            raise _wrong(file, f"the name {name!r} refers to the sheet {sheet!r}, which is not there", "mend the name")
        cell = book[sheet][place.replace("$", "")]
        found += 1
        yield name[len(PREFIX) :], book[sheet], cell.row, cell.column
    if not found:
        raise _wrong(file, f"no cell has a name that begins with {PREFIX}", "name the cells to be filled")


def _values(document: Document, lang: Lang) -> Iterator[tuple[str, str | dt.date]]:
    yield "office", document.office
    yield "title", document.title.to(lang)
    yield "subtitle", document.subtitle.to(lang)
    yield "period", document.period.label
    yield "first_day", document.period.first
    yield "last_day", document.period.last
    yield "account_no", document.account_no
    yield "account_name", document.account_name
    yield "generated_at", document.generated_at.isoformat(timespec="seconds")
    yield "inputs_sha256", document.inputs_sha256


def _fill(
    known: dict[str, str | dt.date],
    name: str,
    document: Document,
    lang: Lang,
    sheet: Any,
    row: int,
    column: int,
    file: Path,
) -> None:
    what, _, key = name.partition("_")
    if name in known:
        _put(sheet, row, column, known[name])
    elif what == "figure":
        figures = {figure.column.key: figure for figure in (*document.figures, document.completeness)}
        if key in figures:
            _place(sheet, row, column, figures[key].column, figures[key].cell, lang)
    elif what == "table":
        for table in document.tables():
            if table.spec.key == key:
                for across, head in enumerate(table.spec.columns):
                    _put(sheet, row, column + across, head.heading(lang))
                    for down, cells in enumerate(table.rows, 1):
                        _place(sheet, row + down, column + across, head, cells[across], lang)
    elif what == "column":
        wanted, _, own = key.partition(".")
        for table in document.tables():
            for across, head in enumerate(table.spec.columns):
                if (table.spec.key, head.key) == (wanted, own):
                    for down, cells in enumerate(table.rows):
                        _place(sheet, row + down, column, head, cells[across], lang)
    else:
        raise _wrong(file, f"the name {PREFIX}{name} is not known", "docs/reports.md lists the names")


def unknown_keys(file: Path, keys: set[str]) -> list[str]:
    """The names of a template whose key no report has. keys: `figure_…`, `table_…`, `column_…` of the dictionary."""
    book = _open(file)
    try:
        names = [name for name, _, _, _ in _names(book, file)]
    finally:
        book.close()
    return [name for name in names if name.partition("_")[0] in ("figure", "table", "column") and name not in keys]


def _place(sheet: Any, row: int, column: int, head: Column, cell: Cell, lang: Lang) -> None:
    target = sheet.cell(row, column)
    if cell.number is not None:
        target.value = float(cell.number)
        if target.number_format == "General":
            target.number_format = "#,##0" + ("." + "0" * head.decimals if head.decimals else "")
    elif cell.day is not None:
        _put(sheet, row, column, cell.day)
    else:
        _put(sheet, row, column, cell.text.to(lang))


def _put(sheet: Any, row: int, column: int, value: str | dt.date) -> None:
    target = sheet.cell(row, column)
    if isinstance(value, str):
        target.value = _CONTROL.sub(" ", value)
        target.data_type = "s"  # a text that begins like a formula stays a text
    else:
        target.value = value
        target.number_format = "yyyy-mm-dd"


def _steady(content: bytes, made: dt.datetime) -> bytes:
    """The same workbook with the report's time in place of the clock's, so that it has the same bytes every time."""
    stamp = made.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "docProps/core.xml":
                data = _MODIFIED.sub(rb"\g<1>" + stamp + rb"\g<3>", data)
            new.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _wrong(file: Path, why: str, hint: str) -> ConfigError:
    return ConfigError("config.invalid", f"the template fails: {why}", hint=hint, where={"file": str(file)})
