"""Balance of busbars and line loss over a real registry: exchange, bypass, missing readings; loading and two-part tariff."""

import csv
import datetime as dt
import json
import math
import random
import types
import zoneinfo

import pytest

from keyacct.analysis.loading import findings_of
from keyacct.cli.run import run
from keyacct.config import LoadingSettings
from keyacct.model import Period

NOW = "2026-07-05T00:00+08:00"
SHANGHAI = zoneinfo.ZoneInfo("Asia/Shanghai")
REGISTRY = """
[[substation]]
substation = "S"
[[busbar]]
busbar = "B1"
substation = "S"
voltage_level_kv = 110
[[busbar]]
busbar = "B2"
substation = "S"
voltage_level_kv = 220
[[transformer]]
transformer = "T1"
rated_kva = 1000
no_load_loss_kw = 1.7
load_loss_kw = 10.3
i0_pct = 0.7
uk_pct = 4.5
[[price_table]]
price_table = "LARGE"
[[energy_price]]
price_table = "LARGE"
period = "all"
price_cny_per_kwh = 0.6
valid_from = 2026-01-01
[[basic_price]]
price_table = "LARGE"
capacity_cny_per_kva_month = 20
demand_cny_per_kw_month = 30
valid_from = 2026-01-01
"""
# Lines L1 and L2 hang on B1; L1b is a branch of L1. The incomer of B1 is point IN.
LINES = {"L1": None, "L2": None, "L1b": "L1"}
POINTS = {
    "IN": ("assessment", None, "B1"), "H1": ("assessment", "L1", "B1"), "H2": ("assessment", "L2", "B1"),
    "C1": ("billing", "L1", None), "C2": ("billing", "L1b", None), "C3": ("billing", "L2", None),
}  # fmt: skip
ENERGY = {"IN": 3000, "H1": 2000, "H2": 980, "C1": 1500, "C2": 440, "C3": 950}
"""kWh of June through each point, so the balance is 20 of 3000 and the loss of L1 60 of 2000."""


def _entry(table, /, **fields):
    text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in fields.items() if value is not None)
    return f"[[{table}]]\n{text}"


def _registry(*more, bypass=False, mode=None, exchange=False):
    text = REGISTRY
    for line, branch in LINES.items():
        text += _entry("supply_line", supply_line=line, branch_of=branch)
        text += _entry("line_feed", supply_line=line, busbar="B1") if branch is None else ""
    for n, (point, (kind, line, busbar)) in enumerate(POINTS.items()):
        text += _entry("point", point=point, kind=kind, metering_mode=mode if point == "C1" else None)
        text += _entry("meter", meter_no=f"M{point}") + (
            "" if exchange and point == "H1" else _entry("meter_point", meter_no=f"M{point}", point=point)
        )
        text += _entry("point_ratio", point=point, wiring="3p4w", pt=1.0, ct=40.0 if point == "C1" else 1.0)
        if not (bypass and point == "H2"):
            text += _entry("point_supply", point=point, supply_line=line, busbar=busbar)
        if kind == "billing":
            account = f"10{n}"
            text += _entry("account", account_no=account, account_name=point)
            text += _entry("account_terms", account_no=account, contract_capacity_kva=1000, running_capacity_kva=1000,
                           contract_demand_kw=400, tariff_mode="two_part_capacity")  # fmt: skip
            text += _entry("point_account", point=point, account_no=account)
            text += _entry("account_price", account_no=account, price_table="LARGE") + "valid_from = 2026-01-01\n"
    text += _entry("transformer_state", transformer="T1", account_no="103", status="run")
    return text + "".join(more)


def _office(folder, text, registers, powers=()):
    root = str(folder / "w")
    (folder / "registry.toml").write_text(text, encoding="utf-8")
    assert run(["init", root]) == 0
    assert run(["registry", "import", str(folder / "registry.toml"), "--workspace", root]) == 0
    for name, kind, header, rows, columns in (
        ("registers", "register", ("meter", "ts", "reg"), registers, "reg=energy.import"),
        ("powers", "interval", ("meter", "ts", "p", "q", "i"), powers, "p=power.p,q=power.q,i=current.a"),
    ):
        if rows:
            with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([header, *rows])
            given = ["samples", "import", str(folder / f"{name}.csv"), "--meter-column", "meter", "--workspace", root]
            assert run([*given, "--kind", kind, "--map", columns]) == 0
    return root


