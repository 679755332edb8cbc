"""`keyacct query` said once more in SQL: levels and energies of several quantities, by hours, days, weeks, ten-day periods and
months, by group, compared with the period before; over random values.
"""

import datetime as dt

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twin_town import ONCE, Town, account, weighed

from keyacct.analysis.query import Asked, query
from keyacct.model import Period

CASES = {
    "leap day": ("Asia/Shanghai", "2028-02-18..2028-03-03"),
    "Berlin, 23 hours": ("Europe/Berlin", "2026-03-26..2026-04-02"),
    "Cairo, midnight left out": ("Africa/Cairo", "2026-04-19..2026-04-25"),
}
RATIOS = {"F": ((1.0, 20.0), (1.1, 30.0)), "T": ((100.0, 1.0), (100.0, 2.0)), "G": ((1.0, 1.0), (1.0, 1.0))}
WIRING = {"F": "3p4w", "T": "3p3w", "G": "3p3w"}
LINE = {"F": "L1", "T": "L2", "G": "L2"}
VOLTAGES = {"F": "a b c", "T": "ab bc ca", "G": "a b c"}
"""The columns of three voltages. Three wires tell their line voltages by name, or two of them as a and c; b is none then."""
COLUMNS = {
    letter: ("power.p", "power.q", *(f"voltage.{x}" for x in names.split()), "current.a", "current.b", "current.c")
    for letter, names in VOLTAGES.items()
}
NAMES = ("p", "q", "ua", "ub", "uc", "ia", "ib", "ic")
BUCKETS = {
    "hour": "strftime(civil, '%Y-%m-%d %H')", "day": "strftime(civil, '%Y-%m-%d')", "week": "strftime(civil, '%G-W%V')",
    "ten_day": "strftime(civil, '%Y-%m') || '/' || CASE WHEN day(civil) <= 10 THEN 1 WHEN day(civil) <= 20 THEN 2 ELSE 3 END",
    "month": "strftime(civil, '%Y-%m')", "period": "'period'",
}  # fmt: skip
"""Bucket → SQL for its name from the civil time of the end less a moment."""


def _registry(town: Town, n: int) -> str:
    text = "".join(f'[[supply_line]]\nsupply_line = "{line}-{n}"\n' for line in ("L1", "L2"))
    for letter, wiring in WIRING.items():
        name = f"{letter}{n}"
        place = f'[[point_supply]]\npoint = "{name}"\nsupply_line = "{LINE[letter]}-{n}"\n'
        text += account(name) + town.point(name, wiring, RATIOS[letter], more=place)
    return text


@pytest.fixture(scope="module", params=sorted(CASES))
def town(request, tmp_path_factory):
    return Town(tmp_path_factory.mktemp("town"), *CASES[request.param], _registry)


