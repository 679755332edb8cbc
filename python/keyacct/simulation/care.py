"""What a simulated meter of DL/T 645 does with a time broadcast (08H), a written clock (14H, 04H) and a freeze (16H)."""

from __future__ import annotations

import datetime as dt
from typing import Any

from keyacct.simulation.device import Meter

MOST_STEP_S = 300
"""A meter takes 08H only within this, and once a day: DL/T 645-2007 7.1.6."""
_KEPT_FREEZES = 3
_NOW = "99999999"
_SHIFT = 0x33
_CLOCKS = {"04000101", "04000102", "C010", "C011"}


def take_time(meter: Meter, request: dict[str, Any]) -> None:
    """08H, to all or to one. Nobody says whether it was taken."""
    for value in request.get("values", []):
        if value.get("quantity") == "broadcast_time" and value.get("value"):
            at = dt.datetime.fromisoformat(value["value"])
            now = meter.now()
            if abs((at - now).total_seconds()) <= MOST_STEP_S and meter.clock_set_on != now.date():
                meter.set_clock(at)
                meter.clock_set_on = now.date()


def write_clock(meter: Meter, request: dict[str, Any]) -> str | None:
    """A written date or time; the error word against it, or None. Other identifiers are not authorised."""
    di = str(request.get("di", ""))
    frame: bytes = request["frame"]
    start = 10 + len(di) // 2
    password = bytes(byte - _SHIFT & 0xFF for byte in frame[start : start + 4])
    if di not in _CLOCKS or password.hex() != meter.password.lower():
        return "04"
    now = meter.now()
    for value in request.get("values", []):
        if value["quantity"] == "time" and value["value"]:
            meter.set_clock(dt.datetime.combine(now.date(), dt.time.fromisoformat(value["value"])))
            return None
        if value["quantity"] == "date" and value["value"]:
            meter.set_clock(dt.datetime.combine(dt.date.fromisoformat(value["value"]), now.time()))
            return None
    return "01"


def freeze(meter: Meter, request: dict[str, Any]) -> None:
    """16H: at once; of a freeze at a time of the hour, day or month the word is kept."""
    word = next((str(v["value"]) for v in request.get("values", []) if v["quantity"] == "freeze_command"), "")
    if word == _NOW:
        now = meter.now()
        meter.freezes.insert(0, (now.replace(second=0, microsecond=0), meter.load.energy_kwh(now)))
        del meter.freezes[_KEPT_FREEZES:]
    elif word:
        meter.freeze_word = word


def frozen_at_once(meter: Meter, item: str, number: int) -> list[Any] | None:
    """The number-th newest freeze at once: `00` its time, `01` and `02` import and export."""
    if not 1 <= number <= len(meter.freezes):
        return None
    at, energy = meter.freezes[number - 1]
    if item == "00":
        return [at.isoformat(timespec="minutes")]
    return list(energy) if item == "01" else [0.0] * len(energy)
