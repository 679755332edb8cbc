"""Which civil days are alike: workdays, weekends, holidays, by the calendar of the settings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Literal

from keyacct.config import SheddingSettings

DayKind = Literal["workday", "weekend", "holiday"]
SATURDAY = 5


def kind_of_day(day: dt.date, settings: SheddingSettings) -> DayKind:
    """What a civil day is: a holiday of the list, a make-up working day, else by its weekday."""
    text = day.isoformat()
    if text in settings.holidays:
        return "holiday"
    if text in settings.workdays:
        return "workday"
    return "weekend" if day.weekday() >= SATURDAY else "workday"


MOST_DAYS_BACK = 400
"""How far back like days are looked for: a holiday has its like a year ago."""


def days_before(day: dt.date, settings: SheddingSettings, kind: DayKind | None, most: int) -> Iterator[dt.date]:
    """The last days before a day, the latest first: of a kind (None: of any), at most so many."""
    found = 0
    for back in range(1, MOST_DAYS_BACK + 1):
        candidate = day - dt.timedelta(days=back)
        if found == most:
            return
        if kind is None or kind_of_day(candidate, settings) == kind:
            found += 1
            yield candidate
