"""What the sections of the settings share, and the forms of their values."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict


def known_zone(name: object) -> object:
    """The name of a time zone as it is. Raises ValueError for one that is not known."""
    if isinstance(name, str):
        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"{name!r} is no time zone, write for example Asia/Shanghai") from None
    return name


class Section(BaseModel):
    """A section of the settings: an unknown key is an error, and nothing is changed once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _clock_span(text: object) -> object:
    if isinstance(text, str):
        match = re.fullmatch(r"(\d{2}):(\d{2})-(\d{2}):(\d{2})", text)
        minutes = [int(part) for part in match.groups()] if match else []
        if (
            not match
            or minutes[1] > 59
            or minutes[3] > 59
            or 60 * minutes[0] + minutes[1] >= 60 * minutes[2] + minutes[3]
        ):
            raise ValueError(
                f"{text!r} is no span of time, write for example 17:00-19:00 (26:00 is 02:00 of the next day)"
            )
    return text


def _date_text(text: object) -> object:
    if isinstance(text, str):
        try:
            dt.date.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{text!r} is no date, write for example 2026-10-01") from None
    return text


ClockSpan = Annotated[str, BeforeValidator(_clock_span)]


DateText = Annotated[str, BeforeValidator(_date_text)]


DayKind = Literal["workday", "weekend", "holiday"]


SATURDAY = 5


Measure = Literal["shift", "avoid", "limit", "trip"]
