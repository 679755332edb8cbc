"""When a plan is due, and what of it was already done: recorded due times, not the memory of a process."""

from __future__ import annotations

import calendar
import datetime as dt
import json
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from cronsim import CronSim

from keyacct.capture.items import Item, ItemCatalogue
from keyacct.capture.poller import BACKFILL
from keyacct.config import Workspace
from keyacct.database import acquisition_tables as tables
from keyacct.database import registry_tables
from keyacct.database.engine import open_database
from keyacct.workflow.poll_targets import Plan, Target, items_for

_MOST_MISSED = 10_000


@dataclass(frozen=True)
class Job:
    """Items of one meter for one due time. plan: empty when asked by hand. fresh: nothing of it was done yet.

    tries: rounds that were already made for this due time; missed: due times that nobody served (the machine was off).
    """

    target: Target
    items: tuple[Item, ...]
    priority: int
    plan: str = ""
    due_at_ms: int = 0
    tries: int = 0
    missed: int = 0
    fresh: bool = True

    @property
    def counted_as(self) -> str:
        """Whose success it counts for: its plan, `backfill` or `on_demand`."""
        return self.plan or ("backfill" if self.priority == BACKFILL else "on_demand")


def latest_due(schedule: str, now: dt.datetime, reading_day: int) -> dt.datetime:
    """The last due time at or before now (aware, in the workspace's zone). `settlement`: 00:00 of the reading day."""
    if schedule == "settlement":
        for back in (0, 1):
            month = now.year * 12 + now.month - 1 - back
            year, number = month // 12, month % 12 + 1
            day = min(reading_day, calendar.monthrange(year, number)[1])
            due = now.replace(year=year, month=number, day=day, hour=0, minute=0, second=0, microsecond=0)
            if due <= now:
                return due
    return next(CronSim(schedule, now + dt.timedelta(minutes=1), reverse=True))


def missed_between(schedule: str, before: dt.datetime, last: dt.datetime) -> int:
    """How many due times lie strictly between two, at most 10 000."""
    if schedule == "settlement":
        return max((last.year - before.year) * 12 + last.month - before.month - 1, 0)
    count = 0
    for due in CronSim(schedule, before):
        if due >= last or count >= _MOST_MISSED:
            break
        count += 1
    return count


def due_jobs(
    workspace: Workspace,
    targets: Mapping[str, Target],
    plans: Sequence[Plan],
    now: dt.datetime,
    registers: Sequence[str] = (),
) -> list[Job]:
    """What is due now: plans whose last due time nobody served yet, and what a served one still lacks.

    A reading of now is no reading of an hour ago: of several missed due times only the last is served, the others are
    counted; their load curves and freezes are what backfill reads. registers: a user's own files. Raises UsageError
    for items that do not exist.
    """
    zone = workspace.zone
    local = now.astimezone(zone)
    catalogue = ItemCatalogue(registers)
    with open_database(workspace).read() as connection:
        marks = {
            (row["poll_plan"], row["meter_no"]): row
            for row in connection.execute(sa.select(tables.poll_mark)).mappings()
        }
        known_days = reading_days(connection, int(now.timestamp() * 1000))
    most_tries = workspace.settings.poll.tries_per_due
    usual_day = workspace.settings.billing.reading_day
    known: dict[tuple[str, int], dt.datetime] = {}
    jobs = []
    for plan in plans:
        for target in targets.values():
            if not plan.items or not plan.covers(target):
                continue
            day = next((known_days[a] for a in target.accounts if a in known_days), usual_day)
            key = (plan.schedule, day if plan.schedule == "settlement" else 0)
            if key not in known:
                known[key] = latest_due(plan.schedule, local, day)
            due = known[key]
            due_ms = int(due.timestamp() * 1000)
            mark = marks.get((plan.name, target.meter_no))
            if mark is not None and mark["due_at"] >= due_ms:
                left = json.loads(mark["items_left"])
                if mark["state"] == "done" or mark["tries"] >= most_tries or not left:
                    continue
                items = items_for(catalogue, target, left)
                jobs.append(Job(target, items, plan.priority, plan.name, due_ms, mark["tries"], mark["missed"],
                                fresh=False))  # fmt: skip
                continue
            missed = 0
            if mark is not None:
                missed = mark["missed"] + missed_between(plan.schedule, _aware(mark["due_at"], zone), due)
            items = items_for(catalogue, target, plan.items)
            jobs.append(Job(target, items, plan.priority, plan.name, due_ms, 0, missed))
    return jobs


def _aware(at_ms: int, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).astimezone(zone)


def due_time(workspace: Workspace, plan: Plan, target: Target, local: dt.datetime, days: Mapping[str, int]) -> int:
    """The last due time of a plan for a meter, UTC milliseconds. days: reading day by account."""
    usual = workspace.settings.billing.reading_day
    day = next((days[account] for account in target.accounts if account in days), usual)
    return int(latest_due(plan.schedule, local, day).timestamp() * 1000)


def reading_days(connection: sa.Connection, now_ms: int) -> dict[str, int]:
    """The reading day of each account whose terms name one."""
    terms = registry_tables.account_terms
    query = sa.select(terms.c.account_no, terms.c.reading_day).where(
        terms.c.valid_from <= now_ms, terms.c.valid_to > now_ms, terms.c.reading_day.is_not(None)
    )
    return {account: int(day) for account, day in connection.execute(query)}
