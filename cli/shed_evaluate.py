"""`keyacct shed evaluate`: what an event really gave."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keyacct import i18n
from keyacct.cli import exit_codes, render
from keyacct.cli.options import DryRunOption, Format, FormatOption, FormatsOption, read_input
from keyacct.cli.render import Column
from keyacct.cli.session import command
from keyacct.cli.shed_document import DraftOption, PlanOption, ProblemOption, plan_source
from keyacct.errors import ConfigError, UsageError
from keyacct.i18n import Text

if TYPE_CHECKING:
    from keyacct.analysis.shed_evaluation import Evaluation


class BaselineChoice(StrEnum):
    """What the metered load is compared with."""

    plan = "plan"
    like_days = "like-days"


class Show(StrEnum):
    """Which table goes to stdout."""

    totals = "totals"
    customers = "customers"
    orders = "orders"
    intervals = "intervals"
    blocks = "blocks"
    areas = "areas"
    area_intervals = "area-intervals"
    ceilings = "ceilings"
    below_safety = "below-safety"
    after_release = "after-release"
    burdens = "burdens"
    all = "all"


_TITLES: dict[str, tuple[Text, int | None]] = {
    "customer": (Text("customer", "客户"), None), "area": (Text("area", "区域"), None),
    "block": (Text("block", "时段"), 0), "period": (Text("period", "序号"), 0),
    "measure": (Text("measure", "措施"), None), "measures": (Text("measures", "措施"), None),
    "day": (Text("day", "日期"), None),
    "from_at": (Text("from", "开始"), None), "to_at": (Text("to", "结束"), None),
    "ends_at": (Text("end", "止点"), None), "worst_at": (Text("worst at", "最严重时刻"), None),
    "achieved_peak_at": (Text("highest at", "最大时刻"), None),
    "rebound_peak_at": (Text("rebound at", "反弹时刻"), None),
    "customers": (Text("customers", "户数"), 0), "orders": (Text("orders", "措施数"), 0),
    "executed": (Text("executed", "已执行"), 0), "ordered": (Text("ordered", "下达户数"), 0),
    "required_kw": (Text("required kW", "需求 kW"), 1), "planned_kw": (Text("ordered kW", "下达 kW"), 1),
    "achieved_kw": (Text("achieved kW", "实际 kW"), 1),
    "achieved_peak_kw": (Text("highest kW", "最大实际 kW"), 1),
    "planned_kwh": (Text("ordered kWh", "下达 kWh"), 1), "achieved_kwh": (Text("achieved kWh", "实际 kWh"), 1),
    "short_kw": (Text("short kW", "欠控 kW"), 1), "short_kwh": (Text("short kWh", "欠控 kWh"), 1),
    "execution_rate": (Text("execution rate", "执行率"), 4),
    "execution_of_orders": (Text("orders executed", "实施率"), 4),
    "limit_compliance": (Text("limit kept", "限额遵守率"), 4),
    "limit_kw": (Text("limit kW", "限额 kW"), 1), "metered_kw": (Text("metered kW", "实测 kW"), 1),
    "over_kw": (Text("over kW", "超出 kW"), 1), "over_kwh": (Text("over kWh", "超出 kWh"), 1),
    "below_kw": (Text("below kW", "低于 kW"), 1), "safety_kw": (Text("safety kW", "保安 kW"), 1),
    "closed": (Text("closed", "已停产"), None), "minutes": (Text("min", "分钟"), 0),
    "intervals": (Text("intervals", "时刻数"), 0), "missing": (Text("missing", "缺数"), 0),
    "reached_after_min": (Text("reached after min", "达标用时 分"), 0),
    "ceiling_kept": (Text("limit ok", "未超限"), None), "safety_kept": (Text("safety ok", "保安正常"), None),
    "ceilings_broken": (Text("limits broken", "超限次数"), 0),
    "below_safety": (Text("below safety", "低于保安次数"), 0),
    "not_served_kwh": (Text("not served kWh", "少供 kWh"), 1),
    "rebound_kw": (Text("above baseline kW", "高于基线 kW"), 1),
    "rebound_peak_kw": (Text("rebound peak kW", "反弹峰值 kW"), 1),
    "headroom_kw": (Text("headroom kW", "空间 kW"), 1),
    "ordered_h": (Text("ordered h", "下达 h"), 2), "measured_h": (Text("measured h", "有数据 h"), 2),
    "borne_h": (Text("borne h", "承担 h"), 2), "borne_kwh": (Text("borne kWh", "承担 kWh"), 1),
    "completeness": (Text("completeness", "数据完整率"), 4),
}  # fmt: skip
"""What the columns of the tables are called; keys without a name stay out of the printed table."""


def register(app: typer.Typer) -> None:
    """Add the command to `keyacct shed`."""
    command(
        app,
        "evaluate",
        help=str(
            Text(
                "After the event: reduction, execution, limits, safety loads, hours borne, from metered load. Exit 6 when "
                "metered values are missing; they never count as achieved.",
                "事后评价: 按计量数据计算压减、执行率、限额、保安负荷与承担时长。缺数时退出码 6, 缺数不计为压减。",
            )
        ),
    )(evaluate)


def evaluate(
    *,
    problem: ProblemOption = None,
    plan: PlanOption = None,
    draft: DraftOption = None,
    metered: Annotated[
        str | None,
        typer.Option(
            "--metered",
            metavar="FILE",
            help=str(
                Text(
                    "Metered load, CSV or Parquet: customer, time (end of the interval), kw. Else from the workspace. - is "
                    "stdin.",
                    "计量负荷, CSV 或 Parquet: customer、time (时段止点)、kw。不给则取自工作区。- 为标准输入。",
                )
            ),
        ),
    ] = None,
    baseline: Annotated[
        BaselineChoice,
        typer.Option(
            "--baseline",
            help=str(
                Text(
                    "The plan's expected load, or the mean of like days adjusted on the day.",
                    "基线: 方案预计负荷, 或相似日平均并按当日修正。",
                )
            ),
        ),
    ] = BaselineChoice.plan,
    event_day: Annotated[
        list[str] | None,
        typer.Option(
            "--event-day",
            metavar="DATE",
            help=str(
                Text(
                    "An earlier day with an event, no like day; may be repeated.",
                    "以往有序用电日, 不作相似日; 可重复。",
                )
            ),
        ),
    ] = None,
    show: Annotated[
        Show, typer.Option("--show", help=str(Text("Which table goes to stdout.", "标准输出哪一张表。")))
    ] = Show.customers,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help=str(Text("Write the report into this folder.", "报表输出目录。"))),
    ] = None,
    formats: FormatsOption = "xlsx,pdf,html",
    format: FormatOption = Format.table,
    dry_run: DryRunOption = False,
) -> int | None:
    """What an event really gave."""
    from keyacct.report.kinds.shed_evaluation import document
    from keyacct.workflow import shed_evaluating
    from keyacct.workflow.reports import check_formats
    from keyacct.workflow.shed_metered import file_curves, stored_curves
    from keyacct.workflow.shed_papers import write_papers

    if show is Show.all and format is not Format.json:
        raise UsageError(
            "usage.invalid",
            str(Text("--show all is one document", "--show all 输出一个文档")),
            hint=str(Text("add --format json, or choose one table", "请加 --format json, 或选择一张表")),
        )
    wanted = check_formats([name.strip() for name in formats.split(",")])
    days = [_date(text) for text in event_day or ()]
    with plan_source(problem, plan, draft) as (source, workspace):
        if draft is not None and workspace is not None and not dry_run:
            shed_evaluating.hold_to_end(workspace, draft)
        if metered is not None:
            zone = workspace.zone if workspace is not None else source.zone
            name = "-" if metered == "-" else Path(metered).name
            curves = file_curves(read_input(metered), name, zone, source.event.by_customer)
        elif workspace is not None:
            curves = stored_curves(workspace, source.event.by_customer)
        else:
            raise ConfigError(
                "config.workspace_missing",
                str(Text("no metered load: neither a file nor a workspace", "无计量数据: 既无文件也无工作区")),
                hint=str(Text("give --metered FILE or --workspace DIR", "请给出 --metered FILE 或 --workspace DIR")),
            )
        paper = shed_evaluating.evaluate(source, curves, baseline=baseline.value, workspace=workspace, event_days=days)
    found = paper.evaluation
    if out is not None:
        written = write_papers(
            [document(paper)], formats=wanted, out=out, lang=i18n.language(), workspace=workspace, dry_run=dry_run
        )
        for file in written.files:
            render.say(f"{out / file.file}")
    noted = 0
    if draft is not None and workspace is not None and not dry_run:
        noted = shed_evaluating.record_burden(workspace, draft, found)
    for warning in paper.warnings:
        render.say(f"{Text('warning', '警告')}: {render.safe(str(warning))}")
    _show(found, show, format)
    _talk(found, noted)
    return exit_codes.PARTIAL if found.totals["completeness"] not in (None, 1.0) else exit_codes.DONE


def _show(found: Evaluation, show: Show, format: Format) -> None:
    tables: dict[Show, list[dict[str, Any]]] = {
        Show.totals: [found.totals], Show.customers: found.customers, Show.orders: found.orders,
        Show.intervals: found.intervals, Show.blocks: found.blocks, Show.areas: found.areas,
        Show.area_intervals: found.areas_intervals, Show.ceilings: found.ceilings,
        Show.below_safety: found.below_safety, Show.after_release: found.after_release, Show.burdens: found.burdens,
    }  # fmt: skip
    if show is not Show.all:
        render.write_rows(_rounded(tables[show]), _columns(tables[show]), format)
        return
    document: dict[str, Any] = {name.value.replace("-", "_"): _rounded(rows) for name, rows in tables.items()}
    document["totals"] = document["totals"][0]
    render.write_json(document)


def _rounded(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows without the noise of binary fractions: six digits after the point."""
    return [
        {key: round(value, 6) + 0.0 if isinstance(value, float) else value for key, value in row.items()}
        for row in rows
    ]


