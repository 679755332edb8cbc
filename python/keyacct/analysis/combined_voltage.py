"""Combined voltage compliance rate of an office, by point class, and the voltage of a day (S0 §2.5.5.3; §1.6.2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from keyacct.analysis.curve_tables import best_of_kinds, exact_sum
from keyacct.analysis.voltage import VOLTAGES
from keyacct.config import Workspace
from keyacct.model import Period

CLASSES = ("A", "B", "C", "D")
KINDS = ("interval", "snapshot", "freeze_minute")


@dataclass(frozen=True)
class CombinedRate:
    """Combined rate. by_class: mean of the rates of a class's points (None: no point with a rate); counted, unrated,
    unclassed: points with a class and a rate, with a class but no rate, with a rate but no class. rate: None when class A
    has no rate, or none of B, C and D has.
    """

    by_class: Mapping[str, float | None]
    counted: Mapping[str, int]
    unrated: Mapping[str, int]
    unclassed: int
    rate: float | None


def combined_rate(points: Iterable[tuple[str | None, float | None]]) -> CombinedRate:
    """The combined rate γ = 0.5·γA + 0.5·(γB + γC + γD)/3 of points (class, rate).

    Within a class the points' rates are averaged without weights; a class without points is left out of the bracket; without
    class A there is no combined rate. Source: the long-used formula of the companies' rules [U], domain choice [D].
    """
    rates: dict[str, list[float]] = {name: [] for name in CLASSES}
    unrated = dict.fromkeys(CLASSES, 0)
    unclassed = 0
    for name, rate in points:
        if name not in rates:
            unclassed += rate is not None
        elif rate is None:
            unrated[name] += 1
        else:
            rates[name].append(rate)
    by_class = {name: sum(found) / len(found) if found else None for name, found in rates.items()}
    rest = [rate for name in CLASSES[1:] if (rate := by_class[name]) is not None]
    first = by_class["A"]
    rate = None if first is None or not rest else 0.5 * first + 0.5 * sum(rest) / len(rest)
    return CombinedRate(by_class, {name: len(found) for name, found in rates.items()}, unrated, unclassed, rate)


def voltage_curve(workspace: Workspace, period: Period, *, accounts: list[str] | None = None) -> pa.Table:
    """Voltage by hour of the civil day over a period: a row per metering point, phase and hour that has values.

    Columns: account_no, point, phase (A, B, C; AB, CB and CA of three-wire meters), hour (0 to 23, of the interval's end less a
    moment), mean_v, min_v, max_v (primary, in the sense of the wiring), values: of several kinds at one instant the first
    of `KINDS`. Values below the assessment floor are left out, as in the compliance rate. Raises ConfigError for unknown
    accounts.
    """
    from keyacct.analysis.question import ask
    from keyacct.store.engine import fetch_arrow, query_engine

    question = ask(workspace, period, accounts)
    offsets = question.kernel[2]
    shift = "CASE " + " ".join(f"WHEN ms > {start} THEN {offset}" for start, offset in reversed(offsets)) + " END"
    floor = workspace.settings.voltage.assessment_floor
    reader = question.samples("voltage", VOLTAGES, 3)
    best = best_of_kinds(VOLTAGES, KINDS)
    columns: dict[str, Any] = {name: question.parameters[name] for name in (
        "point", "account_no", "meter", "reading_side", "wiring", "pt", "from_ms", "to_ms", "nominal_v",
    )}  # fmt: skip
    with query_engine(workspace) as engine:
        engine.register("spans", pa.table(columns))
        engine.register("samples", reader)
        sql = f"""
            WITH best AS (
                SELECT meter, ts, {best} FROM samples WHERE kind IN {KINDS} GROUP BY meter, ts
            ), long AS (
                SELECT s.meter, ts AS ms, unnest(CASE WHEN three THEN [coalesce(a, ab), NULL, coalesce(c, bc), ca]
                    ELSE [a, b, c, NULL] END)::DOUBLE AS v, unnest([0, 1, 2, 3]) AS place
                FROM best s JOIN (SELECT meter, bool_or(wiring = '3p3w') AS three FROM spans GROUP BY ALL) USING (meter)
            ), primary_side AS (
                SELECT s.account_no, s.point, s.nominal_v, long.ms,
                    CASE WHEN s.wiring = '3p3w' THEN (CASE place WHEN 0 THEN 'AB' WHEN 2 THEN 'CB' ELSE 'CA' END)
                         ELSE (CASE place WHEN 0 THEN 'A' WHEN 1 THEN 'B' ELSE 'C' END) END AS phase,
                    v * CASE WHEN s.reading_side = 'primary' THEN 1 ELSE coalesce(s.pt, 1) END AS v
                FROM long JOIN spans s ON s.meter = long.meter AND long.ms > s.from_ms AND long.ms <= s.to_ms
                WHERE v IS NOT NULL AND NOT (s.wiring = '3p3w' AND place = 1) AND NOT (s.wiring = '1p' AND place > 0)
            )
            SELECT account_no, point, phase, (((ms - 1 + {shift}) // 3600000) % 24)::BIGINT AS hour,
                {exact_sum("v")} / count(v) AS mean_v, min(v) AS min_v, max(v) AS max_v, count(*) AS "values"
            FROM primary_side WHERE nominal_v IS NULL OR round(v, 9) >= round({floor} * nominal_v, 9)
            GROUP BY ALL ORDER BY account_no, point, phase, hour"""
        return question.run(lambda: [fetch_arrow(engine, sql)])[0]
