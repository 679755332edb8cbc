"""The files of a backup, be it a folder or one tar file."""

from __future__ import annotations

import contextlib
import hashlib
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

from keyacct.errors import InputError, from_os_error
from keyacct.workflow.backup.manifest import DATABASE, DIGEST, MANIFEST, NAME, Manifest, parse_manifest

CHUNK = 1 << 20
LARGEST_MANIFEST = 1 << 30


class Content(ABC):
    """A backup that is open for reading."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def open(self, name: str) -> IO[bytes]:
        """A file of the backup. Raises FileNotFoundError, OSError."""

    @abstractmethod
    def names(self) -> Iterator[str]:
        """Every file that is there, whether the manifest knows it or not."""

    def manifest(self) -> Manifest:
        """What it should hold. Raises InputError."""
        parts = []
        for name in (MANIFEST, DIGEST):
            try:
                with self.open(name) as file:
                    parts.append(file.read(LARGEST_MANIFEST))
            except FileNotFoundError:
                raise InputError(
                    "input.format", f"no backup: there is no {name}", hint=_near(self.path),
                    where={"file": str(self.path)},
                ) from None  # fmt: skip
            except OSError as error:
                raise from_os_error(error, writing=False, file=str(self.path)) from None
        return parse_manifest(parts[0], parts[1], str(self.path))


class FolderContent(Content):
    """A backup as a folder."""

    def open(self, name: str) -> IO[bytes]:
        """A file of the folder; a link is none."""
        path = self.path / name
        if path.is_symlink():
            raise FileNotFoundError(name)
        return path.open("rb")

    def names(self) -> Iterator[str]:
        """Every file below the folder."""
        for path in sorted(self.path.rglob("*")):
            if path.is_symlink() or not path.is_dir():
                yield path.relative_to(self.path).as_posix()


class TarContent(Content):
    """A backup as one tar file."""

    def __init__(self, path: Path, archive: tarfile.TarFile) -> None:
        super().__init__(path)
        self.archive = archive
        # By full name; only plain files, so that no link can lead anywhere.
        self.members = {member.name.partition("/")[2]: member for member in archive.getmembers() if member.isreg()}

    def open(self, name: str) -> IO[bytes]:
        """A member."""
        member = self.members.get(name)
        file = self.archive.extractfile(member) if member is not None else None
        if file is None:
            raise FileNotFoundError(name)
        return file

    def names(self) -> Iterator[str]:
        """Every member that is a file."""
        yield from sorted(self.members)


@contextlib.contextmanager
def open_backup(path: Path) -> Iterator[Content]:
    """A backup by its path. Raises InputError when there is none."""
    if path.is_dir():
        yield FolderContent(path)
        return
    try:
        with tarfile.open(path, "r:") as archive:
            yield TarContent(path, archive)
    except tarfile.TarError as error:
        raise InputError(
            "input.format", f"not a backup, or a damaged one: {error}", hint="name a folder or a .tar of `keyacct backup`",
            where={"file": str(path)},
        ) from None  # fmt: skip
    except OSError as error:
        raise from_os_error(error, writing=False, file=str(path)) from None


def _near(path: Path) -> str:
    found = backups_in(path)
    return f"name one of the backups in it, the newest is {found[-1]}" if found else "name a backup"


def backups_in(place: Path) -> list[Path]:
    """Finished backups in a folder, the oldest first."""
    try:
        found = [path for path in place.iterdir() if NAME.fullmatch(path.name.removesuffix(".tar"))]
    except OSError:
        return []
    finished = [path for path in found if (path / DIGEST).is_file() or path.is_file()]
    return sorted(finished, key=lambda path: (path.name.split("-")[2], path.name))


def copy_stream(source: IO[bytes], target: BinaryIO | None) -> tuple[int, str]:
    """Read a stream to its end and write it where there is a target: (bytes, SHA-256 of them)."""
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
        if target is not None:
            target.write(chunk)
    return size, digest.hexdigest()


__all__ = ["DATABASE", "Content", "FolderContent", "TarContent", "backups_in", "copy_stream", "open_backup"]
