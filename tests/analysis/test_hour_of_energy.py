"""The hour of the day that the energy between two readings belongs to: that in which its interval began."""

import datetime as dt

import pytest

from keyacct.analysis.power_factor import power_factor
from keyacct.model import MINUTE_MS, Period

DAY = Period.parse("2026-06-10")


def hours(office, period=DAY):
    """Hour → kWh, of the hours that have any."""
    table = power_factor(office.workspace, period).hours.to_pylist()
    assert [row["hour"] for row in table] == list(range(24))
    return {row["hour"]: row["wp_kwh"] for row in table if row["wp_kwh"]}


def at(minute):
    return f"2026-06-10T{minute // 60:02}:{minute % 60:02}"


# The interval is 15 minutes and two of them may be bridged; a longer gap counts where it began, one above an hour nowhere.
STEPS = [
    (59, 74, 0), (60, 75, 1), (45, 60, 0), (44, 59, 0),  # an interval begins with its first reading
    (44, 74, 0), (45, 75, 1), (30, 60, 0),  # two intervals: the last of them counts
    (59, 60, 0), (60, 61, 1), (64, 74, 1),  # shorter than an interval: since the reading before
    (59, 104, 0), (60, 105, 1), (29, 60, 0), (59, 119, 0), (60, 120, 1),  # longer: since the reading before
    (59, 120, None), (60, 121, None),
]  # fmt: skip


@pytest.mark.parametrize(("then", "now", "hour"), STEPS)
def test_of_registers_it_is_the_hour_in_which_the_last_interval_began(office, then, now, hour):
    office.point()
    office.sample("energy", at(then), "register", **{"import": 100, "q1": 0})
    office.sample("energy", at(now), "register", **{"import": 107, "q1": 0})
    assert hours(office) == ({} if hour is None else {hour: 7})
    (account,) = power_factor(office.workspace, DAY).accounts.to_pylist()
    assert (account["wp_kwh"], "unattributed" in account["flags"]) == (7, hour is None)


@pytest.mark.parametrize(("stamp", "hour"), [(60, 0), (74, 0), (75, 1), (134, 1), (135, 2)])
def test_an_increment_belongs_to_the_hour_in_which_its_interval_began(office, stamp, hour):
    office.point()
    office.sample("energy", at(stamp), "interval", **{"import": 7, "q1": 0})
    assert hours(office) == {hour: 7}


@pytest.mark.parametrize(
    ("stamps", "found"),
    # A value of 4 kW stands for the time since the one before up to two intervals, else for one; the last interval counts.
    [
        ((59, 74), {0: 2}), ((60, 75), {0: 1, 1: 1}), ((59, 60), {0: 1 + 4 / 60}), ((60, 61), {0: 1, 1: 4 / 60}),
        ((44, 74), {0: 3}), ((45, 75), {0: 1, 1: 2}), ((44, 75), {0: 1, 1: 1}), ((30, 74), {0: 2}),
    ],
)  # fmt: skip
def test_of_powers_it_is_the_hour_in_which_the_last_interval_of_a_value_began(office, stamps, found):
    office.point()
    for stamp in stamps:
        office.sample("power", at(stamp), p=4, q=0)
    assert hours(office) == pytest.approx(found)


@pytest.mark.parametrize("source", ["register", "interval", "power"])
def test_a_midnight_that_is_left_out_has_no_hour_zero(make_office, source):
    # In Cairo 23 April 2026 ends at 22:00 UTC and 24 April begins with 01:00.
    office = make_office(workspace={"timezone": "Africa/Cairo"})
    office.point(start="2026-04-01", end="2026-05-01")
    midnight = int(dt.datetime(2026, 4, 23, 22, tzinfo=dt.UTC).timestamp() * 1000)
    for n in range(-4, 5):
        stamp = midnight + n * 15 * MINUTE_MS
        if source == "register":
            office.sample("energy", stamp, "register", **{"import": 100 + 2 ** (n + 4), "q1": 0})
        elif n > -4:
            kwh = 2 ** (n + 4) - 2 ** (n + 3)
            if source == "power":
                office.sample("power", stamp, p=4 * kwh, q=0)
            else:
                office.sample("energy", stamp, "interval", **{"import": kwh, "q1": 0})
    # Hour 23 has the four quarters before the midnight, hour 1 the four behind it.
    assert hours(office, Period.parse("2026-04-23..2026-04-24")) == {23: 2**4 - 2**0, 1: 2**8 - 2**4}
    assert hours(office, Period.parse("2026-04-24")) == {1: 2**8 - 2**4}


def test_an_hour_that_comes_twice_has_both_and_one_that_is_left_out_none(make_office):
    office = make_office(workspace={"timezone": "Europe/Berlin"})
    office.point(start="2025-01-01", end="2027-01-01")
    for day in ("2025-10-26", "2026-03-29"):
        begin = int(dt.datetime.fromisoformat(f"{day}T00:00+00:00").timestamp() * 1000)
        for n in range(13):
            office.sample("energy", begin + n * 15 * MINUTE_MS, "register", **{"import": 2**n, "q1": 0})
    # 26 October: hours 2 (summer), 2 (winter), 3; 29 March: hours 1, 3, 4.
    quarters = [2**4 - 2**0, 2**8 - 2**4, 2**12 - 2**8]
    assert hours(office, Period.parse("2025-10-26")) == {2: quarters[0] + quarters[1], 3: quarters[2]}
    assert hours(office, Period.parse("2026-03-29")) == {1: quarters[0], 3: quarters[1], 4: quarters[2]}
