"""Charges of accounts by the registry's prices: energy, basic charge in both modes, power-factor adjustment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Any

from keyacct.analysis.billable_demand import NOTHING, BillableDemand
from keyacct.analysis.point_energy import point_energy
from keyacct.analysis.question import measurable
from keyacct.config import Workspace
from keyacct.model import Period, midnight_ms

FEN = Decimal("0.01")
TOLERANCE = Decimal("1.05")
FLOOR_SHARE = Decimal("0.40")
"""Two-part tariff: demand up to 105 % of the contract demand is billed as the contract demand, what lies above at twice the
price; a contract demand below 40 % of the capacity counts as 40 % [V, published practice]."""
MONTH_DAYS = 30
"""A part of a month counts 1/30 a day [V]."""

REASONS = (
    "no_price", "no_energy", "energy_without_period", "loss_unknown", "no_basic_price", "no_capacity", "no_demand",
    "several_lines", "not_a_month", "not_over", "no_tariff_mode", "no_adjustment",
)  # fmt: skip
"""Why an amount is not available."""


@dataclass(frozen=True)
class Charges:
    """Charges of one account over a period, yuan; a missing amount has its reason in `reasons`, by the amount's name.

    energy_cny: energies by tariff period at the prices of their time, with the losses of a transformer before the meters.
    capacity_cny, demand_cny: basic charge in the two modes (a calendar month only); basic_cny: in the account's own mode, 0
    without a two-part tariff. billed_demand_kw: what demand mode bills. adjustment_cny: (basic + energy) × percent;
    total_cny: all of them. mean_price: energy charge per kWh. before government funds and surcharges.
    """

    account_no: str
    tariff_mode: str | None
    energy_kwh: Decimal | None
    energy_cny: Decimal | None
    capacity_cny: Decimal | None
    demand_cny: Decimal | None
    basic_cny: Decimal | None
    billed_demand_kw: Decimal | None
    adjustment_pct: Decimal | None
    adjustment_cny: Decimal | None
    total_cny: Decimal | None
    mean_price_cny_per_kwh: Decimal | None
    by_period: Mapping[str, tuple[Decimal, Decimal | None]]
    reasons: Mapping[str, str]

    @property
    def cheaper_mode(self) -> str | None:
        """The cheaper of the two modes of the basic charge, None when one is not known or they cost the same."""
        if self.capacity_cny is None or self.demand_cny is None or self.capacity_cny == self.demand_cny:
            return None
        return "two_part_capacity" if self.capacity_cny < self.demand_cny else "two_part_demand"

    @property
    def saving_cny(self) -> Decimal | None:
        """What the cheaper mode would save in this month against the account's own; None when nothing."""
        cheaper = self.cheaper_mode
        if cheaper is None or self.basic_cny is None or not (self.tariff_mode or "").startswith("two_part"):
            return None
        amount = self.capacity_cny if cheaper == "two_part_capacity" else self.demand_cny
        return self.basic_cny - amount if amount is not None and amount < self.basic_cny else None


def billed_demand(actual_kw: Decimal, contract_kw: Decimal | None, capacity_kva: Decimal | None) -> Decimal:
    """Demand that the demand mode bills, kW; without a contract demand the actual one."""
    if contract_kw is None:
        return actual_kw
    base = max(contract_kw, FLOOR_SHARE * capacity_kva) if capacity_kva is not None else contract_kw
    limit = TOLERANCE * base
    return base if actual_kw <= limit else base + 2 * (actual_kw - limit)


def charges(
    workspace: Workspace,
    period: Period,
    *,
    accounts: Sequence[str],
    demands: Mapping[str, BillableDemand],
    adjustment_pct: Mapping[str, Decimal | None],
    is_over: bool,
) -> dict[str, Charges]:
    """Charges of accounts over a period, by account number.

    demands, adjustment_pct: of the accounts, from `billable_demands` and `power_factor`; is_over: whether
    the period is over (a basic charge and a total of a running month would mislead). Energies have the losses of transformers
    before meters at low voltage. Prices, capacities and contract
    demands count from the day on which they begin: an energy is split there. Raises ConfigError of the registry.
    """
    book = _Prices(workspace, period)
    known = measurable(workspace, period, accounts)
    energies = (
        point_energy(workspace, period, accounts=known, kinds=("billing",), cuts=book.cuts(), losses=True)
        if known
        else None
    )
    spans: dict[str, list[dict[str, Any]]] = {}
    periods: dict[int, list[dict[str, Any]]] = {}
    if energies is not None:
        for row in energies.spans.to_pylist():
            spans.setdefault(row["account_no"], []).append(row)
        for row in energies.periods.to_pylist():
            periods.setdefault(row["span"], []).append(row)
    result = {}
    for account in accounts:
        work = _Account(account, book, spans.get(account, []), periods)
        result[account] = work.charges(demands.get(account, NOTHING), adjustment_pct.get(account), is_over=is_over)
    return result