def _both_ends(energy, *, less=(), ct={"C1": 40}):  # noqa: B006  read only
    rows = []
    for point, kwh in energy.items():
        rows.append((f"M{point}", "2026-06-01T00:00", 5))
        if point not in less:
            rows.append((f"M{point}", "2026-07-01T00:00", 5 + kwh / ct.get(point, 1)))
    return rows


def _ask(root, capsys, *arguments):
    capsys.readouterr()
    status = run(
        [*arguments, "--period", "2026-06", "--workspace", root, "--now", NOW, "--lang", "en", "--format", "json"]
    )
    out, err = capsys.readouterr()
    assert status == 0, err
    return json.loads(out)


def test_a_complete_month_balances_and_gives_line_losses(tmp_path, capsys):
    root = _office(tmp_path, _registry(), _both_ends(ENERGY))
    bus = {row["busbar"]: row for row in _ask(root, capsys, "balance")}
    assert (bus["B1"]["in_kwh"], bus["B1"]["out_kwh"], bus["B1"]["provisional"]) == (3000, 2980, False)
    assert bus["B1"]["imbalance_rate"] == pytest.approx(20 / 3000)
    assert (bus["B1"]["limit"], bus["B1"]["passed"], bus["B2"]["limit"]) == (0.02, True, 0.01)
    assert (bus["B2"]["imbalance_rate"], bus["B2"]["in_kwh"]) == (None, None)
    lines = {row["supply_line"]: row for row in _ask(root, capsys, "balance", "--lines")}
    got = {name: (row["supplied_kwh"], row["sold_kwh"], row["loss_rate"], row["causes"]) for name, row in lines.items()}
    assert got["L1"] == (2000, 1940, pytest.approx(0.03), [])
    assert got["L2"] == (980, 950, pytest.approx(30 / 980), [])
    assert got["L1b"] == (None, 440, None, ["missing_supply"])
    # Points of the utility belong to no account: they are points of their own in the power factor.
    assert [row["account_no"] for row in _ask(root, capsys, "pf")] == ["103", "104", "105"]
    assert {row["point"] for row in _ask(root, capsys, "pf", "--by", "point")} == set(POINTS)


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
    text = _registry().replace("voltage_level_kv = 110", f"voltage_level_kv = {kv}")
    root = _office(tmp_path, text, _both_ends(ENERGY | {"H2": round(out_kwh - 2000, 2)}))
    row = next(row for row in _ask(root, capsys, "balance") if row["busbar"] == "B1")
    assert (row["voltage_level_kv"], row["in_kwh"], row["out_kwh"]) == (kv, 3000, out_kwh)
    assert (row["limit"], row["passed"], row["provisional"]) == (limit, passed, False)
    assert row["imbalance_rate"] == pytest.approx((3000 - out_kwh) / 3000, rel=1e-12)


def test_a_missing_reading_makes_balance_and_loss_provisional(tmp_path, capsys):
    root = _office(tmp_path, _registry(), _both_ends(ENERGY, less=("H1",)))
    row = next(row for row in _ask(root, capsys, "balance") if row["busbar"] == "B1")
    assert row["provisional"]
    assert row["causes"][0] == "missing_reading"
    line = next(row for row in _ask(root, capsys, "balance", "--lines") if row["supply_line"] == "L1")
    assert (line["loss_rate"], line["provisional"]) == (None, True)


def test_readings_at_other_instants_are_told_in_hours(tmp_path, capsys):
    rows = [row for row in _both_ends(ENERGY) if row[:2] != ("MC3", "2026-07-01T00:00")]
    root = _office(tmp_path, _registry(), [*rows, ("MC3", "2026-06-30T18:00", 900)])
    line = next(row for row in _ask(root, capsys, "balance", "--lines") if row["supply_line"] == "L2")
    assert (line["read_skew_h"], line["provisional"]) == (pytest.approx(6), True)
    assert {"missing_reading", "boundary_reading"} <= set(line["causes"])


