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
VOLTS = st.one_of(st.none(), st.integers(10_000, 26_000).map(lambda centi: data.single(centi / 100)))
POWER = st.one_of(st.none(), st.integers(-4_000, 9_000).map(lambda watts: data.single(watts / 1000)))
REGISTER = st.one_of(st.none(), st.integers(0, 10**9).map(lambda n: n / 100))
READING = st.tuples(STEP, VOLTS, VOLTS, VOLTS, POWER, POWER, REGISTER, REGISTER)

SQL = """
WITH raw AS (SELECT *, row_number() OVER () AS place FROM rows),
once AS (SELECT * FROM raw QUALIFY row_number() OVER (PARTITION BY meter_id, ms ORDER BY place DESC) = 1),
w AS (SELECT *, least(coalesce(lead(ms) OVER (PARTITION BY meter_id ORDER BY ms) - ms, 900000), 900000) AS w,
    ms // 86400000 AS day FROM once),
v AS (SELECT meter_id, day, ms, w, unnest(['a', 'b', 'c']) AS x, unnest([ua, ub, uc])::DOUBLE * pt AS v, u_nom, u_lower,
    u_upper FROM w JOIN lim USING (meter_id)),
volts AS (SELECT meter_id, day, x, coalesce(sum(w) FILTER (v >= 0.7 * u_nom), 0) AS mon,
    coalesce(sum(w) FILTER (v >= 0.7 * u_nom AND v > u_upper), 0) AS over,
    coalesce(sum(w) FILTER (v >= 0.7 * u_nom AND v < u_lower), 0) AS under,
    coalesce(sum(w) FILTER (v < 0.7 * u_nom), 0) AS loss,
    max(v) FILTER (v >= 0.7 * u_nom) AS high, arg_min(ms, (-v, ms)) FILTER (v >= 0.7 * u_nom) AS high_at,
    sum(v * w) FILTER (v >= 0.7 * u_nom) AS total FROM v GROUP BY ALL),
blocks AS (SELECT meter_id, day, ms // 900000 AS block, sum(p::DOUBLE * w) / sum(w) AS d FROM w WHERE p IS NOT NULL
    GROUP BY ALL),
demand AS (SELECT meter_id, day, max(d) AS md, min(d) AS low FROM blocks GROUP BY ALL),
rest AS (SELECT meter_id, day, count(*) AS n,
    coalesce(sum(greatest(p::DOUBLE, 0) * w) FILTER (p IS NOT NULL AND q IS NOT NULL), 0) / 3.6e6 AS wp,
    coalesce(sum(abs(q::DOUBLE) * w) FILTER (p IS NOT NULL AND q IS NOT NULL), 0) / 3.6e6 AS wq,
    arg_max(ep, ms) FILTER (ep IS NOT NULL) - arg_min(ep, ms) FILTER (ep IS NOT NULL) AS ep FROM w GROUP BY ALL)
SELECT r.*, d.md, d.low, a.mon, a.over, a.under, a.loss, a.high, a.high_at, a.total / nullif(a.mon, 0)
FROM rest r LEFT JOIN demand d USING (meter_id, day) JOIN volts a ON a.meter_id = r.meter_id AND a.day = r.day AND a.x = 'b'
ORDER BY 1, 2
"""


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.lists(READING, min_size=1, max_size=60), min_size=1, max_size=3),
    st.lists(st.integers(0, 180), max_size=3),
)
def test_days_agree_with_a_recomputation_in_duckdb(meters, cuts):
    rows = []
    for n, readings in enumerate(meters):
        ms = data.ms(2028, 2, 28) + n * 7
        for step, *values in readings:
            ms += step
            rows.append((f"33020000{n:04d}", ms, *values))
    limits = data.limits_of(rows)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        edges = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})
        for n, (begin, end) in enumerate(itertools.pairwise(edges)):
            data.write(
                place / "d", rows[begin:end], limits, group=7, per_file=10**6, name=f"part-{n:02}-{{:04d}}.parquet"
            )
        write_stats(place / "d", place / "d" / "limits.parquet", place / "o", interval=15, state=place / "s")
        with duckdb.connect() as engine:
            engine.register("given", data.table_of(rows))
            engine.register("lim", data.pa.Table.from_pylist(limits))
            engine.execute("SET threads = 1")
            columns = "meter_id::VARCHAR AS meter_id, epoch_ms(ts) AS ms, * EXCLUDE (meter_id, ts)"
            engine.execute(f"CREATE TABLE rows AS SELECT {columns} FROM given")
            want = engine.execute(SQL).fetchall()
            got = engine.execute(
                f"SELECT meter_id, day - date '1970-01-01', n, wp_kwh, wq_kvarh, ep_kwh, md_kw, lmin_kw, b_mon_ms, b_over_ms, "
                f"b_under_ms, b_loss_ms, b_max, epoch_ms(b_max_ts), b_mean FROM '{place / 'o' / 'day.parquet'}' ORDER BY 1, 2"
            ).fetchall()
    assert len(got) == len(want)
    for mine, theirs in zip(got, want, strict=True):
        assert mine[:3] == theirs[:3]
        assert mine[8:12] == theirs[8:12]
        assert mine[13] == theirs[13]
        for a, b in zip((*mine[3:8], mine[12], mine[14]), (*theirs[3:8], theirs[12], theirs[14]), strict=True):
            assert (a is None) == (b is None)
            assert a is None or a == pytest.approx(b, rel=1e-9, abs=1e-9)


def test_the_first_reading_of_march_ends_the_leap_day(tmp_path):
    rows = [("1", data.ms(2028, 2, 29, 23, 55), *[1.0] * 7), ("1", data.ms(2028, 3, 1, 0, 5), *[1.0] * 7)]
    data.write(tmp_path / "d", rows, [dict(data.limits_of([("330200000000", 0)])[0], meter_id="1", u_nom=1.0)])
    write_stats(tmp_path / "d", tmp_path / "d" / "limits.parquet", tmp_path / "o", interval=15, state=tmp_path / "s")
    days = data.pq.read_table(tmp_path / "o" / "day.parquet").to_pylist()
    found = {row["day"]: row["a_mon_ms"] + row["a_loss_ms"] for row in days}
    assert found == {dt.date(2028, 2, 29): 600_000, dt.date(2028, 3, 1): 900_000}
