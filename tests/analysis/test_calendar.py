"""Holidays and make-up working days: tariff periods by day type, and the typical day."""

import datetime as dt

import pytest

from keyacct.analysis.load import load
from keyacct.analysis.power_factor import power_factor
from keyacct.analysis.typical_day import choose_day
from keyacct.config import CalendarSettings
from keyacct.model import Period

CALENDAR = {"holidays": ["2026-06-19"], "workdays": ["2026-06-21"]}
"""The Dragon Boat Festival of 2026, a Friday; the Sunday after it as a make-up working day (made up for the test)."""
KINDS = {"2026-06-18": "workday", "2026-06-19": "holiday", "2026-06-20": "weekend", "2026-06-21": "workday"}
PERIOD_OF = {"workday": "peak", "weekend": "flat", "holiday": "valley"}


def spread(office, *, with_holiday=True):
    """One kilowatt in each hour of four days, and a table with one period a kind of day."""
    office.point(interval_min=60, tariff_table="T")
    for kind, period in PERIOD_OF.items():
        if kind != "holiday" or with_holiday:
            office.slot(period, 0, 1440, day_type=kind)
    for day in KINDS:
        for hour in range(1, 25):
            at = office.at(f"{day}T00:00") + hour * 3_600_000
            office.sample("power", at, p=1, q=1)
            office.sample("energy", at, "interval", **{"import": 1, "q1": 1})


@pytest.mark.parametrize("day", sorted(KINDS))
def test_the_tariff_period_follows_the_kind_of_day(make_office, day):
    office = make_office(calendar=CALENDAR)
    spread(office)
    row = load(office.workspace, Period.parse(day)).total.to_pylist()[0]
    found = {name: row[f"{name}_kwh"] for name in ("sharp", "peak", "flat", "valley")}
    assert found == dict.fromkeys(found, 0.0) | {PERIOD_OF[KINDS[day]]: 24.0}
    of_day = power_factor(office.workspace, Period.parse(day)).accounts.to_pylist()[0]
    known = [name for name in ("sharp", "peak", "flat", "valley") if of_day[f"pf_{name}"] is not None]
    assert known == [PERIOD_OF[KINDS[day]]]


def test_without_slots_of_its_own_a_holiday_is_a_weekend_day(make_office):
    office = make_office(calendar=CALENDAR)
    spread(office, with_holiday=False)
    rows = load(office.workspace, Period.parse("2026-06-18..2026-06-21")).day.to_pylist()
    assert [(row["peak_kwh"], row["flat_kwh"]) for row in rows] == [(24.0, 0.0), (0.0, 24.0), (0.0, 24.0), (24.0, 0.0)]


def test_without_a_calendar_the_weekday_decides(office):
    spread(office)
    rows = load(office.workspace, Period.parse("2026-06-18..2026-06-21")).day.to_pylist()
    assert [row["peak_kwh"] for row in rows] == [24.0, 24.0, 0.0, 0.0]


def test_a_season_over_the_new_year_and_its_holiday(make_office):
    office = make_office(calendar={"holidays": ["2026-01-01"]})
    office.point(start="2025-12-01", end="2026-03-01", interval_min=60, tariff_table="T")
    office.slot("flat", 0, 1440)
    office.slot("sharp", 1080, 1140, season=(1201, 131))
    office.slot("valley", 0, 1440, season=(1201, 131), day_type="holiday")
    for day in ("2025-12-31", "2026-01-01", "2026-02-01"):
        for hour in range(1, 25):
            office.sample("power", office.at(f"{day}T00:00") + hour * 3_600_000, p=2, q=0)
    rows = {row["day"]: row for row in load(office.workspace, Period.parse("2025-12-31..2026-02-01")).day.to_pylist()}
    got = [[rows[dt.date(*day)][f"{n}_kwh"] for n in ("sharp", "flat", "valley")]
           for day in ((2025, 12, 31), (2026, 1, 1), (2026, 2, 1))]  # fmt: skip
    assert got == [[2.0, 46.0, 0.0], [0.0, 0.0, 48.0], [0.0, 48.0, 0.0]]


def test_a_typical_day_is_no_holiday_but_may_be_a_made_up_workday():
    calendar = CalendarSettings(holidays=("2026-06-19",), workdays=("2026-06-21",))
    days = [
        {"day": dt.date(2026, 6, day), "energy_kwh": energy, "completeness": 1.0}
        for day, energy in ((18, 90.0), (19, 50.0), (20, 60.0), (21, 80.0), (22, 70.0))
    ]
    assert choose_day(days, calendar) == (dt.date(2026, 6, 21), 3, True)
    assert choose_day(days) == (dt.date(2026, 6, 22), 3, True)
