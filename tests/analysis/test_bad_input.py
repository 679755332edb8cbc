"""Bad input of `stats` and of the field commands: a sentence that says where, an exit code, nothing half done."""

import importlib.util
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from keyacct.cli.run import run

_spec = importlib.util.spec_from_file_location("month_data_bad", Path(__file__).with_name("month_data.py"))
data = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(data)

NOW = "2026-07-05T00:00+08:00"


def unsorted(folder, rows, limits):
    last = max(n for n, row in enumerate(rows[:240]) if row[0] == rows[0][0])
    rows[last] = (rows[last][0], rows[0][1] - 1, *rows[last][2:])
    data.write(folder, rows, limits)


def wrong_type(folder, rows, limits):
    table = pq.read_table(folder / "part-0000.parquet")
    at = table.schema.get_field_index("ua")
    pq.write_table(table.set_column(at, "ua", pa.nulls(table.num_rows, pa.string())), folder / "part-0000.parquet")


def missing_column(folder, rows, limits):
    pq.write_table(pq.read_table(folder / "part-0000.parquet").drop_columns("eq"), folder / "part-0000.parquet")


def contradicting_limits(folder, rows, limits):
    limits[1] = {**limits[1], "u_lower": 300.0, "u_upper": 200.0}
    pq.write_table(pa.Table.from_pylist(limits), folder / "limits.parquet")


