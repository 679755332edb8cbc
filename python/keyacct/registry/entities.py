"""What the registry holds: one `Entity` per table, which is also one kind of entry `[[name]]` of the TOML form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from keyacct.database import tables

Row = Mapping[str, Any]
Kind = Literal["text", "number", "ratio", "whole", "season", "clock"]


@dataclass(frozen=True)
class Field:
    """A column. kind: how it is written; choices: the only values allowed; refers: table whose key it names."""

    name: str
    kind: Kind = "text"
    required: bool = False
    choices: tuple[str, ...] = ()
    default: Any = None
    refers: str = ""


@dataclass(frozen=True)
class Entity:
    """A table. key: fields that identify an entry (with valid_from where dated). single: what may hold only once at a
    time. check: what else an entry must satisfy, a sentence or None.
    """

    table: sa.Table
    fields: tuple[Field, ...]
    key: tuple[str, ...]
    dated: bool = False
    single: tuple[tuple[str, ...], ...] = ()
    check: Callable[[Row], str | None] | None = None

    @property
    def name(self) -> str:
        """Name of the table and of its TOML entries."""
        return self.table.name

    @property
    def full_key(self) -> tuple[str, ...]:
        """Key columns, with the beginning of validity."""
        return (*self.key, "valid_from") if self.dated else self.key

    def field(self, name: str) -> Field | None:
        """The field of a name."""
        return next((field for field in self.fields if field.name == name), None)


HIGH_VOLTAGE_V = 35_000
HIGH_VOLTAGE_SPAN = 0.10


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


def _check_slot(row: Row) -> str | None:
    if row["start_min"] >= row["end_min"]:
        return "the slot ends before it starts: end it at 24:00 and start another at 00:00"
    return None


def _check_meter(row: Row) -> str | None:
    if row["meter_no"].startswith("?"):
        return "a meter number must not begin with '?'"
    if (row["protocol"] is None) != (row["address"] is None):
        return "protocol and address belong together: give both or neither"
    return None


_POINT = Field("point", required=True, refers="point")
_ACCOUNT = Field("account_no", required=True, refers="account")
_METER = Field("meter_no", required=True, refers="meter")
_TARIFF = Field("tariff_table", required=True, refers="tariff_table")

ENTITIES: tuple[Entity, ...] = (
    Entity(
        tables.account,
        (
            Field("account_no", required=True),
            Field("account_name", required=True),
            Field("customer"),
            Field("service_address"),
            Field("industry_code"),
            Field("account_class", choices=("economic", "critical", "prospect")),
            Field("critical_grade", choices=("special", "1", "2", "temporary")),
            Field("supply_station"),
            Field("voltage_level_kv", "ratio"),
            Field("contract_capacity_kva", "ratio"),
            Field("running_capacity_kva", "ratio"),
        ),
        ("account_no",),
    ),
    Entity(
        tables.account_pf_standard,
        (_ACCOUNT, Field("pf_standard", "ratio", required=True)),
        ("account_no",), dated=True, single=(("account_no",),),
        check=lambda row: None if row["pf_standard"] <= 1 else "pf_standard is a ratio, for example 0.90",
    ),
    Entity(
        tables.point,
        (
            Field("point", required=True),
            Field("point_name"),
            Field("kind", choices=("billing", "assessment", "check"), default="billing"),
            Field("monitoring_class", choices=("A", "B", "C", "D")),
        ),
        ("point",),
    ),
    Entity(tables.point_account, (_POINT, _ACCOUNT), ("point",), dated=True, single=(("point",),)),
    Entity(
        tables.point_supply,
        (_POINT, Field("substation"), Field("busbar"), Field("supply_line"), Field("transformer")),
        ("point",), dated=True, single=(("point",),),
    ),
    Entity(
        tables.meter,
        (
            Field("meter_no", required=True),
            Field("protocol"),
            Field("address"),
            Field("reading_side", choices=("secondary", "primary"), default="secondary"),
            Field("interval_min", "whole", default=15),
        ),
        ("meter_no",), check=_check_meter,
    ),
    Entity(tables.meter_point, (_METER, _POINT), ("meter_no",), dated=True, single=(("meter_no",), ("point",))),
    Entity(
        tables.device,
        (
            Field("protocol", required=True),
            Field("address", required=True),
            Field("point_no", "whole", default=0),
            _METER,
        ),
        ("protocol", "address", "point_no"), dated=True, single=(("protocol", "address", "point_no"),),
    ),
    Entity(
        tables.point_ratio,
        (
            _POINT,
            Field("wiring", choices=("3p4w", "3p3w", "1p"), required=True),
            Field("pt", "ratio", required=True),
            Field("ct", "ratio", required=True),
        ),
        ("point",), dated=True, single=(("point",),),
    ),
    Entity(
        tables.voltage_limit,
        (
            _POINT,
            Field("nominal_v", "ratio", required=True),
            Field("lower_v", "ratio", required=True),
            Field("upper_v", "ratio", required=True),
        ),
        ("point",), dated=True, single=(("point",),), check=check_voltage_limit,
    ),
    Entity(tables.tariff_table, (Field("tariff_table", required=True), Field("title")), ("tariff_table",)),
    Entity(
        tables.tariff_slot,
        (
            _TARIFF,
            Field("season_from", "season", default=101),
            Field("season_to", "season", default=1231),
            Field("day_type", choices=("all", "workday", "weekend"), default="all"),
            Field("start_min", "clock", required=True),
            Field("end_min", "clock", required=True),
            Field("period", choices=("sharp", "peak", "flat", "valley"), required=True),
        ),
        ("tariff_table", "season_from", "day_type", "start_min"), check=_check_slot,
    ),
    Entity(tables.point_tariff, (_POINT, _TARIFF), ("point",), dated=True, single=(("point",),)),
    Entity(tables.account_tariff, (_ACCOUNT, _TARIFF), ("account_no",), dated=True, single=(("account_no",),)),
)  # fmt: skip
"""In the order in which they refer to each other."""

BY_NAME: dict[str, Entity] = {entity.name: entity for entity in ENTITIES}
