"""Where a backup is written: a folder or one tar file, complete or not there at all."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from keyacct.errors import from_os_error
from keyacct.store.files import sync_file
from keyacct.workflow.backup.content import copy_stream
from keyacct.workflow.backup.manifest import FileEntry

PARTIAL = ".partial-"
SYNCERS = 16


class Target(ABC):
    """A backup on its way. Nothing of it has its name before `finish`."""

    def __init__(self, place: Path, name: str) -> None:
        self.place, self.name = place, name

    @abstractmethod
    def add(self, path: str, source: Path) -> FileEntry:
        """Copy a file into the backup. Raises FileNotFoundError (no source), WriteError."""

    @abstractmethod
    def put(self, path: str, content: bytes) -> None:
        """Write a file of the backup."""

    def link(self, path: str, earlier: Path) -> bool:
        """Take over a file of an earlier backup without copying it; False where that cannot be done."""
        return False

    def drop(self, path: str) -> None:  # noqa: B027  a tar cannot take back; its manifest then leaves the file out
        """Take a file out of the backup again."""

    @abstractmethod
    def finish(self) -> Path:
        """Give it its name, durable on the disk."""

    @abstractmethod
    def discard(self) -> None:
        """Remove what there is of it."""


class FolderTarget(Target):
    """A folder."""

    def __init__(self, place: Path, name: str) -> None:
        super().__init__(place, name)
        self.folder = place / f"{PARTIAL}{name}"
        with _writing(self.folder):
            self.folder.mkdir(mode=0o700, parents=True)

    def _path(self, path: str) -> Path:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return target

    def add(self, path: str, source: Path) -> FileEntry:
        """Copy and hash in one pass."""
        with source.open("rb") as file, _writing(self.place / self.name / path):
            handle = os.open(self._path(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(handle, "wb") as out:
                size, digest = copy_stream(file, out)
        return FileEntry(path, size, digest)

    def put(self, path: str, content: bytes) -> None:
        """Write."""
        with _writing(self.place / self.name / path):
            handle = os.open(self._path(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(handle, "wb") as out:
                out.write(content)

    def link(self, path: str, earlier: Path) -> bool:
        """A second name for the same file, where the file system has such."""
        try:
            os.link(earlier, self._path(path), follow_symlinks=False)
        except OSError:
            return False
        return True

    def drop(self, path: str) -> None:
        """Remove the file."""
        with contextlib.suppress(OSError):
            (self.folder / path).unlink()

    def finish(self) -> Path:
        """Sync every file and folder, rename, sync the place."""
        final = self.place / self.name
        with _writing(final):
            sync_tree(self.folder)
            self.folder.rename(final)
            sync_file(self.place)
        return final

    def discard(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def sync_tree(root: Path) -> None:
    """Force every file and folder to the disk, several at a time: the disk then writes its journal once for many.

    Raises OSError of the first that cannot be.
    """
    paths = [Path(folder) / name for folder, _, files in os.walk(root) for name in ("", *files)]
    with ThreadPoolExecutor(SYNCERS) as pool:
        for _ in pool.map(sync_file, paths):
            pass


class TarTarget(Target):
    """One tar file, not compressed: the samples already are."""

    def __init__(self, place: Path, name: str, file: Path) -> None:
        super().__init__(place, name)
        self.final = file
        self.partial = place / f"{PARTIAL}{file.name}"
        with _writing(self.partial):
            place.mkdir(parents=True, exist_ok=True)
            self.handle = open(os.open(self.partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")  # noqa: SIM115  `finish`
        self.archive = tarfile.open(  # noqa: SIM115  and `discard` close both
            fileobj=self.handle, mode="w", format=tarfile.PAX_FORMAT
        )

    def add(self, path: str, source: Path) -> FileEntry:
        """Copy into the archive, hashed on the way."""
        with source.open("rb") as file, _writing(self.final):
            info = self._info(path, os.fstat(file.fileno()).st_size)
            hashed = _Hashed(file)
            self.archive.addfile(info, hashed)
        return FileEntry(path, hashed.size, hashed.digest.hexdigest())

    def put(self, path: str, content: bytes) -> None:
        """Add bytes."""
        with _writing(self.final):
            self.archive.addfile(self._info(path, len(content)), io.BytesIO(content))

    def _info(self, path: str, size: int) -> tarfile.TarInfo:
        info = tarfile.TarInfo(f"{self.name}/{path}")
        info.size, info.mode = size, 0o600
        return info

    def finish(self) -> Path:
        """Close, sync, rename, sync the place."""
        with _writing(self.final):
            self.archive.close()
            self.handle.flush()
            os.fsync(self.handle.fileno())
            self.handle.close()
            self.partial.rename(self.final)
            sync_file(self.place)
        return self.final

    def discard(self) -> None:
        """Remove the file."""
        with contextlib.suppress(OSError, ValueError):
            self.handle.close()
        with contextlib.suppress(OSError):
            self.partial.unlink()


class _Hashed(io.RawIOBase):
    """A stream that is hashed while another reads it."""

    def __init__(self, source: IO[bytes]) -> None:
        self.source = source
        self.digest, self.size = hashlib.sha256(), 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes of the source."""
        data = self.source.read(size)
        self.digest.update(data)
        self.size += len(data)
        return data


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise from_os_error(error, writing=True, file=str(path)) from error
