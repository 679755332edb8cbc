"""Setting the clocks of meters, within the rules: 国网(营销/4)384-2014, DL/T 645-2007 7.1.6."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from keyacct import clock
from keyacct.capture.device_clock import (
    BROADCAST,
    ClockCommand,
    ClockReading,
    clock_write,
    read_clock,
    send_clock,
    time_broadcast,
)
from keyacct.capture.line import RETRIED, ExchangeError, Line
from keyacct.capture.master.clocks import ClockBook, ClockRule
from keyacct.config import Workspace
from keyacct.errors import KeyacctError, LinkError
from keyacct.i18n import Text
from keyacct.workflow.care import journal
from keyacct.workflow.care.clocks import MeterClock, judge, keep, measure, open_book, wrong_alike
from keyacct.workflow.care.journal import METER, Act, local_of
from keyacct.workflow.care.lines import Lines, why
from keyacct.workflow.poll_targets import Target, read_targets

STALE_S = 2.0
"""A time that was made so long before it can leave is not sent any more."""
_DLT645 = ("dlt645-2007", "dlt645-1997")
ACTIONS: dict[str, Text] = {
    "": Text("", ""),
    "today": Text("it was already set today", "今日已校时"),
    "no_password": Text(
        "too far off for 08H, and no password_file in meter_link", "超出 08H 范围, 且未配置 password_file"
    ),
    "waits": Text("to be set", "待校时"),
    "done": Text("set, and it says so", "已校时, 回读正确"),
    "failed": Text("not set: it still says another time", "未成功: 回读仍超差"),
    "unproved": Text("sent, and not read back", "已发出, 回读失败"),
    "not_sent": Text("not sent", "未发出"),
    "changed": Text("not sent: the rules no longer allow it", "未发出: 复核时规则不再允许"),
}


@dataclass(frozen=True)
class Setting:
    """What is done, or would be, to one meter. state: a key of `ACTIONS`; after: its clock read back."""

    clock: MeterClock
    state: str = ""
    command: ClockCommand | None = None
    after: ClockReading | None = None
    detail: str = ""

    def row(self) -> dict[str, Any]:
        """As it is printed."""
        told = str(ACTIONS[self.state])
        return {
            **self.clock.row(), "method": self.command.method if self.command else "", "state": self.state,
            "after_s": round(self.after.deviation_s, 1) if self.after else None,
            "frame": self.command.shown if self.command else "",
            **({"detail": f"{told}: {self.detail}" if self.detail else told} if self.state else {}),
        }  # fmt: skip


@dataclass
class SyncRound:
    """What came of a round. refusals: why the round as a whole sends nothing, by code."""

    settings: list[Setting] = field(default_factory=list)
    refusals: dict[str, Text] = field(default_factory=dict)
    executed: bool = False
    opened: int = 0
    closed: int = 0

    @property
    def waiting(self) -> list[Setting]:
        """Meters that could be set."""
        return [setting for setting in self.settings if setting.state == "waits"]


def sync_clocks(
    lines: Lines, targets: Sequence[Target], *, execute: bool = False, broadcast: bool = False, trusted: bool = False
) -> SyncRound:
    """Read the clocks, and set those that the rules allow to be set. A dry run unless `execute`.

    broadcast: one 08H to all meters of a line instead of one to each. trusted: a person has compared our own clock.
    Raises RefusedError (exit 8) where something against the whole round stands and it should have been executed.
    """
    workspace = lines.workspace
    # What was known before this round serves all of it: the poll lock keeps others out, and a meter is set once.
    book = open_book(workspace)
    clocks = measure(lines, targets, book)
    opened, closed = keep(workspace, clocks)
    result = SyncRound(refusals=_refusals(workspace, clocks, trusted=trusted), opened=opened, closed=closed)
    if broadcast:
        result.settings = [Setting(each) for each in clocks]
    else:
        result.settings = [_planned(workspace, book, each) for each in clocks]
    groups = _groups(workspace, book, clocks, result) if broadcast else []
    if not execute:
        return result
    if result.refusals:
        told = "; ".join(str(text) for text in result.refusals.values())
        raise journal.refused(told, next(iter(result.refusals)))
    result.executed = True
    if broadcast:
        after = {s.clock.target.meter_no: s for group in groups for s in _broadcast(lines, book, group)}
        result.settings = [after.get(s.clock.target.meter_no, s) for s in result.settings]
    else:
        waiting = {setting.clock.target.meter_no: setting for setting in result.waiting}
        done = lines.each(
            [setting.clock.target for setting in result.waiting],
            lambda line, target: _set_one(workspace, book, line, waiting[target.meter_no]),
        )
        for each in done:
            old = waiting[each.target.meter_no]
            waiting[each.target.meter_no] = each.result or dataclasses.replace(
                old, state="not_sent", detail=str(each.failure)
            )
        result.settings = [waiting.get(s.clock.target.meter_no, s) for s in result.settings]
    book = open_book(workspace)  # with what this round has done
    care, zone = workspace.settings.care, workspace.zone
    read_back = [
        MeterClock(s.clock.target, judge(book, care, s.clock.target.meter_no, s.after, zone), s.after)
        for s in result.settings
        if s.after is not None
    ]
    if read_back:
        opened, closed = keep(workspace, read_back)
        result.opened, result.closed = result.opened + opened, result.closed + closed
    return result


def _refusals(workspace: Workspace, clocks: Sequence[MeterClock], *, trusted: bool) -> dict[str, Text]:
    """What stands against setting any clock now."""
    care = workspace.settings.care
    found: dict[str, Text] = {}
    if not care.sync_clock:
        found["not_enabled"] = Text("care.sync_clock is not switched on", "未开启 care.sync_clock")
    if clock.is_fixed():
        found["fixed_clock"] = Text(
            "our clock was fixed by --now or KEYACCT_NOW: no device is set by it",
            "时钟由 --now 或 KEYACCT_NOW 固定, 不可校时",
        )
    local = local_of(clock.now_ms(), workspace.zone)
    if not ClockRule.of(care).allowed_at(local):
        found["near_freeze"] = Text(
            f"{local:%H:%M} is too near a full hour or midnight, where freezes lie",
            f"{local:%H:%M} 临近整点或零点冻结时刻",
        )
    doubt = wrong_alike(clocks, care)
    if doubt is not None and not trusted:
        found["own_clock"] = Text(
            f"most clocks differ from ours alike, by {doubt:+.0f} s: compare our own clock, then --clock-compared",
            f"多数表钟与本机相差一致 ({doubt:+.0f} 秒): 先核对本机时钟, 再加 --clock-compared",
        )
    return found


def _set_today(workspace: Workspace, book: ClockBook, meter_no: str) -> bool:
    """Whether a meter's clock was set on this civil day: a meter takes 08H once a day."""
    return book.was_set_on(meter_no, local_of(clock.now_ms(), workspace.zone).date())