class _Prices:
    """Terms and prices of the registry, by time."""

    def __init__(self, workspace: Workspace, period: Period) -> None:
        import sqlalchemy as sa

        from keyacct.database import registry_tables
        from keyacct.database.engine import open_database

        self.period, self.zone = period, workspace.zone
        self.from_ms, self.to_ms = period.bounds_ms(workspace.zone)
        tables = {
            "account": registry_tables.account_price, "energy": registry_tables.energy_price,
            "basic": registry_tables.basic_price, "terms": registry_tables.account_terms,
        }  # fmt: skip
        self.rows: dict[str, list[dict[str, Any]]] = {}
        with open_database(workspace).read() as connection:
            for name, table in tables.items():
                query = (
                    sa.select(table)
                    .where(table.c.valid_from < self.to_ms, table.c.valid_to > self.from_ms)
                    .order_by(table.c.valid_from)
                )
                self.rows[name] = [dict(row) for row in connection.execute(query).mappings()]
        self.index: dict[tuple[str, str], list[dict[str, Any]]] = {}
        keys = {"account": "account_no", "energy": "price_table", "basic": "price_table", "terms": "account_no"}
        for name, key in keys.items():
            for row in self.rows[name]:
                self.index.setdefault((name, row[key]), []).append(row)

    def cuts(self) -> list[int]:
        """Instants inside the period at which a price begins or ends."""
        rows = [row for name in ("account", "energy") for row in self.rows[name]]
        edges = {edge for row in rows for edge in (row["valid_from"], row["valid_to"])}
        return sorted(edge for edge in edges if self.from_ms < edge < self.to_ms)

    def at(self, name: str, key: str, ms: int, **more: str) -> dict[str, Any] | None:
        """The row of a table that holds at an instant."""
        for row in self.index.get((name, key), ()):
            if row["valid_from"] <= ms < row["valid_to"] and all(row[k] == v for k, v in more.items()):
                return row
        return None

    def price(self, account: str, ms: int, tariff_period: str | None) -> Decimal | None:
        """Price of a kilowatt-hour: that of the tariff period, else the one for all."""
        table = self.at("account", account, ms)
        if table is None:
            return None
        for wanted in (tariff_period, "all"):
            row = self.at("energy", table["price_table"], ms, period=wanted) if wanted else None
            if row is not None:
                return Decimal(row["price_cny_per_kwh"])
        return None


