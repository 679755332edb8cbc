"""Monthly assessment of power factors: assessed value, standard, percent and yuan, and what to do."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from keyacct.config import Workspace
from keyacct.i18n import Text
from keyacct.model import Period
from keyacct.report.document import (
    Absent,
    Axis,
    Chart,
    Column,
    Document,
    Fact,
    Figure,
    Note,
    Section,
    Series,
    Table,
    TableSpec,
    Value,
)
from keyacct.report.gather import gather
from keyacct.report.inputs import Row
from keyacct.report.kind import Kind
from keyacct.report.sections import office
from keyacct.report.sections.common import COMPLETENESS, COMPLETENESS_FIGURE, Scope, number, plain
from keyacct.report.sections.money import REASONS
from keyacct.report.sections.office import YUAN, amount, share, words
from keyacct.report.sections.power_factor import FLAGS, judged
from keyacct.report.sections.power_factor_columns import (
    ACTIVE,
    ADJUSTMENT,
    ASSESSED,
    LOSSES,
    NO_STANDARD,
    PASSED,
    PF,
    Q1,
    Q4,
    REACTIVE,
    RULE_1983,
    STANDARD,
)
from keyacct.report.subject import Subject, load_subjects

if TYPE_CHECKING:
    from keyacct.analysis.charges import Charges

TITLE = Text("Power-factor assessment", "功率因数考核月报")
PEAK = amount(
    "pf_peak",
    Text("Peak-period mean", "峰段平均"),
    Text("Power factor of the peak tariff period's energies.", "峰段电量计算的功率因数。"),
    Text("", ""),
    4,
    absent=Text("no energies of this tariff period", "无该时段电量"),
)
VALLEY = amount(
    "pf_valley",
    Text("Valley-period mean", "谷段平均"),
    Text("Power factor of the valley tariff period's energies.", "谷段电量计算的功率因数。"),
    Text("", ""),
    4,
    absent=Text("no energies of this tariff period", "无该时段电量"),
)
BASE = amount(
    "adjusted_base_cny",
    Text("Charge adjusted", "力调基数"),
    Text(
        "Basic and energy charge of the month, before government funds and surcharges.",
        "当月基本电费与电度电费之和, 不含政府性基金及附加。",
    ),
    YUAN,
    source=RULE_1983,
    absent=office.NOT_AVAILABLE,
)
YUAN_ADJUSTMENT = amount(
    "adjustment_cny",
    Text("Adjustment", "力调电费"),
    Text(
        "Charge adjusted × percent, to 0.01 yuan; negative is a rebate.",
        "力调基数 × 调整百分数, 取到0.01元; 负值为减收。",
    ),
    YUAN,
    source=RULE_1983,
    absent=office.NOT_AVAILABLE,
)
ADVICE_COLUMN = words(
    "advice",
    Text("Advice", "建议"),
    Text(
        "What the energies suggest: Q4 of at most 10 % of the reactive energy points to too little compensation, of more "
        "than 20 % to too much.",
        "按电量给出的提示: 四象限无功占无功电量10%及以下为欠补, 超过20%为过补。",
    ),
    Text("no power factor", "无功率因数"),
)
ADVICE: dict[str, Text] = {
    "ok": Text("none: the standard is met", "达标, 无需措施"),
    "under_compensation": Text("too little compensation: add capacitors", "欠补: 增加无功补偿"),
    "over_compensation": Text(
        "too much compensation: switch banks off at low load, do not add any", "过补: 低负荷时切除电容器, 不再增容"
    ),
    "misfit": Text(
        "below standard with Q4 between: fit automatic stepped switching", "未达标且过补欠补并存: 装设自动分组投切"
    ),
    "no_standard": Text("no standard in the registry", "档案未登记标准"),
    "loss_unknown": Text("register the transformer and its nameplate", "补登变压器及其铭牌参数"),
}
TABLE = TableSpec(
    "pf_accounts",
    Text("Assessment by account", "各户考核结果"),
    Text("Assessment", "考核结果"),
    (
        office.ACCOUNT_NO,
        office.ACCOUNT_NAME,
        ACTIVE,
        REACTIVE,
        PF,
        ASSESSED,
        STANDARD,
        PASSED,
        ADJUSTMENT,
        BASE,
        YUAN_ADJUSTMENT,
        ADVICE_COLUMN,
    ),
)
DETAIL = TableSpec(
    "pf_periods",
    Text("Tariff periods and quadrants", "分时功率因数与象限无功"),
    Text("Periods, quadrants", "分时与象限"),
    (office.ACCOUNT_NO, PEAK, VALLEY, Q1, Q4, COMPLETENESS),
)
ASSESSED_FIGURE = Column(
    "assessed_accounts",
    Text("Assessed accounts", "考核户数"),
    Text("Accounts with a power factor and a standard.", "有功率因数且有标准的客户数。"),
)
SHARE_FIGURE = share(
    "meeting_standard_pct",
    Text("Meeting the standard", "达标率"),
    Text("Share of the assessed accounts that meet their standard.", "考核客户中达标的比例。"),
)
YUAN_FIGURE = amount(
    "total_adjustment_cny",
    Text("Adjustments together", "力调电费合计"),
    Text("Sum of the adjustments that are available.", "可计算的力调电费之和。"),
    YUAN,
    absent=office.NOT_AVAILABLE,
)
LOST = TableSpec("pf_losses", LOSSES.title, LOSSES.short, (office.ACCOUNT_NO, *LOSSES.columns))
LITTLE, MUCH = 0.10, 0.20
"""Share of Q4 in the reactive energy: up to here too little compensation, above there too much [D]."""


def build(workspace: Workspace, period: Period, accounts: Sequence[str], generated_at: dt.datetime) -> list[Document]:
    """One document over all the accounts. Raises KeyacctError of the registry or of an analysis."""
    from keyacct.analysis.charges import charges

    accounts = sorted(accounts)
    subjects = load_subjects(workspace, accounts)
    found = gather(workspace, period, accounts, demand=True, power_factor=True)
    scope = Scope(period, generated_at.astimezone(workspace.zone).date())
    money = charges(
        workspace,
        period,
        accounts=accounts,
        is_over=not scope.unfinished,
        demands=found.demand,
        adjustment_pct={a: row["adjustment_pct"] for a, row in found.power_factor.items()},
    )
    rows = [
        _row(subject, found.power_factor.get(subject.account_no), money[subject.account_no]) for subject in subjects
    ]
    details = [_detail(row) for row in found.power_factor.values() if row["wp_kwh"] is not None]
    assessed = [row for row in found.power_factor.values() if row["passed"] is not None]
    met = sum(bool(row["passed"]) for row in assessed)
    yuan = [c.adjustment_cny for c in money.values() if c.adjustment_cny is not None]
    remarks = {flag for row in found.power_factor.values() for flag in row["flags"] or ()}
    notes = [
        *office.without_data(
            accounts,
            lambda a: (found.power_factor.get(a) or {"pf": None})["pf"] is not None,
            Text("Power factor", "功率因数"),
        ),
        *(Note("warning", FLAGS[flag]) for flag in sorted(remarks) if flag in FLAGS),
    ]
    tables = (TABLE.fill(rows), *((DETAIL.fill(details),) if details else ()), *_lost(found.power_factor))
    return [
        office.document(
            "pf",
            TITLE,
            Text("Assessed values, percent and yuan", "考核值、调整百分数与金额"),
            workspace,
            period,
            generated_at,
            accounts=accounts,
            figures=[
                Figure(ASSESSED_FIGURE, ASSESSED_FIGURE.cell(len(assessed))),
                Figure(
                    SHARE_FIGURE,
                    SHARE_FIGURE.cell(met / len(assessed) if assessed else Absent(NO_STANDARD)),
                    detail=Text(f"{met} of {len(assessed)}", f"{len(assessed)}户中{met}户")
                    if assessed
                    else Text("", ""),
                ),
                Figure(YUAN_FIGURE, YUAN_FIGURE.cell(sum(yuan) if yuan else None)),
            ],
            sections=[Section("assessment", TITLE, tables, tuple(_chart(found.power_factor)), tuple(notes))],
            completeness=office.lowest(
                [row["completeness"] for row in found.power_factor.values() if row["wp_kwh"] is not None]
            ),
            inputs={"pf": found.power_factor, "money": money, "subjects": subjects},
            parameters=_parameters(workspace),
            notes=_notes(),
        )
    ]


def advice(row: Row) -> str | None:
    """The advice code of an account's energies; None without a power factor."""
    if row["pf"] is None:
        return None
    if "loss_unknown" in (row["flags"] or ()):
        return "loss_unknown"
    if row["passed"] is None:
        return "no_standard"
    leading = row["q4_kvarh"] or 0.0
    whole = (row["q1_kvarh"] or 0.0) + leading
    part = leading / whole if whole else 0.0
    if part > MUCH:
        return "over_compensation"
    if row["passed"]:
        return "ok"
    return "under_compensation" if part <= LITTLE else "misfit"


