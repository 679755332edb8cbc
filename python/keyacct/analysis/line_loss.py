"""Statistical line loss: what a line was given at its head, and what was sold from it (domain: bus balance and line loss)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from keyacct.analysis.bus_balance import CAUSES, Feeder, feeder_of, sum_of
from keyacct.analysis.line_theory import LineTheory, Theory
from keyacct.analysis.point_energy import PointEnergy, point_energy
from keyacct.analysis.question import HOUR_MS
from keyacct.config import Workspace
from keyacct.model import Period

LINE_CAUSES = ("missing_supply", "no_sales", *CAUSES, "loss_unknown")
"""Why a line loss is provisional, in the order in which causes are looked into."""


@dataclass(frozen=True)
class LineLoss:
    """Loss of a line with its branches. loss_rate: (supplied − sold) / supplied, None without supply.

    read_skew_h: hours by which the readings of its meters may lie apart at the ends of the period. provisional: with one
    of `LINE_CAUSES`. head: the points that measure what the line was given; points: the billing points. …_theory_kwh,
    expected_kwh, theory_…: the loss to be expected (`line_theory.Theory`); expected_rate: of what was supplied; excess_kwh:
    measured less expected.
    """

    supply_line: str
    line_name: str
    busbars: tuple[str, ...]
    supplied_kwh: Decimal | None
    sold_kwh: Decimal | None
    loss_kwh: Decimal | None
    loss_rate: Decimal | None
    read_skew_h: float
    head: tuple[Feeder, ...]
    points: tuple[Feeder, ...]
    causes: tuple[str, ...]
    line_theory_kwh: Decimal | None
    transformer_theory_kwh: Decimal | None
    expected_kwh: Decimal | None
    expected_rate: Decimal | None
    excess_kwh: Decimal | None
    theory_basis: str | None
    theory_lacks: tuple[str, ...]

    @property
    def provisional(self) -> bool:
        """Whether something is missing or doubtful."""
        return bool(self.causes)


def line_losses(workspace: Workspace, period: Period, energies: PointEnergy | None = None) -> list[LineLoss]:
    """The loss of every line that has a metering point, sorted by line.

    A line is given the import of its assessment points at a busbar, less what they send back; sold is the import of the
    billing points on it and on its branches, less their export, with the losses of transformers before meters at low
    voltage. Points count for as long as they are on the line (bypass), meters for as long as they are at the point
    (exchange). energies: of `point_energy` with losses, where they are known. Raises ConfigError of the registry.
    """
    lines = _lines(workspace)
    energies = energies or point_energy(workspace, period, losses=True)
    theory = LineTheory(workspace, period, energies, lines)
    spans = [row for row in energies.spans.to_pylist() if row["supply_line"]]
    children: dict[str | None, list[str]] = {}
    for name, line in lines.items():
        children.setdefault(line["branch_of"], []).append(name)
    result = []
    for name, line in sorted(lines.items()):
        family = _with_branches(name, children)
        head = _feeders([row for row in spans if row["supply_line"] == name and _measures(row)])
        sold = _feeders([row for row in spans if row["supply_line"] in family and row["kind"] == "billing"])
        if head or sold:
            expected = theory.of(name, family, children)
            result.append(_loss(name, str(line["line_name"] or ""), head, sold, spans, expected))
    return result


def _measures(row: Mapping[str, Any]) -> bool:
    return row["kind"] == "assessment" and row["busbar"] is not None


def _with_branches(line: str, children: Mapping[str | None, Sequence[str]]) -> set[str]:
    found, todo = set(), [line]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += children.get(name, ())
    return found


def _feeders(rows: Sequence[Mapping[str, Any]]) -> tuple[Feeder, ...]:
    by_point: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_point.setdefault(row["point"], []).append(row)
    return tuple(feeder_of(str(own[0]["busbar"] or ""), point, own) for point, own in sorted(by_point.items()))


def _net(feeders: Sequence[Feeder]) -> Decimal | None:
    given = sum_of([feeder.out_kwh for feeder in feeders])
    back = sum_of([feeder.in_kwh for feeder in feeders])
    return None if given is None else given - (back or Decimal(0))


def _loss(
    name: str, title: str, head: tuple[Feeder, ...], sold: tuple[Feeder, ...], spans: Sequence[Mapping[str, Any]],
    theory: Theory,
) -> LineLoss:  # fmt: skip
    causes = {cause for feeder in (*head, *sold) for cause in feeder.causes}
    points = {feeder.point for feeder in (*head, *sold)}
    own = [row for row in spans if row["point"] in points]
    if any("loss_unknown" in row["flags"] for row in own):
        causes.add("loss_unknown")
    if not head:
        causes.add("missing_supply")
    if not sold:
        causes.add("no_sales")
    skew = [
        (1 - row["completeness"]) * (row["to_ms"] - row["from_ms"]) / HOUR_MS
        for row in own
        if row["completeness"] is not None and {"boundary_start", "boundary_end"} & set(row["flags"])
    ]
    supplied, sale = _net(head), _net(sold)
    loss = None if supplied is None or sale is None else supplied - sale
    return LineLoss(
        name, title, tuple(sorted({feeder.busbar for feeder in head})), supplied, sale, loss,
        loss / supplied if loss is not None and supplied else None, max(skew, default=0.0), head, sold,
        tuple(cause for cause in LINE_CAUSES if cause in causes), theory.line_kwh, theory.transformer_kwh, theory.kwh,
        theory.kwh / supplied if theory.kwh is not None and supplied else None,
        loss - theory.kwh if loss is not None and theory.kwh is not None else None, theory.basis, theory.lacks,
    )  # fmt: skip


def _lines(workspace: Workspace) -> dict[str, dict[str, Any]]:
    import sqlalchemy as sa

    from keyacct.database.engine import open_database
    from keyacct.database.registry_tables import supply_line

    with open_database(workspace).read() as connection:
        rows = connection.execute(sa.select(supply_line)).mappings()
        return {row["supply_line"]: dict(row) for row in rows}
