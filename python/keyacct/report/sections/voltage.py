"""The voltage part of a report: compliance by point and phase, extremes, daily course."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from keyacct.i18n import Text
from keyacct.report.document import (
    NOT_MEASURED,
    Absent,
    Axis,
    Chart,
    Figure,
    Limit,
    Note,
    Section,
    Series,
    Value,
    Verdict,
)
from keyacct.report.inputs import Row
from keyacct.report.sections.common import (
    PERCENT,
    VOLT,
    Scope,
    gap_notes,
    number,
    plain,
)
from keyacct.report.sections.voltage_columns import COMPLIANCE, DAILY, EXTREMES, FIGURE, NO_LIMITS, TARGET

PHASES = ("A", "B", "C", "AB", "CB", "CA", "total")
CHARTED_POINTS = 6

TITLE = Text("Voltage", "电压质量")


def section(total: Sequence[Row], day: Sequence[Row], scope: Scope) -> Section:
    """Tables by point and phase, the daily compliance rate, one chart of daily extremes a point."""
    if not any(_measured(row) for row in total):
        text = Text(
            "No voltage is monitored at the points of this account in the period.",
            "本期该客户的计量点没有电压监测数据。",
        )
        return Section("voltage", TITLE, notes=(Note("warning", text),))
    rows = sorted(total, key=_order)
    days = sorted(day, key=lambda row: (row["day"], _order(row)))
    tables = (
        COMPLIANCE.fill(map(row_cells, rows)),
        EXTREMES.fill(map(row_cells, rows)),
        DAILY.fill(_day_cells(row, scope) for row in days),
    )
    silent = [str(row["point"]) for row in _heads(rows) if not _measured(row)]
    live = [row for row in days if str(row["point"]) not in silent]
    charts, notes = _charts(rows, days, scope)
    if silent:
        listed = ", ".join(silent)
        notes.append(
            Note(
                "warning",
                Text(f"No voltage in the period at: {listed}.", f"本期无电压数据的监测点: {listed}。"),
            )
        )
    notes += gap_notes(live, scope, TITLE)
    return Section("voltage", TITLE, tables, tuple(charts), tuple(notes))


def figure(total: Sequence[Row]) -> Figure:
    """The lowest rate of the account's points; met only if every point is known to meet its target."""
    if not any(_measured(row) for row in total):
        return Figure(FIGURE, FIGURE.cell(Absent(NOT_MEASURED)))
    heads = _heads(sorted(total, key=_order))
    rated = [row for row in heads if row["rate"] is not None]
    if not rated:
        limits = any(row["lower_v"] is not None and row["upper_v"] is not None for row in heads)
        return Figure(FIGURE, FIGURE.cell(None if limits else Absent(NO_LIMITS)))
    worst = min(rated, key=lambda row: row["rate"])
    target = f"{TARGET.cell(worst['target_rate']).text.en}\u00a0%"
    detail = (
        Text(f"target {target}", f"目标值 {target}")
        if len(heads) == 1
        else Text(
            f"lowest of {len(heads)} points: {worst['point']}; target {target}",
            f"{len(heads)}个监测点中最低: {worst['point']}; 目标值 {target}",
        )
    )
    return Figure(FIGURE, FIGURE.cell(worst["rate"]), _verdict(heads), detail)


def _verdict(heads: Sequence[Row]) -> Verdict | None:
    outcomes = [row["passed"] for row in heads]
    if any(outcome is False for outcome in outcomes):
        return "fail"
    return "pass" if all(outcome is True for outcome in outcomes) else None


def _order(row: Row) -> tuple[str, str, int, str]:
    phase = str(row["phase"])
    rank = PHASES.index(phase) if phase in PHASES else len(PHASES)
    return (str(row["point"]), str(row["meter"]), rank, phase)


def _measured(row: Row) -> bool:
    """Whether a row holds any value: the analysis gives one for every point, phase and day."""
    return row["monitored_min"] is not None


def _day_cells(row: Row, scope: Scope) -> dict[str, Value]:
    if _measured(row):
        return row_cells(row)
    known = ("day", "point", "phase")
    missing = scope.missing(row["day"])
    return {column.key: missing for column in DAILY.columns} | {key: row_cells(row)[key] for key in known}


def row_cells(row: Row) -> dict[str, Value]:
    """A row of the analysis as the columns take it."""
    unlimited = _measured(row) and (row["lower_v"] is None or row["upper_v"] is None)
    without = Absent(NO_LIMITS) if unlimited else None  # the analysis forms no rate then
    phase = Text("all", "合计") if row["phase"] == "total" else row["phase"]
    return {
        **row,
        "phase": phase,
        "meter": row["meter"] or None,
        "rate_pct": row["rate"] if without is None else without,
        "passed": row["passed"] if without is None else without,
        **{key: row[key] if _measured(row) else Absent(NOT_MEASURED) for key in ("over_limit_min", "under_limit_min")},
        "target_pct": row["target_rate"],
        "completeness_pct": row["completeness"],
    }


