"""Figures of a period beside those of the period before and of a year before (S0 §2.6.3, 2.6.4)."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from keyacct import clock
from keyacct.analysis.point_energy import DOUBTFUL, point_energy
from keyacct.analysis.question import measurable
from keyacct.config import Workspace
from keyacct.model import Period, midnight_ms

Dimension = Literal["account", "industry", "line", "voltage_level"]
DIMENSIONS: dict[Dimension, str] = {
    "account": "account_no",
    "industry": "industry_code",
    "line": "supply_line",
    "voltage_level": "voltage_level_kv",
}
"""What energies are grouped by, and the column of `point_parameters` that tells."""


def previous_period(period: Period) -> Period:
    """The period of the same kind that ends the day before: the month before, the week before, as many days before."""
    last = period.first - dt.timedelta(days=1)
    match period.kind:
        case "month":
            return Period.parse(f"{last:%Y-%m}")
        case "quarter":
            return Period.parse(f"{last.year}Q{(last.month + 2) // 3}")
        case "year":
            return Period.parse(str(last.year))
        case "week":
            year, week, _ = last.isocalendar()
            return Period.parse(f"{year}-W{week:02d}")
        case "ten_day":
            return Period.parse(f"{last:%Y-%m}/{min((last.day + 9) // 10, 3)}")
        case "day":
            return Period.parse(str(last))
    first = last - (period.last - period.first)
    return Period.parse(f"{first}..{last}")


def last_year(period: Period) -> Period | None:
    """The same period a year before; None where that year has none (29 February, week 53)."""
    try:
        match period.kind:
            case "month" | "ten_day" | "quarter" | "year":
                return Period.parse(f"{period.first.year - 1}{period.label.strip()[4:]}")
            case "week":
                year, week, _ = period.first.isocalendar()
                dt.date.fromisocalendar(year - 1, week, 1)
                return Period.parse(f"{year - 1}-W{week:02d}")
        first, last = (day.replace(year=day.year - 1) for day in (period.first, period.last))
    except ValueError:
        return None
    if period.last.month == 2 and period.last.day == 28 and calendar.isleap(last.year) and period.first.day == 1:
        last = last.replace(day=29)  # a span of whole months stays one
    return Period.parse(str(first) if period.kind == "day" else f"{first}..{last}")


@dataclass(frozen=True)
class Compared:
    """One amount in three periods. None: nothing measured, or no such period."""

    now: Decimal | None
    before: Decimal | None
    year_ago: Decimal | None

    def change(self, other: Literal["before", "year_ago"]) -> Decimal | None:
        """Amount of now less that of the other period."""
        base = self.before if other == "before" else self.year_ago
        return None if self.now is None or base is None else self.now - base

    def change_rate(self, other: Literal["before", "year_ago"]) -> Decimal | None:
        """The change as a share of the other period's amount; None where that is 0."""
        base = self.before if other == "before" else self.year_ago
        change = self.change(other)
        return None if change is None or not base else change / base


@dataclass(frozen=True)
class Group:
    """Energy of a group of billing points. key: None for those that the registry puts in no group.

    completeness: of the three periods, the lowest of the group's points. causes: what changed beside the use itself, as
    codes with their data: see `CAUSES`.
    """

    key: str | None
    name: str
    energy_kwh: Compared
    share: Decimal | None
    completeness: tuple[float | None, float | None, float | None]
    causes: tuple[str, ...]


CAUSES = (
    "days_differ", "incomplete_now", "incomplete_before", "incomplete_year_ago", "points_changed", "capacity_changed",
    "meter_changed", "ratio_changed", "provisional",
)  # fmt: skip
"""Cause tags that keyacct can tell from its own data: unequal numbers of days, missing values, other metering points,
capacity, meter or ratio than in the period before, doubtful registers. Weather, market and policy are the office's to say.
"""


@dataclass(frozen=True)
class Comparison:
    """Energies of three periods by one dimension, sorted by key; total: all groups together."""

    dimension: Dimension
    period: Period
    before: Period
    year_ago: Period | None
    groups: tuple[Group, ...]
    total: Group


@dataclass
class _Side:
    """What one period gave for a group."""

    energy: Decimal | None = None
    completeness: float | None = None
    points: frozenset[str] = frozenset()
    meters: frozenset[str] = frozenset()
    ratios: frozenset[tuple[str, Decimal]] = frozenset()
    capacity: frozenset[tuple[str, float | None]] = frozenset()
    doubtful: bool = False
    name: str = ""


