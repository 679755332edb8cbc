"""What an event of orderly power use really gave: reduction against a baseline, execution, ceilings, safety loads, burden.

Reduction of an interval = baseline - metered (有序用电: 实际压减负荷). Execution rate = min(1, reduction / ordered), not below
0, averaged over the ordered intervals; an interval without a value counts as nothing achieved and is counted as missing.
Limit compliance = share of ordered intervals with metered <= limit x (1 + tolerance). Formulae: the office's design
defaults (evaluation after an event); the 80 % within two intervals is that of the check after a trip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from keyacct.analysis.shed_event import MEASURES, ShedEvent, ShedOrder

Curves = Mapping[str, Sequence[float | None]]
"""kW of every period of the event's horizon, by customer; None where there is no value."""

Row = dict[str, Any]


@dataclass(frozen=True)
class EvaluationRules:
    """The open numbers. limit_tolerance: a ceiling is kept up to (1 + this) times it [D]. executed_share, on_time_
    intervals: an order is executed when its rate reaches the share, and did so for the first time within so many
    intervals [D]. borne_kw: a customer bears an interval when he gives more than this [D: the threshold of a measure].
    rebound_h: how long after the last block the returning load is watched [D]. safety_step_kw: what a meter may show
    less than the safety load before it counts [D].
    """

    limit_tolerance: float = 0.05
    executed_share: float = 0.80
    on_time_intervals: int = 2
    borne_kw: float = 1.0
    rebound_h: float = 4.0
    safety_step_kw: float = 0.01


@dataclass(frozen=True)
class Evaluation:
    """An evaluated event; every table is a list of rows with keys that end in their unit, rates are 0..1.

    intervals: a row per period of a time block. areas_intervals: the same by area. orders, customers, blocks, areas:
    execution. ceilings: runs of intervals above the limit. below_safety: runs below the safety load. after_release:
    returning load by interval. burdens: hours and kWh borne by customer and civil day. totals: figures of the whole event.
    """

    intervals: list[Row]
    areas_intervals: list[Row]
    orders: list[Row]
    customers: list[Row]
    blocks: list[Row]
    areas: list[Row]
    ceilings: list[Row]
    below_safety: list[Row]
    after_release: list[Row]
    burdens: list[Row]
    totals: Row


def evaluate_event(
    event: ShedEvent, metered: Curves, baseline: Curves, rules: EvaluationRules | None = None
) -> Evaluation:
    """Judges what was metered against the plan. A customer that a curve lacks has no value at all."""
    return _Evaluating(event, metered, baseline, rules or EvaluationRules()).run()


