"""Which civil days are alike: workdays, weekends, holidays, by the calendar of the settings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from keyacct.config import CalendarSettings, DayKind

MOST_DAYS_BACK = 400
"""How far back like days are looked for: a holiday has its like a year ago."""


def days_before(day: dt.date, calendar: CalendarSettings, kind: DayKind | None, most: int) -> Iterator[dt.date]:
    """The last days before a day, the latest first: of a kind (None: of any), at most so many."""
    found = 0
    for back in range(1, MOST_DAYS_BACK + 1):
        candidate = day - dt.timedelta(days=back)
        if found == most:
            return
        if kind is None or calendar.kind(candidate) == kind:
            found += 1
            yield candidate
