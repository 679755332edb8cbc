"""Theoretical loss of lines and of the public transformers on them: what physics expects (domain: bus balance and line loss)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pyarrow.compute as pc

from keyacct.analysis.curve_tables import BLOCK_MS
from keyacct.analysis.loading import apparent_power
from keyacct.analysis.point_energy import PointEnergy
from keyacct.analysis.power_factor import ENERGIES, by_quadrant, factor_of
from keyacct.analysis.question import HOUR_MS, Question, ask
from keyacct.analysis.transformer_loss import HIGH_LOW, Loss, loss_of
from keyacct.config import Workspace
from keyacct.model import Period

UNITS = {name: f"{name}_{'kwh' if name in ('import', 'export') else 'kvarh'}" for name in ENERGIES}
_ZERO = Decimal(0)


@dataclass(frozen=True)
class Theory:
    """Loss that is to be expected of a line with its branches, kWh; None where something lacks.

    line_kwh: 3·I²·R·t of the line and its branches; transformer_kwh: P0·t + Pk·β²·t of the transformers on them that belong to
    no customer (0 without any); basis: `curve` (mean square of the current by quarter hours) or `energy` (mean current ×
    `balance.form_factor`) of the line itself. lacks: what is not registered or measured, `resistance:L1`, `voltage:L1`,
    `energy:L1`, `nameplate:T1`.
    """

    line_kwh: Decimal | None
    transformer_kwh: Decimal | None
    basis: str | None
    lacks: tuple[str, ...]

    @property
    def kwh(self) -> Decimal | None:
        """Line and transformers together."""
        return None if self.line_kwh is None or self.transformer_kwh is None else self.line_kwh + self.transformer_kwh


def line_heat_kwh(kva_square: float, kv: float, ohm: float, hours: float) -> float:
    """3·I²·R·t·10⁻³ of a line, kWh, with I = S/(√3·U): the mean square of S in kVA², U between lines, R of one phase."""
    return kva_square / kv**2 * ohm * hours / 1000


class LineTheory:
    """Expected losses of the lines of a period."""

    def __init__(self, workspace: Workspace, period: Period, energies: PointEnergy, lines: Mapping[str, Any]) -> None:
        self.settings, self.lines = workspace.settings, lines
        self._workspace = workspace
        self._question = ask(workspace, period, None)
        self._hours = (self._question.to_ms - self._question.from_ms) / HOUR_MS
        self._amounts: dict[int, dict[str, Decimal]] = {}
        for row in energies.periods.to_pylist():
            into = self._amounts.setdefault(row["span"], {})
            for name, key in UNITS.items():
                if row[key] is not None:
                    into[name] = into.get(name, _ZERO) + row[key]
        self._spans: list[dict[str, Any]] = energies.spans.to_pylist()
        known = any(line["resistance_ohm"] is not None for line in lines.values())
        self._blocks = apparent_power(self._heads(), "supply_line") if known else {}

    def _heads(self) -> Question:
        """The question for the points that measure what lines are given."""
        parameters = self._question.parameters
        head = pc.and_(pc.equal(parameters["kind"], "assessment"), pc.is_valid(parameters["busbar"]))
        head = pc.and_(head, pc.is_valid(parameters["supply_line"]))
        return replace(self._question, parameters=parameters.filter(pc.fill_null(head, False)))

    def of(self, name: str, family: set[str], children: Mapping[str | None, Sequence[str]]) -> Theory:
        """What is to be expected of a line with its branches."""
        lacks: list[str] = []
        total, basis = 0.0, None
        for line in sorted(family):
            row = self.lines[line]
            if row["resistance_ohm"] is None or row["voltage_level_kv"] is None:
                lacks.append(f"{'resistance' if row['resistance_ohm'] is None else 'voltage'}:{line}")
                continue
            square, way = self._square(line, children)
            if square is None:
                lacks.append(f"energy:{line}")
                continue
            total += line_heat_kwh(square, row["voltage_level_kv"], row["resistance_ohm"], self._hours)
            basis = way if line == name else basis
        units = self._transformers(family, lacks)
        line_kwh = None if any(not lack.startswith("nameplate") for lack in lacks) else Decimal(repr(total))
        return Theory(line_kwh, units, basis if line_kwh is not None else None, tuple(lacks))

    def _square(self, line: str, children: Mapping[str | None, Sequence[str]]) -> tuple[float | None, str | None]:
        """Mean square of the apparent power that a line carries, kVA², and what it comes from."""
        blocks = self._blocks.get(line, [])
        need = self.settings.demand.minimum_coverage * self._hours
        if blocks and len(blocks) * BLOCK_MS / HOUR_MS >= need:
            return math.fsum(kva * kva for _, kva in blocks) / len(blocks), "curve"
        rows = [
            row for row in self._spans if row["supply_line"] == line and row["kind"] == "assessment" and row["busbar"]
        ]
        if not rows:  # a branch: what is sold on it and behind it
            behind, todo = set(), [line]
            while todo:
                behind.add(at := todo.pop())
                todo += [child for child in children.get(at, ()) if child not in behind]
            rows = [row for row in self._spans if row["supply_line"] in behind and row["kind"] == "billing"]
        wp, wq = self._carried(rows)
        if wp is None or not self._hours:
            return None, None
        kva = math.hypot(float(wp), float(wq)) / self._hours
        return (self.settings.balance.form_factor * kva) ** 2, "energy"

    def _carried(self, rows: Sequence[Mapping[str, Any]]) -> tuple[Decimal | None, Decimal]:
        amounts: dict[str, Decimal] = {}
        for row in rows:
            for name, amount in by_quadrant(self._amounts.get(row["span"], {})).items():
                amounts[name] = amounts.get(name, _ZERO) + amount
        wp, wq, _ = factor_of(amounts, self.settings.power_factor)
        return wp, wq or _ZERO

    def _transformers(self, family: set[str], lacks: list[str]) -> Decimal | None:
        """Losses of the transformers in operation that hang on the lines and belong to no customer."""
        from keyacct.registry.transformers import transformers

        question = self._question
        units = transformers(self._workspace, question.from_ms, max(question.to_ms, question.from_ms + 1))
        own = [u for u in units if u.supply_line in family and u.account_no is None and u.status == "run"]
        total = Loss()
        for unit in own:
            rows = [
                row for row in self._spans
                if row["transformer"] == unit.transformer and row["kind"] == "billing" and row["metering_mode"] != HIGH_LOW
            ]  # fmt: skip
            wp, wq = self._carried(rows)
            share = Decimal(unit.to_ms - unit.from_ms) / Decimal(max(question.to_ms - question.from_ms, 1))
            hours = Decimal(unit.to_ms - unit.from_ms) / HOUR_MS
            loss = loss_of([unit], hours, (wp or _ZERO) * share, wq * share)
            if loss is None:
                lacks.append(f"nameplate:{unit.transformer}")
            else:
                total += loss
        return None if any(lack.startswith("nameplate") for lack in lacks) else total.kwh
