"""Columns and tables of the power-factor section."""

from __future__ import annotations

from keyacct.i18n import Text
from keyacct.report.document import Column, TableSpec
from keyacct.report.sections.common import COMPLETENESS, KVARH, KWH, PERCENT, POINT

RULE_1983 = Text("(83)水电财字215号", "(83)水电财字215号")
NO_ENERGY = Text("both energies are below the meter's resolution", "有功与无功电量均低于表计分辨力")
NO_REACTIVE = Text("no reactive energy is known", "无无功电量数据")
LOSS_UNKNOWN = Text("losses of the transformer are not known", "变压器损耗未知")
NO_STANDARD = Text("no power-factor standard in the registry", "档案未登记功率因数标准")
FORMULA = Text("active / √(active² + reactive²), from energies.", "有功电量 / √(有功² + 无功²), 按电量计算。")

ACTIVE = Column(
    "wp_kwh",
    Text("Active energy", "有功电量"),
    Text("Active energy imported.", "用电(正向)有功电量。"),
    unit=KWH,
    decimals=2,
)
REACTIVE = Column(
    "wq_kvarh",
    Text("Reactive energy", "无功电量"),
    Text(
        "Reactive energy that counts: the absolute values of the counted quadrants added.",
        "参与计算的无功电量: 各计入象限绝对值之和。",
    ),
    unit=KVARH,
    decimals=2,
    source=RULE_1983,
)
Q1 = Column(
    "q1_kvarh",
    Text("Reactive Q1", "一象限无功"),
    Text("Import, inductive.", "用电、感性无功电量。"),
    unit=KVARH,
    decimals=2,
)
Q4 = Column(
    "q4_kvarh",
    Text("Reactive Q4", "四象限无功"),
    Text("Import, capacitive (over-compensation).", "用电、容性(过补偿)无功电量。"),
    unit=KVARH,
    decimals=2,
)
PF = Column("pf", Text("Power factor", "功率因数"), FORMULA, decimals=4, source=RULE_1983, absent=NO_ENERGY)
LEADING = Column(
    "leading",
    Text("Character", "性质"),
    Text("Leading when Q4 exceeds Q1.", "四象限无功大于一象限时为超前。"),
    "text",
    absent=NO_ENERGY,
)
ASSESSED = Column(
    "pf_assessed",
    Text("Assessed power factor", "考核功率因数"),
    Text("The month's power factor rounded half up to two decimals.", "月功率因数四舍五入取两位小数。"),
    decimals=2,
    source=RULE_1983,
    absent=NO_ENERGY,
)
STANDARD = Column(
    "pf_standard",
    Text("Standard", "标准"),
    Text("Power-factor standard of the supply contract.", "供用电合同约定的功率因数标准。"),
    decimals=2,
    source=RULE_1983,
    absent=NO_STANDARD,
)
PASSED = Column(
    "passed",
    Text("Assessment", "评价"),
    Text("Whether the assessed power factor reaches the standard.", "考核功率因数是否达到标准。"),
    "verdict",
    source=RULE_1983,
    absent=Text("nothing to assess", "无可评价数据"),
)
ADJUSTMENT = Column(
    "adjustment_pct",
    Text("Adjustment", "力调系数"),
    Text(
        "Percent of the month's basic and energy charge; negative is a rebate.",
        "按当月基本电费与电度电费计的百分数, 负值为减收。",
    ),
    unit=PERCENT,
    decimals=2,
    source=RULE_1983,
    absent=Text("not assessed", "不作考核"),
)
TARIFF = Column(
    "tariff_period",
    Text("Tariff period", "时段"),
    Text("Tariff period; `all` is the whole period.", "分时电价时段; “合计”为全时段。"),
    "text",
)
TARIFF_PF = Column(
    "pf",
    Text("Power factor", "功率因数"),
    FORMULA,
    decimals=4,
    source=RULE_1983,
    absent=Text("no energy in this tariff period", "该时段无电量"),
)
HOUR = Column(
    "hour",
    Text("Hour", "小时"),
    Text(
        "Hour of the day, 0 is 00:00 to 01:00, over all days of the period.",
        "一日内的小时, 0表示00:00至01:00, 合并全部日期。",
    ),
    decimals=0,
)

LOSS = Column(
    "loss_kwh",
    Text("Active loss", "变损有功"),
    Text(
        "Energy lost in the transformer before a meter at low voltage: P0·t + Pk·β²·t. It is in the active energy.",
        "高供低计时表计前变压器的有功损耗: P0·t + Pk·β²·t, 已计入有功电量。",
    ),
    unit=KWH,
    decimals=2,
)
LOSS_REACTIVE = Column(
    "loss_kvarh",
    Text("Reactive loss", "变损无功"),
    Text(
        "Reactive energy of that transformer: (i0 %·S + uk %·S·β²)/100·t. It is in the reactive energy and in Q1.",
        "该变压器的无功损耗: (i0%·S + uk%·S·β²)/100·t, 已计入无功电量与一象限无功。",
    ),
    unit=KVARH,
    decimals=2,
)
LOSSES = TableSpec(
    "power_factor_losses",
    Text("Transformer losses (metered at low voltage)", "变压器损耗 (高供低计)"),
    Text("Transformer losses", "变压器损耗"),
    (LOSS, LOSS_REACTIVE),
)
ENERGIES = TableSpec(
    "power_factor_account",
    Text("Power factor and its assessment", "功率因数及考核"),
    Text("Power factor", "功率因数"),
    (ACTIVE, REACTIVE, Q1, Q4, PF, LEADING, ASSESSED, STANDARD, PASSED, ADJUSTMENT, COMPLETENESS),
)
BY_TARIFF = TableSpec(
    "power_factor_tariff",
    Text("Power factor by tariff period", "分时段功率因数"),
    Text("PF by tariff", "分时段功率因数"),
    (TARIFF, TARIFF_PF),
)
BY_POINT = TableSpec(
    "power_factor_point",
    Text("Power factor by metering point", "各计量点功率因数"),
    Text("PF by point", "计量点功率因数"),
    (POINT, ACTIVE, REACTIVE, PF),
)
BY_HOUR = TableSpec(
    "power_factor_hour",
    Text("Power factor by hour of the day", "24小时功率因数"),
    Text("PF by hour", "24小时功率因数"),
    (HOUR, PF, LEADING),
    detail=True,
)
TABLES = (ENERGIES, LOSSES, BY_TARIFF, BY_POINT, BY_HOUR)

PF_FIGURE = Column(
    "power_factor",
    Text("Power factor", "功率因数"),
    ASSESSED.definition,
    decimals=2,
    source=RULE_1983,
    absent=NO_ENERGY,
)
ADJUSTMENT_FIGURE = Column(
    "pf_adjustment_pct",
    Text("Adjustment of the charge", "力调电费系数"),
    ADJUSTMENT.definition,
    unit=PERCENT,
    decimals=2,
    source=RULE_1983,
    absent=ADJUSTMENT.absent,
)
