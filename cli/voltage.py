"""`keyacct voltage`: voltage compliance by point and phase."""

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


def _shown(row: dict[str, object]) -> dict[str, object]:
    """A row as the table shows it."""
    lower, upper = row["lower_v"], row["upper_v"]
    limits = None if lower is None or upper is None else f"{lower:g}–{upper:g}"
    return {**with_percent(row, "rate", "completeness"), "limits": limits, "verdict": verdict(row["passed"])}


@command(app, help=str(Text("Voltage compliance of metering points.", "计量点电压合格率。")))
def voltage(
    account: AccountOption = None,
    where: WhereOption = None,
    period: PeriodOption = None,
    by: ByOption = By.period,
    format: FormatOption = Format.table,
) -> int | None:
    """Print voltage compliance."""
    from keyacct.analysis.voltage import voltage_compliance

    workspace = session.open_workspace()
    span = chosen_period(period, workspace)
    result = voltage_compliance(workspace, span, accounts=chosen_accounts(workspace, span, account, where))
    rows = rows_of(result.day if by is By.day else result.total)
    note_missing(rows, "monitored_min", span)
    if format is Format.table:
        rows = [_shown(row) for row in rows]
    left_out = "limits" if by is By.day else "day"  # a line of a terminal has room for one of them
    columns = [column for column in _COLUMNS if column.key != left_out]
    render.write_rows(rows, columns, format)
    return None
