"""The registry at 100 000 meters and at a tenth of it: import, lists by condition, export; wall, CPU and peak memory.

    python tests/bench/registry.py [--meters 100000]

Synthetic and the same at every run: one point, meter and ratio each, ten points to an account.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

KEYACCT = str(Path(sys.executable).with_name("keyacct"))
SMALLER = 10


def write_registry(folder: Path, meters: int) -> int:
    """CSV files of a registry; rows written."""
    folder.mkdir(parents=True)
    accounts = max(1, meters // 10)
    makes = ("Weisheng", "Linyang", "Holley", "Sanxing", "Wasion")
    files: dict[str, tuple[str, int, Callable[[int], str]]] = {
        "account": (
            "account_no,account_name,service_address", accounts,
            lambda n: f"33{n:08d},Works no. {n} 厂,Street {n % 97}",
        ),
        "account_terms": (
            "account_no,industry_code,voltage_level_kv,contract_capacity_kva", accounts,
            lambda n: f"33{n:08d},{2600 + n % 40},{(0.38, 10, 35)[n % 3]},{100 + n % 5000}",
        ),
        "point": ("point,kind", meters, lambda n: f"P{n:07d},billing"),
        "point_account": ("point,account_no", meters, lambda n: f"P{n:07d},33{n // 10 % accounts:08d}"),
        "meter": (
            "meter_no,protocol,address,make,interval_min", meters,
            lambda n: f"M{n:07d},dlt645-2007,{n:012d},{makes[n % 5]},15",
        ),
        "meter_point": ("meter_no,point,valid_from", meters, lambda n: f"M{n:07d},P{n:07d},2020-01-01"),
        "point_ratio": ("point,wiring,pt,ct", meters, lambda n: f"P{n:07d},3p4w,{(1, 100, 350)[n % 3]},{5 + n % 200}"),
    }  # fmt: skip
    for name, (head, count, line) in files.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            stream.write(head + "\n")
            stream.writelines(line(n) + "\n" for n in range(count))
    return sum(count for _, count, _ in files.values())


def run(*command: str) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak MB of a command of keyacct."""
    start = time.monotonic()
    process = subprocess.Popen([KEYACCT, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    errors = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"keyacct {' '.join(command)} ended with {process.returncode}: {errors[-2000:]}")
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def figures(meters: int) -> list[tuple[str, int, float, float, float]]:
    """Per step: its name, rows, wall s, CPU s, peak MB."""
    with tempfile.TemporaryDirectory(prefix="keyacct-bench-") as name:
        root = Path(name)
        rows = write_registry(root / "csv", meters)
        office = str(root / "office")
        run("init", office)
        single = (root / "csv" / "meter.csv", root / "only" / "meter.csv")
        single[1].parent.mkdir()
        single[0].rename(single[1])
        at = ("--workspace", office)
        steps: list[tuple[str, int, tuple[str, ...]]] = [
            ("import of meter.csv", meters, (*at, "registry", "import", str(single[1]))),
            ("import of all the rest", rows - meters, (*at, "registry", "import", str(root / "csv"))),
            ("the same again (no change)", rows - meters, (*at, "registry", "import", str(root / "csv"))),
            ("list meters, one account", 10, (*at, "registry", "list", "meters", "--where", "account_no=3300000007")),
            ("list meters, address", 1, (*at, "registry", "list", "meters", "--where", "address=000000000042")),
            ("list points, ct=204 pt=350", 0, (*at, "registry", "list", "points", "--where", "ct=204", "--where",
                                               "pt=350", "--format", "csv")),
            ("list accounts, capacity", 0, (*at, "registry", "list", "accounts", "--where",
                                            "contract_capacity_kva>=5090", "--format", "csv")),
            ("list meters, nothing found", 0, (*at, "registry", "list", "meters", "--where", "make~nobody")),
            ("export to TOML", rows, (*at, "registry", "export", "--out", str(root / "r.toml"))),
        ]  # fmt: skip
        return [(title, count, *run(*command)) for title, count, command in steps]


def print_registry(meters: int = 100_000) -> list[dict[str, object]]:
    """Measure both sizes and print them side by side; the figures."""
    small, large = figures(meters // SMALLER), figures(meters)
    print(f"\nregistry of {meters // SMALLER} and {meters} meters (whole processes)")
    print(
        f"{'step':28s} {'rows':>8s} {'wall s':>8s} {'RSS MB':>7s} {'rows':>9s} {'wall s':>8s} {'RSS MB':>7s} {'growth':>7s}"
    )
    result: list[dict[str, object]] = []
    for (title, few, wall, _, rss), (_, many, wall_large, cpu, rss_large) in zip(small, large, strict=True):
        print(
            f"{title:28s} {few or '':>8} {wall:8.2f} {rss:7.0f} {many or '':>9} {wall_large:8.2f} {rss_large:7.0f}"
            f" {wall_large / wall:7.1f}"
        )
        result.append({"step": title, "rows": many, "wall_s": wall_large, "cpu_s": cpu, "rss_mb": rss_large,
                       "wall_s_tenth": wall, "rss_mb_tenth": rss})  # fmt: skip
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--meters", type=int, default=100_000)
    print_registry(parser.parse_args().meters)
