import os
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

TARIFF = "V" * 16 + "F" * 16 + "P" * 16
START = 1_780_272_000_000  # 2026-06-01T00:00, wall clock


def keyacct(*arguments, **more):
    command = [sys.executable, "-m", "keyacct.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)


def write(folder, meters=3, rows=200, groups=1):
    folder.mkdir()
    schema = pa.schema(
        [("meter_id", pa.string()), ("ts", pa.timestamp("ms"))]
        + [(name, pa.float32()) for name in ("ua", "ub", "uc", "p", "q")]
        + [(name, pa.float64()) for name in ("ep", "eq")]
    )
    for m in range(meters):
        ts = pa.array([START + n * 900_000 for n in range(rows)]).cast(pa.timestamp("ms"))
        columns = [pa.array([f"{m:012d}"] * rows), ts]
        columns += [pa.array([220.0] * rows, pa.float32())] * 3 + [pa.array([1.0] * rows, pa.float32())] * 2
        columns += [pa.array([float(n) for n in range(rows)])] * 2
        pq.write_table(pa.Table.from_arrays(columns, schema=schema), folder / f"part-{m:04d}.parquet")
    limits = {"pt": 1.0, "u_nom": 220.0, "u_lower": 198.0, "u_upper": 235.4, "pf_std": 0.9, "tariff": TARIFF}
    known = [{"meter_id": f"{m:012d}", **limits} for m in range(1, meters)]
    pq.write_table(pa.Table.from_pylist(known), folder / "limits.parquet")
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "data")


def arguments(folder, out):
    limits = folder / "limits.parquet"
    return ("stats", "--data", folder, "--limits", limits, "--out", out, "--interval", "15min")


def test_both_tables_are_written_and_meters_without_limits_are_said_on_stderr(folder, tmp_path):
    done = keyacct(*arguments(folder, tmp_path / "out"), "--lang", "en")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "1 meter(s) with readings but without limits are left out: 000000000000\n"
    month = pq.read_table(tmp_path / "out" / "month.parquet").to_pylist()
    assert [row["meter_id"] for row in month] == ["000000000001", "000000000002"]
    assert [row["n"] for row in month] == [200, 200]


def test_no_table_library_is_loaded(folder, tmp_path):
    script = (
        "import sys\nfrom keyacct.cli.run import run\nstatus = run(sys.argv[1:])\n"
        "print(status, sorted({'pyarrow', 'numpy', 'duckdb', 'sqlalchemy', 'rich'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script, *map(str, arguments(folder, tmp_path / "out"))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "0 []\n"


@pytest.mark.parametrize(
    ("change", "what", "status"),
    [
        (("--interval", "soon"), "'soon' is no interval", 2),
        (("--loss", "7"), "loss 7 is not within 0 to 1", 2),
        (("--data", "nowhere"), "nowhere: no such file or folder", 4),
        (("--limits", "nowhere.parquet"), "nowhere.parquet: no such file or folder", 4),
        (("--engine", "cloud"), "no engine 'cloud'", 2),
    ],
)
def test_an_error_says_what_is_wrong_and_has_its_exit_code(folder, tmp_path, change, what, status):
    done = keyacct(*arguments(folder, tmp_path / "out"), *change, "--lang", "en")
    assert done.returncode == status
    assert done.stderr.startswith(f"error: {what}")
    assert not (tmp_path / "out" / "day.parquet").exists()


def test_a_damaged_file_is_named_with_exit_4(folder, tmp_path):
    part = folder / "part-0001.parquet"
    part.write_bytes(part.read_bytes()[:200])
    done = keyacct(*arguments(folder, tmp_path / "out"), "--lang", "en")
    assert done.returncode == 4
    assert str(part) in done.stderr
    assert "hint:" in done.stderr


def test_an_output_folder_that_cannot_be_made_is_a_write_error(folder, tmp_path):
    (tmp_path / "file").write_text("")
    done = keyacct(*arguments(folder, tmp_path / "file" / "out"))
    assert done.returncode == 9


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_ends_with_130_and_leaves_nothing_torn(tmp_path):
    folder = write(tmp_path / "data", meters=60, rows=20_000)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "keyacct.cli", *map(str, arguments(folder, out))]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    while not out.exists() and process.poll() is None:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    left = sorted(path.name for path in out.iterdir())
    if process.returncode == 130:
        assert left == []
    else:
        assert (process.returncode, left) == (0, ["day.parquet", "month.parquet"])


@pytest.mark.parametrize(("lang", "text"), [("en", "Folder for day.parquet"), ("zh", "结果目录")])
def test_the_help_is_in_both_languages(lang, text):
    language = {"LANG": f"{lang}_XX.UTF-8", "LC_ALL": "", "LC_MESSAGES": ""}
    done = keyacct("stats", "--help", env={**os.environ, **language})
    assert done.returncode == 0
    assert text in done.stdout
