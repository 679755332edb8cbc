"""Rules that the database itself keeps, whatever writes to it: no overlapping validity, append-only tables.

For migrations; the same rule on SQLite and on PostgreSQL. All writers take turns, so a trigger sees every other row.
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op


def _refuse(name: str, table: str, when: str, condition: str, message: str) -> None:
    """Make the trigger `name`: `when` is `AFTER INSERT` and the like; the message is an integrity error."""
    if op.get_bind().dialect.name == "sqlite":
        guard = f"WHEN {condition} " if condition else ""
        op.execute(f"CREATE TRIGGER {name} {when} ON {table} {guard}BEGIN SELECT RAISE(ABORT, '{message}'); END")
        return
    test = f"IF {condition} THEN " if condition else ""
    end = "END IF; " if condition else ""
    result = "NULL" if when.startswith("BEFORE") else "NEW"
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {test}"
        f"RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation'; {end}RETURN {result}; END $$"
    )
    op.execute(f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()")


def refuse_overlap(table: str, columns: Sequence[str]) -> None:
    """Of a dated table, rows that are equal in `columns` never hold at the same time."""
    same = " AND ".join(f"{column} = NEW.{column}" for column in columns)
    condition = (
        f"(SELECT count(*) FROM {table} WHERE {same} AND valid_from < NEW.valid_to AND NEW.valid_from < valid_to) > 1"
    )
    message = f"validity overlaps in {table} for the same {', '.join(columns)}"
    for event in ("INSERT", "UPDATE"):
        name = f"{table}_{'_'.join(columns)}_{event.lower()}"
        _refuse(name, table, f"AFTER {event}", condition, message)


def append_only(table: str, message: str) -> None:
    """Rows of the table are added, never changed or removed."""
    for event in ("UPDATE", "DELETE"):
        _refuse(f"{table}_no_{event.lower()}", table, f"BEFORE {event}", "", message)
