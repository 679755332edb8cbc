"""What a meter measures at an instant, by quantity and phase: the same for a live read and for a record of that minute.

share: of the load that is left behind open breakers and limits; 1 in records, which are of a meter that was never cut off.
"""

from __future__ import annotations

import datetime as dt

from keyacct.simulation.device import Meter

PHASES = ("A", "B", "C")


def phase_values(meter: Meter, at: dt.datetime, quantity: str, share: float = 1.0) -> list[float]:
    """`voltage` (V) or `current` (A) of the three phases."""
    load = meter.load
    if quantity == "voltage":
        return [round(load.voltage(at, phase), 1) for phase in range(3)]
    return [round(load.current_a(at, phase) * share, 3) for phase in range(3)]


def total_values(meter: Meter, at: dt.datetime, quantity: str, share: float = 1.0) -> list[float]:
    """`active_power` (kW), `reactive_power` (kvar), `apparent_power` (kVA) or `power_factor`: total and three phases."""
    load = meter.load
    if quantity == "power_factor":
        return [round(load.power_factor, 3)] * 4
    total = load.power_kw(at) * share
    if quantity == "reactive_power":
        total *= load.reactive_share()
    if quantity == "apparent_power":
        total /= load.power_factor
    return [round(total, 4), *(round(total / 3, 4),) * 3]


def energies(meter: Meter, at: dt.datetime, quantity: str) -> list[float]:
    """A register (kWh, kvarh), total and tariffs 1 to 4: `active_import`, `reactive_import`, Q1; others stand still."""
    kwh = meter.load.energy_kwh(at)
    if quantity == "active_import":
        return kwh
    if quantity in ("reactive_import", "reactive_combined_1", "reactive_q1"):
        return [round(value * meter.load.reactive_share(), 2) for value in kwh]
    return [0.0] * 5
