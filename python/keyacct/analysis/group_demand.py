"""Maximum demand of any group of points by buckets: a sliding window where there are values every minute, else blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from keyacct.analysis.buckets import Bucket
from keyacct.analysis.curve_demand import FINEST_MIN
from keyacct.analysis.curve_tables import curve_meters, curve_tables, exact_sum
from keyacct.analysis.question import Question
from keyacct.model import MINUTE_MS


def group_demands(
    question: Question, parameters: pa.Table, buckets: Sequence[Bucket], by: Sequence[str]
) -> list[dict[str, Any]]:
    """Rows of group (attributes as texts), bucket (number), demand_kw, demand_at_ms (end of the window) and demand_kind.

    The points of a group add up; a window counts where at least `demand.minimum_coverage` of those that have values cover that
    share of it, and lies in the bucket in which it ends. demand_kind as in `curve_demands`: `sliding15/1` where all of the
    group's points have values every minute, else `block15`. As the meters saw it: without losses of transformers.
    """
    from keyacct.store.engine import query_engine

    if not curve_meters(question, parameters):
        return []
    settings = question.workspace.settings.demand
    window, slip = settings.window_min, settings.slip_min
    with query_engine(question.workspace) as engine:
        curve_tables(engine, question, parameters, buckets, by, "power", ("w_p",))
        engine.execute(
            f"""CREATE TEMP TABLE group_curve AS
            SELECT t.key, point, ms, w_p AS w, greatest(p, 0) AS p FROM weighed JOIN told t USING (span) WHERE p IS NOT NULL;
            CREATE TEMP TABLE group_points AS SELECT key, count(DISTINCT point) AS points FROM group_curve GROUP BY key;
            CREATE TEMP TABLE fine AS
            SELECT key FROM (SELECT key, point, quantile_disc(w, 0.5) AS usual FROM group_curve GROUP BY ALL)
            GROUP BY key HAVING max(usual) <= {FINEST_MIN * MINUTE_MS}"""
        )
        result = []
        for kind, step, join in (
            (f"sliding{window}/{slip}", slip, "SEMI"), (f"block{window}", window, "ANTI"),
        ):  # fmt: skip
            rows = engine.execute(
                _sql(window * MINUTE_MS, step * MINUTE_MS, settings.minimum_coverage, join)
            ).fetchall()
            result += [
                {"group": key, "bucket": bucket, "demand_kw": kw, "demand_at_ms": at, "demand_kind": kind}
                for key, bucket, kw, at in rows
            ]
    return result


def _sql(window_ms: int, slip_ms: int, coverage: float, join: str) -> str:
    """The highest window of each group and bucket; its ends are multiples of the slip."""
    base_ms = math.gcd(window_ms, slip_ms)
    return f"""
        WITH steps AS (
            SELECT key, point, (ms + {base_ms} - 1) // {base_ms} AS step, sum((p * 1e9)::HUGEINT * w) AS s, sum(w) AS w
            FROM group_curve {join} JOIN fine USING (key) GROUP BY ALL),
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
            SELECT s.key, b.bucket, s.end_ms, s.kw FROM sums s JOIN group_points p USING (key)
            ASOF JOIN buckets b ON s.end_ms - 1 >= b.start_ms
            WHERE s.points >= {coverage} * p.points AND s.end_ms <= b.end_ms)
        SELECT key, bucket, max(kw), arg_max(end_ms, (kw, -end_ms)) FROM placed GROUP BY ALL ORDER BY ALL"""
