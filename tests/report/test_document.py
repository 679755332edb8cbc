"""Numbers are rounded once, missing values say why, times read as the field writes them."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyacct.errors import InternalError
from keyacct.i18n import Text
from keyacct.report.document import NOT_COMPUTABLE, Absent, Column, TableSpec, interval_end, rounded

ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")
NAME = Text("n", "n")


def column(kind: str = "number", decimals: int = 2) -> Column:
    return Column("k", NAME, NAME, kind, decimals=decimals)


@pytest.mark.parametrize(
    ("value", "decimals", "shown"),
    [
        (0.895, 2, "0.90"),  # the tariff rule's own example: half up, not to even
        (0.9549, 2, "0.95"),
        (Decimal("2.5"), 0, "3"),
        (1234567.891, 1, "1,234,567.9"),
        (-0.004, 2, "0.00"),
        (-0.75, 2, "-0.75"),
        (7, 3, "7.000"),
        (1e-7, 2, "0.00"),
        (10**15, 0, "1,000,000,000,000,000"),
    ],
)
def test_numbers_are_rounded_half_up_at_the_column(value: object, decimals: int, shown: str) -> None:
    cell = column(decimals=decimals).cell(value)
    assert cell.text == Text(shown, shown)
    assert cell.plain == shown.replace(",", "")


def test_a_share_is_shown_as_percent() -> None:
    assert column("share", 3).cell(0.97996).text.en == "97.996"
    assert column("share", 2).cell(1).text.en == "100.00"


@given(st.floats(-1e9, 1e9), st.integers(0, 4))
def test_rounding_is_never_off_by_more_than_half_a_digit(value: float, decimals: int) -> None:
    assert abs(rounded(value, decimals) - Decimal(repr(value))) <= Decimal(5).scaleb(-decimals - 1)


def test_a_missing_value_is_a_dash_with_its_reason_never_zero() -> None:
    cell = column().cell(None)
    assert (cell.text.en, cell.number, cell.plain) == ("–", None, None)
    assert cell.absent == column().absent
    why = Text("meter removed", "已拆表")
    assert column().cell(Absent(why)).absent == why
    assert column().cell(float("nan")).absent == NOT_COMPUTABLE
    assert column().cell(float("inf")).absent == NOT_COMPUTABLE


def test_reasons_are_listed_once_with_their_columns() -> None:
    first, second = Column("a", NAME, NAME), Column("b", NAME, NAME)
    why = Absent(Text("no data", "无"))
    table = TableSpec("t", NAME, NAME, (first, second)).fill([{"a": why, "b": why}, {"a": why, "b": 1}])
    assert table.reasons() == [(why.reason, [first, second])]


def test_the_last_interval_of_a_day_ends_at_24() -> None:
    assert interval_end(dt.datetime(2026, 7, 1, tzinfo=ZONE)) == "2026-06-30 24:00"
    assert interval_end(dt.datetime(2026, 6, 30, 0, 15, tzinfo=ZONE)) == "2026-06-30 00:15"
    cell = column("instant").cell(dt.datetime(2026, 7, 1, tzinfo=ZONE))
    assert (cell.text.zh, cell.plain) == ("2026-06-30 24:00", "2026-07-01T00:00+08:00")


@pytest.mark.parametrize(
    ("kind", "value"),
    [("number", "5"), ("number", True), ("instant", dt.datetime(2026, 7, 1)), ("date", "2026-07-01"),
     ("verdict", 1), ("text", 5), ("date", dt.datetime(2026, 7, 1, tzinfo=ZONE))],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_is_a_defect_not_a_guess(kind: str, value: object) -> None:
    with pytest.raises(InternalError):
        column(kind).cell(value)
