"""Columns and tables of the evaluation of an event of orderly power use."""

from __future__ import annotations

from keyacct.i18n import Text
from keyacct.report.document import Column, TableSpec
from keyacct.report.sections.common import COMPLETENESS_FIGURE, DAY, KW, KWH, MINUTES, PERCENT
from keyacct.report.sections.office import ACCOUNT_NAME, amount, share, words
from keyacct.report.sections.shed_columns import ACCOUNT, AREA, BLOCK, CUSTOMERS, FROM, HOURS, MEASURE, UNTIL

RULE = Text("orderly power use: evaluation after the event (design default)", "有序用电事后评价 (设计取值)")
NO_VALUE = Text("no metered value or no baseline", "无计量数据或无基线")
NO_DEMAND = Text("no demand of its own", "无单独指标")
NEVER = Text("not reached", "未达到")

ENDS_AT = Column("ends_at", Text("End of interval", "时段止点"), Text("End of the interval.", "时段止点。"), "instant")
REQUIRED = amount(
    "required_kw",
    Text("Required", "需求"),
    Text("Required reduction, margin contained.", "需压减负荷, 已含裕度。"),
    KW,
    1,
    absent=NO_DEMAND,
)
PLANNED = amount("planned_kw", Text("Ordered", "下达"), Text("Ordered reduction.", "下达压减负荷。"), KW, 1)
ACHIEVED = amount(
    "achieved_kw",
    Text("Achieved", "实际"),
    Text("Baseline less metered, of the measured customers.", "基线减实测负荷, 仅计有数据客户。"),
    KW,
    1,
    absent=NO_VALUE,
    source=RULE,
)
PLANNED_KWH = amount(
    "planned_kwh", Text("Ordered energy", "下达电量"), Text("Ordered reduction as energy.", "下达压减电量。"), KWH, 1
)
ACHIEVED_KWH = amount(
    "achieved_kwh",
    Text("Achieved energy", "实际电量"),
    Text("Achieved reduction as energy; missing intervals count as nothing.", "实际压减电量, 缺数时刻不计。"),
    KWH,
    1,
    absent=NO_VALUE,
    source=RULE,
)
RATE = Column(
    "execution_rate_pct",
    Text("Execution", "执行率"),
    Text(
        "Mean over the ordered intervals of min(1, achieved / ordered), not below 0; a missing interval counts as 0.",
        "各下达时刻 min(1, 实际/下达) 的平均值, 不小于0; 缺数时刻按0计。",
    ),
    "share",
    PERCENT,
    1,
    RULE,
    NO_VALUE,
)
COMPLIANCE = Column(
    "limit_compliance_pct",
    Text("Limit kept", "限额遵守率"),
    Text(
        "Share of ordered intervals in which the metered load is at most 105 % of the limit (share as configured).",
        "实测负荷不超过限额105%的时刻占比 (比例可配置)。",
    ),
    "share",
    PERCENT,
    1,
    RULE,
    NO_VALUE,
)
MISSING = Column("missing", Text("Missing", "缺数"), Text("Customer intervals without a value.", "缺数的客户时刻数。"))
EXECUTED = Column(
    "executed",
    Text("Executed", "已执行"),
    Text(
        "Orders with an execution rate of 80 % and more that was first reached within two intervals (as configured).",
        "执行率不低于80%且两个时刻内达到的措施数 (可配置)。",
    ),
    source=RULE,
)
ORDERS = Column(
    "orders", Text("Orders", "措施数"), Text("Customers times blocks with a measure.", "下达措施数 (户·时段)。")
)
PEAK = amount(
    "achieved_peak_kw",
    Text("Highest achieved", "最大实际"),
    Text("Highest achieved reduction.", "最大实际压减负荷。"),
    KW,
    1,
    absent=NO_VALUE,
    source=RULE,
)
SHORT = amount(
    "short_kwh",
    Text("Short", "欠控电量"),
    Text("Required less achieved reduction, as energy.", "需求减实际的电量。"),
    KWH,
    1,
    absent=NO_DEMAND,
    source=RULE,
)

