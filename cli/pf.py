"""`keyacct pf`: power factor of accounts, its assessment and the adjustment percent."""

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
    Column("wp_kwh", Text("Wp kWh", "有功 kWh"), 2),
    Column("wq_kvarh", Text("Wq kvarh", "无功 kvarh"), 2),
    Column("leading_share", Text("leading %", "超前 %"), 1),
    Column("pf", Text("PF", "功率因数"), 4),
    Column("pf_assessed", Text("assessed", "考核值"), 2),
    Column("pf_standard", Text("standard", "标准"), 2),
    Column("verdict", Text("result", "结论")),
    Column("adjustment_pct", Text("adj. %", "力调 %"), 2),
    Column("completeness", Text("data %", "完整率 %"), 1),
    Column("flags", Text("notes", "标记")),
)
_HOURS = (
    Column("account_no", Text("account", "户号")),
    Column("hour", Text("hour", "时"), 0),
    Column("wp_kwh", Text("Wp kWh", "有功 kWh"), 2),
    Column("wq_kvarh", Text("Wq kvarh", "无功 kvarh"), 2),
    Column("pf", Text("PF", "功率因数"), 4),
    Column("leading", Text("leading", "超前")),
)


@command(app, help=str(Text("Power factor of accounts and its assessment.", "用户功率因数及考核。")))
def pf(
    account: AccountOption = None,
    where: WhereOption = None,
    period: PeriodOption = None,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="account|point|hour",
            help=str(Text("A row an account, a point, or an hour of the day.", "按户、计量点或小时列出。")),
        ),
    ] = "account",
    format: FormatOption = Format.table,
) -> int | None:
    """Print power factors."""
    from keyacct.analysis.power_factor import power_factor

    hint = "settlement knows no power factor of a day"
    of = asked(account, where, period, by=by, kinds=("account", "point", "hour"), hint=hint)
    result = power_factor(of.workspace, of.span, accounts=of.accounts)
    table = {"account": result.accounts, "point": result.points, "hour": result.hours}[by]
    rows = rows_of(table)
    note_missing(rows_of(result.accounts), "wp_kwh", of.span)
    if by == "hour":
        render.write_rows(rows, _HOURS, format)
        return None
    if format is Format.table:
        rows = [
            {**with_percent(row, "completeness", "leading_share"), "verdict": verdict(row["passed"])} for row in rows
        ]
    columns = [column for column in _COLUMNS if by == "point" or column.key != "point"]
    render.write_rows(rows, columns, format)
    return None
