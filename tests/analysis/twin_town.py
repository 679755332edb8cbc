"""Random values of metering points in real workspaces, and the same values as tables of DuckDB with a calendar of its own.

Every point has its meter exchanged and its ratios changed inside the period, at instants off the grid; values have gaps,
nulls, corrections in a later file, and snapshots beside the interval values of the same instant.
"""

import contextlib
import csv
import datetime as dt
import zoneinfo
from itertools import pairwise
from pathlib import Path

import duckdb
from hypothesis import Phase
from hypothesis import strategies as st

from keyacct import clock
from keyacct.cli.run import run
from keyacct.config import open_workspace
from keyacct.model import Period

MINUTE_MS = 60_000
INTERVAL_MS, REACH_MS = 15 * MINUTE_MS, 30 * MINUTE_MS
"""The interval of a meter, and how far a value reaches back when the one before it is missing: two intervals."""
SETS = 3
"""Sets of points in one registry; each example has its own."""
DIGITS = {"voltage": 3, "current": 4, "power": 4, "energy": 4}
LATER = "2029-06-01T00:00Z"
CASES = {
    "leap day": ("Asia/Shanghai", "2028-02-28..2028-03-01"),
    "Berlin, 25 hours": ("Europe/Berlin", "2026-10-24..2026-10-26"),
    "New York, 23 hours": ("America/New_York", "2026-03-07..2026-03-09"),
    "Cairo, midnight left out": ("Africa/Cairo", "2026-04-23..2026-04-25"),
}
ONCE = (Phase.explicit, Phase.reuse, Phase.generate)
"""What hypothesis does: each try is an import into a workspace, so that making a failure smaller would take minutes."""
STEP = st.sampled_from((15, 15, 15, 15, 15, 15, 5, 1, 30, 31, 45, 60, 61, 300))
"""Minutes from a row to the next."""


