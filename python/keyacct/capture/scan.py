"""What answers on a line: addresses by wildcard, narrowed where several answer at once; baud rate and parity by trial."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from keyacct import wire
from keyacct.capture.line import Line, Reply, built_in_registers
from keyacct.capture.link import Link

_WAKE = b"\xfe" * 4
_ADDRESS_BYTES = 6
_MODBUS_UNITS = range(1, 248)

SERIAL_SETTINGS = tuple((baud, parity) for baud in (2400, 9600, 1200, 4800, 19200, 600, 300) for parity in ("E", "N"))
"""What meters are usually set to, the most usual first (DL/T 645: 8E1; factory setting 2400, newer ones 9600)."""


@dataclass(frozen=True)
class Found:
    """A device that answered. url: the link with which it can be polled."""

    url: str
    protocol: str
    address: str

    def as_row(self) -> dict[str, Any]:
        """As one row for printing."""
        return {"link": self.url, "protocol": self.protocol, "address": self.address}


@dataclass(frozen=True)
class Silence:
    """A setting in which nobody answered in full. noise: whether bytes came that are no frame."""

    url: str
    protocol: str
    noise: bool


def variants(link: Link, settings: Sequence[tuple[int, str]] | None) -> list[Link]:
    """The link in every setting of a sweep; as it is where settings lie at the other side (TCP) or none are given."""
    if not settings or not link.timed:
        return [link]
    base, _, query = link.url.partition("?")
    kept = [part for part in query.split("&") if part and part.partition("=")[0] not in ("baud", "parity")]
    return [
        dataclasses.replace(
            link, baud=baud, parity=parity, url=f"{base}?{'&'.join([f'baud={baud}', f'parity={parity}', *kept])}"
        )
        for baud, parity in settings
    ]


def scan_line(
    line: Line, protocol: str, *, units: Sequence[int] | None = None, progress: Callable[[str], None] | None = None
) -> Iterator[Found | Silence]:
    """Every device of one protocol on a line in one setting. Raises LinkError.

    DL/T 645: a request to all; where several answer at once, again for each pair of last digits, and so on. Modbus:
    each unit of `units` (all by default) is asked for a register; that it refuses is an answer too.
    """
    if protocol.startswith("modbus"):
        yield from _modbus(line, protocol, units or _MODBUS_UNITS, progress)
    else:
        yield from _meters(line, protocol, progress)


def who_answers(line: Line, protocol: str) -> list[str]:
    """Addresses of one request to all (DL/T 645, 698), garbled ones left out; one exchange. Raises LinkError."""
    replies, _ = line.gather(_question(protocol, ""), protocol, preamble=_WAKE)
    return sorted({str(reply.message["address"]) for reply in replies})


def _meters(line: Line, protocol: str, progress: Callable[[str], None] | None) -> Iterator[Found | Silence]:
    found: set[str] = set()
    noise = False
    suffixes = [""]
    while suffixes:
        suffix = suffixes.pop(0)
        if progress is not None:
            progress(suffix.rjust(12, "*"))
        replies, garbled = line.gather(_question(protocol, suffix), protocol, preamble=_WAKE)
        if not suffix and not replies and not garbled:  # one lost answer must not end the search
            replies, garbled = line.gather(_question(protocol, suffix), protocol, preamble=_WAKE)
        noise = noise or garbled
        phantom = False
        said = {str(reply.message["address"]) for reply in replies}
        if protocol == "dlt645-2007" and any("A" in address for address in said):
            said = {address for address in said if "A" not in address} | _own_addresses(line, suffix)
            phantom = not said
        for address in sorted(said - found):
            # Bits of two answers at once can make a third that is whole: only who answers to his own name is there.
            if "A" in address or not line.gather(_question(protocol, address), protocol, preamble=_WAKE)[0]:
                phantom = True
                continue
            found.add(address)
            yield Found(line.link.url, protocol, address)
        # Wrong speed gives noise at every suffix, so only where something answered, or might, is narrowed down.
        several = len(replies) > 1 or phantom or (garbled and (bool(replies) or _looks_like(line, protocol, suffix)))
        if several and len(suffix) < 2 * _ADDRESS_BYTES:
            suffixes += [f"{pair:02d}{suffix}" for pair in range(100)]
    if not found:
        yield Silence(line.link.url, protocol, noise)


def _own_addresses(line: Line, suffix: str) -> set[str]:
    """The addresses of meters that answer a wildcard with the wildcard: those that they say when asked for it (13H)."""
    message = {"address": suffix.rjust(12, "A"), "control": "0x13"}
    request = wire.encode(message, "dlt645-2007", registers=built_in_registers())
    replies, _ = line.gather(request, "dlt645-2007", preamble=_WAKE)
    return {str(value["value"]) for reply in replies for value in reply.message.get("values", ()) if value["value"]}


def _looks_like(line: Line, protocol: str, suffix: str) -> bool:
    """Whether what came garbled is meters that talk at once: then asking again gives the like, with 68H in it."""
    if suffix:
        return True
    replies, garbled = line.gather(_question(protocol, suffix), protocol, preamble=_WAKE)
    return garbled or bool(replies)


def _question(protocol: str, suffix: str) -> bytes:
    """A read to every meter whose address ends in these digits."""
    address = suffix.rjust(12, "A")
    if protocol == "dlt645-1997":
        return wire.encode(
            {"address": address, "control": "0x01", "di": "9010"}, protocol, registers=built_in_registers()
        )
    if protocol == "dlt645-2007":
        return wire.encode(
            {"address": address, "control": "0x11", "di": "00010000"}, protocol, registers=built_in_registers()
        )
    apdu = {"service": "GetRequestNormal", "piid": 1, "oad": "40010200", "time_tag": None}
    return wire.encode(
        {"address": address, "link": {"sa_type": "wildcard"}, "apdu": apdu}, protocol, registers=built_in_registers()
    )


def _modbus(
    line: Line, protocol: str, units: Sequence[int], progress: Callable[[str], None] | None
) -> Iterator[Found | Silence]:
    found = noise = False
    for unit in units:
        if progress is not None:
            progress(str(unit))
        request: dict[str, Any] = {"unit": unit, "function": 3, "address": 0, "count": 1}
        if protocol == "modbus-tcp":
            request["transaction"] = unit
        replies, garbled = line.gather_first(wire.encode(request, protocol, registers=built_in_registers()), protocol)
        noise = noise or garbled
        if any(_is_there(reply) for reply in replies):
            found = True
            yield Found(line.link.url, protocol, str(unit))
    if not found:
        yield Silence(line.link.url, protocol, noise)


def _is_there(reply: Reply) -> bool:
    """Whether a device answered; a gateway's "target device failed to respond" (0AH, 0BH) is no device."""
    return reply.message.get("exception") not in (10, 11)
