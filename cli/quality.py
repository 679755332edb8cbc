"""`keyacct quality`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from keyacct.cli import exit_codes
from keyacct.cli.options import DryRunOption, Format, FormatOption
from keyacct.cli.render import Column, say, write_rows
from keyacct.cli.session import command, make_app, open_workspace
from keyacct.i18n import Text

app = make_app(
    no_args_is_help=True,
    help=str(Text("Data quality: checks, estimates, edits by hand.", "数据质量: 校验、估算、人工修正。")),
)

_METER = Column("meter", Text("meter", "表号"))
_FAMILY = Column("family", Text("family", "数据族"))
_KIND = Column("kind", Text("kind", "类别"))
_COLUMN = Column("column", Text("column", "列"))
_FROM = Column("from", Text("from", "起"))
_TO = Column("to", Text("to", "止"))
_FINDINGS = (
    Column("rule", Text("rule", "规则")),
    _METER,
    _FAMILY,
    Column("severity", Text("severity", "程度")),
    _COLUMN,
    _FROM,
    _TO,
    Column("values_found", Text("values", "个数"), 0),
    Column("value", Text("value", "数值"), 3),
    Column("limit_value", Text("limit", "限值"), 3),
    Column("detail", Text("detail", "说明")),
)

_LISTED = (
    Column("source", Text("of", "来源")),
    *_FINDINGS[:2],
    Column("terminal", Text("terminal", "终端")),
    *_FINDINGS[2:],
)

PeriodArgument = Annotated[
    str, typer.Argument(metavar="PERIOD", help=str(Text("2026-06, 2026-06-01, FROM..TO …", "时段, 如 2026-06。")))
]
MetersOption = Annotated[
    list[str] | None,
    typer.Option("--meter", metavar="NO", help=str(Text("Only this meter (again for more).", "只处理此表 (可重复)。"))),
]
ReasonOption = Annotated[
    str, typer.Option("--reason", help=str(Text("Why; stands in the audit chain.", "原因, 记入审计链。")))
]
PersonOption = Annotated[str, typer.Option("--by", metavar="PERSON", help=str(Text("Who does it.", "操作人。")))]


class FailOn(StrEnum):
    """Which findings make `check` fail."""

    severe = "severe"
    any = "any"


class Source(StrEnum):
    """What a finding is of."""

    samples = "samples"
    devices = "devices"


@command(
    app,
    help=str(
        Text(
            "Check the samples of a period: completeness, spike, register, tariff_sum, duplicate, future_time, stuck. "
            "The findings are kept in place of an earlier check's.",
            "校验一个时段的样本: 完整率、尖峰、示数 (下降、翻转、飞走)、分时和、重复、超前时间、恒定值。结果替换上次校验。",
        )
    ),
)
def check(
    period: PeriodArgument,
    meter: MetersOption = None,
    rule: Annotated[
        list[str] | None,
        typer.Option("--rule", help=str(Text("Only this rule (again for more).", "只用此规则 (可重复)。"))),
    ] = None,
    fail_on: Annotated[
        FailOn | None,
        typer.Option("--fail-on", help=str(Text("Exit 7 when there is such a finding.", "有此类结果时退出码 7。"))),
    ] = None,
    dry_run: DryRunOption = False,
    format: FormatOption = Format.table,
) -> int | None:
    """Check samples."""
    from keyacct.model import Period
    from keyacct.workflow.quality import check as run

    rows = run(open_workspace(), Period.parse(period), meters=meter, rules=rule, dry_run=dry_run)
    write_rows(rows, _FINDINGS, format)
    severe = sum(row["severity"] == "severe" for row in rows)
    say(Text(f"{len(rows)} findings, {severe} severe", f"发现 {len(rows)} 项, 严重 {severe} 项"))
    failed = fail_on is not None and (severe if fail_on is FailOn.severe else rows)
    return exit_codes.GATE if failed else exit_codes.DONE


@command(
    app,
    name="list",
    help=str(
        Text(
            "What is known to be wrong in a period: findings of samples that the last checks left, and those of devices "
            "that care found (clocks, parameters).",
            "列出一个时段的全部异常: 最近校验的样本结果, 以及表计维护发现的设备异常 (时钟、参数)。",
        )
    ),
)
def list_(
    period: PeriodArgument,
    meter: Annotated[
        str | None, typer.Option("--meter", metavar="NO", help=str(Text("Only this meter.", "只看此表。")))
    ] = None,
    rule: Annotated[str | None, typer.Option("--rule", help=str(Text("Only this rule.", "只看此规则。")))] = None,
    source: Annotated[
        Source | None,
        typer.Option("--source", help=str(Text("Only what is of samples, or of devices.", "只看样本或设备的异常。"))),
    ] = None,
    format: FormatOption = Format.table,
) -> int | None:
    """List findings."""
    from keyacct.model import Period
    from keyacct.workflow.quality import findings

    rows = findings(open_workspace(), Period.parse(period), meter=meter, rule=rule, source=source)
    write_rows(rows, _LISTED, format)
    return None


@command(
    app,
    help=str(
        Text(
            "Fill short gaps by interpolation. Estimates are flagged and give way when the true value comes.",
            "用插值补短缺口。估算值带标志, 真实值到达后自动让位。",
        )
    ),
)
def estimate(
    period: PeriodArgument,
    meter: MetersOption = None,
    dry_run: DryRunOption = False,
    format: FormatOption = Format.table,
) -> int | None:
    """Estimate gaps."""
    from keyacct.model import Period
    from keyacct.workflow.quality import estimate as fill

    gaps, summary = fill(open_workspace(), Period.parse(period), meters=meter, dry_run=dry_run)
    write_rows(gaps, (_METER, _FAMILY, _KIND, _FROM, _TO, Column("values", Text("values", "个数"), 0)), format)
    if dry_run:
        say(Text("dry run: nothing was written", "试运行: 未写入"))
    else:
        say(Text(f"{summary.added} estimated rows stored", f"已存入估算 {summary.added} 行"))
    return None


_EDITS = (
    Column("id", Text("edit", "修正号"), 0),
    _METER,
    _FAMILY,
    Column("ts", Text("time", "时间")),
    _COLUMN,
    Column("old_value", Text("old", "原值")),
    Column("new_value", Text("new", "新值")),
    Column("reason", Text("reason", "原因")),
    Column("person", Text("by", "操作人")),
    Column("made_at", Text("made", "修正时间")),
    Column("undone_at", Text("taken back", "撤销时间")),
)


@command(
    app,
    help=str(
        Text(
            "Put one value right, or retract it; needs a reason and a person, is audited, can be taken back.",
            "修正或撤回一个数值; 须有原因和操作人, 记入审计, 可撤销。",
        )
    ),
)
def edit(
    meter: Annotated[str, typer.Argument(metavar="METER", help=str(Text("Meter.", "表号。")))],
    time: Annotated[
        str, typer.Argument(metavar="TIME", help=str(Text("Stamp of the value, civil time.", "数值时标 (当地时间)。")))
    ],
    change: Annotated[
        str,
        typer.Argument(
            metavar="FAMILY.COLUMN=VALUE",
            help=str(Text("As voltage.a=221.3; nothing behind = retracts.", "如 voltage.a=221.3; = 后为空则撤回。")),
        ),
    ],
    reason: ReasonOption,
    by: PersonOption,
    kind: Annotated[
        str | None, typer.Option("--kind", help=str(Text("Kind, where it is not clear.", "类别 (不唯一时)。")))
    ] = None,
    tariff: Annotated[
        int | None, typer.Option("--tariff", min=0, max=63, help=str(Text("Tariff, where there are.", "费率号。")))
    ] = None,
    format: FormatOption = Format.table,
) -> int | None:  # fmt: skip
    """Edit a value."""
    import datetime as dt

    from keyacct.errors import UsageError
    from keyacct.workflow.edits import EditRequest, edit_value
    from keyacct.workflow.local_time import parse_time

    workspace = open_workspace()
    target, equals, value = change.partition("=")
    family, dot, column = target.partition(".")
    if not (equals and dot):
        raise UsageError("usage.invalid", f"{change!r} changes nothing", hint="write voltage.a=221.3")
    try:
        instant = parse_time(time)
    except ValueError as error:
        raise UsageError("usage.invalid", str(error)) from None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=workspace.zone)
    made = edit_value(
        workspace,
        EditRequest(
            family, column, meter, int(instant.astimezone(dt.UTC).timestamp() * 1000), value or None, reason, by,
            kind=kind, subkey={} if tariff is None else {"tariff": tariff},
        ),
    )  # fmt: skip
    write_rows([made], _EDITS, format)
    return None


@command(
    app, help=str(Text("Take an edit back: what would hold without it holds again.", "撤销一次修正, 恢复原应有值。"))
)
def undo(
    number: Annotated[int, typer.Argument(metavar="EDIT", help=str(Text("Number of the edit.", "修正号。")))],
    reason: ReasonOption,
    by: PersonOption,
    format: FormatOption = Format.table,
) -> int | None:
    """Undo an edit."""
    from keyacct.workflow.edits import undo_edit

    write_rows([undo_edit(open_workspace(), number, reason=reason, person=by)], _EDITS, format)
    return None


@command(app, help=str(Text("Every edit, also those taken back.", "列出全部修正, 含已撤销。")))
def edits(
    meter: Annotated[
        str | None, typer.Option("--meter", metavar="NO", help=str(Text("Only this meter.", "只看此表。")))
    ] = None,
    format: FormatOption = Format.table,
) -> int | None:
    """List edits."""
    from keyacct.workflow.edits import edits as made

    write_rows(made(open_workspace(), meter=meter), _EDITS, format)
    return None
