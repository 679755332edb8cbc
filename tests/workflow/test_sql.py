"""SQL over the workspace: one truth per key, nothing but the workspace, codes by contract."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from keyacct.cli.run import run
from keyacct.config import Workspace
from keyacct.errors import KeyacctError, UsageError
from keyacct.store.families import FAMILIES
from keyacct.store.ingest import ingest
from keyacct.workflow.sql import query, table_names
from keyacct.workflow.workspace import init_workspace

VOLTAGE = FAMILIES["voltage"].input_schema
T0 = 1_782_835_200_000


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    office = init_workspace(tmp_path / "office", name="office")
    put(office, {"a": 220, "b": 221}, {"meter": "n", "ts": T0 + 900_000, "a": 5})
    put(office, {"a": 222, "recv_at": T0})
    return office


def put(workspace: Workspace, *values: dict[str, object], family: str = "voltage") -> None:
    schema = FAMILIES[family].input_schema
    default = {**dict.fromkeys(schema.names), "meter": "m", "kind": "snapshot", "ts": T0, "quality": 0}
    table = pa.Table.from_pylist([{**default, **value} for value in values], schema=schema)
    ingest(workspace, {family: table}, source="x")


def ask(workspace: Workspace, text: str) -> list[dict[str, object]]:
    with query(workspace, text) as reader:
        return reader.read_all().to_pylist()


def test_a_family_is_one_truth_per_key_and_raw_is_what_came(workspace: Workspace) -> None:
    assert ask(workspace, "SELECT a, b FROM voltage WHERE meter = 'm'") == [{"a": Decimal(222), "b": Decimal(221)}]
    assert ask(workspace, "SELECT a FROM voltage_raw WHERE meter = 'm' ORDER BY batch") == [{"a": 220}, {"a": 222}]
    assert ask(workspace, 'SELECT value, "column" FROM revision') == [{"value": "220.000", "column": "a"}]
    assert ask(workspace, "SELECT count(*) AS n FROM current") == [{"n": 0}]


def test_times_are_civil_and_validity_can_be_compared(workspace: Workspace) -> None:
    rows = ask(workspace, "SELECT ts::VARCHAR AS ts, hour(ts) AS h FROM voltage ORDER BY meter")
    assert rows == [{"ts": "2026-07-01 00:00:00+08", "h": 0}, {"ts": "2026-07-01 00:15:00+08", "h": 0}]
    assert ask(workspace, "SELECT count(*) AS n FROM meter_point WHERE valid_from <= now()") == [{"n": 0}]


def test_every_name_can_be_asked(workspace: Workspace) -> None:
    names = table_names()
    assert {"voltage", "voltage_raw", "account", "revision", "quality_finding", "audit"} <= set(names)
    for name in names:
        ask(workspace, f'SELECT * FROM "{name}" LIMIT 1')
    shown = {row["name"] for row in ask(workspace, "SHOW TABLES")}
    assert set(names) <= shown


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM voltage", "CREATE TABLE t AS SELECT 1", "COPY voltage TO 'x.csv'", "SELECT 1; SELECT 2", "",
        "ATTACH 'x.db'", "INSTALL httpfs", "LOAD httpfs", "SET enable_external_access = true", "PRAGMA database_list",
        "EXPORT DATABASE 'x'", "CALL pragma_version()", "SELECT", "SELECT nope FROM voltage", "SELECT * FROM nowhere",
        "SELECT CAST('x' AS INTEGER)",
        "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM glob('/*')",
        "SELECT * FROM '/etc/passwd'", "SELECT * FROM read_parquet('https://example.org/x.parquet')",
        "SELECT * FROM read_blob('register.db')", "SELECT * FROM sqlite_scan('register.db', 'audit')",
    ],
)  # fmt: skip
def test_what_does_not_read_the_workspace_is_refused(workspace: Workspace, text: str) -> None:
    before = sorted(path.name for path in workspace.root.rglob("*"))
    with pytest.raises(KeyacctError) as caught:
        ask(workspace, text)
    assert isinstance(caught.value, UsageError), caught.value
    assert sorted(path.name for path in workspace.root.rglob("*")) == before


def test_python_variables_are_out_of_reach(workspace: Workspace) -> None:
    hidden = pa.table({"x": [1]})
    with pytest.raises(UsageError):
        ask(workspace, "SELECT * FROM hidden")
    assert hidden.num_rows == 1


def test_the_command_writes_every_format(
    workspace: Workspace, capsys: pytest.CaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYACCT_WORKSPACE", str(workspace.root))
    text = "SELECT meter, a, a FROM voltage ORDER BY meter"
    assert run(["sql", text, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"meter": "m", "a": 222.0, "a_2": 222.0}, {"meter": "n", "a": 5.0, "a_2": 5.0},
    ]  # fmt: skip
    assert run(["sql", text, "--format", "csv"]) == 0
    assert capsys.readouterr().out == "meter,a,a_2\nm,222.0,222.0\nn,5.0,5.0\n"
    assert run(["sql", text, "--out", str(tmp_path / "x.parquet")]) == 0
    assert pq.read_table(tmp_path / "x.parquet").column("a").to_pylist() == [Decimal(222), Decimal(5)]
    assert run(["sql", text, "--out", str(tmp_path / "no" / "x.parquet")]) == 9
    assert run(["sql", "SELECT nope"]) == 2
    assert run(["sql"]) == 2
    (next(workspace.samples.rglob("*.parquet"))).unlink()
    assert run(["sql", text]) == 9


def test_ctrl_c_ends_a_long_query_with_130(workspace: Workspace) -> None:
    command = [sys.executable, "-m", "keyacct.cli", "--workspace", str(workspace.root), "sql"]
    long = "SELECT count(*) FROM range(100000000000) a, range(100) b WHERE (a.range * b.range) % 7 = 3"
    process = subprocess.Popen([*command, long], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert list(workspace.stage.iterdir()) == []


def test_the_wide_export_is_what_stats_reads(workspace: Workspace, tmp_path: Path) -> None:
    quarter = 900_000
    put(
        workspace, *({"ts": T0 + n * quarter, "kind": "interval", "p": n, "q": 1} for n in range(1, 97)), family="power"
    )
    put(workspace, *({"ts": T0 + n * quarter, "kind": "register", "import": n} for n in range(1, 97)), family="energy")
    out = tmp_path / "wide"
    assert run(["store", "export", "2026-07-01", "--wide", "--out", str(out), "--workspace", str(workspace.root)]) == 0
    limits_path, path = sorted(out.iterdir())
    assert (limits_path.name, pq.read_table(limits_path).num_rows) == ("limits.parquet", 0)
    table = pq.read_table(path)
    assert [str(field.type) for field in table.schema] == [
        "string", "timestamp[ms]", *["decimal128(9, 3)"] * 3, *["decimal128(18, 4)"] * 4
    ]  # fmt: skip
    # Delta-coded whole numbers, the layout that the statistics read fastest.
    group = pq.ParquetFile(path).metadata.row_group(0)
    assert {group.column(n).physical_type for n in range(2, 9)} == {"INT32", "INT64"}
    assert all("DELTA_BINARY_PACKED" in group.column(n).encodings for n in range(1, 9))
    rows = [row for row in table.to_pylist() if row["meter_id"] == "m"]
    assert len(rows) == 96
    assert (str(rows[0]["ts"]), str(rows[-1]["ts"])) == ("2026-07-01 00:15:00", "2026-07-02 00:00:00")
    assert (rows[3]["p"], rows[3]["q"], rows[3]["ep"], rows[3]["ua"]) == (4.0, 1.0, 4.0, None)
    limits = {"meter_id": ["m"], "pt": [1.0], "u_nom": [220.0], "u_lower": [198.0], "u_upper": [235.4], "pf_std": [0.9]}
    pq.write_table(pa.table({**limits, "tariff": ["F" * 48]}), tmp_path / "limits.parquet")
    start = tmp_path / "start"
    where = ["--workspace", str(workspace.root)]
    assert run(["store", "export", "2026-07-01", "--wide", "--stamp", "start", "--out", str(start), *where]) == 0
    shutil_stats = ["stats", "--data", str(start), "--limits", str(tmp_path / "limits.parquet"), "--interval", "15min"]
    assert run([*shutil_stats, "--out", str(tmp_path / "stats")]) == 0
    assert run(["store", "export", "2026-07-01", "--family", "power", "--out", str(tmp_path / "f"), *where]) == 0
    assert pq.read_table(tmp_path / "f" / "power.parquet").num_rows == 96
    assert run(["store", "export", "2020", "--wide", "--out", str(tmp_path / "none"), *where]) == 4
