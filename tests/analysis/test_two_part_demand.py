"""Demand of accounts and the two modes of the basic charge, over a real registry."""

import random

import pytest
from customer_lines import ENERGY, both_ends, office, powers, registry
from network_office import asked, entry


def test_the_two_modes_of_the_basic_charge(tmp_path, capsys):
    root = office(tmp_path, registry(), both_ends(ENERGY), powers([0.5] * 8))
    rows = {row["account_no"]: row for row in asked(root, capsys, "demand", "--two-part")}
    row = rows["103"]
    # 400 kW are within 105 % of the contract demand: 400 × 30; capacity: 1000 × 20.
    assert (row["md_kw"], row["billed_demand_kw"], row["capacity_cny"], row["demand_cny"]) == (400, 400, 20_000, 12_000)
    assert (row["cheaper_mode"], row["saving_cny"], row["demand_share"]) == ("two_part_demand", 8000, 0.4)
    assert (row["advice"], row["best_contract_kw"]) == (["switch_basic_mode"], 400)
    assert rows["104"]["demand_cny"] is None
    assert rows["104"]["reasons"]["demand_cny"] == "no_demand"


@pytest.mark.parametrize(
    ("share", "billed", "advice"),
    # 0.525 → 420 kW = 105 %: billed 400. 0.53 → 424: 400 + 2 × 4 over 105 %. 0.47 → 376, below 95 %.
    [
        (0.525, 400, ["demand_near_limit"]),
        (0.53, 408, ["demand_over_105"]),
        (0.47, 400, []),
        (0.475, 400, ["demand_near_limit"]),
    ],
)
def test_advice_to_an_account_billed_by_demand(tmp_path, capsys, share, billed, advice):
    text = registry().replace("two_part_capacity", "two_part_demand")
    root = office(tmp_path, text, (), powers([share] * 8))
    (row,) = asked(root, capsys, "demand", "--two-part", "--account", "103")
    assert (row["billed_demand_kw"], row["advice"]) == (pytest.approx(billed), advice)


def test_a_demand_behind_a_transformer_has_its_losses(tmp_path, capsys):
    root = office(tmp_path, registry(mode="hl"), (), powers([0.5] * 8))
    (row,) = asked(root, capsys, "demand", "--account", "103")
    assert (row["block_md_kw"], row["loss_kw"]) == (400, pytest.approx(1.7 + 10.3 * 0.25))
    assert row["md_kw"] == pytest.approx(400 + 1.7 + 10.3 * 0.25)


def test_a_billing_point_of_nobody_breaks_no_demand(tmp_path, capsys):
    text = registry(
        entry("point", point="X", kind="billing"), entry("meter", meter_no="MX"),
        entry("meter_point", meter_no="MX", point="X"), entry("point_ratio", point="X", wiring="3p4w", pt=1.0, ct=1.0),
    )  # fmt: skip
    quarters = powers([0.5] * 8)
    root = office(tmp_path, text, (), [*quarters, *(("MX", row[1], 1, 0, 1) for row in quarters)])
    for more in ((), ("--two-part",)):
        rows = {row["account_no"]: row["md_kw"] for row in asked(root, capsys, "demand", *more)}
        assert (rows["103"], set(rows)) == (400, {"103", "104", "105"})
    asked(root, capsys, "demand", "--account", "103")


def _minutes():
    """Three hours of minutes of meter MC1, with gaps; p in kW on the secondary side, CT 40."""
    rnd = random.Random(11)
    return {minute: rnd.randrange(0, 5000) / 1000 for minute in range(1, 181) if minute % 37 and not 90 <= minute < 99}


def _sliding(powers, slip):
    """Highest mean of 15 minutes and the first end that has it, said plainly; ends are multiples of the slip."""
    best = None
    for end in range(slip, 181 + slip, slip):
        inside, before, covered, total = [m for m in powers if end - 15 < m <= end], None, 0, 0.0
        for minute in inside:
            earlier = [m for m in powers if m < minute]
            # A value covers the time since the one before it up to two minutes, else one.
            before = minute - max(earlier) if earlier and minute - max(earlier) <= 2 else 1
            covered, total = covered + before, total + before * powers[minute]
        if covered >= 12 and (best is None or total / covered > best[0] + 1e-12):
            best = (total / covered, end)
    return best


@pytest.mark.parametrize("slip", [1, 2, 3, 5, 15])
def test_a_sliding_window_agrees_with_a_plain_one(tmp_path, capsys, slip):
    rows = [("MC1", f"2026-06-01T{m // 60:02}:{m % 60:02}", p, 0, 1) for m, p in _minutes().items()]
    root = office(tmp_path, registry('[[meter_setting]]\nmeter_no = "MC1"\ninterval_min = 1\n'), (), rows)
    (row,) = asked(root, capsys, "demand", "--account", "103", "--slip", str(slip))
    kw, end = _sliding(_minutes(), slip)
    assert (row["demand_kind"], row["md_kw"]) == (f"sliding15/{slip}", pytest.approx(40 * kw, rel=1e-9))
    assert row["md_at"] == f"2026-06-01T{end // 60:02}:{end % 60:02}:00+08:00"
