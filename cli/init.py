"""`keyacct init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keyacct.cli.options import DryRunOption
from keyacct.cli.render import say
from keyacct.cli.session import command, make_app
from keyacct.i18n import Text

app = make_app()


@command(
    app,
    help=str(
        Text(
            "Make a workspace: the folder of one office with its registry, samples and reports.",
            "新建工作区: 存放一个单位的台账、采样数据和报表的目录。",
        )
    ),
)
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=str(Text("Folder to make.", "要新建的目录。")))],
    name: Annotated[
        str | None,
        typer.Option("--name", help=str(Text("Name of the office (else the folder's).", "单位名称 (默认目录名)。"))),
    ] = None,
    timezone: Annotated[
        str, typer.Option("--timezone", help=str(Text("Zone of civil days and device clocks.", "民用时区。")))
    ] = "Asia/Shanghai",
    database_url: Annotated[
        str | None,
        typer.Option(
            "--database-url",
            metavar="URL",
            help=str(
                Text(
                    "Empty PostgreSQL database, postgresql://user@host:5432/name; the password by"
                    " KEYACCT_DATABASE_PASSWORD (else a file in the folder).",
                    "空的 PostgreSQL 数据库 postgresql://user@host:5432/name, 口令用 KEYACCT_DATABASE_PASSWORD"
                    " (默认为目录中的文件)。",
                )
            ),
        ),
    ] = None,
    dry_run: DryRunOption = False,
) -> int | None:
    """Make a workspace."""
    from keyacct.workflow.workspace import check_new_workspace, init_workspace, refuse_password

    if database_url:
        refuse_password(database_url)
    if dry_run:
        check_new_workspace(folder, name=name, timezone=timezone, database_url=database_url or "")
        say(Text(f"would make a workspace in {folder}", f"将在 {folder} 新建工作区"))
        return None
    workspace = init_workspace(folder, name=name, timezone=timezone, database_url=database_url)
    say(
        Text(
            f"workspace made: {workspace.root}\nnext: keyacct registry import FILE.toml --workspace {workspace.root}",
            f"已新建工作区: {workspace.root}\n下一步: keyacct registry import FILE.toml --workspace {workspace.root}",
        )
    )
    return None