def _columns(rows: list[dict[str, Any]]) -> list[Column]:
    keys = dict.fromkeys(key for row in rows for key in row)
    return [Column(key, *_TITLES[key]) for key in keys if key in _TITLES]


def _talk(found: Evaluation, noted: int) -> None:
    totals = found.totals

    def pct(value: float | None) -> str:
        return "–" if value is None else f"{100 * value:.1f} %"

    rate, orders = pct(totals["execution_rate"]), pct(totals["execution_of_orders"])
    render.say(
        Text(
            f"execution {rate}; orders executed {totals['executed']} of {totals['orders']} ({orders}); limits broken "
            f"{totals['ceilings_broken']}; below safety load {totals['below_safety']}; values {pct(totals['completeness'])}",
            f"执行率 {rate}; 措施实施 {totals['executed']}/{totals['orders']} ({orders}); 超限额 {totals['ceilings_broken']} 次; "
            f"低于保安负荷 {totals['below_safety']} 次; 数据完整率 {pct(totals['completeness'])}",
        )
    )
    if noted:
        render.say(Text(f"rotation account: {noted} rows", f"轮休台账: 写入 {noted} 行"))


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            "usage.invalid", f"{text!r} is no date", hint=str(Text("write 2026-07-15", "请写 2026-07-15"))
        ) from None