def _planned(workspace: Workspace, book: ClockBook, each: MeterClock) -> Setting:
    if each.verdict != "set" or each.reading is None:
        return Setting(each)
    if _set_today(workspace, book, each.target.meter_no):
        return Setting(each, "today")
    try:
        command = _command(workspace, each.target, each.reading, _now(workspace))
    except KeyacctError as error:
        return Setting(each, "no_password", detail=error.message)
    return Setting(each, "waits", command) if command is not None else Setting(each, "no_password")


def _now(workspace: Workspace, later_s: float = 0.0) -> dt.datetime:
    """Our civil time to the nearest second, when what is sent now has arrived."""
    at = clock.now_ms() + round(later_s * 1000) + 500
    return local_of(at, workspace.zone).replace(microsecond=0)


def _command(workspace: Workspace, target: Target, reading: ClockReading, at: dt.datetime) -> ClockCommand | None:
    """How this meter is set: 08H where it takes that, else the write with its password; None without one."""
    if target.protocol not in _DLT645:
        return clock_write(target.protocol, target.address, at)
    if reading.most_s <= workspace.settings.care.broadcast_most_s:
        return time_broadcast(target.protocol, target.address, at)
    if target.secret is None:
        return None
    secrets = target.secret.read(target.protocol)
    return clock_write(target.protocol, target.address, at, secrets.password_645, secrets.operator_645)


