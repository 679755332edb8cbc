import datetime as dt
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyacct import clock
from keyacct.analysis.voltage import voltage_compliance
from keyacct.errors import ConfigError
from keyacct.model import MINUTE_MS, Period, civil, midnight_ms

JUNE = Period.parse("2026-06")


def total(office, phase, period=JUNE):
    rows = voltage_compliance(office.workspace, period).total.to_pylist()
    return next(row for row in rows if row["phase"] == phase)


def test_the_stamp_at_midnight_closes_the_day_before(office):
    office.point()
    office.sample("voltage", "2026-06-02T00:00", a=240)
    days = voltage_compliance(office.workspace, JUNE).day.to_pylist()
    seen = {row["day"]: row["monitored_min"] for row in days if row["monitored_min"] is not None}
    assert seen == {dt.date(2026, 6, 1): 15.0}


def test_a_value_on_a_limit_complies_and_a_millivolt_beyond_does_not(office):
    office.point()
    for n, volts in enumerate(("235.400", "235.401", "198.000", "197.999", "154.000", "153.999")):
        office.sample("voltage", office.at("2026-06-01T00:15") + n * 15 * MINUTE_MS, a=volts)
    row = total(office, "A")
    assert (row["monitored_min"], row["over_limit_min"], row["under_limit_min"]) == (75.0, 15.0, 30.0)
    assert row["below_floor_min"] == 15.0
    assert row["rate"] == pytest.approx(1 - 45 / 75)
    assert (row["max_v"], row["min_v"]) == (235.401, 154.0)
    assert row["max_at"].isoformat() == "2026-06-01T00:30:00+08:00"
    assert row["passed"] is False


def test_over_voltage_has_its_own_counter_and_stays_over_the_limit(office):
    office.point()
    office.sample("voltage", "2026-06-01T00:15", a="264.000")
    office.sample("voltage", "2026-06-01T00:30", a="264.001")
    row = total(office, "A")
    assert (row["over_limit_min"], row["overvoltage_min"]) == (30.0, 15.0)


def test_a_gap_of_two_intervals_is_bridged_and_a_longer_one_is_not_monitored(office):
    office.point()
    for at in ("2026-06-01T00:15", "2026-06-01T00:45", "2026-06-01T02:00"):
        office.sample("voltage", at, a=220)
    assert total(office, "A")["monitored_min"] == 15 + 30 + 15


def test_three_wire_meters_are_judged_by_line_voltages_without_phase_b(office):
    office.point(wiring="3p3w", pt=100.0, nominal_v=10_000.0, lower_v=9_300.0, upper_v=10_700.0)
    office.sample("voltage", "2026-06-01T00:15", a="107.001", b="1", c="100")
    rows = voltage_compliance(office.workspace, JUNE).total.to_pylist()
    assert [row["phase"] for row in rows] == ["AB", "CB", "total"]
    assert [row["over_limit_min"] for row in rows] == [15.0, 0.0, 15.0]
    assert rows[0]["max_v"] == 10_700.1
    assert rows[2]["monitored_min"] == 30.0


def test_the_ratio_applies_iff_the_meter_reads_secondary(office):
    office.point(pt=100.0, reading_side="primary")
    office.sample("voltage", "2026-06-01T00:15", a=220)
    assert total(office, "A")["mean_v"] == 220.0


def test_limits_change_at_their_instant_inside_the_period(office):
    office.point(end="2026-06-10", upper_v=210.0)
    office.point(start="2026-06-10", upper_v=230.0)
    office.sample("voltage", "2026-06-10T00:00", a=220)
    office.sample("voltage", "2026-06-10T00:15", a=220)
    row = total(office, "A")
    assert (row["over_limit_min"], row["monitored_min"], row["upper_v"]) == (15.0, 30.0, 230.0)
    days = {r["day"]: r["upper_v"] for r in voltage_compliance(office.workspace, JUNE).day.to_pylist()}
    assert (days[dt.date(2026, 6, 9)], days[dt.date(2026, 6, 10)]) == (210.0, 230.0)


