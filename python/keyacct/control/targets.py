"""What a command is for: one terminal or meter, one relay round. A plan's time block is another thing.

A relay round is an output of a terminal, numbered 1 to 8, with a breaker on it. A time block is a span of a plan for orderly
power use. There is no conversion between the two but the commissioned mapping.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keyacct.control.refusals import never, refusing
from keyacct.errors import UsageError
from keyacct.i18n import Text

PROTOCOLS = ("gdw1376.1", "dlt645-2007", "dlt698.45")
"""Protocols that have control commands."""
MOST_ROUNDS = 8


@dataclass(frozen=True)
class RelayRound:
    """One relay output of a terminal (轮次), 1 to 8. It is no number, and nothing but a mapping makes one from a plan."""

    output: int

    def __post_init__(self) -> None:
        if isinstance(self.output, bool) or not isinstance(self.output, int):
            raise TypeError("a relay round is made of a whole number")
        if not 1 <= self.output <= MOST_ROUNDS:
            raise UsageError(
                "usage.invalid",
                str(
                    Text(f"relay round {self.output}: a terminal has 1 to 8", f"轮次 {self.output}: 终端只有 1 至 8 轮")
                ),
                hint=str(Text("name one round", "请给出一个轮次")),
            )

    @property
    def mask(self) -> int:
        """The byte in which only this round's bit is set."""
        return 1 << self.output - 1

    def __str__(self) -> str:
        return str(self.output)


@dataclass(frozen=True)
class TimeBlock:
    """A span of a plan for orderly power use, [from_ms, to_ms). Nothing is switched by it: see `CommissionedMapping`."""

    plan: str
    name: str
    from_ms: int
    to_ms: int


@dataclass(frozen=True)
class Commissioned:
    """One relay round as it was tried out on site: its breaker, whose it is, what hangs on it.

    signed_by: who signed it off; two persons. safety_load_behind: whether safety load hangs on this breaker.
    """

    terminal: str
    relay_round: RelayRound
    account_no: str
    breaker: str
    safety_load_behind: bool
    signed_by: tuple[str, ...]

    @property
    def is_signed(self) -> bool:
        """Whether two different persons signed."""
        return len({name.strip() for name in self.signed_by if name.strip()}) >= 2


class CommissionedMapping:
    """Which relay round is which breaker of which account. The only way from an account of a plan to a relay round."""

    def __init__(self, entries: tuple[Commissioned, ...]) -> None:
        self._entries = entries

    def of(self, terminal: str, relay_round: RelayRound) -> Commissioned | None:
        """What was commissioned on a round; None when nothing signed is there."""
        return next(
            (e for e in self._entries if e.terminal == terminal and e.relay_round == relay_round and e.is_signed), None
        )

    def rounds_of(self, account_no: str, block: TimeBlock) -> tuple[Commissioned, ...]:
        """The signed rounds that carry out a plan's block for an account: the conversion, and the only one."""
        if block.from_ms >= block.to_ms:
            return ()
        return tuple(e for e in self._entries if e.account_no == account_no and e.is_signed)


@dataclass(frozen=True)
class Target:
    """One device. address: in reading order. account_no, meter_no, terminal_no: what the registry calls it, if it knows it."""

    protocol: str
    address: str
    account_no: str | None = None
    meter_no: str | None = None
    terminal_no: str | None = None

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise UsageError(
                "usage.invalid",
                str(Text(f"{self.protocol!r} has no control commands", f"{self.protocol!r} 没有控制命令")),
                hint=str(Text(f"choose one of {', '.join(PROTOCOLS)}", f"可选 {', '.join(PROTOCOLS)}")),
            )
        object.__setattr__(self, "address", one_device(self.address, self.protocol))

    def __str__(self) -> str:
        return f"{self.protocol} {self.address}"


def one_device(address: str, protocol: str) -> str:
    """The address in full when it names exactly one device. Raises RefusedError for all others, UsageError for none at all."""
    text = address.strip().upper()
    if protocol == "gdw1376.1":
        match = re.fullmatch(r"(\d{4})-([0-9A-F]{4})", text)
        if match is None:
            raise _no_address(address, "9612-3456")
        if match[2] in ("FFFF", "0000") or match[1] == "0000":
            raise refusing((never("group_address", address),))
        return text
    if not re.fullmatch(r"[0-9A-F]{1,12}", text):
        raise _no_address(address, "000000000161")
    if not text.isdigit() or (set(text) == {"9"} and len(text) == 12) or not text.strip("0"):
        # A in a digit is a wildcard, AA the broadcast of DL/T 698.45, twelve nines that of DL/T 645
        raise refusing((never("group_address", address),))
    return text.rjust(12, "0")


def _no_address(address: str, example: str) -> UsageError:
    return UsageError(
        "usage.invalid",
        str(Text(f"{address!r} is no address of a device", f"{address!r} 不是设备地址")),
        hint=str(Text(f"write for example {example}", f"例如 {example}")),
    )


def one_round(text: str) -> RelayRound:
    """The relay round that a text names. Raises RefusedError for more than one, UsageError for none."""
    stripped = text.strip()
    if re.fullmatch(r"\d+", stripped):
        return RelayRound(int(stripped))
    if re.fullmatch(r"(?i)all|全部|[\d,;\s\-–]+|0x[0-9a-f]+", stripped):
        raise refusing((never("several_rounds", text),))
    raise UsageError(
        "usage.invalid",
        str(Text(f"{text!r} is no relay round", f"{text!r} 不是轮次")),
        hint=str(Text("a number from 1 to 8; a plan's time block is no relay round", "应为 1 至 8; 方案时段不是轮次")),
    )
