"""Columns and tables of the papers of orderly power use."""

from __future__ import annotations

from keyacct.i18n import Text
from keyacct.report.document import Column, TableSpec
from keyacct.report.sections.common import KW, KWH, PERCENT
from keyacct.report.sections.office import ACCOUNT_NAME, amount, words

HOURS = Text("h", "小时")
NOT_GIVEN = Text("not in the order", "指令未载明")
NO_CONTACT = Text("no contact in order or registry", "指令与档案均无联系人")
NO_DEMAND = Text("no demand here", "此处无指标")
NO_LIMIT = Text("no limit", "不限")
MODEL = Text("orderly power use: independent check of the plan", "有序用电方案独立校核")
NOTICE_RULE = Text("notice agreed with the customer", "与客户约定的通知时间")

ACCOUNT = Column("account", Text("Account", "户号"), Text("Account number.", "客户户号。"), "text")
AREA = words("area", Text("Area", "区域"), Text("Feeder, transformer or county.", "馈线、变压器或区县。"))
BLOCK = Column("block", Text("Block", "时段"), Text("Number of the time block.", "有序用电时段序号。"))
MEASURE = words(
    "measure",
    Text("Measure", "措施"),
    Text("Shift, avoid, limit or trip, in this order of means.", "错峰、避峰、限电、拉闸, 按此次序采用。"),
)
FROM = words("from_at", Text("From", "开始"), Text("When the measure begins.", "措施开始时间。"))
UNTIL = words("to_at", Text("To", "结束"), Text("When the measure ends.", "措施结束时间。"))
CONTACT = words("contact", Text("Contact", "联系人"), Text("Who is told.", "通知对象。"), NO_CONTACT)
PHONE = words("phone", Text("Phone", "电话"), Text("Phone number.", "联系电话。"), NO_CONTACT)
LIMIT = amount(
    "limit_kw",
    Text("Limit", "限额"),
    Text(
        "What the customer may draw at most: the one ceiling of a limit, else the largest expected load less the reduction.",
        "允许最大用电负荷: 限电为统一限额, 其余为预计负荷减压减量之最大值。",
    ),
    KW,
    1,
)
SAFETY = amount(
    "safety_kw",
    Text("Safety load", "保安负荷"),
    Text("Load that must stay on; never touched.", "必须保留的负荷, 不得压减。"),
    KW,
    1,
)
REDUCTION = amount(
    "reduction_kw", Text("Reduction", "压减负荷"), Text("Mean reduction over the block.", "时段内平均压减负荷。"), KW, 1
)
ENERGY = amount("energy_kwh", Text("Energy", "压减电量"), Text("Reduction as energy.", "压减电量。"), KWH, 1)
REQUIRED = amount(
    "required_kw",
    Text("Required", "需求"),
    Text("Reduction that the plan had to reach, margin contained.", "方案须达到的压减负荷, 已含裕度。"),
    KW,
    1,
    absent=NO_DEMAND,
)
PLANNED = amount("planned_kw", Text("Planned", "计划"), Text("Planned reduction.", "计划压减负荷。"), KW, 1)
TARGET = amount(
    "target_kw",
    Text("Dispatch target", "调度指标"),
    Text("Demand of dispatch's order.", "调度指令下达的指标。"),
    KW,
    1,
    absent=NOT_GIVEN,
)
MARGIN = amount(
    "margin_kw",
    Text("Lowest margin", "最小裕度"),
    Text("Smallest of planned less required reduction over the intervals.", "各时刻计划减需求的最小值。"),
    KW,
    1,
    absent=NO_DEMAND,
)
SHORT = amount("short_kwh", Text("Short", "缺口电量"), Text("Required but not planned.", "需求未覆盖的电量。"), KWH, 2)
CUSTOMERS = Column("customers", Text("Customers", "户数"), Text("Customers with a measure.", "安排措施的户数。"))
RECEIPT = words("receipt", Text("Receipt: name, time", "签收人及时间"), Text("Written by hand.", "手工填写。"))

