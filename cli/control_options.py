"""The options that every command of `keyacct control` has, and the way of a command through the door."""

from __future__ import annotations

import datetime as dt
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from keyacct.cli import exit_codes
from keyacct.cli.control_rows import PASSED, passed_rows
from keyacct.cli.options import Format, FormatOption, PasswordEnvOption, PasswordFileOption, secret_source
from keyacct.cli.render import say, write_rows
from keyacct.cli.session import open_workspace
from keyacct.i18n import Text

if TYPE_CHECKING:
    from keyacct.config import Workspace
    from keyacct.control.commands import Command
    from keyacct.control.targets import RelayRound, Target

MeterOption = Annotated[
    str | None, typer.Option("--meter", metavar="NO", help=str(Text("A meter of the registry.", "台账中的电表。")))
]
TerminalOption = Annotated[
    str | None,
    typer.Option("--terminal", metavar="NO", help=str(Text("A terminal of the registry.", "台账中的终端。"))),
]
ProtocolOption = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        help=str(Text("With --address: gdw1376.1, dlt645-2007, dlt698.45.", "配合 --address: gdw1376.1 等。")),
    ),
]
AddressOption = Annotated[
    str | None, typer.Option("--address", metavar="A", help=str(Text("One device, in full.", "一台设备的完整地址。")))
]
LinkOption = Annotated[
    str | None,
    typer.Option("--link", metavar="URL", help=str(Text("The line on which the device is.", "设备所在链路。"))),
]
_ROUND = typer.Option("--round", metavar="1..8", help=str(Text("The relay round, one.", "轮次, 只能一个。")))
RoundOption = Annotated[str | None, _ROUND]
NeededRoundOption = Annotated[str, _ROUND]
GroupOption = Annotated[int, typer.Option("--group", metavar="1..8", help=str(Text("Totals group.", "总加组。")))]
ReasonOption = Annotated[str, typer.Option("--reason", help=str(Text("Why; it is kept.", "原因, 留痕。")))]
ValidOption = Annotated[
    int | None,
    typer.Option("--valid", metavar="MIN", min=1, max=60, help=str(Text("How long it may be given.", "有效分钟数。"))),
]
SimulateOption = Annotated[
    Path | None,
    typer.Option(
        "--simulate", metavar="FILE.toml",
        help=str(Text("With --execute: rehearse on a simulated device of this file.", "配合 --execute: 在模拟设备上演练。")),
    ),
]  # fmt: skip
ExecuteOption = Annotated[
    bool, typer.Option("--execute", help=str(Text("Give it; without, it is only shown.", "下发; 不加则只演示。")))
]
DurationOption = Annotated[
    int, typer.Option("--duration", metavar="MIN", help=str(Text("How long it holds, minutes.", "持续分钟数。")))
]
FromOption = Annotated[str, typer.Option("--from", metavar="DAY", help=str(Text("First day.", "起始日。")))]
ToOption = Annotated[
    str, typer.Option("--to", metavar="DAY", help=str(Text("The day at whose 00:00 it ends.", "该日 00:00 结束。")))
]
KwOption = Annotated[int, typer.Option("--kw", metavar="KW", help=str(Text("The limit.", "限值。")))]


@dataclass(frozen=True)
class Wish:
    """The options that every command has."""

    meter: str | None = None
    terminal: str | None = None
    protocol: str | None = None
    address: str | None = None
    link: str | None = None
    reason: str = ""
    valid: int | None = None
    password_file: Path | None = None
    password_env: str | None = None
    simulate: Path | None = None
    execute: bool = False
    format: Format = Format.table


def workspace_of(*, needed: bool) -> Workspace | None:
    """The workspace; None where there is none and none is needed."""
    from keyacct.errors import ConfigError

    try:
        return open_workspace(remind=False)
    except ConfigError as error:
        if needed or error.code != "config.workspace_missing":
            raise
        return None


