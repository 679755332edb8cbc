"""Columns as every table of the database has them: text, 64-bit whole numbers, doubles, validity."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Text


def text(name: str, refers: str = "", *, key: bool = False, null: bool = False) -> Column[str]:
    """A text; refers: `table.column` whose value it names."""
    more = (ForeignKey(refers),) if refers else ()
    return Column(name, Text, *more, primary_key=key, nullable=null)


def whole(name: str, *, key: bool = False, null: bool = False) -> Column[int]:
    """A whole number of 64 bits; instants are UTC milliseconds, flags 0 and 1."""
    return Column(name, BigInteger, primary_key=key, nullable=null)


def real(name: str, *, null: bool = False) -> Column[float]:
    """A double."""
    return Column(name, Float(53), nullable=null)


def dated() -> tuple[Column[int], Column[int]]:
    """A row holds for [valid_from, valid_to); the first is part of the key."""
    return whole("valid_from", key=True), whole("valid_to")
