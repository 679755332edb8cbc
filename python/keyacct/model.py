"""Words that every layer shares: civil periods and their instants, quantities and their labels."""

from __future__ import annotations

import calendar
import datetime as dt
import re
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass

from keyacct.errors import UsageError
from keyacct.i18n import Text

DAY_MS = 86_400_000
MINUTE_MS = 60_000


def midnight_ms(day: dt.date, zone: zoneinfo.ZoneInfo) -> int:
    """UTC milliseconds of 00:00 of a civil day."""
    return int(dt.datetime.combine(day, dt.time(), zone).timestamp() * 1000)


def civil(ms: int, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    """The civil time (with offset) of an instant in UTC milliseconds."""
    return dt.datetime.fromtimestamp(ms / 1000, zone)


def zone_offsets(from_ms: int, to_ms: int, zone: zoneinfo.ZoneInfo) -> list[tuple[int, int]]:
    """The zone's offsets over a span, as the Rust kernels take them: (from this UTC ms on, offset in ms), ascending.

    The first entry holds from the beginning of time. Changes are found to the minute.
    """

    def offset(ms: int) -> int:
        delta = civil(ms, zone).utcoffset()
        return int(delta.total_seconds() * 1000) if delta is not None else 0

    result = [(-(2**62), offset(from_ms))]
    step = 12 * 3_600_000
    at = from_ms
    while at < to_ms:
        end = min(at + step, to_ms)
        if offset(end) != result[-1][1]:
            low, high = at, end
            while high - low > MINUTE_MS:
                middle = (low + high) // 2 // MINUTE_MS * MINUTE_MS
                middle = middle if middle > low else low + MINUTE_MS
                if offset(middle) == result[-1][1]:
                    low = middle
                else:
                    high = middle
            result.append((high, offset(high)))
        at = end
    return result


@dataclass(frozen=True)
class Period:
    """A run of civil days, `first` to `last` inclusive; `label` is how the user wrote it, `kind` what it is."""

    first: dt.date
    last: dt.date
    label: str
    kind: str

    def days(self) -> Iterator[dt.date]:
        """Every civil day of the period."""
        for n in range((self.last - self.first).days + 1):
            yield self.first + dt.timedelta(days=n)

    def bounds_ms(self, zone: zoneinfo.ZoneInfo) -> tuple[int, int]:
        """The instants [from, to) of the period in a zone, UTC milliseconds."""
        return midnight_ms(self.first, zone), midnight_ms(self.last + dt.timedelta(days=1), zone)

    @classmethod
    def parse(cls, text: str) -> Period:
        """A period from `2026`, `2026Q2`, `2026-06`, `2026-06/2` (ten days), `2026-W23`, `2026-06-01` or `FROM..TO`.

        Raises UsageError when the text is none of these.
        """
        try:
            period = cls._parse(text.strip())
        except ValueError:
            period = None
        if period is None:
            raise UsageError(
                "usage.invalid",
                f"{text!r} is no period",
                hint="write 2026, 2026Q2, 2026-06, 2026-06/2, 2026-W23, 2026-06-01 or 2026-06-01..2026-06-15",
            )
        return period

    @classmethod
    def _parse(cls, text: str) -> Period | None:
        if ".." in text:
            start, _, end = text.partition("..")
            head, tail = cls._parse(start), cls._parse(end)
            if head is None or tail is None or tail.last < head.first:
                return None
            return cls(head.first, tail.last, text, "span")
        if m := re.fullmatch(r"(\d{4})", text):
            year = int(m[1])
            return cls(dt.date(year, 1, 1), dt.date(year, 12, 31), text, "year")
        if m := re.fullmatch(r"(\d{4})Q([1-4])", text):
            year, month = int(m[1]), int(m[2]) * 3
            return cls(dt.date(year, month - 2, 1), _month_end(year, month), text, "quarter")
        if m := re.fullmatch(r"(\d{4})-W(\d{2})", text):
            return cls(
                dt.date.fromisocalendar(int(m[1]), int(m[2]), 1),
                dt.date.fromisocalendar(int(m[1]), int(m[2]), 7),
                text,
                "week",
            )
        if m := re.fullmatch(r"(\d{4})-(\d{2})(?:/([123]))?", text):
            year, month = int(m[1]), int(m[2])
            if m[3] is None:
                return cls(dt.date(year, month, 1), _month_end(year, month), text, "month")
            first = dt.date(year, month, int(m[3]) * 10 - 9)
            last = _month_end(year, month) if m[3] == "3" else dt.date(year, month, int(m[3]) * 10)
            return cls(first, last, text, "ten_day")
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            day = dt.date.fromisoformat(text)
            return cls(day, day, text, "day")
        return None


def _month_end(year: int, month: int) -> dt.date:
    return dt.date(year, month, calendar.monthrange(year, month)[1])


TARIFF_PERIODS: dict[str, Text] = {
    "sharp": Text("sharp", "尖"),
    "peak": Text("peak", "峰"),
    "flat": Text("flat", "平"),
    "valley": Text("valley", "谷"),
}
"""Tariff periods in the order of their price, with their names (domain glossary: tariff_period)."""
