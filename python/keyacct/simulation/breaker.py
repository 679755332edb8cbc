"""What control does to a simulated device: relay rounds with alarm and end, kept supply, limits. Time is the device's own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class _Round:
    """A round that was told to trip: when it opens, when what holds it open ends (None: by a permit only)."""

    opens_at: dt.datetime
    ends_at: dt.datetime | None


@dataclass
class Limit:
    """A limit of a totals group: from and to midnight of days, in kW."""

    first: dt.date
    last: dt.date
    limit_kw: float
    enabled: bool = False

    def holds(self, now: dt.datetime) -> bool:
        """Whether it is in force."""
        return self.enabled and self.first <= now.date() < self.last


@dataclass
class Breakers:
    """The relay rounds of a terminal (or the one relay of a meter, round 1) and what it was told about them."""

    now: Callable[[], dt.datetime]
    keep_until: dt.datetime | None = None
    kept: bool = False
    excluded: bool = False
    sounding: bool = False
    # the rounds that power control of a totals group opens, as a mask
    power_rounds: dict[int, int] = field(default_factory=dict)
    limits: dict[int, Limit] = field(default_factory=dict)
    float_until: dict[int, dt.datetime] = field(default_factory=dict)
    float_pct: dict[int, int] = field(default_factory=dict)
    _rounds: dict[int, _Round] = field(default_factory=dict)

    @property
    def keep_supply(self) -> bool:
        """Whether supply is kept: no trip is obeyed, and those under way are dropped."""
        return self.kept and (self.keep_until is None or self.now() < self.keep_until)

    def keep(self, minutes: int | None) -> None:
        """Keep supply, for so long."""
        self.kept, self.keep_until = True, None if minutes is None else self.now() + dt.timedelta(minutes=minutes)
        self._rounds.clear()

    def end_keeping(self) -> None:
        """Keep supply no longer."""
        self.kept, self.keep_until = False, None

    def trip(self, relay_round: int, delay_min: int, minutes: int | None) -> bool:
        """Open a round after its alarm and hold it for so long; False when supply is kept."""
        if self.keep_supply:
            return False
        opens = self.now() + dt.timedelta(minutes=delay_min)
        self._rounds[relay_round] = _Round(opens, None if minutes is None else opens + dt.timedelta(minutes=minutes))
        return True

    def permit(self, relay_round: int) -> None:
        """Permit closing; the electrician of the simulation closes at once."""
        self._rounds.pop(relay_round, None)

    @property
    def open_rounds(self) -> set[int]:
        """Rounds whose breaker is open now."""
        now = self.now()
        return {
            number for number, r in self._rounds.items() if r.opens_at <= now and (r.ends_at is None or now < r.ends_at)
        }

    @property
    def alarming(self) -> set[int]:
        """Rounds that are about to open."""
        now = self.now()
        return {number for number, r in self._rounds.items() if now < r.opens_at}

    def share_left(self, kw: float) -> float:
        """The share of a load that is left: none behind an open round, else what limits and down-floats leave."""
        if self.open_rounds:
            return 0.0
        now = self.now()
        share = 1.0
        for group, limit in self.limits.items():
            if (
                limit.holds(now)
                and self.power_rounds.get(group)
                and kw * share > limit.limit_kw
                and not self.keep_supply
            ):
                share = 0.0  # the limit opens its round
        for group, until in self.float_until.items():
            if now < until and not self.keep_supply:
                share *= 1 - self.float_pct[group] / 100
        return share


def mask(rounds: set[int]) -> str:
    """Rounds 1 to 8 as a byte in hex, round 1 in the lowest bit."""
    return f"{sum(1 << number - 1 for number in rounds):02X}"
