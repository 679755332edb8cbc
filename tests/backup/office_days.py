"""Days of samples for the tests of backups. As a script it is a busy writer: `office_days.py ROOT SECONDS SEED`."""

from __future__ import annotations

import datetime as dt
import sys
import time
from decimal import Decimal

import pyarrow as pa

from keyacct.config import Workspace, open_workspace
from keyacct.store.compact import compact
from keyacct.store.families import FAMILIES
from keyacct.store.ingest import ingest
from keyacct.store.verify import clean

DAYS = 4
METER = "M1"


def day_rows(day: int, meter: str = METER, value: str = "220.0") -> pa.Table:
    """96 voltages of a day, each with a number of its own."""
    start = dt.datetime(2026, 6, day, tzinfo=dt.timezone(dt.timedelta(hours=8)))
    schema = FAMILIES["voltage"].input_schema
    rows = [
        {
            "meter": meter, "kind": "interval", "ts": start + dt.timedelta(minutes=15 * slot),
            "a": Decimal(value) + Decimal(slot) / 1000, "quality": 0,
        }
        for slot in range(1, 97)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=schema)


def fill(workspace: Workspace, *days: int, meter: str = METER) -> None:
    for day in days:
        ingest(workspace, {"voltage": day_rows(day, meter)}, source=f"day {day} {meter}", sha256=None)


def busy(root: str, seconds: float, seed: int) -> None:
    """Writes, compacts and cleans without any grace, as nobody should."""
    workspace = open_workspace(root)
    number, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        number += 1
        fill(workspace, 1 + number % 4, meter=f"W{seed}-{number}")
        if number % 3 == 0:
            list(compact(workspace))
            clean(workspace, grace_s=0)


if __name__ == "__main__":
    busy(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
