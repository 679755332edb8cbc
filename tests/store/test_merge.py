"""How rows of one key become one: column by column, by one order; and what compaction must keep."""

from __future__ import annotations

import itertools
import re
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from keyacct import clock
from keyacct.config import Workspace, parse_settings
from keyacct.database.engine import open_database
from keyacct.errors import ConfigError, UsageError
from keyacct.store import quality
from keyacct.store.compact import compact
from keyacct.store.families import FAMILIES
from keyacct.store.index import live_segments
from keyacct.store.ingest import ingest
from keyacct.store.read import read_family, read_table
from keyacct.store.verify import clean, store_files, verify

VOLTAGE = FAMILIES["voltage"].input_schema
T0 = 1_782_835_200_000
numbers = itertools.count()


def rows(*values: dict[str, object], family: str = "voltage") -> pa.Table:
    schema = FAMILIES[family].input_schema
    default = {**dict.fromkeys(schema.names), "meter": "m", "kind": "snapshot", "ts": T0, "quality": 0}
    return pa.Table.from_pylist([{**default, **value} for value in values], schema=schema)


def put(workspace: Workspace, *values: dict[str, object]):
    return ingest(workspace, {"voltage": rows(*values)}, source="x", sha256=f"{next(numbers):064x}")


def found(workspace: Workspace) -> list[dict[str, object]]:
    return [
        {k: v for k, v in row.items() if k in ("meter", "a", "b", "c") and v is not None}
        for row in read_table(workspace, "voltage", 0, 2**42).to_pylist()
    ]


def revisions(workspace: Workspace) -> list[tuple[str, str, str]]:
    with open_database(workspace).read() as connection:
        query = 'SELECT "column", value, reason FROM revision ORDER BY 1, 2'
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def test_phases_of_one_instant_are_columns_of_one_row(workspace: Workspace) -> None:
    put(workspace, {"a": 220})
    put(workspace, {"b": 221})
    assert found(workspace) == [{"meter": "m", "a": Decimal(220), "b": Decimal(221)}]
    assert revisions(workspace) == []


def test_a_null_takes_no_value_away_and_a_retraction_does(workspace: Workspace) -> None:
    put(workspace, {"a": 220, "b": 221})
    put(workspace, {"b": 222, "recv_at": T0})
    assert found(workspace) == [{"meter": "m", "a": Decimal(220), "b": Decimal(222)}]
    put(workspace, {"a": 220, "quality": quality.RETRACTED, "recv_at": T0 + 1})
    assert found(workspace) == [{"meter": "m", "b": Decimal(222)}]


def test_rank_goes_before_receipt_and_receipt_before_batch(workspace: Workspace) -> None:
    order = [quality.ESTIMATED, quality.SUSPECT, quality.SUBSTITUTED, 0, quality.EDITED]
    assert [quality.rank(bits) for bits in order] == [1, 2, 3, 4, 5]
    for number, bits in enumerate(reversed(order)):
        put(workspace, {"a": 200 + quality.rank(bits), "quality": bits, "recv_at": T0 + number})
        assert found(workspace)[0]["a"] == 205, "later, but of lower rank"
    assert {reason for _, _, reason in revisions(workspace)} == {"better quality"}
    put(workspace, {"ts": T0 + 900_000, "c": 1, "recv_at": T0 + 5})
    put(workspace, {"ts": T0 + 900_000, "c": 2, "recv_at": T0 + 4})
    put(workspace, {"ts": T0 + 1_800_000, "c": 3})
    put(workspace, {"ts": T0 + 1_800_000, "c": 4})
    assert [row["c"] for row in found(workspace)[1:]] == [1, 4]


def test_what_lost_is_kept_with_the_reason(workspace: Workspace) -> None:
    put(workspace, {"a": 220})
    assert put(workspace, {"a": 221, "recv_at": T0}).revisions == 1
    assert revisions(workspace) == [("a", "220.000", "later receipt")]


