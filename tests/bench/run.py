"""Speed against peers in the same run: A B C A B C …, medians, ratios, results checked. `nox -s bench`.

    python tests/bench/run.py [--meters 350] [--frames 300000] [--turns 5] [--json FILE]

All data are synthetic and seeded. A debug build is refused. Figures: wall s, CPU s, peak RSS MB of whole processes.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import frames as frame_stream
import pyarrow.parquet as pq
import samples
from registry import print_registry

from keyacct import _core, decode

HERE = Path(__file__).resolve().parent
PYTHON = sys.executable
KEYACCT = str(Path(PYTHON).with_name("keyacct"))
COMPARED = ["n", *(f"{x}_{k}" for x in "abc" for k in ("mon_ms", "over_ms", "under_ms", "loss_ms", "mean"))]
COMPARED += ["wp_kwh", "wq_kvarh", "md_kw", "lmin_kw"]


@dataclass(frozen=True)
class Figure:
    """What one process cost."""

    wall_s: float
    cpu_s: float
    rss_mb: float
    out: str


def measure(command: list[str]) -> Figure:
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    out = process.stdout.read().decode()
    errors = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}: {errors[-2000:]}")
    return Figure(time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out)


def in_turn(programs: dict[str, list[str]], turns: int) -> dict[str, list[Figure]]:
    results: dict[str, list[Figure]] = {name: [] for name in programs}
    for _ in range(turns):
        for name, command in programs.items():
            results[name].append(measure(command))
    return results


def table(title: str, results: dict[str, list[Figure]], base: str) -> list[dict[str, object]]:
    rows = []
    heads = f"{'wall s':>8s} {'CPU s':>8s} {'RSS MB':>8s} {'wall/base':>16s} {'CPU/base':>16s}"
    print(f"\n{title}; base: {base}\n{'program':28s} {heads}")
    for name, figures in results.items():
        pairs = list(zip(figures, results[base], strict=True))
        row = {
            "program": name,
            "wall_s": statistics.median(f.wall_s for f in figures),
            "cpu_s": statistics.median(f.cpu_s for f in figures),
            "rss_mb": statistics.median(f.rss_mb for f in figures),
            "wall_ratio": statistics.median(a.wall_s / b.wall_s for a, b in pairs),
            "cpu_ratio": statistics.median(a.cpu_s / b.cpu_s for a, b in pairs),
        }
        rows.append(row)
        print(
            f"{name:28s} {row['wall_s']:8.3f} {row['cpu_s']:8.3f} {row['rss_mb']:8.0f}"
            f" {row['wall_ratio']:16.2f} {row['cpu_ratio']:16.2f}"
        )
    return rows


def same_months(ours: Path, theirs: Path) -> None:
    a = pq.read_table(ours / "month.parquet").sort_by("meter_id")
    b = pq.read_table(theirs / "month.parquet").sort_by("meter_id")
    assert a["meter_id"].to_pylist() == [str(v) for v in b["meter_id"].to_pylist()]
    for name in COMPARED:
        for x, y in zip(a[name].to_pylist(), b[name].to_pylist(), strict=True):
            if (x is None) != (y is None) or (x is not None and abs(x - y) > 1e-9 * abs(y) + 1e-9):
                sys.exit(f"results differ in {name}: {x} against {y}")


def bench_statistics(folder: Path, meters: int, turns: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for layout in ("meter", "time"):
        data = folder / layout
        count = samples.generate(data, meters, 30, layout)
        ours, theirs = folder / f"keyacct-{layout}", folder / f"duckdb-{layout}"
        programs = {
            "keyacct stats": [KEYACCT, "stats", "-q", "--data", str(data), "--limits", str(data / "limits.parquet"),
                              "--out", str(ours), "--interval", "15min"],
            "duckdb (month only)": [PYTHON, str(HERE / "peer_duckdb.py"), str(data), str(theirs)],
            "pyarrow decode (floor)": [PYTHON, str(HERE / "floor_decode.py"), str(data)],
        }  # fmt: skip
        results = in_turn(programs, turns)
        same_months(ours, theirs)
        title = f"Month statistics, {count} rows, {layout} layout (results equal in {len(COMPARED)} columns)"
        rows += [{"workload": title, **row} for row in table(title, results, "duckdb (month only)")]
    return rows


def bench_frames(folder: Path, count: int, turns: int) -> list[dict[str, object]]:
    stream = folder / "frames.bin"
    frame_stream.write(stream, count)
    ours = (
        "import sys, time, keyacct, pyarrow.compute as pc\n"
        "data = open(sys.argv[1], 'rb').read()\n"
        "start = time.process_time(); table = keyacct.decode(data, 'dlt645-2007'); cpu = time.process_time() - start\n"
        "print(len(table), cpu)"
    )
    programs = {
        "keyacct.decode": [PYTHON, "-c", ours, str(stream)],
        "pure Python, tuned": [PYTHON, str(HERE / "frames.py"), str(stream), "--decode"],
    }
    results = in_turn(programs, turns)
    good, values, total = (int(x) for x in results["pure Python, tuned"][0].out.split())
    readings = decode(stream.read_bytes(), "dlt645-2007")
    scaled = {"V": 1, "A": 3, "kW": 4, None: 3, "": 3, "kWh": 2}
    units = readings["unit"].to_pylist()
    got = sum(round(v * 10 ** scaled[u]) for v, u in zip(readings["value"].to_pylist(), units, strict=True))
    if (len(readings), got) != (values, total):
        sys.exit(f"decoders differ: {len(readings)} readings, sum {got}, against {values}, {total}")
    title = f"DL/T 645-2007 to a table, {good} frames, {values} readings (sums equal)"
    rows = table(title, results, "pure Python, tuned")
    cpu = statistics.median(float(figure.out.split()[1]) for figure in results["keyacct.decode"])
    print(f"keyacct.decode alone: {good / cpu / 1e6:.2f} M frames per CPU second")
    return [{"workload": title, **row} for row in rows] + [{"workload": title, "m_frames_per_cpu_s": good / cpu / 1e6}]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--meters", type=int, default=350)
    parser.add_argument("--frames", type=int, default=300_000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", type=Path)
    choice = parser.parse_args()
    if not _core.OPTIMISED:
        sys.exit("the core is a debug build: build it with `maturin develop --release` first")
    load = os.getloadavg()[0]
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f}"
    print(machine)
    folder = Path(tempfile.mkdtemp(prefix="keyacct-bench-"))
    try:
        rows = bench_frames(folder, choice.frames, choice.turns) + bench_statistics(folder, choice.meters, choice.turns)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    rows += print_registry()
    if choice.json:
        document = {"at": dt.datetime.now(dt.UTC).isoformat(), "machine": machine, "rows": rows}
        choice.json.write_text(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
