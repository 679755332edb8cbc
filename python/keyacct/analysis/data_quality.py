"""Validation of samples (the V of VEE): each rule is one query over merged samples; a finding is a row.

Rules and their limits: `[quality]` of the settings; what they mean: docs/store.md. Numbers of the registry (ratio,
capacity, interval, digits) hold as of the sample's time. DuckDB does the scan, meter range by meter range.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from keyacct import clock
from keyacct.config import QualitySettings, Workspace
from keyacct.database import tables
from keyacct.database.engine import open_database
from keyacct.errors import UsageError
from keyacct.model import Period, midnight_ms
from keyacct.registry.parameters import point_parameters
from keyacct.store.engine import query_engine
from keyacct.store.families import FAMILIES
from keyacct.store.merge import quote
from keyacct.store.quality import ESTIMATED
from keyacct.store.read import read_family
from keyacct.store.views import add_views, hand_over

FINDINGS = pa.schema(
    [
        ("rule", pa.string()), ("severity", pa.string()), ("family", pa.string()), ("meter", pa.string()),
        ("kind", pa.string()), ("column", pa.string()), ("from_ts", pa.int64()), ("to_ts", pa.int64()),
        ("values_found", pa.int64()), ("value", pa.float64()), ("limit_value", pa.float64()), ("detail", pa.string()),
    ]
)  # fmt: skip
"""severity: general or severe. value, limit_value: the figure and the limit that it broke, in the column's unit."""

METERS_AT_A_TIME = 500
REGISTERS = ("register", "freeze_minute", "freeze_hour", "freeze_day", "freeze_month", "freeze_settlement")
_REGULAR = "('interval', 'snapshot')"
_CURVES = ("voltage", "current", "power", "energy")


class _Span:
    """What a rule needs to know: the settings, the span, the present."""

    def __init__(self, workspace: Workspace, period: Period) -> None:
        self.limits: QualitySettings = workspace.settings.quality
        self.from_ms, self.to_ms = period.bounds_ms(workspace.zone)
        self.now_ms = clock.now_ms()
        self.zone = workspace.settings.workspace.timezone
        self.days = [
            {"day": day.isoformat(), "from_ms": midnight_ms(day, workspace.zone),
             "to_ms": midnight_ms(day + dt.timedelta(days=1), workspace.zone)}
            for day in period.days()
        ]  # fmt: skip


def find(
    workspace: Workspace, period: Period, *, meters: Sequence[str] | None = None, rules: Sequence[str] | None = None
) -> pa.Table:
    """What is wrong with the samples of a period, as `FINDINGS`, sorted; nothing is written.

    meters: only these. rules: of `RULES`, else all. Memory holds about METERS_AT_A_TIME meters. Raises UsageError.
    """
    for rule in rules or ():
        if rule not in RULES:
            raise UsageError("usage.invalid", f"there is no rule {rule!r}", hint=f"choose of {', '.join(RULES)}")
    span = _Span(workspace, period)
    parameters = point_parameters(workspace, span.from_ms, span.to_ms)
    known = _meters(workspace, parameters, span)
    disputes = _disputes(workspace, span)
    names = sorted(set(known.column("meter").to_pylist()) | _stored(workspace, span))
    if meters is not None:
        names = sorted(set(names) & set(meters)) or sorted(set(meters))
    found: list[pa.Table] = []
    for start in range(0, len(names), METERS_AT_A_TIME):
        part = names[start : start + METERS_AT_A_TIME]
        with query_engine(workspace) as engine:
            hand_over(engine, "known", known)
            hand_over(engine, "days", pa.Table.from_pylist(span.days))
            hand_over(engine, "asked", pa.table({"meter": pa.array(part, pa.string())}))
            hand_over(engine, "disputes", disputes)
            for family in (*_CURVES, "tariff_energy"):
                # One interval more on either side: a rule looks at the neighbours of a value.
                _load(engine, workspace, family, span.from_ms - 3_600_000, span.to_ms + 3_600_000, part)
            for name in rules or RULES:
                for text in RULES[name](span):
                    found.append(engine.sql(text).to_arrow_table().rename_columns(FINDINGS.names).cast(FINDINGS))
    table = pa.concat_tables(found) if found else FINDINGS.empty_table()
    order = [(key, "ascending") for key in ("meter", "family", "from_ts", "rule", "column", "kind")]
    return table.sort_by(order)


