"""How polling stands: plans, success of today, what is failing; for people and for Prometheus' textfile collector."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from keyacct import clock
from keyacct.capture.metrics_page import label, write_textfile
from keyacct.config import Workspace
from keyacct.database import acquisition_tables as tables
from keyacct.database.engine import open_database
from keyacct.workflow.care.due import due_care
from keyacct.workflow.poll_due import due_jobs
from keyacct.workflow.poll_targets import read_plans, read_targets

if TYPE_CHECKING:
    from keyacct.workflow.poll_round import Progress


def plan_status(workspace: Workspace) -> list[dict[str, Any]]:
    """One row a plan: meters, how many are due now, last due time served, today's success, due times nobody served.

    What was asked by hand or to fill gaps today has a row of its own (`on_demand`, `backfill`), so that its success
    is never taken for that of a plan. Rates are shares 0..1 of the items that were scheduled today, None where none
    were: `first_pass_rate` of those that the first attempt gave, `final_rate` of those that were read in the end.
    """
    targets, plans = read_targets(workspace), read_plans(workspace)
    now = clock.now()
    today = now.astimezone(workspace.zone).date().isoformat()
    jobs = due_jobs(workspace, targets, plans, now)
    with open_database(workspace).read() as connection:
        marks = connection.execute(sa.select(tables.poll_mark)).mappings().all()
        tallies = {
            row["poll_plan"]: row
            for row in connection.execute(
                sa.select(tables.poll_tally).where(tables.poll_tally.c.day == today)
            ).mappings()
        }
    rows = []
    care = {job.mark: job for job in due_care(workspace, targets, plans, now)}
    for plan in plans:
        meters = sum(plan.covers(target) for target in targets.values())
        waiting = {plan.name: [job.due_at_ms for job in jobs if job.plan == plan.name]} if plan.items else {}
        for kind in plan.care:
            name = f"{plan.name} {kind}"
            waiting[name] = list(care[name].due_ms.values()) if name in care else []
        for name, due in waiting.items():
            own = [mark for mark in marks if mark["poll_plan"] == name]
            tally = tallies.get(name)
            rows.append({
                "plan": name, "schedule": plan.schedule, "meters": meters, "due": len(due),
                "oldest_due": _local(workspace, min(due, default=None)),
                "last_served": _local(workspace, max((mark["due_at"] for mark in own), default=None)),
                "items_today": tally["scheduled"] if tally is not None else 0, **_rates(tally),
                "missed": sum(mark["missed"] for mark in own),
            })  # fmt: skip
    for name in ("on_demand", "backfill"):
        tally = tallies.get(name)
        if tally is not None and name not in {plan.name for plan in plans}:
            rows.append({
                "plan": name, "schedule": None, "meters": None, "due": 0, "oldest_due": None, "last_served": None,
                "items_today": tally["scheduled"], **_rates(tally), "missed": 0,
            })  # fmt: skip
    return rows


def _rates(tally: sa.RowMapping | None) -> dict[str, float | None]:
    """Both rates of a row of `poll_tally`."""
    if tally is None or not tally["scheduled"]:
        return {"first_pass_rate": None, "final_rate": None}
    scheduled = tally["scheduled"]
    return {
        "first_pass_rate": round(tally["first_pass"] / scheduled, 6), "final_rate": round(tally["final"] / scheduled, 6),
    }  # fmt: skip


def failing(workspace: Workspace) -> list[dict[str, Any]]:
    """Every item whose last attempt failed: meter, item, cause, what was seen, when, how often."""
    table = tables.poll_failure
    with open_database(workspace).read() as connection:
        rows = connection.execute(sa.select(table).order_by(table.c.meter_no, table.c.item)).mappings().all()
    return [{**row, "failed_at": _local(workspace, row["failed_at"])} for row in rows]


def _local(workspace: Workspace, at_ms: int | None) -> dt.datetime | None:
    return None if at_ms is None else dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).astimezone(workspace.zone)


_METRICS = (
    ("keyacct_poll_meters", "meters", "Meters of the plan"),
    ("keyacct_poll_due", "due", "Meters of the plan that are due and not yet read"),
    ("keyacct_poll_items_today", "items_today", "Items scheduled today"),
    ("keyacct_poll_first_pass_ratio", "first_pass_rate", "Share of today's items that the first attempt gave"),
    ("keyacct_poll_success_ratio", "final_rate", "Share of today's items that were read in the end"),
    ("keyacct_poll_missed_total", "missed", "Due times that nobody served"),
    ("keyacct_poll_oldest_due_seconds", "oldest_due", "Oldest due time that is not served yet, as a time stamp"),
)


def write_metrics(workspace: Workspace, path: Path) -> None:
    """The state of polling in Prometheus' text form, whole or not at all. Raises WriteError."""
    write_textfile(path, metrics_text(workspace))


def metrics_text(workspace: Workspace) -> str:
    """The state of polling in Prometheus' text form."""
    rows = plan_status(workspace)
    lines = []
    for name, key, told in _METRICS:
        kind = "counter" if name.endswith("_total") else "gauge"
        lines += [f"# HELP {name} {told}", f"# TYPE {name} {kind}"]
        lines += [f'{name}{{plan="{label(row["plan"])}"}} {_figure(row[key])}' for row in rows if row[key] is not None]
    causes: dict[str, int] = {}
    for failure in failing(workspace):
        causes[failure["cause"]] = causes.get(failure["cause"], 0) + 1
    lines += ["# HELP keyacct_poll_failing Items whose last attempt failed", "# TYPE keyacct_poll_failing gauge"]
    lines += [f'keyacct_poll_failing{{cause="{cause}"}} {count}' for cause, count in sorted(causes.items())]
    lines += [
        "# HELP keyacct_poll_written_seconds When this was written",
        "# TYPE keyacct_poll_written_seconds gauge",
        f"keyacct_poll_written_seconds {clock.now_ms() / 1000:.3f}",
    ]
    return "\n".join(lines) + "\n"


def round_metrics_text(progress: Progress | None) -> str:
    """How far the round in work is, in the same form; whether one is in work."""
    lines = ["# HELP keyacct_poll_working Whether a round is in work", "# TYPE keyacct_poll_working gauge",
             f"keyacct_poll_working {int(progress is not None)}"]  # fmt: skip
    for name, told in _ROUND if progress is not None else ():
        lines += [f"# HELP keyacct_poll_round_{name} {told}", f"# TYPE keyacct_poll_round_{name} gauge"]
        lines.append(f"keyacct_poll_round_{name} {getattr(progress, name)}")
    return "\n".join(lines) + "\n"


_ROUND = (
    ("items", "Items of the round in work"), ("done", "Items that are finished, read or failed"),
    ("failed", "Items that failed"), ("meters", "Meters of the round"), ("meters_done", "Meters that are finished"),
)  # fmt: skip


def _figure(value: Any) -> Any:
    return value.timestamp() if isinstance(value, dt.datetime) else value


def log_line(event: str, **values: Any) -> str:
    """One event as a line of JSON, for logs."""
    return json.dumps({"at": clock.now().isoformat(), "event": event, **values}, ensure_ascii=False, default=str)


def cause_rows(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    """How many rows of `failing` have each cause."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["cause"]] = counts.get(row["cause"], 0) + 1
    return counts
