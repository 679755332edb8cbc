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
    from keyacct.registry.transformers import Transformer

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


def loss_of(units: Sequence[Transformer], hours: Decimal, wp_kwh: Decimal, wq_kvarh: Decimal) -> Loss | None:
    """Losses over some hours in which the units together carried these energies; None when a nameplate is not known.

    ΔWp = P0·t + Pk·β²·t, ΔWq = (i0 %·S + uk %·S·β²)/100·t, with β = √(Wp² + Wq²)/(S·t): the mean loading, which the units
    share by their ratings. Source: the settlement practice of transformer losses (form unverified).
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
    for kva, no_load, load, i0, uk in plates:
        total += Loss(no_load * hours, load * square * hours, i0 * kva / 100 * hours, uk * kva / 100 * square * hours)
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
    one. What stands by, is sealed or suspended has no losses.
    """

    def __init__(self, workspace: Workspace, parameters: pa.Table, from_ms: int, to_ms: int) -> None:
        self._units: list[Transformer] = []
        self._shared: set[str | None] = set()
        rows = _behind(parameters)
        if not rows:
            return
        from keyacct.registry.transformers import transformers

        self._units = transformers(workspace, from_ms, to_ms)
        without: dict[str | None, set[str]] = {}
        for row in rows:
            if row["transformer"] is None:
                without.setdefault(row["account_no"], set()).add(row["point"])
        self._shared = {account for account, points in without.items() if len(points) > 1}

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
        cuts = sorted({from_ms, to_ms} | {at for u in units for at in (u.from_ms, u.to_ms) if from_ms < at < to_ms})
        total = Loss()
        for begin, end in pairwise(cuts):
            running = [u for u in units if u.from_ms <= begin and end <= u.to_ms and u.status == "run"]
            share = Decimal(end - begin) / Decimal(to_ms - from_ms)
            part = loss_of(running, Decimal(end - begin) / HOUR_MS, wp_kwh * share, wq_kvarh * share)
            if part is None:
                return None
            total += part
        return total

    def units(self, row: Mapping[str, Any]) -> list[Transformer] | None:
        """The transformers before a point, by the spans of their state; None when it is not known which they are."""
        if row["transformer"] is not None:
            found = [unit for unit in self._units if unit.transformer == row["transformer"]]
        elif row["account_no"] is None or row["account_no"] in self._shared:
            return None
        else:
            found = [unit for unit in self._units if unit.account_no == row["account_no"]]
        return found or None


def _behind(parameters: pa.Table) -> list[dict[str, Any]]:
    return [row for row in parameters.to_pylist() if row["metering_mode"] == HIGH_LOW and row["kind"] == "billing"]


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
