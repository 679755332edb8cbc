"""`keyacct demand`: maximum demand, and loading of the capacity."""

from __future__ import annotations

from typing import Annotated

import typer

from keyacct.cli import render, session
from keyacct.cli.analysis_options import (
    AccountOption,
    PeriodOption,
    WhereOption,
    chosen_accounts,
    chosen_period,
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
    format: FormatOption = Format.table,
) -> int | None:
    """Print demands."""
    from keyacct.analysis.demand import demand as analyse

    workspace = session.open_workspace()
    span = chosen_period(period, workspace)
    rows = analyse(workspace, span, accounts=chosen_accounts(workspace, span, account, where), slip_min=slip)
    note_missing(rows, "md_kw", span)
    if format is Format.table:
        rows = [with_percent(row, "contract_share", "loading_mean", "loading_max", "completeness") for row in rows]
    render.write_rows(rows, _COLUMNS, format)
    return None
