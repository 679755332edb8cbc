"""Voltage, load and energies of a real workspace against a recomputation in DuckDB, whose calendar is its own (ICU).

Random values with gaps, nulls, corrections in a second file, a meter exchange and a change of ratios inside the period; in
zones that change their clocks by day or at midnight, in the years in which China did, and over a leap day.
"""

import csv
import datetime as dt
import zoneinfo
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyacct import clock
from keyacct.analysis.load import load
from keyacct.analysis.power_factor import power_factor
from keyacct.analysis.voltage import voltage_compliance
from keyacct.cli.run import run
from keyacct.config import open_workspace
from keyacct.model import Period

I_MS, REACH_MS = 900_000, 1_800_000
CASES = {
    "leap day": ("Asia/Shanghai", "2028-02-27..2028-03-01"),
    "China, clocks forward": ("Asia/Shanghai", "1986-05-03..1986-05-05"),
    "China, clocks back": ("Asia/Shanghai", "1991-09-14..1991-09-16"),
    "Berlin, 23 hours": ("Europe/Berlin", "2026-03-28..2026-03-30"),
    "Berlin, 25 hours": ("Europe/Berlin", "2026-10-24..2026-10-26"),
    "New York, 23 hours": ("America/New_York", "2026-03-07..2026-03-09"),
    "New York, 25 hours": ("America/New_York", "2026-10-31..2026-11-02"),
    "Cairo, midnight left out": ("Africa/Cairo", "2026-04-23..2026-04-25"),
}
SETS = 12
"""Accounts of each kind in one registry; each example has its own."""


class Town:
    """Workspaces of one zone; an example takes the next set of accounts."""

    def __init__(self, folder: Path, zone: str, period: Period) -> None:
        self.folder, self.zone, self.period = folder, zoneinfo.ZoneInfo(zone), period
        self.used = SETS
        self.root = folder
        self.from_ms, self.to_ms = period.bounds_ms(self.zone)
        # Neither lies on the grid: the exchange a little after the middle, the ratios before it.
        self.exchange_ms = self.from_ms + (self.to_ms - self.from_ms) // 2 + 17 * 60_000
        self.ratio_ms = self.from_ms + (self.to_ms - self.from_ms) // 3 - 7 * 60_000

    def text(self, ms: int) -> str:
        return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).isoformat().replace("+00:00", "Z")

    def new_root(self) -> None:
        self.used = 0
        self.root = self.folder / f"w{len(list(self.folder.iterdir()))}"
        assert run(["init", str(self.root), "--timezone", str(self.zone)]) == 0
        holiday = self.period.first + dt.timedelta(days=1)
        toml = self.root / "keyacct.toml"
        section = f'[calendar]\nholidays = ["{holiday}"]\n'
        toml.write_text(toml.read_text(encoding="utf-8").replace("[calendar]\n", section), encoding="utf-8")
        text = '[[tariff_table]]\ntariff_table = "T"\n'
        for kind, start, end, name in (
            ("workday", "00:00", "08:00", "valley"), ("workday", "08:00", "24:00", "peak"),
            ("weekend", "00:00", "24:00", "flat"), ("holiday", "00:00", "24:00", "sharp"),
        ):  # fmt: skip
            text += f'[[tariff_slot]]\ntariff_table = "T"\nday_type = "{kind}"\n'
            text += f'start_min = "{start}"\nend_min = "{end}"\nperiod = "{name}"\n'
        for n in range(SETS):
            for letter in "VLE":
                text += self.account(f"{letter}{n}")
        (self.folder / "r.toml").write_text(text, encoding="utf-8")
        assert run(["registry", "import", str(self.folder / "r.toml"), "--workspace", str(self.root)]) == 0

    def account(self, name: str) -> str:
        exchange, ratio = self.text(self.exchange_ms), self.text(self.ratio_ms)
        return f"""
[[account]]
account_no = "{name}"
account_name = "{name}"
[[account_tariff]]
account_no = "{name}"
tariff_table = "T"
[[point]]
point = "{name}"
[[point_account]]
point = "{name}"
account_no = "{name}"
[[meter]]
meter_no = "{name}-1"
[[meter]]
meter_no = "{name}-2"
[[meter_point]]
meter_no = "{name}-1"
point = "{name}"
valid_to = {exchange}
[[meter_point]]
meter_no = "{name}-2"
point = "{name}"
valid_from = {exchange}
[[point_ratio]]
point = "{name}"
wiring = "1p"
pt = 1.0
ct = 20.0
valid_to = {ratio}
[[point_ratio]]
point = "{name}"
wiring = "1p"
pt = 1.1
ct = 30.0
valid_from = {ratio}
[[voltage_limit]]
point = "{name}"
nominal_v = 220
lower_v = 198
upper_v = 235.4
"""

    def spans(self, name: str):
        """(meter, from, to, PT, CT) in the period."""
        a, b = sorted((self.exchange_ms, self.ratio_ms))
        cuts = (self.from_ms, a, b, self.to_ms)
        for begin, end in pairwise(cuts):
            meter = f"{name}-{1 if begin < self.exchange_ms else 2}"
            yield (meter, begin, end, *((1.0, 20.0) if begin < self.ratio_ms else (1.1, 30.0)))


