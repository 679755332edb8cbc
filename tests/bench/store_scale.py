"""The store at scale: a month of 15-min data of many meters, and what one account's month costs to read.

    python tests/bench/store_scale.py [--meters 10000] [--dir DIR] [--check]

Prints figures for a tenth of the meters and for all of them, so that growth shows. Synthetic, seeded; the workspace is
removed afterwards. Bytes are those that the process read from files (/proc/self/io rchar), the index included.
"""

from __future__ import annotations

import argparse
import datetime as dt
import decimal
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DAYS, STEPS = 30, 96
MONTH = dt.date(2026, 6, 1)
MOST_SHARE = 0.02


def generate(folder: Path, meters: int) -> None:
    """A workspace with a month of voltages, one batch per civil day, as a nightly import gives them."""
    import numpy as np
    import pyarrow as pa

    from keyacct.model import midnight_ms
    from keyacct.store.families import FAMILIES
    from keyacct.store.ingest import BatchWriter
    from keyacct.workflow.workspace import init_workspace

    workspace = init_workspace(folder, name="scale")
    schema = FAMILIES["voltage"].input_schema
    names = pa.array([f"33{n:010d}" for n in range(meters)])
    chance = np.random.default_rng(20260601)
    for day in range(DAYS):
        start = midnight_ms(MONTH + dt.timedelta(days=day), workspace.zone)
        with BatchWriter(workspace, source=f"day {day}", sha256=None) as writer:
            for first in range(0, meters, 2000):
                count = min(2000, meters - first)
                rows = count * STEPS
                ts = np.tile(start + 900_000 * np.arange(1, STEPS + 1, dtype="int64"), count)
                columns = {
                    "meter": names.slice(first, count).take(pa.array(np.repeat(np.arange(count), STEPS))),
                    "kind": pa.array(["interval"]).take(pa.array(np.zeros(rows, "int64"))),
                    "ts": pa.array(ts, pa.timestamp("ms", tz="UTC")),
                }
                for name in "abc":
                    tenths = 2200 + chance.normal(0, 25, rows).astype("int32")
                    columns[name] = tenth(pa.array(tenths))
                zeros = pa.array(np.zeros(rows, "uint16"))
                table = pa.table(
                    [columns.get(f.name, zeros if f.name == "quality" else pa.nulls(rows, f.type)) for f in schema],
                    schema=schema,
                )
                writer.add("voltage", table)
            writer.commit()


def tenth(column):
    """Whole tenths of a volt as volts, exact."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.multiply(column.cast(pa.decimal128(10, 0)), pa.scalar(decimal.Decimal("0.1"))).cast(pa.decimal128(9, 3))


def read_bytes() -> int:
    return int(Path("/proc/self/io").read_text().splitlines()[0].split()[1])


def probe(folder: Path, meters: int, whole: bool) -> None:
    """Read one meter's month (or everything) in this process; figures on stdout."""
    import pyarrow.parquet as pq

    from keyacct.config import open_workspace
    from keyacct.database.engine import open_database
    from keyacct.model import Period
    from keyacct.store.index import live_segments
    from keyacct.store.read import read_family

    workspace = open_workspace(folder)
    start, end = Period.parse("2026-06").bounds_ms(workspace.zone)
    with open_database(workspace).read() as connection:
        segments = live_segments(connection, "voltage")
    asked = f"33{meters // 3:010d}"
    list(read_family(workspace, "voltage", start, start + 1, ["warm"]))  # libraries loaded, nothing read
    before, clock = read_bytes(), time.monotonic()
    rows = sum(
        batch.num_rows for batch in read_family(workspace, "voltage", start + 1, end + 1, None if whole else [asked])
    )
    seconds, read = time.monotonic() - clock, read_bytes() - before
    touched = total = 0
    for segment in segments if not whole else ():
        metadata = pq.ParquetFile(workspace.root / segment.path).metadata
        total += metadata.num_row_groups
        for group in range(metadata.num_row_groups):
            statistics = metadata.row_group(group).column(0).statistics
            touched += statistics.min <= asked <= statistics.max
    size = sum(segment.bytes for segment in segments)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(rows, read, size, len(segments), touched, total, f"{seconds:.2f}", f"{memory:.0f}")


def run(meters: int, base: Path) -> tuple[float, str]:
    """Generate, measure, remove: (share of the month's bytes, the lines to print)."""
    folder = base / f"scale-{meters}"
    own = [sys.executable, __file__]
    try:
        start = time.monotonic()
        made = subprocess.Popen([*own, "--generate", str(folder), "--meters", str(meters)])
        _, status, usage = os.wait4(made.pid, 0)
        made.returncode = status
        if status:
            sys.exit(f"generating {meters} meters failed")
        took, written = time.monotonic() - start, usage.ru_maxrss / 1024
        lines = []
        share = 1.0
        for whole in (False, True):
            out = subprocess.run(
                [*own, "--probe", str(folder), "--meters", str(meters), *(["--whole"] if whole else [])],
                check=True, capture_output=True, text=True,
            ).stdout.split()  # fmt: skip
            rows, read, size, files = (int(word) for word in out[:4])
            if not whole:
                share = read / size
                lines.append(
                    f"{meters} meters, {meters * DAYS * STEPS} rows, {size / 1e6:.0f} MB in {files} files; stored in"
                    f" {took:.0f} s, peak {written:.0f} MB\n  one account's month: {rows} rows, {read / 1e6:.2f} MB read ="
                    f" {100 * share:.2f} % of the month, row groups {out[4]} of {out[5]}, {out[6]} s, peak {out[7]} MB"
                )
            else:
                lines.append(f"  everything: {rows} rows, {read / 1e6:.0f} MB read, {out[6]} s, peak {out[7]} MB")
            if rows != (meters if whole else 1) * DAYS * STEPS:
                sys.exit(f"{rows} rows were read")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return share, "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--meters", type=int, default=10_000)
    parser.add_argument("--dir", type=Path)
    parser.add_argument("--generate", type=Path)
    parser.add_argument("--probe", type=Path)
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--check", action="store_true", help="fail above 2 %% at full size")
    given = parser.parse_args()
    if given.generate is not None:
        generate(given.generate, given.meters)
        return
    if given.probe is not None:
        probe(given.probe, given.meters, given.whole)
        return
    with tempfile.TemporaryDirectory(dir=given.dir) as base:
        share = 0.0
        for meters in (given.meters // 10, given.meters):
            share, text = run(meters, Path(base))
            print(text, flush=True)
    if given.check and share > MOST_SHARE:
        sys.exit(f"{100 * share:.2f} % of the month's bytes were read, at most {100 * MOST_SHARE:.0f} % are promised")


if __name__ == "__main__":
    main()
