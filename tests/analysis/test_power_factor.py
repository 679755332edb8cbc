import csv
import json
import math
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyacct.analysis.pf_adjustment import RULE_1983, assessed
from keyacct.analysis.power_factor import power_factor
from keyacct.cli.run import run
from keyacct.model import MINUTE_MS, Period, civil

JUNE = Period.parse("2026-06")
HOUR = 60 * MINUTE_MS


def account(office, **more):
    return power_factor(office.workspace, JUNE, **more).accounts.to_pylist()[0]


def boundaries(office, **columns):
    """Registers at the two ends of June: 0, then the given values."""
    office.sample("energy", "2026-06-01T00:00", "register", **dict.fromkeys(columns, 0))
    office.sample("energy", "2026-07-01T00:00", "register", **columns)


def _printed():
    path = Path(__file__).resolve().parents[2] / "fixtures" / "tariffs" / "pf-adjustment-1983.tsv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [(row["standard"], row["power_factor"], row["percent"]) for row in rows]


PRINTED = _printed()
"""(83)水电财字215号: standard, power factor, percent."""


@pytest.mark.parametrize(("standard", "rebates"), [("0.90", 11), ("0.85", 16), ("0.80", 21)])
def test_every_printed_percent_of_the_rule(standard, rebates):
    table = {Decimal(factor): Decimal(percent) for of, factor, percent in PRINTED if of == standard}
    assert len(table) == rebates + 28
    assert {factor: RULE_1983.percent(factor, Decimal(standard)) for factor in table} == table


