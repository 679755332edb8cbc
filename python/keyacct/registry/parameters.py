"""What the kernel must know of a metering point over a span of time: ratios, limits, standards, tariff, meter."""

from __future__ import annotations

import bisect
import difflib
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from keyacct.config import Workspace
from keyacct.database import registry_tables, tables
from keyacct.database.engine import open_database
from keyacct.errors import ConfigError

POINT_PARAMETERS = pa.schema(
    [
        ("point", pa.string()),
        ("account_no", pa.string()),
        ("account_name", pa.string()),
        ("kind", pa.string()),
        ("from_ms", pa.int64()),
        ("to_ms", pa.int64()),
        ("meter", pa.string()),
        ("reading_side", pa.string()),
        ("wiring", pa.string()),
        ("pt", pa.float64()),
        ("ct", pa.float64()),
        ("interval_min", pa.int32()),
        ("nominal_v", pa.float64()),
        ("lower_v", pa.float64()),
        ("upper_v", pa.float64()),
        ("monitoring_class", pa.string()),
        ("pf_standard", pa.float64()),
        ("tariff_table", pa.string()),
        ("voltage_level_kv", pa.float64()),
        ("contract_capacity_kva", pa.float64()),
        ("running_capacity_kva", pa.float64()),
        ("industry_code", pa.string()),
        ("supply_line", pa.string()),
        ("transformer", pa.string()),
        ("busbar", pa.string()),
        ("substation", pa.string()),
        ("metering_mode", pa.string()),
        ("ct_primary_a", pa.float64()),
        ("ct_secondary_a", pa.float64()),
    ]
)

TARIFF_SLOTS = pa.schema(
    [
        ("tariff_table", pa.string()),
        ("season_from", pa.int32()),
        ("season_to", pa.int32()),
        ("day_type", pa.string()),
        ("start_min", pa.int32()),
        ("end_min", pa.int32()),
        ("period", pa.string()),
    ]
)