@pytest.fixture(scope="module", params=sorted(CASES))
def town(request, tmp_path_factory):
    zone, period = CASES[request.param]
    return Town(tmp_path_factory.mktemp("town"), zone, Period.parse(period))


def _write(path: Path, header, rows) -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *[["" if cell is None else cell for cell in row] for row in rows]])
    return str(path)


STEP = st.sampled_from((15, 15, 15, 15, 15, 5, 1, 30, 31, 45, 61, 300))
VOLT = st.one_of(
    st.none(), st.integers(90_000, 280_000), st.sampled_from((198_000, 235_400, 214_000, 154_000, 140_000))
)
POWER = st.one_of(st.none(), st.integers(-500, 4000))
GROWTH = st.one_of(st.none(), st.integers(-20, 400))


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.tuples(STEP, VOLT, POWER, GROWTH), min_size=150, max_size=400),
    corrections=st.lists(st.tuples(st.integers(0, 399), VOLT, POWER), max_size=6),
)
def test_analyses_of_a_workspace_agree_with_duckdb(town, steps, corrections):
    if town.used == SETS:
        town.new_root()
    n, town.used = town.used, town.used + 1
    at, register, base = town.from_ms - 45 * 60_000, 10_000, []
    for minutes, milli_volts, watts, growth in steps:
        at += minutes * 60_000
        register += growth or 0
        which = 1 if at <= town.exchange_ms else 2
        base.append((which, at, milli_volts, watts, None if growth is None else max(register, 0)))
    better = {place: (v, p) for place, v, p in corrections if place < len(base) and (v is not None or p is not None)}
    header = ("meter", "ts", "value")
    milli = lambda value: None if value is None else f"{value / 1000:.3f}"  # noqa: E731  a cell
    for letter, column, kind, values, corrected in (
        (
            "V",
            "voltage.a",
            "interval",
            [row[2] for row in base],
            {k: v for k, (v, _) in better.items() if v is not None},
        ),
        ("L", "power.p", "interval", [row[3] for row in base], {k: p for k, (_, p) in better.items() if p is not None}),
        ("E", "energy.import", "register", [row[4] for row in base], {}),
    ):

        def row(place, value, letter=letter):
            return (f"{letter}{n}-{base[place][0]}", town.text(base[place][1]), milli(value))

        first = [row(place, value) for place, value in enumerate(values) if value is not None]
        second = [row(place, value) for place, value in sorted(corrected.items())]
        for name, rows in (("first", first), ("second", second)):
            if rows:
                path = _write(town.folder / f"{name}.csv", header, rows)
                given_ = ["samples", "import", path, "--meter-column", "meter", "--workspace", str(town.root)]
                assert run([*given_, "--kind", kind, "--map", f"value={column}"]) == 0
    clock.fix("2029-06-01T00:00Z")
    try:
        workspace = open_workspace(town.root)
        names = {letter: f"{letter}{n}" for letter in "VLE"}
        volts = voltage_compliance(workspace, town.period, accounts=[names["V"]]).day.to_pylist()
        loads = load(workspace, town.period, accounts=[names["L"]])
        factor = power_factor(workspace, town.period, accounts=[names["E"]])
    finally:
        clock.fix(None)
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        engine.execute("CREATE TABLE raw (which INT, ms BIGINT, v INT, p INT, r BIGINT, cv INT, cp INT)")
        engine.executemany(
            "INSERT INTO raw VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(*row, *better.get(place, (None, None))) for place, row in enumerate(base)],
        )
        engine.execute(
            "CREATE TABLE span (which INT, from_ms BIGINT, to_ms BIGINT, pt DECIMAL(9, 3), ct DECIMAL(9, 3))"
        )
        engine.executemany(
            "INSERT INTO span VALUES (?, ?, ?, ?, ?)", [(int(m[-1]), *rest) for m, *rest in town.spans("x")]
        )
        engine.execute(f"CREATE MACRO wall(ms) AS timezone('{town.zone}', make_timestamptz((ms) * 1000)::TIMESTAMPTZ)")
        _compare_voltage(engine, volts)
        _compare_load(engine, loads, town)
        _compare_energy(engine, factor)


