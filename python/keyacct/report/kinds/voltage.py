"""Monthly voltage report: every statistic of every monitoring point, classes, combined rate, the day's curve."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from keyacct.config import Workspace
from keyacct.i18n import Text
from keyacct.model import Period
from keyacct.report.document import (
    Axis,
    Chart,
    Column,
    Document,
    Fact,
    Figure,
    Limit,
    Note,
    Section,
    Series,
    TableSpec,
    Value,
)
from keyacct.report.gather import Gathered, gather
from keyacct.report.inputs import Row
from keyacct.report.kind import Kind
from keyacct.report.sections import office, voltage_columns
from keyacct.report.sections.common import COMPLETENESS_FIGURE, DAY, PERCENT, POINT, VOLT, Scope, number, plain
from keyacct.report.sections.office import share, words
from keyacct.report.subject import all_accounts

if TYPE_CHECKING:
    from keyacct.analysis.combined_voltage import CombinedRate

TITLE = Text("Voltage report", "电压合格率月报")
NO_CURRENT = Text("no current beside the voltage, or no nominal voltage", "无同时刻电流数据或无标称电压")
NO_POINTS = Text("no point of this class with a rate", "该类无可计算的监测点")
NO_COMBINED = Text("not computable: no rate of class A, or none of B to D", "不可计算: A类无合格率, 或B~D类均无合格率")
CLASS_RULE = Text("GB/T 12325-2008; combined rate unverified", "GB/T 12325-2008; 综合合格率公式未核实")
LOSS = Column(
    "loss_min",
    Text("Voltage loss", "失压时间"),
    Text(
        "Time of low voltage with current, minutes of the phases and of the loss of all phases added.",
        "有流失压时间, 各相失压与全失压分钟数之和。",
    ),
    unit=Text("min", "分钟"),
    absent=NO_CURRENT,
)
ACCOUNT = replace(office.ACCOUNT_NO, absent=Text("a point of the utility", "供电企业监测点"))
POINTS = TableSpec(
    "voltage_points",
    Text("Monitoring points, all phases", "各监测点(各相合计)"),
    Text("Points", "监测点"),
    (ACCOUNT, *(c for c in voltage_columns.COMPLIANCE.columns if c.key not in ("phase", "meter")), LOSS),
)
EXTREMES = TableSpec(
    "voltage_extremes_office",
    Text("Highest, lowest and mean voltage by phase", "各相最高、最低、平均电压"),
    Text("Extremes", "最高最低"),
    voltage_columns.EXTREMES.columns,
)
RATE_BY_DAY = Column(
    "rate_pct",
    Text("Daily rate", "日合格率"),
    Text("Compliance rate of the day, from its minutes.", "当日合格率, 按分钟数计算。"),
    "share",
    PERCENT,
    3,
    voltage_columns.GB12325,
    Text("no monitored minute", "无有效监测时间"),
)
DAILY = TableSpec(
    "voltage_daily_office",
    Text("Compliance by point and day", "各监测点逐日合格率"),
    Text("By day", "逐日"),
    (
        DAY,
        POINT,
        *(c for c in voltage_columns.DAILY.columns if c.key in ("monitored_min", "over_limit_min", "under_limit_min")),
        RATE_BY_DAY,
    ),
    detail=True,
)
CLASS = words("class", Text("Class", "类别"), Text("Monitoring-point class.", "监测点类别。"))
COUNT = Column(
    "points", Text("Points", "监测点数"), Text("Points of the class with a rate.", "该类有合格率的监测点数。")
)
UNRATED = Column(
    "points_without_rate",
    Text("Without rate", "无合格率点数"),
    Text("Points of the class without a rate.", "该类无合格率的监测点数。"),
)
MEAN = Column(
    "class_rate_pct",
    Text("Compliance rate", "合格率"),
    Text("Unweighted mean of the points' rates.", "各监测点合格率的算术平均值。"),
    "share",
    PERCENT,
    3,
    CLASS_RULE,
    NO_POINTS,
)
CLASSES = TableSpec(
    "voltage_classes", Text("By point class", "按监测点类别"), Text("Classes", "类别"), (CLASS, COUNT, UNRATED, MEAN)
)
HOUR = Column("hour", Text("Hour", "小时"), Text("Hour of the day, 0 to 23.", "一日中的小时, 0~23。"))
PHASE = voltage_columns.PHASE
CURVE = TableSpec(
    "voltage_curve",
    Text("Voltage by hour of the day", "24小时电压曲线"),
    Text("Hourly voltage", "24小时电压"),
    (
        POINT,
        PHASE,
        HOUR,
        Column(
            "mean_v",
            Text("Mean", "平均"),
            Text("Mean of the hour's values over the period.", "统计期内该小时各值的平均。"),
            unit=VOLT,
            decimals=1,
        ),
        Column(
            "min_v", Text("Lowest", "最低"), Text("Lowest value of the hour.", "该小时最低值。"), unit=VOLT, decimals=1
        ),
        Column(
            "max_v",
            Text("Highest", "最高"),
            Text("Highest value of the hour.", "该小时最高值。"),
            unit=VOLT,
            decimals=1,
        ),
    ),
    detail=True,
)
COMBINED_FIGURE = Column(
    "combined_rate_pct",
    Text("Combined compliance rate", "综合电压合格率"),
    Text(
        "0.5·γA + 0.5·(γB + γC + γD)/3 of the classes' mean rates; a class without points is left out of the bracket, without "
        "class A there is none.",
        "0.5·γA + 0.5·(γB + γC + γD)/3, γ为各类平均合格率; 无监测点的类别不计入括号内, 无A类则不可计算。",
    ),
    "share",
    PERCENT,
    3,
    CLASS_RULE,
    NO_COMBINED,
)
MEETING_FIGURE = share(
    "points_meeting_target_pct",
    Text("Points meeting the target", "监测点达标率"),
    Text("Share of the points with a rate.", "有合格率的监测点中达标的比例。"),
)
LOWEST_FIGURE = Column(
    "lowest_rate_pct",
    Text("Lowest rate", "最低合格率"),
    Text("Compliance rate of the point with the lowest.", "最低的监测点合格率。"),
    "share",
    PERCENT,
    3,
    voltage_columns.GB12325,
)
CHARTED = 4


def build(workspace: Workspace, period: Period, accounts: Sequence[str], generated_at: dt.datetime) -> list[Document]:
    """One document over the points of all the accounts. Raises KeyacctError of the registry or of an analysis."""
    from keyacct.analysis.combined_voltage import combined_rate, voltage_curve
    from keyacct.analysis.question import measurable
    from keyacct.analysis.voltage_loss import voltage_loss

    accounts = sorted(accounts)
    whole = set(accounts) >= set(all_accounts(workspace))
    found = gather(workspace, period, accounts, load=False, voltage=True, office_points=whole)
    known = measurable(workspace, period, accounts)
    curve = voltage_curve(workspace, period, accounts=None if whole else known).to_pylist() if known or whole else []
    asked = None if whole else known
    losses = voltage_loss(workspace, period, accounts=asked).total.to_pylist() if known or whole else []
    lost = {
        row["point"]: row["voltage_loss_min"] + row["all_voltage_loss_min"] for row in losses if row["phase"] == "total"
    }
    scope = Scope(period, generated_at.astimezone(workspace.zone).date())
    rows = [row for account in ("", *accounts) for row in found.voltage.get(account, ())]
    totals = [row for row in rows if row["phase"] == "total"]
    rated = [row for row in totals if row["rate"] is not None]
    combined = combined_rate((row["monitoring_class"], row["rate"]) for row in totals)
    worst = min(rated, key=lambda row: (row["rate"], row["point"])) if rated else None
    met = sum(bool(row["passed"]) for row in rated)
    sections = [
        Section("classes", CLASSES.title, (CLASSES.fill(_classes(combined)),), (), tuple(_class_notes(combined))),
        _points(rows, totals, accounts, found, lost),
        _days(found, accounts, scope, rated),
        _curve_section(curve, rated),
    ]
    return [
        office.document(
            "voltage",
            TITLE,
            Text("Points, classes, combined rate", "监测点、类别与综合合格率"),
            workspace,
            period,
            generated_at,
            accounts=accounts,
            completeness=office.lowest([row["completeness"] for row in totals if row["monitored_min"] is not None]),
            figures=[
                Figure(COMBINED_FIGURE, COMBINED_FIGURE.cell(combined.rate)),
                Figure(
                    MEETING_FIGURE,
                    MEETING_FIGURE.cell(met / len(rated) if rated else None),
                    detail=Text(f"{met} of {len(rated)}", f"{len(rated)}点中{met}点") if rated else plain(""),
                ),
                Figure(
                    LOWEST_FIGURE,
                    LOWEST_FIGURE.cell(worst["rate"] if worst else None),
                    detail=plain(worst["point"]) if worst else plain(""),
                ),
            ],
            sections=sections,
            inputs={"rows": rows, "days": found.voltage_day, "curve": curve, "losses": losses},
            parameters=_parameters(workspace),
            notes=[Note("rule", _RULE)],
        )
    ]


_RULE = Text(
    "Compliance: GB/T 12325-2008, (1 − (over + under) / monitored), from the minutes of the whole period, never from daily ones. "
    "Minutes below the assessment floor are neither monitored nor under limit. Maximum and minimum are the first of equal ones.",
    "合格率: GB/T 12325-2008, 1 − (超上限 + 超下限)/监测总时间, 按整期分钟数计算, 不取日合格率平均。低于考核下限的时间不计入"
    "监测时间与超下限时间。最高、最低值相同时取首次出现者。",
)


def _parameters(workspace: Workspace) -> tuple[Fact, ...]:
    settings = workspace.settings.voltage
    cells = {
        Text("Voltage assessment floor", "电压考核下限"): settings.assessment_floor,
        Text("Over-voltage above", "过压门槛"): settings.overvoltage,
    }
    return (
        *(
            Fact(label, Text(f"{office.per(value, 0)} of nominal", f"标称电压的{office.per(value, 0)}"))
            for label, value in cells.items()
        ),
        Fact(Text("Target", "目标值"), plain(office.per(settings.target_rate))),
    )


def _classes(combined: CombinedRate) -> list[dict[str, Value]]:
    return [
        {
            "class": name,
            "points": combined.counted[name],
            "points_without_rate": combined.unrated[name],
            "class_rate_pct": rate,
        }
        for name, rate in combined.by_class.items()
    ]


def _class_notes(combined: CombinedRate) -> list[Note]:
    if not combined.unclassed:
        return []
    number_of = combined.unclassed
    text = Text(
        f"{number_of} points have a rate but no class in the registry; they are in no class's mean.",
        f"{number_of}个有合格率的监测点档案未登记类别, 未计入分类平均。",
    )
    return [Note("warning", text)]


def _points(
    rows: Sequence[Row], totals: Sequence[Row], accounts: Sequence[str], found: Gathered, lost: Mapping[str, float]
) -> Section:
    from keyacct.report.sections.voltage import row_cells

    title = Text("Monitoring points", "监测点")
    if not any(row["monitored_min"] is not None for row in rows):
        text = Text("No voltage is monitored in the period.", "本期没有电压监测数据。")
        return Section("points", title, notes=(Note("warning", text),))
    tables = (
        POINTS.fill(
            {**row_cells(row), "account": row["account_no"], "loss_min": lost.get(row["point"])} for row in totals
        ),
        EXTREMES.fill(row_cells(row) for row in rows),
    )
    notes = office.without_data(
        accounts,
        lambda a: any(row["monitored_min"] is not None for row in found.voltage.get(a, ())),
        Text("Voltage", "电压"),
    )
    return Section("points", title, tables, (), tuple(notes))


def _days(found: Gathered, accounts: Sequence[str], scope: Scope, rated: Sequence[Row]) -> Section:
    rows = sorted(
        (row for a in ("", *accounts) for row in found.voltage_day.get(a, ()) if row["phase"] == "total"),
        key=lambda row: (row["day"], row["point"]),
    )
    if not any(row["monitored_min"] is not None for row in rows):
        return Section("days", DAILY.title, notes=(Note("info", Text("No day with values.", "无有数据的日期。")),))
    cells: list[dict[str, Value]] = []
    for row in rows:
        if row["monitored_min"] is None:
            missing: dict[str, Value] = {column.key: scope.missing(row["day"]) for column in DAILY.columns}
            cells.append(missing | {"day": row["day"], "point": row["point"]})
        else:
            cells.append({**row, "rate_pct": row["rate"]})
    worst = sorted(rated, key=lambda row: (row["rate"], row["point"]))[:CHARTED]
    days = scope.days()
    rates = {(row["point"], row["day"]): row["rate"] for row in rows}
    series = tuple(
        Series(
            f"rate{place}",
            plain(str(row["point"])),
            tuple(number(rates.get((row["point"], day)), 3, percent=True) for day in days),
            place,
        )
        for place, row in enumerate(worst)
    )
    charts = []
    if series:
        target = number(worst[0]["target_rate"], 2, percent=True)
        charts.append(
            Chart(
                "voltage_rate_daily",
                "line",
                Text("Daily compliance of the lowest points", "合格率最低监测点的日合格率"),
                Text(
                    "Daily compliance rate of the points with the lowest rates.", "合格率最低的若干监测点逐日合格率。"
                ),
                scope.day_axis(),
                tuple(scope.day_name(day) for day in days),
                series,
                Axis(Text("Compliance rate", "合格率"), PERCENT),
                3,
                (Limit(Text("target", "目标值"), target),) if target is not None else (),
                wide=True,
            )
        )
    return Section("days", DAILY.title, (DAILY.fill(cells),), tuple(charts))


def _curve_section(curve: Sequence[Mapping[str, object]], rated: Sequence[Row]) -> Section:
    title = CURVE.title
    if not curve:
        return Section("curve", title, notes=(Note("info", Text("No values for a curve.", "无可绘曲线的数据。")),))
    charts = []
    worst = sorted(rated, key=lambda row: (row["rate"], row["point"]))[:CHARTED]
    for place, row in enumerate(worst):
        own = [item for item in curve if item["point"] == row["point"]]
        phases = sorted({str(item["phase"]) for item in own})
        values = {(item["phase"], item["hour"]): item["mean_v"] for item in own}
        limits = [
            Limit(name, level)
            for name, key in ((Text("upper limit", "上限"), "upper_v"), (Text("lower limit", "下限"), "lower_v"))
            if (level := number(row[key], 1)) is not None
        ]
        charts.append(
            Chart(
                f"voltage_curve_{place}",
                "line",
                Text(f"Voltage by hour, {row['point']}", f"24小时电压曲线 {row['point']}"),
                Text("Mean voltage of each hour over the period.", "统计期内各小时平均电压。"),
                Text("Hour of the day", "小时"),
                tuple(plain(str(hour)) for hour in range(24)),
                tuple(
                    Series(
                        f"phase{n}",
                        plain(phase),
                        tuple(number(values.get((phase, hour)), 1) for hour in range(24)),
                        (0, 1, 2)[n],
                    )
                    for n, phase in enumerate(phases)
                ),
                Axis(Text("Voltage", "电压"), VOLT),
                1,
                tuple(limits),
            )
        )
    return Section("curve", title, (CURVE.fill(dict(item) for item in curve),), tuple(charts))  # type: ignore[arg-type]


KIND = Kind(
    "voltage",
    TITLE,
    build=build,
    scope="office",
    figures=(COMBINED_FIGURE, MEETING_FIGURE, LOWEST_FIGURE, COMPLETENESS_FIGURE),
    tables=(CLASSES, POINTS, EXTREMES, DAILY, CURVE),
)
