"""The published exit codes. Scripts rely on them; `docs/exit-codes.md` is checked against this table."""

from __future__ import annotations

from typing import Final

DONE: Final = 0
INTERNAL: Final = 1
USAGE: Final = 2
CONFIG: Final = 3
INPUT: Final = 4
LINK: Final = 5
PARTIAL: Final = 6
GATE: Final = 7
REFUSED: Final = 8
WRITE: Final = 9
INTERRUPTED: Final = 130
