"""Tariff tables as what they do: the tariff of every minute of a day. A meter's tables and the registry's look different."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

MINUTES = 1440
WORKDAY, WEEKEND = "workday", "weekend"
_MOST_TOLD = 6


@dataclass(frozen=True)
class MeterTables:
    """What a meter says. zones: (MMDD of the start, number of the day table); days: by number, (start minute, tariff).

    weekend_table: of rest days, 0 where there is none.
    """

    zones: tuple[tuple[int, int], ...]
    days: Mapping[int, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    weekend_table: int = 0

    def table_on(self, mmdd: int, day_type: str) -> int:
        """The number of the day table that holds on a day. A year goes on with the zone that it ended with."""
        if day_type == WEEKEND and self.weekend_table:
            return self.weekend_table
        begun = [number for start, number in sorted(self.zones) if start <= mmdd]
        return begun[-1] if begun else sorted(self.zones)[-1][1]

    def profile(self, mmdd: int, day_type: str, periods: Sequence[str]) -> list[str | None]:
        """The period of each minute; a tariff without a name is its number. None throughout where the table is missing."""
        slots = sorted(self.days.get(self.table_on(mmdd, day_type), ()))
        if not slots:
            return [None] * MINUTES
        found: list[str | None] = [_named(slots[-1][1], periods)] * MINUTES  # until the first slot the last one goes on
        for start, tariff in slots:
            found[start:] = [_named(tariff, periods)] * (MINUTES - start)
        return found


def _named(tariff: int, periods: Sequence[str]) -> str:
    return periods[tariff - 1] if 1 <= tariff <= len(periods) else f"T{tariff}"


def meter_zones(values: Iterable[Mapping[str, Any]]) -> tuple[tuple[int, int], ...]:
    """Zones from the values of a zone table; entries without a date are padding."""
    found = []
    for table, start in _pairs(values, "zone_day_table", "zone_start"):
        month, _, day = start.partition("-")
        if month.isdecimal() and day.isdecimal() and 1 <= int(month) <= 12 and 1 <= int(day) <= 31:
            found.append((int(month) * 100 + int(day), table))
    return tuple(dict.fromkeys(found))


def meter_slots(values: Iterable[Mapping[str, Any]]) -> tuple[tuple[int, int], ...]:
    """(start minute, tariff) from the values of a day table; the last entry may be repeated as padding."""
    found = []
    for tariff, start in _pairs(values, "slot_tariff", "slot_start"):
        hour, _, minute = start.partition(":")
        if tariff and hour.isdecimal() and minute.isdecimal() and int(hour) * 60 + int(minute) < MINUTES:
            found.append((int(hour) * 60 + int(minute), tariff))
    return tuple(dict.fromkeys(found))


def _pairs(values: Iterable[Mapping[str, Any]], number: str, start: str) -> Iterable[tuple[int, str]]:
    last: int | None = None
    for value in values:
        if value["quantity"] == number:
            last = int(value["value"])
        elif value["quantity"] == start and last is not None:
            yield last, str(value["value"])
            last = None


def registry_profile(slots: Sequence[Mapping[str, Any]], mmdd: int, day_type: str) -> list[str | None]:
    """The period of each minute by the slots of one tariff table; slots of the day type go before those of all days."""
    found: list[str | None] = [None] * MINUTES
    for kind in ("all", day_type):
        for slot in slots:
            if slot["day_type"] == kind and _in_season(mmdd, slot["season_from"], slot["season_to"]):
                span = slot["end_min"] - slot["start_min"]
                found[slot["start_min"] : slot["end_min"]] = [slot["period"]] * span
    return found


def _in_season(mmdd: int, first: int, last: int) -> bool:
    return first <= mmdd <= last if first <= last else mmdd >= first or mmdd <= last


def differences(slots: Sequence[Mapping[str, Any]], meter: MeterTables, periods: Sequence[str]) -> list[str]:
    """Where the two differ: `07-01 workday 08:00-11:00 peak, meter flat`, from each day on which either changes."""
    days = sorted({101} | {slot["season_from"] for slot in slots} | {start for start, _ in meter.zones})
    told = []
    seen: list[tuple[list[str | None], list[str | None]]] = []
    weekends = bool(meter.weekend_table) or any(slot["day_type"] == WEEKEND for slot in slots)
    for mmdd in days:
        for day_type in (WORKDAY, WEEKEND) if weekends else (WORKDAY,):
            both = (registry_profile(slots, mmdd, day_type), meter.profile(mmdd, day_type, periods))
            if both in seen:
                continue
            seen.append(both)
            runs = groupby(range(MINUTES), key=lambda minute: (both[0][minute], both[1][minute]))
            for (wanted, said), minutes in runs:
                span = list(minutes)
                if wanted is not None and wanted != said:
                    told.append(
                        f"{mmdd // 100:02}-{mmdd % 100:02} {day_type} {_clock(span[0])}-{_clock(span[-1] + 1)}"
                        f" {wanted}, meter {said or 'none'}"
                    )
    return told


def shortened(told: Sequence[str]) -> str:
    """Differences as one text."""
    more = len(told) - _MOST_TOLD
    return "; ".join(told[:_MOST_TOLD]) + (f"; +{more}" if more > 0 else "")


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