WEIGHED = """
    SELECT *, coalesce(CASE WHEN gap <= {reach} THEN gap END, {one}) AS w, ms - least(w, {one}) AS anchor FROM (
        SELECT which, ms, value, ms - lag(ms) OVER (PARTITION BY which ORDER BY ms) AS gap FROM (
            SELECT which, ms, coalesce({better}, {column}) AS value FROM raw) WHERE value IS NOT NULL)
"""


def _weighed(column: str) -> str:
    return WEIGHED.format(reach=REACH_MS, one=I_MS, better=f"c{column}", column=column)


def _compare_voltage(engine, rows) -> None:
    want = engine.execute(
        f"""WITH v AS (
            SELECT w.w, w.ms, wall(anchor)::DATE AS day, w.value::DECIMAL(12, 0) * s.pt AS mv FROM ({_weighed("v")}) w
            JOIN span s ON s.which = w.which AND w.anchor >= s.from_ms AND w.anchor < s.to_ms)
        SELECT day, sum(w) FILTER (mv >= 154000), sum(w) FILTER (mv >= 154000 AND mv > 235400),
            sum(w) FILTER (mv >= 154000 AND mv < 198000), sum(w) FILTER (mv < 154000),
            max(mv) FILTER (mv >= 154000) / 1000, min(mv) FILTER (mv >= 154000) / 1000,
            sum(mv * w) FILTER (mv >= 154000) / 1000.0 / sum(w) FILTER (mv >= 154000) FROM v GROUP BY day"""
    ).fetchall()
    found = {row["day"]: row for row in rows if row["phase"] == "A"}
    expected = {row[0]: row[1:] for row in want}
    assert expected.keys() <= found.keys()
    for day, row in found.items():
        mon, over, under, floor, high, low, mean = expected.get(day, (None,) * 7)
        names = ("monitored_min", "over_limit_min", "under_limit_min", "below_floor_min")
        minutes = [None if row[name] is None else row[name] * 60_000 for name in names]
        if mon is None and floor is None:
            assert minutes == [None] * 4
            continue
        assert minutes == [mon or 0, over or 0, under or 0, floor or 0]
        for name, value in (("max_v", high), ("min_v", low), ("mean_v", mean)):
            assert (row[name] is None) == (value is None)
            assert value is None or row[name] == pytest.approx(float(value), rel=1e-12)


