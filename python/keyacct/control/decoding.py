"""What command a frame gives: the way back from `encoding`, for people who read frames and for the simulator.

It decodes only. A frame whose command has no type here (direct close, keep-supply off …) gives the code of `refusals.NEVER`.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
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
)
from keyacct.control.targets import RelayRound
from keyacct.errors import InputError


@dataclass(frozen=True)
class Told:
    """What frames tell a device. forbidden: the code of `NEVER` for what has no type."""

    protocol: str
    address: str
    command: Command | None
    forbidden: str | None = None


def command_of(frames: Iterable[bytes], protocol: str) -> Told:
    """The command that frames give together. Raises InputError when they give none.

    A limit is two frames (setting, rounds); enabling it says only the group, so the limit that it enables is taken from
    the frames before it, and without them `command` is None.
    """
    told = [_message(frame, protocol) for frame in frames]
    if not told:
        raise _none("no frame")
    address = str(told[0]["address"])
    if any(message["address"] != address for message in told):
        raise _none("the frames are for different devices")
    if protocol == "dlt645-2007":
        command, forbidden = _of_645(told[0])
    elif protocol == "gdw1376.1":
        command, forbidden = _of_1376(told)
    else:
        command, forbidden = _of_698(told)
    return Told(protocol, address, command, forbidden)


def _message(frame: bytes, protocol: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(next(iter(wire.describe([frame.hex()], protocol)), "{}"))
    if not shown.get("valid") or shown.get("direction") not in ("request", "downlink"):
        raise _none("no valid request")
    return shown


def _none(why: str) -> InputError:
    return InputError("input.no_frame", f"no control command: {why}", hint="docs/control.md lists the commands")


def _of_645(message: Mapping[str, Any]) -> tuple[Command | None, str | None]:
    kind = int(str(message.get("n1", "0")), 16) if message.get("control") == "0x1C" else 0
    # A trip of DL/T 645 says until when it may be obeyed, not how long it holds: that is not on the wire.
    known: dict[int, Command] = {
        0x1A: Trip(None, 1), 0x1B: PermitClose(None), 0x2A: Alarm(True), 0x2B: Alarm(False), 0x3A: KeepSupply(None),
    }  # fmt: skip
    never = {0x1C: "direct_close", 0x1D: "direct_close", 0x1E: "direct_close", 0x3B: "keep_supply_off"}
    if kind in known or kind in never:
        return known.get(kind), never.get(kind)
    raise _none("control code or N1")


def _of_1376(messages: list[dict[str, Any]]) -> tuple[Command | None, str | None]:
    units: dict[tuple[str, int], tuple[int, dict[str, list[Any]]]] = {}
    for message in messages:
        if message.get("group"):
            return None, "group_address"
        for item in message.get("items", []):
            values: dict[str, list[Any]] = {}
            for value in item.get("values", []):
                values.setdefault(value["quantity"], []).append(value["value"])
            key = (str(message["afn"]), int(item["fn"]))
            if key in units:
                return None, "several_rounds"
            units[key] = (int(item["pn"]), values)
    if ("04", 44) in units and ("04", 45) in units:
        limit = _limit(units[("04", 44)], units[("04", 45)][1]["power_rounds"][0])
        if isinstance(limit, str):
            return None, limit
        if ("05", 11) in units:
            return EnableLimit(limit.group, limit.limit_kw, limit.from_day, limit.to_day, limit.relay_round), None
        return limit, None
    if ("05", 12) in units:
        return _down_float(units[("05", 12)], units.get(("04", 45)))
    (afn, fn), (pn, values) = next(iter(units.items()), (("", 0), (0, {})))
    if afn != "05":
        raise _none(f"AFN {afn} F{fn}")
    if fn == 1:
        half_hours, delay = values["trip_duration"][0], values["trip_delay"][0]
        if not half_hours:
            return None, "no_end"
        return Trip(RelayRound(pn), half_hours * HALF_HOUR_MIN, delay), None
    if fn == 2:
        return PermitClose(RelayRound(pn)), None
    if fn == 11:
        return None, None
    if fn == 25:
        minutes = values["keep_supply_duration"][0] * HALF_HOUR_MIN
        return (KeepSupply(minutes), None) if minutes else (None, "no_end")
    if fn in {33, 36}:
        return None, "keep_supply_off" if fn == 33 else "exclude_off"
    if fn in {9, 10, 15, 16}:
        return None, "no_end"
    raise _none(f"AFN 05 F{fn}")


def _down_float(
    unit: tuple[int, dict[str, list[Any]]], rounds: tuple[int, dict[str, list[Any]]] | None
) -> tuple[Command | None, str | None]:
    pn, values = unit
    mask = int(rounds[1]["power_rounds"][0], 16) if rounds is not None else 0
    if mask.bit_count() != 1:
        return None, "several_rounds"
    minutes = values["float_duration"][0] * HALF_HOUR_MIN
    if not minutes:
        return None, "no_end"
    alarms = values["alarm_minutes"]
    return (
        DownFloat(
            pn, RelayRound(mask.bit_length()), -int(values["float_coefficient"][0]), minutes,
            values["slide_window"][0], values["freeze_delay"][0], (alarms[0], alarms[1], alarms[2], alarms[3]),
        ),
        None,
    )  # fmt: skip


def _limit(setting: tuple[int, dict[str, list[Any]]], rounds: str) -> PowerLimit | str:
    group, values = setting
    mask = int(rounds, 16)
    if mask.bit_count() != 1:
        return "several_rounds"
    first, last = (dt.date.fromisoformat(values[name][0]) for name in ("suspension_start", "suspension_end"))
    return PowerLimit(group, RelayRound(mask.bit_length()), int(values["suspension_power_limit"][0]), first, last)


def _of_698(messages: list[dict[str, Any]]) -> tuple[Command | None, str | None]:
    if any(message["link"]["sa_type"] != "single" for message in messages):
        return None, "group_address"
    calls = {str(m.get("omd") or m.get("oad")): m["apdu"]["data"] for m in messages}
    if "81050300" in calls:
        unit = calls["81050300"]["structure"]
        group = int(unit[0]["OI"], 16) & 0xFF
        rounds = next((data["bit-string"] for key, data in calls.items() if key.endswith("0E00")), None)
        mask = int(rounds["hex"], 16) if rounds else 0
        if mask.bit_count() != 1:
            return None, "several_rounds"
        first, last = (dt.datetime.fromisoformat(unit[n]["date_time_s"]).date() for n in (1, 2))
        relay, kw = RelayRound(9 - mask.bit_length()), int(unit[3]["long64"]) // 10_000
        if "81050600" in calls:
            return EnableLimit(group, kw, first, last, relay), None
        return PowerLimit(group, relay, kw, first, last), None
    name, data = next(iter(calls.items()))
    if name in ("80008100", "80008200"):
        parts = data["array"]
        if len(parts) != 1:
            return None, "several_rounds"
        part = parts[0]["structure"]
        relay = RelayRound(int(part[0]["OAD"][6:8], 16))
        if name == "80008200":
            return (PermitClose(relay), None) if part[1]["enum"] == 0 else (None, "direct_close")
        if part[3]["bool"]:
            return None, "direct_close"
        minutes = part[2]["long-unsigned"]
        return (Trip(relay, minutes, part[1]["unsigned"]), None) if minutes else (None, "no_end")
    simple: dict[str, tuple[Command | None, str | None]] = {
        "80007F00": (Alarm(True), None), "80008000": (Alarm(False), None), "80017F00": (KeepSupply(None), None),
        "80018000": (None, "keep_supply_off"), "80018100": (None, "keep_supply_off"), "80008300": (None, "direct_close"),
        "81050600": (None, None),
    }  # fmt: skip
    if name in simple:
        return simple[name]
    raise _none(name)
