"""`keyacct control state`, `list` and `never`: what a device says, what was tried, what is never done."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from keyacct.cli import exit_codes
from keyacct.cli.control_options import (
    AddressOption,
    LinkOption,
    MeterOption,
    ProtocolOption,
    SimulateOption,
    TerminalOption,
    Wish,
    target_of,
    workspace_of,
)
from keyacct.cli.control_rows import ATTEMPTS, STATE, attempt_rows, state_rows
from keyacct.cli.options import Format, FormatOption, PasswordEnvOption, PasswordFileOption, secret_source
from keyacct.cli.render import say, write_rows
from keyacct.cli.session import command, open_workspace
from keyacct.i18n import Text

NEVER = ("close", "keep-supply-off", "exclude-off")


def register(app: typer.Typer) -> None:
    """Add the three commands."""

    @command(
        app,
        help=str(
            Text(
                "What is never done, and why: close (directly), keep-supply-off, exclude-off. Exit 8.",
                "从不执行的操作及原因: close (直接合闸)、keep-supply-off、exclude-off。退出码 8。",
            )
        ),
    )
    def never(
        what: Annotated[str, typer.Argument(metavar="WHAT", help=str(Text(", ".join(NEVER), ", ".join(NEVER))))],
    ) -> int:
        """Say why something is never done."""
        from keyacct.control.refusals import never as reason
        from keyacct.control.refusals import refusing
        from keyacct.errors import UsageError
        from keyacct.workflow.controlling import noting_refusals

        codes = {"close": "direct_close", "keep-supply-off": "keep_supply_off", "exclude-off": "exclude_off"}
        if what not in codes:
            raise UsageError("usage.invalid", f"{what!r}", hint=", ".join(NEVER))
        with noting_refusals(workspace_of(needed=False), what, {}):
            raise refusing((reason(codes[what]),))

    @command(
        app,
        help=str(
            Text(
                "Read the control state of a device: relay rounds, keep-supply, limits, power, clock. Only reads are sent. The "
                "device is on a line (--link, or the line of a registered meter), dials in (--bind), or is simulated.",
                "回读设备控制状态: 轮次、保电、限值、功率、时钟。只发读命令。设备在线路上 (--link 或台账线路)、"
                "拨入 (--bind) 或模拟 (--simulate)。",
            )
        ),
    )
    def state(
        meter: MeterOption = None,
        terminal: TerminalOption = None,
        protocol: ProtocolOption = None,
        address: AddressOption = None,
        link: LinkOption = None,
        bind: Annotated[
            str | None,
            typer.Option(
                "--bind", metavar="HOST:PORT", help=str(Text("Wait here for the terminal.", "在此等待终端登录。"))
            ),
        ] = None,
        wait: Annotated[
            float,
            typer.Option("--wait", metavar="S", min=0.1, help=str(Text("With --bind: seconds.", "配合 --bind: 秒。"))),
        ] = 60.0,
        timeout: Annotated[
            float | None, typer.Option("--timeout", metavar="S", help=str(Text("Seconds for an answer.", "应答秒数。")))
        ] = None,
        simulate: SimulateOption = None,
        password_file: PasswordFileOption = None,
        password_env: PasswordEnvOption = None,
        format: FormatOption = Format.table,
    ) -> int:
        """Read the control state."""
        from keyacct.capture.link import parse_link
        from keyacct.control.readback import read_state
        from keyacct.control.rehearsal import Rehearsal
        from keyacct.errors import UsageError
        from keyacct.workflow.controlling import registered_line, state_of_dialler, state_over_link

        wish = Wish(meter, terminal, protocol, address)
        workspace = workspace_of(needed=meter is not None or terminal is not None)
        target = target_of(wish, workspace)
        if simulate is not None:
            found = read_state(Rehearsal.of_file(simulate, target).ask, target)
        elif bind is not None:
            host, _, port = bind.rpartition(":")
            if not host or not port.isascii() or not port.isdigit():
                raise UsageError("usage.invalid", f"--bind {bind!r}", hint="HOST:PORT")

            def ready(at: str, number: int) -> None:
                say(Text(f"waiting for {target} on {at}:{number}", f"在 {at}:{number} 等待 {target}"))

            settings = workspace.settings if workspace is not None else None
            found = state_of_dialler((host, int(port)), target, wait, settings=settings, ready=ready)
        elif link is not None:
            found = state_over_link(parse_link(link), target, timeout, secret_source(password_file, password_env))
        elif workspace is not None and meter is not None:
            line, secret = registered_line(workspace, meter)
            found = state_over_link(line, target, timeout, secret_source(password_file, password_env) or secret)
        else:
            raise UsageError(
                "usage.invalid", str(Text("say where the device is", "应说明设备在哪里")),
                hint=str(Text("--link URL, --bind HOST:PORT or --simulate FILE", "--link、--bind 或 --simulate")),
            )  # fmt: skip
        write_rows(state_rows(found), STATE, format)
        if found.not_said:
            say(Text(f"not answered: {', '.join(found.not_said)}", f"未应答: {', '.join(found.not_said)}"))
            return exit_codes.PARTIAL if found.said_anything else exit_codes.LINK
        return exit_codes.DONE

    @command(app, "list", help=str(Text("The attempts that were kept, newest first.", "已留痕的命令, 最新在前。")))
    def list_(
        limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help=str(Text("How many.", "条数。")))] = 50,
        format: FormatOption = Format.table,
    ) -> int:
        """List attempts."""
        import zoneinfo

        from keyacct.control.journal import list_attempts

        workspace = open_workspace()
        zone = zoneinfo.ZoneInfo(workspace.settings.workspace.timezone)

        def iso(at_ms: int) -> str:
            return dt.datetime.fromtimestamp(at_ms / 1000, zone).isoformat(timespec="seconds")

        write_rows(attempt_rows(list_attempts(workspace, limit), iso), ATTEMPTS, format)
        return exit_codes.DONE
