"""The sheet of one customer of a plan of orderly power use: one page, what is asked, when, whom to call, where to sign."""

from __future__ import annotations

from keyacct.i18n import Text
from keyacct.report.dispatch_order import LEVELS
from keyacct.report.document import DASH, Document, Fact, Figure, Note, Section, Value
from keyacct.report.inputs import digest_of
from keyacct.report.kind import Kind
from keyacct.report.sections import shed_columns as c
from keyacct.report.sections.common import number, plain
from keyacct.report.sections.shed_lists import order_row, signoff
from keyacct.report.shed_paper import PlanPaper, event_period, moment

TITLE = Text("Orderly power use: notice to a customer", "有序用电客户通知书")
SIGNERS = (
    (Text("Told by (utility)", "供电公司通知人"), ""),
    (Text("Received by (customer)", "客户签收人"), ""),
)


def documents(paper: PlanPaper) -> list[Document]:
    """A document for every customer with a measure, in the order of the problem folder."""
    return [_document(paper, customer) for customer in paper.event.by_customer]


def _document(paper: PlanPaper, customer: str) -> Document:
    event, office, order = paper.event, paper.office, paper.order
    orders = event.by_customer[customer]
    who = event.customers[customer]
    people = paper.people(customer)
    deadline = min(event.deadline_of(item) for item in orders)
    highest = max(kw for item in orders for kw in item.kw)
    back = event.returns.get(customer, {})
    notes = [
        Note(
            "rule",
            Text(
                f"The safety load of {number(who.safety_kw, 1)} kW stays on all the time and is never part of a measure.",
                f"保安负荷 {number(who.safety_kw, 1)} kW 始终保留, 不列入任何措施。",
            ),
        )
    ]
    if any(item.measure == "limit" for item in orders):
        text = Text(
            "Limit: the load may not rise above the limit in any interval of the block.",
            "限电: 时段内任一时刻用电负荷不得超过限额。",
        )
        notes.append(Note("info", text))
    if back:
        first, last = min(back), max(back)
        begin, end = paper.local(event.begin_of(first)), paper.local(event.end_of(last))
        most, kwh = number(max(back.values()), 1), number(sum(back.values()) * event.hours, 1)
        text = Text(
            f"Shifted work may be made up between {moment(begin)} and {moment(end)}: {kwh} kWh, at most {most} kW more "
            "than usual.",
            f"错峰负荷可于 {moment(begin)} 至 {moment(end)} 补回: 共 {kwh} kWh, 最多比平时增加 {most} kW。",
        )
        notes.append(Note("info", text))
    rows: list[dict[str, Value]] = [order_row(paper, item) for item in orders]
    contacts: list[dict[str, Value]] = [
        {"side": side, "role": person.role or None, "name": person.name, "phone": person.phone or None}
        for side, listed in ((Text("customer", "客户"), people), (Text("utility", "供电公司"), order.team))
        for person in listed
    ]
    tables = [c.SHEET_TABLE.fill(rows)]
    if contacts:
        tables.append(c.CONTACTS_TABLE.fill(contacts))
    hours = sum(len(item.kw) for item in orders) * event.hours
    return Document(
        kind=KIND.name,
        title=TITLE,
        subtitle=plain(order.number),
        office=office.name,
        account_no=customer,
        account_name=paper.names.get(customer) or DASH,
        period=event_period(event, office.zone),
        facts=(
            Fact(Text("Level", "预警等级"), LEVELS[order.level]),
            Fact(Text("To be told by", "最迟通知时间"), plain(moment(paper.local(deadline)) or "")),
            Fact(Text("Plan, SHA-256 (first 16)", "方案摘要 (前16位)"), plain(event.plan_sha256[:16])),
            *((Fact(Text("Legal basis", "依据"), plain(order.legal_basis)),) if order.legal_basis else ()),
            *((Fact(Text("Priority table", "限电序位表版本"), plain(paper.table.version)),) if paper.table else ()),
        ),
        parameters=(Fact(Text("Time zone", "时区"), plain(str(office.zone))),),
        completeness=Figure(c.SHEET_HOURS_FIGURE, c.SHEET_HOURS_FIGURE.cell(hours)),
        figures=(
            Figure(c.SHEET_KW_FIGURE, c.SHEET_KW_FIGURE.cell(highest)),
            Figure(
                c.SHEET_ENERGY_FIGURE, c.SHEET_ENERGY_FIGURE.cell(sum(sum(item.kw) for item in orders) * event.hours)
            ),
            Figure(c.SHEET_SAFETY_FIGURE, c.SHEET_SAFETY_FIGURE.cell(who.safety_kw)),
        ),
        sections=(
            Section("orders", Text("What is asked", "压减要求"), tuple(tables), (), tuple(notes)),
            Section("receipt", Text("Receipt", "签收"), (signoff(SIGNERS),)),
        ),
        notes=(),
        inputs_sha256=digest_of(
            {
                "plan": event.plan_sha256, "customer": who, "orders": orders, "order": order, "office": office.name,
                "name": paper.names.get(customer), "people": people, "table": paper.table, "returns": back,
            }
        ),
        generated_at=office.generated_at.astimezone(office.zone),
        one_page=True,
    )  # fmt: skip


KIND = Kind(
    "shed_sheet",
    TITLE,
    made_by="shed document",
    figures=c.SHEET_FIGURES,
    tables=(c.SHEET_TABLE, c.CONTACTS_TABLE, c.SIGNOFF_TABLE),
)
