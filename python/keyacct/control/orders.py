"""What is asked for, and what an approval is bound to: the digest of all of it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from keyacct.control.commands import Command, DownFloat, EnableLimit, PermitClose, PowerLimit, Trip
from keyacct.control.targets import RelayRound, Target


@dataclass(frozen=True)
class Order:
    """One command for one device, by one person, for a reason, within a time.

    not_before_ms, not_after_ms: when it may be given. plan, table_version: what it carries out, None outside a plan.
    """

    target: Target
    command: Command
    requested_by: str
    reason: str
    not_before_ms: int
    not_after_ms: int
    plan: str | None = None
    table_version: str | None = None

    @property
    def relay_round(self) -> RelayRound | None:
        """The round that the command names."""
        if isinstance(self.command, Trip | PermitClose | PowerLimit | EnableLimit | DownFloat):
            return self.command.relay_round
        return None

    @property
    def settings(self) -> dict[str, Any]:
        """The fields of the command as plain values."""
        return {field.name: _plain(getattr(self.command, field.name)) for field in dataclasses.fields(self.command)}

    @property
    def subject(self) -> dict[str, Any]:
        """Everything that an approval is bound to."""
        return {
            "account_no": self.target.account_no, "meter_no": self.target.meter_no,
            "terminal_no": self.target.terminal_no, "protocol": self.target.protocol, "address": self.target.address,
            "action": self.command.action, "settings": self.settings, "requested_by": self.requested_by,
            "reason": self.reason, "not_before_ms": self.not_before_ms, "not_after_ms": self.not_after_ms,
            "plan": self.plan, "table_version": self.table_version,
        }  # fmt: skip

    @property
    def digest(self) -> str:
        """SHA-256 of the subject; any other account, round, duration, reason, time … is another digest."""
        text = json.dumps(self.subject, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, RelayRound):
        return value.output
    if isinstance(value, dt.date):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value
