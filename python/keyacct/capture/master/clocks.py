"""When a terminal's clock is set, and when it is a fault: 国网(营销/4)384-2014."""

from __future__ import annotations

import datetime as dt
from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ClockRule:
    """least_s to most_s: deviations that are set right from afar. guard_min: never so near a full hour (freezes).

    fault_s: still so far off after two settings within a month is a fault [V]; guard_min is [D].
    """

    least_s: float = 60.0
    most_s: float = 900.0
    fault_s: float = 300.0
    guard_min: int = 5

    def allowed_at(self, local: dt.datetime) -> bool:
        """Whether clocks may be set at this local time."""
        return self.guard_min <= local.minute < 60 - self.guard_min


@dataclass
class ClockBook:
    """What is known of the clocks."""

    rule: ClockRule = field(default_factory=ClockRule)
    _set_at: dict[str, deque[dt.datetime]] = field(default_factory=dict)

    def judge(self, terminal: str, deviation_s: float, local: dt.datetime) -> str:
        """`right`, `set`, `later` (not now: a full hour is near), `too_far` or `fault`."""
        rule, off = self.rule, abs(deviation_s)
        settings = self._set_at.get(terminal, deque())
        recent = [at for at in settings if local - at < dt.timedelta(days=31)]
        if off > rule.fault_s and len(recent) >= 2:
            return "fault"
        if off <= rule.least_s:
            return "right"
        if off > rule.most_s:
            return "too_far"
        return "set" if rule.allowed_at(local) else "later"

    def was_set(self, terminal: str, local: dt.datetime) -> None:
        """A clock has been set."""
        self._set_at.setdefault(terminal, deque(maxlen=4)).append(local)
