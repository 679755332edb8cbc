"""The month statistics against peers and against bare decoding, in turn, results compared in the same run.

What is measured: `keyacct stats` on float columns and on our own segments (`keyacct samples pack`), on one core and on all;
a day added to a month that has its states, and a month that has nothing new; DuckDB; pyarrow decoding the nine columns.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import samples
from turns import HERE, KEYACCT, PYTHON, Figure, in_turn, measure, ratio, table

COMPARED = ["n", *(f"{x}_{k}" for x in "abc" for k in ("mon_ms", "over_ms", "under_ms", "loss_ms", "mean"))]
COMPARED += ["wp_kwh", "wq_kvarh", "md_kw", "lmin_kw"]
DAY_MS = 86_400_000


def stats(data: Path, out: Path, *more: str) -> list[str]:
    limits = str(data / "limits.parquet")
    return [
        KEYACCT,
        "stats",
        "-q",
        "--data",
        str(data),
        "--limits",
        limits,
        "--out",
        str(out),
        "--interval",
        "15min",
        *more,
    ]


def same_months(ours: Path, theirs: Path) -> None:
    a = pq.read_table(ours / "month.parquet").sort_by("meter_id")
    b = pq.read_table(theirs / "month.parquet").sort_by("meter_id")
    assert a["meter_id"].to_pylist() == [str(v) for v in b["meter_id"].to_pylist()]
    for name in COMPARED:
        for x, y in zip(a[name].to_pylist(), b[name].to_pylist(), strict=True):
            if (x is None) != (y is None) or (x is not None and abs(x - y) > 1e-9 * abs(y) + 1e-9):
                sys.exit(f"results differ in {name}: {x} against {y}")


def same_bits(ours: Path, others: list[Path]) -> None:
    for other in others:
        for name in ("day.parquet", "month.parquet"):
            a, b = (pq.read_table(folder / name) for folder in (ours, other))
            order = [("meter_id", "ascending"), (name.split(".")[0], "ascending")]
            if not a.sort_by(order).equals(b.sort_by(order)):
                sys.exit(f"{other / name} is not to the bit what {ours / name} is")


def pack(data: Path, out: Path) -> None:
    measure([KEYACCT, "samples", "pack", "-q", str(data), "--out", str(out)])


def size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.glob("part-*.parquet")) / 1e6


def bench_layout(data: Path, folder: Path, turns: int, name: str) -> list[dict[str, object]]:
    """One data set: floats, own segments, one core, peer and floor."""
    own = folder / "own"
    pack(data, own)
    outs = {key: folder / key for key in ("floats", "segments", "one-core", "duckdb")}
    programs = {
        "keyacct stats": stats(data, outs["floats"]),
        "keyacct stats, own segments": stats(own, outs["segments"]),
        "duckdb (month only)": [PYTHON, str(HERE / "peer_duckdb.py"), str(data), str(outs["duckdb"])],
        "pyarrow decode (floor)": [PYTHON, str(HERE / "floor_decode.py"), str(data)],
        "pyarrow decode of own segments": [PYTHON, str(HERE / "floor_decode.py"), str(own)],
    }
    cores = hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) > 1 and shutil.which("taskset")
    if cores:
        first = str(min(os.sched_getaffinity(0)))
        programs["keyacct stats, one core"] = ["taskset", "-c", first, *stats(data, outs["one-core"])]
    results = in_turn(programs, turns)
    same_months(outs["floats"], outs["duckdb"])
    same_bits(outs["floats"], [outs["segments"], *([outs["one-core"]] if cores else [])])
    rows = sum(pq.read_metadata(path).num_rows for path in data.glob("part-*.parquet"))
    title = (
        f"Month statistics, {rows} rows, {name}; zstd floats {size_mb(data):.1f} MB, own segments {size_mb(own):.1f} MB;"
        f" equal to DuckDB in {len(COMPARED)} columns, own segments and one core to the bit"
    )
    told = table(title, results, {"duckdb": "duckdb (month only)", "floor": "pyarrow decode (floor)"})
    found = [{"workload": title, **row} for row in told]
    if cores:
        gain = ratio(results["keyacct stats, one core"], results["keyacct stats"], "wall_s")
        print(f"{len(os.sched_getaffinity(0))} cores against one, wall: {gain:.2f} x")
        found.append({"workload": title, "cores_against_one": gain})
    shutil.rmtree(own)
    return found


def by_day(data: Path, out: Path) -> list[Path]:
    """The same rows as a file a day, in their order."""
    out.mkdir()
    shutil.copyfile(data / "limits.parquet", out / "limits.parquet")
    table = pq.read_table(sorted(data.glob("part-*.parquet")))
    day = pc.floor_temporal(table["ts"], unit="day")
    files = []
    for number, value in enumerate(pc.unique(day).sort()):
        files.append(out / f"part-{number:04d}.parquet")
        pq.write_table(table.filter(pc.equal(day, value)), files[-1], compression="zstd")
    return files


def bench_days(data: Path, folder: Path, turns: int, name_of_data: str) -> list[dict[str, object]]:
    """A day joined to the states of the days before it, and a month with nothing new, against the whole month."""
    days = folder / "days"
    last = by_day(data, days)[-1]
    aside = folder / last.name
    shutil.move(last, aside)
    before, state, fresh, out, whole = (folder / name for name in ("before", "state", "fresh", "out-days", "out-whole"))
    measure(stats(days, out, "--state", str(before)))
    shutil.move(aside, last)
    programs = ("whole month", "whole month, states kept", "one day more", "closed month")
    results: dict[str, list[Figure]] = {name: [] for name in programs}
    for _ in range(turns):
        shutil.rmtree(state, ignore_errors=True)
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(before, state)
        os.sync()  # what was copied is not to be written by who is measured
        results["whole month"].append(measure(stats(days, whole)))
        for name, place in zip(programs[1:], (fresh, state, state), strict=True):
            results[name].append(measure(stats(days, out, "--state", str(place))))
            same_bits(whole, [out])
    title = f"A month kept as states of days, {name_of_data} (results equal to the whole month to the bit)"
    found = table(title, results, {"whole": "whole month", "states": "whole month, states kept"})
    for place in (days, before, state, fresh, out, whole):
        shutil.rmtree(place)
    return [{"workload": title, **row} for row in found]


def bench_month(folder: Path, meters: int, turns: int, own_data: list[Path]) -> list[dict[str, object]]:
    """Our own synthetic month in both layouts, then the data sets that were named."""
    rows: list[dict[str, object]] = []
    for layout in ("meter", "time"):
        place = folder / layout
        samples.generate(place / "data", meters, 30, layout)
        rows += bench_layout(place / "data", place, turns, f"{layout} layout")
        if layout == "time":
            rows += bench_days(place / "data", place, turns, f"{layout} layout")
        shutil.rmtree(place)
    for number, data in enumerate(own_data):
        place = folder / f"given-{number}"
        place.mkdir()
        rows += bench_layout(data, place, turns, str(data))
        rows += bench_days(data, place, turns, str(data))
        shutil.rmtree(place)
    return rows


OUTSIDE_ENGINES = ("duckdb-table", "duckdb-stream", "polars", "floor-pyarrow")


def bench_month_outside(
    folder: Path, meters: int, turns: int, own_data: list[Path], outside: Path
) -> list[dict[str, object]]:
    """The peers of another collection: its runner takes turns, its checker compares every value."""
    if not (outside / "run_stats.py").exists() or importlib.util.find_spec("numba") is None:
        print("the other collection's peers of the statistics are left out: run_stats.py or numba is missing")
        return []
    rows: list[dict[str, object]] = []
    sets = [(f"outside-{layout}", layout) for layout in ("meter", "time")]
    for name, layout in sets:
        command = [PYTHON, str(outside / "gen_samples.py"), "--out", str(folder / name), "--meters", str(meters)]
        told = subprocess.run([*command, "--layout", layout], check=True, stdout=subprocess.PIPE, text=True)
        print(told.stdout, end="")
    for data in [*(folder / name for name, _ in sets), *own_data]:
        own, work, raw = (folder / f"{data.name}-{what}" for what in ("own", "work", "json"))
        pack(data, own)
        commands = {"keyacct": data, "keyacct-own-segments": own}
        run = [PYTHON, str(outside / "run_stats.py"), str(data), str(work), "--runs", str(turns), "--json", str(raw)]
        run += ["--engines", ",".join(OUTSIDE_ENGINES)]
        for name, place in commands.items():
            run += ["--cmd", f"{name}={' '.join(stats(place, Path('{out}')))}"]
        told = subprocess.run(run, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        print(f"\nOutside peers, {data.name}, medians of {turns} turns\n{told.stdout}", end="", flush=True)
        for name in commands:
            for peer in ("duckdb-table", "polars"):
                check = [PYTHON, str(outside / "check_stats.py"), str(work / name), str(work / peer)]
                checked = subprocess.run(check, capture_output=True, text=True, check=False)
                if checked.returncode != 0:
                    sys.exit(f"{name} and {peer} differ: {checked.stdout[-2000:]}{checked.stderr[-2000:]}")
        same_bits(work / "keyacct", [work / "keyacct-own-segments"])
        print("every value of keyacct equals duckdb-table and polars (1e-9); own segments equal to the bit")
        rows.append({"workload": f"outside peers, {data.name}", "turns": json.loads(raw.read_text())})
        shutil.rmtree(own)
        shutil.rmtree(work)
    return rows
