"""`keyacct billing`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keyacct.cli import exit_codes
from keyacct.cli.analysis_options import AccountOption, PeriodOption, chosen_period
from keyacct.cli.options import DryRunOption, Format, FormatOption
from keyacct.cli.render import Column, say, write_rows
from keyacct.cli.session import command, make_app, open_workspace
from keyacct.i18n import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

app = make_app(
    no_args_is_help=True,
    help=str(
        Text(
            "Frozen registers by each account's settlement cycle, handed over to the billing system.",
            "按各户结算周期冻结示数, 并移交营销结算。",
        )
    ),
)

PartialOption = Annotated[
    bool,
    typer.Option(
        "--allow-partial",
        help=str(Text("Also what is incomplete; what lacks is listed, exit 6.", "缺项也处理; 列出缺项, 退出码 6。")),
    ),
]

_BILLS = (
    Column("account_no", Text("account", "户号")),
    Column("cycle_from", Text("cycle from", "结算起")),
    Column("cycle_to", Text("cycle to", "结算止")),
    Column("state", Text("state", "状态")),
    Column("version", Text("version", "版本"), 0),
    Column("import_kwh", Text("import kWh", "正向电量kWh")),
    Column("demand_kw", Text("demand kW", "需量kW")),
    Column("pf_assessed", Text("PF", "功率因数")),
    Column("estimated", Text("estimated", "含估算")),
    Column("flags", Text("remarks", "标记")),
)
SHOWN = 40


def _tell_missing(rows: Sequence[dict[str, Any]]) -> None:
    """What lacks, on stderr, a line for each meter and instant."""
    together: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        place = " ".join(str(row[name]) for name in ("account_no", "point", "meter") if row[name])
        together.setdefault((place, row["at"], row["why"]), []).append(row["what"])
    for (place, at, why), what in list(together.items())[:SHOWN]:
        names = ", ".join(what)
        say(Text(f"missing: {place}, {at}: {names}: {why}", f"缺: {place}, {at}: {names}: {why}"))
    if len(together) > SHOWN:
        say(Text(f"… and {len(together) - SHOWN} more", f"… 另有 {len(together) - SHOWN} 项"))


@command(
    app,
    help=str(
        Text(
            "Freeze the bills of every settlement cycle that ends in a period (else the last month), and keep them.",
            "冻结并保存在一段时间内 (缺省上月) 结束的各结算周期。",
        )
    ),
)
def freeze(
    period: PeriodOption = None,
    account: AccountOption = None,
    allow_partial: PartialOption = False,
    dry_run: DryRunOption = False,
    format: FormatOption = Format.table,
) -> int | None:
    """Freeze bills."""
    from keyacct.workflow.billing import freeze as keep
    from keyacct.workflow.billing import missing_of

    workspace = open_workspace()
    span = chosen_period(period, workspace)
    frozen = keep(workspace, span, account, allow_partial=allow_partial, dry_run=dry_run)
    write_rows([row.as_row() for row in frozen], _BILLS, format)
    missing = missing_of(row.bill for row in frozen)
    _tell_missing(missing)
    if not frozen:
        say(Text(f"no settlement cycle ends in {span.label}", f"{span.label} 内没有结束的结算周期"))
    if dry_run:
        say(Text("dry run: nothing was kept", "试运行: 未保存"))
    return exit_codes.PARTIAL if missing else exit_codes.DONE


@command(
    app,
    help=str(
        Text(
            "Hand over the bills of a period as CSV and xlsx under the next number; what was handed over before and "
            "came out differently is marked as a correction. An incomplete set is refused (exit 8) unless allowed.",
            "以下一编号移交一段时间的结算数据 (CSV、xlsx); 已移交而后有变的标为更正。不完整时拒绝 (退出码 8), 除非允许。",
        )
    ),
)
def export(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help=str(Text("Folder of the files.", "输出目录。")))],
    period: PeriodOption = None,
    account: AccountOption = None,
    as_: Annotated[
        str, typer.Option("--as", metavar="csv,xlsx", help=str(Text("Kinds of files.", "文件格式。")))
    ] = "csv,xlsx",
    allow_partial: PartialOption = False,
    again: Annotated[
        int | None,
        typer.Option(
            "--again", metavar="N", min=1,
            help=str(Text("Write the files of export N once more, the same bytes.", "重新写出第 N 号, 内容不变。")),
        ),
    ] = None,
    dry_run: DryRunOption = False,
    format: FormatOption = Format.table,
) -> int | None:  # fmt: skip
    """Export bills."""
    from keyacct.errors import UsageError
    from keyacct.i18n import language
    from keyacct.workflow import billing

    formats = [name.strip() for name in as_.split(",")]
    if unknown := sorted(set(formats) - {"csv", "xlsx"}):
        raise UsageError("usage.invalid", f"--as {','.join(unknown)}", hint="choose csv, xlsx or both")
    if again is not None and (period is not None or account is not None):
        raise UsageError("usage.invalid", "--again names a whole export", hint="leave --period and --account out")
    workspace = open_workspace()
    if again is not None:
        done = billing.again(workspace, again, out, formats=formats)
    else:
        done = billing.export(
            workspace, chosen_period(period, workspace), out, formats=formats, accounts=account,
            allow_partial=allow_partial, dry_run=dry_run, lang=language(), tell_missing=_tell_missing,
        )  # fmt: skip
    columns = (
        Column("number", Text("number", "编号"), 0),
        Column("bills", Text("bills", "结算单"), 0),
        Column("corrections", Text("corrections", "更正"), 0),
        Column("unchanged", Text("unchanged", "未变"), 0),
        Column("missing", Text("missing", "缺项"), 0),
        Column("files", Text("files", "文件")),
    )
    write_rows([done.as_row()], columns, format)
    if dry_run:
        say(Text("dry run: nothing was kept or written", "试运行: 未保存, 未写文件"))
    elif done.number is None:
        say(Text("nothing new to hand over", "没有新的内容可移交"))
    return exit_codes.PARTIAL if done.missing else exit_codes.DONE


@command(app, name="list", help=str(Text("The exports so far: number, when, what, corrections.", "历次移交清单。")))
def list_(format: FormatOption = Format.table) -> int | None:
    """List exports."""
    from keyacct.model import civil
    from keyacct.workflow.billing import list_exports

    workspace = open_workspace()
    rows = [
        {**row, "exported_at": civil(row["exported_at"], workspace.zone)} for row in list_exports(workspace)
    ]  # fmt: skip
    columns = (
        Column("number", Text("number", "编号"), 0),
        Column("period", Text("period", "期间")),
        Column("exported_at", Text("at", "时间")),
        Column("accounts", Text("accounts", "户数"), 0),
        Column("corrections", Text("corrections", "更正"), 0),
        Column("complete", Text("complete", "完整")),
        Column("digest", Text("digest", "摘要")),
    )
    write_rows(rows, columns, format)
    return None
