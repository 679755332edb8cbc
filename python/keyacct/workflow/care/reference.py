"""What the registry says that a meter's parameters should be, as of now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from keyacct import clock
from keyacct.config import Workspace
from keyacct.database import registry_tables as more
from keyacct.database import tables as registry
from keyacct.database.care_tables import reference_parameter
from keyacct.database.engine import open_database
from keyacct.registry.parameters import point_parameters, tariff_slots


@dataclass(frozen=True)
class Reference:
    """Of one meter; None where the registry says nothing. more: item of its reference set and what it should say."""

    pt: float | None = None
    ct: float | None = None
    secondary: bool = True
    demand_window_min: int | None = None
    demand_slip_min: int | None = None
    constant: float | None = None
    reading_day: int | None = None
    tariff_table: str | None = None
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class References:
    """Of all meters, and the slots of each tariff table."""

    meters: Mapping[str, Reference]
    slots: Mapping[str, list[dict[str, Any]]]


def read_references(workspace: Workspace) -> References:
    """What holds now. Of a meter at several points the first one counts."""
    now = clock.now_ms()
    points: dict[str, dict[str, Any]] = {}
    for row in point_parameters(workspace, now, now + 1).to_pylist():
        points.setdefault(row["meter"], row)
    setting, terms = more.meter_setting, more.account_terms
    with open_database(workspace).read() as connection:
        meters = connection.execute(sa.select(registry.meter)).mappings().all()
        settings: dict[str, Mapping[str, Any]] = {
            row["meter_no"]: dict(row)
            for row in connection.execute(
                sa.select(setting).where(setting.c.valid_from <= now, setting.c.valid_to > now)
            ).mappings()
        }
        dated = sa.select(terms.c.account_no, terms.c.reading_day).where(
            terms.c.valid_from <= now, terms.c.valid_to > now, terms.c.reading_day.is_not(None)
        )
        days = {str(account): int(day) for account, day in connection.execute(dated)}
        sets: dict[str, dict[str, str]] = {}
        for row in connection.execute(sa.select(reference_parameter)).mappings():
            sets.setdefault(row["parameter_set"], {})[row["item"]] = row["expected"]
    found = {}
    for meter in meters:
        point: Mapping[str, Any] = points.get(meter["meter_no"], {})
        own: Mapping[str, Any] = settings.get(meter["meter_no"], {})
        found[meter["meter_no"]] = Reference(
            pt=point.get("pt"), ct=point.get("ct"), secondary=meter["reading_side"] != "primary",
            demand_window_min=own.get("demand_window_min"), demand_slip_min=own.get("demand_slip_min"),
            constant=meter["constant_imp_per_kwh"], reading_day=days.get(point.get("account_no") or ""),
            tariff_table=own.get("tou_table") or point.get("tariff_table"),
            more=sets.get(own.get("parameter_set") or "", {}),
        )  # fmt: skip
    slots: dict[str, list[dict[str, Any]]] = {}
    for slot in tariff_slots(workspace).to_pylist():
        slots.setdefault(slot["tariff_table"], []).append(slot)
    return References(found, slots)
