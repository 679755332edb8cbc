"""Voltage by the rules of the field, said once more in SQL: the curve of 24 hours, minutes of over-voltage and of voltage
loss, unbalance; over random values of points with four, three and two wires, one of them without limits.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twin_town import CASES, ONCE, STEP, Town, account, weighed

from keyacct.analysis.combined_voltage import voltage_curve
from keyacct.analysis.unbalance import unbalance
from keyacct.analysis.voltage import voltage_compliance
from keyacct.analysis.voltage_loss import voltage_loss

RATIOS = ((1.0, 20.0), (1.1, 30.0))
NOMINAL = 220_000
LIMITS = {"F": (220, 198, 235.4), "T": (220, 198, 235.4), "N": None, "S": (220, 198, 235.4)}
WIRING = {"F": "3p4w", "T": "3p3w", "N": "3p4w", "S": "1p"}
PHASES = {"F": {"a": "A", "b": "B", "c": "C"}, "T": {"a": "AB", "b": "CB", "c": "CA"}, "N": {"a": "A", "b": "B", "c": "C"},
          "S": {"a": "A"}}  # fmt: skip
"""Column of the twin → phase. Three wires: a, b, c are Uab, Ubc, Uca; the currents of Uab and Ucb are those of A and C."""
COLUMNS = {
    "F": ("voltage.a", "voltage.b", "voltage.c"), "T": ("voltage.ab", "voltage.bc", "voltage.ca"),
    "N": ("voltage.a", "voltage.b", "voltage.c"), "S": ("voltage.a", None, None),
}  # fmt: skip
CURRENTS = ("current.a", "current.b", "current.c")


def _registry(town: Town, n: int) -> str:
    points = [town.point(f"{letter}{n}", WIRING[letter], RATIOS, limits=LIMITS[letter]) for letter in WIRING]
    return "".join(account(f"{letter}{n}") for letter in WIRING) + "".join(points)


@pytest.fixture(scope="module", params=sorted(CASES))
def town(request, tmp_path_factory):
    return Town(tmp_path_factory.mktemp("town"), *CASES[request.param], _registry)


# Around 60, 70, 78, 85 and 120 % of 220 V, and around the limits; with ratio 1.1 some of them lie elsewhere.
VOLT = st.one_of(
    st.integers(214_000, 226_000),
    st.sampled_from((220_000, 220_000, 221_000, 200_000, 60_000, None)),
    st.sampled_from((0, 120_000, 131_999, 132_000, 140_000, 153_999, 154_000, 156_000, 171_599, 171_600, 187_000, 187_001,
                     198_000, 235_400, 235_401, 240_000, 264_000, 264_001, 270_000)),
)  # fmt: skip
# Around 0.5 and 5 % of the rated 5 A, and around a tenth of it.
AMPERE = st.sampled_from((None, 0, 249, 250, 251, 2_500, 2_501, 4_999, 5_000, 30_000, 31_000, 47_000))
VALUES = st.tuples(VOLT, VOLT, VOLT, AMPERE, AMPERE, AMPERE)
NAMES = ("a", "b", "c", "ia", "ib", "ic")


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), phases=ONCE)
@given(
    steps=st.lists(st.tuples(STEP, VALUES), min_size=60, max_size=260),
    corrected=st.lists(st.tuples(st.integers(0, 259), VALUES), max_size=5),
    snapshots=st.lists(st.tuples(st.integers(0, 259), VALUES), max_size=5),
)
def test_voltages_of_a_workspace_agree_with_duckdb(town, steps, corrected, snapshots):
    n = town.next_set()
    rows = list(town.rows([(minutes, *values) for minutes, values in steps]))
    of = lambda found: [(*rows[k][:2], *values) for k, values in dict(found).items() if k < len(rows)]  # noqa: E731  rows
    corrections, aside = of(corrected), of(snapshots)
    for given_rows, kind in ((rows, "interval"), (corrections, "interval"), (aside, "snapshot")):
        town.store([(f"{letter}{n}", (*COLUMNS[letter], *CURRENTS), given_rows) for letter in WIRING], kind)
    with town.asked() as workspace:
        names = [f"{letter}{n}" for letter in WIRING]
        by_day = voltage_compliance(workspace, town.period, accounts=names).day.to_pylist()
        curve = voltage_curve(workspace, town.period, accounts=names).to_pylist()
        lost = voltage_loss(workspace, town.period, accounts=names).day.to_pylist()
        shares = {row["point"]: row for row in unbalance(workspace, town.period, accounts=names)}
    with town.engine(NAMES, rows, corrections, aside) as engine:
        town.span_table(engine, RATIOS)
        for letter in WIRING:
            mine = lambda found, letter=letter: [row for row in found if row["point"] == f"{letter}{n}"]  # noqa: E731  rows
            _compare_minutes(engine, letter, mine(by_day))
            _compare_curve(engine, letter, mine(curve))
            _compare_loss(engine, letter, mine(lost))
            if letter in "FTN":
                _compare_unbalance(engine, letter, shares[f"{letter}{n}"])
    assert "S" not in {point[0] for point in shares}


def test_the_value_that_ends_when_clocks_change_belongs_to_the_hour_before(tmp_path):
    text = lambda town, n: account(f"S{n}") + town.point(f"S{n}", "1p", ((1, 1), (1, 1)))  # noqa: E731  a registry
    town = Town(tmp_path, "Europe/Berlin", "2026-03-29", text)
    n = town.next_set()
    town.store([(f"S{n}", ("voltage.a",), town.rows([(15, 220_000)] * 92, before_min=0))])
    with town.asked() as workspace:
        curve = voltage_curve(workspace, town.period).to_pylist()
    assert {row["hour"]: row["values"] for row in curve} == {hour: 4 for hour in range(24) if hour != 2}


@pytest.mark.parametrize(("ct", "first", "share"), [("100/1", 2000, 0.5), ("100/1", 900, None), ("500/5", 2000, None)])
def test_a_tenth_of_the_rated_current_is_that_of_the_nameplate(tmp_path, ct, first, share):
    ratio = f'"{ct}"'
    text = lambda town, n: account(f"F{n}") + town.point(f"F{n}", "3p4w", ((1, ratio), (1, ratio)))  # noqa: E731  a registry
    town = Town(tmp_path, "Asia/Shanghai", "2026-06-01", text)
    n = town.next_set()
    town.store([(f"F{n}", CURRENTS, town.rows([(15, first, first // 2, first // 2)] * 4, before_min=0))])
    with town.asked() as workspace:
        (row,) = unbalance(workspace, town.period, accounts=[f"F{n}"])
    assert row["current_mean"] == share


def _compare_minutes(engine, letter, found) -> None:
    """Minutes by day and phase; the sum of the phases is the total."""
    limited = LIMITS[letter] is not None
    names = ("monitored_min", "below_floor_min", "over_limit_min", "under_limit_min", "overvoltage_min")
    expected, total = {}, {}
    for column, phase in PHASES[letter].items():
        floor = f"mv >= 0.7 * {NOMINAL}" if limited else "true"
        rows = engine.execute(
            f"""WITH p AS (
                SELECT wall(anchor)::DATE AS day, w, r.{column}::DECIMAL(12, 0) * s.pt AS mv
                FROM {weighed(f"{column} IS NOT NULL")} r
                JOIN span s ON s.which = r.which AND anchor >= s.from_ms AND anchor < s.to_ms)
            SELECT day, coalesce(sum(w) FILTER ({floor}), 0), coalesce(sum(w) FILTER (NOT ({floor})), 0),
                coalesce(sum(w) FILTER ({floor} AND mv > 235400), 0),
                coalesce(sum(w) FILTER ({floor} AND mv < 198000), 0),
                coalesce(sum(w) FILTER (mv > 1.2 * {NOMINAL}), 0) FROM p GROUP BY day"""
        ).fetchall()
        for day, *times in rows:
            expected[day, phase] = times
            total[day] = [a + b for a, b in zip(total.get(day, [0] * 5), times, strict=True)]
    expected |= {(day, "total"): times for day, times in total.items()}
    got = {(row["day"], row["phase"]): row for row in found}
    assert expected.keys() <= got.keys()
    for key, row in got.items():
        times = [ms / 60_000 for ms in expected[key]] if key in expected else [None] * 5
        if key in expected and not limited:
            times[2:4] = [None, None]
            times[4] = 0
        assert [row[name] for name in names] == times, key
        if limited and times[0]:
            assert row["rate"] == pytest.approx(1 - (times[2] + times[3]) / times[0], rel=1e-12)
        else:
            assert row["rate"] is None


def _compare_curve(engine, letter, found) -> None:
    """Every value of the hour of day in which it ends, less a moment."""
    expected = {}
    for column, phase in PHASES[letter].items():
        floor = f"mv >= 0.7 * {NOMINAL}" if LIMITS[letter] is not None else "true"
        rows = engine.execute(
            f"""SELECT hour(wall(ms - 1)), count(*), avg(mv) / 1000, min(mv) / 1000, max(mv) / 1000
            FROM (SELECT v.ms, v.{column}::DECIMAL(12, 0) * s.pt AS mv FROM v
                JOIN span s ON s.which = v.which AND v.ms > s.from_ms AND v.ms <= s.to_ms)
            WHERE mv IS NOT NULL AND {floor} GROUP BY 1"""
        ).fetchall()
        expected |= {(phase, hour): rest for hour, *rest in rows}
    got = {(row["phase"], row["hour"]): row for row in found}
    assert got.keys() == expected.keys()
    for key, (count, mean, low, high) in expected.items():
        row = got[key]
        assert row["values"] == count
        assert (row["mean_v"], row["min_v"], row["max_v"]) == pytest.approx(
            (float(mean), float(low), float(high)), rel=1e-9
        )


def _compare_loss(engine, letter, found) -> None:
    """Voltage loss below 78 % of nominal with current above 0.5 % of rated, until above 85 %; phase loss below 60 % with less
    current, while another phase has its voltage; loss of all below 60 % with a current above 5 %, which closes the others.
    """
    if LIMITS[letter] is None:
        assert found == []
        return
    of_phase = {"F": {"A": "a", "B": "b", "C": "c"}, "T": {"AB": "a", "CB": "b"}, "S": {"A": "a"}}[letter]
    amperes = {"A": "ia", "B": "ib", "C": "ic", "AB": "ia", "CB": "ic"}
    known = {phase: f"{column} IS NOT NULL AND {amperes[phase]} IS NOT NULL" for phase, column in of_phase.items()}
    every = " AND ".join(known.values())
    low = lambda column, share: f"{column} * s.pt < {share} * {NOMINAL}"  # noqa: E731  a condition
    dark = " AND ".join(low(column, 0.6) for column in of_phase.values())
    drawn = " OR ".join(f"abs({amperes[phase]}) > 2500" for phase in of_phase)
    alive = " OR ".join(f"({known[phase]} AND NOT {low(column, 0.6)})" for phase, column in of_phase.items())
    engine.execute(
        f"""CREATE OR REPLACE TABLE judged AS
        SELECT r.*, s.pt, wall(anchor)::DATE AS day, {every} AS complete,
            coalesce({every}, false) AND ({dark}) AND ({drawn}) AS all_lost, coalesce({alive}, false) AS alive
        FROM {weighed(" OR ".join(f"({text})" for text in known.values()))} r
        JOIN span s ON s.which = r.which AND anchor >= s.from_ms AND anchor < s.to_ms"""
    )
    expected = {}
    for phase, column in of_phase.items():
        ampere = amperes[phase]
        # What a row says for itself: lost (1), not lost (0), or as before.
        says = f"""CASE WHEN all_lost OR {column} * pt > 0.85 * {NOMINAL} THEN 0
            WHEN {low(column, 0.78).replace("s.", "")} AND abs({ampere}) > 250 THEN 1 END"""
        rows = engine.execute(
            f"""WITH p AS (SELECT *, {says} AS says FROM judged WHERE {known[phase]}),
            q AS (
                SELECT *, last_value(says IGNORE NULLS) OVER (PARTITION BY which ORDER BY ms) AS lost FROM p)
            SELECT day, sum(w), coalesce(sum(w) FILTER (lost = 1), 0),
                coalesce(sum(w) FILTER ({low(column, 0.6).replace("s.", "")} AND abs({ampere}) < 250 AND alive
                    AND NOT all_lost), 0)
            FROM q GROUP BY day"""
        ).fetchall()
        for day, judged, lost, gone in rows:
            expected[day, phase] = [judged, lost, gone, 0]
            whole = expected.setdefault((day, "total"), [0, 0, 0, 0])
            whole[1], whole[2] = whole[1] + lost, whole[2] + gone
    for day, judged, dark_ms in engine.execute(
        "SELECT day, sum(w), coalesce(sum(w) FILTER (all_lost), 0) FROM judged WHERE complete GROUP BY day"
    ).fetchall():
        expected[day, "total"][0], expected[day, "total"][3] = judged, dark_ms
    names = ("judged_min", "voltage_loss_min", "phase_loss_min", "all_voltage_loss_min")
    got = {(row["day"], row["phase"]): [round(row[name] * 60_000) for name in names] for row in found}
    assert {key: times for key, times in got.items() if any(times)} == expected


def _compare_unbalance(engine, letter, found) -> None:
    """ε of GB/T 15543 from three line voltages; from phase voltages at 120° the amounts of the sequences themselves."""
    share = "sqrt(greatest(0, a * a + b * b + c * c - a * b - b * c - c * a)) / (a + b + c)"
    if letter == "T":
        inner = "(3 - 6 * (a ** 4 + b ** 4 + c ** 4) / (a * a + b * b + c * c) ** 2)"
        # Lines that miss a triangle by a millivolt still make one, of two sides on each other: all is unbalance.
        root = f"sqrt(greatest(0, {inner}))"
        share = f"CASE WHEN {inner} >= -1e-9 THEN sqrt(greatest(0, 1 - {root}) / (1 + {root})) END"
    filled = "a IS NOT NULL AND b IS NOT NULL AND c IS NOT NULL"
    _compare_shares(engine, found, "voltage", 0.02,
                    f"SELECT r.*, CASE WHEN a + b + c > 0 THEN {share} END AS share FROM (SELECT r.* REPLACE (a::DOUBLE AS a, "
                    f"b::DOUBLE AS b, c::DOUBLE AS c) FROM {weighed(filled)} r) r")  # fmt: skip
    # Current: three wires have A and C; nothing below a tenth of 5 A.
    used = ("ia", "ic") if letter == "T" else ("ia", "ib", "ic")
    listed = ", ".join(used)
    filled = " AND ".join(f"{name} IS NOT NULL" for name in used)
    _compare_shares(engine, found, "current", 0.15,
                    f"SELECT r.*, CASE WHEN ({' + '.join(used)}) >= 5000 * {len(used)} THEN (greatest({listed}) - "
                    f"least({listed})) / greatest({listed}) END AS share FROM {weighed(filled)} r")  # fmt: skip
    assert found["voltage_basis"] == (None if found["voltage_mean"] is None else "line" if letter == "T" else "phase")


def _compare_shares(engine, found, what, limit, rows) -> None:
    engine.execute(
        f"""CREATE OR REPLACE TABLE shares AS SELECT r.share, r.w, r.ms FROM ({rows}) r
        JOIN span s ON s.which = r.which AND r.ms > s.from_ms AND r.ms <= s.to_ms WHERE share IS NOT NULL"""
    )
    mean, high, over, time = engine.execute(
        f"SELECT sum(share * w) / sum(w), max(share), coalesce(sum(w) FILTER (share > {limit}), 0), sum(w) FROM shares"
    ).fetchone()
    if time is None:
        assert [found[f"{what}_{name}"] for name in ("mean", "p95", "max", "over_min")] == [None] * 4
        return
    (p95,) = engine.execute(
        f"""SELECT min(share) FROM (SELECT share, sum(w) OVER (ORDER BY share) AS kept FROM shares)
        WHERE 20 * kept >= 19 * {time}"""
    ).fetchone()
    got = [found[f"{what}_{name}"] for name in ("mean", "p95", "max")]
    assert got == pytest.approx([mean, p95, high], rel=1e-6, abs=1e-6)
    assert found[f"{what}_over_min"] * 60_000 == over
    at = round(found[f"{what}_max_at"].timestamp() * 1000)
    assert engine.execute(f"SELECT share FROM shares WHERE ms = {at}").fetchone()[0] == pytest.approx(high, abs=1e-6)
