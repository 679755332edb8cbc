"""`keyacct restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keyacct.cli import exit_codes
from keyacct.cli.options import DryRunOption, Format, FormatOption
from keyacct.cli.render import Column, say, write_rows
from keyacct.cli.session import command, make_app
from keyacct.i18n import Text

app = make_app()


@command(
    app,
    help=str(
        Text(
            "Bring a backup back into an empty folder; every file, the database and the audit chain are checked first.",
            "把备份恢复到空目录; 先校验每个文件、数据库和审计链。",
        )
    ),
)
def restore(
    backup: Annotated[Path, typer.Argument(metavar="BACKUP", help=str(Text("Folder or .tar.", "备份目录或 .tar。")))],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=str(Text("Where to, empty.", "恢复到的空目录。")))],
    database_url: Annotated[
        str | None,
        typer.Option(
            "--database-url",
            metavar="URL",
            help=str(
                Text(
                    "Empty PostgreSQL database for the registry, '' for a file (else as in the backup's settings).",
                    "台账恢复到的空 PostgreSQL 数据库, '' 为文件 (默认按备份中的设置)。",
                )
            ),
        ),
    ] = None,
    allow_partial: Annotated[
        bool,
        typer.Option(
            "--allow-partial",
            help=str(Text("Also a backup that says that files are missing.", "也恢复自述缺少文件的备份。")),
        ),
    ] = False,
    dry_run: DryRunOption = False,
    format: FormatOption = Format.table,
) -> int | None:
    """Restore a backup."""
    from keyacct.workflow.backup.restore import restore_backup
    from keyacct.workflow.workspace import refuse_password

    if database_url:
        refuse_password(database_url)
    done = restore_backup(backup, folder, database_url=database_url, allow_partial=allow_partial, dry_run=dry_run)
    if done is None:
        say(Text(f"would restore {backup} into {folder}", f"将把 {backup} 恢复到 {folder}"))
        return exit_codes.DONE
    columns = (
        Column("path", Text("workspace", "工作区")),
        Column("backup", Text("backup", "备份")),
        Column("files", Text("files", "文件数"), 0),
        Column("bytes", Text("bytes", "字节"), 0),
        Column("audit_seq", Text("audit rows", "审计行"), 0),
    )
    write_rows([done.as_row()], columns, format)
    for problem in done.manifest.problems:
        say(Text(f"missing: {problem.path}: {problem.problem}", f"缺少: {problem.path}: {problem.problem}"))
    return exit_codes.PARTIAL if done.absent else exit_codes.DONE
