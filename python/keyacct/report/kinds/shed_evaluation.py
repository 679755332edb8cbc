"""The evaluation of an event of orderly power use: what was achieved, by whom, which limits held, who bore how much."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from keyacct.analysis.shed_evaluation import Evaluation, EvaluationRules, Row
from keyacct.analysis.shed_event import ShedEvent
from keyacct.i18n import Text
from keyacct.report.document import Axis, Chart, Document, Fact, Figure, Note, Section, Series, Value
from keyacct.report.inputs import digest_of
from keyacct.report.kind import Kind
from keyacct.report.sections import shed_evaluation_columns as c
from keyacct.report.sections.common import COMPLETENESS_FIGURE, KW, number, plain
from keyacct.report.sections.office import DASHES, listed
from keyacct.report.shed_paper import MEASURE_NAMES, Office, event_period, moment

TITLE = Text("Orderly power use: evaluation of an event", "有序用电执行评价")
BASELINES = {
    "plan": Text("the plan's expected load", "方案预计负荷"),
    "like-days": Text("like days, adjusted on the day", "相似日平均并按当日修正"),
}


@dataclass(frozen=True)
class EvaluationPaper:
    """An evaluation on its way to paper. baseline: `plan` or `like-days`. metered_sha256: digest of the metered values
    and the baseline. warnings: what the reader of the values must know.
    """

    event: ShedEvent
    evaluation: Evaluation
    office: Office
    baseline: str
    metered_sha256: str
    rules: EvaluationRules
    names: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[Text] = ()
    draft: str = ""


def document(paper: EvaluationPaper) -> Document:
    """The document of an evaluation."""
    event, office, totals = paper.event, paper.office, paper.evaluation.totals
    facts = [
        Fact(Text("From", "开始"), plain(_moment(paper, event.begins_at))),
        Fact(Text("To", "结束"), plain(_moment(paper, event.ends_at))),
        Fact(Text("Customers", "涉及户数"), plain(str(totals["customers"]))),
        Fact(Text("Baseline", "基线"), BASELINES[paper.baseline]),
        Fact(Text("Plan, SHA-256 (first 16)", "方案摘要 (前16位)"), plain(event.plan_sha256[:16])),
    ]
    if paper.draft:
        facts.append(Fact(Text("Draft", "方案编号"), plain(paper.draft)))
    return Document(
        kind=KIND.name,
        title=TITLE,
        subtitle=Text("Reduction, execution, limits, burden", "压减、执行、限额与承担情况"),
        office=office.name,
        account_no="",
        account_name="",
        period=event_period(event, office.zone),
        facts=tuple(facts),
        parameters=_parameters(paper),
        completeness=Figure(COMPLETENESS_FIGURE, COMPLETENESS_FIGURE.cell(totals["completeness"])),
        figures=_figures(paper),
        sections=(_reduction(paper), _customers(paper), _limits(paper), _after(paper), _burden(paper)),
        notes=(DASHES,),
        inputs_sha256=digest_of(
            {
                "plan": event.plan_sha256, "metered": paper.metered_sha256, "baseline": paper.baseline,
                "rules": paper.rules, "names": {name: paper.names.get(name) for name in event.by_customer},
                "office": office.name, "draft": paper.draft,
            }
        ),
        generated_at=office.generated_at.astimezone(office.zone),
    )  # fmt: skip


def _parameters(paper: EvaluationPaper) -> tuple[Fact, ...]:
    rules = paper.rules
    return (
        Fact(Text("Time zone", "时区"), plain(str(paper.office.zone))),
        Fact(Text("Interval", "间隔"), Text(f"{paper.event.minutes} min", f"{paper.event.minutes} 分钟")),
        Fact(Text("Limit kept up to", "限额容差"), plain(f"{number(1 + rules.limit_tolerance, 0, percent=True)} %")),
        Fact(Text("Executed from", "执行判据"), plain(f"{number(rules.executed_share, 0, percent=True)} %")),
        Fact(
            Text("In time within", "按时判据"),
            Text(f"{rules.on_time_intervals} intervals", f"{rules.on_time_intervals} 个时刻"),
        ),
        Fact(Text("Metered values, SHA-256", "计量数据摘要"), plain(paper.metered_sha256)),
    )


def _figures(paper: EvaluationPaper) -> tuple[Figure, ...]:
    t = paper.evaluation.totals
    rate, executed, below = t["execution_rate"], t["execution_of_orders"], t["below_safety"]
    known = t["completeness"] not in (None, 0.0)
    no_value = None if known else c.NO_VALUE
    safety = c.SAFETY_FIGURE.cell(below if known else None)
    return (
        Figure(c.RATE_FIGURE, c.RATE_FIGURE.cell(rate)),
        Figure(
            c.ORDERS_FIGURE, c.ORDERS_FIGURE.cell(executed if known else None),
            None if no_value or executed is None else "pass" if executed >= 1 else "fail",
            Text(f"{t['executed']} of {t['orders']} orders", f"{t['orders']} 项措施中 {t['executed']} 项"),
        ),
        Figure(c.PEAK_FIGURE, c.PEAK_FIGURE.cell(t["achieved_peak_kw"]), detail=_when(paper, t["achieved_peak_at"])),
        Figure(c.SHORT_FIGURE, c.SHORT_FIGURE.cell(t["short_kwh"] if known else None)),
        Figure(c.COMPLIANCE_FIGURE, c.COMPLIANCE_FIGURE.cell(t["limit_compliance"])),
        Figure(c.SAFETY_FIGURE, safety, None if no_value else "pass" if below == 0 else "fail"),
        Figure(c.NOT_SERVED_FIGURE, c.NOT_SERVED_FIGURE.cell(t["not_served_kwh"])),
        Figure(c.REBOUND_FIGURE, c.REBOUND_FIGURE.cell(t["rebound_peak_kw"]), detail=_when(paper, t["rebound_peak_at"])),
    )  # fmt: skip


def _when(paper: EvaluationPaper, at: dt.datetime | None) -> Text:
    return Text("", "") if at is None else plain(_moment(paper, at))


def _moment(paper: EvaluationPaper, at: dt.datetime) -> str:
    return moment(at.astimezone(paper.office.zone)) or ""


def _shown(paper: EvaluationPaper, row: Row) -> dict[str, Value]:
    """A row of the evaluation as the tables take it: civil times, words, shares."""
    zone = paper.office.zone
    found: dict[str, Value] = {}
    for key, value in row.items():
        if key in ("from_at", "to_at"):
            found[key] = moment(value.astimezone(zone))
        elif isinstance(value, dt.datetime):
            found[key] = value.astimezone(zone)
        else:
            found[key] = value
    if "customer" in row:
        found["account"] = row["customer"]
        found["account_name"] = paper.names.get(row["customer"]) or None
    if "measure" in row:
        found["measure"] = MEASURE_NAMES[row["measure"]]
    if "measures" in row:
        names = [MEASURE_NAMES[name] for name in row["measures"].split(", ")]
        found["measures"] = Text(", ".join(n.en for n in names), "、".join(n.zh for n in names))
    if "closed" in row:
        expected = Text("closed: the plan expected so", "已停产, 方案已预计")
        found["expected"] = expected if row["closed"] else Text("not expected", "未预计")
    for key in ("execution_rate", "limit_compliance"):
        if key in row:
            found[f"{key}_pct"] = row[key]
    return found


def _reduction(paper: EvaluationPaper) -> Section:
    found = paper.evaluation
    tables = [
        c.BLOCKS_TABLE.fill(_shown(paper, row) for row in found.blocks),
        c.AREAS_TABLE.fill(_shown(paper, row) for row in found.areas),
        c.INTERVALS_TABLE.fill(_shown(paper, row) for row in found.intervals),
    ]
    notes = [Note("warning", text) for text in paper.warnings]
    missing = sum(row["missing"] for row in found.orders)
    if missing:
        expected = sum(row["intervals"] for row in found.orders)
        names = listed([row["customer"] for row in found.customers if row["missing"]])
        text = Text(
            f"{missing} of {expected} customer intervals have no value; they count as nothing achieved. "
            f"Customers: {names.en}.",
            f"{expected} 个客户时刻中 {missing} 个无数据, 按未压减计。涉及: {names.zh}。",
        )
        notes.append(Note("warning", text))
    return Section("reduction", Text("Reduction", "压减情况"), tuple(tables), (_chart(paper),), tuple(notes))


def _chart(paper: EvaluationPaper) -> Chart:
    event = paper.event
    rows = {row["period"]: row for row in paper.evaluation.intervals}
    periods = range(min(rows), max(rows) + 1) if rows else range(0)
    stamps = [event.end_of(t).astimezone(paper.office.zone) for t in periods]

    def line(key: str, name: Text, color: int) -> Series:
        return Series(key, name, tuple(number(rows[t][key], 1) if t in rows else None for t in periods), color)

    return Chart(
        key="shed_achieved",
        kind="line",
        title=Text("Achieved against ordered and required reduction", "实际、下达与需求压减负荷"),
        summary=Text(
            f"Reduction over {len(rows)} intervals of the time blocks.", f"各时段共 {len(rows)} 个时刻的压减负荷。"
        ),
        category_title=Text("End of interval", "时段止点"),
        categories=tuple(plain(f"{at:%H:%M}") for at in stamps),
        series=(
            line("required_kw", Text("required", "需求"), 1),
            line("planned_kw", Text("ordered", "下达"), 0),
            line("achieved_kw", Text("achieved", "实际"), 2),
        ),
        axis=Axis(Text("Reduction", "压减负荷"), KW, low=Decimal(0)),
        decimals=1,
        ticks=tuple(n for n, at in enumerate(stamps) if at.minute == 0) if len(stamps) > 12 else (),
        wide=True,
    )


def _customers(paper: EvaluationPaper) -> Section:
    rows = paper.evaluation.customers
    note = Note(
        "rule",
        Text(
            "Execution rate: mean over the ordered intervals of min(1, achieved / ordered), not below 0. A missing interval "
            "counts as nothing achieved.",
            "执行率: 各下达时刻 min(1, 实际/下达) 的平均值, 不小于0。缺数时刻按未压减计。",
        ),
    )
    table = c.CUSTOMERS_TABLE.fill(_shown(paper, row) for row in rows)
    return Section("customers", Text("Execution by customer", "分客户执行情况"), (table,), (), (note,))


def _limits(paper: EvaluationPaper) -> Section:
    found = paper.evaluation
    tables = []
    notes = []
    if found.ceilings:
        tables.append(c.CEILINGS_TABLE.fill(_shown(paper, row) for row in found.ceilings))
    else:
        notes.append(Note("info", Text("No metered interval is above its limit.", "有数据时刻均未超限额。")))
    if found.below_safety:
        tables.append(c.SAFETY_TABLE.fill(_shown(paper, row) for row in found.below_safety))
    else:
        notes.append(Note("info", Text("No metered interval is below a safety load.", "有数据时刻均不低于保安负荷。")))
    return Section("limits", Text("Limits and safety loads", "限额与保安负荷"), tuple(tables), (), tuple(notes))


def _after(paper: EvaluationPaper) -> Section:
    rows = paper.evaluation.after_release
    title = Text("After release", "恢复后")
    if not rows:
        text = Text("The plan's horizon ends with its last block.", "方案时间范围止于最后一个时段。")
        return Section("after", title, notes=(Note("info", text),))
    totals, notes = paper.evaluation.totals, []
    if totals["rebound_peak_at"] is not None:
        kw, at = number(totals["rebound_peak_kw"], 1), _moment(paper, totals["rebound_peak_at"])
        text = Text(
            f"Most above the baseline at {at}: {kw} kW, of the customers of the plan together.",
            f"方案客户合计高于基线最多: {kw} kW ({at})。",
        )
        notes.append(Note("info", text))
    over = [
        row
        for row in rows
        if None not in (row["rebound_kw"], row["headroom_kw"]) and row["rebound_kw"] > row["headroom_kw"]
    ]
    if over:
        worst = max(over, key=lambda row: (row["rebound_kw"] - row["headroom_kw"], -row["period"]))
        text = Text(
            f"More came back than there was room for in {len(over)} intervals, most at {_moment(paper, worst['ends_at'])}: "
            f"{number(worst['rebound_kw'] - worst['headroom_kw'], 1)} kW over.",
            f"{len(over)} 个时刻返回负荷超过可接纳空间, 最多超 {number(worst['rebound_kw'] - worst['headroom_kw'], 1)} kW "
            f"({_moment(paper, worst['ends_at'])})。",
        )
        notes.append(Note("warning", text))
    table = c.AFTER_TABLE.fill(_shown(paper, row) for row in rows)
    return Section("after", title, (table,), (), tuple(notes))


def _burden(paper: EvaluationPaper) -> Section:
    note = Note(
        "info",
        Text(
            "What the rotation account gets: the next plan reads the hours borne as history.",
            "计入轮休台账, 下次编制方案时作为历史承担时长。",
        ),
    )
    table = c.BURDEN_TABLE.fill(_shown(paper, row) for row in paper.evaluation.burdens)
    return Section("burden", Text("Rotation account", "轮休台账"), (table,), (), (note,))


KIND = Kind(
    "shed_evaluation",
    TITLE,
    made_by="shed evaluate",
    figures=c.FIGURES,
    tables=c.TABLES,
    scope="office",
)
