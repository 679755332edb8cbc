"""The limits that `keyacct stats` asks for, from the registry: one row a meter, as it holds at the end of a span."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from keyacct.config import Workspace
from keyacct.model import civil
from keyacct.registry.parameters import point_parameters, tariff_slots

LIMITS = pa.schema(
    [
        ("meter_id", pa.string()),
        *((name, pa.float64()) for name in ("pt", "u_nom", "u_lower", "u_upper", "pf_std")),
        ("tariff", pa.string()),
    ]
)
"""pt: what a reading is multiplied by (1 where the meter reads primary values); u_*: primary volts; tariff: a letter
(P peak, F flat, V valley) for each half hour of the day."""

_LETTERS = {"sharp": "P", "peak": "P", "flat": "F", "valley": "V"}
_NEEDED = ("nominal_v", "lower_v", "upper_v", "pf_standard", "tariff_table")


@dataclass(frozen=True)
class WideLimits:
    """Rows of `LIMITS`; meters of which the registry does not tell everything; meters of which something changed."""

    table: pa.Table
    incomplete: tuple[str, ...]
    changed: tuple[str, ...]


def wide_limits(workspace: Workspace, from_ms: int, to_ms: int) -> WideLimits:
    """Limits of every meter that was fitted in [from_ms, to_ms), as they hold at its end. A day has one tariff here: that
    of the season and of working days on the last civil day of the span.
    """
    rows: dict[str, Mapping[str, Any]] = {}
    changed: set[str] = set()
    for row in point_parameters(workspace, from_ms, to_ms).to_pylist():
        before = rows.get(row["meter"])
        if before is not None and _limits(before) != _limits(row):
            changed.add(row["meter"])
        if before is None or before["from_ms"] <= row["from_ms"]:
            rows[row["meter"]] = row
    tariffs = _tariffs(tariff_slots(workspace).to_pylist(), civil(to_ms - 1, workspace.zone).date())
    table: list[dict[str, Any]] = []
    incomplete = []
    for meter, row in sorted(rows.items()):
        tariff = tariffs.get(row["tariff_table"])
        if any(row[name] is None for name in _NEEDED) or tariff is None or _limits(row)[0] is None:
            incomplete.append(meter)
            continue
        table.append(dict(zip(LIMITS.names, (meter, *_limits(row)[:5], tariff), strict=True)))
    return WideLimits(pa.Table.from_pylist(table, schema=LIMITS), tuple(incomplete), tuple(sorted(changed)))


def _limits(row: Mapping[str, Any]) -> tuple[Any, ...]:
    pt = 1.0 if row["reading_side"] == "primary" else row["pt"]
    return (pt, *(row[name] for name in _NEEDED))


def _tariffs(slots: Iterable[Mapping[str, Any]], day: dt.date) -> dict[str, str]:
    """Half-hour letters of each tariff table on a working day; a half hour with several periods has that of its start."""
    month_day = day.month * 100 + day.day
    letters: dict[tuple[str, str], list[str | None]] = {}
    for slot in slots:
        low, high = slot["season_from"], slot["season_to"]
        in_season = low <= month_day <= high if low <= high else month_day >= low or month_day <= high
        if not in_season or slot["day_type"] not in ("all", "workday"):
            continue
        day_letters = letters.setdefault((slot["tariff_table"], slot["day_type"]), [None] * 48)
        for half in range(48):
            if slot["start_min"] <= half * 30 < slot["end_min"]:
                day_letters[half] = _LETTERS.get(slot["period"], "F")
    whole: dict[str, str] = {}
    for kind in ("all", "workday"):  # what is said of working days goes before what is said of all
        for (table, day_type), found in letters.items():
            if day_type == kind and None not in found:
                whole[table] = "".join(letter or "" for letter in found)
    return whole
