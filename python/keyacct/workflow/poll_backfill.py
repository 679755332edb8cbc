"""What the store lacks and a meter still holds: load records of missing intervals, freezes of missing midnights."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any

from keyacct import clock
from keyacct.capture.items import Item
from keyacct.capture.poller import BACKFILL
from keyacct.config import Workspace
from keyacct.database import tables as registry
from keyacct.database.engine import open_database
from keyacct.errors import UsageError
from keyacct.i18n import Text
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
_MOST_READS = 400


def parse_days(text: str, today: dt.date) -> tuple[dt.date, dt.date]:
    """First and last day of `2026-07-01..2026-07-05`, or of one day. Raises UsageError."""
    match = re.fullmatch(r"(\d{4}-\d{2}-\d{2})(?:\.\.(\d{4}-\d{2}-\d{2}))?", text.strip())
    first, last = (_day(match[1]), _day(match[2] or match[1])) if match is not None else (None, None)
    if first is None or last is None or last < first:
        raise UsageError(
            "usage.invalid",
            str(Text(f"--backfill {text!r} names no days", f"--backfill {text!r} 不是日期范围")),
            hint=str(Text("write 2026-07-01..2026-07-05", "应写作 2026-07-01..2026-07-05")),
        )
    return first, min(last, today)


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def backfill_jobs(workspace: Workspace, targets: Sequence[Target], days: str) -> list[Job]:
    """What to read again of these days. Only DL/T 645-2007 meters keep what can be read by time; others give no job.

    An interval is missing when no value of the family lies in it; a midnight when there is no day freeze of it. What
    is older than the meter's memory (`poll.load_record_days`, `poll.daily_freezes`) is not asked for.
    """
    now = clock.now().astimezone(workspace.zone)
    first, last = parse_days(days, now.date())
    asked = [target for target in targets if target.protocol == "dlt645-2007"]
    plans = read_plans(workspace)
    intervals = _intervals(workspace)
    jobs = []
    for start in range(0, len(asked), 500):
        part = asked[start : start + 500]
        held = _held(workspace, [target.meter_no for target in part], first, last)
        for target in part:
            step = dt.timedelta(minutes=intervals.get(target.meter_no, 15))
            items = [
                *_freezes(workspace, held, target, first, last, now),
                *_records(workspace, held, target, plans, step, first, last, now),
            ]
            if items:
                jobs.append(Job(target, tuple(items[:_MOST_READS]), BACKFILL))
    return jobs


def _intervals(workspace: Workspace) -> dict[str, int]:
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
        rows: Sequence[Mapping[str, Any]] = table.select(["meter", "ts", "kind"]).to_pylist()
        for row in rows:
            held.setdefault((row["meter"], family), []).append((row["ts"].astimezone(zone), row["kind"]))
    return held


def _freezes(
    workspace: Workspace, held: _Held, target: Target, first: dt.date, last: dt.date, now: dt.datetime
) -> list[Item]:
    """Day freezes of the midnights that end the days."""
    there = {at.date() for at, kind in held.get((target.meter_no, "energy"), []) if kind == "freeze_day"}
    items = []
    day = first
    while day <= last:
        midnight = day + dt.timedelta(days=1)
        back = (now.date() - midnight).days + 1  # the newest, of last midnight, is number 1
        if midnight not in there and 1 <= back <= workspace.settings.poll.daily_freezes:
            items.append(Item("dlt645-2007", f"050601{back:02X}", f"freeze_daily_active_import_{back}", "freeze_day"))
        day += dt.timedelta(days=1)
    return items


def _records(
    workspace: Workspace, held: _Held, target: Target, plans: Sequence[Plan], step: dt.timedelta,
    first: dt.date, last: dt.date, now: dt.datetime,
) -> list[Item]:  # fmt: skip
    """Load records of the intervals without a value."""
    zone = workspace.zone
    begin = dt.datetime.combine(first, dt.time(), zone)
    oldest = now - dt.timedelta(days=workspace.settings.poll.load_record_days)
    end = min(dt.datetime.combine(last + dt.timedelta(days=1), dt.time(), zone), now)
    items = []
    for number in sorted(_wanted(target, plans)):
        stamps = held.get((target.meter_no, _FAMILY[number]), [])
        covered = {-((begin - at) // step) for at, _ in stamps}  # the interval that ends at or after the stamp
        missing = [
            index
            for index in range(1, int((end - begin) / step) + 1)
            if index not in covered and begin + index * step >= oldest
        ]
        for at, count in _runs(missing):
            items.append(_record_item(number, begin + at * step, count))
    return items


def _wanted(target: Target, plans: Sequence[Plan]) -> set[int]:
    """Load record classes that hold what the plans ask of a meter."""
    names = [name for plan in plans if plan.covers(target) for name in plan.items]
    wanted = {number for quantity, number in _CLASSES.items() if any(name.startswith(quantity) for name in names)}
    for name in names:  # identifiers: 0201 voltage, 0202 current, 0203 and 0204 power, 0206 power factor
        wanted |= {{"1": 1, "2": 1, "3": 2, "4": 2, "6": 3}[name[3]]} if re.match(r"020[12346]", name) else set()
    return wanted or {1, 2}


def _runs(missing: Sequence[int]) -> list[tuple[int, int]]:
    """(first interval, how many) of each request: neighbours together, as many as fit."""
    runs: list[tuple[int, int]] = []
    for index in missing:
        if runs and runs[-1][0] + runs[-1][1] == index and runs[-1][1] < _RECORDS_A_READ:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((index, 1))
    return runs


def _record_item(number: int, at: dt.datetime, count: int) -> Item:
    """The request of `count` load records of a class from a time on: N, then mm hh DD MM YY as on the wire."""
    data = f"{count:02d}{at:%M%H%d%m%y}"
    name = f"load_record_{number} {at:%Y-%m-%d %H:%M} +{count - 1}"
    return Item("dlt645-2007", f"06{number:02X}0001", name, "interval", data=data)
