"""What the registry as a whole must satisfy after an import: names lead somewhere, nothing overlaps, no circles."""

from __future__ import annotations

import difflib
import zoneinfo
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from keyacct.registry.entities import BY_NAME, ENTITIES
from keyacct.registry.entity import Entity
from keyacct.registry.fault import Fault
from keyacct.registry.staging import Staging, place_of, staged
from keyacct.registry.values import format_instant

Found = tuple[int | None, Fault]
"""Number of the staged row (None for one of the registry), and what is wrong with it."""

MANY_NAMES = 5000
"""Beyond this the nearest name is not searched for: that would take longer than the import."""


def repeats(staging: Staging) -> Iterator[Found]:
    """Entries that are given more than once."""
    for entity in filter(staging.has, ENTITIES):
        keys = ", ".join(entity.full_key)
        over = f"OVER (PARTITION BY {keys} ORDER BY n_)"
        query = (
            f"SELECT * FROM (SELECT {_columns(entity)}, n_, file_, sheet_, row_, entry_, row_number() {over} AS rank_,"
            f" first_value(row_) {over} AS first_, first_value(file_) {over} AS first_file_"
            f" FROM {staged(entity)}) AS q WHERE rank_ > 1 ORDER BY n_"
        )
        for row in staging.query(query):
            word = "row" if row.sheet_ else "line"
            other = f" of {row.first_file_}" if row.first_file_ != row.file_ else ""
            yield row.n_, Fault(_place(entity, row), "", f"the same entry as in {word} {row.first_}{other}")


def check(staging: Staging, zone: zoneinfo.ZoneInfo) -> Iterator[Found]:
    """Every fault of the registry as it would be."""
    for entity in ENTITIES:
        if staging.rows[entity.name]:
            yield from _references(staging, entity)
            for columns in entity.single:
                yield from _overlaps(staging, entity, columns, zone)
            yield from _circles(staging, entity)
    yield from _tariffs(staging)
    yield from _exchanges(staging)


def _columns(entity: Entity) -> str:
    return ", ".join(dict.fromkeys((*entity.key, *entity.full_key)))


def _place(entity: Entity, row: sa.Row[Any]) -> Any:
    key = ", ".join(str(getattr(row, name)) for name in entity.key)
    return place_of(row, key if row.file_ is not None else f"{entity.name} {key}")


def _references(staging: Staging, entity: Entity) -> Iterator[Found]:
    for field in entity.fields:
        if not field.refers:
            continue
        target = BY_NAME[field.refers]
        query = (
            f"SELECT n.{field.name} AS wanted_, n.* FROM {staged(entity)} AS n WHERE n.{field.name} IS NOT NULL"
            f" AND NOT {staging.exists_after(target, target.key[0], f'n.{field.name}')} ORDER BY n_"
        )
        known: list[str] | None = None
        for row in staging.query(query):
            if known is None:
                names = staging.query(
                    f"SELECT {target.key[0]} AS name_ FROM ({staging.after(target, target.key)}) AS q"
                    f" LIMIT {MANY_NAMES + 1}"
                )
                known = sorted(r.name_ for r in names)
            near = difflib.get_close_matches(row.wanted_, known, n=1) if len(known) <= MANY_NAMES else []
            advice = f", did you mean {near[0]}?" if near else ""
            yield row.n_, Fault(_place(entity, row), "", f"there is no {field.refers} {row.wanted_}{advice}")


def _overlaps(staging: Staging, entity: Entity, columns: tuple[str, ...], zone: zoneinfo.ZoneInfo) -> Iterator[Found]:
    group = ", ".join(columns)
    touched = " AND ".join(f"n.{name} = t.{name}" for name in columns)
    names = tuple(dict.fromkeys((*entity.key, *columns, "valid_from", "valid_to")))
    after = staging.after(entity, names, f"EXISTS (SELECT 1 FROM {staged(entity)} AS n WHERE {touched})")
    window = f"OVER (PARTITION BY {group} ORDER BY valid_from, coalesce(n_, 0)"
    before = f"{window} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
    query = (
        f"SELECT * FROM (SELECT q.*, lag(valid_from) {window}) AS last_, max(valid_to) {before} AS reach_"
        f" FROM ({after}) AS q) AS w WHERE reach_ > valid_from ORDER BY n_, valid_from"
    )
    told: set[int | None] = set()
    for row in staging.query(query):
        begin = format_instant(row.last_, zone) or "always"
        end = format_instant(row.reach_, zone) or "open"
        what = ", ".join(f"{column} {getattr(row, column)}" for column in columns)
        start = format_instant(row.valid_from, zone) or "always"
        message = (
            f"validity overlaps for {what}: one entry holds {begin} to {end}, another from {start}; "
            "give the first a valid_to"
        )
        blamed = row if row.n_ is not None else _given_at(staging, entity, columns, row)
        if blamed.n_ not in told:
            told.add(blamed.n_)
            yield blamed.n_, Fault(_place(entity, blamed), "", message)