def compare(
    workspace: Workspace, period: Period, by: Dimension | Sequence[Dimension], *, accounts: Sequence[str]
) -> list[Comparison]:
    """Active energy imported at billing points, by each dimension asked for, in this period, the one before, a year ago.

    An energy belongs to the group that its point was in while it flowed. A period that is not over, or that begins before
    the registry knows a point, compares what there is; the tags say so. Raises ConfigError of the registry.
    """
    dimensions: Sequence[Dimension] = [by] if isinstance(by, str) else by
    before, ago = previous_period(period), last_year(period)
    spans = [[] if asked is None else _spans(workspace, asked, accounts) for asked in (period, before, ago)]
    result = []
    for dimension in dimensions:
        sides = [_sides(rows, DIMENSIONS[dimension]) for rows in spans]
        keys = sorted({key for side in sides for key in side}, key=lambda key: (key is None, key or ""))
        whole = [_together(side.values()) for side in sides]
        base = whole[0].energy
        common = _days(workspace, period, before)
        groups = [_group(key, [side.get(key, _Side()) for side in sides], base, common) for key in keys]
        total = _group(None, whole, base, common)
        result.append(Comparison(dimension, period, before, ago, tuple(groups), total))
    return result


def _days(workspace: Workspace, period: Period, before: Period) -> bool:
    """Whether both periods have the same number of days that are over."""
    today = midnight_ms(clock.now().astimezone(workspace.zone).date(), workspace.zone)
    passed = sum(midnight_ms(day, workspace.zone) < today for day in period.days())
    return passed == len(list(before.days()))


def _spans(workspace: Workspace, period: Period, accounts: Sequence[str]) -> list[dict[str, Any]]:
    known = measurable(workspace, period, accounts)
    if not known:
        return []
    rows: list[dict[str, Any]] = point_energy(workspace, period, accounts=known, kinds=("billing",)).spans.to_pylist()
    return rows


def _sides(rows: Iterable[Mapping[str, Any]], column: str) -> dict[str | None, _Side]:
    groups: dict[str | None, list[Mapping[str, Any]]] = {}
    for row in rows:
        value = row[column]
        key = None if value is None else f"{value:g}" if isinstance(value, float) else str(value)
        groups.setdefault(key, []).append(row)
    return {key: _side(own, named=column == "account_no") for key, own in groups.items()}


def _side(rows: Sequence[Mapping[str, Any]], *, named: bool) -> _Side:
    name = str(rows[-1]["account_name"] or "") if named else ""
    rows = [row for row in rows if row["import_kwh"] is not None]  # a point without any value is no part of the amount
    energies = [row["import_kwh"] for row in rows]
    shares = [row["completeness"] for row in rows if row["completeness"] is not None]
    return _Side(
        sum(energies, Decimal(0)) if energies else None,
        min(shares) if shares else None,
        frozenset(row["point"] for row in rows),
        frozenset(row["meter"] for row in rows),
        frozenset((row["meter"], row["multiplier"]) for row in rows),
        frozenset((row["account_no"], row.get("running_capacity_kva")) for row in rows),
        any(DOUBTFUL & set(row["flags"]) for row in rows),
        name,
    )


def _together(sides: Iterable[_Side]) -> _Side:
    found = list(sides)
    energies = [side.energy for side in found if side.energy is not None]
    shares = [side.completeness for side in found if side.completeness is not None]

    def union(name: str) -> frozenset[Any]:
        return frozenset().union(*(getattr(side, name) for side in found))

    return _Side(
        sum(energies, Decimal(0)) if energies else None,
        min(shares) if shares else None,
        union("points"), union("meters"), union("ratios"), union("capacity"),
        any(side.doubtful for side in found),
    )  # fmt: skip


def _group(key: str | None, sides: Sequence[_Side], whole: Decimal | None, same_days: bool) -> Group:
    now, before, ago = sides
    energy = Compared(now.energy, before.energy, ago.energy)
    causes: list[str] = []
    if before.energy is not None and now.energy is not None:
        same_meters = now.meters & before.meters
        ratios = {(meter, ratio) for meter, ratio in now.ratios ^ before.ratios if meter in same_meters}
        same_accounts = {a for a, _ in now.capacity} & {a for a, _ in before.capacity}
        changes = {
            "days_differ": not same_days,
            "points_changed": now.points != before.points,
            "capacity_changed": any(a in same_accounts for a, _ in now.capacity ^ before.capacity),
            "meter_changed": now.meters != before.meters and now.points == before.points,
            "ratio_changed": bool(ratios),
        }
        causes += [name for name, holds in changes.items() if holds]
    names = ("incomplete_now", "incomplete_before", "incomplete_year_ago")
    causes += [
        name
        for name, side in zip(names, sides, strict=True)
        if side.energy is not None and side.completeness is not None and side.completeness < 1
    ]
    if any(side.doubtful for side in sides):
        causes.append("provisional")
    share = now.energy / whole if now.energy is not None and whole else None
    name = next((side.name for side in sides if side.name), "")
    order = {cause: place for place, cause in enumerate(CAUSES)}
    shares = (now.completeness, before.completeness, ago.completeness)
    return Group(key, name, energy, share, shares, tuple(sorted(causes, key=order.__getitem__)))