def test_both_meters_of_an_exchange_count_their_own_part(tmp_path, capsys):
    at = "2026-06-11T10:00:00"
    more = f'[[meter]]\nmeter_no = "MNEW"\n[[meter_point]]\nmeter_no = "MH1"\npoint = "H1"\nvalid_to = {at}\n'
    more += f'[[meter_point]]\nmeter_no = "MNEW"\npoint = "H1"\nvalid_from = {at}\n'
    rows = [row for row in _both_ends(ENERGY) if row[:2] != ("MH1", "2026-07-01T00:00")]
    # Old final − old start + new end − new start: 700 + 1300.
    rows += [("MH1", "2026-06-11T10:00", 705), ("MNEW", "2026-06-11T10:00", 12), ("MNEW", "2026-07-01T00:00", 1312)]
    root = _office(tmp_path, _registry(more, exchange=True), rows)
    (feeder,) = [row for row in _ask(root, capsys, "balance", "--feeders") if row["point"] == "H1"]
    assert (feeder["out_kwh"], feeder["meters"], feeder["causes"]) == (2000, ["MH1", "MNEW"], [])
    line = next(row for row in _ask(root, capsys, "balance", "--lines") if row["supply_line"] == "L1")
    assert line["loss_rate"] == pytest.approx(0.03)


def test_a_bypass_gives_the_energy_to_the_line_that_was_fed(tmp_path, capsys):
    # From 10 June 00:00 to 20 June 00:00 the breaker of L2 feeds L1.
    more = ""
    for begin, end, line in (
        (None, "2026-06-10", "L2"),
        ("2026-06-10", "2026-06-20", "L1"),
        ("2026-06-20", None, "L2"),
    ):
        more += _entry("point_supply", point="H2", supply_line=line, busbar="B1")
        more += (f"valid_from = {begin}\n" if begin else "") + (f"valid_to = {end}\n" if end else "")
    rows = [*_both_ends(ENERGY), ("MH2", "2026-06-10T00:00", 305), ("MH2", "2026-06-20T00:00", 505)]
    root = _office(tmp_path, _registry(more, bypass=True), rows)
    lines = {row["supply_line"]: row for row in _ask(root, capsys, "balance", "--lines")}
    assert (lines["L1"]["supplied_kwh"], lines["L2"]["supplied_kwh"]) == (2200, 780)
    bus = next(row for row in _ask(root, capsys, "balance") if row["busbar"] == "B1")
    assert (bus["out_kwh"], bus["provisional"]) == (2980, False)


def test_losses_of_a_transformer_are_sold(tmp_path, capsys):
    root = _office(tmp_path, _registry(mode="hl"), _both_ends(ENERGY))
    line = next(row for row in _ask(root, capsys, "balance", "--lines") if row["supply_line"] == "L1")
    lost = 1.7 * 720 + 10.3 * (1500 / 1000 / 720) ** 2 * 720
    assert line["sold_kwh"] == pytest.approx(1940 + lost)


def _powers(shares):
    """Quarter hours of 1 June with an apparent power of so many shares of 1000 kVA, cosφ 0.8; C1 has a CT of 40."""
    rows = []
    for n, share in enumerate(shares, start=1):
        at = f"2026-06-01T{n // 4:02}:{n % 4 * 15:02}"
        rows.append(("MC1", at, round(800 * share / 40, 4), round(600 * share / 40, 4), round(5 * share, 4)))
    return rows


SHARES = [0.1] * 8 + [0.3] * 8 + [0.6] * 8 + [0.9] * 8 + [1.05] * 9 + [1.2] * 4


def test_bands_of_the_nameplate_and_their_durations(tmp_path, capsys):
    root = _office(tmp_path, _registry(), (), _powers(SHARES))
    (row,) = _ask(root, capsys, "loading", "--account", "103")
    square = 1.7 / (1.05 * 10.3)  # β_JZ² = 0.1572, 1.33·β_JZ² = 0.2091
    assert (row["economic_from"], row["economic_to"], row["beta_jz"]) == (
        pytest.approx(square), 1.0, pytest.approx(square**0.5),
    )  # fmt: skip
    names = ("below_economic_min", "economic_min", "best_economic_min", "heavy_min", "overload_min", "severe_min")
    assert [row[name] for name in names] == [120, 360, 240, 120, 195, 60]
    assert (row["longest_heavy_min"], row["longest_overload_min"], row["finding"]) == (315, 195, "overload")
    assert row["loading_max"] == pytest.approx(1.2)
    assert row["findings"] == ["over_capacity"]


