"""The customer's monthly energy report: what you used, what it cost you, what to change; one page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from keyacct.config import Workspace
from keyacct.i18n import Text
from keyacct.model import TARIFF_PERIODS, Period
from keyacct.report.document import Absent, Axis, Chart, Document, Figure, Note, Section, Series, TableSpec, Value
from keyacct.report.gather import Gathered, gather
from keyacct.report.inputs import digest_of
from keyacct.report.kind import Kind
from keyacct.report.kinds.energy import change
from keyacct.report.kinds.pf import ADVICE, advice
from keyacct.report.sections import load as load_section
from keyacct.report.sections import office
from keyacct.report.sections.account_columns import MODES
from keyacct.report.sections.common import COMPLETENESS_FIGURE, KW, KWH, Scope, number, plain
from keyacct.report.sections.load_columns import DEMAND_FIGURE, ENERGY_FIGURE
from keyacct.report.sections.money import REASONS
from keyacct.report.sections.office import NO_BEFORE, NO_YEAR_AGO, YUAN, amount, share, words
from keyacct.report.sections.power_factor import judged
from keyacct.report.sections.power_factor_columns import PF_FIGURE
from keyacct.report.subject import Subject, facts, load_subjects

if TYPE_CHECKING:
    from keyacct.analysis.billable_demand import BillableDemand
    from keyacct.analysis.charges import Charges
    from keyacct.analysis.typical_day import TypicalDay

TITLE = Text("Your energy report", "用电分析报告")
ITEM = words("item", Text("Item", "项目"), Text("Part of the charge.", "电费组成。"))
BASIS = words("basis", Text("From", "依据"), Text("What the amount comes from.", "金额的计算依据。"), Text("–", "–"))
AMOUNT = amount(
    "amount_cny",
    Text("Amount", "金额"),
    Text("Yuan, before government funds and surcharges.", "元, 不含政府性基金及附加。"),
    YUAN,
    absent=office.NOT_AVAILABLE,
)
COST = TableSpec("customer_cost", Text("What it cost you", "电费构成"), Text("Cost", "电费"), (ITEM, BASIS, AMOUNT))
ADVICE_TEXT = words("advice", Text("What to change", "建议"), Text("What could be changed.", "可采取的措施。"))
WHY = words("why", Text("Why", "原因"), Text("The figures behind it.", "依据的数据。"))
EFFECT = amount(
    "effect_cny",
    Text("Effect", "预计节省"),
    Text("Yuan of this month that it would have saved.", "本月可节省的金额。"),
    YUAN,
    absent=Text("not to be said in yuan", "无法以金额表示"),
)
CHANGES = TableSpec(
    "customer_advice", Text("What to change", "用电建议"), Text("Advice", "用电建议"), (ADVICE_TEXT, WHY, EFFECT)
)
OTHER = words("other_period", Text("Compared with", "对比期"), Text("The other period.", "对比的统计期。"))
USED = TableSpec(
    "customer_used",
    Text("What you used", "用电情况"),
    Text("Used", "用电情况"),
    (
        OTHER,
        amount("energy_kwh", Text("Energy", "用电量"), Text("Energy of that period.", "该期用电量。"), KWH),
        share(
            "change_pct",
            Text("Change", "变化率"),
            Text("(This period − that period) / that period.", "(本期 − 对比期) / 对比期。"),
        ),
    ),
)
TOTAL_FIGURE = amount(
    "total_cny",
    Text("Charges", "电费合计"),
    Text(
        "Energy charge, basic charge and power-factor adjustment, before government funds and surcharges.",
        "电度电费、基本电费与力调电费之和, 不含政府性基金及附加。",
    ),
    YUAN,
    absent=office.NOT_AVAILABLE,
)
CHANGE_FIGURE = share(
    "energy_change_pct", Text("Against the period before", "环比"), Text("Change of the energy.", "用电量变化率。")
)
NEAR, OVER = Decimal("0.95"), Decimal("1.05")
"""Shares of the contract demand: near it, and beyond what is billed singly (domain: advice codes)."""
LOW_VALLEY = 0.25
"""A share of valley energy below this suggests shifting use [D]."""
HIGH_USE, LOW_USE = 1.0, 0.4
"""Maximum demand per kVA of running capacity, above and below which the capacity is looked at [D]."""


def build(workspace: Workspace, period: Period, accounts: Sequence[str], generated_at: dt.datetime) -> list[Document]:
    """One document an account. Raises KeyacctError of the registry or of an analysis."""
    from keyacct.analysis.charges import charges
    from keyacct.analysis.comparison import last_year, previous_period
    from keyacct.analysis.typical_day import typical_day

    subjects = load_subjects(workspace, accounts)
    now = gather(workspace, period, accounts, demand=True, power_factor=True)
    others = [(previous_period(period), NO_BEFORE)]
    year = last_year(period)
    if year is not None:
        others.append((year, NO_YEAR_AGO))
    then = [(other, gather(workspace, other, accounts), missing) for other, missing in others]
    local = generated_at.astimezone(workspace.zone)
    scope = Scope(period, local.date())
    money = charges(
        workspace,
        period,
        accounts=accounts,
        is_over=not scope.unfinished,
        demands=now.demand,
        adjustment_pct={a: row["adjustment_pct"] for a, row in now.power_factor.items()},
    )
    days = typical_day(workspace, now.load_day)
    return [
        _document(
            subject, workspace, period, local, scope, now, then, money[subject.account_no], days.get(subject.account_no)
        )
        for subject in subjects
    ]


Then = Sequence[tuple[Period, Gathered, Absent]]


def _document(
    subject: Subject,
    workspace: Workspace,
    period: Period,
    local: dt.datetime,
    scope: Scope,
    now: Gathered,
    then: Then,
    money: Charges,
    day: TypicalDay | None,
) -> Document:
    account = subject.account_no
    load, factor = now.load.get(account), now.power_factor.get(account)
    energy = now.energy(account)
    demand = now.demand.get(account)
    before = then[0][1].energy(account)
    figures = [
        Figure(ENERGY_FIGURE, ENERGY_FIGURE.cell(energy)),
        Figure(CHANGE_FIGURE, CHANGE_FIGURE.cell(change(energy, before, scope, NO_BEFORE))),
        Figure(TOTAL_FIGURE, TOTAL_FIGURE.cell(_total(money))),
        Figure(
            DEMAND_FIGURE, DEMAND_FIGURE.cell(demand.kw if demand else None), detail=load_section.demand_word(demand)
        ),
        Figure(PF_FIGURE, PF_FIGURE.cell(judged(factor)["pf_assessed"] if factor else None)),
    ]
    rows: list[dict[str, Value]] = [
        {
            "other_period": other.label,
            "energy_kwh": missing if (value := found.energy(account)) is None else value,
            "change_pct": change(energy, value, scope, missing),
        }
        for other, found, missing in then
    ]
    changes = _advice(subject, load, demand, factor, money)
    if load is None or energy is None:
        text = (
            Text(
                "This account has no meter in the period: there is nothing to report.", "该户本期无电能表, 无用电数据。"
            )
            if load is None
            else Text("No energy of this account is known in the period.", "该户本期无电量数据。")
        )
        sections: tuple[Section, ...] = (Section("used", USED.title, notes=(Note("warning", text),)),)
    else:
        charts = [*_day_chart(now, account, scope), *_tariff_chart(load), *_typical_chart(day)]
        none = Text("Your figures give no reason to change anything.", "当前数据无需调整用电。")
        # One section, and the two small tables together: it has to stay one page of paper.
        tables = (COST.fill(_cost(money)), USED.fill(rows), *((CHANGES.fill(changes),) if changes else ()))
        notes = (*([] if changes else [Note("info", none)]), *_lost(factor))
        sections = (Section("used", USED.title, tables, tuple(charts), notes),)
    shares = [load["completeness"] if load and energy is not None else None]
    return Document(
        kind="customer",
        title=TITLE,
        subtitle=Text("What you used, what it cost you, what to change", "用电情况、电费构成与建议"),
        office=workspace.settings.workspace.name,
        account_no=account,
        account_name=subject.account_name,
        period=period,
        facts=facts(subject)[:3],
        parameters=(),
        completeness=Figure(COMPLETENESS_FIGURE, COMPLETENESS_FIGURE.cell(office.lowest(shares))),
        figures=tuple(figures),
        sections=sections,
        notes=tuple(office.unfinished(scope)),
        inputs_sha256=digest_of(
            {
                "rows": [
                    load,
                    demand,
                    factor,
                    now.load_day.get(account),
                    [found.load.get(account) for _, found, _ in then],
                ],
                "money": money,
                "day": day,
                "subject": subject,
                "period": [str(period.first), str(period.last)],
                "unfinished": scope.unfinished,
            }
        ),
        generated_at=local,
        one_page=True,
    )


def _total(money: Charges) -> Value:
    if money.total_cny is not None:
        return money.total_cny
    return Absent(REASONS[money.reasons["total_cny"]])


def _cost(money: Charges) -> list[dict[str, Value]]:
    def value(known: Decimal | None, key: str) -> Value:
        reason = money.reasons.get(key)
        return known if known is not None else Absent(REASONS[reason]) if reason else None

    rows: list[dict[str, Value]] = []
    for key, name in TARIFF_PERIODS.items():
        if key in money.by_period and money.by_period[key][0]:
            kwh, cost = money.by_period[key]
            basis = plain(f"{number(kwh, 2):,f} kWh")
            shown = number(cost, 2) if cost is not None else value(None, "energy_cny")
            rows.append(
                {"item": Text(f"Energy, {name.en}", f"电度电费({name.zh})"), "basis": basis, "amount_cny": shown}
            )
    if "" in money.by_period:
        kwh, cost = money.by_period[""]
        shown = number(cost, 2) if cost is not None else value(None, "energy_cny")
        rows.append(
            {"item": Text("Energy", "电度电费"), "basis": plain(f"{number(kwh, 2):,f} kWh"), "amount_cny": shown}
        )
    if not rows:
        rows.append(
            {
                "item": Text("Energy", "电度电费"),
                "basis": plain(""),
                "amount_cny": value(money.energy_cny, "energy_cny"),
            }
        )
    rows.append(
        {
            "item": Text("Basic charge", "基本电费"),
            "basis": MODES.get(money.tariff_mode),
            "amount_cny": value(money.basic_cny, "basic_cny"),
        }
    )
    percent = money.adjustment_pct
    rows.append(
        {
            "item": Text("Power-factor adjustment", "力调电费"),
            "basis": plain("") if percent is None else plain(f"{percent:+f}\u00a0%"),
            "amount_cny": value(money.adjustment_cny, "adjustment_cny"),
        }
    )
    rows.append({"item": Text("Together", "合计"), "basis": plain(""), "amount_cny": _total(money)})
    return rows


def _lost(factor: Mapping[str, object] | None) -> list[Note]:
    """What of the charged energy is the transformer's."""
    lost = None if factor is None else factor["loss_kwh"]
    if lost is None:
        return []
    kwh = f"{number(lost, 2):,f}"
    text = Text(
        f"You are metered behind your transformer: the energy charged holds {kwh} kWh of its losses.",
        f"高供低计: 计费电量含变压器损耗{kwh}kWh。",
    )
    return [Note("info", text)]


