"""Voltage compliance of metering points (GB/T 12325-2008; S0 §2.5.5.3)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from keyacct import _core
from keyacct.analysis.day_states import field_tables
from keyacct.analysis.question import Question, ask, spans_of
from keyacct.config import Workspace
from keyacct.model import MINUTE_MS, Period, midnight_ms

PHASE_ORDER = ("A", "B", "C", "AB", "CB", "CA", "total")
"""Phases as listed: those of four-wire meters, line voltages of three-wire ones, and all together."""
VOLTAGES = ("a", "b", "c", "ab", "bc", "ca")
"""Columns of the family; a three-wire meter may tell its line voltages as a and c, or by their names."""


@dataclass(frozen=True)
class VoltageCompliance:
    """Voltage compliance of a period.

    total: a row per point and phase (and `total` over its phases); day: the same per civil day, with the
    column `day`. Columns: account_no, account_name, point, meter (of several, joined by a comma),
    monitoring_class, phase, nominal_v, lower_v, upper_v (primary V, in the sense of the wiring; those in
    force last), monitored_min, over_limit_min, under_limit_min, below_floor_min, overvoltage_min (over
    the ceiling; part of the monitored minutes), rate (0..1), max_v, max_at, min_v, min_at, mean_v,
    target_rate, passed, completeness (time with values / time so far), resolution_min. `total` adds the
    minutes of the phases. Without values everything measured is null; without limits rate, passed and the
    two limit counters are.
    """

    total: pa.Table
    day: pa.Table


def voltage_compliance(
    workspace: Workspace, period: Period, *, accounts: Sequence[str] | None = None
) -> VoltageCompliance:
    """Voltage compliance of every metering point, by phase, over a period and by day.

    A value below the assessment floor (`voltage.assessment_floor` of nominal) is neither monitored nor
    under the limit. The rate of a period comes from its minutes, not from the daily rates. Raises
    ConfigError for unknown accounts (exit 3) and for ratios or limits that cannot be used. Source: GB/T
    12325-2008; S0 §2.5.5.3c; the choice for gaps is `samples.max_gap_intervals`.
    """
    question = ask(workspace, period, accounts)
    settings = workspace.settings.voltage
    family = ("voltage", VOLTAGES, 3)

    def from_samples(asked: Question) -> tuple[pa.Table, ...]:
        return asked.run(
            lambda: _core.field_voltage(
                asked.samples(*family),
                asked.kernel_parameters,
                asked.kernel,
                settings.assessment_floor,
                settings.overvoltage,
            )
        )

    day, total = field_tables(question, "voltage", [family], from_samples)
    return VoltageCompliance(total=_shape(question, total, by_day=False), day=_shape(question, day, by_day=True))


def _shape(question: Question, table: pa.Table, *, by_day: bool) -> pa.Table:
    parameters = question.parameters
    at = pa.array(_span_rows(question, table, by_day=by_day), pa.int64())
    meters = _meters(parameters)
    limits = {name: parameters[name].cast(pa.float64()).take(at) for name in ("nominal_v", "lower_v", "upper_v")}
    seen_ms = pc.add(table["monitored_ms"], table["below_floor_ms"])
    seen = pc.greater(seen_ms, 0)
    monitored = pc.greater(table["monitored_ms"], 0)
    has_limits = pc.and_(pc.is_valid(limits["lower_v"]), pc.is_valid(limits["upper_v"]))

    def minutes(name: str, mask: pa.ChunkedArray) -> pa.ChunkedArray:
        return pc.if_else(mask, pc.divide(table[name].cast(pa.float64()), float(MINUTE_MS)), _NULL)

    outside = pc.add(table["over_ms"], table["under_ms"]).cast(pa.float64())
    share = pc.divide(outside, pc.max_element_wise(table["monitored_ms"], 1).cast(pa.float64()))
    rate = pc.if_else(pc.and_(monitored, has_limits), pc.subtract(1.0, share), _NULL)
    target = question.workspace.settings.voltage.target_rate
    expected = pc.max_element_wise(table["expected_ms"], 1).cast(pa.float64())
    completeness = pc.if_else(
        pc.greater(table["expected_ms"], 0),
        pc.min_element_wise(pc.divide(seen_ms.cast(pa.float64()), expected), 1.0),
        _NULL,
    )
    points = table["point"].to_pylist()
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        "account_no": parameters["account_no"].take(at),
        "account_name": parameters["account_name"].take(at),
        "point": table["point"],
        "meter": pa.array([meters[point] for point in points], pa.string()),
        "monitoring_class": parameters["monitoring_class"].take(at),
        "phase": table["phase"],
    }
    if by_day:
        columns["day"] = table["day"]
    columns |= limits
    columns |= {
        "monitored_min": minutes("monitored_ms", seen),
        "over_limit_min": minutes("over_ms", pc.and_(seen, has_limits)),
        "under_limit_min": minutes("under_ms", pc.and_(seen, has_limits)),
        "below_floor_min": minutes("below_floor_ms", seen),
        "overvoltage_min": minutes("overvoltage_ms", seen),
        "rate": rate,
        "max_v": table["max_v"],
        "max_at": table["max_at"].cast(question.time_type),
        "min_v": table["min_v"],
        "min_at": table["min_at"].cast(question.time_type),
        "mean_v": table["mean_v"],
        "target_rate": pa.array([target] * table.num_rows, pa.float64()),
        "passed": pc.greater_equal(rate, target),
        "completeness": completeness,
        "resolution_min": parameters["interval_min"].cast(pa.int64()).take(at),
    }
    result = pa.table(columns)
    phase = pc.index_in(result["phase"], pa.array(PHASE_ORDER))
    keys = ["account_no", "point", *(["day"] if by_day else []), "_phase"]
    ordered = result.append_column("_phase", phase).sort_by([(key, "ascending") for key in keys])
    return ordered.drop_columns("_phase").combine_chunks()


_NULL = pa.scalar(None, pa.float64())


def _meters(parameters: pa.Table) -> dict[str, str]:
    """Meters of each point in the order of their time."""
    of_point: dict[str, list[str]] = {}
    for point, meter in zip(parameters["point"].to_pylist(), parameters["meter"].to_pylist(), strict=True):
        known = of_point.setdefault(point, [])
        if meter is not None and meter not in known:
            known.append(meter)
    return {point: ", ".join(meters) for point, meters in of_point.items()}


def _span_rows(question: Question, table: pa.Table, *, by_day: bool) -> list[int]:
    """For each row the parameter row that was in force last: in the period, or on the row's day."""
    spans = spans_of(question.parameters, "point")
    from_ms = question.parameters["from_ms"].to_pylist()
    ends: dict[dt.date, int] = {}
    rows: list[int] = []
    days = table["day"].to_pylist()
    for point, day in zip(table["point"].to_pylist(), days, strict=True):
        of_point = spans[point]
        row = of_point[-1]
        if by_day and len(of_point) > 1:
            if day not in ends:
                ends[day] = midnight_ms(day + dt.timedelta(days=1), question.workspace.zone)
            before = [n for n in of_point if from_ms[n] < ends[day]]
            row = before[-1] if before else of_point[0]
        rows.append(row)
    return rows
