"""`registry import`: a TOML document into the registry, all of it or nothing, every fault named with its place."""

from __future__ import annotations

import difflib
import hashlib
import re
import sys
import tomllib
import zoneinfo
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from keyacct.config import Workspace
from keyacct.database import audit
from keyacct.database.engine import open_database
from keyacct.database.tables import BEGINNING_MS, END_MS
from keyacct.errors import ConfigError, InputError
from keyacct.registry.document import Rows, read_rows
from keyacct.registry.entities import BY_NAME, ENTITIES, TERMS
from keyacct.registry.entity import Entity
from keyacct.registry.values import format_instant, parse_instant, parse_value, ratio_parts

MAX_FAULTS_SHOWN = 50


@dataclass
class Changes:
    """What an import changed: per entity the number of entries added, changed, removed and left as they were."""

    added: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)
    unchanged: dict[str, int] = field(default_factory=dict)

    def rows(self) -> list[dict[str, str | int]]:
        """One row per entity that the document or the registry holds."""
        parts = {
            "added": self.added,
            "changed": self.changed,
            "removed": self.removed,
            "unchanged": self.unchanged,
        }
        return [
            {"entity": entity.name, **{name: part.get(entity.name, 0) for name, part in parts.items()}}
            for entity in ENTITIES
            if any(part.get(entity.name) for part in parts.values())
        ]

    @property
    def total(self) -> int:
        """Entries that differ from before."""
        return sum(sum(part.values()) for part in (self.added, self.changed, self.removed))


_PlaceOf = Callable[[str, tuple[Any, ...]], tuple[int, str]]


@dataclass(frozen=True)
class Fault:
    """One bad entry: line of the file (0 when unknown), place as a person reads it, what is wrong."""

    line: int
    place: str
    message: str

    def __str__(self) -> str:
        return f"{f'line {self.line}, ' if self.line else ''}{self.place}: {self.message}"


def import_registry(
    workspace: Workspace, text: str, *, file: str = "-", replace: bool = False, dry_run: bool = False
) -> Changes:
    """Take a TOML document into the registry, in one transaction.

    Entries are recognised by their key (and valid_from): known ones are brought up to date, new ones added. With
    `replace` the document is the whole registry and what it leaves out is removed. The same document again changes
    nothing. The slots of a tariff table are given together: those of the document take the place of all it had.
    Raises InputError (no TOML), ConfigError `config.registry_invalid` that lists every fault; then nothing is
    written.
    """
    entries, lines, faults = _parse(text, file, workspace)
    if not replace and not faults and not any(entries.values()):
        raise InputError(
            "input.empty", "there is no entry in the document", hint="see `keyacct registry export` for the form",
            where={"file": file},
        )  # fmt: skip
    database = open_database(workspace)
    with database.read() if dry_run else database.write() as connection:
        before = read_rows(connection)
        after: Rows = {name: {} if replace else dict(rows) for name, rows in before.items()}
        for name, rows in entries.items():
            if name == "tariff_slot":  # the slots of a table are given together
                given = {row["tariff_table"] for row in rows.values()}
                after[name] = {key: row for key, row in after[name].items() if row["tariff_table"] not in given}
            after[name].update(rows)
        faults += list(_check(after, lines, workspace.zone))
        if faults:
            raise _invalid(faults, file)
        changes = _difference(before, after)
        if changes.total and not dry_run:
            database.defer_references(connection)
            _apply(connection, before, after)
            body = {
                "file": file, "sha256": hashlib.sha256(text.encode()).hexdigest(), "replace": replace,
                "added": changes.added, "changed": changes.changed, "removed": changes.removed,
            }  # fmt: skip
            audit.append(connection, "registry.import", body)
    return changes


def _invalid(faults: list[Fault], file: str) -> ConfigError:
    faults = sorted(set(faults), key=lambda fault: (fault.line or sys.maxsize, fault.place, fault.message))
    shown = [str(fault) for fault in faults[:MAX_FAULTS_SHOWN]]
    if len(faults) > len(shown):
        shown.append(f"… and {len(faults) - len(shown)} more")
    number = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    where: dict[str, str | int] = {"file": file}
    if faults[0].line:
        where["line"] = faults[0].line
    message = f"{number}, nothing was imported:\n  " + "\n  ".join(shown) if len(faults) > 1 else str(faults[0])
    return ConfigError("config.registry_invalid", message, hint="mend the entries named and import again", where=where)


