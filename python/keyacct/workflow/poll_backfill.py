"""What the store lacks: missing intervals and midnights as named gaps, and what asks for those that a meter still holds.

A gap that no meter can fill is named with its cause; nothing is ever put in its place.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keyacct import clock
from keyacct.capture.items import Item, ItemCatalogue
from keyacct.capture.poller import BACKFILL
from keyacct.config import Workspace
from keyacct.database import tables as registry
from keyacct.database.engine import open_database
from keyacct.errors import UsageError
from keyacct.i18n import Text
from keyacct.store.quality import CLOCK_SUSPECT
from keyacct.store.read import read_table
from keyacct.workflow.poll_due import Job
from keyacct.workflow.poll_targets import Plan, Target, read_plans

_CLASSES = {
    "voltage": 1, "current": 1, "active_power": 2, "reactive_power": 2, "power_factor": 3,
}  # fmt: skip
"""Load record class of a quantity (DL/T 645-2007, load profile)."""
_FAMILY = {1: "voltage", 2: "power", 3: "power", 4: "energy"}
_RECORDS_A_READ = 5
"""Records of one request: what fits a reply of 200 bytes with all classes in it, follow frames apart."""
_ROWS_A_READ = 16
"""Rows of a record table of DL/T 698.45 in one request: one frame holds them with all columns of a plan."""
_MOST_READS = 400
"""Requests to one meter in one run; further gaps are left to the next."""
KEEPERS = ("dlt645-2007", "dlt698.45", "gdw1376.1")
"""Protocols whose meters can be asked for a time that is past."""
_DAY = dt.timedelta(days=1)
_COLUMNS_698 = {1: "voltage+current", 2: "active_power+reactive_power", 3: "power_factor", 4: "active_import"}


@dataclass(frozen=True)
class Gap:
    """Neighbouring intervals, or midnights, of which the store has nothing.

    family: of the values that are missing; kind: `interval` (first and last are their ends) or `freeze_day` (midnights).
    count of them lie `step` apart.
    cause: `open` (the meter may still hold it), `beyond_depth` (older than its memory, by `poll.load_record_days` and
    `poll.daily_freezes`) or `no_records` (a meter of this protocol cannot be asked for the past).
    """

    target: Target
    number: int
    kind: str
    first: dt.datetime
    last: dt.datetime
    count: int
    step: dt.timedelta
    cause: str

    @property
    def family(self) -> str:
        """The family of the values."""
        return _FAMILY[self.number]

    def as_row(self) -> dict[str, Any]:
        """As one row for printing."""
        return {
            "meter": self.target.meter_no, "family": self.family, "kind": self.kind, "first": self.first,
            "last": self.last, "count": self.count, "cause": self.cause,
        }  # fmt: skip


def parse_days(text: str, today: dt.date, option: str) -> tuple[dt.date, dt.date]:
    """First and last day of `2026-07-01..2026-07-05`, or of one day; option: that was given so. Raises UsageError."""
    match = re.fullmatch(r"(\d{4}-\d{2}-\d{2})(?:\.\.(\d{4}-\d{2}-\d{2}))?", text.strip())
    first, last = (_day(match[1]), _day(match[2] or match[1])) if match is not None else (None, None)
    if first is None or last is None or last < first:
        raise UsageError(
            "usage.invalid",
            str(Text(f"{option} {text!r} names no days", f"{option} {text!r} 不是日期范围")),
            hint=str(Text("write 2026-07-01..2026-07-05", "应写作 2026-07-01..2026-07-05")),
        )
    return first, min(last, today)


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def find_gaps(workspace: Workspace, targets: Sequence[Target], days: str, *, option: str = "--backfill") -> list[Gap]:
    """What the store lacks of these days, meter by meter. Raises UsageError, which names the option.

    An interval is missing when no value of the family lies in it; a midnight when there is no day freeze of it. Values
    whose stamp is not to be trusted fill nothing.
    """
    plans = read_plans(workspace)
    today = clock.now().astimezone(workspace.zone).date()
    first, last = parse_days(days, today, option)
    return find_gaps_of(workspace, targets, first, last, lambda target: _wanted(target, plans))


def find_gaps_of(
    workspace: Workspace, targets: Sequence[Target], first: dt.date, last: dt.date, wanted: Callable[[Target], set[int]]
) -> list[Gap]:
    """As `find_gaps`, of first to last day; wanted: which load record classes (their values) a meter should have."""
    now = clock.now().astimezone(workspace.zone)
    intervals = _intervals_of(workspace)
    gaps: list[Gap] = []
    for start in range(0, len(targets), 500):
        part = targets[start : start + 500]
        held = _held(workspace, [target.meter_no for target in part], first, last)
        for target in part:
            step = dt.timedelta(minutes=intervals.get(target.meter_no, 15))
            gaps += _midnights(workspace, held, target, first, last, now)
            for number in sorted(wanted(target)):
                gaps += _missing(workspace, held, target, number, step, first, last, now)
    return gaps


def backfill_jobs(workspace: Workspace, targets: Sequence[Target], days: str) -> list[Job]:
    """What to read again of these days: requests for the gaps that a meter may still fill (`Gap.cause` open)."""
    now = clock.now().astimezone(workspace.zone)
    catalogue = ItemCatalogue()
    asked: dict[str, tuple[Target, list[Item]]] = {}
    for gap in find_gaps(workspace, targets, days):
        if gap.cause == "open":
            _, items = asked.setdefault(gap.target.meter_no, (gap.target, []))
            items += _items(catalogue, gap, now)
    return [Job(target, tuple(items[:_MOST_READS]), BACKFILL) for target, items in asked.values()]


def _intervals_of(workspace: Workspace) -> dict[str, int]:
    """Minutes between two values of each meter."""
    import sqlalchemy as sa

    with open_database(workspace).read() as connection:
        query = sa.select(registry.meter.c.meter_no, registry.meter.c.interval_min)
        return {meter: int(minutes) for meter, minutes in connection.execute(query)}


_Held = Mapping[tuple[str, str], list[tuple[dt.datetime, str]]]


def _held(workspace: Workspace, meters: Sequence[str], first: dt.date, last: dt.date) -> _Held:
    """(meter, family) → the stamps (local) and kinds of what is stored."""
    zone = workspace.zone
    start = dt.datetime.combine(first, dt.time(), zone)
    end = dt.datetime.combine(last + dt.timedelta(days=1), dt.time(), zone) + dt.timedelta(minutes=1)
    held: dict[tuple[str, str], list[tuple[dt.datetime, str]]] = {}
    for family in sorted(set(_FAMILY.values())):
        table = read_table(workspace, family, int(start.timestamp() * 1000), int(end.timestamp() * 1000), list(meters))
        rows: Sequence[Mapping[str, Any]] = table.select(["meter", "ts", "kind", "quality"]).to_pylist()
        for row in rows:
            if int(row["quality"] or 0) & CLOCK_SUSPECT:
                continue
            held.setdefault((row["meter"], family), []).append((row["ts"].astimezone(zone), row["kind"]))
    return held


def _midnights(
    workspace: Workspace, held: _Held, target: Target, first: dt.date, last: dt.date, now: dt.datetime
) -> Iterator[Gap]:
    """Missing day freezes of the midnights that end the days."""
    there = {at.date() for at, kind in held.get((target.meter_no, "energy"), []) if kind == "freeze_day"}
    zone, deepest = workspace.zone, workspace.settings.poll.daily_freezes
    missing: list[tuple[int, str]] = []
    for index in range((last - first).days + 1):
        midnight = first + dt.timedelta(days=index + 1)
        back = (now.date() - midnight).days + 1  # the newest, of last midnight, is number 1
        if midnight not in there and back >= 1:
            missing.append((index, _cause(target, beyond=back > deepest)))
    for index, count, cause in _runs(missing):
        begin = dt.datetime.combine(first + dt.timedelta(days=index + 1), dt.time(), zone)
        yield Gap(target, 4, "freeze_day", begin, begin + (count - 1) * _DAY, count, _DAY, cause)


def _missing(
    workspace: Workspace, held: _Held, target: Target, number: int, step: dt.timedelta, first: dt.date, last: dt.date,
    now: dt.datetime,
) -> Iterator[Gap]:  # fmt: skip
    """Intervals without a value of a class's family."""
    zone = workspace.zone
    begin = dt.datetime.combine(first, dt.time(), zone)
    oldest = now - dt.timedelta(days=workspace.settings.poll.load_record_days)
    end = min(dt.datetime.combine(last + dt.timedelta(days=1), dt.time(), zone), now)
    stamps = held.get((target.meter_no, _FAMILY[number]), [])
    covered = {-((begin - at) // step) for at, kind in stamps if number != 4 or kind != "freeze_day"}
    missing = [
        (index, _cause(target, beyond=begin + index * step < oldest))
        for index in range(1, int((end - begin) / step) + 1)
        if index not in covered  # the interval that ends at or after a stamp
    ]
    for index, count, cause in _runs(missing):
        start = begin + index * step
        yield Gap(target, number, "interval", start, start + (count - 1) * step, count, step, cause)


def _cause(target: Target, *, beyond: bool) -> str:
    if target.protocol not in KEEPERS:
        return "no_records"
    return "beyond_depth" if beyond else "open"


def _wanted(target: Target, plans: Sequence[Plan]) -> set[int]:
    """Load record classes that hold what the plans ask of a meter."""
    names = [name for plan in plans if plan.covers(target) for name in plan.items]
    wanted = {number for quantity, number in _CLASSES.items() if any(name.startswith(quantity) for name in names)}
    for name in names:
        # identifiers: 0201 voltage, 0202 current, 0203 and 0204 power, 0206 power factor; OADs 2000, 2001, 2004, 2005, 200A
        if match := re.match(r"020([12346])|(200[0145A])0[0-9]00", name):
            key = match[1] or match[2][3]
            wanted.add({"1": 1, "2": 1, "3": 2, "4": 2, "6": 3, "0": 1, "5": 2, "A": 3}[key])
            if match[2] == "2001":
                wanted.add(1)
    return wanted or {1, 2}


def _runs(missing: Sequence[tuple[int, str]]) -> list[tuple[int, int, str]]:
    """(first, how many, cause) of neighbours with the same cause."""
    runs: list[tuple[int, int, str]] = []
    for index, cause in missing:
        if runs and runs[-1][0] + runs[-1][1] == index and runs[-1][2] == cause:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1, cause)
        else:
            runs.append((index, 1, cause))
    return runs


def _items(catalogue: ItemCatalogue, gap: Gap, now: dt.datetime) -> Iterator[Item]:
    """The requests for a gap: neighbours together, as many as fit an answer."""
    if gap.target.protocol == "dlt698.45":
        yield from rows_698(catalogue, gap)
    elif gap.kind == "freeze_day":
        for index in range(gap.count):
            back = (now.date() - gap.first.date()).days + 1 - index
            yield Item("dlt645-2007", f"050601{back:02X}", f"freeze_daily_active_import_{back}", "freeze_day")
    else:
        for index in range(0, gap.count, _RECORDS_A_READ):
            count = min(_RECORDS_A_READ, gap.count - index)
            yield _record_item(gap.number, gap.first + index * gap.step, count, gap.step)


def rows_698(catalogue: ItemCatalogue, gap: Gap) -> Iterator[Item]:
    """Rows of the day or minute freeze table of DL/T 698.45."""
    for index in range(0, gap.count, _ROWS_A_READ):
        first = gap.first + index * gap.step
        last = first + (min(_ROWS_A_READ, gap.count - index) - 1) * gap.step
        table = "freeze_day:active_import" if gap.kind == "freeze_day" else f"freeze_minute:{_COLUMNS_698[gap.number]}"
        item = catalogue.find(f"{table}@{first:%Y-%m-%dT%H:%M:%S}..{last:%Y-%m-%dT%H:%M:%S}", "dlt698.45")
        yield dataclasses.replace(item, span=_span_of(first, last, gap.step))


def _record_item(number: int, at: dt.datetime, count: int, step: dt.timedelta) -> Item:
    """The request of `count` load records of a class from a time on: N, then mm hh DD MM YY as on the wire."""
    data = f"{count:02d}{at:%M%H%d%m%y}"
    name = f"load_record_{number} {at:%Y-%m-%d %H:%M} +{count - 1}"
    span = _span_of(at, at + (count - 1) * step, step)
    return Item("dlt645-2007", f"06{number:02X}0001", name, "interval", data=data, span=span)


def _span_of(first: dt.datetime, last: dt.datetime, step: dt.timedelta) -> tuple[str, str, int]:
    return f"{first:%Y-%m-%dT%H:%M}", f"{last:%Y-%m-%dT%H:%M}", int(step.total_seconds() // 60)
