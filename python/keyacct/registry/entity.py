"""What an entry of the registry is: `Field` a column, `Entity` a table with its rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

Row = Mapping[str, Any]
Kind = Literal["text", "ratio", "amount", "signed", "decimal", "whole", "season", "clock", "date", "moment", "flag"]
"""How a value is written: text; ratio a positive number or "500/5"; amount a number from 0 on; signed any number;
decimal an exact number from 0 on (money, registers); whole a whole number from 0 on; season "07-01"; clock "08:30";
date 2026-07-01; moment a date or a time; flag true or false.
"""


@dataclass(frozen=True)
class Field:
    """A column. kind: how it is written; choices: the only values allowed; refers: table whose key it names;
    most: the largest value (numbers) or length (text).
    """

    name: str
    kind: Kind = "text"
    required: bool = False
    choices: tuple[str, ...] = ()
    default: Any = None
    refers: str = ""
    most: float = 0


@dataclass(frozen=True)
class Entity:
    """A table. key: fields that identify an entry (with valid_from where dated). single: what may hold only once at a
    time. tree: (field, scope fields): the field names another entry of the same table (and scope) and must not lead
    back to where it started. check: what else an entry must satisfy, a sentence or None.
    """

    table: sa.Table
    fields: tuple[Field, ...]
    key: tuple[str, ...]
    dated: bool = False
    single: tuple[tuple[str, ...], ...] = ()
    tree: tuple[str, tuple[str, ...]] | None = None
    check: Callable[[Row], str | None] | None = None

    @property
    def name(self) -> str:
        """Name of the table and of its TOML entries."""
        return self.table.name

    @property
    def full_key(self) -> tuple[str, ...]:
        """Key columns, with the beginning of validity."""
        return (*self.key, "valid_from") if self.dated else self.key

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column in the order of the document."""
        names = tuple(field.name for field in self.fields)
        return (*names, "valid_from", "valid_to") if self.dated else names

    def field(self, name: str) -> Field | None:
        """The field of a name."""
        return next((field for field in self.fields if field.name == name), None)
