"""Columns of an account's registry facts and energies that several reports share."""

from __future__ import annotations

from keyacct.i18n import Text
from keyacct.model import TARIFF_PERIODS
from keyacct.report.document import Column
from keyacct.report.sections import office
from keyacct.report.sections.common import KW, KWH
from keyacct.report.sections.office import amount, words

KVA, KV = Text("kVA", "kVA"), Text("kV", "kV")
MISSING = Text("not in the registry", "档案未登记")


def fact(key: str, name: Text, definition: Text) -> Column:
    """A column of what the registry says in words."""
    return words(key, name, definition)


CUSTOMER = fact("customer", Text("Customer", "客户"), Text("Customer that the account belongs to.", "户所属客户。"))
ADDRESS = fact("service_address", Text("Address", "用电地址"), Text("Supply address.", "用电地址。"))
INDUSTRY = fact(
    "industry_code", Text("Industry", "行业分类"), Text("Industry code (GB/T 4754).", "行业分类代码(GB/T 4754)。")
)
CLASS = fact(
    "account_class", Text("Class", "客户类别"), Text("Economic, critical or prospect.", "经济型、重要或潜在。")
)
GRADE = fact("critical_grade", Text("Grade", "重要性等级"), Text("Grade of a critical customer.", "重要客户等级。"))
STATION = fact("supply_station", Text("Station", "供电所"), Text("Supply station in charge.", "所属供电所。"))
LEVEL = amount(
    "voltage_level_kv",
    Text("Level", "电压等级"),
    Text("Voltage level of the supply.", "供电电压等级。"),
    KV,
    absent=MISSING,
)
CONTRACT = amount(
    "contract_capacity_kva",
    Text("Contract", "合同容量"),
    Text("Contract capacity.", "合同容量。"),
    KVA,
    0,
    absent=MISSING,
)
RUNNING = amount(
    "running_capacity_kva",
    Text("Running", "运行容量"),
    Text("Capacity in operation.", "运行容量。"),
    KVA,
    0,
    absent=MISSING,
)
DEMAND = amount(
    "contract_demand_kw",
    Text("Contract demand", "合同需量"),
    Text("Contract demand.", "合同需量。"),
    KW,
    0,
    absent=MISSING,
)
STANDARD = amount(
    "pf_standard",
    Text("PF standard", "功率因数标准"),
    Text("Power-factor standard.", "功率因数考核标准。"),
    Text("", ""),
    absent=MISSING,
)
STATUS = fact("status", Text("Status", "状态"), Text("Active, suspended or closed.", "在用、暂停或销户。"))
DESK = fact("desk_manager", Text("Desk manager", "内勤经理"), Text("Account manager at the desk.", "内勤客户经理。"))
FIELD = fact(
    "field_manager", Text("Field manager", "外勤经理"), Text("Account manager in the field.", "外勤客户经理。")
)
POINTS = Column("points", Text("Points", "计量点数"), Text("Metering points.", "计量点数。"))
TERMINALS = fact("terminals", Text("Terminals", "采集终端"), Text("Terminals installed.", "在装采集终端。"))
SOURCES = fact("sources", Text("Sources", "电源"), Text("Supply sources with their role.", "电源及其主备。"))
SAFETY = amount(
    "safety_load_kw",
    Text("Safety load", "保安负荷"),
    Text("Load that must stay on.", "须保证不停电的负荷。"),
    KW,
    0,
    absent=MISSING,
)
LAST_SERVICE = Column(
    "last_service",
    Text("Last service", "最近服务"),
    Text("Day of the last service record.", "最近一次服务记录日期。"),
    "date",
    absent=Text("no service record", "无服务记录"),
)
OPEN_CASES = Column(
    "open_cases",
    Text("Open cases", "未结工单"),
    Text("Anomaly cases that are open.", "未办结的异常工单数。"),
    absent=Text("anomaly cases are not kept yet", "尚未管理异常工单"),
)
ENERGY = amount("energy_kwh", Text("Energy", "用电量"), Text("Active energy imported.", "用电(正向)有功电量。"), KWH)
NO_PERIOD = Text("no energy of this tariff period is known", "该时段电量未知")
SPLIT = tuple(
    amount(
        f"{key}_kwh",
        Text(f"{name.en.capitalize()}", f"{name.zh}段电量"),
        Text(f"Active energy of the {name.en} tariff period.", f"{name.zh}段有功电量。"),
        KWH,
        absent=NO_PERIOD,
    )
    for key, name in TARIFF_PERIODS.items()
)
MODES: dict[str | None, Text] = {
    "single": Text("single", "单一制"),
    "two_part_capacity": Text("two-part, by capacity", "两部制(按容量)"),
    "two_part_demand": Text("two-part, by demand", "两部制(按需量)"),
}
MODE = office.words(
    "tariff_mode",
    Text("Basic charge", "基本电费方式"),
    Text("How the basic charge is formed.", "基本电费计收方式。"),
)
SOURCE_ROLES = {
    "main": Text("main", "主供"),
    "standby": Text("standby", "备用"),
    "emergency_own": Text("own emergency", "自备应急"),
}
