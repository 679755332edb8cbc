"""Clocks of meters: read, judged, kept; what is wrong becomes a finding."""

from __future__ import annotations

import datetime as dt
import statistics
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keyacct import clock
from keyacct.capture.device_clock import CLOCKED, ClockReading, read_clock
from keyacct.capture.line import Failure, Line
from keyacct.capture.master.clocks import ClockBook, ClockRule, crosses_freeze
from keyacct.config import CareSettings, Workspace
from keyacct.database import audit
from keyacct.database.engine import open_database
from keyacct.i18n import Text
from keyacct.model import DAY_MS
from keyacct.workflow.care.findings import CLOCK, CLOCK_FAULT, GENERAL, SEVERE, Check, note_findings
from keyacct.workflow.care.journal import METER, local_of, note_clock, settings_of_clocks
from keyacct.workflow.care.lines import Lines
from keyacct.workflow.poll_targets import Target

VERDICTS: Mapping[str, Text] = {
    "right": Text("right", "正常"),
    "set": Text("off, can be set", "超差, 可校时"),
    "later": Text("off, but not now: a freeze is near", "超差, 临近冻结时刻暂不校时"),
    "too_far": Text("too far off to be set from afar", "超差过大, 不可远程校时"),
    "fault": Text("still off after it was set: a fault", "校时后仍超差: 故障"),
    "unclear": Text("the exchange was too slow for a verdict", "通信过慢, 不作判断"),
    "not_offered": Text("this meter has no clock that can be read", "该表不提供时钟"),
    "failed": Text("not read", "未读到"),
}
_ALIKE_FROM = 3
_TODAY_DAYS = 2  # a day may have 25 hours


@dataclass(frozen=True)
class MeterClock:
    """The clock of one meter in a round."""

    target: Target
    verdict: str
    reading: ClockReading | None = None
    failure: Failure | None = None

    def row(self) -> dict[str, Any]:
        """As it is printed."""
        reading = self.reading
        return {
            "meter": self.target.meter_no, "line": self.target.line.name, "verdict": self.verdict,
            "deviation_s": round(reading.deviation_s, 1) + 0.0 if reading else None,
            "uncertainty_s": round(reading.uncertainty_s, 1) if reading else None,
            "device_time": reading.device_time.isoformat(timespec="seconds") if reading else None,
            "detail": str(self.failure) if self.failure else str(VERDICTS[self.verdict]),
        }  # fmt: skip


def open_book(workspace: Workspace, kind: str = METER) -> ClockBook:
    """The rule, and which clocks were set of late: the journal outlives the process. The whole of today is always in it."""
    book = ClockBook(ClockRule.of(workspace.settings.care))
    since = clock.now_ms() - max(workspace.settings.care.fault_days, _TODAY_DAYS) * DAY_MS
    for device, times in settings_of_clocks(workspace, since, kind).items():
        for at in times:
            book.was_set(device, local_of(at, workspace.zone))
    return book


def judge(book: ClockBook, settings: CareSettings, device: str, reading: ClockReading, zone: zoneinfo.ZoneInfo) -> str:
    """A verdict of `VERDICTS`; `unclear` where the least and the greatest possible deviation are judged differently."""
    if reading.round_trip_s > settings.round_trip_most_s:
        return "unclear"
    local = local_of(reading.measured_at_ms, zone)
    sign = -1.0 if reading.deviation_s < 0 else 1.0
    least = book.judge(device, sign * reading.least_s, local)
    most = book.judge(device, sign * reading.most_s, local)
    if {least, most} == {"set", "later"}:
        return "later"
    return least if least == most else "unclear"


def clock_checks(reading: ClockReading, verdict: str, settings: CareSettings, local: dt.datetime) -> list[Check]:
    """What a reading says of the rules `clock_deviation` and `clock_fault`."""
    limit = settings.clock_limit_s
    slow = reading.round_trip_s > settings.round_trip_most_s
    off = None if slow or reading.least_s <= limit < reading.most_s else reading.least_s > limit
    found = f"{reading.deviation_s:+.1f} s"
    across = crosses_freeze(reading.deviation_s, local)
    detail = "across a full hour, the instant of a freeze" if across else ""
    return [
        Check(CLOCK, "clock", off, f"±{limit:g} s", found, SEVERE if across else GENERAL, detail),
        Check(
            CLOCK_FAULT, "clock", True if verdict == "fault" else False if off is False else None, f"±{limit:g} s",
            found, SEVERE, f"set {settings.fault_syncs} times within {settings.fault_days} days",
        ),
    ]  # fmt: skip


def measure(lines: Lines, targets: Sequence[Target], book: ClockBook | None = None) -> list[MeterClock]:
    """Read and judge the clocks of meters. Nothing is kept. book: what is known of them, opened here if None."""
    workspace = lines.workspace
    zone, settings = workspace.zone, workspace.settings.care
    book = book or open_book(workspace)
    asked = [target for target in targets if target.protocol in CLOCKED]

    def read(line: Line, target: Target) -> ClockReading:
        return read_clock(line, target.address, target.protocol, zone)

    found: dict[str, MeterClock] = {}
    for done in lines.each(asked, read, retries=workspace.settings.poll.retries):
        target = done.target
        if done.result is not None:
            verdict = judge(book, settings, target.meter_no, done.result, zone)
            found[target.meter_no] = MeterClock(target, verdict, done.result)
        else:
            refused = done.failure is not None and done.failure.cause in ("refused", "no_data")
            found[target.meter_no] = MeterClock(target, "not_offered" if refused else "failed", failure=done.failure)
    return [found.get(target.meter_no) or MeterClock(target, "not_offered") for target in targets]


def keep(workspace: Workspace, clocks: Iterable[MeterClock]) -> tuple[int, int]:
    """Keep what was read and its findings; how many findings were opened and closed.

    Against a clock that was fixed by somebody nothing is kept: it says nothing of the meters.
    """
    if clock.is_fixed():
        return 0, 0
    opened = closed = read = 0
    with open_database(workspace).write() as connection:
        now = clock.now_ms()
        for each in clocks:
            if each.reading is None:
                continue
            device = (METER, each.target.meter_no)
            note_clock(connection, device, each.reading, each.verdict, right_s=workspace.settings.care.clock_right_s)
            local = local_of(each.reading.measured_at_ms, workspace.zone)
            checks = clock_checks(each.reading, each.verdict, workspace.settings.care, local)
            new, old = note_findings(connection, device, checks, now)
            opened, closed, read = opened + new, closed + old, read + 1
        if read:
            audit.append(connection, "care.clocks", {"meters": read, "opened": opened, "closed": closed})
    return opened, closed


def wrong_alike(clocks: Iterable[MeterClock], settings: CareSettings) -> float | None:
    """By how much most clocks of a round are wrong alike, in seconds: then ours is in doubt. None where they are not."""
    deviations = [each.reading.deviation_s for each in clocks if each.reading is not None]
    if len(deviations) < _ALIKE_FROM:
        return None
    middle = statistics.median(deviations)
    alike = sum(abs(each - middle) <= settings.clock_right_s for each in deviations)
    if abs(middle) > settings.clock_right_s and alike > settings.alike_share * len(deviations):
        return middle
    return None