def damaged_in_the_middle(folder, rows, limits):
    path = folder / "part-0000.parquet"
    whole, meta = path.read_bytes(), pq.ParquetFile(path).metadata
    at = meta.row_group(meta.num_row_groups // 2).column(5).data_page_offset
    path.write_bytes(whole[:at] + b"\xff" * 12 + whole[at + 12 :])


@pytest.mark.parametrize(
    ("spoil", "interval", "status", "words"),
    [(unsorted, "15min", 4, ("part-0000.parquet", "row group 2", "meter")),
     (wrong_type, "15min", 4, ("part-0000.parquet", "ua")),
     (missing_column, "15min", 4, ("part-0000.parquet", "eq")),
     (contradicting_limits, "15min", 4, ("limits.parquet", "u_lower", "row 2")),
     (damaged_in_the_middle, "15min", 4, ("part-0000.parquet", "row group 2")),
     (lambda *_: None, "-15min", 2, ("interval",))],
    ids=["unsorted", "wrong type", "missing column", "contradicting limits", "damaged", "negative interval"],
)  # fmt: skip
def test_stats_says_what_and_where_and_writes_nothing(tmp_path, capsys, spoil, interval, status, words):
    rows = data.readings(2, meters=2)
    limits = data.limits_of(rows)
    folder = data.write(tmp_path / "d", rows, limits, group=97, per_file=300)
    spoil(folder, rows, limits)
    capsys.readouterr()
    arguments = [
        "stats",
        "--data",
        str(folder),
        "--limits",
        str(folder / "limits.parquet"),
        "--out",
        str(tmp_path / "o"),
    ]
    got = run([*arguments, f"--interval={interval}", "--lang", "en"])
    out, err = capsys.readouterr()
    assert (got, out) == (status, "")
    assert "error" in err
    assert [word for word in words if word not in err] == []
    assert not (tmp_path / "o").exists() or list((tmp_path / "o").iterdir()) == []


def test_stats_names_meters_without_limits_and_goes_on(tmp_path, capsys):
    rows = data.readings(2, meters=2)
    folder = data.write(tmp_path / "d", rows, data.limits_of(rows)[:1])
    unknown = sorted({row[0] for row in rows})[1]
    arguments = [
        "stats",
        "--data",
        str(folder),
        "--limits",
        str(folder / "limits.parquet"),
        "--out",
        str(tmp_path / "o"),
    ]
    status = run([*arguments, "--interval", "15min", "--lang", "en"])
    _, err = capsys.readouterr()
    assert (status, unknown in err) == (0, True)
    assert pq.read_table(tmp_path / "o" / "day.parquet").num_rows > 0


REGISTRY = """
[[account]]
account_no = "1"
account_name = "One"
[[point]]
point = "P"
[[point_account]]
point = "P"
account_no = "1"
[[meter]]
meter_no = "M"
interval_min = 15
[[meter_point]]
meter_no = "M"
point = "P"
[[point_ratio]]
point = "P"
wiring = "3p4w"
pt = 1.0
ct = 1.0
[[voltage_limit]]
point = "P"
nominal_v = 220
lower_v = 198
upper_v = 235.4
"""
HEADER = "meter,ts,ua,ub,uc,ia,ib,ic,p,q\n"
MAP = "ua=voltage.a,ub=voltage.b,uc=voltage.c,ia=current.a,ib=current.b,ic=current.c,p=power.p,q=power.q"
COMMANDS = ("voltage", "voltage --by loss", "voltage --by hour", "pf", "load", "demand", "loading", "loading --by ct",
            "imbalance", "query load voltage")  # fmt: skip


def lines_of(minutes=range(15, 3000, 15)):
    stamp = lambda m: f"2026-06-{1 + m // 1440:02}T{m % 1440 // 60:02}:{m % 60:02}"  # noqa: E731  a cell
    return [
        f"M,{stamp(m)},{220 + m % 7},{221 + m % 5},{219 + m % 3},1,{1 + m % 4},2,{(m * 7919) % 1000 / 500},{m % 9 / 10}\n"
        for m in minutes
    ]


@pytest.fixture
def office(tmp_path, capsys):
    """A workspace, and a call that gives (exit code, stdout, stderr)."""
    root = tmp_path / "w"
    assert run(["init", str(root)]) == 0
    (tmp_path / "r.toml").write_text(REGISTRY, encoding="utf-8")
    assert run(["registry", "import", str(tmp_path / "r.toml"), "--workspace", str(root)]) == 0

    def call(*arguments):
        capsys.readouterr()
        status = run([*arguments, "--workspace", str(root), "--now", NOW, "--lang", "en"])
        out, err = capsys.readouterr()
        return status, out, err

    call.root = root
    return call


def put(office, text, *more):
    path = office.root.parent / "curve.csv"
    path.write_text(text, encoding="utf-8")
    return office("samples", "import", str(path), "--meter-column", "meter", "--map", MAP, *more)


def ask(office, command):
    return office(*command.split(), "--period", "2026-06", "--format", "json")


def test_unsorted_rows_give_what_sorted_ones_give(office, tmp_path_factory, capsys):
    lines = lines_of()
    assert put(office, HEADER + "".join(reversed(lines)))[0] == 0
    found = {command: ask(office, command) for command in COMMANDS}
    assert all(status == 0 and out for status, out, _ in found.values())
    root = tmp_path_factory.mktemp("sorted") / "w"
    assert run(["init", str(root)]) == 0
    assert run(["registry", "import", str(office.root.parent / "r.toml"), "--workspace", str(root)]) == 0
    (office.root.parent / "curve.csv").write_text(HEADER + "".join(lines), encoding="utf-8")
    given = ["samples", "import", str(office.root.parent / "curve.csv"), "--meter-column", "meter", "--map", MAP]
    assert run([*given, "--workspace", str(root)]) == 0
    for command, (_, out, _) in found.items():
        capsys.readouterr()
        run([*command.split(), "--period", "2026-06", "--format", "json", "--workspace", str(root), "--now", NOW])
        assert json.loads(capsys.readouterr().out) == json.loads(out)


@pytest.mark.parametrize(
    ("text", "words"),
    [(HEADER + lines_of()[0] + "M,2026-06-01T01:00,220,twelve,1,1,1,1,1,1\n", ("curve.csv", "3", "ub")),
     (HEADER.replace(",uc", ",ux") + lines_of()[0], ("curve.csv", "uc")),
     (HEADER + lines_of()[0].replace("M,", "M404,"), ("curve.csv", "M404"))],
    ids=["wrong type", "missing column", "unknown meter"],
)  # fmt: skip
def test_a_bad_curve_is_refused_whole(office, text, words):
    status, _, err = put(office, text)
    assert status == (3 if "M404" in words else 4)
    assert [word for word in words if word not in err] == []
    status, out, _ = ask(office, "load")
    assert (status, json.loads(out)[0]["energy_kwh"]) == (0, None)


@pytest.mark.parametrize(
    ("line", "worse", "words"),
    [("lower_v = 198", "lower_v = 240", ("lower_v", "upper_v", "r.toml")),
     ("interval_min = 15", "interval_min = -15", ("interval_min", "r.toml"))],
)  # fmt: skip
def test_a_contradicting_registry_is_refused_and_the_old_one_stays(office, line, worse, words):
    (office.root.parent / "r.toml").write_text(REGISTRY.replace(line, worse), encoding="utf-8")
    status, _, err = office("registry", "import", str(office.root.parent / "r.toml"))
    assert status in (3, 4)
    assert [word for word in words if word not in err] == []
    assert put(office, HEADER + "".join(lines_of()))[0] == 0
    assert json.loads(ask(office, "voltage")[1])[0]["lower_v"] == 198


def test_a_negative_interval_in_the_settings_is_a_configuration_error(office):
    toml = office.root / "keyacct.toml"
    toml.write_text(
        toml.read_text(encoding="utf-8").replace("[samples]\n", "[samples]\ninterval_min = -15\n"), encoding="utf-8"
    )
    status, out, err = ask(office, "load")
    assert (status, out) == (3, "")
    assert "interval_min" in err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_damaged_row_group_in_the_middle_names_file_and_row_group(office, command):
    assert put(office, HEADER + "".join(lines_of(range(1, 20_000))))[0] == 0
    family = "current" if "ct" in command else "voltage" if command.split()[0] in ("voltage", "imbalance") else "power"
    path = max((office.root / "samples" / f"family={family}").rglob("*.parquet"), key=os.path.getsize)
    meta = pq.ParquetFile(path).metadata
    group = meta.num_row_groups // 2
    at = meta.row_group(group).column(3).data_page_offset
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + b"\xff" * 16 + whole[at + 16 :])
    status, out, err = ask(office, command)
    assert (status, out) == (9, "")
    where = json.loads(err.splitlines()[-1])["error"]["where"]
    assert (Path(where["file"]).name, where["row_group"]) == (path.name, group)
    assert "keyacct store verify" in err
