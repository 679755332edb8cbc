"""Points that share a transformer: its no-load loss exists once, in energies and in the demand, however they are asked for."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from behind_transformer import BEHIND, customer, enrolled, june, minutes
from billing_office import local, put, register

from keyacct.analysis.bill import bills
from keyacct.analysis.point_energy import point_energy
from keyacct.cli.run import run
from keyacct.config import Workspace
from keyacct.model import Period

NOW = "2026-08-15T00:00+08:00"
JUNE = Period.parse("2026-06")
NEIGHBOUR = "1000000003"
# P0 1.7 kW, Pk 10.3 kW, i0 0.7 %, uk 4.5 % of 1000 kVA; 720 hours.
IRON_KWH, IRON_KVARH = Decimal("1224"), Decimal("5040")


def second(account: str = BEHIND, *, since: str = "", named: bool = True) -> str:
    """A point P4 with meter M4 behind T1, of the account or of a neighbour."""
    begin = f"valid_from = {since}\n" if since else ""
    other = "" if account == BEHIND else f"""
[[account]]
account_no = "{account}"
account_name = "邻户"
[[account_terms]]
account_no = "{account}"
voltage_level_kv = 10
contract_capacity_kva = 500
tariff_mode = "single"
reading_day = 1
settlements_per_month = 1
"""  # fmt: skip
    return f"""{other}