@pytest.mark.parametrize("name", ["voltage", "pf", "load", "demand", "loading", "imbalance"])
def test_every_analysis_takes_a_set(tmp_path, capsys, name):
    root = _office(tmp_path, _registry(), _both_ends(ENERGY), _powers(SHARES))
    rows = _ask(root, capsys, name, "--where", "supply_line=L2")
    assert {row["account_no"] for row in rows} <= {"105"}
    if name in ("load", "demand", "loading", "pf"):
        assert [row["account_no"] for row in rows] == ["105"]
    capsys.readouterr()
    assert run([name, "--where", "supply_line", "--workspace", root, "--now", NOW, "--lang", "en"]) == 2
    assert "chooses nothing" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "told"), [("pf", "account, point or hour: settlement"), ("load", "period, day or typical"),
                                            ("loading", "account, transformer or ct"), ("voltage", "loss or event")])  # fmt: skip
def test_rows_that_there_are_not_are_refused_before_anything_is_opened(tmp_path, capsys, name, told):
    assert run([name, "--by", "year", "--workspace", str(tmp_path / "none"), "--lang", "en"]) == 2
    assert told in capsys.readouterr().err


def test_without_losses_the_band_of_the_settings_counts(tmp_path, capsys):
    text = _registry().replace("no_load_loss_kw = 1.7\n", "")
    root = _office(tmp_path, text, (), _powers(SHARES))
    (row,) = _ask(root, capsys, "loading", "--account", "103")
    assert (row["economic_from"], row["economic_to"], row["beta_jz"], row["economic_min"]) == (0.4, 0.75, None, 120)


def test_by_transformer_the_points_that_name_it_count(tmp_path, capsys):
    text = _registry().replace(
        'point = "C1"\nsupply_line = "L1"\n', 'point = "C1"\nsupply_line = "L1"\ntransformer = "T1"\n'
    )
    root = _office(tmp_path, text, (), _powers(SHARES))
    (row,) = _ask(root, capsys, "loading", "--by", "transformer")
    assert (row["transformer"], row["capacity_kva"], row["overload_min"]) == ("T1", 1000, 195)


def test_current_transformers_against_their_rating(tmp_path, capsys):
    # 9 × 15 min at 105 % and 4 × 15 min at 120 % of 200 A: above the rating, not long enough above 110 %.
    root = _office(tmp_path, _registry(), (), _powers(SHARES))
    (row,) = _ask(root, capsys, "loading", "--by", "ct")
    assert (row["ct_primary_a"], row["current_max_a"], row["current_max_secondary_a"]) == (200, 240, pytest.approx(6))
    assert (row["over_min"], row["severe_min"], row["longest_severe_min"], row["finding"]) == (195, 60, 60, "general")


@pytest.mark.parametrize(
    ("shares", "finding"), [([1.1] * 8, "severe"), ([1.1] * 7, "general"), ([0.2] * 9, "oversized"), ([0.5] * 9, None)]
)
def test_findings_of_current_transformers(tmp_path, capsys, shares, finding):
    root = _office(tmp_path, _registry(), (), _powers(shares))
    assert _ask(root, capsys, "loading", "--by", "ct")[0]["finding"] == finding


def test_the_two_modes_of_the_basic_charge(tmp_path, capsys):
    root = _office(tmp_path, _registry(), _both_ends(ENERGY), _powers([0.5] * 8))
    rows = {row["account_no"]: row for row in _ask(root, capsys, "demand", "--two-part")}
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
    text = _registry().replace("two_part_capacity", "two_part_demand")
    root = _office(tmp_path, text, (), _powers([share] * 8))
    (row,) = _ask(root, capsys, "demand", "--two-part", "--account", "103")
    assert (row["billed_demand_kw"], row["advice"]) == (pytest.approx(billed), advice)


def test_a_demand_behind_a_transformer_has_its_losses(tmp_path, capsys):
    root = _office(tmp_path, _registry(mode="hl"), (), _powers([0.5] * 8))
    (row,) = _ask(root, capsys, "demand", "--account", "103")
    assert (row["block_md_kw"], row["loss_kw"]) == (400, pytest.approx(1.7 + 10.3 * 0.25))
    assert row["md_kw"] == pytest.approx(400 + 1.7 + 10.3 * 0.25)