@dataclass
class _Account:
    """The sums of one account."""

    account: str
    book: _Prices
    spans: list[dict[str, Any]]
    periods: Mapping[int, list[dict[str, Any]]]
    reasons: dict[str, str] = field(default_factory=dict)

    def charges(self, demand: BillableDemand, percent: Decimal | None, *, is_over: bool) -> Charges:
        energy, cost, by_period = self._energy()
        terms = self.book.at("terms", self.account, self.book.to_ms - 1)
        mode = terms["tariff_mode"] if terms is not None else None
        capacity_cny, demand_cny, billed = self._basic(demand, is_over=is_over)
        basic: Decimal | None
        if mode == "two_part_capacity":
            basic = capacity_cny
            self._because("basic_cny", self.reasons.get("capacity_cny"), basic)
        elif mode == "two_part_demand":
            basic = demand_cny
            self._because("basic_cny", self.reasons.get("demand_cny"), basic)
        elif mode == "single":
            basic = Decimal(0)
        else:
            basic = None
            self.reasons["basic_cny"] = "no_tariff_mode"
        adjustment = None
        if cost is None or basic is None:
            self.reasons["adjustment_cny"] = self.reasons["energy_cny" if cost is None else "basic_cny"]
        elif percent is None:
            self.reasons["adjustment_cny"] = "no_adjustment"
        else:
            adjustment = ((basic + cost) * percent / 100).quantize(FEN, ROUND_HALF_UP)
        total = None
        if cost is not None and basic is not None and (adjustment is not None or percent is None):
            total = basic + cost + (adjustment or Decimal(0))
        else:
            self.reasons["total_cny"] = self.reasons.get("energy_cny") or self.reasons.get("basic_cny", "no_price")
        mean = cost / energy if cost is not None and energy else None
        return Charges(
            self.account, mode, energy, cost, capacity_cny, demand_cny, basic, billed, percent, adjustment, total,
            mean, by_period, self.reasons,
        )  # fmt: skip

    def _because(self, name: str, reason: str | None, value: Decimal | None) -> None:
        if value is None and reason is not None:
            self.reasons[name] = reason

    def _energy(self) -> tuple[Decimal | None, Decimal | None, dict[str, tuple[Decimal, Decimal | None]]]:
        """Energy, its cost, and both by tariff period."""
        parts: dict[str, list[Decimal | None]] = {}
        amounts: dict[str, Decimal] = {}
        unpriced = False
        for span in self.spans:
            for row in self.periods.get(span["span"], ()):
                kwh = row["import_kwh"]
                if kwh is None:
                    continue
                key = row["period"] or ""
                price = self.book.price(self.account, span["from_ms"], row["period"])
                amounts[key] = amounts.get(key, Decimal(0)) + kwh
                parts.setdefault(key, []).append(None if price is None else kwh * price)
                if price is None and kwh:
                    unpriced = True
                    self.reasons["energy_cny"] = (
                        "energy_without_period" if not key and self._has_table() else "no_price"
                    )
        if not amounts:
            self.reasons["energy_cny"] = "no_energy"
            return None, None, {}
        if not unpriced and any("loss_unknown" in span["flags"] for span in self.spans):
            unpriced, self.reasons["energy_cny"] = True, "loss_unknown"
        costs = {key: _sum(found) for key, found in parts.items()}
        by_period = {key: (amounts[key], costs[key]) for key in amounts}
        whole = None if unpriced else sum((cost for cost in costs.values() if cost is not None), Decimal(0))
        return sum(amounts.values(), Decimal(0)), None if whole is None else _fen(whole), by_period

    def _has_table(self) -> bool:
        return self.book.at("account", self.account, self.book.to_ms - 1) is not None

    def _basic(self, asked: BillableDemand, *, is_over: bool) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
        """Basic charge by capacity, by demand, and the demand billed (at the terms that hold last)."""
        demand = asked.kw
        names = ("capacity_cny", "demand_cny")
        if self.book.period.kind != "month" or not is_over:
            self.reasons |= dict.fromkeys(names, "not_a_month" if self.book.period.kind != "month" else "not_over")
            return None, None, None
        capacity_cny: Decimal | None = Decimal(0)
        demand_cny: Decimal | None = Decimal(0)
        billed: Decimal | None = None
        # Several lines are billed by the sum of their own maxima, which only the meters can tell.
        several = not asked.per_line and len({s["supply_line"] for s in self.spans if s["supply_line"] is not None}) > 1
        for days, whole, terms, basic in self._parts():
            share = Decimal(1) if whole else Decimal(days) / MONTH_DAYS
            capacity = _decimal(terms, "running_capacity_kva") or _decimal(terms, "contract_capacity_kva")
            by_capacity, by_demand = (
                _money(basic, name) for name in ("capacity_cny_per_kva_month", "demand_cny_per_kw_month")
            )
            if by_capacity is None or capacity is None:
                self.reasons["capacity_cny"] = "no_basic_price" if by_capacity is None else "no_capacity"
                capacity_cny = None
            elif capacity_cny is not None:
                capacity_cny += by_capacity * capacity * share
            if by_demand is None or demand is None or several:
                self.reasons["demand_cny"] = (
                    "no_basic_price" if by_demand is None else "no_demand" if demand is None else "several_lines"
                )
                demand_cny = None
            elif demand_cny is not None:
                billed = billed_demand(demand, _decimal(terms, "contract_demand_kw"), capacity)
                demand_cny += by_demand * billed * share
        return (
            None if capacity_cny is None else _fen(capacity_cny),
            None if demand_cny is None else _fen(demand_cny),
            billed if demand_cny is not None else None,
        )

    def _parts(self) -> list[tuple[int, bool, dict[str, Any] | None, dict[str, Any] | None]]:
        """(days, whole month?, terms, basic price) of each part of the month in which they are constant."""
        book, zone = self.book, self.book.zone
        found = []
        for day in book.period.days():
            at = midnight_ms(day, zone)
            table = book.at("account", self.account, at)
            basic = book.at("basic", table["price_table"], at) if table is not None else None
            found.append((book.at("terms", self.account, at), basic))
        marks = [0, *(n for n in range(1, len(found)) if found[n] != found[n - 1]), len(found)]
        # Terms that begin anew without another capacity or demand are no change of the charge.
        same = all(_charge_key(*item) == _charge_key(*found[0]) for item in found)
        if same:
            return [(len(found), True, *found[0])]
        return [(end - start, False, *found[start]) for start, end in pairwise(marks)]


def _charge_key(terms: dict[str, Any] | None, basic: dict[str, Any] | None) -> tuple[object, ...]:
    names = ("running_capacity_kva", "contract_capacity_kva", "contract_demand_kw")
    prices = ("capacity_cny_per_kva_month", "demand_cny_per_kw_month")
    return tuple(terms[n] if terms else None for n in names) + tuple(basic[n] if basic else None for n in prices)


def _sum(found: Sequence[Decimal | None]) -> Decimal | None:
    known = [cost for cost in found if cost is not None]
    return sum(known, Decimal(0)) if len(known) == len(found) else None


def _fen(amount: Decimal) -> Decimal:
    return amount.quantize(FEN, ROUND_HALF_UP)


def _decimal(row: Mapping[str, Any] | None, name: str) -> Decimal | None:
    value = row[name] if row is not None else None
    return None if value is None else Decimal(repr(value))


def _money(row: Mapping[str, Any] | None, name: str) -> Decimal | None:
    value = row[name] if row is not None else None
    return None if value is None else Decimal(value)


def is_over(period: Period, today: dt.date) -> bool:
    """Whether every day of the period has passed."""
    return period.last < today
