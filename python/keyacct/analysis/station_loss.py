"""Theoretical loss of the transformers of substations, by the nameplate (domain: bus balance and line loss)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from keyacct.analysis.point_energy import UNITS, PointEnergy, point_energy
from keyacct.analysis.power_factor import QUADRANTS, by_quadrant
from keyacct.analysis.question import HOUR_MS, ask
from keyacct.analysis.transformer_loss import Loss, loss_of
from keyacct.config import Workspace
from keyacct.model import Period

_ZERO = Decimal(0)


@dataclass(frozen=True)
class StationLoss:
    """Loss to be expected of one transformer, kWh; None where something lacks.

    points: those at a busbar, not of a line, that name it; energy_kwh: carried, in both directions. no_load_kwh: P0·t of the
    time in operation; load_kwh: Pk·β²·t with the mean loading; expected_rate: of the energy. lacks: `nameplate` (rating, P0, Pk,
    i0 or uk is not registered), `energy` (a point has no or not all readings).
    """

    transformer: str
    substation: str | None
    points: tuple[str, ...]
    rated_kva: float | None
    energy_kwh: Decimal | None
    no_load_kwh: Decimal | None
    load_kwh: Decimal | None
    lacks: tuple[str, ...]

    @property
    def expected_kwh(self) -> Decimal | None:
        """No-load and load loss."""
        return None if self.no_load_kwh is None or self.load_kwh is None else self.no_load_kwh + self.load_kwh

    @property
    def expected_rate(self) -> Decimal | None:
        """The loss of the energy carried."""
        return self.expected_kwh / self.energy_kwh if self.expected_kwh is not None and self.energy_kwh else None


def station_losses(workspace: Workspace, period: Period, energies: PointEnergy | None = None) -> list[StationLoss]:
    """The expected loss of every transformer that the points of a busbar name, sorted by transformer.

    A transformer with points at several busbars carries what the busbar with the most energy says: its sides measure the same
    flow. Those of customers and of lines are not among them (`line_losses`); of one with three windings the registry's single
    load loss is that of the whole. energies: of `point_energy` with losses, where they are known. Raises ConfigError of the
    registry.
    """
    from keyacct.registry.transformers import transformers

    energies = energies or point_energy(workspace, period, losses=True)
    question = ask(workspace, period, None)
    amounts: dict[int, dict[str, Decimal]] = {}
    for row in energies.periods.to_pylist():
        into = amounts.setdefault(row["span"], {})
        for name, key in UNITS.items():
            if row[key] is not None:
                into[name] = into.get(name, _ZERO) + row[key]
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in energies.spans.to_pylist():
        if row["transformer"] and row["busbar"] and not row["supply_line"] and row["kind"] == "assessment":
            rows.setdefault(row["transformer"], []).append(row)
    units = transformers(workspace, question.from_ms, max(question.to_ms, question.from_ms + 1)) if rows else []
    result = []
    for name, own in sorted(rows.items()):
        spans = [unit for unit in units if unit.transformer == name]
        carried = [_carried(side, amounts) for side in _sides(own).values()]
        wp, wq = max((side for side in carried if side is not None), default=(None, _ZERO))
        lacks = []
        if wp is None or None in carried or any(row["completeness"] is None or row["completeness"] < 1 for row in own):
            lacks.append("energy")
        total: Loss | None = Loss()
        running = [unit for unit in spans if unit.status == "run"]
        hours = sum((Decimal(unit.to_ms - unit.from_ms) / HOUR_MS for unit in running), _ZERO)
        for unit in running:
            time = Decimal(unit.to_ms - unit.from_ms) / HOUR_MS
            share = time / hours if hours else _ZERO
            loss = loss_of([unit], time, (wp or _ZERO) * share, wq * share)
            total = None if loss is None or total is None else total + loss
        if total is None:
            lacks.append("nameplate")
        if wp is None:
            total = None
        result.append(
            StationLoss(
                name, next((row["substation"] for row in own if row["substation"]), None),
                tuple(sorted({row["point"] for row in own})), spans[0].rated_kva if spans else None, wp,
                total.iron_kwh if total is not None else None, total.copper_kwh if total is not None else None,
                tuple(lacks),
            )
        )  # fmt: skip
    return result


def _sides(rows: list[dict[str, Any]]) -> Mapping[str, list[dict[str, Any]]]:
    """The rows by busbar: the points of one add up."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["busbar"], []).append(row)
    return found


def _carried(
    rows: list[dict[str, Any]], amounts: Mapping[int, Mapping[str, Decimal]]
) -> tuple[Decimal, Decimal] | None:
    """(kWh, kvarh) that a side measured, both directions; None without any."""
    found = [by_quadrant(amounts[row["span"]]) for row in rows if amounts.get(row["span"])]
    if not any("import" in own or "export" in own for own in found):
        return None
    total = {name: sum((own.get(name, _ZERO) for own in found), _ZERO) for name in ("import", "export", *QUADRANTS)}
    return total["import"] + total["export"], sum((total[name] for name in QUADRANTS), _ZERO)
