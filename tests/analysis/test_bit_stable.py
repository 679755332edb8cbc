"""The same bits from run to run and for any number of threads of the query engine; the kernels have one."""

import os
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from keyacct.cli.run import run
from keyacct.store import engine

NOW = "2026-07-05T00:00+08:00"
METERS, MINUTES = 6, 15 * 1440
COMMANDS = (
    "query load reactive pf apparent voltage current --bucket day", "demand", "imbalance", "loading", "loading --by ct",
    "voltage", "voltage --by hour", "load",
)  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stable")
    text = "".join(
        f"""
[[account]]
account_no = "A{n // 2}"
account_name = "A"
[[account_terms]]
account_no = "A{n // 2}"
running_capacity_kva = 100
"""
        for n in range(0, METERS, 2)
    )
    for n in range(METERS):
        text += f"""
[[point]]
point = "P{n}"
[[point_account]]
point = "P{n}"
account_no = "A{n // 2}"
[[meter]]
meter_no = "M{n}"
interval_min = 1
[[meter_point]]
meter_no = "M{n}"
point = "P{n}"
[[point_ratio]]
point = "P{n}"
wiring = "3p4w"
pt = 1.1
ct = {n + 3}.3
[[voltage_limit]]
point = "P{n}"
nominal_v = 242
lower_v = 218
upper_v = 258
"""
    (folder / "r.toml").write_text(text, encoding="utf-8")
    rnd = random.Random(3)
    size = METERS * MINUTES
    digits = lambda low, high, scale: [rnd.randrange(low, high) / scale for _ in range(size)]  # noqa: E731  a column
    start = 1_780_243_200_000  # 2026-06-01 00:00 in Shanghai
    columns = {
        "meter": [f"M{n}" for n in range(METERS) for _ in range(MINUTES)],
        "ts": pa.array([start + m * 60_000 for _ in range(METERS) for m in range(1, MINUTES + 1)], pa.timestamp("ms", "UTC")),
        "p": digits(-900, 9_000, 1000), "q": digits(-900, 3_000, 1000),
        **{f"u{x}": digits(150_000, 260_000, 1000) for x in "abc"}, **{f"i{x}": digits(0, 60_000, 10_000) for x in "abc"},
    }  # fmt: skip
    pq.write_table(pa.table(columns), folder / "june.parquet")
    place = str(folder / "w")
    assert run(["init", place]) == 0
    assert run(["registry", "import", str(folder / "r.toml"), "--workspace", place]) == 0
    mapped = ",".join(f"u{x}=voltage.{x},i{x}=current.{x}" for x in "abc") + ",p=power.p,q=power.q"
    given = ["samples", "import", str(folder / "june.parquet"), "--meter-column", "meter", "--workspace", place]
    assert run([*given, "--map", mapped]) == 0
    return place


@pytest.mark.parametrize("command", COMMANDS)
def test_the_same_bits_for_any_number_of_threads(root, monkeypatch, capsys, command):
    found = []
    for threads in (1, 2, 3, 8):
        monkeypatch.setattr(engine, "THREADS", threads)
        monkeypatch.setitem(os.environ, "RAYON_NUM_THREADS", str(threads))
        capsys.readouterr()
        given = [*command.split(), "--period", "2026-06-01..2026-06-16", "--format", "json"]
        assert run([*given, "--workspace", root, "--now", NOW]) == 0
        found.append(capsys.readouterr().out)
    assert len(found[0]) > 200
    assert [n for n, text in enumerate(found) if text != found[0]] == []
