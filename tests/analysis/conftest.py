"""A workspace whose samples and parameters are tables made by the test."""

import datetime as dt
import hashlib
import sys
import types
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from keyacct import clock
from keyacct.config import Workspace, parse_settings

sys.path.insert(0, str(Path(__file__).parent))  # twin_town.py

FAMILIES = {
    "voltage": (("a", "b", "c", "ab", "bc", "ca"), 3),
    "current": (("a", "b", "c", "n"), 4),
    "power": (("p", "p_a", "p_b", "p_c", "q", "q_a", "q_b", "q_c", "s", "pf"), 4),
    "energy": (
        ("import", "export", "q1", "q2", "q3", "q4", "reactive_import", "reactive_export"), 4,
    ),
}  # fmt: skip
PARAMETERS = pa.schema(
    [
        ("point", pa.string()), ("account_no", pa.string()), ("account_name", pa.string()),
        ("kind", pa.string()),
        ("from_ms", pa.int64()), ("to_ms", pa.int64()), ("meter", pa.string()), ("reading_side", pa.string()),
        ("wiring", pa.string()), ("pt", pa.float64()), ("ct", pa.float64()), ("interval_min", pa.int32()),
        ("nominal_v", pa.float64()), ("lower_v", pa.float64()), ("upper_v", pa.float64()),
        ("monitoring_class", pa.string()), ("pf_standard", pa.float64()), ("tariff_table", pa.string()),
        ("metering_mode", pa.string()),
        ("ct_primary_a", pa.float64()), ("ct_secondary_a", pa.float64()), ("transformer", pa.string()),
    ]
)  # fmt: skip
TARIFFS = pa.schema(
    [
        ("tariff_table", pa.string()), ("season_from", pa.int64()), ("season_to", pa.int64()),
        ("day_type", pa.string()), ("start_min", pa.int64()), ("end_min", pa.int64()),
        ("period", pa.string()),
    ]
)  # fmt: skip


class Office:
    """What a test puts in, and the workspace that sees it."""

    def __init__(self, folder, document):
        self.workspace = Workspace(folder, parse_settings(document))
        self.samples = {family: [] for family in FAMILIES}
        self.parameters = []
        self.tariffs = []
        self.transformers = []

    def at(self, text):
        """UTC ms of a wall-clock time in the workspace's zone."""
        return int(dt.datetime.fromisoformat(text).replace(tzinfo=self.workspace.zone).timestamp() * 1000)

    def point(self, point="P1", start="2026-06-01", end="2026-07-01", **changed):
        row = {
            "point": point, "account_no": "1000000001", "account_name": "Riyue", "kind": "billing",
            "from_ms": self.at(start), "to_ms": self.at(end), "meter": "M1", "reading_side": "secondary",
            "wiring": "1p", "pt": 1.0, "ct": 1.0, "interval_min": 15, "nominal_v": 220.0, "lower_v": 198.0,
            "upper_v": 235.4, "monitoring_class": "D", "pf_standard": 0.9, "tariff_table": None,
        }  # fmt: skip
        self.parameters.append({**row, **changed})

    def sample(self, family, at, kind="interval", *, meter="M1", **values):
        ms = self.at(at) if isinstance(at, str) else at
        self.samples[family].append({"meter": meter, "kind": kind, "ts": ms, **values})

    def slot(self, period, start_min, end_min, *, table="T", season=(101, 1231), day_type="all"):
        self.tariffs.append(
            dict(zip(TARIFFS.names, (table, *season, day_type, start_min, end_min, period), strict=True))
        )

    def read_family(self, workspace, family, from_ms, to_ms, meters=None, columns=None):
        names, scale = FAMILIES[family]
        schema = pa.schema(
            [("meter", pa.string()), ("kind", pa.string()), ("ts", pa.timestamp("ms", tz="UTC"))]
            + [(name, pa.decimal128(14, scale)) for name in names]
            + [("quality", pa.uint16())]
        )
        schema = pa.schema([schema.field(name) for name in columns or schema.names])
        rows = sorted(
            (r for r in self.samples[family] if from_ms <= r["ts"] < to_ms and (not meters or r["meter"] in meters)),
            key=lambda r: (r["meter"], r["kind"], r["ts"]),
        )
        exact = lambda key, value: Decimal(str(value)) if key in names and value is not None else value  # noqa: E731  a cell
        rows = [{key: exact(key, value) for key, value in r.items()} for r in rows]
        # Small batches: the rows of a meter lie across several.
        batches = [pa.RecordBatch.from_pylist(rows[i : i + 7], schema=schema) for i in range(0, len(rows), 7)]
        return pa.RecordBatchReader.from_batches(schema, batches)

    def day_digests(self, workspace, families, days):
        def digest(day):
            first = dt.datetime.fromisoformat(day)
            start, end = (self.at((first + dt.timedelta(days=n)).isoformat()) for n in (0, 1))
            of_day = [(f, sorted(r.items())) for f in families for r in self.samples[f] if start < r["ts"] <= end]
            return hashlib.sha256(repr(of_day).encode()).hexdigest()

        return [digest(day) for day in days]

    def point_parameters(self, workspace, from_ms, to_ms, accounts=None):
        rows = [
            {**r, "from_ms": max(r["from_ms"], from_ms), "to_ms": min(r["to_ms"], to_ms)}
            for r in self.parameters
            if r["from_ms"] < to_ms and r["to_ms"] > from_ms
            if accounts is None or r["account_no"] in accounts
        ]
        return pa.Table.from_pylist(rows, schema=PARAMETERS)

    def points_behind(self, workspace, from_ms, to_ms):
        spans = ("point", "account_no", "transformer", "from_ms", "to_ms")
        return [
            types.SimpleNamespace(**{name: row[name] for name in spans})
            for row in self.point_parameters(workspace, from_ms, to_ms).to_pylist()
            if (row["metering_mode"], row["kind"]) == ("hl", "billing")
        ]

    def tariff_slots(self, workspace):
        return pa.Table.from_pylist(self.tariffs, schema=TARIFFS)