def _load(
    engine: duckdb.DuckDBPyConnection, workspace: Workspace, family: str, from_ms: int, to_ms: int, meters: list[str]
) -> None:
    reader = read_family(workspace, family, from_ms, to_ms, meters)
    engine.register("read_rows", reader)
    engine.execute(f"CREATE TABLE {family} AS SELECT *, epoch_ms(ts) AS ms FROM read_rows")
    engine.unregister("read_rows")


def _stored(workspace: Workspace, span: _Span) -> set[str]:
    """Every meter that has samples in the span, known to the registry or not."""
    with query_engine(workspace) as engine:
        add_views(engine, workspace, families=_CURVES)
        bounds = f"ts > make_timestamptz({span.from_ms * 1000}) AND ts <= make_timestamptz({span.to_ms * 1000})"
        text = " UNION ".join(f"SELECT meter FROM {family}_raw WHERE {bounds}" for family in _CURVES)
        stored = {str(row[0]) for row in engine.execute(text).fetchall()}
        named = engine.execute("SELECT alias, meter FROM aliases").fetchall()
    return stored - {alias for alias, _ in named} | {meter for alias, meter in named if alias in stored}


def _meters(workspace: Workspace, parameters: pa.Table, span: _Span) -> pa.Table:
    """Per meter and span: interval, multiplier to primary, capacity, range of its registers."""
    with open_database(workspace).read() as connection:
        digits = {
            row.meter_no: row.register_digits
            for row in connection.execute(sa.select(tables.meter.c.meter_no, tables.meter.c.register_digits))
        }
    rows = []
    for row in parameters.to_pylist():
        ratio = (row["pt"] or 1.0) * (row["ct"] or 1.0) if row["reading_side"] == "secondary" else 1.0
        rows.append(
            {
                "meter": row["meter"], "from_ms": row["from_ms"], "to_ms": row["to_ms"],
                "interval_ms": row["interval_min"] * 60_000, "multiplier": ratio,
                "capacity_kva": row["running_capacity_kva"] or row["contract_capacity_kva"],
                "register_range": 10.0 ** (digits.get(row["meter"]) or span.limits.register_digits),
            }
        )  # fmt: skip
    schema = pa.schema(
        [
            ("meter", pa.string()), ("from_ms", pa.int64()), ("to_ms", pa.int64()), ("interval_ms", pa.int64()),
            ("multiplier", pa.float64()), ("capacity_kva", pa.float64()), ("register_range", pa.float64()),
        ]
    )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=schema)


