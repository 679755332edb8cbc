"""Which meter a device speaks for, as of a time."""

from __future__ import annotations

import re

import pyarrow as pa
import sqlalchemy as sa

from keyacct.database import tables
from keyacct.database.tables import BEGINNING_MS, END_MS

ALIASES = pa.schema(
    [("alias", pa.string()), ("meter", pa.string()), ("valid_from", pa.int64()), ("valid_to", pa.int64())]
)


def alias_of(protocol: str, address: str, point_no: int = 0) -> str:
    """The name under which values of an unknown device are kept: `?protocol:address`, with `/point` for a terminal."""
    return f"?{protocol}:{address}" + (f"/{point_no}" if point_no else "")


def split_alias(alias: str) -> tuple[str, str, int]:
    """Protocol, address and point number of an alias."""
    match = re.fullmatch(r"\?([^:]*):(.*?)(?:/(\d+))?", alias)
    if match is None:
        raise ValueError(f"{alias!r} is no alias")
    return match[1], match[2], int(match[3] or 0)


def device_aliases(connection: sa.Connection) -> pa.Table:
    """Every alias that the registry can name, with the meter and when it holds, as `ALIASES`.

    The `device` table goes first. A meter's own protocol and address hold at all times, unless the table names the
    device or two meters claim the address: then nobody can say whose it is.
    """
    rows: list[dict[str, object]] = []
    named: set[str] = set()
    for row in connection.execute(sa.select(tables.device)).mappings():
        alias = alias_of(row["protocol"], row["address"], row["point_no"])
        named.add(alias)
        rows.append(
            {
                "alias": alias,
                "meter": row["meter_no"],
                "valid_from": row["valid_from"],
                "valid_to": row["valid_to"],
            }
        )
    own: dict[str, list[str]] = {}
    query = sa.select(tables.meter).where(tables.meter.c.address.is_not(None))
    for row in connection.execute(query).mappings():
        own.setdefault(alias_of(row["protocol"], row["address"]), []).append(row["meter_no"])
    for alias, meters in own.items():
        if alias not in named and len(meters) == 1:
            rows.append({"alias": alias, "meter": meters[0], "valid_from": BEGINNING_MS, "valid_to": END_MS})
    rows.sort(key=lambda row: (str(row["alias"]), row["valid_from"]))
    return pa.Table.from_pylist(rows, schema=ALIASES)
