"""Simulated meters of DL/T 645, both editions: reads, frozen values, load record, clock, relay (1CH)."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Any

from keyacct import wire
from keyacct.simulation.care import freeze, frozen_at_once, take_time, write_clock
from keyacct.simulation.device import Meter
from keyacct.simulation.obeying import obey_645, status_word_3
from keyacct.simulation.present import energies, phase_values, total_values
from keyacct.simulation.records645 import frozen_values, load_records

_REGISTERS = wire.open_registers()
_PHASED = {"01": "voltage", "02": "current"}
_TOTALS = {"03": "active_power", "04": "reactive_power", "05": "apparent_power", "06": "power_factor"}
_REGISTERS_0 = {"1": "active_import", "2": "active_export", "3": "reactive_combined_1"}
_LAYOUT_1997 = {"B61": "0201", "B62": "0202", "B63": "0203", "B64": "0204", "B65": "0206"}


class Meter645:
    """Answers frames that are for one meter."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self._waiting: tuple[str, list[list[dict[str, Any]]]] = ("", [])

    def is_meant(self, address: str) -> bool:
        """Whether an address, perhaps with the wildcard AA, means this meter."""
        return all(
            theirs in ("AA", ours) for theirs, ours in zip(_pairs(address), _pairs(self.meter.address), strict=True)
        )

    def answer(self, request: dict[str, Any]) -> bytes | None:
        """The answer to a decoded request; None where a meter says nothing."""
        control = int(request["control"], 16)
        self.meter.asked += 1
        if request["address"] == "999999999999":
            self._broadcast(control, request)
            return None
        if self.meter.protocol == "dlt645-1997":
            return self._answer_1997(control, request)
        if control == 0x11 and str(request.get("di", "")).startswith("06"):
            return self._records(request)
        if control == 0x12:
            return self._following(request)
        if control == 0x11:
            return self._read(str(request.get("di", "")), 0x91)
        if control == 0x13:
            return self._frame({"control": "0x93", "data": bytes.fromhex(self.meter.address)[::-1].hex()})
        if control == 0x1C:
            return self._control(request)
        if control == 0x08:
            take_time(self.meter, request)
            return None
        if control == 0x14:
            return self._written(control, request)
        if control == 0x16:
            freeze(self.meter, request)
            return self._frame({"control": "0x96"})
        return self._refuse(control, "01")

    def _broadcast(self, control: int, request: dict[str, Any]) -> None:
        if control == 0x08:
            take_time(self.meter, request)
        if control == 0x16 and self.meter.protocol == "dlt645-2007":
            freeze(self.meter, request)

    def _written(self, control: int, request: dict[str, Any]) -> bytes:
        """A clock that is written (14H, 04H)."""
        error = write_clock(self.meter, request)
        if error is not None:
            return self._refuse(control, error)
        return self._frame({"control": f"0x{0x80 | control:02X}"})

    def _read(self, di: str, control: int) -> bytes:
        if di in ("04000101", "C010"):
            now = self.meter.now()
            digits = f"{now.isoweekday() % 7:02}{now:%d%m%y}"
            return self._frame({"control": f"0x{control:02X}", "di": di, "data": digits})
        told = self.meter.parameters.get(di)
        if told is not None:
            said = {"data": told} if isinstance(told, str) else {"values": told}
            return self._frame({"control": f"0x{control:02X}", "di": di, **said})
        values = self.values(di)
        if values is None:
            return self._refuse(control & 0x7F, "02")
        self._note(di, values)
        return self._frame({"control": f"0x{control:02X}", "di": di, "values": values})

    def _records(self, request: dict[str, Any]) -> bytes:
        """Load records; what does not fit a frame waits for 12H."""
        found = load_records(self.meter, request)
        if not found:
            return self._refuse(0x11, "02")
        di = str(request["di"])
        self._waiting = (di, found[1:])
        return self._frame({"control": "0xB1" if len(found) > 1 else "0x91", "di": di, "values": found[0]})

    def _following(self, request: dict[str, Any]) -> bytes:
        """The frame behind the one that was sent last, by its number."""
        di, found = self._waiting
        number = int(request.get("seq") or 0)
        if request.get("di") != di or not 1 <= number <= len(found):
            return self._refuse(0x12, "02")
        whole = self._frame({"control": "0x91", "di": di, "values": found[number - 1]})
        data = bytes((byte - 0x33) & 0xFF for byte in whole[14:-2]).hex()  # behind the identifier
        control = "0xB2" if number < len(found) else "0x92"
        return self._frame({"control": control, "di": di, "data": data, "seq": number})

    def _note(self, di: str, values: list[Any]) -> None:
        if not self.meter.trouble:
            self.meter.said[di] = values

    def _answer_1997(self, control: int, request: dict[str, Any]) -> bytes | None:
        if control == 0x08:
            take_time(self.meter, request)
            return None
        if control == 0x04:
            return self._written(control, request)
        if control != 0x01:
            return self._refuse(control, "01")
        di = str(request.get("di", ""))
        if di == "C010" or di in self.meter.parameters:
            return self._read(di, 0x81)
        values = self._values_1997(di)
        if values is None:
            return self._refuse(control, "02")
        self._note(di, values)
        return self._frame({"control": "0x81", "di": di, "values": values})

    def _values_1997(self, di: str) -> list[Any] | None:
        now = self.meter.now()
        energy = self.meter.load.energy_kwh(now)
        if match := re.fullmatch("901([0-4F])", di):
            return energy if match[1] == "F" else [energy[int(match[1])]]
        if match := re.fullmatch("(B6[1-5])([0-3F])", di):
            modern = f"{_LAYOUT_1997[match[1]]}{'FF' if match[2] == 'F' else '0' + match[2]}00"
            values = self.values(modern)
            if values is None:
                return None
            return [int(v) for v in values] if match[1] == "B61" else [round(v, 2) for v in values]
        if di == "C011":
            return [now.strftime("%H:%M:%S")]
        if di == "C032":
            return [self.meter.address]
        return None

    def _frame(self, message: dict[str, Any]) -> bytes:
        whole = {"address": self.meter.address, **message}
        return wire.encode(whole, self.meter.protocol, registers=_REGISTERS)

    def _refuse(self, control: int, error: str) -> bytes:
        bit = 0x40 if self.meter.protocol == "dlt645-1997" else 0
        return self._frame({"control": f"0x{0xC0 | control | bit:02X}", "error": error})

    def _control(self, request: dict[str, Any]) -> bytes:
        """Relay control: trip, permit close, direct close, alarm, keep-supply."""
        error = obey_645(self.meter, request)
        return self._frame({"control": "0x9C"}) if error is None else self._refuse(0x1C, error)

    def values(self, di: str) -> list[Any] | None:
        """Values of an identifier in the order of the register's fields; None for what the meter does not have."""
        now = self.meter.now()
        if di == "04000503":
            return [status_word_3(self.meter)]
        if match := re.fullmatch("000([1-3])(0[0-4]|FF)00", di):
            return _total_or_one(energies(self.meter, now, _REGISTERS_0[match[1]]), match[2])
        if di == "01010000":
            kw, at = self.meter.load.demand_kw(now)
            return [round(kw, 4), at.isoformat(timespec="minutes")]
        if match := re.fullmatch("02(0[1-6])(0[0-3]|FF)00", di):
            return self._instant(match[1], match[2], now)
        simple: dict[str, list[Any]] = {
            "02800002": [50.0], "04000102": [now.strftime("%H:%M:%S")], "04000401": [self.meter.address],
            "04000103": [15], "04000306": [1], "04000307": [1],
        }  # fmt: skip
        if di in simple:
            return simple[di]
        if match := re.fullmatch("0501(00|01|02)(0[1-3])", di):
            return frozen_at_once(self.meter, match[1], int(match[2]))
        return frozen_values(self.meter, di) if di.startswith("05") else None

    def _instant(self, what: str, which: str, now: dt.datetime) -> list[Any] | None:
        """What it measures now (0201 to 0206): a phase, the total (00) or all (FF)."""
        share = self.meter.share_left(now)
        if what in _TOTALS:
            return _total_or_one(total_values(self.meter, now, _TOTALS[what], share), which)
        if which == "00":
            return None
        phases = phase_values(self.meter, now, _PHASED[what], share)
        return phases if which == "FF" else [phases[int(which) - 1]]


def _pairs(address: str) -> list[str]:
    return [address[i : i + 2].upper() for i in range(0, 12, 2)]


def _total_or_one(values: list[float], which: str) -> list[Any]:
    return list(values) if which == "FF" else [values[int(which)]]


def requests(stream: bytes, protocol: str) -> tuple[list[dict[str, Any]], bytes]:
    """Decoded requests in what has come, and the bytes that may still become one."""
    found: list[dict[str, Any]] = []
    at, size = 0, len(stream)
    while at < size:
        at = stream.find(0x68, at)
        if at < 0:
            return found, b""
        if size - at < 10:
            return found, stream[at:]
        end = at + 12 + stream[at + 9]
        if stream[at + 7] == 0x68 and end > size:
            return found, stream[at:]
        if stream[at + 7] == 0x68 and stream[end - 1] == 0x16 and sum(stream[at : end - 2]) & 0xFF == stream[end - 2]:
            (text, *_) = wire.describe([stream[at:end].hex()], protocol, registers=_REGISTERS)
            message: dict[str, Any] = json.loads(text)
            if message.get("valid") and message.get("direction") == "request":
                message["frame"] = bytes(stream[at:end])  # what decoding hides
                found.append(message)
            at = end
        else:
            at += 1
    return found, b""
