"""Loading of current transformers: share of the rated primary current, with durations and findings (DL/T 448)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from keyacct.analysis.buckets import buckets_of
from keyacct.analysis.curve_tables import curve_meters, curve_tables, exact_sum
from keyacct.analysis.question import Question, ask
from keyacct.config import Workspace
from keyacct.model import Period, civil

SEVERE_DAYS, SEVERE_OF_DAYS = 3, 5
PLACES = 12
"""Shares are rounded to so many digits before they are compared: 550 A of 500 A are 110 %, not a bit more or less."""


def ct_loading(workspace: Workspace, period: Period, *, accounts: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """A row per metering point with currents: the highest phase current against the rating of its transformer.

    Columns: account_no, account_name, point, ct_primary_a (nameplate, else ratio × `voltage_loss.rated_a`), current_max_a,
    current_max_secondary_a, loading_mean, loading_max (shares of the rating), loading_max_at, over_min (above the rating),
    severe_min (from `ct_loading.severe`), longest_severe_min, finding: `severe` (`severe` for `loading.sustained_min`
    without a break, or on three of five days), `general` (above the rating), `oversized` (mean below `ct_loading.oversized`;
    metering accuracy), or null. Three wires: phases A and C. Source: office rules, scenario of §5; DL/T 448.
    """
    from keyacct.store.engine import query_engine

    question = ask(workspace, period, accounts)
    if not curve_meters(question, question.parameters):
        return []
    settings = workspace.settings.ct_loading
    with query_engine(workspace) as engine:
        days = buckets_of(period, "day", workspace.zone)
        curve_tables(engine, question, question.parameters, days, (), "current", ("w", "w_either"))
        engine.register("rated", rated_currents(question))
        engine.execute(
            f"""CREATE TEMP TABLE loads AS
            WITH highest AS (
                SELECT span, point, bucket, ms, CASE WHEN r.three THEN w_either ELSE w END AS w,
                    CASE WHEN r.three THEN greatest(abs(a), abs(c)) ELSE greatest(abs(a), abs(b), abs(c)) END AS amperes,
                    r.primary_a FROM weighed JOIN rated r USING (span))
            SELECT *, round(amperes / primary_a, {PLACES}) AS share, share >= {settings.severe!r} AS severe FROM highest
            WHERE amperes IS NOT NULL"""
        )
        rows = engine.execute(
            f"""SELECT point, arg_max(primary_a, ms), max(amperes), max(share), arg_max(ms, (share, -ms)),
                {exact_sum("share", "w")} / sum(w), sum(w) FILTER (share > 1), sum(w) FILTER (severe),
                list(DISTINCT bucket ORDER BY bucket) FILTER (severe)
            FROM loads GROUP BY point ORDER BY point"""
        ).fetchall()
        # A run breaks where the share falls, and where the time between two values is not covered.
        runs = dict(
            engine.execute(
                """WITH steps AS (
                    SELECT *, coalesce(ms - lag(ms) OVER one > w, false) OR NOT severe AS breaks FROM loads
                    WINDOW one AS (PARTITION BY point ORDER BY ms)),
                islands AS (
                    SELECT point, w, severe, sum(breaks::INT) OVER (PARTITION BY point ORDER BY ms) AS island FROM steps)
                SELECT point, max(long_ms) FROM (
                    SELECT point, sum(w) AS long_ms FROM islands WHERE severe GROUP BY point, island)
                GROUP BY point"""
            ).fetchall()
        )
    owners = {row["point"]: row for row in question.parameters.to_pylist()}
    result = []
    for point, primary, amperes, highest, at, mean, over, severe, on in rows:
        row = owners[point]
        longest = int(runs.get(point) or 0) // 60_000
        finding = None
        if longest >= workspace.settings.loading.sustained_min or _often(
            [days[n].start_ms for n in on or ()], workspace
        ):
            finding = "severe"
        elif highest > 1:
            finding = "general"
        elif mean < settings.oversized:
            finding = "oversized"
        ct = row["ct"] or 1.0
        result.append(
            {
                "account_no": row["account_no"], "account_name": row["account_name"], "point": point,
                "ct_primary_a": primary, "current_max_a": amperes, "current_max_secondary_a": amperes / ct,
                "loading_mean": mean, "loading_max": highest, "loading_max_at": civil(at, workspace.zone),
                "over_min": int(over or 0) // 60_000, "severe_min": int(severe or 0) // 60_000,
                "longest_severe_min": longest, "finding": finding,
            }
        )  # fmt: skip
    return result


def _often(starts: Sequence[int], workspace: Workspace) -> bool:
    """Whether three of the days lie within five."""
    days: list[dt.date] = [civil(at, workspace.zone).date() for at in starts]
    return any((b - a).days < SEVERE_OF_DAYS for a, b in zip(days, days[SEVERE_DAYS - 1 :], strict=False))


def rated_currents(question: Question) -> pa.Table:
    """Rated primary current of the transformer of each span: span, primary_a, three (wires)."""
    default = question.workspace.settings.voltage_loss.rated_a
    rows = question.parameters.select(["ct", "ct_primary_a", "wiring"]).to_pylist()
    return pa.table(
        {
            "span": pa.array(range(len(rows)), pa.int64()),
            "primary_a": pa.array([row["ct_primary_a"] or default * (row["ct"] or 1.0) for row in rows], pa.float64()),
            "three": pa.array([row["wiring"] == "3p3w" for row in rows], pa.bool_()),
        }
    )
