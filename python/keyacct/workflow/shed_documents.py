"""The papers of a checked plan: the plan document and a sheet for every customer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any

from keyacct import clock
from keyacct.config import Workspace
from keyacct.errors import InputError, RefusedError
from keyacct.i18n import Text
from keyacct.report.dispatch_order import DispatchOrder, Person
from keyacct.report.document import Document
from keyacct.report.kinds import shed_plan, shed_sheet
from keyacct.report.shed_paper import Office, PlanPaper, RecoveryRules
from keyacct.workflow.shed_source import PlanSource

OFFICE = Text("Power supply company", "供电公司")
"""The office's name where neither a workspace nor the order tells it."""


def plan_documents(
    source: PlanSource, order: DispatchOrder, *, workspace: Workspace | None = None, sheets: bool = True
) -> list[Document]:
    """The plan document, then a sheet for each customer with a measure.

    With a workspace the registry gives names and contacts where the order gives none. Raises InputError when the order's
    contact is of an unknown customer, RefusedError for a draft that was replaced or withdrawn.
    """
    paper = plan_paper(source, order, workspace)
    return [shed_plan.document(paper), *(shed_sheet.documents(paper) if sheets else ())]


def plan_paper(source: PlanSource, order: DispatchOrder, workspace: Workspace | None = None) -> PlanPaper:
    """What the documents are made from."""
    event = source.event
    if source.state in ("replaced", "withdrawn"):
        raise RefusedError(
            "refused.not_approved",
            str(Text(f"draft {source.draft} is {source.state}", f"方案 {source.draft} 状态为 {source.state}")),
            hint=str(Text("choose the draft in force: `keyacct shed status`", "请选用有效方案: `keyacct shed status`")),
        )
    for customer in order.contacts or ():
        if customer not in event.customers:
            raise InputError(
                "input.value",
                str(
                    Text(
                        f"contact.customer: there is no customer '{customer}'",
                        f"contact.customer: 没有客户 '{customer}'",
                    )
                ),
                hint=str(Text("write an id of customers.csv", "请填写 customers.csv 中的 id")),
                where={"file": "order.toml"},
            )
    asked = {*event.by_customer, *(str(row["customer"]) for row in source.reserve)}
    asked |= {name for name, customer in event.customers.items() if customer.protected}
    names, contacts = known_of(workspace, event.begins_at, asked)
    return PlanPaper(
        event=event,
        order=order,
        office=office_of(source, workspace, order.office),
        figures=source.figures,
        table=source.table or order.priority_table,
        names=names,
        contacts=contacts,
        reserve=source.reserve,
        explanation=source.explanation,
        draft=source.draft,
        recovery=RecoveryRules()
        if workspace is None
        else RecoveryRules(
            workspace.settings.shedding.recovery_stage_share, workspace.settings.shedding.recovery_stage_min
        ),
    )


def office_of(source: PlanSource, workspace: Workspace | None, name: str = "") -> Office:
    """Whose papers they are, and by which clocks: those of the workspace, else of the problem folder."""
    if workspace is not None:
        return Office(name or workspace.settings.workspace.name, workspace.zone, clock.now())
    return Office(name or str(OFFICE), source.zone, clock.now())


def known_of(
    workspace: Workspace | None, at: dt.datetime, customers: Collection[str]
) -> tuple[dict[str, str], dict[str, tuple[Person, ...]]]:
    """Names and contacts of the registry on the day of the event; those with a phone first."""
    if workspace is None:
        return {}, {}
    from keyacct.report.registry_rows import read_registry

    found = read_registry(workspace, at.astimezone(workspace.zone).date())
    names: dict[str, str] = {}
    contacts: dict[str, tuple[Person, ...]] = {}
    for customer in customers:
        name = found.entry("account", customer).get("account_name")
        if name:
            names[customer] = str(name)
        people = [_person(row) for row in found.of("contact", customer)]
        if people:
            contacts[customer] = tuple(sorted(people, key=lambda person: not person.phone))
    return names, contacts


def _person(row: Mapping[str, Any]) -> Person:
    return Person(str(row["contact"]), str(row["mobile"] or row["landline"] or ""), str(row["contact_role"] or ""))