def _advice(
    subject: Subject,
    load: Mapping[str, object] | None,
    billable: BillableDemand | None,
    factor: Mapping[str, object] | None,
    money: Charges,
) -> list[dict[str, Value]]:
    found: list[dict[str, Value]] = []
    if factor is not None:
        code = advice(factor)
        if code in ("under_compensation", "over_compensation", "misfit"):
            why = plain(f"cosφ {factor['pf_assessed']}, {number(factor['q4_kvarh'], 0)} kvarh Q4")
            surcharge = money.adjustment_cny if money.adjustment_cny is not None and money.adjustment_cny > 0 else None
            found.append({"advice": ADVICE[code], "why": why, "effect_cny": surcharge})
    if money.saving_cny is not None and money.cheaper_mode is not None:
        mode = MODES[money.cheaper_mode]
        found.append(
            {
                "advice": Text(f"Have the basic charge formed {mode.en}", f"基本电费改为{mode.zh}"),
                "why": Text(
                    f"by capacity {money.capacity_cny} CNY, by demand {money.demand_cny} CNY",
                    f"按容量{money.capacity_cny}元, 按需量{money.demand_cny}元",
                ),
                "effect_cny": money.saving_cny,
            }
        )
    if load is None or load["energy_kwh"] is None:
        return found
    demand = billable.kw if billable is not None else None
    contract = subject.attributes.get("contract_demand_kw")
    if demand is not None and contract and money.tariff_mode == "two_part_demand":
        part = demand / Decimal(repr(contract))
        why = Text(f"{office.per(part, 1)} of the contract demand", f"达合同需量的{office.per(part, 1)}")
        if part > OVER:
            text = Text("Raise the contract demand or lower the peak", "提高合同需量或降低最大负荷")
            found.append({"advice": text, "why": why})
        elif part >= NEAR:
            text = Text("Watch the peak: the contract demand is near", "注意峰值: 已接近合同需量")
            found.append({"advice": text, "why": why})
    capacity = subject.attributes.get("running_capacity_kva") or subject.attributes.get("contract_capacity_kva")
    if demand is not None and capacity:
        part = demand / Decimal(repr(capacity))
        why = Text(
            f"highest demand {number(demand, 0)} kW at {number(capacity, 0)} kVA",
            f"最大需量{number(demand, 0)}kW, 容量{number(capacity, 0)}kVA",
        )
        if part > HIGH_USE:
            found.append(
                {"advice": Text("Spread the load or apply for more capacity", "错开用电或申请增容"), "why": why}
            )
        elif part < LOW_USE:
            text = Text(
                "The capacity is large for this month's load: watch it over three months", "容量偏大: 连续观察三个月"
            )
            found.append({"advice": text, "why": why})
    valley, whole = load["valley_kwh"], load["energy_kwh"]
    if (
        isinstance(valley, float)
        and isinstance(whole, float)
        and whole
        and load["peak_kwh"]
        and valley / whole < LOW_VALLEY
    ):
        part_valley = office.per(valley / whole, 1)
        found.append(
            {
                "advice": Text("Shift work to the valley period where possible", "可能时将生产移至谷段"),
                "why": Text(f"valley energy {part_valley}", f"谷段电量占{part_valley}"),
            }
        )
    return found


