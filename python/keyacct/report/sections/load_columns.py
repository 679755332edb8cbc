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
MAX_DEMAND = Column(
    "md_kw",
    Text("Maximum demand", "最大需量"),
    Text("Largest mean power of a demand window.", "需量周期内平均功率的最大值。"),
    unit=KW,
    decimals=2,
    absent=Text("no complete demand window", "无完整的需量周期"),
)
MAX_DEMAND_AT = Column(
    "md_at",
    Text("Time of maximum", "最大需量时间"),
    Text("End of the window of the maximum demand.", "最大需量周期的止点。"),
    "instant",
    absent=MAX_DEMAND.absent,
)
DEMAND_KIND = Column(
    "demand_kind",
    Text("Demand windows", "需量周期"),
    Text("The windows that the demand was sought in.", "求取最大需量所用的周期。"),
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
    Text("Load and demand of the period", "本期负荷与需量"),
    Text("Load and demand", "负荷与需量"),
    (
        ENERGY,
        MAX_DEMAND,
        MAX_DEMAND_AT,
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
    (DAY, ENERGY, MAX_DEMAND, MAX_DEMAND_AT, MIN_LOAD, MIN_LOAD_AT, MEAN_LOAD, LOAD_RATE, COMPLETENESS),
)
CURVE = TableSpec(
    "load_curve",
    Text("Load curve of the day of maximum demand", "最大需量日负荷曲线"),
    Text("Load curve", "负荷曲线"),
    (CURVE_AT, CURVE_LOAD),
    detail=True,
)
TABLES = (TOTAL, SPLIT, DAILY, CURVE)

ENERGY_FIGURE = Column("period_energy_kwh", Text("Energy", "用电量"), ENERGY.definition, unit=KWH, decimals=2)
DEMAND_FIGURE = Column(
    "max_demand_kw",
    Text("Maximum demand", "最大需量"),
    MAX_DEMAND.definition,
    unit=KW,
    decimals=2,
    absent=MAX_DEMAND.absent,
)
LOAD_RATE_FIGURE = Column(
    "period_load_rate_pct", Text("Load rate", "负荷率"), LOAD_RATE.definition, "share", PERCENT, 2
)
