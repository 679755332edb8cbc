"""What leaves by itself: frames that read, confirm, set a clock or freeze. Everything else has to pass the door of control.

Lines and master stations ask here before they send. The list says what may go, not what may not: a frame that is not wholly
understood (two frames, an encrypted or scrambled APDU, an unknown function) stays here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from keyacct import wire
from keyacct.errors import RefusedError
from keyacct.i18n import Text

_WAKE = b"\xfe"
_READS_645 = {
    "dlt645-2007": frozenset({0x11, 0x12, 0x13, 0x08, 0x16}),  # read, follow frame, address, broadcast time, freeze
    "dlt645-1997": frozenset({0x01, 0x02, 0x03, 0x08}),
}
_CLOCKS_645 = {
    "dlt645-2007": frozenset({"04000101", "04000102", "0400010C"}), "dlt645-1997": frozenset({"C010", "C011"}),
}  # fmt: skip
_BROADCASTS = ("dlt645-2007", "dlt645-1997", "dlt698.45")
_WRITE_645 = {"dlt645-2007": 0x14, "dlt645-1997": 0x04}
_READS_1376 = frozenset({0x00, 0x02, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E})
_CLOCK_1376 = b"\x00\x00\x40\x03"  # P0 F31
_RELAY_1376 = b"\x00\x00\x01\x00"  # P0 F1
_READS_MODBUS = frozenset({1, 2, 3, 4, 7, 8, 11, 12, 17, 20, 24, 43})
_READS_698 = frozenset(
    {
        "LINK-Request", "LINK-Response", "CONNECT-Request", "RELEASE-Request", "GetRequestNormal", "GetRequestNormalList",
        "GetRequestRecord", "GetRequestRecordList", "GetRequestNext", "GetRequestMD5", "ReportResponseList",
        "ReportResponseRecordList", "ReportResponseTransData", "ProxyGetRequestList", "ProxyGetRequestRecord",
    }
)  # fmt: skip
_CLOCK_698 = "40000200"
_BROADCAST_TIME_698 = "40007F00"


def check_harmless(frame: bytes, protocol: str | None) -> None:
    """Raises RefusedError (exit 8) for a frame that might change more than a clock or a freeze.

    protocol: None for one that nobody answers, of any serial protocol.
    """
    if not any(is_harmless(frame, name) for name in ((protocol,) if protocol else _BROADCASTS)):
        raise RefusedError(
            "refused.not_approved",
            str(
                Text(
                    f"this {protocol or ''} frame does more than read: it does not leave by itself",
                    f"该 {protocol or ''} 报文不只是读取, 不会自行发出",
                )
            ),
            hint=str(Text("what acts on a breaker goes through `keyacct control`", "控制命令请用 `keyacct control`")),
        )


def check_part(frame: bytes, whole: bytes) -> None:
    """Raises RefusedError for a split frame of DL/T 698.45 that is not a piece of `whole`, or if that is not harmless."""
    check_harmless(whole, "dlt698.45")
    frame, whole = frame.lstrip(_WAKE), whole.lstrip(_WAKE)
    head = 8 + (whole[4] & 0x0F) + 1  # up to the check of the header: start, length, control, address, client
    apdu = whole[head:-3]
    found = [json.loads(text) for text in wire.describe([frame.hex()], "dlt698.45")]
    part = found[0].get("fragment") if len(found) == 1 and found[0].get("valid") else None
    if isinstance(part, dict) and found[0].get("length") == len(frame) and frame[4 : head - 2] == whole[4 : head - 2]:
        piece, kind = bytes.fromhex(part.get("payload") or ""), part.get("kind")
        fits = {"first": apdu.startswith, "middle": lambda piece: piece in apdu, "last": apdu.endswith}.get(str(kind))
        if piece and fits is not None and fits(piece):
            return
    raise RefusedError(
        "refused.not_approved",
        str(Text("this split frame is no part of a request that only reads", "该分帧不属于只读请求")),
        hint=str(Text("what acts on a breaker goes through `keyacct control`", "控制命令请用 `keyacct control`")),
    )


def is_harmless(frame: bytes, protocol: str) -> bool:
    """Whether a frame only reads, confirms, sets a clock or freezes. protocol: as it is said to be, and must be."""
    if protocol in _READS_645:
        return _harmless_645(frame.lstrip(_WAKE), protocol)
    if protocol == "gdw1376.1":
        return _harmless_1376(frame)
    if protocol == "modbus-tcp":
        return len(frame) >= 8 and len(frame) == 6 + int.from_bytes(frame[4:6], "big") and frame[7] in _READS_MODBUS
    if protocol == "modbus-rtu":
        return len(frame) >= 4 and frame[1] in _READS_MODBUS and frame[:1] != b"\x68"
    if protocol == "dlt698.45":
        return _harmless_698(frame.lstrip(_WAKE))
    return False


def _harmless_645(frame: bytes, protocol: str) -> bool:
    if len(frame) < 12 or len(frame) != 12 + frame[9] or frame[0] != 0x68 or frame[7] != 0x68 or frame[-1] != 0x16:
        return False
    function = frame[8]
    if function == _WRITE_645[protocol]:
        size = 4 if protocol == "dlt645-2007" else 2
        key = bytes(byte - 0x33 & 0xFF for byte in frame[10 : 10 + size])[::-1].hex().upper()
        return key in _CLOCKS_645[protocol]
    return function in _READS_645[protocol]


def _harmless_1376(frame: bytes) -> bool:
    if len(frame) < 20 or frame[0] != 0x68 or frame[5] != 0x68 or frame[-1] != 0x16:
        return False
    if len(frame) != (int.from_bytes(frame[1:3], "little") >> 2) + 8:
        return False
    afn = frame[12]
    if afn == 0x05:
        # the identifier, the clock (6), PW (16; 2 in Q/GDW 130-2005), perhaps Tp (6): nothing else fits behind it
        password = 2 if frame[1] & 3 == 1 else 16
        return frame[14:18] == _CLOCK_1376 and len(frame) - 20 in (6 + password, 12 + password)
    if afn == 0x10:
        if frame[14:18] != _RELAY_1376 or len(frame) < 26:
            return False
        size = int.from_bytes(frame[22:24], "little")
        password = 2 if frame[1] & 3 == 1 else 16
        content = frame[24 : 24 + size]
        if len(content) != size or len(frame) - 26 - size not in (0, 6, password, password + 6):
            return False
        inner = content.lstrip(_WAKE)
        return any(_harmless_645(inner, protocol) for protocol in _READS_645 if _is_of(inner, protocol))
    return afn in _READS_1376


def _is_of(frame: bytes, protocol: str) -> bool:
    """Functions below 11H but for 08 are of the 1997 edition."""
    return len(frame) > 8 and (frame[8] in _READS_645[protocol] or frame[8] == _WRITE_645[protocol])


def _harmless_698(frame: bytes) -> bool:
    found = [json.loads(text) for text in wire.describe([frame.hex()], "dlt698.45")]
    if len(found) != 1 or not found[0].get("valid") or found[0].get("length") != len(frame):
        return False
    part = found[0].get("fragment")
    if isinstance(part, dict):  # the confirmation of a part says nothing but that it came
        return part.get("kind") == "confirm" and not part.get("payload")
    apdu = found[0].get("apdu")
    return isinstance(apdu, dict) and _harmless_apdu(apdu)


def _harmless_apdu(apdu: Mapping[str, Any]) -> bool:
    service = apdu.get("service")
    if service == "SetRequestNormal":
        return apdu.get("oad") == _CLOCK_698
    if service == "ActionRequestNormal":
        return apdu.get("omd") == _BROADCAST_TIME_698
    return service in _READS_698
