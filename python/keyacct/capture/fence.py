"""Keeps a late answer from passing for the answer to the same question asked again.

A frame of DL/T 645 says which identifier it answers, not which request: when a meter, or the gateway before it, is slower
than the timeout, the answer to the first request looks like that to the second. A line is a queue, though: what a meter
says comes in the order in which it was asked. So after a request without an answer the meter is first asked something
else, the fence. With the fence's answer everything from before has arrived, and was thrown away, or never will.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keyacct import wire
from keyacct.capture.line import ExchangeError, Line, built_in_registers

QUESTIONS: dict[str, tuple[str, ...]] = {
    "dlt645-2007": ("04000401", "04000402", "04000101", "04000102", "04000403"),
    "dlt645-1997": ("C010", "C011", "C032", "C033"),
}
"""What every meter of a protocol can say beside its readings: address, number, date, time. One of them is the fence that
has no request under way itself."""

_STILL_COMING = frozenset({"timeout", "noise", "wrong_address", "late", "incomplete"})
_CONTROL = {"dlt645-2007": "0x11", "dlt645-1997": "0x01"}
_WAKE = b"\xfe" * 4


def note(line: Line, address: str, protocol: str, request: bytes, cause: str) -> None:
    """A request failed: unless its answer has come, broken, it may still come."""
    if protocol in QUESTIONS and cause in _STILL_COMING:
        line.unanswered.setdefault(address, {})[request] = None


def pass_late_answers(line: Line, address: str, protocol: str) -> bool:
    """Make sure that no earlier request of this meter can still be answered; False where that cannot be known.

    Then what comes next has to be marked. Raises ExchangeError when the meter is silent, LinkError.
    """
    waiting = line.unanswered.get(address)
    if not waiting:
        return True
    for question in QUESTIONS[protocol]:
        request = wire.encode(
            {"address": address, "control": _CONTROL[protocol], "di": question}, protocol,
            registers=built_in_registers(),
        )  # fmt: skip
        if request in waiting:
            continue
        refused = False

        def accept(asked: bytes, frame: bytes, message: Mapping[str, Any]) -> bool:
            """An error word does not say to what, so it proves nothing."""
            nonlocal refused
            if not wire.answers(asked, frame, protocol):
                return False
            refused = refused or bool(message.get("error"))
            return not message.get("error")

        try:
            line.exchange(request, protocol, preamble=_WAKE, accept=accept)
        except ExchangeError as error:
            note(line, address, protocol, request, error.failure.cause)
            if not refused:
                raise
            continue  # it may not have this one: try another
        del line.unanswered[address]
        return True
    line.unanswered[address] = {}
    return False
