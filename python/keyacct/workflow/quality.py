"""Data quality: findings kept as rows, gaps filled by estimates that give way to the true value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from keyacct import clock
from keyacct.analysis.data_quality import find
from keyacct.config import Workspace
from keyacct.database import audit
from keyacct.database.care_tables import care_finding
from keyacct.database.engine import open_database
from keyacct.database.quality_tables import quality_finding
from keyacct.model import Period, civil
from keyacct.registry.parameters import point_parameters
from keyacct.store import merge, quality
from keyacct.store.engine import query_engine
from keyacct.store.families import FAMILIES
from keyacct.store.ingest import BatchWriter, IngestSummary
from keyacct.store.read import read_family
from keyacct.store.views import hand_over
from keyacct.workflow.care.findings import findings_query
from keyacct.workflow.care.journal import METER

_GIVES = {"register": ("register_decrease", "register_rollover", "register_jump")}
"""Findings that a rule of another name gives."""
SAMPLES, DEVICES = "samples", "devices"
"""What a finding is of."""


def check(
    workspace: Workspace, period: Period, *, meters: Sequence[str] | None = None, rules: Sequence[str] | None = None,
    dry_run: bool = False,
) -> list[dict[str, Any]]:  # fmt: skip
    """Check a period and keep its findings in place of those of an earlier check; the findings as rows.

    Raises UsageError, WriteError.
    """
    found = find(workspace, period, meters=meters, rules=rules).to_pylist()
    now = clock.now_ms()
    table = quality_finding
    rows = {
        tuple(row[key.name] for key in table.primary_key): {**row, "found_at": now} for row in found
    }  # fmt: skip
    if not dry_run:
        start, end = period.bounds_ms(workspace.zone)
        old = table.delete().where(table.c.from_ts >= start, table.c.from_ts <= end)
        if meters is not None:
            old = old.where(table.c.meter.in_(list(meters)))
        if rules is not None:
            old = old.where(table.c.rule.in_([name for rule in rules for name in (rule, *_GIVES.get(rule, ()))]))
        with open_database(workspace).write() as connection:
            connection.execute(old)
            for row in rows:
                # A register's finding begins where the last good reading was, which may be before the period.
                same = (column == value for column, value in zip(table.primary_key.columns, row, strict=True))
                if not start <= row[-1] <= end:
                    connection.execute(table.delete().where(*same))
            if rows:
                connection.execute(table.insert(), list(rows.values()))
            body = {
                "period": period.label,
                "meters": list(meters or []),
                "rules": list(rules or []),
                "findings": len(rows),
            }
            audit.append(connection, "quality.check", body)
    return [_shown(workspace, row) for row in rows.values()]


def findings(
    workspace: Workspace, period: Period, *, meter: str | None = None, rule: str | None = None,
    source: str | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """What is known to be wrong in a period, of samples and of devices, by meter, family and time; terminals come last.

    source: only `samples` (what the last checks left) or only `devices` (what care found, table `care_finding`).
    """
    start, end = period.bounds_ms(workspace.zone)
    rows: list[dict[str, Any]] = []
    with open_database(workspace).read() as connection:
        if source in (None, SAMPLES):
            table = quality_finding
            query = sa.select(table).where(table.c.from_ts <= end, table.c.to_ts >= start)
            if meter is not None:
                query = query.where(table.c.meter == meter)
            if rule is not None:
                query = query.where(table.c.rule == rule)
            rows += [
                {"source": SAMPLES, "terminal": None, **_shown(workspace, dict(row))}
                for row in connection.execute(query).mappings()
            ]
        if source in (None, DEVICES):
            cared = care_finding.c
            query = findings_query(meter, rule).where(
                cared.since < end, sa.or_(cared.resolved_at.is_(None), cared.resolved_at >= start)
            )
            if meter is not None:
                query = query.where(cared.device_kind == METER)
            rows += [_of_device(workspace, dict(row)) for row in connection.execute(query).mappings()]
    order = ("terminal", "meter", "family", "from", "rule", "column", "kind")
    return sorted(rows, key=lambda row: tuple(row[key] or "" for key in order))


def _of_device(workspace: Workspace, row: dict[str, Any]) -> dict[str, Any]:
    """A finding of care in the form of the list; `to` is None while it lasts."""
    zone, is_meter = workspace.zone, row["device_kind"] == METER
    said = (row["found"] and f"found {row['found']}", row["expected"] and f"expected {row['expected']}", row["detail"])
    return {
        "source": DEVICES, "terminal": None if is_meter else row["device"], "rule": row["rule"],
        "severity": row["severity"], "meter": row["device"] if is_meter else None, "family": "", "kind": "",
        "column": row["parameter"], "from": civil(row["since"], zone),
        "to": None if row["resolved_at"] is None else civil(row["resolved_at"], zone), "values_found": row["times"],
        "value": None, "limit_value": None, "detail": ", ".join(part for part in said if part),
    }  # fmt: skip


def _shown(workspace: Workspace, row: dict[str, Any]) -> dict[str, Any]:
    zone = workspace.zone
    times = {"from": civil(row["from_ts"], zone), "to": civil(row["to_ts"], zone)}
    return {
        **{key: row[key] for key in ("rule", "severity", "meter", "family", "kind", "column")}, **times,
        **{key: row[key] for key in ("values_found", "value", "limit_value", "detail")},
    }  # fmt: skip


ESTIMATED_FAMILIES = ("voltage", "current", "power", "energy")
METERS_AT_A_TIME = 500


def estimate(
    workspace: Workspace, period: Period, *, meters: Sequence[str] | None = None, dry_run: bool = False
) -> tuple[list[dict[str, Any]], IngestSummary]:
    """Fill gaps by straight lines between the values on either side, flagged `estimated`; one row per gap and family.

    Only instants without any row, in gaps up to `quality.estimate_most_min`. An estimate has the lowest rank: whatever
    is measured, whenever it comes, takes its place. Registers only where they do not fall. Raises WriteError.
    """
    start, end = period.bounds_ms(workspace.zone)
    parameters = point_parameters(workspace, start, end)
    steps = {row["meter"]: row["interval_min"] * 60_000 for row in parameters.to_pylist()}
    names = sorted(steps if meters is None else set(steps) & set(meters))
    gaps: list[dict[str, Any]] = []
    summary = IngestSummary()
    with BatchWriter(workspace, source=f"estimate {period.label}", sha256=None, decoder="estimate-1") as writer:
        for at in range(0, len(names), METERS_AT_A_TIME):
            part = names[at : at + METERS_AT_A_TIME]
            interval = pa.table({"meter": part, "step": pa.array([steps[name] for name in part], pa.int64())})
            for family in ESTIMATED_FAMILIES:
                rows = _interpolated(workspace, family, start, end, part, interval)
                gaps += _gaps(workspace, family, rows)
                writer.add(family, rows.drop_columns("gap"))
        if gaps and not dry_run:
            summary = writer.commit(note={"estimate": period.label, "gaps": len(gaps)})
    return gaps, summary


def _gaps(workspace: Workspace, family: str, rows: pa.Table) -> list[dict[str, Any]]:
    if rows.num_rows == 0:
        return []
    grouped = rows.group_by(["meter", "kind", "gap"]).aggregate([("ts", "min"), ("ts", "max"), ("ts", "count")])
    zone = workspace.zone
    return [
        {
            "meter": row["meter"], "family": family, "kind": row["kind"], "from": row["ts_min"].astimezone(zone),
            "to": row["ts_max"].astimezone(zone), "values": row["ts_count"],
        }
        for row in grouped.sort_by([("meter", "ascending"), ("gap", "ascending")]).to_pylist()
    ]  # fmt: skip


def _interpolated(
    workspace: Workspace, family: str, from_ms: int, to_ms: int, meters: list[str], interval: pa.Table
) -> pa.Table:
    """Rows for the gaps of a family, in its input schema, and `gap`: the stamp before the gap."""
    definition = FAMILIES[family]
    longest = workspace.settings.quality.estimate_most_min * 60_000
    reader = read_family(workspace, family, from_ms - longest - 86_400_000, to_ms + longest + 86_400_000, meters)
    columns = []
    for column in definition.values:
        name = merge.quote(column.name)
        line = f"({name} + (next_{column.name} - {name})::DOUBLE * (n * step) / (after - ms))"
        rising = f" AND (kind NOT IN ('register', 'freeze_hour') OR next_{column.name} >= {name})"
        columns.append(
            f"CASE WHEN {name} IS NOT NULL AND next_{column.name} IS NOT NULL{rising} THEN"
            f" round({line}, {column.type.scale})::{merge.sql_type(column.type)} END AS {name}"
        )
    leads = ", ".join(f"lead({merge.quote(c)}) OVER w AS next_{c}" for c in definition.value_names)
    some = " OR ".join(f"{merge.quote(c)} IS NOT NULL" for c in definition.value_names)
    with query_engine(workspace) as engine:
        engine.register("read_rows", reader)
        engine.execute("CREATE TABLE stored AS SELECT *, epoch_ms(ts) AS ms FROM read_rows")
        engine.unregister("read_rows")
        hand_over(engine, "steps", interval)
        text = (
            f"SELECT meter, kind, make_timestamptz(((ms + n * step) * 1000)::BIGINT) AS ts, {', '.join(columns)},"
            f" {quality.ESTIMATED}::USMALLINT AS quality, NULL::TIMESTAMPTZ AS recv_at, ms AS gap"
            f" FROM (SELECT *, unnest(range(1, (after - ms + step - 1) // step)) AS n FROM"
            f" (SELECT s.*, step, lead(ms) OVER w AS after, {leads} FROM stored s JOIN steps USING (meter)"
            f" WHERE kind IN ('interval', 'snapshot', 'register', 'freeze_hour') AND quality & {quality.ESTIMATED} = 0"
            f" WINDOW w AS (PARTITION BY meter, kind ORDER BY ms)) WHERE after - ms > step AND after - ms <= {longest} + step)"
            f" WHERE ms + n * step > {from_ms} AND ms + n * step <= {to_ms}"
        )
        kept = (
            f"SELECT e.* FROM ({text}) e ANTI JOIN stored USING (meter, kind, ts) WHERE {some} ORDER BY meter, kind, ts"
        )
        table = engine.sql(kept).to_arrow_table()
    return table.cast(definition.input_schema.append(pa.field("gap", pa.int64())))
