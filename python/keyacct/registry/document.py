"""The registry as one TOML document: the form that people write and that `registry export` gives back byte for byte."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from keyacct.config import Workspace
from keyacct.database.engine import open_database
from keyacct.registry.entities import ENTITIES
from keyacct.registry.entity import Entity
from keyacct.registry.values import format_instant, format_value

Rows = dict[str, dict[tuple[Any, ...], dict[str, Any]]]
"""Per entity: key → row."""


def read_rows(connection: sa.Connection) -> Rows:
    """Every row of the registry, by entity and key."""
    result: Rows = {}
    for entity in ENTITIES:
        rows = connection.execute(sa.select(entity.table)).mappings()
        result[entity.name] = {tuple(row[name] for name in entity.full_key): dict(row) for row in rows}
    return result


def format_entry(entity: Entity, row: Mapping[str, Any], zone: zoneinfo.ZoneInfo) -> str:
    """One `[[entity]]` entry; what is empty is left out."""
    lines = [f"[[{entity.name}]]"]
    for field in entity.fields:
        if row[field.name] is not None:
            lines.append(f"{field.name} = {format_value(field, row[field.name], zone)}")
    if entity.dated:
        for name in ("valid_from", "valid_to"):
            text = format_instant(row[name], zone)
            if text is not None:
                lines.append(f"{name} = {text}")
    return "\n".join(lines) + "\n"


def format_rows(rows: Rows, zone: zoneinfo.ZoneInfo) -> str:
    """The whole document, entities in their order, entries by key."""
    parts: list[str] = []
    for entity in ENTITIES:
        entries: Sequence[Mapping[str, Any]] = [rows[entity.name][key] for key in sorted(rows[entity.name])]
        parts.extend(format_entry(entity, row, zone) for row in entries)
    return "\n".join(parts)


def export_registry(workspace: Workspace) -> str:
    """The registry of a workspace as TOML; importing it into an empty one gives the same text back."""
    with open_database(workspace).read() as connection:
        return format_rows(read_rows(connection), workspace.zone)
