"""Names that sort by the time they were given and never meet: 48 bits of time, 80 random ones."""

from __future__ import annotations

import os

from keyacct import clock

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


def ulid() -> str:
    """A new name of 26 characters."""
    number = (clock.now_ms() & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10))
    return "".join(_DIGITS[number >> shift & 31] for shift in range(125, -1, -5))
