"""The clock of one meter on a line: read against the middle of the exchange, set. DL/T 645 both editions, DL/T 698.45."""

from __future__ import annotations

import dataclasses
import datetime as dt
import zoneinfo
from dataclasses import dataclass
from typing import Any

from keyacct import clock, wire
from keyacct.capture import dlt698, fence, masking
from keyacct.capture.line import ExchangeError, Failure, Line, Reply, built_in_registers
from keyacct.capture.parameters import exchange_item, refusal_of
from keyacct.errors import InputError
from keyacct.i18n import Text

CLOCKED = ("dlt645-2007", "dlt645-1997", "dlt698.45")
"""Protocols in which a meter tells its clock. The Modbus maps have none."""
BROADCAST = "9" * 12
_WAKE = b"\xfe" * 4
_DATE = {"dlt645-2007": "04000101", "dlt645-1997": "C010"}
_TIME = {"dlt645-2007": "04000102", "dlt645-1997": "C011"}
_CLOCK_698 = "40000200"
_WRITE = {"dlt645-2007": "0x14", "dlt645-1997": "0x04"}
_RESOLUTION_S = 1.0
_DAY_S = 86_400


@dataclass(frozen=True)
class ClockReading:
    """What a clock said. device_time: its naive civil time; deviation_s: it less ours, as of the middle of the exchange;
    uncertainty_s: by how much that may be wrong (half the exchange and half of the clock's second).
    """

    device_time: dt.datetime
    deviation_s: float
    uncertainty_s: float
    measured_at_ms: int
    round_trip_s: float

    @property
    def least_s(self) -> float:
        """How far off it is at least."""
        return max(abs(self.deviation_s) - self.uncertainty_s, 0.0)

    @property
    def most_s(self) -> float:
        """How far off it is at most."""
        return abs(self.deviation_s) + self.uncertainty_s


def compare(device_time: dt.datetime, begin_ms: int, end_ms: int, zone: zoneinfo.ZoneInfo) -> ClockReading:
    """A clock's civil time against ours while it was asked. Of an hour that comes twice, the nearer one is meant."""
    middle = (begin_ms + end_ms) / 2000
    wrong = [
        device_time.replace(tzinfo=zone, fold=fold).timestamp() + _RESOLUTION_S / 2 - middle for fold in (0, 1)
    ]  # a clock of whole seconds is, on average, half a second further
    round_trip_s = max(end_ms - begin_ms, 0) / 1000
    return ClockReading(device_time, min(wrong, key=abs), round_trip_s / 2 + _RESOLUTION_S / 2, end_ms, round_trip_s)


def read_clock(line: Line, address: str, protocol: str, zone: zoneinfo.ZoneInfo) -> ClockReading:
    """Ask a meter for its date and time. Raises ExchangeError (also for a refusal, or a time that is none), LinkError."""
    line.open()
    if protocol == dlt698.PROTOCOL:
        return _read_698(line, address, zone)
    if not fence.pass_late_answers(line, address, protocol):
        raise ExchangeError(Failure("late", str(Text("an earlier answer may still come", "先前的应答可能迟到"))))
    date = _said(exchange_item(line, address, protocol, _DATE[protocol]), "date")
    begin_ms = clock.now_ms()
    reply = exchange_item(line, address, protocol, _TIME[protocol])
    time = _said(reply, "time")
    if time < "00:05":  # a day may have ended between the two questions
        date = _said(exchange_item(line, address, protocol, _DATE[protocol]), "date")
    return compare(_moment(f"{date}T{time}"), begin_ms, reply.recv_at_ms, zone)


def _said(reply: Reply, quantity: str) -> str:
    value = next((v["value"] for v in reply.message.get("values", ()) if v["quantity"] == quantity), None)
    if not isinstance(value, str):
        raise ExchangeError(Failure("no_data", str(Text(f"it gives no {quantity}", "时钟无有效数据"))))
    return value


def _moment(text: str) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        raise ExchangeError(Failure("implausible", str(Text(f"{text} is no time", f"{text} 不是时间")))) from None


def _read_698(line: Line, address: str, zone: zoneinfo.ZoneInfo) -> ClockReading:
    dlt698.associate(line, address)
    begin_ms = clock.now_ms()
    said = dlt698.ask(line, address, {"service": "GetRequestNormal", "oad": _CLOCK_698})
    if said.refusal is not None:
        raise ExchangeError(said.refusal, said.frames)
    (message, *_) = dlt698.described([said.frames[-1]])
    values = [v["value"] for v in message.get("values", ()) if v["quantity"] == "clock"]
    if not values or not isinstance(values[0], str):
        raise ExchangeError(Failure("no_data"), said.frames)
    return compare(_moment(values[0]), begin_ms, said.recv_at_ms, zone)


@dataclass(frozen=True)
class ClockCommand:
    """What sets a clock. method: `addressed` or `broadcast` (08H), `write` (14H, 04H), `set` (DL/T 698.45); at: the civil
    time that it gives; frame: as it leaves; shown: as it may be printed, without the password.
    """

    method: str
    protocol: str
    address: str
    at: dt.datetime
    frame: bytes = dataclasses.field(repr=False)
    shown: str


def time_broadcast(protocol: str, address: str, at: dt.datetime) -> ClockCommand:
    """08H: the time for one meter, or for all of a line (`BROADCAST`). Nobody answers it."""
    message = {"address": address, "control": "0x08", "values": [at.isoformat(timespec="seconds")]}
    frame = wire.encode(message, protocol, registers=built_in_registers())
    method = "broadcast" if address == BROADCAST else "addressed"
    return ClockCommand(method, protocol, address, at, _WAKE + frame, frame.hex(" ").upper())


def clock_write(
    protocol: str, address: str, at: dt.datetime, password: bytes = b"", operator: str = "00000000"
) -> ClockCommand:
    """The time written into one meter: with its password (DL/T 645), or SET (DL/T 698.45). The date stays."""
    if protocol == dlt698.PROTOCOL:
        apdu = {"piid": 1, "time_tag": None, **_set_698(at)}
        frame = wire.encode({"address": address, "apdu": apdu}, protocol, registers=built_in_registers())
        return ClockCommand("set", protocol, address, at, frame, frame.hex(" ").upper())
    if len(password) != 4:
        raise InputError("input.value", str(Text("a password is level and three bytes", "密码应为级别加三字节")))
    message: dict[str, Any] = {
        "address": address, "control": _WRITE[protocol], "di": _TIME[protocol], "password": password.hex(),
        "values": [at.strftime("%H:%M:%S")],
    }  # fmt: skip
    if protocol == "dlt645-2007":
        message["operator"] = operator
    frame = wire.encode(message, protocol, registers=built_in_registers())
    return ClockCommand("write", protocol, address, at, frame, masking.starred(frame, protocol))


def send_clock(line: Line, command: ClockCommand) -> Failure | None:
    """Send it once; what a meter says against it. 08H is answered by nobody. Raises ExchangeError, LinkError."""
    if command.method in ("addressed", "broadcast"):
        line.send(command.frame)
        return None
    if command.method == "set":
        return dlt698.ask(line, command.address, _set_698(command.at)).refusal
    reply = line.exchange(command.frame, command.protocol, preamble=_WAKE)
    error = reply.message.get("error")
    return refusal_of(error) if error is not None else None


def _set_698(at: dt.datetime) -> dict[str, Any]:
    return {
        "service": "SetRequestNormal", "oad": _CLOCK_698, "data": {"date_time_s": at.isoformat(timespec="seconds")},
    }  # fmt: skip
