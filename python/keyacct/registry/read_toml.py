"""Entries of a TOML document, with the line of each; long documents are read piece by piece."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any, NoReturn

from keyacct.errors import InputError
from keyacct.registry.entities import BY_NAME
from keyacct.registry.entry import RawEntry, unknown_kind
from keyacct.registry.fault import Fault, Place

PIECE_CHARACTERS = 256 * 1024
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
    start, line = 0, 1
    while start < len(text):
        end, document = _piece(text, start, file)
        yield from _entries(document, text[start:end], line, file, faults)
        line += text.count("\n", start, end)
        start = end


def _piece(text: str, start: int, file: str) -> tuple[int, dict[str, Any]]:
    """Whole entries from `start` on, parsed, and where they end."""
    least = start + PIECE_CHARACTERS
    while True:
        cut = text.find("\n[[", least) if len(text) - least > PIECE_CHARACTERS else -1
        end = cut + 1 if cut >= 0 else len(text)
        try:
            return end, tomllib.loads(text[start:end])
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            # The cut may lie within a text of several lines: then a longer piece is good.
            if end == len(text):
                _refuse(error, file, text.count("\n", 0, start))
            least = end


def _refuse(error: Exception, file: str, lines_before: int) -> NoReturn:
    where: dict[str, str | int] = {"file": file}
    reason = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "too deeply nested"
    if match := re.search(r"line (\d+)", reason):
        where["line"] = int(match[1]) + lines_before
        reason = f"{reason[: match.start()]}line {where['line']}{reason[match.end() :]}"
    raise InputError("input.format", f"not valid TOML: {reason}", hint="mend this line", where=where) from None


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
