"""Rows to stdout as table, json, jsonl or csv; talk to stderr. The only module that knows rich."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import math
import os
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from keyacct.cli import session
from keyacct.cli.options import Format
from keyacct.i18n import Text

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A column of a printed table. decimals: digits after the point; None prints the value as it is."""

    key: str
    title: Text
    decimals: int | None = None

    @property
    def widest(self) -> int:
        """Columns of text at most; longer text is folded, a number never."""
        return UNBOUNDED if self.numeric else 72

    @property
    def numeric(self) -> bool:
        """Whether the column is right-aligned."""
        return self.decimals is not None


def write_rows(rows: Iterable[Row], columns: Sequence[Column], format: Format) -> None:
    """Write rows to stdout. Machine formats hold every key of a row; the table shows `columns`."""
    if format is Format.json:
        document = [_plain(row) for row in rows]
        sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n")
    elif format is Format.jsonl:
        for row in rows:
            sys.stdout.write(json.dumps(_plain(row), ensure_ascii=False, allow_nan=False) + "\n")
    elif format is Format.csv:
        _write_csv(rows, columns)
    else:
        write_table(rows, columns)


def write_json(document: Any) -> None:
    """Write one JSON document to stdout."""
    sys.stdout.write(json.dumps(_plain(document), ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def _write_csv(rows: Iterable[Row], columns: Sequence[Column]) -> None:
    rows = list(rows)
    keys = list(dict.fromkeys([key for row in rows for key in row] or [column.key for column in columns]))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(keys)
    for row in rows:
        writer.writerow([_csv_cell(row.get(key)) for key in keys])
    sys.stdout.write(buffer.getvalue())


def _csv_cell(value: Any) -> Any:
    plain = _plain(value)
    if isinstance(plain, str) and plain[:1] in ("=", "+", "-", "@", "\t", "\r", "\0"):
        return "'" + plain  # a spreadsheet would run it as a formula
    return "" if plain is None else json.dumps(plain) if isinstance(plain, list | dict | bool) else plain


def write_table(rows: Iterable[Row], columns: Sequence[Column], title: Text | None = None) -> None:
    """Print a table, numbers right-aligned, nothing cut.

    A table wider than the terminal is printed in parts, one below the other, each beginning with the columns that say
    what a row is about.
    """
    from rich.cells import cell_len

    cells = [[show(row.get(column.key), column.decimals) for column in columns] for row in rows]
    widths = [
        max([cell_len(str(column.title)), *(min(cell_len(line[n]), column.widest) for line in cells)])
        for n, column in enumerate(columns)
    ]
    target = console()
    for number, part in enumerate(_parts(columns, widths, target.width)):
        if number:
            target.print()
        _print_part([columns[n] for n in part], [[line[n] for n in part] for line in cells], title, target)


GAP = 3
UNBOUNDED = 10_000
"""Width of what is no terminal: a file or a pipe takes lines of any length."""


def _parts(columns: Sequence[Column], widths: Sequence[int], room: int) -> list[list[int]]:
    """The columns of each part: all in one where they fit, else the leading texts and as many others as fit."""
    everything = list(range(len(columns)))
    if sum(widths) + GAP * (len(widths) - 1) <= room:
        return [everything]
    heads: list[int] = []
    for n in everything:
        if columns[n].numeric or len(heads) == 3 or sum(widths[h] + GAP for h in [*heads, n]) > room // 2:
            break
        heads.append(n)
    taken = sum(widths[h] + GAP for h in heads)
    parts: list[list[int]] = []
    used = room + 1
    for n in everything[len(heads) :]:
        if used + widths[n] + GAP > room:
            parts.append(list(heads))
            used = taken
        parts[-1].append(n)
        used += widths[n] + GAP
    return parts


def _print_part(columns: Sequence[Column], cells: Sequence[Sequence[str]], title: Text | None, target: Any) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text as Styled

    table = Table(box=box.SIMPLE_HEAD if _boxes() else box.ASCII2, show_edge=False, pad_edge=False)
    table.title = str(title) if title is not None else None
    table.title_justify = "left"
    for column in columns:
        table.add_column(
            Styled(str(column.title)),
            justify="right" if column.numeric else "left",
            overflow="fold",
            no_wrap=column.numeric,
            max_width=None if column.numeric else column.widest,
        )
    for line in cells:
        table.add_row(*(Styled(cell) for cell in line))
    target.print(table)


def console() -> Any:
    """A rich console on stdout that knows about `--no-color` and about not being a terminal."""
    from rich.console import Console as RichConsole

    class Console(RichConsole):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # rich would exit with 1; the one handler of errors knows better

    color = session.current().color and "NO_COLOR" not in os.environ
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else UNBOUNDED
    return Console(file=sys.stdout, no_color=not color, highlight=False, markup=False, emoji=False, width=width)


def _boxes() -> bool:
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return os.environ.get("TERM") != "dumb" and encoding.startswith("utf")


def say(text: str | Text, *, level: int = 0) -> None:
    """Talk to the user on stderr, unless he asked for less. level 1 and more needs `-v`."""
    if level <= session.current().verbosity:
        sys.stderr.write(f"{text}\n")


def show(value: Any, decimals: int | None = None) -> str:
    """A value as a person reads it; no value is an en dash, never 0."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(Text("yes", "是") if value else Text("no", "否"))
    if decimals is not None and isinstance(value, int | float | Decimal):
        return f"{value:.{decimals}f}"
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, list | tuple):
        return ", ".join(show(item) for item in value)
    return safe(str(value))


def safe(text: str) -> str:
    """Text without control characters, so that data cannot steer the terminal."""
    return "".join(c if unicodedata.category(c)[0] != "C" else f"\\u{ord(c):04x}" for c in text)


def _plain(value: Any) -> Any:
    """A value as JSON can hold it: times ISO 8601, decimals as numbers, no NaN, no infinity."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and value.as_tuple().exponent == 0 else float(value)
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, Text):
        return str(value)
    return value


Branch = tuple[str, bool, Sequence["Branch"]]
"""A line of a tree, whether it is explained (else it is marked), and the lines under it."""


def write_tree(title: str, branches: Sequence[Branch]) -> None:
    """Print a tree; lines that nothing explains stand out."""
    from rich.text import Text as Styled
    from rich.tree import Tree

    def grow(tree: Any, inner: Sequence[Branch]) -> None:
        for label, explained, children in inner:
            grow(tree.add(Styled(safe(label), style="" if explained else "bold red")), children)

    root = Tree(Styled(safe(title), style="bold"))
    grow(root, branches)
    if _boxes():
        console().print(root)
    else:
        _write_plain(safe(title), branches, 0)


def _write_plain(label: str, branches: Sequence[Branch], depth: int) -> None:
    sys.stdout.write("  " * depth + label + "\n")
    for text, _, children in branches:
        _write_plain(safe(text), children, depth + 1)
