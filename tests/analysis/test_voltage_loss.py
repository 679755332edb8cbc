"""Voltage lost while current flows, by the conditions that meters publish (Q/GDW 1354-2013 appendix D)."""

import datetime as dt
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyacct.analysis.voltage import voltage_compliance
from keyacct.analysis.voltage_loss import voltage_loss
from keyacct.model import MINUTE_MS, Period, civil

JUNE = Period.parse("2026-06")
DAY = Period.parse("2026-06-01")


def put(office, minute, volts, amperes, *, meter="M1", day="2026-06-01", names=("a", "b", "c")):
    """Values at so many minutes of a day, in the columns a, b, c."""
    at = office.at(f"{day}T00:00") + minute * MINUTE_MS
    if volts is not None:
        office.sample("voltage", at, meter=meter, **dict(zip(names, volts, strict=True)))
    if amperes is not None:
        office.sample("current", at, meter=meter, **dict(zip(("a", "b", "c"), amperes, strict=True)))


def rows_of(table):
    return {(row["point"], row["phase"]): row for row in table.to_pylist()}


def test_minutes_by_phase_and_the_event_itself(office):
    office.point(wiring="3p4w")
    for n, volts in enumerate((220, 171.5, 186, 187.1), start=1):
        put(office, 15 * n, (volts, 220, 220), (1, 1, 1))
    result = voltage_loss(office.workspace, DAY)
    found = rows_of(result.total)
    assert [found["P1", phase]["voltage_loss_min"] for phase in ("A", "B", "C", "total")] == [30.0, 0.0, 0.0, 30.0]
    assert found["P1", "A"]["judged_min"] == 60.0
    (event,) = result.events.to_pylist()
    assert (event["event"], event["phase"], event["minutes"], event["meter"]) == ("voltage_loss", "A", 30.0, "M1")
    assert [event[name].strftime("%H:%M") for name in ("from_at", "to_at")] == ["00:15", "00:45"]


def test_without_current_there_is_no_voltage_loss_and_without_currents_no_row(office):
    office.point(wiring="3p4w")
    for n in range(1, 5):
        put(office, 15 * n, (100, 220, 220), None)
    assert voltage_loss(office.workspace, DAY).total.num_rows == 0
    for n in range(1, 5):
        put(office, 15 * n, None, (0, 1, 1))
    found = rows_of(voltage_loss(office.workspace, DAY).total)["P1", "A"]
    assert (found["voltage_loss_min"], found["phase_loss_min"]) == (0.0, 60.0)


def test_the_loss_of_all_voltages_is_one_event_of_all_phases(office):
    office.point(wiring="3p4w")
    for n in range(1, 5):
        put(office, 15 * n, (0, 0, 0), (0.3, 0, 0))
    result = voltage_loss(office.workspace, DAY)
    assert [(e["event"], e["phase"], e["minutes"]) for e in result.events.to_pylist()] == [
        ("all_voltage_loss", "total", 60.0)
    ]
    assert rows_of(result.total)["P1", "total"]["all_voltage_loss_min"] == 60.0


def test_an_outage_is_no_loss(office):
    office.point(wiring="3p4w")
    for n in range(1, 5):
        put(office, 15 * n, (0, 0, 0), (0, 0, 0))
    assert voltage_loss(office.workspace, DAY).events.num_rows == 0


@pytest.mark.parametrize("names", [("a", "b", "c"), ("ab", "ca", "bc")])
def test_a_blown_fuse_of_three_wires_shows_in_its_line_voltage(office, names):
    # Fuse of phase A: Uab falls, Ucb stays near nominal; phase B is not judged.
    office.point(wiring="3p3w", pt=100.0, nominal_v=10_000.0, lower_v=9_300.0, upper_v=10_700.0)
    for n in range(1, 5):
        put(office, 15 * n, (50, 0, 100), (2, 0, 2), names=names)
    found = rows_of(voltage_loss(office.workspace, DAY).total)
    assert {key[1]: row["voltage_loss_min"] for key, row in found.items()} == {"AB": 60.0, "CB": 0.0, "total": 60.0}


def test_line_voltages_count_whether_they_are_named_or_told_as_a_and_c(office):
    office.point(wiring="3p3w", pt=100.0, nominal_v=10_000.0, lower_v=9_300.0, upper_v=10_700.0)
    office.sample("voltage", "2026-06-01T00:15", ab=108, bc=100, ca=92)
    office.sample("voltage", "2026-06-01T00:30", a=101, c=99)
    rows = {row["phase"]: row for row in voltage_compliance(office.workspace, DAY).total.to_pylist()}
    assert sorted(rows) == ["AB", "CA", "CB", "total"]
    got = {phase: (row["monitored_min"], row["over_limit_min"], row["under_limit_min"]) for phase, row in rows.items()}
    assert got == {"AB": (30, 15, 0), "CB": (30, 0, 0), "CA": (15, 0, 15), "total": (75, 15, 15)}
    assert (rows["AB"]["max_v"], rows["CB"]["min_v"], rows["CA"]["max_v"]) == (10_800.0, 9_900.0, 9_200.0)


