"""The demand that is billed is one number: bill, comparison, demand, reports and charges say the same kilowatts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from behind_transformer import BEHIND, customer, enrolled, june, minutes, report_rows
from billing_office import local, put, register

from keyacct.analysis.bill import bills
from keyacct.analysis.billable_demand import billable_demands
from keyacct.cli.run import run
from keyacct.config import Workspace
from keyacct.model import Period

NOW = "2026-08-15T00:00+08:00"
JUNE = Period.parse("2026-06")


def asked(workspace: Workspace, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    given = [*arguments, "--period", "2026-06", "--account", BEHIND, "--format", "json", "--lang", "en"]
    assert run([*given, "--workspace", str(workspace.root), "--now", NOW]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return rows


def figure(workspace: Workspace, folder: Path, kind: str, table: str, key: str) -> str:
    """A value of a report's CSV files."""
    rows = report_rows(workspace, folder / kind, kind, table)
    if table == "figures":
        return next(row["value"] for row in rows if row["figure"] == key)
    (row,) = rows
    return row[key]


def everywhere(workspace: Workspace, folder: Path, capsys: pytest.CaptureFixture[str]) -> set[tuple[str, float]]:
    """Every place that tells the account's demand of June, and what it says."""
    (bill,) = [bill for bill in bills(workspace, JUNE) if bill["account_no"] == BEHIND]
    (two_part,) = asked(workspace, capsys, "demand", "--two-part")
    (demand,) = asked(workspace, capsys, "demand")
    (other_slip,) = asked(workspace, capsys, "demand", "--slip", "5")
    found = {
        ("bill", float(bill["demand"]["kw"])),
        ("two-part", two_part["md_kw"]),
        ("demand", demand["billable_kw"]),
        ("demand, other slip", other_slip["billable_kw"]),
        ("library", float(billable_demands(workspace, JUNE, accounts=[BEHIND])[BEHIND].kw or -1)),
        ("month report", float(figure(workspace, folder, "month", "demand_total", "demand_kw"))),
        ("energy report", float(figure(workspace, folder, "energy", "energy_accounts", "demand_kw"))),
        ("customer report", float(figure(workspace, folder, "customer", "figures", "max_demand_kw"))),
    }
    # What demand mode bills: up to 105 % of 400 kW that, above it twice.
    billed = (
        400 if bill["demand"]["kw"] is None or demand["billable_kw"] <= 420 else 400 + 2 * (demand["billable_kw"] - 420)
    )
    assert two_part["billed_demand_kw"] == pytest.approx(billed)
    assert two_part["demand_cny"] == pytest.approx(30 * billed, abs=0.01)
    return found


def all_say(found: set[tuple[str, float]], kw: float) -> bool:
    """Whether they differ by no more than the two digits that a report shows."""
    return len(found) == 8 and all(told == pytest.approx(kw, abs=0.0051) for _, told in found)


def test_minutes_behind_a_transformer_are_the_same_everywhere(bare: Workspace, tmp_path: Path, capsys: Any) -> None:
    """10 kW × 40 for the 15 minutes that end at 01:22; block 01:15 has 8 minutes of them, so 8 + 2·8/15.

    Losses at 400 kW and 500 kVA (cosφ 0.8): the block that holds the window's end, 01:15–01:30, has 7 minutes at the peak.
    """
    enrolled(bare, tariff="two_part_demand")
    minutes(bare)
    block = 40 * (8 + 2 * 7 / 15) / 0.8
    loss = 1.7 + 10.3 * (block / 1000) ** 2
    assert block > 400, "the apparent power counts where it is higher than the active one"
    found = everywhere(bare, tmp_path, capsys)
    assert all_say(found, 400 + loss), found
    demand = billable_demands(bare, JUNE, accounts=[BEHIND])[BEHIND]
    assert (demand.kind, str(demand.at)) == ("sliding15/1", "2026-06-10 01:22:00+08:00")
    assert demand.reasons == ("incomplete",), "four hours are no June"
    assert float(demand.loss_kw or 0) == pytest.approx(loss, abs=1e-4)


def test_what_the_meter_has_frozen_goes_before_curves(bare: Workspace, tmp_path: Path, capsys: Any) -> None:
    """The meter's own 9.5 kW × 40 = 380 kW on 9 June, when no curve is known: β from the active power alone."""
    enrolled(bare)
    minutes(bare)
    june(bare)
    put(bare, "demand", "2026-07-01T00:00", meter="M3", **{"import": "9.5", "import_at": local("2026-06-09T11:15")})
    found = everywhere(bare, tmp_path, capsys)
    assert all_say(found, 380 + 1.7 + 10.3 * 0.38**2), found
    demand = billable_demands(bare, JUNE, accounts=[BEHIND])[BEHIND]
    assert (demand.kind, demand.basis, demand.provisional) == ("frozen", "freeze_settlement", False)
    (row,) = asked(bare, capsys, "demand")
    assert (row["billable_kind"], row["demand_kind"]) == ("frozen", "sliding15/1")


