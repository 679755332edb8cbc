"""The demand of an account that is billed: one number for bills, charges, comparisons and reports (domain: maximum demand)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from keyacct.analysis.billing_registry import Part, cycles_of, parts_of
from keyacct.analysis.curve_demand import TransformersBefore, curve_demands
from keyacct.analysis.frozen_registers import DemandReading, FrozenRegisters
from keyacct.analysis.question import Question, ask
from keyacct.analysis.settlement import Cycle
from keyacct.config import Workspace
from keyacct.model import Period, civil

KW_UNIT = Decimal("0.0001")
FROZEN = "frozen"
REASONS = ("not_over", "incomplete", "several_lines", "loss_unknown")
"""Why a demand is provisional: the period runs still; values are missing, so that a higher one may lie in the gap; the lines'
demands are those of one time, not each line's own; losses of a transformer are due and cannot be known."""


@dataclass(frozen=True)
class BillableDemand:
    """kw: with the losses of a transformer before the meters (loss_kw, None where there are none to add); None without values.

    at: end of its window. kind: `frozen` (the meters' own maxima, each point's added: per incoming line), `sliding15/1`
    (window and slip, minutes) or `block15`, None without values. basis: the kind of freeze, or how many points were added;
    else the kind. reasons: of `REASONS`.
    """

    kw: Decimal | None
    at: dt.datetime | None
    kind: str | None
    basis: str | None
    loss_kw: Decimal | None
    reasons: tuple[str, ...]

    @property
    def provisional(self) -> bool:
        """Whether it may still come out differently."""
        return bool(self.reasons)

    @property
    def per_line(self) -> bool:
        """Whether each incoming line has its own maximum in it, as it is billed."""
        return self.kind == FROZEN


NOTHING = BillableDemand(None, None, None, None, None, ())


def billable_demands(
    workspace: Workspace, period: Period, *, accounts: Sequence[str] | None = None,
    blocks: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, BillableDemand]:  # fmt: skip
    """The billable demand over a period of every account with a billing point in it, by account number.

    What the meters themselves have frozen counts where the period is made of settlement cycles of the account (a maximum
    that was reset in between tells nothing of the whole); the highest of the cycles. Else the sliding window where
    there are values every minute, else blocks. blocks: rows of `load(…).total` by account, where they are known already.
    Raises ConfigError for unknown accounts, and for ratios that cannot be used.
    """
    question = ask(workspace, period, accounts, kinds=("billing",))
    rows = _rows_of(question)
    whole = question.to_ms >= period.bounds_ms(workspace.zone)[1]
    tiled = _tiling(workspace, period, sorted(rows)) if whole else {}
    parts = {cycle: parts_of(rows[account], cycle) for account, own in tiled.items() for cycle in own}
    needs = {(part.meter, part.to_ms) for own in parts.values() for part in own}
    frozen = FrozenRegisters(workspace, needs, {}, demands_only=True)
    found: dict[str, BillableDemand] = {}
    before = TransformersBefore(question)
    for account, own in tiled.items():
        demands = [frozen_demand(cycle, parts[cycle], frozen, before, workspace) for cycle in own]
        known = [demand for demand in demands if demand is not None and demand.kw is not None]
        if known and len(known) == len(own):
            found[account] = max(known, key=lambda demand: demand.kw or Decimal(0))
    rest = [account for account in rows if account not in found]
    return found | _of_curves(question, rest, blocks, before, whole=whole)


def of_cycles(
    workspace: Workspace, parts: Mapping[Cycle, Sequence[Part]], frozen: FrozenRegisters
) -> dict[Cycle, BillableDemand]:
    """The same for settlement cycles that have ended, whose frozen registers are known already; all accounts have points."""
    together: dict[tuple[int, int], list[Cycle]] = {}
    for cycle in parts:
        together.setdefault((cycle.from_ms, cycle.to_ms), []).append(cycle)
    result: dict[Cycle, BillableDemand] = {}
    for (from_ms, to_ms), cycles in together.items():
        first, last = civil(from_ms, workspace.zone).date(), civil(to_ms - 1, workspace.zone).date()
        span = Period(first, last, f"{first}..{last}", "span")
        question = ask(workspace, span, [cycle.account_no for cycle in cycles], kinds=("billing",))
        before = TransformersBefore(question)
        rest = []
        for cycle in cycles:
            found = frozen_demand(cycle, parts[cycle], frozen, before, workspace)
            if found is None:
                rest.append(cycle)
            else:
                result[cycle] = found
        # A ratio that is missing makes no demand; the bill itself says so.
        usable = [cycle for cycle in rest if all(part.multiplier is not None for part in parts[cycle])]
        curves = _of_curves(question, [cycle.account_no for cycle in usable], None, before, whole=True)
        result |= {cycle: curves.get(cycle.account_no, NOTHING) for cycle in rest}
    return result


