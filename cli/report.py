"""`keyacct report`: write reports of a kind, or list the kinds."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from keyacct import i18n
from keyacct.cli import exit_codes, session
from keyacct.cli.options import DryRunOption, Format, FormatOption
from keyacct.cli.render import Column, say, write_rows
from keyacct.cli.session import command, make_app
from keyacct.errors import UsageError
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
        typer.Argument(metavar="KIND", help=str(Text("Which report; see --list.", "报表类别, 见 --list。"))),
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
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help=str(Text("Folder for the files.", "输出目录。"))),
    ] = None,
    formats: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="LIST",
            help=str(Text("Formats, comma-separated: xlsx, html, csv.", "文件格式, 逗号分隔: xlsx, html, csv。")),
        ),
    ] = "xlsx,html",
    csv_bom: Annotated[
        bool,
        typer.Option("--csv-bom", help=str(Text("Begin CSV files with a byte-order mark.", "CSV 文件以 BOM 开头。"))),
    ] = False,
    list_kinds: Annotated[
        bool, typer.Option("--list", help=str(Text("List the kinds and stop.", "列出全部报表类别。")))
    ] = False,
    format: FormatOption = Format.table,
    dry_run: DryRunOption = False,
) -> int:
    """Write reports."""
    if list_kinds:
        return _list(format)
    if kind is None or period is None or out is None:
        missing = [name for name, given in (("KIND", kind), ("--period", period), ("--out", out)) if given is None]
        raise UsageError(
            "usage.invalid",
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing",
            hint="for example `keyacct report month --period 2026-06 --out reports`; see also --list",
        )
    return _write(kind, period, account, out, formats.split(","), csv_bom=csv_bom, format=format, dry_run=dry_run)


def _list(format: Format) -> int:
    from keyacct.report.kinds import KINDS

    rows = []
    for kind in KINDS.values():
        state = (
            Text("available", "可用")
            if kind.needs is None
            else Text(f"unavailable: needs {kind.needs.en}", f"不可用: 需要{kind.needs.zh}")
        )
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
) -> int:
    from keyacct.model import Period
    from keyacct.workflow.reports import check_formats, find_kind, write_reports

    find_kind(kind)  # what is wrong in the words of the command comes before what is wrong with the workspace
    wanted = check_formats([name.strip().lower() for name in formats if name.strip()])
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
    )
    write_rows([asdict(file) for file in batch.files], FILE_COLUMNS, format)
    files, failed = len(batch.files), len(batch.failed)
    done = (
        Text(f"{files} files would be written to {out}", f"将写入{files}个文件到 {out}")
        if dry_run
        else Text(
            f"{files} files and manifest.json written to {out}",
            f"已写入{files}个文件与 manifest.json 到 {out}",
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
