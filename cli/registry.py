"""`keyacct registry`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keyacct.cli.options import DryRunOption, Format, FormatOption
from keyacct.cli.render import Column, say, write_json, write_rows
from keyacct.cli.session import command, make_app, open_workspace
from keyacct.i18n import Text

if TYPE_CHECKING:
    from collections.abc import Callable

app = make_app(
    no_args_is_help=True,
    help=str(
        Text(
            "Accounts, points, meters, ratios, limits and tariffs, by date.", "户、计量点、电表、倍率、限值和电价台账。"
        )
    ),
)


class Listing(StrEnum):
    """What `registry list` lists."""

    accounts = "accounts"
    points = "points"
    meters = "meters"
    tariffs = "tariffs"


COLUMNS: dict[Listing, tuple[Column, ...]] = {
    Listing.accounts: (
        Column("account_no", Text("account", "户号")),
        Column("account_name", Text("name", "户名")),
        Column("voltage_level_kv", Text("kV", "电压kV"), 2),
        Column("contract_capacity_kva", Text("capacity kVA", "合同容量kVA"), 0),
        Column("pf_standard", Text("PF standard", "功率因数标准"), 2),
        Column("points", Text("points", "计量点数"), 0),
    ),
    Listing.points: (
        Column("point", Text("point", "计量点")),
        Column("account_no", Text("account", "户号")),
        Column("kind", Text("kind", "类别")),
        Column("meter", Text("meter", "表号")),
        Column("wiring", Text("wiring", "接线")),
        Column("pt", Text("PT", "PT变比"), 2),
        Column("ct", Text("CT", "CT变比"), 2),
        Column("lower_v", Text("lower V", "下限V"), 1),
        Column("upper_v", Text("upper V", "上限V"), 1),
        Column("monitoring_class", Text("class", "监测类别")),
    ),
    Listing.meters: (
        Column("meter_no", Text("meter", "表号")),
        Column("point", Text("point", "计量点")),
        Column("protocol", Text("protocol", "规约")),
        Column("address", Text("address", "地址")),
        Column("reading_side", Text("side", "示数侧")),
        Column("interval_min", Text("interval min", "间隔min"), 0),
    ),
    Listing.tariffs: (
        Column("tariff_table", Text("tariff table", "时段表")),
        Column("season_from", Text("from", "季起")),
        Column("season_to", Text("to", "季止")),
        Column("day_type", Text("days", "日类")),
        Column("start", Text("start", "开始")),
        Column("end", Text("end", "结束")),
        Column("period", Text("period", "时段")),
    ),
}


@command(
    app,
    name="import",
    help=str(
        Text(
            "Take a TOML file into the registry: all of it or nothing; every fault is named with its line.",
            "导入台账 TOML 文件: 全部导入或全不导入, 每处错误都给出行号。",
        )
    ),
)
def import_(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help=str(Text("TOML file, - for stdin.", "TOML 文件, - 为标准输入。")))
    ],
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help=str(
                Text(
                    "The file is the whole registry: remove what it leaves out.", "以文件为全部台账: 文件中没有的删除。"
                )
            ),
        ),
    ] = False,
    dry_run: DryRunOption = False,
    format: FormatOption = Format.table,
) -> int | None:
    """Import a registry file."""
    from keyacct.errors import InputError, from_os_error
    from keyacct.registry.importing import import_registry

    workspace = open_workspace()
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise from_os_error(error, writing=False, file=file) from None
    except UnicodeDecodeError as error:
        raise InputError(
            "input.format",
            "the file is not UTF-8",
            hint="save it as UTF-8",
            where={"file": file, "offset": error.start},
        ) from None
    changes = import_registry(workspace, text, file=file, replace=replace, dry_run=dry_run)
    columns = (
        Column("entity", Text("entry", "条目")),
        Column("added", Text("added", "新增"), 0),
        Column("changed", Text("changed", "变更"), 0),
        Column("removed", Text("removed", "删除"), 0),
        Column("unchanged", Text("unchanged", "未变"), 0),
    )
    write_rows(changes.rows(), columns, format)
    if dry_run:
        say(Text("dry run: nothing was written", "试运行: 未写入"))
    return None


@command(app, name="export", help=str(Text("The registry as TOML, as `import` takes it.", "导出台账 TOML, 可再导入。")))
def export(
    out: Annotated[
        str,
        typer.Option(
            "--out", metavar="FILE", help=str(Text("File to write (else stdout).", "输出文件 (默认标准输出)。"))
        ),
    ] = "-",
) -> int | None:
    """Export the registry."""
    from keyacct.errors import from_os_error
    from keyacct.registry.document import export_registry

    text = export_registry(open_workspace())
    if out == "-":
        sys.stdout.write(text)
        return None
    try:
        Path(out).write_text(text, encoding="utf-8")
    except OSError as error:
        raise from_os_error(error, writing=True, file=out) from None
    return None


@command(
    app, name="list", help=str(Text("List accounts, points, meters or tariffs.", "列出户、计量点、电表或电价时段。"))
)
def list_(
    what: Annotated[Listing, typer.Argument(help=str(Text("What to list.", "列出什么。")))],
    format: FormatOption = Format.table,
) -> int | None:
    """List what the registry holds."""
    from keyacct.registry import listing

    listed: dict[Listing, Callable[..., list[dict[str, Any]]]] = {
        Listing.accounts: listing.list_accounts,
        Listing.points: listing.list_points,
        Listing.meters: listing.list_meters,
        Listing.tariffs: listing.list_tariffs,
    }
    write_rows(listed[what](open_workspace()), COLUMNS[what], format)
    return None


class Shown(StrEnum):
    """What `registry show` shows."""

    account = "account"


@command(app, help=str(Text("Everything about one account, by date.", "一户的全部台账, 含生效日期。")))
def show(
    what: Annotated[Shown, typer.Argument(help=str(Text("account", "account (户)")))],
    number: Annotated[str, typer.Argument(metavar="NO", help=str(Text("Account number.", "户号。")))],
    format: FormatOption = Format.table,
) -> int | None:
    """Show one account."""
    from keyacct.registry.listing import show_account

    document = show_account(open_workspace(), number)
    if format is Format.json:
        write_json(document)
        return None
    rows = [
        {"entry": what.value, "key": key, "value": value}
        for key, value in document.items()
        if not isinstance(value, list) and value is not None
    ]
    for entry, listed in document.items():
        if isinstance(listed, list):
            rows += [
                {"entry": f"{entry} {number}", "key": key, "value": value}
                for number, row in enumerate(listed, 1)
                for key, value in row.items()
                if value is not None
            ]
    columns = (
        Column("entry", Text("entry", "条目")),
        Column("key", Text("key", "键")),
        Column("value", Text("value", "值")),
    )
    write_rows(rows, columns, format)
    return None
