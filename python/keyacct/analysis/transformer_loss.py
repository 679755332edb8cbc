"""Transformer losses of customers supplied at high and metered at low voltage (高供低计), by the nameplate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from keyacct.config import Workspace

if TYPE_CHECKING:
    from keyacct.registry.transformers import Behind, Transformer

HIGH_LOW = "hl"
"""Metering mode: supplied at high voltage, metered at low voltage."""
HOUR_MS = 3_600_000
_ZERO = Decimal(0)


@dataclass(frozen=True)
class Loss:
    """Losses of some time: iron (no load) and copper (load), active and reactive."""

    iron_kwh: Decimal = _ZERO
    copper_kwh: Decimal = _ZERO
    iron_kvarh: Decimal = _ZERO
    copper_kvarh: Decimal = _ZERO

    @property
    def kwh(self) -> Decimal:
        """Active energy lost."""
        return self.iron_kwh + self.copper_kwh

    @property
    def kvarh(self) -> Decimal:
        """Reactive energy taken by the transformers, inductive."""
        return self.iron_kvarh + self.copper_kvarh

    def __add__(self, other: Loss) -> Loss:
        return Loss(
            self.iron_kwh + other.iron_kwh, self.copper_kwh + other.copper_kwh,
            self.iron_kvarh + other.iron_kvarh, self.copper_kvarh + other.copper_kvarh,
        )  # fmt: skip


def loss_of(
    units: Sequence[Transformer], hours: Decimal, wp_kwh: Decimal, wq_kvarh: Decimal, shares: Sequence[Decimal] = ()
) -> Loss | None:
    """Losses over some hours in which the units together carried these energies; None when a nameplate is not known.

    ΔWp = P0·t + Pk·β²·t, ΔWq = (i0 %·S + uk %·S·β²)/100·t, with β = √(Wp² + Wq²)/(S·t): the mean loading, which the units
    share by their ratings. shares: of each unit's no-load loss that these energies bear (none given: all of it). Source:
    the settlement practice of transformer losses (form unverified).
    """
    known = [_nameplate(unit) for unit in units]
    if any(plate is None for plate in known):
        return None
    plates = [plate for plate in known if plate is not None]
    rated = sum((plate[0] for plate in plates), _ZERO)
    if not plates or hours <= 0:
        return Loss()
    square = (wp_kwh * wp_kwh + wq_kvarh * wq_kvarh) / (rated * hours) ** 2
    total = Loss()
    for (kva, no_load, load, i0, uk), share in zip(plates, shares or [Decimal(1)] * len(plates), strict=True):
        total += Loss(
            no_load * hours * share, load * square * hours, i0 * kva / 100 * hours * share,
            uk * kva / 100 * square * hours,
        )  # fmt: skip
    return total


def _nameplate(unit: Transformer) -> tuple[Decimal, Decimal, Decimal, Decimal, Decimal] | None:
    values = [unit.rated_kva, unit.no_load_loss_kw, unit.load_loss_kw, unit.i0_pct, unit.uk_pct]
    if any(value is None for value in values):
        return None
    kva, no_load, load, i0, uk = (Decimal(repr(float(value))) for value in values if value is not None)
    return kva, no_load, load, i0, uk


class TransformerLosses:
    """Losses of the points of a question that are metered behind their transformer.

    A point has the transformer that it names, else those of its account, when no other such point of the account lacks
    one. What stands by, is sealed or suspended has no losses. The no-load loss of a transformer exists once: the points that
    are behind it at a time bear equal parts of it, whichever accounts they are of and whether or not they are asked for.
    Load losses are those of the load.
    """

    def __init__(self, workspace: Workspace, parameters: pa.Table, from_ms: int, to_ms: int) -> None:
        self._units: list[Transformer] = []
        self._named: dict[str, list[Behind]] = {}
        self._unnamed: dict[str, list[Behind]] = {}
        if not any(self.applies(row) for row in parameters.to_pylist()):
            return
        from keyacct.registry.transformers import points_behind, transformers

        self._units = transformers(workspace, from_ms, to_ms)
        for span in points_behind(workspace, from_ms, to_ms):
            if span.transformer is not None:
                self._named.setdefault(span.transformer, []).append(span)
            elif span.account_no is not None:
                self._unnamed.setdefault(span.account_no, []).append(span)

    def applies(self, row: Mapping[str, Any]) -> bool:
        """Whether a parameter row is of a billing point metered behind its transformer."""
        return bool(row["metering_mode"] == HIGH_LOW and row["kind"] == "billing")

    def of(self, row: Mapping[str, Any], from_ms: int, to_ms: int, wp_kwh: Decimal, wq_kvarh: Decimal) -> Loss | None:
        """Losses of [from_ms, to_ms) of a parameter row with its primary energies; None when they cannot be known."""
        if to_ms <= from_ms:
            return Loss()
        units = self.units(row)
        if units is None:
            return None
        dated: list[Transformer | Behind] = [*units, *(span for unit in units for span in self._sharing(unit))]
        cuts = sorted({from_ms, to_ms} | {at for u in dated for at in (u.from_ms, u.to_ms) if from_ms < at < to_ms})
        total = Loss()
        for begin, end in pairwise(cuts):
            running = [u for u in units if u.from_ms <= begin and end <= u.to_ms and u.status == "run"]
            shares = [self.share(unit, {row["point"]}, end) for unit in running]
            time = Decimal(end - begin) / Decimal(to_ms - from_ms)
            part = loss_of(running, Decimal(end - begin) / HOUR_MS, wp_kwh * time, wq_kvarh * time, shares)
            if part is None:
                return None
            total += part
        return total

    def share(self, unit: Transformer, points: set[str], at_ms: int) -> Decimal:
        """The part of a transformer's no-load loss that some of the points behind it bear in the time that ends at an instant."""
        behind = {span.point for span in self._sharing(unit) if span.from_ms < at_ms <= span.to_ms}
        return Decimal(len(behind & points)) / Decimal(len(behind)) if behind else Decimal(1)

    def units(self, row: Mapping[str, Any]) -> list[Transformer] | None:
        """The transformers before a point, by the spans of their state; None when it is not known which they are."""
        if row["transformer"] is not None:
            found = [unit for unit in self._units if unit.transformer == row["transformer"]]
        elif row["account_no"] is None or not self._alone(row["account_no"]):
            return None
        else:
            found = [unit for unit in self._units if unit.account_no == row["account_no"]]
        return found or None

    def _sharing(self, unit: Transformer) -> list[Behind]:
        """The spans in which points are behind a unit: those that name it, and the one of its account that names none."""
        found = self._named.get(unit.transformer, [])
        if unit.account_no is not None and self._alone(unit.account_no):
            return found + self._unnamed.get(unit.account_no, [])
        return found

    def _alone(self, account_no: str) -> bool:
        """Whether no more than one point of an account lacks a transformer of its own."""
        return len({span.point for span in self._unnamed.get(account_no, [])}) <= 1


def divided(amount: Decimal, parts: Iterable[tuple[Any, Decimal]], places: Decimal) -> dict[Any, Decimal]:
    """An amount divided in proportion to other amounts, to so many places; the parts add up to it exactly."""
    listed = list(parts)
    whole = sum((part for _, part in listed), _ZERO)
    result: dict[Any, Decimal] = {}
    given, passed = _ZERO, _ZERO
    for key, part in listed:
        passed += part
        until = (amount * passed / whole).quantize(places) if whole else _ZERO
        result[key] = until - given
        given = until
    return result
