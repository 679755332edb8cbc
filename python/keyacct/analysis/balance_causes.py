"""What may have violated a bus balance, ranked, each with the figure that speaks for it (domain: bus balance and line loss)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from keyacct.analysis.bus_balance import Balance, Feeder
from keyacct.config import Workspace
from keyacct.model import Period

SUSPECTS = ("missing_reading", "wrong_multiplier", "voltage_loss", "clock_skew", "class_error")
"""In the order in which they are looked into."""
CT_SERIES = ("10", "12.5", "15", "20", "25", "30", "40", "50", "60", "75")
"""Rated primary currents of current transformers, A, and their decimal multiples (IEC 61869-2, GB/T 20840.2)."""
PT_SERIES_V = (3_000, 6_000, 10_000, 20_000, 35_000, 66_000, 110_000, 220_000, 330_000, 500_000)
"""Nominal voltages that voltage transformers are made for, primary V (GB/T 156)."""
SECONDARY = Decimal(5)
"""A secondary of 1 A taken for one of 5 A, or the other way."""
HOUR_S = 3600
_ZERO = Decimal(0)


@dataclass(frozen=True)
class Suspect:
    """One cause. rank: from 1. figure: what speaks for it, in `unit`: missing_reading the share of the time without readings
    (`share`); wrong_multiplier registered over fitting ratio step (`ratio`); voltage_loss the minutes that a phase was lost
    (`min`); clock_skew the deviation (`s`, positive: fast); class_error what the classes allow, of the inflow (`share`).

    explained_kwh: the part of the imbalance that it would explain, at most for a clock; remaining_rate: the imbalance rate
    that would then be left; None where it cannot be told. detail: what was compared (`200/5 → 300/5`).
    """

    busbar: str
    rank: int
    cause: str
    point: str | None
    supply_line: str | None
    meter: str | None
    figure: Decimal
    unit: str
    explained_kwh: Decimal | None
    remaining_rate: Decimal | None
    detail: str


def suspects(workspace: Workspace, period: Period, balances: Sequence[Balance]) -> list[Suspect]:
    """What may have violated the balances that are not within their limit, by busbar and rank.

    Ranked by the order of `SUSPECTS`, within a cause by what it leaves unexplained (clocks and readings: by their figure),
    then by point; the same data gives the same list. A cause is named only where its direction fits: a lost phase of an
    outgoing feeder makes too much inflow, one of an incomer too little.
    """
    violated = [balance for balance in balances if balance.passed is False]
    if not violated:
        return []
    known = _Known(workspace, period)
    result: list[Suspect] = []
    for balance in violated:
        found = [
            *_missing(balance), *_multipliers(balance, known), *_voltages(balance, known), *_clocks(balance, known),
            *_classes(balance, known),
        ]  # fmt: skip
        found.sort(key=_order)
        result += [replace(suspect, rank=rank) for rank, suspect in enumerate(found, 1)]
    return result


def _order(suspect: Suspect) -> tuple[int, Decimal, str, str]:
    by_figure = suspect.cause in ("missing_reading", "clock_skew") or suspect.remaining_rate is None
    key = -abs(suspect.figure) if by_figure else abs(suspect.remaining_rate or _ZERO)
    return SUSPECTS.index(suspect.cause), key, suspect.point or "", suspect.supply_line or ""


class _Known:
    """What registry, voltages and care say of the points and meters of a period."""

    def __init__(self, workspace: Workspace, period: Period) -> None:
        import sqlalchemy as sa

        from keyacct.analysis.voltage_loss import voltage_loss
        from keyacct.database import tables
        from keyacct.database.care_tables import care_clock_past
        from keyacct.database.engine import open_database

        self.settings, self.period = workspace.settings, period
        from_ms, to_ms = period.bounds_ms(workspace.zone)
        self.minutes = Decimal(to_ms - from_ms) / 60_000
        ratio = tables.point_ratio
        with open_database(workspace).read() as connection:
            of_period = sa.select(ratio).where(ratio.c.valid_from < to_ms, ratio.c.valid_to > from_ms)
            self.ratios: dict[str, list[dict[str, Any]]] = {}
            for row in connection.execute(of_period.order_by(ratio.c.point, ratio.c.valid_from)).mappings():
                self.ratios.setdefault(row["point"], []).append(dict(row))
            classes = sa.select(tables.meter.c.meter_no, tables.meter.c.accuracy_class)
            self.classes: dict[str, str | None] = {row[0]: row[1] for row in connection.execute(classes)}
            past = care_clock_past
            off = sa.select(past.c.device, past.c.measured_at, past.c.deviation_s).where(
                past.c.device_kind == "meter", past.c.measured_at <= to_ms
            )
            self.clocks = _clocks_of([(r[0], r[1], r[2]) for r in connection.execute(off)], from_ms)
        self.lost: dict[str, list[tuple[str, Decimal]]] = {}
        for row in voltage_loss(workspace, period).total.to_pylist():
            minutes = row["voltage_loss_min"] + row["phase_loss_min"]
            if row["phase"] != "total" and minutes > 0:
                self.lost.setdefault(row["point"], []).append((row["phase"], Decimal(repr(minutes))))


def _clocks_of(readings: Sequence[tuple[str, int, float]], from_ms: int) -> dict[str, float]:
    """The deviation that holds for a period, by meter: the worst that was read since its beginning, else the last before."""
    found: dict[str, tuple[bool, float, float]] = {}
    for meter, at, deviation in readings:
        inside = at >= from_ms
        key = (inside, abs(deviation) if inside else at, deviation)
        found[meter] = max(found.get(meter, key), key)
    return {meter: deviation for meter, (_, _, deviation) in found.items()}


def _missing(balance: Balance) -> Iterator[Suspect]:
    for line in balance.missing_lines:
        yield Suspect(
            balance.busbar, 0, "missing_reading", None, line, None, Decimal(1), "share", None, None, "missing_feeder"
        )
    for feeder in balance.feeders:
        if feeder.causes:
            share = 1 - Decimal(repr(feeder.completeness or 0.0))
            told = ", ".join(feeder.causes)
            yield _suspect(balance, feeder, "missing_reading", share, "share", None, None, told)


def _suspect(
    balance: Balance, feeder: Feeder, cause: str, figure: Decimal, unit: str, explained: Decimal | None,
    remaining: Decimal | None, detail: str,
) -> Suspect:  # fmt: skip
    meter = feeder.meters[-1] if feeder.meters else None
    return Suspect(
        balance.busbar, 0, cause, feeder.point, feeder.supply_line, meter, figure, unit, explained, remaining, detail
    )


def _main(feeder: Feeder) -> Decimal:
    """The energy of a feeder's own direction."""
    return (feeder.in_kwh if feeder.role == "in" else feeder.out_kwh) or _ZERO


