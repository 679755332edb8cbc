"""Which characters a font file has: its `cmap` table (OpenType specification, formats 4 and 12).

A typesetter draws an empty box for a character that the font lacks and says nothing; a report says it.
"""

from __future__ import annotations

import bisect
import functools
import struct
from pathlib import Path

Ranges = tuple[tuple[int, int], ...]
"""First and last code point of every run, ascending."""

FORMAT_4, FORMAT_12 = 4, 12
IDEOGRAPHIC_PLANES = "\U00020000"
"""From here on stand rare Chinese characters, some newer than Python's own table of letters."""

LARGEST_TABLE_BYTES = 4 << 20


@functools.cache
def covered(file: Path) -> Ranges:
    """The code points that a font has; of a collection, those of its first font. Empty for what is no font."""
    try:
        with file.open("rb") as source:
            start = 0
            if source.read(4) == b"ttcf":
                source.seek(12)
                (start,) = struct.unpack(">I", source.read(4))
            source.seek(start + 4)
            (tables,) = struct.unpack(">H6x", source.read(8))
            directory = source.read(16 * tables)
            for place in range(0, len(directory), 16):
                tag, offset, length = struct.unpack(">4s4xII", directory[place : place + 16])
                if tag == b"cmap" and length <= LARGEST_TABLE_BYTES:
                    source.seek(offset)
                    return _ranges(source.read(length))
    except (OSError, struct.error):
        pass
    return ()


def _ranges(table: bytes) -> Ranges:
    """The union of the Unicode subtables."""
    found: list[tuple[int, int]] = []
    (count,) = struct.unpack_from(">2xH", table)
    for number in range(count):
        platform, _, offset = struct.unpack_from(">HHI", table, 4 + 8 * number)
        if platform not in (0, 3):
            continue
        (kind,) = struct.unpack_from(">H", table, offset)
        if kind == FORMAT_12:
            (groups,) = struct.unpack_from(">12xI", table, offset)
            for group in range(groups):
                first, last = struct.unpack_from(">II", table, offset + 16 + 12 * group)
                found.append((first, last))
        elif kind == FORMAT_4:
            (twice,) = struct.unpack_from(">6xH", table, offset)
            ends = struct.unpack_from(f">{twice // 2}H", table, offset + 14)
            starts = struct.unpack_from(f">{twice // 2}H", table, offset + 16 + twice)
            found += [(first, last) for first, last in zip(starts, ends, strict=True) if first != 0xFFFF]
    joined: list[tuple[int, int]] = []
    for first, last in sorted(found):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return tuple(joined)


def lacking(file: Path, text: str) -> str:
    """The letters of a text beyond ASCII that a font file lacks, each once, in the order of their code points."""
    ranges = covered(file)
    if not ranges:
        return ""
    starts = [first for first, _ in ranges]

    def has(char: str) -> bool:
        place = bisect.bisect_right(starts, ord(char)) - 1
        return place >= 0 and ord(char) <= ranges[place][1]

    letters = (char for char in set(text) if char > "\x7f" and (char.isalpha() or char >= IDEOGRAPHIC_PLANES))
    return "".join(sorted(char for char in letters if not has(char)))
