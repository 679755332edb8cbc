"""What an import changes: counted, listed field by field, and written."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from keyacct.registry.cells import INSTANT, cell_of_value
from keyacct.registry.entities import ENTITIES
from keyacct.registry.entity import Entity
from keyacct.registry.staging import Staging, same_key, staged


@dataclass
class Changes:
    """What an import changed: per entity the number of entries added, changed, removed and left as they were."""

    added: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)
    unchanged: dict[str, int] = field(default_factory=dict)

    def rows(self) -> list[dict[str, str | int]]:
        """One row per entity that the document or the registry holds."""
        parts = {"added": self.added, "changed": self.changed, "removed": self.removed, "unchanged": self.unchanged}
        return [
            {"entity": entity.name, **{name: part.get(entity.name, 0) for name, part in parts.items()}}
            for entity in ENTITIES
            if any(part.get(entity.name) for part in parts.values())
        ]

    @property
    def total(self) -> int:
        """Entries that differ from before."""
        return sum(sum(part.values()) for part in (self.added, self.changed, self.removed))


def _differs(staging: Staging, entity: Entity) -> str:
    word = "IS DISTINCT FROM" if staging.connection.dialect.name == "postgresql" else "IS NOT"
    names = [name for name in entity.columns if name not in entity.full_key]
    return " OR ".join(f"n.{name} {word} t.{name}" for name in names) or "1 = 0"


def _removed(staging: Staging, entity: Entity) -> str | None:
    """SQL condition on rows `t` that go; None where none do."""
    if not staging.has(entity):
        return "1 = 1" if staging.replace else None
    absent = f"NOT EXISTS (SELECT 1 FROM {staged(entity)} AS n WHERE {same_key(entity, 'n', 't')})"
    if staging.replace:
        return absent
    if entity.name == "tariff_slot" and staging.rows["tariff_slot"]:
        return f"{absent} AND t.tariff_table IN (SELECT tariff_table FROM new_tariff_slot)"
    return None


def _one(staging: Staging, query: str) -> int:
    return int(next(iter(staging.query(query)))[0])


def count_changes(staging: Staging) -> Changes:
    """How many entries are new, other, gone, the same."""
    changes = Changes()
    for entity in ENTITIES:
        name = entity.name
        join = f"{staged(entity)} AS n JOIN {name} AS t ON {same_key(entity, 'n', 't')}"
        gone = _removed(staging, entity)
        total = _one(staging, f"SELECT count(*) FROM {name}")
        both = changed = removed = 0
        if staging.rows[name]:
            both = _one(staging, f"SELECT count(*) FROM {join}")
            changed = _one(staging, f"SELECT count(*) FROM {join} WHERE {_differs(staging, entity)}") if both else 0
        if gone and total:
            removed = _one(staging, f"SELECT count(*) FROM {name} AS t WHERE {gone}")
        changes.added[name] = staging.rows[name] - both
        changes.changed[name], changes.removed[name] = changed, removed
        changes.unchanged[name] = total - changed - removed
    return changes


def list_changes(staging: Staging, zone: zoneinfo.ZoneInfo) -> Iterator[dict[str, Any]]:
    """One row per field that changes: entry, key, change (added, changed, removed), field, before, after."""
    for entity in ENTITIES:
        fields = {name: entity.field(name) or INSTANT for name in entity.columns}
        key_match = same_key(entity, "n", "t")
        keys = ", ".join(entity.full_key)

        def shown(row: Any, name: str, prefix: str = "", fields: Any = fields) -> Any:
            return cell_of_value(fields[name], getattr(row, prefix + name), zone)

        def head(row: Any, change: str, entity: Entity = entity, shown: Any = shown) -> dict[str, Any]:
            key = ", ".join(str(shown(row, name)) for name in entity.full_key if shown(row, name) is not None)
            return {"entity": entity.name, "key": key, "change": change}

        if staging.rows[entity.name]:
            other = ", ".join(f"t.{name} AS old_{name}" for name in entity.columns)
            query = (
                f"SELECT n.*, {other}, CASE WHEN t.{entity.key[0]} IS NULL THEN 1 ELSE 0 END AS new_ FROM"
                f" {staged(entity)} AS n LEFT JOIN {entity.name} AS t ON {key_match}"
                f" WHERE t.{entity.key[0]} IS NULL OR {_differs(staging, entity)} ORDER BY n.n_"
            )
            for row in staging.query(query):
                change = head(row, "added" if row.new_ else "changed")
                for name in entity.columns:
                    before, after = (None if row.new_ else shown(row, name, "old_")), shown(row, name)
                    if before != after and name not in entity.full_key:
                        yield {**change, "field": name, "before": before, "after": after}
                if row.new_ and all(shown(row, n) is None for n in entity.columns if n not in entity.full_key):
                    yield {**change, "field": None, "before": None, "after": None}
        if gone := _removed(staging, entity):
            for row in staging.query(f"SELECT t.* FROM {entity.name} AS t WHERE {gone} ORDER BY {keys}"):
                yield {**head(row, "removed"), "field": None, "before": None, "after": None}


def apply_changes(staging: Staging) -> None:
    """Write the difference; what changes is taken out first, so that no passing state overlaps."""
    connection = staging.connection
    for entity in reversed(ENTITIES):
        match = same_key(entity, "n", "t")
        conditions = [gone] if (gone := _removed(staging, entity)) else []
        if staging.rows[entity.name]:
            conditions.append(
                f"EXISTS (SELECT 1 FROM {staged(entity)} AS n WHERE {match} AND ({_differs(staging, entity)}))"
            )
        if conditions:
            connection.execute(sa.text(f"DELETE FROM {entity.name} AS t WHERE {' OR '.join(conditions)}"))
    for entity in ENTITIES:
        if staging.rows[entity.name]:
            columns = ", ".join(entity.columns)
            connection.execute(
                sa.text(
                    f"INSERT INTO {entity.name} ({columns}) SELECT {columns} FROM {staged(entity)} AS n WHERE NOT EXISTS"
                    f" (SELECT 1 FROM {entity.name} AS t WHERE {same_key(entity, 'n', 't')}) ORDER BY n_"
                )
            )
