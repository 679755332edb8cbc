"""How the columns of a foreign table stand for columns of families: names, units, kind, side, stamps."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from keyacct.errors import InputError, UsageError
from keyacct.store.families import FAMILIES, family_of
from keyacct.toml_file import read_toml

POWERS_OF_TEN: dict[str, dict[str, int]] = {
    "V": {"mV": -3, "V": 0, "kV": 3},
    "A": {"mA": -3, "A": 0, "kA": 3},
    "kW": {"W": -3, "kW": 0, "MW": 3},
    "kvar": {"var": -3, "kvar": 0, "Mvar": 3},
    "kVA": {"VA": -3, "kVA": 0, "MVA": 3},
    "kWh": {"Wh": -3, "kWh": 0, "MWh": 3},
    "kvarh": {"varh": -3, "kvarh": 0, "Mvarh": 3},
    "": {"": 0, "ratio": 0, "%": -2},
}
"""Unit of a family's column → unit of a file → power of ten between them."""

Kind = Literal["interval", "register", "snapshot"]
SIMPLE_FAMILIES = ("voltage", "current", "power", "energy")
"""Families that a table can be mapped to: one value per meter, time and column."""


@dataclass(frozen=True)
class Target:
    """A column of a file: family and column it stands for, power of ten from its unit to the family's."""

    source: str
    family: str
    column: str
    power: int = 0

    @property
    def type(self) -> pa.Decimal128Type:
        """Exact type of the family's column."""
        value = FAMILIES[self.family].value(self.column)
        if value is None:
            raise AssertionError(self.column)
        return value.type


@dataclass(frozen=True)
class TableMapping:
    """How a file is read. meter: of all rows, or else meter_column. stamp: which end of its interval a time names."""

    targets: tuple[Target, ...]
    time_column: str
    meter: str | None = None
    meter_column: str | None = None
    kind: Kind = "interval"
    stamp: Literal["start", "end"] = "end"
    interval_min: int | None = None
    side: Literal["primary", "secondary"] | None = None

    def digest(self) -> str:
        """A name of this way of reading: the same file read otherwise is another batch."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def columns(self) -> list[str]:
        """Columns of the file that are needed."""
        names = [self.time_column, *([self.meter_column] if self.meter_column else [])]
        return list(dict.fromkeys(names + [target.source for target in self.targets]))


def parse_target(source: str, text: str, unit: str | None = None) -> Target:
    """A target from `energy.import`, with the unit of the file. Raises UsageError naming the nearest."""
    family, dot, column = text.strip().partition(".")
    if not dot:
        raise UsageError(
            "usage.invalid", f"{source}={text}: no family.column", hint="write for example kwh=energy.import"
        )
    if family not in SIMPLE_FAMILIES:
        near = difflib.get_close_matches(family, SIMPLE_FAMILIES, n=1)
        raise UsageError(
            "usage.invalid", f"{source}={text}: a table cannot be mapped to family {family!r}",
            hint=f"did you mean {near[0]}?" if near else f"choose one of {', '.join(SIMPLE_FAMILIES)}",
        )  # fmt: skip
    definition = family_of(family)
    value = definition.value(column)
    if value is None:
        near = difflib.get_close_matches(column, definition.value_names, n=1)
        raise UsageError(
            "usage.invalid", f"{source}={text}: family {family} has no column {column!r}",
            hint=f"did you mean {family}.{near[0]}?" if near else f"it has {', '.join(definition.value_names)}",
        )  # fmt: skip
    units = POWERS_OF_TEN[value.unit]
    if unit is not None and unit not in units:
        raise UsageError(
            "usage.invalid", f"{source}: unit {unit!r} does not fit {text}",
            hint=f"it can be {', '.join(name for name in units if name)}",
        )  # fmt: skip
    return Target(source.strip(), family, column, units[unit] if unit is not None else 0)


def parse_pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """`a=b,c=d` (repeatable) as a dictionary. Raises UsageError."""
    pairs: dict[str, str] = {}
    for text in texts:
        for part in text.split(","):
            name, equals, value = part.partition("=")
            if not equals or not name.strip() or not value.strip():
                raise UsageError("usage.invalid", f"{option} {part!r}", hint=f"write {option} COLUMN=VALUE,…")
            if name.strip() in pairs:
                raise UsageError("usage.invalid", f"{option} names {name.strip()!r} twice", hint="name it once")
            pairs[name.strip()] = value.strip()
    return pairs


def read_mapping_file(path: Path) -> dict[str, Any]:
    """A TOML mapping: the options by their names (`time_column`, `kind`, …), and
    `[columns]` with `name = "energy.import"` or `name = { to = "energy.import", unit = "Wh" }`. Raises InputError.
    """
    where = {"file": str(path)}
    return read_toml(
        path, lambda said: InputError("input.format", f"not valid TOML: {said}", hint="mend the line", where=where)
    )


def build_mapping(
    columns: Mapping[str, str], units: Mapping[str, str], document: Mapping[str, Any], **options: str | int | None
) -> TableMapping:
    """A mapping from the options and, below them, a mapping file. Raises UsageError."""
    known = {"time_column", "meter", "meter_column", "kind", "stamp", "interval_min", "side"}
    for name in document:
        if name not in known | {"columns"}:
            near = difflib.get_close_matches(name, known | {"columns"}, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))} and [columns]"
            raise UsageError("usage.invalid", f"unknown key {name!r} in the mapping file", hint=hint)
    listed: dict[str, tuple[str, str | None]] = {}
    for name, entry in dict(document.get("columns", {})).items():
        to, unit = (entry.get("to", ""), entry.get("unit")) if isinstance(entry, dict) else (str(entry), None)
        listed[name] = (to, unit)
    for name, to in columns.items():
        listed[name] = (to, listed.get(name, ("", None))[1])
    for name, unit in units.items():
        if name not in listed:
            raise UsageError("usage.invalid", f"--unit names {name!r}, which is not mapped", hint="map it with --map")
        listed[name] = (listed[name][0], unit)
    if not listed:
        raise UsageError("usage.invalid", "no column is mapped", hint="write for example --map kwh=energy.import")
    targets = tuple(parse_target(name, to, unit) for name, (to, unit) in listed.items())
    twice = {
        (t.family, t.column) for t in targets if sum((t.family, t.column) == (o.family, o.column) for o in targets) > 1
    }
    if twice:
        family, column = sorted(twice)[0]
        raise UsageError("usage.invalid", f"two columns are mapped to {family}.{column}", hint="map one of them")
    chosen: dict[str, Any] = {name: value for name, value in document.items() if name in known}
    chosen.update({name: value for name, value in options.items() if name in known and value is not None})
    choices = {
        "kind": ("interval", "register", "snapshot"),
        "stamp": ("start", "end"),
        "side": ("primary", "secondary"),
    }
    for name, allowed in choices.items():
        if name in chosen and chosen[name] not in allowed:
            raise UsageError("usage.invalid", f"{name} {chosen[name]!r}", hint=f"choose one of {', '.join(allowed)}")
    chosen.setdefault("time_column", "ts")
    mapping = TableMapping(targets, **chosen)
    if (mapping.meter is None) == (mapping.meter_column is None):
        raise UsageError("usage.invalid", "whose values are these?", hint="give --meter NO or --meter-column NAME")
    if mapping.stamp == "start" and mapping.kind != "interval":
        raise UsageError(
            "usage.invalid", f"--stamp start with --kind {mapping.kind}", hint="only intervals have a start"
        )
    return mapping
