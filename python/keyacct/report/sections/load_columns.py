"""Columns and tables of the load and demand section."""

from __future__ import annotations

from keyacct.i18n import Text
from keyacct.report.document import Column, TableSpec
from keyacct.report.sections.common import COMPLETENESS, DAY, KW, KWH, PERCENT

ENERGY = Column(
    "energy_kwh",
    Text("Energy", "用电量"),
    Text("Active energy imported.", "用电(正向)有功电量。"),
    unit=KWH,
    decimals=2,
)
MAX_LOAD = Column(
    "md_kw",
    Text("Maximum load", "最大负荷"),
    Text(
        "Largest mean power of a block of the demand window, as the meters saw it (without losses of transformers).",
        "需量周期 (固定区间) 平均功率的最大值, 按表计计量, 不含变压器损耗。",
    ),
    unit=KW,
    decimals=2,
    absent=Text("no complete demand window", "无完整的需量周期"),
)
MAX_LOAD_AT = Column(
    "md_at",
    Text("Time of maximum", "最大负荷时间"),
    Text("End of the block of the maximum load.", "最大负荷所在区间的止点。"),
    "instant",
    absent=MAX_LOAD.absent,
)
DEMAND_KIND = Column(
    "demand_kind",
    Text("Load windows", "负荷区间"),
    Text("The windows that the maximum load was sought in.", "求取最大负荷所用的区间。"),
    "text",
)
DEMAND = Column(
    "demand_kw",
    Text("Maximum demand", "最大需量"),
    Text(
        "The demand that is billed: the meters' own where they have frozen it, else the highest of a sliding window, else of "
        "blocks; with the losses of the transformer where the metering is behind it.",
        "计费最大需量: 有表计冻结需量时取冻结值, 否则取滑差式, 再否则取区间式; 高供低计的含变压器损耗。",
    ),
    unit=KW,
    decimals=2,
    absent=Text("no complete demand window", "无完整的需量周期"),
)
DEMAND_AT = Column(
    "demand_at",
    Text("Time of maximum demand", "最大需量时间"),
    Text("End of the window of the maximum demand.", "最大需量周期的止点。"),
    "instant",
    absent=Text("not told by the meters", "表计未给出"),
)
DEMAND_METHOD = Column(
    "demand_method",
    Text("Demand from", "需量依据"),
    Text("Where the demand comes from, and the window it was sought in.", "需量的来源及周期。"),
    "text",
    absent=DEMAND.absent,
)
DEMAND_LOSS = Column(
    "demand_loss_kw",
    Text("Of it losses", "其中变损"),
    Text("Losses of the transformer before the meters at that demand.", "该需量下表计前变压器的损耗。"),
    unit=KW,
    decimals=2,
    absent=Text("none", "无"),
)
DEMAND_STATE = Column(
    "demand_state",
    Text("State", "状态"),
    Text("Final, or provisional because of what is named.", "确定, 或因所列原因为暂定。"),
    "text",
)
MIN_LOAD = Column("min_kw", Text("Minimum load", "最小负荷"), Text("Lowest load.", "最低负荷。"), unit=KW, decimals=2)
MIN_LOAD_AT = Column(
    "min_at",
    Text("Time of minimum", "最小负荷时间"),
    Text("End of the interval of the lowest load.", "最低负荷所在时段的止点。"),
    "instant",
)
MEAN_LOAD = Column(
    "mean_kw",
    Text("Mean load", "平均负荷"),
    Text("Mean load of the measured time.", "有数据时间内的平均负荷。"),
    unit=KW,
    decimals=2,
)
LOAD_RATE = Column(
    "load_rate_pct",
    Text("Load rate", "负荷率"),
    Text("Mean load / maximum load of the same span.", "同一时段平均负荷与最大负荷之比。"),
    "share",
    PERCENT,
    2,
)
MIN_LOAD_RATE = Column(
    "min_load_rate_pct",
    Text("Minimum load rate", "最小负荷率"),
    Text("Minimum load / maximum load.", "最小负荷与最大负荷之比。"),
    "share",
    PERCENT,
    2,
)
GAP = Column(
    "peak_valley_gap_kw",
    Text("Peak-valley gap", "峰谷差"),
    Text("Maximum load − minimum load.", "最大负荷与最小负荷之差。"),
    unit=KW,
    decimals=2,
)
TARIFF = Column(
    "tariff_period",
    Text("Tariff period", "时段"),
    Text("Tariff period; `all` is the whole period.", "分时电价时段; “合计”为全时段。"),
    "text",
)
TARIFF_ENERGY = Column(
    "energy_kwh",
    Text("Energy", "用电量"),
    Text("Active energy of the tariff period.", "该时段有功电量。"),
    unit=KWH,
    decimals=2,
    absent=Text("no energy of this tariff period is known", "该时段电量未知"),
)
SHARE = Column(
    "share_pct",
    Text("Share", "占比"),
    Text("Energy of the tariff period / energy of the whole period.", "该时段电量占总用电量的比例。"),
    "share",
    PERCENT,
    2,
)
CURVE_AT = Column("at", Text("Interval end", "时段止点"), Text("End of the interval.", "时段的止点。"), "instant")
CURVE_LOAD = Column(
    "load_kw",
    Text("Load", "负荷"),
    Text("Mean active power of the interval.", "该时段平均有功功率。"),
    unit=KW,
    decimals=2,
)

TOTAL = TableSpec(
    "load_total",
    Text("Load of the period", "本期负荷"),
    Text("Load", "负荷"),
    (
        ENERGY,
        MAX_LOAD,
        MAX_LOAD_AT,
        DEMAND_KIND,
        MIN_LOAD,
        MIN_LOAD_AT,
        MEAN_LOAD,
        LOAD_RATE,
        MIN_LOAD_RATE,
        GAP,
        COMPLETENESS,
    ),
)
BILLED = TableSpec(
    "demand_total",
    Text("Demand that is billed", "计费需量"),
    Text("Demand", "需量"),
    (DEMAND, DEMAND_AT, DEMAND_METHOD, DEMAND_LOSS, DEMAND_STATE),
)
SPLIT = TableSpec(
    "energy_tariff",
    Text("Energy by tariff period", "分时电量"),
    Text("Energy by tariff", "分时电量"),
    (TARIFF, TARIFF_ENERGY, SHARE),
)
DAILY = TableSpec(
    "load_daily",
    Text("Load by day", "逐日负荷"),
    Text("Load by day", "逐日负荷"),
    (DAY, ENERGY, MAX_LOAD, MAX_LOAD_AT, MIN_LOAD, MIN_LOAD_AT, MEAN_LOAD, LOAD_RATE, COMPLETENESS),
)
CURVE = TableSpec(
    "load_curve",
    Text("Load curve of the day of maximum load", "最大负荷日负荷曲线"),
    Text("Load curve", "负荷曲线"),
    (CURVE_AT, CURVE_LOAD),
    detail=True,
)
TABLES = (TOTAL, BILLED, SPLIT, DAILY, CURVE)

ENERGY_FIGURE = Column("period_energy_kwh", Text("Energy", "用电量"), ENERGY.definition, unit=KWH, decimals=2)
DEMAND_FIGURE = Column(
    "max_demand_kw",
    Text("Maximum demand", "最大需量"),
    DEMAND.definition,
    unit=KW,
    decimals=2,
    absent=DEMAND.absent,
)
LOAD_RATE_FIGURE = Column(
    "period_load_rate_pct", Text("Load rate", "负荷率"), LOAD_RATE.definition, "share", PERCENT, 2
)