BLOCKS_TABLE = TableSpec(
    "shed_blocks",
    Text("Gap and planned reduction by time block", "分时段缺口与计划压减"),
    Text("Time blocks", "时段"),
    (BLOCK, FROM, UNTIL, TARGET, REQUIRED, PLANNED, MARGIN, SHORT),
)
AREAS_TABLE = TableSpec(
    "shed_areas",
    Text("By area and time block", "分区域、分时段"),
    Text("Areas", "区域"),
    (AREA, BLOCK, TARGET, REQUIRED, PLANNED, MARGIN, CUSTOMERS, ENERGY),
)
MEASURES_TABLE = TableSpec(
    "shed_measures",
    Text("Measures", "措施汇总"),
    Text("Measures", "措施"),
    (BLOCK, MEASURE, CUSTOMERS, REDUCTION, ENERGY),
)
TARGETS_TABLE = TableSpec(
    "shed_targets",
    Text("Target table: who reduces what, when and to which limit", "压减任务表"),
    Text("Target table", "任务表"),
    (ACCOUNT, ACCOUNT_NAME, AREA, BLOCK, MEASURE, FROM, UNTIL, REDUCTION, LIMIT, SAFETY, CONTACT, PHONE),
)
NOTICES_TABLE = TableSpec(
    "shed_notices",
    Text("Notice list", "通知清单"),
    Text("Notices", "通知清单"),
    (
        ACCOUNT,
        ACCOUNT_NAME,
        CONTACT,
        PHONE,
        MEASURE,
        FROM,
        UNTIL,
        words(
            "deadline",
            Text("Tell by", "最迟通知"),
            Text("Beginning of the block less the agreed notice.", "时段开始减约定通知时间。"),
        ),
        REDUCTION,
        RECEIPT,
    ),
)
RETURNS_TABLE = TableSpec(
    "shed_returns",
    Text("Shifted load that comes back", "错峰负荷返回"),
    Text("Returning load", "返回负荷"),
    (
        words("window", Text("Window", "返回时段"), Text("When shifted load may return.", "错峰负荷可返回的时段。")),
        amount(
            "returning_kw", Text("Highest return", "最大返回"), Text("Highest returning load.", "最大返回负荷。"), KW, 1
        ),
        amount(
            "headroom_kw",
            Text("Least headroom", "最小空间"),
            Text("Room of the system for returning load.", "系统可接纳的返回负荷。"),
            KW,
            1,
            absent=NO_LIMIT,
        ),
        amount("returning_kwh", Text("Energy", "返回电量"), Text("Returning energy.", "返回电量。"), KWH, 1),
    ),
)
RESERVE_TABLE = TableSpec(
    "shed_reserve",
    Text("Reserve list: the next customers by price", "备用客户清单"),
    Text("Reserve", "备用"),
    (
        BLOCK,
        Column("place", Text("Place", "次序"), Text("Order of calling.", "调用次序。")),
        ACCOUNT,
        ACCOUNT_NAME,
        MEASURE,
        REDUCTION,
        amount(
            "premium_per_kw",
            Text("Dearer by", "价差"),
            Text("Cost less worth of one kW, in units of the objective.", "每千瓦代价减价值, 以目标函数单位计。"),
            Text("per kW", "每千瓦"),
            2,
        ),
        CONTACT,
        PHONE,
    ),
)
PRICES_TABLE = TableSpec(
    "shed_prices",
    Text("What one more MW would cost", "再压减1MW的代价"),
    Text("Prices", "价格"),
    (
        BLOCK,
        words("scope", Text("Where", "范围"), Text("Whole system or area.", "全系统或区域。")),
        amount(
            "cost_per_mw",
            Text("Cost of 1 MW more", "每MW代价"),
            Text(
                "Price of the demand over the block, in units of the objective.",
                "该时段需求的影子价格, 以目标函数单位计。",
            ),
            decimals=1,
            unit=Text("", ""),
        ),
    ),
)
REASONS_TABLE = TableSpec(
    "shed_reasons",
    Text("Why these customers", "选用理由"),
    Text("Reasons", "理由"),
    (
        ACCOUNT,
        ACCOUNT_NAME,
        Column(
            "cls",
            Text("Class", "等级"),
            Text("Class of the priority table: 1 most important, 4 first.", "序位表等级, 1最重要, 4最先压减。"),
        ),
        words(
            "reason",
            Text("Cost / worth", "代价/价值"),
            Text("Cost of each order, and what it is worth.", "各项措施的代价与其价值。"),
        ),
    ),
    detail=True,
)
PROTECTED_TABLE = TableSpec(
    "shed_protected",
    Text("Protected customers, checked", "受保护客户核对表"),
    Text("Protected", "受保护客户"),
    (
        ACCOUNT,
        ACCOUNT_NAME,
        AREA,
        amount(
            "expected_kw",
            Text("Expected load", "预计负荷"),
            Text("Highest expected load in the blocks.", "时段内预计最大负荷。"),
            KW,
            1,
        ),
        Column(
            "in_plan", Text("Measures", "措施数"), Text("Measures in the plan; must be 0.", "方案中的措施数, 应为0。")
        ),
    ),
    detail=True,
)
RECOVERY_TABLE = TableSpec(
    "shed_recovery",
    Text("Recovery order, on dispatch's release order only", "恢复次序 (须有调度恢复指令)"),
    Text("Recovery", "恢复"),
    (
        words("release_at", Text("Release", "恢复起点"), Text("End of the block.", "时段结束时间。")),
        Column("stage", Text("Stage", "批次"), Text("Stage of the release.", "恢复批次。")),
        words("stage_at", Text("Not before", "不早于"), Text("Earliest time of the stage.", "该批次最早时间。")),
        ACCOUNT,
        ACCOUNT_NAME,
        MEASURE,
        amount("kw", Text("Load released", "恢复负荷"), Text("Load that may return.", "可恢复的负荷。"), KW, 1),
    ),
    detail=True,
)
TEAM_TABLE = TableSpec(
    "shed_team",
    Text("Execution team", "执行人员"),
    Text("Team", "执行人员"),
    (
        words("role", Text("Task", "职责"), Text("Task in the event.", "职责。"), NOT_GIVEN),
        words("name", Text("Name", "姓名"), Text("Name.", "姓名。")),
        words("phone", Text("Phone", "电话"), Text("Phone number.", "联系电话。"), NOT_GIVEN),
    ),
)
MONITORS_TABLE = TableSpec(
    "shed_monitors",
    Text("Monitoring points", "监测点"),
    Text("Monitoring points", "监测点"),
    (
        words("point", Text("Point", "监测点"), Text("What is watched.", "监测对象。")),
        words("watch", Text("Watch for", "监测内容"), Text("What is looked at.", "监测内容。"), NOT_GIVEN),
    ),
)
REPORTING_TABLE = TableSpec(
    "shed_reporting",
    Text("Reporting", "报告要求"),
    Text("Reporting", "报告"),
    (
        words("at", Text("When", "时间"), Text("When to report.", "报告时间。")),
        words("to", Text("To", "对象"), Text("To whom.", "报告对象。"), NOT_GIVEN),
        words("what", Text("What", "内容"), Text("What to report.", "报告内容。"), NOT_GIVEN),
    ),
)
SIGNOFF_TABLE = TableSpec(
    "shed_signoff",
    Text("Sign-off", "签署"),
    Text("Sign-off", "签署"),
    (
        words("role", Text("Role", "角色"), Text("Who signs.", "签署角色。")),
        words("name", Text("Name", "姓名"), Text("Name, as far as it is known.", "姓名。"), NOT_GIVEN),
        words("signature", Text("Signature", "签名"), Text("Written by hand.", "手工填写。")),
        words("signed_at", Text("Date, time", "日期时间"), Text("Written by hand.", "手工填写。")),
    ),
)
SHEET_TABLE = TableSpec(
    "shed_sheet_orders",
    Text("What is asked, and when", "压减要求"),
    Text("Orders", "要求"),
    (BLOCK, MEASURE, FROM, UNTIL, REDUCTION, LIMIT, SAFETY),
)
CONTACTS_TABLE = TableSpec(
    "shed_contacts",
    Text("Contacts", "联系人"),
    Text("Contacts", "联系人"),
    (
        words("side", Text("Side", "单位"), Text("Customer or utility.", "客户或供电公司。")),
        words("role", Text("Task", "职责"), Text("Task.", "职责。"), NOT_GIVEN),
        words("name", Text("Name", "姓名"), Text("Name.", "姓名。")),
        words("phone", Text("Phone", "电话"), Text("Phone number.", "联系电话。"), NOT_GIVEN),
    ),
)

