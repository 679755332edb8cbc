"""Frames of meters and terminals: bytes to readings, and hex text to an annotated description."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keyacct import _core
from keyacct.errors import from_os_error

if TYPE_CHECKING:
    import os


def protocols() -> list[str]:
    """Names that a `protocol` argument takes: `auto` and the protocols that can be decoded."""
    return _core.protocols()


def open_registers(files: Sequence[str | os.PathLike[str]] = ()) -> _core.Registers:
    """The register catalogue with a user's own files on top. A file may add keys, not say a known one again.

    Raises InputError `input.catalogue` with file and line, or that of an unreadable file.
    """
    texts = []
    for file in files:
        try:
            texts.append((str(file), Path(file).read_text(encoding="utf-8-sig")))
        except UnicodeDecodeError as error:
            from keyacct.errors import InputError

            raise InputError(
                "input.catalogue",
                f"the file is no UTF-8 text (byte {error.start})",
                hint="a register catalogue is a tab-separated text; `keyacct registers --help` names the columns",
                where={"file": str(file)},
            ) from None
        except OSError as error:
            raise from_os_error(error, writing=False, file=str(file)) from None
    return _core.Registers(texts)


def describe(
    lines: Iterable[str],
    protocol: str = "auto",
    *,
    registers: _core.Registers | None = None,
    fields: bool = False,
    chinese: bool = False,
) -> Iterator[str]:
    """JSON objects, one for each frame of each line of hex text; one with `valid: false` for a line without any.

    fields: add the annotated tree. Lines without bytes (blank, comment) give nothing.
    Raises UsageError for a protocol that is not known or not built.
    """
    known = registers if registers is not None else _core.Registers()
    for number, line in enumerate(lines, 1):
        yield from _core.describe(known, line, number, protocol, fields=fields, chinese=chinese)


def register_rows(registers: _core.Registers | None = None) -> list[dict[str, Any]]:
    """Every row of the register catalogue, in the order of protocol and file."""
    return (registers if registers is not None else _core.Registers()).rows()


def describe_objects(
    lines: Iterable[str], protocol: str = "auto", **options: Any
) -> Iterator[dict[str, Any]]:
    """The objects of `describe`, parsed."""
    for text in describe(lines, protocol, **options):
        yield json.loads(text)
