"""`keyacct load`: demand, load rate and energy of accounts."""

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
    with_percent,
)
from keyacct.cli.options import Format, FormatOption
from keyacct.cli.render import Column
from keyacct.cli.session import command, make_app
from keyacct.i18n import Text

app = make_app()

_COLUMNS = (
    Column("account_no", Text("account", "户号")),
    Column("day", Text("day", "日期")),
    Column("md_kw", Text("max kW", "最大 kW"), 1),
    Column("md_at", Text("at", "时间")),
    Column("min_kw", Text("min kW", "最小 kW"), 1),
    Column("mean_kw", Text("mean kW", "平均 kW"), 1),
    Column("load_rate", Text("rate %", "负荷率 %"), 1),
    Column("peak_valley_gap_kw", Text("gap kW", "峰谷差 kW"), 1),
    Column("energy_kwh", Text("kWh", "电量 kWh"), 1),
    Column("completeness", Text("data %", "完整率 %"), 1),
    Column("flags", Text("notes", "标记")),
)

_TYPICAL = (
    Column("account_no", Text("account", "户号")),
    Column("day", Text("typical day", "典型日")),
    Column("of_days", Text("of days", "候选天数"), 0),
    Column("at", Text("until", "止点")),
    Column("kw", Text("kW", "kW"), 1),
)


@command(app, help=str(Text("Load of accounts: demand, load rate, energy.", "用户负荷与需量。")))
def load(
    account: AccountOption = None,
    where: WhereOption = None,
    period: PeriodOption = None,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="period|day|typical",
            help=str(
                Text(
                    "A row for the period or each day; or the curve of the typical day, the complete workday of median energy.",
                    "按全期或按日列出; 或典型日曲线 (电量居中的完整工作日)。",
                )
            ),
        ),
    ] = "period",
    format: FormatOption = Format.table,
) -> int | None:
    """Print load figures."""
    from keyacct.analysis.load import load as analyse

    of = asked(account, where, period, by=by, kinds=("period", "day", "typical"))
    result = analyse(of.workspace, of.span, accounts=of.accounts)
    if by == "typical":
        from keyacct.analysis.typical_day import typical_day

        of_account: dict[str, list[dict[str, object]]] = {}
        for row in rows_of(result.day):
            of_account.setdefault(str(row["account_no"]), []).append(row)
        curve = [
            {
                "account_no": account,
                "day": found.day,
                "of_days": found.of_days,
                "workdays": found.workdays,
                "at": at,
                "kw": kw,
            }
            for account, found in sorted(typical_day(of.workspace, of_account).items())
            for at, kw in found.curve
        ]
        render.write_rows(curve, _TYPICAL, format)
        return None
    rows = rows_of(result.day if by == "day" else result.total)
    note_missing(rows, "energy_kwh", of.span)
    if format is Format.table:
        rows = [with_percent(row, "load_rate", "min_load_rate", "completeness") for row in rows]
    columns = [column for column in _COLUMNS if by == "day" or column.key != "day"]
    render.write_rows(rows, columns, format)
    return None
