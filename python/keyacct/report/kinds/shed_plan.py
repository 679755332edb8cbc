"""The plan document of orderly power use: what dispatch orders, who gives what when, who is told, who signs."""

from __future__ import annotations

from keyacct.i18n import Text
from keyacct.report.dispatch_order import LEVELS
from keyacct.report.document import Document, Fact, Figure, Note, Section
from keyacct.report.inputs import digest_of
from keyacct.report.kind import Kind
from keyacct.report.sections import shed_columns as c
from keyacct.report.sections.common import plain
from keyacct.report.sections.shed_gap import SHORT_KW, gap
from keyacct.report.sections.shed_lists import notices, people, reachable, recovery, reserve, returning, safety, targets
from keyacct.report.sections.shed_prices import prices
from keyacct.report.shed_paper import PlanPaper, event_period, moment

TITLE = Text("Orderly power use: plan", "有序用电实施方案")


def document(paper: PlanPaper) -> Document:
    """The document of a plan that the independent check accepted."""
    event, office = paper.event, paper.office
    sections = [
        _authority(paper),
        gap(paper),
        people(paper),
        targets(paper),
        notices(paper),
        safety(paper),
        *returning(paper),
        reserve(paper),
        *prices(paper),
        recovery(paper),
    ]
    figures = _figures(paper)
    known = [reachable(paper.people(customer)) for customer in event.by_customer]
    completeness = sum(known) / len(known) if known else None
    return Document(
        kind=KIND.name,
        title=TITLE,
        subtitle=plain(paper.order.number),
        office=office.name,
        account_no="",
        account_name="",
        period=event_period(event, office.zone),
        facts=_facts(paper),
        parameters=(
            Fact(Text("Time zone", "时区"), plain(str(office.zone))),
            Fact(Text("Interval", "间隔"), Text(f"{event.minutes} min", f"{event.minutes} 分钟")),
            Fact(Text("Plan file, SHA-256", "方案文件 SHA-256"), plain(event.plan_sha256)),
        ),
        completeness=Figure(c.CONTACTS_FIGURE, c.CONTACTS_FIGURE.cell(completeness)),
        figures=figures,
        sections=tuple(sections),
        notes=(_reading(),),
        inputs_sha256=inputs_digest(paper),
        generated_at=office.generated_at.astimezone(office.zone),
    )


def inputs_digest(paper: PlanPaper) -> str:
    """SHA-256 of everything that a paper of this plan is made from."""
    event = paper.event
    return digest_of(
        {
            "plan": event.plan_sha256,
            "event": {
                "start": event.start, "minutes": event.minutes, "blocks": event.blocks,
                "required": event.required_kw, "headroom": event.headroom_kw, "areas": event.areas,
                "customers": dict(event.customers),
            },
            "order": paper.order,
            "table": paper.table,
            "office": paper.office.name,
            "figures": dict(paper.figures),
            "names": {name: paper.names.get(name) for name in event.by_customer},
            "contacts": {name: paper.people(name) for name in event.by_customer},
            "reserve": list(paper.reserve),
            "explanation": paper.explanation,
            "recovery": paper.recovery,
            "draft": paper.draft,
        }
    )  # fmt: skip


def _facts(paper: PlanPaper) -> tuple[Fact, ...]:
    order, event, table = paper.order, paper.event, paper.table
    facts = [
        Fact(Text("Order no.", "调度指令号"), plain(order.number)),
        Fact(Text("Issued", "下达时间"), plain(moment(paper.local(order.issued_at)) or "")),
        Fact(Text("Level", "预警等级"), LEVELS[order.level]),
        Fact(Text("In force", "有效时间"), plain(_in_force(paper))),
        Fact(Text("Time blocks", "时段数"), plain(str(len(event.blocks)))),
        Fact(Text("Plan, SHA-256 (first 16)", "方案摘要 (前16位)"), plain(event.plan_sha256[:16])),
    ]
    if paper.draft:
        facts.append(Fact(Text("Draft", "方案编号"), plain(paper.draft)))
    for label, value in (
        (Text("Issued by", "下达单位"), order.issued_by),
        (Text("Trigger", "启动原因"), order.trigger),
        (Text("Legal basis", "依据"), order.legal_basis),
        (Text("Approval no.", "批准文号"), order.approval_no),
    ):
        if value:
            facts.append(Fact(label, plain(value)))
    if table is not None:
        facts.append(Fact(Text("Priority table", "限电序位表版本"), plain(table.version)))
        facts.append(Fact(Text("Table approved", "序位表批准"), plain(f"{table.approved_by} {table.approval_no}")))
        facts.append(Fact(Text("Table holds", "序位表有效期"), plain(f"{table.valid_from} – {table.valid_to}")))
    return tuple(facts)