def _set_one(workspace: Workspace, book: ClockBook, line: Line, setting: Setting) -> Setting:
    """Read once more, keep what is about to be done, send, read back. Raises ExchangeError, LinkError before sending."""
    target = setting.clock.target
    reading = read_clock(line, target.address, target.protocol, workspace.zone)
    verdict = judge(book, workspace.settings.care, target.meter_no, reading, workspace.zone)
    now = MeterClock(target, verdict, reading)
    if verdict != "set" or _set_today(workspace, book, target.meter_no):
        return Setting(now, "changed")
    begun = time.monotonic()
    on_the_way_s = 30 * 11 / line.link.baud if line.link.timed else 0.0
    command = _command(workspace, target, reading, _now(workspace, on_the_way_s))
    if command is None:
        return Setting(now, "no_password")
    (number,) = journal.begin(workspace, [_act(target, command, reading)])
    if time.monotonic() - begun > STALE_S:
        journal.end(workspace, [(number, "not_sent", "the time had grown old")])
        return Setting(now, "not_sent", command)
    state, after, detail = "unproved", None, ""
    try:
        failure = send_clock(line, command)
        if failure is not None:
            state, detail = "failed", str(failure)
        else:
            after = _read_back(line, target, workspace)
            state = _proved(after, workspace)
    except (ExchangeError, LinkError) as error:
        detail = why(error)
    journal.end(workspace, [(number, state, detail or _told(after))])
    return Setting(now, state, command, after, detail)


def _act(target: Target, command: ClockCommand, reading: ClockReading) -> Act:
    return Act("sync", (METER, target.meter_no), command.method, command.shown, {
        "address": command.address, "deviation_s": round(reading.deviation_s, 1),
        "uncertainty_s": round(reading.uncertainty_s, 1), "set_to": command.at.isoformat(),
    })  # fmt: skip


def _told(after: ClockReading | None) -> str:
    return f"{after.deviation_s:+.1f} s" if after is not None else ""


def _read_back(line: Line, target: Target, workspace: Workspace) -> ClockReading:
    """Reading harms nothing: it is tried again where an answer may come the next time."""
    for attempt in range(workspace.settings.poll.retries + 1):
        try:
            return read_clock(line, target.address, target.protocol, workspace.zone)
        except ExchangeError as error:
            if error.failure.cause not in RETRIED or attempt == workspace.settings.poll.retries:
                raise
    raise AssertionError


def _proved(after: ClockReading, workspace: Workspace) -> str:
    care = workspace.settings.care
    if after.round_trip_s > care.round_trip_most_s:
        return "unproved"
    return (
        "done" if after.most_s <= care.clock_right_s else "failed" if after.least_s > care.clock_right_s else "unproved"
    )


