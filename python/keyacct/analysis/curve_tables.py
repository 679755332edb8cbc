"""Stored values of points as tables of a query engine: primary values with the time each stands for."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from keyacct.analysis.buckets import Bucket
from keyacct.analysis.question import Question
from keyacct.model import MINUTE_MS

BLOCK_MS = 15 * MINUTE_MS
COLUMNS = {"power": ("p", "q"), "voltage": ("a", "b", "c", "ab", "bc", "ca"), "current": ("a", "b", "c")}
"""Family → the columns that a curve has."""
KINDS = ("interval", "snapshot", "freeze_minute", "freeze_hour")
"""Kinds of values that make a curve, the best first; of several values at one instant the best counts."""
WEIGHTS = {
    "power": {"w": "p IS NOT NULL OR q IS NOT NULL", "w_p": "p IS NOT NULL", "w_q": "q IS NOT NULL",
              "w_both": "p IS NOT NULL AND q IS NOT NULL"},
    "voltage": {**{f"w_{x}": f"{x} IS NOT NULL" for x in COLUMNS["voltage"]},
                "w": "coalesce(a, b, c, ab, bc, ca) IS NOT NULL",
                "w_phases": "a IS NOT NULL AND b IS NOT NULL AND c IS NOT NULL",
                "w_lines": "ab IS NOT NULL AND bc IS NOT NULL AND ca IS NOT NULL"},
    "current": {**{f"w_{x}": f"{x} IS NOT NULL" for x in COLUMNS["current"]},
                "w": "coalesce(a, b, c) IS NOT NULL", "w_either": "coalesce(a, c) IS NOT NULL",
                "w_phases": "a IS NOT NULL AND b IS NOT NULL AND c IS NOT NULL",
                "w_pair": "a IS NOT NULL AND c IS NOT NULL"},
}  # fmt: skip
"""Family → weight → which rows have it: a missing value is a gap of its column, whatever else its row holds."""
_REGISTERS = ("register", "freeze_minute", "freeze_hour")
_HOUR_MS = 60 * MINUTE_MS


def exact_sum(value: str, weight: str = "1") -> str:
    """SQL for Σ value × weight, the same bits in whatever order the engine's threads add.

    Each value is taken as a whole number of 10^-9; whole numbers add to the same sum in any order.
    """
    return f"(sum((({value}) * 1e9)::HUGEINT * {weight})::DOUBLE / 1e9)"


def best_of_kinds(columns: Sequence[str], kinds: Sequence[str]) -> str:
    """SQL for the columns of one meter and instant: of several kinds the first that has a value, column by column."""
    rank = f"list_position({list(kinds)!r}, kind)"
    return ", ".join(f'arg_min("{name}", {rank}) FILTER ("{name}" IS NOT NULL) AS "{name}"' for name in columns)


def curve_meters(question: Question, parameters: pa.Table) -> list[str]:
    """The meters whose values can be asked for; none while the period has not begun."""
    if question.to_ms <= question.from_ms:
        return []
    return sorted(set(parameters["meter"].drop_null().to_pylist()))


def curve_tables(
    engine: duckdb.DuckDBPyConnection,
    question: Question,
    parameters: pa.Table,
    buckets: Sequence[Bucket],
    by: Sequence[str],
    family: str,
    weights: Sequence[str] = ("w",),
) -> None:
    """Make the tables of a family.

    weighed: span, point, wiring, bucket, ms (UTC, end of the time), block (quarter hour), the primary values and the
    weights asked for of `WEIGHTS`: ms that the value stands for, the time since the one before it up to
    `samples.max_gap_intervals` intervals, else one interval; told: span, key (the values of `by` as
    texts); expected: key, bucket, ms. Power of a meter without power values is that of its energies: increments, else
    differences of registers not further apart; a fall of the register gives none.
    """
    workspace, default = question.workspace, question.workspace.settings.samples.interval_min
    gap_intervals = workspace.settings.samples.max_gap_intervals
    reach = max(default, pc.max(parameters["interval_min"]).as_py() or 0) * MINUTE_MS * gap_intervals
    names = ["point", "meter", "from_ms", "to_ms", "reading_side", "wiring", "pt", "ct", "interval_min", *by]
    spans = pa.table({name: parameters[name] for name in dict.fromkeys(names)})
    engine.execute("SET preserve_insertion_order = true")
    engine.register("spans", spans.append_column("span", pa.array(range(spans.num_rows), pa.int64())))
    bounds = {
        "bucket": pa.array(range(len(buckets)), pa.int64()),
        "start_ms": pa.array([bucket.start_ms for bucket in buckets], pa.int64()),
        "end_ms": pa.array([min(bucket.end_ms, question.to_ms) for bucket in buckets], pa.int64()),
    }
    engine.register("buckets", pa.table(bounds))
    meters = curve_meters(question, parameters)
    with question.faults_told():
        _stored(engine, question, family, COLUMNS[family], meters, reach)
        if family == "power":
            _from_energy(engine, question, meters, reach, default)
    columns = COLUMNS[family]
    pt, ct = "coalesce(s.pt, 1)", "coalesce(s.ct, 1)"
    ratio = {"power": f"{pt} * {ct}", "voltage": pt, "current": ct}[family]
    values = ", ".join(f"c.{name} * f.ratio AS {name}" for name in columns)
    own = "c.own_ms" if family == "power" else "NULL"
    has = {name: WEIGHTS[family][name] for name in weights}
    before = "PARTITION BY meter ORDER BY ms"
    gaps = ", ".join(
        f"CASE WHEN {test} THEN ms - lag(CASE WHEN {test} THEN ms END IGNORE NULLS) OVER ({before}) END AS gap_{name}, "
        f"{test} AS has_{name}"
        for name, test in has.items()
    )
    weighing = ", ".join(
        f"CASE WHEN has_{name} THEN coalesce({own}, CASE WHEN c.gap_{name} <= f.interval_ms * {gap_intervals} "
        f"THEN c.gap_{name} ELSE f.interval_ms END) END AS {name}"
        for name in has
    )
    engine.execute(
        f"""CREATE TEMP TABLE weighed AS
        WITH step AS (SELECT *, {gaps} FROM curve),
        fitted AS (
            SELECT s.span, s.point, s.meter, s.wiring, s.from_ms, s.to_ms,
                CASE WHEN s.reading_side = 'primary' THEN 1.0 ELSE {ratio} END AS ratio,
                coalesce(s.interval_min, {default}) * {MINUTE_MS} AS interval_ms
            FROM spans s)
        SELECT f.span, f.point, f.wiring, b.bucket, c.ms, (c.ms - 1) // {BLOCK_MS} AS block, {weighing}, {values}
        FROM step c JOIN fitted f ON c.meter = f.meter AND c.ms > f.from_ms AND c.ms <= f.to_ms
        ASOF JOIN buckets b ON c.ms - 1 >= b.start_ms"""
    )
    group = "[" + ", ".join(f's."{name}"::VARCHAR' for name in by) + "]" if by else "[]"
    engine.execute(
        f"""CREATE TEMP TABLE told AS SELECT s.span, {group}::VARCHAR[] AS key FROM spans s;
        CREATE TEMP TABLE expected AS
        SELECT t.key, b.bucket, sum(least(s.to_ms, b.end_ms) - greatest(s.from_ms, b.start_ms)) AS ms
        FROM spans s JOIN told t USING (span) JOIN buckets b ON s.from_ms < b.end_ms AND s.to_ms > b.start_ms
        GROUP BY ALL"""
    )


def _stored(
    engine: duckdb.DuckDBPyConnection, question: Question, family: str, columns: Sequence[str], meters: Sequence[str],
    reach: int,
) -> None:  # fmt: skip
    from keyacct.store.read import read_family

    names = ("meter", "kind", "ts", *columns)
    stored = read_family(question.workspace, family, question.from_ms - reach, question.to_ms + 1, meters, names)
    engine.register("stored", question.kept(stored))
    kinds = ", ".join(f"'{kind}'" for kind in KINDS)
    cells = ", ".join(f'"{name}"::DOUBLE AS {name}' for name in columns)
    engine.execute(
        f"""CREATE TEMP TABLE curve AS
        SELECT meter, epoch_ms(ts) AS ms, {cells}, NULL::BIGINT AS own_ms FROM (
            SELECT meter, ts, {best_of_kinds(columns, KINDS)} FROM stored WHERE kind IN ({kinds}) GROUP BY meter, ts)"""
    )


def _from_energy(
    engine: duckdb.DuckDBPyConnection, question: Question, meters: Sequence[str], reach: int, default: int
) -> None:
    """Adds the mean powers that energies make for meters without power values."""
    from keyacct.store.read import read_family

    told = {row[0] for row in engine.execute("SELECT DISTINCT meter FROM curve WHERE p IS NOT NULL").fetchall()}
    silent = [meter for meter in meters if meter not in told]
    if not silent:
        return
    names = ("meter", "kind", "ts", "import", "q1", "q4", "reactive_import", "reactive_export")
    reader = read_family(
        question.workspace, "energy", question.from_ms - reach, question.to_ms + reach + 1, silent, names
    )
    engine.register("stored_energy", question.kept(reader))
    registers = ", ".join(f"'{kind}'" for kind in _REGISTERS)
    ranked = ", ".join(f"'{kind}'" for kind in ("interval", *_REGISTERS))
    engine.execute(
        f"""INSERT INTO curve
        WITH amounts AS (
            SELECT meter, kind, epoch_ms(ts) AS ms, "import"::DOUBLE AS wp,
                coalesce(q1, reactive_import)::DOUBLE + coalesce(q4, reactive_export, 0)::DOUBLE AS wq
            FROM stored_energy WHERE kind IN ({ranked})),
        steps AS (
            SELECT meter, kind, ms, CASE WHEN wp >= lag(wp) OVER one THEN wp - lag(wp) OVER one END AS wp,
                CASE WHEN wq >= lag(wq) OVER one THEN wq - lag(wq) OVER one END AS wq, ms - lag(ms) OVER one AS long_ms
            FROM amounts WHERE kind IN ({registers}) WINDOW one AS (PARTITION BY meter, kind ORDER BY ms)),
        every AS (
            SELECT * FROM steps WHERE long_ms <= {reach}
            UNION ALL
            SELECT a.meter, kind, ms, wp, wq, coalesce(i.interval_min, {default}) * {MINUTE_MS} AS long_ms
            FROM amounts a
            JOIN (SELECT meter, any_value(interval_min) AS interval_min FROM spans GROUP BY ALL) i USING (meter)
            WHERE kind = 'interval')
        SELECT meter, ms, wp * {_HOUR_MS} / long_ms, wq * {_HOUR_MS} / long_ms, long_ms FROM every
        QUALIFY row_number() OVER (PARTITION BY meter, ms ORDER BY list_position([{ranked}], kind)) = 1"""
    )