def _in_force(paper: PlanPaper) -> str:
    first = paper.order.valid_from or paper.event.begins_at
    last = paper.order.valid_to or paper.event.ends_at
    return f"{moment(paper.local(first))} – {moment(paper.local(last))}"


def _figures(paper: PlanPaper) -> tuple[Figure, ...]:
    event = paper.event
    planned = event.planned_kw()
    periods = event.event_periods()
    peak = max(periods, key=lambda t: (event.required_kw[t], -t), default=None)
    margin = min((planned[t] - event.required_kw[t] for t in periods), default=None)
    unmet = paper.figures["unmet_kwh"]
    left = [
        value - event.customers[order.customer].safety_kw for order in event.orders for value in event.left_kw(order)
    ]
    touched = sum(event.customers[customer].protected for customer in event.by_customer)
    tripped = len({order.customer for order in event.orders if order.measure == "trip"})
    return (
        Figure(c.REQUIRED_FIGURE, c.REQUIRED_FIGURE.cell(None if peak is None else event.required_kw[peak])),
        Figure(c.PLANNED_FIGURE, c.PLANNED_FIGURE.cell(None if peak is None else planned[peak])),
        Figure(c.MARGIN_FIGURE, c.MARGIN_FIGURE.cell(margin)),
        Figure(c.UNMET_FIGURE, c.UNMET_FIGURE.cell(unmet), "pass" if unmet < SHORT_KW else "fail"),
        Figure(c.TOUCHED_FIGURE, c.TOUCHED_FIGURE.cell(len(event.by_customer))),
        Figure(c.TRIPPED_FIGURE, c.TRIPPED_FIGURE.cell(tripped)),
        Figure(c.PROTECTED_FIGURE, c.PROTECTED_FIGURE.cell(touched), "pass" if touched == 0 else "fail"),
        Figure(c.SAFETY_FIGURE, c.SAFETY_FIGURE.cell(min(left, default=None))),
    )


def _authority(paper: PlanPaper) -> Section:
    """Which table stands behind the plan, and what is missing in the order."""
    order = paper.order
    notes = []
    if paper.table is None:
        text = Text(
            "No priority table is named, neither in the problem folder nor in the order: only an approved and valid "
            "version may be used.",
            "问题目录与指令均未载明限电序位表版本: 只能使用经批准且在有效期内的版本。",
        )
        notes.append(Note("warning", text))
    if not order.legal_basis and not order.approval_no:
        text = Text("The order names neither legal basis nor approval.", "指令未载明依据或批准文号。")
        notes.append(Note("warning", text))
    day = paper.local(paper.event.begins_at).date()
    if paper.table is not None and not paper.table.valid_from <= day <= paper.table.valid_to:
        text = Text(
            f"The priority table is not valid on {day}.", f"限电序位表在 {day} 不在有效期内。"
        )  # fmt: skip
        notes.append(Note("warning", text))
    if order.note:
        notes.append(Note("info", plain(order.note)))
    notes.append(
        Note(
            "rule",
            Text(
                "Order of means: shift, avoid, limit; trip only last. Executed only after approval by two different persons.",
                "措施次序: 错峰、避峰、限电, 最后拉闸。须经两人(拟制、批准)审批后方可执行。",
            ),
        )
    )
    return Section("authority", Text("Order and authority", "指令与依据"), notes=tuple(notes))


def _reading() -> Note:
    return Note(
        "info",
        Text(
            "Intervals on charts are named by their end; blocks and windows by beginning and end. An en dash is a missing "
            "value, its reason stands under the table.",
            "图中时刻为时段止点; 时段与返回时段标明起止。短横线表示缺值, 原因列于表下。",
        ),
    )


KIND = Kind(
    "shed_plan",
    TITLE,
    made_by="shed document",
    figures=c.PLAN_FIGURES,
    tables=c.PLAN_TABLES,
    scope="office",
)
