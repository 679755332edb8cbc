"""Changes of single entries from a date on: set, add, end, and the exchange of a meter. All are audited with a reason."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from keyacct.config import Workspace
from keyacct.database.engine import open_database
from keyacct.database.tables import BEGINNING_MS, END_MS
from keyacct.database.tables import audit as audit_table
from keyacct.errors import ConfigError, UsageError
from keyacct.model import civil
from keyacct.registry.cells import INSTANT, value_of_cell
from keyacct.registry.difference import Changes
from keyacct.registry.entities import BY_NAME
from keyacct.registry.entity import Entity, Field
from keyacct.registry.fault import Place, registry_invalid
from keyacct.registry.importing import import_rows
from keyacct.registry.values import format_instant, parse_value

Given = Mapping[str, str]
"""Fields as a person writes them."""

HERE = Place("command line")

Rows = list[tuple[Entity, dict[str, Any]]]


def find_entity(name: str) -> Entity:
    """The kind of entry of a name. Raises UsageError that names the nearest."""
    if name not in BY_NAME:
        near = difflib.get_close_matches(name, BY_NAME, n=1)
        raise UsageError(
            "usage.invalid", f"there is no kind of entry {name!r}",
            hint=f"did you mean {near[0]}?" if near else f"known are {', '.join(BY_NAME)}",
        )  # fmt: skip
    return BY_NAME[name]


def _parse(workspace: Workspace, entity: Entity, given: Given) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, text in given.items():
        field: Field | None = entity.field(name)
        if field is None:
            near = difflib.get_close_matches(name, entity.columns, n=1)
            raise UsageError(
                "usage.invalid", f"{entity.name} has no field {name!r}",
                hint=f"did you mean {near[0]}?" if near else f"known are {', '.join(entity.columns)}",
            )  # fmt: skip
        if text == "":
            values[name] = field.default
            continue
        try:
            values[name] = parse_value(field, value_of_cell(field, text), workspace.zone)
        except ValueError as error:
            raise UsageError("usage.invalid", f"{name}: {error}") from None
    if entity.name == "point_ratio":
        for name, unit in (("pt", "v"), ("ct", "a")):
            if name in given:
                high, _, low = given[name].partition("/")
                plate = (f"{name}_primary_{unit}", f"{name}_secondary_{unit}")
                for column, part in zip(plate, (high, low), strict=True):
                    if column not in given:
                        values[column] = float(part) if low else None
    return values


def instant(workspace: Workspace, text: str) -> int:
    """The instant of a date or time as written on the command line. Raises UsageError."""
    try:
        return int(parse_value(INSTANT, text, workspace.zone))
    except ValueError as error:
        raise UsageError("usage.invalid", str(error)) from None


def _rows_of(connection: sa.Connection, entity: Entity, key: Mapping[str, Any]) -> list[dict[str, Any]]:
    conditions = [entity.table.c[name] == key[name] for name in entity.key]
    query = sa.select(entity.table).where(*conditions)
    if entity.dated:
        query = query.order_by(entity.table.c.valid_from)
    return [dict(row) for row in connection.execute(query).mappings()]


def _key(workspace: Workspace, entity: Entity, given: Given) -> dict[str, Any]:
    defaults = {f.name: f.default for f in entity.fields if f.name in entity.key and f.default is not None}
    missing = [name for name in entity.key if name not in given and name not in defaults]
    if missing:
        raise UsageError(
            "usage.invalid", f"{entity.name} is found by {', '.join(entity.key)}; {', '.join(missing)} is not given"
        )
    return defaults | _parse(workspace, entity, {name: given[name] for name in entity.key if name in given})


def _absent(entity: Entity, key: Mapping[str, Any], when: str = "") -> ConfigError:
    what = ", ".join(f"{name} {value}" for name, value in key.items())
    return ConfigError(
        "config.registry_not_found", f"there is no {entity.name} of {what}{when}",
        hint=f"see `keyacct registry list {entity.name}`, or add it with `keyacct registry add {entity.name}`",
    )  # fmt: skip


def set_fields(
    workspace: Workspace, name: str, given: Given, *, from_ms: int | None, reason: str, dry_run: bool = False
) -> Changes:
    """Change fields of one entry from a date on; what held before stays as history.

    given: the key's fields and those that change. A dated entry needs `from_ms`: the row that holds then is ended there
    and goes on with the change. An undated entry is simply changed. Raises UsageError, ConfigError.
    """
    entity = find_entity(name)
    key, values = _key(workspace, entity, given), _parse(workspace, entity, given)
    if entity.dated and from_ms is None:
        raise UsageError("usage.invalid", f"{name} is dated: say from when with --from DATE")
    if not entity.dated and from_ms is not None:
        raise UsageError("usage.invalid", f"{name} is not dated, it takes no --from")

    def build(connection: sa.Connection) -> Rows:
        rows = _rows_of(connection, entity, key)
        if from_ms is None:
            if not rows:
                raise _absent(entity, key)
            return [(entity, rows[0] | values)]
        holding = next((row for row in rows if row["valid_from"] <= from_ms < row["valid_to"]), None)
        if holding is None:
            raise _absent(entity, key, f" at {format_instant(from_ms, workspace.zone)}")
        changed = [(entity, holding | values | {"valid_from": from_ms})]
        if holding["valid_from"] < from_ms:
            changed.insert(0, (entity, holding | {"valid_to": from_ms}))
        return changed

    return _import(workspace, "registry.set", build, reason, dry_run)


def add_entry(
    workspace: Workspace, name: str, given: Given, *, from_ms: int | None, to_ms: int | None, reason: str,
    dry_run: bool = False,
) -> Changes:  # fmt: skip
    """Add one entry. Raises UsageError (fields), ConfigError (there already, overlap, names that lead nowhere)."""
    entity = find_entity(name)
    row: dict[str, Any] = {field.name: field.default for field in entity.fields}
    row |= _parse(workspace, entity, given)
    missing = [field.name for field in entity.fields if field.required and row[field.name] is None]
    if missing:
        raise UsageError("usage.invalid", f"{name} needs {', '.join(missing)}")
    if name == "meter" and "interval_min" not in given:
        row["interval_min"] = workspace.settings.samples.interval_min
    if entity.dated:
        row |= {
            "valid_from": BEGINNING_MS if from_ms is None else from_ms,
            "valid_to": END_MS if to_ms is None else to_ms,
        }
        if row["valid_from"] >= row["valid_to"]:
            raise UsageError("usage.invalid", "--to is not after --from")
    elif from_ms is not None or to_ms is not None:
        raise UsageError("usage.invalid", f"{name} is not dated, it takes no --from and no --to")

    def build(connection: sa.Connection) -> Rows:
        there = _rows_of(connection, entity, row)
        if any(all(other[part] == row[part] for part in entity.full_key) for other in there):
            raise ConfigError(
                "config.registry_invalid", f"this {name} is in the registry already",
                hint=f"change it with `keyacct registry set {name}`",
            )  # fmt: skip
        return [(entity, row)]

    return _import(workspace, "registry.add", build, reason, dry_run)


def end_entry(
    workspace: Workspace, name: str, given: Given, *, at_ms: int, reason: str, dry_run: bool = False
) -> Changes:
    """End what holds of a dated entry at an instant; it stays as history. Raises UsageError, ConfigError."""
    entity = find_entity(name)
    key = _key(workspace, entity, given)
    if not entity.dated:
        raise UsageError("usage.invalid", f"{name} is not dated: end what refers to it instead")

    def build(connection: sa.Connection) -> Rows:
        rows = _rows_of(connection, entity, key)
        holding = next((row for row in rows if row["valid_from"] < at_ms <= row["valid_to"]), None)
        if holding is None:
            raise _absent(entity, key, f" before {format_instant(at_ms, workspace.zone)}")
        return [(entity, holding | {"valid_to": at_ms})]

    return _import(workspace, "registry.end", build, reason, dry_run)


def exchange_meter(
    workspace: Workspace, point: str, new_meter_no: str, *, at_ms: int, reason: str, old_readings: Given,
    new_readings: Given, meter: Given | None = None, staff_no: str = "", dry_run: bool = False,
) -> tuple[Changes, str]:  # fmt: skip
    """Put another meter at a point: the old one's time there ends, the new one's begins, both readings are kept.

    old_readings, new_readings: registers at the exchange (`import_kwh` …). meter: attributes of the new meter, which is
    made where the registry does not know it. What changed, and the number of the old meter. Raises UsageError,
    ConfigError.
    """
    old_meters: list[str] = []

    def build(connection: sa.Connection) -> Rows:
        fitted, meters = BY_NAME["meter_point"], BY_NAME["meter"]
        table = fitted.table
        here = sa.select(table).where(table.c.point == point).order_by(table.c.valid_from)
        at_point = [dict(row) for row in connection.execute(here).mappings()]
        old = next((row for row in at_point if row["valid_from"] < at_ms <= row["valid_to"]), None)
        if old is None:
            raise ConfigError(
                "config.registry_not_found",
                f"there is no meter at point {point} before {format_instant(at_ms, workspace.zone)}",
                hint="see `keyacct registry list points`; a first meter is added with `keyacct registry add meter_point`",
            )  # fmt: skip
        rows: Rows = []
        known = _rows_of(connection, meters, {"meter_no": new_meter_no})
        if not known or meter:
            start = known[0] if known else {field.name: field.default for field in meters.fields}
            if not known:
                start["interval_min"] = workspace.settings.samples.interval_min
            rows.append((meters, start | _parse(workspace, meters, {**(meter or {}), "meter_no": new_meter_no})))
        until = old["valid_to"]
        if until == at_ms:  # ended before: the new one stays as it is there, or until the next one
            later = [row for row in at_point if row["valid_from"] >= at_ms]
            same = [row for row in later if row["valid_from"] == at_ms and row["meter_no"] == new_meter_no]
            until = same[0]["valid_to"] if same else min((row["valid_from"] for row in later), default=END_MS)
        rows.append((fitted, old | {"valid_to": at_ms}))
        rows.append((fitted, old | {"meter_no": new_meter_no, "valid_from": at_ms, "valid_to": until}))
        exchange = {
            "point": point, "exchanged_at": at_ms, "old_meter_no": old["meter_no"], "new_meter_no": new_meter_no,
            "reason": reason, "staff_no": staff_no or None,
        }  # fmt: skip
        rows.append((BY_NAME["meter_exchange"], exchange))
        readings_of = BY_NAME["exchange_reading"]
        for meter_no, readings in ((str(old["meter_no"]), old_readings), (new_meter_no, new_readings)):
            if readings:
                row = {field.name: field.default for field in readings_of.fields}
                row |= _parse(workspace, readings_of, readings)
                rows.append((readings_of, row | {"point": point, "exchanged_at": at_ms, "meter_no": meter_no}))
        old_meters.append(str(old["meter_no"]))
        return rows

    return _import(workspace, "registry.exchange_meter", build, reason, dry_run), old_meters[0]


def _import(
    workspace: Workspace, action: str, build: Callable[[sa.Connection], Rows], reason: str, dry_run: bool
) -> Changes:
    if not reason.strip():
        raise UsageError("usage.invalid", "a change needs its reason: --reason TEXT")

    def placed(connection: sa.Connection) -> list[tuple[Entity, dict[str, Any], Place]]:
        rows = build(connection)
        for entity, row in rows:
            if entity.check is not None and (message := entity.check(row)) is not None:
                raise UsageError("usage.invalid", message)
        return [(entity, row, HERE) for entity, row in rows]

    report = import_rows(
        workspace,
        placed,
        action=action,
        body={"reason": reason},
        dry_run=dry_run,
    )
    if report.faults:
        raise registry_invalid(report.faults)
    return report.changes


def history(workspace: Workspace, name: str, given: Given) -> list[dict[str, Any]]:
    """Every audited change of one entry: when, by which action, why, and each field before and after."""
    entity = find_entity(name)
    key = _key(workspace, entity, given)
    words = ", ".join(str(key[part]) for part in entity.key)
    table = audit_table
    query = sa.select(table).where(table.c.action.like("registry.%")).order_by(table.c.seq)
    result: list[dict[str, Any]] = []
    with open_database(workspace).read() as connection:
        for row in connection.execute(query):
            body = json.loads(row.body)["body"]
            for change in body.get("fields", ()):
                if change["entity"] == name and (change["key"] == words or change["key"].startswith(f"{words}, ")):
                    result.append(
                        {
                            "seq": row.seq, "at": civil(row.at, workspace.zone), "action": row.action,
                            "change": change["change"], "key": change["key"], "field": change["field"],
                            "before": change["before"], "after": change["after"], "reason": body.get("reason"),
                        }
                    )  # fmt: skip
    return result
