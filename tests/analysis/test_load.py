import random
from itertools import pairwise

import duckdb
import pyarrow as pa
import pytest

from keyacct.analysis.load import load
from keyacct.model import MINUTE_MS, Period

JUNE = Period.parse("2026-06")


def test_the_demand_is_named_by_its_blocks_end(office):
    office.point(pt=10.0, ct=10.0)
    for at, kw in (("00:15", 1), ("00:30", 3), ("00:45", 2), ("01:00", 3)):
        office.sample("power", f"2026-06-01T{at}", p=kw)
    result = load(office.workspace, JUNE)
    row = result.total.to_pylist()[0]
    assert (row["md_kw"], row["md_at"].isoformat()) == (300.0, "2026-06-01T00:30:00+08:00")
    assert (row["min_kw"], row["mean_kw"], row["peak_valley_gap_kw"]) == (100.0, 225.0, 200.0)
    assert (row["load_rate"], row["min_load_rate"]) == (0.75, pytest.approx(1 / 3))
    assert (row["energy_kwh"], row["demand_kind"]) == (225.0, "block15")
    assert row["completeness"] == pytest.approx(4 / 2880)
    curve = result.peak_day_curve.to_pylist()
    assert len(curve) == 96
    assert [r["kw"] for r in curve[:5]] == [100.0, 300.0, 200.0, 300.0, None]


def test_the_demand_of_an_account_is_the_highest_sum_of_its_points(office):
    office.point()
    office.point("P2", meter="M2")
    office.point("P3", meter="M3", kind="check")
    for n, (one, two) in enumerate(((9, 1), (5, 8), (1, 9))):
        at = office.at("2026-06-01T00:15") + n * 15 * MINUTE_MS
        office.sample("power", at, p=one)
        office.sample("power", at, meter="M2", p=two)
        office.sample("power", at, meter="M3", p=1000)
    row = load(office.workspace, JUNE).total.to_pylist()[0]
    assert (row["md_kw"], row["min_kw"]) == (13.0, 10.0)


def test_five_minute_values_make_a_block_only_when_they_cover_enough_of_it(office):
    office.point(interval_min=5)
    for at, kw in (("00:05", 3), ("00:10", 6), ("00:15", 9), ("00:20", 99)):
        office.sample("power", f"2026-06-01T{at}", p=kw)
    row = load(office.workspace, JUNE).total.to_pylist()[0]
    assert (row["md_kw"], row["energy_kwh"]) == (6.0, pytest.approx((3 + 6 + 9 + 99) / 12))


def test_an_hourly_value_makes_the_demand_of_its_four_blocks(office):
    office.point(interval_min=60)
    office.sample("power", "2026-06-01T01:00", p=8)
    curve = load(office.workspace, JUNE).peak_day_curve.to_pylist()
    assert [r["kw"] for r in curve[:5]] == [8.0, 8.0, 8.0, 8.0, None]


def test_export_is_no_load(office):
    office.point()
    office.sample("power", "2026-06-01T00:15", p=-7)
    office.sample("power", "2026-06-01T00:30", p=4)
    row = load(office.workspace, JUNE).total.to_pylist()[0]
    assert (row["min_kw"], row["energy_kwh"]) == (0.0, 1.0)


def test_energy_goes_to_the_tariff_period_of_the_block(office):
    office.point(tariff_table="T")
    office.slot("flat", 0, 1440)
    office.slot("sharp", 600, 660, season=(701, 831))
    office.slot("peak", 600, 660, season=(601, 630), day_type="workday")
    for at in ("2026-06-01T10:15", "2026-06-01T11:15", "2026-06-06T10:15"):
        office.sample("power", at, p=4)
    row = load(office.workspace, JUNE).total.to_pylist()[0]
    assert [row[f"{name}_kwh"] for name in ("sharp", "peak", "flat", "valley")] == [0.0, 1.0, 2.0, 0.0]


def test_no_values_give_nulls(office):
    office.point(tariff_table="T")
    row = load(office.workspace, JUNE).total.to_pylist()[0]
    names = ("md_kw", "md_at", "min_kw", "mean_kw", "load_rate", "energy_kwh", "peak_kwh")
    assert [row[name] for name in names] == [None] * len(names)


def test_days_agree_with_a_query_over_a_larger_set(office):
    rnd = random.Random(20260601)
    start = office.at("2026-06-01T00:00")
    rows = []
    for m in range(12):
        factor = rnd.choice((1, 20, 300))
        office.point(f"P{m:02}", meter=f"M{m:02}", account_no=f"A{m:02}", ct=float(factor))
        for n in range(1, 30 * 96 + 1):
            if rnd.random() < 0.9:
                kw = rnd.randrange(0, 90_000) / 10_000
                office.sample("power", start + n * 15 * MINUTE_MS, meter=f"M{m:02}", p=kw)
                rows.append({"account": f"A{m:02}", "n": n, "kw": kw * factor})
    result = load(office.workspace, JUNE)
    # A missing quarter of an hour takes the value after it, if that is the only one missing.
    expected = _query(pa.Table.from_pylist(rows))
    got = [
        (r["account_no"], r["day"].day - 1, r["md_kw"], r["min_kw"], r["mean_kw"], r["energy_kwh"])
        for r in result.day.to_pylist()
    ]
    assert len(got) == len(expected) == 12 * 30
    for mine, theirs in zip(got, expected, strict=True):
        assert mine[:2] == theirs[:2]
        assert mine[2:] == pytest.approx(theirs[2:], rel=1e-9)


