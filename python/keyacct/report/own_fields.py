"""Fields that a report of the user's own may show: of the registry and of the analyses, by account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from keyacct.report.document import Column
from keyacct.report.sections import account_columns, load_columns, office, power_factor_columns, voltage_columns
from keyacct.report.sections.common import COMPLETENESS

Origin = Literal["account", "registry", "load", "demand", "power_factor", "voltage"]


@dataclass(frozen=True)
class Field:
    """A field. origin: where its value comes from; key: its name there; adds: whether values of a group may be summed."""

    column: Column
    origin: Origin
    key: str
    adds: bool = False


def _of(column: Column, origin: Origin, key: str = "", *, adds: bool = False) -> tuple[str, Field]:
    return column.key, Field(column, origin, key or column.key, adds)


FIELDS: dict[str, Field] = dict(
    [
        _of(office.ACCOUNT_NAME, "account"),
        _of(account_columns.CUSTOMER, "registry"),
        _of(account_columns.INDUSTRY, "registry"),
        _of(account_columns.CLASS, "registry"),
        _of(account_columns.GRADE, "registry"),
        _of(account_columns.STATION, "registry"),
        _of(account_columns.LEVEL, "registry"),
        _of(account_columns.CONTRACT, "registry", adds=True),
        _of(account_columns.RUNNING, "registry", adds=True),
        _of(account_columns.DESK, "registry"),
        _of(account_columns.FIELD, "registry"),
        _of(account_columns.SAFETY, "registry", adds=True),
        _of(account_columns.MODE, "registry"),
        _of(account_columns.ENERGY, "load", adds=True),
        *(_of(column, "load", adds=True) for column in account_columns.SPLIT),
        _of(load_columns.MAX_LOAD, "load"),
        _of(load_columns.MAX_LOAD_AT, "load"),
        _of(load_columns.DEMAND, "demand"),
        _of(load_columns.DEMAND_AT, "demand"),
        _of(load_columns.DEMAND_METHOD, "demand"),
        _of(load_columns.MEAN_LOAD, "load"),
        _of(load_columns.LOAD_RATE, "load", "load_rate"),
        _of(load_columns.GAP, "load"),
        _of(power_factor_columns.REACTIVE, "power_factor", adds=True),
        _of(power_factor_columns.PF, "power_factor"),
        _of(power_factor_columns.ASSESSED, "power_factor"),
        _of(power_factor_columns.STANDARD, "power_factor"),
        _of(power_factor_columns.PASSED, "power_factor"),
        _of(power_factor_columns.ADJUSTMENT, "power_factor"),
        _of(voltage_columns.FIGURE, "voltage", "rate"),
        _of(COMPLETENESS, "load", "completeness"),
    ]
)
"""By the key that stands in a definition, in the dictionary and in CSV."""
