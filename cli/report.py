"""`keyacct report`: write reports of a kind, or list the kinds."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from keyacct import i18n
from keyacct.cli import exit_codes, session
from keyacct.cli.options import DryRunOption, Format, FormatOption, FormatsOption, JobsOption
from keyacct.cli.own_reports import DEFINE, LIST_OWN, define_own, list_own, own_period
from keyacct.cli.render import Column, say, write_rows
from keyacct.cli.session import command, make_app
from keyacct.errors import ConfigError, UsageError
from keyacct.i18n import Text

app = make_app()

KIND_COLUMNS = (
    Column("kind", Text("KIND", "类别")),
    Column("report", Text("report", "报表")),
    Column("state", Text("state", "状态")),
)
FILE_COLUMNS = (
    Column("account_no", Text("account", "户号")),
    Column("format", Text("format", "格式")),
    Column("file", Text("file", "文件")),
    Column("rows", Text("rows", "行数"), 0),
    Column("bytes", Text("bytes", "字节"), 0),
)

TEMPLATE_COLUMNS = (
    Column("file", Text("file", "文件")),
    Column("format", Text("format", "格式")),
    Column("works", Text("works", "可用")),
    Column("message", Text("what is wrong", "问题")),
    Column("hint", Text("what to do", "处理办法")),
)
CHECK_TEMPLATE = "check-template"


@command(
    app,
    help=str(
        Text(
            "Write reports of one kind over a period, for the named accounts or all; stdout lists the files.",
            "按统计期为指定或全部客户生成报表; 标准输出列出生成的文件。",
        )
    ),
)
def report(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="KIND",
            help=str(
                Text(
                    "Which report, see --list; custom:NAME one of your own. Or: define, list-own (reports of your own), "
                    "check-template (try the office's own templates).",
                    "报表类别, 见 --list; custom:名称 为自定义报表。另有 define 定义、list-own 列出自定义报表, "
                    "check-template 检查自有模板。",
                )
            ),
        ),
    ] = None,
    period: Annotated[
        str | None,
        typer.Option(
            "--period",
            metavar="P",
            help=str(
                Text(
                    "2026, 2026Q2, 2026-06, 2026-06/2, 2026-W23, 2026-06-01 or FROM..TO.",
                    "2026、2026Q2、2026-06、2026-06/2、2026-W23、2026-06-01 或 起..止。",
                )
            ),
        ),
    ] = None,
    account: Annotated[
        list[str] | None,
        typer.Option(
            "--account",
            metavar="A",
            help=str(Text("Account number, may be repeated; else all.", "户号, 可重复; 不给则为全部。")),
        ),
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all", help=str(Text("Every account of the registry (the default).", "档案中的全部客户 (默认)。"))
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help=str(Text("Folder for the files.", "输出目录。"))),
    ] = None,
    formats: FormatsOption = "xlsx,html",
    csv_bom: Annotated[
        bool,
        typer.Option("--csv-bom", help=str(Text("Begin CSV files with a byte-order mark.", "CSV 文件以 BOM 开头。"))),
    ] = False,
    jobs: JobsOption = None,
    rewrite: Annotated[
        bool,
        typer.Option(
            "--rewrite",
            help=str(Text("Make files again that were made from the same data.", "数据未变的文件也重新生成。")),
        ),
    ] = False,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="N", help=str(Text("define: name of the report.", "define: 报表名称。"))),
    ] = None,
    title: Annotated[
        str, typer.Option("--title", metavar="T", help=str(Text("define: its title.", "define: 报表标题。")))
    ] = "",
    fields: Annotated[
        list[str] | None,
        typer.Option(
            "--field", metavar="F", help=str(Text("define: a field, may be repeated.", "define: 字段, 可重复。"))
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="COND",
            help=str(
                Text(
                    "define: a condition such as voltage_level_kv=10, may be repeated.",
                    "define: 条件, 如 voltage_level_kv=10, 可重复。",
                )
            ),
        ),
    ] = None,
    group: Annotated[
        str, typer.Option("--group-by", metavar="F", help=str(Text("define: field to group by.", "define: 分组字段。")))
    ] = "",
    list_kinds: Annotated[
        bool, typer.Option("--list", help=str(Text("List the kinds and stop.", "列出全部报表类别。")))
    ] = False,
    format: FormatOption = Format.table,
    dry_run: DryRunOption = False,
) -> int:
    """Write reports."""
    if list_kinds:
        return _list(format)
    if kind == CHECK_TEMPLATE:
        return _check_template(format)
    if kind == DEFINE:
        return define_own(
            name, title=title, fields=fields or [], where=where or [], group=group, period=period or "", dry_run=dry_run
        )
    if kind == LIST_OWN:
        return list_own(format)
    if period is None:
        period = own_period(kind)
    if kind is None or period is None or out is None:
        missing = [name for name, given in (("KIND", kind), ("--period", period), ("--out", out)) if given is None]
        raise UsageError(
            "usage.invalid",
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing",
            hint="for example `keyacct report month --period 2026-06 --out reports`; see also --list",
        )
    if every and account:
        raise UsageError(
            "usage.invalid", "--all and --account exclude each other", hint="leave --all out, or name no account"
        )
    return _write(
        kind,
        period,
        account,
        out,
        formats.split(","),
        csv_bom=csv_bom,
        format=format,
        dry_run=dry_run,
        jobs=jobs,
        rewrite=rewrite,
    )


def _check_template(format: Format) -> int:
    """Try every template of the office's own folder."""
    from keyacct.report.look import read_look
    from keyacct.report.templates_check import check_templates

    workspace = session.open_workspace()
    look = read_look(workspace)
    if look.templates is None:
        raise ConfigError(
            "config.invalid",
            "this workspace has no templates of its own",
            hint="name their folder as `templates` under [report] in keyacct.toml",
        )
    findings = check_templates(look, workspace.root)
    rows = [
        {
            "file": finding.file,
            "format": finding.format,
            "works": finding.error is None,
            "message": "" if finding.error is None else finding.error.message,
            "hint": "" if finding.error is None else finding.error.hint,
        }
        for finding in findings
    ]
    write_rows(rows, TEMPLATE_COLUMNS, format)
    if not rows:
        say(Text(f"no template lies in {look.templates}", f"{look.templates} 中没有模板"))
    return exit_codes.GATE if any(finding.error is not None for finding in findings) else exit_codes.DONE