def _row(subject: Subject, row: Row | None, money: Charges) -> dict[str, Value]:
    head: dict[str, Value] = {"account": subject.account_no, "account_name": subject.account_name or None}
    if row is None:
        return {column.key: office.NO_POINT for column in TABLE.columns} | head
    code = advice(row)
    base = None
    if money.energy_cny is not None and money.basic_cny is not None:
        base = money.energy_cny + money.basic_cny
    reason = money.reasons.get("energy_cny") or money.reasons.get("basic_cny")
    return {
        **row,
        **judged(row),
        **head,
        "adjusted_base_cny": base if base is not None else Absent(REASONS[reason]) if reason else None,
        "adjustment_cny": money.adjustment_cny
        if money.adjustment_cny is not None
        else Absent(REASONS[money.reasons["adjustment_cny"]]),
        "advice": ADVICE[code] if code else None,
    }


def _lost(rows: Mapping[str, Row]) -> Iterator[Table]:
    """Losses of transformers, where somebody is metered behind one."""
    lost = [{**row, "account": account} for account, row in sorted(rows.items()) if row["loss_kwh"] is not None]
    if lost:
        yield LOST.fill(lost)


def _detail(row: Row) -> dict[str, Value]:
    return {**row, "account": row["account_no"], "completeness_pct": row["completeness"]}


