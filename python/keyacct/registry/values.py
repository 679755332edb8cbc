"""How a registry value is written in TOML and kept in the database: dates, clock times, seasons, ratios."""

from __future__ import annotations

import calendar
import datetime as dt
import decimal
import json
import re
import zoneinfo
from collections.abc import Callable
from typing import Any

from keyacct.database.tables import BEGINNING_MS, END_MS
from keyacct.model import civil, midnight_ms
from keyacct.registry.entity import Field, Kind


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


MAX_TEXT = 400
"""Longest text of a field that says nothing else, characters."""

_RATIO = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)\s*")


def ratio_parts(value: object) -> tuple[float, float] | None:
    """Primary and secondary of a ratio written `500/5`; None where it is written otherwise."""
    match = _RATIO.fullmatch(value) if isinstance(value, str) else None
    return (float(match[1]), float(match[2])) if match and float(match[1]) and float(match[2]) else None


def parse_value(field: Field, value: object, zone: zoneinfo.ZoneInfo) -> Any:
    """The value as the database keeps it. Raises ValueError with a sentence that names the value."""
    return _PARSERS[field.kind](field, value, zone)


def _text(field: Field, value: object, zone: zoneinfo.ZoneInfo) -> str:
    if not isinstance(value, str):
        raise _fault(value, "is no text, put it in quotes")
    if not value.strip() or any(not c.isprintable() for c in value):
        raise _fault(value, "is empty or holds control characters")
    if field.choices and value not in field.choices:
        raise _fault(value, f"is none of {', '.join(field.choices)}")
    if len(value) > (field.most or MAX_TEXT):
        raise _fault(value, f"is too long: {len(value)} characters, {field.most or MAX_TEXT:g} at most")
    return value


def _fault(value: object, sentence: str) -> ValueError:
    return ValueError(f"{_short(value)} {sentence}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:50]}…"


def _whole(field: Field, value: object, zone: zoneinfo.ZoneInfo) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _fault(value, "is no whole number")
    most = int(field.most) or 2**53
    if value > most:
        raise _fault(value, f"is more than {most}")
    return value


def _season(field: Field, value: object, zone: zoneinfo.ZoneInfo) -> int:
    match = re.fullmatch(r"(\d\d)-(\d\d)", value, re.ASCII) if isinstance(value, str) else None
    month, day = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (1 <= month <= 12 and 1 <= day <= calendar.monthrange(2024, month)[1]):
        raise _fault(value, 'is no day of the year, write for example "07-01"')
    return month * 100 + day


def _clock(field: Field, value: object, zone: zoneinfo.ZoneInfo) -> int:
    match = re.fullmatch(r"(\d\d):(\d\d)", value, re.ASCII) if isinstance(value, str) else None
    minutes = int(match[1]) * 60 + int(match[2]) if match and int(match[2]) < 60 else -1
    if not 0 <= minutes <= 1440:
        raise _fault(value, 'is no time of day, write for example "08:30" (24:00 ends the day)')
    return minutes


def _date(field: Field, value: object, zone: zoneinfo.ZoneInfo) -> str:
    if isinstance(value, str):
        try:
            value = dt.date.fromisoformat(value)
        except ValueError:
            raise _fault(value, "is no date, write for example 2026-07-01") from None
    if isinstance(value, dt.datetime) and value.time() == dt.time() and value.tzinfo is None:
        value = value.date()
    if isinstance(value, dt.datetime) or not isinstance(value, dt.date):
        raise _fault(value, "is no date, write for example 2026-07-01")
    return value.isoformat()


def _moment(field: Field, value: object, zone: zoneinfo.ZoneInfo) -> int:
    return parse_instant(value, zone)


def _flag(field: Field, value: object, zone: zoneinfo.ZoneInfo) -> int:
    if not isinstance(value, bool):
        raise _fault(value, "is neither true nor false")
    return int(value)


def _decimal(field: Field, value: object, zone: zoneinfo.ZoneInfo) -> str:
    number: decimal.Decimal | None = None
    if not isinstance(value, bool) and isinstance(value, int | float | str | decimal.Decimal):
        try:
            number = decimal.Decimal(repr(value) if isinstance(value, float) else value)
        except decimal.InvalidOperation:
            number = None
    if number is None or not number.is_finite() or not 0 <= number < 10**12:
        raise _fault(value, "is no number from 0 on")
    exponent = number.normalize().as_tuple().exponent
    if isinstance(exponent, int) and exponent < -8:
        raise _fault(value, "has more than 8 decimals")
    text = format(number.normalize() + 0, "f")
    return text if number else "0"


def _number(field: Field, value: object, zone: zoneinfo.ZoneInfo) -> float:
    if isinstance(value, str):
        parts = ratio_parts(value) if field.kind == "ratio" else None
        if parts is None:
            wanted = ' and no ratio such as "35000/100"' if field.kind == "ratio" else ""
            raise _fault(value, f"is no number{wanted}")
        value = parts[0] / parts[1]
    low = {"ratio": "positive number", "amount": "number from 0 on", "signed": "number"}[field.kind]
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e12 < value < 1e12:
        raise _fault(value, f"is no {low}")
    if (value < 0 and field.kind != "signed") or (value == 0 and field.kind == "ratio"):
        raise _fault(value, f"is no {low}")
    if field.most and value > field.most:
        raise _fault(value, f"is more than {field.most:g}")
    return float(value) + 0.0


_PARSERS: dict[Kind, Callable[[Field, object, zoneinfo.ZoneInfo], Any]] = {
    "text": _text, "whole": _whole, "season": _season, "clock": _clock, "date": _date, "moment": _moment,
    "flag": _flag, "decimal": _decimal, "ratio": _number, "amount": _number, "signed": _number,
}  # fmt: skip


def format_value(field: Field, value: Any, zone: zoneinfo.ZoneInfo) -> str:
    """The TOML text of a value."""
    if field.kind == "text":
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if field.kind == "season":
        return f'"{value // 100:02d}-{value % 100:02d}"'
    if field.kind == "clock":
        return f'"{value // 60:02d}:{value % 60:02d}"'
    if field.kind == "moment":
        return str(format_instant(value, zone))
    if field.kind == "flag":
        return "true" if value else "false"
    if field.kind == "decimal":
        return f'"{value}"'
    if field.kind == "date":
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return repr(value)
