"""`keyacct read`: registers of one meter, by name, now."""

from __future__ import annotations

from typing import Annotated

import typer

from keyacct.cli.options import (
    Format,
    FormatOption,
    PasswordEnvOption,
    PasswordFileOption,
    TimeoutOption,
    secret_source,
)
from keyacct.cli.session import command, make_app
from keyacct.i18n import Text

app = make_app()


@command(
    app,
    help=str(
        Text(
            "Read registers of one meter by name or identifier, now. In a workspace METER is a meter of the registry and "
            "what is read is stored; with --link it is an address.\n\nkeyacct read M1 voltage_a active_import_t1",
            "立即按名称或标识读一块表的寄存器。在工作区内 METER 为台账表号, 读数入库; 有 --link 时为表地址。"
            "\n\nkeyacct read M1 voltage_a active_import_t1",
        )
    ),
)
def read(
    meter: Annotated[str, typer.Argument(metavar="METER", help=str(Text("Meter, or address.", "电表号或地址。")))],
    items: Annotated[list[str], typer.Argument(metavar="ITEM…", help=str(Text("Registers.", "寄存器。")))],
    link: Annotated[
        str | None,
        typer.Option("--link", metavar="URL", help=str(Text("The line; no workspace.", "链路, 不用工作区。"))),
    ] = None,
    protocol: Annotated[str | None, typer.Option("--protocol", help=str(Text("With --link.", "配合 --link。")))] = None,
    timeout: TimeoutOption = None,
    retries: Annotated[
        int, typer.Option("--retries", metavar="N", help=str(Text("Further attempts.", "重试次数。")))
    ] = 2,
    password_file: PasswordFileOption = None,
    password_env: PasswordEnvOption = None,
    format: FormatOption = Format.table,
) -> int:
    """Read registers of a meter."""
    if link is not None:
        from keyacct.cli.poll import ad_hoc

        spoken = protocol or (None if link.startswith("modbus+") else "dlt645-2007")
        return ad_hoc(
            link, spoken, [meter], items, timeout=timeout, retries=retries, out=None, trace=None, registers=[],
            format=format, secret=secret_source(password_file, password_env),
        )  # fmt: skip
    from keyacct.cli.poll_workspace import Wish, poll_workspace
    from keyacct.errors import UsageError

    if password_file or password_env:
        raise UsageError(
            "usage.invalid", str(Text("passwords by option need --link", "口令选项需配合 --link")),
            hint=str(Text("the meters of the registry have password_file", "台账电表有 password_file")),
        )  # fmt: skip

    return poll_workspace(Wish((meter,), items=tuple(items), retries=retries, timeout_s=timeout), format)