def test_a_meter_exchange_joins_both_meters_parts(office):
    office.point(end="2026-06-10", meter="M2")
    office.point(start="2026-06-10", meter="M1")
    office.sample("voltage", "2026-06-09T12:00", meter="M2", a=230)
    office.sample("voltage", "2026-06-11T12:00", meter="M1", a=230)
    row = total(office, "A")
    assert (row["monitored_min"], row["meter"]) == (30.0, "M2, M1")
    assert row["max_at"].isoformat() == "2026-06-09T12:00:00+08:00"


def test_an_interval_value_goes_before_a_snapshot_of_the_same_stamp(office):
    office.point()
    office.sample("voltage", "2026-06-01T00:15", kind="interval", a=220)
    office.sample("voltage", "2026-06-01T00:15", kind="snapshot", a=250)
    row = total(office, "A")
    assert (row["mean_v"], row["monitored_min"]) == (220.0, 15.0)


def test_snapshots_may_stand_for_the_time_after_them(make_office):
    office = make_office(samples={"snapshot_stands_for": "following"})
    office.point()
    office.sample("voltage", "2026-06-02T00:00", kind="snapshot", a=220)
    days = voltage_compliance(office.workspace, JUNE).day.to_pylist()
    assert [row["day"].day for row in days if row["monitored_min"]] == [2, 2]


def test_no_values_give_nulls_and_no_verdict(office):
    office.point()
    row = total(office, "A")
    measured = ("monitored_min", "over_limit_min", "rate", "max_v", "max_at", "mean_v", "passed")
    assert [row[name] for name in measured] == [None] * len(measured)
    assert row["completeness"] == 0.0


def test_only_values_below_the_floor_give_no_rate(office):
    office.point()
    office.sample("voltage", "2026-06-01T00:15", a=1)
    row = total(office, "A")
    assert (row["rate"], row["monitored_min"], row["below_floor_min"]) == (None, 0.0, 15.0)


def test_a_point_without_limits_has_levels_but_no_rate(office):
    office.point(lower_v=None, upper_v=None)
    office.sample("voltage", "2026-06-01T00:15", a=250)
    row = total(office, "A")
    assert (row["rate"], row["over_limit_min"], row["passed"], row["max_v"]) == (None, None, None, 250.0)


def test_completeness_is_of_the_time_so_far(office):
    clock.fix("2026-06-02T00:00+08:00")
    office.point()
    for n in range(1, 49):
        office.sample("voltage", office.at("2026-06-01T00:00") + n * 15 * MINUTE_MS, a=220)
    assert total(office, "A")["completeness"] == 0.5


def test_an_unknown_account_is_a_registry_error(office):
    office.point()
    with pytest.raises(ConfigError) as caught:
        voltage_compliance(office.workspace, JUNE, accounts=["404"])
    assert (caught.value.code, caught.value.exit_code) == ("config.registry_not_found", 3)


def test_a_ratio_of_zero_is_named_with_its_point(office):
    office.point(pt=0.0)
    office.sample("voltage", "2026-06-01T00:15", a=1)
    with pytest.raises(ConfigError, match="P1"):
        voltage_compliance(office.workspace, JUNE)


def slow(values, spans, zone, period, *, gap, floor, ceiling):
    """The rules, said plainly with fractions: day → counters. values: (ms, Decimal or None), sorted."""
    result = {}
    known = [(ms, value) for ms, value in values if value is not None]
    for n, (ms, value) in enumerate(known):
        interval = 15 * MINUTE_MS
        since = ms - known[n - 1][0] if n else None
        weight = since if since is not None and since <= gap * interval else interval
        anchor = ms - min(weight, interval)
        span = next((s for s in spans if s["from_ms"] <= anchor < s["to_ms"]), None)
        day = civil(anchor, zone).date()
        if span is None or not period.first <= day <= period.last:
            continue

        def exact(number):
            return Fraction(Decimal(repr(number)))

        volts = Fraction(value) * exact(span["pt"])
        none = dict.fromkeys(("mon", "over", "under", "floor", "ov", "sum"), 0) | {"max": None}
        counters = result.setdefault(day, none)
        if volts < exact(floor) * exact(span["nominal_v"]):
            counters["floor"] += weight
            continue
        counters["mon"] += weight
        counters["over"] += weight if volts > exact(span["upper_v"]) else 0
        counters["under"] += weight if volts < exact(span["lower_v"]) else 0
        counters["ov"] += weight if volts > exact(ceiling) * exact(span["nominal_v"]) else 0
        counters["sum"] += volts * weight
        if counters["max"] is None or volts > counters["max"][0]:
            counters["max"] = (volts, ms)
    return result