def test_a_maximum_that_was_reset_in_the_month_is_not_that_of_the_month(bare: Workspace) -> None:
    """Settled on the 16th: what is frozen on 1 July tells of the time since 16 June only."""
    register(bare, customer().replace("reading_day = 1\n", "reading_day = 16\n"))
    minutes(bare)
    put(bare, "demand", "2026-07-01T00:00", meter="M3", kind="freeze_month", **{"import": "2.0"})
    demand = billable_demands(bare, JUNE, accounts=[BEHIND])[BEHIND]
    assert (demand.kind, demand.kw is not None and demand.kw > 400) == ("sliding15/1", True)


@pytest.mark.parametrize(
    ("at", "kw", "counts"),
    [
        ("2026-06-01T00:00", "9.5", False),
        ("2026-06-01T00:15", "9.5", True),
        ("2026-07-01T00:00", "9.5", True),
        ("2026-07-01T00:15", "9.5", False),
        ("2026-06-01T00:00", "0", True),
    ],
)
def test_a_maximum_stamped_at_the_end_of_a_cycle_is_of_that_cycle(
    bare: Workspace, at: str, kw: str, counts: bool
) -> None:
    """The quarter hour that ends on 1 June at 00:00 lies in May; a register that was reset then and met no load has 0."""
    enrolled(bare)
    june(bare)
    put(bare, "demand", "2026-07-01T00:00", meter="M3", **{"import": kw, "import_at": local(at)})
    demand = billable_demands(bare, JUNE, accounts=[BEHIND])[BEHIND]
    assert (demand.kind, demand.kw is not None) == (("frozen", True) if counts else (None, False))
    (bill,) = [bill for bill in bills(bare, JUNE) if bill["account_no"] == BEHIND]
    remarked = any("demand_of_another_cycle" in flag for flag in bill["flags"])
    assert remarked is not counts


def test_losses_that_are_due_and_unknown_make_it_provisional(bare: Workspace) -> None:
    enrolled(bare, nameplate="rated_kva = 1000")
    june(bare)
    put(bare, "demand", "2026-07-01T00:00", meter="M3", **{"import": "9.5", "import_at": local("2026-06-09T11:15")})
    demand = billable_demands(bare, JUNE, accounts=[BEHIND])[BEHIND]
    assert (float(demand.kw or 0), demand.loss_kw, demand.reasons) == (380, None, ("loss_unknown",))


def test_an_account_metered_at_high_voltage_has_no_losses(bare: Workspace) -> None:
    enrolled(bare, mode="hh")
    minutes(bare)
    demand = billable_demands(bare, JUNE, accounts=[BEHIND])[BEHIND]
    assert (float(demand.kw or 0), demand.loss_kw) == (400, None)


def test_several_lines_are_billed_by_their_own_maxima_only(bare: Workspace) -> None:
    """Two lines: the curve tells of one time only; the frozen maxima of both meters are added."""
    more = """
[[supply_line]]
supply_line = "L2"
[[point]]
point = "P4"
metering_mode = "hh"
[[point_account]]
point = "P4"
account_no = "1000000002"
[[point_supply]]
point = "P4"
supply_line = "L2"
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
    register(bare, customer(mode="hh", more=more).replace("interval_min = 1\n", ""))
    for hour in (1, 2):
        for meter, kw in (("M3", 4 + hour), ("M4", 8 - hour)):
            for quarter in ("00", "15"):
                put(bare, "power", f"2026-06-10T0{hour}:{quarter}", meter=meter, kind="interval", p=str(kw))
    demand = billable_demands(bare, JUNE, accounts=[BEHIND])[BEHIND]
    assert (float(demand.kw or 0), demand.per_line, "several_lines" in demand.reasons) == (480, False, True)
    put(bare, "demand", "2026-07-01T00:00", meter="M3", **{"import": "6", "import_at": local("2026-06-10T02:15")})
    put(bare, "demand", "2026-07-01T00:00", meter="M4", **{"import": "7", "import_at": local("2026-06-10T01:15")})
    demand = billable_demands(bare, JUNE, accounts=[BEHIND])[BEHIND]
    assert (float(demand.kw or 0), demand.basis, demand.reasons) == (520, "sum of 2 points", ())
