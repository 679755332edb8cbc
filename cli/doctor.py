"""`keyacct doctor`."""

from __future__ import annotations

from keyacct.cli import exit_codes
from keyacct.cli.options import Format, FormatOption
from keyacct.cli.render import Column, write_rows
from keyacct.cli.session import command, make_app, open_workspace
from keyacct.i18n import Text

app = make_app()


@command(
    app,
    help=str(
        Text(
            "Check the workspace: settings, database, samples, devices, disk. Exit 9 when something is damaged.",
            "检查工作区: 设置、数据库、采样、设备、磁盘。有损坏时退出码 9。",
        )
    ),
)
def doctor(format: FormatOption = Format.table) -> int | None:
    """Check the workspace."""
    from keyacct.workflow.doctor import check_workspace

    checks = check_workspace(open_workspace())
    columns = (
        Column("check", Text("check", "检查项")),
        Column("state", Text("state", "状态")),
        Column("message", Text("finding", "结果")),
        Column("advice", Text("what to do", "处理")),
    )
    write_rows([check.as_row() for check in checks], columns, format)
    return exit_codes.WRITE if any(check.state == "damaged" for check in checks) else exit_codes.DONE
