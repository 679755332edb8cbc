"""`keyacct load`: demand, load rate and energy of accounts."""

from __future__ import annotations

from keyacct.cli import render, session
from keyacct.cli.analysis_options import (
    AccountOption,
    By,
    ByOption,
    PeriodOption,
    WhereOption,
    chosen_accounts,
    chosen_period,
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
)


@command(app, help=str(Text("Load of accounts: demand, load rate, energy.", "用户负荷与需量。")))
def load(
    account: AccountOption = None,
    where: WhereOption = None,
    period: PeriodOption = None,
    by: ByOption = By.period,
    format: FormatOption = Format.table,
) -> int | None:
    """Print load figures."""
    from keyacct.analysis.load import load as analyse

    workspace = session.open_workspace()
    span = chosen_period(period, workspace)
    result = analyse(workspace, span, accounts=chosen_accounts(workspace, span, account, where))
    rows = rows_of(result.day if by is By.day else result.total)
    note_missing(rows, "energy_kwh", span)
    if format is Format.table:
        rows = [with_percent(row, "load_rate", "min_load_rate", "completeness") for row in rows]
    columns = [column for column in _COLUMNS if by is By.day or column.key != "day"]
    render.write_rows(rows, columns, format)
    return None
