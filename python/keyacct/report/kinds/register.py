"""Register of accounts (list no. 2.6.2): what the registry says of every account on the period's last day."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from keyacct.config import Workspace
from keyacct.i18n import Text
from keyacct.model import Period
from keyacct.report.document import Axis, Chart, Column, Document, Figure, Note, Section, Series, TableSpec, Value
from keyacct.report.kind import Kind
from keyacct.report.registry_rows import RegistryRows, read_registry
from keyacct.report.sections import office
from keyacct.report.sections.account_columns import (
    ADDRESS,
    CLASS,
    CONTRACT,
    CUSTOMER,
    DEMAND,
    DESK,
    FIELD,
    GRADE,
    INDUSTRY,
    KVA,
    LAST_SERVICE,
    LEVEL,
    MISSING,
    MODE,
    MODES,
    OPEN_CASES,
    POINTS,
    RUNNING,
    SAFETY,
    SOURCE_ROLES,
    SOURCES,
    STANDARD,
    STATION,
    STATUS,
    TERMINALS,
    fact,
)
from keyacct.report.sections.common import plain
from keyacct.report.sections.office import amount, share
from keyacct.report.subject import WORDS, load_subjects

TITLE = Text("Register of accounts", "管理台账报表")
SUPPLY = TableSpec(
    "register_supply",
    Text("Supply and contract", "供用电"),
    Text("Supply", "供用电"),
    (
        office.ACCOUNT_NO,
        office.ACCOUNT_NAME,
        CUSTOMER,
        INDUSTRY,
        CLASS,
        GRADE,
        LEVEL,
        CONTRACT,
        RUNNING,
        MODE,
        DEMAND,
        STANDARD,
        STATUS,
    ),
)
SERVICE = TableSpec(
    "register_service",
    Text("Service and safety", "服务与安全"),
    Text("Service", "服务与安全"),
    (
        office.ACCOUNT_NO,
        ADDRESS,
        STATION,
        DESK,
        FIELD,
        POINTS,
        TERMINALS,
        SOURCES,
        SAFETY,
        LAST_SERVICE,
        OPEN_CASES,
    ),
)
CONTACT = fact("contact", Text("Contact", "联系人"), Text("Name of the contact.", "联系人姓名。"))
ROLE = fact("contact_role", Text("Role", "职责"), Text("What the contact is asked about.", "联系人职责。"))
CONTACTS = TableSpec(
    "register_contacts",
    Text("Contacts", "联系人"),
    Text("Contacts", "联系人"),
    (
        office.ACCOUNT_NO,
        CONTACT,
        ROLE,
        fact("mobile", Text("Mobile", "手机"), Text("Mobile number.", "手机号码。")),
        fact("landline", Text("Landline", "固定电话"), Text("Landline number.", "固定电话号码。")),
        fact("hours", Text("Hours", "可联系时间"), Text("When the contact can be reached.", "可联系的时间。")),
        Column(
            "verified_on",
            Text("Verified", "核实日期"),
            Text("Day of the last verification.", "最近核实日期。"),
            "date",
            absent=MISSING,
        ),
    ),
)
CAPACITY_FIGURE = amount(
    "total_contract_kva",
    Text("Contract capacity", "合同容量合计"),
    Text("Sum of the contract capacities.", "合同容量之和。"),
    KVA,
    0,
)
CRITICAL_FIGURE = Column(
    "critical_accounts",
    Text("Critical customers", "重要客户数"),
    Text("Accounts of the class critical.", "重要客户户数。"),
)
FILLED_FIGURE = share(
    "fields_filled_pct",
    Text("Fields filled", "档案完整率"),
    Text("Share of the register's fields that hold something.", "台账字段中已登记的比例。"),
)
CONTACT_ROLES = {
    "energy_manager": Text("energy manager", "用电负责人"),
    "duty_electrician": Text("duty electrician", "值班电工"),
    "finance": Text("finance", "财务"),
    "director": Text("director", "负责人"),
    "other": Text("other", "其他"),
}
STATES = {"active": Text("active", "在用"), "suspended": Text("suspended", "暂停"), "closed": Text("closed", "销户")}
COUNTED = (
    "customer",
    "industry_code",
    "account_class",
    "voltage_level_kv",
    "contract_capacity_kva",
    "running_capacity_kva",
    "tariff_mode",
    "pf_standard",
    "service_address",
    "supply_station",
    "desk_manager",
    "field_manager",
    "terminals",
    "sources",
    "safety_load_kw",
)
"""Fields that every key account should have; what `fields_filled_pct` counts."""


def build(workspace: Workspace, period: Period, accounts: Sequence[str], generated_at: dt.datetime) -> list[Document]:
    """One document over all the accounts. Raises KeyacctError of the registry."""
    accounts = sorted(accounts)
    subjects = load_subjects(workspace, accounts)
    as_of = min(period.last, generated_at.astimezone(workspace.zone).date())
    found = read_registry(workspace, as_of)
    rows = [account_cells(subject.account_no, subject.account_name, found) for subject in subjects]
    contacts = [
        {
            **row,
            "account": row["account_no"],
            "contact_role": CONTACT_ROLES.get(row["contact_role"] or ""),
            "verified_on": dt.date.fromisoformat(row["verified_on"]) if row["verified_on"] else None,
        }
        for account in accounts
        for row in found.of("contact", account)
    ]
    filled = [row.get(key) is not None for row in rows for key in COUNTED]
    capacity = [Decimal(repr(value)) for row in rows if isinstance(value := row.get("contract_capacity_kva"), float)]
    terms = [found.first("account_terms", account) for account in accounts]
    critical = sum(row is not None and row["account_class"] == "critical" for row in terms)
    contact_notes = (
        []
        if contacts
        else [Note("warning", Text("The registry holds no contact of these accounts.", "档案未登记联系人。"))]
    )
    sections = [
        Section("supply", SUPPLY.title, (SUPPLY.fill(rows),), tuple(_charts(terms))),
        Section("service", SERVICE.title, (SERVICE.fill(rows),)),
        Section("contacts", CONTACTS.title, (CONTACTS.fill(contacts),) if contacts else (), (), tuple(contact_notes)),
    ]
    text = Text(f"What the registry says of {as_of}.", f"档案内容以{as_of}为准。")
    share_filled = sum(filled) / len(filled) if filled else None
    return [
        office.document(
            "register",
            TITLE,
            Text("Accounts, contracts, contacts", "客户、合同与联系人"),
            workspace,
            period,
            generated_at,
            accounts=accounts,
            completeness=share_filled,
            completeness_column=FILLED_FIGURE,
            figures=[
                Figure(office.COUNT_FIGURE, office.COUNT_FIGURE.cell(len(accounts))),
                Figure(CAPACITY_FIGURE, CAPACITY_FIGURE.cell(sum(capacity) if capacity else None)),
                Figure(CRITICAL_FIGURE, CRITICAL_FIGURE.cell(critical)),
            ],
            sections=sections,
            inputs={"rows": [_plain(row) for row in rows], "contacts": [_plain(row) for row in contacts]},
            notes=[Note("info", text)],
        )
    ]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row for the digest, the same whatever language is set."""
    return {
        key: value if isinstance(value, int | float | None) else value.en if isinstance(value, Text) else str(value)
        for key, value in row.items()
    }


