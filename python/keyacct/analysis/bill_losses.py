"""Losses of the transformer in a bill of a customer supplied at high and metered at low voltage (高供低计)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from keyacct.analysis.billing_registry import Json, Part
from keyacct.analysis.power_factor import factor_of
from keyacct.analysis.transformer_loss import Loss, TransformerLosses, divided
from keyacct.config import PowerFactorSettings

UNIT = Decimal("0.0001")
NO_TRANSFORMER = "it is not known which transformer lies before the point"
NO_NAMEPLATE = "the transformer before the point lacks rating, P0, Pk, i0 or uk"
NO_ENERGY = "the energy of this part is not known"


@dataclass(frozen=True)
class PartLoss:
    """Losses of a part, kWh and kvarh of four digits. by_tariff: the active ones by tariff period, empty where they cannot be
    divided; why: they are not known; by_time: the energy of the part was divided by time over several states of the registry.
    """

    part: Part
    transformers: tuple[str, ...]
    loss: Loss | None
    by_tariff: Mapping[str, Decimal]
    why: str | None
    by_time: bool


def part_loss(
    part: Part, rows: Sequence[Json], energies: Mapping[tuple[str, str], Decimal | None], losses: TransformerLosses,
    settings: PowerFactorSettings,
) -> PartLoss | None:  # fmt: skip
    """Losses before the meter of a part, by the rules of `keyacct pf`; None where its point is not behind a transformer.

    rows: the parameters of the account's points; energies: of the part by (register, tariff period), None where unknown.
    They are shared out to tariff periods by their energy.
    """
    own = [
        row for row in rows
        if (row["point"], row["meter"]) == (part.point, part.meter)
        and row["from_ms"] < part.to_ms and row["to_ms"] > part.from_ms and losses.applies(row)
    ]  # fmt: skip
    if not own:
        return None
    names = tuple(sorted({unit.transformer for row in own for unit in losses.units(row) or ()}))
    totals = {q: amount for (q, tariff), amount in energies.items() if tariff == "total"}
    known = {quantity: amount for quantity, amount in totals.items() if amount is not None}
    if "import" not in known or len(known) < len(totals):
        return PartLoss(part, names, None, {}, NO_ENERGY, False)
    wp, wq, _ = factor_of(known, settings)
    whole = Decimal(part.to_ms - part.from_ms)
    total = Loss()
    for row in own:
        begin, end = max(row["from_ms"], part.from_ms), min(row["to_ms"], part.to_ms)
        share = Decimal(end - begin) / whole
        found = losses.of(row, begin, end, (wp or Decimal(0)) * share, (wq or Decimal(0)) * share)
        if found is None:
            return PartLoss(part, names, None, {}, NO_NAMEPLATE if names else NO_TRANSFORMER, False)
        total += found
    loss = Loss(*(amount.quantize(UNIT, ROUND_HALF_UP) for amount in _four(total)))
    split = {tariff: amount for (q, tariff), amount in energies.items() if q == "import" and tariff != "total"}
    amounts = [(tariff, amount) for tariff, amount in split.items() if amount is not None]
    possible = len(amounts) == len(split) and any(amount for _, amount in amounts)
    return PartLoss(part, names, loss, divided(loss.kwh, amounts, UNIT) if possible else {}, None, len(own) > 1)


def _four(loss: Loss) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    return loss.iron_kwh, loss.copper_kwh, loss.iron_kvarh, loss.copper_kvarh


def has_reactive(totals: Mapping[str, Decimal]) -> bool:
    """Whether anything is known of reactive energy; without, a loss alone would make a power factor."""
    return any(name not in ("import", "export") for name in totals)


def lag_of(totals: Mapping[str, Decimal]) -> str:
    """The register that inductive losses are added to."""
    return "q1" if any(name in totals for name in ("q1", "q2", "q3", "q4")) else "reactive_import"


Energies = Mapping[str, Mapping[str, Decimal]]
"""Register → tariff period or `total` → kWh or kvarh."""


def loss_lines(
    losses: Sequence[PartLoss], energy: Energies, told: Callable[[Energies], Json], local: Callable[[int], str], *,
    estimated: bool,
) -> Json:  # fmt: skip
    """What a bill says of losses; nothing for an account without a transformer before its meters.

    losses: a line a part: point, meter, part_from, part_to, transformers, iron and copper kWh and kvarh and their sums,
    by_tariff, state (`final`; `provisional` with an estimated reading, or where an energy was divided by time; `unknown`), why.
    loss: kwh, kvarh, by_tariff of all parts. settled: the energies with them, in the form of `energies`.
    """
    if not losses:
        return {}
    names = ("iron_kwh", "copper_kwh", "kwh", "iron_kvarh", "copper_kvarh", "kvarh")
    lines = []
    for found in losses:
        loss = found.loss
        lines.append(
            {
                "point": found.part.point, "meter": found.part.meter, "part_from": local(found.part.from_ms),
                "part_to": local(found.part.to_ms), "transformers": list(found.transformers),
                **{name: None if loss is None else plain(getattr(loss, name)) for name in names},
                "by_tariff": {name: plain(value) for name, value in sorted(found.by_tariff.items())},
                "state": "unknown" if loss is None else "provisional" if found.by_time or estimated else "final",
                "why": found.why,
            }
        )  # fmt: skip
    known = [found.loss for found in losses if found.loss is not None]
    if len(known) < len(losses):
        return {"losses": lines, "loss": {"kwh": None, "kvarh": None, "by_tariff": {}}, "settled": {}}
    by_tariff: dict[str, Decimal] = {}
    for found in losses:
        for tariff, amount in found.by_tariff.items():
            by_tariff[tariff] = by_tariff.get(tariff, Decimal(0)) + amount
    whole = sum(known, Loss())
    settled = {quantity: dict(by) for quantity, by in energy.items()}
    for tariff, amount in {**by_tariff, "total": whole.kwh}.items():
        settled["import"][tariff] = settled["import"].get(tariff, Decimal(0)) + amount
    totals = {quantity: by["total"] for quantity, by in energy.items() if "total" in by}
    if has_reactive(totals):
        of_lag = settled.setdefault(lag_of(totals), {})
        of_lag["total"] = of_lag.get("total", Decimal(0)) + whole.kvarh
    told_loss = {
        "kwh": plain(whole.kwh), "kvarh": plain(whole.kvarh),
        "by_tariff": {name: plain(value) for name, value in sorted(by_tariff.items())},
    }  # fmt: skip
    return {"losses": lines, "loss": told_loss, "settled": told(settled)}


def plain(value: Decimal | float | str | None) -> str | None:
    """A number as its shortest decimal text, without an exponent."""
    if value is None or isinstance(value, str):
        return value
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
