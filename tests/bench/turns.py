"""Programs in turn (A B C A B C …), each a process of its own: wall and CPU seconds, peak memory, ratios turn by turn."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON = sys.executable
KEYACCT = str(Path(PYTHON).with_name("keyacct"))


@dataclass(frozen=True)
class Figure:
    """What one process cost."""

    wall_s: float
    cpu_s: float
    rss_mb: float
    out: str


def measure(command: list[str]) -> Figure:
    with tempfile.NamedTemporaryFile("r", suffix=".json") as told:
        meter = [PYTHON, "-S", "-E", str(HERE / "meter.py"), told.name, *command]
        process = subprocess.run(meter, capture_output=True, text=True, check=False)
        if process.returncode != 0:
            sys.exit(f"{' '.join(command)} ended with {process.returncode}: {process.stderr[-2000:]}")
        return Figure(**json.load(told), out=process.stdout)


def in_turn(programs: dict[str, list[str]], turns: int) -> dict[str, list[Figure]]:
    results: dict[str, list[Figure]] = {name: [] for name in programs}
    for _ in range(turns):
        for name, command in programs.items():
            results[name].append(measure(command))
    return results


def ratio(figures: list[Figure], base: list[Figure], what: str) -> float:
    """The median of the ratios within each turn."""
    return statistics.median(getattr(a, what) / getattr(b, what) for a, b in zip(figures, base, strict=True))


def table(title: str, results: dict[str, list[Figure]], bases: dict[str, str]) -> list[dict[str, object]]:
    """Print medians of each program and its ratios to the programs of `bases` (label: program)."""
    rows = []
    heads = "".join(f"{f'wall/{label}':>14s}{f'CPU/{label}':>14s}" for label in bases)
    print(f"\n{title}\n{'program':34s}{'wall s':>9s}{'CPU s':>9s}{'RSS MB':>9s}{heads}")
    for name, figures in results.items():
        row: dict[str, object] = {
            "program": name,
            "wall_s": statistics.median(f.wall_s for f in figures),
            "cpu_s": statistics.median(f.cpu_s for f in figures),
            "rss_mb": statistics.median(f.rss_mb for f in figures),
        }
        for label, base in bases.items():
            row[f"wall_per_{label}"] = ratio(figures, results[base], "wall_s")
            row[f"cpu_per_{label}"] = ratio(figures, results[base], "cpu_s")
        rows.append(row)
        ratios = "".join(f"{row[f'wall_per_{label}']:14.3f}{row[f'cpu_per_{label}']:14.3f}" for label in bases)
        print(f"{name:34s}{row['wall_s']:9.3f}{row['cpu_s']:9.3f}{row['rss_mb']:9.0f}{ratios}", flush=True)
    return rows
