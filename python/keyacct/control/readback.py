"""What a device says of its own control state. Only reads: real devices may be asked."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from keyacct import wire
from keyacct.control.targets import MOST_ROUNDS, Target

Ask = Callable[[bytes], bytes | None]
"""Sends a read and gives the frame that answers, None when nobody does."""
METER_RELAY = 0
"""The round under which the one relay of a meter is listed."""


@dataclass(frozen=True)
class LimitState:
    """What a totals group is limited to. relay_rounds: that it opens; enabled: None where the device did not say."""

    group: int
    limit_kw: float | None = None
    from_day: str | None = None
    to_day: str | None = None
    relay_rounds: tuple[int, ...] = ()
    enabled: bool | None = None
    down_float: bool = False


@dataclass(frozen=True)
class ControlState:
    """What a device says; None where it said nothing.

    open_rounds: rounds whose output is open now; alarming: that are about to open, or whose alarm sounds. power_kw: of the
    device's side. not_said: what it did not answer.
    """

    open_rounds: tuple[int, ...] | None = None
    alarming: tuple[int, ...] | None = None
    keep_supply: bool | None = None
    excluded: bool | None = None
    limits: tuple[LimitState, ...] = ()
    power_kw: float | None = None
    clock: dt.datetime | None = None
    not_said: tuple[str, ...] = ()

    @property
    def said_anything(self) -> bool:
        """Whether there was any answer."""
        return (self.open_rounds, self.keep_supply, self.power_kw, self.clock) != (None, None, None, None)

    def limit_of(self, group: int) -> LimitState | None:
        """The limit of a group."""
        return next((limit for limit in self.limits if limit.group == group), None)


def read_state(ask: Ask, target: Target) -> ControlState:
    """Read the control state of a device."""
    if target.protocol == "dlt645-2007":
        return _State645(ask, target).read()
    return _State1376(ask, target).read() if target.protocol == "gdw1376.1" else _State698(ask, target).read()


class _Reader:
    def __init__(self, ask: Ask, target: Target) -> None:
        self._ask, self._target = ask, target
        self._not_said: list[str] = []
        self._number = 0

    def _message(self, name: str, request: dict[str, Any]) -> dict[str, Any] | None:
        frame = wire.encode({"address": self._target.address, **request}, self._target.protocol)
        reply = self._ask(frame)
        if reply is None:
            self._not_said.append(name)
            return None
        shown: dict[str, Any] = json.loads(next(iter(wire.describe([reply.hex()], self._target.protocol))))
        return shown


def _first(values: list[Mapping[str, Any]], quantity: str) -> Any:
    return next((value["value"] for value in values if value["quantity"] == quantity), None)


def _bits(word: str) -> tuple[int, ...]:
    """Rounds of a byte in hex, round 1 in the lowest bit."""
    byte = int(word, 16)
    return tuple(n for n in range(1, MOST_ROUNDS + 1) if byte >> n - 1 & 1)


class _State645(_Reader):
    def read(self) -> ControlState:
        word = self._values("04000503")
        power = _first(self._values("02030000"), "active_power")
        time, date = _first(self._values("04000102"), "time"), _first(self._values("04000101"), "date")
        told = {name: _first(word, name) for name in ("relay_open", "pre_trip_alarm")}
        opened, alarm = told["relay_open"], told["pre_trip_alarm"]
        return ControlState(
            None if opened is None else (METER_RELAY,) * bool(opened),
            None if alarm is None else (METER_RELAY,) * bool(alarm),
            power_kw=power, clock=_stamp(f"{date}T{time}"), not_said=tuple(self._not_said),
        )  # fmt: skip

    def _values(self, di: str) -> list[Mapping[str, Any]]:
        message = self._message(di, {"control": "0x11", "di": di})
        if message is None or "error" in message:
            if message is not None:
                self._not_said.append(di)
            return []
        return list(message.get("values", []))


class _State1376(_Reader):
    def read(self) -> ControlState:
        settings, present = self._values("0C", 0, 5), self._values("0C", 0, 6)
        keep, excluded = _first(settings, "keep_supply"), _first(settings, "excluded")
        opened = _first(present, "remote_trip_state")
        alarms = [value["value"] for value in present if value["quantity"] == "power_alarm_state"]
        groups = _bits(_first(settings, "control_groups") or "00")
        clock = _first(self._values("0C", 0, 2), "clock")
        return ControlState(
            None if opened is None else _bits(opened),
            tuple(sorted({n for word in alarms for n in _bits(word)})) if present else None,
            None if keep is None else bool(keep), None if excluded is None else bool(excluded),
            tuple(self._limit(group, place, settings) for place, group in enumerate(groups, 1)),
            _first(self._values("0C", 1, 25), "active_power"), _stamp(str(clock)), tuple(self._not_said),
        )  # fmt: skip

    def _limit(self, group: int, place: int, settings: list[Mapping[str, Any]]) -> LimitState:
        mine = [value for value in settings if value.get("index") == place]
        setting, rounds = self._values("0A", group, 44), self._values("0A", group, 45)
        enabled = _first(mine, "suspension_control")
        return LimitState(
            group, _first(setting, "suspension_power_limit"), _first(setting, "suspension_start"),
            _first(setting, "suspension_end"), _bits(_first(rounds, "power_rounds") or "00"),
            None if enabled is None else bool(enabled), bool(_first(mine, "down_float")),
        )  # fmt: skip

    def _values(self, afn: str, pn: int, fn: int) -> list[Mapping[str, Any]]:
        self._number += 1
        seq = {"tpv": 0, "fir": 1, "fin": 1, "con": 0, "pseq": self._number & 15}
        request = {"msa": 1, "control": "0x4B", "afn": afn, "seq": seq, "items": [{"pn": pn, "fn": fn}]}
        message = self._message(f"{afn} P{pn} F{fn}", request)
        if message is None or message.get("afn") != afn:
            if message is not None:
                self._not_said.append(f"{afn} P{pn} F{fn}")
            return []
        return [value for item in message["items"] if item["fn"] == fn for value in item.get("values", [])]


class _State698(_Reader):
    def read(self) -> ControlState:
        opened, alarming = self._rounds("80000300"), self._rounds("80000400")
        keep = _plain(self._data("80010200"))
        clock = _plain(self._data("40000200"))
        watts = [_plain(part) for part in _parts(self._data("20040200"))]
        return ControlState(
            opened, alarming, None if keep is None else bool(keep), None, tuple(self._limits()),
            watts[0] / 10_000 if watts and watts[0] is not None else None, _stamp(str(clock)), tuple(self._not_said),
        )  # fmt: skip

    def _limits(self) -> Iterator[LimitState]:
        enabled = {
            str(_plain(part[0])): bool(_plain(part[1]))
            for part in map(_parts, _parts(self._data("81050300")))
            if len(part) == 2
        }
        for unit in map(_parts, _parts(self._data("81050200"))):
            if len(unit) != 4:
                continue
            name = str(_plain(unit[0]))
            days = [str(_plain(part))[:10] for part in unit[1:3]]
            rounds = self._rounds(name + "0E00") or ()
            yield LimitState(
                int(name, 16) & 0xFF, _plain(unit[3]) / 10_000, days[0], days[1], rounds, enabled.get(name)
            )

    def _rounds(self, oad: str) -> tuple[int, ...] | None:
        data = self._data(oad)
        if not isinstance(data, dict) or "bit-string" not in data:
            return None
        told = data["bit-string"]
        bits = f"{int(told['hex'] or '0', 16):0{len(told['hex']) * 4}b}"[: told["bits"]]
        return tuple(n for n, bit in enumerate(bits, 1) if bit == "1")

    def _data(self, oad: str) -> Any:
        self._number += 1
        apdu = {"service": "GetRequestNormal", "piid": self._number & 63, "oad": oad, "time_tag": None}
        message = self._message(oad, {"apdu": apdu})
        data = message["apdu"].get("data") if message is not None else None
        if message is not None and data is None:
            self._not_said.append(oad)
        return data


def _plain(data: Any) -> Any:
    """The one value of a typed datum."""
    return next(iter(data.values()), None) if isinstance(data, dict) else None


def _parts(data: Any) -> list[Any]:
    inner = _plain(data)
    return inner if isinstance(inner, list) else []


def _stamp(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return None
