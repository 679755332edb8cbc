"""Approvals: the type that a chain of approval hands to the door, and how the door checks it.

Nothing in this version makes one. `ApprovalChain` is what a later version has to provide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from keyacct.config import ControlSettings
from keyacct.control.orders import Order
from keyacct.control.refusals import Refusal, check

MINUTE_MS = 60_000


@dataclass(frozen=True)
class Approval:
    """One person's yes to one digest. role: of the person at that time. of_plan: holds to the order's end, not 10 minutes."""

    digest: str
    approver: str
    role: str
    given_at_ms: int
    of_plan: bool = False


class ApprovalChain(Protocol):
    """Where approvals come from. They are read again immediately before sending."""

    def approvals(self, order: Order) -> Sequence[Approval]:
        """The approvals that were given for an order or anything like it."""


class NoChain:
    """The chain of this version: nobody has approved anything."""

    def approvals(self, order: Order) -> Sequence[Approval]:
        """None."""
        return ()


def check_approvals(
    order: Order, approvals: Iterable[Approval], settings: ControlSettings, now_ms: int
) -> list[Refusal]:
    """Why the approvals do not do; empty when one person other than the requester has approved exactly this."""
    shared = {name.casefold() for name in settings.shared_accounts}
    reasons: list[Refusal] = []
    found: list[Refusal] = []
    good = False
    if order.requested_by.strip().casefold() in shared:
        reasons.append(check("approval_shared", order.requested_by))
    for approval in approvals:
        who = approval.approver.strip()
        wrong: Refusal | None = None
        if approval.digest != order.digest:
            wrong = check("approval_other", approval.digest[:12])
        elif who.casefold() == order.requested_by.strip().casefold():
            wrong = check("approval_own", who)
        elif not who or who.casefold() in shared:
            wrong = check("approval_shared", who)
        elif approval.role not in settings.approver_roles:
            wrong = check("approval_role", who, approval.role)
        elif not now_ms - approval.given_at_ms >= 0 or (
            not (approval.of_plan and order.plan) and now_ms - approval.given_at_ms > settings.approval_min * MINUTE_MS
        ):
            wrong = check("approval_old", who)
        if wrong is None:
            good = True
        else:
            found.append(wrong)
    return reasons if good else [*reasons, *found, check("no_approval", order.digest[:12])]
