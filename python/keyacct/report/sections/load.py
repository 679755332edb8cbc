"""The load part of a report: demand, daily loads and energies, tariff split, the curve of the peak day."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from keyacct.i18n import Text
from keyacct.model import TARIFF_PERIODS
from keyacct.report.document import (
    NOT_MEASURED,
    Absent,
    Axis,
    Chart,
    Figure,
    Note,
    Section,
    Series,
    Value,
    interval_end,
)
from keyacct.report.inputs import Row
from keyacct.report.sections.common import KW, KWH, Scope, gap_notes, number, plain
from keyacct.report.sections.load_columns import (
    BILLED,
    CURVE,
    DAILY,
    DEMAND_FIGURE,
    ENERGY_FIGURE,
    LOAD_RATE_FIGURE,
    SPLIT,
    TOTAL,
)

if TYPE_CHECKING:
    from keyacct.analysis.billable_demand import BillableDemand

TITLE = Text("Load and demand", "负荷与需量")
TARIFF_COLORS = {"sharp": 1, "peak": 3, "flat": 4, "valley": 0}
MINUTES_A_DAY = 1440


def section(
    total: Sequence[Row], demand: BillableDemand | None, day: Sequence[Row], curve: Sequence[Row], scope: Scope
) -> Section:
    """Tables of the period, the demand, tariff periods and days; charts of daily energy, peak day and tariff split."""
    known = demand is not None and demand.kw is not None
    if not total or (all(_empty(row) for row in total) and not known):
        text = Text("No load or energy of this account is known in the period.", "本期该客户没有负荷与电量数据。")
        return Section("load", TITLE, notes=(Note("warning", text),))
    row = total[0]
    by_day = {item["day"]: item for item in day}
    split = [(key, name) for key, name in TARIFF_PERIODS.items() if row[f"{key}_kwh"] is not None]
    tables = [TOTAL.fill([_cells(row)]), BILLED.fill([demand_cells(demand)])]
    if split:
        tables.append(SPLIT.fill(_split_rows(row)))
    tables.append(DAILY.fill(_day_rows(by_day, scope)))
    charts = []
    if any(item["energy_kwh"] is not None for item in day):
        charts.append(daily_chart(by_day, scope))
    if any(point["kw"] is not None for point in curve):
        points = sorted(curve, key=lambda point: point["at"])
        tables.append(CURVE.fill({"at": point["at"], "load_kw": point["kw"]} for point in points))
        charts.append(_curve_chart(points))
    if split:
        charts.append(split_chart(row))
    notes = gap_notes(day, scope, TITLE)
    if "from_energy" in (row.get("flags") or ()):
        text = Text(
            "Load and demand are calculated from energies: the mean power of each interval.",
            "负荷与需量由电量计算: 为各时段的平均功率。",
        )
        notes.append(Note("info", text))
    if "without_loss" in (row.get("flags") or ()):
        text = Text(
            "Metered at low voltage: load and energy here are those of the meter; the losses of the transformer are in power "
            "factor, demand and charges.",
            "高供低计: 此处负荷与电量为表计值; 变压器损耗计入功率因数、需量与电费。",
        )
        notes.append(Note("info", text))
    if not split:
        text = Text(
            "No split of the energy by tariff period: there are neither tariff registers nor a tariff "
            "by which the load curve could be split.",
            "无分时电量: 电能表未提供费率示数, 也没有可按电价时段划分的负荷曲线。",
        )
        notes.append(Note("warning", text))
    return Section("load", TITLE, tuple(tables), tuple(charts), tuple(notes))


def figures(total: Sequence[Row], demand: BillableDemand | None) -> list[Figure]:
    """Energy, maximum demand with its time, load rate."""
    at = demand.at if demand is not None else None
    when = Text("", "") if at is None else plain(interval_end(at))
    kw = demand.kw if demand is not None else None
    if all(_empty(row) for row in total):
        return [
            Figure(ENERGY_FIGURE, ENERGY_FIGURE.cell(Absent(NOT_MEASURED))),
            Figure(DEMAND_FIGURE, DEMAND_FIGURE.cell(Absent(NOT_MEASURED) if kw is None else kw), detail=when),
            Figure(LOAD_RATE_FIGURE, LOAD_RATE_FIGURE.cell(Absent(NOT_MEASURED))),
        ]
    row = total[0]
    return [
        Figure(ENERGY_FIGURE, ENERGY_FIGURE.cell(row["energy_kwh"])),
        Figure(DEMAND_FIGURE, DEMAND_FIGURE.cell(kw), detail=when),
        Figure(LOAD_RATE_FIGURE, LOAD_RATE_FIGURE.cell(row["load_rate"])),
    ]


def _empty(row: Row) -> bool:
    """A row of the analysis without any value: it has one for every account and day."""
    return row["energy_kwh"] is None and row["md_kw"] is None


def demand_kind(code: str | None) -> Text | str | None:
    """The analysis' code in words: `block15` is blocks of 15 minutes on the clock."""
    if code is not None and code.startswith("block") and code[5:].isdecimal():
        return Text(f"blocks of {code[5:]} min", f"{code[5:]}分钟固定周期")
    if code is not None and code.startswith("sliding"):
        window, _, slip = code.removeprefix("sliding").partition("/")
        return Text(f"sliding, {window} min by {slip}", f"{window}分钟滑差式 (滑差{slip}分钟)")
    return Text("frozen by the meters", "表计冻结") if code == "frozen" else code


