"""Energy of the twelve months before a day, measured: what the roster's rules look at."""

from __future__ import annotations

import datetime as dt

from keyacct.analysis.load import load
from keyacct.config import Workspace
from keyacct.model import Period

LEAST_COMPLETENESS = 0.95
"""Below this share of the year's values the registry's own figure stands [D]."""


def rolling_year_kwh(workspace: Workspace, day: dt.date) -> dict[str, float]:
    """Imported kWh of the twelve months that end with a day, of the accounts whose values are complete enough."""
    try:
        first = day.replace(year=day.year - 1) + dt.timedelta(days=1)
    except ValueError:  # 29 February
        first = dt.date(day.year - 1, 3, 1)
    total = load(workspace, Period(first, day, f"{first}..{day}", "span")).total
    return {
        row["account_no"]: float(row["energy_kwh"])
        for row in total.select(["account_no", "energy_kwh", "completeness"]).to_pylist()
        if row["energy_kwh"] is not None and (row["completeness"] or 0) >= LEAST_COMPLETENESS
    }