def _compare_load(engine, found, town) -> None:
    engine.execute(
        f"""CREATE TABLE block AS
        WITH p AS (
            SELECT w.ms - w.w AS from_ms, w.ms AS to_ms, greatest(w.value, 0) * s.pt * s.ct AS watts FROM ({_weighed("p")}) w
            JOIN span s ON s.which = w.which AND w.anchor >= s.from_ms AND w.anchor < s.to_ms),
        grid AS (SELECT unnest(range({town.from_ms}, {town.to_ms}, {I_MS})) AS start),
        part AS (
            SELECT start, watts, least(to_ms, start + {I_MS}) - greatest(from_ms, start) AS long_ms FROM grid JOIN p
            ON p.from_ms < start + {I_MS} AND p.to_ms > start)
        SELECT start, wall(start)::DATE AS day, sum(watts * long_ms) / 1000.0 AS kw_ms, sum(long_ms) AS covered,
            CASE WHEN sum(long_ms) >= 0.8 * {I_MS} THEN kw_ms / covered END AS kw,
            CASE WHEN day = DATE '{town.period.first}' + 1 THEN 'sharp' WHEN isodow(day) > 5 THEN 'flat'
                WHEN hour(wall(start)) < 8 THEN 'valley' ELSE 'peak' END AS tariff
        FROM part GROUP BY start"""
    )
    want = engine.execute(
        """SELECT day, max(kw), min(kw), sum(kw_ms) / 3.6e6, sum(kw_ms) FILTER (tariff = 'sharp') / 3.6e6,
            sum(kw_ms) FILTER (tariff = 'peak') / 3.6e6, sum(kw_ms) FILTER (tariff = 'flat') / 3.6e6,
            sum(kw_ms) FILTER (tariff = 'valley') / 3.6e6, avg(kw) FROM block GROUP BY day"""
    ).fetchall()
    at_block = dict(engine.execute("SELECT start, kw FROM block").fetchall())
    expected = {row[0]: row[1:] for row in want}
    for row in found.day.to_pylist():
        md, low, energy, sharp, peak, flat, valley, mean = expected.get(row["day"], (None,) * 8)
        wanted = {"md_kw": md, "min_kw": low, "energy_kwh": energy, "mean_kw": mean}
        if energy is not None:
            wanted |= {"sharp_kwh": sharp or 0, "peak_kwh": peak or 0, "flat_kwh": flat or 0, "valley_kwh": valley or 0}
        for name, value in wanted.items():
            assert (row[name] is None) == (value is None), name
            assert value is None or row[name] == pytest.approx(float(value), rel=1e-9, abs=1e-9), name
        if md is not None:
            start = round(row["md_at"].timestamp() * 1000) - I_MS
            assert at_block[start] == pytest.approx(float(md), rel=1e-9, abs=1e-9)
    (row,) = found.total.to_pylist()
    total = [day[2] for day in expected.values()]
    assert (row["energy_kwh"] or 0) == pytest.approx(float(sum(total)), rel=1e-9, abs=1e-9)


def _compare_energy(engine, found) -> None:
    want = engine.execute(
        f"""WITH own AS (SELECT which, min(from_ms) AS first, max(to_ms) AS last FROM span GROUP BY which),
        step AS (
            SELECT which, ms, r, lag(ms) OVER one AS then_ms, lag(r) OVER one AS then_r FROM raw JOIN own USING (which)
            WHERE r IS NOT NULL AND ms BETWEEN first AND last WINDOW one AS (PARTITION BY which ORDER BY ms)),
        anchored AS (
            SELECT *, ms - then_ms AS gap, CASE WHEN gap <= {REACH_MS} THEN ms - least(gap, {I_MS})
                WHEN gap <= 3600000 THEN then_ms END AS anchor FROM step WHERE then_ms IS NOT NULL AND r >= then_r),
        spread AS (
            SELECT a.*, b.pt * b.ct AS k_then, i.pt * i.ct AS k_into, coalesce(h.pt * h.ct, i.pt * i.ct) AS k FROM anchored a
            JOIN span b ON b.which = a.which AND a.then_ms >= b.from_ms AND a.then_ms < b.to_ms
            JOIN span i ON i.which = a.which AND a.ms - 1 >= i.from_ms AND a.ms - 1 < i.to_ms
            LEFT JOIN span h ON h.which = a.which AND a.anchor >= h.from_ms AND a.anchor < h.to_ms)
        SELECT CASE WHEN anchor IS NOT NULL THEN hour(wall(anchor)) END AS hour, sum((r - then_r) * k) / 1000
        FROM spread WHERE gap <= {REACH_MS} OR k_then = k_into GROUP BY 1"""
    ).fetchall()
    total = float(sum(kwh for _, kwh in want))
    (row,) = found.accounts.to_pylist()
    assert (row["wp_kwh"] or 0) == pytest.approx(total, rel=1e-12, abs=1e-9)
    by_hour = {hour: float(kwh) for hour, kwh in want if hour is not None}
    for hour in found.hours.to_pylist():
        assert (hour["wp_kwh"] or 0) == pytest.approx(by_hour.get(hour["hour"], 0), rel=1e-12, abs=1e-9)
