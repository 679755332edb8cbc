"""`keyacct shed table`: versions of the government's priority table."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from keyacct.cli import render
from keyacct.cli.options import DryRunOption, Format, FormatOption, read_input
from keyacct.cli.render import Column
from keyacct.cli.session import command, make_app, open_workspace
from keyacct.errors import UsageError
from keyacct.i18n import Text

app = make_app(
    no_args_is_help=True,
    help=str(
        Text("The government's priority table: import, approve, list, show.", "序位表: 导入、登记批复、列表、查看。")
    ),
)

TABLES = [
    Column("version", Text("version", "版本")),
    Column("title", Text("title", "名称")),
    Column("issued_by", Text("issued by", "发布机关")),
    Column("valid_from", Text("from", "起")),
    Column("valid_to", Text("to", "止")),
    Column("approved_by", Text("approved by", "批准机关")),
    Column("approval_no", Text("approval", "批复文号")),
    Column("approved_on", Text("on", "批准日期")),
    Column("accounts", Text("accounts", "户数"), 0),
    Column("protected", Text("protected", "受保护"), 0),
    Column("digest", Text("digest", "摘要")),
]

ENTRIES = [
    Column("seq", Text("place", "序号"), 0),
    Column("account_no", Text("account", "户号")),
    Column("cls", Text("class", "等级"), 0),
    Column("protected", Text("protected", "受保护")),
    Column("weight", Text("weight", "权重"), 3),
    Column("remark", Text("remark", "备注")),
]


def _day(name: str, text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError("usage.invalid", f"{name}: {text!r} is no date", hint="write for example 2026-07-01") from None


@command(
    app,
    "import",
    help=str(
        Text("Keep a version from a file (CSV or .xlsx: account_no, seq, cls, protected, weight, remark).",
             "由文件导入一个版本 (CSV 或 .xlsx: 户号, 序号, 等级, 保护, 权重, 备注)。")
    ),
)  # fmt: skip
def import_(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help=str(Text("CSV or .xlsx, - is stdin.", "文件, - 为标准输入。")))
    ],
    *,
    version: Annotated[
        str, typer.Option("--version", metavar="NAME", help=str(Text("Name of the version.", "版本号。")))
    ],
    issued_by: Annotated[
        str,
        typer.Option("--issued-by", metavar="BODY", help=str(Text("Government body that issued it.", "发布机关。"))),
    ],
    valid_from: Annotated[
        str, typer.Option("--valid-from", metavar="DATE", help=str(Text("First day.", "有效期起。")))
    ],
    valid_to: Annotated[
        str, typer.Option("--valid-to", metavar="DATE", help=str(Text("Last day, included.", "有效期止 (含)。")))
    ],
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help=str(Text("Title.", "名称。")))] = "",
    format: FormatOption = Format.table,
    dry_run: DryRunOption = False,
) -> int | None:
    """Keep a version from a file."""
    from keyacct.plan.priority_tables import import_table

    data = read_input(file)
    table = import_table(
        open_workspace(), data, file="stdin" if file == "-" else Path(file).name, version=version, issued_by=issued_by,
        valid_from=_day("--valid-from", valid_from), valid_to=_day("--valid-to", valid_to), title=title, write=not dry_run,
    )  # fmt: skip
    protected = sum(entry.protected for entry in table.entries)
    row = {
        "version": table.version, "title": table.title, "issued_by": table.issued_by,
        "valid_from": table.valid_from.isoformat(), "valid_to": table.valid_to.isoformat(),
        "approved_by": table.approved_by, "approval_no": table.approval_no,
        "approved_on": table.approved_on.isoformat() if table.approved_on else None, "accounts": len(table.entries),
        "protected": protected, "digest": table.digest,
    }  # fmt: skip
    render.write_rows([row], TABLES, format)
    if table.approved_by is None:
        render.say(
            Text(
                "not approved yet, no plan may use it: keyacct shed table approve",
                "尚未登记批复: keyacct shed table approve",
            )
        )
    return None


@command(app, "approve", help=str(Text("Note the government's approval of a version.", "登记政府对某版本的批复。")))
def approve(
    version: Annotated[str, typer.Argument(metavar="VERSION", help=str(Text("The version.", "版本号。")))],
    *,
    by: Annotated[str, typer.Option("--by", metavar="BODY", help=str(Text("Who approved it.", "批准机关或批准人。")))],
    approval_no: Annotated[
        str, typer.Option("--approval-no", metavar="NO", help=str(Text("Number of the approval.", "批复文号。")))
    ],
    on: Annotated[str, typer.Option("--on", metavar="DATE", help=str(Text("Day of the approval.", "批准日期。")))],
) -> int | None:
    """Note the government's approval of a version."""
    from keyacct.plan.priority_tables import approve_table

    table = approve_table(
        open_workspace(), version, approved_by=by, approval_no=approval_no, approved_on=_day("--on", on)
    )
    render.say(
        Text(f"version {table.version} is approved, valid from {table.valid_from} to {table.valid_to}",
             f"版本 {table.version} 已批准, 有效期 {table.valid_from} 至 {table.valid_to}")
    )  # fmt: skip
    return None


@command(app, "list", help=str(Text("List the versions.", "列出各版本。")))
def list_(format: FormatOption = Format.table) -> int | None:
    """List the versions."""
    from keyacct.plan.priority_tables import list_tables

    rows = list_tables(open_workspace())
    render.write_rows(rows, TABLES if format is not Format.table else TABLES[:-1], format)
    return None


@command(app, "show", help=str(Text("Show the accounts of a version in their order.", "按序显示某版本的各户。")))
def show(
    version: Annotated[str, typer.Argument(metavar="VERSION", help=str(Text("The version.", "版本号。")))],
    format: FormatOption = Format.table,
) -> int | None:
    """Show the accounts of a version in their order."""
    from keyacct.plan.priority_tables import load_table

    table = load_table(open_workspace(), version)
    rows = [
        {"seq": e.seq, "account_no": e.account_no, "cls": e.cls, "protected": e.protected, "weight": e.weight, "remark": e.remark}
        for e in table.entries
    ]  # fmt: skip
    render.write_rows(rows, ENTRIES, format)
    return None
