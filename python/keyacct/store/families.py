"""The families of samples: which columns lie together in a segment, their types, scales and units."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

import pyarrow as pa

from keyacct.errors import UsageError

SCHEMA_VERSION = 1
TS = pa.timestamp("ms", tz="UTC")

VOLT = pa.decimal128(9, 3)
AMPERE = pa.decimal128(9, 4)
POWER = pa.decimal128(18, 4)
ENERGY = pa.decimal128(18, 4)
RATIO = pa.decimal128(9, 4)

KINDS = (
    "snapshot", "interval", "register", "freeze_minute", "freeze_hour", "freeze_day", "freeze_ten_day",
    "freeze_month", "freeze_settlement", "demand", "statistic", "parameter", "event", "status",
)  # fmt: skip
"""What a value is of its time (column `kind`)."""


@dataclass(frozen=True)
class ValueColumn:
    """A value column: name, Arrow type, unit as printed."""

    name: str
    type: pa.DataType
    unit: str = ""


@dataclass(frozen=True)
class Family:
    """Columns that are read together. Key of a row: meter, kind, ts and `subkey`."""

    name: str
    values: tuple[ValueColumn, ...]
    subkey: tuple[tuple[str, pa.DataType], ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the key columns, in the order of sorting."""
        return ("meter", "kind", "ts", *(name for name, _ in self.subkey))

    @property
    def value_names(self) -> tuple[str, ...]:
        """Names of the value columns."""
        return tuple(column.name for column in self.values)

    @property
    def schema(self) -> pa.Schema:
        """Schema of a segment and of what `read_family` gives: keys, values, quality, recv_at, batch."""
        return pa.schema(
            [
                pa.field("meter", pa.string(), nullable=False),
                pa.field("kind", pa.string(), nullable=False),
                pa.field("ts", TS, nullable=False),
                *(pa.field(name, type_, nullable=False) for name, type_ in self.subkey),
                *(pa.field(column.name, column.type) for column in self.values),
                pa.field("quality", pa.uint16(), nullable=False),
                pa.field("recv_at", TS),
                pa.field("batch", pa.int64(), nullable=False),
            ]
        )

    @property
    def input_schema(self) -> pa.Schema:
        """Schema of what is ingested: as stored, without the batch number."""
        return self.schema.remove(self.schema.get_field_index("batch"))

    def value(self, name: str) -> ValueColumn | None:
        """The value column of a name."""
        return next((column for column in self.values if column.name == name), None)


def _columns(names: str, type_: pa.DataType, unit: str) -> tuple[ValueColumn, ...]:
    return tuple(ValueColumn(name, type_, unit) for name in names.split())


_ENERGIES = (
    *_columns("import export", ENERGY, "kWh"),
    *_columns("q1 q2 q3 q4 reactive_import reactive_export", ENERGY, "kvarh"),
)
_DEMANDS = tuple(
    column
    for name, unit in (
        ("import", "kW"), ("export", "kW"), ("q1", "kvar"), ("q2", "kvar"), ("q3", "kvar"), ("q4", "kvar"),
        ("reactive_import", "kvar"), ("reactive_export", "kvar"),
    )
    for column in (ValueColumn(name, POWER, unit), ValueColumn(f"{name}_at", TS))
)  # fmt: skip
_LONG_KEYS = (("quantity", pa.string()), ("phase", pa.string()), ("tariff", pa.uint8()))
_LONG_VALUES = (
    ValueColumn("value", pa.float64()),
    ValueColumn("text", pa.string()),
    ValueColumn("unit", pa.string()),
)

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("voltage", _columns("a b c ab bc ca", VOLT, "V")),
        Family("current", _columns("a b c n", AMPERE, "A")),
        Family(
            "power",
            (
                *_columns("p p_a p_b p_c", POWER, "kW"),
                *_columns("q q_a q_b q_c", POWER, "kvar"),
                *_columns("s s_a s_b s_c", POWER, "kVA"),
                *_columns("pf pf_a pf_b pf_c", RATIO, ""),
            ),
        ),
        Family("energy", _ENERGIES),
        Family("tariff_energy", _ENERGIES, (("tariff", pa.uint8()),)),
        Family("demand", _DEMANDS, (("tariff", pa.uint8()),)),
        Family("device_stats", _LONG_VALUES, _LONG_KEYS),
        Family(
            "event",
            (
                ValueColumn("ended_at", TS),
                ValueColumn("value", pa.float64()),
                ValueColumn("text", pa.string()),
                ValueColumn("unit", pa.string()),
            ),
            (("code", pa.string()), ("phase", pa.string()), ("tariff", pa.uint8())),
        ),
        Family("parameter", _LONG_VALUES, _LONG_KEYS),
        Family("other", _LONG_VALUES, _LONG_KEYS),
    )
}
"""Every family by name."""


def family_of(name: str) -> Family:
    """The family of a name. Raises UsageError naming the nearest."""
    if name not in FAMILIES:
        near = difflib.get_close_matches(name, FAMILIES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(FAMILIES)}"
        raise UsageError("usage.invalid", f"there is no family {name!r}", hint=hint)
    return FAMILIES[name]
