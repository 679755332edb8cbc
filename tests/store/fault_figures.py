"""The table of figures that `nox -s faults` ends with: every fault, how often it was made, what it cost."""

from __future__ import annotations

import json
import os
from pathlib import Path

COLUMNS = ("fault", "injections", "lost", "doubled", "torn", "refused with")


def note(fault: str, injections: int, *, lost: int = 0, doubled: int = 0, torn: int = 0, refused: str = "-") -> None:
    """Keep a row for the table; the file's name is given by the session, without it nothing is kept."""
    path = os.environ.get("KEYACCT_FAULT_FIGURES")
    if path:
        row = dict(zip(COLUMNS, (fault, injections, lost, doubled, torn, refused), strict=True))
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def table(path: Path) -> str:
    """The rows as a table with a sum."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    total = {"fault": "sum", "refused with": "", **{c: sum(row[c] for row in rows) for c in COLUMNS[1:5]}}
    cells = [list(COLUMNS), *([str(row[c]) for c in COLUMNS] for row in [*rows, total])]
    widths = [max(len(line[n]) for line in cells) for n in range(len(COLUMNS))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)


if __name__ == "__main__":
    import sys

    print(table(Path(sys.argv[1])))
