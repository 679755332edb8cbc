"""Settlement cycles: every account by its own days, without a gap and without an overlap."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyacct.analysis.settlement import cycles, is_settlement_day, settlement_days
from keyacct.config import BillingSettings
from keyacct.model import Period, civil

ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")
ALWAYS = (-(2**62), 2**62)


def ends(terms: list[dict[str, Any]], period: str, zone: zoneinfo.ZoneInfo = ZONE) -> list[str]:
    found = cycles("A", terms, Period.parse(period), zone, BillingSettings())
    return [f"{civil(c.from_ms, zone):%m-%d}..{civil(c.to_ms, zone):%m-%d}" for c in found]


def terms(day: int | None, count: int | None, span: tuple[int, int] = ALWAYS) -> dict[str, Any]:
    return {"valid_from": span[0], "valid_to": span[1], "reading_day": day, "settlements_per_month": count}


@pytest.mark.parametrize(
    ("day", "count", "days"),
    [
        (1, 1, (1,)), (28, 1, (28,)), (1, 3, (1, 11, 21)), (25, 2, (10, 25)), (5, 3, (5, 15, 25)),
        (1, 2, (1, 16)), (1, 6, (1, 6, 11, 16, 21, 26)), (31, 1, (31,)),
    ],
)  # fmt: skip
def test_the_days_of_a_month(day: int, count: int, days: tuple[int, ...]) -> None:
    assert settlement_days(day, count) == days


def test_a_month_s_cycle_ends_at_the_midnight_after_its_last_day() -> None:
    assert ends([terms(1, 1)], "2026-06") == ["06-01..07-01"]
    assert ends([terms(25, 1)], "2026-06") == ["05-25..06-25"]
    assert ends([], "2026-06") == ["06-01..07-01"], "without terms the settings decide"
    assert ends([terms(None, None)], "2026-06") == ["06-01..07-01"]


def test_ten_day_settlement_ends_three_times_a_month() -> None:
    assert ends([terms(1, 3)], "2026-06") == ["06-01..06-11", "06-11..06-21", "06-21..07-01"]


def test_a_day_that_a_month_does_not_have_is_its_last() -> None:
    assert ends([terms(31, 1)], "2026-02") == ["01-31..02-28"]
    assert ends([terms(31, 1)], "2026-03") == ["02-28..03-31"]
    assert is_settlement_day(dt.date(2028, 2, 29), (31,))


def test_a_moved_reading_day_makes_one_longer_cycle() -> None:
    change = int(dt.datetime(2026, 6, 10, tzinfo=ZONE).timestamp() * 1000)
    moved = [terms(1, 1, (ALWAYS[0], change)), terms(20, 1, (change, ALWAYS[1]))]
    assert ends(moved, "2026-06") == ["06-01..06-20"]
    assert ends(moved, "2026-05..2026-07") == ["05-01..06-01", "06-01..06-20", "06-20..07-20"]


@settings(max_examples=60, deadline=None)
@given(
    changes=st.lists(st.dates(dt.date(2026, 1, 1), dt.date(2026, 12, 31)), max_size=3, unique=True),
    days=st.lists(st.tuples(st.integers(1, 31), st.integers(1, 6)), min_size=4, max_size=4),
    zone=st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/St_Johns"]),
)
def test_months_tile_the_year_whatever_the_terms(
    changes: list[dt.date], days: list[tuple[int, int]], zone: str
) -> None:
    where = zoneinfo.ZoneInfo(zone)
    cuts = [
        ALWAYS[0],
        *sorted(int(dt.datetime.combine(c, dt.time(), where).timestamp() * 1000) for c in changes),
        ALWAYS[1],
    ]
    rows = [terms(*days[n], span) for n, span in enumerate(pairwise(cuts))]
    found = [
        cycle for month in range(1, 13)
        for cycle in cycles("A", rows, Period.parse(f"2026-{month:02d}"), where, BillingSettings())
    ]  # fmt: skip
    assert all(before.to_ms == after.from_ms for before, after in pairwise(found))
    assert found == cycles("A", rows, Period.parse("2026"), where, BillingSettings())


def test_what_holds_in_the_moment_before_decides_whether_it_is_a_settlement() -> None:
    """From 11 June on the 11th is the reading day: that midnight is still of the terms before it."""
    change = int(dt.datetime(2026, 6, 11, tzinfo=ZONE).timestamp() * 1000)
    moved = [terms(1, 1, (ALWAYS[0], change)), terms(11, 1, (change, ALWAYS[1]))]
    assert (ends(moved, "2026-06"), ends(moved, "2026-07")) == ([], ["06-01..07-11"])