PROVISIONAL: dict[str, Text] = {
    "not_over": Text("the period is not over", "统计期尚未结束"),
    "incomplete": Text("values are missing", "缺数"),
    "several_lines": Text("not each line's own maximum", "非各进线各自的最大值"),
    "loss_unknown": Text("losses of the transformer are not known", "变压器损耗未知"),
}


def demand_cells(demand: BillableDemand | None) -> dict[str, Value]:
    """The cells of the demand that is billed."""
    if demand is None:
        return {}
    names = [PROVISIONAL[reason] for reason in demand.reasons]
    state = Text("final", "确定")
    if names:
        state = Text(f"provisional: {', '.join(n.en for n in names)}", f"暂定: {'、'.join(n.zh for n in names)}")
    return {
        "demand_kw": demand.kw, "demand_at": demand.at, "demand_method": demand_kind(demand.kind),
        "demand_loss_kw": demand.loss_kw, "demand_state": None if demand.kw is None else state,
    }  # fmt: skip


def demand_word(demand: BillableDemand | None) -> Text:
    """Where a demand comes from, beside its figure."""
    word = None if demand is None else demand_kind(demand.kind)
    return word if isinstance(word, Text) else Text("", "")


def demand_note(demands: Mapping[str, BillableDemand]) -> list[Note]:
    """Where the demands of many accounts come from, and whose may still change."""
    kinds: dict[str, int] = {}
    for demand in demands.values():
        if demand.kind is not None:
            kinds[demand.kind] = kinds.get(demand.kind, 0) + 1
    if not kinds:
        return []
    words = [(demand_kind(kind), count) for kind, count in sorted(kinds.items())]
    told = [(word.en, word.zh, count) for word, count in words if isinstance(word, Text)]
    late = sum(demand.provisional for demand in demands.values())
    return [
        Note(
            "info",
            Text(
                f"Maximum demand: {', '.join(f'{en} {count}' for en, _, count in told)}; provisional {late}.",
                f"最大需量来源: {'、'.join(f'{zh}{count}户' for _, zh, count in told)}; 暂定{late}户。",
            ),
        )
    ]


def _cells(row: Row) -> dict[str, Value]:
    return {
        **row,
        "demand_kind": demand_kind(row["demand_kind"]),
        "load_rate_pct": row["load_rate"],
        "min_load_rate_pct": row["min_load_rate"],
        "completeness_pct": row["completeness"],
    }


def _day_rows(by_day: dict[dt.date, Row], scope: Scope) -> list[dict[str, Value]]:
    """A row for every day of the period; a day without data says so."""
    rows: list[dict[str, Value]] = []
    for day in scope.days():
        if day in by_day and not _empty(by_day[day]):
            rows.append(_cells(by_day[day]))
        else:
            rows.append({"day": day} | {column.key: scope.missing(day) for column in DAILY.columns[1:]})
    return rows


def _split_rows(row: Row) -> list[dict[str, Value]]:
    whole = row["energy_kwh"]
    rows: list[dict[str, Value]] = []
    for key, name in TARIFF_PERIODS.items():
        part = row[f"{key}_kwh"]
        share = part / whole if part is not None and whole else None
        rows.append({"tariff_period": name, "energy_kwh": part, "share_pct": share})
    rows.append({"tariff_period": Text("all", "合计"), "energy_kwh": whole, "share_pct": 1 if whole else None})
    return rows