STEP = st.sampled_from((15, 15, 15, 15, 15, 15, 5, 1, 30, 31, 45, 61, 300, 600, 1441))
POWER = st.one_of(st.none(), st.integers(-5_000, 40_000))
VOLT = st.one_of(st.none(), st.integers(200_000, 240_000))
AMPERE = st.one_of(st.none(), st.integers(-3_000, 60_000))
VALUES = st.tuples(POWER, POWER, VOLT, VOLT, VOLT, AMPERE, AMPERE, AMPERE)
FIGURES = [
    f"{key}_{kind}_{unit}"
    for key, unit in (("load", "kw"), ("reactive", "kvar"), ("apparent", "kva"), ("voltage", "v"), ("current", "a"))
    for kind in ("mean", "max", "min")
] + ["pf"]
LEVELS = ("load", "reactive", "apparent", "pf", "voltage", "current")


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), phases=ONCE)
@given(
    steps=st.lists(st.tuples(STEP, VALUES), min_size=60, max_size=200),
    left_out=st.lists(st.sampled_from("FTG"), min_size=60, max_size=200),
    corrected=st.lists(st.tuples(st.integers(0, 199), VALUES), max_size=5),
)
def test_queries_of_a_workspace_agree_with_duckdb(town, steps, left_out, corrected):
    n = town.next_set()
    span = town.to_ms - town.from_ms
    rows = list(town.rows([(minutes, *values) for minutes, values in steps], before_min=(span // 60_000) // 3))
    corrections = [(*rows[k][:2], *values) for k, values in dict(corrected).items() if k < len(rows)]
    # Each point misses other rows.
    own = {
        letter: [row for k, row in enumerate(rows) if k >= len(left_out) or left_out[k] != letter] for letter in WIRING
    }
    better = {letter: [row for row in corrections if row[1] in {r[1] for r in own[letter]}] for letter in WIRING}
    for of_letter in (own, better):
        town.store([(f"{letter}{n}", COLUMNS[letter], of_letter[letter]) for letter in WIRING])
    names = [f"{letter}{n}" for letter in WIRING]
    with town.asked() as workspace:
        found = {
            (bucket, by): query(workspace, Asked(LEVELS, town.period, bucket, by, accounts=names))
            for bucket, by in (("hour", ()), ("day", ("supply_line",)), ("week", ()), ("ten_day", ("supply_line", "wiring")),
                               ("month", ("account_no",)), ("period", ("supply_line",)))
        }  # fmt: skip
        first, last = town.period.first, town.period.last
        middle = first + dt.timedelta(days=3)
        now, before = (Period.parse(f"{a}..{b}") for a, b in ((middle, last), (first, middle - dt.timedelta(days=1))))
        compared = query(workspace, Asked(LEVELS, now, "day", ("supply_line",), accounts=names), against=before)
    tables = []
    for letter in WIRING:
        with town.engine(NAMES, own[letter], better[letter]) as engine:
            town.span_table(engine, RATIOS[letter])
            tables.append((letter, _of_point(engine, letter)))
    with duckdb.connect() as engine:
        _gather(engine, tables, n)
        for (bucket, by), answer in found.items():
            _compare(engine, town, bucket, by, answer)
        _compare_spans(engine, compared, first, middle)


def _of_point(engine, letter):
    """Primary values with the time each stands for: what, phase, ms, civil time of the interval, w, value."""
    parts = []
    used = {"p": "s.pt * s.ct / 10000", "q": "s.pt * s.ct / 10000"}
    used |= dict.fromkeys(("ua", "uc") if letter == "G" else ("ua", "ub", "uc"), "s.pt / 1000")
    used |= dict.fromkeys(("ia", "ic") if letter in "TG" else ("ia", "ib", "ic"), "s.ct / 10000")
    for name, factor in used.items():
        parts.append((name, f"{name} IS NOT NULL", f"{name} * {factor}", "NULL"))
    parts.append(("both", "p IS NOT NULL AND q IS NOT NULL", f"p * {used['p']}", f"q * {used['q']}"))
    sql = " UNION ALL ".join(
        f"""SELECT '{name}', r.ms, wall(r.ms - 1), r.w, ({x})::DOUBLE, ({y})::DOUBLE FROM {weighed(test)} r
        JOIN span s ON s.which = r.which AND r.ms > s.from_ms AND r.ms <= s.to_ms"""
        for name, test, x, y in parts
    )
    return engine.execute(sql).fetchall()


def _gather(engine, tables, n) -> None:
    engine.execute(
        """CREATE TABLE x (account_no TEXT, supply_line TEXT, wiring TEXT, what TEXT, ms BIGINT, civil TIMESTAMP, w BIGINT,
        x DOUBLE, y DOUBLE)"""
    )
    for letter, rows in tables:
        if rows:
            head = (f"{letter}{n}", f"{LINE[letter]}-{n}", WIRING[letter])
            engine.executemany("INSERT INTO x VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", [(*head, *row) for row in rows])


def _wanted(engine, bucket, by):
    """(Group, bucket) → figures."""
    group = ", ".join(by) or "'all'"
    name = BUCKETS[bucket]
    # A quarter hour counts with four fifths of the points that have values in the bucket.
    engine.execute(
        f"""CREATE OR REPLACE TABLE f AS
        WITH t AS (SELECT *, [{group}] AS grp, {name} AS bucket, (ms - 1) // 900000 AS block FROM x),
        blocks AS (
            SELECT grp, bucket, what, block, account_no, sum(x * w) / sum(w) AS x, sum(y * w) / sum(w) AS y FROM t
            WHERE what IN ('p', 'q', 'both') GROUP BY ALL),
        there AS (SELECT grp, bucket, what, count(DISTINCT account_no) AS points FROM blocks GROUP BY ALL),
        sums AS (
            SELECT grp, bucket, what, block, sum(x) AS x, sum(y) AS y, count(*) AS points FROM blocks GROUP BY ALL),
        peaks AS (
            SELECT grp, bucket, what, max(x) AS high, min(x) AS low, avg(sqrt(x * x + y * y)) AS s,
                max(sqrt(x * x + y * y)) AS s_high, min(sqrt(x * x + y * y)) AS s_low
            FROM sums JOIN there USING (grp, bucket, what) WHERE sums.points >= 0.8 * there.points GROUP BY ALL),
        means AS (
            SELECT grp, bucket, what, sum(mean) AS mean FROM (
                SELECT grp, bucket, what, account_no, sum(x * w) / sum(w) AS mean FROM t WHERE what IN ('p', 'q') GROUP BY ALL)
            GROUP BY ALL),
        phases AS (
            SELECT grp, bucket, what[1] AS what, sum(x * w) / sum(w) AS mean, max(x) AS high, min(x) AS low FROM t
            WHERE what[1] IN ('u', 'i') GROUP BY ALL),
        factor AS (
            SELECT grp, bucket, sum(greatest(x, 0) * w) AS wp, sum(abs(y) * w) AS wq FROM t WHERE what = 'both' GROUP BY ALL)
        SELECT grp, bucket, what, mean, high, low, NULL AS s, NULL AS s_high, NULL AS s_low FROM phases
        UNION ALL SELECT grp, bucket, what, mean, high, low, NULL, NULL, NULL FROM means LEFT JOIN peaks USING (grp, bucket, what)
        UNION ALL SELECT grp, bucket, what, NULL, NULL, NULL, s, s_high, s_low FROM peaks WHERE what = 'both'
        UNION ALL SELECT grp, bucket, 'pf', CASE WHEN wp > 0 OR wq > 0 THEN wp / sqrt(wp * wp + wq * wq) END, NULL, NULL, NULL,
            NULL, NULL FROM factor"""
    )
    wanted = {}
    stems = {"p": "load_{}_kw", "q": "reactive_{}_kvar", "u": "voltage_{}_v", "i": "current_{}_a"}
    for grp, label, what, mean, high, low, s, s_high, s_low in engine.execute("SELECT * FROM f").fetchall():
        cell = wanted.setdefault((tuple(grp) if by else (), label), {})
        if what == "pf":
            cell["pf"] = mean
        elif what == "both":
            cell |= {"apparent_mean_kva": s, "apparent_max_kva": s_high, "apparent_min_kva": s_low}
        else:
            cell |= {stems[what].format(k): v for k, v in (("mean", mean), ("max", high), ("min", low))}
    return wanted


def _compare(engine, town, bucket, by, answer) -> None:
    wanted = _wanted(engine, bucket, by)
    met = set()
    for row in answer:
        label = {"hour": row["from"][:13].replace("T", " "), "period": "period"}.get(bucket, row["bucket"])
        key = (tuple(row[name] for name in by), label)
        want = wanted.get(key, {})
        if bucket == "hour" and (key in met or _twice(town, row["from"])):
            met.add(key)  # an hour that comes twice has two buckets here and one name there
            continue
        met.add(key)
        for figure in FIGURES:
            value = want.get(figure)
            assert (row[figure] is None) == (value is None), (key, figure)
            assert value is None or row[figure] == pytest.approx(value, rel=1e-8, abs=1e-7), (key, figure)
    assert wanted.keys() <= met


def _compare_spans(engine, answer, first, middle) -> None:
    """The n-th day beside the n-th day of the span before, and how much more there is."""
    wanted = _wanted(engine, "day", ("supply_line",))
    for row in answer:
        day = dt.date.fromisoformat(row["bucket"])
        then = first + (day - middle)
        here = wanted.get(((row["supply_line"],), str(day)), {})
        there = wanted.get(((row["supply_line"],), str(then)), {}) if then < middle else {}
        assert row["bucket_before"] == (str(then) if then < middle else None)
        for figure in FIGURES:
            now, before = here.get(figure), there.get(figure)
            change = None if now is None or before is None else now - before
            rate = None if change is None or before == 0 else change / abs(before)
            for name, value in (("", now), ("_before", before), ("_change", change)):
                got = row[f"{figure}{name}"]
                assert (got is None) == (value is None), (row["bucket"], figure + name)
                assert value is None or got == pytest.approx(value, rel=1e-8, abs=1e-7), (row["bucket"], figure + name)
            if rate is not None and abs(before) > 1e-3:
                assert row[f"{figure}_change_rate"] == pytest.approx(rate, rel=1e-6, abs=1e-6)


def _twice(town, text) -> bool:
    at = dt.datetime.fromisoformat(text).replace(tzinfo=None)
    return at.replace(tzinfo=town.zone, fold=0).utcoffset() > at.replace(tzinfo=town.zone, fold=1).utcoffset()
