"""`keyacct loading`: bands of transformers, accounts and current transformers, with durations."""

from __future__ import annotations

from typing import Annotated

import typer

from keyacct.cli import render
from keyacct.cli.analysis_options import AccountOption, PeriodOption, WhereOption, asked, note_missing, with_percent
from keyacct.cli.options import Format, FormatOption
from keyacct.cli.render import Column
from keyacct.cli.session import command, make_app
from keyacct.i18n import Text

app = make_app()

_COLUMNS = (
    Column("account_no", Text("account", "户号")),
    Column("transformer", Text("transformer", "变压器")),
    Column("capacity_kva", Text("kVA", "容量 kVA"), 0),
    Column("loading_mean", Text("mean %", "平均 %"), 1),
    Column("loading_max", Text("max %", "最大 %"), 1),
    Column("loading_max_at", Text("at", "时间")),
    Column("economic_from", Text("economic from %", "经济区起 %"), 1),
    Column("economic_min", Text("economic min", "经济 min"), 0),
    Column("best_economic_min", Text("best min", "最佳 min"), 0),
    Column("heavy_min", Text("heavy min", "重载 min"), 0),
    Column("overload_min", Text("overload min", "过载 min"), 0),
    Column("longest_overload_min", Text("longest", "最长"), 0),
    Column("finding", Text("finding", "结论")),
    Column("findings", Text("size", "容量评价")),
)
_CT = (
    Column("account_no", Text("account", "户号")),
    Column("point", Text("point", "计量点")),
    Column("ct_primary_a", Text("CT A", "CT A"), 0),
    Column("current_max_a", Text("max A", "最大 A"), 1),
    Column("loading_mean", Text("mean %", "平均 %"), 1),
    Column("loading_max", Text("max %", "最大 %"), 1),
    Column("loading_max_at", Text("at", "时间")),
    Column("over_min", Text("over min", "越限 min"), 0),
    Column("longest_severe_min", Text("longest ≥ 110 %", "最长 ≥ 110 %"), 0),
    Column("finding", Text("finding", "结论")),
)
_KINDS = ("account", "transformer", "ct")


@command(
    app,
    help=str(
        Text(
            "Loading of capacities, transformers and current transformers in bands, with durations.",
            "容量、变压器与电流互感器的负载率分段及持续时间。",
        )
    ),
)
def loading(
    account: AccountOption = None,
    where: WhereOption = None,
    period: PeriodOption = None,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="account|transformer|ct",
            help=str(
                Text("A row an account, a transformer, or a current transformer.", "按户、变压器或电流互感器列出。")
            ),
        ),
    ] = "account",
    format: FormatOption = Format.table,
) -> int | None:
    """Print loadings."""
    of = asked(account, where, period, by=by, kinds=_KINDS)
    if by == "ct":
        from keyacct.analysis.ct_loading import ct_loading

        rows = ct_loading(of.workspace, of.span, accounts=of.accounts)
        if not rows:
            render.say(Text(f"no currents in {of.span.label}", f"{of.span.label} 内没有电流数据"))
    else:
        from keyacct.analysis.loading import loading as analyse

        rows = analyse(of.workspace, of.span, accounts=of.accounts, by=by)
        if by == "transformer" and not rows:
            render.say(Text("no metering point names its transformer", "没有计量点登记所属变压器"))
        else:
            note_missing(rows, "loading_mean", of.span)
    if format is Format.table:
        rows = [with_percent(row, "loading_mean", "loading_max", "economic_from") for row in rows]
    columns = [column for column in _COLUMNS if by == "transformer" or column.key != "transformer"]
    render.write_rows(rows, _CT if by == "ct" else columns, format)
    return None