def account_cells(account: str, name: str, found: RegistryRows) -> dict[str, Value]:
    """Every field of the register of one account."""
    terms = found.first("account_terms", account) or {}
    own = found.entry("account", account)
    managers = found.first("account_manager", account) or {}
    safety = found.first("safety_data", account) or {}
    standard = found.first("account_pf_standard", account)
    served = [row["served_on"] for row in found.of("service_record", account)]
    sources = [
        Text(f"{row['source']} ({SOURCE_ROLES[row['role']].en})", f"{row['source']}({SOURCE_ROLES[row['role']].zh})")
        for row in found.of("source", account)
    ]
    customer = found.entry("customer", own["customer"])["customer_name"] if own.get("customer") else None
    return {
        "account": account,
        "account_name": name or None,
        "customer": customer,
        "service_address": own.get("service_address"),
        "industry_code": terms.get("industry_code"),
        "account_class": WORDS.get(("account_class", str(terms.get("account_class")))),
        "critical_grade": WORDS.get(("critical_grade", str(terms.get("critical_grade")))),
        **{
            key: terms.get(key)
            for key in (
                "voltage_level_kv",
                "contract_capacity_kva",
                "running_capacity_kva",
                "contract_demand_kw",
                "supply_station",
            )
        },
        "tariff_mode": MODES.get(terms.get("tariff_mode")),
        "status": STATES.get(str(terms.get("status"))),
        "pf_standard": standard["pf_standard"] if standard else None,
        "desk_manager": found.staff(managers.get("desk_manager")),
        "field_manager": found.staff(managers.get("field_manager")),
        "points": len(found.of("point_account", account)),
        "terminals": ", ".join(row["terminal_no"] for row in found.of("terminal_site", account)) or None,
        "sources": Text(", ".join(s.en for s in sources), "、".join(s.zh for s in sources)) if sources else None,
        "safety_load_kw": safety.get("safety_load_kw"),
        "last_service": dt.date.fromisoformat(max(served)) if served else None,
    }


def _charts(terms: Sequence[Mapping[str, Any] | None]) -> list[Chart]:
    charts = []
    for key, name in (
        ("industry_code", Text("Industry", "行业")),
        ("voltage_level_kv", Text("Voltage level, kV", "电压等级, kV")),
    ):
        counts = Counter(row[key] for row in terms if row is not None and row[key] is not None)
        if not counts:
            continue
        top = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))[: office.TOP]
        charts.append(
            Chart(
                f"register_{key}",
                "bar",
                Text(f"Accounts by {name.en[0].lower()}{name.en[1:]}", f"按{name.zh}分布"),
                Text("Number of accounts of each group.", "各组客户数。"),
                name,
                tuple(plain(f"{value:g}" if isinstance(value, float) else str(value)) for value, _ in top),
                (Series("accounts", Text("accounts", "客户数"), tuple(Decimal(count) for _, count in top), 0, "bar"),),
                Axis(Text("Accounts", "客户数"), low=Decimal(0)),
                0,
            )
        )
    return charts


KIND = Kind(
    "register",
    TITLE,
    "2.6.2",
    build=build,
    scope="office",
    figures=(office.COUNT_FIGURE, CAPACITY_FIGURE, CRITICAL_FIGURE, FILLED_FIGURE),
    tables=(SUPPLY, SERVICE, CONTACTS),
)