def _after(balance: Balance, feeder: Feeder, more: Decimal) -> Decimal | None:
    """The imbalance rate if the feeder's energy of its own direction were so much higher."""
    into, out = balance.in_kwh or _ZERO, balance.out_kwh or _ZERO
    into, out = (into + more, out) if feeder.role == "in" else (into, out + more)
    return (into - out) / into if into else None


def _multipliers(balance: Balance, known: _Known) -> Iterator[Suspect]:
    """The residue fits a step to another common ratio of one feeder, and the balance would then be within its limit."""
    tolerance = Decimal(repr(known.settings.balance.multiplier_tolerance))
    difference = balance.imbalance_kwh or _ZERO
    for feeder in balance.feeders:
        energy, rows = _main(feeder), known.ratios.get(feeder.point, [])
        if energy <= 0 or not rows:
            continue
        needed = 1 + (difference if feeder.role == "out" else -difference) / energy
        best: tuple[Decimal, Decimal, str, Decimal] | None = None
        for step, told in _steps(rows[-1]):
            left = _after(balance, feeder, energy * (step - 1))
            if left is None or abs(left) > balance.limit or abs(needed / step - 1) > tolerance:
                continue
            if best is None or (abs(left), told) < (abs(best[3]), best[2]):
                best = (step, energy * (step - 1), told, left)
        if best is not None:
            yield _suspect(balance, feeder, "wrong_multiplier", best[0], "ratio", abs(best[1]), best[3], best[2])


