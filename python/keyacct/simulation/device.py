"""A simulated meter: its clock, its load, its breaker; the frames are made by the modules of its protocol."""

from __future__ import annotations

import datetime as dt
import random
import zlib
from dataclasses import dataclass, field
from typing import Any

from keyacct import clock
from keyacct.simulation.breaker import Breakers
from keyacct.simulation.memory import Memory
from keyacct.simulation.shape import Load


@dataclass(frozen=True)
class Habits:
    """What a device does wrong, each a probability 0..1 of an answer, and how late a late answer is."""

    silent: float = 0.0
    late: float = 0.0
    late_s: float = 5.0
    wrong_address: float = 0.0
    flip: float = 0.0


@dataclass
class Meter:
    """One meter. protocol: `dlt645-2007`, `dlt645-1997`, `dlt698.45`, `modbus-rtu` or `modbus-tcp`; address: 12 digits,
    or a unit.

    clock_offset_s, drift_ppm: how wrong its clock is, and how much more so each second since the epoch of its loads.
    trouble: what is wrong with all of its answers (`TROUBLES`), empty if nothing. stumbles: how many of its first
    answers are lost. said: identifier and values of its last good answers, for whoever wants to compare. parameters:
    what it says of further identifiers, values or data in hex. freezes: those at once, the newest first.
    memory: what it records, and how far back.
    """

    protocol: str
    address: str
    load: Load
    zone: dt.tzinfo
    clock_offset_s: float = 0.0
    drift_ppm: float = 0.0
    habits: Habits = field(default_factory=Habits)
    password: str = "02000000"  # noqa: S105  # of a meter that does not exist
    asked: int = 0
    answered: int = 0
    set_by_s: float = 0.0
    trouble: str = ""
    stumbles: int = 0
    stumbling: bool = False
    said: dict[str, list[Any]] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    clock_set_on: dt.date | None = None
    freezes: list[tuple[dt.datetime, list[float]]] = field(default_factory=list)
    freeze_word: str = ""
    memory: Memory = field(default_factory=Memory)

    def __post_init__(self) -> None:
        self.breakers = Breakers(self.now)
        self.chance = random.Random(zlib.crc32(f"{self.protocol} {self.address} {self.load.seed}".encode()))  # noqa: S311  # no secret

    def now(self) -> dt.datetime:
        """The local civil time that the meter believes in."""
        here = clock.now().astimezone(self.zone).replace(tzinfo=None)
        wrong = self.clock_offset_s + self.set_by_s
        if self.drift_ppm:
            from keyacct.simulation.shape import EPOCH

            wrong += (here - EPOCH).total_seconds() * self.drift_ppm / 1e6
        believed = here + dt.timedelta(seconds=wrong)
        for at, by_s in self.memory.jumps:
            if believed >= at:
                believed += dt.timedelta(seconds=by_s)
        return believed

    def set_clock(self, at: dt.datetime) -> None:
        """Set it to a local civil time."""
        self.set_by_s += (at - self.now()).total_seconds()

    def power_kw(self, at: dt.datetime) -> float:
        """Present power; none behind an open breaker."""
        return self.load.power_kw(at) * self.share_left(at)

    def share_left(self, at: dt.datetime) -> float:
        """The share of its load that its own breaker lets through."""
        return self.breakers.share_left(self.load.power_kw(at))

    @property
    def breaker_closed(self) -> bool:
        """Whether load flows."""
        return not self.breakers.open_rounds
