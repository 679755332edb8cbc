"""Samples from elsewhere: exact, whole or not at all, with the place of every fault."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from keyacct.config import Workspace
from keyacct.errors import ConfigError, InputError, KeyacctError, UsageError
from keyacct.registry.importing import import_registry
from keyacct.store import quality
from keyacct.store.read import read_table
from keyacct.workflow.mapping import build_mapping
from keyacct.workflow.samples import ImportOptions, import_samples
from keyacct.workflow.workspace import init_workspace

REGISTRY = '[[meter]]\nmeter_no = "M1"\n[[meter]]\nmeter_no = "M2"\nreading_side = "primary"\n'
HEADER = "ts,kwh,kvarh\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = init_workspace(tmp_path / "office")
    import_registry(workspace, REGISTRY)
    return workspace


def mapping(**more: object):
    options: dict[str, object] = {"meter": "M1", **more}
    units = options.pop("units", {})
    columns = options.pop("columns", {"kwh": "energy.import", "kvarh": "energy.q1"})
    return build_mapping(columns, units, {}, **options)


def stored(workspace: Workspace, family: str = "energy") -> list[tuple[object, ...]]:
    rows = read_table(workspace, family, 0, 2**42).to_pylist()
    zone = workspace.zone
    return [
        (row["meter"], row["ts"].astimezone(zone).strftime("%m-%d %H:%M"), row["import"], row["q1"]) for row in rows
    ]


def write(tmp_path: Path, text: str | bytes, name: str = "a.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_values_are_exact_and_stamps_are_ends(workspace: Workspace, tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + "2026-06-01 23:45,3.17,0.0001\n2026-06-02 00:00,4,\n")
    summary = import_samples(workspace, path, mapping(stamp="start"))
    assert (summary.rows, summary.stored.added) == (2, 2)
    assert stored(workspace) == [
        ("M1", "06-02 00:00", Decimal("3.1700"), Decimal("0.0001")),
        ("M1", "06-02 00:15", Decimal("4.0000"), None),
    ]
    days = sorted(path.parent.name for path in workspace.samples.rglob("*.parquet"))
    assert days == ["day=2026-06-01", "day=2026-06-02"], "00:00 closes the day before"


def test_the_same_file_and_the_same_values_add_nothing(workspace: Workspace, tmp_path: Path) -> None:
    text = HEADER + "2026-06-01 00:15,1,2\n2026-06-01 00:30,1,2\n"
    import_samples(workspace, write(tmp_path, text), mapping())
    again = import_samples(workspace, write(tmp_path, text, "copy.csv"), mapping())
    assert again.stored.already_ingested
    longer = import_samples(workspace, write(tmp_path, text + "2026-06-01 00:45,1,2\n", "b.csv"), mapping())
    assert (longer.stored.added, longer.stored.duplicates, longer.stored.revisions) == (1, 2, 0)
    corrected = import_samples(workspace, write(tmp_path, HEADER + "2026-06-01 00:15,5,2\n", "c.csv"), mapping())
    assert (corrected.stored.added, corrected.stored.revisions) == (1, 1)
    assert stored(workspace)[0][2] == Decimal(5), "a later file corrects an earlier one"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "utf-16"])
def test_the_encoding_is_found(workspace: Workspace, tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, "时间,电量\r\n2026年6月1日 00:15,1.5\r\n".encode(encoding))
    import_samples(workspace, path, mapping(columns={"电量": "energy.import"}, time_column="时间"))
    assert stored(workspace) == [("M1", "06-01 00:15", Decimal("1.5"), None)]


@pytest.mark.parametrize(
    "time", ["2026-06-01 24:00", "2026/6/2 0:00", "2026-06-02T00:00:00", "2026-06-01T16:00:00Z", "2026-06-02"]
)
def test_ways_of_writing_a_time(workspace: Workspace, tmp_path: Path, time: str) -> None:
    import_samples(workspace, write(tmp_path, HEADER + f"{time},1,2\n"), mapping())
    assert stored(workspace)[0][1] == "06-02 00:00"


@pytest.mark.parametrize(("unit", "value"), [("Wh", "0.0015"), ("kWh", "1.5"), ("MWh", "1500")])
def test_units_are_powers_of_ten(workspace: Workspace, tmp_path: Path, unit: str, value: str) -> None:
    import_samples(workspace, write(tmp_path, HEADER + "2026-06-01 00:15,1.5,\n"), mapping(units={"kwh": unit}))
    assert stored(workspace)[0][2] == Decimal(value)


GOOD = "2026-06-01 00:15,1,2\n"
BAD = {
    "bad number": (GOOD + "2026-06-01 00:30,1.2.3,2\n", "row 2, column kwh: '1.2.3' is no number", 3),
    "not finite": (GOOD + "2026-06-01 00:30,NaN,2\n", "column kwh: 'NaN' is no number", 3),
    "bad time": (GOOD + "yesterday,1,2\n", "row 2, column ts: 'yesterday' is no time", 3),
    "no such day": (GOOD + "2026-06-31 00:15,1,2\n", "'2026-06-31 00:15' is no time of the calendar", 3),
    "no time": (GOOD + ",1,2\n", "row 2, column ts", 3),
    "too many decimals": (GOOD + "2026-06-01 00:30,1.23456,2\n", "1.23456 has more decimals than energy.import", 3),
    "too large": (GOOD + "2026-06-01 00:30,1e20,2\n", "1e20 is too large for energy.import", 3),
    "fields": (GOOD + "2026-06-01 00:30,1\n", "2 fields, the header has 3", 3),
    "twice": (GOOD + "2026-06-01 00:15,9,2\n", "row 2: meter M1 has another value at 2026-06-01T00:15", None),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named_by_row_and_column_and_nothing_of_it_is_stored(
    workspace: Workspace, tmp_path: Path, name: str
) -> None:
    text, message, line = BAD[name]
    with pytest.raises(InputError) as caught:
        import_samples(workspace, write(tmp_path, HEADER + text), mapping())
    assert message in str(caught.value)
    assert caught.value.exit_code == 4
    assert caught.value.where.get("line") == line
    assert stored(workspace) == []
    assert list(workspace.samples.rglob("*.parquet")) == []
    assert list(workspace.stage.iterdir()) == []


def test_partial_leaves_bad_rows_out_and_counts_them(workspace: Workspace, tmp_path: Path) -> None:
    text = HEADER + GOOD + "2026-06-01 00:30,x,2\nnever,1,2\n2026-06-01 00:45,3,4\n"
    summary = import_samples(workspace, write(tmp_path, text), mapping(), ImportOptions(partial=True))
    assert (summary.rows, summary.rejected_rows, summary.stored.added) == (4, 2, 2)
    assert len(summary.first_faults) == 2
    assert [row[1] for row in stored(workspace)] == ["06-01 00:15", "06-01 00:45"]


def test_rounding_is_asked_for_and_marked(workspace: Workspace, tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + "2026-06-01 00:15,1.23456,2\n")
    import_samples(workspace, path, mapping(), ImportOptions(rounding=True))
    row = read_table(workspace, "energy", 0, 2**42).to_pylist()[0]
    assert (row["import"], row["quality"]) == (Decimal("1.2346"), quality.ROUNDED)


def test_a_dry_run_checks_and_writes_nothing(workspace: Workspace, tmp_path: Path) -> None:
    assert import_samples(workspace, write(tmp_path, HEADER + GOOD), mapping(), ImportOptions(dry_run=True)).rows == 1
    assert stored(workspace) == []


def test_a_wrong_column_names_the_nearest(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        import_samples(workspace, write(tmp_path, "ts,kwhh\n2026-06-01,1\n"), mapping(columns={"kwh": "energy.import"}))
    assert (caught.value.code, caught.value.hint) == ("input.schema", "did you mean 'kwhh'?")


def test_mapping_mistakes_are_usage_errors() -> None:
    for more, part in (
        ({"columns": {"x": "energie.import"}}, "did you mean energy?"),
        ({"columns": {"x": "energy.imprt"}}, "did you mean energy.import?"),
        ({"units": {"kwh": "kV"}}, "it can be Wh, kWh, MWh"),
        ({"columns": {"x": "energy.import", "y": "energy.import"}}, "map one of them"),
        ({"meter_column": "m"}, "--meter"),
        ({"kind": "register", "stamp": "start"}, "only intervals"),
    ):
        with pytest.raises(UsageError) as caught:
            mapping(**more)
        assert part in caught.value.hint


def test_meter_and_side_are_checked_against_the_registry(workspace: Workspace, tmp_path: Path) -> None:
    path = write(tmp_path, "ts,m,kwh\n2026-06-01 00:15,M1,1\n2026-06-01 00:15,M3,1\n")
    columns = {"kwh": "energy.import"}
    with pytest.raises(ConfigError) as caught:
        import_samples(workspace, path, mapping(columns=columns, meter=None, meter_column="m"))
    assert (caught.value.code, caught.value.where["row"]) == ("config.registry_not_found", 2)
    with pytest.raises(ConfigError, match="registry has reading_side primary"):
        import_samples(workspace, path, mapping(columns=columns, meter="M2", side="secondary"))


def test_a_bomb_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    line = b"2026-06-01 00:15,1,2\n"
    path = write(tmp_path, gzip.compress(HEADER.encode() + line * 1_000_000), "bomb.csv.gz")
    with pytest.raises(InputError) as caught:
        import_samples(workspace, path, mapping())
    assert caught.value.code == "input.limit"


def test_gzip_is_read(workspace: Workspace, tmp_path: Path) -> None:
    import_samples(workspace, write(tmp_path, gzip.compress((HEADER + GOOD).encode()), "a.csv.gz"), mapping())
    assert len(stored(workspace)) == 1


def test_parquet_with_floats_and_local_times(workspace: Workspace, tmp_path: Path) -> None:
    table = pa.table(
        {
            "ts": pa.array(["2026-06-01T00:15"]).cast(pa.timestamp("us")),
            "kwh": [0.1], "kvarh": pa.array([Decimal("2.50")]),
        }
    )  # fmt: skip
    pq.write_table(table, tmp_path / "a.parquet")
    import_samples(workspace, tmp_path / "a.parquet", mapping())
    assert stored(workspace) == [("M1", "06-01 00:15", Decimal("0.1"), Decimal("2.5"))]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\n\n", b"\x00\x01\x02\xff\xfe\xfd" * 100, b"PAR1 no parquet", b"\x1f\x8b broken gzip", b"ts,kwh,kvarh\n",
        b"ts,ts,kwh,kvarh\n1,2,3,4\n", b'ts,kwh,kvarh\n"2026', b"ts,kwh,kvarh\n" + b"x" * 200_000,
    ],
)  # fmt: skip
def test_malformed_files_end_in_one_sentence(workspace: Workspace, tmp_path: Path, content: bytes) -> None:
    with pytest.raises(KeyacctError) as caught:
        import_samples(workspace, write(tmp_path, content), mapping())
    assert caught.value.exit_code == 4, caught.value
    assert caught.value.hint
    assert stored(workspace) == []