class _Track:
    """The dated rows of one key, in order; they do not overlap."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.rows: list[Mapping[str, Any]] = []

    def at(self, ms: int) -> Mapping[str, Any] | None:
        """The row that holds at an instant."""
        index = bisect.bisect_right(self.starts, ms) - 1
        return self.rows[index] if index >= 0 and ms < self.rows[index]["valid_to"] else None

    def edges(self) -> Iterable[int]:
        """Instants at which something begins or ends."""
        for row in self.rows:
            yield row["valid_from"]
            yield row["valid_to"]


_NONE = _Track()


def _tracks(connection: sa.Connection, table: sa.Table, key: str, from_ms: int, to_ms: int) -> dict[str, _Track]:
    query = sa.select(table).where(table.c.valid_from < to_ms, table.c.valid_to > from_ms).order_by(table.c.valid_from)
    result: dict[str, _Track] = {}
    for row in connection.execute(query).mappings():
        track = result.setdefault(row[key], _Track())
        track.starts.append(row["valid_from"])
        track.rows.append(dict(row))
    return result


def point_parameters(workspace: Workspace, from_ms: int, to_ms: int, accounts: Sequence[str] | None = None) -> pa.Table:
    """Everything the statistics need of each metering point in [from_ms, to_ms), as `POINT_PARAMETERS`.

    One row per maximal span (clipped to the question) in which a point has a meter and everything is constant; sorted
    by point, from_ms. What the registry does not tell is null. A tariff of the point goes before one of the account.
    accounts: only points while they belong to these. Raises ConfigError `config.registry_not_found`.
    """
    with open_database(workspace).read() as connection:
        known = {row["account_no"]: row for row in connection.execute(sa.select(tables.account)).mappings()}
        if accounts is not None:
            for asked in accounts:
                require_account(asked, known)
        points = list(connection.execute(sa.select(tables.point).order_by(tables.point.c.point)).mappings())
        meters = {row["meter_no"]: row for row in connection.execute(sa.select(tables.meter)).mappings()}

        def tracks(table: sa.Table, key: str) -> dict[str, _Track]:
            return _tracks(connection, table, key, from_ms, to_ms)

        fitted, owner = tracks(tables.meter_point, "point"), tracks(tables.point_account, "point")
        ratio, limit = tracks(tables.point_ratio, "point"), tracks(tables.voltage_limit, "point")
        supply, own_tariff = tracks(tables.point_supply, "point"), tracks(tables.point_tariff, "point")
        terms = tracks(registry_tables.account_terms, "account_no")
        setting = tracks(registry_tables.meter_setting, "meter_no")
        standard = tracks(tables.account_pf_standard, "account_no")
        tariff = tracks(tables.account_tariff, "account_no")
    wanted = set(accounts) if accounts is not None else None
    rows: list[dict[str, Any]] = []
    for point in points:
        name = str(point["point"])
        if name not in fitted:
            continue
        own = [track.get(name, _NONE) for track in (fitted, owner, ratio, limit, supply, own_tariff)]
        edges = {edge for track in own for edge in track.edges()}
        for belongs in own[1].rows:
            for track in (
                standard.get(belongs["account_no"], _NONE),
                tariff.get(belongs["account_no"], _NONE),
                terms.get(belongs["account_no"], _NONE),
            ):
                edges.update(track.edges())
        for fit in own[0].rows:
            edges.update(setting.get(fit["meter_no"], _NONE).edges())
        cuts = sorted({from_ms, to_ms} | {edge for edge in edges if from_ms < edge < to_ms})
        for start, end in pairwise(cuts):
            meter_row, owner_row, ratio_row, limit_row, supply_row, tariff_row = (track.at(start) for track in own)
            if meter_row is None:
                continue
            account_no = owner_row["account_no"] if owner_row is not None else None
            if wanted is not None and account_no not in wanted:
                continue
            account = known[account_no] if account_no is not None else {}
            standard_row = standard.get(account_no or "", _NONE).at(start)
            tariff_row = tariff_row or tariff.get(account_no or "", _NONE).at(start)
            meter = meters[meter_row["meter_no"]]
            set_row = setting.get(meter_row["meter_no"], _NONE).at(start)
            interval = set_row["interval_min"] if set_row is not None else None
            row = {
                "point": name, "account_no": account_no, "account_name": account.get("account_name"),
                "kind": point["kind"], "from_ms": start, "to_ms": end, "meter": meter["meter_no"],
                "reading_side": meter["reading_side"], "interval_min": interval or meter["interval_min"],
                "monitoring_class": point["monitoring_class"], "metering_mode": point["metering_mode"],
            }  # fmt: skip
            for source, names in (
                (ratio_row, ("wiring", "pt", "ct", "ct_primary_a", "ct_secondary_a")),
                (limit_row, ("nominal_v", "lower_v", "upper_v")),
                (standard_row, ("pf_standard",)),
                (tariff_row, ("tariff_table",)),
                (supply_row, ("supply_line", "transformer", "busbar", "substation")),
                (
                    terms.get(account_no or "", _NONE).at(start),
                    ("voltage_level_kv", "contract_capacity_kva", "running_capacity_kva", "industry_code"),
                ),
            ):
                for column in names:
                    row[column] = source.get(column) if source is not None else None
            last = rows[-1] if rows else None
            if last is not None and last["to_ms"] == start and _alike(last, row):
                last["to_ms"] = end
                for column in _NAMEPLATE:
                    last[column] = row[column] if last[column] is None else last[column]
            else:
                rows.append(row)
    return pa.Table.from_pylist(rows, schema=POINT_PARAMETERS)


_NAMEPLATE = ("ct_primary_a", "ct_secondary_a")


def _alike(row: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two spans say the same; a nameplate that is not known contradicts none."""
    for column, value in row.items():
        unknown = column in _NAMEPLATE and None in (value, other[column])
        if column not in ("from_ms", "to_ms") and value != other[column] and not unknown:
            return False
    return True


def require_account(account_no: str, known: Iterable[str]) -> None:
    """Raise ConfigError `config.registry_not_found`, naming the nearest, unless the account is known."""
    known = list(known)
    if account_no not in known:
        near = difflib.get_close_matches(account_no, known, n=1, cutoff=0.5)
        raise ConfigError(
            "config.registry_not_found", f"there is no account {account_no!r} in the registry",
            hint=f"did you mean {near[0]}?" if near else "see `keyacct registry list accounts`",
        )  # fmt: skip


def tariff_slots(workspace: Workspace) -> pa.Table:
    """The slots of every tariff table, as `TARIFF_SLOTS`: seasons as MMDD inclusive, minutes of the civil day."""
    table = tables.tariff_slot
    query = sa.select(table).order_by(table.c.tariff_table, table.c.season_from, table.c.day_type, table.c.start_min)
    with open_database(workspace).read() as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
    return pa.Table.from_pylist(rows, schema=TARIFF_SLOTS)
