"""Files that are there whole or not at all, and names for them that any file system takes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import string
from pathlib import Path

from keyacct.errors import from_os_error

_SAFE = frozenset(string.ascii_letters + string.digits + "-_")


def write_whole(file: Path, content: bytes) -> None:
    """Write a file by way of a temporary one beside it; a reader sees the old or the new content.

    Raises WriteError; the old file then is as it was.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("xb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise from_os_error(error, writing=True, file=str(file)) from None


def make_folder(folder: Path) -> None:
    """The folder and those above it. Raises WriteError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise from_os_error(error, writing=True, file=str(folder)) from None


def settle(folder: Path) -> None:
    """Make the names of a folder's new files durable. Raises WriteError."""
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise from_os_error(error, writing=True, file=str(folder)) from None


def file_part(text: str) -> str:
    """A text as part of a file name: letters, digits, `-` and `_` stay; others become `_`.

    Where that loses something, a piece of the text's digest follows, so two texts never share a name
    and no text leads out of the folder.
    """
    name = "".join(c if c in _SAFE else "_" for c in text)[:60]
    if name == text and name:
        return name
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
