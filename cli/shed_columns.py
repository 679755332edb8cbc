"""Columns of plans side by side, as `keyacct shed` shows them."""

from __future__ import annotations

from keyacct.cli.render import Column
from keyacct.i18n import Text

SUMMARY = [
    Column("method", Text("method", "方法")),
    Column("written", Text("written", "采用")),
    Column("objective", Text("objective J", "目标值 J"), 2),
    Column("bound", Text("proved bound", "下界"), 2),
    Column("gap_pct", Text("gap %", "差距 %"), 3),
    Column("unmet_kwh", Text("unmet kWh", "缺口 kWh"), 3),
    Column("shift_kwh", Text("shift kWh", "错峰 kWh"), 1),
    Column("avoid_kwh", Text("avoid kWh", "避峰 kWh"), 1),
    Column("limit_kwh", Text("limit kWh", "限电 kWh"), 1),
    Column("trip_kwh", Text("trip kWh", "拉闸 kWh"), 1),
    Column("touched", Text("customers", "户数"), 0),
    Column("tripped", Text("tripped", "拉闸户"), 0),
    Column("overshoot_kwh", Text("overshoot kWh", "超控 kWh"), 1),
    Column("jain", Text("Jain", "公平指数"), 4),
]
