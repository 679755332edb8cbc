"""Speed against peers in the same run: A B C A B C …, medians, ratios, results checked. `nox -s bench`.

    python tests/bench/run.py [--meters 350] [--frames 1000000] [--turns 5] [--only decode|stats] [--data DIR]
                              [--outside DIR] [--json FILE]

All data are synthetic and seeded. A debug build is refused. Figures of the statistics: wall s, CPU s, peak RSS MB of whole
processes; of decoding: CPU and wall seconds of a pass over a stream in memory, start of the process not counted.
`--data DIR` (several times) measures the statistics on wide data sets of your own too (part-*.parquet, limits.parquet).
`--outside DIR` (or KEYACCT_BENCH_OUTSIDE) adds another collection's generators and peers, where it has them: for decoding
`gen_frames.py`, `decode_limit.c`, `decode_peers.py`, for the statistics `gen_samples.py`, `run_stats.py`, `check_stats.py`
(with numba): they then run in the same turns on the same files.
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
from dataclasses import dataclass
from pathlib import Path

import frames as frame_stream
from month import bench_month, bench_month_outside
from registry import print_registry
from turns import PYTHON, measure

from keyacct import _core

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Pass:
    """What decoding a stream cost and found: the median pass of one process."""

    cpu_s: float
    wall_s: float
    best_wall_s: float
    frames: int
    values: int
    total: int


def one_pass(command: list[str], share: float) -> Pass:
    """The median pass, scaled to the whole stream for an engine that was given a `share` of it."""
    told = json.loads(measure(command).out.splitlines()[-1])
    cpu, wall = (
        told.get(name, told.get(other)) for name, other in (("cpu_s", "cpu_median"), ("wall_s", "wall_median"))
    )
    cpu = told["cpu_mean"] if cpu is None else cpu
    best = min(wall) if isinstance(wall, list) else wall
    cpu, wall = (statistics.median(value) if isinstance(value, list) else value for value in (cpu, wall))
    count = told.get("frames", told.get("valid"))
    return Pass(cpu / share, wall / share, best / share, round(count / share), told["values"], told["sum"])


@dataclass(frozen=True)
class Decoder:
    """A program, what it writes, and the share of the stream that it is given, as it would take too long."""

    command: list[str]
    writes: str
    share: float = 1.0
    has_values: bool = True


TABLE = "14 Arrow columns: line offset device protocol kind quantity phase tariff index time value unit text quality"
FIVE = "6 plain columns: address identifier error first value number | unscaled value (i32)"


def bench_decoders(stream: Path, decoders: dict[str, Decoder], expected: frame_stream.Expected, turns: int,
                   title: str, base: str, ours: str) -> list[dict[str, object]]:  # fmt: skip
    """Runs the decoders in turn, compares what they found, prints frames per CPU and wall second and ratios."""
    results: dict[str, list[Pass]] = {name: [] for name in decoders}
    for _ in range(turns):
        for name, decoder in decoders.items():
            results[name].append(one_pass(decoder.command, decoder.share))
    want = (expected.frames, expected.values, expected.total)
    print(f"\n{title}: {expected.frames} valid frames, {expected.values} values, {stream.stat().st_size / 1e6:.1f} MB")
    print(f"{'decoder':30s} {'M fr/CPU s':>10s} {'M fr/s':>8s} {'ours is x':>9s} {'vs C':>6s}  writes")
    rows = []
    for name, passes in results.items():
        decoder = decoders[name]
        for one in passes:
            got = (one.frames, one.values, one.total)
            whole = decoder.share == 1.0
            if whole and (got[0] != want[0] or (decoder.has_values and got != want)):
                sys.exit(f"{name} found {got} (frames, values, sum), expected {want}")
        pairs = [(mine.cpu_s / theirs.cpu_s) for mine, theirs in zip(passes, results[ours], strict=True)]
        limit = [(theirs.cpu_s / mine.cpu_s) for mine, theirs in zip(passes, results[base], strict=True)]
        row = {
            "decoder": name,
            "m_frames_per_cpu_s": expected.frames / statistics.median(one.cpu_s for one in passes) / 1e6,
            "m_frames_per_s": expected.frames / statistics.median(one.wall_s for one in passes) / 1e6,
            "ours_is_times": statistics.median(pairs),
            "of_base": statistics.median(limit),
            "writes": decoder.writes,
            "checked": "frames, values, sum" if decoder.has_values and decoder.share == 1.0 else "frames",
        }
        rows.append({"workload": title, **row})
        print(
            f"{name:30s} {row['m_frames_per_cpu_s']:10.3f} {row['m_frames_per_s']:8.3f} {row['ours_is_times']:9.2f}"
            f" {row['of_base']:6.2f}  {decoder.writes}"
        )
    two = results.get(f"{ours}, 2 threads")
    if two:
        ratio = statistics.median(a.wall_s / b.wall_s for a, b in zip(results[ours], two, strict=True))
        # A core that a neighbour slows down for a while hurts two threads twice; the best passes show what the program can.
        best = min(one.best_wall_s for one in results[ours]) / min(one.best_wall_s for one in two)
        print(f"two threads against one, wall: {ratio:.2f} x (best passes {best:.2f} x)")
        rows.append({"workload": title, "two_threads_against_one": ratio, "best_passes": best})
    return rows


def compiled(source: Path, folder: Path) -> Path | None:
    """The program of a C file; none where there is no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        print("no C compiler: the C parser is left out")
        return None
    program = folder / source.stem
    subprocess.run([compiler, "-O3", "-o", str(program), str(source), "-lpthread"], check=True)
    return program


