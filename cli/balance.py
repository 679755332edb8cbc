"""`keyacct balance`: energy balance of busbars."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keyacct.cli import render, session
from keyacct.cli.analysis_options import PeriodOption, WhereOption, chosen_period, chosen_set, verdict
from keyacct.cli.options import Format, FormatOption
from keyacct.cli.render import Column
from keyacct.cli.session import command, make_app
from keyacct.i18n import Text

if TYPE_CHECKING:
    from keyacct.analysis.bus_balance import Balance
    from keyacct.config import Workspace
    from keyacct.model import Period

app = make_app()

_COLUMNS = (
    Column("busbar", Text("busbar", "母线")),
    Column("substation", Text("substation", "变电站")),
    Column("voltage_level_kv", Text("kV", "电压等级 kV"), 0),
    Column("in_kwh", Text("in kWh", "输入 kWh"), 1),
    Column("out_kwh", Text("out kWh", "输出 kWh"), 1),
    Column("imbalance_kwh", Text("difference kWh", "不平衡 kWh"), 1),
    Column("imbalance_rate", Text("rate %", "不平衡率 %"), 3),
    Column("limit", Text("limit %", "限值 %"), 1),
    Column("passed", Text("result", "结论")),
    Column("provisional", Text("provisional", "暂定")),
    Column("causes", Text("because", "原因")),
)
_FEEDERS = (
    Column("busbar", Text("busbar", "母线")),
    Column("point", Text("point", "计量点")),
    Column("supply_line", Text("line", "线路")),
    Column("meters", Text("meters", "电表")),
    Column("in_kwh", Text("in kWh", "输入 kWh"), 1),
    Column("out_kwh", Text("out kWh", "输出 kWh"), 1),
    Column("completeness", Text("data %", "完整率 %"), 1),
    Column("causes", Text("because", "原因")),
)

_CAUSES = (
    Column("busbar", Text("busbar", "母线")),
    Column("rank", Text("rank", "排序"), 0),
    Column("cause", Text("cause", "疑似原因")),
    Column("point", Text("point", "计量点")),
    Column("supply_line", Text("line", "线路")),
    Column("told", Text("evidence", "依据")),
    Column("explained_kwh", Text("explains kWh", "可解释 kWh"), 1),
)
_LINES = (
    Column("supply_line", Text("line", "线路")),
    Column("busbars", Text("busbar", "母线")),
    Column("supplied_kwh", Text("supplied kWh", "供电量 kWh"), 1),
    Column("sold_kwh", Text("sold kWh", "售电量 kWh"), 1),
    Column("loss_kwh", Text("loss kWh", "损失 kWh"), 1),
    Column("loss_rate", Text("loss %", "线损率 %"), 3),
    Column("expected_kwh", Text("theory kWh", "理论损耗 kWh"), 1),
    Column("expected_rate", Text("theory %", "理论线损率 %"), 3),
    Column("excess_kwh", Text("excess kWh", "超出 kWh"), 1),
    Column("read_skew_h", Text("skew h", "抄表时差 h"), 1),
    Column("provisional", Text("provisional", "暂定")),
    Column("causes", Text("because", "原因")),
)


@command(app, help=str(Text("Energy balance of busbars, and line loss.", "母线电量平衡与线损。")))
def balance(
    busbar: Annotated[
        list[str] | None,
        typer.Option("--busbar", metavar="B", help=str(Text("Busbar; may be repeated (else all).", "母线, 可重复。"))),
    ] = None,
    where: WhereOption = None,
    period: PeriodOption = None,
    feeders: Annotated[
        bool, typer.Option("--feeders", help=str(Text("A row for each point instead.", "逐计量点列出。")))
    ] = False,
    lines: Annotated[
        bool,
        typer.Option("--lines", help=str(Text("The loss of each line instead.", "改为列出各线路线损。"))),
    ] = False,
    causes: Annotated[
        bool,
        typer.Option(
            "--causes",
            help=str(Text("What may have violated a balance, ranked, instead.", "改为列出越限的疑似原因 (已排序)。")),
        ),
    ] = False,
    format: FormatOption = Format.table,
) -> int | None:
    """Print balances; json holds the feeders too."""
    from keyacct.analysis.bus_balance import bus_balance
    from keyacct.errors import ConfigError, UsageError

    workspace = session.open_workspace()
    span = chosen_period(period, workspace)
    if lines and (busbar or feeders or causes):
        hint = "leave them out"
        raise UsageError("usage.invalid", "--lines goes without --busbar, --feeders and --causes", hint=hint)
    if causes and feeders:
        raise UsageError("usage.invalid", "--causes and --feeders are two lists", hint="ask for one of them")
    if lines:
        from keyacct.analysis.line_loss import line_losses

        losses = line_losses(workspace, span)
        if not losses:
            render.say(Text("no line has a metering point", "没有带计量点的线路"))
        rows = [
            _percent(asdict(of) | {"provisional": of.provisional}, format, "loss_rate", "expected_rate")
            for of in losses
        ]
        if format is Format.csv:
            rows = [{key: value for key, value in row.items() if key not in ("head", "points")} for row in rows]
        render.write_rows(rows, _LINES, format)
        return None
    found = bus_balance(workspace, span)
    if missing := sorted(set(busbar or ()) - {of.busbar for of in found}):
        raise ConfigError(
            "config.registry_not_found",
            f"no busbar {', '.join(missing)}",
            hint="`keyacct registry list busbars` shows them",
        )
    chosen = [of for of in found if (not busbar or of.busbar in busbar) and _inside(of, chosen_set(where))]
    if not chosen:
        render.say(Text("the registry has no busbar", "台账中没有母线"))
    if causes:
        _write_causes(workspace, span, chosen, format)
        return None
    if feeders:
        rows = [_percent(asdict(feeder), format, "completeness") for of in chosen for feeder in of.feeders]
        render.write_rows(rows, _FEEDERS, format)
        return None
    rows = [_percent(asdict(of) | {"provisional": of.provisional}, format, "imbalance_rate", "limit") for of in chosen]
    if format is Format.table:
        rows = [row | {"passed": verdict(row["passed"])} for row in rows]
    if format is Format.csv:
        rows = [{key: value for key, value in row.items() if key != "feeders"} for row in rows]
    render.write_rows(rows, _COLUMNS, format)
    return None


def _write_causes(workspace: Workspace, span: Period, chosen: list[Balance], format: Format) -> None:
    from keyacct.analysis.balance_causes import suspects
    from keyacct.report.sections.balance_causes import CAUSES, told

    found = suspects(workspace, span, chosen)
    if chosen and not any(of.passed is False for of in chosen):
        unjudged = sum(of.passed is None for of in chosen)
        text = Text("no balance is beyond its limit", "没有超出允许值的母线平衡")
        if unjudged:
            text = Text(f"{text.en}; {unjudged} not judged", f"{text.zh}; {unjudged} 条母线无法判断")
        render.say(text)
    elif chosen and not found:
        render.say(Text("no cause found", "未发现疑似原因"))
    rows = [asdict(of) | {"told": str(told(of))} for of in found]
    if format is Format.table:
        rows = [row | {"cause": str(CAUSES[row["cause"]])} for row in rows]
    render.write_rows(rows, _CAUSES, format)


def _inside(of: Any, where: dict[str, list[str]] | None) -> bool:
    """Whether a busbar is in the set; a busbar has a substation, a voltage level and lines."""
    from keyacct.errors import UsageError

    lines = {feeder.supply_line for feeder in of.feeders}
    known = {
        "busbar": {of.busbar}, "substation": {of.substation}, "supply_line": lines,
        "voltage_level_kv": {None if of.voltage_level_kv is None else f"{of.voltage_level_kv:g}"},
    }  # fmt: skip
    for name, values in (where or {}).items():
        if name not in known:
            raise UsageError("usage.invalid", f"a busbar has no {name!r}", hint=f"choose of {', '.join(known)}")
        if not known[name] & set(values):
            return False
    return True


def _percent(row: dict[str, Any], format: Format, *names: str) -> dict[str, Any]:
    if format is not Format.table:
        return row
    return row | {name: 100 * row[name] for name in names if row[name] is not None}