LIMITS_MV = (198_000, 235_400, 154_000, 264_000)
ZONES = {
    "Asia/Shanghai": ("2028-02-27..2028-03-02", 0),  # a leap day
    "Europe/Berlin": ("2026-03-27..2026-03-31", 0),  # a day of 23 hours
    "America/New_York": ("2026-10-30..2026-11-03", 0),  # a day of 25 hours
}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    zone=st.sampled_from(sorted(ZONES)),
    steps=st.lists(
        st.tuples(
            st.sampled_from((15, 15, 15, 15, 5, 1, 30, 31, 45, 300)),
            st.one_of(st.none(), st.integers(0, 300_000), st.sampled_from(LIMITS_MV)),
        ),
        min_size=1,
        max_size=250,
    ),
    start_min=st.integers(-60, 600),
    cut_min=st.integers(0, 4 * 1440),
    ratios=st.tuples(st.sampled_from((1.0, 1.1, 0.7, 100.0)), st.sampled_from((1.0, 3.0, 2.2))),
)
def test_the_kernel_agrees_with_a_slow_reference(make_office, zone, steps, start_min, cut_min, ratios):
    office = make_office(workspace={"timezone": zone})
    clock.fix("2029-01-01T00:00Z")
    period = Period.parse(ZONES[zone][0])
    from_ms, to_ms = period.bounds_ms(office.workspace.zone)
    seam = from_ms + cut_min * MINUTE_MS
    for ratio, begin, end in ((ratios[0], from_ms, seam), (ratios[1], seam, to_ms)):
        if begin < end:
            office.point(pt=ratio, start="2026-01-01", end="2026-01-02")
            office.parameters[-1] |= {"from_ms": begin, "to_ms": end}
    at, values = from_ms + start_min * MINUTE_MS, []
    for minutes, value in steps:
        at += minutes * MINUTE_MS
        volts = None if value is None else Decimal(value).scaleb(-3)
        values.append((at, volts))
        office.sample("voltage", at, a=volts)
    config = office.workspace.settings
    expected = slow(
        values,
        office.parameters,
        office.workspace.zone,
        period,
        gap=config.samples.max_gap_intervals,
        floor=config.voltage.assessment_floor,
        ceiling=config.voltage.overvoltage,
    )
    got = voltage_compliance(office.workspace, period)
    for row in got.day.to_pylist():
        want = expected.get(row["day"])
        if row["phase"] != "A" or want is None:
            assert row["phase"] != "A" or row["monitored_min"] is None
            continue
        names = ("monitored_min", "over_limit_min", "under_limit_min", "below_floor_min", "overvoltage_min")
        keys = ("mon", "over", "under", "floor", "ov")
        assert [row[name] for name in names] == [want[key] / MINUTE_MS for key in keys]
        if want["mon"]:
            assert row["mean_v"] == pytest.approx(float(want["sum"] / want["mon"]), rel=1e-12)
            assert row["max_v"] == pytest.approx(float(want["max"][0]), rel=1e-15)
            assert row["max_at"].timestamp() * 1000 == want["max"][1]
    whole = next(row for row in got.total.to_pylist() if row["phase"] == "A")
    monitored = sum(day["mon"] for day in expected.values())
    assert (whole["monitored_min"] or 0) == monitored / MINUTE_MS
    if monitored:
        outside = sum(day["over"] + day["under"] for day in expected.values())
        assert whole["rate"] == pytest.approx(1 - outside / monitored, abs=1e-15)
    assert midnight_ms(period.first, office.workspace.zone) == from_ms
