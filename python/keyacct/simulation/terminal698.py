"""A simulated terminal of DL/T 698.45: link requests, reads of present values, ACTION on the clock."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

from keyacct import wire
from keyacct.simulation.breaker import Breakers
from keyacct.simulation.device import Meter
from keyacct.simulation.obeying import obey_698, state_698

_REGISTERS = wire.open_registers()


@dataclass
class Terminal698:
    """One terminal; its present values are those of its first meter."""

    address: str
    meters: list[Meter]
    clock: Meter
    heartbeat_s: int = 60
    number: int = 0
    client: int = 0

    protocol = "dlt698.45"

    @property
    def breakers(self) -> Breakers:
        """Its relay rounds."""
        return self.clock.breakers

    def login(self) -> bytes:
        """LINK-Request, login."""
        return self._link("login")

    def heartbeat(self) -> bytes:
        """LINK-Request, heartbeat."""
        return self._link("heartbeat")

    def logout(self) -> bytes:
        """LINK-Request, logout."""
        return self._link("logout")

    def _link(self, kind: str) -> bytes:
        self.number = self.number + 1 & 63
        apdu = {
            "service": "LINK-Request", "piid_acd": self.number, "type": kind, "heartbeat_s": self.heartbeat_s,
            "time": self.clock.now().isoformat(timespec="milliseconds"),
        }  # fmt: skip
        return self._frame(apdu)

    def _frame(self, apdu: dict[str, Any]) -> bytes:
        link = {"ca": self.client}
        return wire.encode({"address": self.address, "link": link, "apdu": apdu}, self.protocol, registers=_REGISTERS)

    def answer(self, frame: bytes) -> bytes | None:
        """The answer to a frame of the master; None where it says nothing."""
        request = json.loads(next(iter(wire.describe([frame.hex()], self.protocol, registers=_REGISTERS)), "{}"))
        if not request.get("valid") or request.get("direction") != "downlink" or request["address"] != self.address:
            return None
        self.client = request["link"]["ca"]
        apdu = request["apdu"]
        if request["service"] == "ActionRequestNormal":
            done = {"service": "ActionResponseNormal", "piid_acd": apdu["piid"], "omd": apdu["omd"], "data": None}
            obeyed = {**done, "dar": obey_698(self.breakers, apdu), "follow_report": None, "time_tag": None}
            return self._frame(obeyed)
        if request["service"] == "SetRequestNormal":
            dar = obey_698(self.breakers, apdu)
            if apdu["oad"] == "40000200":
                self.clock.set_clock(dt.datetime.fromisoformat(apdu["data"]["date_time_s"]))
                dar = 0
            told = {"service": "SetResponseNormal", "piid_acd": apdu["piid"], "oad": apdu["oad"], "dar": dar}
            return self._frame({**told, "follow_report": None, "time_tag": None})
        if request["service"] != "GetRequestNormal":
            return None
        answer = {
            "service": "GetResponseNormal", "piid_acd": apdu["piid"], "oad": apdu["oad"],
            **self._object(apdu["oad"]), "follow_report": None, "time_tag": None,
        }  # fmt: skip
        return self._frame(answer)

    def _object(self, oad: str) -> dict[str, Any]:
        """`data` of an object, or the `dar` 6 (does not exist)."""
        if oad == "40000200":
            return {"data": {"date_time_s": self.clock.now().isoformat(timespec="seconds")}}
        told = state_698(self.breakers, oad)
        if told is not None:
            return {"data": told}
        if not self.meters:
            return {"dar": 6}
        meter = self.meters[0]
        now = meter.now()
        kw = meter.power_kw(now)
        left = self.breakers.share_left(kw)
        load, watts = meter.load, kw * left * 10_000
        closed = left if meter.breaker_closed else 0

        def array(kind: str, values: list[float]) -> dict[str, Any]:
            return {"data": {"array": [{kind: round(value)} for value in values]}}

        if oad == "20000200":
            return array("long-unsigned", [load.voltage(now, phase) * 10 for phase in range(3)])
        if oad == "20010200":
            return array("double-long", [load.current_a(now, phase) * 1000 * closed for phase in range(3)])
        if oad == "20040200":
            return array("double-long", [watts, *(watts / 3,) * 3])
        if oad == "200A0200":
            return array("long", [load.power_factor * 1000] * 4)
        if oad == "00100200":
            return array("double-long-unsigned", [value * 100 for value in load.energy_kwh(now)])
        return {"dar": 6}
