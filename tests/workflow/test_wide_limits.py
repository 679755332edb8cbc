"""limits.parquet of `keyacct store export --wide`: what the registry says of each meter, in the form that stats reads."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from pathlib import Path

import pytest

from keyacct.cli.run import run
from keyacct.workflow.wide_limits import wide_limits
from keyacct.workflow.workspace import init_workspace

REGISTRY = """
[[account]]
account_no = "1000000001"
account_name = "Works"
[[account_pf_standard]]
account_no = "1000000001"
pf_standard = 0.90
[[tariff_table]]
tariff_table = "T"
{slots}
[[account_tariff]]
account_no = "1000000001"
tariff_table = "T"
"""
POINT = """
[[point]]
point = "P{n}"
kind = "billing"
[[point_account]]
point = "P{n}"
account_no = "1000000001"
[[meter]]
meter_no = "M{n}"
reading_side = "{side}"
[[meter_point]]
meter_no = "M{n}"
point = "P{n}"
[[point_ratio]]
point = "P{n}"
wiring = "3p4w"
pt = "10000/100"
ct = "200/5"
"""
LIMIT = """
[[voltage_limit]]
point = "P{n}"
nominal_v = {nominal}
lower_v = {lower}
upper_v = 6100
{dates}
"""


def slot(start, end, period, more=""):
    return (
        f'[[tariff_slot]]\ntariff_table = "T"\nstart_min = "{start}"\nend_min = "{end}"\nperiod = "{period}"\n{more}\n'
    )


SUMMER = 'season_from = "06-01"\nseason_to = "08-31"'
WINTER = 'season_from = "09-01"\nseason_to = "05-31"'


@pytest.fixture
def workspace(tmp_path: Path):
    office = init_workspace(tmp_path / "office", name="office")
    summer = [("00:00", "08:00", "valley"), ("08:00", "10:30", "flat"), ("10:30", "12:00", "sharp")]
    summer += [("12:00", "19:00", "flat"), ("19:00", "24:00", "peak")]
    slots = "".join(slot(*one, SUMMER) for one in summer) + slot("00:00", "24:00", "flat", WINTER)
    text = REGISTRY.format(slots=slots)
    text += POINT.format(n=1, side="secondary") + LIMIT.format(
        n=1, nominal=5774, lower=5370, dates="valid_to = 2026-06-10"
    )
    text += LIMIT.format(n=1, nominal=5774, lower=5400, dates="valid_from = 2026-06-10")
    text += POINT.format(n=2, side="primary") + LIMIT.format(n=2, nominal=5774, lower=5370, dates="")
    text += POINT.format(n=3, side="secondary")
    (tmp_path / "registry.toml").write_text(text)
    assert run(["registry", "import", str(tmp_path / "registry.toml"), "--workspace", str(office.root)]) == 0
    return office


def test_limits_are_those_of_the_end_of_the_span_and_gaps_are_named(workspace) -> None:
    zone = zoneinfo.ZoneInfo("Asia/Shanghai")
    start, end = (int(dt.datetime(2026, month, 1, tzinfo=zone).timestamp() * 1000) for month in (6, 7))
    limits = wide_limits(workspace, start, end)
    summer = "V" * 16 + "F" * 5 + "P" * 3 + "F" * 14 + "P" * 10
    same = {"u_nom": 5774.0, "u_upper": 6100.0, "pf_std": 0.9, "tariff": summer}
    assert limits.table.to_pylist() == [
        {"meter_id": "M1", "pt": 100.0, "u_lower": 5400.0, **same},
        {"meter_id": "M2", "pt": 1.0, "u_lower": 5370.0, **same},
    ]
    assert (limits.incomplete, limits.changed) == (("M3",), ("M1",))
    winter = int(dt.datetime(2026, 10, 1, tzinfo=zone).timestamp() * 1000)
    assert set(wide_limits(workspace, winter, winter + 86_400_000).table["tariff"].to_pylist()) == {"F" * 48}
