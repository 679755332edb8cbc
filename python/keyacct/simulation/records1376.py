"""Class 2 data (AFN 0D) of simulated terminals of Q/GDW 1376.1: day and month freezes and curves of the meters behind them.

The first point of a curve lies at its start, point i that many densities later. Source: Q/GDW 1376.1-2013, class 2.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from keyacct.simulation.device import Meter
from keyacct.simulation.present import PHASES, energies, phase_values, total_values

DAY_BLOCKS = ("active_import", "reactive_import", "reactive_q1", "reactive_q4")
"""Registers of class 1 F33 and class 2 F1, in their order."""
_SINGLE = {161: "active_import", 162: "reactive_import", 163: "active_export", 164: "reactive_export"}
_TOTALS = {81: "active_power", 85: "reactive_power", 105: "power_factor"}
_PHASED = {89: "voltage", 92: "current"}
_READINGS = {101: "active_import", 102: "reactive_import", 103: "active_export", 104: "reactive_export"}
_DENSITY_MIN = {1: 15, 2: 30, 3: 60, 254: 5, 255: 1}
MOST_POINTS = 96
MONTH_FREEZES = {17: 1, 177: 161, 178: 162, 179: 163, 180: 164}
"""Month function → the function of the day freeze with the same body."""


def class_2(meter: Meter, item: dict[str, Any], now: dt.datetime) -> dict[str, Any] | None:
    """The item of the answer; None for what the terminal has not, or has no more."""
    pn, fn = item["pn"], item["fn"]
    told = {value["quantity"]: value["value"] for value in item.get("values", [])}
    if "curve_start" in told:
        return _curve(meter, item, told, now)
    if "data_date" in told and (fn == 1 or fn in _SINGLE):
        end = dt.datetime.combine(dt.date.fromisoformat(str(told["data_date"])), dt.time()) + dt.timedelta(days=1)
        if not meter.memory.keeps_day(now, end):
            return None
        return {"pn": pn, "fn": fn, "at": told["data_date"], "values": _body(meter, end, fn)}
    if "data_month" in told and fn in MONTH_FREEZES:
        year, month = (int(part) for part in str(told["data_month"]).split("-"))
        end = dt.datetime(year + month // 12, month % 12 + 1, 1)
        if end > now or end not in meter.memory.month_begins(now):
            return None
        return {"pn": pn, "fn": fn, "at": told["data_month"], "values": _body(meter, end, MONTH_FREEZES[fn])}
    return None


def _body(meter: Meter, end: dt.datetime, fn: int) -> list[Any]:
    """When the meter was read (five minutes behind the freeze), four tariffs, the registers of the freeze."""
    names = DAY_BLOCKS if fn == 1 else (_SINGLE[fn],)
    return register_values(meter, end, names, end + dt.timedelta(minutes=5))


def register_values(meter: Meter, at: dt.datetime, names: tuple[str, ...], read_at: dt.datetime) -> list[Any]:
    """When the meter was read, four tariffs, and registers as they stood at an instant, total and tariffs each."""
    head = [read_at.isoformat(timespec="minutes"), 4]
    return [*head, *(value for name in names for value in energies(meter, at, name))]


def _curve(meter: Meter, item: dict[str, Any], told: dict[str, Any], now: dt.datetime) -> dict[str, Any] | None:
    """Points of a curve; one that is not on record has no value (EEH), a curve without any is not there."""
    fn, count = item["fn"], int(told["point_count"])
    minutes = _DENSITY_MIN.get(int(told["curve_density"]))
    if minutes is None or not 1 <= count <= MOST_POINTS or _point(meter, fn, now) is None:
        return None
    start = dt.datetime.fromisoformat(str(told["curve_start"]))
    kept = set(meter.memory.load_stamps(now, start))
    quantity, _ = _point(meter, fn, now) or ("", 0.0)
    points = []
    for index in range(count):
        at = start + dt.timedelta(minutes=minutes * index)
        points.append((_point(meter, fn, at) or ("", None))[1] if at in kept else None)
    if all(point is None for point in points):
        return None
    head = [{"quantity": name, "value": told[name]} for name in ("curve_start", "curve_density", "point_count")]
    return {"pn": item["pn"], "fn": fn, "values": [*head, *({"quantity": quantity, "value": p} for p in points)]}


def _point(meter: Meter, fn: int, at: dt.datetime) -> tuple[str, float] | None:
    """Quantity and value of a curve at an instant; None for a curve that the terminal does not keep."""
    for first, name in _TOTALS.items():
        if first <= fn < first + 4:
            return name, total_values(meter, at, name)[fn - first]
    for first, name in _PHASED.items():
        if first <= fn < first + len(PHASES):
            return name, phase_values(meter, at, name)[fn - first]
    if fn in _READINGS:
        return _READINGS[fn], energies(meter, at, _READINGS[fn])[0]
    return None
