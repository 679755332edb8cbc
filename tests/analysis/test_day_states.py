"""Kept day states: a closed span reads no samples, and every way to a result gives the same bytes."""

import importlib.util
import random
from pathlib import Path

import pytest

from keyacct import clock
from keyacct.analysis.load import load
from keyacct.analysis.voltage import voltage_compliance
from keyacct.model import MINUTE_MS, Period

_spec = importlib.util.spec_from_file_location("day_state_data", Path(__file__).with_name("day_state_data.py"))
data = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(data)
DAY_MS, JUNE_DAYS, fill, merge_stamps, points, same, tables_of, without_states = (
    data.DAY_MS,
    data.JUNE_DAYS,
    data.fill,
    data.merge_stamps,
    data.points,
    data.same,
    data.tables_of,
    data.without_states,
)

pytestmark = pytest.mark.usefixtures("joins")


@pytest.mark.parametrize("seed", range(14))
def test_with_and_without_states_every_byte_is_the_same(make_office, seed):
    office = make_office()
    points(office, seed)
    fill(office, seed)
    assert same(office.workspace) == []
    assert same(office.workspace, Period.parse("2026-06-05")) == []
    assert same(office.workspace, Period.parse("2026-06-04..2026-06-06")) == []


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
@pytest.mark.parametrize("seed", range(3))
def test_days_that_change_the_clock_join_too(make_office, day, seed):
    office = make_office(workspace={"timezone": "Europe/Berlin"})
    clock.fix("2026-12-01T00:00+01:00")
    for n, meter in enumerate(("M1", "M2")):
        office.point(f"P{n}", "2026-01-01", "2027-01-01", account_no=f"100000000{n}", meter=meter)
    year, month, number = day.split("-")
    fill(office, seed, days=6, first=f"{year}-{month}-{int(number) - 3}", meters=("M1", "M2"))
    assert (
        same(office.workspace, Period.parse(f"{year}-{month}-{int(number) - 1}..{year}-{month}-{int(number) + 1}"))
        == []
    )
    assert same(office.workspace, Period.parse(day)) == []


@pytest.mark.parametrize("seed", range(4))
def test_corrections_late_data_and_lost_files_change_no_byte(make_office, seed):
    office = make_office()
    points(office, seed)
    fill(office, seed)
    rnd = random.Random(seed)
    tables_of(office.workspace)
    for _ in range(4):
        match rnd.randrange(4):
            case 0:  # a late reading, in some day or right at a seam
                at = office.at(f"2026-06-{rnd.randrange(2, 10):02d}") + rnd.choice((0, MINUTE_MS, 11 * 60 * MINUTE_MS))
                office.sample("voltage", at + 3, meter="M1", a=200)
                office.sample("power", at + 3, meter="M2", p=3, q=1)
                office.sample("energy", at + 3, "register", meter="M3", **{"import": 0.5})
            case 1:  # a ratio and a limit that turn out to have been others
                row = rnd.choice(office.parameters)
                row["ct"], row["upper_v"] = row["ct"] * 2, row["upper_v"] - 1
            case 2:  # a tariff table that is corrected
                office.tariffs[0]["end_min"] += 30
            case 3:  # files that are lost, cut short, or no longer what they were
                for path in sorted((office.workspace.states).rglob("*.state")):
                    kind = rnd.randrange(5)
                    if kind == 0:
                        path.unlink()
                    elif kind == 1:
                        path.write_bytes(path.read_bytes()[: rnd.randrange(200)])
                    elif kind == 2:
                        raw = bytearray(path.read_bytes())
                        raw[rnd.randrange(len(raw))] ^= 1 << rnd.randrange(8)
                        path.write_bytes(raw)
        merge_stamps(office)
        assert same(office.workspace) == []


def test_a_closed_span_reads_no_samples(office, reads):
    points(office, 1)
    fill(office, 1)
    tables_of(office.workspace)
    made = reads.taken()
    assert made
    again = tables_of(office.workspace)
    assert reads.taken() == []
    assert again == tables_of(without_states(office.workspace))
    assert reads.taken() != []


def test_a_late_reading_makes_its_day_alone_again(office, reads):
    points(office, 2)
    fill(office, 2)
    tables_of(office.workspace)
    reads.taken()
    office.sample("voltage", "2026-06-05T00:07", meter="M2", a=230)
    tables_of(office.workspace)
    begin = office.at("2026-06-05")
    assert {seen[:3] for seen in reads.taken()} == {("voltage", begin + 1, begin + DAY_MS + 1)}


