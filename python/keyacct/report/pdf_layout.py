"""How tables fit a printed page: the width of each column, the size of the type, and where a wide table is parted.

Widths are estimated from the text, on the wide side, so that a number is never clipped and the plan does not depend on
the font that happens to be installed. Text wraps; numbers, dates and times never do.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from keyacct.i18n import Lang
from keyacct.report.document import Cell, Column, Document, Table

PAPERS_MM: dict[str, tuple[float, float]] = {"A4": (210.0, 297.0), "A3": (297.0, 420.0)}
MARGIN_MM = 14.0
POINTS_PER_MM = 72 / 25.4
FITS = (
    (8.0, 24.0), (7.5, 24.0), (7.0, 24.0), (7.5, 16.0), (7.0, 16.0), (6.5, 24.0),
    (6.5, 16.0), (7.0, 11.0), (6.5, 11.0), (6.0, 11.0), (6.0, 8.0),
)  # fmt: skip
"""Type size, and em that a text column may take before it wraps: the first pair with which a table fits the line."""

PARTED = (7.0, 11.0)
"""The pair for a table that does not fit and is parted."""
PAD_PT = 3.0
LATIN_EM, WIDE_EM = 0.58, 1.0
PORTRAIT_COLUMNS = 8
"""A report whose widest table has more columns than this is printed landscape."""

FULL_SHARE = 0.55
"""A table that needs at least this share of the line is stretched to the whole of it."""


STRIP_GAP_PT = 18.0
STRIP_ROWS = 16
"""A long and narrow table is set in strips side by side, each of at least so many rows."""


@dataclass(frozen=True)
class Sheet:
    """The page. width_pt: of the text."""

    paper: str
    landscape: bool

    @property
    def width_pt(self) -> float:
        """Width between the margins."""
        short, long = PAPERS_MM[self.paper]
        return ((long if self.landscape else short) - 2 * MARGIN_MM) * POINTS_PER_MM


@dataclass(frozen=True)
class Panel:
    """A part of a table that fits the page. columns: their places in the table; widths_pt: one each."""

    columns: tuple[int, ...]
    widths_pt: tuple[float, ...]
    size_pt: float


def sheet_of(document: Document, paper: str) -> Sheet:
    """Portrait where every table is narrow, else landscape."""
    widest = max((len(table.spec.columns) for table in document.tables()), default=0)
    return Sheet(paper, landscape=widest > PORTRAIT_COLUMNS)


def em_width(text: str) -> float:
    """Width in em of the widest line of a text, on the wide side."""
    return max((sum(_em(char) for char in line) for line in text.split("\n")), default=0.0)


def _em(char: str) -> float:
    if char < "\x7f":
        return LATIN_EM if char not in "MW%@" else 0.92
    if unicodedata.combining(char):
        return 0.0
    return WIDE_EM if unicodedata.east_asian_width(char) in "WFA" else 0.66


def plan(table: Table, lang: Lang, width_pt: float) -> list[Panel]:
    """One panel where the table fits at a readable size, else several that each repeat the leading text columns."""
    columns = range(len(table.spec.columns))
    texts = [[row[place].text.to(lang) for row in table.rows] for place in columns]
    for size, cap in FITS:
        needs = [_need(table.spec.columns[place], texts[place], lang, cap) * size + 2 * PAD_PT for place in columns]
        if sum(needs) <= width_pt:
            return [Panel(tuple(columns), _stretched(needs, width_pt), size)]
    size, cap = PARTED
    needs = [_need(table.spec.columns[place], texts[place], lang, cap) * size + 2 * PAD_PT for place in columns]
    return _parted(table, needs, width_pt, size)


def _need(column: Column, texts: Sequence[str], lang: Lang, cap: float) -> float:
    """Em that a column needs: its values (text may wrap), and the longest piece of its heading that cannot break."""
    widest = max(map(em_width, set(texts)), default=0.0)
    if _wraps(column):
        widest = min(widest, cap)
    return max(widest, _heading_need(column, lang), 2.0) + 0.1


def _wraps(column: Column) -> bool:
    return column.kind == "text"


def _heading_need(column: Column, lang: Lang) -> float:
    title = column.title.to(lang)
    pieces = title.replace("/", "/ ").split()
    longest = max((em_width(piece) for piece in pieces), default=0.0)
    if not title.isascii():  # Chinese breaks anywhere: three or four characters a line read well
        longest = min(longest, max(3.0, em_width(title) / 2))
    return max(longest, em_width(column.unit.to(lang)))


def _stretched(needs: Sequence[float], width_pt: float) -> tuple[float, ...]:
    """The whole line for a table that takes most of it; what is over goes to all columns alike."""
    wanted = min(width_pt, sum(needs) * 1.25) if sum(needs) < FULL_SHARE * width_pt else width_pt
    over = (wanted - sum(needs)) / max(len(needs), 1)
    return tuple(round(need + over, 2) for need in needs)


def strips(panel: Panel, rows: int, width_pt: float) -> int:
    """In how many strips side by side a table is set."""
    fitting = int((width_pt + STRIP_GAP_PT) / (sum(panel.widths_pt) + STRIP_GAP_PT))
    return max(1, min(fitting, rows // STRIP_ROWS))


def _parted(table: Table, needs: Sequence[float], width_pt: float, size: float) -> list[Panel]:
    lead = 0
    columns = table.spec.columns
    while lead < min(3, len(columns) - 1) and not columns[lead].numeric:
        lead += 1
    while lead > 1 and sum(needs[:lead]) > width_pt / 3:
        lead -= 1
    base = list(needs[:lead])
    if lead and base[0] > width_pt / 2:
        base, lead = [], 0
    panels: list[Panel] = []
    places: list[int] = []
    for place in range(lead, len(columns)):
        taken = sum(base) + sum(needs[p] for p in places)
        if places and taken + needs[place] > width_pt:
            panels.append(_panel(lead, places, needs, width_pt, size))
            places = []
        places.append(place)
    panels.append(_panel(lead, places, needs, width_pt, size))
    return panels


def _panel(lead: int, places: Sequence[int], needs: Sequence[float], width_pt: float, size: float) -> Panel:
    columns = (*range(lead), *places)
    widths = [min(needs[place], width_pt) for place in columns]
    over = max(0.0, width_pt - sum(widths)) / len(widths)
    if sum(widths) < FULL_SHARE * width_pt:
        over = 0.0
    return Panel(columns, tuple(round(width + over, 2) for width in widths), size)


def breakable(cell: Cell, column: Column, lang: Lang, width_pt: float, size_pt: float) -> str:
    """A cell's text; in a word too long for its column, places where the line may break (U+200B)."""
    text = cell.text.to(lang)
    if not _wraps(column):
        return text
    return break_words(text, (width_pt - 2 * PAD_PT) / size_pt)


def break_words(text: str, room_em: float) -> str:
    """The text with a place to break in every run of characters that is wider than the room."""
    if em_width(text) <= room_em:
        return text
    out: list[str] = []
    run = 0.0
    for char in text:
        wide = unicodedata.east_asian_width(char) in "WF"
        if char.isspace() or wide:
            run = 0.0
        elif run + _em(char) > room_em:
            out.append("\u200b")
            run = 0.0
        out.append(char)
        run += 0.0 if char.isspace() or wide else _em(char)
    return "".join(out)
