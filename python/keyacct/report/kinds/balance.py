"""Bus balance: what flows into and out of every busbar, and the imbalance."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from keyacct.config import BalanceSettings, Workspace
from keyacct.i18n import Text
from keyacct.model import Period
from keyacct.report.document import (
    Absent,
    Axis,
    Chart,
    Column,
    Document,
    Figure,
    Limit,
    Note,
    Section,
    Series,
    TableSpec,
    Value,
)
from keyacct.report.kind import Kind
from keyacct.report.sections import balance_causes, line_loss, office
from keyacct.report.sections.common import COMPLETENESS, COMPLETENESS_FIGURE, KWH, METER, POINT, number, plain
from keyacct.report.sections.office import amount, share, words

if TYPE_CHECKING:
    from keyacct.analysis.balance_causes import Suspect
    from keyacct.analysis.bus_balance import Balance, Feeder

TITLE = Text("Bus balance", "母线电量平衡报表")
SOURCE = Text("能源节能〔1990〕1149号 (unverified)", "能源节能〔1990〕1149号 (未核实)")
CAUSES: dict[str, Text] = {
    "missing_reading": Text("readings missing", "缺示数"),
    "missing_feeder": Text("feeder without a meter", "馈线无表计"),
    "boundary_reading": Text("no reading at the period's ends", "期初或期末无示数"),
    "register_decrease": Text("register fell", "示数下降"),
    "meter_exchange": Text("meter exchanged without near readings", "换表且示数不连续"),
    "ratio_change": Text("ratio changed without near readings", "变比变更且示数不连续"),
    "feeder_moved": Text("feeder moved to another bus", "馈线改接"),
    "gap_over_change": Text("readings far apart at a change", "变更前后示数间隔过大"),
}
NO_IN = Text("no energy flows in", "无流入电量")
BUS = words("busbar", Text("Busbar", "母线"), Text("Busbar of the registry.", "档案中的母线。"))
SUBSTATION = words("substation", Text("Substation", "变电站"), Text("Its substation.", "所属变电站。"))
LEVEL = Column(
    "voltage_level_kv",
    Text("Voltage level", "电压等级"),
    Text("Voltage level of the busbar.", "母线电压等级。"),
    unit=Text("kV", "kV"),
    decimals=2,
    absent=Text("not in the registry", "档案未登记"),
)
IN = amount("in_kwh", Text("In", "流入电量"), Text("Energy that flows into the busbar.", "流入母线的电量。"), KWH)
OUT = amount("out_kwh", Text("Out", "流出电量"), Text("Energy that flows out of the busbar.", "流出母线的电量。"), KWH)
DELTA = amount("imbalance_kwh", Text("Imbalance", "不平衡电量"), Text("In − out.", "流入 − 流出。"), KWH, absent=NO_IN)
RATE = Column(
    "imbalance_pct",
    Text("Imbalance rate", "不平衡率"),
    Text("(In − out) / in.", "(流入 − 流出) / 流入。"),
    "share",
    Text("%", "%"),
    3,
    absent=NO_IN,
)
LIMIT = share(
    "limit_pct",
    Text("Limit", "允许值"),
    Text(
        "Imbalance rate allowed: `balance.limit_high` of the settings from 220 kV on, `balance.limit` below.",
        "允许不平衡率: 220kV及以上为设置balance.limit_high, 以下为balance.limit。",
    ),
    source=SOURCE,
)
VERDICT = Column(
    "passed",
    Text("Assessment", "评价"),
    Text("Whether the rate stays within the limit.", "不平衡率是否在允许值内。"),
    "verdict",
    absent=NO_IN,
    source=SOURCE,
)
STATE = words(
    "state",
    Text("State", "状态"),
    Text("Final, or provisional because of what is named.", "确定, 或因所列原因为暂定。"),
)
FINAL = Text("final", "确定")
LINE = words(
    "supply_line",
    Text("Line", "线路"),
    Text("Line of the point.", "计量点所属线路。"),
    Text("none: incomer or transformer", "无: 进线或主变"),
)
ROLE = words(
    "role",
    Text("Role", "方向"),
    Text("Whether its import flows into the busbar or out of it.", "其正向电量流入或流出母线。"),
)
ROLES = {"in": Text("incoming", "流入"), "out": Text("outgoing", "流出")}
TABLE = TableSpec(
    "bus_balance",
    Text("Balance by busbar", "各母线平衡"),
    Text("Balance", "母线平衡"),
    (BUS, SUBSTATION, LEVEL, IN, OUT, DELTA, RATE, LIMIT, VERDICT, STATE),
)
FEEDERS = TableSpec(
    "bus_feeders",
    Text("Energies by metering point", "各计量点电量"),
    Text("By point", "各计量点"),
    (BUS, POINT, LINE, METER, ROLE, IN, OUT, STATE, COMPLETENESS),
)
RANK = Column("rank", Text("Rank", "排序"), Text("Place in the order of suspicion.", "疑似程度排序。"))
SUSPECT = words(
    "suspect", Text("Cause", "疑似原因"), Text("What may have violated the balance.", "可能造成越限的原因。")
)
EVIDENCE = words("evidence", Text("Evidence", "依据"), Text("The figure that speaks for it.", "支持该原因的数据。"))
EXPLAINED = amount(
    "explained_kwh",
    Text("Explains", "可解释电量"),
    Text(
        "Energy of the imbalance that it would explain; of a clock at most.", "该原因可解释的不平衡电量; 时钟为上限。"
    ),
    KWH,
    absent=Text("not to be told", "无法估计"),
)
SUSPECTS = TableSpec(
    "bus_suspects",
    Text("What may have violated a balance", "越限疑似原因"),
    Text("Suspected causes", "疑似原因"),
    (BUS, RANK, SUSPECT, POINT, LINE, EVIDENCE, EXPLAINED),
)
COUNT_FIGURE = Column("busbars", Text("Busbars", "母线数"), Text("Busbars of the registry.", "档案中的母线数。"))
WITHIN_FIGURE = share(
    "within_limit_pct",
    Text("Within the limit", "平衡合格率"),
    Text("Share of the computed balances within the limit.", "已计算母线中合格的比例。"),
)
WORST_FIGURE = Column(
    "worst_imbalance_pct",
    Text("Largest imbalance", "最大不平衡率"),
    Text("Imbalance rate that is farthest from 0.", "绝对值最大的不平衡率。"),
    "share",
    Text("%", "%"),
    3,
    absent=NO_IN,
)


def build(workspace: Workspace, period: Period, accounts: Sequence[str], generated_at: dt.datetime) -> list[Document]:
    """One document over all busbars of the registry; accounts have no part in it. Raises KeyacctError of the registry."""
    from keyacct.analysis.balance_causes import suspects
    from keyacct.analysis.bus_balance import bus_balance
    from keyacct.analysis.line_loss import line_losses
    from keyacct.analysis.point_energy import point_energy
    from keyacct.analysis.station_loss import station_losses

    accounts = sorted(accounts)
    energies = point_energy(workspace, period, losses=True)
    found = bus_balance(workspace, period, energies)
    lines, stations = line_losses(workspace, period, energies), station_losses(workspace, period, energies)
    causes = suspects(workspace, period, found)
    feeders = [feeder for balance in found for feeder in balance.feeders]
    rated = [balance for balance in found if balance.imbalance_rate is not None]
    worst = (
        max(rated, key=lambda balance: (abs(balance.imbalance_rate or Decimal(0)), balance.busbar)) if rated else None
    )
    within = sum(bool(balance.passed) for balance in rated)
    notes = [] if found else [Note("warning", Text("The registry holds no busbar.", "档案中没有母线。"))]
    for balance in found:
        if balance.missing_lines:
            names = office.listed(balance.missing_lines)
            text = Text(
                f"{balance.busbar}: no metering point for {names.en}; the balance lacks them.",
                f"{balance.busbar}: {names.zh} 无计量点, 平衡未计入。",
            )
            notes.append(Note("warning", text))
    because = (SUSPECTS.fill(map(_suspect, causes)),) if causes else ()
    table = replace(TABLE, columns=tuple(_used(column, workspace.settings.balance) for column in TABLE.columns))
    tables = (table.fill(map(_cells, found)), *because, FEEDERS.fill(map(_feeder, feeders))) if found else ()
    return [
        office.document(
            "balance",
            TITLE,
            Text("Energies in and out of every busbar", "各母线流入、流出电量"),
            workspace,
            period,
            generated_at,
            accounts=accounts,
            completeness=office.lowest([feeder.completeness for feeder in feeders]),
            figures=[
                Figure(COUNT_FIGURE, COUNT_FIGURE.cell(len(found))),
                Figure(WITHIN_FIGURE, WITHIN_FIGURE.cell(within / len(rated) if rated else Absent(NO_IN))),
                Figure(
                    WORST_FIGURE,
                    WORST_FIGURE.cell(worst.imbalance_rate if worst else None),
                    detail=plain(worst.busbar) if worst else plain(""),
                ),
            ],
            sections=[
                Section("balance", TITLE, tables, tuple(_chart(rated)), tuple(notes)),
                *line_loss.section(lines, stations, CAUSES),
            ],
            inputs={"balances": found, "suspects": causes, "lines": lines, "stations": stations},
            notes=[Note("rule", _RULE)],
        )
    ]


_RULE = Text(
    "A metering point of a busbar without a line is incoming (transformer, incomer): its import flows in. A point of a line is "
    "outgoing; export counts the other way. Where a line has an assessment or check point, its billing points are not counted "
    "again. Before and after a meter exchange each meter counts its own part; a feeder on a bypass counts for the busbar that "
    "the registry names at that time.",
    "母线上不属于线路的计量点为流入侧(主变、进线), 其正向电量流入母线; 线路上的计量点为流出侧, 反向电量反之。线路设有考核或"
    "校核点时, 其计费点不重复计入。换表前后各表分别计量; 旁路代路按档案当时所载母线归属。",
)


def _used(column: Column, settings: BalanceSettings) -> Column:
    """The column with the limits of this workspace; those of its own have no rule for their source."""
    if column.key not in (LIMIT.key, VERDICT.key):
        return column
    own = BalanceSettings.model_construct()
    ruled = (settings.limit_high, settings.limit) == (own.limit_high, own.limit)
    source = column.source if ruled else Text("settings of the workspace", "本单位设置")
    if column.key == VERDICT.key:
        return replace(column, source=source)
    high, low = (f"{100 * value:g}" for value in (settings.limit_high, settings.limit))
    text = Text(
        f"Imbalance rate allowed: {high} % from 220 kV on, {low} % below.",
        f"允许不平衡率: 220kV及以上{high}%, 以下{low}%。",
    )
    return replace(column, definition=text, source=source)


def _state(causes: Sequence[str]) -> Text:
    if not causes:
        return FINAL
    names = [CAUSES[cause] for cause in causes]
    return Text(f"provisional: {', '.join(name.en for name in names)}", f"暂定: {'、'.join(name.zh for name in names)}")


def _cells(balance: Balance) -> dict[str, Value]:
    name = f"{balance.busbar} {balance.busbar_name}".strip()
    return {
        "busbar": name,
        "substation": balance.substation,
        "voltage_level_kv": balance.voltage_level_kv,
        "in_kwh": balance.in_kwh,
        "out_kwh": balance.out_kwh,
        "imbalance_kwh": balance.imbalance_kwh,
        "imbalance_pct": balance.imbalance_rate,
        "limit_pct": balance.limit,
        "passed": balance.passed,
        "state": _state(balance.causes),
    }


def _feeder(feeder: Feeder) -> dict[str, Value]:
    return {
        "busbar": feeder.busbar,
        "point": feeder.point,
        "supply_line": feeder.supply_line,
        "meter": ", ".join(feeder.meters),
        "role": ROLES[feeder.role],
        "in_kwh": feeder.in_kwh,
        "out_kwh": feeder.out_kwh,
        "state": _state(feeder.causes),
        "completeness_pct": feeder.completeness,
    }


def _suspect(suspect: Suspect) -> dict[str, Value]:
    return {
        "busbar": suspect.busbar, "rank": suspect.rank, "suspect": balance_causes.CAUSES[suspect.cause],
        "point": suspect.point, "supply_line": suspect.supply_line, "evidence": balance_causes.told(suspect),
        "explained_kwh": suspect.explained_kwh,
    }  # fmt: skip


def _chart(rated: Sequence[Balance]) -> list[Chart]:
    top = sorted(rated, key=lambda b: (-abs(b.imbalance_rate or Decimal(0)), b.busbar))[: office.TOP]
    if not top:
        return []
    limit: Decimal = min(balance.limit for balance in top)
    bars = tuple(number(balance.imbalance_rate, 3, percent=True) for balance in top)
    return [
        Chart(
            "bus_imbalance",
            "bar",
            Text("Imbalance rate by busbar", "各母线不平衡率"),
            Text("Imbalance rate of the busbars, farthest from 0 first.", "各母线不平衡率, 绝对值大者在前。"),
            Text("Busbar", "母线"),
            tuple(plain(balance.busbar) for balance in top),
            (Series("imbalance_pct", Text("imbalance rate", "不平衡率"), bars, 0, "bar"),),
            Axis(Text("Imbalance rate", "不平衡率"), Text("%", "%")),
            3,
            tuple(
                Limit(Text("limit", "允许值"), value)
                for value in (number(limit, 2, percent=True), number(-limit, 2, percent=True))
                if value is not None
            ),
        )
    ]


KIND = Kind(
    "balance",
    TITLE,
    build=build,
    scope="office",
    figures=(COUNT_FIGURE, WITHIN_FIGURE, WORST_FIGURE, COMPLETENESS_FIGURE),
    tables=(TABLE, SUSPECTS, FEEDERS, *line_loss.TABLES),
)
