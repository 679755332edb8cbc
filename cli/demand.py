"""`keyacct demand`: maximum demand, and loading of the capacity."""

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
    with_percent,
)
from keyacct.cli.options import Format, FormatOption
from keyacct.cli.render import Column
from keyacct.cli.session import command, make_app
from keyacct.i18n import Text

app = make_app()

_COLUMNS = (
    Column("account_no", Text("account", "户号")),
    Column("md_kw", Text("max kW", "最大 kW"), 1),
    Column("md_at", Text("at", "时间")),
    Column("demand_kind", Text("kind", "类别")),
    Column("contract_demand_kw", Text("contract kW", "核定 kW"), 0),
    Column("contract_share", Text("of it %", "占比 %"), 1),
    Column("capacity_kva", Text("kVA", "容量 kVA"), 0),
    Column("loading_mean", Text("mean load %", "平均负载率 %"), 1),
    Column("loading_max", Text("max load %", "最大负载率 %"), 1),
    Column("economic_min", Text("economic min", "经济 min"), 0),
    Column("heavy_min", Text("heavy min", "重载 min"), 0),
    Column("overload_min", Text("overload min", "过载 min"), 0),
    Column("finding", Text("finding", "结论")),
    Column("completeness", Text("data %", "完整率 %"), 1),
)

_TWO_PART = (
    Column("account_no", Text("account", "户号")),
    Column("tariff_mode", Text("mode", "计费方式")),
    Column("md_kw", Text("max kW", "最大 kW"), 1),
    Column("contract_demand_kw", Text("contract kW", "核定 kW"), 0),
    Column("capacity_kva", Text("kVA", "容量 kVA"), 0),
    Column("demand_share", Text("kW/kVA %", "需量/容量 %"), 1),
    Column("billed_demand_kw", Text("billed kW", "计费 kW"), 1),
    Column("capacity_cny", Text("by capacity", "按容量 元"), 2),
    Column("demand_cny", Text("by demand", "按需量 元"), 2),
    Column("cheaper_mode", Text("cheaper", "较省")),
    Column("saving_cny", Text("saving", "可省 元"), 2),
    Column("advice", Text("advice", "建议")),
)


@command(
    app,
    help=str(
        Text(
            "Maximum demand: a sliding window where there are values every minute, else blocks; and transformer loading.",
            "最大需量 (有分钟数据时为滑差式, 否则为区间式) 与变压器负载率。",
        )
    ),
)
def demand(
    account: AccountOption = None,
    where: WhereOption = None,
    period: PeriodOption = None,
    slip: Annotated[
        int | None,
        typer.Option("--slip", metavar="MIN", help=str(Text("Slip: 1, 2, 3, 5 or 15 min.", "滑差时间, 分钟。"))),
    ] = None,
    two_part: Annotated[
        bool,
        typer.Option(
            "--two-part",
            help=str(
                Text(
                    "Compare the basic charge by capacity and by demand over a calendar month, with advice.",
                    "比较一个月按容量与按需量的基本电费, 并给出建议。",
                )
            ),
        ),
    ] = False,
    format: FormatOption = Format.table,
) -> int | None:
    """Print demands."""
    from keyacct.analysis.demand import demand as analyse

    of = asked(account, where, period)
    if two_part:
        from keyacct.analysis.two_part import two_part as compare

        found = compare(of.workspace, of.span, accounts=of.accounts)
        if not found:
            render.say(Text("no account with a two-part tariff", "没有执行两部制电价的用户"))
        if format is Format.table:
            found = [with_percent(row, "demand_share") for row in found]
        render.write_rows(found, _TWO_PART, format)
        return None
    rows = analyse(of.workspace, of.span, accounts=of.accounts, slip_min=slip)
    note_missing(rows, "md_kw", of.span)
    if format is Format.table:
        rows = [with_percent(row, "contract_share", "loading_mean", "loading_max", "completeness") for row in rows]
    render.write_rows(rows, _COLUMNS, format)
    return None
