"""The power-factor part of a report: energies, assessment, tariff periods, the 24-hour curve."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from keyacct.i18n import Text
from keyacct.model import TARIFF_PERIODS
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
)
from keyacct.report.inputs import Row
from keyacct.report.sections.common import number, plain
from keyacct.report.sections.power_factor_columns import (
    ADJUSTMENT_FIGURE,
    BY_HOUR,
    BY_POINT,
    BY_TARIFF,
    ENERGIES,
    LOSS_UNKNOWN,
    LOSSES,
    NO_REACTIVE,
    PF_FIGURE,
    STANDARD,
)

TITLE = Text("Power factor", "功率因数")
LEADING = Text("leading (capacitive)", "超前(容性)")
LAGGING = Text("lagging (inductive)", "滞后(感性)")
HOURS = range(24)
FLAGS: dict[str, Text] = {
    "register_decrease": Text(
        "A register fell in the period; the energy across the fall is left out.",
        "本期有示数下降, 下降处的电量未计入。",
    ),
    "gap_over_seam": Text(
        "Readings lie too far apart on both sides of a meter or ratio change.",
        "换表或变比变更前后的示数间隔过大。",
    ),
    "unattributed": Text(
        "Some energy belongs to no hour or tariff period: its readings span several.",
        "部分电量的示数跨越多个小时或时段, 未能归属。",
    ),
    "boundary_start": Text(
        "No reading at the beginning of the period; the nearest inside was taken.",
        "期初无示数, 取期内最近一次。",
    ),
    "boundary_end": Text(
        "No reading at the end of the period; the nearest inside was taken.", "期末无示数, 取期内最近一次。"
    ),
    "integrated": Text(
        "Energies were integrated from the power curve: there are no registers.",
        "无电量示数, 由功率曲线积分得到。",
    ),
    "transformer_loss": Text(
        "Metered at low voltage: the losses of the transformer are included.", "高供低计, 已计入变压器损耗。"
    ),
    "loss_unknown": Text(
        "Metered at low voltage, but the registry lacks the transformer or its nameplate: its losses are not included. The power "
        "factor is that of the meter; it is not assessed.",
        "高供低计, 但档案缺少变压器或其铭牌参数, 未计入变压器损耗; 功率因数为表计侧实测值, 不作考核。",
    ),
    "no_reactive": Text("No reactive energy is known; no power factor.", "无无功电量数据, 不能计算功率因数。"),
    "no_rule": Text(
        "The rule has no adjustment table for this account's standard.",
        "力调办法中没有该功率因数标准的调整表。",
    ),
}
"""Remarks of the power-factor analysis in words."""


def section(account: Sequence[Row], points: Sequence[Row], hours: Sequence[Row]) -> Section:
    """Tables of energies, tariff periods, points and hours; the curve over the hours of the day."""
    if not account or all(row["wp_kwh"] is None for row in account):
        text = Text(
            "No active and reactive energies of this account are known in the period.",
            "本期该客户没有有功、无功电量数据。",
        )
        return Section("power_factor", TITLE, notes=(Note("warning", text), *_flags(account)))
    row = account[0]
    tariff: list[dict[str, Value]] = [
        {"tariff_period": name, "pf": row[f"pf_{key}"]} for key, name in TARIFF_PERIODS.items()
    ]
    tariff.append({"tariff_period": Text("all", "合计"), "pf": row["pf"]})
    lost = [LOSSES.fill([row])] if row.get("loss_kwh") is not None else []
    tables = [ENERGIES.fill([_cells(row)]), *lost, BY_TARIFF.fill(tariff)]
    if len(points) > 1:
        tables.append(BY_POINT.fill(sorted(points, key=lambda point: str(point["point"]))))
    by_hour = {int(hour["hour"]): hour for hour in hours}
    charts: list[Chart] = []
    if any(hour["pf"] is not None for hour in hours):
        tables.append(
            BY_HOUR.fill(_cells(by_hour[hour]) if hour in by_hour else {"hour": hour, "pf": None} for hour in HOURS)
        )
        charts.append(_curve(by_hour, number(row["pf_standard"], 2)))
    return Section("power_factor", TITLE, tuple(tables), tuple(charts), tuple(_flags(account)))


def figures(account: Sequence[Row]) -> list[Figure]:
    """The assessed power factor against its standard, and the adjustment of the charge."""
    if not account or account[0]["wp_kwh"] is None:
        return [Figure(column, column.cell(Absent(NOT_MEASURED))) for column in (PF_FIGURE, ADJUSTMENT_FIGURE)]
    row = account[0]
    standard = STANDARD.cell(row["pf_standard"])
    detail = (
        standard.absent
        if standard.absent is not None
        else Text(f"standard {standard.text.en}", f"标准 {standard.text.zh}")
    )
    outcome = row["passed"]
    adjustment = row["adjustment_pct"]
    meaning = Text("", "")
    if adjustment is not None:
        meaning = (
            Text("rebate", "减收电费")
            if adjustment < 0
            else Text("surcharge", "增收电费")
            if adjustment > 0
            else Text("neither rebate nor surcharge", "不增不减")
        )
    return [
        Figure(
            PF_FIGURE,
            PF_FIGURE.cell(_or_why(row, "pf_assessed")),
            None if outcome is None else "pass" if outcome else "fail",
            detail,
        ),
        Figure(ADJUSTMENT_FIGURE, ADJUSTMENT_FIGURE.cell(_or_why(row, "adjustment_pct")), detail=meaning),
    ]


def _cells(row: Row) -> dict[str, Value]:
    leading = row.get("leading")
    character = None if leading is None or row["pf"] is None else LEADING if leading else LAGGING
    cells: dict[str, Value] = {**row, "leading": character, "completeness_pct": row.get("completeness")}
    if "flags" in row:
        cells |= {key: _or_why(row, key) for key in ("wq_kvarh", "q1_kvarh", "q4_kvarh", "pf")} | judged(row)
    return cells


def judged(row: Row) -> dict[str, Value]:
    """What a power factor is judged by: assessed, passed and the adjustment, each a figure or why there is none."""
    return {key: _or_why(row, key) for key in ("pf_assessed", "passed", "adjustment_pct")}


def _or_why(row: Row, key: str) -> Value:
    """A figure, or that it is missing for want of reactive energy or of a transformer's losses."""
    value: Value = row[key]
    flags = row["flags"] or ()
    if value is None and "no_reactive" in flags and key not in ("passed", "adjustment_pct"):
        return Absent(NO_REACTIVE)
    if value is None and "loss_unknown" in flags and row["pf"] is not None:
        return Absent(LOSS_UNKNOWN)
    return value


def _flags(account: Sequence[Row]) -> list[Note]:
    """What the analysis remarked, in words; a code without words is shown as it is."""
    codes = sorted({str(code) for row in account for code in row["flags"] or ()})
    unknown = Text("Remark of the analysis: {}.", "分析标记: {}。")
    return [Note("warning", FLAGS.get(code, Text(unknown.en.format(code), unknown.zh.format(code)))) for code in codes]


def _curve(by_hour: dict[int, Row], standard: Decimal | None) -> Chart:
    values = tuple(number(by_hour[hour]["pf"], 4) if hour in by_hour else None for hour in HOURS)
    return Chart(
        "power_factor_hour",
        "line",
        Text("Power factor by hour of the day", "24小时功率因数曲线"),
        Text(
            "Power factor of each hour of the day over the whole period, with the contract's standard.",
            "全时段合并的一日各小时功率因数与合同标准。",
        ),
        Text("Hour of the day", "小时"),
        tuple(plain(str(hour)) for hour in HOURS),
        (Series("pf", TITLE, values),),
        Axis(TITLE, high=Decimal(1)),
        4,
        () if standard is None else (Limit(Text("standard", "标准"), standard),),
        wide=True,
    )
