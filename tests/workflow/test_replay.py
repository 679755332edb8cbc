"""Captures into the store: names to columns, devices to meters, undated readings, the golden list."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from keyacct.config import Workspace
from keyacct.errors import InputError
from keyacct.registry.importing import import_registry
from keyacct.store.compact import compact
from keyacct.store.read import read_table
from keyacct.workflow.doctor import unresolved_devices
from keyacct.workflow.replay import ReplayOptions, compare, replay_capture, write_readings
from keyacct.workflow.workspace import init_workspace

NOON = dt.datetime(2026, 6, 1, 12, 0)
DICTIONARY = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [("offset", pa.int64())]
    + [(name, DICTIONARY) for name in ("device", "protocol", "kind", "quantity", "phase", "unit")]
    + [
        ("tariff", pa.uint8()), ("time", pa.timestamp("ms")), ("recv_at", pa.timestamp("ms")), ("value", pa.float64()),
        ("text", pa.string()), ("quality", pa.uint16()), ("line", pa.int64()),
    ]
)  # fmt: skip


def readings(*rows: dict[str, object]) -> pa.Table:
    default = {
        "offset": 0, "device": "000000000001", "protocol": "dlt645-2007", "kind": "snapshot", "quantity": "voltage",
        "phase": "A", "unit": "V", "tariff": 0, "time": NOON, "quality": 0, "line": 1,
    }  # fmt: skip
    return pa.Table.from_pylist([{**dict.fromkeys(SCHEMA.names), **default, **row} for row in rows], schema=SCHEMA)


@dataclass
class Replayed:
    readings: pa.Table
    sha256: str
    tally: dict[str, object] = field(default_factory=lambda: {"frames": {"dlt645-2007": 1}})


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return init_workspace(tmp_path / "office")


def take(workspace: Workspace, table: pa.Table, name: str = "a"):
    capture = workspace.root / f"{name}.log"
    capture.write_text(name)
    return replay_capture(workspace, [capture], replay=lambda path, **options: Replayed(table, name * 64))[0]


def found(workspace: Workspace, family: str) -> list[dict[str, object]]:
    rows = read_table(workspace, family, 0, 2**42).to_pylist()
    return [{k: v for k, v in row.items() if v is not None and k not in ("quality", "batch")} for row in rows]


def test_each_quantity_has_its_column_and_nothing_is_thrown_away(workspace: Workspace) -> None:
    at = NOON.replace(tzinfo=workspace.zone)
    energy = {"quantity": "active_import", "phase": "total", "kind": "register", "unit": "kWh"}
    table = readings(
        {"value": 220.1},
        {"phase": "B", "value": 221.2},
        {"quantity": "current", "phase": "N", "value": 0.1234},
        {"quantity": "active_power", "phase": "total", "value": -1.5},
        {"quantity": "power_factor", "phase": "C", "value": 0.987},
        {**energy, "value": 1234.56},
        {**energy, "quantity": "reactive_q4", "value": 7.0},
        {**energy, "tariff": 2, "value": 600.0},
        {**energy, "quantity": "active_import_demand", "kind": "demand", "value": 0.75},
        {"quantity": "frequency", "phase": "total", "value": 50.0, "unit": "Hz"},
        {"quantity": "meter_address", "phase": "total", "kind": "parameter", "text": "000000000001"},
        {"quantity": "phase_loss", "kind": "event", "text": "started"},
        {"phase": "C", "value": 12345678.0},
    )
    take(workspace, table)
    device = "?dlt645-2007:000000000001"
    base = {"meter": device, "kind": "snapshot", "ts": at}
    assert found(workspace, "voltage") == [{**base, "a": Decimal("220.1"), "b": Decimal("221.2")}]
    assert found(workspace, "current") == [{**base, "n": Decimal("0.1234")}]
    assert found(workspace, "power") == [{**base, "p": Decimal("-1.5"), "pf_c": Decimal("0.987")}]
    register = {**base, "kind": "register"}
    assert found(workspace, "energy") == [{**register, "import": Decimal("1234.56"), "q4": Decimal(7)}]
    assert found(workspace, "tariff_energy") == [{**register, "tariff": 2, "import": Decimal(600)}]
    demand = {**base, "kind": "demand", "tariff": 0, "import": Decimal("0.75"), "import_at": at}
    assert found(workspace, "demand") == [demand]
    other = found(workspace, "other")
    assert [(row["quantity"], row["value"]) for row in other] == [("frequency", 50.0), ("voltage", 12345678.0)]
    assert found(workspace, "parameter")[0]["text"] == "000000000001"
    assert found(workspace, "event")[0]["code"] == "phase_loss"


def test_a_replay_three_times_adds_nothing(workspace: Workspace) -> None:
    table = readings({"value": 220.1})
    first, second, third = (take(workspace, table) for _ in range(3))
    assert first.stored is not None
    assert first.stored.added == 1
    assert [s.stored.already_ingested for s in (second, third) if s.stored is not None] == [True, True]
    other = take(workspace, table, "b")
    assert other.stored is not None
    assert (other.stored.added, other.stored.duplicates) == (0, 1)


def test_two_values_of_one_key_in_one_capture_keep_the_later_and_note_the_other(workspace: Workspace) -> None:
    summary = take(workspace, readings({"value": 220.1}, {"value": 220.2}))
    assert summary.stored is not None
    assert summary.stored.revisions == 1
    assert found(workspace, "voltage")[0]["a"] == Decimal("220.2")


def test_undated_readings_are_refused_with_the_options_that_help(workspace: Workspace) -> None:
    mixed = take(workspace, readings({"value": 220.1}, {"value": 1.0, "time": None}))
    assert (mixed.undated, mixed.readings) == (1, 2)
    assert "--date" in mixed.no_time
    assert "--assume-time" in mixed.no_time
    assert len(found(workspace, "voltage")) == 1
    none = take(workspace, readings({"value": 1.0, "time": None}), "b")
    assert isinstance(none.error, InputError)
    assert (none.error.code, none.error.exit_code) == ("input.no_time", 4)
    assert "--date" in none.error.hint


def test_an_unknown_device_moves_to_its_meter_when_the_registry_learns_of_it(workspace: Workspace) -> None:
    take(workspace, readings({"value": 220.1}, {"time": NOON + dt.timedelta(days=9), "value": 221.0}))
    assert [row["device"] for row in unresolved_devices(workspace)] == ["?dlt645-2007:000000000001"]
    registry = """[[meter]]
