"""Opens `register.db`: WAL, synchronous=FULL, foreign keys on, every write in one short `BEGIN IMMEDIATE`."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from keyacct.config import DatabaseAddress, Workspace
from keyacct.errors import ConfigError, KeyacctError, WriteError

REVISIONS = ("0001", "0002", "0003")
"""Every migration in order; the last is the present form."""

BUSY_TIMEOUT_MS = 30_000


class ConstraintError(sqlite3.IntegrityError):
    """A rule of the database refused a row; whichever database it is, the caller explains it."""


class Database:
    """The open database of a workspace. One connection per transaction, so it may be shared by threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = sa.create_engine(
            "sqlite://", creator=self._connect, poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )

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
        with self._errors(), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                connection.exec_driver_sql("ROLLBACK")

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction that commits at the end of the block, or not at all. Keep network and file work out of it."""
        with self._errors(), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                with contextlib.suppress(Exception):  # SQLite may have rolled back by itself (disk full)
                    connection.exec_driver_sql("ROLLBACK")
                raise

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
        with _errors(self.path):
            yield

    def backup_to(self, target: Path) -> None:
        """A consistent copy of the database at `target`, taken while others may write."""
        with (
            self._errors(),
            contextlib.closing(self._connect()) as source,
            contextlib.closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)


def create_database(path: Path) -> Database:
    """Make the database of a new workspace, in its present form. Raises WriteError."""
    with _errors(path):
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        finally:
            connection.close()
    if mode != "wal":
        raise WriteError(
            "write.failed", f"this file system cannot hold the database (journal mode {mode})",
            hint="choose a folder on a local disk", where={"file": str(path)},
        )  # fmt: skip
    database = Database(path)
    _upgrade(database)
    return database


def create_server_database(address: DatabaseAddress) -> Database:
    """Make the tables of a new workspace in an empty PostgreSQL database. Raises ConfigError, WriteError."""
    from keyacct.database.postgres import PostgresDatabase, check_new

    database = PostgresDatabase(address)
    check_new(database)
    _upgrade(database)
    return database


def open_database(workspace: Workspace) -> Database:
    """The workspace's database; an older form is brought up to date, a newer one is refused.

    Raises ConfigError (missing, newer), WriteError `write.store_damaged`.
    """
    database = _named(workspace)
    with database.read() as connection:
        version = database.version(connection)
    if version != REVISIONS[-1]:
        if version is not None and version not in REVISIONS:
            raise ConfigError(
                "config.schema_newer",
                f"the database has form {version}, this keyacct knows up to {REVISIONS[-1]}",
                hint="use a newer keyacct",
                where={"file": str(database.path)},
            )
        _upgrade(database)
    return database


def _named(workspace: Workspace) -> Database:
    if (address := workspace.settings.database.url) is not None:
        from keyacct.database.postgres import PostgresDatabase

        database = PostgresDatabase(address)
        with database.read() as connection:
            if database.version(connection) is None:
                raise ConfigError(
                    "config.workspace_missing", "the database holds no workspace",
                    hint="restore it from a backup, or make a new workspace with keyacct init --database-url",
                    where={"file": str(address)},
                )  # fmt: skip
        return database
    path = workspace.database
    if not path.is_file():
        raise ConfigError(
            "config.workspace_missing",
            "the workspace has no database",
            hint=f"restore register.db from a backup, or make a new workspace with `keyacct init {workspace.root}`",
            where={"file": str(path)},
        )
    return Database(path)


def _upgrade(database: Database) -> None:
    for revision in REVISIONS:
        with database.write() as connection:
            version = database.version(connection)  # again, now that nobody else can be at it
            if version is not None and version >= revision:
                continue
            from keyacct.database.migrate import upgrade

            upgrade(connection, revision)


def schema_version(database: Database) -> str:
    """The form of the database, the number of its last migration."""
    with database.read() as connection:
        return database.version(connection) or "none"


@contextlib.contextmanager
def _errors(path: Path) -> Iterator[None]:
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
        return error
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
