"""Demand that is billed in the two-part tariff."""

from decimal import Decimal

import pytest

from keyacct.analysis.charges import billed_demand


@pytest.mark.parametrize(
    ("actual", "contract", "capacity", "billed"),
    [
        ("500", "600", "1000", "600"),  # below: the contract demand
        ("630", "600", "1000", "600"),  # exactly 105 %
        ("700", "600", "1000", "740"),  # 600 + 2 · (700 − 630)
        ("410", "300", "1000", "400"),  # contract below 40 % of the capacity: 400, and 410 is within 420
        ("450", "300", "1000", "460"),  # 400 + 2 · (450 − 420)
        ("450", None, "1000", "450"),  # no contract demand: the actual one
        ("70", "60", None, "74"),  # capacity unknown: 60 + 2 · (70 − 63)
    ],
)
def test_the_demand_billed_follows_the_contract(actual, contract, capacity, billed):
    known = [None if value is None else Decimal(value) for value in (contract, capacity)]
    assert billed_demand(Decimal(actual), *known) == Decimal(billed)
