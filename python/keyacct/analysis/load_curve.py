"""Load curves of accounts in periods of a quarter of an hour, day by day, from the kernel of the load statistics."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from keyacct.analysis.load import load
from keyacct.analysis.question import measurable
from keyacct.config import Workspace
from keyacct.model import MINUTE_MS, Period, midnight_ms

PERIOD_MIN = 15
PERIODS = 24 * 60 // PERIOD_MIN

Curve = tuple[float | None, ...]


def day_curves(workspace: Workspace, day: dt.date, accounts: Sequence[str]) -> dict[str, Curve]:
    """Mean kW of each quarter of an hour of a civil day, by account; None where too little was measured.

    The load of an account is that of its billing points together, with the ratios of the day, under the coverage rule
    of `[demand]`. Accounts without a point or without a value on that day are left out. A demand window longer than
    15 minutes stands for all its periods, of shorter ones the mean is taken.
    """
    period = Period.parse(day.isoformat())
    known = measurable(workspace, period, accounts)
    if not known:
        return {}
    window_ms = workspace.settings.demand.window_min * MINUTE_MS
    start = midnight_ms(day, workspace.zone)
    sums: dict[str, list[list[float]]] = {}
    table = load(workspace, period, accounts=known).peak_day_curve
    for account, at, kw in zip(
        table["account_no"].to_pylist(), table["at"].cast("int64").to_pylist(), table["kw"].to_pylist(), strict=True
    ):
        if kw is None:
            continue
        slots = sums.setdefault(account, [[] for _ in range(PERIODS)])
        first = (at - window_ms - start) // (PERIOD_MIN * MINUTE_MS)
        last = (at - 1 - start) // (PERIOD_MIN * MINUTE_MS)
        for slot in range(max(first, 0), min(last + 1, PERIODS)):
            slots[slot].append(kw)
    return {
        account: tuple(sum(values) / len(values) if values else None for values in slots)
        for account, slots in sums.items()
    }