INTERVALS_TABLE = TableSpec(
    "shed_intervals",
    Text("Reduction by interval", "分时刻压减"),
    Text("Intervals", "分时刻"),
    (
        ENDS_AT,
        BLOCK,
        REQUIRED,
        PLANNED,
        ACHIEVED,
        RATE,
        Column("ordered", Text("Ordered", "下达户数"), Text("Customers ordered.", "下达户数。")),
        MISSING,
    ),
)
BLOCKS_TABLE = TableSpec(
    "shed_evaluated_blocks",
    Text("By time block", "分时段"),
    Text("By time block", "分时段"),
    (
        BLOCK,
        FROM,
        UNTIL,
        CUSTOMERS,
        REQUIRED,
        PLANNED,
        PEAK,
        PLANNED_KWH,
        ACHIEVED_KWH,
        SHORT,
        RATE,
        ORDERS,
        EXECUTED,
        MISSING,
    ),
)
AREAS_TABLE = TableSpec(
    "shed_evaluated_areas",
    Text("By area", "分区域"),
    Text("By area", "分区域"),
    (AREA, CUSTOMERS, REQUIRED, PLANNED, PEAK, PLANNED_KWH, ACHIEVED_KWH, SHORT, RATE, ORDERS, EXECUTED, MISSING),
)
CUSTOMERS_TABLE = TableSpec(
    "shed_evaluated_customers",
    Text("By customer", "分客户"),
    Text("By customer", "分客户"),
    (
        ACCOUNT,
        ACCOUNT_NAME,
        AREA,
        words("measures", Text("Measures", "措施"), Text("Measures taken.", "措施。")),
        PLANNED_KWH,
        ACHIEVED_KWH,
        RATE,
        COMPLIANCE,
        ORDERS,
        EXECUTED,
        MISSING,
        Column(
            "ceiling_kept",
            Text("Limit", "限额"),
            Text("Whether no interval is above the limit.", "是否未超限额。"),
            "verdict",
            absent=NO_VALUE,
        ),
        Column(
            "safety_kept",
            Text("Safety load", "保安负荷"),
            Text("Whether the load never fell below the safety load.", "是否未低于保安负荷。"),
            "verdict",
            absent=NO_VALUE,
        ),
    ),
)
CEILINGS_TABLE = TableSpec(
    "shed_ceilings",
    Text("Limits broken", "超限额记录"),
    Text("Limits broken", "超限额"),
    (
        ACCOUNT,
        ACCOUNT_NAME,
        MEASURE,
        FROM,
        UNTIL,
        amount("minutes", Text("Length", "时长"), Text("Length of the run.", "持续时间。"), MINUTES, 0),
        amount("limit_kw", Text("Limit", "限额"), Text("Limit at the worst interval.", "最严重时刻的限额。"), KW, 1),
        amount(
            "metered_kw",
            Text("Metered", "实测"),
            Text("Highest excess: metered load.", "超限最多时刻的实测负荷。"),
            KW,
            1,
        ),
        amount("over_kw", Text("Over", "超出"), Text("Metered less limit.", "实测减限额。"), KW, 1),
        amount("over_kwh", Text("Over, energy", "超出电量"), Text("Energy above the limit.", "超限额电量。"), KWH, 1),
        Column(
            "worst_at",
            Text("Worst at", "最严重时刻"),
            Text("End of the worst interval.", "最严重时刻止点。"),
            "instant",
        ),
    ),
)
SAFETY_TABLE = TableSpec(
    "shed_below_safety",
    Text("Below the safety load", "低于保安负荷记录"),
    Text("Below safety load", "低于保安负荷"),
    (
        ACCOUNT,
        ACCOUNT_NAME,
        MEASURE,
        FROM,
        UNTIL,
        amount("minutes", Text("Length", "时长"), Text("Length of the run.", "持续时间。"), MINUTES, 0),
        amount("safety_kw", Text("Safety load", "保安负荷"), Text("Safety load.", "保安负荷。"), KW, 1),
        amount("metered_kw", Text("Metered", "实测"), Text("Lowest metered load.", "最低实测负荷。"), KW, 1),
        words(
            "expected",
            Text("Expected", "预计情况"),
            Text("Whether the plan already expected less than the safety load.", "方案是否已预计低于保安负荷。"),
        ),
        Column(
            "worst_at",
            Text("Worst at", "最严重时刻"),
            Text("End of the worst interval.", "最严重时刻止点。"),
            "instant",
        ),
    ),
)
BURDEN_TABLE = TableSpec(
    "shed_burdens",
    Text("Hours and energy borne", "承担时长与电量"),
    Text("Rotation account", "轮休台账"),
    (
        ACCOUNT,
        ACCOUNT_NAME,
        DAY,
        amount("ordered_h", Text("Ordered", "下达时长"), Text("Hours under a measure.", "措施时长。"), HOURS, 2),
        amount(
            "measured_h", Text("Measured", "有数据时长"), Text("Of these with a value.", "其中有数据时长。"), HOURS, 2
        ),
        amount(
            "borne_h",
            Text("Borne", "承担时长"),
            Text("Hours in which more than 1 kW was given (as configured).", "压减超过1kW的时长 (可配置)。"),
            HOURS,
            2,
            source=RULE,
        ),
        amount("borne_kwh", Text("Energy borne", "承担电量"), Text("Energy given.", "压减电量。"), KWH, 1, source=RULE),
    ),
    detail=True,
)
AFTER_TABLE = TableSpec(
    "shed_after_release",
    Text("After release", "恢复后"),
    Text("After release", "恢复后"),
    (
        ENDS_AT,
        amount(
            "planned_kw",
            Text("Planned return", "计划返回"),
            Text("Returning load that the plan allows.", "方案安排的返回负荷。"),
            KW,
            1,
        ),
        amount(
            "rebound_kw",
            Text("Above baseline", "高于基线"),
            Text("Metered less baseline of the touched customers.", "涉及客户实测减基线。"),
            KW,
            1,
            absent=NO_VALUE,
            source=RULE,
        ),
        amount(
            "headroom_kw",
            Text("Headroom", "可接纳空间"),
            Text("Room for returning load.", "可接纳的返回负荷。"),
            KW,
            1,
            absent=Text("no limit", "不限"),
        ),
        MISSING,
    ),
    detail=True,
)