def demand_of_part(cycle: Cycle, part: Part, frozen: FrozenRegisters, tariff: int = 0) -> DemandReading | None:
    """The maximum demand that a part's meter has frozen at its end, if it occurred in the cycle.

    It is stamped at the end of its window, so one at the cycle's first instant is of the cycle before. A zero with that stamp
    is a register that was reset then and has met no load since.
    """
    found = frozen.demand(part.meter, part.to_ms, tariff)
    if found is None or found.at is None:
        return found
    inside = cycle.from_ms < found.at <= part.to_ms or (found.at == cycle.from_ms and found.kw == 0)
    return found if inside else None


def frozen_demand(
    cycle: Cycle, parts: Sequence[Part], frozen: FrozenRegisters, before: TransformersBefore, workspace: Workspace
) -> BillableDemand | None:
    """Each point's highest frozen demand, added; None where a part has none."""
    best: dict[str, tuple[Decimal, DemandReading]] = {}
    for part in parts:
        found = demand_of_part(cycle, part, frozen)
        if found is None or part.multiplier is None:
            return None
        kw = found.kw * part.multiplier
        if part.point not in best or kw > best[part.point][0]:
            best[part.point] = (kw, found)
    if not best:
        return None
    kw = sum((amount for amount, _ in best.values()), Decimal(0))
    single = next(iter(best.values()))[1] if len(best) == 1 else None
    at = None if single is None or single.at is None else civil(single.at, workspace.zone)
    basis = single.basis if single is not None else f"sum of {len(best)} points"
    loss, unknown = before.loss(cycle.account_no, float(kw), at or civil(cycle.to_ms, workspace.zone))
    return _with_loss(kw, at, FROZEN, basis, loss, ["loss_unknown"] if unknown else [])


def _with_loss(
    kw: Decimal, at: dt.datetime | None, kind: str, basis: str, loss_kw: float | None, reasons: Iterable[str]
) -> BillableDemand:
    ordered = tuple(reason for reason in REASONS if reason in set(reasons))
    if loss_kw is None:
        return BillableDemand(kw, at, kind, basis, None, ordered)
    loss = Decimal(repr(loss_kw)).quantize(KW_UNIT, ROUND_HALF_UP)
    return BillableDemand(kw + loss, at, kind, basis, loss, ordered)


def _of_curves(
    question: Question, accounts: Sequence[str], blocks: Mapping[str, Mapping[str, Any]] | None, before: TransformersBefore,
    *, whole: bool,
) -> dict[str, BillableDemand]:  # fmt: skip
    if not accounts:
        return {}
    own = question.of_accounts(accounts)
    lines: dict[str, set[str]] = {}
    for row in own.parameters.to_pylist():
        if row["supply_line"] is not None:
            lines.setdefault(row["account_no"], set()).add(row["supply_line"])
    result = {}
    for account, found in curve_demands(own, blocks, before).items():
        if found.meter_kw is None or found.kind is None:
            result[account] = NOTHING
            continue
        reasons = {
            "not_over": not whole,
            "incomplete": found.completeness is None or found.completeness < 1,
            "several_lines": len(lines.get(account, ())) > 1,
            "loss_unknown": found.loss_unknown,
        }
        kw = Decimal(repr(found.meter_kw)).quantize(KW_UNIT, ROUND_HALF_UP)
        told = [reason for reason, holds in reasons.items() if holds]
        result[account] = _with_loss(kw, found.at, found.kind, found.kind, found.loss_kw, told)
    return result


def _rows_of(question: Question) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in question.parameters.to_pylist():
        if row["account_no"] is not None:
            rows.setdefault(row["account_no"], []).append(row)
    return rows


def _tiling(workspace: Workspace, period: Period, accounts: Sequence[str]) -> dict[str, list[Cycle]]:
    """The settlement cycles of the accounts for whom the period is made of whole cycles."""
    from_ms, to_ms = period.bounds_ms(workspace.zone)
    found: dict[str, list[Cycle]] = {}
    for cycle in cycles_of(workspace, period, accounts):
        found.setdefault(cycle.account_no, []).append(cycle)
    return {a: own for a, own in found.items() if own[0].from_ms == from_ms and own[-1].to_ms == to_ms}
