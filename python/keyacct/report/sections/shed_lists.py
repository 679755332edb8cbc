"""The plan document: who reduces, who is told, who stands by, who is released when, who signs."""

from __future__ import annotations

from collections.abc import Sequence

from keyacct.analysis.shed_event import MEASURES, ShedOrder
from keyacct.i18n import Text
from keyacct.report.dispatch_order import Person
from keyacct.report.document import Note, Section, Table, Value
from keyacct.report.sections import shed_columns as c
from keyacct.report.sections.common import number
from keyacct.report.sections.office import listed
from keyacct.report.shed_paper import FIELD_LINE, MEASURE_NAMES, PlanPaper, moment, releases, span


def order_row(paper: PlanPaper, order: ShedOrder) -> dict[str, Value]:
    """What every table says of an order."""
    event = paper.event
    people = paper.people(order.customer)
    return {
        "account": order.customer,
        "account_name": paper.names.get(order.customer) or None,
        "area": event.customers[order.customer].area,
        "block": order.block + 1,
        "measure": MEASURE_NAMES[order.measure],
        "from_at": moment(paper.local(event.begin_of(order.first))),
        "to_at": moment(paper.local(event.begin_of(order.end))),
        "reduction_kw": order.mean_kw,
        "limit_kw": max(event.limit_kw(order)),
        "safety_kw": event.customers[order.customer].safety_kw,
        "contact": people[0].name if people else None,
        "phone": people[0].phone or None if people else None,
    }


def _in_time(paper: PlanPaper) -> list[ShedOrder]:
    return sorted(paper.event.orders, key=lambda o: (o.first, MEASURES.index(o.measure)))


def targets(paper: PlanPaper) -> Section:
    """Who reduces what, when, to which limit."""
    rows = [order_row(paper, order) for order in paper.event.orders]
    notes = (
        Note(
            "info",
            Text(
                "The block of this table says when; it has nothing to do with the relay rounds of a terminal.",
                "本表“时段”指有序用电时段, 与终端跳闸轮次无关。",
            ),
        ),
    )
    return Section("targets", Text("Target table", "压减任务表"), (c.TARGETS_TABLE.fill(rows),), (), notes)


def notices(paper: PlanPaper) -> Section:
    """Whom to tell by when."""
    event = paper.event
    orders = sorted(_in_time(paper), key=lambda order: (event.deadline_of(order), order.first))
    rows = [
        {
            **order_row(paper, order),
            "deadline": moment(paper.local(event.deadline_of(order))),
            "receipt": FIELD_LINE,
        }
        for order in orders
    ]
    unknown = [customer for customer in event.by_customer if not reachable(paper.people(customer))]
    notes = []
    if unknown:
        names = listed(unknown)
        text = Text(
            f"No contact with a phone for {len(unknown)} customers: {names.en}.",
            f"{len(unknown)} 户无联系人或电话: {names.zh}。",
        )
        notes.append(Note("warning", text))
    return Section("notices", Text("Notice list", "通知清单"), (c.NOTICES_TABLE.fill(rows),), (), tuple(notes))


def reachable(people: Sequence[Person]) -> bool:
    """Whether one of them has a phone."""
    return any(person.phone for person in people)


def safety(paper: PlanPaper) -> Section:
    """The statement on protected customers and safety loads."""
    event = paper.event
    protected = [customer for customer in event.customers.values() if customer.protected]
    resting = [name for name in event.by_customer if event.customers[name].resting]
    periods = event.event_periods()
    rows: list[dict[str, Value]] = [
        {
            "account": customer.customer, "account_name": paper.names.get(customer.customer) or None,
            "area": customer.area, "expected_kw": max((customer.load_kw[t] for t in periods), default=None),
            "in_plan": len(event.by_customer.get(customer.customer, ())),
        }
        for customer in protected
    ]  # fmt: skip
    notes = [
        Note(
            "info",
            Text(
                f"An independent check of the plan file (SHA-256 {event.plan_sha256}) by all rules found no breach: no "
                f"protected customer (of {len(protected)}) has a measure, every customer keeps at least its safety load in "
                "every interval, every notice is in time.",
                f"方案文件 (SHA-256 {event.plan_sha256}) 已按全部规则独立校核, 无违规: "
                f"{len(protected)} 户受保护客户均未安排措施, 各户各时刻保留负荷不低于保安负荷, 通知时间均满足约定。",
            ),
        )
    ]
    if resting:
        names = listed(resting)
        text = Text(f"Resting today, shift only: {names.en}.", f"今日轮休, 仅错峰: {names.zh}。")
        notes.append(Note("info", text))
    tables = (c.PROTECTED_TABLE.fill(rows),) if rows else ()
    return Section(
        "safety", Text("Protected customers and safety loads", "受保护客户与保安负荷"), tables, (), tuple(notes)
    )


