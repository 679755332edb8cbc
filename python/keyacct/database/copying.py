"""Copies every row of one database into another, whichever kinds the two are."""

from __future__ import annotations

import sqlalchemy as sa

from keyacct.database import quality_tables as _quality_tables  # noqa: F401 (the same)
from keyacct.database import registry_tables as _every_table  # noqa: F401 (joins its tables to the metadata)
from keyacct.database import tables
from keyacct.database.engine import Database

PAGE_ROWS = 2000


def copy_rows(source: sa.Connection, into: sa.Connection, target: Database) -> int:
    """Fill an empty database of the present form; rows copied. Both transactions are the caller's."""
    target.defer_references(into)
    into.execute(tables.batch_sequence.delete())  # made with one row
    copied = 0
    for table in tables.metadata.sorted_tables:
        result = source.execute(sa.select(table)).mappings()
        while page := result.fetchmany(PAGE_ROWS):
            into.execute(table.insert(), [dict(row) for row in page])
            copied += len(page)
    target.rows_were_copied(into)
    return copied
