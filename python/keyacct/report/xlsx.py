"""A document as an Excel workbook: a summary, a sheet a table, native charts, the data dictionary.

The bytes depend on the document alone: the creation date is `generated_at`. Text is always written as
text, so nothing that stands in a name becomes a formula or a link.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Sequence
from typing import Any

from keyacct.i18n import Lang, Text
from keyacct.report import wording
from keyacct.report.dictionary import of_document
from keyacct.report.document import VERDICTS, Cell, Column, Document, Figure, Note, Table
from keyacct.report.look import Logo, Look
from keyacct.report.palette import ACCENT, BAD, GOOD, LINE, PANEL, SOFT
from keyacct.report.text_width import display_width
from keyacct.report.xlsx_charts import PRINT_SCALE_PCT, ChartSheets

FONTS: dict[Lang, str] = {"en": "Calibri", "zh": "Microsoft YaHei"}
PAPERS = {"A4": 9, "A3": 8}
"""Paper codes of the file format."""

SUMMARY_WIDTHS = (30, 18, 12, 12, 60)
WIDEST, NARROWEST = 44, 9
HEADER_ROW = 3
TEMPLATE = "report.xlsx"
LOGO_HEIGHT_PX = 48


def write_xlsx(document: Document, lang: Lang, look: Look | None = None) -> bytes:
    """The document as the bytes of an .xlsx file; the office's own template, filled, where it has one."""
    own = look.template(document.kind, TEMPLATE) if look is not None else None
    if own is not None:
        from keyacct.report.xlsx_template import fill_template

        return fill_template(own, document, lang)
    import xlsxwriter

    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(
        buffer,
        {
            "in_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        },
    )
    book.set_properties(
        {
            "title": f"{document.title.to(lang)} {document.period.label}",
            "subject": document.account_no,
            "company": document.office,
            "created": document.generated_at.astimezone(dt.UTC).replace(tzinfo=None),
        }
    )
    _Writer(book, document, lang, look or Look()).write()
    book.close()
    return buffer.getvalue()


class _Writer:
    """One workbook in the making."""

    def __init__(self, book: Any, document: Document, lang: Lang, look: Look) -> None:
        self.look = look
        self.book = book
        self.document = document
        self.lang = lang
        self.formats: dict[tuple[tuple[str, Any], ...], Any] = {}
        self.names: set[str] = set()

    def write(self) -> None:
        """All sheets in reading order."""
        self._summary()
        charts = ChartSheets(self.book, self.lang, self.format)
        for section in self.document.sections:
            for table in section.tables:
                self._table(table)
            if section.charts:
                name = Text(f"{section.title.en} {wording.CHARTS.en}", f"{section.title.zh}{wording.CHARTS.zh}")
                sheet = self._sheet(name)
                self._print_setup(sheet)
                sheet.set_print_scale(PRINT_SCALE_PCT)
                charts.place(sheet, section.charts)
        self._dictionary()
        if charts.used:
            sheet = self._sheet(wording.CHART_DATA)
            self._print_setup(sheet)
            charts.write_data(sheet)

    def format(self, **properties: Any) -> Any:
        """A cell format; equal ones are made once."""
        key = tuple(sorted(properties.items()))
        if key not in self.formats:
            base = {"font_name": FONTS[self.lang], "font_size": 10, "valign": "vcenter"}
            self.formats[key] = self.book.add_format(base | properties)
        return self.formats[key]

    def _sheet(self, title: Text) -> Any:
        """A sheet of a legal and free name: 31 characters, no brackets, colons, stars, marks, slashes."""
        wanted = "".join("_" if c in "[]:*?/\\" else c for c in title.to(self.lang))[:31].strip("'")
        name, number = wanted, 2
        while name.lower() in self.names:
            tail = f" {number}"
            name, number = wanted[: 31 - len(tail)] + tail, number + 1
        self.names.add(name.lower())
        sheet = self.book.add_worksheet(name)
        sheet.hide_gridlines(2)
        return sheet

    def _print_setup(self, sheet: Any, repeat: int | None = None) -> None:
        sheet.set_paper(PAPERS[self.look.paper])
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.set_margins(left=0.5, right=0.5, top=0.75, bottom=0.6)
        who = f"{self.document.account_no} {self.document.account_name}"
        sheet.set_header(f"&L&9 {_literal(self.document.office)}&R&9 {_literal(who)}"[:255])
        sheet.set_footer(f"&L&9 {_literal(self.document.title.to(self.lang))} {self.document.period.label}&R&9&P / &N")
        if repeat is not None:
            sheet.repeat_rows(repeat)

    def _text(self, sheet: Any, row: int, column: int, text: str, style: Any = None) -> None:
        sheet.write_string(row, column, text, style if style is not None else self.format())

    def _cell(self, sheet: Any, row: int, place: int, column: Column, cell: Cell) -> None:
        frame = {"bottom": 1, "bottom_color": LINE}
        if cell.number is not None:
            pattern = "#,##0" + ("." + "0" * column.decimals if column.decimals else "")
            sheet.write_number(row, place, float(cell.number), self.format(num_format=pattern, **frame))
        elif cell.day is not None:
            style = self.format(num_format="yyyy-mm-dd", align="left", indent=1, **frame)
            sheet.write_datetime(row, place, dt.datetime.combine(cell.day, dt.time()), style)
        elif cell.verdict is not None:
            color = GOOD if cell.verdict == "pass" else BAD
            style = self.format(bold=True, font_color=color, align="left", indent=1, **frame)
            self._text(sheet, row, place, cell.text.to(self.lang), style)
        elif cell.absent is not None:
            style = self.format(font_color=SOFT, **_side(column), **frame)
            self._text(sheet, row, place, cell.text.to(self.lang), style)
        else:
            self._text(
                sheet,
                row,
                place,
                cell.text.to(self.lang),
                self.format(text_wrap=True, align="left", indent=1, **frame),
            )

    def _summary(self) -> None:
        document, lang = self.document, self.lang
        sheet = self._sheet(wording.SUMMARY)
        self._print_setup(sheet)
        sheet.fit_to_pages(1, 1)
        for place, width in enumerate(SUMMARY_WIDTHS):
            sheet.set_column(place, place, width)
        self._text(sheet, 0, 0, document.office, self.format(font_color=SOFT))
        if self.look.logo is not None:
            self._logo(sheet, self.look.logo)
        title = f"{document.title.to(lang)} {document.period.label}"
        sheet.set_row(1, 28)
        self._text(sheet, 1, 0, title, self.format(bold=True, font_size=18, font_color=ACCENT))
        self._text(sheet, 2, 0, document.subtitle.to(lang), self.format(font_color=SOFT))
        row = 4
        span = f"{document.period.first} {wording.TO.to(lang)} {document.period.last}"
        heads = [
            (wording.ACCOUNT_NO.to(lang), document.account_no),
            (wording.ACCOUNT_NAME.to(lang), document.account_name),
            (wording.PERIOD.to(lang), span),
            *((fact.label.to(lang), fact.value.to(lang)) for fact in document.facts),
        ]
        for label, value in heads:
            self._text(sheet, row, 0, label, self.format(font_color=SOFT))
            self._text(sheet, row, 1, value, self.format(bold=label == wording.ACCOUNT_NAME.to(lang)))
            row += 1
        row = self._figures(sheet, row + 1, [*document.figures, document.completeness])
        notes = [note for section in document.sections for note in section.notes] + list(document.notes)
        row = self._notes(sheet, row + 1, notes)
        row = self._heading(sheet, row + 1, wording.PARAMETERS)
        for fact in document.parameters:
            self._text(sheet, row, 0, fact.label.to(lang), self.format(font_color=SOFT))
            self._text(sheet, row, 1, fact.value.to(lang))
            row += 1
        row += 1
        made = document.generated_at.isoformat(timespec="seconds")
        for word, value in ((wording.GENERATED, made), (wording.INPUTS, document.inputs_sha256)):
            self._text(sheet, row, 0, word.to(lang), self.format(font_color=SOFT))
            self._text(sheet, row, 1, value, self.format(font_color=SOFT))
            row += 1

    def _logo(self, sheet: Any, logo: Logo) -> None:
        """The logo at the right of the first rows, as high as they are."""
        scale = LOGO_HEIGHT_PX / logo.height_px
        options = {"image_data": io.BytesIO(logo.content), "x_scale": scale, "y_scale": scale, "decorative": True}
        sheet.insert_image(0, 4, "logo", options)

    def _heading(self, sheet: Any, row: int, title: Text) -> int:
        style = self.format(bold=True, font_size=12, bottom=2, bottom_color=ACCENT)
        for column in range(5):
            self._text(sheet, row, column, title.to(self.lang) if column == 0 else "", style)
        return row + 1

    def _figures(self, sheet: Any, row: int, figures: Sequence[Figure]) -> int:
        row = self._heading(sheet, row, wording.FIGURES)
        heads = (wording.FIGURE, wording.VALUE, wording.UNIT, wording.ASSESSMENT, wording.REMARK)
        for place, word in enumerate(heads):
            style = self.format(
                bold=True,
                bg_color=PANEL,
                align="right" if place == 1 else "left",
                indent=1 if place == 2 else 0,
            )
            self._text(sheet, row, place, word.to(self.lang), style)
        row += 1
        frame = {"bottom": 1, "bottom_color": LINE}
        for figure in figures:
            self._text(sheet, row, 0, figure.column.title.to(self.lang), self.format(**frame))
            self._cell(sheet, row, 1, figure.column, figure.cell)
            self._text(
                sheet,
                row,
                2,
                figure.column.unit.to(self.lang),
                self.format(font_color=SOFT, align="left", indent=1, **frame),
            )
            if figure.verdict is not None:
                style = self.format(bold=True, font_color=GOOD if figure.verdict == "pass" else BAD, **frame)
                self._text(sheet, row, 3, VERDICTS[figure.verdict].to(self.lang), style)
            else:
                self._text(sheet, row, 3, "", self.format(**frame))
            remark = (figure.cell.absent or figure.detail).to(self.lang)
            self._text(sheet, row, 4, remark, self.format(text_wrap=True, font_color=SOFT, **frame))
            row += 1
        return row

    def _notes(self, sheet: Any, row: int, notes: Sequence[Note]) -> int:
        row = self._heading(sheet, row, wording.NOTES)
        width = 18 + 12 + 12 + 60
        for note in notes:
            color = BAD if note.level == "warning" else SOFT
            self._text(sheet, row, 0, wording.LEVELS[note.level].to(self.lang), self.format(font_color=color))
            text = note.text.to(self.lang)
            sheet.merge_range(row, 1, row, 4, "", self.format(text_wrap=True))
            self._text(sheet, row, 1, text, self.format(text_wrap=True))
            sheet.set_row(row, 15 * (1 + int(display_width(text) * 0.9) // width))
            row += 1
        return row

    def _table(self, table: Table) -> None:
        spec, lang = table.spec, self.lang
        sheet = self._sheet(spec.short)
        document = self.document
        self._text(sheet, 0, 0, spec.title.to(lang), self.format(bold=True, font_size=14, font_color=ACCENT))
        about = f"{document.account_no} {document.account_name} · {document.period.label}"
        self._text(sheet, 1, 0, about, self.format(font_color=SOFT))
        lines = 1
        for place, column in enumerate(spec.columns):
            unit = column.unit.to(lang)
            head = f"{column.title.to(lang)}\n({unit})" if unit else column.title.to(lang)
            width = _column_width([row[place].text.to(lang) for row in table.rows], head)
            lines = max(lines, sum(1 + (display_width(part) - 1) // width for part in head.split("\n")))
            style = self.format(
                bold=True, bg_color=PANEL, text_wrap=True, valign="bottom",
                bottom=2, bottom_color=SOFT, **_side(column),
            )  # fmt: skip
            sheet.set_column(place, place, width + 3)
            self._text(sheet, HEADER_ROW, place, head, style)
        sheet.set_row(HEADER_ROW, 15 * lines + 4)
        row = HEADER_ROW + 1
        for cells in table.rows:
            for place, (column, cell) in enumerate(zip(spec.columns, cells, strict=True)):
                self._cell(sheet, row, place, column, cell)
            row += 1
        if table.rows:
            sheet.autofilter(HEADER_ROW, 0, row - 1, len(spec.columns) - 1)
        reasons = table.reasons()
        if reasons:
            row += 1
            self._text(sheet, row, 0, wording.MISSING.to(lang), self.format(bold=True, font_color=SOFT))
            for reason, columns in reasons:
                row += 1
                text = f"{reason.to(lang)} ({', '.join(column.title.to(lang) for column in columns)})"
                self._text(sheet, row, 0, text, self.format(font_color=SOFT))
        sheet.freeze_panes(HEADER_ROW + 1, 1)
        self._print_setup(sheet, HEADER_ROW)

    def _dictionary(self) -> None:
        sheet = self._sheet(wording.DICTIONARY)
        heads = (
            wording.TABLE, wording.COLUMN, wording.KEY, wording.UNIT, wording.DECIMALS, wording.DEFINITION,
            wording.SOURCE,
        )  # fmt: skip
        style = self.format(bold=True, bg_color=PANEL, bottom=2, bottom_color=SOFT)
        for place, (word, width) in enumerate(zip(heads, (34, 24, 24, 8, 9, 70, 22), strict=True)):
            sheet.set_column(place, place, width)
            self._text(sheet, 0, place, word.to(self.lang), style)
        body = self.format(text_wrap=True, valign="top", bottom=1, bottom_color=LINE)
        for row, entry in enumerate(of_document(self.document), 1):
            column = entry.column
            decimals = str(column.decimals) if column.numeric else ""
            texts = (
                entry.place.to(self.lang), column.title.to(self.lang), column.key, column.unit.to(self.lang),
                decimals, column.definition.to(self.lang), column.source.to(self.lang),
            )  # fmt: skip
            for place, text in enumerate(texts):
                self._text(sheet, row, place, text, body)
            sheet.set_row(row, 15 * (1 + display_width(texts[5]) // 70))
        sheet.freeze_panes(1, 0)
        self._print_setup(sheet, 0)


def _side(column: Column) -> dict[str, Any]:
    """Numbers stand right; words left, a little off the numbers before them."""
    return {"align": "right"} if column.numeric else {"align": "left", "indent": 1}


def _column_width(texts: Sequence[str], head: str) -> int:
    """Characters that a column needs: its widest value, and its heading broken between words."""
    values = max((display_width(text) for text in texts), default=0)
    words = max(display_width(word) for word in head.replace("\n", " ").split(" "))
    lines = max(display_width(line) for line in head.split("\n"))
    return max(NARROWEST, min(WIDEST, max(values, words, min(lines, 14))))


def _literal(text: str) -> str:
    """Text inside a page header, where `&` begins a code."""
    return text.replace("&", "&&")
