"""What a report says, apart from how it looks: typed, frozen, every number rounded once.

A `Column` turns a value into a `Cell`; the writers only place cells. A value that is not there is an en dash
together with the reason, never a zero that looks measured.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from keyacct.errors import InternalError
from keyacct.i18n import Lang, Text
from keyacct.model import Period

DASH = "–"
NO_UNIT = Text("", "")
NOT_MEASURED = Text("no measurement in this period", "本期无测量数据")
NOT_COMPUTABLE = Text("not computable from these data", "现有数据无法计算")


@dataclass(frozen=True)
class Absent:
    """A value that is not there, and why."""

    reason: Text


Value = None | bool | int | float | Decimal | str | Text | dt.date | dt.datetime | Absent
ColumnKind = Literal["number", "share", "text", "instant", "date", "verdict"]
Verdict = Literal["pass", "fail"]


@dataclass(frozen=True)
class Cell:
    """One value, ready to be placed.

    text: what people read. plain: the same for programs (numbers without grouping, instants ISO 8601 with
    offset), None for a missing value and for plain words. number: the rounded number, for numeric columns.
    absent: why there is no value. verdict: of a yes/no column.
    """

    text: Text
    plain: str | None = None
    number: Decimal | None = None
    day: dt.date | None = None
    absent: Text | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Column:
    """A column of a table, or a key figure: its name, its unit, how it is rounded, what it means.

    kind `share` takes 0..1 and shows percent. `instant` takes an aware civil time that ends an
    interval: midnight is shown as 24:00 of the day before. `verdict` takes True (met) or False (not met).
    source: the rule behind the number (standard, clause), empty for plain facts.
    """

    key: str
    title: Text
    definition: Text
    kind: ColumnKind = "number"
    unit: Text = NO_UNIT
    decimals: int = 0
    source: Text = NO_UNIT
    absent: Text = NOT_MEASURED

    @property
    def numeric(self) -> bool:
        """Whether cells hold numbers."""
        return self.kind in ("number", "share")

    def heading(self, lang: Lang) -> str:
        """Title with the unit in brackets."""
        unit = self.unit.to(lang)
        return f"{self.title.to(lang)} ({unit})" if unit else self.title.to(lang)

    def cell(self, value: Value) -> Cell:
        """The value rounded and spelled. Raises InternalError when it does not fit the column's kind."""
        if value is None or isinstance(value, Absent):
            return Cell(Text(DASH, DASH), absent=self.absent if value is None else value.reason)
        match self.kind, value:
            case "verdict", bool():
                verdict: Verdict = "pass" if value else "fail"
                return Cell(VERDICTS[verdict], plain=verdict, verdict=verdict)
            case "number" | "share", int() | float() | Decimal() if not isinstance(value, bool):
                return self._number(value)
            case "instant", dt.datetime(tzinfo=dt.tzinfo()):
                return Cell(_same(interval_end(value)), plain=value.isoformat(timespec="minutes"))
            case "date", dt.date() if not isinstance(value, dt.datetime):
                return Cell(_same(value.isoformat()), plain=value.isoformat(), day=value)
            case "text", Text() | str():
                return Cell(value if isinstance(value, Text) else _same(value))
        raise InternalError("internal.bug", f"column {self.key!r} ({self.kind}) cannot show {value!r}")

    def _number(self, value: float | Decimal) -> Cell:
        if isinstance(value, float) and not math.isfinite(value):
            return Cell(Text(DASH, DASH), absent=NOT_COMPUTABLE)
        number = rounded(value, self.decimals, percent=self.kind == "share")
        shown = f"{number:,f}"
        return Cell(Text(shown, shown), plain=f"{number:f}", number=number)


def _same(text: str) -> Text:
    return Text(text, text)


VERDICTS: dict[Verdict, Text] = {"pass": Text("pass", "达标"), "fail": Text("fail", "未达标")}


def rounded(value: float | Decimal, decimals: int, *, percent: bool = False) -> Decimal:
    """The value half-up at so many decimals, as its shortest spelling reads (0.895 is 0.90, not 0.89)."""
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    number = (exact * 100 if percent else exact).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    return number if number else abs(number)  # no "-0.00"


def interval_end(at: dt.datetime) -> str:
    """The stamp of an interval's end as the field writes it: the day's last interval ends at 24:00."""
    if at.time() == dt.time():
        return f"{at.date() - dt.timedelta(days=1)} 24:00"
    return at.strftime("%Y-%m-%d %H:%M")


