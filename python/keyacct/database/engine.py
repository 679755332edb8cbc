"""Opens the database of a workspace, the file `register.db` or one on a server, in its present form."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from keyacct.config import DatabaseAddress, Workspace
from keyacct.database import audit
from keyacct.database.sqlite import ConstraintError, Database, errors_of, translate
from keyacct.errors import ConfigError, WriteError

__all__ = [
    "REVISIONS",
    "ConstraintError",
    "Database",
    "audit_writer",
    "bring_up",
    "create_database",
    "create_server_database",
    "open_database",
    "schema_version",
    "translate",
]  # fmt: skip

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011", "0012")
"""Every migration in order; the last is the present form."""


def create_database(path: Path) -> Database:
    """Make the database of a new workspace, in its present form. Raises WriteError."""
    with errors_of(path):
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
    bring_up(database)
    return database


def create_server_database(address: DatabaseAddress) -> Database:
    """Make the tables of a new workspace in an empty PostgreSQL database. Raises ConfigError, WriteError."""
    from keyacct.database.postgres import PostgresDatabase, check_new

    database = PostgresDatabase(address, create_database)
    check_new(database)
    bring_up(database)
    return database


def open_database(workspace: Workspace) -> Database:
    """The workspace's database; an older form is brought up to date, a newer one is refused.

    Raises ConfigError (missing, newer), WriteError `write.store_damaged`.
    """
    database = _named(workspace)
    database.writer = audit_writer(workspace)
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
        bring_up(database)
    return database


def _named(workspace: Workspace) -> Database:
    if (address := workspace.settings.database.url) is not None:
        from keyacct.database.postgres import PostgresDatabase

        database = PostgresDatabase(address, create_database)
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


def audit_writer(workspace: Workspace) -> audit.Writer:
    """Who writes the audit rows of a workspace, and its anchor: as its settings say."""
    settings = workspace.settings.audit
    return audit.Writer(settings.operator or None, workspace.root / settings.anchor if settings.anchor else None)


def bring_up(database: Database) -> None:
    """Take every migration that is still due."""
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
