"""`keyacct stats` against a recomputation in DuckDB, on random data: gaps, nulls, corrections, seams, the leap day."""

import datetime as dt
import importlib.util
import itertools
import tempfile
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyacct.analysis.month_stats import write_stats

_spec = importlib.util.spec_from_file_location("month_data", Path(__file__).with_name("month_data.py"))
data = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(data)

STEP = st.sampled_from([900_000] * 6 + [0, 0, 1, 300_000, 899_999, 1_800_000, 7_200_000, 90_000_000])
# The lower limits themselves, and few powers, so that values lie on a limit and blocks are equal.
VOLTS = st.one_of(
    st.none(),
    st.integers(10_000, 26_000).map(lambda centi: data.single(centi / 100)),
    st.sampled_from((data.single(220 * 0.93), data.single(57.7 * 0.93), 154.0)),
)
POWER = st.one_of(
    st.none(), st.integers(-4_000, 9_000).map(lambda watts: data.single(watts / 1000)), st.sampled_from((0.0, 1.0, 2.0))
)
REGISTER = st.one_of(st.none(), st.integers(0, 10**9).map(lambda n: n / 100))
READING = st.tuples(STEP, VOLTS, VOLTS, VOLTS, POWER, POWER, REGISTER, REGISTER)

SQL = """
WITH raw AS (SELECT *, row_number() OVER () AS place FROM rows),
once AS (SELECT * FROM raw QUALIFY row_number() OVER (PARTITION BY meter_id, ms ORDER BY place DESC) = 1),
w AS (SELECT * EXCLUDE (p, q), p::DOUBLE AS p, q::DOUBLE AS q,
    least(coalesce(lead(ms) OVER (PARTITION BY meter_id ORDER BY ms) - ms, 900000), 900000) AS w,
    date_trunc('{span}', make_timestamp(ms * 1000))::DATE AS span, ms % 86400000 // 3600000 AS hour,
    substr(tariff, (ms % 86400000 // 1800000 + 1)::BIGINT, 1) AS period FROM once JOIN lim USING (meter_id)),
v AS (SELECT meter_id, span, ms, w, unnest(['a', 'b', 'c']) AS x, unnest([ua, ub, uc])::DOUBLE * pt AS v, 0.7 * u_nom AS least_v,
    u_lower, u_upper FROM w),
volts AS (SELECT meter_id, span, x, coalesce(sum(w) FILTER (v >= least_v), 0) AS mon_ms,
    coalesce(sum(w) FILTER (v >= least_v AND v > u_upper), 0) AS over_ms,
    coalesce(sum(w) FILTER (v >= least_v AND v < u_lower), 0) AS under_ms,
    coalesce(sum(w) FILTER (v < least_v), 0) AS loss_ms,
    100 * (1 - (over_ms + under_ms) / nullif(mon_ms, 0)) AS rate,
    max(v) FILTER (v >= least_v) AS max, arg_min(ms, (-v, ms)) FILTER (v >= least_v) AS max_ts,
    min(v) FILTER (v >= least_v) AS min, arg_min(ms, (v, ms)) FILTER (v >= least_v) AS min_ts,
    sum(v * w) FILTER (v >= least_v) / nullif(mon_ms, 0) AS mean FROM v GROUP BY ALL),
blocks AS (SELECT meter_id, span, ms // 900000 AS block, sum(p * w) / sum(w) AS d FROM w WHERE p IS NOT NULL GROUP BY ALL),
demand AS (SELECT meter_id, span, max(d) AS md_kw, arg_min(block * 900000, (-d, block)) AS md_ts, min(d) AS lmin_kw FROM blocks
    GROUP BY ALL),
energy AS (SELECT meter_id, span, period, hour, sum(greatest(p, 0) * w) AS wp, sum(abs(q) * w) AS wq FROM w
    WHERE p IS NOT NULL AND q IS NOT NULL GROUP BY ALL),
factors AS (SELECT meter_id, span, {factors} FROM energy GROUP BY ALL),
rest AS (SELECT meter_id, span, count(*) AS n, sum(p * w) FILTER (p IS NOT NULL) / nullif(sum(w) FILTER (p IS NOT NULL), 0)
    AS lmean_kw, arg_max(ep, ms) FILTER (ep IS NOT NULL) - arg_min(ep, ms) FILTER (ep IS NOT NULL) AS ep_kwh,
    arg_max(eq, ms) FILTER (eq IS NOT NULL) - arg_min(eq, ms) FILTER (eq IS NOT NULL) AS eq_kvarh,
    any_value(pf_std) AS pf_std FROM w GROUP BY ALL)
SELECT r.meter_id, r.span AS {span}, n, {phases}, coalesce(wp_kwh, 0) AS wp_kwh, coalesce(wq_kvarh, 0) AS wq_kvarh,
    f.* EXCLUDE (meter_id, span, wp_kwh, wq_kvarh), md_kw, md_ts, lmin_kw, lmean_kw,
    CASE WHEN md_kw > 0 THEN lmean_kw / md_kw END AS load_factor, ep_kwh, eq_kvarh, pf_std, pf >= pf_std AS pf_pass
FROM rest r LEFT JOIN demand d USING (meter_id, span) LEFT JOIN factors f USING (meter_id, span)
    {joins} ORDER BY 1, 2
"""
OF_PHASE = ("mon_ms", "over_ms", "under_ms", "loss_ms", "rate", "max", "max_ts", "min", "min_ts", "mean")


