"""Energies by the rules of the field, said once more in SQL: the balance of busbars over meter exchanges, new ratios and a feeder
that moves to another busbar, and the cosφ of the 24 hours; over random registers.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twin_town import CASES, INTERVAL_MS, MINUTE_MS, ONCE, REACH_MS, STEP, Town, account

from keyacct.analysis.bus_balance import bus_balance
from keyacct.analysis.power_factor import power_factor

RATIOS = ((1.0, 20.0), (1.1, 30.0))
LIMIT = {"B1": 0.02, "B2": 0.01}
FEEDERS = {"I": (None, "B1"), "J": (None, "B2"), "H": ("L1", "B1"), "K": ("L2", None)}
"""Point → line and busbar. I and J are what flows into the busbars; K moves from B1 to B2."""
TIMES = {"I": 3, "J": 1, "H": 1, "K": 1, "E": 1}
"""What a register of the point grows by, in shares of the drawn growth."""
NAMES = ("import", "export", "q1", "q4")


def _moved_ms(town: Town) -> int:
    return town.from_ms + (town.to_ms - town.from_ms) * 3 // 4 + 11 * MINUTE_MS


def _registry(town: Town, n: int) -> str:
    text, moved = f'[[substation]]\nsubstation = "S{n}"\n', town.text(_moved_ms(town))
    for bus, kv in (("B1", 110), ("B2", 220)):
        text += f'[[busbar]]\nbusbar = "{bus}-{n}"\nsubstation = "S{n}"\nvoltage_level_kv = {kv}\n'
    for line in ("L1", "L2"):
        text += f'[[supply_line]]\nsupply_line = "{line}-{n}"\n'
    text += f'[[line_feed]]\nsupply_line = "L1-{n}"\nbusbar = "B1-{n}"\n'
    for bus, end in (("B1", f"valid_to = {moved}"), ("B2", f"valid_from = {moved}")):
        text += f'[[line_feed]]\nsupply_line = "L2-{n}"\nbusbar = "{bus}-{n}"\n{end}\n'
    for letter, (line, bus) in FEEDERS.items():
        name = f"{letter}{n}"
        supply = f'[[point_supply]]\npoint = "{name}"\n' + (f'supply_line = "{line}-{n}"\n' if line else "")
        if bus is None:
            place = (
                supply
                + f'busbar = "B1-{n}"\nvalid_to = {moved}\n'
                + supply
                + f'busbar = "B2-{n}"\nvalid_from = {moved}\n'
            )
        else:
            place = supply + f'busbar = "{bus}-{n}"\n'
        text += town.point(name, "3p4w", RATIOS, kind="assessment", more=place)
    return text + account(f"E{n}") + town.point(f"E{n}", "3p4w", RATIOS)


@pytest.fixture(scope="module", params=sorted(CASES))
def town(request, tmp_path_factory):
    return Town(tmp_path_factory.mktemp("town"), *CASES[request.param], _registry)


GROWTH = st.one_of(st.none(), st.integers(-200, 40_000), st.just(0))
"""Of a register in 10^-4 kWh; a fall now and then, and values that are missing."""


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), phases=ONCE)
@given(
    steps=st.lists(st.tuples(STEP, GROWTH, GROWTH, GROWTH, GROWTH), min_size=60, max_size=200),
    left_out=st.lists(st.sampled_from("IJHKE"), min_size=60, max_size=200),
    corrected=st.lists(st.tuples(st.integers(0, 199), st.integers(0, 400)), max_size=4),
)
def test_energies_of_a_workspace_agree_with_duckdb(town, steps, left_out, corrected):
    n = town.next_set()
    tables = {}
    for letter, times in TIMES.items():
        registers, grown = [1_000_000] * 4, []
        for minutes, *growth in steps:
            registers = [max(register + (g or 0) * times, 0) for register, g in zip(registers, growth, strict=True)]
            grown.append((minutes, *(None if g is None else r for g, r in zip(growth, registers, strict=True))))
        rows = list(town.rows(grown))
        # Each point misses other rows; a corrected one reads a little more.
        own = [row for k, row in enumerate(rows) if k >= len(left_out) or left_out[k] != letter]
        better = [(*rows[k][:2], *(None if x is None else x + more for x in rows[k][2:])) for k, more in dict(corrected).items()
                  if k < len(rows) and rows[k] in own]  # fmt: skip
        tables[letter] = (own, better)
    for file in (0, 1):
        given_rows = [
            (f"{letter}{n}", tuple(f"energy.{name}" for name in NAMES), of[file]) for letter, of in tables.items()
        ]
        town.store(given_rows, "register")
    with town.asked() as workspace:
        balance = {bus.busbar: bus for bus in bus_balance(workspace, town.period)}
        factor = power_factor(workspace, town.period, accounts=[f"E{n}"])
    flows = {bus: [None, None] for bus in LIMIT}
    for letter, (own, better) in tables.items():
        with town.engine([f"r_{name}" for name in NAMES], own, better) as engine:
            _spans(engine, town, letter)
            if letter == "E":
                _compare_factor(engine, factor)
                continue
            for name in ("import", "export"):
                into = (name == "import") == (FEEDERS[letter][0] is None)
                for bus, kwh in _steps(engine, name, "bus").items():
                    side = flows[bus]
                    side[not into] = (side[not into] or 0) + kwh
    for bus, (into, out) in flows.items():
        found = balance[f"{bus}-{n}"]
        assert [None if kwh is None else float(kwh) for kwh in (found.in_kwh, found.out_kwh)] == [
            None if kwh is None else pytest.approx(float(kwh), rel=1e-12, abs=1e-7) for kwh in (into, out)
        ]
        rate = None if not into or out is None else float(into - out) / float(into)
        assert (found.imbalance_rate is None) == (rate is None)
        if rate is not None:
            assert float(found.imbalance_rate) == pytest.approx(rate, rel=1e-9, abs=1e-12)
            if abs(abs(rate) - LIMIT[bus]) > 1e-9:
                assert found.passed == (abs(rate) <= LIMIT[bus])
        else:
            assert found.passed is None


def _spans(engine, town, letter) -> None:
    """Spans of the meters with the busbar of the time."""
    town.span_table(engine, RATIOS, "uncut")
    moved = _moved_ms(town)
    fixed = FEEDERS.get(letter, (None, "-"))[1]
    bus = f"'{fixed}'" if fixed else f"CASE WHEN from_ms < {moved} THEN 'B1' ELSE 'B2' END"
    engine.execute(
        f"""CREATE TABLE span AS SELECT which, from_ms, to_ms, pt * ct AS k, {bus} AS bus FROM (
            SELECT which, from_ms, least(to_ms, {moved}) AS to_ms, pt, ct FROM uncut
            UNION ALL SELECT which, greatest(from_ms, {moved}), to_ms, pt, ct FROM uncut) WHERE from_ms < to_ms"""
    )


def _steps(engine, name, group):
    """kWh by a group of the differences of neighbouring readings of each meter while it was in its place.

    A fall counts nothing. What lies between two readings belongs where its last interval begins, if the readings are more than
    two intervals apart where they begin, and above an hour where they end; over a new ratio the gap may be two intervals.
    """
    return dict(
        engine.execute(
            f"""WITH own AS (SELECT which, min(from_ms) AS first, max(to_ms) AS last FROM span GROUP BY which),
            step AS (
                SELECT which, ms, r_{name} AS r, lag(ms) OVER one AS then_ms, lag(r_{name}) OVER one AS then_r
                FROM v JOIN own USING (which) WHERE r_{name} IS NOT NULL AND ms BETWEEN first AND last
                WINDOW one AS (PARTITION BY which ORDER BY ms)),
            anchored AS (
                SELECT *, ms - then_ms AS gap, CASE WHEN gap <= {REACH_MS} THEN ms - least(gap, {INTERVAL_MS})
                    WHEN gap <= 3600000 THEN then_ms END AS anchor FROM step WHERE then_ms IS NOT NULL AND r >= then_r)
            SELECT {group}, sum((r - then_r) * k) / 10000 FROM (
                SELECT a.*, coalesce(h.k, i.k) AS k, coalesce(h.bus, i.bus) AS bus FROM anchored a
                JOIN span b ON b.which = a.which AND a.then_ms >= b.from_ms AND a.then_ms < b.to_ms
                JOIN span i ON i.which = a.which AND a.ms - 1 >= i.from_ms AND a.ms - 1 < i.to_ms
                LEFT JOIN span h ON h.which = a.which AND a.anchor >= h.from_ms AND a.anchor < h.to_ms
                WHERE gap <= {REACH_MS} OR b.k = i.k) GROUP BY 1"""
        ).fetchall()
    )


def _compare_factor(engine, found) -> None:
    """cosφ = Wp / √(Wp² + Wq²), Wp import only, Wq = Q1 + Q4, by hour of the day and of the period; below 0.01 of both none."""
    hour = "CASE WHEN anchor IS NOT NULL THEN hour(wall(anchor)) END"
    sums = {name: {k: float(v) for k, v in _steps(engine, name, hour).items()} for name in ("import", "q1", "q4")}
    for row in found.hours.to_pylist():
        wp, q1, q4 = (sums[name].get(row["hour"], 0.0) for name in ("import", "q1", "q4"))
        assert (row["wp_kwh"] or 0, row["wq_kvarh"] or 0) == pytest.approx((wp, q1 + q4), rel=1e-12, abs=1e-7)
        if row["pf"] is not None:
            assert row["pf"] == pytest.approx(wp / (wp * wp + (q1 + q4) ** 2) ** 0.5, rel=1e-9)
            assert row["leading"] == (q4 > q1)
        else:
            assert max(wp, q1 + q4) < 0.01 or not (sums["import"] and (sums["q1"] or sums["q4"]))
    (row,) = found.accounts.to_pylist()
    wp, q1, q4 = (sum(sums[name].values()) for name in ("import", "q1", "q4"))
    assert (row["wp_kwh"] or 0, row["q1_kvarh"] or 0, row["q4_kvarh"] or 0) == pytest.approx(
        (wp, q1, q4), rel=1e-9, abs=1e-6
    )
    if row["pf"] is not None:
        assert row["pf"] == pytest.approx(wp / (wp * wp + (q1 + q4) ** 2) ** 0.5, rel=1e-9)
