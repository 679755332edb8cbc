"""Balance of busbars and line loss over a real registry: exchange, bypass, missing readings."""

import pytest
from customer_lines import ENERGY, POINTS, both_ends, office, registry
from network_office import asked, entry


def test_a_complete_month_balances_and_gives_line_losses(tmp_path, capsys):
    root = office(tmp_path, registry(), both_ends(ENERGY))
    bus = {row["busbar"]: row for row in asked(root, capsys, "balance")}
    assert (bus["B1"]["in_kwh"], bus["B1"]["out_kwh"], bus["B1"]["provisional"]) == (3000, 2980, False)
    assert bus["B1"]["imbalance_rate"] == pytest.approx(20 / 3000)
    assert (bus["B1"]["limit"], bus["B1"]["passed"], bus["B2"]["limit"]) == (0.02, True, 0.01)
    assert (bus["B2"]["imbalance_rate"], bus["B2"]["in_kwh"]) == (None, None)
    lines = {row["supply_line"]: row for row in asked(root, capsys, "balance", "--lines")}
    got = {name: (row["supplied_kwh"], row["sold_kwh"], row["loss_rate"], row["causes"]) for name, row in lines.items()}
    assert got["L1"] == (2000, 1940, pytest.approx(0.03), [])
    assert got["L2"] == (980, 950, pytest.approx(30 / 980), [])
    assert got["L1b"] == (None, 440, None, ["missing_supply"])
    # Points of the utility belong to no account: they are points of their own in the power factor.
    assert [row["account_no"] for row in asked(root, capsys, "pf")] == ["103", "104", "105"]
    assert {row["point"] for row in asked(root, capsys, "pf", "--by", "point")} == set(POINTS)


@pytest.mark.parametrize(
    ("kv", "limit", "out_kwh", "passed"),
    # 能源节能〔1990〕1149号: up to 1 % from 220 kV on, up to 2 % below, of the 3000 kWh that flow in.
    [
        (500, 0.01, 2970, True), (220, 0.01, 2970, True), (220, 0.01, 2969.99, False), (220, 0.01, 3030, True),
        (220, 0.01, 3030.01, False), (219, 0.02, 2969.99, True), (110, 0.02, 2940, True), (110, 0.02, 2939.99, False),
        (110, 0.02, 3060, True), (110, 0.02, 3060.01, False), (10, 0.02, 2900, False),
    ],
)  # fmt: skip
def test_the_imbalance_that_is_allowed_depends_on_the_voltage_level(tmp_path, capsys, kv, limit, out_kwh, passed):
    text = registry().replace("voltage_level_kv = 110", f"voltage_level_kv = {kv}")
    root = office(tmp_path, text, both_ends(ENERGY | {"H2": round(out_kwh - 2000, 2)}))
    row = next(row for row in asked(root, capsys, "balance") if row["busbar"] == "B1")
    assert (row["voltage_level_kv"], row["in_kwh"], row["out_kwh"]) == (kv, 3000, out_kwh)
    assert (row["limit"], row["passed"], row["provisional"]) == (limit, passed, False)
    assert row["imbalance_rate"] == pytest.approx((3000 - out_kwh) / 3000, rel=1e-12)


def test_a_missing_reading_makes_balance_and_loss_provisional(tmp_path, capsys):
    root = office(tmp_path, registry(), both_ends(ENERGY, less=("H1",)))
    row = next(row for row in asked(root, capsys, "balance") if row["busbar"] == "B1")
    assert row["provisional"]
    assert row["causes"][0] == "missing_reading"
    line = next(row for row in asked(root, capsys, "balance", "--lines") if row["supply_line"] == "L1")
    assert (line["loss_rate"], line["provisional"]) == (None, True)


def test_readings_at_other_instants_are_told_in_hours(tmp_path, capsys):
    rows = [row for row in both_ends(ENERGY) if row[:2] != ("MC3", "2026-07-01T00:00")]
    root = office(tmp_path, registry(), [*rows, ("MC3", "2026-06-30T18:00", 900)])
    line = next(row for row in asked(root, capsys, "balance", "--lines") if row["supply_line"] == "L2")
    assert (line["read_skew_h"], line["provisional"]) == (pytest.approx(6), True)
    assert {"missing_reading", "boundary_reading"} <= set(line["causes"])


def test_both_meters_of_an_exchange_count_their_own_part(tmp_path, capsys):
    at = "2026-06-11T10:00:00"
    more = f'[[meter]]\nmeter_no = "MNEW"\n[[meter_point]]\nmeter_no = "MH1"\npoint = "H1"\nvalid_to = {at}\n'
    more += f'[[meter_point]]\nmeter_no = "MNEW"\npoint = "H1"\nvalid_from = {at}\n'
    rows = [row for row in both_ends(ENERGY) if row[:2] != ("MH1", "2026-07-01T00:00")]
    # Old final − old start + new end − new start: 700 + 1300.
    rows += [("MH1", "2026-06-11T10:00", 705), ("MNEW", "2026-06-11T10:00", 12), ("MNEW", "2026-07-01T00:00", 1312)]
    root = office(tmp_path, registry(more, exchange=True), rows)
    (feeder,) = [row for row in asked(root, capsys, "balance", "--feeders") if row["point"] == "H1"]
    assert (feeder["out_kwh"], feeder["meters"], feeder["causes"]) == (2000, ["MH1", "MNEW"], [])
    line = next(row for row in asked(root, capsys, "balance", "--lines") if row["supply_line"] == "L1")
    assert line["loss_rate"] == pytest.approx(0.03)


def test_a_bypass_gives_the_energy_to_the_line_that_was_fed(tmp_path, capsys):
    # From 10 June 00:00 to 20 June 00:00 the breaker of L2 feeds L1.
    more = ""
    for begin, end, line in (
        (None, "2026-06-10", "L2"),
        ("2026-06-10", "2026-06-20", "L1"),
        ("2026-06-20", None, "L2"),
    ):
        more += entry("point_supply", point="H2", supply_line=line, busbar="B1")
        more += (f"valid_from = {begin}\n" if begin else "") + (f"valid_to = {end}\n" if end else "")
    rows = [*both_ends(ENERGY), ("MH2", "2026-06-10T00:00", 305), ("MH2", "2026-06-20T00:00", 505)]
    root = office(tmp_path, registry(more, bypass=True), rows)
    lines = {row["supply_line"]: row for row in asked(root, capsys, "balance", "--lines")}
    assert (lines["L1"]["supplied_kwh"], lines["L2"]["supplied_kwh"]) == (2200, 780)
    bus = next(row for row in asked(root, capsys, "balance") if row["busbar"] == "B1")
    assert (bus["out_kwh"], bus["provisional"]) == (2980, False)


def test_losses_of_a_transformer_are_sold(tmp_path, capsys):
    root = office(tmp_path, registry(mode="hl"), both_ends(ENERGY))
    line = next(row for row in asked(root, capsys, "balance", "--lines") if row["supply_line"] == "L1")
    lost = 1.7 * 720 + 10.3 * (1500 / 1000 / 720) ** 2 * 720
    assert line["sold_kwh"] == pytest.approx(1940 + lost)
