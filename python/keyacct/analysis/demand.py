"""Maximum demand by the sliding window where values are fine enough, and loading of the capacity (domain §5.2, §5.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keyacct.analysis.billable_demand import NOTHING, billable_demands
from keyacct.analysis.curve_demand import TransformersBefore, curve_demands
from keyacct.analysis.load import load
from keyacct.analysis.loading import loading
from keyacct.analysis.question import Question, ask
from keyacct.config import Workspace
from keyacct.errors import UsageError
from keyacct.model import Period

SLIPS_MIN = (1, 2, 3, 5, 15)


def demand(
    workspace: Workspace, period: Period, *, accounts: Sequence[str] | None = None, slip_min: int | None = None
) -> list[dict[str, Any]]:
    """A row per account: md_kw, md_at (end of the window), demand_kind, contract and loading.

    demand_kind: `sliding15/1` (window and slip, minutes) for accounts whose billing points all have values every minute,
    else `block15`. A window counts when all points cover `demand.minimum_coverage` of it. The loading columns are null
    without capacity or without reactive power. Where all billing points are metered at low voltage behind a transformer,
    md_kw has its losses at that load (loss_kw); block_md_kw has not. billable_kw, billable_at, billable_kind, provisional:
    what bills and charges take (`billable_demands`), whatever the slip. Raises UsageError for a slip that no meter has,
    ConfigError for unknown accounts. Source: domain §5.2 (window and slip), §5.3 (bands).
    """
    slip = slip_min or workspace.settings.demand.slip_min
    window = workspace.settings.demand.window_min
    if slip not in SLIPS_MIN or slip > window:
        raise UsageError(
            "usage.invalid", f"a window of {window} min cannot slip by {slip} min", hint="take 1, 2, 3, 5 or 15"
        )
    question = ask(workspace, period, accounts, kinds=("billing",))
    blocks = {row["account_no"]: row for row in load(workspace, period, accounts=accounts).total.to_pylist()}
    curves = curve_demands(question, blocks, TransformersBefore(question), slip)
    billable = billable_demands(workspace, period, accounts=accounts, blocks=blocks)
    bands_of = {row["account_no"]: row for row in loading(workspace, period, accounts=accounts)}
    terms = terms_at_end(question)
    result = []
    for account, found in sorted(curves.items()):
        row = blocks[account]
        billed = billable.get(account, NOTHING)
        kw = found.kw
        contract, capacity = terms.get(account, (None, None))
        bands = bands_of.get(account, {})
        result.append(
            {
                "account_no": account, "account_name": row["account_name"], "md_kw": kw, "md_at": found.at,
                "demand_kind": found.kind, "block_md_kw": row["md_kw"], "contract_demand_kw": contract,
                "contract_share": kw / contract if kw is not None and contract else None,
                "loss_kw": found.loss_kw, "billable_kw": None if billed.kw is None else float(billed.kw),
                "billable_at": billed.at, "billable_kind": billed.kind, "provisional": list(billed.reasons),
                "capacity_kva": capacity,
                **{name: bands.get(name) for name in ("loading_mean", "loading_max", "loading_max_at", "below_economic_min",
                    "economic_min", "heavy_min", "overload_min", "longest_heavy_min", "longest_overload_min", "finding")},
                "completeness": row["completeness"],
                "flags": sorted({*row["flags"], *(["loss_unknown"] if found.loss_unknown else [])}),
            }
        )  # fmt: skip
    return result


def terms_at_end(question: Question) -> dict[str, tuple[float | None, float | None]]:
    """Contract demand and capacity in operation of each account at the end of the period."""
    import sqlalchemy as sa

    from keyacct.database.engine import open_database
    from keyacct.database.registry_tables import account_terms

    at = question.to_ms - 1
    with open_database(question.workspace).read() as connection:
        query = sa.select(account_terms).where(account_terms.c.valid_from <= at, account_terms.c.valid_to > at)
        return {
            row["account_no"]: (
                row["contract_demand_kw"],
                row["running_capacity_kva"]
                if row["running_capacity_kva"] is not None
                else row["contract_capacity_kva"],
            )
            for row in connection.execute(query).mappings()
        }
