"""Copies every row of one database into another, whichever kinds the two are."""

from __future__ import annotations

import sqlalchemy as sa

from keyacct.database import (
    acquisition_tables,
    backups,
    bills,
    care_tables,
    control_tables,
    quality_tables,
    registry_tables,
    shedding_tables,
    tables,
)
from keyacct.database.sqlite import Database

_JOINED = (
    acquisition_tables, backups, bills, care_tables, control_tables, quality_tables, registry_tables, shedding_tables,
)  # fmt: skip
"""Modules that join their tables to the metadata of `tables` when they are imported."""
PAGE_ROWS = 2000


def every_table() -> list[sa.Table]:
    """The tables of every module, each behind those it refers to."""
    return tables.metadata.sorted_tables


def copy_rows(source: sa.Connection, into: sa.Connection, target: Database) -> int:
    """Fill an empty database of the present form; rows copied. Both transactions are the caller's."""
    target.defer_references(into)
    into.execute(tables.batch_sequence.delete())  # made with one row
    copied = 0
    for table in every_table():
        # In the order of their keys: the audit chain takes no row but the next.
        result = source.execute(sa.select(table).order_by(*table.primary_key.columns)).mappings()
        while page := result.fetchmany(PAGE_ROWS):
            into.execute(table.insert(), [dict(row) for row in page])
            copied += len(page)
    target.rows_were_copied(into)
    return copied
