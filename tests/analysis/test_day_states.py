"""Kept day states: a closed span reads no samples, and every way to a result gives the same bytes."""

import itertools
import random

import pyarrow as pa
import pytest

from keyacct import clock
from keyacct.analysis import day_states
from keyacct.analysis.day_states import FOLDER
from keyacct.analysis.load import load
from keyacct.analysis.point_energy import point_energy
from keyacct.analysis.power_factor import power_factor
from keyacct.analysis.voltage import voltage_compliance
from keyacct.config import Workspace
from keyacct.model import MINUTE_MS, Period

JUNE_DAYS = Period.parse("2026-06-03..2026-06-08")
DAY_MS = 24 * 60 * MINUTE_MS


def tables_of(workspace, period=JUNE_DAYS, accounts=None):
    """Every table of every analysis, as bytes."""
    voltage = voltage_compliance(workspace, period, accounts=accounts)
    factor = power_factor(workspace, period, accounts=accounts)
    of_load = load(workspace, period, accounts=accounts)
    energy = point_energy(
        workspace, period, accounts=accounts, cuts=(period.bounds_ms(workspace.zone)[0] + 2 * DAY_MS,)
    )
    tables = {
        "voltage": voltage.total, "voltage day": voltage.day, "load": of_load.total, "load day": of_load.day,
        "curve": of_load.peak_day_curve, "pf": factor.accounts, "pf points": factor.points, "pf hours": factor.hours,
        "energy": energy.spans, "periods": energy.periods,
    }  # fmt: skip
    return {name: as_bytes(table) for name, table in tables.items()}