def _given_at(staging: Staging, entity: Entity, columns: tuple[str, ...], row: sa.Row[Any]) -> sa.Row[Any]:
    """The entry of the document that overlaps this one of the registry: that is where to mend it."""
    same = " AND ".join(f"{name} = :{name}" for name in columns)
    query = (
        f"SELECT * FROM {staged(entity)} WHERE {same} AND valid_from < :valid_to AND valid_to > :valid_from"
        " ORDER BY n_ LIMIT 1"
    )
    values = {name: getattr(row, name) for name in (*columns, "valid_from", "valid_to")}
    return next(iter(staging.query(query, **values)), row)


def _circles(staging: Staging, entity: Entity) -> Iterator[Found]:
    """Entries that name each other in a circle, or another that is not there."""
    if entity.tree is None:
        return
    name, scope = entity.tree
    own = entity.key[-1]
    columns = tuple(dict.fromkeys((*scope, own, name, *entity.key)))
    rows = list(staging.query(f"SELECT * FROM ({staging.after(entity, columns)}) AS q WHERE {name} IS NOT NULL"))
    if not rows:
        return
    above = {(*(getattr(row, s) for s in scope), getattr(row, own)): getattr(row, name) for row in rows}
    for row in sorted(rows, key=lambda row: row.n_ or 0):
        group, here = tuple(getattr(row, s) for s in scope), getattr(row, name)
        field = entity.field(name)
        if field is not None and not field.refers and row.n_ is not None:
            same = " AND ".join(f"{s} = :{s}" for s in scope)
            there = staging.query(
                f"SELECT 1 FROM ({staging.after(entity, (*scope, own))}) AS q WHERE {same} AND {own} = :own_ LIMIT 1",
                **dict(zip(scope, group, strict=True)), own_=here,
            )  # fmt: skip
            if not list(there):
                message = f"{name}: there is no {entity.name} {here} of this {', '.join(scope)}"
                yield row.n_, Fault(_place(entity, row), "", message)
                continue
        seen = [getattr(row, own)]
        while here is not None and here not in seen:
            seen.append(here)
            here = above.get((*group, here))
        if here == seen[0] and row.n_ is not None:
            yield row.n_, Fault(_place(entity, row), "", f"{name} leads in a circle: {' → '.join([*seen, here])}")


def _tariffs(staging: Staging) -> Iterator[Found]:
    """Slots of one table, season and day type cover the day exactly once."""
    entity = BY_NAME["tariff_slot"]
    if not staging.rows["tariff_slot"]:
        return
    given = "t.tariff_table IN (SELECT tariff_table FROM new_tariff_slot)"
    groups: dict[tuple[str, int, str], list[sa.Row[Any]]] = {}
    for row in staging.query(f"SELECT * FROM ({staging.after(entity, entity.columns, given)}) AS q"):
        groups.setdefault((row.tariff_table, row.season_from, row.day_type), []).append(row)
    for slots in groups.values():
        slots.sort(key=lambda slot: slot.start_min)
        minute = 0
        for row in slots:
            if row.season_to != slots[0].season_to:
                yield row.n_, Fault(_place(entity, row), "", "season_to differs from the other slots of this season")
            if row.start_min != minute:
                what = "overlaps the slot before it" if row.start_min < minute else "leaves a gap before it"
                yield row.n_, Fault(_place(entity, row), "", f"{what}: the day is covered up to {_clock(minute)}")
            minute = row.end_min
        if minute != 1440:
            message = f"the day is covered only up to {_clock(minute)}"
            yield slots[-1].n_, Fault(_place(entity, slots[-1]), "", message)


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _exchanges(staging: Staging) -> Iterator[Found]:
    entity, target = BY_NAME["exchange_reading"], BY_NAME["meter_exchange"]
    if not staging.rows["exchange_reading"]:
        return
    meters = ("point", "exchanged_at", "old_meter_no", "new_meter_no")
    query = (
        f"SELECT n.*, x.old_meter_no AS old_ FROM new_exchange_reading AS n LEFT JOIN"
        f" ({staging.after(target, meters)}) AS x ON x.point = n.point AND x.exchanged_at = n.exchanged_at"
        " WHERE x.old_meter_no IS NULL OR n.meter_no NOT IN (x.old_meter_no, x.new_meter_no) ORDER BY n.n_"
    )
    for row in staging.query(query):
        message = "there is no meter_exchange of this point at this time"
        if row.old_ is not None:
            message = f"meter {row.meter_no} is neither the old nor the new one of this exchange"
        yield row.n_, Fault(_place(entity, row), "", message)
