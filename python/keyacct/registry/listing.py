"""The registry for people: lists filtered and as of a date; one account with everything about it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from keyacct import clock
from keyacct.config import Workspace
from keyacct.database.engine import open_database
from keyacct.errors import UsageError
from keyacct.model import civil
from keyacct.registry.cells import INSTANT, cell_of_value
from keyacct.registry.entities import BY_NAME, ENTITIES, TERMS
from keyacct.registry.entity import Entity

_HOLDS = "{0}.valid_from <= :at AND {0}.valid_to > :at"


def _join(table: str, alias: str, on: str) -> str:
    return f" LEFT JOIN {table} AS {alias} ON {on} AND {_HOLDS.format(alias)}"


_VIEWS: dict[str, tuple[tuple[str, ...], str]] = {
    "accounts": (
        (
            "account_no", "account_name", "customer", "service_address", *TERMS, "pf_standard", "desk_manager",
            "field_manager", "tariff_table", "points",
        ),
        "SELECT a.account_no, a.account_name, a.customer, a.service_address, "
        + ", ".join(f"t.{name}" for name in TERMS)
        + ", s.pf_standard, m.desk_manager, m.field_manager, f.tariff_table, (SELECT count(*) FROM point_account AS p"
        f" WHERE p.account_no = a.account_no AND {_HOLDS.format('p')}) AS points FROM account AS a"
        + _join("account_terms", "t", "t.account_no = a.account_no")
        + _join("account_pf_standard", "s", "s.account_no = a.account_no")
        + _join("account_manager", "m", "m.account_no = a.account_no")
        + _join("account_tariff", "f", "f.account_no = a.account_no"),
    ),
    "points": (
        (
            "point", "point_name", "account_no", "account_name", "kind", "metering_mode", "metering_class", "meter",
            "wiring", "pt", "ct", "nominal_v", "lower_v", "upper_v", "monitoring_class", "substation", "busbar",
            "supply_line", "transformer",
        ),
        "SELECT p.point, p.point_name, o.account_no, a.account_name, p.kind, p.metering_mode, p.metering_class,"
        " f.meter_no AS meter, r.wiring, r.pt, r.ct, l.nominal_v, l.lower_v, l.upper_v, p.monitoring_class,"
        " s.substation, s.busbar, s.supply_line, s.transformer FROM point AS p"
        + _join("point_account", "o", "o.point = p.point")
        + " LEFT JOIN account AS a ON a.account_no = o.account_no"
        + _join("meter_point", "f", "f.point = p.point")
        + _join("point_ratio", "r", "r.point = p.point")
        + _join("voltage_limit", "l", "l.point = p.point")
        + _join("point_supply", "s", "s.point = p.point"),
    ),
    "meters": (
        (
            "meter_no", "point", "account_no", "protocol", "address", "reading_side", "interval_min", "make", "model",
            "accuracy_class", "constant_imp_per_kwh", "register_digits", "register_decimals",
        ),
        "SELECT m.meter_no, f.point, o.account_no, m.protocol, m.address, m.reading_side, m.interval_min, m.make,"
        " m.model, m.accuracy_class, m.constant_imp_per_kwh, m.register_digits, m.register_decimals FROM meter AS m"
        + _join("meter_point", "f", "f.meter_no = m.meter_no")
        + _join("point_account", "o", "o.point = f.point"),
    ),
}  # fmt: skip

LISTINGS: tuple[str, ...] = (*_VIEWS, "tariffs", *(entity.name for entity in ENTITIES))
"""What can be listed: the joined views, and every kind of entry by itself."""

_CONDITION = re.compile(r"\s*(\w+)\s*(!=|<=|>=|=|<|>|~)\s*(.*?)\s*", re.DOTALL)


def listed_columns(what: str) -> tuple[str, ...]:
    """Columns of a listing, in their order. Raises UsageError for one that there is not."""
    if what in _VIEWS:
        return _VIEWS[what][0]
    if what == "tariffs":
        return ("tariff_table", "season_from", "season_to", "day_type", "start", "end", "period")
    if what not in BY_NAME:
        near = difflib.get_close_matches(what, LISTINGS, n=1)
        raise UsageError(
            "usage.invalid", f"there is no listing {what!r}",
            hint=f"did you mean {near[0]}?" if near else f"known are {', '.join(LISTINGS)}",
        )  # fmt: skip
    return BY_NAME[what].columns


def list_rows(
    workspace: Workspace, what: str, *, where: Sequence[str] = (), as_of_ms: int | None = None
) -> Iterator[dict[str, Any]]:
    """Rows of a listing by its first column, filtered by all conditions `FIELD=VALUE` (also != < <= > >= and ~ for
    contains). A view shows what holds at `as_of_ms` (else now); an entry's own list holds every row unless a date is
    given. Raises UsageError.
    """
    columns = listed_columns(what)
    if what == "tariffs":
        yield from list_tariffs(workspace)
        return
    parameters: dict[str, Any] = {}
    if what in _VIEWS:
        source = f"({_VIEWS[what][1]})"
        parameters["at"] = clock.now_ms() if as_of_ms is None else as_of_ms
        order = columns[0]
        entity = None
    else:
        entity = BY_NAME[what]
        held = f" WHERE {_HOLDS.format('e')}" if entity.dated and as_of_ms is not None else ""
        source, order = f"(SELECT * FROM {what} AS e{held})", ", ".join(entity.full_key)
        if held:
            parameters["at"] = as_of_ms
    conditions = []
    for number, text in enumerate(where):
        condition, value = _condition(text, what, columns)
        conditions.append(condition.format(f":w{number}"))
        parameters[f"w{number}"] = value
    chosen = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    query = f"SELECT * FROM {source} AS q{chosen} ORDER BY {order}"
    zone = workspace.zone
    with open_database(workspace).read() as connection:
        for row in connection.execute(sa.text(query), parameters).mappings():
            if entity is None:
                yield {name: row[name] for name in columns}
            else:
                yield {name: _shown(entity, name, row[name], zone) for name in columns}


def _shown(entity: Entity, name: str, value: Any, zone: Any) -> Any:
    field = entity.field(name) or INSTANT
    return value if field.kind == "text" else cell_of_value(field, value, zone)


def _kind(what: str, name: str) -> str:
    """Whether a column is compared as number or as text."""
    entities = [BY_NAME[what]] if what in BY_NAME else list(ENTITIES)
    for entity in entities:
        if (field := entity.field(name)) is not None:
            return "number" if field.kind in ("ratio", "amount", "signed", "whole", "flag") else "text"
    return "number" if name in ("points",) else "text"


def _condition(text: str, what: str, columns: Sequence[str]) -> tuple[str, Any]:
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise UsageError(
            "usage.invalid", f"{text!r} is no condition", hint="write for example contract_capacity_kva>=1000"
        )
    name, operator, value = match[1], match[2], match[3]
    if name not in columns:
        near = difflib.get_close_matches(name, columns, n=1)
        raise UsageError(
            "usage.invalid", f"{what} has no column {name!r}",
            hint=f"did you mean {near[0]}?" if near else f"known are {', '.join(columns)}",
        )  # fmt: skip
    if value == "" and operator in ("=", "!="):
        return f"(coalesce(CAST(q.{name} AS TEXT), '') {operator} " + "{0})", ""
    if operator == "~":
        escaped = re.sub(r"([\\%_])", r"\\\1", value.lower())
        return f"lower(CAST(q.{name} AS TEXT)) LIKE " + "{0} ESCAPE '\\'", f"%{escaped}%"
    if _kind(what, name) == "number":
        try:
            number = {"true": 1.0, "false": 0.0}.get(value.lower())
            return f"q.{name} {operator} " + "{0}", float(value) if number is None else number
        except ValueError:
            raise UsageError("usage.invalid", f"{value!r} is no number, {name} is one") from None
    return f"q.{name} {operator} " + "{0}", value


def list_accounts(workspace: Workspace) -> list[dict[str, Any]]:
    """Every account as it is at present, with the number of its metering points."""
    return list(list_rows(workspace, "accounts"))


def list_points(workspace: Workspace) -> list[dict[str, Any]]:
    """Every metering point with what holds of it at present."""
    return list(list_rows(workspace, "points"))


def list_meters(workspace: Workspace) -> list[dict[str, Any]]:
    """Every meter with the point it is fitted at and how it is reached at present."""
    return list(list_rows(workspace, "meters"))


def list_tariffs(workspace: Workspace) -> list[dict[str, Any]]:
    """Every slot of every tariff table."""
    rows = list_rows(workspace, "tariff_slot")
    return [
        {
            "tariff_table": row["tariff_table"], "season_from": row["season_from"], "season_to": row["season_to"],
            "day_type": row["day_type"], "start": row["start_min"], "end": row["end_min"], "period": row["period"],
        }
        for row in rows
    ]  # fmt: skip


_OF_ACCOUNT = tuple(
    entity.name for entity in ENTITIES if entity.name != "account" and entity.field("account_no") is not None
)
_OF_POINT = (
    "point", "point_supply", "point_ratio", "voltage_limit", "point_tariff", "meter_point", "meter_exchange",
    "exchange_reading",
)  # fmt: skip
_OF_METER = ("meter", "meter_setting", "device")


def show_account(workspace: Workspace, account_no: str, *, as_of_ms: int | None = None) -> dict[str, Any]:
    """One account: its own fields and terms as of a date (else now), and everything that ever held of it, its points
    and their meters. Raises ConfigError `config.registry_not_found`.
    """
    from keyacct.registry.parameters import require_account  # brings Arrow, which a list does without

    at = clock.now_ms() if as_of_ms is None else as_of_ms
    zone = workspace.zone
    with open_database(workspace).read() as connection:
        known = [row[0] for row in connection.execute(sa.text("SELECT account_no FROM account"))]
        require_account(account_no, known)

        def rows(name: str, condition: str, **parameters: Any) -> list[dict[str, Any]]:
            entity = BY_NAME[name]
            query = f"SELECT * FROM {name} WHERE {condition} ORDER BY {', '.join(entity.full_key)}"
            found = connection.execute(sa.text(query), parameters).mappings()
            return [{column: _shown(entity, column, row[column], zone) for column in entity.columns} for row in found]

        result: dict[str, Any] = rows("account", "account_no = :no", no=account_no)[0]
        held = rows("account_terms", f"account_no = :no AND {_HOLDS.format('account_terms')}", no=account_no, at=at)
        result |= {name: held[0][name] for name in TERMS} if held else dict.fromkeys(TERMS)
        for name in _OF_ACCOUNT:
            result[name] = rows(name, "account_no = :no", no=account_no)
        points = "point IN (SELECT point FROM point_account WHERE account_no = :no)"
        for name in _OF_POINT:
            result[name] = rows(name, points, no=account_no)
        meters = f"meter_no IN (SELECT meter_no FROM meter_point WHERE {points})"
        for name in _OF_METER:
            result[name] = rows(name, meters, no=account_no)
        lines = (
            "SELECT supply_line FROM source WHERE account_no = :no UNION SELECT supply_line FROM point_supply"
            f" WHERE {points}"
        )
        result["supply_line"] = rows("supply_line", f"supply_line IN ({lines})", no=account_no)
        result["transformer"] = rows(
            "transformer", "transformer IN (SELECT transformer FROM transformer_state WHERE account_no = :no)",
            no=account_no,
        )  # fmt: skip
    result["as_of"] = civil(at, zone)
    return result