REQUIRED_FIGURE = amount(
    "required_peak_kw",
    Text("Required", "最大需求"),
    Text("Highest required reduction, margin contained.", "最大需压减负荷, 已含裕度。"),
    KW,
    0,
)
PLANNED_FIGURE = amount(
    "planned_at_peak_kw",
    Text("Planned at that time", "对应计划"),
    Text("Planned reduction in the interval of the highest requirement.", "最大需求时刻的计划压减负荷。"),
    KW,
    0,
)
MARGIN_FIGURE = amount(
    "lowest_margin_kw",
    Text("Lowest margin", "最小裕度"),
    Text("Smallest of planned less required reduction, over all intervals.", "各时刻计划减需求的最小值。"),
    KW,
    1,
    source=MODEL,
)
UNMET_FIGURE = amount(
    "unmet_kwh",
    Text("Not covered", "未覆盖电量"),
    Text("Required energy that the plan does not cover, areas included.", "方案未覆盖的需求电量, 含分区域。"),
    KWH,
    2,
    source=MODEL,
)
TOUCHED_FIGURE = Column(
    "customers_touched", Text("Customers with a measure", "涉及户数"), Text("Customers touched.", "安排措施的户数。")
)
TRIPPED_FIGURE = Column(
    "customers_tripped", Text("Customers tripped", "拉闸户数"), Text("Customers with a trip.", "安排拉闸的户数。")
)
PROTECTED_FIGURE = Column(
    "protected_touched",
    Text("Protected customers touched", "涉及受保护客户"),
    Text("Protected customers in the plan; must be 0.", "方案涉及的受保护客户数, 应为0。"),
    source=MODEL,
)
SAFETY_FIGURE = amount(
    "least_above_safety_kw",
    Text("Least left above safety load", "高于保安负荷最小值"),
    Text(
        "Smallest of load left less safety load, over customers and intervals; below 0 is a breach.",
        "各户各时刻剩余负荷减保安负荷的最小值, 小于0为违规。",
    ),
    KW,
    2,
    source=MODEL,
)
CONTACTS_FIGURE = Column(
    "contacts_known_pct",
    Text("Contacts known", "联系人齐全率"),
    Text(
        "Share of the customers with a measure of whom a contact with a phone is known.",
        "有联系人及电话的涉及客户占比。",
    ),
    "share",
    PERCENT,
    1,
)
SHEET_KW_FIGURE = amount(
    "reduction_peak_kw",
    Text("Highest reduction", "最大压减负荷"),
    Text("Highest reduction asked.", "最大压减负荷。"),
    KW,
    1,
)
SHEET_ENERGY_FIGURE = amount(
    "reduction_kwh", Text("Energy", "压减电量"), Text("Reduction as energy.", "压减电量。"), KWH, 1
)
SHEET_SAFETY_FIGURE = amount(
    "sheet_safety_kw",
    Text("Safety load", "保安负荷"),
    Text("Load that must stay on; never touched.", "必须保留的负荷, 不得压减。"),
    KW,
    1,
)
SHEET_HOURS_FIGURE = amount(
    "ordered_h", Text("Under a measure", "措施时长"), Text("Hours under a measure.", "措施总时长。"), HOURS, 2
)

PLAN_TABLES = (
    BLOCKS_TABLE,
    AREAS_TABLE,
    MEASURES_TABLE,
    TARGETS_TABLE,
    NOTICES_TABLE,
    RETURNS_TABLE,
    RESERVE_TABLE,
    PRICES_TABLE,
    REASONS_TABLE,
    PROTECTED_TABLE,
    RECOVERY_TABLE,
    TEAM_TABLE,
    MONITORS_TABLE,
    REPORTING_TABLE,
    SIGNOFF_TABLE,
)
PLAN_FIGURES = (
    REQUIRED_FIGURE,
    PLANNED_FIGURE,
    MARGIN_FIGURE,
    UNMET_FIGURE,
    TOUCHED_FIGURE,
    TRIPPED_FIGURE,
    PROTECTED_FIGURE,
    SAFETY_FIGURE,
    CONTACTS_FIGURE,
)
SHEET_FIGURES = (SHEET_KW_FIGURE, SHEET_ENERGY_FIGURE, SHEET_SAFETY_FIGURE, SHEET_HOURS_FIGURE)
