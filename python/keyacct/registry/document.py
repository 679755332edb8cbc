"""The registry as one TOML document: the form that people write and that `registry export` gives back byte for byte."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from keyacct.config import Workspace
from keyacct.database.engine import open_database
from keyacct.registry.entities import ENTITIES
from keyacct.registry.entity import Entity
from keyacct.registry.values import format_instant, format_value

PAGE_ROWS = 5000

Rows = dict[str, dict[tuple[Any, ...], dict[str, Any]]]
"""Per entity: key → row."""


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


def stored_rows(connection: sa.Connection, entity: Entity) -> Iterator[dict[str, Any]]:
    """Every row of an entity by its key."""
    order = [entity.table.c[name] for name in entity.full_key]
    found = connection.execute(sa.select(entity.table).order_by(*order)).mappings()
    while page := found.fetchmany(PAGE_ROWS):
        for row in page:
            yield dict(row)


def read_rows(connection: sa.Connection) -> Rows:
    """Every row of the registry in memory, by entity and key: for an office's reports, not for a province."""
    return {
        entity.name: {
            tuple(row[name] for name in entity.full_key): row for row in stored_rows(connection, entity)
        }
        for entity in ENTITIES
    }  # fmt: skip


def toml_parts(connection: sa.Connection, zone: zoneinfo.ZoneInfo) -> Iterator[str]:
    """The registry as TOML, entry by entry."""
    first = True
    for entity in ENTITIES:
        for row in stored_rows(connection, entity):
            yield format_entry(entity, row, zone) if first else "\n" + format_entry(entity, row, zone)
            first = False


def export_registry(workspace: Workspace) -> str:
    """The registry of a workspace as TOML; importing it into an empty one gives the same text back."""
    with open_database(workspace).read() as connection:
        return "".join(toml_parts(connection, workspace.zone))
