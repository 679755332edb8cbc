"""The database as one file: WAL, synchronous=FULL, foreign keys on, every write in one short `BEGIN IMMEDIATE`."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from keyacct.database import audit
from keyacct.errors import KeyacctError, WriteError

BUSY_TIMEOUT_MS = 30_000


class ConstraintError(sqlite3.IntegrityError):
    """A rule of the database refused a row; whichever database it is, the caller explains it."""


class Database:
    """The open database of a workspace. One connection per transaction, so it may be shared by threads."""

    writer = audit.Writer()
    """Who writes; `open_database` sets it to what the settings say."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def _open(self) -> sa.Connection:
        """A connection of the shared engine to this file."""
        asking = _OPENING.set(self)
        try:
            return _ENGINE.connect()
        finally:
            _OPENING.reset(asking)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._uri(),
            uri=True,
            timeout=BUSY_TIMEOUT_MS / 1000,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _uri(self) -> str:
        """The file as a URI. In a folder that cannot be written a WAL database opens only as immutable."""
        base = self.path.absolute().as_uri()
        log = self.path.with_name(self.path.name + "-wal")
        if not os.access(self.path.parent, os.W_OK) and not (log.exists() and log.stat().st_size):
            return base + "?mode=ro&immutable=1"
        return base + "?mode=rw"

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One snapshot: every query inside sees the same state. Writes inside are a defect."""
        with self._errors(), self._open() as connection:
            connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                connection.exec_driver_sql("ROLLBACK")

    @contextlib.contextmanager
    def write(self, before: Callable[[sa.Connection], None] | None = None) -> Iterator[sa.Connection]:
        """One transaction that commits at the end of the block, or not at all. Keep network and file work out of it.

        before: what is done on the connection while others may still write, such as filling temporary tables.
        """
        with self._errors(), self._open() as connection:
            if before is not None:
                connection.exec_driver_sql("BEGIN")
                before(connection)
                connection.exec_driver_sql("COMMIT")
            writing = audit.introduce(connection, self.writer)
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                with contextlib.suppress(Exception):  # SQLite may have rolled back by itself (disk full)
                    connection.exec_driver_sql("ROLLBACK")
                raise
            writing.committed()

    def integrity(self) -> list[str]:
        """What SQLite's own check finds wrong; empty when all is well."""
        with self.read() as connection:
            found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check")]
            found += [
                f"foreign key of {row[0]}, row {row[1]}"
                for row in connection.exec_driver_sql("PRAGMA foreign_key_check")
            ]
        return [line for line in found if line != "ok"]

    def version(self, connection: sa.Connection) -> str | None:
        """The migration that the database stands at; None for an empty one."""
        found = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE name = 'alembic_version'").first()
        if found is None:
            return None
        row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
        return str(row[0]) if row is not None else None

    def defer_references(self, connection: sa.Connection) -> None:
        """Check references at the end of the transaction, not at every statement."""
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")

    def rows_were_copied(self, connection: sa.Connection) -> None:
        """Called after rows were copied in with their numbers; SQLite takes the next number from the rows."""

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        with errors_of(self.path):
            yield

    def backup_to(self, target: Path) -> None:
        """A consistent copy of the database at `target`, taken while others may write."""
        with (
            self._errors(),
            contextlib.closing(self._connect()) as source,
            contextlib.closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)


_OPENING: ContextVar[Database] = ContextVar("_OPENING")
"""Whose file the engine is to open."""
_ENGINE = sa.create_engine(
    "sqlite://", creator=lambda: _OPENING.get()._connect(), poolclass=NullPool, isolation_level="AUTOCOMMIT"
)
"""One for all files: it keeps no connection, only what it learned of SQLite and the statements that it compiled."""


@contextlib.contextmanager
def errors_of(path: Path) -> Iterator[None]:
    """SQLite's errors as ours: full, read-only, damaged."""
    try:
        yield
    except DBAPIError as error:
        raise translate(error.orig, path) from error
    except sqlite3.Error as error:
        raise translate(error, path) from error


def translate(error: Any, path: Path) -> BaseException:
    """The keyacct error of an SQLite error; an integrity error stays what it is, it is the caller's to explain."""
    text = str(error)
    where = {"file": str(path)}
    low = text.lower()
    result: KeyacctError
    if isinstance(error, sqlite3.IntegrityError):
        return error if isinstance(error, ConstraintError) else ConstraintError(text)
    if "disk is full" in low:
        result = WriteError(
            "write.disk_full",
            "cannot write: the disk is full",
            hint="free some space and run again",
            where=where,
        )
    elif "readonly" in low or "unable to open" in low:
        result = WriteError(
            "write.read_only", f"cannot write: {text}",
            hint="check the owner and permissions of the workspace folder", where=where,
        )  # fmt: skip
    elif "malformed" in low or "not a database" in low:
        result = WriteError(
            "write.store_damaged",
            f"the database is damaged: {text}",
            hint="restore it from a backup",
            where=where,
        )
    elif "locked" in low or "busy" in low:
        result = WriteError(
            "write.failed", "another process holds the database for more than 30 s",
            hint="wait for it, then run again", where=where,
        )  # fmt: skip
    else:
        result = WriteError("write.failed", f"database: {text}", hint="nothing was changed", where=where)
    return result
