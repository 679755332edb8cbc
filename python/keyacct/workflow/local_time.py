"""The one place where a device's or a file's local civil time becomes an instant."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo

import pyarrow as pa
import pyarrow.compute as pc

UTC_MS = pa.timestamp("ms", tz="UTC")


def utc_from_local(times: pa.Array, zone: zoneinfo.ZoneInfo) -> pa.Array:
    """Instants (timestamp[ms, UTC]) of naive civil times of a zone.

    An hour that a zone shows twice is taken as its first, one that it leaves out as the instant after the leap:
    neither occurs in Asia/Shanghai since 1992.
    """
    naive = times.cast(pa.timestamp("ms"))
    aware = pc.assume_timezone(naive, str(zone), ambiguous="earliest", nonexistent="latest")
    return aware.cast(UTC_MS)


_CIVIL = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?)?"
    r"\s*(Z|[+-]\d{2}:?\d{2})?"
)


def parse_time(text: str) -> dt.datetime:
    """A time as files write it: `2026-07-01 24:00`, `2026/7/1 0:15`, `…T08:00:00+08:00`; naive unless it has an offset.

    Raises ValueError with a sentence.
    """
    match = _CIVIL.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no time, write for example 2026-07-01 00:15")
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    next_day = hour is not None and int(hour) == 24 and int(minute) == 0 and not int(second or 0)
    try:
        time = dt.datetime(
            int(year), int(month), int(day), 0 if next_day else int(hour or 0), int(minute or 0), int(second or 0),
            int((fraction or "0").ljust(6, "0")),
        )  # fmt: skip
    except ValueError:
        raise ValueError(f"{text!r} is no time of the calendar") from None
    if next_day:
        time += dt.timedelta(days=1)
    if offset is None:
        return time
    sign = -1 if offset[0] == "-" else 1
    digits = offset[1:].replace(":", "")
    shift = dt.timedelta() if offset == "Z" else sign * dt.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return time.replace(tzinfo=dt.timezone(shift))
