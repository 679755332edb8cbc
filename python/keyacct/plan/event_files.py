"""A problem folder and its plan file as an event: what is ordered of whom, when, and under which ceiling.

The rules are `checks`' business; this reader takes a plan that was accepted there.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from typing import Any

from keyacct.analysis.shed_event import MEASURES, ShedCustomer, ShedEvent, ShedOrder
from keyacct.errors import InputError
from keyacct.plan.folder import ProblemFolder


def read_event(folder: ProblemFolder, plan: bytes, name: str = "plan.csv") -> ShedEvent:
    """The event of a problem folder and an accepted plan.

    Raises InputError when `meta.json` has no start or no whole minutes, and for a plan of another folder.
    """
    terms = folder.terms
    if terms.start is None:
        raise InputError(
            "input.value",
            "start: the time of period 0 is missing",
            hint="a document and an evaluation need it: 2026-07-15T08:00:00+08:00",
            where={"file": "meta.json"},
        )
    if terms.minutes % 1 or terms.minutes < 1:
        raise InputError("input.value", f"minutes: {terms.minutes} is no whole number", where={"file": "meta.json"})
    required: dict[int, float] = {}
    headroom: dict[int, float | None] = {}
    for _, row in _rows(folder.tables["system.csv"]):
        t = int(float(row["period"]))
        room = float(row["headroom_kw"])
        required[t], headroom[t] = float(row["required_kw"]), room if room >= 0 else None
    loads = {row["id"]: row for _, row in _rows(folder.tables["baseline.csv"])}
    periods = sorted(required)
    names = [f"p{t}" for t in periods]
    customers = {
        row["id"]: ShedCustomer(
            customer=row["id"],
            area=row["area"],
            cls=int(float(row["cls"])),
            safety_kw=float(row["safety_kw"]),
            history_h=float(row["hist_h"]),
            resting=float(row["rest"]) != 0,
            notice_periods={m: int(float(row[f"notice_{m}"])) for m in MEASURES},
            load_kw=tuple(float(loads[row["id"]][p]) for p in names),
        )
        for _, row in _rows(folder.tables["customers.csv"])
    }
    areas: dict[str, dict[int, float]] = {}
    for _, row in _rows(folder.tables.get("areas.csv", b"area,period,required_kw\n")):
        areas.setdefault(row["area"], {})[int(float(row["period"]))] = float(row["required_kw"])
    blocks = tuple(sorted(terms.blocks))
    orders, returns = _orders(plan, name, blocks, customers)
    return ShedEvent(
        start=terms.start,
        minutes=int(terms.minutes),
        issue_period=terms.issue_period,
        blocks=blocks,
        return_windows=tuple(sorted(terms.return_windows)),
        required_kw=tuple(required[t] for t in periods),
        headroom_kw=tuple(headroom[t] for t in periods),
        areas={area: areas[area] for area in sorted(areas)},
        customers=customers,
        orders=orders,
        returns=returns,
        plan_sha256=hashlib.sha256(plan).hexdigest(),
    )


def _orders(
    plan: bytes, name: str, blocks: tuple[tuple[int, int], ...], customers: dict[str, ShedCustomer]
) -> tuple[tuple[ShedOrder, ...], dict[str, dict[int, float]]]:
    block_of = {t: k for k, (first, end) in enumerate(blocks) for t in range(first, end)}
    given: dict[tuple[str, int, str], dict[int, float]] = {}
    returns: dict[str, dict[int, float]] = {}
    for line, row in _rows(plan):
        t, measure, kw = int(row["period"]), row["measure"], float(row["kw"])
        if row["customer"] not in customers or (measure != "rebound" and t not in block_of):
            raise InputError(
                "input.value",
                f"customer '{row['customer']}', period {t}: the plan is not of this problem folder",
                where={"file": name, "line": line},
            )
        if kw <= 0:
            continue
        if measure == "rebound":
            returns.setdefault(row["customer"], {})[t] = kw
        else:
            given.setdefault((row["customer"], block_of[t], measure), {})[t] = kw
    place = {customer: number for number, customer in enumerate(customers)}
    orders = []
    for customer, block, measure in sorted(given, key=lambda key: (place[key[0]], key[1], MEASURES.index(key[2]))):
        kws = given[customer, block, measure]
        first, end = blocks[block]
        ceiling = None
        if measure == "limit":
            at = [customers[customer].load_kw[t] - kw for t, kw in kws.items()]
            ceiling = round((min(at) + max(at)) / 2, 3)
        spread = tuple(kws.get(t, 0.0) for t in range(first, end))
        orders.append(ShedOrder(customer, block, measure, first, spread, ceiling))
    return tuple(orders), returns


def _rows(content: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    for row in reader:
        yield reader.line_num, row
