"""What a simulated point draws at any instant, and the registers that grow by it: both are functions of time alone."""

from __future__ import annotations

import datetime as dt
import math
import zlib
from dataclasses import dataclass

EPOCH = dt.datetime(2026, 1, 1)
"""Registers stand at their start values here (local civil time)."""
TARIFF_OF_HOUR = (4,) * 8 + (3, 3, 2, 2, 3, 3, 3, 3, 3, 3, 1, 1, 2, 2, 3, 4)
"""Tariff 1 (super peak) to 4 (valley) of each hour; a fixed table is enough for a simulation."""
ROLLOVER_KWH = 1_000_000
SHAPES: dict[str, tuple[float, ...]] = {
    "flat": (1.0,) * 24,
    "day_shift": (*(0.2,) * 7, 0.5, *(1.0,) * 4, 0.7, *(1.0,) * 5, 0.5, *(0.2,) * 5),
    "shop": (*(0.15,) * 8, 0.5, *(0.8,) * 3, *(0.9,) * 5, *(1.0,) * 5, 0.4, 0.15),
    "night": (*(1.0,) * 7, *(0.3,) * 15, 0.8, 1.0),
}
"""Share of the highest load in each hour of the day."""


@dataclass(frozen=True)
class Load:
    """A load: kw at its highest, shape by hour, power factor, nominal voltage V, start of the register kWh."""

    kw: float = 1.0
    shape: tuple[float, ...] = SHAPES["flat"]
    power_factor: float = 0.95
    voltage_v: float = 220.0
    start_kwh: float = 100.0
    seed: int = 0

    def power_kw(self, at: dt.datetime) -> float:
        """Active power at a local time; the ripple of the minute leaves the registers alone."""
        ripple = self._noise("p", at.replace(second=0, microsecond=0).isoformat()) * 0.02
        return self.kw * self.shape[at.hour] * (1 + ripple)

    def voltage(self, at: dt.datetime, phase: int) -> float:
        """Voltage of phase 0..2; it falls with the load."""
        noise = self._noise(f"v{phase}", at.replace(second=0, microsecond=0).isoformat())
        return self.voltage_v * (1.01 - 0.02 * self.shape[at.hour] + 0.005 * noise)

    def current_a(self, at: dt.datetime, phase: int) -> float:
        """Current of a phase, a third of the load each."""
        return self.power_kw(at) * 1000 / 3 / self.voltage(at, phase) / self.power_factor

    def reactive_share(self) -> float:
        """Kvar per kW."""
        return math.tan(math.acos(self.power_factor))

    def energy_kwh(self, at: dt.datetime) -> list[float]:
        """The import register: total and tariffs 1 to 4, which add up to it. It rolls over at a million, as registers do."""
        days, rest_s = divmod((at - EPOCH).total_seconds(), 86_400)
        tariffs = [self.start_kwh / 4] * 4
        for hour, share in enumerate(self.shape):
            part = min(max(rest_s / 3600 - hour, 0.0), 1.0)
            tariffs[TARIFF_OF_HOUR[hour] - 1] += self.kw * share * (max(days, 0) + (part if days >= 0 else 0))
        rounded = [math.floor(value * 100 + 1e-6) / 100 for value in tariffs]
        return [round(value % ROLLOVER_KWH, 2) for value in (sum(rounded), *rounded)]

    def demand_kw(self, at: dt.datetime) -> tuple[float, dt.datetime]:
        """The highest quarter hour of the month so far, and when it ended."""
        month = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        hours = [h for h in range(24) if at - month >= dt.timedelta(days=1) or h <= at.hour]
        best = max(hours, key=lambda h: (self.shape[h], -h))
        end = month + dt.timedelta(hours=best, minutes=15)
        return self.kw * self.shape[best], min(end, at)

    def _noise(self, what: str, when: str) -> float:
        """-1 to 1, the same for the same seed, quantity and time, on every machine."""
        return zlib.crc32(f"{self.seed} {what} {when}".encode()) / 0x7FFF_FFFF - 1.0