def _factor(name, which):
    """A power factor over the energies of a condition; none where both are 0."""
    wp, wq = (f"sum({column}) FILTER ({which})" for column in ("wp", "wq"))
    return f"CASE WHEN {wp} > 0 OR {wq} > 0 THEN {wp} / sqrt({wp} * {wp} + {wq} * {wq}) END AS {name}"


def _sql(span):
    """The table of days or months, said in SQL by the words of the rule."""
    factors = ["sum(wp) / 3.6e6 AS wp_kwh", "sum(wq) / 3.6e6 AS wq_kvarh", _factor("pf", "true")]
    factors += [_factor(f"pf_{name}", f"period = '{name[0].upper()}'") for name in ("peak", "flat", "valley")]
    factors += [_factor(f"pf_h{hour:02}", f"hour = {hour}") for hour in range(24)]
    return SQL.format(
        span=span, factors=", ".join(factors), phases=", ".join(f"{x}.{of} AS {x}_{of}" for x in "abc" for of in OF_PHASE),
        joins=" ".join(
            f"LEFT JOIN volts {x} ON {x}.meter_id = r.meter_id AND {x}.span = r.span AND {x}.x = '{x}'" for x in "abc"
        ),
    )  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.lists(READING, min_size=1, max_size=60), min_size=1, max_size=3),
    st.lists(st.integers(0, 180), max_size=3),
    st.text("PFV", min_size=48, max_size=48),
    st.sampled_from([(2028, 2, 28), (2026, 12, 31, 20), (2026, 6, 30, 23, 44)]),
)
def test_every_column_agrees_with_a_recomputation_in_duckdb(meters, cuts, tariff, start):
    rows = []
    for n, readings in enumerate(meters):
        ms = data.ms(*start) + n * 7
        for step, *values in readings:
            ms += step
            rows.append((f"33020000{n:04d}", ms, *values))
    limits = [row | {"tariff": tariff} for row in data.limits_of(rows)]
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as engine:
        place = Path(folder)
        edges = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})
        for n, (begin, end) in enumerate(itertools.pairwise(edges)):
            data.write(
                place / "d", rows[begin:end], limits, group=7, per_file=10**6, name=f"part-{n:02}-{{:04d}}.parquet"
            )
        write_stats(place / "d", place / "d" / "limits.parquet", place / "o", interval=15, state=place / "s")
        engine.register("given", data.table_of(rows))
        engine.register("lim", data.pa.Table.from_pylist(limits))
        engine.execute("SET threads = 1; SET TimeZone = 'UTC'")
        columns = "meter_id::VARCHAR AS meter_id, epoch_ms(ts) AS ms, * EXCLUDE (meter_id, ts)"
        engine.execute(f"CREATE TABLE rows AS SELECT {columns} FROM given")
        for span in ("day", "month"):
            wanted = engine.sql(_sql(span)).to_arrow_table().to_pylist()
            found = data.pq.read_table(place / "o" / f"{span}.parquet").sort_by(
                [("meter_id", "ascending"), (span, "ascending")]
            )
            assert set(found.column_names) <= set(wanted[0])
            _same(found.to_pylist(), wanted, span)


def _same(found, wanted, span):
    assert [(row["meter_id"], row[span]) for row in found] == [(row["meter_id"], row[span]) for row in wanted]
    for row, other in zip(found, wanted, strict=True):
        for name, mine in row.items():
            theirs = other[name]
            if isinstance(mine, dt.datetime) and theirs is not None:
                theirs = dt.datetime.fromtimestamp(theirs / 1000, dt.UTC).replace(tzinfo=None)
            elif isinstance(mine, float) and theirs is not None:
                theirs = pytest.approx(theirs, rel=1e-9, abs=1e-9)
            # A factor that meets its standard to the last bits may fall on either side.
            if name != "pf_pass" or other["pf"] is None or abs(other["pf"] - other["pf_std"]) > 1e-12:
                assert mine == theirs, (row["meter_id"], row[span], name)


def test_the_first_reading_of_march_ends_the_leap_day(tmp_path):
    rows = [("1", data.ms(2028, 2, 29, 23, 55), *[1.0] * 7), ("1", data.ms(2028, 3, 1, 0, 5), *[1.0] * 7)]
    data.write(tmp_path / "d", rows, [dict(data.limits_of([("330200000000", 0)])[0], meter_id="1", u_nom=1.0)])
    write_stats(tmp_path / "d", tmp_path / "d" / "limits.parquet", tmp_path / "o", interval=15, state=tmp_path / "s")
    days = data.pq.read_table(tmp_path / "o" / "day.parquet").to_pylist()
    found = {row["day"]: row["a_mon_ms"] + row["a_loss_ms"] for row in days}
    assert found == {dt.date(2028, 2, 29): 600_000, dt.date(2028, 3, 1): 900_000}
