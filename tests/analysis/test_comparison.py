"""Energies against other periods: which periods, which sums, which cause tags."""

from decimal import Decimal

import pyarrow as pa
import pytest

from keyacct.analysis.comparison import compare, last_year, previous_period
from keyacct.model import Period


@pytest.mark.parametrize(
    ("period", "before", "ago"),
    [
        ("2026-06", "2026-05", "2025-06"),
        ("2026-01", "2025-12", "2025-01"),
        ("2026Q1", "2025Q4", "2025Q1"),
        ("2026", "2025", "2025"),
        ("2026-06/1", "2026-05/3", "2025-06/1"),
        ("2026-06/3", "2026-06/2", "2025-06/3"),
        ("2026-W01", "2025-W52", "2025-W01"),
        ("2026-W53", "2026-W52", None),
        ("2024-02-29", "2024-02-28", None),
        ("2026-06-10..2026-06-12", "2026-06-07..2026-06-09", "2025-06-10..2025-06-12"),
    ],
)
def test_the_compared_periods_are_of_the_same_kind(period, before, ago):
    asked = Period.parse(period)
    assert previous_period(asked).label == before
    other = last_year(asked)
    assert (None if other is None else other.label) == ago


def interval(office, at, kwh, meter="M1"):
    office.sample("energy", at, meter=meter, **{"import": kwh})


@pytest.fixture
def lines(office, monkeypatch):
    """An office whose points have a line as well."""
    own = office.point_parameters

    def with_line(workspace, from_ms, to_ms, accounts=None):
        table = own(workspace, from_ms, to_ms, accounts)
        rows = [row | {"supply_line": "L1" if row["point"] == "P1" else None} for row in table.to_pylist()]
        schema = table.schema.append(pa.field("supply_line", pa.string()))
        return pa.Table.from_pylist(rows, schema=schema)

    import sys

    monkeypatch.setattr(sys.modules["keyacct.registry.parameters"], "point_parameters", with_line)
    return office


def test_changes_shares_and_tags_follow_from_the_energies(lines):
    office = lines
    office.point(start="2026-01-01")
    office.point("P2", meter="M2", start="2026-01-01")
    interval(office, "2026-05-05T12:00", 40)
    interval(office, "2026-06-05T12:00", 50)
    interval(office, "2026-06-05T12:00", 150, "M2")
    by_line, by_account = compare(
        office.workspace, Period.parse("2026-06"), ["line", "account"], accounts=["1000000001"]
    )
    first, unknown = by_line.groups
    assert (first.key, first.energy_kwh.now, first.share) == ("L1", Decimal(50), Decimal("0.25"))
    assert first.energy_kwh.change("before") == Decimal(10)
    assert first.energy_kwh.change_rate("before") == Decimal("0.25")
    assert first.energy_kwh.change("year_ago") is None
    assert (unknown.key, unknown.energy_kwh.before, unknown.energy_kwh.change_rate("before")) == (None, None, None)
    assert {"days_differ", "incomplete_now"} <= set(first.causes)
    (account,) = by_account.groups
    assert (account.energy_kwh.now, account.name) == (Decimal(200), "Riyue")
    assert "points_changed" in account.causes  # the second point had no value in May


def test_an_account_without_any_value_has_no_change_and_no_tag(office):
    office.point(start="2025-01-01")
    (found,) = compare(office.workspace, Period.parse("2026-06"), "account", accounts=["1000000001"])
    (group,) = found.groups
    assert (group.energy_kwh.now, group.share, group.causes) == (None, None, ())


def test_an_exchanged_ratio_is_tagged(office):
    office.point(start="2026-05-01", end="2026-06-01", ct=10.0)
    office.point(start="2026-06-01", ct=20.0)
    interval(office, "2026-05-05T12:00", 1)
    interval(office, "2026-06-05T12:00", 1)
    (found,) = compare(office.workspace, Period.parse("2026-06"), "account", accounts=["1000000001"])
    assert found.total.energy_kwh.change("before") == Decimal(10)
    assert "ratio_changed" in found.groups[0].causes
