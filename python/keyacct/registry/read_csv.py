"""Entries of a CSV file: the file is named after its kind of entry, its first line names the fields."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from keyacct.errors import InputError
from keyacct.registry.cells import INSTANT, value_of_cell
from keyacct.registry.entities import BY_NAME
from keyacct.registry.entity import Entity, Field
from keyacct.registry.entry import RawEntry, unknown_kind
from keyacct.registry.fault import Fault, Place
from keyacct.registry.read_toml import decode_text

MAX_LINE_BYTES = 1 << 20


def header_fields(
    entity: Entity, header: Sequence[object], place: Place, faults: list[Fault]
) -> list[tuple[str, Field]] | None:
    """The field of every column, None after noting what is wrong with the header."""
    names = [str(cell).strip() if cell is not None else "" for cell in header]
    while names and not names[-1]:
        names.pop()
    before = len(faults)
    columns: list[tuple[str, Field]] = []
    for number, name in enumerate(names, 1):
        field = entity.field(name) or (INSTANT if entity.dated and name in ("valid_from", "valid_to") else None)
        if not name:
            faults.append(Fault(place, f"column {number}", "has no name in the first row"))
        elif field is None:
            faults.append(Fault(place, name, f"no field of {entity.name}, known are {', '.join(entity.columns)}"))
        elif names.index(name) != number - 1:
            faults.append(Fault(place, name, "stands twice in the first row"))
        else:
            columns.append((name, field))
    faults.extend(
        Fault(place, field.name, "is missing in the first row")
        for field in entity.fields
        if field.required and field.name not in names
    )
    return columns if len(faults) == before else None


def entries_of_rows(
    entity: Entity, columns: Sequence[tuple[str, Field]], rows: Iterable[tuple[int, Sequence[object]]], file: str,
    sheet: str, faults: list[Fault],
) -> Iterator[RawEntry]:  # fmt: skip
    """One entry per row that is not empty."""
    for number, cells in rows:
        place = Place(file, sheet, number)
        before, values = len(faults), {}
        if any(cell not in (None, "") for cell in cells[len(columns) :]):
            faults.append(Fault(place, f"column {len(columns) + 1}", "a cell without a name in the first row"))
        for (name, field), cell in zip(columns, cells, strict=False):
            if cell is None or cell == "":
                continue
            try:
                values[name] = value_of_cell(field, cell)
            except ValueError as error:
                faults.append(Fault(place, name, str(error)))
        if values and len(faults) == before:
            yield RawEntry(entity, values, place)


def _lines(stream: IO[bytes], file: str) -> Iterator[str]:
    first, number, offset = True, 0, 0
    while line := stream.readline(MAX_LINE_BYTES):
        number += 1
        if first and line.startswith(b"\xef\xbb\xbf"):
            line = line[3:]
        first = False
        if len(line) == MAX_LINE_BYTES:
            raise InputError(
                "input.limit", f"line {number} is longer than {MAX_LINE_BYTES} bytes", hint="check the quotes",
                where={"file": file, "line": number},
            )  # fmt: skip
        try:
            yield line.decode()
        except UnicodeDecodeError:
            stream.seek(0)
            decode_text(stream.read(), file)  # raises, with the place and what the file looks like
            raise
        offset += len(line)


def read_csv(stream: IO[bytes], file: str, faults: list[Fault], kind: str = "") -> Iterator[RawEntry]:
    """Every entry of a CSV file in UTF-8. Raises InputError (encoding, quotes, over-long lines)."""
    name = kind or Path(file).stem
    entity = BY_NAME.get(name)
    if entity is None:
        faults.append(Fault(Place(file), "", f"the file is named after no kind of entry, {unknown_kind(name)}"))
        return
    reader = csv.reader(_lines(stream, file), strict=True)
    try:
        header = next(reader, None)
        if header is None:
            return
        columns = header_fields(entity, header, Place(file, row=1), faults)
        if columns is None:
            return
        rows = ((reader.line_num, row) for row in reader)
        yield from entries_of_rows(entity, columns, rows, file, "", faults)
    except csv.Error as error:
        raise InputError(
            "input.format", f"not valid CSV: {error}", hint="mend this line",
            where={"file": file, "line": reader.line_num},
        ) from None  # fmt: skip


def read_csv_bytes(data: bytes, file: str, faults: list[Fault], kind: str = "") -> Iterator[RawEntry]:
    """The same of bytes in memory (standard input)."""
    return read_csv(io.BytesIO(data), file, faults, kind)
