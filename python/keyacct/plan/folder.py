"""A problem folder on its way to the planner: `meta.json` read and held to its form, the tables as bytes.

The tables themselves are read by the core, which names file, line and column of whatever is wrong.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keyacct.errors import InputError, from_os_error

MEASURES = ("shift", "avoid", "limit", "trip")


@dataclass(frozen=True)
class Terms:
    """The figures of `meta.json`."""

    start: dt.datetime | None
    minutes: float
    issue_period: int
    blocks: list[tuple[int, int]]
    return_windows: list[tuple[int, int]]
    cost_per_kwh: tuple[float, float, float, float]
    touch_cost: float
    unmet_cost_per_kwh: float
    history_factor: float

    def begin_of(self, period: int) -> dt.datetime | None:
        """When a period begins; None where the folder does not say when period 0 does."""
        return self.start + dt.timedelta(minutes=self.minutes * period) if self.start is not None else None

    def period_of(self, text: str) -> int:
        """A period from its number or from an ISO 8601 time: the period that begins then, or the next to begin."""
        try:
            return int(text)
        except ValueError:
            pass
        try:
            at = dt.datetime.fromisoformat(text)
        except ValueError:
            at = None
        if at is None or self.start is None:
            raise InputError(
                "input.value",
                f"{text!r} is neither a period nor a time",
                hint="write a period (36) or, if meta.json has a start, a time (2026-07-15T17:00+08:00)",
            )
        at = at if at.tzinfo else at.replace(tzinfo=self.start.tzinfo)
        return math.ceil((at - self.start).total_seconds() / 60 / self.minutes)


@dataclass(frozen=True)
class ProblemFolder:
    """A problem folder: where, its terms, the bytes of its tables (optional ones only if they are there)."""

    path: Path
    terms: Terms
    tables: dict[str, bytes] = field(repr=False)


def read_folder(path: Path) -> ProblemFolder:
    """Reads a problem folder. Raises InputError when a file is missing or `meta.json` is not as it should be."""
    if not path.is_dir():
        raise InputError("input.not_found", "no such folder", hint="name a problem folder", where={"file": str(path)})
    tables: dict[str, bytes] = {}
    for name, needed in (
        ("customers.csv", True),
        ("baseline.csv", True),
        ("system.csv", True),
        ("areas.csv", False),
        ("fixed.csv", False),
        ("priority.csv", False),
    ):
        try:
            tables[name] = (path / name).read_bytes()
        except FileNotFoundError:
            if needed:
                raise InputError(
                    "input.not_found", "the problem folder lacks this file", where={"file": str(path / name)}
                ) from None
        except OSError as error:
            raise from_os_error(error, writing=False, file=str(path / name)) from None
    return ProblemFolder(path, read_terms(path / "meta.json"), tables)


def read_terms(path: Path) -> Terms:
    """`meta.json`. Raises InputError that names the key."""
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise from_os_error(error, writing=False, file=str(path)) from None
    except ValueError as error:
        raise InputError("input.format", f"no JSON document: {error}", where={"file": path.name}) from None
    if not isinstance(document, dict):
        raise InputError("input.format", "a JSON object is needed", where={"file": path.name})
    reader = _Reader(document, path.name)
    costs = document.get("cost_per_kwh")
    if not isinstance(costs, dict):
        raise reader.bad("cost_per_kwh", "an object with shift, avoid, limit and trip is needed")
    cost_reader = _Reader(costs, path.name)
    shift, avoid, limit, trip = (cost_reader.number(m, low=0) for m in MEASURES)
    if not shift <= avoid <= limit <= trip:
        raise reader.bad("cost_per_kwh", f"costs must rise: shift {shift}, avoid {avoid}, limit {limit}, trip {trip}")
    minutes = reader.number("minutes", low=0)
    if minutes <= 0:
        raise reader.bad("minutes", "a period needs a length")
    return Terms(
        start=reader.start(),
        minutes=minutes,
        issue_period=reader.whole(document.get("issue_period"), "issue_period"),
        blocks=reader.spans("blocks"),
        return_windows=reader.spans("return_windows"),
        cost_per_kwh=(shift, avoid, limit, trip),
        touch_cost=reader.number("touch_cost", low=0),
        unmet_cost_per_kwh=reader.number("unmet_cost_per_kwh", low=0),
        history_factor=reader.number("history_factor", low=0),
    )


class _Reader:
    def __init__(self, document: dict[str, Any], file: str) -> None:
        self.document, self.file = document, file

    def bad(self, key: str, what: str) -> InputError:
        return InputError("input.value", f"{key}: {what}", where={"file": self.file})

    def number(self, key: str, low: float) -> float:
        value = self.document.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < low:
            raise self.bad(key, f"{value!r} is no number from {low} up")
        return float(value)

    def whole(self, value: object, key: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value % 1:
            raise self.bad(key, f"{value!r} is no whole number")
        if abs(value) > 1_000_000:
            raise self.bad(key, f"{value!r} is out of range")
        return int(value)

    def spans(self, key: str) -> list[tuple[int, int]]:
        value = self.document.get(key)
        if not isinstance(value, list) or not all(isinstance(s, list) and len(s) == 2 for s in value):
            raise self.bad(key, "a list of [first, end) pairs is needed")
        return [(self.whole(a, key), self.whole(b, key)) for a, b in value]

    def start(self) -> dt.datetime | None:
        text = self.document.get("start")
        if text is None:
            return None
        try:
            at = dt.datetime.fromisoformat(str(text))
        except ValueError:
            raise self.bad("start", f"{text!r} is no ISO 8601 time") from None
        if at.tzinfo is None:
            raise self.bad("start", f"{text!r} has no offset")
        return at