def as_bytes(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return sink.getvalue().to_pybytes()


def without_states(workspace):
    settings = workspace.settings
    samples = settings.samples.model_copy(update={"day_states": False})
    return Workspace(workspace.root, settings.model_copy(update={"samples": samples}))


def same(workspace, period=JUNE_DAYS, accounts=None):
    """The analyses say the same with and without states; names of the tables that differ."""
    plain = tables_of(without_states(workspace), period, accounts)
    kept = tables_of(workspace, period, accounts)
    return [name for name, table in plain.items() if kept[name] != table]


@pytest.fixture(autouse=True)
def joins(monkeypatch):
    """Every attempt to join states must end in tables: falling back to samples would make a comparison empty."""
    refused, join = [], day_states._joined

    def joined(question, what, *rest):
        tables = join(question, what, *rest)
        if tables is None:
            refused.append(what)
        return tables

    monkeypatch.setattr(day_states, "_joined", joined)
    yield refused
    assert refused == []


class Reads:
    """Which samples were read: (family, from, to)."""

    def __init__(self, office, monkeypatch):
        import sys

        self.seen = []

        def read(workspace, family, from_ms, to_ms, meters=None):
            self.seen.append((family, from_ms, to_ms, tuple(meters or ())))
            return office.read_family(workspace, family, from_ms, to_ms, meters)

        monkeypatch.setattr(sys.modules["keyacct.store.read"], "read_family", read)

    def taken(self):
        seen, self.seen = self.seen, []
        return seen


@pytest.fixture
def reads(office, monkeypatch):
    return Reads(office, monkeypatch)


def fill(office, seed, *, days=9, first="2026-06-01", meters=("M1", "M2", "M3")):
    """Samples of every kind: gaps, readings off the grid and at midnight, falls of a register, some sources missing."""
    rnd = random.Random(seed)
    start = office.at(first)
    for meter in meters:
        step = rnd.choice((5, 15, 15, 15, 60))
        has = {"power": rnd.random() < 0.7, "increments": rnd.random() < 0.5, "registers": rnd.random() < 0.8}
        if not any(has.values()):
            has["power"] = True
        register = [rnd.randrange(0, 10**7) for _ in range(6)]
        silent_from = rnd.randrange(days) * DAY_MS
        silent_to = silent_from + rnd.choice((0, 3, 20, 30, 55)) * 60 * MINUTE_MS
        seen = set()
        for n in range(days * 24 * 60 // step + 1):
            offset = n * step * MINUTE_MS + rnd.choice((0, 0, 0, 0, 0, 7 * MINUTE_MS, 1, -MINUTE_MS))
            if silent_from <= offset < silent_to or rnd.random() < 0.08 or offset in seen or offset < 0:
                continue
            seen.add(offset)
            at = start + offset
            maybe = lambda value: None if rnd.random() < 0.05 else value  # noqa: E731
            volts = {
                x: maybe(round(rnd.choice((100, 190, 198, 220, 235.4, 236, 270)) + rnd.random(), 3)) for x in "abc"
            }
            office.sample("voltage", at, rnd.choice(("interval", "snapshot")), meter=meter, **volts)
            if has["power"]:
                p, q = maybe(round(rnd.uniform(-3, 40), 4)), maybe(round(rnd.uniform(-9, 20), 4))
                office.sample("power", at, rnd.choice(("interval", "snapshot")), meter=meter, p=p, q=q)
            names = ("import", "export", "q1", "q2", "q3", "q4")
            if has["increments"]:
                values = {name: maybe(round(rnd.random(), 4)) for name in names}
                office.sample("energy", at, "interval", meter=meter, **values)
            if has["registers"] and rnd.random() < 0.97:
                register = [value + rnd.randrange(0, 9000) for value in register]
                if rnd.random() < 0.01:
                    register[0] = 5
                values = {name: maybe(value / 10_000) for name, value in zip(names, register, strict=True)}
                office.sample("energy", at, rnd.choice(("register", "register", "freeze_hour")), meter=meter, **values)
    merge_stamps(office)


def merge_stamps(office):
    """One row per key, as the store gives them."""
    for family, rows in office.samples.items():
        unique = {(row["meter"], row["kind"], row["ts"]): row for row in rows}
        office.samples[family] = list(unique.values())


def points(office, seed):
    """Three accounts of four points: changes of ratio, limits, tariff and interval inside days and at midnights."""
    rnd = random.Random(seed)
    office.slot("peak", 8 * 60, 12 * 60)
    office.slot("valley", 23 * 60, 7 * 60)
    office.slot("flat", 12 * 60, 23 * 60, table="U")
    instants = ["2026-06-04", "2026-06-05T10:00", "2026-06-06", "2026-06-07T23:50"]
    for n, meter in enumerate(("M1", "M2", "M3")):
        cuts = ["2026-05-01", *sorted(rnd.sample(instants, rnd.randrange(3))), "2026-07-01"]
        for start, end in itertools.pairwise(cuts):
            ratio = rnd.choice((1.0, 20.0, 66.67, 0.125))
            office.point(
                f"P{n}", start, end, account_no=f"100000000{n // 2}", meter=meter, ct=rnd.choice((1.0, 30.0)),
                pt=ratio, nominal_v=220 * ratio, lower_v=198 * ratio, upper_v=235.4 * ratio,
                wiring=rnd.choice(("3p4w", "3p3w", "1p")), tariff_table=rnd.choice(("T", "U", None)),
                interval_min=rnd.choice((15, 15, 15, 60, 5)),
            )  # fmt: skip


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
                for path in sorted((office.workspace.root / FOLDER).rglob("*.state")):
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
    assert not (office.workspace.root / FOLDER).exists()
    assert same(office.workspace, accounts=[f"100000000{n}" for n in range(4)]) == []
    assert (office.workspace.root / FOLDER).exists()


@pytest.mark.parametrize("period", ["2026-08", "2026-07-31..2026-08-02"])
def test_a_span_that_is_not_over_reads_samples(office, period):
    office.point(end="2026-09-01")
    office.sample("voltage", "2026-07-31T12:00", a=220)
    voltage_compliance(office.workspace, Period.parse(period))
    assert not (office.workspace.root / FOLDER).exists()


def test_snapshots_that_follow_and_blocks_that_do_not_fill_a_day_read_samples(make_office):
    office = make_office(samples={"snapshot_stands_for": "following"})
    points(office, 8)
    fill(office, 8)
    assert same(office.workspace) == []
    assert not (office.workspace.root / FOLDER).exists()
    office = make_office(demand={"window_min": 7})
    points(office, 8)
    fill(office, 8)
    load(office.workspace, JUNE_DAYS)
    assert not (office.workspace.root / FOLDER / "load").exists()


def test_a_workspace_that_cannot_be_written_is_answered_from_samples(office, joins):
    points(office, 9)
    fill(office, 9)
    (office.workspace.root / FOLDER).write_text("no folder", encoding="utf-8")
    assert same(office.workspace) == []
    assert set(joins) >= {"voltage", "load", "energy"}
    joins.clear()


def test_many_small_files_of_a_day_become_one(office):
    for n in range(12):
        office.point(f"P{n:02}", "2026-05-01", "2026-07-01", meter=f"M{n:02}", account_no=f"10000000{n:02}")
    fill(office, 10, days=6, meters=[f"M{n:02}" for n in range(12)])
    day = Period.parse("2026-06-03")
    folder = office.workspace.root / FOLDER / "voltage" / "day=2026-06-03"
    most = 0
    for n in range(12):
        office.parameters[n]["upper_v"] += 1
        voltage_compliance(office.workspace, day)
        most = max(most, len(list(folder.iterdir())))
        assert same(office.workspace, day) == []
    assert 2 < most <= 9
