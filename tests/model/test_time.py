from __future__ import annotations

import datetime as dt
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyacct import clock
from keyacct.errors import UsageError
from keyacct.model import Period, civil, midnight_ms, zone_offsets

SHANGHAI = zoneinfo.ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("text", "first", "last", "kind"),
    [
        ("2026", "2026-01-01", "2026-12-31", "year"),
        ("2026Q1", "2026-01-01", "2026-03-31", "quarter"),
        ("2028-02", "2028-02-01", "2028-02-29", "month"),
        ("2026-06/1", "2026-06-01", "2026-06-10", "ten_day"),
        ("2026-02/3", "2026-02-21", "2026-02-28", "ten_day"),
        ("2026-W01", "2025-12-29", "2026-01-04", "week"),
        ("2026-06-01", "2026-06-01", "2026-06-01", "day"),
        ("2026-05-20..2026-06", "2026-05-20", "2026-06-30", "span"),
    ],
)
def test_a_period_is_whole_civil_days(text: str, first: str, last: str, kind: str) -> None:
    period = Period.parse(text)
    assert (str(period.first), str(period.last), period.kind) == (first, last, kind)


@pytest.mark.parametrize("text", ["", "2026-13", "26-06", "2026-06/4", "2026-W54", "2026-02-30", "2026-06..2026-05"])
def test_what_is_no_period_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="no period"):
        Period.parse(text)


def test_a_day_of_shanghai_begins_at_16_utc_of_the_day_before() -> None:
    day = dt.date(2026, 6, 1)
    assert civil(midnight_ms(day, SHANGHAI), SHANGHAI).isoformat() == "2026-06-01T00:00:00+08:00"
    assert Period.parse("2026-06-01").bounds_ms(SHANGHAI) == (1780243200000, 1780329600000)


@pytest.mark.parametrize("name", ["Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "UTC"])
@given(st.integers(0, 366 * 24 * 60))
def test_zone_offsets_agree_with_the_zone_at_every_minute(name: str, minute: int) -> None:
    zone = zoneinfo.ZoneInfo(name)
    start = midnight_ms(dt.date(2026, 1, 1), zone)
    offsets = zone_offsets(start, start + 367 * 86_400_000, zone)
    at = start + minute * 60_000
    offset = civil(at, zone).utcoffset()
    assert offset is not None
    assert [o for begin, o in offsets if begin <= at][-1] == offset.total_seconds() * 1000


def utc(text: str) -> int:
    return int(dt.datetime.fromisoformat(f"{text}+00:00").timestamp() * 1000)


@pytest.mark.parametrize(
    ("name", "changes"),
    # The instants of the rules of 2026: the last Sunday of March and October, 01:00 UTC; Lord Howe by half an hour, at 02:00
    # local time of 5 April and 4 October.
    [
        ("Europe/Berlin", [("2026-03-29T01:00", 120), ("2026-10-25T01:00", 60)]),
        ("Australia/Lord_Howe", [("2026-04-04T15:00", 630), ("2026-10-03T15:30", 660)]),
        ("Asia/Shanghai", []),
    ],
)
def test_an_offset_holds_from_the_very_instant_of_its_change(name: str, changes: list[tuple[str, int]]) -> None:
    zone = zoneinfo.ZoneInfo(name)
    expected = [(utc(at), minutes * 60_000) for at, minutes in changes]
    for begin in ("2026-01-01T00:00", "2026-01-01T07:13"):
        assert zone_offsets(utc(begin), utc("2027-01-01T00:00"), zone)[1:] == expected
    # A span that ends at the change or just behind it has the change; one that ends before has none.
    for at, offset in expected:
        for end, found in ((at + 60_000, [(at, offset)]), (at, [(at, offset)]), (at - 60_000, [])):
            assert zone_offsets(at - 86_400_000, end, zone)[1:] == found, (name, end - at)
        assert zone_offsets(at, at + 86_400_000, zone) == [(-(2**62), offset)]


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("2026-03-29", "2026-03-28T23:00", "2026-03-29T22:00"),  # 23 hours
        ("2026-10-25", "2026-10-24T22:00", "2026-10-25T23:00"),  # 25 hours
        ("2026-03", "2026-02-28T23:00", "2026-03-31T22:00"),
        ("2026-10", "2026-09-30T22:00", "2026-10-31T23:00"),
        ("2026-10-25..2026-10-26", "2026-10-24T22:00", "2026-10-26T23:00"),
    ],
)
def test_a_period_ends_at_a_midnight_whatever_its_last_day_is_long(text: str, begin: str, end: str) -> None:
    assert Period.parse(text).bounds_ms(zoneinfo.ZoneInfo("Europe/Berlin")) == (utc(begin), utc(end))


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [("2026-05/1", 1, 10), ("2026-05/2", 11, 20), ("2026-05/3", 21, 31), ("2026-06/3", 21, 30), ("2028-02/3", 21, 29)],
)
def test_ten_day_periods_fill_the_month(text: str, first: int, last: int) -> None:
    period = Period.parse(text)
    assert (period.first.day, period.last.day) == (first, last)


def test_the_clock_stands_where_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYACCT_NOW", "2026-07-01T08:00+08:00")
    assert clock.now() == dt.datetime(2026, 7, 1, tzinfo=dt.UTC)
    clock.fix("2026-07-02T00:00Z")
    assert clock.now_ms() == 1782950400000
    clock.fix(None)
    assert clock.now() == dt.datetime(2026, 7, 1, tzinfo=dt.UTC)
    monkeypatch.delenv("KEYACCT_NOW")
    assert abs(clock.now() - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)


def test_a_time_that_is_none_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="ISO 8601"):
        clock.parse("yesterday")