def test_a_ratio_that_is_corrected_touches_its_days_and_its_meter_and_no_energy(office, reads):
    for n in range(3):
        office.point(f"P{n}", "2026-05-01", "2026-06-05", meter=f"M{n + 1}", account_no=f"100000000{n}")
        office.point(f"P{n}", "2026-06-05", "2026-06-07", meter=f"M{n + 1}", account_no=f"100000000{n}", ct=2.0)
        office.point(f"P{n}", "2026-06-07", "2026-07-01", meter=f"M{n + 1}", account_no=f"100000000{n}")
    fill(office, 3)
    tables_of(office.workspace)
    reads.taken()
    office.parameters[4]["ct"] = 3.0
    assert office.parameters[4]["point"] == "P1"
    tables_of(office.workspace)
    touched = reads.taken()
    days = {(office.at(f"2026-06-0{n}") + 1, office.at(f"2026-06-0{n + 1}") + 1) for n in (5, 6)}
    assert {(low, high) for _, low, high, _ in touched} == days
    assert {meters for _, _, _, meters in touched} == {("M2",)}
    # Of the four kinds of states only the load has the current ratio in it.
    assert sorted(family for family, *_ in touched) == ["energy", "energy", "power", "power"]
    assert same(office.workspace) == []


def test_a_limit_that_is_corrected_touches_the_voltages_of_its_meter_alone(office, reads):
    points(office, 5)
    fill(office, 5)
    tables_of(office.workspace)
    reads.taken()
    for row in office.parameters:
        if row["point"] == "P2":
            row["upper_v"] += 1
    tables_of(office.workspace)
    assert {(family, meters) for family, _, _, meters in reads.taken()} == {("voltage", ("M3",))}


def test_an_exchange_at_midnight_and_one_inside_a_day_join(office):
    office.point("P1", "2026-05-01", "2026-06-05", meter="M1")
    office.point("P1", "2026-06-05", "2026-06-06T11:30", meter="M2")
    office.point("P1", "2026-06-06T11:30", "2026-07-01", meter="M3")
    fill(office, 4)
    for meter in ("M2", "M3"):
        office.sample("energy", "2026-06-05" if meter == "M2" else "2026-06-06T11:30", "register", meter=meter,
                      **{"import": 0.25})  # fmt: skip
    merge_stamps(office)
    assert same(office.workspace) == []
    assert same(office.workspace, Period.parse("2026-06-05..2026-06-06")) == []


def test_a_meter_that_comes_back_and_a_point_that_changes_hands_are_read_from_samples(office, reads):
    office.point("P1", "2026-05-01", "2026-06-04", meter="M1", account_no="1000000001")
    office.point("P1", "2026-06-06", "2026-07-01", meter="M1", account_no="1000000001")
    office.point("P2", "2026-05-01", "2026-06-05T09:00", meter="M2", account_no="1000000002")
    office.point("P2", "2026-06-05T09:00", "2026-07-01", meter="M2", account_no="1000000003")
    office.point("P3", "2026-05-01", "2026-07-01", meter="M3", account_no="1000000004")
    fill(office, 6)
    assert same(office.workspace) == []
    reads.taken()
    load(office.workspace, JUNE_DAYS)
    assert {meters for *_, meters in reads.taken()} == {("M1", "M2")}


def test_few_accounts_of_many_read_their_samples_and_keep_nothing(office):
    for n in range(5):
        office.point(f"P{n}", "2026-05-01", "2026-07-01", meter=f"M{n}", account_no=f"100000000{n}")
    fill(office, 7, meters=[f"M{n}" for n in range(5)])
    assert same(office.workspace, accounts=["1000000001"]) == []
    assert not (office.workspace.states).exists()
    assert same(office.workspace, accounts=[f"100000000{n}" for n in range(4)]) == []
    assert (office.workspace.states).exists()


@pytest.mark.parametrize("period", ["2026-08", "2026-07-31..2026-08-02"])
def test_a_span_that_is_not_over_reads_samples(office, period):
    office.point(end="2026-09-01")
    office.sample("voltage", "2026-07-31T12:00", a=220)
    voltage_compliance(office.workspace, Period.parse(period))
    assert not (office.workspace.states).exists()


def test_snapshots_that_follow_and_blocks_that_do_not_fill_a_day_read_samples(make_office):
    office = make_office(samples={"snapshot_stands_for": "following"})
    points(office, 8)
    fill(office, 8)
    assert same(office.workspace) == []
    assert not (office.workspace.states).exists()
    office = make_office(demand={"window_min": 7})
    points(office, 8)
    fill(office, 8)
    load(office.workspace, JUNE_DAYS)
    assert not (office.workspace.states / "load").exists()


def test_a_workspace_that_cannot_be_written_is_answered_from_samples(office, joins):
    points(office, 9)
    fill(office, 9)
    (office.workspace.states).write_text("no folder", encoding="utf-8")
    assert same(office.workspace) == []
    assert set(joins) >= {"voltage", "load", "energy"}
    joins.clear()


def test_many_small_files_of_a_day_become_one(office):
    for n in range(12):
        office.point(f"P{n:02}", "2026-05-01", "2026-07-01", meter=f"M{n:02}", account_no=f"10000000{n:02}")
    fill(office, 10, days=6, meters=[f"M{n:02}" for n in range(12)])
    day = Period.parse("2026-06-03")
    folder = office.workspace.states / "voltage" / "day=2026-06-03"
    most = 0
    for n in range(12):
        office.parameters[n]["upper_v"] += 1
        voltage_compliance(office.workspace, day)
        most = max(most, len(list(folder.iterdir())))
        assert same(office.workspace, day) == []
    assert 2 < most <= 9