@dataclass(frozen=True)
class TableSpec:
    """A table without its rows: what the data dictionary lists.

    short: name of a spreadsheet's sheet, at most 31 characters. detail: long, folded away on a screen.
    """

    key: str
    title: Text
    short: Text
    columns: tuple[Column, ...]
    detail: bool = False

    def fill(self, rows: Iterable[Mapping[str, Value]]) -> Table:
        """The table of these rows; a key that a row lacks is a missing value."""
        return Table(
            self,
            tuple(tuple(column.cell(row.get(column.key)) for column in self.columns) for row in rows),
        )


@dataclass(frozen=True)
class Table:
    """A filled table."""

    spec: TableSpec
    rows: tuple[tuple[Cell, ...], ...]

    def reasons(self) -> list[tuple[Text, list[Column]]]:
        """Why values are missing: each reason once, with the columns it holds for."""
        found: dict[Text, dict[str, Column]] = {}
        for index, column in enumerate(self.spec.columns):
            for row in self.rows:
                reason = row[index].absent
                if reason is not None:
                    found.setdefault(reason, {})[column.key] = column
        return [(reason, list(columns.values())) for reason, columns in found.items()]


@dataclass(frozen=True)
class Figure:
    """A key figure at the top of a report."""

    column: Column
    cell: Cell
    verdict: Verdict | None = None
    detail: Text = NO_UNIT


@dataclass(frozen=True)
class Series:
    """One run of values over a chart's categories. color: index into the palette. role: how it is drawn."""

    key: str
    name: Text
    values: tuple[Decimal | None, ...]
    color: int = 0
    role: Literal["line", "bar", "low", "high"] = "line"


@dataclass(frozen=True)
class Limit:
    """A horizontal line: a limit, a target, a nominal value."""

    name: Text
    value: Decimal


@dataclass(frozen=True)
class Axis:
    """The value axis. low, high: ends that the data must not shrink."""

    title: Text
    unit: Text = NO_UNIT
    low: Decimal | None = None
    high: Decimal | None = None

    def heading(self, lang: Lang) -> str:
        """Title with the unit in brackets."""
        unit = self.unit.to(lang)
        return f"{self.title.to(lang)} ({unit})" if unit else self.title.to(lang)


@dataclass(frozen=True)
class Chart:
    """A chart as data: every series has one value (or None) for each category.

    ticks: the categories that may carry a label, all when empty. ticks_from_end: thin them out counting
    from the last (a day's curve wants 24:00). band: the limits between which the ground is shaded.
    wide: full width.
    """

    key: str
    kind: Literal["line", "bar", "band"]
    title: Text
    summary: Text
    category_title: Text
    categories: tuple[Text, ...]
    series: tuple[Series, ...]
    axis: Axis
    decimals: int = 0
    limits: tuple[Limit, ...] = ()
    band: tuple[Decimal, Decimal] | None = None
    stacked: bool = False
    ticks: tuple[int, ...] = ()
    ticks_from_end: bool = False
    wide: bool = False


@dataclass(frozen=True)
class Note:
    """A remark: `info` explains, `warning` says what is missing or doubtful, `rule` names a rule in use."""

    level: Literal["info", "warning", "rule"]
    text: Text


@dataclass(frozen=True)
class Fact:
    """A label and what stands beside it."""

    label: Text
    value: Text


@dataclass(frozen=True)
class Section:
    """A part of a report. One without tables, charts and rows says why in its notes."""

    key: str
    title: Text
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Document:
    """One report about one subject over one period.

    completeness: share of the expected values that were there. inputs_sha256: digest of everything that the
    numbers were made from. generated_at: the clock's present, in the workspace's zone. one_page: it is meant to be one
    page of paper, so its charts are printed smaller.
    """

    kind: str
    title: Text
    subtitle: Text
    office: str
    account_no: str
    account_name: str
    period: Period
    facts: tuple[Fact, ...]
    parameters: tuple[Fact, ...]
    completeness: Figure
    figures: tuple[Figure, ...]
    sections: tuple[Section, ...]
    notes: tuple[Note, ...]
    inputs_sha256: str
    generated_at: dt.datetime
    one_page: bool = False

    def tables(self) -> list[Table]:
        """All tables in reading order."""
        return [table for section in self.sections for table in section.tables]

    def row_count(self) -> int:
        """Rows of all tables."""
        return sum(len(table.rows) for table in self.tables())
