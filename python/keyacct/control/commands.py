"""The commands that change what a device does to a breaker, each a type of its own. Whatever has no type here is never given.

Sources: Q/GDW 1376.1 AFN 04 and 05; DL/T 645-2007 control code 1CH; DL/T 698.45-2017 objects 8000, 8001, 8105.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from keyacct.control.refusals import never, refusing
from keyacct.control.targets import RelayRound
from keyacct.errors import UsageError
from keyacct.i18n import Text

HALF_HOUR_MIN = 30


def _wrong(en: str, zh: str) -> UsageError:
    return UsageError("usage.invalid", str(Text(en, zh)), hint=str(Text("see docs/control.md", "见 docs/control.md")))


def _within(what: str, value: int, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _wrong(
            f"{what} = {value}: a whole number from {low} to {high}", f"{what} = {value}: 应为 {low} 至 {high}"
        )


def _ending(minutes: int, what: str, most: int) -> None:
    """A length of time has an end."""
    if minutes == 0:
        raise refusing((never("no_end", what),))
    _within("duration_min", minutes, 1, most)


@dataclass(frozen=True)
class Trip:
    """Open the breaker of a relay round after an alarm, and hold it for a time. DL/T 645 has one relay and no round."""

    relay_round: RelayRound | None
    duration_min: int
    alarm_delay_min: int = 0
    action: ClassVar[str] = "trip"

    def __post_init__(self) -> None:
        _ending(self.duration_min, "trip", 65_535)
        _within("alarm_delay_min", self.alarm_delay_min, 0, 255)


@dataclass(frozen=True)
class PermitClose:
    """Allow the breaker of a relay round to be closed; the customer's electrician closes it."""

    relay_round: RelayRound | None
    action: ClassVar[str] = "permit_close"


@dataclass(frozen=True)
class PowerLimit:
    """Write, do not yet enable, the limit of a totals group from one day to another, and the one round it may open.

    Suspension control (营业报停控): of the limits that the protocols have, the one in kW that carries its own end. It
    begins at 00:00 of `from_day` and ends at 00:00 of `to_day`.
    """

    group: int
    relay_round: RelayRound
    limit_kw: int
    from_day: dt.date
    to_day: dt.date
    action: ClassVar[str] = "power_limit"

    def __post_init__(self) -> None:
        _within("group", self.group, 1, 8)
        _within("limit_kw", self.limit_kw, 1, 9_990_000)
        if self.limit_kw >= 1000 and self.limit_kw % 10 ** (len(str(self.limit_kw)) - 3):
            raise _wrong(
                f"limit_kw = {self.limit_kw}: three digits count", f"limit_kw = {self.limit_kw}: 只有三位有效数字"
            )
        if self.to_day <= self.from_day:
            raise _wrong("the limit ends before it begins", "限值结束早于开始")


@dataclass(frozen=True)
class EnableLimit:
    """Enable the limit that has been written for a totals group; from then on it opens breakers by itself."""

    group: int
    limit_kw: int
    from_day: dt.date
    to_day: dt.date
    relay_round: RelayRound
    action: ClassVar[str] = "enable_limit"

    def __post_init__(self) -> None:
        PowerLimit(self.group, self.relay_round, self.limit_kw, self.from_day, self.to_day)


@dataclass(frozen=True)
class DownFloat:
    """Hold a totals group below its present load by a share, for a time (当前功率下浮控, Q/GDW 1376.1 AFN 05 F12).

    The one round that it may open is written first (AFN 04 F45).
    """

    group: int
    relay_round: RelayRound
    down_pct: int
    duration_min: int
    window_min: int = 1
    freeze_delay_min: int = 5
    alarm_min: tuple[int, int, int, int] = (1, 1, 1, 1)
    action: ClassVar[str] = "down_float"

    def __post_init__(self) -> None:
        _within("group", self.group, 1, 8)
        _within("down_pct", self.down_pct, 1, 79)
        _ending(self.duration_min, "down_float", 255 * HALF_HOUR_MIN)
        _within("window_min", self.window_min, 1, 60)
        _within("freeze_delay_min", self.freeze_delay_min, 5, 60)
        if len(self.alarm_min) != 4:
            raise _wrong("four alarm times, of rounds 1 to 4", "应给出 1 至 4 轮的四个告警时间")
        for minutes in self.alarm_min:
            _within("alarm_min", minutes, 0, 255)


