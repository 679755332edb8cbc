"""A simulated server of DL/T 698.45, terminal or meter: link and association, reads, record tables, control, clock."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

from keyacct import wire
from keyacct.simulation.breaker import Breakers
from keyacct.simulation.device import Meter
from keyacct.simulation.obeying import obey_698, state_698
from keyacct.simulation.present import energies, phase_values, total_values
from keyacct.simulation.records698 import record_answer

_REGISTERS = wire.open_registers()
_FRAME_BYTES = 2000
_FACTORY = {
    "vendor": b"SIMU".hex(), "software_version": b"0001".hex(), "software_date": b"260101".hex(),
    "hardware_version": b"0001".hex(), "hardware_date": b"260101".hex(), "extension": "00" * 8,
}  # fmt: skip
_ENERGIES = {
    "00100200": "active_import", "00200200": "active_export", "00300200": "reactive_import",
    "00400200": "reactive_export",
}  # fmt: skip
"""Registers of the server; 0030 is combined reactive 1, which is what is imported where nothing is exported."""


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
        told = {"piid_acd": apdu.get("piid", 0), "follow_report": None, "time_tag": None}
        if request["service"] == "CONNECT-Request":
            return self._frame(_connected(told))
        if request["service"] == "RELEASE-Request":
            return self._frame({"service": "RELEASE-Response", "result": 0, **told})
        if request["service"] == "GetRequestRecord":
            record = record_answer(self.meters[0], apdu, self.attribute) if self.meters else {"dar": 6}
            return self._frame({"service": "GetResponseRecord", "oad": apdu["oad"], "columns": [], **record, **told})
        if request["service"] == "GetRequestNormalList":
            results = [{"oad": oad, **self._object(oad)} for oad in apdu["oads"]]
            return self._frame({"service": "GetResponseNormalList", "results": results, **told})
        if request["service"] != "GetRequestNormal":
            return None
        return self._frame({"service": "GetResponseNormal", "oad": apdu["oad"], **self._object(apdu["oad"]), **told})

    def _object(self, oad: str) -> dict[str, Any]:
        """`data` of an object, or the `dar` 6 (does not exist)."""
        if oad == "40000200":
            return {"data": {"date_time_s": self.clock.now().isoformat(timespec="seconds")}}
        told = state_698(self.breakers, oad)
        if told is not None:
            return {"data": told}
        if not self.meters:
            return {"dar": 6}
        return self.attribute(self.meters[0], self.meters[0].now(), oad, live=True)

    def attribute(self, meter: Meter, at: dt.datetime, oad: str, *, live: bool = False) -> dict[str, Any]:
        """`data` of an attribute of a meter at an instant, or `dar`. live: as it is now, behind its breaker and ours."""
        share = 1.0
        if live:
            share = meter.share_left(at) * self.breakers.share_left(meter.power_kw(at))
        # raw of the wire: 0.1 V, 0.001 A, 0.1 W, 0.001, 0.01 kWh
        if oad == "20000200":
            return _array("long-unsigned", [value * 10 for value in phase_values(meter, at, "voltage")])
        if oad == "20010200":
            return _array("double-long", [value * 1000 for value in phase_values(meter, at, "current", share)])
        if oad == "20040200":
            values = total_values(meter, at, "active_power", share)
            return _array("double-long", [value * 10_000 for value in values])
        if oad == "20050200":
            values = total_values(meter, at, "reactive_power", share)
            return _array("double-long", [value * 10_000 for value in values])
        if oad == "200A0200":
            return _array("long", [value * 1000 for value in total_values(meter, at, "power_factor")])
        if oad in _ENERGIES:
            values = energies(meter, at, _ENERGIES[oad])
            return _array("double-long-unsigned", [value * 100 for value in values])
        return {"dar": 6}


def _array(kind: str, values: list[float]) -> dict[str, Any]:
    return {"data": {"array": [{kind: round(value)} for value in values]}}


def _connected(told: dict[str, Any]) -> dict[str, Any]:
    """The answer to CONNECT: what this server takes."""
    return {
        "service": "CONNECT-Response", "factory_version": dict(_FACTORY), "protocol_version": 16,
        "protocol_conformance": "FF" * 8, "function_conformance": "FF" * 16, "server_tx_size": _FRAME_BYTES,
        "server_rx_size": _FRAME_BYTES, "server_window": 1, "max_apdu": _FRAME_BYTES, "timeout_s": 100, "result": 0,
        "auth": None, **told,
    }  # fmt: skip