def _list(format: Format) -> int:
    from keyacct.report.kinds import KINDS

    rows = []
    for kind in KINDS.values():
        state = (
            Text("available", "可用")
            if kind.needs is None
            else Text(f"unavailable: needs {kind.needs.en}", f"不可用: 需要{kind.needs.zh}")
        )
        if kind.made_by:
            state = Text(f"by `keyacct {kind.made_by}`", f"由 `keyacct {kind.made_by}` 生成")
        rows.append(
            {
                "kind": kind.name,
                "report": str(kind.title),
                "number": kind.number,
                "available": kind.needs is None,
                "state": str(state),
            }
        )
    write_rows(rows, KIND_COLUMNS, format)
    return exit_codes.DONE


def _write(
    kind: str,
    period: str,
    accounts: list[str] | None,
    out: Path,
    formats: list[str],
    *,
    csv_bom: bool,
    format: Format,
    dry_run: bool,
    jobs: int | None,
    rewrite: bool,
) -> int:
    from keyacct.cli.progress import Bar
    from keyacct.model import Period
    from keyacct.workflow.reports import check_formats, find_kind, write_reports

    find_kind(kind)  # what is wrong in the words of the command comes before what is wrong with the workspace
    wanted = check_formats([name.strip().lower() for name in formats if name.strip()])
    bar = Bar(str(Text("reports", "报表")))
    try:
        batch = write_reports(
            session.open_workspace(),
            kind,
            Period.parse(period),
            accounts=accounts or None,
            formats=wanted,
            out=out,
            lang=i18n.language(),
            csv_bom=csv_bom,
            dry_run=dry_run,
            jobs=jobs,
            rewrite=rewrite,
            progress=bar,
        )
    finally:
        bar.close()
    write_rows([asdict(file) for file in batch.files], FILE_COLUMNS, format)
    files, failed, kept = len(batch.files) - batch.kept, len(batch.failed), batch.kept
    done = (
        Text(f"{files} files would be written to {out}", f"将写入{files}个文件到 {out}")
        if dry_run
        else Text(
            f"{files} files and manifest.json written to {out}" + (f", {kept} unchanged" if kept else ""),
            f"已写入{files}个文件与 manifest.json 到 {out}" + (f", {kept}个未变" if kept else ""),
        )
    )
    say(done)
    for failure in batch.failed:
        say(
            Text(
                f"no report of account {failure.account_no}: {failure.message}",
                f"户号 {failure.account_no} 无报表: {failure.message}",
            ),
            level=-1,
        )
    return exit_codes.PARTIAL if failed else exit_codes.DONE
