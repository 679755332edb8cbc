"""The priority table as a file: CSV (UTF-8 or GB 18030) or the first sheet of a workbook, heads in English or Chinese.

Columns: account_no (户号), seq (序号), cls (等级, 1 most important … 4 first to be shed, 0 protected), protected (保护),
weight (权重), remark (备注). Without `seq` the order of the rows counts; further columns are refused, so that a
misspelt one is not passed over.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from keyacct.errors import InputError
from keyacct.registry.read_xlsx import check_workbook

HEADS = {
    "户号": "account_no", "序号": "seq", "序位": "seq", "等级": "cls", "类别": "cls", "保护": "protected",
    "是否保护": "protected", "权重": "weight", "备注": "remark", "户名": "account_name",
}  # fmt: skip
COLUMNS = ("account_no", "seq", "cls", "protected", "weight", "remark", "account_name")
YES, NO = ("1", "true", "yes", "是"), ("", "0", "false", "no", "否")
MOST_ROWS = 200_000


@dataclass(frozen=True)
class Entry:
    """An account in the table. row: of the file, from 1, the head included (0: not from a file)."""

    account_no: str
    seq: int
    cls: int
    protected: bool
    weight: float | None
    remark: str | None
    row: int


def read_entries(data: bytes, file: str) -> list[Entry]:
    """Every entry of a file. Raises InputError with file, row and column."""
    rows = _workbook_rows(data, file) if data[:2] == b"PK" else _csv_rows(data, file)
    head: list[str] | None = None
    entries: list[Entry] = []
    for number, cells in rows:
        texts = [_text(cell) for cell in cells]
        if not any(texts):
            continue
        if head is None:
            head = _head(texts, file, number)
            continue
        if any(texts[len(head) :]):
            raise _bad("a cell beyond the last column of the head", file, number, None)
        values = dict(zip(head, [*texts, *[""] * len(head)], strict=False))
        entries.append(_entry(values, len(entries) + 1, file, number))
        if len(entries) > MOST_ROWS:
            raise InputError("input.limit", f"more than {MOST_ROWS} rows", hint="", where={"file": file})
    if not entries:
        raise InputError("input.empty", "the table holds no account", hint="one row per account", where={"file": file})
    _refuse_doubles(entries, file)
    return entries


def _refuse_doubles(entries: list[Entry], file: str) -> None:
    accounts: dict[str, int] = {}
    places: dict[int, int] = {}
    for entry in entries:
        if entry.account_no in accounts:
            what = f"account {entry.account_no!r} stands in row {accounts[entry.account_no]} already"
            raise _bad(what, file, entry.row, "account_no")
        if entry.seq in places:
            raise _bad(f"place {entry.seq} stands in row {places[entry.seq]} already", file, entry.row, "seq")
        accounts[entry.account_no], places[entry.seq] = entry.row, entry.row


def _head(texts: list[str], file: str, row: int) -> list[str]:
    while texts and not texts[-1]:
        texts.pop()
    head = [HEADS.get(text, text.lower()) for text in texts]
    for text, name in zip(texts, head, strict=True):
        if name not in COLUMNS:
            raise _bad(f"unknown column {text!r}, known are {', '.join(COLUMNS)}", file, row, None)
        if head.count(name) > 1:
            raise _bad(f"the column {name} stands twice", file, row, None)
    for name in ("account_no", "cls"):
        if name not in head:
            raise InputError(
                "input.schema", f"the column '{name}' is missing", hint=f"columns are {', '.join(COLUMNS)}",
                where={"file": file, "row": row},
            )  # fmt: skip
    return head


def _entry(values: dict[str, str], place: int, file: str, row: int) -> Entry:
    account = values["account_no"]
    if not account:
        raise _bad("the account is missing", file, row, "account_no")
    flag = values.get("protected", "").lower()
    if flag not in YES + NO:
        raise _bad(f"{flag!r} is neither yes nor no", file, row, "protected")
    protected = flag in YES
    text = values["cls"] or ("0" if protected else "")
    if text not in ("0", "1", "2", "3", "4"):
        raise _bad(f"{text!r} is no class 0 to 4", file, row, "cls")
    cls = int(text)
    if protected and cls != 0:
        raise _bad(f"account {account!r} is protected, but of class {cls}", file, row, "cls")
    seq = place
    if values.get("seq"):
        try:
            seq = int(values["seq"])
        except ValueError:
            seq = -1
        if seq < 0:
            raise _bad(f"{values['seq']!r} is no place in a list", file, row, "seq")
    weight: float | None = None
    if values.get("weight"):
        try:
            weight = float(values["weight"])
        except ValueError:
            weight = math.nan
        if not math.isfinite(weight) or weight <= 0:
            raise _bad(f"{values['weight']!r} is no weight above 0", file, row, "weight")
    return Entry(account, seq, cls, cls == 0, weight, values.get("remark") or None, row)


def _bad(what: str, file: str, row: int, column: str | None) -> InputError:
    where: dict[str, str | int] = {"file": file, "row": row}
    if column is not None:
        where["column"] = column
    return InputError("input.value", what, hint="mend the row and import again; nothing was stored", where=where)


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def decode(data: bytes, file: str) -> str:
    """The text of a file in UTF-8 (with or without mark) or GB 18030. Raises InputError."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError("input.format", "neither UTF-8 nor GB 18030", hint="save it as UTF-8", where={"file": file})


def _csv_rows(data: bytes, file: str) -> Iterator[tuple[int, list[Any]]]:
    reader = csv.reader(io.StringIO(decode(data, file), newline=""), strict=True)
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        where: dict[str, str | int] = {"file": file, "row": reader.line_num}
        raise InputError("input.format", f"not valid CSV: {error}", hint="mend this line", where=where) from None


def _workbook_rows(data: bytes, file: str) -> Iterator[tuple[int, list[Any]]]:
    from python_calamine import CalamineWorkbook

    check_workbook(data, file)
    try:
        rows = CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0).to_python(skip_empty_area=False)
    except Exception as error:
        raise InputError(
            "input.format", f"not a workbook (.xlsx): {error}", hint="save it again as .xlsx", where={"file": file}
        ) from None
    yield from enumerate(rows, 1)
