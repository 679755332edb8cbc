"""`keyacct control`: commands to breakers, up to the gate."""

from __future__ import annotations

from typing import Annotated

import typer

from keyacct.cli.control_options import (
    DurationOption,
    FromOption,
    GroupOption,
    KwOption,
    NeededRoundOption,
    RoundOption,
    ToOption,
    Wish,
    day_of,
    give,
    needed_relay,
    relay_of,
    wishing,
)
from keyacct.cli.control_state import register as register_state
from keyacct.cli.session import command, make_app
from keyacct.i18n import Text

app = make_app(
    help=str(
        Text(
            "Commands to breakers: show them, rehearse them on a simulated device, read the control state back. This version "
            "sends none to a real device (exit 8): docs/control.md.",
            "控制命令: 演示报文、在模拟设备上演练、回读控制状态。本版本不向真实设备下发 (退出码 8), 见 docs/control.md。",
        )
    )
)

_TAIL = Text(
    "Shown only, unless --execute is given; with --execute a real device is refused (exit 8).",
    "不加 --execute 只演示; 加 --execute 时真实设备一律拒绝 (退出码 8)。",
)


def _help(en: str, zh: str) -> str:
    return str(Text(f"{en} {_TAIL.en}", f"{zh}{_TAIL.zh}"))


@command(app, help=_help("Open the breaker of one relay round for a time.", "跳开一个轮次的开关一段时间。"))
@wishing
def trip(
    wish: Wish,
    duration: DurationOption,
    relay_round: RoundOption = None,
    alarm: Annotated[
        int, typer.Option("--alarm", metavar="MIN", help=str(Text("Minutes of alarm before.", "跳前告警分钟数。")))
    ] = 0,
) -> int:
    """Trip a relay round."""
    from keyacct.control.commands import Trip

    return give("trip", wish, lambda: Trip(relay_of(relay_round), duration, alarm))


@command(
    app, "permit-close",
    help=_help("Allow the breaker of one relay round to be closed; the customer's electrician closes it.",
               "允许一个轮次合闸, 由客户电工合闸。"),
)  # fmt: skip
@wishing
def permit_close(
    wish: Wish,
    relay_round: RoundOption = None,
) -> int:
    """Permit closing."""
    from keyacct.control.commands import PermitClose

    return give("permit_close", wish, lambda: PermitClose(relay_of(relay_round)))


@command(
    app,
    help=_help("Write the power limit of a totals group from one day to another; enable-limit puts it in force.",
               "写入总加组从某日到某日的功率限值, 由 enable-limit 投入。"),
)  # fmt: skip
@wishing
def limit(
    wish: Wish,
    kw: KwOption,
    first: FromOption,
    last: ToOption,
    relay_round: NeededRoundOption,
    group: GroupOption = 1,
) -> int:
    """Write a limit."""
    from keyacct.control.commands import PowerLimit

    return give(
        "power_limit", wish, lambda: PowerLimit(group, needed_relay(relay_round), kw, day_of(first), day_of(last))
    )


@command(
    app, "enable-limit",
    help=_help("Put a written limit in force; the device is asked first whether it holds exactly this one.",
               "投入已写入的限值; 投入前回读核对。"),
)  # fmt: skip
@wishing
def enable_limit(
    wish: Wish,
    kw: KwOption,
    first: FromOption,
    last: ToOption,
    relay_round: NeededRoundOption,
    group: GroupOption = 1,
) -> int:
    """Enable a limit."""
    from keyacct.control.commands import EnableLimit

    return give(
        "enable_limit", wish, lambda: EnableLimit(group, kw, day_of(first), day_of(last), needed_relay(relay_round))
    )


@command(
    app, "down-float",
    help=_help("Hold a totals group below its present load by a share, for a time (Q/GDW 1376.1).",
               "当前功率下浮控 (1376.1)。"),
)  # fmt: skip
@wishing
def down_float(
    wish: Wish,
    down: Annotated[int, typer.Option("--down", metavar="PCT", help=str(Text("Share below.", "下浮百分比。")))],
    duration: DurationOption,
    relay_round: NeededRoundOption,
    group: GroupOption = 1,
) -> int:
    """Float down."""
    from keyacct.control.commands import DownFloat

    return give("down_float", wish, lambda: DownFloat(group, needed_relay(relay_round), down, duration))


@command(app, "keep-supply", help=_help("Keep supply on: the device refuses trips.", "保电: 设备拒绝跳闸。"))
@wishing
def keep_supply(
    wish: Wish,
    duration: Annotated[
        int | None,
        typer.Option("--duration", metavar="MIN", help=str(Text("How long (Q/GDW 1376.1).", "持续分钟数 (1376.1)。"))),
    ] = None,
) -> int:
    """Keep supply."""
    from keyacct.control.commands import KeepSupply

    return give("keep_supply", wish, lambda: KeepSupply(duration))


@command(app, help=_help("Sound the alarm that comes before a trip, or end it.", "跳闸前告警, 或解除告警。"))
@wishing
def alarm(
    wish: Wish,
    off: Annotated[bool, typer.Option("--off", help=str(Text("End it.", "解除。")))] = False,
) -> int:
    """Alarm."""
    from keyacct.control.commands import Alarm

    return give("alarm", wish, lambda: Alarm(not off))


register_state(app)
