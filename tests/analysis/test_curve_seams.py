"""A value on a seam is of the time that it ends: ratio changes, hours, the ends of a period, over a real store."""

from __future__ import annotations

import datetime as dt
import json
import zoneinfo
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from keyacct.cli.run import run
from keyacct.config import Workspace, open_workspace
from keyacct.registry.importing import import_registry
from keyacct.store.families import FAMILIES
from keyacct.store.ingest import ingest

ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")
REGISTRY = """
[[account]]
account_no = "1"
account_name = "Works"
[[point]]
point = "P"
[[point_account]]
point = "P"
account_no = "1"
[[meter]]
meter_no = "M"
[[meter_point]]
meter_no = "M"
point = "P"
"""
CHANGED = """
[[point_ratio]]
point = "P"
wiring = "3p4w"
pt = 1
ct = 40
valid_to = 2026-06-10T10:00:00
[[point_ratio]]
point = "P"
wiring = "3p4w"
pt = 1
ct = 20
valid_from = 2026-06-10T10:00:00
"""
CONSTANT = '[[point_ratio]]\npoint = "P"\nwiring = "3p4w"\npt = 1\nct = 40\n'


@pytest.fixture
def office(tmp_path: Path) -> Workspace:
    assert run(["init", str(tmp_path / "w")]) == 0
    return open_workspace(tmp_path / "w")


def put(workspace: Workspace, family: str, kind: str, values: dict[int, dict[str, Any]]) -> None:
    """Values of meter M by minute of 10 June."""
    midnight = dt.datetime(2026, 6, 10, tzinfo=ZONE)
    rows = [
        {
            "meter": "M",
            "kind": kind,
            "ts": midnight + dt.timedelta(minutes=minute),
            **row,
            "quality": 0,
            "recv_at": None,
        }
        for minute, row in values.items()
    ]
    table = pa.Table.from_pylist(rows, schema=FAMILIES[family].input_schema)
    ingest(workspace, {family: table}, source="test")


def asked(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], *more: str, what: str = "load"
) -> list[dict[str, Any]]:
    capsys.readouterr()
    given = ["query", what, "--period", "2026-06-10", "--format", "json", "--workspace", str(workspace.root), *more]
    assert run([*given, "--now", "2026-06-12T00:00+08:00"]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return rows


def test_a_value_at_the_change_of_a_ratio_has_the_ratio_of_the_time_that_it_ends(
    office: Workspace, capsys: Any
) -> None:
    """1 kW all day; 10:00 is the end of the last quarter hour with 40, not a value of both ratios."""
    import_registry(office, REGISTRY + CHANGED)
    put(office, "power", "interval", {minute: {"p": Decimal(1)} for minute in range(15, 1441, 15)})
    by_hour = asked(office, capsys, "--bucket", "hour")
    assert [row["load_mean_kw"] for row in by_hour] == [40.0] * 10 + [20.0] * 14
    assert {row["completeness"] for row in by_hour} == {1.0}
    quarters = asked(office, capsys, "--bucket", "15min")
    assert [row["load_mean_kw"] for row in quarters] == [40.0] * 40 + [20.0] * 56
    (day,) = asked(office, capsys, "--bucket", "day")
    assert (day["load_max_kw"], day["load_min_kw"], day["completeness"]) == (40, 20, 1)
    assert day["load_mean_kw"] == pytest.approx((40 * 10 + 20 * 14) / 24)


@pytest.mark.parametrize("kind", ["register", "interval"])
def test_the_last_quarter_hour_of_a_day_is_known_by_the_energy_at_its_end(
    office: Workspace, capsys: Any, kind: str
) -> None:
    """Energies only: 1 kWh a quarter hour (4 kW × 40), in the last one 3, in the first 2; what lies outside counts nothing."""
    import_registry(office, REGISTRY + CONSTANT)
    steps = dict.fromkeys(range(-30, 1501, 15), 1) | {15: 2, 1440: 3, 0: 100, 1455: 100}
    total, values = 0, {}
    for minute, step in steps.items() if kind == "interval" else sorted(steps.items()):
        total += step
        values[minute] = {"import": Decimal(total if kind == "register" else step)}
    put(office, "energy", kind, values)
    rows = asked(office, capsys, "--bucket", "15min")
    assert [row["load_mean_kw"] for row in rows] == [320.0] + [160.0] * 94 + [480.0]
    assert {row["completeness"] for row in rows} == {1.0}


@pytest.mark.parametrize("interval", [15, 1])
def test_a_demand_that_ends_with_the_hour_is_that_hour_s(office: Workspace, capsys: Any, interval: int) -> None:
    """5 kW × 40 from 09:45 to 10:00, else 1: by blocks, and by the sliding window where there are values every minute."""
    import_registry(office, REGISTRY + CONSTANT + f'[[meter_setting]]\nmeter_no = "M"\ninterval_min = {interval}\n')
    put(
        office, "power", "interval",
        {minute: {"p": Decimal(5 if 585 < minute <= 600 else 1)} for minute in range(interval, 1441, interval)},
    )  # fmt: skip
    rows = asked(office, capsys, "--bucket", "hour", what="demand")
    assert (rows[9]["demand_kw"], rows[9]["demand_at"]) == (200, "2026-06-10T10:00+08:00")
    # One minute later the window holds 14 minutes of it, and that is the next hour's.
    after = 40 if interval == 15 else 40 * (14 * 5 + 1) / 15
    assert rows[10]["demand_kw"] == pytest.approx(after)
    assert rows[23]["demand_at"] <= "2026-06-11T00:00+08:00"
    assert [row["demand_kw"] for row in rows[:9]] == [40] * 9
