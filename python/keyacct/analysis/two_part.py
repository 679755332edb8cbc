"""Two-part tariff: the basic charge by capacity against the one by demand, and what to advise."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from keyacct import clock
from keyacct.analysis.billable_demand import billable_demands
from keyacct.analysis.charges import FLOOR_SHARE, TOLERANCE, Charges, charges, is_over
from keyacct.analysis.demand import terms_at_end
from keyacct.analysis.question import ask
from keyacct.config import Workspace
from keyacct.model import Period

NEAR = Decimal("0.95")
WORTH = Decimal("0.05")
"""A contract demand is worth changing when so much of the billed demand would be saved [D]."""


def two_part(workspace: Workspace, period: Period, *, accounts: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """A row per account with a two-part tariff over a calendar month that has passed.

    Columns: account_no, account_name, tariff_mode, md_kw and demand_kind (of `billable_demands`; provisional: why it may still
    change), contract_demand_kw, capacity_kva, billed_demand_kw,
    capacity_cny and demand_cny (the basic charge in either mode, decimal yuan), cheaper_mode, saving_cny (against the own
    mode), demand_share (md / capacity), best_contract_kw (smallest contract demand that bills this demand without a
    surcharge), advice (switch_basic_mode, adjust_contract_demand, demand_near_limit from 95 % of the contract demand,
    demand_over_105), reasons (of amounts that are not known). Source: tariff rules of the two-part tariff, docs/queries.md.
    """
    question = ask(workspace, period, accounts, kinds=("billing",))
    demands = billable_demands(workspace, period, accounts=accounts)
    names = dict(zip(*(question.parameters[n].to_pylist() for n in ("account_no", "account_name")), strict=True))
    asked, terms = sorted(demands), terms_at_end(question)
    today = clock.now().astimezone(workspace.zone).date()
    found = charges(
        workspace, period, accounts=asked, demands=demands, adjustment_pct={}, is_over=is_over(period, today)
    )  # fmt: skip
    result = []
    for account in asked:
        charge, demand = found[account], demands[account]
        if charge.tariff_mode is None or not charge.tariff_mode.startswith("two_part"):
            continue
        reasons = {name: why for name, why in charge.reasons.items() if name in ("capacity_cny", "demand_cny")}
        contract_kw, capacity_kva = terms.get(account, (None, None))
        contract, capacity, md = _exact(contract_kw), _exact(capacity_kva), demand.kw
        best = None if md is None else max(md / TOLERANCE, FLOOR_SHARE * capacity if capacity else Decimal(0))
        result.append(
            {
                "account_no": account, "account_name": names.get(account), "tariff_mode": charge.tariff_mode,
                "md_kw": None if md is None else float(md), "demand_kind": demand.kind, "provisional": list(demand.reasons),
                "contract_demand_kw": contract_kw, "capacity_kva": capacity_kva,
                "billed_demand_kw": None if charge.billed_demand_kw is None else float(charge.billed_demand_kw),
                "capacity_cny": charge.capacity_cny, "demand_cny": charge.demand_cny, "cheaper_mode": charge.cheaper_mode,
                "saving_cny": charge.saving_cny,
                "demand_share": float(md / capacity) if md is not None and capacity else None,
                "best_contract_kw": None if best is None else float(best),
                "advice": advice(charge, md, contract, best), "reasons": reasons,
            }
        )  # fmt: skip
    return result


def advice(charge: Charges, md: Decimal | None, contract: Decimal | None, best: Decimal | None) -> list[str]:
    """Codes of what to tell a customer with a two-part tariff."""
    found = []
    if charge.saving_cny:
        found.append("switch_basic_mode")
    if charge.tariff_mode == "two_part_demand" and md is not None and contract:
        billed = charge.billed_demand_kw
        if billed is not None and best is not None and billed - best > WORTH * billed:
            found.append("adjust_contract_demand")
        if md > TOLERANCE * contract:
            found.append("demand_over_105")
        elif md >= NEAR * contract:
            found.append("demand_near_limit")
    return found


def _exact(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(repr(value))