def _groups(
    workspace: Workspace, book: ClockBook, clocks: Sequence[MeterClock], result: SyncRound
) -> list[list[MeterClock]]:
    """The lines on which one 08H sets all. Every meter of the registry on such a line was read and is within the limit."""
    limit = workspace.settings.care.broadcast_most_s
    place_of = {each.target.line.link.place for each in clocks}
    everybody: dict[str, list[Target]] = {}
    for target in read_targets(workspace).values():
        if target.line.link.place in place_of:
            everybody.setdefault(target.line.link.place, []).append(target)
    known = {each.target.meter_no: each for each in clocks}
    groups = []
    for targets in everybody.values():
        members = [known[t.meter_no] for t in targets if t.meter_no in known]
        asked = [each for each in members if each.verdict == "set"]
        why: Text | None = None
        unread = [t.meter_no for t in targets if t.meter_no not in known or known[t.meter_no].reading is None]
        far = [each.target.meter_no for each in members if each.reading is not None and each.reading.most_s > limit]
        doubtful = [each.target.meter_no for each in members if each.verdict in ("unclear", "later", "fault")]
        if any(t.protocol not in _DLT645 for t in targets):
            why = Text("the line has meters of other protocols", "线路上有其他规约的电表")
        elif unread:
            why = Text(f"not all meters of the line were read ({unread[0]})", f"线路上有电表未读到 ({unread[0]})")
        elif far:
            why = Text(f"{far[0]} is more than {limit:g} s off", f"{far[0]} 超差大于 {limit:g} 秒")
        elif doubtful:
            why = Text(f"no clear verdict on {doubtful[0]}", f"{doubtful[0]} 判断不明")
        elif any(_set_today(workspace, book, t.meter_no) for t in targets):
            why = Text("a meter of the line was already set today", "线路上有电表今日已校时")
        if asked and why is None:
            groups.append(members)
        for each in asked:
            index = next(n for n, s in enumerate(result.settings) if s.clock is each)
            command = time_broadcast(each.target.protocol, BROADCAST, _now(workspace))
            result.settings[index] = (
                Setting(each, "waits", command) if why is None
                else Setting(each, "not_sent", detail=str(Text(f"no broadcast, {why.en}", f"不广播, {why.zh}")))
            )  # fmt: skip
    return groups


def _broadcast(lines: Lines, book: ClockBook, group: Sequence[MeterClock]) -> list[Setting]:
    """One 08H to a line: read everybody once more, keep what is about to be done to each, send, read back."""
    workspace = lines.workspace

    def work(line: Line) -> list[Setting]:
        care = workspace.settings.care
        fresh = []
        for each in group:
            target = each.target
            reading = read_clock(line, target.address, target.protocol, workspace.zone)
            fresh.append(MeterClock(target, judge(book, care, target.meter_no, reading, workspace.zone), reading))
        read = [(each, each.reading) for each in fresh if each.reading is not None]
        allowed = all(
            reading.most_s <= care.broadcast_most_s and each.verdict in ("right", "set") for each, reading in read
        )
        if not allowed or not book.rule.allowed_at(local_of(clock.now_ms(), workspace.zone)):
            return [Setting(each, "changed") for each in fresh]
        begun = time.monotonic()
        on_the_way_s = 22 * 11 / line.link.baud if line.link.timed else 0.0
        command = time_broadcast(group[0].target.protocol, BROADCAST, _now(workspace, on_the_way_s))
        numbers = journal.begin(workspace, [_act(each.target, command, reading) for each, reading in read])
        if time.monotonic() - begun > STALE_S:
            journal.end(workspace, [(number, "not_sent", "the time had grown old") for number in numbers])
            return [Setting(each, "not_sent", command) for each in fresh]
        try:
            send_clock(line, command)
        except LinkError as error:
            journal.end(workspace, [(number, "unproved", error.message) for number in numbers])
            return [Setting(each, "unproved", command, detail=error.message) for each in fresh]
        settings, outcomes = [], []
        for number, each in zip(numbers, fresh, strict=True):
            after, detail = None, ""
            try:
                after = _read_back(line, each.target, workspace)
                state = _proved(after, workspace)
            except (ExchangeError, LinkError) as error:
                state, detail = "unproved", why(error)
            settings.append(Setting(each, state, command, after, detail))
            outcomes.append((number, state, detail or _told(after)))
        journal.end(workspace, outcomes)
        return settings

    try:
        return lines.of_line([each.target for each in group], work)
    except (ExchangeError, LinkError) as error:
        return [Setting(each, "not_sent", detail=why(error)) for each in group]