def test_compaction_keeps_the_order_for_what_comes_later(workspace: Workspace) -> None:
    """Column a was received at 10, b at 20; a value of a received at 15 must still win after compaction."""
    put(workspace, {"a": 1, "recv_at": T0 + 10}, {"b": 2, "recv_at": T0 + 20})
    put(workspace, {"c": 9, "recv_at": T0 + 5})
    list(compact(workspace))
    put(workspace, {"a": 5, "recv_at": T0 + 15}, {"b": 5, "recv_at": T0 + 15})
    assert found(workspace) == [{"meter": "m", "a": Decimal(5), "b": Decimal(2), "c": Decimal(9)}]


def test_compaction_makes_one_sorted_segment_a_day_and_changes_no_value(workspace: Workspace) -> None:
    for number in range(6):
        put(workspace, *({"meter": f"m{9 - k}", "ts": T0 + 1 + k * 1000, "a": k + number % 2} for k in range(9)))
    before = read_table(workspace, "voltage", 0, 2**42)
    done = list(compact(workspace))
    assert [(c.segments, c.rows_after, c.lost_race) for c in done] == [(6, 9, False)]
    after = read_table(workspace, "voltage", 0, 2**42)
    assert after.equals(before)
    files = store_files(workspace)
    assert [f["unique_keys"] for f in files] == [True]
    assert after.column("meter").to_pylist() == sorted(after.column("meter").to_pylist())
    assert list(compact(workspace)) == []
    assert not verify(workspace).damaged


def test_replaced_files_live_on_for_the_grace_time(workspace: Workspace) -> None:
    clock.fix("2026-07-01T00:00Z")
    try:
        put(workspace, {"a": 1})
        put(workspace, {"b": 1})
        reader = read_family(workspace, "voltage", 0, 2**42)
        list(compact(workspace))
        assert clean(workspace) == []
        assert reader.read_all().num_rows == 1, "a reader that has begun is not disturbed"
        clock.fix("2026-07-01T01:00Z")
        assert len(clean(workspace, dry_run=True)) == 2
        assert len(clean(workspace)) == 2
        assert len(list(workspace.samples.rglob("*.parquet"))) == 1
        assert verify(workspace).findings == []
    finally:
        clock.fix(None)


