"""What may be shown or kept of a frame that carries a password."""

from __future__ import annotations

import json

from keyacct import wire

_WAKE = b"\xfe"
_WRITES_645 = {"dlt645-2007": (frozenset({0x14, 0x1C}), {0x14: 4}, 7), "dlt645-1997": (frozenset({0x04}), {0x04: 2}, 3)}
"""Functions that carry a password, the identifier in front of it, and its bytes behind the level (with the operator)."""
_ACTS_1376 = frozenset({0x01, 0x04, 0x05, 0x06, 0x0F, 0x10})  # AFN whose requests end in PW
_PW_1376 = {1: 2}  # of Q/GDW 130-2005; 16 of all others
_TP_1376 = 6  # bytes of the time tag behind PW, when the frame says so
_CONNECT_698 = 0x02
_PASSWORD_698 = 0x01


def without_password(frame: bytes, protocol: str | None) -> bytes:
    """A request as it may be shown or kept: of the same length, a password blanked and the checksum made anew.

    The same bytes come back when there is nothing to hide. frame: whole, perhaps with wake-up bytes in front.
    """
    body = frame.lstrip(_WAKE)
    wake = frame[: len(frame) - len(body)]
    if protocol in _WRITES_645:
        return wake + _blank_645(body, protocol)
    if protocol == "gdw1376.1":
        return wake + _blank_1376(body)
    if protocol == "dlt698.45":
        return wake + _blank_698(body)
    return frame


def starred(frame: bytes, protocol: str) -> str:
    """A frame of DL/T 645 in hex as it may be printed: `**` for password, operator and the checksum that would betray them.

    frame: whole, without wake-up bytes.
    """
    places = _places_645(frame, protocol)
    hidden = {*places, len(frame) - 2} if places else set()
    return " ".join("**" if n in hidden else f"{byte:02X}" for n, byte in enumerate(frame))


def _blank_645(frame: bytes, protocol: str) -> bytes:
    return _blanked(frame, _places_645(frame, protocol), 0x33, 0)


def _blank_1376(frame: bytes) -> bytes:
    return _blanked(frame, _places_1376(frame), 0, 6)


def _blanked(frame: bytes, places: range, blank: int, summed_from: int) -> bytes:
    if not places:
        return frame
    return _summed(frame[: places.start] + bytes((blank,)) * len(places) + frame[places.stop :], summed_from)


def _places_645(frame: bytes, protocol: str) -> range:
    """Password and operator, the level apart."""
    functions, identifier, size = _WRITES_645[protocol]
    if len(frame) < 12 or frame[0] != 0x68 or frame[8] not in functions:
        return range(0)
    start = 10 + identifier.get(frame[8], 0) + 1
    return range(start, min(start + size, len(frame) - 2))


def _places_1376(frame: bytes) -> range:
    """PW, in front of the time tag."""
    if len(frame) < 20 or frame[0] != 0x68 or frame[6] & 0x80 or frame[12] not in _ACTS_1376:
        return range(0)
    end = len(frame) - 2 - (_TP_1376 if frame[13] & 0x80 else 0)
    return range(max(end - _PW_1376.get(frame[1] & 3, 16), 14), end)


def _summed(frame: bytes, start: int) -> bytes:
    return frame[:-2] + bytes((sum(frame[start:-2]) & 0xFF,)) + frame[-1:]


def _blank_698(frame: bytes) -> bytes:
    apdu = (
        8 + (frame[4] & 0x0F) + 1 if len(frame) > 4 else 0
    )  # behind start, length, control, addresses, header checksum
    mechanism = apdu + 39  # service, PIID, version 2, conformance 8 and 16, sizes 2, 2, 1, 2, timeout 4
    if len(frame) < mechanism + 4 or frame[apdu] != _CONNECT_698 or frame[mechanism] != _PASSWORD_698:
        return frame
    message = json.loads(next(iter(wire.describe([frame.hex()], "dlt698.45"))))
    message["apdu"]["auth"]["password"] = "*" * frame[mechanism + 1]
    return wire.encode(message, "dlt698.45")
