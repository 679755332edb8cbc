"""Energies of metering points, each with what the registry said of the point while they flowed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from keyacct.analysis.power_factor import ENERGIES, FLAGS, energy_tables, factor_of
from keyacct.analysis.question import Question, ask
from keyacct.analysis.transformer_loss import TransformerLosses, divided
from keyacct.config import Workspace
from keyacct.model import TARIFF_PERIODS, Period

PLACES = Decimal("1e-8")
DOUBTFUL = frozenset({"register_decrease", "gap_over_seam", "boundary_start", "boundary_end"})
"""Flags after which an energy is provisional: part of it may be missing or lie elsewhere."""


@dataclass(frozen=True)
class PointEnergy:
    """Energies of a period, exact.

    spans: a row per metering point and span in which the registry says the same of it: span (its number), the columns of
    `point_parameters`, multiplier (decimal; 1 for a meter that reads primary values), import_kwh, export_kwh (decimal,
    null without values), completeness (time with energies / time of the span so far), flags (list of words as in
    `power_factor`, and `integrated`). periods: the same energies by tariff period: span, period (sharp, peak, flat,
    valley, or null where no tariff or no reading tells), import_kwh, export_kwh, q1_kvarh to q4_kvarh,
    reactive_import_kvarh, reactive_export_kvarh.
    """

    spans: pa.Table
    periods: pa.Table


_AMOUNT = pa.decimal128(38, 8)
UNITS = {name: f"{name}_{'kwh' if name in ('import', 'export') else 'kvarh'}" for name in ENERGIES}
"""Column of each energy in the tables."""
_PERIODS = pa.schema([("span", pa.int64()), ("period", pa.string()), *((key, _AMOUNT) for key in UNITS.values())])


def point_energy(
    workspace: Workspace,
    period: Period,
    *,
    accounts: Sequence[str] | None = None,
    kinds: Sequence[str] | None = None,
    cuts: Iterable[int] = (),
    losses: bool = False,
) -> PointEnergy:
    """Energies of every metering point over a period, by span and tariff period.

    Registers are read by differences, meters with increments are summed, those with power only are integrated (flag
    `integrated`). A meter exchange, a new ratio or another line begins a span, so each energy goes where the point was at
    that time; cuts: further instants (UTC ms) at which spans end, for example those of a price. kinds: of points, all
    when None. losses: with those of the transformer before a billing point metered at low voltage, as they are billed, in
    proportion to the energy of each tariff period (flag `transformer_loss`, or `loss_unknown`). Raises ConfigError for
    unknown accounts (exit 3).
    """
    question = _cut(ask(workspace, period, accounts, kinds), sorted(set(cuts)))
    parameters = question.parameters
    books = _Books(question)
    books.read(parameters, power=False)
    rest = parameters.filter(pc.invert(pc.is_in(parameters["meter"], pa.array(sorted(books.meters), pa.string()))))
    if rest.num_rows:
        books.read(rest, power=True)
    if losses:
        books.lose()
    return books.tables()


def _cut(question: Question, cuts: Sequence[int]) -> Question:
    """The question with its spans ended at the cuts, and numbered."""
    rows: list[dict[str, Any]] = []
    for row in question.parameters.to_pylist():
        inner = [at for at in cuts if row["from_ms"] < at < row["to_ms"]]
        rows += [{**row, "from_ms": a, "to_ms": b} for a, b in pairwise([row["from_ms"], *inner, row["to_ms"]])]
    table = pa.Table.from_pylist(rows, schema=question.parameters.schema)
    return replace(question, parameters=table.append_column("span", pa.array(range(len(rows)), pa.int64())))


class _Books:
    """What the kernel gave, by span."""

    def __init__(self, question: Question) -> None:
        self.question = question
        parameters = question.parameters
        count = parameters.num_rows
        self.multiplier = [
            Decimal(1) if side == "primary" else _ratio(pt) * _ratio(ct)
            for side, pt, ct in zip(*(parameters[n].to_pylist() for n in ("reading_side", "pt", "ct")), strict=True)
        ]
        self.meters: set[str] = set()
        self.covered = [0] * count
        self.flags: list[set[str]] = [set() for _ in range(count)]
        self.amounts: dict[tuple[int, str | None], dict[str, Decimal]] = {}

    def read(self, parameters: pa.Table, *, power: bool) -> None:
        question = replace(self.question, parameters=parameters)
        sums, origin = energy_tables(question, power=power)
        # Hours do not matter here; whole numbers add up exactly, and groups stay in the order of the kernel.
        sums = sums.group_by(["row", "period"], use_threads=False).aggregate([(name, "sum") for name in UNITS])
        # Whole units are 10^-4 kWh; integrated powers are 10^-4 kW times milliseconds.
        unit = Decimal(10_000) * (3_600_000 if power else 1)
        spans, meters = parameters["span"].to_pylist(), parameters["meter"].to_pylist()
        names = list(TARIFF_PERIODS)
        seen = set()
        for row in sums.to_pylist():
            span = spans[row["row"]]
            seen.add(meters[row["row"]])
            period = names[row["period"]] if 0 <= row["period"] < len(names) else None
            into = self.amounts.setdefault((span, period), {})
            for name, key in UNITS.items():
                if (amount := row[f"{name}_sum"]) is not None:
                    into[key] = into.get(key, Decimal(0)) + amount * self.multiplier[span] / unit
        for row in origin.to_pylist():
            span = spans[row["row"]]
            self.covered[span] += row["covered_ms"]
            self.flags[span] |= {word for bit, word in FLAGS.items() if row["flags"] & bit}
            if power and meters[row["row"]] in seen:
                self.flags[span].add("integrated")
        self.meters |= seen

    def lose(self) -> None:
        """Adds the losses of transformers before the meters."""
        question = self.question
        of_points = TransformerLosses(question.workspace, question.parameters, question.from_ms, question.to_ms)
        settings = question.workspace.settings.power_factor
        for span, row in enumerate(question.parameters.to_pylist()):
            cells = {
                key: amounts for key, amounts in self.amounts.items() if key[0] == span and "import_kwh" in amounts
            }
            if not cells or not of_points.applies(row):
                continue
            energies: dict[str, Decimal] = {}
            for amounts in cells.values():
                for name, key in UNITS.items():
                    if key in amounts:
                        energies[name] = energies.get(name, Decimal(0)) + amounts[key]
            wp, wq, _ = factor_of(energies, settings)
            begin, end = max(row["from_ms"], question.from_ms), min(row["to_ms"], question.to_ms)
            loss = of_points.of(row, begin, end, wp or Decimal(0), wq or Decimal(0))
            self.flags[span].add("loss_unknown" if loss is None else "transformer_loss")
            if loss is None:
                continue
            parts = [(cell, amounts["import_kwh"]) for cell, amounts in cells.items()]
            active = divided(loss.kwh, parts, PLACES)
            inductive = divided(loss.kvarh, parts, PLACES)
            lag = "q1_kvarh" if {"q1", "q2", "q3", "q4"} & energies.keys() else "reactive_import_kvarh"
            for cell, amounts in cells.items():
                amounts["import_kwh"] += active[cell]
                if lag in amounts:
                    amounts[lag] += inductive[cell]

    def tables(self) -> PointEnergy:
        parameters, question = self.question.parameters, self.question
        periods: list[dict[str, Any]] = [
            {"span": span, "period": period, **{key: amount.quantize(PLACES) for key, amount in amounts.items()}}
            for (span, period), amounts in sorted(self.amounts.items(), key=lambda item: (item[0][0], item[0][1] or ""))
        ]
        totals: dict[str, list[Decimal | None]] = {"import_kwh": [], "export_kwh": []}
        share: list[float | None] = []
        begins, ends = parameters["from_ms"].to_pylist(), parameters["to_ms"].to_pylist()
        own: dict[int, list[dict[str, Any]]] = {}
        for row in periods:
            own.setdefault(row["span"], []).append(row)
        for span in range(parameters.num_rows):
            for key, column in totals.items():
                found = [row[key] for row in own.get(span, ()) if key in row]
                column.append(sum(found, Decimal(0)) if found else None)
            expected = min(ends[span], question.to_ms) - max(begins[span], question.from_ms)
            share.append(min(self.covered[span] / expected, 1.0) if expected > 0 else None)
        spans = (
            parameters.append_column("multiplier", pa.array([m.quantize(PLACES) for m in self.multiplier], _AMOUNT))
            .append_column("import_kwh", pa.array(totals["import_kwh"], _AMOUNT))
            .append_column("export_kwh", pa.array(totals["export_kwh"], _AMOUNT))
            .append_column("completeness", pa.array(share, pa.float64()))
            .append_column("flags", pa.array([sorted(words) for words in self.flags], pa.list_(pa.string())))
        )
        return PointEnergy(spans, pa.Table.from_pylist(periods, schema=_PERIODS))


def _ratio(value: float | None) -> Decimal:
    return Decimal(1) if value is None else Decimal(repr(value))
