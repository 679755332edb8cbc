"""What a simulated meter remembers: which interval ends and which freezes its records hold, and what is wrong with them.

The records are not kept, they are worked out: a load is a function of time, so what a meter recorded at a stamp is what
a live read at that minute of its clock would have given.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Span = tuple[dt.datetime, dt.datetime]


@dataclass(frozen=True)
class Memory:
    """How much a meter keeps, and its faults. Times are local and civil, of the meter's own clock.

    interval_min: of load records; load_record_days, minute_freeze_days: their depth; daily_freezes, hourly_freezes,
    monthly_freezes: how many; classes: load record classes that it records. holes: stretches (first stamp, last stamp)
    without any record; stamp_off_s: how wrong all stamps of load records are; jumps: (stamp at which its clock was set,
    by how many seconds): a step forward leaves out what it passed, one back records a stretch twice.
    """

    interval_min: int = 15
    load_record_days: float = 40.0
    daily_freezes: int = 62
    hourly_freezes: int = 254
    monthly_freezes: int = 12
    classes: tuple[int, ...] = (1, 2, 3, 4, 5, 6)
    holes: tuple[Span, ...] = ()
    stamp_off_s: float = 0.0
    jumps: tuple[tuple[dt.datetime, float], ...] = ()

    def has(self, stamp: dt.datetime) -> bool:
        """Whether something was recorded at a stamp: it lies in no hole and was not jumped over."""
        if any(first <= stamp <= last for first, last in self.holes):
            return False
        return not any(by_s > 0 and at < stamp <= at + dt.timedelta(seconds=by_s) for at, by_s in self.jumps)

    def load_stamps(self, now: dt.datetime, first: dt.datetime | None = None) -> Iterator[dt.datetime]:
        """Ends of intervals that are on record, the oldest first, from `first` on; one that was lived twice comes twice."""
        step = dt.timedelta(minutes=self.interval_min)
        oldest = now - dt.timedelta(days=self.load_record_days)
        begin = max(oldest, first) if first is not None else oldest
        day = begin.replace(hour=0, minute=0, second=0, microsecond=0)
        stamp = day + -(-(begin - day) // step) * step
        while stamp <= now:
            if self.has(stamp):
                yield stamp
                if any(by_s < 0 and at + dt.timedelta(seconds=by_s) < stamp <= at for at, by_s in self.jumps):
                    yield stamp
            stamp += step

    def written(self, stamp: dt.datetime) -> dt.datetime:
        """The stamp that a record bears, right or wrong."""
        return (stamp + dt.timedelta(seconds=self.stamp_off_s)).replace(second=0, microsecond=0)

    def day(self, now: dt.datetime, back: int) -> dt.datetime | None:
        """The `back`-th last midnight that was frozen (1 is the newest); None where there is none."""
        return self._nth(now.replace(hour=0, minute=0, second=0, microsecond=0), dt.timedelta(days=1), back,
                         self.daily_freezes)  # fmt: skip

    def hour(self, now: dt.datetime, back: int) -> dt.datetime | None:
        """The `back`-th last full hour that was frozen; None where there is none."""
        return self._nth(now.replace(minute=0, second=0, microsecond=0), dt.timedelta(hours=1), back,
                         self.hourly_freezes)  # fmt: skip

    def _nth(self, newest: dt.datetime, step: dt.timedelta, back: int, most: int) -> dt.datetime | None:
        """A meter counts what it froze: a freeze that did not take place has no number."""
        if not 1 <= back <= most:
            return None
        looked = (newest - step * n for n in range(most + 400))
        for stamp in looked:
            if self.has(stamp):
                back -= 1
                if not back:
                    return stamp
        return None

    def month_begins(self, now: dt.datetime) -> list[dt.datetime]:
        """First instants of months that were frozen, the newest first."""
        found = []
        number = now.year * 12 + now.month - 1
        for index in range(number, number - self.monthly_freezes, -1):
            stamp = dt.datetime(index // 12, index % 12 + 1, 1)
            if self.has(stamp):
                found.append(stamp)
        return found

    def keeps_day(self, now: dt.datetime, midnight: dt.datetime) -> bool:
        """Whether a midnight is among the day freezes."""
        return midnight <= now < midnight + dt.timedelta(days=self.daily_freezes) and self.has(midnight)


def read_memory(given: dict[str, object]) -> Memory:
    """Memory of a `memory` table of the description. Raises ValueError, TypeError."""
    plain = {"interval_min", "load_record_days", "daily_freezes", "hourly_freezes", "monthly_freezes", "stamp_off_s"}
    unknown = sorted(set(given) - plain - {"classes", "holes", "jumps"})
    if unknown:
        raise ValueError(f"memory: unknown {', '.join(unknown)}")
    made: dict[str, Any] = {}
    for key in plain & set(given):
        value = given[key]
        if not isinstance(value, int | float) or isinstance(value, bool) or (value < 0 and key != "stamp_off_s"):
            raise ValueError(f"memory: {key} = {value!r}: a number from 0 on")
        made[key] = float(value) if key in ("load_record_days", "stamp_off_s") else int(value)
    if made.get("interval_min", 15) not in (1, 5, 15, 30, 60):
        raise ValueError("memory: interval_min is 1, 5, 15, 30 or 60")
    classes = given.get("classes")
    if classes is not None:
        if not isinstance(classes, list) or not set(classes) <= set(range(1, 7)):
            raise ValueError("memory: classes are numbers from 1 to 6")
        made["classes"] = tuple(sorted(set(classes)))
    made["holes"] = tuple(_span(hole) for hole in _list(given, "holes"))
    made["jumps"] = tuple((_civil(at), float(by_s)) for at, by_s in _list(given, "jumps"))
    return Memory(**made)


def _list(given: dict[str, object], key: str) -> list[tuple[object, float]]:
    found = given.get(key, [])
    if not isinstance(found, list) or any(not isinstance(pair, list) or len(pair) != 2 for pair in found):
        raise ValueError(f"memory: {key} is a list of pairs")
    return [(first, second) for first, second in found]


def _span(hole: tuple[object, object]) -> Span:
    first, last = _civil(hole[0]), _civil(hole[1])
    if last < first:
        raise ValueError("memory: a hole ends before it begins")
    return first, last


def _civil(text: object) -> dt.datetime:
    at = text if isinstance(text, dt.datetime) else dt.datetime.fromisoformat(str(text))
    if at.tzinfo is not None:
        raise ValueError(f"memory: {text}: local time without offset")
    return at
