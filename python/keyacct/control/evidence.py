"""What has to be known before a breaker may move and that neither registry nor samples say. What nobody knows refuses.

Nothing in this version tells any of it. `Evidence` is what a later version has to provide, beside the approval chain.
Source: the interlocks of orderly power use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from keyacct.control.commands import OPENING, Alarm
from keyacct.control.orders import Order
from keyacct.control.refusals import Refusal, check
from keyacct.i18n import Text

NOBODY_AT_WORK, NOTICE, STAGE_ALARMS, PROVED = "nobody_at_work", "notice_given", "stage_alarms_done", "terminal_proved"
FACTS: dict[str, Text] = {
    NOBODY_AT_WORK: Text("no permit to work is out and no crew is on site", "无工作许可且现场无人作业"),
    NOTICE: Text("the customer was given notice", "已通知用户"),
    STAGE_ALARMS: Text("the alarms of the stages before are done", "此前各级告警已执行"),
    PROVED: Text("the device has proved itself by more than its address", "设备已通过地址以外的方式证实身份"),
}


class Evidence(Protocol):
    """Who knows it. Asked again immediately before sending."""

    def facts(self, order: Order) -> Mapping[str, bool]:
        """By the names of `FACTS`, whether it is so; what is left out nobody knows."""


class NoEvidence:
    """The evidence of this version: nobody knows anything."""

    def facts(self, order: Order) -> Mapping[str, bool]:
        """Nothing."""
        return {}


def evidence_refusals(order: Order, evidence: Evidence) -> list[Refusal]:
    """What is not so, or not known, of all that a command needs."""
    needed = [PROVED]
    if not isinstance(order.command, Alarm):
        needed.insert(0, NOBODY_AT_WORK)
    if isinstance(order.command, OPENING):
        needed[1:1] = [NOTICE, STAGE_ALARMS]
    known = evidence.facts(order)
    reasons = []
    for name in needed:
        if known.get(name) is not True:
            reasons.append(check("not_so" if name in known else "not_known", FACTS[name]))
    return reasons
