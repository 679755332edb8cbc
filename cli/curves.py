"""Curves in the terminal: a line of blocks, or dots of braille with an axis."""

from __future__ import annotations

from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of the dots of a braille character, by row and column (Unicode 2800 block)."""
HEIGHT = 8


def _fitted(values: Sequence[float | None], room: int) -> list[float | None]:
    """At most `room` values: means of equal runs."""
    if len(values) <= room:
        return list(values)
    fitted: list[float | None] = []
    for n in range(room):
        run = [v for v in values[n * len(values) // room : (n + 1) * len(values) // room] if v is not None]
        fitted.append(sum(run) / len(run) if run else None)
    return fitted


def sparkline(values: Sequence[float | None], width: int) -> str:
    """The values as blocks from the lowest to the highest; a gap where there is none."""
    fitted = _fitted(values, width)
    known = [value for value in fitted if value is not None]
    if not known:
        return ""
    low, span = min(known), max(known) - min(known)

    def step(value: float) -> int:
        return int((value - low) / span * (len(BLOCKS) - 1) + 0.5) if span else 3

    return "".join(" " if value is None else BLOCKS[step(value)] for value in fitted)


def braille(values: Sequence[float | None], width: int) -> str:
    """The values as a curve of dots, `HEIGHT` lines high, with the highest and the lowest at the side."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    marks = (f"{high:g}" if high == int(high) else f"{high:.1f}", f"{low:g}" if low == int(low) else f"{low:.1f}")
    margin = max(map(len, marks))
    fitted = _fitted(values, 2 * max(width - margin - 2, 10))
    cells = [[0] * ((len(fitted) + 1) // 2) for _ in range(HEIGHT)]
    before: int | None = None
    for x, value in enumerate(fitted):
        if value is None:
            before = None
            continue
        share = (value - low) / (high - low) if high > low else 0.5
        y = round((1 - share) * (4 * HEIGHT - 1))
        # The curve is drawn through, so that a steep step shows as a line.
        for at in range(min(y, before if before is not None else y), max(y, before if before is not None else y) + 1):
            cells[at // 4][x // 2] |= _DOTS[at % 4][x % 2]
        before = y
    lines = []
    for n, row in enumerate(cells):
        mark = marks[0] if n == 0 else marks[1] if n == HEIGHT - 1 else ""
        lines.append(f"{mark:>{margin}} │" + "".join(chr(0x2800 + bits) for bits in row).rstrip("\u2800"))
    return "\n".join(lines)
