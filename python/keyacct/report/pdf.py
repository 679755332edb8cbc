"""A document as PDF, set by typst: no system library, no network, the same bytes every time.

The page is a fixed template (`templates/report.typ`); the document reaches it as JSON, so no text of it is ever read as
markup. Document identifiers follow from the content and there is no creation date but `generated_at`.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import re
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

from keyacct.errors import ConfigError, InternalError
from keyacct.i18n import Lang, Text
from keyacct.report import wording
from keyacct.report.document import VERDICTS, Chart, Document, Figure, Note, Section, Table
from keyacct.report.fonts import Font, find_font, fonts_in, require_font
from keyacct.report.glyphs import lacking
from keyacct.report.look import Logo, Look
from keyacct.report.palette import ACCENT, BAD, GOOD, INK, LINE, PANEL, SOFT, svg_style
from keyacct.report.pdf_layout import (
    MARGIN_MM,
    PAD_PT,
    STRIP_GAP_PT,
    Sheet,
    break_words,
    breakable,
    plan,
    sheet_of,
    strips,
)
from keyacct.report.svg import draw

TEMPLATE = "report.typ"
ROUNDS_TO_FORGET = 11
"""The typesetter keeps what it computed for its last ten pages of work, some 50 MB a report. Empty ones push it out:
a worker then stays below 200 MB, for a sixth of the time a report takes."""

PACKAGE_IMPORT = re.compile(r"\"(@[\w.-]+/[^\"]*)\"")
CARD_EM = 15.0
"""Room of a key figure's name, in em, before a long word of it is broken."""


def write_pdf(document: Document, lang: Lang, look: Look | None = None, root: Path | None = None) -> bytes:
    """The document as the bytes of a PDF file.

    root: folder of the workspace, for a template or font of the office's own. Raises ConfigError when the text needs
    Chinese characters and no font has them, or when an own template is wrong.
    """
    look = look or Look()
    font = find_font(look.font, root)
    data = page_data(document, lang, look, font)
    content = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    require_font(font, content)
    absent = lacking(font.file, content) if font.file is not None else ""
    if absent:
        named = ", ".join(f"U+{ord(char):04X}" for char in absent)
        note = Note("warning", Text(*(sentence.format(font=font.family, signs=named) for sentence in wording.NO_GLYPH)))
        data["notes"].append(_note(note, lang))
        content = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return compile_pdf(content, font, template_of(look, document.kind), document.generated_at)


def template_of(look: Look, kind: str) -> tuple[str, str]:
    """The template's text and where it is from: the office's own folder, else ours. Raises ConfigError."""
    file = look.template(kind, TEMPLATE)
    if file is None:
        return _own_template(), ""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "config.invalid", f"the template cannot be read: {error}", hint="mend it", where={"file": str(file)}
        ) from None
    package = PACKAGE_IMPORT.search(text)
    if package is not None:
        line = text.count("\n", 0, package.start()) + 1
        raise ConfigError(
            "config.invalid",
            f"the template fails: it imports the package {package[1]}, which would have to come from the network",
            hint="put what you need of it into the template itself",
            where={"file": str(file), "line": line},
        )
    return text, str(file)


@functools.cache
def _own_template() -> str:
    return (files("keyacct.report") / "templates" / TEMPLATE).read_text(encoding="utf-8")


def compile_pdf(content: str, font: Font, template: tuple[str, str], made: dt.datetime) -> bytes:
    """The PDF of a page's data in JSON. Raises ConfigError for a wrong template of the office's own."""
    import typst

    source, origin = template
    compiler = compiler_with(font)
    try:
        found = compiler.compile(
            input=source.encode(),
            format="pdf",
            sys_inputs={"document": content},
            timestamp=int(made.timestamp()),
            pdf_tags=False,
        )
    except typst.TypstError as error:
        if not origin:
            raise InternalError("internal.bug", f"the report template fails: {error.message}") from error
        hint = "; ".join(error.hints) or "`keyacct report check-template` shows every mistake"
        raise ConfigError(
            "config.invalid", f"the template fails: {error.message}", hint=hint, where={"file": origin}
        ) from None
    if not isinstance(found, bytes):
        raise InternalError("internal.bug", "the typesetter gave no PDF")
    for _ in range(ROUNDS_TO_FORGET):
        compiler.compile(input=b"", format="pdf")
    return found


@functools.cache
def compiler_with(font: Font) -> Any:
    """One compiler a process: its fonts are read once. Its root is an empty place, so a template reads no file."""
    import typst

    nowhere = files("keyacct.report") / "templates" / "nothing"
    with tempfile.TemporaryDirectory(prefix="keyacct-font-") as folder:
        fonts = fonts_in(Path(folder), font)
        compiler = typst.Compiler(root=str(nowhere), font_paths=fonts, ignore_system_fonts=True)
        use = f'#set text(font: "{_attribute(font.family)}")\na中'  # the font is then in memory, the folder may go
        compiler.compile(input=use.encode(), format="pdf")
    return compiler


