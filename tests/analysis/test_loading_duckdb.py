"""Loading by the rules of the field, said once more in SQL: current transformers against their rating, accounts and
transformers in bands of their capacity with durations, the demand that is their load; over random values.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twin_town import CASES, ONCE, STEP, Town, account, weighed

from keyacct.analysis.ct_loading import ct_loading
from keyacct.analysis.loading import loading

RATIOS = ((1.0, 20.0), (1.1, 30.0))
WIRING = {"F": "3p4w", "T": "3p3w"}
CAPACITY_KVA, CONTRACT_KVA = 100, 110
P0_KW, PK_KW = 0.2, 1.2
"""Losses of the transformer; β_JZ² = P0 / (1.05·Pk) = 0.1587, the best part of the zone begins at 1.33 times that."""
NAMES = ("ia", "ib", "ic", "p", "q")
COLUMNS = ("current.a", "current.b", "current.c", "power.p", "power.q")


def _registry(town: Town, n: int) -> str:
    text = f'[[transformer]]\ntransformer = "TR{n}"\nrated_kva = {CAPACITY_KVA}\n'
    text += f"no_load_loss_kw = {P0_KW}\nload_loss_kw = {PK_KW}\n"
    for letter, wiring in WIRING.items():
        name = f"{letter}{n}"
        terms = f'[[account_terms]]\naccount_no = "{name}"\nrunning_capacity_kva = {CAPACITY_KVA}\n'
        terms += f"contract_capacity_kva = {CONTRACT_KVA}\n"
        place = f'[[point_supply]]\npoint = "{name}"\ntransformer = "TR{n}"\n' if letter == "F" else ""
        text += account(name, terms) + town.point(name, wiring, RATIOS, more=place)
    return text


@pytest.fixture(scope="module", params=sorted(CASES))
def town(request, tmp_path_factory):
    return Town(tmp_path_factory.mktemp("town"), *CASES[request.param], _registry)


# The rating is 5 A × the ratio, so 5, 5.5 and 1.5 A are 100, 110 and 30 %. In 0.1 mA.
AMPERE = st.sampled_from(
    (None, 0, 12_000, 15_000, 30_000, 50_000, 50_001, 54_999, 55_000, 55_001, 58_000, -56_000, 56_000)
)
LOAD = st.one_of(
    st.integers(-5_000, 50_000),
    st.sampled_from((None, 0, 24_000, 30_000, 32_000, 40_000, 42_000, 42_000, 44_000, 44_000, 50_000, 60_000)),
)
"""Powers in 0.1 W; times 20 and 33, against 100 kVA."""
BURST = st.sampled_from((1, 1, 1, 1, 2, 9, 14))


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), phases=ONCE)
@given(
    steps=st.lists(
        st.tuples(BURST, STEP, st.tuples(AMPERE, AMPERE, AMPERE), st.tuples(LOAD, LOAD)), min_size=30, max_size=110
    ),
    corrected=st.lists(st.tuples(st.integers(0, 109), st.tuples(AMPERE, AMPERE, AMPERE, LOAD, LOAD)), max_size=5),
)
def test_loadings_of_a_workspace_agree_with_duckdb(town, steps, corrected):
    n = town.next_set()
    # A burst is the same value over so many intervals, so that there are loads of hours without a break.
    flat = [
        (minutes if k == 0 else 15, *amperes, *powers)
        for times, minutes, amperes, powers in steps
        for k in range(times)
    ]
    rows = list(town.rows(flat))
    corrections = [(*rows[k][:2], *values) for k, values in dict(corrected).items() if k < len(rows)]
    for given_rows in (rows, corrections):
        town.store([(f"{letter}{n}", COLUMNS, given_rows) for letter in WIRING])
    with town.asked() as workspace:
        names = [f"{letter}{n}" for letter in WIRING]
        of_ct = {row["point"]: row for row in ct_loading(workspace, town.period, accounts=names)}
        of_account = {row["account_no"]: row for row in loading(workspace, town.period, accounts=names)}
        (of_unit,) = loading(workspace, town.period, accounts=names[:1], by="transformer")
    with town.engine(NAMES, rows, corrections) as engine:
        town.span_table(engine, RATIOS)
        for letter in WIRING:
            _compare_ct(engine, letter, of_ct.get(f"{letter}{n}"))
        _make_blocks(engine)
        for row in (*of_account.values(), of_unit):
            _compare_bands(engine, row, nameplate="transformer" in row)
    assert of_unit["transformer"] == f"TR{n}"


def _islands(table: str, test: str, key: str, long: str) -> str:
    """SQL: the longest sum of `long` over rows that pass the test, one behind the other without a break of time."""
    return f"""(SELECT coalesce(max(total), 0) FROM (
        SELECT sum({long}) AS total FROM (
            SELECT *, sum(new) OVER (ORDER BY {key}) AS island FROM (
                SELECT *, CASE WHEN {test} AND {key} - {long} <= lag({key}) OVER (ORDER BY {key})
                    AND lag({test}) OVER (ORDER BY {key}) THEN 0 ELSE 1 END AS new FROM {table}))
        WHERE {test} GROUP BY island))"""


def _compare_ct(engine, letter, found) -> None:
    used = ("ia", "ib", "ic") if letter == "F" else ("ia", "ic")
    highest = f"greatest({', '.join(f'abs({name})' for name in used)})"
    engine.execute(
        f"""CREATE OR REPLACE TABLE loads AS
        SELECT r.ms, r.w, wall(r.ms - 1)::DATE AS day, {highest} AS tenths, {highest} * s.ct / 10000 AS amperes, s.ct
        FROM {weighed(f"coalesce({', '.join(used)}) IS NOT NULL")} r
        JOIN span s ON s.which = r.which AND r.ms > s.from_ms AND r.ms <= s.to_ms"""
    )
    (count,) = engine.execute("SELECT count(*) FROM loads").fetchone()
    if not count:
        assert found is None
        return
    amperes, share, mean, over, severe, longest, last_ct = engine.execute(
        f"""SELECT max(amperes), max(tenths) / 50000, sum(tenths * w) / 50000 / sum(w),
            coalesce(sum(w) FILTER (tenths > 50000), 0), coalesce(sum(w) FILTER (tenths >= 55000), 0),
            {_islands("loads", "tenths >= 55000", "ms", "w")}, arg_max(ct, ms) FROM loads"""
    ).fetchone()
    assert (found["current_max_a"], found["loading_max"], found["loading_mean"]) == pytest.approx(
        (float(amperes), share, mean), rel=1e-9
    )
    assert [found[name] for name in ("over_min", "severe_min", "longest_severe_min")] == [
        int(ms) // 60_000 for ms in (over, severe, longest)
    ]
    assert found["ct_primary_a"] == float(5 * last_ct)
    days = [
        row[0] for row in engine.execute("SELECT DISTINCT day FROM loads WHERE tenths >= 55000 ORDER BY day").fetchall()
    ]
    often = any((later - day).days < 5 for day, later in zip(days, days[2:], strict=False))
    finding = None
    if longest >= 120 * 60_000 or often:
        finding = "severe"
    elif share > 1:
        finding = "general"
    elif mean < 0.3:
        finding = "oversized"
    assert found["finding"] == finding


def _make_blocks(engine) -> None:
    """Quarter hours with power for four fifths of them: the share of the capacity in the block that ends at `ms`."""
    engine.execute(
        f"""CREATE OR REPLACE TABLE blocks AS
        WITH rows AS (
            SELECT (r.ms - 1) // 900000 * 900000 + 900000 AS ends, r.w, p * s.pt * s.ct AS p, q * s.pt * s.ct AS q
            FROM {weighed("p IS NOT NULL AND q IS NOT NULL")} r
            JOIN span s ON s.which = r.which AND r.ms > s.from_ms AND r.ms <= s.to_ms)
        SELECT ends AS ms, 900000 AS w, sqrt((sum(p * w) / sum(w)) ** 2 + (sum(q * w) / sum(w)) ** 2)
            / 10000 / {CAPACITY_KVA} AS share FROM rows GROUP BY ends HAVING sum(w) >= 720000"""
    )


def _compare_bands(engine, found, *, nameplate) -> None:
    square = P0_KW / (1.05 * PK_KW) if nameplate else None
    low, high, best_low, best_high = (square, 1, 1.33 * square, 0.75) if nameplate else (0.4, 0.75, 0.4, 0.75)
    # The last digit of a full load is no overload.
    engine.execute("CREATE OR REPLACE TABLE shares AS SELECT * REPLACE (round(share, 9) AS share) FROM blocks")
    mean, highest, *minutes = engine.execute(
        f"""SELECT avg(share), max(share), count(*) FILTER (share < {low}), count(*) FILTER (share BETWEEN {low} AND {high}),
            count(*) FILTER (share BETWEEN {best_low} AND {best_high}), count(*) FILTER (share > 0.8 AND share <= 1),
            count(*) FILTER (share > 1), count(*) FILTER (share > 1.1), {_islands("shares", "share > 0.8", "ms", "w")} / 900000,
            {_islands("shares", "share > 1", "ms", "w")} / 900000, {_islands("shares", "share > 1.1", "ms", "w")} / 900000
        FROM shares"""
    ).fetchone()
    names = ("below_economic_min", "economic_min", "best_economic_min", "heavy_min", "overload_min", "severe_min",
             "longest_heavy_min", "longest_overload_min")  # fmt: skip
    assert found["capacity_kva"] == CAPACITY_KVA
    if mean is None:
        assert [found[name] for name in ("loading_max", *names)] == [None] * 9
        return
    assert (found["loading_mean"], found["loading_max"]) == pytest.approx((mean, highest), rel=1e-8)
    assert [found[name] for name in names] == [15 * count for count in minutes[:8]]
    runs = [15 * count for count in minutes[6:]]
    finding = "heavy" if runs[0] >= 120 else None
    if runs[1] >= 120:
        finding = "overload"
    if runs[2] >= 120 or highest > 1.3:
        finding = "severe_overload"
    assert found["finding"] == finding
    (over,) = engine.execute(
        f"SELECT count(*) FROM shares WHERE round(share * {CAPACITY_KVA}, 6) > 1.05 * {CONTRACT_KVA}"
    ).fetchone()
    if not nameplate:
        assert ("over_capacity" in found["findings"]) == (over > 0)
