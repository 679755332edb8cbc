"""`keyacct shed`: plans for orderly power use, and their check, on plain files and from the workspace."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keyacct.cli import exit_codes, render
from keyacct.cli.options import DryRunOption, Format, FormatOption, ThreadsOption, read_input
from keyacct.cli.render import Column
from keyacct.cli.session import command, make_app
from keyacct.cli.shed_columns import SUMMARY
from keyacct.cli.shed_document import register as register_document
from keyacct.cli.shed_draft import register as register_drafts
from keyacct.cli.shed_evaluate import register as register_evaluate
from keyacct.cli.shed_table import app as table_app
from keyacct.errors import UsageError, from_os_error
from keyacct.i18n import Text

if TYPE_CHECKING:
    from keyacct.plan.planner import Method, Planned

app = make_app(help=str(Text("Orderly power use: plan, and check a plan.", "有序用电: 编制方案与校核方案。")))
register_drafts(app)
register_document(app)
register_evaluate(app)
app.add_typer(table_app, name="table")


class MethodChoice(StrEnum):
    """Which plan is written."""

    optimise = "optimise"
    list = "list"
    list_hardest_first = "list-hardest-first"


ProblemOption = Annotated[
    Path,
    typer.Option("--problem", metavar="DIR", help=str(Text("Problem folder.", "问题目录。"))),
]

BREACHES = [
    Column("customer", Text("customer", "客户")),
    Column("area", Text("area", "区域")),
    Column("period", Text("period", "时段"), 0),
    Column("line", Text("line", "行"), 0),
    Column("rule", Text("rule", "规则")),
    Column("detail", Text("detail", "说明")),
]


@command(
    app,
    "plan",
    help=str(
        Text(
            "Plan an event: who gives how much in which time block, with a proved lower bound.",
            "编制有序用电方案: 各户在各时段压减多少, 并给出可证明的下界。",
        )
    ),
)
def plan(
    *,
    problem: ProblemOption,
    out: Annotated[
        str,
        typer.Option(
            "--out", metavar="FILE", help=str(Text("Plan file to write, - is stdout.", "方案文件, - 为标准输出。"))
        ),
    ],
    method: Annotated[
        MethodChoice, typer.Option("--method", help=str(Text("Which plan is written.", "采用何种方法的方案。")))
    ] = MethodChoice.optimise,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help=str(Text("Strict order of means, trips truly last.", "严格按措施次序, 拉闸最后。")),
        ),
    ] = False,
    fairness: Annotated[
        float,
        typer.Option(
            "--fairness",
            min=0.0,
            help=str(Text("Price on the square of a customer's hours.", "对客户限电小时平方的代价。")),
        ),
    ] = 0.0,
    explain: Annotated[
        str | None,
        typer.Option(
            "--explain",
            metavar="FILE",
            help=str(
                Text("Write why each customer was chosen or spared (.json or .csv).", "写出逐户理由 (.json 或 .csv)。")
            ),
        ),
    ] = None,
    reserve: Annotated[
        str | None,
        typer.Option(
            "--reserve",
            metavar="FILE",
            help=str(Text("Write the next customers by price, per block (.csv or .json).", "写出各时段块后备客户。")),
        ),
    ] = None,
    replan: Annotated[
        str | None,
        typer.Option(
            "--replan",
            metavar="PLAN",
            help=str(Text("Plan again: the plan in force.", "事中重排: 现行方案。")),
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help=str(
                Text("Plan again: blocks begun before this period or time stay.", "事中重排: 此前开始的时段块不变。")
            ),
        ),
    ] = None,
    change_cost: Annotated[
        float | None,
        typer.Option("--change-cost", min=0.0, help=str(Text("Cost of one changed order.", "变更一项指令的代价。"))),
    ] = None,
    threads: ThreadsOption = 0,
    format: FormatOption = Format.table,
    dry_run: DryRunOption = False,
) -> int | None:
    """Plan an event: who gives how much in which time block, with a proved lower bound."""
    from keyacct.plan import planner
    from keyacct.plan.folder import read_folder

    if (replan is None) != (from_ is None):
        raise UsageError("usage.invalid", "--replan and --from belong together", hint="give both, or neither")
    folder = read_folder(problem)
    name: Method = "list_hardest_first" if method is MethodChoice.list_hardest_first else method.value  # type: ignore[assignment]  # the two other values are the method's own names
    wishes = planner.Wishes(
        method=name,
        strict=strict,
        fairness=fairness,
        threads=threads,
        explain=explain is not None or reserve is not None,
        previous=(Path(replan).name, read_input(replan)) if replan is not None else None,
        replan_from=folder.terms.period_of(from_) if from_ is not None else None,
        change_cost=planner.CHANGE_COST if change_cost is None else change_cost,
    )
    planned = planner.plan(folder, wishes)
    for warning in planned.warnings[:20]:
        render.say(f"{Text('warning', '警告')}: {render.safe(warning)}")
    if len(planned.warnings) > 20:
        render.say(
            Text(f"… and {len(planned.warnings) - 20} more warnings", f"… 另有 {len(planned.warnings) - 20} 条警告")
        )
    target = None if dry_run or out == "-" else Path(out)
    planner.publish(folder, planned, target, wishes)
    if out == "-":
        sys.stdout.write(planned.content.decode("utf-8"))
    else:
        _summary(planned, name, format)
    if not dry_run:
        if explain is not None:
            from keyacct.plan.reasons import explanation, reason_rows

            _write(explain, explanation(folder, planned), reason_rows(planned))
        if reserve is not None:
            _write(reserve, planned.reserve, planned.reserve)
    _talk(planned)
    return exit_codes.PARTIAL if planned.figures["unmet_kwh"] >= 0.0005 else None


@command(
    app,
    "check",
    help=str(
        Text(
            "Check a plan by all rules; every breach names customer, period and rule.",
            "按全部规则校核方案; 每处违反都指明客户、时段与规则。",
        )
    ),
)
def check(
    problem: ProblemOption,
    plan: Annotated[
        str,
        typer.Option("--plan", metavar="FILE", help=str(Text("Plan file, - is stdin.", "方案文件, - 为标准输入。"))),
    ],
    format: FormatOption = Format.table,
) -> int | None:
    """Check a plan by all rules; every breach names customer, period and rule."""
    from keyacct.plan.checks import check as judge

    if plan == "-":
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary) / "stdin.csv"
            path.write_bytes(read_input("-"))
            verdict = judge(problem, path)
    else:
        verdict = judge(problem, Path(plan))
    if verdict.breaches:
        render.write_rows([b.as_row() for b in verdict.breaches], BREACHES, format)
        render.say(Text(f"refused: {len(verdict.breaches)} breach(es)", f"不通过: 违反 {len(verdict.breaches)} 处"))
        return exit_codes.GATE
    row = {key: round(value, 3) for key, value in verdict.figures.items()}
    columns = [c for c in SUMMARY if c.key in row]
    render.write_rows([row], columns, format)
    render.say(Text("accepted: no rule is broken", "通过: 无违规"))
    return None


def _summary(planned: Planned, written: str, format: Format) -> None:
    rows: list[dict[str, Any]] = []
    for trial in planned.trials:
        row = {key: round(value, 4) if isinstance(value, float) else value for key, value in trial.items()}
        objective = trial["objective"]
        gap = 100 * max(objective - planned.bound, 0.0) / objective if objective > 0 else 0.0
        rows.append(
            {
                "method": row.pop("method"),
                "written": trial["method"] == written,
                "bound": round(planned.bound, 4),
                "gap_pct": round(gap, 4),
                **row,
            }
        )
    render.write_rows(rows, SUMMARY, format)


def _talk(planned: Planned) -> None:
    for level, value, bound in planned.levels:
        render.say(f"{level}: {value:.3f} (≥ {bound:.3f})")
    if planned.shortfall:
        kwh = planned.figures["unmet_kwh"]
        render.say(
            Text(
                f"the demand cannot be met: {kwh:.3f} kWh short; safety loads were kept. Shortfall by period:",
                f"无法满足需求: 缺 {kwh:.3f} kWh; 保安负荷未动用。各时段缺口:",
            )
        )
        for area, period, kw in planned.shortfall:
            where = Text("system", "全系统") if area is None else Text(f"area {area}", f"区域 {area}")
            render.say(f"  {where} p{period}: {kw:.3f} kW")


def _write(name: str, document: object, rows: list[dict[str, Any]]) -> None:
    """A side file as JSON or CSV, by its name's ending, written whole or not at all; - is stdout (JSON)."""
    if name != "-" and name.lower().endswith(".csv"):
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, list(rows[0]) if rows else ["customer"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        text = buffer.getvalue()
    else:
        text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    if name == "-":
        sys.stdout.write(text)
        return
    path = Path(name)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise from_os_error(error, writing=True, file=name) from None