def page_data(document: Document, lang: Lang, look: Look, font: Font) -> dict[str, Any]:
    """What the template sees: plain texts, numbers as their document spells them, charts as SVG."""
    sheet = sheet_of(document, look.paper)
    figures = [*document.figures, document.completeness]
    return {
        "lang": lang,
        "font": font.family,
        "paper": sheet.paper.lower(),
        "landscape": sheet.landscape,
        "one_page": document.one_page,
        "margin_mm": MARGIN_MM,
        "pad_pt": PAD_PT,
        "gap_pt": STRIP_GAP_PT,
        "width_pt": round(sheet.width_pt, 2),
        "colors": {"ink": INK, "soft": SOFT, "line": LINE, "panel": PANEL, "accent": ACCENT, "pass": GOOD, "fail": BAD},
        "words": _words(lang),
        "office": document.office,
        "logo": None if look.logo is None else _logo(look.logo),
        "title": document.title.to(lang),
        "subtitle": document.subtitle.to(lang),
        "period": document.period.label,
        "span": f"{document.period.first} {wording.TO.to(lang)} {document.period.last}",
        "account_no": document.account_no,
        "account_name": break_words(document.account_name, 30),
        "facts": [[fact.label.to(lang), break_words(fact.value.to(lang), 18)] for fact in document.facts],
        "figures": [_figure(figure, lang) for figure in figures],
        "sections": [_section(section, lang, sheet, font) for section in document.sections],
        "notes": [_note(note, lang) for note in document.notes],
        "parameters": [[fact.label.to(lang), break_words(fact.value.to(lang), 18)] for fact in document.parameters],
        "generated": document.generated_at.isoformat(timespec="seconds"),
        "inputs": document.inputs_sha256,
    }


def _words(lang: Lang) -> dict[str, str]:
    return {
        "account_no": wording.ACCOUNT_NO.to(lang),
        "figures": wording.FIGURES.to(lang),
        "notes": wording.NOTES.to(lang),
        "parameters": wording.PARAMETERS.to(lang),
        "missing": wording.MISSING.to(lang),
        "appendix": wording.APPENDIX.to(lang),
        "generated": wording.GENERATED.to(lang),
        "inputs": wording.INPUTS.to(lang),
        "page": wording.PAGE.to(lang),
    }


def _figure(figure: Figure, lang: Lang) -> dict[str, Any]:
    cell = figure.cell
    return {
        "name": break_words(figure.column.title.to(lang), CARD_EM),
        "value": cell.text.to(lang),
        "unit": "" if cell.absent else figure.column.unit.to(lang),
        "absent": cell.absent is not None,
        "verdict": figure.verdict,
        "verdict_name": VERDICTS[figure.verdict].to(lang) if figure.verdict else "",
        "detail": break_words((cell.absent or figure.detail).to(lang), CARD_EM),
    }


def _section(section: Section, lang: Lang, sheet: Sheet, font: Font) -> dict[str, Any]:
    return {
        "title": section.title.to(lang),
        "notes": [_note(note, lang) for note in section.notes],
        "charts": [_chart(chart, lang, font) for chart in section.charts],
        "tables": [_table(table, lang, sheet) for table in section.tables],
    }


def _note(note: Note, lang: Lang) -> list[str]:
    return [note.level, wording.LEVELS[note.level].to(lang), break_words(note.text.to(lang), 40)]


def _chart(chart: Chart, lang: Lang, font: Font) -> dict[str, Any]:
    drawing = draw(chart, lang, chart.key)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" font-family="{_attribute(font.family)}"'
    return {
        "title": chart.title.to(lang),
        "summary": chart.summary.to(lang),
        "svg": drawing.replace("<svg", head, 1).replace(">", f"><style>{svg_style()}</style>", 1),
        "wide": chart.wide,
    }


def _attribute(text: str) -> str:
    return "".join(char for char in text if char.isalnum() or char in " -_.")


def _table(table: Table, lang: Lang, sheet: Sheet) -> dict[str, Any]:
    columns = table.spec.columns
    panels = []
    for panel in plan(table, lang, sheet.width_pt):
        chosen = [(place, columns[place], width) for place, width in zip(panel.columns, panel.widths_pt, strict=True)]
        rows = [
            [
                [row[place].text.to(lang), row[place].verdict]
                if row[place].verdict
                else breakable(row[place], column, lang, width, panel.size_pt)
                for place, column, width in chosen
            ]
            for row in table.rows
        ]
        panels.append(
            {
                "size_pt": panel.size_pt,
                "widths_pt": list(panel.widths_pt),
                "right": [column.numeric for _, column, _ in chosen],
                "heads": [
                    [break_words(column.title.to(lang), (width - 2 * PAD_PT) / panel.size_pt), column.unit.to(lang)]
                    for _, column, width in chosen
                ],
                "strips": _strips(rows, strips(panel, len(rows), sheet.width_pt)),
            }
        )
    return {
        "title": table.spec.title.to(lang),
        "detail": table.spec.detail,
        "panels": panels,
        "missing": [
            f"{reason.to(lang)} ({', '.join(column.title.to(lang) for column in missing)})"
            for reason, missing in table.reasons()
        ],
    }


def _strips(rows: list[Any], count: int) -> list[list[Any]]:
    """The rows in so many runs of like length."""
    height = -(-len(rows) // count) or 1
    return [rows[start : start + height] for start in range(0, max(len(rows), 1), height)]


def _logo(logo: Logo) -> str:
    """The picture wrapped in a drawing, which the typesetter takes as text."""
    size = f'width="{logo.width_px}" height="{logo.height_px}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {size}>'
        f'<image {size} xlink:href="{logo.data_url()}"/></svg>'
    )
