"""Fuzz the targets of this folder and tell the figures: `python core-rs/fuzz/run.py [--cpu-seconds N] [TARGET …]`.

libFuzzer is built with the project's own stable Rust and a C++ compiler; no nightly and no cargo-fuzz is needed. Where
there is no C++ compiler, `--replay` (or the run itself, saying so) lets `cargo test` go through the seeds, the
regressions and a fixed number of mutations. A crash, a hang of more than 5 CPU s and a peak above 256 MB fail the run;
the input is left in `artifacts/`, and belongs into `regressions/<target>/` when it is mended.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
MOST_MB = 256
LONGEST_INPUT = 4096
MOST_CPU_S = 5
# libFuzzer's own clock goes on while the machine does something else, so what it calls a hang is measured again.
STARVED_S = 30
# What cargo-fuzz passes as well, without the address sanitizer: there is no unsafe code, and it needs a nightly Rust.
COVERAGE = (
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg=fuzzing",
)


def main() -> int:
    """Fuzz or replay the targets that were asked for; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", help="names of targets, all if none")
    parser.add_argument("--cpu-seconds", type=float, default=300, help="CPU time of each target")
    parser.add_argument("--replay", action="store_true", help="cargo test instead of libFuzzer")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    if shutil.which("cargo") is None:
        sys.exit("cargo is not on the PATH: install Rust 1.88 or later")
    if arguments.replay or not any(shutil.which(name) for name in ("c++", "g++", "clang++")):
        if not arguments.replay:
            print("no C++ compiler for libFuzzer: seeds, regressions and mutations of them instead", flush=True)
        return replay()
    folder = build()
    corpus = HERE / "corpus"
    known = sorted(path.stem for path in (HERE / "fuzz_targets").glob("*.rs"))
    unknown = set(arguments.targets) - set(known)
    if unknown:
        sys.exit(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    figures = [fuzz(folder / name, corpus / name, arguments.cpu_seconds) for name in arguments.targets or known]
    show(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 1 if any(one["finding"] for one in figures) else 0


def replay() -> int:
    """Seeds, regressions and mutations of them, without libFuzzer."""
    command = ["cargo", "test", "--release", "--no-default-features", "--locked", "--", "--nocapture"]
    return subprocess.run(command, cwd=HERE, check=False).returncode


def build() -> Path:
    """Build every target; gives the folder of the programs."""
    version = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    host = re.search(r"^host: (.+)$", version, re.MULTILINE)[1]
    target = Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target")) / "fuzz"
    # With --target the flags are not those of build scripts and procedural macros.
    command = ["cargo", "build", "--release", "--locked", "--bins", "--target", host, "--target-dir", str(target)]
    flags = " ".join(filter(None, [os.environ.get("RUSTFLAGS"), *COVERAGE]))
    subprocess.run(command, cwd=HERE, check=True, env={**os.environ, "RUSTFLAGS": flags})
    return target / host / "release"


def fuzz(program: Path, corpus: Path, cpu_seconds: float) -> dict[str, object]:
    """Run one target for so much CPU time, then read the figures that libFuzzer ends with."""
    corpus.mkdir(parents=True, exist_ok=True)
    artifacts = HERE / "artifacts" / program.name
    artifacts.mkdir(parents=True, exist_ok=True)
    found = [str(path) for path in (HERE / "regressions" / program.name,) if path.is_dir()]
    command = [
        str(program), f"-artifact_prefix={artifacts}/", f"-rss_limit_mb={MOST_MB}", f"-timeout={STARVED_S}",
        "-print_final_stats=1", f"-max_len={LONGEST_INPUT}", "-use_value_profile=0", str(corpus), *found,
    ]  # fmt: skip
    log = artifacts / "log.txt"
    begin, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with log.open("wb") as out:
        running = subprocess.Popen(
            command, cwd=HERE, stdout=out, stderr=subprocess.STDOUT,
            env={**os.environ, "KEYACCT_FUZZ_SEEDS": str(corpus.parent)},
        )  # fmt: skip
        while running.poll() is None and cpu_of(running.pid, begin) < cpu_seconds:
            time.sleep(0.2)
        if running.poll() is None:
            running.send_signal(signal.SIGUSR1)  # libFuzzer ends after the input in hand, with its figures
        running.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    text = log.read_text(encoding="utf-8", errors="replace")
    stat = {name: int(number) for name, number in re.findall(r"^stat::(\w+):\s+(\d+)", text, re.MULTILINE)}
    status = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", text)
    cov, features, kept = status[-1] if status else (0, 0, 0)
    runs = stat.get("number_of_executed_units", 0)
    finding = ""
    if running.returncode != 0:
        told = re.search(r"panicked at .*\n.*|ERROR: libFuzzer: .*", text)
        finding = " ".join(told[0].split()) if told else f"ended with {running.returncode}"
        if "timeout" in finding and (seconds := slowest(program, artifacts, begin)) < MOST_CPU_S:
            print(f"{program.name}: no hang, the input takes {seconds:.1f} CPU s: the machine was busy", flush=True)
            finding = ""
        else:
            print(text[-3000:], flush=True)
    figures = {
        "target": program.name, "runs": runs, "cpu_s": round(cpu), "wall_s": round(time.monotonic() - begin),
        "runs_per_cpu_s": round(runs / max(cpu, 0.01)), "peak_rss_mb": stat.get("peak_rss_mb", 0), "edges": int(cov),
        "features": int(features), "corpus": int(kept), "finding": finding,
    }  # fmt: skip
    print(f"{program.name}: {runs} runs, {cpu:.0f} CPU s, {finding or 'no finding'}", flush=True)
    return figures


def slowest(program: Path, artifacts: Path, begin: float) -> float:
    """Most CPU seconds that an input takes which this run has left as a hang."""
    since = time.time() - (time.monotonic() - begin)
    most = 0.0
    for path in artifacts.glob("timeout-*"):
        if path.stat().st_mtime >= since - 1:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([program, "-timeout=600", path], check=False, capture_output=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            most = max(most, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return most


def cpu_of(pid: int, begin: float) -> float:
    """CPU seconds of a running process; the time since `begin` where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return time.monotonic() - begin


def show(figures: list[dict[str, object]]) -> None:
    """The figures as a Markdown table."""
    columns = ("target", "runs", "cpu_s", "runs_per_cpu_s", "peak_rss_mb", "edges", "features", "corpus", "finding")
    print("| " + " | ".join(columns) + " |")
    print("|" + "|".join("---" for _ in columns) + "|")
    for one in figures:
        print("| " + " | ".join(str(one[name] or ("none" if name == "finding" else 0)) for name in columns) + " |")


if __name__ == "__main__":
    sys.exit(main())
