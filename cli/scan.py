"""`keyacct scan`: what answers on a line."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from keyacct.cli import exit_codes, session
from keyacct.cli.options import Format, FormatOption
from keyacct.cli.render import Column, say, write_rows
from keyacct.cli.session import command, make_app
from keyacct.i18n import Text

app = make_app()

_COLUMNS = (
    Column("link", Text("link", "链路")), Column("protocol", Text("protocol", "规约")),
    Column("address", Text("address", "地址")),
)  # fmt: skip


@command(
    app,
    help=str(
        Text(
            "Find the devices on a line: DL/T 645 by wildcard addresses, narrowed where several answer at once, Modbus unit by "
            "unit. On a serial line without baud and parity in the URL (or with --sweep) the usual settings are tried. "
            "Only reads are sent. Exit 5 when nobody answers.",
            "搜索线路上的设备: DL/T 645 用通配地址, 多表同时应答时逐级细分; Modbus 逐站询问。串口 URL 未写波特率和校验 "
            "(或加 --sweep) 时逐一尝试常用设置。只发读命令。无应答时退出码 5。",
        )
    ),
)
def scan(
    link: Annotated[str, typer.Option("--link", metavar="URL", help=str(Text("The line.", "链路。")))],
    protocol: Annotated[
        list[str] | None,
        typer.Option("--protocol", help=str(Text("Protocols to try (dlt645-2007, dlt645-1997).", "要尝试的规约。"))),
    ] = None,
    sweep: Annotated[
        bool, typer.Option("--sweep", help=str(Text("Try the usual baud rates and parities.", "尝试常用波特率和校验。")))
    ] = False,
    unit: Annotated[
        str | None, typer.Option("--unit", metavar="1..32", help=str(Text("Modbus units to ask.", "要询问的站号。")))
    ] = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", metavar="S", help=str(Text("Seconds to listen.", "等待秒数。")))
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help=str(Text("Go on after a setting in which somebody answered.",
                                                  "有应答后继续尝试其余设置。")))
    ] = False,
    format: FormatOption = Format.table,
) -> int:  # fmt: skip
    """Find what answers."""
    from keyacct.capture.link import parse_link
    from keyacct.errors import LinkError
    from keyacct.workflow.scanning import scan_link

    where = parse_link(link)
    shown = sys.stderr.isatty() and session.current().verbosity >= 0

    def progress(text: str) -> None:
        if shown:
            sys.stderr.write(f"\r{text[:78]}\x1b[K")
            sys.stderr.flush()

    result = scan_link(
        where, protocol, sweep=sweep, units=unit, timeout_s=timeout, everything=everything, progress=progress
    )
    if shown:
        sys.stderr.write("\r\x1b[K")
    write_rows([found.as_row() for found in result.found], _COLUMNS, format)
    sys.stdout.flush()
    for silence in result.noisy:
        say(Text(f"{silence.url} ({silence.protocol}): bytes came, but no whole frame: other speed, or several at once",
                 f"{silence.url} ({silence.protocol}): 收到字节但不成帧: 波特率不符或多表同时应答"))  # fmt: skip
    if result.found:
        return exit_codes.DONE
    tried = result.settings
    raise LinkError(
        "link.failed",
        str(
            Text(
                f"{where.place}: nobody answered in {tried} settings",
                f"{where.place}: {tried} 种设置下均无应答",
            )
        ),
        hint=str(
            Text(
                "check wiring (A and B swapped?), power, and try --sweep or another --protocol",
                "请检查接线 (A、B 是否接反)、电源, 或用 --sweep、换 --protocol",
            )
        ),
    )