class _Evaluating:
    def __init__(self, event: ShedEvent, metered: Curves, baseline: Curves, rules: EvaluationRules) -> None:
        self.event, self.rules = event, rules
        self.metered = {c: _curve(metered, c, event.periods) for c in event.by_customer}
        self.given: dict[str, list[float | None]] = {}
        self.baseline = {c: _curve(baseline, c, event.periods) for c in event.by_customer}
        for customer, used in self.metered.items():
            base = self.baseline[customer]
            self.given[customer] = [None if b is None or m is None else b - m for b, m in zip(base, used, strict=True)]

    def run(self) -> Evaluation:
        event = self.event
        everybody = list(event.orders)
        intervals = self._intervals(everybody, event.required_kw)
        areas = sorted({event.customers[o.customer].area for o in everybody} | set(event.areas))
        inside = {area: [o for o in everybody if event.customers[o.customer].area == area] for area in areas}
        area_rows = {
            area: self._intervals(inside[area], [event.areas.get(area, {}).get(t) for t in range(event.periods)])
            for area in areas
        }
        orders = [self._order(order) for order in everybody]
        ceilings = [row for order in everybody for row in self._ceilings(order)]
        below = [row for order in everybody for row in self._below_safety(order)]
        customers = self._customers(orders, ceilings, below)
        blocks = [
            {"block": k + 1, "from_at": event.begin_of(first), "to_at": event.begin_of(end), **self._group(
                [row for row in intervals if row["block"] == k + 1], [o for o in everybody if o.block == k], orders
            )}
            for k, (first, end) in enumerate(event.blocks)
        ]  # fmt: skip
        after = self._after_release()
        return Evaluation(
            intervals=intervals,
            areas_intervals=[{"area": area, **row} for area in areas for row in area_rows[area]],
            orders=orders,
            customers=customers,
            blocks=blocks,
            areas=[{"area": area, **self._group(area_rows[area], inside[area], orders)} for area in areas],
            ceilings=ceilings,
            below_safety=below,
            after_release=after,
            burdens=[row for customer in event.by_customer for row in self._burden(customer)],
            totals=self._totals(intervals, orders, ceilings, below, after),
        )

    def _intervals(self, orders: Sequence[ShedOrder], required: Sequence[float | None]) -> list[Row]:
        """Planned and achieved reduction of every period of the time blocks."""
        event = self.event
        rows: dict[int, Row] = {}
        for k, (first, end) in enumerate(event.blocks):
            for t in range(first, end):
                rows[t] = {
                    "period": t, "ends_at": event.end_of(t), "block": k + 1, "required_kw": required[t],
                    "planned_kw": 0.0, "achieved_kw": None, "ordered": 0, "missing": 0,
                }  # fmt: skip
        for order in orders:
            for t, kw in zip(order.periods(), order.kw, strict=True):
                row, given = rows[t], self.given[order.customer][t]
                row["planned_kw"] += kw
                row["ordered"] += 1
                if given is None:
                    row["missing"] += 1
                else:
                    row["achieved_kw"] = (row["achieved_kw"] or 0.0) + given
        for row in rows.values():
            row["execution_rate"] = rate(row["achieved_kw"], row["planned_kw"])
            if not row["ordered"]:
                row["achieved_kw"] = 0.0
            if row["required_kw"] is not None:
                row["short_kw"] = max(row["required_kw"] - (row["achieved_kw"] or 0.0), 0.0)
        return list(rows.values())

    def _order(self, order: ShedOrder) -> Row:
        event, given = self.event, self.given[order.customer]
        limits = event.limit_kw(order)
        rates: list[float] = []
        measured = kept = 0
        reduction_kwh = 0.0
        reached: int | None = None
        for place, (t, kw) in enumerate(zip(order.periods(), order.kw, strict=True)):
            value, used = given[t], self.metered[order.customer][t]
            if used is not None and self._keeps(used, limits[place]):
                kept += 1
            if value is not None:
                measured += 1
                reduction_kwh += max(value, 0.0) * event.hours
            if kw <= 0:
                continue
            rates.append(rate(value, kw) or 0.0)
            if reached is None and rates[-1] >= self.rules.executed_share:
                reached = place + 1
        execution = sum(rates) / len(rates) if rates and measured else None
        on_time = reached is not None and reached <= self.rules.on_time_intervals
        executed = execution is not None and execution >= self.rules.executed_share and on_time
        return {
            "customer": order.customer, "area": event.customers[order.customer].area, "block": order.block + 1,
            "measure": order.measure, "from_at": event.begin_of(order.first), "to_at": event.begin_of(order.end),
            "limit_kw": order.ceiling_kw if order.ceiling_kw is not None else max(limits),
            "planned_kw": order.mean_kw, "planned_kwh": sum(order.kw) * event.hours,
            "achieved_kwh": reduction_kwh if measured else None, "execution_rate": execution,
            "limit_compliance": kept / len(order.kw) if measured else None,
            "intervals": len(order.kw), "missing": len(order.kw) - measured,
            "reached_after_min": reached * event.minutes if reached is not None else None,
            "executed": executed if measured else None,
        }  # fmt: skip

    def _keeps(self, used_kw: float, limit_kw: float) -> bool:
        return used_kw <= limit_kw * (1 + self.rules.limit_tolerance)

    def _customers(self, orders: Iterable[Row], ceilings: Iterable[Row], below: Iterable[Row]) -> list[Row]:
        event = self.event
        broken = {row["customer"] for row in ceilings}
        low = {row["customer"] for row in below if not row["closed"]}
        mine: dict[str, list[Row]] = {}
        for row in orders:
            mine.setdefault(row["customer"], []).append(row)
        rows = []
        for customer, own in mine.items():
            intervals = sum(row["intervals"] for row in own)
            rates = self._rates(event.by_customer[customer])
            known = any(row["missing"] < row["intervals"] for row in own)
            kept = sum((row["limit_compliance"] or 0.0) * row["intervals"] for row in own)
            rows.append(
                {
                    "customer": customer, "area": event.customers[customer].area,
                    "measures": ", ".join(dict.fromkeys(row["measure"] for row in own)),
                    "planned_kwh": sum(row["planned_kwh"] for row in own),
                    "achieved_kwh": sum(row["achieved_kwh"] or 0.0 for row in own) if known else None,
                    "execution_rate": sum(rates) / len(rates) if rates and known else None,
                    "limit_compliance": kept / intervals if known else None,
                    "intervals": intervals, "missing": sum(row["missing"] for row in own),
                    "orders": len(own), "executed": sum(bool(row["executed"]) for row in own),
                    "ceiling_kept": customer not in broken if known else None,
                    "safety_kept": customer not in low if known else None,
                }
            )  # fmt: skip
        return rows

    def _rates(self, orders: Iterable[ShedOrder]) -> list[float]:
        return [
            rate(self.given[order.customer][t], kw) or 0.0
            for order in orders
            for t, kw in zip(order.periods(), order.kw, strict=True)
            if kw > 0
        ]

    def _group(self, intervals: Sequence[Row], orders: Sequence[ShedOrder], judged: Iterable[Row]) -> Row:
        """Execution of a time block, of an area, of the event: of its sums, interval by interval."""
        hours = self.event.hours
        ordered = [row for row in intervals if row["planned_kw"] > 0]
        rates = [row["execution_rate"] or 0.0 for row in ordered]
        keys = {(order.customer, order.block + 1) for order in orders}
        mine = [row for row in judged if (row["customer"], row["block"]) in keys]
        known = any(row["missing"] < row["ordered"] for row in intervals)
        peak = max((row["achieved_kw"] or 0.0 for row in ordered), default=0.0)
        demanded = [row["required_kw"] for row in intervals if row["required_kw"] is not None]
        return {
            "customers": len({order.customer for order in orders}), "orders": len(mine),
            "executed": sum(bool(row["executed"]) for row in mine),
            "required_kw": max(demanded) if demanded else None,
            "planned_kw": max((row["planned_kw"] for row in intervals), default=0.0),
            "achieved_peak_kw": peak if known else None,
            "planned_kwh": sum(row["planned_kw"] for row in intervals) * hours,
            "achieved_kwh": sum(row["achieved_kw"] or 0.0 for row in intervals) * hours if known else None,
            "short_kwh": sum(row.get("short_kw", 0.0) for row in intervals) * hours if demanded else None,
            "execution_rate": sum(rates) / len(rates) if rates and known else None,
            "missing": sum(row["missing"] for row in intervals),
        }  # fmt: skip

    def _ceilings(self, order: ShedOrder) -> list[Row]:
        """Runs of intervals in which the customer drew more than the order left him, tolerance included."""
        limits, used = self.event.limit_kw(order), self.metered[order.customer]

        def over(place: int, t: int) -> float | None:
            drawn = used[t]
            return None if drawn is None or self._keeps(drawn, limits[place]) else drawn - limits[place]

        rows = []
        for run in self._runs(order, over):
            worst = max(run, key=lambda item: (item[2], -item[1]))
            rows.append(
                {
                    **self._span(order, run), "worst_at": self.event.end_of(worst[1]), "limit_kw": limits[worst[0]],
                    "metered_kw": used[worst[1]], "over_kw": worst[2],
                    "over_kwh": sum(item[2] for item in run) * self.event.hours,
                }
            )  # fmt: skip
        return rows

    def _below_safety(self, order: ShedOrder) -> list[Row]:
        """Runs of intervals in which the meter shows less than the safety load; closed: so the plan already expected."""
        customer, used = self.event.customers[order.customer], self.metered[order.customer]
        least = customer.safety_kw - self.rules.safety_step_kw

        def below(place: int, t: int) -> float | None:
            drawn = used[t]
            return None if drawn is None or drawn >= least else customer.safety_kw - drawn

        rows = []
        for run in self._runs(order, below):
            worst = max(run, key=lambda item: (item[2], -item[1]))
            rows.append(
                {
                    **self._span(order, run), "worst_at": self.event.end_of(worst[1]),
                    "safety_kw": customer.safety_kw, "metered_kw": used[worst[1]], "below_kw": worst[2],
                    "closed": all(customer.load_kw[t] < customer.safety_kw for _, t, _ in run),
                }
            )  # fmt: skip
        return rows

    @staticmethod
    def _runs(order: ShedOrder, amount: Callable[[int, int], float | None]) -> list[list[tuple[int, int, float]]]:
        """Neighbouring intervals with an amount: (place in the order, period, amount)."""
        runs: list[list[tuple[int, int, float]]] = []
        for place, t in enumerate(order.periods()):
            value = amount(place, t)
            if value is None:
                continue
            if runs and runs[-1][-1][1] == t - 1:
                runs[-1].append((place, t, value))
            else:
                runs.append([(place, t, value)])
        return runs

    def _span(self, order: ShedOrder, run: Sequence[tuple[int, int, float]]) -> Row:
        return {
            "customer": order.customer, "block": order.block + 1, "measure": order.measure,
            "from_at": self.event.begin_of(run[0][1]), "to_at": self.event.end_of(run[-1][1]),
            "minutes": len(run) * self.event.minutes,
        }  # fmt: skip

    def _burden(self, customer: str) -> list[Row]:
        """Hours under an order in which the customer really gave, and the energy, by civil day (of the event's clock)."""
        hours = self.event.hours
        days: dict[date, Row] = {}
        for order in self.event.by_customer[customer]:
            for t in order.periods():
                day = self.event.begin_of(t).date()
                row = days.setdefault(
                    day,
                    {
                        "customer": customer,
                        "day": day,
                        "ordered_h": 0.0,
                        "measured_h": 0.0,
                        "borne_h": 0.0,
                        "borne_kwh": 0.0,
                    },
                )
                given = self.given[customer][t]
                row["ordered_h"] += hours
                if given is not None:
                    row["measured_h"] += hours
                    row["borne_h"] += hours if given > self.rules.borne_kw else 0.0
                    row["borne_kwh"] += max(given, 0.0) * hours
        return [days[day] for day in sorted(days)]

    def _after_release(self) -> list[Row]:
        """Load of the touched customers above their baseline after the last block, interval by interval."""
        event = self.event
        release = max((end for _, end in event.blocks), default=0)
        last = min(release + round(self.rules.rebound_h / event.hours), event.periods)
        rows = []
        for t in range(release, last):
            given = [curve[t] for curve in self.given.values()]
            above = [-value for value in given if value is not None]
            planned = sum(back.get(t, 0.0) for back in event.returns.values())
            rows.append(
                {
                    "period": t, "ends_at": event.end_of(t), "planned_kw": planned,
                    "rebound_kw": sum(above) if above else None, "headroom_kw": event.headroom_kw[t],
                    "missing": len(given) - len(above),
                }
            )  # fmt: skip
        return rows

    def _totals(
        self, intervals: Sequence[Row], orders: Sequence[Row], ceilings: Sequence[Row], below: Sequence[Row],
        after: Sequence[Row],
    ) -> Row:  # fmt: skip
        event = self.event
        group = self._group(intervals, event.orders, orders)
        by_measure = {
            measure: sum(row["achieved_kwh"] or 0.0 for row in orders if row["measure"] == measure)
            for measure in MEASURES
        }
        known = [row for row in intervals if row["ordered"] and row["missing"] < row["ordered"]]
        peak = max(known, key=lambda row: (row["achieved_kw"], -row["period"]), default=None)
        back = max(
            (row for row in after if row["rebound_kw"] is not None),
            key=lambda row: (row["rebound_kw"], -row["period"]),
            default=None,
        )
        expected = sum(row["intervals"] for row in orders)
        missing = sum(row["missing"] for row in orders)
        kept = sum((row["limit_compliance"] or 0.0) * row["intervals"] for row in orders)
        return {
            **group,
            "achieved_peak_at": _at(peak, "ends_at"),
            "execution_of_orders": group["executed"] / len(orders) if orders else None,
            "limit_compliance": kept / expected if expected > missing else None,
            "ceilings_broken": len(ceilings),
            "below_safety": sum(not row["closed"] for row in below),
            "not_served_kwh": sum(by_measure[m] for m in MEASURES if m != "shift") if known else None,
            **{f"{measure}_kwh": kwh if known else None for measure, kwh in by_measure.items()},
            "rebound_peak_kw": None if back is None else back["rebound_kw"],
            "rebound_peak_at": _at(back, "ends_at"),
            "rebound_missing": None if back is None else back["missing"],
            "completeness": (expected - missing) / expected if expected else None,
        }


def rate(given_kw: float | None, ordered_kw: float) -> float | None:
    """Execution rate of one interval: min(1, given / ordered), not below 0; None without a value or an order."""
    if given_kw is None or ordered_kw <= 0:
        return None
    return min(max(given_kw / ordered_kw, 0.0), 1.0)


def _curve(curves: Curves, customer: str, periods: int) -> list[float | None]:
    values = list(curves.get(customer, ()))
    return (values + [None] * periods)[:periods]


def _at(row: Row | None, key: str) -> datetime | None:
    return None if row is None else row[key]