def _query(samples):
    return (
        duckdb.from_arrow(samples)
        .query(
            "samples",
            """
        with steps as (
            select *, n - lag(n) over (partition by account order by n) as gap from samples),
        blocks as (
            select account, n, kw from steps
            union all select account, n - 1, kw from steps where gap = 2)
        select account, cast(floor((n - 1) / 96) as int) as d, max(kw), min(kw), avg(kw), sum(kw) / 4
        from blocks
        group by account, d order by account, d
        """,
        )
        .fetchall()
    )


def test_an_increment_is_the_mean_power_of_its_interval(office):
    office.point(ct=40.0)
    for at, kwh in (("00:15", "0.25"), ("00:30", "1.5"), ("01:00", "0.5")):
        office.sample("energy", f"2026-06-01T{at}", **{"import": kwh})
    result = load(office.workspace, JUNE)
    row = result.total.to_pylist()[0]
    # 0.25 kWh × 40 in a quarter of an hour: 40 kW; 1.5 kWh: 240 kW; 0.5 kWh: 80 kW.
    assert (row["md_kw"], row["min_kw"], row["mean_kw"], row["energy_kwh"]) == (240.0, 40.0, 120.0, 90.0)
    assert row["md_at"].isoformat() == "2026-06-01T00:30:00+08:00"
    assert (row["demand_kind"], row["flags"]) == ("block15", ["from_energy"])
    assert [r["kw"] for r in result.peak_day_curve.to_pylist()[:5]] == [40.0, 240.0, None, 80.0, None]
    days = result.day.to_pylist()
    assert (days[0]["flags"], days[1]["flags"], days[1]["energy_kwh"]) == (["from_energy"], [], None)


def test_primary_energies_take_no_multiplier(office):
    office.point(ct=40.0, reading_side="primary")
    office.sample("energy", "2026-06-01T00:15", **{"import": 153.14})
    row = load(office.workspace, JUNE).total.to_pylist()[0]
    assert (row["md_kw"], row["energy_kwh"]) == (612.56, 153.14)


def test_registers_and_freezes_are_read_by_differences_and_a_fall_is_flagged(office):
    office.point(ct=2.0)
    steps = (("00:00", 100), ("00:15", 101), ("00:30", 7), ("01:00", 9), ("02:00", 19))
    for n, (at, value) in enumerate(steps):
        kind = "freeze_minute" if n == 1 else "register"
        office.sample("energy", f"2026-06-01T{at}", kind, **{"import": value})
    result = load(office.workspace, JUNE)
    row = result.total.to_pylist()[0]
    # 1 kWh × 2 in 15 min: 8 kW; a fall; 2 kWh × 2 in 30 min: 8 kW; 10 kWh × 2 over more than two intervals: energy.
    assert [r["kw"] for r in result.peak_day_curve.to_pylist()[:5]] == [8.0, None, 8.0, 8.0, None]
    assert (row["md_kw"], row["energy_kwh"]) == (8.0, 26.0)
    assert row["flags"] == ["from_energy", "register_decrease", "unattributed"]


def test_daily_freezes_give_the_energy_of_days_and_no_demand(office):
    office.point()
    for day, value in ((1, 10), (2, 34), (3, 40)):
        office.sample("energy", f"2026-06-{day:02}T00:00", "freeze_day", **{"import": value})
    result = load(office.workspace, JUNE)
    days = result.day.to_pylist()
    assert [(r["energy_kwh"], r["md_kw"]) for r in days[:3]] == [(24.0, None), (6.0, None), (None, None)]
    assert result.total["energy_kwh"].to_pylist() == [30.0]


def test_power_goes_before_energy_meter_by_meter_and_time_by_time(office):
    office.point()
    office.point("P2", meter="M2")
    office.sample("power", "2026-06-01T00:15", p=8)
    for at in ("00:15", "00:30"):
        office.sample("energy", f"2026-06-01T{at}", **{"import": 1})
        office.sample("energy", f"2026-06-01T{at}", meter="M2", **{"import": 0.5})
    curve = load(office.workspace, JUNE).peak_day_curve.to_pylist()
    assert [r["kw"] for r in curve[:3]] == [10.0, 6.0, None]


def test_register_loads_agree_with_a_slow_reading_of_random_registers(office):
    rnd = random.Random(20260602)
    office.point(ct=30.0)
    start, slots = office.at("2026-06-01T00:00"), 30 * 96
    readings, value = {}, 1000
    for n in range(slots + 1):
        value = value + rnd.randrange(0, 50_000) if rnd.random() < 0.99 else rnd.randrange(0, 900)
        if rnd.random() < 0.8:
            readings[n] = value
            office.sample("energy", start + n * 15 * MINUTE_MS, "register", **{"import": value / 10_000})
    kw, energy, stamps = {}, [0] * 31, sorted(readings)
    for before, after in pairwise(stamps):
        step, gap = readings[after] - readings[before], after - before
        if step < 0:
            continue
        if gap <= 2:
            for n in range(before, after):
                kw[n] = step * 30 / 10_000 * 4 / gap
                energy[n // 96] += step * 30 / gap
        elif before // 96 == (after - 1) // 96:
            energy[before // 96] += step * 30
        else:
            energy[30] += step * 30
    result = load(office.workspace, JUNE)
    for day, row in enumerate(result.day.to_pylist()):
        levels = [kw[n] for n in range(day * 96, day * 96 + 96) if n in kw]
        expected = (max(levels), min(levels), sum(levels) / len(levels), energy[day] / 10_000)
        assert (row["md_kw"], row["min_kw"], row["mean_kw"], row["energy_kwh"]) == pytest.approx(expected)
    assert result.total["energy_kwh"].to_pylist() == pytest.approx([sum(energy) / 10_000])
