"""`keyacct poll`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keyacct.cli import exit_codes
from keyacct.cli.options import (
    AllOption,
    DryRunOption,
    Format,
    FormatOption,
    GroupOption,
    PasswordEnvOption,
    PasswordFileOption,
    secret_source,
)
from keyacct.cli.poll_rows import ROW_COLUMNS
from keyacct.cli.render import say, write_rows
from keyacct.cli.session import command, make_app
from keyacct.i18n import Text

if TYPE_CHECKING:
    from keyacct.secrets import SecretSource
    from keyacct.workflow.poll import PollResult

app = make_app()


@command(
    app,
    help=str(
        Text(
            "Ask meters.\n\n"
            "On a line, without a workspace:\n\n"
            "keyacct poll --link '/dev/ttyUSB0?baud=2400&parity=E' --protocol dlt645-2007 --address 000000000161 "
            "--item voltage_a,active_import\n\n"
            "Those of the workspace: METER…, --group G or --all, with --item or by their plans; --due asks what the plans "
            "have due and is made for cron: running it again asks nothing twice. Readings go to the store.\n\n"
            "An item that failed is a row without value whose quality is the cause, and a sentence on stderr. "
            "Exit 0 all read, 6 some failed, 5 no answer at all or the line does not open.",
            "召测电表。\n\n"
            "不需工作区, 直接在线路上:\n\n"
            "keyacct poll --link '/dev/ttyUSB0?baud=2400&parity=E' --protocol dlt645-2007 --address 000000000161 "
            "--item voltage_a,active_import\n\n"
            "工作区内电表: 电表号、--group 组或 --all, 项目由 --item 或计划给出; --due 执行到期计划, "
            "适于 cron, 重复运行不会重复召测。"
            "读数入库。\n\n"
            "失败的项目数值为空, 质量栏为原因, 标准错误给出说明。退出码: 0 全部读到, 6 部分失败, 5 无任何应答或线路打不开。",
        )
    ),
)
def poll(
    meters: Annotated[
        list[str] | None, typer.Argument(metavar="[METER…]", help=str(Text("Meters of the registry.", "台账中的电表号。")))
    ] = None,
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
    everybody: AllOption = False,
    group: GroupOption = None,
    due: Annotated[
        bool, typer.Option("--due", help=str(Text("What the plans have due now.", "执行到期的计划。")))
    ] = False,
    backfill: Annotated[
        str | None,
        typer.Option("--backfill", metavar="FROM..TO",
                     help=str(Text("Read again what the store lacks of these days.", "补召库中所缺的数据。"))),
    ] = None,
    gaps: Annotated[
        str | None,
        typer.Option("--gaps", metavar="FROM..TO",
                     help=str(Text("List what the store lacks of these days, and why; nobody is asked.",
                                   "列出这些日期库中所缺的数据及原因, 不召测。"))),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help=str(Text("One round (the default).", "一轮 (默认)。")))] = False,
    every: Annotated[
        str | None,
        typer.Option("--every", metavar="15min", help=str(Text("As a service, at even times.", "作为服务按时执行。"))),
    ] = None,
    status: Annotated[
        bool, typer.Option("--status", help=str(Text("How the plans stand; asks nobody.", "计划执行情况, 不召测。")))
    ] = False,
    failing: Annotated[
        bool, typer.Option("--failing", help=str(Text("What is failing, and why; asks nobody.", "失败项目及原因, 不召测。")))
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", metavar="S", help=str(Text("Seconds for one answer (else by the line's speed).",
                                                             "一次应答的秒数 (默认按线路速率)。"))),
    ] = None,
    retries: Annotated[
        int | None, typer.Option("--retries", metavar="N", help=str(Text("Further attempts (2).", "重试次数 (2)。")))
    ] = None,
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
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", metavar="FILE", help=str(Text("Prometheus text file, written after each round.",
                                                                "每轮后写 Prometheus 文本文件。"))),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option("--metrics-port", min=0, max=65_535,
                     help=str(Text("With --every: Prometheus endpoint on 127.0.0.1.", "配合 --every: Prometheus 端口。"))),
    ] = None,
    registers: Annotated[
        list[str] | None, typer.Option("--registers", metavar="FILE", help=str(Text("Further registers.", "附加标识表。")))
    ] = None,
    password_file: PasswordFileOption = None,
    password_env: PasswordEnvOption = None,
    dry_run: DryRunOption = False,
    format: FormatOption = Format.table,
) -> int:  # fmt: skip
    """Ask meters."""
    from keyacct.errors import UsageError

    if link is not None:
        if meters or everybody or group or due or every or backfill:
            raise UsageError(
                "usage.invalid",
                str(Text("--link asks one line without the workspace", "--link 直接召测一条线路, 不用工作区")),
                hint=str(
                    Text("leave --all, --group, --due, --every and meters out", "请去掉 --all、--group、--due 等")
                ),
            )
        return ad_hoc(
            link, protocol, address or [], item or [], timeout=timeout, retries=2 if retries is None else retries,
            out=out, trace=trace, registers=registers or [], format=format,
            secret=secret_source(password_file, password_env),
        )  # fmt: skip
    if password_file or password_env:
        raise UsageError(
            "usage.invalid",
            str(Text("--password-file and --password-env need --link", "--password-file 和 --password-env 需配合 --link")),
            hint=str(Text("the meters of the registry have password_file, as meter_link, poll_line or the setting "
                          "poll.password_file", "台账电表的口令文件写在 meter_link、poll_line 或设置 poll.password_file 中")),
        )  # fmt: skip
    if address or protocol:
        raise UsageError(
            "usage.invalid",
            str(Text("--address and --protocol need --link", "--address 和 --protocol 需配合 --link")),
            hint=str(Text("add --link URL, or name meters of the registry", "加 --link URL, 或给出台账中的电表号")),
        )
    from keyacct.cli.poll_workspace import Wish, poll_workspace

    wish = Wish(
        tuple(meters or ()), group, tuple(item or ()), everybody=everybody, due=due, backfill=backfill, gaps=gaps,
        every=None if once else every, status=status, failing=failing, retries=retries, timeout_s=timeout,
        registers=tuple(registers or ()), out=out, trace=trace, metrics=metrics, metrics_port=metrics_port,
        dry_run=dry_run,
    )  # fmt: skip
    return poll_workspace(wish, format)


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
    secret: SecretSource | None = None,
) -> int:
    """Poll one line without a workspace, write rows, tell what failed; the exit code."""
    import zoneinfo

    from keyacct.cli.progress import Bar
    from keyacct.workflow.poll import DEFAULT_ZONE, make_question, poll_once, write_rows_file

    question = make_question(
        link, protocol, addresses, items, timeout_s=timeout, retries=retries, trace=trace, registers=registers,
        secret=secret,
    )  # fmt: skip
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
