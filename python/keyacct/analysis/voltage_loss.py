"""Voltage lost while current flows: minutes by point, phase and day, and the events (S0 §2.5.5.3c, Q/GDW 1354-2013)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from keyacct import _core
from keyacct.analysis.question import Question, ask
from keyacct.analysis.voltage import PHASE_ORDER, VOLTAGES
from keyacct.config import Workspace
from keyacct.model import MINUTE_MS, Period

EVENTS = ("voltage_loss", "phase_loss", "all_voltage_loss")
"""失压: voltage low with current. 断相: voltage and current gone while another phase has its voltage. 全失压: all voltages
low while current is drawn."""


@dataclass(frozen=True)
class VoltageLoss:
    """Lost voltages of a period.

    total: a row per point and phase that has voltage and current of the same stamps, and `total` for what is about all
    phases together: account_no, account_name, point, phase, judged_min, voltage_loss_min, phase_loss_min,
    all_voltage_loss_min. In the row `total` judged_min is time in which every phase was known, and voltage_loss_min and
    phase_loss_min are the minutes of the phases added. day: the same per civil day, with the column `day`.
    events: account_no, point, meter, event, phase, from_at, to_at (end of the last time in it), minutes (known time in
    it; missing values end no event and count nothing).
    """

    total: pa.Table
    day: pa.Table
    events: pa.Table


def voltage_loss(workspace: Workspace, period: Period, *, accounts: Sequence[str] | None = None) -> VoltageLoss:
    """Voltage loss, phase loss and loss of all voltages of every point, from voltages and currents of the same stamps.

    A voltage is lost below `voltage_loss.loss_below` of nominal while the phase has current, until it is above
    `voltage_loss.loss_until`. Three wires: line voltages with currents a and c, no phase B. The loss of all voltages closes
    the records of the phases. Points without a nominal voltage or without currents have no row. What began before the
    period is known from its first value in it. Raises ConfigError for unknown accounts and for ratios that cannot be used.
    """
    question = ask(workspace, period, accounts)
    settings = workspace.settings.voltage_loss
    shares = (
        settings.loss_below, settings.loss_until, settings.phase_loss_below, settings.working_voltage,
        settings.flowing_current, settings.drawn_current,
    )  # fmt: skip
    day, events = question.run(
        lambda: _core.field_voltage_loss(
            question.samples("voltage", VOLTAGES, 3),
            question.samples("current", ("a", "b", "c"), 4),
            question.kernel_parameters,
            rated_currents(question),
            question.kernel,
            shares,
            settings.delay_s * 1000,
        )
    )
    day = _with_sums(day)
    whole = day.group_by(["point", "phase"], use_threads=False).aggregate([(name, "sum") for name in _TIMES])
    whole = whole.rename_columns(["point", "phase", *_TIMES])
    return VoltageLoss(_shape(question, whole), _shape(question, day), _events(question, events))


def rated_currents(question: Question) -> list[float]:
    """Rated current of the meter of each parameter row, on the side that it reads, ampere."""
    default = question.workspace.settings.voltage_loss.rated_a
    rated = []
    for row in question.parameters.select(["reading_side", "ct", "ct_primary_a", "ct_secondary_a"]).to_pylist():
        if row["reading_side"] == "primary":
            rated.append(row["ct_primary_a"] or default * (row["ct"] or 1.0))
        else:
            rated.append(row["ct_secondary_a"] or default)
    return rated


_TIMES = ("judged_ms", "voltage_loss_ms", "phase_loss_ms", "all_voltage_loss_ms")


def _with_sums(day: pa.Table) -> pa.Table:
    """The days, with the minutes of the phases added in the rows `total`."""
    sums: dict[tuple[str, object], list[int]] = {}
    rows = day.to_pylist()
    for row in rows:
        if row["phase"] != "total":
            of_day = sums.setdefault((row["point"], row["day"]), [0, 0])
            of_day[0] += row["voltage_loss_ms"]
            of_day[1] += row["phase_loss_ms"]
    told = {(row["point"], row["day"]) for row in rows if row["phase"] == "total"}
    for row in rows:
        if row["phase"] == "total":
            row["voltage_loss_ms"], row["phase_loss_ms"] = sums.get((row["point"], row["day"]), [0, 0])
    for (point, at), (lost, gone) in sums.items():
        if (point, at) not in told:  # no time in which every phase was known
            rows.append({"point": point, "phase": "total", "day": at, "judged_ms": 0, "voltage_loss_ms": lost,
                         "phase_loss_ms": gone, "all_voltage_loss_ms": 0})  # fmt: skip
    return pa.Table.from_pylist(rows, schema=day.schema)


def _owners(question: Question) -> dict[str, tuple[str, str]]:
    """Account and its name of each point, those that held last."""
    names = ("point", "account_no", "account_name")
    return {
        point: (account, name)
        for point, account, name in zip(*(question.parameters[n].to_pylist() for n in names), strict=True)
    }


def _shape(question: Question, table: pa.Table) -> pa.Table:
    owners = _owners(question)
    points = table["point"].to_pylist()
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        "account_no": pa.array([owners[point][0] for point in points], pa.string()),
        "account_name": pa.array([owners[point][1] for point in points], pa.string()),
        "point": table["point"],
        "phase": table["phase"],
    }
    if "day" in table.column_names:
        columns["day"] = table["day"]
    for name in _TIMES:
        columns[name.removesuffix("_ms") + "_min"] = pc.divide(table[name].cast(pa.float64()), float(MINUTE_MS))
    result = pa.table(columns)
    result = result.append_column("_phase", pc.index_in(result["phase"], pa.array(PHASE_ORDER)))
    keys = ["account_no", "point", *(["day"] if "day" in columns else []), "_phase"]
    return result.sort_by([(key, "ascending") for key in keys]).drop_columns("_phase").combine_chunks()


def _events(question: Question, table: pa.Table) -> pa.Table:
    owners = _owners(question)
    accounts = pa.array([owners[point][0] for point in table["point"].to_pylist()], pa.string())
    return pa.table(
        {
            "account_no": accounts,
            **{name: table[name] for name in ("point", "meter", "event", "phase")},
            "from_at": table["from_at"].cast(question.time_type),
            "to_at": table["to_at"].cast(question.time_type),
            "minutes": pc.divide(table["covered_ms"].cast(pa.float64()), float(MINUTE_MS)),
        }
    ).sort_by([("account_no", "ascending"), ("point", "ascending"), ("from_at", "ascending"), ("event", "ascending"),
               ("phase", "ascending")])  # fmt: skip