def test_a_rated_current_of_one_ampere_comes_from_the_nameplate(office):
    office.point(wiring="1p", ct=100.0, ct_primary_a=100.0, ct_secondary_a=1.0)
    for n, amperes in enumerate((0.005, 0.0051), start=1):
        put(office, 15 * n, (100, None, None), (amperes, None, None))
    assert rows_of(voltage_loss(office.workspace, DAY).total)["P1", "A"]["voltage_loss_min"] == 15.0


def test_both_meters_of_an_exchange_count_and_days_add_up(office):
    office.point(end="2026-06-01T12:00", wiring="3p4w")
    office.point(start="2026-06-01T12:00", wiring="3p4w", meter="M0")
    for n in range(1, 193):
        put(office, 15 * n, (100, 220, 220), (1, 1, 1), meter="M1" if n <= 48 else "M0")
    result = voltage_loss(office.workspace, JUNE)
    assert rows_of(result.total)["P1", "A"]["voltage_loss_min"] == 48 * 60
    days = [r["voltage_loss_min"] for r in result.day.to_pylist() if r["phase"] == "A" and r["voltage_loss_min"]]
    assert days == [24 * 60, 24 * 60]
    assert [e["meter"] for e in result.events.to_pylist()] == ["M1", "M0"]


def test_a_delay_is_kept_in_values_finer_than_it(make_office):
    office = make_office(voltage_loss={"delay_s": 180})
    office.point(wiring="1p", interval_min=1)
    for n, volts in enumerate((140, 140, 220, 140, 140, 140, 220), start=1):
        put(office, n, (volts, None, None), (1, None, None))
    result = voltage_loss(office.workspace, DAY)
    assert rows_of(result.total)["P1", "A"]["voltage_loss_min"] == 3.0


def slow(values, zone, nominal):
    """Phase A of one meter, said plainly: day → minutes of voltage loss. values: (ms, volts, amperes)."""
    minutes, lost, before = {}, False, None
    for ms, volts, amperes in values:
        if volts is None or amperes is None:
            continue
        weight = 15 * MINUTE_MS if before is None or ms - before > 30 * MINUTE_MS else ms - before
        before = ms
        share = Fraction(str(volts)) / nominal
        lost = (
            share <= Fraction(85, 100)
            if lost
            else share < Fraction(78, 100) and Fraction(str(amperes)) > Fraction(25, 1000)
        )
        if lost:
            day = civil(ms - min(weight, 15 * MINUTE_MS), zone).date()
            minutes[day] = minutes.get(day, 0) + Fraction(weight, MINUTE_MS)
    return minutes


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    zone=st.sampled_from(("Asia/Shanghai", "Europe/Berlin", "America/New_York")),
    steps=st.lists(
        st.tuples(
            st.sampled_from((15, 15, 15, 5, 30, 31, 240)),
            st.sampled_from((None, 140, 171.599, 171.6, 186.9, 187, 187.001, 220)),
            st.sampled_from((None, 0, 0.025, 0.0251, 3)),
        ),
        max_size=150,
    ),
)
def test_random_values_agree_with_a_plain_reading_of_the_rule(make_office, zone, steps):
    office = make_office(workspace={"timezone": zone})
    period = Period.parse("2026-03-28..2026-03-31")
    office.point(wiring="1p", start="2026-03-28", end="2026-04-01")
    at, values = office.at("2026-03-28T00:00"), []
    for minutes, volts, amperes in steps:
        at += minutes * MINUTE_MS
        values.append((at, volts, amperes))
        if volts is not None:
            office.sample("voltage", at, a=volts)
        if amperes is not None:
            office.sample("current", at, a=amperes)
    result = voltage_loss(office.workspace, period)
    got = {
        r["day"]: r["voltage_loss_min"] for r in result.day.to_pylist() if r["phase"] == "A" and r["voltage_loss_min"]
    }
    first, last = dt.date(2026, 3, 28), dt.date(2026, 3, 31)  # a value's day is the one its weight begins in
    want = {
        day: float(minutes) for day, minutes in slow(values, office.workspace.zone, 220).items() if first <= day <= last
    }
    assert got == want
    assert sum(e["minutes"] for e in result.events.to_pylist() if e["phase"] == "A") == pytest.approx(
        sum(want.values())
    )
