"""Unbalance of three phases: voltage by the three line voltages (GB/T 15543-2008), current by its spread (SD 292-88)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from keyacct.analysis.buckets import buckets_of
from keyacct.analysis.ct_loading import rated_currents
from keyacct.analysis.curve_tables import curve_meters, curve_tables
from keyacct.analysis.question import Question, ask
from keyacct.analysis.voltage import VOLTAGES
from keyacct.config import Workspace
from keyacct.model import Period, civil


def voltage_unbalance(ab: float, bc: float, ca: float) -> float | None:
    """Negative over positive sequence, 0..1, from three line voltages; None where they make no triangle.

    L = (a⁴+b⁴+c⁴)/(a²+b²+c²)², ε = √((1−√(3−6L))/(1+√(3−6L))). Source: GB/T 15543-2008, annex.
    """
    squares = ab * ab + bc * bc + ca * ca
    if squares <= 0:
        return None
    inner = 3.0 - 6.0 * (ab**4 + bc**4 + ca**4) / (squares * squares)
    if inner < 0:
        return None if inner < -1e-9 else 1.0
    root = math.sqrt(inner)
    return math.sqrt(max(0.0, (1.0 - root) / (1.0 + root)))


def current_unbalance(amperes: Sequence[float]) -> float | None:
    """(highest − lowest) / highest of the phase currents, 0..1; None without current."""
    sizes = [abs(a) for a in amperes]
    return (max(sizes) - min(sizes)) / max(sizes) if sizes and max(sizes) > 0 else None


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
    voltages = _voltage_values(question)
    currents = _current_values(question, settings.smallest_current)
    result = []
    for (point, _), row in sorted(rows.items(), key=lambda item: str(item[0])):
        of_voltage, basis = voltages.get(point, ([], None))
        voltage = _figures(of_voltage, settings.voltage_limit, workspace)
        current = _figures(currents.get(point, []), settings.current_limit, workspace)
        passed = None
        if voltage["p95"] is not None:
            passed = voltage["p95"] <= settings.voltage_limit and voltage["max"] <= settings.voltage_short_limit
        current_passed = None if current["p95"] is None else current["p95"] <= settings.current_limit
        result.append(
            row
            | {"voltage_basis": basis}
            | {f"voltage_{name}": value for name, value in voltage.items()}
            | {"voltage_passed": passed}
            | {f"current_{name}": value for name, value in current.items()}
            | {"current_passed": current_passed}
        )
    return result


Value = tuple[float, int, int]
"""Unbalance, the time it stands for, its end (both ms)."""


def _rows(question: Question, family: str, columns: Sequence[str], weights: Sequence[str]) -> list[dict[str, Any]]:
    from keyacct.store.engine import fetch_arrow, query_engine

    if not curve_meters(question, question.parameters):
        return []
    with query_engine(question.workspace) as engine:
        whole = buckets_of(question.period, "period", question.workspace.zone)
        curve_tables(engine, question, question.parameters, whole, (), family, weights)
        engine.register("rated", rated_currents(question))
        table: pa.Table = fetch_arrow(
            engine,
            f"SELECT point, ms, wiring, primary_a, {', '.join((*columns, *weights))} FROM weighed JOIN rated USING (span) "
            "ORDER BY point, ms",
        )
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _voltage_values(question: Question) -> dict[str, tuple[list[Value], str | None]]:
    found: dict[str, tuple[list[Value], str | None]] = {}
    for row in _rows(question, "voltage", VOLTAGES, ("w_lines", "w_phases")):
        lines, phases = [row[k] for k in ("ab", "bc", "ca")], [row[k] for k in ("a", "b", "c")]
        basis = "line"
        if any(v is None for v in lines):
            if row["wiring"] != "3p4w" or any(v is None for v in phases):
                continue
            a, b, c = phases
            lines, basis = [math.sqrt(x * x + y * y + x * y) for x, y in ((a, b), (b, c), (c, a))], "phase"
        share = voltage_unbalance(*lines)
        if share is not None:
            values, known = found.get(row["point"], ([], basis))
            values.append((share, row["w_lines" if basis == "line" else "w_phases"], row["ms"]))
            found[row["point"]] = (values, basis if known == basis else "phase")
    return found


def _current_values(question: Question, smallest: float) -> dict[str, list[Value]]:
    found: dict[str, list[Value]] = {}
    for row in _rows(question, "current", ("a", "b", "c"), ("w_pair", "w_phases")):
        names = ("a", "c") if row["wiring"] == "3p3w" else ("a", "b", "c")
        amperes = [row[name] for name in names]
        if row["wiring"] not in ("3p3w", "3p4w") or any(a is None for a in amperes):
            continue
        if sum(map(abs, amperes)) / len(amperes) < smallest * row["primary_a"]:
            continue
        share = current_unbalance(amperes)
        if share is not None:
            weight = row["w_pair" if row["wiring"] == "3p3w" else "w_phases"]
            found.setdefault(row["point"], []).append((share, weight, row["ms"]))
    return found


def _figures(values: Sequence[Value], limit: float, workspace: Workspace) -> dict[str, Any]:
    if not values:
        return {"mean": None, "p95": None, "max": None, "max_at": None, "over_min": None}
    time = sum(w for _, w, _ in values)
    kept, p95 = 0, 0.0
    for share, w, _ in sorted(values):
        kept, p95 = kept + w, share
        if kept >= 0.95 * time:
            break
    highest, _, at = max(values, key=lambda value: (value[0], -value[2]))
    return {
        "mean": math.fsum(share * w for share, w, _ in values) / time, "p95": p95, "max": highest,
        "max_at": civil(at, workspace.zone), "over_min": sum(w for share, w, _ in values if share > limit) / 60_000,
    }  # fmt: skip
