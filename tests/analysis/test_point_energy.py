"""Energies of points: by span, by tariff period, over meter exchanges, moves and cuts."""

from decimal import Decimal

from keyacct.analysis.point_energy import point_energy
from keyacct.model import Period

JUNE = Period.parse("2026-06")


def registers(office, meter, *readings):
    for at, value in readings:
        office.sample("energy", at, "register", meter=meter, **{"import": value})


def test_the_difference_of_registers_is_multiplied_exactly(office):
    office.point(pt=350.0, ct=100.0)
    registers(office, "M1", ("2026-06-01T00:00", "10.01"), ("2026-07-01T00:00", "10.02"))
    (span,) = point_energy(office.workspace, JUNE).spans.to_pylist()
    assert (span["import_kwh"], span["multiplier"], span["export_kwh"]) == (Decimal(350), Decimal(35_000), None)


def test_a_meter_exchange_counts_both_parts(office):
    office.point(end="2026-06-11", pt=1.0, ct=10.0)
    office.point(start="2026-06-11", meter="M2", pt=1.0, ct=10.0)
    registers(office, "M1", ("2026-06-01T00:00", 900), ("2026-06-11T00:00", 960))
    registers(office, "M2", ("2026-06-11T00:00", 5), ("2026-07-01T00:00", 25))
    spans = point_energy(office.workspace, JUNE).spans.to_pylist()
    assert [(s["meter"], s["import_kwh"]) for s in spans] == [("M1", Decimal(600)), ("M2", Decimal(200))]
    assert {flag for s in spans for flag in s["flags"]} == {"unattributed"}  # ten days belong to no hour


def test_an_energy_is_cut_at_an_instant_and_split_by_tariff_period(office):
    office.point(tariff_table="T")
    office.slot("valley", 0, 480)
    office.slot("peak", 480, 1440)
    for hour in range(1, 25):
        office.sample("energy", office.at("2026-06-01T00:00") + hour * 3_600_000, **{"import": hour})
    found = point_energy(office.workspace, Period.parse("2026-06-01"), cuts=[office.at("2026-06-01T12:00")])
    periods = {(r["span"], r["period"]): r["import_kwh"] for r in found.periods.to_pylist()}
    # 1+…+8 = 36, 9+…+12 = 42, 13+…+24 = 222
    assert periods == {(0, "valley"): Decimal(36), (0, "peak"): Decimal(42), (1, "peak"): Decimal(222)}
    assert [s["import_kwh"] for s in found.spans.to_pylist()] == [Decimal(78), Decimal(222)]


def test_a_point_without_values_has_no_energy_and_not_zero(office):
    office.point()
    (span,) = point_energy(office.workspace, JUNE).spans.to_pylist()
    assert (span["import_kwh"], span["completeness"]) == (None, 0.0)


def test_a_meter_with_power_only_is_integrated(office):
    office.point()
    office.sample("power", "2026-06-01T00:15", p=8, q=0)
    (span,) = point_energy(office.workspace, JUNE).spans.to_pylist()
    assert (span["import_kwh"], span["flags"]) == (Decimal(2), ["integrated"])