class Town:
    """Workspaces of one zone. text_of: the registry's text of set n."""

    def __init__(self, folder: Path, zone: str, period: str, text_of) -> None:
        self.folder, self.zone, self.text_of = folder, zoneinfo.ZoneInfo(zone), text_of
        self.period = Period.parse(period)
        self.used, self.root = SETS, folder
        self.from_ms, self.to_ms = self.period.bounds_ms(self.zone)
        self.exchange_ms = self.from_ms + (self.to_ms - self.from_ms) // 2 + 17 * MINUTE_MS
        self.ratio_ms = self.from_ms + (self.to_ms - self.from_ms) // 3 - 7 * MINUTE_MS

    def next_set(self) -> int:
        """The number of a set of points that nothing was stored for."""
        if self.used == SETS:
            self.root = self.folder / f"w{len(list(self.folder.iterdir()))}"
            assert run(["init", str(self.root), "--timezone", str(self.zone)]) == 0
            (self.folder / "r.toml").write_text("".join(self.text_of(self, n) for n in range(SETS)), encoding="utf-8")
            assert run(["registry", "import", str(self.folder / "r.toml"), "--workspace", str(self.root)]) == 0
            self.used = 0
        self.used += 1
        return self.used - 1

    def text(self, ms: int) -> str:
        return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).isoformat().replace("+00:00", "Z")

    def point(self, name: str, wiring: str, ratios, *, limits=None, kind="billing", more="") -> str:
        """A point; a billing one is of the account of its name. ratios: (PT, CT) before and after the change."""
        exchange, change = self.text(self.exchange_ms), self.text(self.ratio_ms)
        owner = f'[[point_account]]\npoint = "{name}"\naccount_no = "{name}"\n' if kind == "billing" else ""
        text = f"""
[[point]]
point = "{name}"
kind = "{kind}"
{owner}[[meter]]
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
"""
        for (pt, ct), end in zip(ratios, (f"valid_to = {change}", f"valid_from = {change}"), strict=True):
            text += f'[[point_ratio]]\npoint = "{name}"\nwiring = "{wiring}"\npt = {pt}\nct = {ct}\n{end}\n'
        if limits is not None:
            nominal, lower, upper = limits
            text += (
                f'[[voltage_limit]]\npoint = "{name}"\nnominal_v = {nominal}\nlower_v = {lower}\nupper_v = {upper}\n'
            )
        return text + more

    def spans(self, ratios):
        """(meter 1 or 2, from, to, PT, CT) in the period."""
        cuts = (self.from_ms, *sorted((self.exchange_ms, self.ratio_ms)), self.to_ms)
        for begin, end in pairwise(cuts):
            yield (1 if begin < self.exchange_ms else 2, begin, end, *ratios[begin >= self.ratio_ms])

    def rows(self, steps, before_min=45):
        """(meter, stamp, values) of steps of (minutes, values…), from a little before the period."""
        at = self.from_ms - before_min * MINUTE_MS
        for minutes, *values in steps:
            at += minutes * MINUTE_MS
            yield (1 if at <= self.exchange_ms else 2, at, *values)

    def store(self, given, kind="interval") -> None:
        """Imports one file, with all of it. given: point, its columns (family.column or None) and rows of its meters."""
        columns = sorted({column for _, of, _ in given for column in of if column is not None})
        scale = [10 ** DIGITS[column.partition(".")[0]] for column in columns]
        lines = []
        for point, of, rows in given:
            places = [of.index(column) if column in of else None for column in columns]
            for meter, at, *values in rows:
                found = [None if place is None else values[place] for place in places]
                if any(value is not None for value in found):
                    cells = ["" if value is None else value / s for value, s in zip(found, scale, strict=True)]
                    lines.append((f"{point}-{meter}", self.text(at), *cells))
        if lines:
            path = self.folder / "values.csv"
            with path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([("meter", "ts", *columns), *lines])
            mapped = ",".join(f"{column}={column}" for column in columns)
            command = ["samples", "import", str(path), "--meter-column", "meter", "--workspace", str(self.root)]
            assert run([*command, "--kind", kind, "--map", mapped]) == 0

    @contextlib.contextmanager
    def asked(self):
        """The workspace, long after the period."""
        clock.fix(LATER)
        try:
            yield open_workspace(self.root)
        finally:
            clock.fix(None)

    @contextlib.contextmanager
    def engine(self, columns, rows, corrections=(), aside=()):
        """DuckDB with `v` (which, ms, columns), the values that count: a later row takes the place of an earlier one value by
        value, an interval's value goes before a snapshot's (`aside`); and `wall(ms)`, the civil time of an instant.
        """
        with duckdb.connect() as engine:
            engine.execute("SET TimeZone = 'UTC'")
            listed = ", ".join(f"{name} BIGINT" for name in columns)
            engine.execute(f"CREATE TABLE told (rank INT, which INT, ms BIGINT, {listed})")
            marks = ", ".join("?" for _ in range(3 + len(columns)))
            every = [(rank, *row) for rank, of in enumerate((corrections, rows, aside)) for row in of]
            if every:
                engine.executemany(f"INSERT INTO told VALUES ({marks})", every)
            best = ", ".join(f"arg_min({name}, rank) FILTER ({name} IS NOT NULL) AS {name}" for name in columns)
            engine.execute(f"CREATE TABLE v AS SELECT which, ms, {best} FROM told GROUP BY which, ms")
            engine.execute(
                f"CREATE MACRO wall(ms) AS timezone('{self.zone}', make_timestamptz((ms) * 1000)::TIMESTAMPTZ)"
            )
            yield engine

    def span_table(self, engine, ratios, name="span") -> None:
        engine.execute(
            f"CREATE TABLE {name} (which INT, from_ms BIGINT, to_ms BIGINT, pt DECIMAL(9, 3), ct DECIMAL(9, 3))"
        )
        engine.executemany(f"INSERT INTO {name} VALUES (?, ?, ?, ?, ?)", list(self.spans(ratios)))


def weighed(condition: str) -> str:
    """SQL: the rows of `v` with what is asked for, w (ms that a row stands for: since the one before it up to two intervals,
    else one) and anchor (the beginning of its last interval).
    """
    return f"""(
        SELECT *, CASE WHEN gap <= {REACH_MS} THEN gap ELSE {INTERVAL_MS} END AS w, ms - least(w, {INTERVAL_MS}) AS anchor
        FROM (SELECT *, ms - lag(ms) OVER (PARTITION BY which ORDER BY ms) AS gap FROM v WHERE {condition}))"""


def account(name: str, more: str = "") -> str:
    return f'\n[[account]]\naccount_no = "{name}"\naccount_name = "{name}"\n{more}'
