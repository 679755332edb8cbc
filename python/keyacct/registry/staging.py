"""What a document says, row by row in temporary tables, so that a large one needs no memory.

`new_<entity>` holds the rows given, with their number and place. The registry after the import is these rows, and those
of the registry that they do not replace.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from keyacct.registry.entities import ENTITIES
from keyacct.registry.entity import Entity
from keyacct.registry.fault import Place

PAGE_ROWS = 1000
PLACE = ("n_", "file_", "sheet_", "row_", "entry_")

_TYPES = {"text": "TEXT", "decimal": "TEXT", "date": "TEXT", "ratio": "REAL", "amount": "REAL", "signed": "REAL"}


def staged(entity: Entity) -> str:
    """Name of the temporary table."""
    return f"new_{entity.name}"


def same_key(entity: Entity, one: str, other: str) -> str:
    """SQL: two rows have the same key."""
    return " AND ".join(f"{one}.{name} = {other}.{name}" for name in entity.full_key)


class Staging:
    """The temporary tables of one import, on the caller's connection."""

    def __init__(self, connection: sa.Connection, *, replace: bool) -> None:
        self.connection = connection
        self.replace = replace
        self._postgres = connection.dialect.name == "postgresql"
        self._pages: dict[str, list[dict[str, Any]]] = {entity.name: [] for entity in ENTITIES}
        self._tables: dict[str, sa.TableClause] = {}
        self.rows: dict[str, int] = dict.fromkeys(self._pages, 0)
        self.number = 0

    def add(self, entity: Entity, row: dict[str, Any], place: Place) -> None:
        """Take a row."""
        self.number += 1
        page = self._pages[entity.name]
        page.append(
            {
                **row, "n_": self.number, "file_": place.file, "sheet_": place.sheet, "row_": place.row,
                "entry_": place.entry,
            }
        )  # fmt: skip
        self.rows[entity.name] += 1
        if len(page) >= PAGE_ROWS:
            self._write(entity)

    def finish(self) -> None:
        """Write what is left and make the rows findable."""
        for entity in ENTITIES:
            if self.rows[entity.name]:
                self._write(entity)
                name = staged(entity)
                self._execute(f"CREATE INDEX {name}_key ON {name} ({', '.join(entity.full_key)})")
                for columns in entity.single:
                    if columns != entity.full_key[: len(columns)]:  # overlaps are looked for by these
                        self._execute(f"CREATE INDEX {name}_{columns[0]} ON {name} ({', '.join(columns)})")
                if self._postgres:
                    self._execute(f"ANALYZE {name}")

    def has(self, entity: Entity) -> bool:
        """Whether there is a temporary table, that is, whether anything of this kind was given."""
        return entity.name in self._tables

    def _write(self, entity: Entity) -> None:
        if entity.name not in self._tables:
            columns = [f"{field.name} {_TYPES.get(field.kind, 'INTEGER')}" for field in entity.fields]
            columns += ["valid_from INTEGER", "valid_to INTEGER"] if entity.dated else []
            columns += ["n_ INTEGER", "file_ TEXT", "sheet_ TEXT", "row_ INTEGER", "entry_ TEXT"]
            self._execute(f"CREATE TEMPORARY TABLE {staged(entity)} ({', '.join(columns)})")
            table_columns = [sa.column(c.name, c.type) for c in entity.table.columns]
            place = [sa.column(n, sa.BigInteger if n in ("n_", "row_") else sa.Text) for n in PLACE]
            self._tables[entity.name] = sa.table(staged(entity), *table_columns, *place)
        if page := self._pages[entity.name]:
            self.connection.execute(sa.insert(self._tables[entity.name]), page)
            page.clear()

    def _execute(self, statement: str) -> None:
        self.connection.execute(sa.text(statement))

    def query(self, statement: str, **parameters: Any) -> Iterable[sa.Row[Any]]:
        """Rows of a query over registry and staged tables."""
        return self.connection.execute(sa.text(statement), parameters)

    def after(self, entity: Entity, columns: Sequence[str], only: str = "") -> str:
        """SQL of the table as it will be: `columns`, and n_ and place of what is given (null for the registry's).

        only: a condition on rows `t` of the registry.
        """
        names = ", ".join(columns)
        given = f"SELECT {names}, {', '.join(PLACE)} FROM {staged(entity)}"
        if self.replace and self.has(entity):
            return given
        none = "CAST(NULL AS BIGINT), CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS BIGINT), CAST(NULL AS TEXT)"
        place = ", ".join(f"{part} AS {name}" for part, name in zip(none.split(", "), PLACE, strict=True))
        own = f"SELECT {', '.join(f't.{name}' for name in columns)}, {place} FROM {entity.name} AS t WHERE "
        if self.replace:
            return f"{own}1 = 0"
        there = [only] if only else []
        if not self.has(entity):
            return own + (" AND ".join(there) or "1 = 1")
        there.append(f"NOT EXISTS (SELECT 1 FROM {staged(entity)} AS n WHERE {same_key(entity, 'n', 't')})")
        if entity.name == "tariff_slot":  # the slots of a table are given together
            there.append("t.tariff_table NOT IN (SELECT tariff_table FROM new_tariff_slot)")
        return f"{given} UNION ALL {own}{' AND '.join(there)}"

    def exists_after(self, entity: Entity, column: str, value: str) -> str:
        """SQL: an entry whose `column` is `value` is there afterwards."""
        given = (
            f"EXISTS (SELECT 1 FROM {staged(entity)} AS r WHERE r.{column} = {value})" if self.has(entity) else "1 = 0"
        )
        if self.replace:
            return f"({given})"
        return f"({given} OR EXISTS (SELECT 1 FROM {entity.name} AS r WHERE r.{column} = {value}))"

    def forget(self, numbers: Iterable[int]) -> None:
        """Leave rows out of the import."""
        listed = sorted(set(numbers))
        for start in range(0, len(listed), 500):
            part = ", ".join(str(int(number)) for number in listed[start : start + 500])
            for entity in filter(self.has, ENTITIES):
                done = self.connection.execute(sa.text(f"DELETE FROM {staged(entity)} WHERE n_ IN ({part})"))
                self.rows[entity.name] -= done.rowcount


def place_of(row: sa.Row[Any], key: str) -> Place:
    """The place of a staged row, its key beside the name of the entry; one of the registry names itself."""
    if row.file_ is None:
        return Place("", entry=f"{key} (in the registry)")
    entry = f"{row.entry_} ({key})" if row.entry_ else f"({key})"
    return Place(row.file_, row.sheet_, row.row_, re.sub(r"^\(|\)$", "", entry) if not row.entry_ else entry)
