"""The one door: whatever can change what a device does to a breaker is passed through `pass_door`, and leaves nowhere else.

Shown (dry run), rehearsed on a simulated device of this process, or refused. There is no code here that sends to a device:
`Device` carries no connection. What a later version adds is an `ApprovalChain`, a commissioned mapping and a sender behind
`_real_refusals`; the checks before it are all here.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from keyacct import clock, wire
from keyacct.config import FILE_NAME, ControlSettings, Settings, Workspace
from keyacct.control import journal
from keyacct.control.approvals import MINUTE_MS, ApprovalChain, NoChain, check_approvals
from keyacct.control.commands import OPENING, Alarm, EnableLimit, PermitClose, PowerLimit, Trip
from keyacct.control.describing import describe
from keyacct.control.encoding import Exact, Stamp, frames_of
from keyacct.control.evidence import Evidence, NoEvidence, evidence_refusals
from keyacct.control.interlocks import registry_refusals, telemetry_refusals
from keyacct.control.orders import Order
from keyacct.control.readback import ControlState, read_state
from keyacct.control.refusals import Refusal, check, never, refusing
from keyacct.control.rehearsal import Rehearsal
from keyacct.control.targets import CommissionedMapping
from keyacct.i18n import Text
from keyacct.secrets import Secrets

FELL_TO = 0.2
"""A trip has worked when at most this share of the power before it is left (domain: power fell by 80 %)."""


@dataclass(frozen=True)
class Device:
    """A real device, or anything that might be one. It is never sent to; where: how it would be reached, for the message."""

    where: str = ""


@dataclass(frozen=True)
class Gate:
    """What the door asks. workspace None: nothing is kept, and a real device is refused for that alone."""

    workspace: Workspace | None = None
    mapping: CommissionedMapping = field(default_factory=lambda: CommissionedMapping(()))
    chain: ApprovalChain = field(default_factory=NoChain)
    evidence: Evidence = field(default_factory=NoEvidence)

    @property
    def settings(self) -> Settings:
        """The settings that hold."""
        return self.workspace.settings if self.workspace is not None else Settings()


@dataclass(frozen=True)
class Look:
    """The device's state at one moment of a rehearsal. after_min: minutes of the device's time since the command."""

    moment: Text
    after_min: float
    state: ControlState


@dataclass(frozen=True)
class Passed:
    """What came of it. state: `shown` or that of the journal. against: why it would be refused to a real device."""

    order: Order
    frames: tuple[Exact, ...]
    says: tuple[Text, ...]
    state: str
    against: tuple[Refusal, ...] = ()
    looks: tuple[Look, ...] = ()
    attempt: int | None = None


def pass_door(order: Order, gate: Gate, to: Rehearsal | Device | None = None, secrets: Secrets | None = None) -> Passed:
    """Show a command (to None), rehearse it, or refuse it; the attempt is kept where there is a workspace.

    Raises RefusedError for a real device, always, with every reason; and for a rehearsal whose device says that the command
    would hurt. Raises UsageError for a command that the protocol cannot say.
    """
    frames = _frames(order, gate, secrets or Secrets())
    says = describe(order, _zone(gate))
    against = tuple(_real_refusals(order, gate))
    if to is None:
        number = _keep(gate, "dry_run", order, frames, "shown", {})
        return Passed(order, frames, says, "shown", (check("no_sender"), *against), attempt=number)
    if type(to) is not Rehearsal:
        reasons = (check("no_sender"), *against)
        state = "expired" if any(reason.code == "check.expired" for reason in reasons) else "refused"
        _keep(gate, "device", order, frames, state, journal.reasons_detail(reasons))
        raise refusing(reasons)
    return _rehearse(order, gate, to, frames, says, against)


# checks --------------------------------------------------------------------------------------------------------------


def _real_refusals(order: Order, gate: Gate) -> list[Refusal]:
    """Why an order may not be sent to a real device."""
    now_ms = clock.now_ms()
    settings = gate.settings.control
    reasons = _time_refusals(order, now_ms, _zone(gate))
    if not order.reason.strip():
        reasons.append(check("no_reason"))
    if gate.workspace is None:
        return [check("no_workspace"), *reasons]
    reasons = [*_switch_refusals(gate.workspace, settings), *reasons]
    reasons += registry_refusals(gate.workspace, order, gate.mapping, now_ms)
    reasons += telemetry_refusals(gate.workspace, order, now_ms)
    reasons += evidence_refusals(order, gate.evidence)
    if journal.was_given(gate.workspace, order.digest):
        reasons.append(never("resend", order.digest[:12]))
    if isinstance(order.command, Trip) and order.plan is None:
        most = settings.trips_in_10_min
        if journal.trips_since(gate.workspace, now_ms - 10 * MINUTE_MS) >= most:
            reasons.append(check("too_many_trips", most))
    return reasons + check_approvals(order, gate.chain.approvals(order), settings, now_ms)


def _switch_refusals(workspace: Workspace, settings: ControlSettings) -> list[Refusal]:
    """The inhibit file (it needs no database), the switch, and who can turn it."""
    reasons = []
    inhibit = workspace.root / settings.inhibit_file
    # A link to nowhere or a folder inhibits as well; so does a place that cannot be looked at.
    try:
        inhibit.lstat()
        reasons.append(check("inhibited", inhibit))
    except FileNotFoundError:
        pass
    except OSError:
        reasons.append(check("inhibited", inhibit))
    if not settings.enabled:
        reasons.append(check("not_enabled"))
    file = workspace.root / FILE_NAME
    if _can_be_changed(file):
        reasons.append(check("switch_writable", file))
    return reasons


def _can_be_changed(file: Path) -> bool:
    """Whether the user that runs this can write the file or put another in its place."""
    return os.access(file, os.W_OK) or os.access(file.parent, os.W_OK)


def _time_refusals(order: Order, now_ms: int, zone: dt.tzinfo) -> list[Refusal]:
    def told(at_ms: int) -> str:
        return dt.datetime.fromtimestamp(at_ms / 1000, zone).isoformat(timespec="seconds")

    if now_ms < order.not_before_ms:
        return [check("too_early", told(order.not_before_ms))]
    if now_ms >= order.not_after_ms:
        return [check("expired", told(order.not_after_ms))]
    return []


def _zone(gate: Gate) -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo(gate.settings.workspace.timezone)


def _frames(order: Order, gate: Gate, secrets: Secrets) -> tuple[Exact, ...]:
    now_ms = clock.now_ms()
    here, until = (
        dt.datetime.fromtimestamp(ms / 1000, _zone(gate)).replace(tzinfo=None, microsecond=0)
        for ms in (now_ms, order.not_after_ms)
    )
    left = max(1, (order.not_after_ms - now_ms) // MINUTE_MS)
    allowed = min(gate.settings.control.allowed_delay_min, left)
    return frames_of(order.command, order.target, Stamp(here, until, allowed, now_ms // 1000 % 256), secrets)


def _keep(
    gate: Gate, kind: str, order: Order, frames: Sequence[Exact], state: str, detail: dict[str, object]
) -> int | None:
    if gate.workspace is None:
        return None
    return journal.begin(gate.workspace, kind, order, [frame.shown for frame in frames], state, detail)


# rehearsal -----------------------------------------------------------------------------------------------------------


def _rehearse(
    order: Order,
    gate: Gate,
    to: Rehearsal,
    frames: tuple[Exact, ...],
    says: tuple[Text, ...],
    against: tuple[Refusal, ...],
) -> Passed:
    """Give the command to a simulated device as a real one would get it: read, check, `sent`, send, read back."""
    number = _keep(gate, "simulated", order, frames, "requested", {})

    def advance(state: str, **detail: object) -> str:
        if gate.workspace is not None and number is not None:
            journal.advance(gate.workspace, number, state, detail)
        return state

    before = read_state(to.ask, order.target)
    reasons = [*_time_refusals(order, clock.now_ms(), _zone(gate)), *_device_refusals(order, gate, before)]
    if reasons:
        advance("refused", **journal.reasons_detail(reasons))
        raise refusing(reasons)
    looks = [Look(Text("before", "下发前"), 0, before)]
    advance("sent")  # committed before the first byte leaves
    for place, frame in enumerate(frames):
        answer = to.ask(frame.data)
        verdict = _verdict(frame.data, answer, order.target.protocol)
        if verdict != "done":
            state = advance("partial" if place else verdict, frame=place + 1)
            return Passed(order, frames, says, state, against, tuple(looks), number)
    after = read_state(to.ask, order.target)
    looks.append(Look(Text("at once", "下发后"), 0, after))
    if isinstance(order.command, Trip) and order.command.alarm_delay_min:
        advance("alarmed", minutes=order.command.alarm_delay_min)
        to.let_pass(order.command.alarm_delay_min)
        after = read_state(to.ask, order.target)
        looks.append(Look(Text("after the alarm", "告警后"), order.command.alarm_delay_min, after))
    state = advance("confirmed" if _worked(order, before, after) else "partial")
    if isinstance(order.command, Trip) and order.target.protocol != "dlt645-2007":
        to.let_pass(order.command.duration_min)
        minutes = order.command.alarm_delay_min + order.command.duration_min
        looks.append(Look(Text("at the end", "到期后"), minutes, read_state(to.ask, order.target)))
    return Passed(order, frames, says, state, against, tuple(looks), number)


def _device_refusals(order: Order, gate: Gate, before: ControlState) -> list[Refusal]:
    """What the device itself says against it, read immediately before."""
    if not before.said_anything:
        return [check("no_answer")]
    reasons = []
    if before.clock is not None:
        here = dt.datetime.fromtimestamp(clock.now_ms() / 1000, _zone(gate)).replace(tzinfo=None)
        wrong_s = (before.clock - here).total_seconds()
        if abs(wrong_s) > gate.settings.control.clock_s:
            reasons.append(check("clock", round(wrong_s)))
    command = order.command
    if isinstance(command, OPENING) and before.keep_supply:
        reasons.append(check("kept"))
    if isinstance(command, EnableLimit):
        limit = before.limit_of(command.group)
        told = (limit.limit_kw, limit.from_day, limit.to_day, limit.relay_rounds) if limit else None
        wanted = (
            command.limit_kw, command.from_day.isoformat(), command.to_day.isoformat(), (command.relay_round.output,),
        )  # fmt: skip
        if told != wanted:
            reasons.append(check("not_applied", "–" if told is None else f"{told[0]} kW {told[1]}/{told[2]} {told[3]}"))
    return reasons


def _verdict(frame: bytes, answer: bytes | None, protocol: str) -> str:
    """`done`, `refused` or `unknown` (no answer to this frame)."""
    if answer is None or not wire.answers(frame, answer, protocol):
        return "unknown"
    shown = json.loads(next(iter(wire.describe([answer.hex()], protocol))))
    if protocol == "dlt645-2007":
        return "refused" if "error" in shown else "done"
    if protocol == "gdw1376.1":
        confirmed = shown["afn"] == "00" and [item["fn"] for item in shown["items"]] == [1]
        return "done" if confirmed else "refused"
    return "done" if shown["apdu"].get("dar") == 0 else "refused"


def _worked(order: Order, before: ControlState, after: ControlState) -> bool:
    """Whether state and power say that the command was carried out; a bare confirmation is not enough."""
    command = order.command
    if isinstance(command, Trip | PermitClose):
        relay = command.relay_round.output if command.relay_round is not None else 0
        if after.open_rounds is None:
            return False
        if isinstance(command, PermitClose):
            return relay not in after.open_rounds
        fell = before.power_kw is not None and after.power_kw is not None
        return relay in after.open_rounds and fell and (after.power_kw or 0.0) <= FELL_TO * (before.power_kw or 0.0)
    if isinstance(command, PowerLimit | EnableLimit):
        limit = after.limit_of(command.group)
        return (
            limit is not None
            and limit.limit_kw == command.limit_kw
            and (isinstance(command, PowerLimit) or limit.enabled is True)
        )
    if command.action == "down_float":
        return any(limit.down_float for limit in after.limits)
    if isinstance(command, Alarm):
        return after.alarming is not None and bool(after.alarming) is command.on
    return after.keep_supply is True  # a meter of DL/T 645 has no state that says so: never confirmed