[[point]]
point = "P4"
metering_mode = "hl"
[[point_account]]
point = "P4"
account_no = "{account}"
{begin}[[point_supply]]
point = "P4"
supply_line = "L1"
{'transformer = "T1"' if named else ""}
[[point_ratio]]
point = "P4"
wiring = "3p4w"
pt = 1
ct = 40
[[meter]]
meter_no = "M4"
interval_min = 1
[[meter_point]]
meter_no = "M4"
point = "P4"
{begin}"""


def shared(workspace: Workspace, **how: Any) -> None:
    """P3 with 288 000 kWh and 216 000 kvarh, P4 with 72 000 and 54 000 kWh in June, behind one transformer."""
    enrolled(workspace, more=second(**how), tariff="two_part_capacity")
    june(workspace)
    begin = "2026-06-16" if how.get("since") else "2026-06-01"
    for at, active, lag in ((f"{begin}T00:00", "0", "0"), ("2026-07-01T00:00", "1800", "1350")):
        put(workspace, "energy", at, meter="M4", kind="freeze_day", **{"import": active, "q1": lag, "q4": "0"})
        for number in range(1, 5):
            split = str(Decimal(active) / 4)
            put(workspace, "tariff_energy", at, meter="M4", kind="freeze_day", tariff=number, **{"import": split})


def lines(workspace: Workspace, *accounts: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for bill in bills(workspace, JUNE, accounts or None):
        for line in bill.get("losses", ()):
            found.setdefault(line["point"], []).append(line)
    return found


def asked(workspace: Workspace, capsys: pytest.CaptureFixture[str], *given: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    common = [
        "--period",
        "2026-06",
        "--format",
        "json",
        "--lang",
        "en",
        "--workspace",
        str(workspace.root),
        "--now",
        NOW,
    ]
    assert run([*given, *common]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return rows


def copper(kwh: float, kvarh: float, hours: float = 720) -> float:
    return 10.3 * (kwh**2 + kvarh**2) / (1000 * hours) ** 2 * hours


@pytest.mark.parametrize("named", [True, False])
def test_points_of_an_account_bear_equal_parts_of_the_no_load_loss(bare: Workspace, capsys: Any, named: bool) -> None:
    """P4 names T1, P3 has it as that of its account; or the other way."""
    if named:
        shared(bare)
    else:
        text = customer(tariff="two_part_capacity").replace(
            'supply_line = "L1"\n[[point_ratio', 'supply_line = "L1"\ntransformer = "T1"\n[[point_ratio'
        )
        assert 'transformer = "T1"\n[[point_ratio' in text
        register(bare, text + second(named=False))
        june(bare)
        for at, active, lag in (("2026-06-01T00:00", "0", "0"), ("2026-07-01T00:00", "1800", "1350")):
            put(bare, "energy", at, meter="M4", kind="freeze_day", **{"import": active, "q1": lag, "q4": "0"})
    found = lines(bare)
    assert {point: Decimal(own[0]["iron_kwh"]) for point, own in found.items()} == {"P3": 612, "P4": 612}
    assert sum(Decimal(own[0]["iron_kvarh"]) for own in found.values()) == IRON_KVARH
    rows = asked(bare, capsys, "pf", "--account", BEHIND)
    lost = 1224 + copper(288_000, 216_000) + copper(72_000, 54_000)
    assert rows[0]["loss_kwh"] == pytest.approx(lost)
    spans = point_energy(bare, JUNE, losses=True).spans.to_pylist()
    assert sum(float(row["import_kwh"]) for row in spans) == pytest.approx(360_000 + lost)


def test_energies_and_demand_have_the_same_no_load_loss(bare: Workspace, capsys: Any) -> None:
    """Frozen maxima of 2 kW × 40 at both meters: 160 kW, P0 once."""
    shared(bare)
    for meter in ("M3", "M4"):
        put(bare, "demand", "2026-07-01T00:00", meter=meter, **{"import": "2", "import_at": local("2026-06-09T11:15")})
    (row,) = [row for row in asked(bare, capsys, "demand") if row["account_no"] == BEHIND]
    assert row["billable_kw"] == pytest.approx(160 + 1.7 + 10.3 * 0.16**2, abs=1e-4)
    iron = sum(Decimal(line["iron_kwh"]) for own in lines(bare).values() for line in own)
    assert iron == Decimal("1.7") * 720


def test_two_accounts_bear_a_half_each_whoever_is_asked_for(bare: Workspace, capsys: Any) -> None:
    shared(bare, account=NEIGHBOUR)
    minutes(bare)
    together = lines(bare)
    assert {point: Decimal(own[0]["iron_kwh"]) for point, own in together.items()} == {"P3": 612, "P4": 612}
    assert (lines(bare, BEHIND)["P3"], lines(bare, NEIGHBOUR)["P4"]) == (together["P3"], together["P4"])
    for account, kwh, kvarh in ((BEHIND, 288_000, 216_000), (NEIGHBOUR, 72_000, 54_000)):
        (row,) = asked(bare, capsys, "pf", "--account", account)
        assert row["loss_kwh"] == pytest.approx(612 + copper(kwh, kvarh))
    (row,) = asked(bare, capsys, "demand", "--account", BEHIND)
    block = 40 * (8 + 2 * 7 / 15) / 0.8
    assert row["billable_kw"] == pytest.approx(400 + 1.7 / 2 + 10.3 * (block / 1000) ** 2, abs=1e-4)


def test_a_point_that_comes_later_bears_its_part_from_then_on(bare: Workspace) -> None:
    """P4 from 16 June on: P3 bears 15 days alone and 15 days the half, each with its own mean loading."""
    shared(bare, since="2026-06-16T00:00:00")
    found = lines(bare)
    assert [Decimal(line["iron_kwh"]) for line in found["P3"]] == [IRON_KWH * 3 / 4]
    assert [Decimal(line["iron_kwh"]) for line in found["P4"]] == [IRON_KWH / 4]
    assert float(found["P3"][0]["copper_kwh"]) == pytest.approx(copper(288_000, 216_000), abs=1e-4)
    assert sum(Decimal(line["iron_kvarh"]) for own in found.values() for line in own) == IRON_KVARH


def test_three_points_bear_a_third_each(bare: Workspace) -> None:
    third = second().replace('"P4"', '"P5"').replace('"M4"', '"M5"')
    shared(bare, account=NEIGHBOUR)
    register(bare, customer(tariff="two_part_capacity", more=second(NEIGHBOUR) + third))
    assert Decimal(lines(bare, NEIGHBOUR)["P4"][0]["iron_kwh"]) == IRON_KWH / 3


def test_a_point_without_a_meter_bears_nothing(bare: Workspace) -> None:
    shared(bare, since="2026-07-01T00:00:00")
    assert [Decimal(line["iron_kwh"]) for line in lines(bare)["P3"]] == [IRON_KWH]