meter_no = "M1"
[[meter]]
meter_no = "M2"
[[device]]
protocol = "dlt645-2007"
address = "000000000001"
meter_no = "M1"
valid_to = 2026-06-05
[[device]]
protocol = "dlt645-2007"
address = "000000000001"
meter_no = "M2"
valid_from = 2026-06-05
"""
    import_registry(workspace, registry)
    assert [row["meter"] for row in found(workspace, "voltage")] == ["M1", "M2"]
    take(workspace, readings({"value": 230.0, "recv_at": NOON}), "b")
    list(compact(workspace))
    assert [(row["meter"], row["a"]) for row in found(workspace, "voltage")] == [("M1", 230), ("M2", 221)]
    only = read_table(workspace, "voltage", 0, 2**42, ["M2"]).to_pylist()
    assert [row["meter"] for row in only] == ["M2"]


def test_the_golden_list_shows_what_differs(tmp_path: Path) -> None:
    table = readings({"value": 220.1, "line": 3})
    golden = tmp_path / "golden.jsonl"
    golden.write_text(json.dumps({"quantity": "voltage", "value": 220.1, "time": "2026-06-01T12:00:00"}) + "\n")
    assert compare(table, golden) == []
    golden.write_text(json.dumps({"quantity": "voltage", "value": 220.2}) + "\n")
    difference = compare(table, golden)
    assert [line for line in difference if line[0] in "+-" and line[:3] not in ("+++", "---")] == [
        '-{"quantity": "voltage", "value": 220.2}', '+{"quantity": "voltage", "value": 220.1}',
    ]  # fmt: skip
    golden.write_text("")
    assert compare(table, golden), "a reading too many is a difference"
    golden.write_text("no json\n")
    with pytest.raises(InputError) as caught:
        compare(table, golden)
    assert caught.value.where["line"] == 1


def test_readings_are_written_as_parquet_and_jsonl(tmp_path: Path) -> None:
    table = readings({"value": 220.0})
    write_readings(table, tmp_path / "r.parquet")
    assert pq.read_table(tmp_path / "r.parquet").num_rows == 1
    write_readings(table, tmp_path / "r.jsonl")
    row = json.loads((tmp_path / "r.jsonl").read_text())
    assert (row["value"], row["time"]) == (220, "2026-06-01T12:00:00")
    assert "recv_at" not in row


def test_one_failing_capture_does_not_stop_the_others(workspace: Workspace) -> None:
    def reader(path: object, **options: object) -> Replayed:
        if str(path).endswith("bad.log"):
            raise InputError("input.format", "not a capture", where={"file": str(path)})
        return Replayed(readings({"value": 1.0}), "c" * 64)

    for name in ("bad.log", "good.log"):
        (workspace.root / name).write_text("x")
    paths = [workspace.root / "bad.log", workspace.root / "good.log"]
    bad, good = replay_capture(workspace, paths, ReplayOptions(), replay=reader)
    assert bad.error is not None
    assert good.stored is not None
    assert good.stored.added == 1
