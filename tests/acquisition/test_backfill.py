"""Backfill through the public door: the poll stands still for hours, the gaps are filled from what the meters recorded."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import zoneinfo

import pytest
from park_at_work import at_work

from keyacct import clock
from keyacct.cli.run import run
from keyacct.config import open_workspace
from keyacct.simulation.account import registry_text
from keyacct.store.read import read_table
from keyacct.workflow.poll_backfill import find_gaps
from keyacct.workflow.poll_targets import read_targets
from keyacct.workflow.workspace import init_workspace

ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")
METER = '[[line]]\n[[line.meter]]\nprotocol = "{protocol}"\naddress = "161"\nkw = 12.0\nshape = "flat"\npower_factor = 1.0\n'
ITEMS = {"dlt645-2007": "voltage_a,active_power_total", "dlt698.45": "voltage,active_power"}
PLAN = (
    '[[poll_plan]]\npoll_plan = "quarter"\nitems = "{items}"\nschedule = "*/15 * * * *"\n'
    '[[poll_assignment]]\npoll_plan = "quarter"\n'
)


@pytest.fixture(autouse=True)
def _clock():
    yield
    clock.fix(None)


@contextlib.contextmanager
def office(tmp_path, protocol="dlt645-2007", memory=""):
    """A workspace whose line is a simulated one; gives the workspace and a way to run `poll` at a time."""
    (tmp_path / "park.toml").write_text(METER.format(protocol=protocol) + memory)
    with at_work(tmp_path / "park.toml") as park:
        folder = tmp_path / "office"
        init_workspace(folder)
        (tmp_path / "registry.toml").write_text(
            registry_text(park).replace('"\n\n', '"\n') + PLAN.format(items=ITEMS.get(protocol, "voltage_a"))
        )
        assert run(["registry", "import", str(tmp_path / "registry.toml"), "--workspace", str(folder)]) == 0

        def poll(now, *options):
            code = run(["poll", *options, "--workspace", str(folder), "--now", f"{now}+08:00"])
            clock.fix(f"{now}+08:00")
            return code

        yield open_workspace(folder), poll, park.description.lines[0].meters[0]


def stored(workspace, family, day="2026-07-01", days=1):
    begin = dt.datetime.fromisoformat(day).replace(tzinfo=ZONE).timestamp() * 1000
    rows = read_table(workspace, family, int(begin), int(begin) + days * 86_400_000 + 1).to_pylist()
    return {row["ts"].astimezone(ZONE).replace(tzinfo=None): row for row in rows}


def downtime(poll, first="2026-07-01T08:00:00", last="2026-07-01T12:00:00"):
    """Two rounds before the stop, one after it."""
    assert poll(first, "--due") == 0
    assert poll(last, "--due") == 0


@pytest.mark.parametrize("protocol", ["dlt645-2007", "dlt698.45"])
def test_hours_without_a_poll_are_filled_with_what_a_live_read_would_have_given(tmp_path, capsys, protocol):
    with office(tmp_path, protocol) as (workspace, poll, meter):
        downtime(poll)
        assert len(stored(workspace, "power")) == 2
        capsys.readouterr()
        assert poll("2026-07-01T12:00:00", "--backfill", "2026-07-01", "--format", "json") == 0
        (row,) = json.loads(capsys.readouterr().out)
        assert row["failed"] == 0
        power = stored(workspace, "power")
        stamps = {dt.datetime(2026, 7, 1) + n * dt.timedelta(minutes=15) for n in range(1, 49)}
        assert stamps <= set(power)
        for family, column, live in (
            ("power", "p", meter.load.power_kw), ("voltage", "a", lambda at: meter.load.voltage(at, 0)),
        ):  # fmt: skip
            got = stored(workspace, family)
            for stamp in stamps:
                assert float(got[stamp][column]) == pytest.approx(live(stamp), abs=0.051)
        assert find_gaps(workspace, list(read_targets(workspace).values()), "2026-07-01") == []
        assert poll("2026-07-01T12:00:00", "--backfill", "2026-07-01") == 0
        assert "nothing can be filled" in capsys.readouterr().err
        assert poll("2026-07-01T12:00:00", "--status", "--format", "json") == 0
        rates = {row["plan"]: row for row in json.loads(capsys.readouterr().out)}
        assert rates["backfill"]["final_rate"] == rates["backfill"]["first_pass_rate"] == 1.0
        assert (rates["quarter"]["missed"], rates["quarter"]["items_today"]) == (15, 4)


def test_a_backfilled_value_is_the_one_that_a_live_read_of_that_minute_gave(tmp_path):
    with office(tmp_path) as (workspace, poll, _):
        assert poll("2026-07-01T09:30:00", "--due") == 0
        live = stored(workspace, "power")[dt.datetime(2026, 7, 1, 9, 30)]["p"]
    other = tmp_path / "other"
    other.mkdir()
    with office(other) as (workspace, poll, _):
        assert poll("2026-07-01T12:00:00", "--backfill", "2026-07-01") == 0
        assert stored(workspace, "power")[dt.datetime(2026, 7, 1, 9, 30)]["p"] == live


@pytest.mark.parametrize("protocol", ["dlt645-2007", "dlt698.45"])
def test_missing_midnights_come_from_day_freezes(tmp_path, protocol):
    with office(tmp_path, protocol) as (workspace, poll, _):
        assert poll("2026-07-05T10:00:00", "--backfill", "2026-07-01..2026-07-03") == 0
        rows = {
            at: row for at, row in stored(workspace, "energy", "2026-07-01", 4).items() if row["kind"] == "freeze_day"
        }
        assert set(rows) == {dt.datetime(2026, 7, day) for day in (2, 3, 4)}
        for at, row in rows.items():
            # 12 kW flat since 2026-01-01, 100 kWh at first
            assert float(row["import"]) == 100 + 12 * (at - dt.datetime(2026, 1, 1)).total_seconds() / 3600


@pytest.mark.parametrize("protocol", ["dlt645-2007", "dlt698.45"])
def test_what_lies_beyond_the_depth_is_a_named_gap_and_never_a_value(tmp_path, capsys, protocol):
    with office(tmp_path, protocol) as (workspace, poll, meter):
        assert poll("2026-07-01T12:00:00", "--backfill", "2026-04-01") == 0
        told = capsys.readouterr().err
        assert "still missing, beyond_depth: 193 values in 3 gaps" in told  # 96 voltages, 96 powers, one midnight
        assert stored(workspace, "power", "2026-04-01") == {}
        assert meter.asked == 0
        assert poll("2026-07-01T12:00:00", "--gaps", "2026-04-01", "--format", "json") == 0
        rows = json.loads(capsys.readouterr().out)
        assert {(row["family"], row["kind"], row["count"], row["cause"]) for row in rows} == {
            ("voltage", "interval", 96, "beyond_depth"), ("power", "interval", 96, "beyond_depth"),
            ("energy", "freeze_day", 1, "beyond_depth"),
        }  # fmt: skip


def test_a_meter_with_less_memory_than_expected_says_no_and_the_gap_stays_named(tmp_path, capsys):
    with office(tmp_path, memory="memory = { load_record_days = 0.125 }\n") as (workspace, poll, _):
        downtime(poll)
        capsys.readouterr()
        assert poll("2026-07-01T12:00:00", "--backfill", "2026-07-01") == 6
        power = stored(workspace, "power")
        # three hours are kept: 09:00 to 12:00; the round at 08:00 was live
        assert min(at for at in power if at > dt.datetime(2026, 7, 1, 8)) == dt.datetime(2026, 7, 1, 9)
        assert len(power) == 14
        assert "still missing, open" in capsys.readouterr().err
        assert poll("2026-07-01T12:00:00", "--failing", "--format", "json") == 0
        assert {row["cause"] for row in json.loads(capsys.readouterr().out)} == {"no_data"}


@pytest.mark.parametrize("protocol", ["dlt645-2007", "dlt698.45"])
def test_a_hole_in_the_record_stays_a_gap(tmp_path, capsys, protocol):
    hole = 'memory = { holes = [["2026-07-01T02:00", "2026-07-01T05:00"]] }\n'
    with office(tmp_path, protocol, hole) as (workspace, poll, _):
        assert poll("2026-07-01T08:00:00", "--backfill", "2026-07-01") in (0, 6)
        power = stored(workspace, "power")
        assert not [at for at in power if dt.datetime(2026, 7, 1, 2) <= at <= dt.datetime(2026, 7, 1, 5)]
        assert len(power) == 32 - 13
        (gap,) = [g for g in find_gaps(workspace, list(read_targets(workspace).values()), "2026-07-01")
                  if g.family == "power"]  # fmt: skip
        assert (gap.first.hour, gap.last.hour, gap.count, gap.cause) == (2, 5, 13, "open")


@pytest.mark.parametrize("protocol", ["dlt645-2007", "dlt698.45"])
def test_records_with_a_wrong_stamp_fill_nothing(tmp_path, capsys, protocol):
    with office(tmp_path, protocol, "memory = { stamp_off_s = 420.0 }\n") as (workspace, poll, _):
        assert poll("2026-07-01T04:00:00", "--backfill", "2026-07-01") == 6
        assert "clock" in capsys.readouterr().err
        gaps = find_gaps(workspace, list(read_targets(workspace).values()), "2026-07-01")
        assert sum(gap.count for gap in gaps if gap.family == "power") == 16
        assert all(row["quality"] & 4 for row in stored(workspace, "power").values())


def test_a_clock_that_was_set_forward_leaves_out_what_it_passed(tmp_path):
    jump = 'memory = { jumps = [["2026-07-01T02:05", 3600]] }\n'
    with office(tmp_path, "dlt645-2007", jump) as (workspace, poll, meter):
        assert poll("2026-07-01T06:00:00", "--backfill", "2026-07-01") in (0, 6)
        power = stored(workspace, "power")
        assert dt.datetime(2026, 7, 1, 2) in power
        assert not [at for at in power if dt.datetime(2026, 7, 1, 2) < at <= dt.datetime(2026, 7, 1, 3, 5)]
        assert meter.now() == dt.datetime(2026, 7, 1, 7)


def test_a_clock_that_was_set_back_records_a_stretch_twice_and_it_is_stored_once(tmp_path):
    jump = 'memory = { jumps = [["2026-07-01T02:05", -3600]] }\n'
    with office(tmp_path, "dlt645-2007", jump) as (workspace, poll, meter):
        twice = list(meter.memory.load_stamps(dt.datetime(2026, 7, 1, 4), dt.datetime(2026, 7, 1)))
        assert len(twice) == 17 + 4  # 01:15, 01:30, 01:45, 02:00
        for _ in range(3):
            poll("2026-07-01T05:00:00", "--backfill", "2026-07-01")
        rows = read_table(workspace, "power", int(dt.datetime(2026, 7, 1, tzinfo=ZONE).timestamp() * 1000),
                          int(dt.datetime(2026, 7, 1, 4, 1, tzinfo=ZONE).timestamp() * 1000)).to_pylist()  # fmt: skip
        assert len({row["ts"] for row in rows}) == len(rows)


@pytest.mark.parametrize("protocol", ["dlt645-1997", "modbus-rtu"])
def test_meters_without_records_give_a_named_gap(tmp_path, capsys, protocol):
    (tmp_path / "park.toml").write_text(METER.format(protocol=protocol))
    with office(tmp_path, protocol) as (_, poll, meter):
        capsys.readouterr()
        assert poll("2026-07-01T12:00:00", "--backfill", "2026-07-01") == 0
        assert "still missing, no_records: 48 values" in capsys.readouterr().err
        assert meter.asked == 0


def test_a_silent_meter_counts_against_the_backfill_and_not_against_its_plan(tmp_path, capsys):
    with office(tmp_path) as (workspace, poll, meter):
        downtime(poll)
        meter.stumbles = 1
        assert poll("2026-07-01T12:00:00", "--backfill", "2026-07-01", "--timeout", "0.4") == 0
        capsys.readouterr()
        assert poll("2026-07-01T12:00:00", "--status", "--format", "json") == 0
        rates = {row["plan"]: row for row in json.loads(capsys.readouterr().out)}
        assert rates["backfill"]["first_pass_rate"] < rates["backfill"]["final_rate"] == 1.0
        assert rates["quarter"]["first_pass_rate"] == rates["quarter"]["final_rate"] == 1.0
        assert workspace.root.exists()
