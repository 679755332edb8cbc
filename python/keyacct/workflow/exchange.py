"""The exchange of a meter: registry and samples together, so that both part-readings count in the statistics."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pyarrow as pa

from keyacct.config import Workspace
from keyacct.registry import editing
from keyacct.registry.difference import Changes
from keyacct.store.families import FAMILIES
from keyacct.store.ingest import ingest

COLUMNS = {
    "import_kwh": "import", "export_kwh": "export", "reactive_import_kvarh": "reactive_import",
    "reactive_export_kvarh": "reactive_export", "q1_kvarh": "q1", "q2_kvarh": "q2", "q3_kvarh": "q3", "q4_kvarh": "q4",
}  # fmt: skip
"""Registers of an exchange and the columns of family `energy` that hold them."""


def exchange_meter(
    workspace: Workspace, point: str, new_meter_no: str, *, at_ms: int, reason: str, old_readings: Mapping[str, str],
    new_readings: Mapping[str, str], meter: Mapping[str, str] | None = None, staff_no: str = "",
    dry_run: bool = False,
) -> Changes:  # fmt: skip
    """Exchange a meter in the registry and store both readings as register values at that instant.

    The readings are stored after the registry has changed; running the same exchange again stores nothing twice. Raises
    UsageError, ConfigError, WriteError.
    """
    changes, old_meter = editing.exchange_meter(
        workspace, point, new_meter_no, at_ms=at_ms, reason=reason, old_readings=old_readings,
        new_readings=new_readings, meter=meter, staff_no=staff_no, dry_run=dry_run,
    )  # fmt: skip
    rows = [
        _energy_row(meter_no, at_ms, readings)
        for meter_no, readings in ((old_meter, old_readings), (new_meter_no, new_readings))
        if set(readings) & set(COLUMNS) and readings.get("tariff", "0") == "0"
    ]
    if rows and not dry_run:
        note = json.dumps(
            [point, at_ms, old_meter, dict(old_readings), new_meter_no, dict(new_readings)], sort_keys=True
        )
        table = pa.Table.from_pylist(rows, schema=FAMILIES["energy"].input_schema)
        ingest(
            workspace, {"energy": table}, source=f"exchange at {point}", length=len(note),
            sha256=hashlib.sha256(note.encode()).hexdigest(), decoder="exchange",
        )  # fmt: skip
    return changes


def _energy_row(meter_no: str, at_ms: int, readings: Mapping[str, str]) -> dict[str, Any]:
    at = dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)
    row: dict[str, Any] = dict.fromkeys(FAMILIES["energy"].input_schema.names)
    row |= {"meter": meter_no, "kind": "register", "ts": at, "quality": 0, "recv_at": at}
    row |= {COLUMNS[name]: Decimal(text) for name, text in readings.items() if name in COLUMNS}
    return row