def _chart(rows: Mapping[str, Row]) -> list[Chart]:
    """The lowest power factors beside their standards."""
    known = sorted(
        (row for row in rows.values() if row["pf"] is not None), key=lambda row: (row["pf"], row["account_no"])
    )
    low = known[: office.TOP]
    if not low:
        return []
    series = (
        Series("pf", Text("power factor", "功率因数"), tuple(number(row["pf"], 4) for row in low), 0, "bar"),
        Series("pf_standard", Text("standard", "标准"), tuple(number(row["pf_standard"], 2) for row in low), 3, "bar"),
    )
    return [
        Chart(
            "pf_lowest",
            "bar",
            Text("Lowest power factors", "功率因数最低的客户"),
            Text("The accounts with the lowest power factor, beside their standard.", "功率因数最低的客户及其标准。"),
            Text("Account no.", "户号"),
            tuple(plain(row["account_no"]) for row in low),
            series,
            Axis(Text("Power factor", "功率因数")),
            4,
            wide=True,
        )
    ]


def _parameters(workspace: Workspace) -> tuple[Fact, ...]:
    from keyacct.report.kinds.month import REACTIVE_MODES

    settings = workspace.settings.power_factor
    mode, quadrants = REACTIVE_MODES[settings.reactive_mode], ", ".join(settings.quadrants).upper()
    return (Fact(Text("Reactive energy", "无功电量计算"), Text(f"{quadrants}, {mode.en}", f"{quadrants}, {mode.zh}")),)


def _notes() -> list[Note]:
    return [
        Note(
            "rule",
            Text(
                "Assessment: (83)水电财字215号; from the month's energies, rounded half up to two decimals before the table is "
                "read. Peak and valley means come from the energies of those tariff periods.",
                "考核依据: (83)水电财字215号; 按当月电量计算, 四舍五入取两位小数后查表。峰段、谷段平均按该时段电量计算。",
            ),
        ),
        Note(
            "info",
            Text(
                "Yuan need prices in the registry: a price table of the account with energy prices, and for a two-part tariff "
                "a basic price. Prices count from the day on which they begin.",
                "金额须档案登记电价: 客户电价表与电度电价, 两部制另须基本电价; 电价自生效日起计。",
            ),
        ),
    ]


KIND = Kind(
    "pf",
    TITLE,
    build=build,
    scope="office",
    figures=(ASSESSED_FIGURE, SHARE_FIGURE, YUAN_FIGURE, COMPLETENESS_FIGURE),
    tables=(TABLE, DETAIL, LOST),
)
