"""When a terminal's clock is set, and when it is a fault: 国网(营销/4)384-2014."""

from __future__ import annotations

import datetime as dt
from collections import deque
from dataclasses import dataclass, field

from keyacct.config import CareSettings

_USUAL = CareSettings.model_construct()
_DAY_MIN = 1440
_MOST_KEPT = 32


@dataclass(frozen=True)
class ClockRule:
    """The rule for terminals; `[care]` of the settings has each number with its source.

    least_s to most_s: deviations that are set right from afar. hour_guard_min, midnight_guard_min: never so near a full
    hour or midnight (freezes). fault_s: still so far off after fault_syncs settings within fault_days is a fault.
    """

    least_s: float = _USUAL.clock_right_s
    most_s: float = _USUAL.terminal_sync_most_s
    fault_s: float = _USUAL.clock_limit_s
    hour_guard_min: int = _USUAL.hour_guard_min
    midnight_guard_min: int = _USUAL.midnight_guard_min
    fault_syncs: int = _USUAL.fault_syncs
    fault_days: int = _USUAL.fault_days

    @classmethod
    def of(cls, settings: CareSettings) -> ClockRule:
        """The rule of a workspace's settings."""
        return cls(
            settings.clock_right_s, settings.terminal_sync_most_s, settings.clock_limit_s, settings.hour_guard_min,
            settings.midnight_guard_min, settings.fault_syncs, settings.fault_days,
        )  # fmt: skip

    def allowed_at(self, local: dt.datetime) -> bool:
        """Whether clocks may be set at this local time."""
        day_min = local.hour * 60 + local.minute
        near_midnight = not self.midnight_guard_min <= day_min < _DAY_MIN - self.midnight_guard_min
        return self.hour_guard_min <= local.minute < 60 - self.hour_guard_min and not near_midnight


@dataclass
class ClockBook:
    """What is known of the clocks."""

    rule: ClockRule = field(default_factory=ClockRule)
    _set_at: dict[str, deque[dt.datetime]] = field(default_factory=dict)

    def judge(self, terminal: str, deviation_s: float, local: dt.datetime) -> str:
        """`right`, `set`, `later` (not now: a freeze is near or would be jumped over), `too_far` or `fault`."""
        rule, off = self.rule, abs(deviation_s)
        settings = self._set_at.get(terminal, deque())
        recent = [at for at in settings if local - at < dt.timedelta(days=rule.fault_days)]
        if off > rule.fault_s and len(recent) >= rule.fault_syncs:
            return "fault"
        if off <= rule.least_s:
            return "right"
        if off > rule.most_s:
            return "too_far"
        return "set" if rule.allowed_at(local) and not crosses_freeze(deviation_s, local) else "later"

    def was_set_on(self, terminal: str, day: dt.date) -> bool:
        """Whether a clock was set on a civil day."""
        return any(at.date() == day for at in self._set_at.get(terminal, ()))

    def was_set(self, terminal: str, local: dt.datetime) -> None:
        """A clock has been set."""
        self._set_at.setdefault(terminal, deque(maxlen=_MOST_KEPT)).append(local)


def crosses_freeze(deviation_s: float, local: dt.datetime) -> bool:
    """Whether a full hour, the instant of a freeze, lies between the device's time and ours: setting would jump over it."""
    there = local + dt.timedelta(seconds=deviation_s)
    return there.replace(minute=0, second=0, microsecond=0) != local.replace(minute=0, second=0, microsecond=0)
