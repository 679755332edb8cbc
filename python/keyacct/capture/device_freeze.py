"""The freeze of DL/T 645-2007 (16H): at once, or at a time of every hour, day or month; to one meter or to all of a line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from keyacct import wire
from keyacct.capture.device_clock import BROADCAST
from keyacct.capture.line import Failure, Line, built_in_registers
from keyacct.capture.parameters import refusal_of
from keyacct.errors import UsageError
from keyacct.i18n import Text

PROTOCOL = "dlt645-2007"
"""The only one of our protocols that has it."""
_WAKE = b"\xfe" * 4


def freeze_word(text: str) -> str:
    """MMDDhhmm as sent, 99 for every: of `now`, `hour:MM`, `day:HHMM`, `month:DDHHMM`. Raises UsageError."""
    if text == "now":
        return "99999999"
    match = re.fullmatch(r"(hour|day|month):(\d+)", text)
    if match is not None:
        size = {"hour": 2, "day": 4, "month": 6}[match[1]]
        digits = match[2]
        if len(digits) == size:
            parts = [int(digits[n : n + 2]) for n in range(0, size, 2)][::-1]  # minute, hour, day
            most = (59, 23, 28)
            least = (0, 0, 1)
            if all(low <= part <= high for part, low, high in zip(parts, least, most, strict=False)):
                return digits.rjust(8, "9")
    raise UsageError(
        "usage.invalid",
        str(Text(f"--at {text}: no instant of a freeze", f"--at {text}: 不是冻结时间")),
        hint=str(Text("now, hour:MM, day:HHMM, or month:DDHHMM with day 01 to 28",
                      "now、hour:MM、day:HHMM 或 month:DDHHMM (日 01 至 28)")),
    )  # fmt: skip


@dataclass(frozen=True)
class FreezeCommand:
    """One freeze as it leaves."""

    address: str
    word: str
    frame: bytes = field(repr=False)

    @property
    def shown(self) -> str:
        """The frame in hex."""
        return self.frame.hex(" ").upper()

    @property
    def method(self) -> str:
        """`broadcast` or `addressed`."""
        return "broadcast" if self.address == BROADCAST else "addressed"


def freeze_command(address: str, word: str) -> FreezeCommand:
    """The frame of a freeze."""
    message = {"address": address, "control": "0x16", "values": [word]}
    return FreezeCommand(address, word, wire.encode(message, PROTOCOL, registers=built_in_registers()))


def send_freeze(line: Line, command: FreezeCommand) -> Failure | None:
    """Send it once; what a meter says against it. Nobody answers a broadcast. Raises ExchangeError, LinkError."""
    if command.method == "broadcast":
        line.send(_WAKE + command.frame)
        return None
    error = line.exchange(command.frame, PROTOCOL, preamble=_WAKE).message.get("error")
    return refusal_of(error) if error is not None else None
