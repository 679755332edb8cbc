"""Buckets of a period: quarter hours to years, each with its instants."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass

from keyacct.errors import UsageError
from keyacct.model import MINUTE_MS, Period, civil, midnight_ms

MINUTES = {"15min": 15, "30min": 30, "hour": 60}
BUCKETS = (*MINUTES, "day", "week", "ten_day", "month", "quarter", "year", "period")
"""From the finest to the whole period. Ten-day periods are 1–10, 11–20 and 21 to the month's end."""
MOST = 200_000


@dataclass(frozen=True)
class Bucket:
    """A run of time, UTC ms [start_ms, end_ms), and how it is called: a time, a date, or what `Period.parse` reads."""

    start_ms: int
    end_ms: int
    label: str


def buckets_of(period: Period, kind: str, zone: zoneinfo.ZoneInfo) -> list[Bucket]:
    """The buckets of a period in order; the first and the last are cut at its ends.

    Short ones are counted in elapsed time from the local midnight, so a day that changes the clock has 92 or 100 quarter
    hours. Raises UsageError for an unknown kind or more than `MOST` buckets.
    """
    if kind not in BUCKETS:
        raise UsageError("usage.invalid", f"{kind!r} is no bucket", hint=f"choose one of {', '.join(BUCKETS)}")
    from_ms, to_ms = period.bounds_ms(zone)
    if minutes := MINUTES.get(kind):
        step = minutes * MINUTE_MS
        if (to_ms - from_ms) // step > MOST:
            raise UsageError(
                "usage.invalid", f"{period.label} has more than {MOST} buckets of {kind}", hint="take longer buckets"
            )
        return [
            Bucket(at, min(at + step, to_ms), civil(at, zone).isoformat(timespec="minutes"))
            for at in range(from_ms, to_ms, step)
        ]
    if kind == "period":
        return [Bucket(from_ms, to_ms, period.label)]
    found: list[Bucket] = []
    for label, first, last in _runs(period, kind):
        found.append(Bucket(midnight_ms(first, zone), midnight_ms(last + dt.timedelta(days=1), zone), label))
    return found


def _runs(period: Period, kind: str) -> Iterator[tuple[str, dt.date, dt.date]]:
    first, label = period.first, _label(period.first, kind)
    for day in period.days():
        here = _label(day, kind)
        if here != label:
            yield label, first, day - dt.timedelta(days=1)
            first, label = day, here
    yield label, first, period.last


def _label(day: dt.date, kind: str) -> str:
    match kind:
        case "day":
            return day.isoformat()
        case "week":
            year, week, _ = day.isocalendar()
            return f"{year}-W{week:02d}"
        case "ten_day":
            return f"{day:%Y-%m}/{min((day.day + 9) // 10, 3)}"
        case "month":
            return f"{day:%Y-%m}"
        case "quarter":
            return f"{day.year}Q{(day.month + 2) // 3}"
    return str(day.year)
