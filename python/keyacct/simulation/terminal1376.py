"""A simulated terminal of Q/GDW 1376.1: what it answers its master, and what it says of itself."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import Any

from keyacct import wire
from keyacct.simulation.breaker import Breakers
from keyacct.simulation.device import Meter
from keyacct.simulation.dlt645 import Meter645, requests
from keyacct.simulation.obeying import is_late, obey_1376, parameters_1376, password_is, state_1376
from keyacct.simulation.present import phase_values, total_values
from keyacct.simulation.records1376 import DAY_BLOCKS, class_2, register_values

_REGISTERS = wire.open_registers()


@dataclass
class Terminal1376:
    """One terminal with the meters behind it (point n is meter n). events: (ERC, body) in the order they happened."""

    address: str
    meters: list[Meter]
    clock: Meter
    password: bytes = bytes(16)
    events: list[tuple[int, bytes]] = field(default_factory=list)
    fetched: int = 0
    number: int = 0

    protocol = "gdw1376.1"

    @property
    def breakers(self) -> Breakers:
        """Its relay rounds."""
        return self.clock.breakers

    # what it says of itself ------------------------------------------------------------------------------------------

    def login(self) -> bytes:
        """AFN 02 F1."""
        return self._link(1)

    def heartbeat(self) -> bytes:
        """AFN 02 F3."""
        return self._link(3)

    def logout(self) -> bytes:
        """AFN 02 F2."""
        return self._link(2)

    def _link(self, fn: int) -> bytes:
        self.number = self.number + 1 & 15
        message = {
            "address": self.address, "msa": 0, "control": "0xC9", "afn": "02", "seq": 0x70 | self.number,
            "items": [{"pn": 0, "fn": fn}],
        }  # fmt: skip
        return wire.encode(message, self.protocol, registers=_REGISTERS)

    def happen(self, erc: int, body: bytes) -> None:
        """An event; the next answer says that one waits."""
        self.events.append((erc, body))

    def report(self) -> bytes:
        """The newest event, reported without being asked (AFN 0E F1, confirmation wanted)."""
        self.number = self.number + 1 & 15
        count = len(self.events)
        erc, data = self.events[-1]
        body = bytes((count & 0xFF, 0, count - 1 & 0xFF, count & 0xFF, erc, len(data))) + data
        message = {
            "address": self.address, "msa": 0, "control": "0xC4", "afn": "0E", "seq": 0x70 | self.number,
            "items": [{"pn": 0, "fn": 1, "data": body.hex()}],
        }  # fmt: skip
        return wire.encode(message, self.protocol, registers=_REGISTERS)

    # what it answers -------------------------------------------------------------------------------------------------

    def answer(self, frame: bytes) -> bytes | None:
        """The answer to a frame of the master; None where it says nothing."""
        request = json.loads(next(iter(wire.describe([frame.hex()], self.protocol, registers=_REGISTERS)), "{}"))
        if not request.get("valid") or request["direction"] != "downlink" or request["address"] != self.address:
            return None
        afn = request["afn"]
        if afn == "00":
            return None
        items = request["items"]
        if afn in ("0C", "0D"):
            answers = [found for item in items if (found := self._data(afn, item)) is not None]
            return self._reply(request, afn, answers) if answers else self._confirm(request, 2)
        if afn == "0E":
            return self._events(request, frame)
        if afn == "10":
            return self._relay(request, items[0])
        if afn in ("04", "05"):
            if is_late(frame, self.clock.now()):
                return None
            obeyed = password_is(frame, self.password) and all(self._control(item, afn) for item in items)
            return self._confirm(request, 1 if obeyed else 2)
        if afn == "0A":
            told = [parameters_1376(self.breakers, item["pn"], item["fn"]) for item in items]
            return (
                self._reply(request, afn, [item for item in told if item]) if any(told) else self._confirm(request, 2)
            )
        if afn == "02":
            return self._confirm(request, 1)
        return self._confirm(request, 2)

    def _reply(self, request: dict[str, Any], afn: str, items: list[dict[str, Any]]) -> bytes:
        waiting = self.fetched < len(self.events)
        message: dict[str, Any] = {
            "address": self.address, "msa": request["msa"], "control": "0xA8" if waiting else "0x88", "afn": afn,
            "seq": 0x60 | request["seq"]["pseq"], "items": items,
        }  # fmt: skip
        if waiting:
            message["aux"] = {"ec": [len(self.events) & 0xFF, 0]}
        return wire.encode(message, self.protocol, registers=_REGISTERS)

    def _confirm(self, request: dict[str, Any], fn: int) -> bytes:
        return self._reply(request, "00", [{"pn": 0, "fn": fn}])

    def _data(self, afn: str, item: dict[str, Any]) -> dict[str, Any] | None:
        pn, fn = item["pn"], item["fn"]
        if afn == "0C" and pn == 0 and fn in {5, 6}:
            return state_1376(self.breakers, fn)
        if afn == "0C" and pn == 0:
            return {"pn": 0, "fn": 2, "data": _clock(self.clock.now()).hex()} if fn == 2 else None
        if not 1 <= pn <= len(self.meters):
            return None
        meter = self.meters[pn - 1]
        now = meter.now()
        if afn == "0C" and fn == 25:
            return {"pn": pn, "fn": 25, "values": self._present(meter, now)}
        if afn == "0C" and fn == 33:
            return {"pn": pn, "fn": 33, "values": register_values(meter, now, DAY_BLOCKS, now)}
        if afn == "0C" and fn == 129:
            return {"pn": pn, "fn": 129, "values": register_values(meter, now, ("active_import",), now)}
        return class_2(meter, item, now) if afn == "0D" else None

    def _present(self, meter: Meter, now: dt.datetime) -> list[Any]:
        """F25: behind the breaker of the meter and the rounds of the terminal."""
        share = meter.share_left(now) * self.breakers.share_left(meter.power_kw(now))
        values: list[Any] = [now.isoformat(timespec="minutes")]
        for name in ("active_power", "reactive_power", "power_factor"):
            values += total_values(meter, now, name, share)
        for name in ("voltage", "current"):
            values += phase_values(meter, now, name, share)
        return [*values, 0.0, *total_values(meter, now, "apparent_power", share)]

    def _events(self, request: dict[str, Any], frame: bytes) -> bytes:
        first, last = frame[18], frame[19]
        count = (last - first) % 256 or 256
        chosen = self.events[first : first + count][:16]
        body = bytes((len(self.events) & 0xFF, 0, first, (first + len(chosen)) & 0xFF))
        for erc, data in chosen:
            body += bytes((erc, len(data))) + data
        self.fetched = max(self.fetched, first + len(chosen))
        return self._reply(request, "0E", [{"pn": 0, "fn": 1, "data": body.hex()}])

    def _relay(self, request: dict[str, Any], item: dict[str, Any]) -> bytes:
        content = next((v["value"] for v in item["values"] if v["quantity"] == "relay_content"), "") or ""
        found, _ = requests(bytes.fromhex(content), "dlt645-2007")
        reply = b""
        for inner in found:
            for meter in self.meters:
                device = Meter645(meter)
                if reply == b"" and device.is_meant(inner["address"]):
                    reply = device.answer(inner) or b""
        data = b"\x01" + len(reply).to_bytes(2, "little") + reply
        return self._reply(request, "10", [{"pn": 0, "fn": 1, "data": data.hex()}])

    def _control(self, item: dict[str, Any], afn: str) -> bool:
        """Obey: the clock F31, and what `obeying` knows; a trip is an event (ERC 5)."""
        pn, fn = item["pn"], item["fn"]
        if fn == 31 and afn == "05":
            told = next((v["value"] for v in item.get("values", []) if str(v["value"])[:2] == "20"), None)
            if told is None:
                return False
            self.clock.set_clock(dt.datetime.fromisoformat(told))
            return True
        done = obey_1376(self.breakers, item, afn)
        if done and fn == 1 and afn == "05":
            self.happen(5, _minute(self.clock.now()) + bytes((1 << pn - 1,)) + b"\x00\x00\x00\x00")
        return done


def power_off(at: dt.datetime, minutes: int) -> tuple[int, bytes]:
    """ERC 14: a loss of supply."""
    return 14, _minute(at) + _minute(at + dt.timedelta(minutes=minutes))


def _digits(*numbers: int) -> bytes:
    return bytes(n // 10 << 4 | n % 10 for n in numbers)


def _clock(at: dt.datetime) -> bytes:
    """Format A.1."""
    month = at.isoweekday() << 5 | _digits(at.month)[0]
    return _digits(at.second, at.minute, at.hour, at.day) + bytes((month,)) + _digits(at.year % 100)


def _minute(at: dt.datetime) -> bytes:
    """Format A.15."""
    return _digits(at.minute, at.hour, at.day, at.month, at.year % 100)
