"""Frozen values (class 05) and load records (class 06) of simulated DL/T 645-2007 meters. Source: DL/T 645-2007 A.6, A.7."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from keyacct.simulation.device import Meter
from keyacct.simulation.present import PHASES, energies, phase_values, total_values

_FROZEN = {
    "01": "active_import", "02": "active_export", "03": "reactive_combined_1", "04": "reactive_combined_2",
    "05": "reactive_q1", "06": "reactive_q2", "07": "reactive_q3", "08": "reactive_q4",
}  # fmt: skip
MOST_RECORDS = 99
"""N is one byte of BCD."""
_DATA_BYTES = 190
"""Records of one frame: what fits the 200 bytes of its data field beside identifier and number."""
_SIZES = {1: 17, 2: 24, 3: 8, 4: 16, 5: 16, 6: 6}


def frozen_values(meter: Meter, di: str) -> list[Any] | None:
    """Values of a day (0506) or hourly freeze (0504); None for one that is not kept."""
    match = re.fullmatch("05(04|06)([0-9A-F]{2})([0-9A-F]{2})", di)
    if match is None:
        return None
    now, back = meter.now(), int(match[3], 16)
    at = meter.memory.hour(now, back) if match[1] == "04" else meter.memory.day(now, back)
    if at is None:
        return None
    if match[2] == "00":
        return [at.isoformat(timespec="minutes")]
    if match[1] == "04":
        if match[2] not in ("01", "02"):
            return None
        return energies(meter, at, _FROZEN[match[2]])[:1]
    if match[2] == "10":
        return [*total_values(meter, at, "active_power"), *total_values(meter, at, "reactive_power")]
    return energies(meter, at, _FROZEN[match[2]]) if match[2] in _FROZEN else None


def load_records(meter: Meter, request: dict[str, Any]) -> list[list[dict[str, Any]]] | None:
    """Records that a request for 06 cc 00 00..02 names, frame by frame; None for a class that is not recorded.

    00: from the oldest on; 01: from the given time, or the next one that is there, on; 02: the newest. An empty list
    where the time is later than every record.
    """
    match = re.fullmatch("060([0-6])000([012])", str(request.get("di", "")))
    told = {value["quantity"]: value["value"] for value in request.get("values", [])}
    count = told.get("record_count")
    if match is None or not isinstance(count, int) or not 1 <= count <= MOST_RECORDS:
        return None
    asked = int(match[1])
    classes = [number for number in meter.memory.classes if asked in (0, number)]
    if not classes:
        return None
    now, memory = meter.now(), meter.memory
    begin = None
    if match[2] == "1":
        if told.get("record_start") is None:
            return None
        off = dt.timedelta(seconds=memory.stamp_off_s)
        begin = dt.datetime.fromisoformat(str(told["record_start"])) - off
    stamps = list(memory.load_stamps(now, begin))
    chosen = stamps[-count:] if match[2] == "2" else stamps[:count]
    size = 15 + sum(_SIZES[number] for number in classes)  # mark, count, time, six separators, checksum, end
    a_frame = max(_DATA_BYTES // size, 1)
    frames = [chosen[start : start + a_frame] for start in range(0, len(chosen), a_frame)]
    return [[value for stamp in stamps for value in _record(meter, stamp, classes)] for stamps in frames]


def _record(meter: Meter, at: dt.datetime, classes: list[int]) -> list[dict[str, Any]]:
    values: list[dict[str, Any]] = [
        {"quantity": "record_time", "value": meter.memory.written(at).isoformat(timespec="minutes")}
    ]
    four = ("total", *PHASES)

    def add(quantity: str, phases: tuple[str | None, ...], numbers: list[float]) -> None:
        values.extend(
            {"quantity": quantity, "phase": phase, "value": number}
            for phase, number in zip(phases, numbers, strict=True)
        )

    for number in classes:
        if number == 1:
            for quantity in ("voltage", "current"):
                add(quantity, PHASES, phase_values(meter, at, quantity))
            add("frequency", (None,), [50.0])
        elif number == 2:
            for quantity in ("active_power", "reactive_power"):
                add(quantity, four, total_values(meter, at, quantity))
        elif number == 3:
            add("power_factor", four, total_values(meter, at, "power_factor"))
        elif number == 4:
            for quantity in ("active_import", "active_export", "reactive_combined_1", "reactive_combined_2"):
                add(quantity, ("total",), energies(meter, at, quantity)[:1])
        elif number == 5:
            for quantity in ("reactive_q1", "reactive_q2", "reactive_q3", "reactive_q4"):
                add(quantity, ("total",), energies(meter, at, quantity)[:1])
        else:
            add("active_demand", ("total",), total_values(meter, at, "active_power")[:1])
            add("reactive_demand", ("total",), total_values(meter, at, "reactive_power")[:1])
    return values
