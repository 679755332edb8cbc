"""One entry of a document as a row of the database, or every reason why it is none."""

from __future__ import annotations

import difflib
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from keyacct.config import Workspace
from keyacct.database.tables import BEGINNING_MS, END_MS
from keyacct.registry.entities import BY_NAME, TERMS
from keyacct.registry.entity import Entity
from keyacct.registry.fault import Fault, Place
from keyacct.registry.values import parse_instant, parse_value, ratio_parts


@dataclass(frozen=True)
class RawEntry:
    """What stands in a document: fields as written, of the types of TOML."""

    entity: Entity
    values: Mapping[str, Any]
    place: Place


class EntryReader:
    """Turns entries into rows; faults are collected."""

    def __init__(self, workspace: Workspace) -> None:
        self.zone: zoneinfo.ZoneInfo = workspace.zone
        self.interval_min = workspace.settings.samples.interval_min
        self.faults: list[Fault] = []
        self._known = {name: frozenset(entity.columns) for name, entity in BY_NAME.items()}

    def rows(self, raw: RawEntry) -> Iterator[tuple[Entity, dict[str, Any], Place]]:
        """The rows of one entry: one, or two where an account carries its terms."""
        values = raw.values
        if raw.entity.name == "account" and any(name in values for name in TERMS):
            terms = {name: values[name] for name in TERMS if name in values}
            values = {name: value for name, value in values.items() if name not in TERMS}
            held = self._row(BY_NAME["account_terms"], {"account_no": values.get("account_no"), **terms}, raw.place)
            if held is not None:
                yield BY_NAME["account_terms"], held, raw.place
        row = self._row(raw.entity, values, raw.place)
        if row is not None:
            yield raw.entity, row, raw.place

    def _row(self, entity: Entity, entry: Mapping[str, Any], place: Place) -> dict[str, Any] | None:
        before = len(self.faults)
        known = self._known[entity.name]
        for name in entry:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                advice = f", did you mean {near[0]}?" if near else f", known are {', '.join(entity.columns)}"
                self.faults.append(Fault(place, "", f"unknown key {name}{advice}"))
        if entity.name == "point_ratio":
            for name, unit in (("pt", "v"), ("ct", "a")):  # "500/5" also tells the nameplate
                if parts := ratio_parts(entry.get(name)):
                    entry = {f"{name}_primary_{unit}": parts[0], f"{name}_secondary_{unit}": parts[1], **entry}
        row: dict[str, Any] = {}
        for wanted in entity.fields:
            if wanted.name not in entry:
                if wanted.required:
                    self.faults.append(Fault(place, "", f"{wanted.name} is missing"))
                row[wanted.name] = (
                    self.interval_min if wanted.name == "interval_min" and wanted.default else wanted.default
                )
                continue
            try:
                row[wanted.name] = parse_value(wanted, entry[wanted.name], self.zone)
            except ValueError as error:
                self.faults.append(Fault(place, wanted.name, str(error)))
        if entity.dated:
            for name, default in (("valid_from", BEGINNING_MS), ("valid_to", END_MS)):
                try:
                    row[name] = parse_instant(entry[name], self.zone) if name in entry else default
                except ValueError as error:
                    self.faults.append(Fault(place, name, str(error)))
        if len(self.faults) > before:
            return None
        message = "valid_to is not after valid_from" if entity.dated and row["valid_from"] >= row["valid_to"] else None
        if message is None and entity.check is not None:
            message = entity.check(row)
        if message is not None:
            self.faults.append(Fault(place, "", message))
            return None
        return row


def unknown_kind(name: str) -> str:
    """The sentence about a name that is no kind of entry."""
    near = difflib.get_close_matches(name, BY_NAME, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(BY_NAME)}"
