"""Seeded synthetic interval data in the shape that `keyacct stats --data` reads, for the benchmark.

    python samples.py OUT --meters 350 [--days 30] [--layout meter|time]

Gaps, nulls, repeated readings and limit violations are in it; nothing of it is a real meter.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

INTERVAL_MS = 900_000
START_MS = 1_780_272_000_000  # 2026-06-01T00:00, local wall clock
SLOTS = 96


def meter_id(number: int) -> str:
    return f"3302{number:08d}"


def block(rng: np.random.Generator, meters: np.ndarray, days: int) -> pa.Table:
    """All readings of some meters, sorted by meter and time."""
    steps = days * SLOTS
    count = len(meters) * steps
    ts = np.tile(START_MS + np.arange(steps) * INTERVAL_MS, len(meters))
    hour = (ts // 3_600_000) % 24
    base = np.where(np.isin(hour, (8, 9, 10, 14, 15, 19)), 1.0, np.where(hour < 6, 0.3, 0.7))
    p = np.round(base * np.repeat(rng.uniform(50, 900, len(meters)), steps) * rng.uniform(0.9, 1.1, count), 4).astype(
        "f4"
    )
    q = np.round(p * rng.uniform(0.1, 0.6, count), 4).astype("f4")
    volts = [np.round(220 * rng.normal(1.0, 0.03, count), 1).astype("f4") for _ in "abc"]
    energy = np.cumsum(p.astype("f8").reshape(len(meters), steps) / 4, axis=1).ravel()
    reactive = np.cumsum(q.astype("f8").reshape(len(meters), steps) / 4, axis=1).ravel()
    keep = rng.random(count) > 0.02
    again = keep & (rng.random(count) < 0.001)
    order = np.sort(np.concatenate([np.flatnonzero(keep), np.flatnonzero(again)]))

    def column(values: np.ndarray) -> pa.Array:
        return pa.array(values[order], mask=rng.random(len(order)) < 0.005)

    ids = pa.DictionaryArray.from_arrays(
        pa.array(np.repeat(np.arange(len(meters), dtype="i4"), steps)[order]), [meter_id(int(m)) for m in meters]
    )
    return pa.table(
        {
            "meter_id": ids,
            "ts": pa.array(ts[order]).cast(pa.timestamp("ms")),
            "ua": column(volts[0]),
            "ub": column(volts[1]),
            "uc": column(volts[2]),
            "p": column(p),
            "q": column(q),
            "ep": column(np.round(energy, 2)),
            "eq": column(np.round(reactive, 2)),
        }
    )


def generate(out: Path, meters: int, days: int, layout: str, seed: int = 645) -> int:
    """Write `part-*.parquet` and `limits.parquet`; the number of rows."""
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    rows = 0
    per_part = max(1, 1_000_000 // (days * SLOTS))
    tables = [block(rng, np.arange(first, min(first + per_part, meters)), days) for first in range(0, meters, per_part)]
    if layout == "time":
        whole = pa.concat_tables(
            [table.set_column(0, "meter_id", table["meter_id"].cast(pa.string())) for table in tables]
        )
        whole = whole.set_column(0, "meter_id", whole["meter_id"].dictionary_encode())
        whole = whole.append_column("order", pa.array(np.arange(len(whole))))
        whole = whole.sort_by([("ts", "ascending"), ("order", "ascending")]).drop_columns(["order"])
        tables = [whole.slice(first, 1_000_000) for first in range(0, len(whole), 1_000_000)]
    for number, table in enumerate(tables):
        pq.write_table(table, out / f"part-{number:04d}.parquet", compression="zstd", row_group_size=1_000_000)
        rows += len(table)
    tariff = "V" * 14 + "F" * 3 + "P" * 6 + "F" * 13 + "P" * 6 + "F" * 4 + "V" * 2
    pq.write_table(
        pa.table(
            {
                "meter_id": [meter_id(m) for m in range(meters)],
                "pt": [1.0] * meters,
                "u_nom": [220.0] * meters,
                "u_lower": [198.0] * meters,
                "u_upper": [235.4] * meters,
                "pf_std": [(0.80, 0.85, 0.90)[m % 3] for m in range(meters)],
                "tariff": [tariff] * meters,
            }
        ),
        out / "limits.parquet",
    )
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--meters", type=int, default=350)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--layout", choices=("meter", "time"), default="meter")
    choice = parser.parse_args()
    print(generate(choice.out, choice.meters, choice.days, choice.layout), "rows")
