"""Bills by hand: exchange, multiplier, rollover, estimates, and what is never passed off as a reading."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from billing_office import ACCOUNT, EXCHANGED, freeze_registers, local, put, register

from keyacct import clock
from keyacct.analysis.bill import bills
from keyacct.config import Workspace
from keyacct.model import Period
from keyacct.store import quality

JUNE = Period.parse("2026-06")


def bill_of(workspace: Workspace, period: str = "2026-06") -> dict[str, Any]:
    (bill,) = bills(workspace, Period.parse(period))
    return bill


def frozen_june(workspace: Workspace) -> None:
    """A plain June: 100.00 kWh secondary, 25 of them in each tariff period."""
    freeze_registers(workspace, "2026-06-01T00:00", "500.00", ("125", "125", "125", "125"), "100.00", "10.00")
    freeze_registers(workspace, "2026-07-01T00:00", "600.00", ("150", "150", "150", "150"), "130.00", "10.00")
    demand(workspace)


def demand(workspace: Workspace, at: str = "2026-07-01T00:00", **values: Any) -> None:
    given = {"import": "0.2000", "import_at": local("2026-06-09T11:15"), **values}
    put(workspace, "demand", at, **given)


def lacking(bill: dict[str, Any]) -> list[tuple[str, str]]:
    return [(row["at"][:16], row["what"]) for row in bill["missing"]]


def test_the_worked_example_of_the_manual(bare: Workspace) -> None:
    """Riyue chemical works, 35 kV, PT 35000/100 × CT 500/5 = 35 000; M1 replaced by M2 on 16 June at 10:00.

    By hand: M1 1290.06 − 1234.56 = 55.50, M2 48.62 − 0.12 = 48.50; 104.00 × 35 000 = 3 640 000 kWh.
    Sharp (4.00 + 3.50) × 35 000 = 262 500, peak (24.00 + 20.50) = 1 557 500, flat (17.00 + 15.00) = 1 120 000, valley
    (10.50 + 9.50) = 700 000; together 3 640 000. Q1 (20.00 + 17.00) × 35 000 = 1 295 000, Q4 (1.00 + 1.50) × 35 000 =
    87 500 kvarh, together 1 382 500: tan φ 0.379808, cos φ 1/√1.144254 = 0.9348, assessed 0.93, three hundredths above
    0.90: −0.45 %.
    Demand 0.2400 × 35 000 = 8400 kW (M1, 9 June 11:15) against 0.2310 × 35 000 = 8085 kW (M2).
    """
    register(
        bare,
        EXCHANGED
        + """
