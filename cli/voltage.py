"""`keyacct voltage`: voltage compliance by point and phase."""

from __future__ import annotations

from typing import Annotated

import typer

from keyacct.cli import render
from keyacct.cli.analysis_options import (
    AccountOption,
    PeriodOption,
    WhereOption,
    asked,
    note_missing,
    rows_of,
    verdict,
    with_percent,
)
from keyacct.cli.options import Format, FormatOption
from keyacct.cli.render import Column
from keyacct.cli.session import command, make_app
from keyacct.i18n import Text

app = make_app()

_COLUMNS = (
    Column("account_no", Text("account", "户号")),
    Column("point", Text("point", "计量点")),
    Column("day", Text("day", "日期")),
    Column("phase", Text("phase", "相别")),
    Column("limits", Text("limits V", "限值 V")),
    Column("monitored_min", Text("minutes", "监测 min"), 0),
    Column("over_limit_min", Text("over", "超上限"), 0),
    Column("under_limit_min", Text("under", "超下限"), 0),
    Column("rate", Text("rate %", "合格率 %"), 3),
    Column("verdict", Text("result", "结论")),
    Column("max_v", Text("max V", "最大 V"), 1),
    Column("min_v", Text("min V", "最小 V"), 1),
    Column("completeness", Text("data %", "完整 %"), 1),
)


_LOSSES = (
    Column("account_no", Text("account", "户号")),
    Column("point", Text("point", "计量点")),
    Column("phase", Text("phase", "相别")),
    Column("judged_min", Text("judged min", "判定 min"), 0),
    Column("voltage_loss_min", Text("loss min", "失压 min"), 0),
    Column("phase_loss_min", Text("phase loss", "断相"), 0),
    Column("all_voltage_loss_min", Text("all lost", "全失压"), 0),
)
_EVENTS = (
    Column("account_no", Text("account", "户号")),
    Column("point", Text("point", "计量点")),
    Column("meter", Text("meter", "电表")),
    Column("event", Text("event", "事件")),
    Column("phase", Text("phase", "相别")),
    Column("from_at", Text("from", "起")),
    Column("to_at", Text("to", "止")),
    Column("minutes", Text("minutes", "分钟"), 0),
)
_HOURS = (
    Column("account_no", Text("account", "户号")),
    Column("point", Text("point", "计量点")),
    Column("phase", Text("phase", "相别")),
    Column("hour", Text("hour", "时"), 0),
    Column("mean_v", Text("mean V", "平均 V"), 1),
    Column("min_v", Text("min V", "最小 V"), 1),
    Column("max_v", Text("max V", "最大 V"), 1),
    Column("values", Text("values", "点数"), 0),
)
_CLASSES = (
    Column("class", Text("class", "类别")),
    Column("points", Text("points", "点数"), 0),
    Column("points_without_rate", Text("no rate", "无合格率"), 0),
    Column("rate", Text("rate %", "合格率 %"), 3),
)
_KINDS = ("period", "day", "hour", "class", "loss", "event")


def _shown(row: dict[str, object]) -> dict[str, object]:
    """A row as the table shows it."""
    lower, upper = row["lower_v"], row["upper_v"]
    limits = None if lower is None or upper is None else f"{lower:g}–{upper:g}"
    return {**with_percent(row, "rate", "completeness"), "limits": limits, "verdict": verdict(row["passed"])}


@command(app, help=str(Text("Voltage compliance of metering points, and voltage loss.", "计量点电压合格率与失压。")))
def voltage(
    account: AccountOption = None,
    where: WhereOption = None,
    period: PeriodOption = None,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="period|day|hour|class|loss|event",
            help=str(
                Text(
                    "A row for the period or each day; the curve of the 24 hours; the combined rate by point class (A to D); "
                    "minutes of voltage loss; its events.",
                    "按全期或按日列出; 24 小时曲线; 按监测点类别 (A~D) 的综合合格率; 失压分钟数; 失压事件。",
                )
            ),
        ),
    ] = "period",
    format: FormatOption = Format.table,
) -> int | None:
    """Print voltage compliance."""
    of = asked(account, where, period, by=by, kinds=_KINDS)
    if by in ("loss", "event"):
        from keyacct.analysis.voltage_loss import voltage_loss

        losses = voltage_loss(of.workspace, of.span, accounts=of.accounts)
        if losses.total.num_rows == 0:
            text = "no point has voltages and currents of the same stamps, and a nominal voltage"
            render.say(Text(text, "没有同时具备同时刻电压、电流与标称电压的计量点"))
        found = rows_of(losses.total if by == "loss" else losses.events)
        render.write_rows(found, _LOSSES if by == "loss" else _EVENTS, format)
        return None
    if by == "hour":
        from keyacct.analysis.combined_voltage import voltage_curve

        curve = voltage_curve(of.workspace, of.span, accounts=of.accounts)
        render.write_rows(rows_of(curve), _HOURS, format)
        return None
    from keyacct.analysis.voltage import voltage_compliance

    result = voltage_compliance(of.workspace, of.span, accounts=of.accounts)
    rows = rows_of(result.day if by == "day" else result.total)
    note_missing(rows, "monitored_min", of.span)
    if by == "class":
        rows = _classes(rows)
        if format is Format.table:
            rows = [with_percent(row, "rate") for row in rows]
        render.write_rows(rows, _CLASSES, format)
        return None
    if format is Format.table:
        rows = [_shown(row) for row in rows]
    left_out = "limits" if by == "day" else "day"  # a line of a terminal has room for one of them
    columns = [column for column in _COLUMNS if column.key != left_out]
    render.write_rows(rows, columns, format)
    return None


def _classes(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """The rate of each class and the combined one."""
    from keyacct.analysis.combined_voltage import combined_rate

    totals = [row for row in rows if row["phase"] == "total"]
    found = combined_rate((row["monitoring_class"], row["rate"]) for row in totals)  # type: ignore[misc]  # rows hold objects
    classes: list[dict[str, object]] = [
        {"class": name, "points": found.counted[name], "points_without_rate": found.unrated[name], "rate": rate}
        for name, rate in found.by_class.items()
    ]
    counted, unrated = sum(found.counted.values()), sum(found.unrated.values())
    if found.unclassed:
        number = found.unclassed
        render.say(Text(f"{number} point(s) with a rate have no class", f"{number} 个有合格率的监测点未登记类别"))
    return [*classes, {"class": "combined", "points": counted, "points_without_rate": unrated, "rate": found.rate}]
