"""Highest mean power of windows over stored curves: one way for the accounts that are billed and for any group (domain §5.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import duckdb
import pyarrow as pa

from keyacct.analysis.buckets import Bucket
from keyacct.analysis.curve_tables import curve_tables, exact_sum
from keyacct.analysis.question import Question
from keyacct.model import MINUTE_MS

FINEST_MIN = 1
"""Values at most this far apart, as registered and as found, make a sliding window."""


def window_tables(
    engine: duckdb.DuckDBPyConnection, question: Question, parameters: pa.Table, buckets: Sequence[Bucket],
    by: Sequence[str], *, every_point: bool,
) -> None:  # fmt: skip
    """Make the tables that `highest_windows` reads: window_curve, window_points (how many a key has) and
    window_fine (keys with values every minute).

    by: the columns of the parameters that make a key. every_point: points without values count, too, so that one of them
    keeps its key from having a window of all, and from being fine.
    """
    curve_tables(engine, question, parameters, buckets, by, "power", ("w_p",))
    counted = "spans s JOIN told t USING (span)" if every_point else "window_curve"
    engine.execute(
        f"""CREATE TEMP TABLE window_curve AS
        SELECT t.key, point, ms, w_p AS w, greatest(p, 0) AS p FROM weighed JOIN told t USING (span) WHERE p IS NOT NULL;
        CREATE TEMP TABLE window_points AS SELECT key, count(DISTINCT point) AS points FROM {counted} GROUP BY key;
        CREATE TEMP TABLE window_fine AS
        SELECT key FROM (SELECT key, point, quantile_disc(w, 0.5) AS usual FROM window_curve GROUP BY ALL)
        JOIN window_points USING (key)
        GROUP BY key HAVING max(usual) <= {FINEST_MIN * MINUTE_MS} AND count(*) = any_value(points)"""
    )


def highest_windows(window_min: int, slip_min: int, coverage: float, *, fine: bool, share: float) -> str:
    """SQL for key, bucket, highest mean (kW) and end (ms) of the windows of each key; ends are multiples of the slip.

    fine: of the keys in window_fine, else of the others. share: of the points of a key that a window needs; each covered
    for `coverage` of it. A window lies in the bucket in which it ends.
    """
    window_ms, slip_ms, join = window_min * MINUTE_MS, slip_min * MINUTE_MS, "SEMI" if fine else "ANTI"
    # Values are added by steps that both the window and the slip are made of; then the windows' ends are chosen.
    base_ms = math.gcd(window_ms, slip_ms)
    return f"""
        WITH steps AS (
            SELECT key, point, (ms + {base_ms} - 1) // {base_ms} AS step, sum((p * 1e9)::HUGEINT * w) AS s, sum(w) AS w
            FROM window_curve {join} JOIN window_fine USING (key) GROUP BY ALL),
        grid AS (
            SELECT key, point, step FROM (
                SELECT key, step FROM steps UNION SELECT key,
                    (step * {base_ms} + {slip_ms} - 1) // {slip_ms} * {slip_ms} // {base_ms} FROM steps)
            JOIN (SELECT DISTINCT key, point FROM steps) USING (key)),
        windows AS (
            SELECT key, point, step * {base_ms} AS end_ms, sum(coalesce(s, 0)) OVER length AS s,
                sum(coalesce(w, 0)) OVER length AS covered
            FROM grid LEFT JOIN steps USING (key, point, step)
            WINDOW length AS (PARTITION BY key, point ORDER BY step
                RANGE BETWEEN {window_ms // base_ms - 1} PRECEDING AND CURRENT ROW)),
        sums AS (
            SELECT key, end_ms, {exact_sum("s::DOUBLE / 1e9 / covered")} AS kw, count(*) AS points FROM windows
            WHERE covered >= {window_ms * coverage} AND end_ms % {slip_ms} = 0 GROUP BY ALL),
        placed AS (
            SELECT s.key, b.bucket, s.end_ms, s.kw FROM sums s JOIN window_points p USING (key)
            ASOF JOIN buckets b ON s.end_ms - 1 >= b.start_ms
            WHERE s.points >= {share} * p.points AND s.end_ms <= b.end_ms)
        SELECT key, bucket, max(kw), arg_max(end_ms, (kw, -end_ms)) FROM placed GROUP BY ALL ORDER BY ALL"""