def test_a_billing_point_of_nobody_breaks_no_demand(tmp_path, capsys):
    text = _registry(
        _entry("point", point="X", kind="billing"), _entry("meter", meter_no="MX"),
        _entry("meter_point", meter_no="MX", point="X"), _entry("point_ratio", point="X", wiring="3p4w", pt=1.0, ct=1.0),
    )  # fmt: skip
    powers = _powers([0.5] * 8)
    root = _office(tmp_path, text, (), [*powers, *(("MX", row[1], 1, 0, 1) for row in powers)])
    for more in ((), ("--two-part",)):
        rows = {row["account_no"]: row["md_kw"] for row in _ask(root, capsys, "demand", *more)}
        assert (rows["103"], set(rows)) == (400, {"103", "104", "105"})
    _ask(root, capsys, "demand", "--account", "103")


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
    root = _office(tmp_path, _registry('[[meter_setting]]\nmeter_no = "MC1"\ninterval_min = 1\n'), (), rows)
    (row,) = _ask(root, capsys, "demand", "--account", "103", "--slip", str(slip))
    kw, end = _sliding(_minutes(), slip)
    assert (row["demand_kind"], row["md_kw"]) == (f"sliding15/{slip}", pytest.approx(40 * kw, rel=1e-9))
    assert row["md_at"] == f"2026-06-01T{end // 60:02}:{end % 60:02}:00+08:00"


WORKS = """
[[account]]
account_no = "W"
account_name = "Chemical works"
[[account_terms]]
account_no = "W"
contract_capacity_kva = 30500
running_capacity_kva = 30500
[[point]]
point = "W"
[[point_account]]
point = "W"
account_no = "W"
[[meter]]
meter_no = "W"
[[meter_point]]
meter_no = "W"
point = "W"
[[point_ratio]]
point = "W"
wiring = "3p3w"
pt = "35000/100"
ct = "500/5"
"""
# A chemical works at 35 kV with 30 500 kVA behind current transformers 500 A/5 A; the currents of its spring of 2006.
SPRING = {
    "normal": ([380, 430, 470, 465] * 24, None, None),
    "single periods": (([505, 470, 470, 470] + [460] * 20) * 4, "general", None),
    "rising": (([495, 545] + [480] * 10) * 8, "general", "heavy"),
    "severe": ([450] * 32 + [552, 560, 575, 570] * 14 + [450] * 8, "severe", "overload"),
    "back to normal": ([400, 470] * 48, None, None),
}  # fmt: skip


@pytest.mark.parametrize("step", SPRING)
def test_the_spring_of_a_chemical_works(tmp_path, capsys, step):
    amperes, of_ct, of_capacity = SPRING[step]
    rows = []
    for n, primary in enumerate(amperes, start=1):
        kva = math.sqrt(3) * 35 * primary / 35_000  # secondary side: PT 350 × CT 100
        at = f"2026-06-{1 + n // 96:02}T{n % 96 // 4:02}:{n % 4 * 15:02}"
        rows.append(("W", at, f"{kva:.4f}", 0, f"{primary / 100:.4f}"))
    path = tmp_path / "currents.csv"
    root = _office(tmp_path, WORKS, (), ())
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("meter", "ts", "p", "q", "i"), *rows])
    given = ["samples", "import", str(path), "--meter-column", "meter", "--workspace", root]
    # The third column of three wires is phase C; both carry the current.
    doubled = path.read_text(encoding="utf-8").replace("p,q,i", "p,q,i,k").splitlines()
    path.write_text(
        "\n".join([doubled[0], *(f"{line},{line.rsplit(',', 1)[1]}" for line in doubled[1:])]), encoding="utf-8"
    )
    assert run([*given, "--map", "p=power.p,q=power.q,i=current.a,k=current.c"]) == 0
    (ct,) = _ask(root, capsys, "loading", "--by", "ct")
    assert (ct["ct_primary_a"], ct["current_max_a"], ct["finding"]) == (500, max(amperes), of_ct)
    assert ct["current_max_secondary_a"] == pytest.approx(max(amperes) / 100)
    (loading,) = _ask(root, capsys, "loading")
    assert loading["loading_max"] == pytest.approx(math.sqrt(3) * 35 * max(amperes) / 30_500, rel=1e-3)
    if of_capacity is not None:
        assert loading["finding"] == of_capacity


def _works(tmp_path, capacity_kva, amperes, quarters):
    """The works with another capacity, so many quarter hours at a current at 35 kV, cosφ 0.8; the meter reads primary values."""
    text = WORKS.replace("30500", str(capacity_kva)).replace(
        'meter_no = "W"', 'meter_no = "W"\nreading_side = "primary"', 1
    )
    rows = []
    for n in range(1, quarters + 1):
        kva = math.sqrt(3) * 35 * amperes
        at = f"2026-06-01T{n // 4:02}:{n % 4 * 15:02}"
        rows.append(("W", at, f"{0.8 * kva:.4f}", f"{0.6 * kva:.4f}", f"{amperes:.4f}"))
    return _office(tmp_path, text, (), rows)


