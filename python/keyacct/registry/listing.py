"""The registry for people: lists of accounts, points, meters, tariffs; one account with everything about it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from keyacct import clock
from keyacct.config import Workspace
from keyacct.database import tables
from keyacct.database.engine import open_database
from keyacct.model import civil
from keyacct.registry.document import read_rows
from keyacct.registry.entities import TERMS
from keyacct.registry.parameters import POINT_PARAMETERS, point_parameters, require_account, tariff_slots
from keyacct.registry.values import format_instant


def list_accounts(workspace: Workspace) -> list[dict[str, Any]]:
    """Every account, with the number of its metering points at present."""
    now = clock.now_ms()
    with open_database(workspace).read() as connection:
        rows = read_rows(connection)
    counts: dict[str, int] = {}
    for row in rows["point_account"].values():
        if row["valid_from"] <= now < row["valid_to"]:
            counts[row["account_no"]] = counts.get(row["account_no"], 0) + 1
    standards = {
        row["account_no"]: row["pf_standard"]
        for row in rows["account_pf_standard"].values()
        if row["valid_from"] <= now < row["valid_to"]
    }
    terms = {
        row["account_no"]: row for row in rows["account_terms"].values() if row["valid_from"] <= now < row["valid_to"]
    }
    return [
        {
            **row,
            **{name: terms.get(row["account_no"], {}).get(name) for name in TERMS},
            "pf_standard": standards.get(row["account_no"]),
            "points": counts.get(row["account_no"], 0),
        }
        for _, row in sorted(rows["account"].items())
    ]


def list_points(workspace: Workspace) -> list[dict[str, Any]]:
    """Every metering point with what holds of it at present."""
    now = clock.now_ms()
    current = {row["point"]: row for row in point_parameters(workspace, now, now + 1).to_pylist()}
    with open_database(workspace).read() as connection:
        points = [dict(row) for row in connection.execute(sa.select(tables.point)).mappings()]
    names = [name for name in POINT_PARAMETERS.names if name not in ("from_ms", "to_ms")]
    return [
        {
            **dict.fromkeys(names),
            **point,
            **{k: v for k, v in current.get(point["point"], {}).items() if k in names},
        }
        for point in sorted(points, key=lambda row: row["point"])
    ]


def list_meters(workspace: Workspace) -> list[dict[str, Any]]:
    """Every meter with the point it is fitted at and how it is reached at present."""
    now = clock.now_ms()
    with open_database(workspace).read() as connection:
        rows = read_rows(connection)
    at = {r["meter_no"]: r["point"] for r in rows["meter_point"].values() if r["valid_from"] <= now < r["valid_to"]}
    return [{**row, "point": at.get(row["meter_no"])} for _, row in sorted(rows["meter"].items())]


def list_tariffs(workspace: Workspace) -> list[dict[str, Any]]:
    """Every slot of every tariff table."""
    return [
        {
            **row,
            "season_from": f"{row['season_from'] // 100:02d}-{row['season_from'] % 100:02d}",
            "season_to": f"{row['season_to'] // 100:02d}-{row['season_to'] % 100:02d}",
            "start": f"{row['start_min'] // 60:02d}:{row['start_min'] % 60:02d}",
            "end": f"{row['end_min'] // 60:02d}:{row['end_min'] % 60:02d}",
        }
        for row in tariff_slots(workspace).to_pylist()
    ]


def show_account(workspace: Workspace, account_no: str) -> dict[str, Any]:
    """One account: its own fields, and everything that ever held of its points, by date.

    Raises ConfigError `config.registry_not_found`.
    """
    with open_database(workspace).read() as connection:
        rows = read_rows(connection)
    require_account(account_no, [key[0] for key in rows["account"]])
    zone = workspace.zone

    def dated(row: dict[str, Any]) -> dict[str, Any]:
        return {
            name: format_instant(value, zone) if name in ("valid_from", "valid_to", "exchanged_at") else value
            for name, value in row.items()
        }

    points = {row["point"] for row in rows["point_account"].values() if row["account_no"] == account_no}
    meters = {row["meter_no"] for row in rows["meter_point"].values() if row["point"] in points}
    result: dict[str, Any] = dict(rows["account"][account_no,])
    now = clock.now_ms()
    for row in rows["account_terms"].values():
        if row["account_no"] == account_no and row["valid_from"] <= now < row["valid_to"]:
            result |= {name: row[name] for name in TERMS}
    for name in (
        "account_terms", "account_pf_standard", "account_tariff", "account_price", "account_manager", "account_label",
        "contact", "production_profile", "safety_data", "service_record", "source", "transformer_state",
        "terminal_site", "point_account",
    ):  # fmt: skip
        result[name] = [dated(r) for _, r in sorted(rows[name].items()) if r["account_no"] == account_no]
    for name in ("point", "point_supply", "point_ratio", "voltage_limit", "point_tariff", "meter_point", "meter_exchange",
                 "exchange_reading"):  # fmt: skip
        result[name] = [dated(row) for _, row in sorted(rows[name].items()) if row["point"] in points]
    for name in ("meter", "meter_setting", "device"):
        result[name] = [dated(row) for _, row in sorted(rows[name].items()) if row["meter_no"] in meters]
    result["as_of"] = civil(clock.now_ms(), zone)
    return result
