"""SQL over the samples and the registry: DuckDB in memory, which reads the live files and nothing else.

Names: docs/store.md. Every family is a view with one truth per key, `<family>_raw` its stored rows; every table of the
database is there under its own name, handed over as Arrow, its instants as TIMESTAMPTZ.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from keyacct.config import Workspace
from keyacct.database.copying import every_table
from keyacct.database.engine import open_database
from keyacct.database.tables import BEGINNING_MS, END_MS
from keyacct.errors import InputError, UsageError, WriteError
from keyacct.store.engine import query_engine
from keyacct.store.families import FAMILIES
from keyacct.store.views import add_views, hand_over

BATCH_ROWS = 8_192
_READS = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
_LISTS = re.compile(
    r"\b(show|information_schema|pg_\w+|duckdb_\w+|query|query_table|sql_auto_complete)\b", re.IGNORECASE
)
_ORDERED = re.compile(r"\border\s+by\b", re.IGNORECASE)
_INSTANT = re.compile(r"(.*_)?(at|ts)|valid_from|valid_to")
_FIRST_MS, _LAST_MS = -62_135_596_800_000, 253_402_214_400_000
"""0001-01-01 and 9999-12-31, UTC: how "always was" and "until further notice" show."""


@contextlib.contextmanager
def query(workspace: Workspace, statement: str) -> Iterator[pa.RecordBatchReader]:
    """The result of one reading statement. It cannot open other files, load an extension or change a setting.

    Raises UsageError (no reading statement, or one that DuckDB refuses), InputError `input.limit` (out of memory),
    WriteError `write.store_damaged` (a live file is missing).
    """
    _check(statement)
    with query_engine(workspace) as engine:
        # Without an order of its own a result comes in the order of the work: one thread does it the same way each time.
        engine.execute(f"SET threads = {2 if _ORDERED.search(statement) else 1}")
        engine.execute(f"SET TimeZone = '{workspace.settings.workspace.timezone}'")
        with guarded():
            everything = _LISTS.search(statement) is not None
            named = tuple(name for name in FAMILIES if everything or _mentions(statement, name, f"{name}_raw"))
            paths = add_views(engine, workspace, families=named or ("",))
            _add_tables(engine, workspace, statement, everything=everything)
            _lock(engine, paths)
            reader = engine.sql(statement).to_arrow_reader(BATCH_ROWS)
            yield pa.RecordBatchReader.from_batches(_unique_names(reader.schema), _renamed(reader))


def table_names() -> dict[str, str]:
    """Every name that a query may use: family, stored rows, or table of the database."""
    found = dict.fromkeys(FAMILIES, "family") | {f"{name}_raw": "stored rows" for name in FAMILIES}
    return dict(sorted((dict.fromkeys(_tables(), "table") | found).items()))


def _check(statement: str) -> None:
    with guarded():
        parts = _parts(statement)
    if len(parts) != 1 or parts[0].type not in _READS:
        raise UsageError(
            "usage.invalid", "one statement that reads is wanted: SELECT, WITH, FROM, DESCRIBE, SUMMARIZE, SHOW, EXPLAIN",
            hint="keyacct sql changes nothing; see `keyacct sql --tables` for the names",
        )  # fmt: skip


def _parts(statement: str) -> list[Any]:
    with contextlib.closing(duckdb.connect(":memory:")) as parser:
        return list(parser.extract_statements(statement))


def _mentions(statement: str, *names: str) -> bool:
    return any(re.search(rf"\b{name}\b", statement, re.IGNORECASE) for name in names)


def _add_tables(engine: duckdb.DuckDBPyConnection, workspace: Workspace, statement: str, *, everything: bool) -> None:
    with open_database(workspace).read() as connection:
        for name, table in _tables().items():
            if everything or _mentions(statement, name):
                hand_over(engine, name, _arrow(connection, table))


def _tables() -> dict[str, sa.Table]:
    """Tables of the database by name; a family's name would go before a table's."""
    return {
        table.name: table for table in sorted(every_table(), key=lambda table: table.name) if table.name not in FAMILIES
    }


def _arrow(connection: sa.Connection, table: sa.Table) -> pa.Table:
    """The rows of a table of the database, by its key."""
    rows = connection.execute(sa.select(table).order_by(*table.primary_key.columns)).all()
    columns: dict[str, pa.Array] = {}
    for number, column in enumerate(table.columns):
        values = [row[number] for row in rows]
        if isinstance(column.type, sa.Integer) and _INSTANT.fullmatch(column.name):
            values = [None if ms is None else {BEGINNING_MS: _FIRST_MS, END_MS: _LAST_MS}.get(ms, ms) for ms in values]
            columns[column.name] = pa.array(values, pa.timestamp("ms", tz="UTC"))
        elif isinstance(column.type, sa.Integer):
            columns[column.name] = pa.array(values, pa.int64())
        elif isinstance(column.type, sa.Float):
            columns[column.name] = pa.array(values, pa.float64())
        else:
            columns[column.name] = pa.array(values, pa.string())
    return pa.table(columns)


def _lock(engine: duckdb.DuckDBPyConnection, paths: list[str]) -> None:
    """From here on: the live files and the spill folder, nothing else, and no way back."""
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    engine.execute(f"SET allowed_paths = [{listed}]" if paths else "SET allowed_paths = []")
    engine.execute("SET python_enable_replacements = false")
    engine.execute("SET enable_external_access = false")
    engine.execute("SET lock_configuration = true")


def _unique_names(schema: pa.Schema) -> pa.Schema:
    taken: set[str] = set()
    fields = []
    for field in schema:
        name, number = field.name, 1
        while name in taken:
            number += 1
            name = f"{field.name}_{number}"
        taken.add(name)
        type_ = pa.string() if pa.types.is_interval(field.type) or str(field.type).startswith("month") else field.type
        fields.append(pa.field(name, type_))
    return pa.schema(fields)


def _renamed(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    schema = _unique_names(reader.schema)
    while True:
        with guarded():
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
            except OSError as error:  # what DuckDB says while it streams comes wrapped by Arrow
                raise duckdb.ProgrammingError(str(error)) from error
        columns = [
            column
            if column.type == field.type
            else pc.cast(column, field.type)
            if not pa.types.is_string(field.type)
            else pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
            for column, field in zip(batch.columns, schema, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """DuckDB's refusals as ours."""
    try:
        yield
    except duckdb.InterruptException:
        raise KeyboardInterrupt from None
    except RuntimeError as error:
        if "interrupted" in str(error).lower():  # how DuckDB passes Ctrl-C on
            raise KeyboardInterrupt from None
        if not isinstance(error, duckdb.Error):
            raise
        raise UsageError("usage.invalid", _line(error)) from None
    except duckdb.OutOfMemoryException as error:
        raise InputError(
            "input.limit", f"the query needs more memory than it may have: {_line(error)}",
            hint="ask for fewer rows or columns at a time",
        ) from None  # fmt: skip
    except duckdb.IOException as error:
        raise WriteError(
            "write.store_damaged", f"a stored file cannot be read: {_line(error)}",
            hint="run `keyacct store verify`, restore the file from a backup",
        ) from error  # fmt: skip
    except duckdb.PermissionException as error:
        raise UsageError(
            "usage.invalid", f"a query reads the tables and nothing else: {_line(error)}",
            hint="see `keyacct sql --tables` for the names",
        ) from None  # fmt: skip
    except duckdb.Error as error:
        if "/family=" in str(error) or type(error) is duckdb.Error:  # the last: a page that cannot be unpacked
            raise WriteError(
                "write.store_damaged", f"a stored file cannot be read: {_line(error)}",
                hint="run `keyacct store verify`, restore the file from a backup",
            ) from error  # fmt: skip
        raise UsageError(
            "usage.invalid", _line(error), hint="see `keyacct sql --tables` for the names, docs/store.md for columns"
        ) from None


def _line(error: Exception) -> str:
    """What DuckDB says, without the copy of the statement."""
    return str(error).split("\n\nLINE", 1)[0].split("\nLINE", 1)[0].replace("\n", " ").strip()
