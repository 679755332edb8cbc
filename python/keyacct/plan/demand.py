"""What dispatch asks for: a number over the time blocks, or a file with spans of the day; periods of a quarter of an hour.

File (CSV): `from`, `to` (17:00, 26:00 for 02:00 of the next day, or ISO 8601), `required_kw`; optional `area` (a demand of
that area alone), `demand_response_kw` (response already bought, taken off). Rows of one area must not overlap.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import re
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from keyacct.analysis.load_curve import PERIOD_MIN, PERIODS
from keyacct.errors import InputError, UsageError
from keyacct.plan.priority_file import decode

OWN_BLOCK_PERIODS = 2
"""A row of the file at least this long is a time block of its own; shorter ones are a curve."""
MOST_PERIODS = 3 * PERIODS


@dataclass(frozen=True)
class Demand:
    """A demand without margin. required_kw: by period. areas: by area and period. response_kw: what bought response
    covers, by period (already taken off). stated_response: the file says something about it.
    """

    blocks: tuple[tuple[int, int], ...]
    required_kw: dict[int, float]
    areas: dict[str, dict[int, float]]
    response_kw: dict[int, float]
    stated_response: bool

    @property
    def peak_kw(self) -> float:
        """The highest demand of the system, response included."""
        periods = set(self.required_kw) | set(self.response_kw)
        return max((self.required_kw.get(t, 0.0) + self.response_kw.get(t, 0.0) for t in periods), default=0.0)


def span_periods(text: str) -> tuple[int, int]:
    """The periods [first, end) of `17:00-19:00`. Raises UsageError."""
    match = re.fullmatch(r"\s*(\d{1,2}:\d{2})\s*[-–~]\s*(\d{1,2}:\d{2})\s*", text)
    first, end = (_clock(match[1]), _clock(match[2])) if match is not None else (None, None)
    if first is None or end is None or first >= end:
        raise UsageError(
            "usage.invalid",
            f"{text!r} is no span of time",
            hint="write for example 17:00-19:00, on quarters of an hour",
        )
    return first, end


def spans_of(texts: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """The spans of several texts, in order. Raises UsageError when two overlap."""
    spans = sorted(span_periods(text) for text in texts)
    for (_, end), (first, _) in pairwise(spans):
        if first < end:
            raise UsageError(
                "usage.invalid",
                f"two time blocks overlap at {clock_text(first)}",
                hint="every period lies in one block",
            )
    return tuple(spans)


def clock_text(period: int) -> str:
    """`17:15` of a period; hours go on past 24 on the next day."""
    return f"{period * PERIOD_MIN // 60:02d}:{period * PERIOD_MIN % 60:02d}"


def _clock(text: str) -> int | None:
    """The period that begins at `17:15`; None for what is no quarter of an hour."""
    hour, minute = (int(part) for part in text.split(":"))
    return None if minute > 59 or hour > 72 or minute % PERIOD_MIN else (hour * 60 + minute) // PERIOD_MIN


def flat_demand(kw: float, rounds: Sequence[str]) -> Demand:
    """The same demand in every period of the blocks. Raises UsageError for no number above 0."""
    if not math.isfinite(kw) or kw <= 0:
        raise UsageError("usage.invalid", f"{kw!r} is no demand", hint="a number of kW above 0, or a file")
    blocks = spans_of(rounds)
    return Demand(blocks, {t: kw for first, end in blocks for t in range(first, end)}, {}, {}, stated_response=False)


def read_demand(
    data: bytes, file: str, day: dt.date, zone: zoneinfo.ZoneInfo, *, rounds: Sequence[str] | None, most_min: int
) -> Demand:
    """The demand of a file. rounds: time blocks, else the rows themselves (see module). Raises InputError with file, row
    and column, UsageError for rounds that leave a demand out.
    """
    reader = csv.DictReader(io.StringIO(decode(data, file), newline=""), strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader]
        head = [name.strip() for name in reader.fieldnames or []]
    except csv.Error as error:
        raise InputError(
            "input.format", f"not valid CSV: {error}", hint="mend this line", where={"file": file}
        ) from None
    for name in ("from", "to", "required_kw"):
        if name not in head:
            raise InputError(
                "input.schema", f"the column '{name}' is missing",
                hint="columns are from, to, required_kw, area, demand_response_kw",
                where={"file": file, "row": 1},
            )  # fmt: skip
    required: dict[int, float] = {}
    areas: dict[str, dict[int, float]] = {}
    response: dict[int, float] = {}
    spans: list[tuple[int, int]] = []
    for line, row in rows:
        cell = {(key or "").strip(): (value or "").strip() for key, value in row.items() if not isinstance(value, list)}
        if not any(cell.values()):
            continue
        first = _moment(cell["from"], day, zone, file, line, "from")
        end = _moment(cell["to"], day, zone, file, line, "to")
        if not 0 <= first < end <= MOST_PERIODS:
            raise _bad(f"{cell['from']} to {cell['to']} is no span within three days from {day}", file, line, "to")
        kw = _kw(cell["required_kw"], file, line, "required_kw")
        bought = _kw(cell.get("demand_response_kw") or "0", file, line, "demand_response_kw")
        area = cell.get("area") or ""
        into = areas.setdefault(area, {}) if area else required
        if area and bought:
            raise _bad("bought response belongs to a row without area", file, line, "demand_response_kw")
        for t in range(first, end):
            if t in into:
                raise _bad(
                    f"{clock_text(t)} has a demand{' of area ' + area if area else ''} already", file, line, "from"
                )
            into[t] = max(kw - bought, 0.0)
            if bought and not area:
                response[t] = min(bought, kw)
        if not area and kw > 0:
            spans.append((first, end))
    asked = {t for t, kw in required.items() if kw > 0} | {t for a in areas.values() for t, kw in a.items() if kw > 0}
    if not asked:
        raise InputError(
            "input.empty", "the file asks for nothing", hint="a row with required_kw above 0", where={"file": file}
        )
    blocks = spans_of(rounds) if rounds else _blocks(spans, asked, most_min // PERIOD_MIN)
    inside = {t for first, end in blocks for t in range(first, end)}
    outside = sorted(asked - inside)
    if outside:
        raise UsageError(
            "usage.invalid", f"the demand at {clock_text(outside[0])} lies in no time block", hint="name it in --rounds"
        )
    return Demand(blocks, required, areas, response, stated_response="demand_response_kw" in head)


def _blocks(spans: Sequence[tuple[int, int]], asked: set[int], most: int) -> tuple[tuple[int, int], ...]:
    """Rows of half an hour and more are blocks; the rest of what is asked for is cut into runs of at most `most`."""
    blocks = [span for span in spans if span[1] - span[0] >= OWN_BLOCK_PERIODS]
    rest = sorted(asked - {t for first, end in blocks for t in range(first, end)})
    run: list[int] = []
    for t in [*rest, -1]:
        if run and (t != run[-1] + 1 or len(run) == most):
            blocks.append((run[0], run[-1] + 1))
            run = []
        run.append(t)
    return tuple(sorted(blocks))


def _moment(text: str, day: dt.date, zone: zoneinfo.ZoneInfo, file: str, line: int, column: str) -> int:
    period: int | None = None
    if re.fullmatch(r"\d{1,2}:\d{2}", text):
        period = _clock(text)
    else:
        try:
            at = dt.datetime.fromisoformat(text)
        except ValueError:
            at = None
        if at is not None:
            local = at.astimezone(zone).replace(tzinfo=None) if at.tzinfo else at
            minutes = (local - dt.datetime.combine(day, dt.time())).total_seconds() / 60
            period = int(minutes // PERIOD_MIN) if minutes % PERIOD_MIN == 0 else None
    if period is None:
        raise _bad(f"{text!r} is no quarter of an hour, write for example 17:15", file, line, column)
    return period


def _kw(text: str, file: str, line: int, column: str) -> float:
    try:
        kw = float(text)
    except ValueError:
        kw = math.nan
    if not math.isfinite(kw) or kw < 0 or kw > 1e9:
        raise _bad(f"{text!r} is no power from 0 up, kW", file, line, column)
    return kw


def _bad(what: str, file: str, line: int, column: str) -> InputError:
    where: dict[str, str | int] = {"file": file, "row": line, "column": column}
    return InputError("input.value", what, hint="mend the row and run again", where=where)
