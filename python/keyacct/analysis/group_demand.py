"""Maximum demand of any group of points by buckets: a sliding window where there are values every minute, else blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from keyacct.analysis.buckets import Bucket
from keyacct.analysis.curve_tables import curve_meters
from keyacct.analysis.demand_window import highest_windows, window_tables
from keyacct.analysis.question import Question


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
    window, slip, coverage = settings.window_min, settings.slip_min, settings.minimum_coverage
    with query_engine(question.workspace) as engine:
        window_tables(engine, question, parameters, buckets, by, every_point=False)
        result = []
        for kind, step, fine in ((f"sliding{window}/{slip}", slip, True), (f"block{window}", window, False)):
            rows = engine.execute(highest_windows(window, step, coverage, fine=fine, share=coverage)).fetchall()
            result += [
                {"group": key, "bucket": bucket, "demand_kw": kw, "demand_at_ms": at, "demand_kind": kind}
                for key, bucket, kw, at in rows
            ]
    return result
