"""Frames of terminals of Q/GDW 1376.1, built from the standard's layout and not by the code under test."""

from __future__ import annotations

LOGIN = bytes.fromhex("683200320068C912965634000273000001007116")
"""Log-in of 9612-3456, PSEQ 3; CONFIRM is what a terminal expects: same A1 and A2, A3 = 0, AFN 00 F1, RSEQ 3."""
CONFIRM = bytes.fromhex("6832003200680012965634000063000001009616")
F25 = bytes.fromhex("01010103")
BODY = bytes.fromhex(
    "1508010726005001005000005000005000002000001000000500000500900990099009900901220222032200150000160000170000000000"
    "60010050000050000060 00".replace(" ", "")
)


def uplink(address: str, control: int, afn: int, seq: int, data: bytes) -> bytes:
    """A frame of a terminal."""
    area, number = address.split("-")
    a = bytes.fromhex(area)[::-1] + bytes.fromhex(number)[::-1] + b"\x00"
    body = bytes((control,)) + a + bytes((afn, seq)) + data
    word = (len(body) << 2 | 2).to_bytes(2, "little")
    return b"\x68" + word + word + b"\x68" + body + bytes((sum(body) & 0xFF, 0x16))
