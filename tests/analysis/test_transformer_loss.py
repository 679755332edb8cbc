"""Transformer losses of customers metered at low voltage, against sums made by hand from the nameplate."""

from decimal import Decimal

import pytest

from keyacct.analysis.point_energy import point_energy
from keyacct.analysis.power_factor import power_factor
from keyacct.analysis.transformer_loss import divided, loss_of
from keyacct.model import Period
from keyacct.registry.transformers import Transformer

JUNE = Period.parse("2026-06")
HOURS = 720
NAMEPLATE = {"rated_kva": 1000.0, "no_load_loss_kw": 1.7, "load_loss_kw": 10.3, "i0_pct": 0.7, "uk_pct": 4.5}
"""A unit of 1000 kVA; figures of the usual size, chosen for the test."""


def unit(office, name="T1", account="1000000001", status="run", start="2026-06-01", end="2026-07-01", **changed):
    return Transformer(name, account, status, office.at(start), office.at(end), **{**NAMEPLATE, **changed})


def june(office, *, kwh=288_000, kvarh=216_000, **changed):
    """A month of 288 000 kWh and 216 000 kvarh: 500 kVA through 1000 kVA, so β = 0.5."""
    office.point(metering_mode="hl", **changed)
    for at, value, reactive in (("2026-06-01T00:00", 0, 0), ("2026-07-01T00:00", kwh, kvarh)):
        energies = {"import": value, "q1": reactive, "q4": 0}
        office.sample("energy", at, "register", meter=changed.get("meter", "M1"), **energies)


def test_iron_and_copper_by_the_formula():
    one = Transformer("T", None, "run", 0, 1, **NAMEPLATE)
    loss = loss_of([one], Decimal(HOURS), Decimal(288_000), Decimal(216_000))
    # P0·t = 1.7·720; Pk·β²·t = 10.3·0.25·720; i0 %·S/100·t = 7·720; uk %·S·β²/100·t = 45·0.25·720.
    assert (loss.iron_kwh, loss.copper_kwh) == (Decimal(1224), Decimal(1854))
    assert (loss.iron_kvarh, loss.copper_kvarh) == (Decimal(5040), Decimal(8100))


def test_two_units_share_the_load_by_their_ratings():
    big = Transformer("A", None, "run", 0, 1, **NAMEPLATE)
    small = Transformer("B", None, "run", 0, 1, **NAMEPLATE | {"rated_kva": 500.0, "load_loss_kw": 5.0})
    loss = loss_of([big, small], Decimal(1), Decimal(750), Decimal(0))
    assert loss.copper_kwh == (Decimal("10.3") + 5) / 4
    assert (
        loss_of(
            [big, Transformer("C", None, "run", 0, 1, 100.0, None, 1.0, 1.0, 4.0)], Decimal(1), Decimal(1), Decimal(0)
        )
        is None
    )


def test_the_power_factor_is_that_of_the_high_voltage_side(office):
    june(office)
    office.transformers = [unit(office)]
    row = power_factor(office.workspace, JUNE).accounts.to_pylist()[0]
    assert (row["wp_kwh"], row["wq_kvarh"]) == (288_000 + 3078, 216_000 + 13_140)
    assert (row["loss_kwh"], row["loss_kvarh"]) == (3078.0, 13_140.0)
    wp, wq = 291_078, 229_140
    assert row["pf"] == pytest.approx(wp / (wp * wp + wq * wq) ** 0.5)
    assert (row["pf_assessed"], row["flags"]) == (Decimal("0.79"), ["transformer_loss", "unattributed"])
    assert row["adjustment_pct"] == Decimal("5.50")  # metered at 0.80 it would be 5.0 %


@pytest.mark.parametrize("mode", [None, "hh", "ll"])
def test_other_modes_of_metering_have_no_losses(office, mode):
    june(office)
    office.parameters[0]["metering_mode"] = mode
    office.transformers = [unit(office)]
    row = power_factor(office.workspace, JUNE).accounts.to_pylist()[0]
    assert (row["wp_kwh"], row["loss_kwh"], row["pf_assessed"]) == (288_000.0, None, Decimal("0.80"))


def test_without_a_transformer_or_its_nameplate_nothing_is_added_and_it_is_said(office):
    june(office)
    for units in ([], [unit(office, uk_pct=None)]):
        office.transformers = units
        row = power_factor(office.workspace, JUNE).accounts.to_pylist()[0]
        assert (row["wp_kwh"], row["loss_kwh"], row["flags"]) == (288_000.0, None, ["loss_unknown", "unattributed"])


def test_two_points_without_transformers_of_their_own_share_none(office):
    june(office)
    june(office, point="P2", meter="M2")
    office.transformers = [unit(office)]
    assert "loss_unknown" in power_factor(office.workspace, JUNE).accounts.to_pylist()[0]["flags"]
    office.parameters[1]["transformer"] = "T1"
    rows = {row["point"]: row["loss_kwh"] for row in power_factor(office.workspace, JUNE).points.to_pylist()}
    assert rows["P1"] == 3078.0 - 1224 / 2, "half of the no-load loss is of P2"


def test_a_sealed_transformer_loses_nothing(office):
    june(office)
    office.transformers = [
        unit(office, end="2026-06-16"), unit(office, status="cold_standby", start="2026-06-16"),
        unit(office, "T2", start="2026-06-16"),
    ]  # fmt: skip
    assert power_factor(office.workspace, JUNE).accounts.to_pylist()[0]["loss_kwh"] == 3078.0
    office.transformers = office.transformers[:2]
    # Half the month: half the iron, and the copper of half the energy over half the time.
    assert power_factor(office.workspace, JUNE).accounts.to_pylist()[0]["loss_kwh"] == 1539.0


def test_losses_go_to_tariff_periods_and_hours_by_their_energy(office):
    office.point(metering_mode="hl", tariff_table="T", interval_min=60)
    office.slot("valley", 0, 480)
    office.slot("peak", 480, 1440)
    for hour in range(1, 25):
        office.sample(
            "energy", office.at("2026-06-01T00:00") + hour * 3_600_000, "interval", **{"import": 500, "q1": 0}
        )
    office.transformers = [unit(office)]
    day = Period.parse("2026-06-01")
    result = point_energy(office.workspace, day, losses=True)
    lost = Decimal("1.7") * 24 + Decimal("10.3") * 6
    rows = {row["period"]: row["import_kwh"] for row in result.periods.to_pylist()}
    assert rows == {"valley": 4000 + lost / 3, "peak": 8000 + 2 * lost / 3}
    assert result.spans.to_pylist()[0]["import_kwh"] == 12_000 + lost
    plain = point_energy(office.workspace, day)
    assert plain.spans.to_pylist()[0]["import_kwh"] == 12_000
    factor = power_factor(office.workspace, day)
    assert factor.accounts.to_pylist()[0]["wp_kwh"] == float(12_000 + lost)
    assert sum(row["wp_kwh"] for row in factor.hours.to_pylist()) == pytest.approx(float(12_000 + lost))


def test_parts_add_up_to_the_whole():
    parts = divided(Decimal(10), [("a", Decimal(1)), ("b", Decimal(1)), ("c", Decimal(1))], Decimal("0.01"))
    assert sum(parts.values()) == 10
    assert divided(Decimal(10), [("a", Decimal(0))], Decimal("0.01")) == {"a": 0}
