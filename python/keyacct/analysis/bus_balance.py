"""Energy balance of busbars: what flows in, what flows out, the imbalance (S0 §2.5.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from keyacct.analysis.point_energy import DOUBTFUL, PointEnergy, point_energy
from keyacct.config import BalanceSettings, Workspace
from keyacct.model import Period

HIGH_VOLTAGE_KV = 220
CAUSES = (
    "missing_reading", "missing_feeder", "boundary_reading", "register_decrease", "meter_exchange", "ratio_change",
    "feeder_moved", "gap_over_change",
)  # fmt: skip
"""Why a balance is provisional, in the order in which causes are looked into."""


@dataclass(frozen=True)
class Feeder:
    """What one metering point gave to or took from a busbar, kWh; None: nothing measured.

    role: `in` for a point of the busbar without a line (transformer, incomer): its import flows in; `out` for a point of a
    line: its import flows out. Export counts the other way.
    """

    busbar: str
    point: str
    supply_line: str | None
    meters: tuple[str, ...]
    role: str
    in_kwh: Decimal | None
    out_kwh: Decimal | None
    completeness: float | None
    causes: tuple[str, ...]


@dataclass(frozen=True)
class Balance:
    """Balance of one busbar. imbalance_rate: (in − out) / in, None without inflow; provisional: with one of `causes`."""

    busbar: str
    busbar_name: str
    substation: str
    voltage_level_kv: float | None
    in_kwh: Decimal | None
    out_kwh: Decimal | None
    imbalance_kwh: Decimal | None
    imbalance_rate: Decimal | None
    limit: Decimal
    passed: bool | None
    feeders: tuple[Feeder, ...]
    missing_lines: tuple[str, ...]
    causes: tuple[str, ...]

    @property
    def provisional(self) -> bool:
        """Whether something is missing or doubtful."""
        return bool(self.causes)


def bus_balance(workspace: Workspace, period: Period, energies: PointEnergy | None = None) -> list[Balance]:
    """The balance of every busbar of the registry over a period, sorted by busbar.

    A line is measured at the busbar when it has an assessment or check point there, else its billing points stand for it
    (at low voltage with the losses of their transformer). A point belongs to the busbar, and with it its energy, for as
    long as the registry says so (bypass); before and after a meter exchange each meter counts its own part. A balance with
    a missing or doubtful part is provisional. energies: of `point_energy` with losses, where they are known. Raises
    ConfigError of the registry.
    """
    buses, lines = _registry(workspace, period)
    energies = energies or point_energy(workspace, period, losses=True)
    spans = [row for row in energies.spans.to_pylist() if row["busbar"] is not None]
    result = []
    for bus in buses:
        own = [row for row in spans if row["busbar"] == bus["busbar"]]
        limit = limit_of(bus["voltage_level_kv"], workspace.settings.balance)
        result.append(_balance(bus, own, lines.get(bus["busbar"], set()), limit))
    return result


def limit_of(voltage_level_kv: float | None, settings: BalanceSettings) -> Decimal:
    """The imbalance allowed at a voltage level, of the energy that flows in."""
    high = voltage_level_kv is not None and voltage_level_kv >= HIGH_VOLTAGE_KV
    return Decimal(repr(settings.limit_high if high else settings.limit))


def _registry(workspace: Workspace, period: Period) -> tuple[list[dict[str, Any]], dict[str, set[str]]]:
    """Busbars, and the lines that hung on each in the period."""
    import sqlalchemy as sa

    from keyacct.database import registry_tables as tables
    from keyacct.database.engine import open_database

    from_ms, to_ms = period.bounds_ms(workspace.zone)
    feed = tables.line_feed
    with open_database(workspace).read() as connection:
        buses = [
            dict(row)
            for row in connection.execute(sa.select(tables.busbar).order_by(tables.busbar.c.busbar)).mappings()
        ]
        query = sa.select(feed).where(feed.c.valid_from < to_ms, feed.c.valid_to > from_ms)
        lines: dict[str, set[str]] = {}
        for row in connection.execute(query).mappings():
            lines.setdefault(row["busbar"], set()).add(row["supply_line"])
    return buses, lines


def _balance(bus: Mapping[str, Any], spans: Sequence[Mapping[str, Any]], lines: set[str], limit: Decimal) -> Balance:
    measured = {row["supply_line"] for row in spans if row["supply_line"] and row["kind"] != "billing"}
    counted: dict[str, list[Mapping[str, Any]]] = {}
    for row in spans:
        stands_behind = row["kind"] == "billing" and row["supply_line"] in measured
        if not stands_behind:
            counted.setdefault(row["point"], []).append(row)
    feeders = tuple(feeder_of(str(bus["busbar"]), point, rows) for point, rows in sorted(counted.items()))
    known = {row["supply_line"] for rows in counted.values() for row in rows}
    missing = tuple(sorted(lines - known))
    in_kwh = sum_of([feeder.in_kwh for feeder in feeders])
    out_kwh = sum_of([feeder.out_kwh for feeder in feeders])
    causes = {cause for feeder in feeders for cause in feeder.causes}
    if missing:
        causes.add("missing_feeder")
    difference = None if in_kwh is None or out_kwh is None else in_kwh - out_kwh
    rate = difference / in_kwh if difference is not None and in_kwh else None
    return Balance(
        str(bus["busbar"]), str(bus["busbar_name"] or ""), str(bus["substation"]), bus["voltage_level_kv"],
        in_kwh, out_kwh, difference, rate, limit,
        None if rate is None else abs(rate) <= limit,
        feeders, missing, tuple(cause for cause in CAUSES if cause in causes),
    )  # fmt: skip


def feeder_of(busbar: str, point: str, rows: Sequence[Mapping[str, Any]]) -> Feeder:
    """What a point gave or took, from its spans of `point_energy`."""
    line = next((row["supply_line"] for row in rows if row["supply_line"]), None)
    forward = sum_of([row["import_kwh"] for row in rows])
    reverse = sum_of([row["export_kwh"] for row in rows])
    shares = [row["completeness"] for row in rows if row["completeness"] is not None]
    meters = tuple(dict.fromkeys(row["meter"] for row in rows))
    flags = {flag for row in rows for flag in row["flags"]}
    ratios = {(row["meter"], row["multiplier"]) for row in rows}
    causes = {
        "missing_reading": forward is None or any(share < 1 for share in shares),
        "boundary_reading": bool({"boundary_start", "boundary_end"} & flags),
        "register_decrease": "register_decrease" in flags,
        "gap_over_change": "gap_over_seam" in flags,
        "meter_exchange": len(meters) > 1 and bool(DOUBTFUL & flags),
        "ratio_change": len(ratios) > len(meters) and bool(DOUBTFUL & flags),
    }
    ordered = tuple(cause for cause in CAUSES if causes.get(cause))
    role = "in" if line is None else "out"
    into, out = (forward, reverse) if role == "in" else (reverse, forward)
    return Feeder(busbar, point, line, meters, role, into, out, min(shares) if shares else None, ordered)


def sum_of(found: Sequence[Decimal | None]) -> Decimal | None:
    """The sum of what is known, None without any."""
    known = [amount for amount in found if amount is not None]
    return sum(known, Decimal(0)) if known else None
