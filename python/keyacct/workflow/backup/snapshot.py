"""One consistent state of a workspace while others write: the database of an instant, and the segments it lists."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from keyacct.config import Workspace
from keyacct.database.engine import open_database
from keyacct.errors import WriteError, from_os_error
from keyacct.store.index import Segment, live_segments

LINKS = ".backup-"
"""Begin of the folder in the workspace that holds the segments of a running backup by a second name."""
ATTEMPTS = 5


@contextlib.contextmanager
def only_one(workspace: Workspace) -> Iterator[bool]:
    """Whether this process may take a backup now; a lock that ends with the process, however it ends."""
    import fcntl

    path = workspace.root / "backup.lock"
    try:
        opened = path.open("a")
    except OSError as error:
        raise from_os_error(error, writing=True, file=str(path)) from None
    with opened as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        for left in workspace.root.glob(f"{LINKS}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield True


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sa.Connection]:
    """A copy of a database for reading only, wherever it lies."""

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(path.absolute().as_uri() + "?mode=ro&immutable=1", uri=True, isolation_level=None)

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


def copy_database(workspace: Workspace, target: Path) -> None:
    """The database of one instant as a single SQLite file. Raises WriteError, also when the copy is not sound."""
    database = open_database(workspace)
    target.unlink(missing_ok=True)
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    database.backup_to(target)
    settle_copy(target)


def settle_copy(target: Path) -> None:
    """Make a copy one file without a log beside it, and look whether it is sound."""
    try:
        with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy:
            copy.execute("PRAGMA journal_mode = DELETE").fetchone()
            found = [row[0] for row in copy.execute("PRAGMA integrity_check(3)")]
    except sqlite3.DatabaseError as error:
        found = [str(error)]
    if found != ["ok"]:
        raise WriteError(
            "write.store_damaged", f"the database is damaged, no backup of it was made: {found[0]}",
            hint="see `keyacct store verify`; earlier backups are untouched", where={"file": str(target)},
        )  # fmt: skip


class Snapshot:
    """A copied database and second names of its live segments, which no clean-up can take away."""

    def __init__(self, workspace: Workspace, folder: Path) -> None:
        self.workspace, self.folder = workspace, folder
        self.database = folder / "register.db"
        self.segments: list[Segment] = []
        self.missing: set[str] = set()
        self.linked = True

    def take(self) -> None:
        """Copy the database, then hold its segments; once more where a clean-up came in between. Raises WriteError."""
        self.folder.mkdir(mode=0o700)
        for attempt in range(ATTEMPTS):
            copy_database(self.workspace, self.database)
            with reading(self.database) as connection:
                self.segments = live_segments(connection)
            self.missing = {segment.path for segment in self.segments if not self._hold(segment)}
            if not self.missing or attempt == ATTEMPTS - 1:
                return
            with open_database(self.workspace).read() as connection:
                still = {segment.path for segment in live_segments(connection)}
            if self.missing <= still:
                return  # gone, and not by a clean-up

    def source(self, segment: Segment) -> Path:
        """Where to read a segment."""
        return self._held(segment) if self.linked else self.workspace.root / segment.path

    def _held(self, segment: Segment) -> Path:
        return self.folder / "segments" / segment.path.replace("/", "|")

    def _hold(self, segment: Segment) -> bool:
        path, name = self.workspace.root / segment.path, self._held(segment)
        if self.linked:
            name.parent.mkdir(exist_ok=True, mode=0o700)
            try:
                os.link(path, name)
            except FileExistsError:
                return True
            except FileNotFoundError:
                return False
            except OSError:  # a file system without second names: read them where they are
                self.linked = False
            else:
                return True
        return path.is_file()

    def close(self) -> None:
        """Give everything up."""
        shutil.rmtree(self.folder, ignore_errors=True)
