"""`keyacct imbalance`: unbalance of three-phase voltage and current."""

from __future__ import annotations

from keyacct.cli import render
from keyacct.cli.analysis_options import (
    AccountOption,
    PeriodOption,
    WhereOption,
    asked,
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
    Column("voltage_basis", Text("from", "依据")),
    Column("voltage_mean", Text("U mean %", "电压平均 %"), 2),
    Column("voltage_p95", Text("U 95 %", "电压 95 %"), 2),
    Column("voltage_max", Text("U max %", "电压最大 %"), 2),
    Column("voltage_max_at", Text("at", "时间")),
    Column("voltage_over_min", Text("over min", "越限 min"), 0),
    Column("voltage_passed", Text("U", "电压")),
    Column("current_mean", Text("I mean %", "电流平均 %"), 1),
    Column("current_p95", Text("I 95 %", "电流 95 %"), 1),
    Column("current_max", Text("I max %", "电流最大 %"), 1),
    Column("current_over_min", Text("over min", "越限 min"), 0),
    Column("current_passed", Text("I", "电流")),
)
_SHARES = ("voltage_mean", "voltage_p95", "voltage_max", "current_mean", "current_p95", "current_max")


@command(
    app,
    help=str(
        Text(
            "Voltage unbalance from the three line voltages, current unbalance from the phase currents.",
            "三相电压不平衡度 (三线电压法) 与电流不平衡率。",
        )
    ),
)
def imbalance(
    account: AccountOption = None,
    where: WhereOption = None,
    period: PeriodOption = None,
    format: FormatOption = Format.table,
) -> int | None:
    """Print unbalance."""
    from keyacct.analysis.unbalance import unbalance

    of = asked(account, where, period)
    rows = unbalance(of.workspace, of.span, accounts=of.accounts)
    if not rows:
        render.say(Text(f"no three-phase points in {of.span.label}", f"{of.span.label} 内没有三相计量点"))
    if format is Format.table:
        judged = ("voltage_passed", "current_passed")
        rows = [with_percent(row, *_SHARES) | {name: verdict(row[name]) for name in judged} for row in rows]
    render.write_rows(rows, _COLUMNS, format)
    return None
