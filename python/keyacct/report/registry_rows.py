"""The registry as it is on one day, by account."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keyacct.config import Workspace
from keyacct.model import midnight_ms

Row = Mapping[str, Any]


@dataclass(frozen=True)
class RegistryRows:
    """Rows of every table that hold on the day (of undated tables: all; of service records: those until then)."""

    by_account: Mapping[tuple[str, str], Sequence[Row]]
    entries: Mapping[tuple[str, str], Row]

    def of(self, table: str, account: str) -> Sequence[Row]:
        """The rows of an account in a table, by key."""
        return self.by_account.get((table, account), ())

    def first(self, table: str, account: str) -> Row | None:
        """The one row of an account in a table where only one can hold."""
        rows = self.of(table, account)
        return rows[0] if rows else None

    def entry(self, table: str, key: str) -> Row:
        """The row of a key in an undated table, empty when there is none."""
        return self.entries.get((table, key), {})

    def staff(self, number: str | None) -> str | None:
        """Name of a member of staff, else the number."""
        return None if number is None else str(self.entry("staff", number).get("staff_name") or number)


def read_registry(workspace: Workspace, day: dt.date) -> RegistryRows:
    """The registry as it is at the end of a civil day. Raises ConfigError."""
    from keyacct.database.engine import open_database
    from keyacct.registry.document import read_rows

    at = midnight_ms(day + dt.timedelta(days=1), workspace.zone) - 1
    with open_database(workspace).read() as connection:
        tables = read_rows(connection)
    by_account: dict[tuple[str, str], list[Row]] = {}
    entries: dict[tuple[str, str], Row] = {}
    for table, rows in tables.items():
        for key, row in sorted(rows.items(), key=lambda item: tuple(map(str, item[0]))):
            if "valid_from" in row and not row["valid_from"] <= at < row["valid_to"]:
                continue
            if "served_on" in row and row["served_on"] > str(day):
                continue
            if "account_no" in row:
                by_account.setdefault((table, str(row["account_no"])), []).append(row)
            if len(key) == 1:
                entries[table, str(key[0])] = row
    return RegistryRows(by_account, entries)