def part_of(stream: Path, frames: int, wanted: int) -> tuple[Path, float]:
    """The beginning of a stream, for a slow decoder, and which share of it that is."""
    if frames <= wanted:
        return stream, 1.0
    part = stream.with_suffix(".part")
    data = stream.read_bytes()
    part.write_bytes(data[: len(data) * wanted // frames])
    return part, wanted / frames


def ours_on(stream: Path, protocol: str) -> dict[str, Decoder]:
    command = [PYTHON, str(HERE / "decoders.py"), "keyacct", str(stream), protocol, "--passes", "7"]
    return {
        "keyacct.decode": Decoder([*command, "--threads", "1"], TABLE),
        "keyacct.decode, 2 threads": Decoder([*command, "--threads", "2"], TABLE),
    }


def bench_frames(folder: Path, count: int, turns: int, outside: Path | None) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for protocol in ("dlt645-2007", "dlt698.45"):
        stream = folder / f"{protocol}.bin"
        if outside is None:
            expected = frame_stream.write(stream, count, protocol)
        else:
            short = "645" if protocol == "dlt645-2007" else "698"
            subprocess.run(
                [PYTHON, str(outside / "gen_frames.py"), "--proto", short, "--frames", str(count), "--out", str(stream)],
                check=True, stdout=subprocess.DEVNULL,
            )  # fmt: skip
            told = json.loads(Path(f"{stream}.json").read_text())
            expected = frame_stream.Expected(told["valid"], told["values"], told["sum"])
        part, share = part_of(stream, count, 50_000)
        slow = [PYTHON, str(HERE / "decoders.py")]
        decoders = ours_on(stream, protocol)
        base = "keyacct.decode"
        if protocol == "dlt645-2007":
            if parser := compiled(HERE / "parser.c", folder):
                decoders["C -O3, one thread"] = Decoder([str(parser), str(stream), "15"], FIVE)
                base = "C -O3, one thread"
            decoders["pure Python, tuned"] = Decoder(
                [*slow, "python", str(part), protocol, "--passes", "1"], "3 lists: address identifier value", share
            )
            decoders["dlt645 (PyPI, pure Python)"] = Decoder(
                [*slow, "dlt645", str(part), protocol, "--passes", "1"], "an object a frame, no values", share, False
            )
        else:
            decoders["dlt698 (PyPI, C++ binding)"] = Decoder(
                [*slow, "dlt698", str(part), protocol, "--passes", "2"], "objects a frame and attribute", share, False
            )
        if outside is not None:
            more, base = outside_decoders(outside, folder, stream, protocol, count, base)
            decoders |= more
        title = f"{protocol} to a table"
        rows += bench_decoders(stream, decoders, expected, turns, title, base, "keyacct.decode")
    return rows


def outside_decoders(
    outside: Path, folder: Path, stream: Path, protocol: str, count: int, base: str
) -> tuple[dict[str, Decoder], str]:
    """The peers of another collection."""
    decoders: dict[str, Decoder] = {}
    short = "645" if protocol == "dlt645-2007" else "698"
    if limit := compiled(outside / "decode_limit.c", folder):
        base = "outside: C -O3"
        values = "values without the error codes" if short == "698" else FIVE
        decoders[base] = Decoder([str(limit), short, str(stream), "15"], values)
    peers = ("py645", "np645", "dlt645-frame", "dlt645-stream") if short == "645" else ("dlt698-frame", "dlt698-full")
    for engine in peers:
        wanted = min(count, 1_000_000 if engine == "np645" else 50_000)
        share = wanted / count
        command = [
            PYTHON,
            str(outside / "decode_peers.py"),
            engine,
            str(stream),
            "--frames",
            str(wanted),
            "--repeat",
            "2",
        ]
        decoders[f"outside: {engine}"] = Decoder(command, "see there", share, engine in ("py645", "np645"))
    return decoders, base


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--meters", type=int, default=350)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--only", choices=("decode", "stats"))
    parser.add_argument("--data", type=Path, action="append", default=[])
    parser.add_argument("--outside", type=Path, default=os.environ.get("KEYACCT_BENCH_OUTSIDE"))
    parser.add_argument("--json", type=Path)
    choice = parser.parse_args()
    if not _core.OPTIMISED:
        sys.exit("the core is a debug build: build it with `maturin develop --release` first")
    load = os.getloadavg()[0]
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f}"
    print(machine)
    outside = Path(choice.outside).resolve() if choice.outside else None
    folder = Path(tempfile.mkdtemp(prefix="keyacct-bench-"))
    try:
        rows: list[dict[str, object]] = []
        if choice.only != "stats":
            rows += bench_frames(folder, choice.frames, choice.turns, outside)
        if choice.only != "decode":
            rows += bench_month(folder, choice.meters, choice.turns, choice.data)
            if outside is not None:
                rows += bench_month_outside(folder, choice.meters, choice.turns, choice.data, outside)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    rows += print_registry()
    if choice.json:
        document = {"at": dt.datetime.now(dt.UTC).isoformat(), "machine": machine, "rows": rows}
        choice.json.write_text(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
