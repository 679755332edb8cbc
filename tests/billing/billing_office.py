"""An office with one account at 35 kV, whose registers a test writes by hand."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from decimal import Decimal
from typing import Any

import pyarrow as pa

from keyacct.config import Workspace
from keyacct.registry.importing import import_registry
from keyacct.store.families import FAMILIES
from keyacct.store.ingest import ingest

ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")
ACCOUNT = "1000000001"

ACCOUNT_ENTRIES = """
[[tariff_table]]
tariff_table = "T"
[[tariff_slot]]
tariff_table = "T"
start_min = "00:00"
end_min = "24:00"
period = "flat"
[[account]]
account_no = "1000000001"
account_name = "日月化工集团"
[[account_terms]]
account_no = "1000000001"
voltage_level_kv = 35
contract_capacity_kva = 30500
tariff_mode = "two_part_demand"
contract_demand_kw = 25000
reading_day = 1
settlements_per_month = 1
[[account_pf_standard]]
account_no = "1000000001"
pf_standard = 0.90
[[account_tariff]]
account_no = "1000000001"
tariff_table = "T"
[[point]]
point = "P1"
[[point_account]]
point = "P1"
account_no = "1000000001"
[[point_ratio]]
point = "P1"
wiring = "3p3w"
pt = "35000/100"
ct = "500/5"
valid_to = "2026-09-01"
[[point_ratio]]
point = "P1"
wiring = "3p3w"
pt = "35000/100"
ct = "600/5"
valid_from = "2026-09-01"
[[meter]]
meter_no = "M1"
[[meter]]
meter_no = "M2"
"""

ONE_METER = """
[[meter_point]]
meter_no = "M1"
point = "P1"
"""

EXCHANGED = """
[[meter_point]]
meter_no = "M1"
point = "P1"
valid_to = 2026-06-16T10:00:00
[[meter_point]]
meter_no = "M2"
point = "P1"
valid_from = 2026-06-16T10:00:00
[[meter_exchange]]
point = "P1"
exchanged_at = 2026-06-16T10:00:00
old_meter_no = "M1"
new_meter_no = "M2"
reason = "fault"
"""


def local(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZONE)


def register(workspace: Workspace, text: str, **options: Any) -> None:
    import_registry(workspace, text, **options)


def row(
    family: str, at: str, values: dict[str, Any], *, meter: str, kind: str, quality: int, recv: str | None
) -> dict[str, Any]:
    exact = {
        name: Decimal(value) if not name.endswith("_at") and name != "tariff" else value
        for name, value in values.items()
    }
    keys: dict[str, Any] = {} if family == "energy" else {"tariff": 0}
    received = local(recv) if recv is not None else None
    return {"meter": meter, "kind": kind, "ts": local(at), **keys, **exact, "quality": quality, "recv_at": received}


def put(
    workspace: Workspace, family: str, at: str, *, meter: str = "M1", kind: str = "freeze_settlement", quality: int = 0,
    recv: str | None = None, **values: Any,
) -> None:  # fmt: skip
    """One row of a family as a meter sent it."""
    given = row(family, at, values, meter=meter, kind=kind, quality=quality, recv=recv)
    table = pa.Table.from_pylist([given], schema=FAMILIES[family].input_schema)
    ingest(workspace, {family: table}, source=f"{family} {at} {meter}")


def freeze_registers(
    workspace: Workspace, at: str, total: str, split: tuple[str, str, str, str], lag: str, lead: str, *, meter: str = "M1",
    **more: Any,
) -> None:  # fmt: skip
    """Total and tariff registers of an instant, and the reactive ones (q1, q4)."""
    energy = row("energy", at, {"import": total, "q1": lag, "q4": lead}, meter=meter, **_more(more))
    tariffs = [
        row("tariff_energy", at, {"import": value, "tariff": number}, meter=meter, **_more(more))
        for number, value in enumerate(split, 1)
    ]
    ingest(
        workspace,
        {
            "energy": pa.Table.from_pylist([energy], schema=FAMILIES["energy"].input_schema),
            "tariff_energy": pa.Table.from_pylist(tariffs, schema=FAMILIES["tariff_energy"].input_schema),
        },
        source=f"{at} {meter} {total} {more}",
    )


def _more(given: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "freeze_settlement", "quality": 0, "recv": None, **given}
