"""What one entry must satisfy beyond its fields: a sentence when it does not."""

from __future__ import annotations

import math

from keyacct.registry.entity import Row

HIGH_VOLTAGE_V = 35_000
HIGH_VOLTAGE_SPAN = 0.10
CT_SECONDARIES_A = (1.0, 5.0)
"""Rated secondary currents, GB/T 20840.2."""


CARE_ITEMS = ("care:clock", "care:sync", "care:parameters")
"""What a plan may ask for beside registers: care of the device."""


def check_voltage_limit(row: Row) -> str | None:
    """GB/T 12325-2008: at 35 kV and above |upper| + |lower| ≤ 10 % of nominal; of one sign, the larger ≤ 10 %."""
    nominal, lower, upper = row["nominal_v"], row["lower_v"], row["upper_v"]
    if lower >= upper:
        return f"lower_v {lower:g} is not below upper_v {upper:g}"
    if nominal < HIGH_VOLTAGE_V:
        return None
    up, low = (upper - nominal) / nominal, (lower - nominal) / nominal
    span = max(abs(up), abs(low)) if up * low > 0 else abs(up) + abs(low)
    if span > HIGH_VOLTAGE_SPAN + 1e-9:
        return (
            f"limits {low * 100:+.2f} % and {up * 100:+.2f} % of nominal span {span * 100:.2f} %; "
            "at 35 kV and above GB/T 12325-2008 allows 10 %"
        )
    return None


def check_slot(row: Row) -> str | None:
    """A slot of a tariff table lies within one day."""
    if row["start_min"] >= row["end_min"]:
        return "the slot ends before it starts: end it at 24:00 and start another at 00:00"
    return None


def check_meter(row: Row) -> str | None:
    """Meter numbers are told from devices without one; an address needs its protocol."""
    if row["meter_no"].startswith("?"):
        return "a meter number must not begin with '?'"
    if not 1 <= row["interval_min"] <= 1440:
        return f"interval_min {row['interval_min']} is not between 1 and 1440"
    if (row["protocol"] is None) != (row["address"] is None):
        return "protocol and address belong together: give both or neither"
    return None


def check_ratio(row: Row) -> str | None:
    """A transformer for measuring steps down, and its ratio is that of its nameplate."""
    for name, unit in (("pt", "v"), ("ct", "a")):
        ratio, high, low = row[name], row[f"{name}_primary_{unit}"], row[f"{name}_secondary_{unit}"]
        if ratio < 1:
            return f"{name}: {ratio:g} is impossible, an instrument transformer steps down (1 or more)"
        if (high is None) != (low is None):
            return f"{name}_primary_{unit} and {name}_secondary_{unit} belong together: give both or neither"
        if high is not None and not math.isclose(high / low, ratio, rel_tol=1e-9):
            return f"{name} {ratio:g} is not {high:g}/{low:g} = {high / low:g}"
    if row["ct_secondary_a"] is not None and row["ct_secondary_a"] not in CT_SECONDARIES_A:
        return f"ct_secondary_a {row['ct_secondary_a']:g} is impossible, rated secondary currents are 1 A and 5 A"
    return None


def check_terms(row: Row) -> str | None:
    """What is in operation is part of what is contracted; a reading day exists in every month."""
    contract, running = row["contract_capacity_kva"], row["running_capacity_kva"]
    if contract is not None and running is not None and running > contract:
        return f"running_capacity_kva {running:g} is more than contract_capacity_kva {contract:g}"
    if row["reading_day"] is not None and not 1 <= row["reading_day"] <= 31:
        return f"reading_day {row['reading_day']} is no day of a month"
    if row["settlements_per_month"] is not None and not 1 <= row["settlements_per_month"] <= 6:
        return f"settlements_per_month {row['settlements_per_month']} is not between 1 and 6"
    if row["critical_grade"] is not None and row["account_class"] not in (None, "critical"):
        return f"critical_grade belongs to account_class critical, not {row['account_class']}"
    return None


def check_source(row: Row) -> str | None:
    """An own generator is no supply line, and its start time and fuel belong to none."""
    if row["stands_in_for"] == row["source"]:
        return "stands_in_for names the source itself"
    if row["role"] == "emergency_own" and row["supply_line"] is not None:
        return "an own source (emergency_own) hangs on no supply_line"
    return None


def check_exchange(row: Row) -> str | None:
    """An exchange has two meters."""
    if row["old_meter_no"] == row["new_meter_no"]:
        return "old_meter_no and new_meter_no are the same meter"
    return None


def check_tree_self(row: Row, name: str, own: str) -> str | None:
    """Nothing is above itself."""
    return f"{name} names the entry itself" if row[name] is not None and row[name] == row[own] else None


def check_plan(row: Row) -> str | None:
    """A plan's schedule is a cron expression of five fields, or `settlement`; it asks for something."""
    items = [item.strip() for item in row["items"].split(",") if item.strip()]
    if not items:
        return "items names no register"
    strange = [item for item in items if item.startswith("care:") and item not in CARE_ITEMS]
    if strange:
        return f"{strange[0]!r} is no care; there are {', '.join(CARE_ITEMS)}"
    if row["schedule"] == "settlement":
        return None
    import datetime as dt

    from cronsim import CronSim, CronSimError

    try:
        next(CronSim(row["schedule"], dt.datetime(2026, 1, 1)))
    except (CronSimError, StopIteration):
        return f"{row['schedule']!r} is no cron expression; every 15 minutes is */15 * * * *, or write settlement"
    return None
