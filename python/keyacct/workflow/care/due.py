"""Care by plan: `care:clock`, `care:sync` and `care:parameters` among the items of a plan, served with `poll --due`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from keyacct import clock
from keyacct.capture.device_clock import CLOCKED
from keyacct.capture.master.clocks import ClockRule
from keyacct.config import Workspace
from keyacct.database import acquisition_tables as tables
from keyacct.database.engine import open_database
from keyacct.errors import RefusedError
from keyacct.workflow.care.clocks import keep, measure
from keyacct.workflow.care.journal import local_of
from keyacct.workflow.care.lines import Lines
from keyacct.workflow.care.parameters import compare_parameters, keep_parameters
from keyacct.workflow.care.sync import sync_clocks
from keyacct.workflow.poll_due import due_time, reading_days
from keyacct.workflow.poll_marks import write_marks
from keyacct.workflow.poll_targets import Plan, Target


@dataclass(frozen=True)
class CareJob:
    """One kind of care of the meters of a plan that are due. tries: rounds already made, by meter."""

    plan: str
    care: str
    due_ms: Mapping[str, int]
    targets: tuple[Target, ...]
    tries: Mapping[str, int]

    @property
    def mark(self) -> str:
        """Under which name due times served are kept."""
        return f"{self.plan} {self.care}"


@dataclass
class CareSummary:
    """What care by plan came to."""

    meters: int = 0
    failed: int = 0
    set: int = 0
    opened: int = 0
    closed: int = 0
    refused: list[str] = field(default_factory=list)

    def as_row(self) -> dict[str, Any]:
        """As one line of a log."""
        return {
            "meters": self.meters, "failed": self.failed, "set": self.set, "findings_opened": self.opened,
            "findings_closed": self.closed, "refused": self.refused,
        }  # fmt: skip


def due_care(
    workspace: Workspace, targets: Mapping[str, Target], plans: Sequence[Plan], now: dt.datetime
) -> list[CareJob]:
    """Care that is due and that nobody served yet. Setting clocks waits while a freeze is near."""
    local = now.astimezone(workspace.zone)
    may_set = ClockRule.of(workspace.settings.care).allowed_at(local.replace(tzinfo=None))
    with open_database(workspace).read() as connection:
        marks = {
            (row["poll_plan"], row["meter_no"]): row
            for row in connection.execute(sa.select(tables.poll_mark)).mappings()
        }
        days = reading_days(connection, int(now.timestamp() * 1000))
    most = workspace.settings.poll.tries_per_due
    jobs = []
    for plan in plans:
        for care in plan.care:
            if care == "care:sync" and not may_set:
                continue
            due_ms: dict[str, int] = {}
            tries: dict[str, int] = {}
            chosen = []
            for target in targets.values():
                if not plan.covers(target) or target.protocol not in CLOCKED:
                    continue
                due = due_time(workspace, plan, target, local, days)
                mark = marks.get((f"{plan.name} {care}", target.meter_no))
                served = mark is not None and mark["due_at"] >= due
                if mark is not None and served and (mark["state"] == "done" or mark["tries"] >= most):
                    continue
                due_ms[target.meter_no] = due
                tries[target.meter_no] = mark["tries"] if mark is not None and served else 0
                chosen.append(target)
            if chosen:
                jobs.append(CareJob(plan.name, care, due_ms, tuple(chosen), tries))
    return jobs


def run_care(lines: Lines, jobs: Sequence[CareJob]) -> CareSummary:
    """Do what is due; the caller holds the poll lock. What was refused as a whole is told and marked as served."""
    workspace = lines.workspace
    summary = CareSummary()
    for job in jobs:
        failed: set[str] = set()
        if job.care == "care:parameters":
            compared = compare_parameters(lines, job.targets)
            opened, closed = keep_parameters(workspace, compared)
            failed = {each.target.meter_no for each in compared if each.state == "failed"}
        elif job.care == "care:sync" and workspace.settings.care.sync_clock:
            if not ClockRule.of(workspace.settings.care).allowed_at(local_of(clock.now_ms(), workspace.zone)):
                continue  # the round before took its time; the next run does it
            opened = closed = 0
            try:
                done = sync_clocks(lines, job.targets, execute=True)
            except RefusedError as error:
                summary.refused.append(error.message)
            else:
                opened, closed = done.opened, done.closed
                summary.set += sum(setting.state == "done" for setting in done.settings)
                failed = {
                    s.clock.target.meter_no
                    for s in done.settings
                    if s.clock.verdict == "failed" or s.state in ("not_sent", "changed")
                }
        else:
            clocks = measure(lines, job.targets)
            opened, closed = keep(workspace, clocks)
            failed = {each.target.meter_no for each in clocks if each.verdict == "failed"}
            if job.care == "care:sync":
                summary.refused.append("care.sync_clock is off")
        if lines.stop.is_set():
            break  # what was read is kept; the due time is served by the next run
        summary.opened, summary.closed = summary.opened + opened, summary.closed + closed
        summary.meters, summary.failed = summary.meters + len(job.targets), summary.failed + len(failed)
        _mark(workspace, job, failed)
    return summary


def _mark(workspace: Workspace, job: CareJob, failed: set[str]) -> None:
    now = clock.now_ms()
    with open_database(workspace).write() as connection:
        write_marks(connection, [
            {
                "poll_plan": job.mark, "meter_no": target.meter_no, "due_at": job.due_ms[target.meter_no],
                "state": "failed" if target.meter_no in failed else "done", "tries": job.tries[target.meter_no] + 1,
                "items_left": "[]", "missed": 0, "finished_at": now,
            }
            for target in job.targets
        ])  # fmt: skip
