"""Readings (long, what the device said) as rows of families (wide, what the store keeps): one table of names."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from keyacct.config import Workspace
from keyacct.database.engine import open_database
from keyacct.store import merge, quality
from keyacct.store.engine import fetch_arrow, one, query_engine
from keyacct.store.families import FAMILIES, Family
from keyacct.store.resolve import device_aliases
from keyacct.workflow.local_time import UTC_MS, utc_from_local

ENERGY_COLUMNS = {
    "active_import": "import", "active_export": "export", "reactive_import": "reactive_import",
    "reactive_export": "reactive_export", "reactive_q1": "q1", "reactive_q2": "q2", "reactive_q3": "q3",
    "reactive_q4": "q4",
}  # fmt: skip
"""Quantity of a cumulative reading → column of `energy` (total tariff) and `tariff_energy` (the others)."""

_LETTERS = {"A": "a", "B": "b", "C": "c"}
COLUMNS: tuple[tuple[str, str, str, str, str], ...] = (
    *(("voltage", phase, "", "voltage", phase.lower()) for phase in ("A", "B", "C", "AB", "BC", "CA")),
    *(("current", phase, "", "current", phase.lower()) for phase in ("A", "B", "C", "N")),
    *(
        (quantity, phase, "", "power", column if phase == "total" else f"{column}_{_LETTERS[phase]}")
        for quantity, column in (
            ("active_power", "p"), ("reactive_power", "q"), ("apparent_power", "s"), ("power_factor", "pf"),
        )
        for phase in ("total", "A", "B", "C")
    ),
    *((quantity, "total", "total", "energy", column) for quantity, column in ENERGY_COLUMNS.items()),
    *((quantity, "total", "tariff", "tariff_energy", column) for quantity, column in ENERGY_COLUMNS.items()),
    *((f"{quantity}_demand", "total", "any", "demand", column) for quantity, column in ENERGY_COLUMNS.items()),
)  # fmt: skip
"""(quantity, phase, which tariffs: "" none or total, "total", "tariff", "any") → (family, column)."""

LONG_KINDS = {"statistic": "device_stats", "parameter": "parameter", "event": "event"}
"""Kinds of readings that go to a long family of their own; whatever fits nowhere goes to `other`."""


def family_rows(workspace: Workspace, readings: pa.Table) -> tuple[dict[str, pa.Table], int]:
    """Rows for `store.ingest` by family, and the number of readings without a time, which are left out.

    readings: device, protocol, kind, quantity, phase, tariff, time (naive local, null where unknown), recv_at, value,
    text, unit, quality. Devices become meters as of the reading's time, or aliases where the registry does not know
    them. A number that a family cannot hold goes to `other`; one with too many decimals is rounded and marked.
    """
    with open_database(workspace).read() as connection:
        aliases = device_aliases(connection)
    with query_engine(workspace) as engine:
        engine.register("aliases", aliases)
        engine.register("given", _prepared(workspace, readings))
        names = pa.table(
            dict(zip(("quantity", "phase", "tariffs", "family", "column_name"), _columns_of(COLUMNS), strict=True))
        )
        engine.register("names", names)
        engine.execute(
            "CREATE TEMP TABLE long_rows AS SELECT coalesce(al.meter, g.alias) AS meter, g.* EXCLUDE (alias),"
            " n.family, n.column_name FROM given g LEFT JOIN aliases al ON g.alias = al.alias"
            " AND epoch_ms(g.ts) >= al.valid_from AND epoch_ms(g.ts) < al.valid_to"
            " LEFT JOIN names n ON g.quantity = n.quantity AND g.phase = n.phase AND g.value IS NOT NULL"
            f" AND g.kind NOT IN ({', '.join(repr(kind) for kind in LONG_KINDS)})"
            " AND CASE n.tariffs WHEN 'tariff' THEN g.tariff > 0 WHEN 'any' THEN true ELSE g.tariff = 0 END"
            " WHERE g.ts IS NOT NULL"
        )
        undated = one(engine, "SELECT count(*) FROM given WHERE ts IS NULL")[0]
        for name in ("voltage", "current", "power", "energy", "tariff_energy", "demand"):
            _misfits_to_other(engine, FAMILIES[name])
        result: dict[str, pa.Table] = {}
        for family in FAMILIES.values():
            wide = family.name not in (*LONG_KINDS.values(), "other")
            table = fetch_arrow(engine, _wide_sql(family) if wide else _long_sql(family))
            if table.num_rows:
                result[family.name] = table.cast(family.input_schema)
    return result, int(undated)


def _columns_of(rows: tuple[tuple[str, ...], ...]) -> list[tuple[str, ...]]:
    return list(zip(*rows, strict=True))


def _prepared(workspace: Workspace, readings: pa.Table) -> pa.Table:
    """Readings with instants, the alias of their device and their order."""

    def text(name: str, default: str | None = None) -> pa.ChunkedArray:
        column = readings[name].cast(pa.string())
        return column if default is None else column.fill_null(default)

    devices = zip(text("protocol", "").to_pylist(), text("device", "").to_pylist(), strict=True)
    aliases = [f"?{protocol}:{device}" for protocol, device in devices]
    if "meter" in readings.column_names:  # who polls knows whom it asked; a Modbus unit alone does not tell
        aliases = [meter or alias for meter, alias in zip(text("meter").to_pylist(), aliases, strict=True)]
    instants: dict[str, pa.Array] = {}
    for name in ("time", "recv_at"):
        if name not in readings.column_names:  # a capture from a file has no time of receipt
            instants[name] = pa.nulls(readings.num_rows, UTC_MS)
            continue
        column = readings[name].combine_chunks()
        zoned = pa.types.is_timestamp(column.type) and column.type.tz is not None
        instants[name] = column.cast(UTC_MS) if zoned else utc_from_local(column, workspace.zone)
    return pa.table(
        {
            "alias": pa.array(aliases, pa.string()),
            "kind": text("kind", "snapshot"),
            "quantity": _numbered(readings, text("quantity", "unknown")),
            "phase": text("phase", "total"),
            "tariff": readings["tariff"].cast(pa.uint8()).fill_null(0),
            "ts": _instants(readings, instants),
            "recv_at": instants["recv_at"],
            "value": readings["value"].cast(pa.float64()),
            "text": text("text"),
            "unit": text("unit"),
            "quality": readings["quality"].cast(pa.uint16()).fill_null(0),
            "seq": pa.array(range(readings.num_rows), pa.int64()),
        }
    )


def _instants(readings: pa.Table, instants: dict[str, pa.Array]) -> pa.Array:
    """When each reading holds: its own time, else that of receipt, which needs no zone."""
    bits = readings["quality"].cast(pa.uint16()).fill_null(0).combine_chunks()
    received = pc.not_equal(pc.bit_wise_and(bits, pa.scalar(quality.TIME_OF_RECEIPT, pa.uint16())), 0)
    return pc.if_else(received, pc.coalesce(instants["recv_at"], instants["time"]), instants["time"])


def _numbered(readings: pa.Table, quantity: pa.ChunkedArray) -> pa.ChunkedArray:
    """Quantities with `#n` behind what is one of the last n (settlement, event record) or a harmonic of order n.

    Such values share the time at which they were read, so without the number they would displace each other; with it
    they are kept side by side in the family `other`.
    """
    if "index" not in readings.column_names:
        return quantity
    index = readings["index"].cast(pa.string())
    numbered = pc.binary_join_element_wise(quantity, index, "#")
    return pc.if_else(pc.equal(readings["index"], 0), quantity, numbered)


def _misfits_to_other(engine: Any, family: Family) -> None:
    """Numbers that the family's column cannot hold lose their family: then they are stored as they are, in `other`."""
    kind = next(column.type for column in family.values if not str(column.type).startswith("timestamp"))
    engine.execute(
        f"UPDATE long_rows SET family = NULL WHERE family = '{family.name}'"
        f" AND TRY_CAST(value AS DECIMAL({kind.precision}, {kind.scale})) IS NULL"
    )


