"""Why an amount of money is not available, in words."""

from __future__ import annotations

from keyacct.i18n import Text

REASONS: dict[str, Text] = {
    "no_price": Text("not available: no energy price in the registry", "暂无: 档案未登记电度电价"),
    "no_energy": Text("not available: no energy is known", "暂无: 无电量数据"),
    "energy_without_period": Text(
        "not available: energy that belongs to no tariff period", "暂无: 部分电量未能归属时段"
    ),
    "loss_unknown": Text("not available: losses of the transformer are not known", "暂无: 变压器损耗未知"),
    "no_basic_price": Text("not available: no basic price in the registry", "暂无: 档案未登记基本电价"),
    "no_capacity": Text("not available: no capacity in the registry", "暂无: 档案未登记容量"),
    "no_demand": Text("not available: no maximum demand is known", "暂无: 无最大需量"),
    "several_lines": Text(
        "not available: the demands of several lines are billed one by one", "暂无: 多路进线须分路计需量"
    ),
    "not_a_month": Text("not available: a basic charge is of a calendar month", "暂无: 基本电费按自然月计收"),
    "not_over": Text("not available: the month is not over", "暂无: 当月尚未结束"),
    "no_tariff_mode": Text("not available: no tariff mode in the registry", "暂无: 档案未登记电价制度"),
    "no_adjustment": Text("not available: no adjustment percent", "暂无: 无调整百分数"),
}
"""Reason codes of `keyacct.analysis.charges`."""