def target_of(wish: Wish, workspace: Workspace | None) -> Target:
    """The one device that the options name. Raises UsageError, RefusedError."""
    from keyacct.control.targets import Target
    from keyacct.errors import UsageError
    from keyacct.workflow.controlling import registered_target

    ways = [wish.meter is not None, wish.terminal is not None, wish.address is not None]
    if sum(ways) != 1 or (wish.protocol is not None) != (wish.address is not None):
        raise UsageError(
            "usage.invalid",
            str(Text("name one device", "应给出一台设备")),
            hint=str(
                Text("--meter NO, or --terminal NO, or --protocol P --address A",
                     "--meter NO, 或 --terminal NO, 或 --protocol P --address A")
            ),
        )  # fmt: skip
    if wish.address is not None:
        return Target(str(wish.protocol), wish.address)
    if workspace is None:
        raise AssertionError("a registered device needs a workspace")
    return registered_target(workspace, meter=wish.meter, terminal=wish.terminal)


def relay_of(text: str | None) -> RelayRound | None:
    """The round that an option names, None without one."""
    from keyacct.control.targets import one_round

    return None if text is None else one_round(text)


def needed_relay(text: str) -> RelayRound:
    """The round that an option names. Raises RefusedError for more than one."""
    from keyacct.control.targets import one_round

    return one_round(text)


def give(action: str, wish: Wish, make: Callable[[], Command]) -> int:
    """Pass the door with a command and show what came of it."""
    from keyacct import clock
    from keyacct.capture.link import parse_link
    from keyacct.config import Settings
    from keyacct.control.approvals import MINUTE_MS
    from keyacct.control.door import Device, Gate, pass_door
    from keyacct.control.orders import Order
    from keyacct.control.rehearsal import Rehearsal
    from keyacct.secrets import Secrets
    from keyacct.workflow.controlling import noting_refusals, requester

    workspace = workspace_of(needed=wish.meter is not None or wish.terminal is not None)
    where = parse_link(wish.link).place if wish.link is not None else ""
    told = {"device": wish.meter or wish.terminal or f"{wish.protocol} {wish.address}", "execute": wish.execute}
    with noting_refusals(workspace, action, told):
        target = target_of(wish, workspace)
        made = make()
    settings = workspace.settings if workspace is not None else Settings()
    now_ms = clock.now_ms()
    minutes = wish.valid or settings.control.valid_min
    order = Order(target, made, requester(workspace), wish.reason, now_ms, now_ms + minutes * MINUTE_MS)
    source = secret_source(wish.password_file, wish.password_env)
    secrets = source.read(target.protocol) if source is not None else Secrets()
    to: Rehearsal | Device | None = None
    if wish.execute:
        to = Rehearsal.of_file(wish.simulate, target) if wish.simulate is not None else Device(where)
    passed = pass_door(order, Gate(workspace), to, secrets)
    write_rows(passed_rows(passed), PASSED, wish.format)
    if to is None:
        say(Text("shown only: nothing was sent", "仅演示, 未下发任何报文"))
        return exit_codes.DONE
    say(Text(f"rehearsed on a simulated device: {passed.state}", f"已在模拟设备上演练: {passed.state}"))
    return exit_codes.DONE if passed.state == "confirmed" else exit_codes.PARTIAL


_WISHES: dict[str, Any] = {
    "meter": MeterOption, "terminal": TerminalOption, "protocol": ProtocolOption, "address": AddressOption,
    "link": LinkOption, "reason": ReasonOption, "valid": ValidOption, "password_file": PasswordFileOption,
    "password_env": PasswordEnvOption, "simulate": SimulateOption, "execute": ExecuteOption, "format": FormatOption,
}  # fmt: skip


def wishing(function: Callable[..., int]) -> Callable[..., int]:
    """A command `function(wish, …)` with the options of `Wish` added to its own."""

    @functools.wraps(function)
    def run(**arguments: Any) -> int:
        wish = Wish(**{name: arguments.pop(name) for name in _WISHES})
        return function(wish, **arguments)

    hints = get_type_hints(function, include_extras=True)
    only = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        parameter.replace(annotation=hints[name], kind=only)
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "wish"
    ]
    fields = Wish.__dataclass_fields__
    parameters += [
        inspect.Parameter(name, only, default=fields[name].default, annotation=annotation)
        for name, annotation in _WISHES.items()
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def day_of(text: str) -> dt.date:
    """A day as people write it. Raises UsageError."""
    from keyacct.errors import UsageError

    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            "usage.invalid", str(Text(f"{text!r} is no day", f"{text!r} 不是日期")), hint="2026-07-01"
        ) from None
