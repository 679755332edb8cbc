"""The combined compliance rate and the voltage of a day."""

import datetime as dt

import pytest

from keyacct.analysis.combined_voltage import combined_rate
from keyacct.analysis.typical_day import choose_day


def test_classes_are_averaged_and_joined_half_and_half():
    found = combined_rate([("A", 1.0), ("A", 0.98), ("B", 0.96), ("C", 0.99), ("D", 0.93)])
    assert found.by_class["A"] == pytest.approx(0.99)
    assert found.rate == pytest.approx(0.5 * 0.99 + 0.5 * (0.96 + 0.99 + 0.93) / 3)


def test_a_class_without_points_is_left_out_of_the_bracket():
    found = combined_rate([("A", 0.98), ("C", 0.96), ("D", None)])
    assert found.rate == pytest.approx(0.97)
    assert (found.by_class["B"], found.unrated["D"]) == (None, 1)


@pytest.mark.parametrize("points", [[("B", 1.0)], [("A", 1.0)], [], [(None, 1.0)]])
def test_without_class_a_or_without_the_others_there_is_no_combined_rate(points):
    assert combined_rate(points).rate is None


def test_a_point_without_class_counts_in_no_class():
    assert combined_rate([(None, 0.5), ("A", 1.0), ("B", 1.0)]).unclassed == 1
    assert combined_rate([(None, 0.5), ("A", 1.0), ("B", 1.0)]).rate == 1.0


def day(number, kwh, completeness=1.0):
    return {"day": dt.date(2026, 6, number), "energy_kwh": kwh, "completeness": completeness}


def test_the_typical_day_is_the_complete_workday_of_median_energy():
    rows = [day(1, 10), day(2, 30), day(3, 20), day(4, 999, 0.5), day(6, 15), day(7, 16)]  # 6 and 7 June: weekend
    assert choose_day(rows) == (dt.date(2026, 6, 3), 3, True)


def test_of_two_in_the_middle_the_lower_and_of_equal_ones_the_earlier_day():
    assert choose_day([day(1, 10), day(2, 20)])[0] == dt.date(2026, 6, 1)
    assert choose_day([day(3, 10), day(2, 10), day(1, 10)])[0] == dt.date(2026, 6, 2)


def test_without_a_complete_day_any_measured_one_serves_and_without_any_none():
    assert choose_day([day(1, 10, 0.9), day(2, None, 0.0)]) == (dt.date(2026, 6, 1), 1, False)
    assert choose_day([day(2, None, 0.0)]) == (None, 0, False)
