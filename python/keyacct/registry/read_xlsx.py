"""Entries of a workbook: a sheet is named after its kind of entry, its first row names the fields.

Formulas and merged cells are refused: what a cell shows is then not what stands in it. Sheets whose name begins with
`_` are for people and are passed over.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from keyacct.errors import InputError
from keyacct.registry.entities import BY_NAME
from keyacct.registry.entry import RawEntry, unknown_kind
from keyacct.registry.fault import Fault, Place
from keyacct.registry.read_csv import entries_of_rows, header_fields

MAX_BYTES = 512 << 20
MAX_RATIO = 200
MAX_MEMBERS = 1000
_CHUNK = 1 << 20
_FORMULA = re.compile(rb"""<(?:\w+:)?c\b[^>]*?\br=["']([A-Z]{1,3}\d{1,7})["'][^>]*>\s*<(?:\w+:)?f\b""")
_BARE_FORMULA = re.compile(rb"<(?:\w+:)?f[\s>/]")
_DOCTYPE = re.compile(rb"<!DOCTYPE", re.IGNORECASE)


def _refuse(file: str, message: str, hint: str, code: str = "input.format") -> InputError:
    return InputError(code, message, hint=hint, where={"file": file})


def _check_container(data: bytes, file: str) -> zipfile.ZipFile:
    """The workbook's container, when it is whole and of reasonable size."""
    try:
        container = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise _refuse(file, f"not a workbook (.xlsx): {error}", "save it again as .xlsx") from None
    members = container.infolist()
    total = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS:
        raise _refuse(file, f"{len(members)} parts in the workbook, {MAX_MEMBERS} at most", "", "input.limit")
    if total > MAX_BYTES or (total > _CHUNK and total > MAX_RATIO * len(data)):
        raise _refuse(
            file, f"{len(data)} bytes unpack to {total}: more than {MAX_RATIO} times or than {MAX_BYTES} bytes",
            "split the workbook", "input.limit",
        )  # fmt: skip
    if any(member.flag_bits & 1 for member in members):
        raise _refuse(file, "the workbook is encrypted", "save it without a password")
    if "xl/workbook.xml" not in container.namelist():
        raise _refuse(file, "not a workbook (.xlsx): it has no xl/workbook.xml", "save it again as .xlsx")
    return container


def _scan(container: zipfile.ZipFile, file: str) -> dict[str, list[str]]:
    """Cells with formulas, by part of the container; every part is read to its end, so damage shows here."""
    formulas: dict[str, list[str]] = {}
    for member in container.infolist():
        try:
            formulas[member.filename] = _scan_part(container, member, file)
        except InputError:
            raise
        except Exception as error:  # many kinds: BadZipFile, zlib.error, EOFError, NotImplementedError …
            raise _refuse(file, f"damaged workbook: {member.filename}: {error}", "save it again as .xlsx") from None
    return formulas


def _scan_part(container: zipfile.ZipFile, member: zipfile.ZipInfo, file: str) -> list[str]:
    sheet = member.filename.startswith("xl/worksheets/") and member.filename.endswith(".xml")
    markup = member.filename.endswith((".xml", ".rels"))
    found: dict[str, None] = {}
    kept, seen = b"", 0
    with container.open(member) as stream:
        while chunk := stream.read(_CHUNK):
            seen += len(chunk)
            if seen > member.file_size:
                raise _refuse(file, f"{member.filename} is longer than it says", "save it again as .xlsx")
            text = kept + chunk
            if markup and _DOCTYPE.search(text):
                raise _refuse(file, f"{member.filename} declares a document type", "save it again as .xlsx")
            if sheet:
                found |= dict.fromkeys(match[1].decode() for match in _FORMULA.finditer(text))
                if not found and _BARE_FORMULA.search(text):
                    found["A1"] = None  # a sheet that does not number its cells
            kept = text[-400:]
    return list(found)


def check_workbook(data: bytes, file: str) -> None:
    """Passes for a whole workbook of reasonable size whose first sheets hold values only. Raises InputError."""
    container = _check_container(data, file)
    formulas = _scan(container, file)
    for part, cells in formulas.items():
        if cells:
            raise _refuse(file, f"cell {cells[0]} of {part} is a formula", "paste its value")


def _parts(container: zipfile.ZipFile) -> dict[str, str]:
    """Sheet name → part of the container, as the workbook says."""
    workbook = container.read("xl/workbook.xml").decode("utf-8", "replace")
    try:
        relations = container.read("xl/_rels/workbook.xml.rels").decode("utf-8", "replace")
    except KeyError:
        return {}
    targets = {}
    for tag in re.findall(r"<Relationship\b[^>]*>", relations):
        found = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        targets[found.get("Id", "")] = found.get("Target", "").removeprefix("/xl/")
    names = {}
    for tag in re.findall(r"<sheet\b[^>]*>", workbook):
        found = dict(re.findall(r'([\w:]+)="([^"]*)"', tag))
        names[found.get("name", "")] = "xl/" + targets.get(found.get("r:id", ""), "")
    return names


def read_xlsx(data: bytes, file: str, faults: list[Fault]) -> Iterator[RawEntry]:
    """Every entry of a workbook. Raises InputError where it is none, is damaged or unpacks to too much."""
    from python_calamine import CalamineWorkbook

    container = _check_container(data, file)
    formulas, parts = _scan(container, file), _parts(container)
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
        names = workbook.sheet_names
    except Exception as error:
        raise _refuse(file, f"not a workbook (.xlsx): {error}", "save it again as .xlsx") from None
    for name in names:
        if name.startswith("_"):
            continue
        entity = BY_NAME.get(name)
        if entity is None:
            faults.append(
                Fault(Place(file, name), "", f"the sheet is named after no kind of entry, {unknown_kind(name)}")
            )
            continue
        try:
            sheet: Any = workbook.get_sheet_by_name(name)
            rows: list[list[Any]] = sheet.to_python(skip_empty_area=False)
            merged = sheet.merged_cell_ranges or []
        except Exception as error:
            raise _refuse(file, f"sheet {name} cannot be read: {error}", "save it again as .xlsx") from None
        before = len(faults)
        for (first, column), (last, end) in merged:
            cells = f"{_letters(column)}{first + 1}:{_letters(end)}{last + 1}"
            faults.append(Fault(Place(file, name, first + 1), _letters(column), f"merged cells {cells}: split them"))
        for cell in formulas.get(parts.get(name, ""), []):
            column_name = cell.rstrip("0123456789")
            row = int(cell.removeprefix(column_name))
            faults.append(Fault(Place(file, name, row), column_name, "is a formula, paste its value"))
        if not rows or len(faults) > before:
            continue
        columns = header_fields(entity, [cell or None for cell in rows[0]], Place(file, name, 1), faults)
        if columns is not None:
            numbered = ((number, row) for number, row in enumerate(rows[1:], 2))
            yield from entries_of_rows(entity, columns, numbered, file, name, faults)


def _letters(column: int) -> str:
    text = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        text = chr(65 + rest) + text
    return text
