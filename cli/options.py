"""Options that several commands share, each declared once."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from keyacct.errors import from_os_error
from keyacct.i18n import Text


class Format(StrEnum):
    """How rows are written to stdout."""

    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"


FormatOption = Annotated[
    Format, typer.Option("--format", help=str(Text("How rows are written to stdout.", "输出格式。")))
]
DryRunOption = Annotated[
    bool,
    typer.Option("--dry-run", help=str(Text("Say what would be done, write nothing.", "只说明, 不写入。"))),
]
FormatsOption = Annotated[
    str,
    typer.Option(
        "--as",
        metavar="LIST",
        help=str(Text("Formats, comma-separated: xlsx, pdf, html, csv.", "文件格式, 逗号分隔: xlsx, pdf, html, csv。")),
    ),
]
JobsOption = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        metavar="N",
        min=1,
        help=str(Text("Processes; else one a processor.", "进程数; 默认每个处理器一个。")),
    ),
]
ThreadsOption = Annotated[
    int, typer.Option("--threads", min=0, help=str(Text("Threads, 0 = all.", "线程数, 0 为全部。")))
]


def read_input(name: str) -> bytes:
    """The bytes of a file that an option names, `-` is stdin. Raises InputError."""
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise from_os_error(error, writing=False, file=name) from None
