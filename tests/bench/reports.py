"""Month reports of many accounts: wall, CPU and memory of a first, a second and a single run. SYNTHETIC accounts.

    python tests/bench/reports.py [--accounts 1000] [--folder DIR] [--as xlsx,pdf]

The accounts are copies of the demo's town (eight accounts, ten meters, June 2026, 15 min) under other numbers. Memory is
that of all processes of the run together, what they share counted once, looked at five times a second (Linux).
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from keyacct.config import open_workspace
from keyacct.registry.importing import import_registry
from keyacct.workflow.demo import REGISTRY
from keyacct.workflow.samples import import_samples
from keyacct.workflow.town import town_mapping, write_town
from keyacct.workflow.workspace import init_workspace

KEYACCT = str(Path(sys.executable).with_name("keyacct"))
ACCOUNTS_A_TOWN = 8
TOWNS_AT_ONCE = 25
OWN = ("account_no", "point", "meter_no", "address", "record_no")


def renamed(value: str, town: int) -> str:
    """The number of the same thing in another town."""
    if value.startswith("TOWN-"):
        return f"T{town:04d}-{value[5:]}"
    if value.startswith("SR-"):
        return f"SR-{town:04d}-{value[3:]}"
    return f"33{town:04d}{value[-6:]}" if value.startswith("3301") else value


def spelled(value: Any) -> str:
    """A value in TOML."""
    return value.isoformat() if isinstance(value, dt.date | dt.datetime) else json.dumps(value, ensure_ascii=False)


def registry(towns: int) -> str:
    """The demo's registry, its town several times over."""
    document = tomllib.loads(REGISTRY.read_text(encoding="utf-8"))
    lines = []
    for entity, entries in document.items():
        for entry in entries:
            ours = any(renamed(str(entry.get(key, "")), 1) != str(entry.get(key, "")) for key in OWN)
            general = not any(key in entry for key in OWN)
            for town in range(towns) if ours else range(1) if general else ():
                lines.append(f"[[{entity}]]")
                for key, value in entry.items():
                    shown = renamed(value, town) if isinstance(value, str) and key in OWN else value
                    lines.append(f"{key} = {spelled(shown)}")
    return "\n".join(lines) + "\n"


def make_workspace(root: Path, towns: int) -> None:
    """Registry and samples of so many towns."""
    init_workspace(root, name="供电公司 (bench)")
    workspace = open_workspace(root)
    import_registry(workspace, registry(towns), file="bench.toml")
    file = root / "town.parquet"
    write_town(file)
    one = pq.read_table(file)
    for first in range(0, towns, TOWNS_AT_ONCE):
        copies = []
        for town in range(first, min(first + TOWNS_AT_ONCE, towns)):
            names = pa.array([renamed(name, town) for name in one["meter"].to_pylist()])
            copies.append(one.set_column(0, "meter", names))
        pq.write_table(pa.concat_tables(copies), file)
        import_samples(workspace, file, town_mapping())
    file.unlink()


def memory_mb(leader: int) -> float:
    """Memory of a process and its children together; what they share is counted once (proportional set size)."""
    found, seen = 0, [leader]
    while seen:
        pid = seen.pop()
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            found += int(rollup.partition("\nPss:")[2].split()[0])
            for task in Path(f"/proc/{pid}/task").iterdir():
                seen += [int(child) for child in (task / "children").read_text().split()]
        except (OSError, IndexError):
            continue
    return found / 1024


def measure(command: list[str]) -> dict[str, Any]:
    """Wall and CPU seconds, peak memory of all processes, and what the run said last."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, memory_mb(process.pid))
        time.sleep(0.2)
    said = process.stderr.read() if process.stderr is not None else ""
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}: {said[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "wall_s": round(time.monotonic() - start, 2),
        "cpu_s": round(cpu, 2),
        "peak_mb": round(peak),
        "said": said.strip().splitlines()[-1],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--folder", type=Path, help="workspace to use again; made when it is not there")
    parser.add_argument("--as", dest="formats", default="xlsx,pdf")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="keyacct-bench-"))
    root = folder / "workspace"
    if not (root / "keyacct.toml").exists():
        start = time.monotonic()
        make_workspace(root, -(-options.accounts // ACCOUNTS_A_TOWN))
        sys.stderr.write(f"workspace made in {time.monotonic() - start:.0f} s\n")
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    command = [KEYACCT, "report", "month", "--workspace", str(root), "--period", "2026-06", "--as", options.formats,
               "--lang", "zh", "--now", "2026-07-01T08:30+08:00", "--format", "jsonl"]  # fmt: skip
    batch = [*command, "--all", "--out", str(out)]
    first, second = measure(batch), measure(batch)
    one = measure([*command, "--account", "330000000101", "--out", str(folder / "one")])
    files = sum(1 for file in out.iterdir() if file.is_file())
    figures = {"accounts": options.accounts, "files": files, "cores": os.cpu_count(), "formats": options.formats}
    sys.stdout.write(
        json.dumps({**figures, "first": first, "second": second, "one": one}, ensure_ascii=False, indent=1)
    )
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
