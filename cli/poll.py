"""`keyacct poll`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keyacct.cli import exit_codes
from keyacct.cli.options import Format, FormatOption
from keyacct.cli.render import Column, say, write_rows
from keyacct.cli.session import command, make_app
from keyacct.i18n import Text

if TYPE_CHECKING:
    from keyacct.workflow.poll import PollResult

app = make_app()

ROW_COLUMNS = (
    Column("meter", Text("meter", "电表")),
    Column("time", Text("time", "时间")),
    Column("quantity", Text("quantity", "量")),
    Column("phase", Text("phase", "相")),
    Column("tariff", Text("tariff", "费率")),
    Column("value", Text("value", "数值")),
    Column("unit", Text("unit", "单位")),
    Column("quality", Text("quality", "质量")),
)


@command(
    app,
    help=str(
        Text(
            "Ask meters on a line.\n\n"
            "keyacct poll --link '/dev/ttyUSB0?baud=2400&parity=E' --protocol dlt645-2007 --address 000000000161 "
            "--item voltage_a,active_import\n\n"
            "An item that failed is a row without value whose quality is the cause, and a sentence on stderr. "
            "Exit 0 all read, 6 some failed, 5 no answer at all or the line does not open.",
            "在线路上召测电表。\n\n"
            "keyacct poll --link '/dev/ttyUSB0?baud=2400&parity=E' --protocol dlt645-2007 --address 000000000161 "
            "--item voltage_a,active_import\n\n"
            "失败的项目数值为空, 质量栏为原因, 标准错误给出说明。退出码: 0 全部读到, 6 部分失败, 5 无任何应答或线路打不开。",
        )
    ),
)
def poll(
    link: Annotated[
        str | None,
        typer.Option(
            "--link", metavar="URL",
            help=str(Text("/dev/ttyUSB0?baud=2400&parity=E, socket://host:port, rfc2217://…, modbus+tcp://host, "
                          "modbus+rtu:///dev/tty…", "/dev/ttyUSB0?baud=2400&parity=E、socket://主机:端口、rfc2217://…、"
                          "modbus+tcp://主机、modbus+rtu:///dev/tty…")),
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", help=str(Text("What the meters speak (dlt645-2007 …).", "规约 (dlt645-2007 等)。"))),
    ] = None,
    address: Annotated[
        list[str] | None,
        typer.Option("--address", metavar="A[,A…]", help=str(Text("Meter addresses, Modbus units.", "表地址或站号。"))),
    ] = None,
    item: Annotated[
        list[str] | None,
        typer.Option(
            "--item", metavar="ID[,ID…]",
            help=str(Text("Register names or identifiers: voltage_a, 02010100, sdm630:voltage_a.",
                          "寄存器名或数据标识: voltage_a、02010100、sdm630:voltage_a。")),
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", metavar="S", help=str(Text("Seconds for one answer (else by the line's speed).",
                                                             "一次应答的秒数 (默认按线路速率)。"))),
    ] = None,
    retries: Annotated[
        int, typer.Option("--retries", metavar="N", help=str(Text("Further attempts.", "重试次数。")))
    ] = 2,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="FILE", help=str(Text("Write rows to .csv, .jsonl, .json, .parquet.",
                                                            "写到 .csv、.jsonl、.json、.parquet 文件。"))),
    ] = None,
    trace: Annotated[
        str | None,
        typer.Option("--trace", metavar="FILE", help=str(Text("Every byte as a pcap that `replay` takes.",
                                                              "把全部字节记为可回放的 pcap。"))),
    ] = None,
    registers: Annotated[
        list[str] | None, typer.Option("--registers", metavar="FILE", help=str(Text("Further registers.", "附加标识表。")))
    ] = None,
    format: FormatOption = Format.table,
) -> int:  # fmt: skip
    """Ask meters on a line."""
    from keyacct.errors import UsageError

    if link is None:
        raise UsageError(
            "usage.invalid",
            str(Text("say where the meters are", "应指定链路")),
            hint=str(Text("add --link URL; see `keyacct poll --help`", "用 --link URL; 见 `keyacct poll --help`")),
        )
    return ad_hoc(
        link, protocol, address or [], item or [], timeout=timeout, retries=retries, out=out, trace=trace,
        registers=registers or [], format=format,
    )  # fmt: skip


def ad_hoc(
    link: str,
    protocol: str | None,
    addresses: list[str],
    items: list[str],
    *,
    timeout: float | None,
    retries: int,
    out: str | None,
    trace: str | None,
    registers: list[str],
    format: Format,
) -> int:
    """Poll one line without a workspace, write rows, tell what failed; the exit code."""
    import zoneinfo

    from keyacct.cli.progress import Bar
    from keyacct.workflow.poll import DEFAULT_ZONE, make_question, poll_once, write_rows_file

    question = make_question(
        link, protocol, addresses, items, timeout_s=timeout, retries=retries, trace=trace, registers=registers
    )
    zone = zoneinfo.ZoneInfo(DEFAULT_ZONE)
    bar = Bar(str(Text("polling", "召测")))
    total, done = len(question.addresses) * len(question.items), 0

    def shown(_: object) -> None:
        nonlocal done
        done += 1
        bar(done, total)

    try:
        result = poll_once(question, zone, progress=shown)
    finally:
        bar.close()
    rows = result.rows(zone)
    if out not in (None, "-"):
        write_rows_file(rows, Path(str(out)))
    else:
        write_rows(rows, ROW_COLUMNS, Format.jsonl if out == "-" and format is Format.table else format)
    sys.stdout.flush()
    return conclude(result, question.link.place)


def conclude(result: PollResult, place: str) -> int:
    """Tell what failed; the exit code of a poll. Raises LinkError when nobody answered, InterruptedRunError."""
    from keyacct.capture.readings import tell
    from keyacct.errors import InterruptedRunError, LinkError

    failed = result.failed
    for answer in failed:
        if answer.failure is not None and answer.failure.cause != "interrupted":
            say(tell(answer))
    for hint in list(dict.fromkeys(a.failure.hint for a in failed if a.failure is not None and a.failure.hint))[:3]:
        say(f"{Text('hint', '提示')}: {hint}")
    if result.interrupted:
        raise InterruptedRunError(
            "interrupted.by_user", str(Text("stopped; what was read is above", "已中断, 已读数据见上"))
        )
    if not failed:
        return exit_codes.DONE
    if not result.answered:
        raise LinkError(
            "link.failed",
            str(Text(f"{place}: no device answered", f"{place}: 没有设备应答")),
            hint=str(Text("`keyacct scan` finds what answers on a line", "`keyacct scan` 可搜索线路上的设备")),
        )
    return exit_codes.PARTIAL