def _heads(rows: Sequence[Row]) -> list[Row]:
    """One row a point: of all phases together, else of the phase with the lowest rate."""
    points: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        points.setdefault((str(row["point"]), str(row["meter"])), []).append(row)
    heads = []
    for group in points.values():
        joined = [row for row in group if row["phase"] == "total"]
        rated = [row for row in group if row["rate"] is not None]
        heads.append(joined[0] if joined else min(rated, key=lambda row: row["rate"]) if rated else group[0])
    return heads


def _charts(rows: Sequence[Row], days: Sequence[Row], scope: Scope) -> tuple[list[Chart], list[Note]]:
    heads = [row for row in _heads(rows) if _measured(row)]
    shown = sorted(heads, key=lambda row: (row["rate"] is None, row["rate"] or 0, _order(row)))[:CHARTED_POINTS]
    shown.sort(key=_order)
    notes = []
    if len(shown) < len(heads):
        notes.append(
            Note(
                "info",
                Text(
                    f"Charts show the {len(shown)} of {len(heads)} points with the lowest rate; the tables show all.",
                    f"图中仅绘出{len(heads)}个监测点中合格率最低的{len(shown)}个, 表格列出全部。",
                ),
            )
        )
    if not days:
        return [], notes
    charts = []
    if any(row["rate"] is not None for row in days):
        charts.append(_compliance_chart(shown, days, scope))
    charts += [_band_chart(head, number_, days, rows, scope) for number_, head in enumerate(shown, 1)]
    return charts, notes


def _of(head: Row, days: Sequence[Row]) -> list[Row]:
    return [row for row in days if (row["point"], row["meter"]) == (head["point"], head["meter"])]


def _compliance_chart(shown: Sequence[Row], days: Sequence[Row], scope: Scope) -> Chart:
    series = []
    for color, head in enumerate(shown):
        by_day: dict[object, float] = {}
        for row in _of(head, days):
            if row["phase"] == head["phase"] and row["rate"] is not None:
                by_day[row["day"]] = row["rate"]
        values = tuple(number(by_day.get(day), 3, percent=True) for day in scope.days())
        series.append(Series(f"rate_{color + 1}_pct", plain(str(head["point"])), values, color))
    targets = sorted(
        {rounded for head in shown if (rounded := number(head["target_rate"], 2, percent=True)) is not None}
    )
    return Chart(
        "voltage_compliance_daily",
        "line",
        Text("Compliance rate by day", "逐日电压合格率"),
        Text(
            "Daily voltage compliance rate of each point in percent, with the target.",
            "各监测点逐日电压合格率(%)与目标值。",
        ),
        scope.day_axis(),
        tuple(scope.day_name(day) for day in scope.days()),
        tuple(series),
        Axis(Text("Compliance rate", "合格率"), PERCENT, high=Decimal(100)),
        3,
        tuple(Limit(Text("target", "目标"), target) for target in targets),
        wide=True,
    )


def _band_chart(head: Row, index: int, days: Sequence[Row], rows: Sequence[Row], scope: Scope) -> Chart:
    """Daily lowest to highest value over all phases, the mean of each phase, the limits."""
    mine = _of(head, days)
    phases = [str(row["phase"]) for row in _of(head, rows)]
    phases = [phase for phase in phases if phase != "total"] or phases
    low: dict[object, float] = {}
    high: dict[object, float] = {}
    mean: dict[tuple[str, object], float] = {}
    for row in mine:
        day = row["day"]
        if row["min_v"] is not None:
            low[day] = min(row["min_v"], low.get(day, row["min_v"]))
        if row["max_v"] is not None:
            high[day] = max(row["max_v"], high.get(day, row["max_v"]))
        if row["mean_v"] is not None:
            mean[(str(row["phase"]), day)] = row["mean_v"]
    all_days = scope.days()
    span = Text("lowest to highest", "最低~最高")
    series = [
        Series("min_v", span, tuple(number(low.get(day), 1) for day in all_days), 5, "low"),
        Series("max_v", span, tuple(number(high.get(day), 1) for day in all_days), 5, "high"),
    ]
    for color, phase in enumerate(phases):
        name = (
            Text("mean", "平均")
            if phase == "total"
            else Text(f"mean {phase}", f"{phase}相平均" if len(phase) == 1 else f"{phase}平均")
        )
        series.append(
            Series(
                f"mean_{phase.lower()}_v",
                name,
                tuple(number(mean.get((phase, day)), 1) for day in all_days),
                color,
            )
        )
    lower, upper = number(head["lower_v"], 1), number(head["upper_v"], 1)
    limits = []
    if upper is not None:
        limits.append(Limit(Text("upper", "上限"), upper))
    if lower is not None:
        limits.append(Limit(Text("lower", "下限"), lower))
    point = str(head["point"])
    return Chart(
        f"voltage_band_{index}",
        "band",
        Text(f"Voltage by day: {point}", f"逐日电压: {point}"),
        Text(
            f"Daily lowest, highest and mean voltage of point {point} against its limits.",
            f"监测点{point}逐日最低、最高、平均电压与上下限。",
        ),
        scope.day_axis(),
        tuple(scope.day_name(day) for day in all_days),
        tuple(series),
        Axis(Text("Voltage", "电压"), VOLT),
        1,
        tuple(limits),
        band=(lower, upper) if lower is not None and upper is not None else None,
        wide=True,
    )
