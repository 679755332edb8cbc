"""What planning again takes from a recorded draft: its terms, demand and loads, and the orders that stay as they are."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

from keyacct.plan.baseline import Horizon
from keyacct.plan.demand import Demand
from keyacct.plan.draft_problem import table_bytes
from keyacct.plan.drafts import StoredDraft
from keyacct.plan.folder import Terms, read_terms


def _rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"))))


def stored_demand(draft: StoredDraft) -> tuple[Terms, Demand]:
    """Terms and demand (margin contained) of a draft; every period of its horizon is in `required_kw`."""
    files = draft.problem_tables()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "meta.json"
        path.write_bytes(files["meta.json"])
        terms = read_terms(path)
    required = {int(row["period"]): float(row["required_kw"]) for row in _rows(files["system.csv"])}
    areas: dict[str, dict[int, float]] = {}
    for row in _rows(files.get("areas.csv", b"area,period,required_kw\n")):
        areas.setdefault(row["area"], {})[int(row["period"])] = float(row["required_kw"])
    return terms, Demand(tuple(terms.blocks), required, areas, {}, stated_response=True)


def stored_loads(draft: StoredDraft) -> dict[str, tuple[float, ...]]:
    """The expected loads of a draft, kW per period by account."""
    result = {}
    for row in _rows(draft.problem_tables()["baseline.csv"]):
        result[row["id"]] = tuple(float(row[f"p{t}"]) for t in range(len(row) - 1))
    return result


def fixed_rows(before: StoredDraft, plan: bytes, horizon: Horizon) -> bytes:
    """`fixed.csv` of a plan made again: what has begun, and every later order that stands as it was, so that any checker
    sees that its notice has been given.
    """
    block_of = {t: first for first, end in horizon.blocks for t in range(first, end)}
    now = {(r["customer"], r["period"], r["measure"]): float(r["kw"]) for r in _rows(plan)}
    orders: dict[tuple[str, int, str], list[dict[str, str]]] = {}
    rows = []
    for row in _rows(before.plan):
        period = int(row["period"])
        begin = block_of.get(period, period) if row["measure"] != "rebound" else period
        if begin < horizon.issue_period:
            rows.append(row)
        elif row["measure"] != "rebound":
            orders.setdefault((row["customer"], begin, row["measure"]), []).append(row)
    for order in orders.values():
        if all(abs(now.get((r["customer"], r["period"], r["measure"]), 0.0) - float(r["kw"])) <= 0.001 for r in order):
            rows += order
    header = ("customer", "period", "measure", "kw")
    ordered = sorted(rows, key=lambda r: (r["customer"], int(r["period"]), r["measure"]))
    return table_bytes(header, [[row[name] for name in header] for row in ordered])
