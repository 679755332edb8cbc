"""An account supplied at 10 kV and metered at low voltage behind its transformer: PT 1, CT 40, 1000 kVA."""

from __future__ import annotations

import csv
import datetime as dt
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from billing_office import local, put, register, row

from keyacct.cli.run import run
from keyacct.config import Workspace
from keyacct.store.families import FAMILIES
from keyacct.store.ingest import ingest

BEHIND = "1000000002"
NAMEPLATE = "rated_kva = 1000\nno_load_loss_kw = 1.7\nload_loss_kw = 10.3\ni0_pct = 0.7\nuk_pct = 4.5\n"
"""Figures of the usual size, chosen for the test."""


def customer(*, nameplate: str = NAMEPLATE, mode: str = "hl", tariff: str = "two_part_demand", more: str = "") -> str:
    """Its registry entries."""
    return f"""
[[supply_line]]
supply_line = "L1"
[[transformer]]
transformer = "T1"
{nameplate}
[[account]]
account_no = "{BEHIND}"
account_name = "低压计量户"
[[account_terms]]
account_no = "{BEHIND}"
voltage_level_kv = 10
contract_capacity_kva = 1000
running_capacity_kva = 1000
contract_demand_kw = 400
tariff_mode = "{tariff}"
reading_day = 1
settlements_per_month = 1
[[account_pf_standard]]
account_no = "{BEHIND}"
pf_standard = 0.90
[[account_tariff]]
account_no = "{BEHIND}"
tariff_table = "T"
[[transformer_state]]
transformer = "T1"
account_no = "{BEHIND}"
status = "run"
[[price_table]]
price_table = "LARGE"
[[energy_price]]
price_table = "LARGE"
period = "all"
price_cny_per_kwh = 0.6
valid_from = 2026-01-01
[[basic_price]]
price_table = "LARGE"
capacity_cny_per_kva_month = 20
demand_cny_per_kw_month = 30
valid_from = 2026-01-01
[[account_price]]
account_no = "{BEHIND}"
price_table = "LARGE"
valid_from = 2026-01-01
[[point]]
point = "P3"
metering_mode = "{mode}"
[[point_account]]
point = "P3"
account_no = "{BEHIND}"
[[point_supply]]
point = "P3"
supply_line = "L1"
[[point_ratio]]
point = "P3"
wiring = "3p4w"
pt = 1
ct = "200/5"
[[meter]]
meter_no = "M3"
interval_min = 1
[[meter_point]]
meter_no = "M3"
point = "P3"
{more}"""


def june(workspace: Workspace, *, kwh: str = "7200", kvarh: str = "5400", split: bool = True) -> None:
    """A June of 288 000 kWh and 216 000 kvarh at the meter: 500 kVA through 1000 kVA, β = 0.5; tariffs 1 : 2 : 3 : 4."""
    for at, active, lag in (("2026-06-01T00:00", "0", "0"), ("2026-07-01T00:00", kwh, kvarh)):
        put(workspace, "energy", at, meter="M3", **{"import": active, "q1": lag, "q4": "0"})
        for number in range(1, 5) if split else ():
            value = str(Decimal(active) * number / 10)
            put(workspace, "tariff_energy", at, meter="M3", **{"import": value, "tariff": number})


def minutes(workspace: Workspace, day: str = "2026-06-10", *, base: str = "8", peak: str = "10") -> None:
    """Four hours of minute powers: base, and 15 minutes at the peak from 01:07 on, astride two blocks of the clock."""
    begin = local(f"{day}T00:00")
    rows = []
    for minute in range(1, 241):
        kw = peak if 67 < minute <= 82 else base
        at = (begin + dt.timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M")
        values: dict[str, Any] = {"p": kw, "q": str(Decimal(kw) * 3 / 4)}
        given = row("energy", at, values, meter="M3", kind="interval", quality=0, recv=None)
        rows.append(given)
    table = pa.Table.from_pylist(rows, schema=FAMILIES["power"].input_schema)
    ingest(workspace, {"power": table}, source="minutes")


def enrolled(workspace: Workspace, **options: Any) -> Workspace:
    """The workspace with the customer in it."""
    register(workspace, customer(**options))
    return workspace


def report_rows(workspace: Workspace, out: Path, kind: str, table: str, *, lang: str = "en") -> list[dict[str, str]]:
    """The rows of a table in the account's report of June as CSV."""
    given = [
        "report",
        kind,
        "--period",
        "2026-06",
        "--account",
        BEHIND,
        "--as",
        "csv",
        "--out",
        str(out),
        "--jobs",
        "1",
    ]
    now = "2026-08-15T00:00+08:00"
    assert run([*given, "--workspace", str(workspace.root), "--now", now, "--lang", lang]) == 0
    found = [path for path in sorted(out.rglob("*.csv")) if path.name.endswith(f"{table}.csv")]
    assert len(found) == 1, sorted(path.name for path in out.rglob("*"))
    return list(csv.DictReader(io.StringIO(found[0].read_text("utf-8-sig"))))
