"""`keyacct query`: any quantity of any set over any span, in buckets, compared and grouped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from keyacct.cli import render, session
from keyacct.cli.analysis_options import AccountOption, PeriodOption, WhereOption, chosen_period, chosen_set
from keyacct.cli.options import Format, FormatOption
from keyacct.cli.render import Column
from keyacct.cli.session import command, make_app
from keyacct.i18n import Text, language

app = make_app()


@command(
    app,
    help=str(
        Text(
            "Any quantity of any set of points over any span: load, demand, reactive, apparent, pf, voltage, current, energy, "
            "export, reactive_energy, apparent_energy, tariff_energy.",
            "任意数据项、任意对象、任意时段的查询: load demand reactive apparent pf voltage current energy export "
            "reactive_energy apparent_energy tariff_energy。",
        )
    ),
)
def query(
    quantity: Annotated[list[str], typer.Argument(metavar="QUANTITY…", help=str(Text("What to ask for.", "数据项。")))],
    account: AccountOption = None,
    period: PeriodOption = None,
    bucket: Annotated[
        str,
        typer.Option(
            "--bucket",
            metavar="B",
            help=str(
                Text(
                    "15min, 30min, hour, day, week, ten_day, month, quarter, year or period.",
                    "15min、30min、hour、day、week、ten_day、month、quarter、year 或 period。",
                )
            ),
        ),
    ] = "day",
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            metavar="ATTRIBUTE",
            help=str(
                Text(
                    "A group for each value of it: account_no, point, industry_code, supply_line, transformer, …; "
                    "may be repeated.",
                    "按属性分组: account_no、point、industry_code、supply_line、transformer 等, 可重复。",
                )
            ),
        ),
    ] = None,
    where: WhereOption = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            help=str(
                Text("Kinds of points: billing (else), check, …, or all.", "计量点类别, 缺省 billing; all 为全部。")
            ),
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="P",
            help=str(
                Text(
                    "Compare with a period, with `previous` or with `last-year`.", "对比时段, 或 previous、last-year。"
                )
            ),
        ),
    ] = None,
    chart: Annotated[
        Path | None,
        typer.Option(
            "--chart", metavar="FILE", help=str(Text("Draw the first figure as .svg or .png.", "绘图 (.svg 或 .png)。"))
        ),
    ] = None,
    plot: Annotated[
        bool, typer.Option("--plot", help=str(Text("Draw the curves in the terminal.", "在终端绘制曲线。")))
    ] = False,
    format: FormatOption = Format.table,
) -> int | None:
    """Ask, print, draw."""
    from keyacct.analysis.query import Asked, figures_of
    from keyacct.analysis.query import query as ask
    from keyacct.errors import UsageError

    if plot and format is not Format.table:
        raise UsageError("usage.invalid", "--plot draws for people only", hint="leave --format away, or take --chart")
    workspace = session.open_workspace()
    span = chosen_period(period, workspace)
    kinds = None if kind and "all" in kind else tuple(kind or ("billing",))
    asked = Asked(tuple(dict.fromkeys(quantity)), span, bucket, tuple(by or ()), chosen_set(where), account, kinds)
    other = _against(against, span)
    rows = ask(workspace, asked, against=other)
    if not rows:
        render.say(Text(f"no metering points in {span.label}", f"{span.label} 内没有计量点"))
    if chart is not None:
        from keyacct.workflow.query_chart import write_chart

        write_chart(asked, rows, chart, language())
        render.say(Text(f"chart in {chart}", f"图已写入 {chart}"))
    figures = figures_of(asked)
    shown = [_percent(row) for row in rows] if format is Format.table else rows
    render.write_rows(shown, _columns(asked.by, figures, rows, compared=other is not None), format)
    if format is Format.table:
        _draw(asked.by, figures, rows, plot=plot)
    return None


def _against(text: str | None, span: Any) -> Any:
    from keyacct.analysis.comparison import last_year, previous_period
    from keyacct.errors import UsageError
    from keyacct.model import Period

    if text is None:
        return None
    if text == "previous":
        return previous_period(span)
    if text != "last-year":
        return Period.parse(text)
    if (found := last_year(span)) is None:
        raise UsageError("usage.invalid", f"{span.label} has no counterpart a year before", hint="name a period")
    return found


def _columns(
    by: tuple[str, ...], figures: dict[str, Text], rows: list[dict[str, Any]], *, compared: bool
) -> list[Column]:
    columns = [*(Column(name, Text(name, name)) for name in by), Column("bucket", Text("bucket", "时段"))]
    for name, title in figures.items():
        decimals = 3 if name == "pf" else 1
        columns.append(Column(name, title, decimals))
        if compared:
            columns.append(Column(f"{name}_before", Text(f"{title.en} before", f"{title.zh} 对比期"), decimals))
            columns.append(Column(f"{name}_change_rate", Text("change %", "变化 %"), 1))
    if rows and "demand_kind" in rows[0]:
        columns.append(Column("demand_at", Text("demand at", "需量时间")))
        columns.append(Column("demand_kind", Text("kind", "类别")))
    if rows and "completeness" in rows[0]:
        columns.append(Column("completeness", Text("data %", "完整率 %"), 1))
    if any(row.get("flags") for row in rows):
        columns.append(Column("flags", Text("flags", "标记")))
    return columns


def _percent(row: dict[str, Any]) -> dict[str, Any]:
    names = [name for name in row if name == "completeness" or name.endswith("_change_rate")]
    return {**row, **{name: 100.0 * row[name] for name in names if row[name] is not None}}


def _draw(by: tuple[str, ...], figures: dict[str, Text], rows: list[dict[str, Any]], *, plot: bool) -> None:
    """A line of blocks for each group and figure, or curves of dots."""
    import sys

    from keyacct.cli.curves import braille, sparkline

    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    name, title = next(iter(figures.items()))
    width = min(render.console().width, 100)
    for group, of in groups.items():
        values = [None if row[name] is None else float(row[name]) for row in of]
        if len(values) < 2 or all(value is None for value in values):
            continue
        heading = render.safe(" ".join(["–" if part is None else str(part) for part in group] + [str(title)]))
        if plot:
            sys.stdout.write(f"\n{heading}\n{braille(values, width)}\n")
        else:
            sys.stdout.write(f"{heading}  {sparkline(values, max(width - len(heading) - 2, 10))}\n")