def test_the_command_prints_every_printed_percent_and_the_test_values_of_the_rule(office, tmp_path, capsys):
    # A customer each; the factor is one of two energies, to 10^-4 kvarh. 0.857 is 40 000 forward and 20 000 reverse kvarh.
    (tmp_path / "keyacct.toml").write_text("")
    wanted = {}
    for standard, factor, percent in [
        *PRINTED,
        ("0.90", "0.52", "41"),
        ("0.90", "0.9549", "-0.75"),
        ("0.90", "0.857", "2"),
    ]:
        account_no = f"{len(wanted) + 1:010}"
        assessed_as = Decimal(factor).quantize(Decimal("0.01"), ROUND_HALF_UP)
        wanted[account_no] = (Decimal(standard), assessed_as, Decimal(percent), assessed_as >= Decimal(standard))
        meter = f"M{account_no}"
        office.point(f"P{account_no}", account_no=account_no, meter=meter, pf_standard=float(standard))
        share = float(factor)
        ends = {"import": 1000 * share, "q1": 1000 * math.sqrt(1 - share * share), "q4": 0}
        if factor == "0.857":
            ends = {"import": 100_000, "q1": 40_000, "q4": 20_000}
        office.sample("energy", "2026-06-01T00:00", "register", meter=meter, **dict.fromkeys(ends, 0))
        office.sample("energy", "2026-07-01T00:00", "register", meter=meter, **{k: f"{v:.4f}" for k, v in ends.items()})
    asked = ["pf", "--period", "2026-06", "--workspace", str(tmp_path), "--now", "2026-07-05T00:00+08:00"]
    assert run([*asked, "--lang", "en", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    names = ("pf_standard", "pf_assessed", "adjustment_pct")
    got = {r["account_no"]: (*(Decimal(str(r[name])) for name in names), r["passed"]) for r in rows}
    assert got == wanted
    assert run([*asked, "--account", "0000000133", "--lang", "en"]) == 0
    assert "41.00" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("power_factor", "percent"), [("0.60", "25"), ("0.52", "41"), ("0.9549", "-0.75"), ("0.895", "0")]
)
def test_values_are_rounded_half_up_before_the_table(power_factor, percent):
    assert RULE_1983.percent(assessed(Decimal(power_factor)), Decimal("0.90")) == Decimal(percent)


def test_forward_and_reverse_reactive_add_by_amount(office):
    office.point()
    boundaries(office, **{"import": 100_000, "q1": 40_000, "q4": 20_000})
    row = account(office)
    assert (row["wp_kwh"], row["wq_kvarh"], round(row["pf"], 3)) == (100_000.0, 60_000.0, 0.857)
    assert (row["pf_assessed"], row["adjustment_pct"]) == (Decimal("0.86"), Decimal("2.00"))
    assert (row["passed"], row["leading"], row["completeness"]) == (False, False, 1.0)
    assert row["flags"] == ["unattributed"]


@pytest.mark.parametrize(("mode", "percent", "value"), [("net", "-0.75", "0.98"), ("forward_only", "-0.45", "0.93")])
def test_other_reactive_modes_are_a_setting(make_office, mode, percent, value):
    office = make_office(power_factor={"reactive_mode": mode})
    office.point()
    boundaries(office, **{"import": 100_000, "q1": 40_000, "q4": 20_000})
    row = account(office)
    assert (row["pf_assessed"], row["adjustment_pct"]) == (Decimal(value), Decimal(percent))


def test_quadrants_that_count_are_a_setting(make_office):
    office = make_office(power_factor={"quadrants": ["q1", "q2", "q3", "q4"]})
    office.point()
    boundaries(office, **{"import": 100, "q1": 10, "q2": 20, "q3": 30, "q4": 40})
    assert account(office)["wq_kvarh"] == 100.0


def test_a_single_pair_of_registers_is_q1_and_q4(office):
    office.point()
    boundaries(office, **{"import": 100, "reactive_import": 10, "reactive_export": 30})
    row = account(office)
    assert (row["q1_kvarh"], row["q4_kvarh"], row["wq_kvarh"], row["leading"]) == (10.0, 30.0, 40.0, True)


def test_the_multiplier_applies_iff_the_meter_reads_secondary(office):
    office.point(pt=100.0, ct=30.0)
    office.point("P2", meter="M2", pt=100.0, ct=30.0, reading_side="primary")
    boundaries(office, **{"import": "1.5", "q1": 1})
    for at, value in (("2026-06-01T00:00", 0), ("2026-07-01T00:00", 7)):
        office.sample("energy", at, "register", meter="M2", **{"import": value, "q1": value})
    result = power_factor(office.workspace, JUNE)
    assert [row["wp_kwh"] for row in result.points.to_pylist()] == [4500.0, 7.0]
    assert result.accounts.to_pylist()[0]["wp_kwh"] == 4507.0


def test_check_meters_are_listed_but_not_billed(office):
    office.point()
    office.point("P2", meter="M2", kind="check")
    for meter in ("M1", "M2"):
        for at, value in (("2026-06-01T00:00", 0), ("2026-07-01T00:00", 50)):
            office.sample("energy", at, "register", meter=meter, **{"import": value, "q1": 1})
    result = power_factor(office.workspace, JUNE)
    assert len(result.points) == 2
    assert result.accounts.to_pylist()[0]["wp_kwh"] == 50.0


def test_a_fall_of_a_register_is_flagged_and_never_negative(office):
    office.point()
    for n, value in enumerate((100, 150, 20, 30)):
        at = office.at("2026-06-01T00:00") + n * HOUR
        office.sample("energy", at, "register", **{"import": value, "q1": n})
    row = account(office)
    assert row["wp_kwh"] == 60.0
    assert row["flags"] == ["boundary_end", "register_decrease"]


def test_missing_boundaries_take_the_nearest_reading_inside_and_say_so(office):
    office.point()
    for day, value in (("2026-05-31", 0), ("2026-06-02", 10), ("2026-06-30", 90), ("2026-07-02", 200)):
        office.sample("energy", f"{day}T00:00", "register", **{"import": value, "q1": value})
    row = account(office)
    assert row["wp_kwh"] == 80.0
    assert {"boundary_start", "boundary_end"} <= set(row["flags"])
    assert row["completeness"] == pytest.approx(28 / 30)


def test_a_change_of_ct_applies_from_its_reading(office):
    office.point(end="2026-06-11", ct=10.0)
    office.point(start="2026-06-11", ct=20.0)
    for day, value in (("2026-06-01", 0), ("2026-06-11", 100), ("2026-07-01", 300)):
        office.sample("energy", f"{day}T00:00", "register", **{"import": value, "q1": value})
    assert account(office)["wp_kwh"] == 100 * 10 + 200 * 20


def test_a_gap_over_a_change_of_ct_is_flagged_and_not_guessed(office):
    office.point(end="2026-06-11", ct=10.0)
    office.point(start="2026-06-11", ct=20.0)
    for day, value in (("2026-06-01", 0), ("2026-06-10", 90), ("2026-06-12", 120), ("2026-07-01", 310)):
        office.sample("energy", f"{day}T00:00", "register", **{"import": value, "q1": value})
    row = account(office)
    assert row["wp_kwh"] == 90 * 10 + 190 * 20
    assert "gap_over_seam" in row["flags"]


def test_increments_are_summed_by_hour_and_tariff_period(office):
    office.point(tariff_table="T", interval_min=60)
    office.slot("flat", 0, 1440)
    office.slot("peak", 480, 720)
    office.slot("valley", 1380, 420)
    for hour, wp, wq in ((1, 10, 0), (9, 30, 40), (10, 30, 40), (13, 50, 0)):
        office.sample("energy", f"2026-06-01T{hour:02}:00", "interval", **{"import": wp, "q1": wq})
    row = account(office)
    assert (row["wp_kwh"], row["wq_kvarh"], row["flags"]) == (120.0, 80.0, [])
    assert (row["pf_peak"], row["pf_flat"], row["pf_valley"], row["pf_sharp"]) == (0.6, 1.0, 1.0, None)
    hours = power_factor(office.workspace, JUNE).hours.to_pylist()
    assert len(hours) == 24
    assert {r["hour"]: r["pf"] for r in hours if r["pf"] is not None} == {0: 1.0, 8: 0.6, 9: 0.6, 12: 1.0}


def test_a_meter_with_power_only_is_integrated(office):
    office.point(pt=100.0, ct=10.0)
    office.sample("power", "2026-06-01T00:15", p=4, q=3)
    office.sample("power", "2026-06-01T00:30", p=4, q=-3)
    office.sample("power", "2026-06-01T00:45", p=None, q=9)
    row = account(office)
    assert (row["wp_kwh"], row["q1_kvarh"], row["q4_kvarh"], row["pf"]) == (2000.0, 750.0, 750.0, 0.8)
    assert row["flags"] == ["integrated"]


def test_no_energy_gives_nulls_and_energy_below_resolution_no_factor(office):
    office.point()
    row = account(office)
    assert [row[name] for name in ("wp_kwh", "pf", "pf_assessed", "passed", "adjustment_pct")] == [None] * 5
    boundaries(office, **{"import": "0.0099", "q1": 0})
    row = account(office)
    assert (row["wp_kwh"], row["pf"], row["passed"]) == (0.0099, None, None)


def test_an_account_without_a_standard_is_not_assessed(office):
    office.point(pf_standard=None)
    boundaries(office, **{"import": 4, "q1": 3})
    row = account(office)
    assert (row["pf"], row["pf_assessed"]) == (0.8, Decimal("0.80"))
    assert (row["passed"], row["adjustment_pct"], row["pf_standard"]) == (None, None, None)


def test_registers_without_reactive_give_no_factor(office):
    office.point()
    boundaries(office, **{"import": 4})
    row = account(office)
    assert (row["wp_kwh"], row["pf"]) == (4.0, None)
    assert "no_reactive" in row["flags"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    zone=st.sampled_from(("Asia/Shanghai", "Europe/Berlin", "America/New_York")),
    start_min=st.integers(-120, 120),
    steps=st.lists(
        st.tuples(
            st.sampled_from((15, 15, 15, 30, 45, 60, 61, 600)),
            st.one_of(st.none(), st.integers(-50, 400)),
            st.one_of(st.none(), st.integers(-5, 300)),
        ),
        min_size=2,
        max_size=120,
    ),
    factors=st.tuples(st.sampled_from((1.0, 1.5)), st.sampled_from((1.0, 40.0))),
)
def test_register_energies_agree_with_a_slow_reference(make_office, zone, start_min, steps, factors):
    office = make_office(workspace={"timezone": zone})
    period = Period.parse("2026-03-27..2026-03-31")  # Berlin's clocks change on the 29th
    from_ms, to_ms = period.bounds_ms(office.workspace.zone)
    office.point(pt=factors[0], ct=factors[1], start="2026-01-01", end="2027-01-01")
    at, values, columns = from_ms + start_min * MINUTE_MS, [5000, 3000], {"import": [], "q1": []}
    for minutes, *increments in steps:
        at += minutes * MINUTE_MS
        row = {}
        for n, name in enumerate(columns):
            if increments[n] is not None:
                values[n] += increments[n]
                row[name] = Decimal(values[n]).scaleb(-2)
                if from_ms <= at <= to_ms:
                    columns[name].append((at, row[name]))
        office.sample("energy", at, "register", **row)
    multiplier = Decimal(str(factors[0])) * Decimal(str(factors[1]))
    result = power_factor(office.workspace, period)
    row, by_hour = result.accounts.to_pylist()[0], {}
    for name, key in (("import", "wp_kwh"), ("q1", "q1_kvarh")):
        pairs = list(pairwise(columns[name]))
        kept = [(then, now) for then, now in pairs if now[1] >= then[1]]
        assert (row[key] or 0) == float(sum((now[1] - then[1] for then, now in kept), Decimal(0)) * multiplier)
        assert ("register_decrease" in row["flags"]) or len(kept) == len(pairs)
        for then, now in kept if name == "import" else ():
            gap = now[0] - then[0]
            if gap <= HOUR:
                anchor = now[0] - min(gap, 15 * MINUTE_MS) if gap <= 30 * MINUTE_MS else then[0]
                hour = civil(anchor, office.workspace.zone).hour
                by_hour[hour] = by_hour.get(hour, Decimal(0)) + (now[1] - then[1]) * multiplier
    for hour in result.hours.to_pylist():
        assert (hour["wp_kwh"] or 0) == float(by_hour.get(hour["hour"], Decimal(0)))


def test_an_account_without_a_billing_point_has_its_point_and_no_sum(office):
    office.point(kind="check")
    office.sample("energy", "2026-06-01", "register", **{"import": 1, "q1": 1})
    office.sample("energy", "2026-07-01", "register", **{"import": 5, "q1": 2})
    result = power_factor(office.workspace, Period.parse("2026-06"))
    assert result.accounts["wp_kwh"].to_pylist() == [None]
    assert result.points["wp_kwh"].to_pylist() == [4.0]


def test_meters_with_quadrants_and_with_one_pair_of_registers_add_up(office):
    office.point("P1", meter="M1")
    office.point("P2", meter="M2")
    for meter, names in (("M1", ("q1", "q4")), ("M2", ("reactive_import", "reactive_export"))):
        for at, value in (("2026-06-01", 0), ("2026-07-01", 30)):
            office.sample(
                "energy", at, "register", meter=meter, **{"import": value * 2, names[0]: value, names[1]: value / 3}
            )
    (account,) = power_factor(office.workspace, Period.parse("2026-06")).accounts.to_pylist()
    assert (account["wp_kwh"], account["wq_kvarh"]) == (120.0, 80.0)
    assert (account["q1_kvarh"], account["q4_kvarh"]) == (60.0, 20.0)