def test_a_compaction_that_lost_the_race_changes_nothing(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from keyacct.store import compact as module

    put(workspace, {"a": 1})
    put(workspace, {"b": 1})
    stale = module.due(workspace)
    list(compact(workspace))
    monkeypatch.setattr(module, "due", lambda *_, **__: stale)
    assert [c.lost_race for c in module.compact(workspace)] == [True]
    assert len(found(workspace)) == 1
    assert not verify(workspace).damaged


def test_decimals_are_written_as_integers(workspace: Workspace) -> None:
    put(workspace, {"a": Decimal("220.123")})
    path = next(workspace.samples.rglob("*.parquet"))
    schema = pq.ParquetFile(path).schema
    physical = {schema.column(i).name: schema.column(i).physical_type for i in range(len(schema))}
    assert physical["a"] == "INT32"
    ingest(workspace, {"energy": rows({"import": 1}, family="energy")}, source="x")
    path = next((workspace.samples / "family=energy").rglob("*.parquet"))
    schema = pq.ParquetFile(path).schema
    assert {schema.column(i).name: schema.column(i).physical_type for i in range(len(schema))}["import"] == "INT64"
    assert pq.read_table(path).column("import").to_pylist() == [Decimal(1)], "any reader opens it by its path"


def test_the_reader_gives_the_published_schema_and_only_what_is_asked(workspace: Workspace) -> None:
    put(workspace, *({"meter": f"m{n}", "ts": T0 + n, "a": n} for n in range(10)))
    put(workspace, *({"meter": f"m{n}", "ts": T0 + n, "b": n} for n in range(10)))
    assert read_family(workspace, "voltage", 0, 1).schema == FAMILIES["voltage"].schema
    part = read_table(workspace, "voltage", T0 + 2, T0 + 8, ["m1", "m2", "m7", "m8"])
    assert part.schema == FAMILIES["voltage"].schema
    assert part.column("meter").to_pylist() == ["m2", "m7"]
    assert read_table(workspace, "voltage", 0, 2**42, []).num_rows == 0
    with pytest.raises(UsageError, match="no family 'voltages'"):
        read_family(workspace, "voltages", 0, 1)


def test_some_columns_are_what_they_are_among_all(workspace: Workspace) -> None:
    day = 86_400_000
    put(workspace, *({"meter": f"m{9 - n}", "ts": T0 + n, "a": n, "c": n + 1} for n in range(10)))
    put(workspace, {"meter": "m9", "ts": T0, "a": 220, "recv_at": T0}, {"meter": "m8", "ts": T0 + 1, "b": 1})
    put(workspace, {"meter": "m7", "ts": T0 + 2, "a": 2, "quality": quality.RETRACTED, "recv_at": T0})
    put(workspace, {"meter": "m1", "ts": T0 + 2 * day, "a": 7})  # a day of one segment
    for columns in (
        ("meter", "kind", "ts", "a"),
        ("b", "meter"),
        ("ts", "quality", "c"),
        FAMILIES["voltage"].schema.names,
    ):
        part = read_family(workspace, "voltage", 0, 2**42, columns=columns)
        assert part.read_all().equals(read_table(workspace, "voltage", 0, 2**42).select(columns))
    tariffs = [{"meter": "m", "ts": T0, "tariff": n, "import": 10 - n} for n in (3, 1, 2)]
    ingest(workspace, {"tariff_energy": rows(*tariffs, family="tariff_energy")}, source="x")
    assert read_family(workspace, "tariff_energy", 0, 2**42, columns=["import"]).read_all().column(0).to_pylist() == [
        9,
        8,
        7,
    ]


def test_large_reads_go_meter_range_by_meter_range(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        put(workspace, *({"meter": f"m{n:03d}", "ts": T0 + n, "abc"[number]: n} for n in range(100)))
    whole = read_table(workspace, "voltage", 0, 2**42)
    monkeypatch.setattr("keyacct.store.read.CHUNK_ROWS", 50)
    assert read_table(workspace, "voltage", 0, 2**42).equals(whole)
    assert whole.num_rows == 100


def test_the_zone_cannot_change_under_stored_samples(workspace: Workspace) -> None:
    put(workspace, {"a": 1})
    berlin = parse_settings({"workspace": {"timezone": "Europe/Berlin"}}).workspace
    moved = Workspace(workspace.root, workspace.settings.model_copy(update={"workspace": berlin}))
    with pytest.raises(ConfigError, match="were stored by days of Asia/Shanghai"):
        put(moved, {"ts": T0 + 1, "a": 1})


def test_rows_that_do_not_fit_in_memory_go_by_way_of_the_stage(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyacct.store.ingest.SPILL_ROWS", 10)
    put(workspace, *({"ts": T0 + n * 3_600_000, "a": n} for n in range(100)))
    assert len(found(workspace)) == 100
    assert list(workspace.stage.iterdir()) == []
    with open_database(workspace).read() as connection:
        assert len(live_segments(connection)) == 6, "a segment per civil day, the first hour closes the day before"


def test_the_lower_quality_bits_are_those_of_a_reading() -> None:
    source = Path(__file__).resolve().parents[2] / "core-rs/keyacct-model/src/quality.rs"
    text = source.read_text("utf-8")
    bits = {
        name.lower(): 1 << int(shift or 0)
        for name, shift in re.findall(r"pub const (\w+): Quality = Quality\(1(?: << (\d+))?\);", text)
    }
    assert bits
    assert bits.items() <= {name: bit for bit, name in quality.NAMES.items()}.items()
