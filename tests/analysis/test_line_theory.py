"""Theoretical loss of lines and public transformers against sums made by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import network_office as net
import pytest

from keyacct.analysis.line_theory import line_heat_kwh
from keyacct.cli.run import run

HOURS = 720
PLATE = {"rated_kva": 400, "no_load_loss_kw": 0.57, "load_loss_kw": 4.3, "i0_pct": 0.8, "uk_pct": 4.0}
"""A distribution transformer of the usual size, figures chosen for the test."""


def text(
    ohm: float | None = 0.85, *, branch: float | None = None, plate: dict[str, float] | None = None, **more: Any
) -> str:
    """Line L1 of 10 kV with a customer C1 at its end; perhaps a branch L1b with C2, or a public transformer before C1."""
    made: str = net.registry(lines=("L2",), **more)
    made += net.entry("supply_line", supply_line="L1", voltage_level_kv=10, resistance_ohm=ohm)
    made += net.entry("line_feed", supply_line="L1", busbar="B1")
    customers = {"C1": "L1"}
    if branch is not None:
        made += net.entry(
            "supply_line", supply_line="L1b", voltage_level_kv=10, resistance_ohm=branch or None, branch_of="L1"
        )
        customers["C2"] = "L1b"
    if plate is not None:
        made += net.entry("transformer", transformer="T9", **plate)
        made += net.entry("transformer_state", transformer="T9", supply_line="L1", status="run")
    for point, line in customers.items():
        made += net.entry("account", account_no=point, account_name=point)
        made += net.entry("point", point=point, kind="billing", metering_mode="ll" if plate else "hh")
        made += net.entry("meter", meter_no=f"M{point}") + net.entry("meter_point", meter_no=f"M{point}", point=point)
        made += net.entry("point_ratio", point=point, wiring="3p3w", pt="10000/100", ct="200/5")
        made += net.entry("point_supply", point=point, supply_line=line, transformer="T9" if plate else None)
        made += net.entry("point_account", point=point, account_no=point)
    return made


def line_of(root: str, capsys: Any, line: str = "L1") -> dict[str, Any]:
    return next(row for row in net.asked(root, capsys, "balance", "--lines") if row["supply_line"] == line)


def test_the_formula_with_a_round_example() -> None:
    """100 A through 1 Ω in each of three phases for an hour: 3·100²·1 W = 30 kWh; S = √3·10 kV·100 A = 1732.05 kVA."""
    assert line_heat_kwh((math.sqrt(3) * 10 * 100) ** 2, 10, 1, 1) == pytest.approx(30)


def test_without_a_curve_the_mean_current_and_the_form_factor_count(tmp_path: Path, capsys: Any) -> None:
    """100 secondary kWh are 400 000 kWh: 555.6 kVA at cosφ 1 (no reactive register); K = 1.05."""
    root = net.office(tmp_path, text(), {"IN": 150, "H1": 100, "H2": 49, "C1": 98})
    row = line_of(root, capsys)
    expected = (1.05 * 400_000 / HOURS) ** 2 / 10**2 * 0.85 * HOURS / 1000
    assert (row["expected_kwh"], row["theory_basis"]) == (pytest.approx(expected), "energy")
    assert (row["loss_kwh"], row["excess_kwh"]) == (8000, pytest.approx(8000 - expected))
    assert row["expected_rate"] == pytest.approx(expected / 400_000)
    assert (row["transformer_theory_kwh"], row["theory_lacks"]) == (0, [])


def test_with_a_curve_the_mean_square_of_the_current_counts(tmp_path: Path, capsys: Any) -> None:
    """Half of June at 0.2 kW secondary, half at 0.1, reactive 3/4 of it: S = 1000 and 500 kVA; mean square 625 000."""
    rows = []
    for n in range(1, 30 * 96 + 1):
        day, quarter = divmod(n, 96)
        at = f"2026-06-{day + 1:02}T{quarter // 4:02}:{quarter % 4 * 15:02}" if n < 30 * 96 else "2026-07-01T00:00"
        kw = 0.2 if n <= 15 * 96 else 0.1
        rows.append(["MH1", at, kw, round(kw * 0.75, 4)])
    samples = [("p=power.p,q=power.q", "interval", rows)]
    root = net.office(tmp_path, text(), {"IN": 150, "H1": 100, "H2": 49, "C1": 98}, samples)
    row = line_of(root, capsys)
    assert row["theory_basis"] == "curve"
    assert row["expected_kwh"] == pytest.approx(625_000 / 10**2 * 0.85 * HOURS / 1000)


@pytest.mark.parametrize(("ohm", "lacks"), [(None, ["resistance:L1"])])
def test_without_a_resistance_nothing_is_expected(
    tmp_path: Path, capsys: Any, ohm: float | None, lacks: list[str]
) -> None:
    root = net.office(tmp_path, text(ohm), {"IN": 150, "H1": 100, "H2": 49, "C1": 98})
    row = line_of(root, capsys)
    assert (row["expected_kwh"], row["excess_kwh"], row["theory_lacks"], row["loss_kwh"]) == (None, None, lacks, 8000)


def test_a_branch_carries_what_is_sold_on_it(tmp_path: Path, capsys: Any) -> None:
    root = net.office(tmp_path, text(branch=2.0), {"IN": 150, "H1": 100, "H2": 49, "C1": 60, "C2": 38})
    heat = [(1.05 * 4000 * kwh / HOURS) ** 2 / 10**2 * ohm * HOURS / 1000 for kwh, ohm in ((100, 0.85), (38, 2.0))]
    assert line_of(root, capsys)["expected_kwh"] == pytest.approx(sum(heat))
    assert line_of(root, capsys, "L1b")["expected_kwh"] == pytest.approx(heat[1])


def test_a_branch_without_a_resistance_is_said_to_lack_it(tmp_path: Path, capsys: Any) -> None:
    root = net.office(tmp_path, text(branch=0), {"IN": 150, "H1": 100, "H2": 49, "C1": 60, "C2": 38})
    row = line_of(root, capsys)
    assert (row["expected_kwh"], row["theory_lacks"]) == (None, ["resistance:L1b"])


def test_a_public_transformer_on_the_line_loses_too(tmp_path: Path, capsys: Any) -> None:
    """P0·t + Pk·β²·t with 4000 × 50 kWh through 400 kVA."""
    root = net.office(tmp_path, text(plate=PLATE), {"IN": 150, "H1": 52, "H2": 97, "C1": 50})
    row = line_of(root, capsys)
    lost = 0.57 * HOURS + 4.3 * (200_000 / 400 / HOURS) ** 2 * HOURS
    assert row["transformer_theory_kwh"] == pytest.approx(lost)
    assert row["expected_kwh"] == pytest.approx(row["line_theory_kwh"] + lost)


def test_a_public_transformer_without_a_nameplate_is_said_to_lack_it(tmp_path: Path, capsys: Any) -> None:
    root = net.office(tmp_path, text(plate={"rated_kva": 400}), {"IN": 150, "H1": 52, "H2": 97, "C1": 50})
    row = line_of(root, capsys)
    assert (row["expected_kwh"], row["line_theory_kwh"] is None, row["theory_lacks"]) == (None, False, ["nameplate:T9"])


def test_the_resistance_goes_into_the_registry_and_out_again(tmp_path: Path, capsys: Any) -> None:
    root = net.office(tmp_path, text(0.85), {"IN": 1})
    assert run(["registry", "export", "--out", str(tmp_path / "out.toml"), "--workspace", root]) == 0
    assert "resistance_ohm = 0.85" in (tmp_path / "out.toml").read_text("utf-8")
    (tmp_path / "bad.toml").write_text('[[supply_line]]\nsupply_line = "L7"\nresistance_ohm = -1\n', "utf-8")
    capsys.readouterr()
    assert run(["registry", "import", str(tmp_path / "bad.toml"), "--workspace", root, "--lang", "en"]) != 0
    assert "resistance_ohm" in capsys.readouterr().err
