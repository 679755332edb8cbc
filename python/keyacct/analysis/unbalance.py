"""Unbalance of three phases: voltage by the three line voltages (GB/T 15543-2008), current by its spread (SD 292-88)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keyacct import _core
from keyacct.analysis.buckets import buckets_of
from keyacct.analysis.ct_loading import rated_currents
from keyacct.analysis.curve_tables import COLUMNS, curve_meters, curve_tables
from keyacct.analysis.question import Question, ask
from keyacct.config import Workspace
from keyacct.model import MINUTE_MS, Period, civil


def unbalance(workspace: Workspace, period: Period, *, accounts: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """A row per metering point of three phases, of every kind, with values.

    voltage_basis: `line` where the meter tells the three line voltages; `phase` where they are made of its three phase
    voltages as if these stood 120° apart, which a shifted neutral does not; a three-wire meter that tells two of them has
    no voltage unbalance. voltage_mean, voltage_p95 (the value that 95 % of the time keep), voltage_max, voltage_max_at,
    voltage_over_min (time above `unbalance.voltage_limit`), voltage_passed (p95 within the limit and the highest within the
    short-time limit). The same of current over phases A, B, C (three wires: A and C) while the mean current is at least
    `unbalance.smallest_current` of the rated current (nameplate, else CT × `voltage_loss.rated_a`). Shares are 0..1.
    Raises ConfigError for unknown accounts.
    """
    question = ask(workspace, period, accounts)
    rows = {
        (row["point"], row["account_no"]): {
            "account_no": row["account_no"], "account_name": row["account_name"], "point": row["point"],
            "wiring": row["wiring"],
        }
        for row in question.parameters.to_pylist()
        if row["wiring"] in ("3p4w", "3p3w")
    }  # fmt: skip
    settings = workspace.settings.unbalance
    voltages = _figures(question, "voltage", ("w_lines", "w_phases"), settings.voltage_limit)
    currents = _figures(question, "current", ("w_pair", "w_phases"), settings.current_limit, settings.smallest_current)
    result = []
    for (point, _), row in sorted(rows.items(), key=lambda item: str(item[0])):
        of_voltage = voltages.get(point)
        voltage, current = _row(of_voltage, workspace), _row(currents.get(point), workspace)
        passed = None
        if voltage["p95"] is not None:
            passed = voltage["p95"] <= settings.voltage_limit and voltage["max"] <= settings.voltage_short_limit
        current_passed = None if current["p95"] is None else current["p95"] <= settings.current_limit
        result.append(
            row
            | {"voltage_basis": None if of_voltage is None else of_voltage["basis"]}
            | {f"voltage_{name}": value for name, value in voltage.items()}
            | {"voltage_passed": passed}
            | {f"current_{name}": value for name, value in current.items()}
            | {"current_passed": current_passed}
        )
    return result


def _figures(
    question: Question, family: str, weights: Sequence[str], limit: float, smallest: float | None = None
) -> dict[str, dict[str, Any]]:
    """Per point what the core makes of its values."""
    from keyacct.store.engine import query_engine
    from keyacct.store.read import BATCH_ROWS

    if not curve_meters(question, question.parameters):
        return {}
    with query_engine(question.workspace) as engine:
        whole = buckets_of(question.period, "period", question.workspace.zone)
        curve_tables(engine, question, question.parameters, whole, (), family, weights)
        engine.register("rated", rated_currents(question))
        cells = ", ".join((*COLUMNS[family], *(f"{name}::BIGINT AS {name}" for name in weights)))
        rows = engine.sql(
            f"SELECT point, ms, wiring, primary_a, {cells} FROM weighed JOIN rated USING (span) ORDER BY point, ms"
        ).to_arrow_reader(BATCH_ROWS)
        (table,) = question.run(lambda: (_core.phase_unbalance(question.kept(rows), limit, smallest),))
    return {row["point"]: row for row in table.to_pylist()}


def _row(found: dict[str, Any] | None, workspace: Workspace) -> dict[str, Any]:
    if found is None:
        return {"mean": None, "p95": None, "max": None, "max_at": None, "over_min": None}
    return {
        "mean": found["mean"], "p95": found["p95"], "max": found["max"],
        "max_at": civil(found["max_at_ms"], workspace.zone), "over_min": found["over_ms"] / MINUTE_MS,
    }  # fmt: skip
