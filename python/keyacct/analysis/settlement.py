"""Settlement cycles: the instants at which the registers of an account are frozen for billing, by its own terms."""

from __future__ import annotations

import calendar
import datetime as dt
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from keyacct.config import BillingSettings
from keyacct.model import Period, midnight_ms

MONTH_DAYS = 30
"""Several settlements a month divide it as if it had so many days: three are the ten-day periods."""
LOOK_BACK_DAYS = 70


@dataclass(frozen=True)
class Cycle:
    """[from_ms, to_ms): the time between two settlement instants of an account."""

    account_no: str
    from_ms: int
    to_ms: int


def settlement_days(reading_day: int, per_month: int) -> tuple[int, ...]:
    """Days of the month at whose 00:00 is settled: the reading day and, evenly behind it, the others.

    Day 1 three times a month is 1, 11, 21; day 25 twice is 10, 25. A day that a month does not have is its last one.
    """
    if per_month == 1:
        return (reading_day,)
    step = MONTH_DAYS // per_month
    return tuple(sorted({(reading_day - 1 + n * step) % MONTH_DAYS + 1 for n in range(per_month)}))


def is_settlement_day(day: dt.date, days: Sequence[int]) -> bool:
    """Whether registers are frozen at 00:00 of a civil day."""
    last = calendar.monthrange(day.year, day.month)[1]
    return any(day.day == min(wanted, last) for wanted in days)


def cycles(
    account_no: str,
    terms: Iterable[Mapping[str, Any]],
    period: Period,
    zone: zoneinfo.ZoneInfo,
    settings: BillingSettings,
) -> list[Cycle]:
    """The cycles of an account that end in a period (00:00 after its last day is in it), the earliest first.

    terms: its dated rows with `valid_from`, `valid_to`, `reading_day`, `settlements_per_month`; what holds in the moment
    before an instant decides whether it is a settlement, so a change of the reading day makes one longer or shorter cycle
    and neither a gap nor an overlap.
    """
    rows = sorted(terms, key=lambda row: row["valid_from"])

    def days_at(ms: int) -> tuple[int, ...]:
        row = next((row for row in rows if row["valid_from"] <= ms < row["valid_to"]), None)
        own_day = row["reading_day"] if row is not None else None
        own_count = row["settlements_per_month"] if row is not None else None
        return settlement_days(own_day or settings.reading_day, own_count or settings.settlements_per_month)

    first = period.first - dt.timedelta(days=LOOK_BACK_DAYS)
    instants = []
    for number in range((period.last - first).days + 2):
        day = first + dt.timedelta(days=number)
        ms = midnight_ms(day, zone)
        if is_settlement_day(day, days_at(ms - 1)):
            instants.append(ms)
    begin, end = period.bounds_ms(zone)
    return [Cycle(account_no, start, stop) for start, stop in pairwise(instants) if begin < stop <= end]
