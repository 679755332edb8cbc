"""Bills of an account metered behind its transformer: its losses are in it, and it says what `keyacct pf` says."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from behind_transformer import BEHIND, NAMEPLATE, customer, enrolled, june, report_rows
from billing_office import local, put, register

from keyacct.analysis.bill import bills
from keyacct.analysis.charges import charges
from keyacct.cli.run import run
from keyacct.config import Workspace
from keyacct.model import Period

NOW = "2026-08-15T00:00+08:00"
# 288 000 kWh and 216 000 kvarh in 720 h are 500 kVA, β = 0.5: P0·t = 1.7·720, Pk·β²·t = 10.3·0.25·720,
# i0 %·S/100·t = 7·720, uk %·S·β²/100·t = 45·0.25·720.
IRON_KWH, COPPER_KWH, IRON_KVARH, COPPER_KVARH = 1224, 1854, 5040, 8100


def bill_of(workspace: Workspace) -> dict[str, Any]:
    (bill,) = [bill for bill in bills(workspace, Period.parse("2026-06")) if bill["account_no"] == BEHIND]
    return bill


def demand(workspace: Workspace, meter: str = "M3", kw: str = "10") -> None:
    at = local("2026-06-09T11:15")
    put(workspace, "demand", "2026-07-01T00:00", meter=meter, **{"import": kw, "import_at": at})


def pf_row(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    given = ["pf", "--period", "2026-06", "--account", BEHIND, "--format", "json", "--workspace", str(workspace.root)]
    assert run([*given, "--now", NOW, "--lang", "en"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    return dict(row)


def says_the_same(bill: dict[str, Any], row: dict[str, Any]) -> None:
    """A bill and a row of `keyacct pf`."""
    factor = bill["power_factor"]
    assert float(factor["wp_kwh"]) == pytest.approx(row["wp_kwh"], abs=1e-3)
    assert float(factor["wq_kvarh"]) == pytest.approx(row["wq_kvarh"], abs=1e-3)
    assert float(factor["pf"]) == round(row["pf"], 4)
    for name in ("pf_assessed", "pf_standard", "adjustment_pct"):
        assert float(factor[name]) == row[name], name


def test_the_losses_are_lines_of_the_bill_and_its_power_factor_is_that_of_pf(bare: Workspace, capsys: Any) -> None:
    enrolled(bare)
    june(bare)
    demand(bare)
    bill = bill_of(bare)
    assert (bill["complete"], bill["missing"], bill["flags"]) == (True, [], ["transformer_loss:P3"])
    (line,) = bill["losses"]
    names = ("iron_kwh", "copper_kwh", "iron_kvarh", "copper_kvarh")
    assert [int(line[name]) for name in names] == [IRON_KWH, COPPER_KWH, IRON_KVARH, COPPER_KVARH]
    assert (line["transformers"], line["state"], line["why"]) == (["T1"], "final", None)
    # Metered energies stay what the meter says; the settled ones have the losses, tariff by tariff in proportion 1 : 2 : 3 : 4.
    assert bill["energies"]["import"]["total"] == "288000"
    assert bill["loss"] == {
        "kwh": "3078", "kvarh": "13140",
        "by_tariff": {"flat": "923.4", "peak": "615.6", "sharp": "307.8", "valley": "1231.2"},
    }  # fmt: skip
    assert bill["settled"]["import"] == {
        "total": "291078", "sharp": "29107.8", "peak": "58215.6", "flat": "87323.4", "valley": "116431.2",
    }  # fmt: skip
    assert (bill["settled"]["q1"], bill["settled"]["q4"]) == ({"total": "229140"}, {"total": "0"})
    # 291 078 / √(291 078² + 229 140²) = 0.7857; at the meter it would be 0.80.
    factor = bill["power_factor"]
    assert (factor["wp_kwh"], factor["wq_kvarh"], factor["pf"]) == ("291078", "229140", "0.7857")
    assert (factor["pf_assessed"], factor["adjustment_pct"]) == ("0.79", "5.5")
    says_the_same(bill, pf_row(bare, capsys))


def test_metered_at_high_voltage_a_bill_knows_no_losses(bare: Workspace, capsys: Any) -> None:
    enrolled(bare, mode="hh")
    june(bare)
    demand(bare)
    bill = bill_of(bare)
    assert {"losses", "loss", "settled"} & bill.keys() == set()
    assert (bill["power_factor"]["pf"], bill["demand"].keys()) == ("0.8", {"kw", "at", "basis"})
    says_the_same(bill, pf_row(bare, capsys))


@pytest.mark.parametrize(
    ("nameplate", "state", "why"),
    [("rated_kva = 1000\nno_load_loss_kw = 1.7\n", True, "rating"), (NAMEPLATE, False, "which transformer")],
)
def test_losses_that_are_due_and_not_known_leave_the_bill_incomplete(
    bare: Workspace, capsys: Any, nameplate: str, state: bool, why: str
) -> None:
    text = customer(nameplate=nameplate)
    if not state:
        entry = f'[[transformer_state]]\ntransformer = "T1"\naccount_no = "{BEHIND}"\nstatus = "run"\n'
        assert entry in text
        text = text.replace(entry, "")
    register(bare, text)
    june(bare)
    demand(bare)
    bill = bill_of(bare)
    assert [(row["what"], why in row["why"]) for row in bill["missing"]] == [("transformer_loss", True)]
    assert (bill["losses"][0]["state"], bill["loss"]["kwh"], bill["settled"]) == ("unknown", None, {})
    assert bill["energies"]["import"]["total"] == "288000"
    assert "loss_unknown:P3" in bill["flags"]
    assert bill["demand"]["provisional"] == ["loss_unknown"]
    row = pf_row(bare, capsys)
    assert "loss_unknown" in row["flags"]
    # 288 000 / √(288 000² + 216 000²) is what the meter saw; nothing is assessed or adjusted by it at either door.
    assert (bill["power_factor"]["pf"], row["pf"]) == ("0.8", pytest.approx(0.8))
    assert (bill["power_factor"]["wq_kvarh"], row["wq_kvarh"]) == ("216000", 216_000)
    for name in ("pf_assessed", "adjustment_pct"):
        assert (bill["power_factor"][name], row[name]) == (None, None), name
    assert (row["passed"], row["pf_standard"], bill["power_factor"]["pf_standard"]) == (None, 0.9, "0.9")


def test_an_exchange_has_losses_of_each_part_and_the_parts_add_up(bare: Workspace, capsys: Any) -> None:
    """16 June 00:00: half the time each, 100 000 and 188 000 kWh; the copper of each part by its own load."""
    at = "2026-06-16T00:00:00"
    text = customer().replace('[[meter_point]]\nmeter_no = "M3"\npoint = "P3"\n', "")
    text += f'[[meter_point]]\nmeter_no = "M3"\npoint = "P3"\nvalid_to = {at}\n[[meter]]\nmeter_no = "M5"\n'
    text += f'[[meter_point]]\nmeter_no = "M5"\npoint = "P3"\nvalid_from = {at}\n'
    register(bare, text)
    for meter, when, active in (("M3", "2026-06-01", "0"), ("M3", "2026-06-16", "2500"), ("M5", "2026-06-16", "10"),
                                ("M5", "2026-07-01", "4710")):  # fmt: skip
        put(bare, "energy", f"{when}T00:00", meter=meter, kind="freeze_day", **{"import": active, "q1": "0", "q4": "0"})
        for number in range(1, 5):
            split = str(Decimal(active) / 4)
            put(
                bare,
                "tariff_energy",
                f"{when}T00:00",
                meter=meter,
                kind="freeze_day",
                tariff=number,
                **{"import": split},
            )
    for meter, when in (("M3", "2026-06-16"), ("M5", "2026-07-01")):
        put(bare, "demand", f"{when}T00:00", meter=meter, **{"import": "9"})
    bill = bill_of(bare)
    expected = [1.7 * 360 + 10.3 * (kwh / 1000 / 360) ** 2 * 360 for kwh in (100_000, 188_000)]
    assert [float(line["kwh"]) for line in bill["losses"]] == pytest.approx(expected, abs=1e-4)
    assert float(bill["loss"]["kwh"]) == pytest.approx(sum(expected), abs=2e-4)
    assert sum(map(Decimal, bill["loss"]["by_tariff"].values())) == Decimal(bill["loss"]["kwh"])
    says_the_same(bill, pf_row(bare, capsys))


def test_a_meter_with_one_pair_of_registers_and_one_with_quadrants_add_up(bare: Workspace, capsys: Any) -> None:
    """The power factor of a bill took the quadrants only, where another meter of the account has a single pair."""
    more = f"""
