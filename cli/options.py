"""Options that several commands share, each declared once."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keyacct.errors import from_os_error
from keyacct.i18n import Text

if TYPE_CHECKING:
    from keyacct.secrets import SecretSource


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
AllOption = Annotated[bool, typer.Option("--all", help=str(Text("Every meter with a line.", "所有配置了线路的电表。")))]
GroupOption = Annotated[
    str | None, typer.Option("--group", metavar="G", help=str(Text("Meters of this poll group.", "该召测组的电表。")))
]
TimeoutOption = Annotated[
    float | None, typer.Option("--timeout", metavar="S", help=str(Text("Seconds for one answer.", "一次应答的秒数。")))
]

PasswordFileOption = Annotated[
    Path | None,
    typer.Option(
        "--password-file", metavar="FILE", help=str(Text("The secret, a file of mode 0600.", "口令文件 (0600)。"))
    ),
]
PasswordEnvOption = Annotated[
    str | None,
    typer.Option(
        "--password-env", metavar="NAME", help=str(Text("The secret, an environment variable.", "口令环境变量。"))
    ),
]


def secret_source(file: Path | None, variable: str | None) -> SecretSource | None:
    """Where the secret of a command line is; None when it names none. Raises UsageError when it names two."""
    from keyacct.errors import UsageError
    from keyacct.secrets import SecretSource

    if file is not None and variable is not None:
        raise UsageError(
            "usage.invalid",
            str(Text("give --password-file or --password-env, not both",
                     "--password-file 与 --password-env 只能给一个")),
        )  # fmt: skip
    return SecretSource(file, variable) if file is not None or variable is not None else None


def read_input(name: str) -> bytes:
    """The bytes of a file that an option names, `-` is stdin. Raises InputError."""
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise from_os_error(error, writing=False, file=name) from None


def write_output(file: Path, text: str) -> None:
    """Write a text file, its folder made when it is not there. Raises WriteError."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise from_os_error(error, writing=True, file=str(file)) from None