@pytest.fixture
def make_office(tmp_path, monkeypatch):
    def make(**document):
        office = Office(tmp_path, document)
        read = types.ModuleType("keyacct.store.read")
        read.read_family = office.read_family
        digests = types.ModuleType("keyacct.store.day_digests")
        digests.day_digests = office.day_digests
        parameters = types.ModuleType("keyacct.registry.parameters")
        parameters.point_parameters = office.point_parameters
        parameters.tariff_slots = office.tariff_slots
        units = types.ModuleType("keyacct.registry.transformers")
        units.transformers = lambda workspace, from_ms, to_ms: office.transformers
        units.points_behind = office.points_behind
        monkeypatch.setitem(sys.modules, "keyacct.registry.transformers", units)
        for name in ("keyacct.store", "keyacct.registry"):
            monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
        monkeypatch.setitem(sys.modules, "keyacct.store.read", read)
        monkeypatch.setitem(sys.modules, "keyacct.store.day_digests", digests)
        monkeypatch.setitem(sys.modules, "keyacct.registry.parameters", parameters)
        return office

    clock.fix("2026-08-01T00:00+08:00")
    yield make
    clock.fix(None)


@pytest.fixture
def office(make_office):
    return make_office()


@pytest.fixture
def joins(monkeypatch):
    """Every attempt to join states must end in tables: falling back to samples would make a comparison empty."""
    from keyacct.analysis import day_states

    refused, join = [], day_states._joined

    def joined(question, what, *rest):
        tables = join(question, what, *rest)
        if tables is None:
            refused.append(what)
        return tables

    monkeypatch.setattr(day_states, "_joined", joined)
    yield refused
    assert refused == []


class Reads:
    """Which samples were read: (family, from, to)."""

    def __init__(self, office, monkeypatch):
        self.seen = []

        def read(workspace, family, from_ms, to_ms, meters=None, columns=None):
            self.seen.append((family, from_ms, to_ms, tuple(meters or ())))
            return office.read_family(workspace, family, from_ms, to_ms, meters, columns)

        monkeypatch.setattr(sys.modules["keyacct.store.read"], "read_family", read)

    def taken(self):
        seen, self.seen = self.seen, []
        return seen


@pytest.fixture
def reads(office, monkeypatch):
    return Reads(office, monkeypatch)


@pytest.fixture
def opened(monkeypatch):
    """Segments that are opened for reading."""
    from keyacct.store import read

    seen, rows = [], read._Source.rows

    def counted(source, paths, low, high):
        seen.extend(paths)
        return rows(source, paths, low, high)

    monkeypatch.setattr(read._Source, "rows", counted)
    return seen
