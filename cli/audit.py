"""`keyacct audit`."""

from __future__ import annotations

from typing import Annotated

import typer

from keyacct.cli import exit_codes
from keyacct.cli.options import Format, FormatOption
from keyacct.cli.render import Column, say, write_rows
from keyacct.cli.session import command, make_app, open_workspace
from keyacct.i18n import Text

app = make_app(
    no_args_is_help=True,
    help=str(
        Text("Who changed what, and proof that nothing was changed since.", "审计: 谁改了什么, 并证明其后未被篡改。")
    ),
)


@command(
    app,
    help=str(
        Text(
            "Check every link of the chain, and its end against the anchor; names the first broken link, exit 7.",
            "校验审计链的每一环并与外部锚比对; 指出第一处断裂, 退出码 7。",
        )
    ),
)
def verify(
    head: Annotated[
        list[str] | None,
        typer.Option(
            "--head", metavar="SEQ:HASH",
            help=str(Text("A head that was kept elsewhere (may be repeated).", "另处保存的链头 (可重复)。")),
        ),
    ] = None,
    format: FormatOption = Format.table,
) -> int | None:  # fmt: skip
    """Verify the audit chain."""
    from keyacct.workflow.auditing import check_audit

    workspace = open_workspace()
    found = check_audit(workspace, head)
    columns = (
        Column("seq", Text("row", "序号"), 0),
        Column("fault", Text("fault", "问题")),
        Column("message", Text("message", "说明")),
    )
    write_rows([found.broken.as_row()] if found.broken is not None else [], columns, format)
    say(
        Text(
            f"{found.rows} rows hold, head {found.head_seq}:{found.head_hash}; {found.anchored} compared with the anchor",
            f"{found.rows} 行完好, 链头 {found.head_seq}:{found.head_hash}; 与锚比对 {found.anchored} 个",
        )
    )
    for note in found.notes:
        say(Text(f"note: {note}", f"注意: {note}"))
    if not workspace.settings.audit.anchor and not head:
        say(
            Text(
                "no anchor is set: rows cut off at the end would not show (docs/backup.md, audit)",
                "未设外部锚: 末尾被截断的行无法发现 (见 docs/backup.md)",
            )
        )
    return exit_codes.GATE if found.broken is not None else exit_codes.DONE


@command(app, name="list", help=str(Text("List what was done, oldest first.", "列出审计记录, 由旧到新。")))
def list_(
    action: Annotated[
        str | None,
        typer.Option("--action", help=str(Text("This action, as store or store.ingest.", "此类操作, 如 store。"))),
    ] = None,
    who: Annotated[str | None, typer.Option("--who", help=str(Text("By this operator.", "此操作员。")))] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="PERIOD", help=str(Text("From this period on.", "起始日期。")))
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="PERIOD", help=str(Text("To the end of this one.", "截止日期 (含)。")))
    ] = None,
    about: Annotated[
        str | None,
        typer.Option(
            "--about", metavar="TEXT", help=str(Text("Rows that name this, as an account.", "含此文字, 如户号。"))
        ),
    ] = None,
    after: Annotated[
        int | None,
        typer.Option("--after", metavar="ROW", min=0, help=str(Text("Rows after this one.", "此序号之后。"))),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help=str(Text("The last so many.", "最近若干条。")))
    ] = None,
    format: FormatOption = Format.table,
) -> int | None:
    """List the audit chain."""
    from keyacct.cli.render import show
    from keyacct.database.audit import canonical
    from keyacct.model import Period
    from keyacct.workflow.auditing import AuditFilter, list_audit

    workspace = open_workspace()
    asked = AuditFilter(
        action, who,
        Period.parse(from_).bounds_ms(workspace.zone)[0] if from_ is not None else None,
        Period.parse(to).bounds_ms(workspace.zone)[1] if to is not None else None,
        about, after, limit,
    )  # fmt: skip
    rows = list_audit(workspace, asked)
    columns = (
        Column("seq", Text("row", "序号"), 0),
        Column("at", Text("at", "时间")),
        Column("who", Text("who", "操作员")),
        Column("action", Text("action", "操作")),
        Column("body", Text("what", "内容")),
    )
    if format is Format.table:
        write_rows(({**row, "body": show(canonical(row["body"] or {}))} for row in rows), columns, format)
    else:
        write_rows(rows, columns, format)
    return None


@command(
    app,
    help=str(
        Text(
            "Print the head of the chain, to be kept elsewhere; --anchor writes it to the anchor of the settings.",
            "打印链头, 供另处保存; --anchor 写入设置中的外部锚。",
        )
    ),
)
def head(
    anchor: Annotated[
        bool, typer.Option("--anchor", help=str(Text("Write it to the anchor.", "写入外部锚。")))
    ] = False,
    format: FormatOption = Format.table,
) -> int | None:
    """Print the head of the audit chain."""
    from keyacct.model import civil
    from keyacct.workflow.auditing import anchor_now, audit_head

    workspace = open_workspace()
    found = anchor_now(workspace) if anchor else audit_head(workspace)
    columns = (Column("head", Text("head", "链头")), Column("at", Text("at", "时间")))
    rows = []
    if found is not None:
        rows.append(
            {
                "head": f"{found.seq}:{found.hash}", "at": civil(found.at, workspace.zone), "seq": found.seq,
                "hash": found.hash, "branch": found.branch,
            }
        )  # fmt: skip
    write_rows(rows, columns, format)
    return None