RATE_FIGURE = share(
    "event_execution_pct",
    Text("Execution", "执行率"),
    Text(
        "Mean over the intervals of min(1, achieved / ordered) of all customers together.",
        "各时刻全部客户 min(1, 实际/下达) 的平均值。",
    ),
    1,
    source=RULE,
)
ORDERS_FIGURE = share(
    "orders_executed_pct",
    Text("Orders executed", "有序用电实施率"),
    Text(
        "Orders executed correctly and in time of all orders; target 100 %.",
        "正确、按时执行的措施占全部措施的比例, 目标100%。",
    ),
    1,
    source=RULE,
)
PEAK_FIGURE = amount(
    "event_achieved_peak_kw",
    Text("Highest achieved reduction", "最大实际压减"),
    Text("Highest achieved reduction.", "最大实际压减负荷。"),
    KW,
    0,
    absent=NO_VALUE,
    source=RULE,
)
COMPLIANCE_FIGURE = share(
    "event_limit_compliance_pct",
    Text("Limits kept", "限额遵守率"),
    Text(
        "Share of ordered customer intervals at or below 105 % of the limit (as configured).",
        "不超过限额105%的客户时刻占比 (可配置)。",
    ),
    1,
    source=RULE,
)
SAFETY_FIGURE = Column(
    "runs_below_safety",
    Text("Below safety load", "低于保安负荷"),
    Text("Runs of intervals below a safety load; must be 0.", "低于保安负荷的次数, 应为0。"),
    source=RULE,
)
SHORT_FIGURE = amount(
    "event_short_kwh",
    Text("Short of the demand", "欠控电量"),
    Text("Required less achieved reduction, as energy.", "需求减实际压减的电量。"),
    KWH,
    0,
    source=RULE,
)
NOT_SERVED_FIGURE = amount(
    "not_served_kwh",
    Text("Energy not served", "少供电量"),
    Text(
        "Energy avoided, limited and tripped; shifted energy comes back and is not in it.",
        "避峰、限电、拉闸的压减电量, 不含错峰。",
    ),
    KWH,
    0,
    absent=NO_VALUE,
    source=RULE,
)
REBOUND_FIGURE = amount(
    "rebound_peak_kw",
    Text("Rebound peak", "恢复反弹峰值"),
    Text(
        "Highest load above the baseline after the last block, touched customers together.",
        "末个时段结束后涉及客户高于基线的最大负荷。",
    ),
    KW,
    0,
    absent=NO_VALUE,
    source=RULE,
)

TABLES = (
    INTERVALS_TABLE,
    BLOCKS_TABLE,
    AREAS_TABLE,
    CUSTOMERS_TABLE,
    CEILINGS_TABLE,
    SAFETY_TABLE,
    AFTER_TABLE,
    BURDEN_TABLE,
)
FIGURES = (
    RATE_FIGURE,
    ORDERS_FIGURE,
    PEAK_FIGURE,
    SHORT_FIGURE,
    COMPLIANCE_FIGURE,
    SAFETY_FIGURE,
    NOT_SERVED_FIGURE,
    REBOUND_FIGURE,
    COMPLETENESS_FIGURE,
)