[[exchange_reading]]
point = "P1"
exchanged_at = 2026-06-16T10:00:00
meter_no = "M1"
import_kwh = "1290.06"
q1_kvarh = "320.00"
q4_kvarh = "11.00"
[[exchange_reading]]
point = "P1"
exchanged_at = 2026-06-16T10:00:00
meter_no = "M2"
import_kwh = "0.12"
q1_kvarh = "0.05"
q4_kvarh = "0.00"
"""
        + "".join(
            f'[[exchange_reading]]\npoint = "P1"\nexchanged_at = 2026-06-16T10:00:00\nmeter_no = "{meter}"\n'
            f'tariff = {tariff}\nimport_kwh = "{value}"\n'
            for meter, values in (("M1", ("104.00", "424.00", "517.00", "245.06")), ("M2", ("0.02", "0.04", "0.03", "0.03")))
            for tariff, value in enumerate(values, 1)
        ),
    )  # fmt: skip
    freeze_registers(bare, "2026-06-01T00:00", "1234.56", ("100.00", "400.00", "500.00", "234.56"), "300.00", "10.00")
    freeze_registers(
        bare, "2026-07-01T00:00", "48.62", ("3.52", "20.54", "15.03", "9.53"), "17.05", "1.50", meter="M2"
    )  # fmt: skip
    demand(bare, "2026-06-16T10:00", **{"import": "0.2400"})
    put(bare, "demand", "2026-07-01T00:00", meter="M2", **{"import": "0.2310", "import_at": local("2026-06-23T10:30")})
    bill = bill_of(bare)
    assert (bill["complete"], bill["estimated"], bill["missing"], bill["flags"]) == (True, False, [], [])
    assert (bill["cycle_from"], bill["cycle_to"]) == ("2026-06-01T00:00:00+08:00", "2026-07-01T00:00:00+08:00")
    assert bill["energies"]["import"] == {
        "total": "3640000", "sharp": "262500", "peak": "1557500", "flat": "1120000", "valley": "700000",
    }  # fmt: skip
    assert bill["energies"]["q1"] == {"total": "1295000"}
    assert bill["energies"]["q4"] == {"total": "87500"}
    assert bill["demand"] == {"kw": "8400", "at": "2026-06-09T11:15:00+08:00", "basis": "freeze_settlement"}
    assert bill["power_factor"] == {
        "wp_kwh": "3640000", "wq_kvarh": "1382500", "pf": "0.9348", "pf_assessed": "0.93", "pf_standard": "0.9",
        "adjustment_pct": "-0.45",
    }  # fmt: skip
    parts = [
        (row["meter"], row["part_from"][:16], row["part_to"][:16], row["begin"], row["end"], row["difference"], row["energy"])
        for row in bill["readings"]
        if (row["quantity"], row["tariff"]) == ("import", "total")
    ]  # fmt: skip
    assert parts == [
        ("M1", "2026-06-01T00:00", "2026-06-16T10:00", "1234.56", "1290.06", "55.5", "1942500"),
        ("M2", "2026-06-16T10:00", "2026-07-01T00:00", "0.12", "48.62", "48.5", "1697500"),
    ]
    assert {row["multiplier"] for row in bill["readings"]} == {"35000"}
    assert [(row["old_meter"], row["new_meter"], row["reason"]) for row in bill["exchanges"]] == [("M1", "M2", "fault")]


def test_an_exchange_without_its_readings_leaves_the_sum_open(bare: Workspace) -> None:
    register(bare, EXCHANGED)
    freeze_registers(bare, "2026-06-01T00:00", "500.00", ("125", "125", "125", "125"), "100.00", "10.00")
    freeze_registers(bare, "2026-07-01T00:00", "600.00", ("150", "150", "150", "150"), "130.00", "10.00", meter="M2")
    bill = bill_of(bare)
    assert bill["complete"] is False
    assert {at for at, what in lacking(bill) if what != "demand"} == {"2026-06-16T10:00"}
    assert set(bill["energies"]["import"].values()) == {None}, "half a cycle is no sum"
    assert bill["power_factor"]["pf"] is None


def test_a_multiplier_that_changes_within_the_cycle_makes_two_parts(office: Workspace) -> None:
    """CT 500/5 until 1 September, 600/5 after; settled on the 16th: 40 × 35 000 + 60 × 42 000 = 3 920 000 kWh."""
    register(office, _terms("reading_day = 16"))
    for at, total in (("2026-08-16", "100.00"), ("2026-09-01", "140.00"), ("2026-09-16", "200.00")):
        quarter = str(Decimal(total) / 4)
        freeze_registers(office, f"{at}T00:00", total, (quarter,) * 4, total, "0", kind="freeze_day")
    clock.fix("2026-10-01T00:00+08:00")
    bill = bill_of(office, "2026-09")
    assert bill["energies"]["import"]["total"] == "3920000"
    assert [row["multiplier"] for row in bill["readings"] if row["tariff"] == "total" and row["quantity"] == "import"] == [
        "35000", "42000",
    ]  # fmt: skip
    assert [row["energy"] for row in bill["readings"] if row["quantity"] == "q1"] == ["1400000", "2520000"]


def _terms(day: str, count: str = "settlements_per_month = 1", mode: str = "two_part_capacity") -> str:
    return (
        f'[[account_terms]]\naccount_no = "{ACCOUNT}"\ntariff_mode = "{mode}"\nvoltage_level_kv = 35\n'
        f"contract_capacity_kva = 30500\n{day}\n{count}\n"
    )


def test_a_register_that_rolls_over_goes_on(office: Workspace) -> None:
    """999 990.00 → 12.50 of a register of six digits: 10.00 + 12.50 = 22.50, × 35 000 = 787 500 kWh."""
    frozen_june(office)
    put(office, "energy", "2026-06-01T00:00", recv="2026-08-01T00:00", **{"import": "999990.00"})
    put(office, "energy", "2026-07-01T00:00", recv="2026-08-01T00:00", **{"import": "12.50"})
    bill = bill_of(office)
    assert bill["energies"]["import"]["total"] == "787500"
    assert "rollover:M1" in bill["flags"]


@pytest.mark.parametrize(
    ("begin", "end", "why"),
    [
        ("500.00", "499.00", "not from the last tenth of the range"),
        ("950000.00", "99999.00", "more than the contract's capacity could have drawn"),
        ("999990.00", "150000.00", "not into the first tenth"),
    ],
)
def test_a_register_that_falls_otherwise_counts_nothing(office: Workspace, begin: str, end: str, why: str) -> None:
    frozen_june(office)
    put(office, "energy", "2026-06-01T00:00", recv="2026-08-01T00:00", **{"import": begin})
    put(office, "energy", "2026-07-01T00:00", recv="2026-08-01T00:00", **{"import": end})
    bill = bill_of(office)
    assert bill["energies"]["import"]["total"] is None, why
    assert "register_decrease:M1" in bill["flags"]
    assert lacking(bill) == [("2026-07-01T00:00", "import total")]


def test_a_jump_is_remarked_and_counted(office: Workspace) -> None:
    """1.5 × 30 500 kVA × 720 h = 32 940 000 kWh = 941.14 of the register: 942 is beyond it."""
    frozen_june(office)
    for end, jumped in (("1441.00", False), ("1442.00", True)):
        put(office, "energy", "2026-07-01T00:00", recv=f"2026-08-0{1 + jumped}T00:00", **{"import": end})
        bill = bill_of(office)
        assert ("register_jump:M1" in bill["flags"]) is jumped
        assert bill["energies"]["import"]["total"] == str(int((Decimal(end) - 500) * 35000))


def test_a_missing_freeze_is_estimated_between_readings_and_says_so(office: Workspace) -> None:
    """30 June 18:00 stands at 590.00, 1 July 06:00 at 602.00: at midnight, half way, 596.00."""
    freeze_registers(office, "2026-06-01T00:00", "500.00", ("125", "125", "125", "125"), "100.00", "10.00")
    demand(office)
    for at, total, quarter in (("2026-06-30T18:00", "590.00", "147.50"), ("2026-07-01T06:00", "602.00", "150.50")):
        freeze_registers(office, at, total, (quarter,) * 4, "130.00", "10.00", kind="register")
    bill = bill_of(office)
    assert (bill["complete"], bill["estimated"]) == (True, True)
    (total,) = [r for r in bill["readings"] if (r["quantity"], r["tariff"]) == ("import", "total")]
    assert (total["end"], total["end_quality"], total["begin_quality"]) == ("596", 2, 0)
    assert total["end_basis"] == "estimate 2026-06-30T18:00+08:00..2026-07-01T06:00+08:00"
    freeze_registers(office, "2026-07-01T00:00", "597.00", ("149.25",) * 4, "130.00", "10.00")
    late = bill_of(office)
    assert (late["estimated"], late["energies"]["import"]["total"]) == (False, "3395000"), (
        "the true value takes its place"
    )


def test_a_live_reading_taken_later_is_no_freeze(office: Workspace) -> None:
    frozen_june(office)
    put(office, "energy", "2026-08-01T00:10", kind="register", **{"import": "651.00"})
    bill = bill_of(office, "2026-07")
    assert ("2026-08-01T00:00", "import total") in lacking(bill)
    assert bill["energies"]["import"]["total"] is None
    put(office, "energy", "2026-08-01T00:00", kind="register", quality=quality.TIME_OF_RECEIPT, **{"import": "650.00"})
    (total,) = [
        r for r in bill_of(office, "2026-07")["readings"] if (r["quantity"], r["tariff"]) == ("import", "total")
    ]
    assert (total["end"], total["end_quality"]) == ("650", 2), "dated by its receipt, even to the second: an estimate"


def test_readings_too_far_away_estimate_nothing(office: Workspace) -> None:
    freeze_registers(office, "2026-06-01T00:00", "500.00", ("125", "125", "125", "125"), "100.00", "10.00")
    put(office, "energy", "2026-06-27T00:00", kind="register", **{"import": "590.00"})
    put(office, "energy", "2026-07-01T06:00", kind="register", **{"import": "602.00"})
    assert ("2026-07-01T00:00", "import total") in lacking(bill_of(office))


@pytest.mark.parametrize(
    ("recv", "bits", "code"),
    [("2026-07-01T00:05", 0, 0), ("2026-07-02T00:01", 0, 1), (None, 0, 0), (None, quality.EDITED, 3),
     (None, quality.ESTIMATED, 2)],
)  # fmt: skip
def test_every_reading_carries_its_quality(office: Workspace, recv: str | None, bits: int, code: int) -> None:
    freeze_registers(office, "2026-06-01T00:00", "500.00", ("125", "125", "125", "125"), "100.00", "10.00")
    freeze_registers(
        office, "2026-07-01T00:00", "600.00", ("150", "150", "150", "150"), "130.00", "10.00", recv=recv, quality=bits
    )  # fmt: skip
    bill = bill_of(office)
    assert {row["end_quality"] for row in bill["readings"]} == {code}
    assert bill["estimated"] is (code == 2)


def test_a_settlement_freeze_goes_before_a_daily_one(office: Workspace) -> None:
    frozen_june(office)
    put(office, "energy", "2026-07-01T00:00", kind="freeze_day", recv="2026-08-01T00:00", **{"import": "601.00"})
    (total,) = [r for r in bill_of(office)["readings"] if (r["quantity"], r["tariff"]) == ("import", "total")]
    assert (total["end"], total["end_basis"]) == ("600", "freeze_settlement")


def test_tariffs_that_do_not_add_up_are_remarked(office: Workspace) -> None:
    """25.00 + 25.00 + 25.00 + 25.06 against 100.00: more than five last digits of the register."""
    freeze_registers(office, "2026-06-01T00:00", "500.00", ("125", "125", "125", "125"), "100.00", "10.00")
    freeze_registers(office, "2026-07-01T00:00", "600.00", ("150", "150", "150", "150.06"), "130.00", "10.00")
    demand(office)
    assert bill_of(office)["flags"] == ["tariff_sum_differs:M1:import:2100"]


def test_the_demand_of_another_cycle_does_not_count(office: Workspace) -> None:
    frozen_june(office)
    put(
        office, "demand", "2026-07-01T00:00", recv="2026-08-01T00:00",
        **{"import": "0.9", "import_at": local("2026-05-09T11:15")},
    )  # fmt: skip
    bill = bill_of(office)
    assert bill["demand"]["kw"] is None
    assert ("2026-07-01T00:00", "demand") in lacking(bill)


def test_without_a_frozen_demand_the_block_demand_is_marked_as_such(office: Workspace) -> None:
    """A quarter of an hour with 0.075 kWh is 0.3 kW, × 35 000 = 10 500 kW."""
    register(office, _terms("reading_day = 1"))
    freeze_registers(office, "2026-06-01T00:00", "500.00", ("125", "125", "125", "125"), "100.00", "10.00")
    freeze_registers(office, "2026-07-01T00:00", "600.00", ("150", "150", "150", "150"), "130.00", "10.00")
    for at, kwh in (("2026-06-10T10:15", "0.050"), ("2026-06-10T10:30", "0.075")):
        put(office, "energy", at, kind="interval", **{"import": kwh})
    bill = bill_of(office)
    assert bill["demand"] == {
        "kw": "10500", "at": "2026-06-10T10:30:00+08:00", "basis": "block15", "provisional": ["incomplete"],
    }  # fmt: skip
    assert bill["complete"] is True, "this account is not billed by demand"


def test_a_cycle_that_runs_still_is_incomplete(office: Workspace) -> None:
    frozen_june(office)
    clock.fix("2026-06-20T00:00+08:00")
    bill = bill_of(office)
    assert (bill["complete"], lacking(bill)) == (False, [("2026-07-01T00:00", "cycle")])


def test_a_point_without_a_meter_is_not_forgotten(bare: Workspace) -> None:
    bill = bill_of(bare)
    assert (bill["complete"], lacking(bill)) == (False, [("2026-06-01T00:00", "meter")])
    assert bill["readings"] == []


def test_the_same_data_give_the_same_bill(office: Workspace) -> None:
    from keyacct.workflow.billing import digest_of

    frozen_june(office)
    digests = set()
    for now in ("2026-07-02T00:00+08:00", "2026-08-15T09:30+08:00"):
        clock.fix(now)
        digests.add(digest_of(bill_of(office)))
    assert len(digests) == 1


def test_a_demand_of_the_last_quarter_hour_is_of_its_cycle(office: Workspace) -> None:
    """Its window ends at 24:00 of 30 June."""
    frozen_june(office)
    put(
        office, "demand", "2026-07-01T00:00", recv="2026-08-01T00:00",
        **{"import": "0.9", "import_at": local("2026-07-01T00:00")},
    )  # fmt: skip
    assert bill_of(office)["demand"] == {"kw": "31500", "at": "2026-07-01T00:00:00+08:00", "basis": "freeze_settlement"}