def _wide_sql(family: Family) -> str:
    """One row per key, quality and receipt; a value that a capture gives twice for a key makes a second row."""
    keys = merge.names(family.keys)
    columns = []
    exact = []
    for column in family.values:
        if family.name == "demand" and column.name.endswith("_at"):
            name = column.name.removesuffix("_at")
            columns.append(f"max(ts) FILTER (column_name = '{name}') AS {merge.quote(column.name)}")
            continue
        cast = f"CAST(value AS DECIMAL({column.type.precision}, {column.type.scale}))"
        columns.append(f"max({cast}) FILTER (column_name = '{column.name}') AS {merge.quote(column.name)}")
        exact.append(f"WHEN column_name = '{column.name}' THEN CAST({cast} AS DOUBLE) = value")
    said = f"quality | CASE WHEN CASE {' '.join(exact)} ELSE true END THEN 0 ELSE {quality.ROUNDED} END"
    return (
        f"SELECT {keys}, {', '.join(columns)}, quality, recv_at FROM"
        f" (SELECT * REPLACE (({said})::USMALLINT AS quality),"
        f" row_number() OVER (PARTITION BY {keys}, column_name, quality, recv_at ORDER BY seq) AS repeat_no"
        f" FROM long_rows WHERE family = '{family.name}')"
        f" GROUP BY {keys}, quality, recv_at, repeat_no ORDER BY {keys}, repeat_no"
    )


def _long_sql(family: Family) -> str:
    kinds = [kind for kind, name in LONG_KINDS.items() if name == family.name]
    chosen = f"kind = '{kinds[0]}'" if kinds else f"kind NOT IN ({', '.join(repr(kind) for kind in LONG_KINDS)})"
    renamed = {"code": "quantity AS code", "ended_at": "NULL::TIMESTAMPTZ AS ended_at"}
    columns = ", ".join(renamed.get(name, merge.quote(name)) for name in family.input_schema.names)
    return f"SELECT {columns} FROM long_rows WHERE family IS NULL AND {chosen} ORDER BY seq"
