"""Options that several commands share, each declared once."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

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