def _parse(
    text: str, file: str, workspace: Workspace
) -> tuple[Rows, dict[tuple[str, tuple[Any, ...]], tuple[int, str]], list[Fault]]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(
            "input.format", f"not valid TOML: {error}", hint="mend this line", where={"file": file}
        ) from None
    headers: dict[str, list[int]] = {}
    for number, written in enumerate(text.splitlines(), 1):
        if match := re.match(r"\s*\[\[\s*\"?(\w+)\"?\s*\]\]", written):
            headers.setdefault(match[1], []).append(number)
    rows: Rows = {entity.name: {} for entity in ENTITIES}
    lines: dict[tuple[str, tuple[Any, ...]], tuple[int, str]] = {}
    faults: list[Fault] = []
    for name, listed in document.items():
        entity = BY_NAME.get(name)
        if entity is None:
            near = difflib.get_close_matches(name, BY_NAME, n=1)
            advice = f", did you mean [[{near[0]}]]?" if near else f", known are {', '.join(BY_NAME)}"
            faults.append(Fault(headers.get(name, [0])[0], f"[[{name}]]", f"unknown kind of entry{advice}"))
            continue
        if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
            faults.append(Fault(0, name, f"write entries as [[{name}]]"))
            continue
        heads = headers.get(name, [])
        for number, entry in enumerate(listed):
            line = heads[number] if len(heads) == len(listed) else 0
            place = f"[[{name}]] {number + 1}"
            if name == "account" and (terms := {key: entry.pop(key) for key in TERMS if key in entry}):
                held = _entry(BY_NAME["account_terms"], {"account_no": entry.get("account_no"), **terms}, line, place,
                              workspace, faults)  # fmt: skip
                if held is not None:
                    rows["account_terms"][held["account_no"], held["valid_from"]] = held
                    lines["account_terms", (held["account_no"], held["valid_from"])] = (line, place)
            row = _entry(entity, entry, line, place, workspace, faults)
            if row is None:
                continue
            key = tuple(row[column] for column in entity.full_key)
            place += f" ({', '.join(str(row[column]) for column in entity.key)})"
            if key in rows[name]:
                faults.append(Fault(line, place, f"the same entry as in line {lines[name, key][0]}"))
            rows[name][key] = row
            lines[name, key] = (line, place)
    return rows, lines, faults


def _entry(
    entity: Entity, entry: Mapping[str, Any], line: int, place: str, workspace: Workspace, faults: list[Fault]
) -> dict[str, Any] | None:
    """The row of one entry, or None after noting what is wrong with it."""
    before = len(faults)
    known = [field.name for field in entity.fields] + (["valid_from", "valid_to"] if entity.dated else [])
    for name in entry:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            advice = f", did you mean {near[0]}?" if near else f", known are {', '.join(known)}"
            faults.append(Fault(line, place, f"unknown key {name}{advice}"))
    for name, unit in (("pt", "v"), ("ct", "a")):  # "500/5" also tells the nameplate
        if entity.name == "point_ratio" and (parts := ratio_parts(entry.get(name))):
            entry = {f"{name}_primary_{unit}": parts[0], f"{name}_secondary_{unit}": parts[1], **entry}
    row: dict[str, Any] = {}
    for wanted in entity.fields:
        if wanted.name not in entry:
            if wanted.required:
                faults.append(Fault(line, place, f"{wanted.name} is missing"))
            default = wanted.default
            if entity.name == "meter" and wanted.name == "interval_min":
                default = workspace.settings.samples.interval_min
            row[wanted.name] = default
            continue
        try:
            row[wanted.name] = parse_value(wanted, entry[wanted.name], workspace.zone)
        except ValueError as error:
            faults.append(Fault(line, place, f"{wanted.name}: {error}"))
    if entity.dated:
        for name, default in (("valid_from", BEGINNING_MS), ("valid_to", END_MS)):
            try:
                row[name] = parse_instant(entry[name], workspace.zone) if name in entry else default
            except ValueError as error:
                faults.append(Fault(line, place, f"{name}: {error}"))
    if len(faults) > before:
        return None
    if entity.dated and row["valid_from"] >= row["valid_to"]:
        faults.append(Fault(line, place, "valid_to is not after valid_from"))
        return None
    if entity.check is not None and (message := entity.check(row)) is not None:
        faults.append(Fault(line, place, message))
        return None
    return row


def _check(
    rows: Rows, lines: Mapping[tuple[str, tuple[Any, ...]], tuple[int, str]], zone: zoneinfo.ZoneInfo
) -> Iterator[Fault]:
    """Faults of the registry as a whole: names that lead nowhere, overlapping validity, tariffs with holes."""

    def at(name: str, key: tuple[Any, ...]) -> tuple[int, str]:
        return lines.get((name, key), (0, f"{name} {', '.join(str(part) for part in key)} (in the registry)"))

    for entity in ENTITIES:
        own = rows[entity.name]
        for wanted in entity.fields:
            if not wanted.refers:
                continue
            target = rows[wanted.refers]
            for key, row in own.items():
                if row[wanted.name] is not None and (row[wanted.name],) not in target:
                    near = difflib.get_close_matches(row[wanted.name], [k[0] for k in target], n=1)
                    advice = f", did you mean {near[0]}?" if near else ""
                    yield Fault(*at(entity.name, key), f"there is no {wanted.refers} {row[wanted.name]}{advice}")
        for columns in entity.single:
            groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
            for row in own.values():
                groups.setdefault(tuple(row[column] for column in columns), []).append(row)
            for group in groups.values():
                group.sort(key=lambda row: row["valid_from"])
                for first, second in pairwise(group):
                    if second["valid_from"] < first["valid_to"]:
                        keys = [tuple(row[name] for name in entity.full_key) for row in (second, first)]
                        # Name the entry of the file, where only one of the two is in it.
                        key = next((key for key in keys if (entity.name, key) in lines), keys[0])
                        yield Fault(*at(entity.name, key), _overlap(first, second, columns, zone))
        yield from _check_tree(entity, own, at)
    yield from _check_tariffs(rows, at)
    for key in rows["exchange_reading"]:
        if key[:2] not in rows["meter_exchange"]:
            yield Fault(*at("exchange_reading", key), "there is no meter_exchange of this point at this time")


