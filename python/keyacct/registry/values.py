"""How a registry value is written in TOML and kept in the database: dates, clock times, seasons, ratios."""

from __future__ import annotations

import calendar
import datetime as dt
import json
import re
import zoneinfo
from typing import Any

from keyacct.database.tables import BEGINNING_MS, END_MS
from keyacct.model import civil, midnight_ms
from keyacct.registry.entities import Field


def parse_instant(value: object, zone: zoneinfo.ZoneInfo) -> int:
    """UTC milliseconds of a TOML date (its midnight), local time (of the zone), time with offset, or text of these.

    Raises ValueError with a sentence.
    """
    if isinstance(value, str):
        try:
            value = dt.date.fromisoformat(value) if len(value) == 10 else dt.datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value!r} is no date, write for example 2026-07-01") from None
    if isinstance(value, dt.datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=zone)
        return round(aware.timestamp() * 1000)
    if isinstance(value, dt.date):
        return midnight_ms(value, zone)
    raise ValueError(f"{value!r} is no date, write for example 2026-07-01")


def format_instant(ms: int, zone: zoneinfo.ZoneInfo) -> str | None:
    """The shortest TOML that gives this instant back; None for "always" and "until further notice"."""
    if ms in (BEGINNING_MS, END_MS):
        return None
    local = civil(ms, zone)
    if local.time() == dt.time() and midnight_ms(local.date(), zone) == ms:
        return local.date().isoformat()
    return local.isoformat(timespec="milliseconds" if ms % 1000 else "seconds")


def parse_value(field: Field, value: object) -> Any:
    """The value as the database keeps it. Raises ValueError with a sentence that names the value."""
    if field.kind == "text":
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is no text, put it in quotes")
        if not value.strip() or any(not c.isprintable() for c in value):
            raise ValueError(f"{value!r} is empty or holds control characters")
        if field.choices and value not in field.choices:
            raise ValueError(f"{value!r} is none of {', '.join(field.choices)}")
        return value
    if field.kind == "whole":
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError(f"{value!r} is no whole number")
        return value
    if field.kind == "season":
        match = re.fullmatch(r"(\d\d)-(\d\d)", value) if isinstance(value, str) else None
        month, day = (int(match[1]), int(match[2])) if match else (0, 0)
        if not (1 <= month <= 12 and 1 <= day <= calendar.monthrange(2024, month)[1]):
            raise ValueError(f'{value!r} is no day of the year, write for example "07-01"')
        return month * 100 + day
    if field.kind == "clock":
        match = re.fullmatch(r"(\d\d):(\d\d)", value) if isinstance(value, str) else None
        minutes = int(match[1]) * 60 + int(match[2]) if match and int(match[2]) < 60 else -1
        if not 0 <= minutes <= 1440:
            raise ValueError(f'{value!r} is no time of day, write for example "08:30" (24:00 ends the day)')
        return minutes
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)\s*", value)
        if match is None or float(match[2]) == 0:
            raise ValueError(f'{value!r} is no number and no ratio such as "35000/100"')
        value = float(match[1]) / float(match[2])
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e12:
        raise ValueError(f"{value!r} is no positive number")
    return float(value)


def format_value(field: Field, value: Any) -> str:
    """The TOML text of a value."""
    if field.kind == "text":
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if field.kind == "season":
        return f'"{value // 100:02d}-{value % 100:02d}"'
    if field.kind == "clock":
        return f'"{value // 60:02d}:{value % 60:02d}"'
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return repr(value)
