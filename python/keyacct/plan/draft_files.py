"""The files of a draft's folder beside problem and plan: header, methods side by side, reasons, reserve, accounts."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from keyacct.analysis.load_curve import PERIOD_MIN
from keyacct.plan.accounts import AccountFacts
from keyacct.plan.baseline import Baseline
from keyacct.plan.demand import clock_text
from keyacct.plan.digests import folder_digest
from keyacct.plan.draft_problem import table_bytes
from keyacct.plan.folder import ProblemFolder
from keyacct.plan.planner import Planned
from keyacct.plan.priority_tables import PriorityTable
from keyacct.plan.reasons import explanation, reason_rows

METHOD_COLUMNS = (
    "method", "written", "objective", "bound", "gap_pct", "unmet_kwh", "required_kwh", "shift_kwh", "avoid_kwh",
    "limit_kwh", "trip_kwh", "touched", "tripped", "overshoot_kwh", "jain",
)  # fmt: skip


def json_bytes(document: object) -> bytes:
    """A JSON document as a file."""
    return (json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode("utf-8")


_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")


def rows_bytes(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    """Rows as a CSV file for people: None is an empty cell, no text is run as a formula by a spreadsheet."""
    return table_bytes(columns, [[_cell(row.get(column)) for column in columns] for row in rows])


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return "'" + value
    return "" if value is None else value


def method_rows(planned: Planned, written: str) -> list[dict[str, Any]]:
    """One row per method: its figures, the proved bound and the gap to it."""
    rows = []
    for trial in planned.trials:
        objective = trial["objective"]
        gap = 100 * max(objective - planned.bound, 0.0) / objective if objective > 0 else 0.0
        row = {key: round(value, 4) if isinstance(value, float) else value for key, value in trial.items()}
        chosen = int(trial["method"] == written)
        rows.append({**row, "written": chosen, "bound": round(planned.bound, 4), "gap_pct": round(gap, 4)})
    return rows


def given_kw(plan: bytes, periods: int) -> list[float]:
    """What a plan gives in each period, kW."""
    given = [0.0] * periods
    for row in csv.DictReader(io.StringIO(plan.decode("utf-8"))):
        if row["measure"] != "rebound":
            given[int(row["period"])] += float(row["kw"])
    return given


def ordered_accounts(plan: bytes) -> set[str]:
    """The accounts that a plan asks for something."""
    return {r["customer"] for r in csv.DictReader(io.StringIO(plan.decode("utf-8"))) if r["measure"] != "rebound"}


def account_rows(
    table: PriorityTable, facts: Mapping[str, AccountFacts], baselines: Mapping[str, Baseline],
    warnings: Mapping[str, Sequence[str]],
) -> list[dict[str, Any]]:  # fmt: skip
    """One row per account of the table: where its figures come from."""
    rows = []
    for entry in table.entries:
        fact, base = facts[entry.account_no], baselines.get(entry.account_no)
        row: dict[str, Any] = {
            "account_no": entry.account_no, "account_name": fact.account_name, "seq": entry.seq, "cls": entry.cls,
            "protected": int(entry.protected or fact.kept), "area": fact.area, "safety_load_kw": fact.safety_load_kw,
            "history_h": fact.history_h, "baseline": base.origin if base else "draft",
            "like_days": " ".join(day.isoformat() for day in base.days) if base else "",
            "adjustment": round(base.adjustment, 4) if base and base.adjustment is not None else None,
            "variation": round(base.variation, 4) if base and base.variation is not None else None,
            "guaranteed_quantile": int(base.guaranteed) if base else None,
            "warnings": "; ".join(warnings.get(entry.account_no, ())),
        }  # fmt: skip
        rows.append(row)
    return rows


ACCOUNT_COLUMNS = (
    "account_no", "account_name", "seq", "cls", "protected", "area", "safety_load_kw", "history_h", "baseline",
    "like_days", "adjustment", "variation", "guaranteed_quantile", "warnings",
)  # fmt: skip


def reserve_rows(planned: Planned, blocks: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    """The reserve list: per time block the next accounts by price, with the block's times."""
    rows = []
    for row in planned.reserve:
        first, end = next(
            (b for b in blocks if b[0] == row["first_period"]), (row["first_period"], row["first_period"])
        )
        figures = {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}
        rows.append({**figures, "account_no": row["customer"], "from": clock_text(first), "to": clock_text(end)})
    return rows


RESERVE_COLUMNS = (
    "block", "from", "to", "place", "account_no", "measure", "mean_kw", "ceiling_kw", "cost", "worth", "premium_per_kw",
)  # fmt: skip


def side_files(
    folder: ProblemFolder, planned: Planned, written: str, doubts: Mapping[str, Sequence[str]]
) -> dict[str, bytes]:
    """methods.csv, reasons.csv, explanation.json and reserve.csv. doubts: why the registry gives an account nothing."""
    rows = reason_rows(planned)
    document = explanation(folder, planned)
    for told in (rows, document["customers"]):
        for row in told:
            if row["because"] == "absent" and doubts.get(row["customer"]):
                row["sentence"] = "; ".join(doubts[row["customer"]])
    return {
        "methods.csv": rows_bytes(method_rows(planned, written), METHOD_COLUMNS),
        "reasons.csv": rows_bytes(rows, list(rows[0]) if rows else ["customer"]),
        "explanation.json": json_bytes(document),
        "reserve.csv": rows_bytes(reserve_rows(planned, folder.terms.blocks), RESERVE_COLUMNS),
    }


def block_rows(
    folder: ProblemFolder, planned: Planned, periods: int, required: Mapping[int, float]
) -> list[dict[str, Any]]:
    """One row per time block: its times, the demand with margin, what the plan gives, what one more MW costs there."""
    given = given_kw(planned.content, periods)
    told = {block["first_period"]: block for block in explanation(folder, planned)["blocks"]}
    rows = []
    for number, (first, end) in enumerate(sorted(folder.terms.blocks), 1):
        begins, ends = folder.terms.begin_of(first), folder.terms.begin_of(end)
        rows.append(
            {
                "block": number, "from": clock_text(first), "to": clock_text(end),
                "begins_at": begins.isoformat() if begins else None, "ends_at": ends.isoformat() if ends else None,
                "required_kw": round(max(required.get(t, 0.0) for t in range(first, end)), 3),
                "least_given_kw": round(min(given[first:end]), 3),
                "short_kw": round(max(required.get(t, 0.0) - given[t] for t in range(first, end)), 3),
                "hours": (end - first) * PERIOD_MIN / 60,
                "cost_of_one_more_mw": told.get(first, {}).get("cost_of_one_more_mw"),
            }
        )  # fmt: skip
    for row in rows:
        row["short_kw"] = max(row["short_kw"], 0.0)
    return rows


def input_digest(files: Mapping[str, bytes]) -> str:
    """The digest of a problem folder."""
    return folder_digest(files)
