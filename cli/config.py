"""`keyacct config`."""

from __future__ import annotations

from keyacct.cli.options import Format, FormatOption
from keyacct.cli.render import Column, write_rows
from keyacct.cli.session import command, make_app, open_workspace
from keyacct.i18n import Text

app = make_app(no_args_is_help=True, help=str(Text("Settings of the workspace.", "工作区设置。")))


@app.callback()
def config() -> None:
    """Settings of the workspace."""


@command(
    app,
    help=str(
        Text(
            "Every setting: its value, its default, what it means and its source.",
            "全部设置: 取值、默认值、含义与出处。",
        )
    ),
)
def show(format: FormatOption = Format.table) -> int | None:
    """Show every setting."""
    from keyacct.config import describe_settings

    columns = (
        Column("key", Text("key", "键")),
        Column("value", Text("value", "取值")),
        Column("default", Text("default", "默认")),
        Column("description", Text("description", "说明")),
    )
    write_rows(describe_settings(open_workspace().settings), columns, format)
    return None