def _day_chart(now: Gathered, account: str, scope: Scope) -> list[Chart]:
    by_day = {row["day"]: row for row in now.load_day.get(account, ())}
    return (
        [load_section.daily_chart(by_day, scope)] if any(r["energy_kwh"] is not None for r in by_day.values()) else []
    )


def _tariff_chart(load: Mapping[str, object]) -> list[Chart]:
    if not any(load[f"{key}_kwh"] is not None for key in TARIFF_PERIODS):
        return []
    return [load_section.split_chart(load)]


def _typical_chart(day: TypicalDay | None) -> list[Chart]:
    if day is None or day.day is None or not any(kw is not None for _, kw in day.curve):
        return []
    names = [plain(at.strftime("%H:%M") if at.time() != dt.time() else "24:00") for at, _ in day.curve]
    ticks = tuple(place for place, (at, _) in enumerate(day.curve) if at.minute == 0)
    of = Text(f"day of median energy of {day.of_days}", f"{day.of_days}天中电量居中之日")
    return [
        Chart(
            "typical_day",
            "line",
            Text(f"Your typical day, {day.day}", f"典型日负荷曲线 ({day.day})"),
            Text(f"Load curve of {day.day}, the {of.en}.", f"{day.day}负荷曲线, {of.zh}。"),
            Text("Time of day", "时刻"),
            tuple(names),
            (Series("load_kw", Text("load", "负荷"), tuple(number(kw, 2) for _, kw in day.curve), 0),),
            Axis(Text("Load", "负荷"), KW, low=Decimal(0)),
            2,
            ticks=ticks,
            ticks_from_end=True,
        )
    ]


KIND = Kind(
    "customer",
    Text("The customer's energy report: one page", "客户用电分析报告(一页)"),
    build=build,
    figures=(ENERGY_FIGURE, CHANGE_FIGURE, TOTAL_FIGURE, DEMAND_FIGURE, PF_FIGURE, COMPLETENESS_FIGURE),
    tables=(USED, COST, CHANGES),
)