[[point]]
point = "P4"
metering_mode = "hh"
[[point_account]]
point = "P4"
account_no = "{BEHIND}"
[[point_ratio]]
point = "P4"
wiring = "3p4w"
pt = 1
ct = 40
[[meter]]
meter_no = "M4"
[[meter_point]]
meter_no = "M4"
point = "P4"
"""
    enrolled(bare, more=more, tariff="two_part_capacity")
    june(bare)
    for at, active, lag in (("2026-06-01T00:00", "0", "0"), ("2026-07-01T00:00", "1000", "900")):
        put(bare, "energy", at, meter="M4", **{"import": active, "reactive_import": lag})
        for number in range(1, 5):
            put(bare, "tariff_energy", at, meter="M4", tariff=number, **{"import": str(Decimal(active) / 4)})
    bill = bill_of(bare)
    assert bill["complete"], bill["missing"]
    assert float(bill["power_factor"]["wq_kvarh"]) == 216_000 + IRON_KVARH + COPPER_KVARH + 36_000
    says_the_same(bill, pf_row(bare, capsys))


def test_an_estimated_reading_makes_the_losses_provisional(bare: Workspace) -> None:
    enrolled(bare)
    june(bare, split=False)
    for number in range(1, 5):
        for at, value in (("2026-06-01T00:00", "0"), ("2026-06-30T20:00", "1795"), ("2026-07-01T04:00", "1805")):
            put(bare, "tariff_energy", at, meter="M3", kind="register", tariff=number, **{"import": value})
    demand(bare)
    bill = bill_of(bare)
    assert (bill["complete"], bill["estimated"]) == (True, True)
    assert [line["state"] for line in bill["losses"]] == ["provisional"]


def exported(workspace: Workspace, folder: Path, *more: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    given = ["billing", "export", "--period", "2026-06", "--account", BEHIND, "--out", str(folder), *more]
    status = run([*given, "--workspace", str(workspace.root), "--now", NOW, "--lang", "zh"])
    tables = {
        path.name.split(".")[1]: list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"))))
        for path in sorted(folder.glob("*.csv"))
    }
    return status, tables


def test_the_hand_over_holds_the_loss_lines(bare: Workspace, tmp_path: Path) -> None:
    enrolled(bare)
    june(bare)
    demand(bare)
    status, tables = exported(bare, tmp_path / "out")
    assert status == 0
    (account,), (line,) = tables["accounts"], tables["losses"]
    assert (account["loss_kwh"], account["loss_kvarh"], account["settled_import_kwh"]) == ("3078", "13140", "291078")
    assert [account[f"loss_{name}_kwh"] for name in ("sharp", "peak", "flat", "valley")] == [
        "307.8", "615.6", "923.4", "1231.2",
    ]  # fmt: skip
    assert (account["loss_state"], account["import_total_kwh"], account["pf_assessed"]) == ("final", "288000", "0.79")
    # 400 kW at the meter: P0 + Pk·0.4² of 1000 kVA.
    assert (account["demand_kw"], account["demand_loss_kw"]) == ("403.348", "3.348")
    assert (line["iron_kwh"], line["copper_kwh"], line["transformers"], line["state"]) == (
        "1224",
        "1854",
        "T1",
        "final",
    )
    assert (tmp_path / "out" / "billing-000001.xlsx").exists()


def test_an_export_without_losses_has_no_column_of_them(bare: Workspace, tmp_path: Path) -> None:
    enrolled(bare, mode="hh")
    june(bare)
    demand(bare)
    _, tables = exported(bare, tmp_path / "out")
    assert not {name for name in tables["accounts"][0] if "loss" in name or name == "demand_provisional"}
    assert "losses" not in tables


def test_unknown_losses_refuse_the_hand_over(bare: Workspace, tmp_path: Path, capsys: Any) -> None:
    enrolled(bare, nameplate="rated_kva = 1000")
    june(bare)
    demand(bare)
    status, tables = exported(bare, tmp_path / "out")
    assert (status, tables) == (8, {})
    assert "transformer_loss" in capsys.readouterr().err
    status, tables = exported(bare, tmp_path / "out", "--allow-partial")
    assert (status, tables["accounts"][0]["settled_import_kwh"], tables["losses"][0]["state"]) == (6, "", "unknown")


def test_a_correction_names_the_losses_that_changed(bare: Workspace, tmp_path: Path) -> None:
    enrolled(bare)
    june(bare)
    demand(bare)
    exported(bare, tmp_path / "one")
    register(bare, customer(nameplate=NAMEPLATE.replace("= 1.7", "= 2.7")))
    status, tables = exported(bare, tmp_path / "two")
    changed = {row["item"]: (row["before"], row["now"], row["difference"]) for row in tables["corrections"]}
    assert (status, changed["loss_kwh"]) == (0, ("3078", "3798", "720"))
    assert any(name.endswith("loss iron_kwh") for name in changed)


def test_reports_tell_the_losses(bare: Workspace, tmp_path: Path) -> None:
    enrolled(bare)
    june(bare)
    for kind, table in (("month", "power_factor_losses"), ("pf", "pf_losses")):
        (row,) = report_rows(bare, tmp_path / kind, kind, table, lang="zh")
        assert (row["loss_kwh"], row["loss_kvarh"]) == ("3078.00", "13140.00")


def test_reports_assess_and_charge_nothing_without_the_losses(bare: Workspace, tmp_path: Path) -> None:
    enrolled(bare, nameplate="rated_kva = 1000", tariff="two_part_capacity")
    june(bare)
    for kind, table in (("month", "power_factor_account"), ("pf", "pf_accounts")):
        (row,) = report_rows(bare, tmp_path / kind, kind, table)
        assert row["pf"] == "0.8000"
        for key in ("pf_assessed", "passed", "adjustment_pct", "adjustment_cny"):
            assert row.get(key, "") == "", key
    period = Period.parse("2026-06")
    (found,) = charges(
        bare, period, accounts=[BEHIND], demands={}, adjustment_pct={BEHIND: None}, is_over=True
    ).values()  # fmt: skip
    assert (found.energy_cny, found.adjustment_cny, found.total_cny, found.basic_cny) == (None, None, None, 20_000)
    assert {found.reasons[name] for name in ("energy_cny", "adjustment_cny", "total_cny")} == {"loss_unknown"}
