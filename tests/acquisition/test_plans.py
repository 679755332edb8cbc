"""Each kind of plan by the clock of the test: when it is due, once, and what downtime leaves."""

from __future__ import annotations

import datetime as dt
import zoneinfo

import pytest
from park_at_work import at_work
from test_backfill import METER, stored

from keyacct import clock
from keyacct.cli.run import run
from keyacct.config import open_workspace
from keyacct.simulation.account import registry_text
from keyacct.workflow.poll_due import due_jobs
from keyacct.workflow.poll_targets import read_plans, read_targets
from keyacct.workflow.workspace import init_workspace

ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")
ACCOUNT = (
    '[[account]]\naccount_no = "A"\naccount_name = "A"\nreading_day = 25\n[[point]]\npoint = "P"\nkind = "billing"\n'
    '[[point_account]]\npoint = "P"\naccount_no = "A"\n[[meter_point]]\nmeter_no = "000000000161"\npoint = "P"\n'
)


@pytest.fixture(autouse=True)
def _clock():
    yield
    clock.fix(None)


CASES = {
    # schedule, items, from, to (both ends included), the due times a slow reference names
    "quarter hours": ("*/15 * * * *", "2026-07-01T07:50", "2026-07-01T09:10",
                      ["08:00", "08:15", "08:30", "08:45", "09:00"]),
    "on the hour": ("0 * * * *", "2026-07-01T07:50", "2026-07-01T10:10", ["08:00", "09:00", "10:00"]),
    "day freeze": ("5 0 * * *", "2026-07-01T00:01", "2026-07-01T01:00", ["00:05"]),
    "ten days": ("10 0 1,11,21 * *", "2026-07-11T00:01", "2026-07-11T01:00", ["00:10"]),
    "month": ("20 0 1 * *", "2026-07-01T00:01", "2026-07-01T01:00", ["00:20"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", CASES)
def test_a_plan_is_due_exactly_at_its_times_and_each_is_served_once(tmp_path, kind):
    schedule, begin, end, expected = CASES[kind]
    with Served(tmp_path, schedule) as (workspace, poll):
        at, until = dt.datetime.fromisoformat(begin), dt.datetime.fromisoformat(end)
        assert poll(at) == 0  # what was due before
        served = []
        while at <= until:
            if at.minute % 5 not in (
                0,
                4,
            ):  # all due times are multiples of five; the minute before each is looked at, too
                at += dt.timedelta(minutes=1)
                continue
            clock.fix(at.replace(tzinfo=ZONE).isoformat())
            jobs = due_jobs(workspace, read_targets(workspace), read_plans(workspace), clock.now())
            if jobs:
                assert poll(at) == 0
                served.append(at.strftime("%H:%M"))
                clock.fix(at.replace(tzinfo=ZONE).isoformat())
                assert due_jobs(workspace, read_targets(workspace), read_plans(workspace), clock.now()) == []
            at += dt.timedelta(minutes=1)
        assert served == expected


DOWN = {
    # schedule, last served before, first round after, due time served then, how many lie between
    "quarter hours": ("*/15 * * * *", "2026-07-01T08:00", "2026-07-01T11:07", "2026-07-01T11:00", 11),
    "on the hour": ("0 * * * *", "2026-07-01T08:00", "2026-07-02T06:30", "2026-07-02T06:00", 21),
    "day freeze": ("5 0 * * *", "2026-07-01T00:05", "2026-07-06T12:00", "2026-07-06T00:05", 4),
    "ten days": ("10 0 1,11,21 * *", "2026-06-01T00:10", "2026-07-12T12:00", "2026-07-11T00:10", 3),
    "month": ("20 0 1 * *", "2026-03-01T00:20", "2026-07-12T12:00", "2026-07-01T00:20", 3),
    "settlement": ("settlement", "2026-03-25T00:00", "2026-07-12T12:00", "2026-06-25T00:00", 2),
}


@pytest.mark.parametrize("kind", DOWN)
def test_after_downtime_the_last_due_time_is_served_and_the_others_are_counted(tmp_path, kind):
    schedule, before, after, due, missed = DOWN[kind]
    with Served(tmp_path, schedule) as (workspace, poll):
        assert poll(dt.datetime.fromisoformat(before)) == 0
        clock.fix(f"{after}:00+08:00")
        (job,) = due_jobs(workspace, read_targets(workspace), read_plans(workspace), clock.now())
        assert dt.datetime.fromtimestamp(job.due_at_ms / 1000, ZONE).replace(tzinfo=None) == dt.datetime.fromisoformat(
            due
        )
        assert job.missed == missed


def test_a_day_freeze_plan_stores_the_register_of_midnight_whenever_it_is_served(tmp_path):
    with Served(tmp_path, "5 0 * * *", items="freeze_daily_active_import_1") as (workspace, poll):
        assert poll(dt.datetime(2026, 7, 3, 9, 30)) == 0  # hours late
        rows = [at for at, row in stored(workspace, "energy", "2026-07-03").items() if row["kind"] == "freeze_day"]
        assert rows == [dt.datetime(2026, 7, 3)]


@pytest.mark.parametrize(
    ("item", "family", "stamps"),
    [
        ("freeze_minute:active_import+active_power@last4", "power", ["11:45", "12:00", "12:15", "12:30"]),
        ("task_records:active_power@last3", "power", ["12:00", "12:15", "12:30"]),
        ("freeze_hour:voltage@last2", "voltage", ["11:00", "12:00"]),
    ],
)
def test_rows_of_record_tables_can_be_planned(tmp_path, item, family, stamps):
    with Served(tmp_path, "*/30 * * * *", items=item, protocol="dlt698.45") as (workspace, poll):
        assert poll(dt.datetime(2026, 7, 1, 12, 30)) == 0
        assert [at.strftime("%H:%M") for at in sorted(stored(workspace, family))] == stamps


class Served:
    """A workspace with one simulated meter of an account that is read on the 25th, and a plan."""

    def __init__(self, tmp_path, schedule, *, items="voltage_a", protocol="dlt645-2007"):
        self.tmp_path, self.schedule, self.items, self.protocol = tmp_path, schedule, items, protocol

    def __enter__(self):
        (self.tmp_path / "park.toml").write_text(METER.format(protocol=self.protocol))
        self.working = at_work(self.tmp_path / "park.toml")
        park = self.working.__enter__()
        folder = self.tmp_path / "office"
        init_workspace(folder)
        text = (
            f'[[poll_plan]]\npoll_plan = "plan"\nitems = "{self.items}"\nschedule = "{self.schedule}"\n'
            '[[poll_assignment]]\npoll_plan = "plan"\n'
        )
        (self.tmp_path / "registry.toml").write_text(registry_text(park) + text + ACCOUNT)
        clock.fix("2026-01-01T00:00:00+08:00")
        where = ["--workspace", str(folder), "--now", "2026-01-01T00:00:00+08:00"]
        assert run(["registry", "import", str(self.tmp_path / "registry.toml"), *where]) == 0

        def poll(at):
            return run(["poll", "--due", "--workspace", str(folder), "--now", at.replace(tzinfo=ZONE).isoformat()])

        return open_workspace(folder), poll

    def __exit__(self, *error):
        self.working.__exit__(*error)
