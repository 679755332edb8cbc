"""Who a report is about: the only place where reports ask the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from keyacct import clock
from keyacct.config import Workspace
from keyacct.i18n import Text
from keyacct.model import Period
from keyacct.report.document import Fact


@dataclass(frozen=True)
class Subject:
    """An account as a report names it. attributes: its registry fields of `LABELS`."""

    account_no: str
    account_name: str
    attributes: Mapping[str, Any]


LABELS: dict[str, tuple[Text, str]] = {
    "customer": (Text("Customer", "客户"), ""),
    "service_address": (Text("Supply address", "用电地址"), ""),
    "industry_code": (Text("Industry", "行业分类"), ""),
    "account_class": (Text("Class", "客户类别"), ""),
    "critical_grade": (Text("Critical grade", "重要性等级"), ""),
    "voltage_level_kv": (Text("Voltage level", "电压等级"), "kV"),
    "contract_capacity_kva": (Text("Contract capacity", "合同容量"), "kVA"),
    "running_capacity_kva": (Text("Capacity in operation", "运行容量"), "kVA"),
    "supply_station": (Text("Supply station", "供电所"), ""),
}
"""Registry field → label and unit, in the order of the report's head."""

MORE = ("tariff_mode", "contract_demand_kw", "pf_standard", "status")
"""Further attributes, for reports that show them in tables."""

WORDS: dict[tuple[str, str], Text] = {
    ("account_class", "economic"): Text("economic", "经济型大客户"),
    ("account_class", "critical"): Text("critical", "重要客户"),
    ("account_class", "prospect"): Text("prospect", "潜在大客户"),
    ("critical_grade", "special"): Text("special", "特级"),
    ("critical_grade", "1"): Text("grade 1", "一级"),
    ("critical_grade", "2"): Text("grade 2", "二级"),
    ("critical_grade", "temporary"): Text("temporary", "临时性"),
}
"""What the registry's codes are called."""


def all_accounts(workspace: Workspace) -> list[str]:
    """Account numbers of the registry, ascending."""
    from keyacct.registry.listing import list_accounts

    return sorted(str(row["account_no"]) for row in list_accounts(workspace))


def load_subjects(workspace: Workspace, accounts: Sequence[str]) -> list[Subject]:
    """The accounts in the order asked for. Raises ConfigError `config.registry_not_found`."""
    from keyacct.registry.listing import list_accounts
    from keyacct.registry.parameters import require_account

    known = {str(row["account_no"]): row for row in list_accounts(workspace)}
    for account_no in accounts:
        require_account(account_no, known)
    return [
        Subject(
            account_no,
            str(known[account_no].get("account_name") or ""),
            {key: known[account_no].get(key) for key in (*LABELS, *MORE)},
        )
        for account_no in accounts
    ]


def with_points(workspace: Workspace, period: Period, accounts: Sequence[str]) -> list[str]:
    """Those of the accounts that have a metering point in the period; an analysis refuses the others."""
    from keyacct.registry.parameters import point_parameters

    from_ms, end_ms = period.bounds_ms(workspace.zone)
    to_ms = max(from_ms, min(end_ms, clock.now_ms()))
    table = point_parameters(workspace, from_ms, to_ms if to_ms > from_ms else end_ms, accounts)
    found = set(table["account_no"].to_pylist())
    return [account_no for account_no in accounts if account_no in found]


def facts(subject: Subject) -> tuple[Fact, ...]:
    """The attributes that a report shows; those that the registry leaves open are left out."""
    shown = []
    for key, (label, unit) in LABELS.items():
        value = subject.attributes.get(key)
        if value is None or value == "":
            continue
        text = f"{value:f}" if isinstance(value, Decimal) else f"{value:g}" if isinstance(value, float) else str(value)
        text = f"{text} {unit}" if unit else text
        shown.append(Fact(label, WORDS.get((key, text), Text(text, text))))
    return tuple(shown)
