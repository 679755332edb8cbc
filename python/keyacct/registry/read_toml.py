"""Entries of a TOML document, with the line of each; long documents are read piece by piece."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from keyacct.errors import InputError
from keyacct.registry.entities import BY_NAME
from keyacct.registry.entry import RawEntry, unknown_kind
from keyacct.registry.fault import Fault, Place

PIECE_BYTES = 256 * 1024
_HEADER = re.compile(r"\s*\[\[\s*\"?(\w+)\"?\s*\]\]")


def decode_text(data: bytes, file: str) -> str:
    """UTF-8 text of a file. Raises InputError `input.format` with the offset, and what the file looks like."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            "input.format", f"the file is not UTF-8{_looks_like(data)}", hint="save it as UTF-8",
            where={"file": file, "line": line, "offset": error.start},
        ) from None  # fmt: skip


def _looks_like(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return ", it looks like UTF-16"
    for encoding in ("gbk", "gb18030"):
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return ", it looks like GBK"
    return ""


def read_toml(text: str, file: str, faults: list[Fault]) -> Iterator[RawEntry]:
    """Every entry of the document. Raises InputError `input.format` where it is no TOML."""
    for piece, first_line in _pieces(text):
        try:
            document = tomllib.loads(piece)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            # A piece may be cut within a text of several lines; the whole document has the say, and the true line.
            if len(piece) != len(text):
                _must_parse(text, file, error)
                yield from _entries(_must_parse(text, file, error), text, 1, file, faults)
                return
            _refuse(error, file)
        yield from _entries(document, piece, first_line, file, faults)


def _refuse(error: Exception, file: str) -> None:
    where: dict[str, str | int] = {"file": file}
    if match := re.search(r"line (\d+)", str(error)):
        where["line"] = int(match[1])
    reason = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "too deeply nested"
    raise InputError("input.format", f"not valid TOML: {reason}", hint="mend this line", where=where) from None


def _must_parse(text: str, file: str, _cause: Exception) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        _refuse(error, file)
        raise


def _pieces(text: str) -> Iterator[tuple[str, int]]:
    """Pieces of whole entries, with the number of their first line."""
    start, line = 0, 1
    while len(text) - start > 2 * PIECE_BYTES:
        cut = text.find("\n[[", start + PIECE_BYTES)
        if cut < 0:
            break
        yield text[start : cut + 1], line
        line += text.count("\n", start, cut + 1)
        start = cut + 1
    yield text[start:], line


def _entries(
    document: dict[str, Any], text: str, first_line: int, file: str, faults: list[Fault]
) -> Iterator[RawEntry]:
    headers: dict[str, list[int]] = {}
    for number, written in enumerate(text.split("\n"), first_line):
        if match := _HEADER.match(written):
            headers.setdefault(match[1], []).append(number)
    for name, listed in document.items():
        heads = headers.get(name, [])
        entity = BY_NAME.get(name)
        if entity is None:
            place = Place(file, row=heads[0] if heads else 0, entry=f"[[{name}]]")
            advice = unknown_kind(name)
            if advice.startswith("did"):
                advice = advice.replace("mean ", "mean [[").replace("?", "]]?")
            faults.append(Fault(place, "", f"unknown kind of entry, {advice}"))
            continue
        if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
            faults.append(Fault(Place(file, entry=name), "", f"write entries as [[{name}]]"))
            continue
        known_lines = len(heads) == len(listed)
        for number, entry in enumerate(listed):
            place = Place(file, row=heads[number] if known_lines else 0, entry=f"[[{name}]] {number + 1}")
            yield RawEntry(entity, entry, place)
