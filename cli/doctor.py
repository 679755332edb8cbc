"""`keyacct doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

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
            "Check the workspace: settings, database, samples, devices, disk, ports, clock. Exit 9 when something is "
            "damaged.\n\n"
            "With --probe every line of the registry is opened and a device on it asked; exit 5 when no line answers, "
            "6 when some do not.",
            "检查工作区: 设置、数据库、采样、设备、磁盘、端口、时钟。有损坏时退出码 9。\n\n"
            "--probe 打开台账中每条线路并询问一台设备; 全无应答退出码 5, 部分无应答 6。",
        )
    ),
)
def doctor(
    probe: Annotated[
        bool,
        typer.Option("--probe", help=str(Text("Open every line and ask a device on it.", "打开每条线路并询问设备。"))),
    ] = False,
    format: FormatOption = Format.table,
) -> int | None:
    """Check the workspace."""
    from keyacct.workflow.doctor import check_workspace
    from keyacct.workflow.doctor_lines import check_lines

    workspace = open_workspace()
    checks = [*check_workspace(workspace), *check_lines(workspace)]
    asked = silent = 0
    if probe:
        from keyacct.cli.progress import Bar
        from keyacct.workflow.probing import probe_lines

        bar = Bar(str(Text("probing", "探测")))
        try:
            probes = probe_lines(workspace, bar)
        finally:
            bar.close()
        checks += [one.as_check() for one in probes]
        asked = sum(one.state != "busy" for one in probes)
        silent = sum(one.state in ("closed", "silent") for one in probes)
    columns = (
        Column("check", Text("check", "检查项")),
        Column("state", Text("state", "状态")),
        Column("message", Text("finding", "结果")),
        Column("advice", Text("what to do", "处理")),
    )
    write_rows([check.as_row() for check in checks], columns, format)
    if any(check.state == "damaged" for check in checks):
        return exit_codes.WRITE
    if silent:
        return exit_codes.LINK if silent == asked else exit_codes.PARTIAL
    return exit_codes.DONE
