"""What is wrong with a meter for good: the same thing with every answer, so that whoever asks can be compared with it."""

from __future__ import annotations

import random

TROUBLES = {
    "silent": "timeout",
    "checksum": "bad_checksum",
    "broken_off": "incomplete",
    "wrong_address": "wrong_address",
    "refuses": "refused",
    "noise": "noise",
    "no_data": "no_data",
}
"""Trouble of a meter, and the cause that a poller should find (`keyacct.capture.line.CAUSES`)."""

MODBUS_TROUBLES = ("silent",)
_NOISE = bytes.fromhex("00FF1F5A3C7E0D9B55AA42")


def allot(total: int, shares: dict[str, float], seed: int) -> dict[int, str]:
    """Which of `total` meters get which share: exactly the rounded count of each, no meter twice, by the seed.

    Raises ValueError when the shares are more than everybody.
    """
    counts = {name: round(share * total) for name, share in shares.items()}
    if any(not 0 <= share <= 1 for share in shares.values()) or sum(counts.values()) > total:
        raise ValueError(f"{', '.join(shares)}: shares from 0 to 1, together at most 1")
    chosen = random.Random(seed).sample(range(total), sum(counts.values()))  # noqa: S311  # a choice, no secret
    names = [name for name, count in counts.items() for _ in range(count)]
    return dict(zip(chosen, names, strict=True))


def troubled(answer: bytes, trouble: str, protocol: str) -> bytes | None:
    """What becomes of a good answer of a meter with this trouble; None where nothing is sent."""
    if trouble == "silent" or protocol.startswith("modbus"):
        return None
    if trouble == "noise":
        return _NOISE
    if trouble == "broken_off":
        return answer[:-4]
    if trouble == "checksum":
        return answer[:-2] + bytes((answer[-2] ^ 0x01, answer[-1]))
    frame = bytearray(answer)
    if trouble == "wrong_address":
        frame[1] ^= 1
    elif trouble == "refuses":
        frame[8:] = bytes((frame[8] | 0x40, 1, 0x02 + 0x33, 0, 0x16))  # error word 02: no such data
    else:
        start = 10 + (4 if protocol == "dlt645-2007" else 2)
        frame[start:-2] = bytes(((0xFF + 0x33) & 0xFF,)) * (len(frame) - 2 - start)
    frame[-2] = sum(frame[:-2]) & 0xFF
    return bytes(frame)