def daily_chart(by_day: dict[dt.date, Row], scope: Scope) -> Chart:
    """Daily energy, stacked by tariff period where every measured day has the split."""
    days = scope.days()
    measured = [row for row in by_day.values() if row["energy_kwh"] is not None]
    keys = [key for key in TARIFF_PERIODS if any(row[f"{key}_kwh"] is not None for row in measured)]
    stacked = bool(keys) and all(any(row[f"{key}_kwh"] is not None for key in keys) for row in measured)

    def values(column: str) -> tuple[Decimal | None, ...]:
        return tuple(number(by_day[day][column], 2) if day in by_day else None for day in days)

    series = (
        tuple(
            Series(
                f"{key}_kwh",
                TARIFF_PERIODS[key],
                values(f"{key}_kwh"),
                TARIFF_COLORS[key],
                "bar",
            )
            for key in reversed(keys)
        )
        if stacked
        else (Series("energy_kwh", Text("energy", "用电量"), values("energy_kwh"), 0, "bar"),)
    )
    return Chart(
        "energy_daily",
        "bar",
        Text("Energy by day", "逐日用电量"),
        Text(
            "Active energy of each day, by tariff period where known.",
            "逐日有功电量, 有分时数据时按时段分列。",
        ),
        scope.day_axis(),
        tuple(scope.day_name(day) for day in days),
        series,
        Axis(Text("Energy", "用电量"), KWH),
        2,
        stacked=stacked,
        wide=True,
    )


def split_chart(row: Row) -> Chart:
    """One bar a tariff period."""
    keys = [key for key in TARIFF_PERIODS if row[f"{key}_kwh"] is not None]
    series = tuple(
        Series(
            f"{key}_kwh",
            TARIFF_PERIODS[key],
            tuple(number(row[f"{key}_kwh"], 2) if other == key else None for other in keys),
            TARIFF_COLORS[key],
            "bar",
        )
        for key in keys
    )
    return Chart(
        "energy_tariff",
        "bar",
        Text("Energy by tariff period", "分时电量"),
        Text("Active energy of each tariff period.", "各电价时段的有功电量。"),
        Text("Tariff period", "时段"),
        tuple(TARIFF_PERIODS[key] for key in keys),
        series,
        Axis(Text("Energy", "用电量"), KWH),
        2,
    )


def _curve_chart(points: Sequence[Row]) -> Chart:
    """The load of one day on its own grid; an interval without a value is a gap."""
    stamps = [_minute_of_day(point["at"], points) for point in points]
    steps = [b - a for a, b in itertools.pairwise(stamps) if b > a]
    step = math.gcd(*steps, MINUTES_A_DAY) if steps else MINUTES_A_DAY
    first = stamps[0] % step
    grid = [minute for minute in range(first, MINUTES_A_DAY + 1, step) if minute > 0]
    loads: dict[int, Any] = dict(zip(stamps, (point["kw"] for point in points), strict=True))
    day = (points[0]["at"] - dt.timedelta(minutes=1)).date()
    names = tuple(plain(f"{minute // 60:02d}:{minute % 60:02d}") for minute in grid)
    hours = tuple(index for index, minute in enumerate(grid) if minute % 60 == 0)
    return Chart(
        "load_curve",
        "line",
        Text(f"Load on the day of maximum demand, {day}", f"最大需量日负荷曲线 ({day})"),
        Text(f"Load curve of {day}, the day of maximum demand.", f"最大需量日{day}的负荷曲线。"),
        Text("Time of day (interval end)", "时刻 (时段止点)"),
        names,
        (Series("load_kw", Text("load", "负荷"), tuple(number(loads.get(minute), 2) for minute in grid), 0),),
        Axis(Text("Load", "负荷"), KW, low=Decimal(0)),
        2,
        ticks=hours,
        ticks_from_end=True,
    )


def _minute_of_day(at: dt.datetime, points: Sequence[Row]) -> int:
    """Minutes since the midnight that begins the curve's day; 24:00 is 1440."""
    midnight = (points[0]["at"] - dt.timedelta(minutes=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    # Wall-clock difference on purpose: both stamps are civil times of one zone, the axis shows civil time.
    return int((at.replace(tzinfo=None) - midnight.replace(tzinfo=None)).total_seconds() // 60)