def _steps(row: Mapping[str, Any]) -> Iterator[tuple[Decimal, str]]:
    """(Another multiplier over the registered one, what it would be) for the common ratios of both transformers."""
    ct, pt = Decimal(repr(row["ct"])), Decimal(repr(row["pt"]))
    secondary = Decimal(repr(row["ct_secondary_a"])) if row["ct_secondary_a"] else SECONDARY
    primary = Decimal(repr(row["ct_primary_a"])) if row["ct_primary_a"] else ct * secondary
    if ct != 1:
        for exponent in range(-1, 4):
            for text in CT_SERIES:
                other = Decimal(text).scaleb(exponent)
                if other != primary and Decimal("0.1") <= other / primary <= 10:
                    yield (
                        other / primary,
                        f"CT {_short(primary)}/{_short(secondary)} → {_short(other)}/{_short(secondary)}",
                    )
        wrong = Decimal(1) if secondary == SECONDARY else SECONDARY
        yield secondary / wrong, f"CT {_short(primary)}/{_short(secondary)} → {_short(primary)}/{_short(wrong)}"
        yield 1 / ct, f"CT {_short(primary)}/{_short(secondary)} → 1"
    if pt != 1:
        volts = Decimal(repr(row["pt_primary_v"])) if row["pt_primary_v"] else pt * 100
        for volt in PT_SERIES_V:
            if volt != volts and Decimal("0.1") <= volt / volts <= 10:
                yield volt / volts, f"PT {_short(volts)} V → {volt} V"
        root = Decimal(3).sqrt()
        yield root, "PT × √3"
        yield 1 / root, "PT / √3"
        yield 1 / pt, f"PT {_short(pt)} → 1"


def _short(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _voltages(balance: Balance, known: _Known) -> Iterator[Suspect]:
    """A phase was lost in the period, and the energy that was not metered then goes the way of the residue."""
    difference = balance.imbalance_kwh or _ZERO
    for feeder in balance.feeders:
        lost = known.lost.get(feeder.point, [])
        if not lost or (difference > 0) != (feeder.role == "out"):
            continue
        rows = known.ratios.get(feeder.point, [])
        elements = 2 if rows and rows[-1]["wiring"] == "3p3w" else 3
        minutes = sum((minutes for _, minutes in lost), _ZERO)
        # Each element meters its share of the time's energy; what was metered lacks the share that was lost.
        share = min(minutes / elements / known.minutes, Decimal("0.99"))
        unmetered = _main(feeder) * share / (1 - share)
        phases = ", ".join(phase for phase, _ in sorted(lost))
        yield _suspect(
            balance, feeder, "voltage_loss", minutes, "min", unmetered, _after(balance, feeder, unmetered), phases
        )


def _clocks(balance: Balance, known: _Known) -> Iterator[Suspect]:
    """A clock that is off reads its registers early or late: at most the energy of that time at both ends of the period."""
    hours = known.minutes / 60
    for feeder in balance.feeders:
        for meter in feeder.meters:
            off = known.clocks.get(meter)
            if off is None or abs(off) <= known.settings.care.clock_right_s:
                continue
            figure = Decimal(repr(off))
            most = 2 * abs(figure) / HOUR_S * _main(feeder) / hours if hours else _ZERO
            yield replace(
                _suspect(balance, feeder, "clock_skew", figure, "s", most, None, "fast" if off > 0 else "slow"),
                meter=meter,
            )


def _classes(balance: Balance, known: _Known) -> Iterator[Suspect]:
    """The residue lies inside what the classes of meters, current and voltage transformers allow together."""
    assumed = known.settings.balance.assumed_class_pct
    allowed, guessed = _ZERO, 0
    for feeder in balance.feeders:
        rows = known.ratios.get(feeder.point, [])
        row: Mapping[str, Any] = rows[-1] if rows else {"ct": 1.0, "pt": 1.0, "ct_accuracy": None, "pt_accuracy": None}
        found: list[str | None] = [known.classes.get(feeder.meters[-1]) if feeder.meters else None]
        found += [row[f"{name}_accuracy"] for name in ("ct", "pt") if row[name] != 1]
        classes = [class_pct(text) for text in found]
        guessed += classes.count(None)
        percent = math.fsum(assumed if value is None else value for value in classes)
        through = (feeder.in_kwh or _ZERO) + (feeder.out_kwh or _ZERO)
        allowed += through * Decimal(repr(percent)) / 100
    difference, into = balance.imbalance_kwh or _ZERO, balance.in_kwh or _ZERO
    if into and abs(difference) <= allowed:
        detail = "registered" if not guessed else f"{guessed} assumed"
        yield Suspect(
            balance.busbar, 0, "class_error", None, None, None, allowed / into, "share", allowed, _ZERO, detail
        )


def class_pct(text: str | None) -> float | None:
    """The error that an accuracy class allows at rated load, percent: `0.5S` is 0.5; None where nothing is registered."""
    found = re.match(r"\s*(\d+(?:\.\d+)?)", text or "")
    return float(found[1]) if found else None