@pytest.mark.parametrize(
    ("capacity_kva", "full_load_a"),
    [(30_500, 503.1), (31_500, 519.6), (1500, 24.7)],
    ids=["sum of units", "catalogue size", "3 × 500"],
)
def test_full_load_currents_at_35_kv_are_the_capacity(tmp_path, capsys, capacity_kva, full_load_a):
    root = _works(tmp_path, capacity_kva, full_load_a, 8)
    (row,) = _ask(root, capsys, "loading")
    # The currents are printed to a tenth of an ampere.
    assert row["loading_max"] == pytest.approx(1, abs=0.05 / full_load_a)


@pytest.mark.parametrize(("capacity_kva", "percent"), [(30_500, 109.3), (31_500, 105.8)])
def test_550_ampere_behind_500_are_severe_by_either_reading_of_the_capacity(tmp_path, capsys, capacity_kva, percent):
    root = _works(tmp_path, capacity_kva, 550, 56)
    (row,) = _ask(root, capsys, "loading")
    assert (round(100 * row["loading_max"], 1), row["finding"], row["longest_overload_min"]) == (
        percent,
        "overload",
        840,
    )
    (ct,) = _ask(root, capsys, "loading", "--by", "ct")
    assert (ct["loading_max"], ct["current_max_secondary_a"], ct["finding"]) == (1.1, 5.5, "severe")
    (asked,) = _ask(root, capsys, "query", "apparent", "--bucket", "period")
    assert round(asked["apparent_max_kva"]) == 33_342


def _at(day, quarter):
    begin = dt.datetime(2026, 1, 1, tzinfo=SHANGHAI) + dt.timedelta(days=day, minutes=15 * quarter)
    return round(begin.timestamp() * 1000)


def _days(shares, quarters=range(40, 41)):
    """Blocks of every day of 2026 at 10:00, so many hundredths of the capacity by the day of the year."""
    return [(_at(day, quarter), shares(day)) for day in range(365) for quarter in quarters]


@pytest.mark.parametrize(
    ("blocks", "period", "found"),
    [(_days(lambda _: 0.25), "2026Q2", ["oversized"]), (_days(lambda _: 0.25), "2026-06", []),
     (_days(lambda day: 0.4 if day == 130 else 0.25), "2026Q2", []), (_days(lambda _: 0.31), "2026Q2", []),
     (_days(lambda _: 0.2), "2026", ["oversized", "light"]), (_days(lambda _: 0.21), "2026", ["oversized"]),
     (_days(lambda day: 1.01 if day in (100, 140) else 0.5), "2026Q2", ["too_small"]),
     (_days(lambda day: 1.01 if day in (100, 101) else 0.5), "2026Q2", []),
     (_days(lambda day: 1.01 if day in (100, 110, 118) else 0.5, range(40, 48)), "2026-04", ["too_small"]),
     (_days(lambda day: 1.01 if day in (100, 110, 118) else 0.5, range(40, 47)), "2026-04", [])],
)  # fmt: skip
def test_findings_of_size_need_their_months_and_days(blocks, period, found):
    span = Period.parse(period)
    begin, end = span.bounds_ms(SHANGHAI)
    inside = [(at, share) for at, share in blocks if begin < at <= end]
    assert findings_of(inside, LoadingSettings(), types.SimpleNamespace(zone=SHANGHAI), span) == found


@pytest.mark.parametrize(
    ("over", "found"),
    # The quarter hour that ends at 00:00 of 1 May is April's: with one of April it is one month, with one of May two.
    [(("2026-04-20T10:00", "2026-05-01T00:00"), []), (("2026-05-01T00:00", "2026-05-20T10:00"), ["too_small"])],
)
def test_a_block_that_ends_with_the_month_is_that_month_s(over, found):
    span = Period.parse("2026Q2")
    stamps = {int(dt.datetime.fromisoformat(f"{at}+08:00").timestamp() * 1000) for at in over}
    begin, end = span.bounds_ms(SHANGHAI)
    blocks = [(at, 1.01 if at in stamps else 0.5) for at in range(begin + 900_000, end + 1, 900_000)]
    assert findings_of(blocks, LoadingSettings(), types.SimpleNamespace(zone=SHANGHAI), span) == found