def returning(paper: PlanPaper) -> list[Section]:
    """Shifted load that comes back, by window."""
    event = paper.event
    if not event.returns:
        return []
    rows: list[dict[str, Value]] = []
    for first, end in event.return_windows:
        back = [sum(curve.get(t, 0.0) for curve in event.returns.values()) for t in range(first, end)]
        rooms = [room for t in range(first, end) if (room := event.headroom_kw[t]) is not None]
        begin, until = paper.local(event.begin_of(first)), paper.local(event.begin_of(end))
        rows.append(
            {
                "window": f"{begin:%m-%d} {span(begin, until)}", "returning_kw": max(back, default=None),
                "headroom_kw": min(rooms, default=None), "returning_kwh": sum(back) * event.hours,
            }
        )  # fmt: skip
    return [Section("returns", Text("Returning load", "负荷返回"), (c.RETURNS_TABLE.fill(rows),))]


def reserve(paper: PlanPaper) -> Section:
    """Whom to call when the reduction stays behind."""
    rows: list[dict[str, Value]] = []
    for item in paper.reserve:
        people = paper.people(str(item["customer"]))
        rows.append(
            {
                "block": int(item["block"]), "place": int(item["place"]), "account": str(item["customer"]),
                "account_name": paper.names.get(str(item["customer"])) or None,
                "measure": MEASURE_NAMES[str(item["measure"])], "reduction_kw": float(item["mean_kw"]),
                "premium_per_kw": float(item["premium_per_kw"]),
                "contact": people[0].name if people else None, "phone": people[0].phone or None if people else None,
            }
        )  # fmt: skip
    notes = [
        Note(
            "info",
            Text(
                "To be called in this order when the reduction stays behind. Who is called takes the whole block.",
                "实际压减不足时按此次序调用, 调用即为整个时段。",
            ),
        )
    ]
    if not rows:
        text = Text("No reserve list is at hand.", "无备用清单。")
        notes = [Note("warning", text)]
    tables = (c.RESERVE_TABLE.fill(rows),) if rows else ()
    return Section("reserve", Text("Reserve", "备用客户"), tables, (), tuple(notes))


def recovery(paper: PlanPaper) -> Section:
    """In which order load is released."""
    rows: list[dict[str, Value]] = [
        {
            "release_at": moment(paper.local(release.release_at)), "stage": release.stage,
            "stage_at": moment(paper.local(release.stage_at)), "account": release.order.customer,
            "account_name": paper.names.get(release.order.customer) or None,
            "measure": MEASURE_NAMES[release.order.measure], "kw": release.kw,
        }
        for release in releases(paper.event, paper.recovery)
    ]  # fmt: skip
    share, minutes = number(paper.recovery.stage_share, 0, percent=True), paper.recovery.stage_min
    note = Note(
        "rule",
        Text(
            f"Only on dispatch's release order. The last shed is restored first; at most {share} % of the released load in "
            f"one stage (one customer at least), {minutes} min between stages. A breaker is closed by the customer's own "
            "electrician. Tell the customer, confirm that the load is back, report.",
            f"须有调度恢复指令。后压减者先恢复; 每批不超过恢复负荷的 {share} % (至少一户), 批次间隔 {minutes} 分钟。"
            "合闸由客户电工操作。通知客户, 确认负荷恢复, 并报告。",
        ),
    )
    return Section("recovery", Text("Recovery", "恢复"), (c.RECOVERY_TABLE.fill(rows),), (), (note,))


def people(paper: PlanPaper) -> Section:
    """Who executes, watches, reports and signs."""
    order = paper.order
    tables: list[Table] = []
    notes = []
    if order.team:
        tables.append(
            c.TEAM_TABLE.fill({"role": p.role or None, "name": p.name, "phone": p.phone or None} for p in order.team)
        )
    else:
        notes.append(Note("warning", Text("The order names no execution team.", "指令未载明执行人员。")))
    if order.monitors:
        tables.append(
            c.MONITORS_TABLE.fill({"point": point, "watch": watch or None} for point, watch in order.monitors)
        )
    if order.reporting:
        tables.append(
            c.REPORTING_TABLE.fill(
                {"at": at, "to": to or None, "what": what or None} for at, to, what in order.reporting
            )
        )
    tables.append(signoff(order.signoffs))
    return Section(
        "people", Text("Execution, reporting, sign-off", "执行、报告与签署"), tuple(tables), (), tuple(notes)
    )


DEFAULT_SIGNOFFS = (
    (Text("Prepared by", "拟制"), ""),
    (Text("Approved by", "批准"), ""),
)


def signoff(named: Sequence[tuple[Text | str, str]]) -> Table:
    """The fields in which people sign."""
    return c.SIGNOFF_TABLE.fill(
        {"role": role, "name": name or FIELD_LINE, "signature": FIELD_LINE, "signed_at": FIELD_LINE}
        for role, name in named or DEFAULT_SIGNOFFS
    )
