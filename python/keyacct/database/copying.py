"""Copies every row of one database into another, whichever kinds the two are."""

from __future__ import annotations

import sqlalchemy as sa

from keyacct.database import acquisition_tables as _acquisition_tables  # noqa: F401
from keyacct.database import backups as _backups  # noqa: F401 (these join their tables to the metadata)
from keyacct.database import bills as _bills  # noqa: F401
from keyacct.database import care_tables as _care_tables  # noqa: F401
from keyacct.database import control_tables as _control_tables  # noqa: F401
from keyacct.database import quality_tables as _quality_tables  # noqa: F401
from keyacct.database import registry_tables as _registry_tables  # noqa: F401
from keyacct.database import shedding_tables as _shedding_tables  # noqa: F401
from keyacct.database import tables
from keyacct.database.sqlite import Database

PAGE_ROWS = 2000


def copy_rows(source: sa.Connection, into: sa.Connection, target: Database) -> int:
    """Fill an empty database of the present form; rows copied. Both transactions are the caller's."""
    target.defer_references(into)
    into.execute(tables.batch_sequence.delete())  # made with one row
    copied = 0
    for table in tables.metadata.sorted_tables:
        # In the order of their keys: the audit chain takes no row but the next.
        result = source.execute(sa.select(table).order_by(*table.primary_key.columns)).mappings()
        while page := result.fetchmany(PAGE_ROWS):
            into.execute(table.insert(), [dict(row) for row in page])
            copied += len(page)
    target.rows_were_copied(into)
    return copied
