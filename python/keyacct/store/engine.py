"""DuckDB as a query engine over explicit lists of files: in memory, bounded, spilling inside the workspace."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from keyacct.config import Workspace
from keyacct.errors import WriteError
from keyacct.store.ulid import ulid

MEMORY_LIMIT = "1GB"
THREADS = 2


@contextlib.contextmanager
def query_engine(workspace: Workspace) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection of its own; what it spills goes with it."""
    spill = workspace.stage / f"spill-{ulid()}"
    config: dict[str, Any] = {
        "memory_limit": MEMORY_LIMIT, "threads": THREADS, "temp_directory": str(spill),
        "autoinstall_known_extensions": False, "autoload_known_extensions": False,
        "preserve_insertion_order": False,
    }  # fmt: skip
    connection = duckdb.connect(":memory:", config=config)
    try:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
    except duckdb.Error as error:
        if isinstance(error, _NOT_DAMAGE):
            raise
        raise io_error(error, workspace.root) from error
    finally:
        connection.close()
        shutil.rmtree(spill, ignore_errors=True)


_NOT_DAMAGE = (
    duckdb.InterruptException, duckdb.OutOfMemoryException, duckdb.ParserException, duckdb.BinderException,
    duckdb.CatalogException, duckdb.PermissionException,
)  # fmt: skip
"""Errors of a query itself; any other comes of a segment that is cut, overwritten or gone, or of the disk."""


def io_error(error: Exception, root: Path) -> WriteError:
    """The error of a stored file that cannot be read, or of a spill that finds no space."""
    text = str(error)
    if "No space left" in text:
        return WriteError(
            "write.disk_full", "cannot write: no space left for intermediate results",
            hint="free some space and run again", where={"file": str(root)},
        )  # fmt: skip
    return WriteError(
        "write.store_damaged", f"a stored file cannot be read: {text.splitlines()[0]}",
        hint="run `keyacct store verify`, restore the file from a backup", where={"file": str(root)},
    )  # fmt: skip


def fetch_arrow(connection: duckdb.DuckDBPyConnection, sql: str) -> pa.Table:
    """The whole result of a query as an Arrow table."""
    return connection.sql(sql).to_arrow_table()


def one(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    """The first row of a query that always gives one."""
    rows = connection.execute(sql).fetchall()  # all of them: an unread rest would block the connection
    return tuple(rows[0])