def _check_tree(entity: Entity, rows: Mapping[tuple[Any, ...], Mapping[str, Any]], at: _PlaceOf) -> Iterator[Fault]:
    """Entries that name each other in a circle, or a source that stands in for one which is not there."""
    if entity.tree is None:
        return
    name, scope = entity.tree
    own = entity.key[-1]
    above = {(*(row[s] for s in scope), row[own]): row[name] for row in rows.values()}
    for key, row in rows.items():
        group, here = tuple(row[s] for s in scope), row[name]
        if here is not None and not entity.field(name).refers and (*group, here) not in above:  # type: ignore[union-attr]
            yield Fault(*at(entity.name, key), f"{name}: there is no {entity.name} {here} of this {' '.join(scope)}")
        seen = [row[own]]
        while here is not None and here not in seen:
            seen.append(here)
            here = above.get((*group, here))
        if here == row[own]:
            circle = " → ".join([*seen, here])
            yield Fault(*at(entity.name, key), f"{name} leads in a circle: {circle}")


def _overlap(
    first: Mapping[str, Any], second: Mapping[str, Any], columns: tuple[str, ...], zone: zoneinfo.ZoneInfo
) -> str:
    begin = format_instant(first["valid_from"], zone) or "always"
    end = format_instant(first["valid_to"], zone) or "open"
    what = ", ".join(f"{column} {second[column]}" for column in columns)
    start = format_instant(second["valid_from"], zone) or "always"
    return (
        f"validity overlaps for {what}: one entry holds {begin} to {end}, another from {start}; "
        "give the first a valid_to"
    )


def _check_tariffs(rows: Rows, at: _PlaceOf) -> Iterator[Fault]:
    """Slots of one table, season and day type must cover the day exactly once."""
    groups: dict[tuple[str, int, str], list[tuple[tuple[Any, ...], dict[str, Any]]]] = {}
    for key, row in rows["tariff_slot"].items():
        groups.setdefault((row["tariff_table"], row["season_from"], row["day_type"]), []).append((key, row))
    for slots in groups.values():
        slots.sort(key=lambda slot: slot[1]["start_min"])
        minute = 0
        for key, row in slots:
            if row["season_to"] != slots[0][1]["season_to"]:
                yield Fault(*at("tariff_slot", key), "season_to differs from the other slots of this season")
            if row["start_min"] != minute:
                what = "overlaps the slot before it" if row["start_min"] < minute else "leaves a gap before it"
                yield Fault(*at("tariff_slot", key), f"{what}: the day is covered up to {_clock(minute)}")
            minute = row["end_min"]
        if minute != 1440:
            yield Fault(*at("tariff_slot", slots[-1][0]), f"the day is covered only up to {_clock(minute)}")


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _difference(before: Rows, after: Rows) -> Changes:
    changes = Changes()
    for entity in ENTITIES:
        old, new = before[entity.name], after[entity.name]
        changes.added[entity.name] = len(new.keys() - old.keys())
        changes.removed[entity.name] = len(old.keys() - new.keys())
        same = old.keys() & new.keys()
        changes.changed[entity.name] = sum(old[key] != new[key] for key in same)
        changes.unchanged[entity.name] = len(same) - changes.changed[entity.name]
    return changes


def _apply(connection: sa.Connection, before: Rows, after: Rows) -> None:
    """Write the difference; what changes its validity is taken out first, so that no passing state overlaps."""
    for entity in reversed(ENTITIES):
        old, new = before[entity.name], after[entity.name]
        gone = [key for key in old if key not in new or old[key] != new[key]]
        if gone:
            where = sa.and_(*(entity.table.c[name] == sa.bindparam(f"k_{name}") for name in entity.full_key))
            keys = [{f"k_{name}": part for name, part in zip(entity.full_key, key, strict=True)} for key in gone]
            connection.execute(entity.table.delete().where(where), keys)
    for entity in ENTITIES:
        old, new = before[entity.name], after[entity.name]
        fresh = [row for key, row in new.items() if old.get(key) != row]
        if fresh:
            connection.execute(entity.table.insert(), fresh)