@dataclass(frozen=True)
class KeepSupply:
    """Keep the supply on: the device refuses every trip. duration_min: None where the protocol has no end of its own."""

    duration_min: int | None
    action: ClassVar[str] = "keep_supply"

    def __post_init__(self) -> None:
        if self.duration_min is not None:
            _ending(self.duration_min, "keep_supply", 255 * HALF_HOUR_MIN)


@dataclass(frozen=True)
class Alarm:
    """Sound the alarm that comes before a trip, or end it. No breaker moves."""

    on: bool
    action: ClassVar[str] = "alarm"


Command: TypeAlias = Trip | PermitClose | PowerLimit | EnableLimit | DownFloat | KeepSupply | Alarm

OPENING = (Trip, PowerLimit, EnableLimit, DownFloat)
"""Commands that may open a breaker."""


def check_for(command: Command, protocol: str) -> None:
    """Whether a protocol can say a command as it stands. Raises UsageError, RefusedError."""
    if protocol == "dlt645-2007":
        _check_645(command)
    elif protocol == "dlt698.45":
        _check_698(command)
    else:
        _check_1376(command)


def _needs_round(command: Trip | PermitClose) -> None:
    if command.relay_round is None:
        raise _wrong("say which relay round (--round)", "请给出轮次 (--round)")


def _half_hours(minutes: int, most: int) -> None:
    if minutes % HALF_HOUR_MIN or minutes > most * HALF_HOUR_MIN:
        raise _wrong(
            f"duration_min = {minutes}: this protocol counts half hours, up to {most * HALF_HOUR_MIN} min",
            f"duration_min = {minutes}: 该规约以半小时为单位, 最长 {most * HALF_HOUR_MIN} 分钟",
        )


def _check_1376(command: Command) -> None:
    if isinstance(command, Trip | PermitClose):
        _needs_round(command)
    if isinstance(command, Trip):
        _half_hours(command.duration_min, 15)
        _within("alarm_delay_min", command.alarm_delay_min, 0, 15)
    elif isinstance(command, DownFloat):
        _half_hours(command.duration_min, 255)
    elif isinstance(command, KeepSupply):
        if command.duration_min is None:
            raise refusing((never("no_end", "keep_supply"),))
        _half_hours(command.duration_min, 255)
    elif isinstance(command, Alarm):
        raise _wrong(
            "Q/GDW 1376.1 has no alarm of its own: it belongs to the trip", "1376.1 无单独告警命令, 告警随跳闸下发"
        )


def _check_645(command: Command) -> None:
    if isinstance(command, PowerLimit | EnableLimit | DownFloat):
        raise _wrong("DL/T 645 has no power limit", "DL/T 645 没有功率限值命令")
    if isinstance(command, Trip | PermitClose) and command.relay_round is not None:
        raise _wrong("a DL/T 645 meter has one relay and no rounds", "DL/T 645 电表只有一个继电器, 没有轮次")
    if isinstance(command, Trip) and command.alarm_delay_min:
        raise _wrong(
            "DL/T 645 has no alarm delay: give the alarm first, as a command of its own",
            "DL/T 645 无告警延时: 请先单独下发告警",
        )
    if isinstance(command, KeepSupply) and command.duration_min is not None:
        raise _wrong("DL/T 645 keeps supply without an end of its own", "DL/T 645 保电没有自身的结束时间")


def _check_698(command: Command) -> None:
    if isinstance(command, Trip | PermitClose):
        _needs_round(command)
    if isinstance(command, DownFloat):
        raise _wrong("down-float is known of Q/GDW 1376.1 only", "当前功率下浮控仅支持 1376.1")
    if isinstance(command, KeepSupply) and command.duration_min is not None:
        raise _wrong("DL/T 698.45 keeps supply without an end of its own", "DL/T 698.45 保电没有自身的结束时间")
