"""Columns of what a poll prints."""

from __future__ import annotations

from keyacct.cli.render import Column
from keyacct.i18n import Text

ROW_COLUMNS = (
    Column("meter", Text("meter", "电表")),
    Column("time", Text("time", "时间")),
    Column("quantity", Text("quantity", "量")),
    Column("phase", Text("phase", "相")),
    Column("tariff", Text("tariff", "费率")),
    Column("value", Text("value", "数值")),
    Column("unit", Text("unit", "单位")),
    Column("quality", Text("quality", "质量")),
)
