"""What the sections share: units, days of a period, gaps in the data."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from keyacct.i18n import Text
from keyacct.model import Period
from keyacct.report.document import Absent, Column, Note, rounded
from keyacct.report.inputs import Row

VOLT = Text("V", "V")
KW = Text("kW", "kW")
KWH = Text("kWh", "kWh")
KVARH = Text("kvarh", "kvarh")
MINUTES = Text("min", "分钟")
PERCENT = Text("%", "%")
NOT_YET = Absent(Text("not yet over when the report was made", "出报表时尚未结束"))
NO_DATA_THIS_DAY = Absent(Text("no data of this day", "当日无数据"))
LISTED_GAPS = 12

POINT = Column(
    "point",
    Text("Metering point", "计量点"),
    Text("Metering point of the account.", "客户的计量点。"),
    "text",
)
METER = Column(
    "meter",
    Text("Meter", "表号"),
    Text("Meter in service at the point.", "该计量点在用电能表的表号。"),
    "text",
)
DAY = Column(
    "day",
    Text("Day", "日期"),
    Text("Civil day; its last interval ends at 24:00.", "自然日, 最后一个时段止于24:00。"),
    "date",
)
COMPLETENESS = Column(
    "completeness_pct",
    Text("Completeness", "数据完整率"),
    Text("Values present of those expected.", "实有数据占应有数据的比例。"),
    "share",
    PERCENT,
    2,
)

COMPLETENESS_FIGURE = Column(
    "data_completeness_pct",
    Text("Data completeness", "数据完整率"),
    Text(
        "Lowest share of expected values that were present, over the parts of the report.",
        "报告各部分实有数据占应有数据比例的最低值。",
    ),
    "share",
    PERCENT,
    2,
    absent=Text("no data", "无数据"),
)


@dataclass(frozen=True)
class Scope:
    """The period, and the civil day on which the report is made."""

    period: Period
    today: dt.date

    @property
    def unfinished(self) -> bool:
        """Whether the period still runs."""
        return self.period.last >= self.today

    def days(self) -> list[dt.date]:
        """Every day of the period."""
        return list(self.period.days())

    def missing(self, day: dt.date) -> Absent:
        """Why a day has no figures."""
        return NOT_YET if day >= self.today else NO_DATA_THIS_DAY

    def day_name(self, day: dt.date) -> Text:
        """A day on a chart's axis: its number within one month, else month and day."""
        same = (self.period.first.year, self.period.first.month) == (
            self.period.last.year,
            self.period.last.month,
        )
        name = str(day.day) if same else day.strftime("%m-%d")
        return Text(name, name)

    def day_axis(self) -> Text:
        """What the axis of days says."""
        if (self.period.first.year, self.period.first.month) == (
            self.period.last.year,
            self.period.last.month,
        ):
            month = self.period.first.strftime("%Y-%m")
            return Text(f"Day of {month}", f"{month} 各日")
        return Text("Day", "日期")


def number(value: Any, decimals: int, *, percent: bool = False) -> Decimal | None:
    """A chart value, rounded as a table column of so many decimals would show it."""
    return None if value is None else rounded(value, decimals, percent=percent)


def plain(text: str) -> Text:
    """A text that is the same in both languages."""
    return Text(text, text)


def gap_notes(rows: Iterable[Row], scope: Scope, of: Text) -> list[Note]:
    """Days of the period, so far as it is over, without data or with gaps; the lowest row of a day counts."""
    shares: dict[dt.date, float] = {}
    for row in rows:
        share = row["completeness"]
        if share is not None:
            shares[row["day"]] = min(shares.get(row["day"], 1.0), float(share))
    past = [day for day in scope.days() if day < scope.today]
    empty = [day for day in past if shares.get(day, 0.0) == 0.0]
    partial = [day for day in past if 0.0 < shares.get(day, 0.0) < 1.0]
    notes = []
    if empty:
        notes.append(
            Note(
                "warning",
                Text(
                    f"{of.en}: no data on {len(empty)} of {len(past)} days: {_runs(empty)}.",
                    f"{of.zh}: {len(past)}天中{len(empty)}天无数据: {_runs(empty)}。",
                ),
            )
        )
    if partial:
        listed = ", ".join(f"{day} ({number(shares[day], 2, percent=True)}\u00a0%)" for day in partial[:LISTED_GAPS])
        more = len(partial) - LISTED_GAPS
        notes.append(
            Note(
                "warning",
                Text(
                    f"{of.en}: gaps on {len(partial)} of {len(past)} days: {listed}"
                    + (f" and {more} more days." if more > 0 else "."),
                    f"{of.zh}: {len(past)}天中{len(partial)}天数据不完整: {listed}"
                    + (f" 等, 另有{more}天。" if more > 0 else "。"),
                ),
            )
        )
    return notes


def _runs(days: Sequence[dt.date]) -> str:
    """Days with neighbours joined: `2026-06-03, 2026-06-07 – 2026-06-09`."""
    runs: list[list[dt.date]] = []
    for day in days:
        if runs and day - runs[-1][-1] == dt.timedelta(days=1):
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} – {run[-1]}" for run in runs)
