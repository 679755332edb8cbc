"""`keyacct service print`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from keyacct.cli import exit_codes
from keyacct.cli.options import write_output
from keyacct.cli.render import say
from keyacct.cli.session import command, make_app, open_workspace
from keyacct.i18n import Text

app = make_app(no_args_is_help=True, help=str(Text("Running as a service under systemd.", "以 systemd 服务方式运行。")))


@app.callback()
def _group() -> None:
    """Running as a service under systemd."""


@command(
    app,
    "print",
    help=str(
        Text(
            "Unit files for systemd, hardened, for this workspace and this installation: poll (a service that asks what the "
            "plans have due), due (a timer that does the same run by run), listen (the master station). They go to "
            "stdout, or into --out DIR; nothing is installed.",
            "为本工作区生成 systemd 单元文件 (已加固): poll (常驻召测服务)、due (定时执行)、listen (终端主站)。"
            "写到标准输出或 --out 目录, 不安装。",
        )
    ),
)
def print_units(
    kind: Annotated[str, typer.Argument(metavar="poll|due|listen", help=str(Text("Which service.", "服务种类。")))],
    every: Annotated[
        str | None,
        typer.Option("--every", metavar="5min",
                     help=str(Text("Between two looks at what is due (poll 1min, due 5min).", "检查到期项目的间隔。"))),
    ] = None,
    user: Annotated[
        bool, typer.Option("--user", help=str(Text("For the user's own manager.", "用户级 systemd 单元。")))
    ] = False,
    run_as: Annotated[
        str, typer.Option("--run-as", metavar="USER", help=str(Text("Account it runs under.", "运行账户。")))
    ] = "keyacct",
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help=str(Text("Part of the unit's name.", "单元名中的一段。")))
    ] = "",
    bind: Annotated[
        str | None, typer.Option("--bind", metavar="HOST:PORT", help=str(Text("listen: where.", "listen: 监听地址。")))
    ] = None,
    protocol: Annotated[
        str, typer.Option("--protocol", help=str(Text("listen: gdw1376.1 or dlt698.45.", "listen: 规约。")))
    ] = "gdw1376.1",
    plan: Annotated[
        Path | None, typer.Option("--plan", metavar="FILE", help=str(Text("listen: what is asked.", "listen: 召测计划。")))
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option("--metrics-port", min=1, max=65_535, help=str(Text("Prometheus endpoint.", "Prometheus 端口。"))),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help=str(Text("Write the files there.", "写入该目录。")))
    ] = None,
) -> int:  # fmt: skip
    """Unit files."""
    from keyacct.errors import UsageError
    from keyacct.workflow.daemon.units import KINDS, Wanted, unit_files
    from keyacct.workflow.poll_service import parse_every

    if kind not in KINDS:
        raise UsageError(
            "usage.invalid", str(Text(f"{kind!r} is no service", f"{kind!r} 不是可用的服务")), hint=" | ".join(KINDS)
        )
    workspace = open_workspace(remind=False)
    if metrics_port is not None and kind == "due":
        raise UsageError(
            "usage.invalid",
            str(Text("a run by timer is over before anybody could ask it", "定时执行的进程不能提供端口")),
            hint=str(Text("poll --metrics FILE writes a text file", "可用 poll --metrics FILE")),
        )
    words = ["--metrics-port", str(metrics_port)] if metrics_port is not None else []
    if kind == "listen":
        if bind is None:
            raise UsageError(
                "usage.invalid", str(Text("say where it listens", "应给出监听地址")), hint="--bind 10.0.0.5:8001"
            )
        words += ["--bind", bind, "--protocol", protocol]
        words += ["--plan", str(plan.resolve())] if plan is not None else []
    wanted = Wanted(
        kind, (sys.executable, "-m", "keyacct.cli"), str(workspace.root.resolve()),
        parse_every(every or ("5min" if kind == "due" else "1min")), tuple(words), user=user, run_as=run_as, name=name,
    )  # fmt: skip
    files = unit_files(wanted)
    place = "~/.config/systemd/user" if user else "/etc/systemd/system"
    if out is None:
        sys.stdout.write("\n".join(f"# {place}/{file}\n{text}" for file, text in files.items()))
    else:
        for file, text in files.items():
            write_output(out / file, text)
            say(str(out / file))
    unit = next(file for file in files if file.endswith(".timer" if kind == "due" else ".service"))
    control = "systemctl --user" if user else "systemctl"
    say(
        Text(
            f"put into {place}, then: {control} daemon-reload && {control} enable --now {unit}",
            f"放入 {place} 后执行: {control} daemon-reload && {control} enable --now {unit}",
        )
    )
    return exit_codes.DONE
