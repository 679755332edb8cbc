"""Frames of the commands. Only the door imports this module; `tests/control` proves it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from keyacct import wire
from keyacct.control.commands import (
    HALF_HOUR_MIN,
    Alarm,
    Command,
    DownFloat,
    EnableLimit,
    KeepSupply,
    PermitClose,
    PowerLimit,
    Trip,
    check_for,
)
from keyacct.control.targets import RelayRound, Target
from keyacct.errors import UsageError
from keyacct.i18n import Text
from keyacct.secrets import Secrets

MSA = 1
CLIENT = 16
"""Our number as a client of DL/T 698.45."""
_KIND_645 = {"trip": 0x1A, "permit_close": 0x1B, "alarm_on": 0x2A, "alarm_off": 0x2B, "keep_supply": 0x3A}
RELAY_698 = 0xF205
GROUP_698 = 0x2300


@dataclass(frozen=True)
class Stamp:
    """What makes a command expire. sent_at, until: local civil time of the device; allowed_min: of the time tag, above 0."""

    sent_at: dt.datetime
    until: dt.datetime
    allowed_min: int
    number: int = 1


@dataclass(frozen=True)
class Exact:
    """One frame. secret: the places of its bytes that nobody may see (password, and the checksum that would betray it)."""

    data: bytes
    says: str
    secret: tuple[int, ...] = ()

    @property
    def shown(self) -> str:
        """The frame in hex, with `**` for what is secret."""
        return "".join("**" if n in self.secret else f"{byte:02X}" for n, byte in enumerate(self.data))


def frames_of(command: Command, target: Target, stamp: Stamp, secrets: Secrets) -> tuple[Exact, ...]:
    """The frames of a command, in the order in which they are sent. Raises UsageError, RefusedError."""
    check_for(command, target.protocol)
    if target.protocol == "dlt645-2007":
        return (_frame_645(command, target, stamp, secrets),)
    if target.protocol == "gdw1376.1":
        return tuple(
            _frame_1376(afn, pn, fn, values, target, stamp, secrets, number)
            for number, (afn, pn, fn, values) in enumerate(_units_1376(command))
        )
    if secrets.given:
        raise UsageError(
            "usage.invalid", str(Text("commands of DL/T 698.45 carry no password", "698.45 控制命令不带密码")),
            hint=str(Text("leave --password-file and --password-env out", "请去掉 --password-file 和 --password-env")),
        )  # fmt: skip
    return tuple(_frame_698(apdu, target, stamp, number) for number, apdu in enumerate(_apdus_698(command)))


# DL/T 645-2007 -------------------------------------------------------------------------------------------------------


def _frame_645(command: Command, target: Target, stamp: Stamp, secrets: Secrets) -> Exact:
    kind = command.action
    if isinstance(command, Alarm):
        kind = "alarm_on" if command.on else "alarm_off"
    message = {
        "address": target.address, "control": "0x1C", "password": secrets.password_645.hex(),
        "operator": secrets.operator_645, "n1": f"0x{_KIND_645[kind]:02X}",
        "deadline": stamp.until.isoformat(timespec="seconds"),
    }  # fmt: skip
    data = wire.encode(message, "dlt645-2007")
    # 68 address 68 C L, then level, password (3), operator (4): all but the level are nobody's business
    return Exact(data, f"1CH N1={_KIND_645[kind]:02X}H", (*range(11, 18), len(data) - 2))


# Q/GDW 1376.1 --------------------------------------------------------------------------------------------------------


def _units_1376(command: Command) -> list[tuple[str, int, int, list[Any]]]:
    if isinstance(command, Trip):
        half_hours = command.duration_min // HALF_HOUR_MIN
        return [("05", _round(command.relay_round), 1, [f"{command.alarm_delay_min << 4 | half_hours:02X}"])]
    if isinstance(command, PermitClose):
        return [("05", _round(command.relay_round), 2, [])]
    if isinstance(command, PowerLimit):
        span = [command.from_day.isoformat(), command.to_day.isoformat(), command.limit_kw]
        return [("04", command.group, 44, span), ("04", command.group, 45, [f"{command.relay_round.mask:02X}"])]
    if isinstance(command, EnableLimit):
        return [("05", command.group, 11, [])]
    if isinstance(command, DownFloat):
        share = [command.window_min, -command.down_pct, command.freeze_delay_min, command.duration_min // HALF_HOUR_MIN]
        rounds = ("04", command.group, 45, [f"{command.relay_round.mask:02X}"])
        return [rounds, ("05", command.group, 12, [*share, *command.alarm_min])]
    if isinstance(command, KeepSupply):
        return [("05", 0, 25, [(command.duration_min or 0) // HALF_HOUR_MIN])]
    raise AssertionError("checked before")


def _round(relay_round: RelayRound | None) -> int:
    if relay_round is None:
        raise AssertionError("checked before")
    return relay_round.output


def _frame_1376(
    afn: str, pn: int, fn: int, values: list[Any], target: Target, stamp: Stamp, secrets: Secrets, number: int
) -> Exact:
    pfc = stamp.number + number & 0xFF
    item: dict[str, Any] = {"pn": pn, "fn": fn}
    if values:
        item["values"] = values
    message = {
        "address": target.address, "msa": MSA, "control": "0x4A", "afn": afn,
        "seq": {"tpv": 1, "fir": 1, "fin": 1, "con": 1, "pseq": pfc & 15}, "items": [item],
        "aux": {
            "pw": secrets.password_1376.hex(),
            "tp": {"pfc": pfc, "time": f"d{stamp.sent_at:%d %H:%M:%S}", "delay_min": stamp.allowed_min},
        },
    }  # fmt: skip
    data = wire.encode(message, "gdw1376.1")
    end = len(data) - 2 - 6  # CS and 16H, Tp
    secret = (*range(end - 16, end), len(data) - 2) if any(secrets.password_1376) else ()
    return Exact(data, f"AFN {afn} P{pn} F{fn}", secret)


# DL/T 698.45 ---------------------------------------------------------------------------------------------------------


def _apdus_698(command: Command) -> list[dict[str, Any]]:
    if isinstance(command, Trip):
        parts = [
            {"OAD": _relay(command.relay_round)}, {"unsigned": command.alarm_delay_min},
            {"long-unsigned": command.duration_min}, {"bool": False},  # it never closes by itself
        ]  # fmt: skip
        return [_action("80008100", {"array": [{"structure": parts}]})]
    if isinstance(command, PermitClose):
        parts = [{"OAD": _relay(command.relay_round)}, {"enum": 0}]
        return [_action("80008200", {"array": [{"structure": parts}]})]
    if isinstance(command, PowerLimit):
        unit = [
            {"OI": _group(command.group)}, {"date_time_s": f"{command.from_day}T00:00:00"},
            {"date_time_s": f"{command.to_day}T00:00:00"}, {"long64": command.limit_kw * 10_000},
        ]  # fmt: skip
        rounds = {"bit-string": {"bits": 8, "hex": f"{0x80 >> command.relay_round.output - 1:02X}"}}
        return [
            _action("81050300", {"structure": unit}),
            {"service": "SetRequestNormal", "oad": _group(command.group) + "0E00", "data": rounds},
        ]
    if isinstance(command, EnableLimit):
        return [_action("81050600", {"OI": _group(command.group)})]
    if isinstance(command, KeepSupply):
        return [_action("80017F00", {"null": None})]
    if isinstance(command, Alarm):
        return [_action("80007F00" if command.on else "80008000", {"null": None})]
    raise AssertionError("checked before")


def _action(omd: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"service": "ActionRequestNormal", "omd": omd, "data": data}


def _relay(relay_round: RelayRound | None) -> str:
    return f"{RELAY_698:04X}02{_round(relay_round):02X}"


def _group(group: int) -> str:
    return f"{GROUP_698 + group:04X}"


def _frame_698(apdu: dict[str, Any], target: Target, stamp: Stamp, number: int) -> Exact:
    tag = {
        "time": stamp.sent_at.isoformat(timespec="seconds"),
        "allowed_delay": {"unit": 1, "value": stamp.allowed_min},
    }
    whole = {**apdu, "piid": stamp.number + number & 63, "time_tag": tag}
    data = wire.encode({"address": target.address, "link": {"ca": CLIENT}, "apdu": whole}, "dlt698.45")
    return Exact(data, f"{apdu['service'].removesuffix('RequestNormal').upper()} {apdu.get('omd') or apdu['oad']}")
