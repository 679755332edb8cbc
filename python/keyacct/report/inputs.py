"""The figures of the three analyses, split by account, in plain Python values of the workspace's zone."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import math
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from keyacct.errors import InternalError

if TYPE_CHECKING:
    from keyacct.analysis.billable_demand import BillableDemand

Row = Mapping[str, Any]


class VoltageFigures(Protocol):
    """What a report needs of `keyacct.analysis.voltage`."""

    @property
    def total(self) -> pa.Table:
        """One row per point and phase."""

    @property
    def day(self) -> pa.Table:
        """The same with `day`."""


class PowerFactorFigures(Protocol):
    """What a report needs of `keyacct.analysis.power_factor`."""

    @property
    def accounts(self) -> pa.Table:
        """One row per account."""

    @property
    def points(self) -> pa.Table:
        """One row per metering point."""

    @property
    def hours(self) -> pa.Table:
        """One row per account and hour of the day."""


class LoadFigures(Protocol):
    """What a report needs of `keyacct.analysis.load`."""

    @property
    def total(self) -> pa.Table:
        """One row per account."""

    @property
    def day(self) -> pa.Table:
        """One row per account and day."""

    @property
    def peak_day_curve(self) -> pa.Table:
        """The load curve of each account's day of maximum demand."""


@dataclass(frozen=True)
class Results:
    """The three analyses over the same accounts and period, and the demand that is billed, by account."""

    voltage: VoltageFigures
    power_factor: PowerFactorFigures
    load: LoadFigures
    demand: Mapping[str, BillableDemand] = field(default_factory=dict)


@dataclass
class AccountRows:
    """The rows of one account in every table of the analyses, in the order the analyses gave them."""

    voltage_total: list[Row] = field(default_factory=list)
    voltage_day: list[Row] = field(default_factory=list)
    pf_account: list[Row] = field(default_factory=list)
    pf_point: list[Row] = field(default_factory=list)
    pf_hour: list[Row] = field(default_factory=list)
    load_total: list[Row] = field(default_factory=list)
    load_day: list[Row] = field(default_factory=list)
    load_curve: list[Row] = field(default_factory=list)
    demand: BillableDemand | None = None


_VOLTAGE = (
    "account_no", "account_name", "point", "meter", "monitoring_class", "phase", "nominal_v", "lower_v",
    "upper_v", "monitored_min", "over_limit_min", "under_limit_min", "below_floor_min",
    "overvoltage_min", "rate", "max_v", "max_at", "min_v", "min_at", "mean_v", "target_rate", "passed",
    "completeness", "resolution_min",
)  # fmt: skip
_LOAD = (
    "account_no", "md_kw", "md_at", "demand_kind", "min_kw", "min_at", "mean_kw", "load_rate",
    "min_load_rate", "peak_valley_gap_kw", "energy_kwh", "sharp_kwh", "peak_kwh",
    "flat_kwh", "valley_kwh", "completeness",
)  # fmt: skip
_POWER_FACTOR = (
    "account_no", "account_name", "wp_kwh", "wq_kvarh", "q1_kvarh", "q4_kvarh", "pf", "pf_sharp", "pf_peak",
    "pf_flat", "pf_valley", "pf_assessed", "pf_standard", "passed", "adjustment_pct", "leading",
    "completeness", "flags",
)  # fmt: skip
EXPECTED: dict[str, tuple[str, ...]] = {
    "voltage_total": _VOLTAGE,
    "voltage_day": (*_VOLTAGE, "day"),
    "pf_account": _POWER_FACTOR,
    "pf_point": ("account_no", "point", "wp_kwh", "wq_kvarh", "pf"),
    "pf_hour": ("account_no", "hour", "pf", "leading"),
    "load_total": _LOAD,
    "load_day": (*_LOAD, "day"),
    "load_curve": ("account_no", "at", "kw"),
}
"""The columns that the reports read, by table; more columns do no harm."""


def split_by_account(results: Results, zone: zoneinfo.ZoneInfo) -> dict[str, AccountRows]:
    """The rows of every account that occurs in any table.

    Instants come back as civil times of `zone`, numbers that are not finite as None.
    Raises InternalError when an analysis lacks a column that the reports read.
    """
    tables: dict[str, pa.Table] = {
        "voltage_total": results.voltage.total,
        "voltage_day": results.voltage.day,
        "pf_account": results.power_factor.accounts,
        "pf_point": results.power_factor.points,
        "pf_hour": results.power_factor.hours,
        "load_total": results.load.total,
        "load_day": results.load.day,
        "load_curve": results.load.peak_day_curve,
    }
    found: dict[str, AccountRows] = {}
    for name, table in tables.items():
        missing = [column for column in EXPECTED[name] if column not in table.column_names]
        if missing:
            raise InternalError("internal.bug", f"the analysis table {name} lacks {', '.join(missing)}")
        for row in table.to_pylist():
            rows = found.setdefault(str(row["account_no"]), AccountRows())
            getattr(rows, name).append({key: _plain(value, zone) for key, value in row.items()})
    for account, demand in results.demand.items():
        found.setdefault(account, AccountRows()).demand = demand
    return found


def _plain(value: Any, zone: zoneinfo.ZoneInfo) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dt.datetime):
        return (value if value.tzinfo else value.replace(tzinfo=dt.UTC)).astimezone(zone)
    return value


def digest(rows: AccountRows, parameters: Mapping[str, Any]) -> str:
    """SHA-256 of everything a report's numbers come from; the order of rows does not matter."""
    document = {
        "parameters": parameters,
        "rows": {
            name: sorted(json.dumps(row, default=_spell, sort_keys=True) for row in getattr(rows, name))
            for name in EXPECTED
        },
        "demand": rows.demand,
    }
    return hashlib.sha256(json.dumps(document, default=_spell_all, sort_keys=True).encode()).hexdigest()


def _spell(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, Decimal | dt.date):
        return str(value)
    raise TypeError(f"{type(value).__name__} in an analysis table")


def by_account(table: pa.Table, zone: zoneinfo.ZoneInfo) -> dict[str, list[Row]]:
    """The rows of a table by `account_no`, values as `split_by_account` gives them."""
    found: dict[str, list[Row]] = {}
    for row in table.to_pylist():
        found.setdefault(str(row["account_no"]), []).append({key: _plain(value, zone) for key, value in row.items()})
    return found


def digest_of(parts: Mapping[str, Any]) -> str:
    """SHA-256 of everything that numbers come from, as canonical JSON; dataclasses count by their fields."""
    return hashlib.sha256(json.dumps(parts, default=_spell_all, sort_keys=True).encode()).hexdigest()


def _spell_all(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    return _spell(value)
