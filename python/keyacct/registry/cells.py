"""Cells of a table file as values of TOML's types, and back: empty is absent, a formula is refused."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from typing import Any

from keyacct.database.tables import BEGINNING_MS, END_MS
from keyacct.registry.entity import Field
from keyacct.registry.values import format_instant

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_WHOLE = re.compile(r"-?\d{1,18}")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_TRUE = {"true": True, "TRUE": True, "True": True, "false": False, "FALSE": False, "False": False}
INSTANT = Field("valid_from", "moment")


def value_of_cell(field: Field, cell: object) -> Any:
    """What a cell says of a field. Raises ValueError with a sentence."""
    if isinstance(cell, str):
        return _value_of_text(field, cell)
    if field.kind == "text":
        if isinstance(cell, float | int) and not isinstance(cell, bool) and float(cell).is_integer():
            if str(int(cell)) in field.choices:
                return str(int(cell))
            raise ValueError(f"{int(cell)} is a number here, format the cell as text (zeros in front would be lost)")
        raise ValueError(f"{cell!r} is no text, format the cell as text")
    if field.kind == "whole" and isinstance(cell, float) and cell.is_integer():
        return int(cell)
    if isinstance(cell, dt.time) and field.kind == "clock":
        return cell.strftime("%H:%M")
    if isinstance(cell, float | int | bool | dt.date):
        return cell
    raise ValueError(f"{cell!r} cannot be read, write it as text or number")


def _value_of_text(field: Field, cell: str) -> Any:
    if cell.startswith("="):
        raise ValueError("is a formula, write its value (a text that begins with = is written '=)")
    if field.kind == "text":
        return cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell
    text = cell.strip()
    if field.kind == "whole" and _WHOLE.fullmatch(text):
        return int(text)
    if field.kind in ("ratio", "amount", "signed") and _NUMBER.fullmatch(text):
        return float(text)
    if field.kind == "flag" and text in _TRUE:
        return _TRUE[text]
    return text


def cell_of_value(field: Field, value: Any, zone: zoneinfo.ZoneInfo) -> Any:
    """A value as a cell: text, number, or None; what a spreadsheet would take for a formula is marked as text."""
    if value is None or (field.kind == "moment" and value in (BEGINNING_MS, END_MS)):
        return None
    if field.kind == "text":
        return f"'{value}" if _FORMULA.match(value) else value
    if field.kind == "season":
        return f"{value // 100:02d}-{value % 100:02d}"
    if field.kind == "clock":
        return f"{value // 60:02d}:{value % 60:02d}"
    if field.kind == "moment":
        return format_instant(value, zone)
    if field.kind == "flag":
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
