"""Freezes by command (16H of DL/T 645-2007): sent once, proved by reading the frozen block, which goes into the store."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from keyacct import clock
from keyacct.capture.device_clock import BROADCAST, ClockReading, read_clock
from keyacct.capture.device_freeze import PROTOCOL, FreezeCommand, freeze_command, send_freeze
from keyacct.capture.items import Item, ItemCatalogue
from keyacct.capture.line import ExchangeError, Line
from keyacct.capture.parameters import read_parameter
from keyacct.capture.poller import ON_DEMAND
from keyacct.config import Workspace
from keyacct.errors import LinkError
from keyacct.i18n import Text
from keyacct.workflow.care import journal
from keyacct.workflow.care.journal import METER, Act
from keyacct.workflow.care.lines import Lines, why
from keyacct.workflow.poll_due import Job
from keyacct.workflow.poll_round import RoundResult, run_round
from keyacct.workflow.poll_targets import Target, read_targets

NOW = "99999999"
ITEMS = ("freeze_instant_active_import_1", "freeze_instant_active_export_1")
"""What is read of the newest instantaneous freeze into the store."""
_STAMP = Item(PROTOCOL, "05010001", "freeze_instant_time_1", "freeze_minute")
STATES: dict[str, Text] = {
    "waits": Text("to be frozen", "待冻结"),
    "not_offered": Text("only DL/T 645-2007 has this command", "仅 DL/T 645-2007 有此命令"),
    "done": Text("frozen, and it says so", "已冻结, 回读正确"),
    "confirmed": Text("the meter confirmed; its first freeze is yet to come", "电表已确认, 首次冻结尚未发生"),
    "failed": Text("not frozen", "未冻结"),
    "unproved": Text("sent, and not proved", "已发出, 未能证实"),
    "not_sent": Text("not sent", "未发出"),
}


@dataclass(frozen=True)
class Freezing:
    """What is done, or would be, to one meter. frozen_at: what the meter says of its newest freeze."""

    target: Target
    state: str
    command: FreezeCommand | None = None
    frozen_at: str | None = None
    detail: str = ""

    def row(self) -> dict[str, Any]:
        """As it is printed."""
        told = str(STATES[self.state])
        return {
            "meter": self.target.meter_no, "line": self.target.line.name, "state": self.state,
            "method": self.command.method if self.command else "", "frozen_at": self.frozen_at,
            "detail": f"{told}: {self.detail}" if self.detail else told,
            "frame": self.command.shown if self.command else "",
        }  # fmt: skip


@dataclass
class FreezeRound:
    """What came of a round. stored: the readings of the frozen blocks, None where none were read."""

    freezings: list[Freezing] = field(default_factory=list)
    stored: RoundResult | None = None
    executed: bool = False


def freeze_meters(
    lines: Lines, targets: Sequence[Target], word: str, *, execute: bool = False, broadcast: bool = False
) -> FreezeRound:
    """Tell meters to freeze. A dry run unless `execute`. word: of `freeze_word`; the caller holds the poll lock.

    broadcast: one command to all meters of a line at the same instant; then all meters of the registry on that line have
    to be among the targets. Raises RefusedError (exit 8) where freezing is not switched on or the clock is fixed.
    """
    workspace = lines.workspace
    result = FreezeRound()
    commands: dict[str, FreezeCommand] = {}
    for target in targets:
        if target.protocol != PROTOCOL:
            result.freezings.append(Freezing(target, "not_offered"))
            continue
        command = freeze_command(BROADCAST if broadcast else target.address, word)
        commands[target.meter_no] = command
        result.freezings.append(Freezing(target, "waits", command))
    waiting = [each for each in result.freezings if each.state == "waits"]
    if broadcast:
        _require_whole_lines(workspace, [each.target for each in result.freezings])
    if not execute:
        return result
    if not workspace.settings.care.freeze:
        raise journal.refused(str(Text("care.freeze is not switched on", "未开启 care.freeze")), "not_enabled")
    if clock.is_fixed():
        fixed = Text("our clock was fixed by --now or KEYACCT_NOW", "时钟由 --now 或 KEYACCT_NOW 固定")
        raise journal.refused(str(fixed), "fixed_clock")
    result.executed = True
    done: dict[str, Freezing] = {}
    if broadcast:
        groups: dict[str, list[Freezing]] = {}
        for each in waiting:
            groups.setdefault(each.target.line.link.place, []).append(each)
        for group in groups.values():
            for each in _broadcast(lines, group, commands[group[0].target.meter_no]):
                done[each.target.meter_no] = each
    else:
        by_meter = {each.target.meter_no: each for each in waiting}
        for one in lines.each(
            [each.target for each in waiting],
            lambda line, target: _freeze_one(workspace, line, by_meter[target.meter_no], commands[target.meter_no]),
        ):
            name = one.target.meter_no
            done[name] = one.result or dataclasses.replace(by_meter[name], state="not_sent", detail=str(one.failure))
    result.freezings = [done.get(each.target.meter_no, each) for each in result.freezings]
    frozen = [each.target for each in result.freezings if each.state == "done"]
    if frozen:
        catalogue = ItemCatalogue()
        items = tuple(catalogue.find(name, PROTOCOL) for name in ITEMS)
        result.stored = run_round(workspace, [Job(target, items, ON_DEMAND) for target in frozen])
    return result


def _require_whole_lines(workspace: Workspace, targets: Sequence[Target]) -> None:
    named = {target.meter_no for target in targets}
    places = {target.line.link.place for target in targets}
    for other in read_targets(workspace).values():
        if other.line.link.place in places and other.meter_no not in named:
            also = Text(f"a broadcast would also freeze {other.meter_no}, which was not named",
                        f"广播会同时冻结未指定的电表 {other.meter_no}")  # fmt: skip
            raise journal.refused(str(also), "others_on_line")


def _act(target: Target, command: FreezeCommand) -> Act:
    return Act("freeze", (METER, target.meter_no), command.method, command.shown, {
        "address": command.address, "word": command.word,
    })  # fmt: skip


def _freeze_one(workspace: Workspace, line: Line, each: Freezing, command: FreezeCommand) -> Freezing:
    """Raises ExchangeError, LinkError before anything was sent."""
    before = read_clock(line, each.target.address, PROTOCOL, workspace.zone)
    (number,) = journal.begin(workspace, [_act(each.target, command)])
    begun_ms = clock.now_ms()
    after = each
    try:
        failure = send_freeze(line, command)
        if failure is not None:
            after = dataclasses.replace(each, state="failed", detail=str(failure))
        elif command.word == NOW:
            after = _proved(line, each, before, begun_ms)
        else:
            after = dataclasses.replace(each, state="confirmed")
    except (ExchangeError, LinkError) as error:
        after = dataclasses.replace(each, state="unproved", detail=why(error))
    journal.end(workspace, [_outcome(number, after)])
    return after


def _outcome(number: int, each: Freezing) -> tuple[int, str, str]:
    state = "done" if each.state == "confirmed" else each.state
    return number, state, each.detail or each.frozen_at or str(STATES[each.state])


def _broadcast(lines: Lines, group: Sequence[Freezing], command: FreezeCommand) -> list[Freezing]:
    workspace = lines.workspace

    def work(line: Line) -> list[Freezing]:
        clocks: dict[str, ClockReading] = {}
        for each in group:
            clocks[each.target.meter_no] = read_clock(line, each.target.address, PROTOCOL, workspace.zone)
        numbers = journal.begin(workspace, [_act(each.target, command) for each in group])
        begun_ms = clock.now_ms()
        found = []
        sent: LinkError | None = None
        try:
            send_freeze(line, command)
        except LinkError as error:
            sent = error
        for each in group:
            if sent is not None:
                found.append(dataclasses.replace(each, state="unproved", detail=sent.message))
            elif command.word != NOW:
                found.append(dataclasses.replace(
                    each, state="unproved", detail=str(Text("nobody answers a broadcast", "广播无应答"))
                ))  # fmt: skip
            else:
                try:
                    found.append(_proved(line, each, clocks[each.target.meter_no], begun_ms))
                except (ExchangeError, LinkError) as error:
                    found.append(dataclasses.replace(each, state="unproved", detail=why(error)))
        journal.end(workspace, [_outcome(number, each) for number, each in zip(numbers, found, strict=True)])
        return found

    try:
        return lines.of_line([each.target for each in group], work)
    except (ExchangeError, LinkError) as error:
        return [dataclasses.replace(each, state="not_sent", detail=why(error)) for each in group]


def _proved(line: Line, each: Freezing, before: ClockReading, begun_ms: int) -> Freezing:
    """Whether the newest instantaneous freeze is of just now, by the meter's own clock (its stamp has whole minutes)."""
    values = read_parameter(line, each.target.address, _STAMP)
    said = next((str(value["value"]) for value in values if value["quantity"] == "freeze_time"), "")
    try:
        at = dt.datetime.fromisoformat(said)
    except ValueError:
        return dataclasses.replace(each, state="unproved", detail=str(Text("no freeze there", "无冻结记录")))
    there = before.device_time + dt.timedelta(milliseconds=begun_ms - before.measured_at_ms)
    passed = dt.timedelta(milliseconds=clock.now_ms() - begun_ms)
    first = there.replace(second=0, microsecond=0) - dt.timedelta(minutes=1)
    told = at.isoformat(timespec="minutes")
    if not first <= at <= there + passed + dt.timedelta(minutes=1):
        return dataclasses.replace(
            each, state="failed", frozen_at=told,
            detail=str(Text(f"its newest freeze is of {told}", f"最近冻结时间为 {told}")),
        )  # fmt: skip
    return dataclasses.replace(each, state="done", frozen_at=told)
