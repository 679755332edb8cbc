"""`keyacct registers`: the register catalogue, which data identifier means what."""

from __future__ import annotations

from typing import Annotated

import typer

from keyacct.cli import exit_codes, render
from keyacct.cli.options import Format, FormatOption
from keyacct.cli.session import command, make_app
from keyacct.i18n import Text

app = make_app()

_COLUMNS = (
    render.Column("protocol", Text("protocol", "协议")),
    render.Column("key", Text("key", "标识")),
    render.Column("name", Text("name", "名称")),
    render.Column("quantity", Text("quantity", "量")),
    render.Column("kind", Text("kind", "类别")),
    render.Column("format", Text("format", "格式")),
    render.Column("source", Text("source", "来源")),
)


@command(
    app,
    help=str(
        Text(
            "Data identifiers that can be decoded, built in and added. A "
            "catalogue is a tab-separated file with "
            "the columns key, name, quantity, phase, tariff, kind, format, unit, access, source; "
            "`# protocol: NAME` in its first lines says for which protocol (dlt645-2007 unless named).",
            "可解析的数据标识 (内置与追加)。数据标识表为制表符分隔的文本, 列为 key, name, quantity, "
            "phase, tariff, kind, format, unit, access, source; "
            "首行注释 `# protocol: 名称` 指明协议, 默认 dlt645-2007。",
        )
    ),
)
def registers(
    text: Annotated[
        str | None,
        typer.Argument(help=str(Text("Only rows that hold this text or identifier.", "只列出含此文字或标识的行。"))),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", help=str(Text("Only rows of this protocol.", "只列出此协议的行。"))),
    ] = None,
    files: Annotated[
        list[str] | None,
        typer.Option(
            "--registers",
            metavar="FILE.tsv",
            help=str(Text("Register catalogue to add.", "追加的数据标识表。")),
        ),
    ] = None,
    format: FormatOption = Format.table,
) -> int:
    """List the register catalogue."""
    from keyacct import wire

    if protocol is not None and protocol not in wire.protocols():
        from keyacct.errors import UsageError

        raise UsageError(
            "usage.invalid",
            f"{protocol!r} has no catalogue",
            hint="choose one of " + ", ".join(name for name in wire.protocols() if name != "auto"),
        )
    rows = wire.register_rows(wire.open_registers(files or []), text)
    if protocol not in (None, "auto"):
        rows = [row for row in rows if row["protocol"] == protocol]
    render.write_rows(rows, _COLUMNS, format)
    return exit_codes.DONE
