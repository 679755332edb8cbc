"""`keyacct shed draft` and `keyacct shed status`: plans from the workspace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keyacct.cli import exit_codes, render
from keyacct.cli.options import DryRunOption, Format, FormatOption, ThreadsOption, read_input
from keyacct.cli.render import Column
from keyacct.cli.session import command, open_workspace
from keyacct.cli.shed_columns import SUMMARY
from keyacct.errors import UsageError
from keyacct.i18n import Text

if TYPE_CHECKING:
    from keyacct.workflow.shedding import Drafted

MOST_WARNINGS = 20

BLOCKS = [
    Column("block", Text("block", "时段"), 0),
    Column("from", Text("from", "起")),
    Column("to", Text("to", "止")),
    Column("required_kw", Text("demand kW", "目标 kW"), 1),
    Column("least_given_kw", Text("least given kW", "最小压减 kW"), 1),
    Column("short_kw", Text("short kW", "缺口 kW"), 1),
    Column("cost_of_one_more_mw", Text("one more MW costs", "再增 1 MW 代价"), 0),
]

STATUS = [
    Column("draft", Text("draft", "方案")),
    Column("state", Text("state", "状态")),
    Column("day", Text("day", "日期")),
    Column("level", Text("level", "等级")),
    Column("rule_set", Text("rules", "规则")),
    Column("method", Text("method", "方法")),
    Column("mode", Text("mode", "方式")),
    Column("table_version", Text("table", "序位表")),
    Column("accounts_ordered", Text("accounts", "户数"), 0),
    Column("required_peak_kw", Text("demand kW", "目标 kW"), 1),
    Column("reduced_peak_kw", Text("given kW", "压减 kW"), 1),
    Column("unmet_kwh", Text("unmet kWh", "缺口 kWh"), 3),
    Column("from_draft", Text("from", "来自")),
    Column("made_by", Text("by", "编制人")),
    Column("made_at", Text("made at", "编制时间")),
]

STATES = [
    Column("number", Text("no.", "序"), 0),
    Column("state", Text("state", "状态")),
    Column("reason", Text("reason", "原因")),
    Column("noted_by", Text("by", "登记人")),
    Column("noted_at", Text("at", "时间")),
]


def register(app: typer.Typer) -> None:
    """Add the two commands to `keyacct shed`."""
    command(
        app,
        "draft",
        help=str(
            Text(
                "Draft a plan from the workspace: priority table, registry, samples; checked, explained, recorded.",
                "由工作区编制方案: 序位表、台账、采样; 校核、说明并登记。",
            )
        ),
    )(draft)
    command(
        app,
        "status",
        help=str(
            Text(
                "List drafts and their state, or show one and write its folder.", "列出方案及其状态, 或查看并导出一个。"
            )
        ),
    )(status)


def draft(
    *,
    date: Annotated[
        str | None, typer.Option("--date", metavar="DATE", help=str(Text("Day of the event.", "事件日期。")))
    ] = None,
    level: Annotated[
        str | None,
        typer.Option(
            "--level",
            metavar="LEVEL",
            help=str(
                Text("blue, yellow, orange, red (else from the gap).", "blue, yellow, orange, red (否则按缺口)。")
            ),
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="FILE|KW",
            help=str(
                Text(
                    "Demand: kW in every block, or a CSV (from,to,required_kw[,area,demand_response_kw]); - is stdin.",
                    "目标: 各时段 kW, 或 CSV (from,to,required_kw[,area,demand_response_kw]); - 为标准输入。",
                )
            ),
        ),
    ] = None,
    rounds: Annotated[
        str | None,
        typer.Option(
            "--rounds",
            metavar="SPANS",
            help=str(Text("Time blocks, 17:00-19:00,19:00-21:00.", "时段, 如 17:00-19:00,19:00-21:00。")),
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            "--method",
            metavar="NAME",
            help=str(Text("optimise, list or list-hardest-first.", "optimise, list 或 list-hardest-first。")),
        ),
    ] = "optimise",
    mode: Annotated[
        str,
        typer.Option(
            "--mode",
            metavar="strict|weights",
            help=str(Text("Strict order of means, or least weighted cost.", "严格按措施次序, 或加权代价最小。")),
        ),
    ] = "strict",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help=str(Text("Folder (else shedding/ID).", "目录 (否则 shedding/编号)。"))
        ),
    ] = None,
    rules: Annotated[
        str | None,
        typer.Option("--rules", metavar="NAME", help=str(Text("ou_2011 or ou_2023.", "ou_2011 或 ou_2023。"))),
    ] = None,
    measures: Annotated[
        str | None,
        typer.Option(
            "--measures",
            metavar="NAMES",
            help=str(
                Text("Instead of the level's: shift,avoid,limit,trip.", "替代等级规定的措施: shift,avoid,limit,trip。")
            ),
        ),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option("--table", metavar="VERSION", help=str(Text("Version of the priority table.", "序位表版本。"))),
    ] = None,
    forecast: Annotated[
        str | None,
        typer.Option(
            "--forecast",
            metavar="FILE",
            help=str(Text("Expected loads (CSV account_no,at,kw).", "负荷预测 (CSV account_no,at,kw)。")),
        ),
    ] = None,
    expected_max: Annotated[
        float | None,
        typer.Option(
            "--expected-max",
            metavar="KW",
            help=str(Text("Expected maximum demand of the region: the gap's share.", "预计最大负荷, 用于缺口比例。")),
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            "--margin", metavar="SHARE", help=str(Text("Beyond the demand, 0.05 is 5 %.", "裕度, 0.05 即 5 %。"))
        ),
    ] = None,
    order: Annotated[
        str | None,
        typer.Option("--order", metavar="NO", help=str(Text("Number of dispatch's order.", "调度令编号。"))),
    ] = None,
    emergency: Annotated[
        str | None,
        typer.Option("--emergency", metavar="REASON", help=str(Text("No notice times; why.", "不计通知时间; 原因。"))),
    ] = None,
    from_draft: Annotated[
        str | None,
        typer.Option("--from-draft", metavar="ID", help=str(Text("Plan this draft again.", "事中重排此方案。"))),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help=str(Text("Blocks begun before stay.", "此前开始的时段不变。"))),
    ] = None,
    threads: ThreadsOption = 0,
    format: FormatOption = Format.table,
    dry_run: DryRunOption = False,
) -> int | None:
    """Draft a plan from the workspace."""
    import datetime as dt

    from keyacct.workflow.shed_setting import DraftWishes
    from keyacct.workflow.shedding import draft as make

    if (from_draft is None) != (at is None):
        raise UsageError("usage.invalid", "--from-draft and --at belong together", hint="give both, or neither")
    if method not in ("optimise", "list", "list-hardest-first"):
        raise UsageError("usage.invalid", f"{method!r} is no method", hint="optimise, list or list-hardest-first")
    if mode not in ("strict", "weights"):
        raise UsageError("usage.invalid", f"{mode!r} is no mode", hint="strict or weights")
    day: dt.date | None = None
    if date is not None:
        try:
            day = dt.date.fromisoformat(date)
        except ValueError:
            raise UsageError("usage.invalid", f"{date!r} is no date", hint="write for example 2026-07-15") from None
    wishes = DraftWishes(
        day=day, level=level, target=_target(target), rounds=_names(rounds) or (), rule_set=rules,
        method=method.replace("-", "_"), mode=mode,  # type: ignore[arg-type]  # held to their names above
        table=table, forecast=(Path(forecast).name, read_input(forecast)) if forecast is not None else None, margin=margin,
        measures=_names(measures), expected_max_kw=expected_max, emergency=emergency, order=order,
        from_draft=from_draft, at=at, threads=threads,
    )  # fmt: skip
    drafted = make(open_workspace(), wishes, out, record=not dry_run)
    _show(drafted, format)
    return exit_codes.PARTIAL if drafted.planned.figures["unmet_kwh"] >= 0.0005 else None


def _names(text: str | None) -> tuple[str, ...] | None:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if text is not None else None


def _target(text: str | None) -> float | tuple[str, bytes] | None:
    if text is None:
        return None
    if text != "-" and Path(text).exists():
        return Path(text).name, read_input(text)
    if text == "-":
        return "stdin", read_input(text)
    try:
        return float(text)
    except ValueError:
        return Path(text).name, read_input(text)  # says that there is no such file


def _show(drafted: Drafted, format: Format) -> None:
    header = drafted.header
    for warning in drafted.warnings[:MOST_WARNINGS]:
        render.say(f"{Text('warning', '警告')}: {render.safe(str(warning))}")
    if len(drafted.warnings) > MOST_WARNINGS:
        more = len(drafted.warnings) - MOST_WARNINGS
        render.say(Text(f"… and {more} more warnings, all in accounts.csv", f"… 另有 {more} 条警告, 详见 accounts.csv"))
    if format is Format.json:
        render.write_rows([header], [], format)
    elif format in (Format.jsonl, Format.csv):
        render.write_rows(header["blocks"], BLOCKS, format)
    else:
        render.write_rows([{**row, "written": bool(row["written"])} for row in drafted.methods], SUMMARY, format)
        render.write_rows(header["blocks"], BLOCKS, format)
    _talk(drafted)


def _talk(drafted: Drafted) -> None:
    from keyacct.plan.reasons import RULES

    header = drafted.header
    table, figures, asked = header["table"], header["figures"], header["accounts_ordered"]
    render.say(
        Text(
            f"priority table {table['version']} ({table['issued_by']}, approved {table['approval_no']} of"
            f" {table['approved_on']}), {asked} of {table['accounts']} accounts asked, {table['protected']} protected",
            f"序位表 {table['version']} ({table['issued_by']}, 批复 {table['approval_no']}, {table['approved_on']}), "
            f"安排 {asked}/{table['accounts']} 户, 受保护 {table['protected']} 户",
        )
    )
    helpful = [relief for relief in header["reliefs"] if relief["saving_at_most"] > 0]
    if helpful:
        rule = RULES[helpful[0]["rule"]]
        render.say(
            Text(f"the limit that would help most: {rule.en} (saves {helpful[0]['saving_at_most']:.0f} at most)",
                 f"最有帮助的约束放宽: {rule.zh} (至多节省 {helpful[0]['saving_at_most']:.0f})")
        )  # fmt: skip
    if header["from_draft"] is not None:
        changes = int(figures["changes"])
        render.say(
            Text(f"planned again from {header['replan_from']}: {changes} orders changed against {header['from_draft']}",
                 f"自 {header['replan_from']} 起重排: 较 {header['from_draft']} 变更 {changes} 项")
        )  # fmt: skip
    if header["shortfall"]:
        kwh = figures["unmet_kwh"]
        render.say(
            Text(f"the demand cannot be met: {kwh:.3f} kWh short; safety loads were kept. Shortfall:",
                 f"无法满足需求: 缺 {kwh:.3f} kWh; 保安负荷未动用。缺口:")
        )  # fmt: skip
        for row in header["shortfall"]:
            where = (
                Text("system", "全系统") if row["area"] is None else Text(f"area {row['area']}", f"区域 {row['area']}")
            )
            render.say(f"  {render.safe(str(where))} {row['at'] or row['period']}: {row['kw']:.3f} kW")
    if drafted.folder is not None:
        render.say(Text(f"draft {header['draft']}: {drafted.folder}", f"方案 {header['draft']}: {drafted.folder}"))
        render.say(Text("nothing has been ordered: a draft needs its approval", "方案尚未批准, 未下达任何指令"))


def status(
    draft: Annotated[
        str | None, typer.Argument(metavar="[ID]", help=str(Text("A draft, else all.", "方案编号, 缺省为全部。")))
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help=str(Text("Write the draft's folder once more.", "再次写出方案目录。"))
        ),
    ] = None,
    format: FormatOption = Format.table,
) -> int | None:
    """List drafts and their state."""
    from keyacct.model import civil
    from keyacct.plan.drafts import list_drafts, load_draft, state_history
    from keyacct.workflow.shedding import export_draft

    workspace = open_workspace()
    rows = list_drafts(workspace)
    if draft is None:
        if out is not None:
            raise UsageError("usage.invalid", "--out writes one draft", hint="name it")
        for row in rows:
            row["made_at"] = civil(row["made_at"], workspace.zone).isoformat()
        render.write_rows(rows, STATUS, format)
        return None
    stored = load_draft(workspace, draft)
    history: list[dict[str, Any]] = state_history(workspace, draft)
    for entry in history:
        entry["noted_at"] = civil(entry["noted_at"], workspace.zone).isoformat()
    if out is not None:
        export_draft(workspace, draft, out)
    if format is Format.json:
        render.write_rows([{**stored.header, "state": stored.state, "states": history}], [], format)
        return None
    (row,) = (row for row in rows if row["draft"] == draft)
    row["made_at"] = civil(row["made_at"], workspace.zone).isoformat()
    render.write_rows([row], STATUS, format)
    render.write_rows(history, STATES, format)
    return None
