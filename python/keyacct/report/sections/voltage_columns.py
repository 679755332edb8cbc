"""Columns and tables of the voltage section (domain: statistics per point, per phase, per day and month)."""

from __future__ import annotations

from keyacct.i18n import Text
from keyacct.report.document import Column, TableSpec
from keyacct.report.sections.common import COMPLETENESS, DAY, METER, MINUTES, PERCENT, POINT, VOLT

GB12325 = Text("GB/T 12325-2008", "GB/T 12325-2008")
NO_LIMITS = Text("no voltage limits in the registry", "档案未登记电压上下限")

PHASE = Column(
    "phase",
    Text("Phase", "相别"),
    Text("Phase or line pair; `all` joins the point's phases.", "相或线电压; “合计”为该点各相合并。"),
    "text",
)
LOWER = Column(
    "lower_v",
    Text("Lower limit", "下限"),
    Text("Lower limit of the permitted voltage.", "电压允许下限。"),
    unit=VOLT,
    decimals=1,
    source=GB12325,
    absent=NO_LIMITS,
)
UPPER = Column(
    "upper_v",
    Text("Upper limit", "上限"),
    Text("Upper limit of the permitted voltage.", "电压允许上限。"),
    unit=VOLT,
    decimals=1,
    source=GB12325,
    absent=NO_LIMITS,
)
MONITORED = Column(
    "monitored_min",
    Text("Monitored", "监测总时间"),
    Text(
        "Minutes with a valid value that is not below the assessment floor.",
        "有有效值且不低于考核下限的分钟数。",
    ),
    unit=MINUTES,
    source=GB12325,
)
OVER = Column(
    "over_limit_min",
    Text("Over limit", "超上限时间"),
    Text("Monitored minutes above the upper limit.", "监测时间内电压高于上限的分钟数。"),
    unit=MINUTES,
    source=GB12325,
    absent=NO_LIMITS,
)
UNDER = Column(
    "under_limit_min",
    Text("Under limit", "超下限时间"),
    Text("Monitored minutes below the lower limit.", "监测时间内电压低于下限的分钟数。"),
    unit=MINUTES,
    source=GB12325,
    absent=NO_LIMITS,
)
BELOW_FLOOR = Column(
    "below_floor_min",
    Text("Below floor", "低于考核下限"),
    Text(
        "Minutes below the assessment floor (outage, blown fuse); not monitored, not counted as under limit.",
        "低于考核下限(停电、熔断等)的分钟数, 不计入监测时间与超下限时间。",
    ),
    unit=MINUTES,
)
OVERVOLTAGE = Column(
    "overvoltage_min",
    Text("Over-voltage", "过压时间"),
    Text(
        "Minutes above the over-voltage threshold; part of the minutes over limit.",
        "高于过压门槛的分钟数, 已包含在超上限时间内。",
    ),
    unit=MINUTES,
)
RATE = Column(
    "rate_pct",
    Text("Compliance rate", "电压合格率"),
    Text(
        "1 − (over limit + under limit) / monitored, from the minutes of the whole span.",
        "1 − (超上限时间 + 超下限时间) / 监测总时间, 按全时段分钟数计算。",
    ),
    "share",
    PERCENT,
    3,
    GB12325,
    Text("no monitored minute", "无有效监测时间"),
)
TARGET = Column(
    "target_pct",
    Text("Target", "目标值"),
    Text("Target of the compliance rate.", "电压合格率目标值。"),
    "share",
    PERCENT,
    2,
)
PASSED = Column(
    "passed",
    Text("Assessment", "评价"),
    Text("Whether the rate reaches the target.", "合格率是否达到目标值。"),
    "verdict",
    absent=Text("no rate to assess", "无合格率可评价"),
)
CLASS = Column(
    "monitoring_class",
    Text("Class", "监测点类别"),
    Text("Monitoring-point class A to D.", "监测点类别(A~D类)。"),
    "text",
    source=GB12325,
    absent=Text("no class in the registry", "档案未登记类别"),
)
NOMINAL = Column(
    "nominal_v",
    Text("Nominal", "标称电压"),
    Text("Nominal voltage that the limits refer to.", "上下限所依据的标称电压。"),
    unit=VOLT,
    decimals=1,
)
MAX = Column(
    "max_v",
    Text("Maximum", "最大电压"),
    Text("Highest value; the first one on ties.", "最高电压值, 相同时取首次。"),
    unit=VOLT,
    decimals=1,
)
MAX_AT = Column(
    "max_at",
    Text("Time of maximum", "最大电压时间"),
    Text("End of the interval of the highest value.", "最高电压所在时段的止点。"),
    "instant",
)
MIN = Column(
    "min_v",
    Text("Minimum", "最小电压"),
    Text("Lowest value that is not below the assessment floor.", "不低于考核下限的最低电压值。"),
    unit=VOLT,
    decimals=1,
)
MIN_AT = Column(
    "min_at",
    Text("Time of minimum", "最小电压时间"),
    Text("End of the interval of the lowest value.", "最低电压所在时段的止点。"),
    "instant",
)
MEAN = Column(
    "mean_v",
    Text("Mean", "平均电压"),
    Text("Time-weighted mean of the monitored minutes.", "监测时间内按时间加权的平均电压。"),
    unit=VOLT,
    decimals=1,
)
RESOLUTION = Column(
    "resolution_min",
    Text("Resolution", "数据间隔"),
    Text("Interval that one value stands for.", "每个数据所代表的时间间隔。"),
    unit=MINUTES,
)

COMPLIANCE = TableSpec(
    "voltage_compliance",
    Text("Voltage compliance by point and phase", "各监测点分相电压合格率"),
    Text("Voltage compliance", "电压合格率"),
    (
        POINT,
        METER,
        PHASE,
        LOWER,
        UPPER,
        MONITORED,
        OVER,
        UNDER,
        BELOW_FLOOR,
        OVERVOLTAGE,
        RATE,
        TARGET,
        PASSED,
    ),
)
EXTREMES = TableSpec(
    "voltage_extremes",
    Text("Highest, lowest and mean voltage", "最大、最小与平均电压"),
    Text("Voltage extremes", "电压极值"),
    (POINT, PHASE, CLASS, NOMINAL, MAX, MAX_AT, MIN, MIN_AT, MEAN, COMPLETENESS, RESOLUTION),
)
DAILY = TableSpec(
    "voltage_daily",
    Text("Voltage by day", "逐日电压统计"),
    Text("Voltage by day", "逐日电压"),
    (
        DAY,
        POINT,
        PHASE,
        MONITORED,
        OVER,
        UNDER,
        BELOW_FLOOR,
        RATE,
        MAX,
        MAX_AT,
        MIN,
        MIN_AT,
        MEAN,
        COMPLETENESS,
    ),
    detail=True,
)
TABLES = (COMPLIANCE, EXTREMES, DAILY)
FIGURE = Column(
    "voltage_compliance_pct",
    Text("Voltage compliance", "电压合格率"),
    Text("Compliance rate of the account's point with the lowest rate.", "客户各监测点中最低的电压合格率。"),
    "share",
    PERCENT,
    3,
    GB12325,
    Text("no monitored minute", "无有效监测时间"),
)
