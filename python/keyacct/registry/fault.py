"""What is wrong with an entry, and where it stands: file, sheet, row, column."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from keyacct.errors import ConfigError

MAX_FAULTS_SHOWN = 50
"""Faults in the text of an error; the command lists them all."""


@dataclass(frozen=True)
class Place:
    """Where an entry stands. row: line of a text file, row of a sheet, 0 when unknown. entry: how a person names it."""

    file: str
    sheet: str = ""
    row: int = 0
    entry: str = ""


@dataclass(frozen=True)
class Fault:
    """One bad cell or entry."""

    place: Place
    column: str
    message: str

    def __str__(self) -> str:
        at = self.place
        parts = [f"sheet {at.sheet}"] if at.sheet else []
        if at.row:
            parts.append(f"{'row' if at.sheet else 'line'} {at.row}")
        if at.entry:
            parts.append(at.entry)
        text = f"{self.column}: {self.message}" if self.column else self.message
        return f"{', '.join(parts)}: {text}" if parts else text

    def as_row(self) -> dict[str, Any]:
        """As a row for printing."""
        at = self.place
        return {
            "file": at.file, "sheet": at.sheet or None, "row": at.row or None, "column": self.column or None,
            "entry": at.entry or None, "reason": self.message,
        }  # fmt: skip


def in_order(faults: Iterable[Fault]) -> list[Fault]:
    """Without repeats, by file, sheet and row."""
    seen = dict.fromkeys(faults)
    return sorted(
        seen,
        key=lambda f: (f.place.file, f.place.sheet, f.place.row or sys.maxsize, f.place.entry, f.column, f.message),
    )


def registry_invalid(faults: list[Fault], *, listed: bool = False) -> ConfigError:
    """The error that says what is wrong; `faults` in order, at least one. listed: they are shown elsewhere already."""
    several = len({fault.place.file for fault in faults}) > 1
    shown = [f"{fault.place.file}: {fault}" if several else str(fault) for fault in faults[:MAX_FAULTS_SHOWN]]
    if len(faults) > len(shown):
        shown.append(f"… and {len(faults) - len(shown)} more")
    first = faults[0].place
    where: dict[str, str | int] = {"file": first.file}
    if first.row:
        where["row" if first.sheet else "line"] = first.row
    message = shown[0]
    if len(faults) > 1 and listed:
        message = f"{len(faults)} faults, nothing was imported; the first: {shown[0]}"
    elif len(faults) > 1:
        message = f"{len(faults)} faults, nothing was imported:\n  " + "\n  ".join(shown)
    return ConfigError("config.registry_invalid", message, hint="mend the entries named and import again", where=where)


def at_entry(place: Place, entry: str) -> Place:
    """The place with another name of the entry."""
    return replace(place, entry=entry)