def _disputes(workspace: Workspace, span: _Span) -> pa.Table:
    """Values that lost against another one of their key, from the store's history."""
    table = tables.revision
    query = sa.select(table.c.family, table.c.meter, table.c.kind, table.c.column, table.c.ts, table.c.value).where(
        table.c.ts > span.from_ms, table.c.ts <= span.to_ms, table.c.reason != "edit taken back"
    )
    with open_database(workspace).read() as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
    schema = pa.schema(
        [(n, pa.int64() if n == "ts" else pa.string()) for n in ("family", "meter", "kind", "column", "ts", "value")]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def _row(
    rule: str, severity: str, family: str, kind: str, column: str, start: str, end: str, count: str, value: str,
    limit: str, detail: str,
) -> str:  # fmt: skip
    """The columns of a finding as SQL; kind to detail are expressions."""
    return (
        f"'{rule}' AS rule, {severity} AS severity, '{family}' AS family, meter, {kind} AS kind, '{column}' AS \"column\","
        f" ({start})::BIGINT AS from_ts, ({end})::BIGINT AS to_ts, ({count})::BIGINT AS values_found,"
        f" ({value})::DOUBLE AS value, ({limit})::DOUBLE AS limit_value, {detail} AS detail"
    )


def _any(family: str) -> str:
    return "coalesce(" + ", ".join(f"{quote(c)}::DOUBLE" for c in FAMILIES[family].value_names) + ")"


def completeness(span: _Span) -> Iterator[str]:
    """Fewer values in a civil day than the meter's interval promises. Estimates do not count as values.

    A family is expected of a meter that has it in the span; of a meter without any sample all of it is missing.
    """
    expected = (
        "SELECT k.meter, d.day, greatest(k.from_ms, d.from_ms) AS a, least(k.to_ms, d.to_ms) AS b, k.interval_ms FROM known k"
        f" JOIN days d ON k.from_ms < d.to_ms AND k.to_ms > d.from_ms JOIN asked USING (meter)"
        f" WHERE least(k.to_ms, d.to_ms, {span.now_ms}) > greatest(k.from_ms, d.from_ms)"
    )
    has = " UNION ALL ".join(
        f"SELECT meter, '{family}' AS family, kind, ms FROM {family} WHERE kind IN {_REGULAR}"
        f" AND quality & {ESTIMATED} = 0 AND {_any(family)} IS NOT NULL"
        for family in _CURVES
    )
    yield (
        f"WITH e AS ({expected}), h AS ({has}), f AS (SELECT DISTINCT meter, family, kind FROM h),"
        " w AS (SELECT e.meter, coalesce(f.family, '') AS family, coalesce(f.kind, '') AS kind, a,"
        f" least(b, {span.now_ms} // interval_ms * interval_ms) AS b, interval_ms FROM e LEFT JOIN f USING (meter)),"
        " c AS (SELECT w.meter, w.family, w.kind, w.a, w.b, (w.b - w.a) // w.interval_ms AS due,"
        " count(DISTINCT h.ms // w.interval_ms) AS got FROM w LEFT JOIN h ON h.meter = w.meter AND h.family = w.family"
        " AND h.kind = w.kind AND h.ms > w.a AND h.ms <= w.b"
        " GROUP BY w.meter, w.family, w.kind, w.a, w.b, w.interval_ms)"
        " SELECT 'completeness' AS rule, CASE WHEN got = 0 THEN 'severe' ELSE 'general' END AS severity, family, meter,"
        " kind, '' AS \"column\", a AS from_ts, b AS to_ts, greatest(due - got, 0)::BIGINT AS values_found,"
        f" (got / due)::DOUBLE AS value, {span.limits.minimum_completeness}::DOUBLE AS limit_value,"
        " got || ' of ' || due || ' values' AS detail"
        f" FROM c WHERE due > 0 AND got < due * {span.limits.minimum_completeness}"
    )


def spike(span: _Span) -> Iterator[str]:
    """Highest value of a day far above its third highest (load); one voltage far from both its neighbours."""
    ratio, share = span.limits.spike_ratio, span.limits.spike_least_share
    for family, columns in (("power", ("p", "q")), ("energy", ("import", "export")), ("current", ("a", "b", "c"))):
        for column in columns:
            size = f"abs({quote(column)}::DOUBLE)"
            day = f"date_trunc('day', timezone('{span.zone}', ts - INTERVAL 1 MILLISECOND))"
            body = _row(
                "spike", "'general'", family, "kind", column, "ms", "ms", "1", "v", f"third * {1 + ratio}",
                "'highest of the day, the third highest is ' || third",
            )  # fmt: skip
            yield (
                f"SELECT {body} FROM (SELECT *, {size} AS v, nth_value({size}, 3) OVER w AS third,"
                f" row_number() OVER w AS place, max({size}) OVER (PARTITION BY meter, kind) AS most FROM {family}"
                f" WHERE {quote(column)} IS NOT NULL AND kind IN {_REGULAR}"
                f" WINDOW w AS (PARTITION BY meter, kind, {day} ORDER BY {size} DESC, ms ROWS BETWEEN UNBOUNDED PRECEDING"
                f" AND UNBOUNDED FOLLOWING)) WHERE {_inside(span)} AND place <= 2 AND v > third * {1 + ratio}"
                f" AND v > most * {share}"
            )
    step = span.limits.voltage_step
    for column in FAMILIES["voltage"].value_names:
        body = _row(
            "spike", "'general'", "voltage", "kind", column, "ms", "ms", "1", "v", f"before * (1 + sign(v - before) * {step})",
            "'neighbours are ' || before || ' and ' || after",
        )  # fmt: skip
        yield (
            f"SELECT {body} FROM (SELECT *, {quote(column)}::DOUBLE AS v, lag({quote(column)}::DOUBLE) OVER w AS before,"
            f" lead({quote(column)}::DOUBLE) OVER w AS after FROM voltage WHERE {quote(column)} IS NOT NULL"
            f" AND kind IN {_REGULAR} WINDOW w AS (PARTITION BY meter, kind ORDER BY ms)) WHERE {_inside(span)}"
            f" AND abs(v - before) > {step} * before AND abs(v - after) > {step} * after"
            f" AND sign(v - before) = sign(v - after) AND abs(before - after) <= {step} * before / 2"
        )


def register(span: _Span) -> Iterator[str]:
    """Registers that fall (and do not roll over) or leap further than the capacity allows; roll-overs are noted.

    Roll-over: from above 0.9 to below 0.1 of the register's range, and the energy that it implies is plausible.
    """
    limits = span.limits
    for family in ("energy", "tariff_energy"):
        tariff = ", tariff" if family == "tariff_energy" else ""
        for column in FAMILIES[family].value_names:
            name = quote(column)
            reached = f"{limits.jump_ratio} * k.capacity_kva * (ms - since) / 3600000.0"
            walk = (
                f"SELECT r.*, k.capacity_kva, k.register_range, k.multiplier, {reached} AS most,"
                " (v - old) * coalesce(k.multiplier, 1) AS moved,"
                " (v - old + k.register_range) * coalesce(k.multiplier, 1) AS moved_over,"
                f" old > {limits.rollover_from} * coalesce(k.register_range, 10.0 ** {limits.register_digits})"
                f" AND v < {limits.rollover_to} * coalesce(k.register_range, 10.0 ** {limits.register_digits}) AS turned"
                f" FROM (SELECT meter, kind, ms{tariff}, {name}::DOUBLE AS v, lag({name}::DOUBLE) OVER w AS old,"
                f" lag(ms) OVER w AS since FROM {family} WHERE {name} IS NOT NULL AND kind IN {REGISTERS} WINDOW w AS"
                f" (PARTITION BY meter, kind{tariff} ORDER BY ms)) r LEFT JOIN known k ON k.meter = r.meter"
                f" AND ms > k.from_ms AND ms <= k.to_ms WHERE old IS NOT NULL AND {_inside(span)}"
            )
            of_tariff = " || ', tariff ' || tariff" if tariff else ""
            state = (
                "CASE WHEN v < old AND turned AND (most IS NULL OR moved_over <= most) THEN 'register_rollover'"
                " WHEN v < old THEN 'register_decrease' WHEN moved > most THEN 'register_jump' END"
            )
            yield (
                f"SELECT state AS rule, CASE state WHEN 'register_rollover' THEN 'general' ELSE 'severe' END AS severity,"
                f" '{family}' AS family, meter, kind, '{column}' AS \"column\", min(since)::BIGINT, ms::BIGINT, count(*)::BIGINT,"
                " any_value(v)::DOUBLE, any_value(CASE state WHEN 'register_jump'"
                " THEN most / coalesce(multiplier, 1) + old ELSE old END)::DOUBLE,"
                f" string_agg('before ' || old{of_tariff}, '; ' ORDER BY old) FROM (SELECT *, {state} AS state FROM ({walk}))"
                f" WHERE state IS NOT NULL GROUP BY state, meter, kind, ms"
            )


def tariff_sum(span: _Span) -> Iterator[str]:
    """Total register and the sum of its tariffs differ by more than a step per tariff."""
    step = span.limits.register_step * span.limits.tariff_steps
    for column in FAMILIES["energy"].value_names:
        name = quote(column)
        body = _row(
            "tariff_sum", "'general'", "tariff_energy", "kind", column, "ms", "ms", "tariffs", "total - parts",
            f"tariffs * {step}", "'total ' || total || ', sum of ' || tariffs || ' tariffs ' || parts",
        )  # fmt: skip
        yield (
            f"SELECT {body} FROM (SELECT e.meter, e.kind, e.ms, any_value(e.{name}) AS total, sum(t.{name}) AS parts,"
            f" count(*) AS tariffs FROM energy e JOIN tariff_energy t ON t.meter = e.meter AND t.kind = e.kind"
            f" AND t.ms = e.ms WHERE e.{name} IS NOT NULL AND t.{name} IS NOT NULL AND t.tariff > 0 GROUP BY ALL)"
            f" WHERE {_inside(span)} AND abs(total - parts)::DOUBLE > tariffs * {step} + 1e-9"
        )


def duplicate(span: _Span) -> Iterator[str]:
    """A key that came more than once with different values, per meter, column and civil day."""
    day = f"date_trunc('day', timezone('{span.zone}', make_timestamptz((ts - 1) * 1000)))"
    yield (
        "SELECT 'duplicate' AS rule, 'general' AS severity, family, meter, kind, \"column\", min(ts)::BIGINT AS from_ts,"
        " max(ts)::BIGINT AS to_ts, count(*)::BIGINT AS values_found, NULL::DOUBLE, NULL::DOUBLE,"
        " 'other values came for ' || count(DISTINCT ts) || ' instants' AS detail FROM disputes JOIN asked USING (meter)"
        f' GROUP BY family, meter, kind, "column", {day}'
    )


def future_time(span: _Span) -> Iterator[str]:
    """Stamps that lie ahead of the time of receipt, or of the present."""
    ahead = span.limits.future_min * 60_000
    for family in (*_CURVES, "tariff_energy"):
        body = _row(
            "future_time", "'severe'", family, "kind", "", "min(ms)", "max(ms)", "count(*)", "max(ms - seen) / 60000.0",
            str(span.limits.future_min), "'stamps are up to ' || max(ms - seen) // 60000 || ' min ahead'",
        )  # fmt: skip
        yield (
            f"SELECT {body} FROM (SELECT *, least(coalesce(epoch_ms(recv_at), {span.now_ms}), {span.now_ms}) AS seen"
            f" FROM {family}) WHERE {_inside(span)} AND ms > seen + {ahead} GROUP BY meter, kind"
        )


def stuck(span: _Span) -> Iterator[str]:
    """A curve that shows one and the same value, not zero, for many intervals."""
    most = span.limits.stuck_intervals
    for family, columns in (("voltage", "abc"), ("current", "abc"), ("power", ("p",)), ("energy", ("import",))):
        for column in columns:
            body = _row(
                "stuck", "'general'", family, "kind", column, "min(ms)", "max(ms)", "count(*)", "v", str(most),
                "count(*) || ' equal values after each other'",
            )  # fmt: skip
            yield (
                f"SELECT {body} FROM (SELECT *, sum(news) OVER (PARTITION BY meter, kind ORDER BY ms) AS run FROM"
                f" (SELECT meter, kind, ms, {quote(column)} AS v, coalesce(({quote(column)} <> lag({quote(column)})"
                f" OVER (PARTITION BY meter, kind ORDER BY ms))::INT, 1) AS news FROM {family}"
                f" WHERE {quote(column)} IS NOT NULL AND kind IN {_REGULAR} AND quality & {ESTIMATED} = 0))"
                f" WHERE v <> 0 AND {_inside(span)} GROUP BY meter, kind, run, v HAVING count(*) >= {most}"
            )


def _inside(span: _Span) -> str:
    return f"ms > {span.from_ms} AND ms <= {span.to_ms}"


RULES: dict[str, Callable[[_Span], Iterator[str]]] = {
    "completeness": completeness, "spike": spike, "register": register, "tariff_sum": tariff_sum,
    "duplicate": duplicate, "future_time": future_time, "stuck": stuck,
}  # fmt: skip
"""Rule by name; `register` gives the findings register_decrease, register_rollover and register_jump."""
