"""`keyacct registry`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keyacct.cli import exit_codes
from keyacct.cli.options import DryRunOption, Format, FormatOption
from keyacct.cli.render import Column, say, write_json, write_rows
from keyacct.cli.session import command, make_app, open_workspace
from keyacct.i18n import Text

if TYPE_CHECKING:
    from keyacct.config import Workspace
    from keyacct.registry.difference import Changes
    from keyacct.registry.importing import Document, ImportReport

app = make_app(
    no_args_is_help=True,
    help=str(
        Text(
            "Customers, accounts, sources, lines, transformers, points, meters, ratios, tariffs and people, by date.",
            "客户、户、电源、线路、变压器、计量点、电表、倍率、电价与人员台账, 按生效日期。",
        )
    ),
)


class FileKind(StrEnum):
    """Forms of a registry file."""

    toml = "toml"
    csv = "csv"
    xlsx = "xlsx"


FilesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE…",
        help=str(
            Text(
                "TOML, CSV or xlsx files, folders of them; - is TOML from stdin.",
                "TOML、CSV、xlsx 文件或其目录; - 为标准输入的 TOML。",
            )
        ),
    ),
]
EntryOption = Annotated[
    str,
    typer.Option(
        "--entry", metavar="NAME", help=str(Text("Kind of entry of CSV files (else their name).", "CSV 的条目种类。"))
    ),
]
ReplaceOption = Annotated[
    bool,
    typer.Option(
        "--replace",
        help=str(
            Text(
                "The files are the whole registry: remove what they leave out.", "以文件为全部台账: 文件中没有的删除。"
            )
        ),
    ),
]
FieldsArgument = Annotated[
    list[str], typer.Argument(metavar="FIELD=VALUE…", help=str(Text("Fields of the entry.", "条目的字段。")))
]
NameArgument = Annotated[
    str, typer.Argument(metavar="ENTRY", help=str(Text("Kind of entry, e.g. account_terms.", "条目种类。")))
]
ReasonOption = Annotated[
    str,
    typer.Option("--reason", metavar="TEXT", help=str(Text("Why; it goes into the audit log.", "原因, 记入审计。"))),
]
FromOption = Annotated[
    str | None,
    typer.Option("--from", metavar="DATE", help=str(Text("Holds from this date or time on.", "自何时生效。"))),
]
AsOfOption = Annotated[
    str | None, typer.Option("--as-of", metavar="DATE", help=str(Text("As it was at this date.", "按此日期。")))
]
KindOption = Annotated[FileKind, typer.Option("--as", help=str(Text("Form of the file.", "文件格式。")))]

CHANGES = (
    Column("entity", Text("entry", "条目")),
    Column("added", Text("added", "新增"), 0),
    Column("changed", Text("changed", "变更"), 0),
    Column("removed", Text("removed", "删除"), 0),
    Column("unchanged", Text("unchanged", "未变"), 0),
)
FAULTS = (
    Column("file", Text("file", "文件")),
    Column("sheet", Text("sheet", "工作表")),
    Column("row", Text("row", "行"), 0),
    Column("column", Text("column", "列")),
    Column("entry", Text("entry", "条目")),
    Column("reason", Text("reason", "原因")),
)
DIFFERENCES = (
    Column("entity", Text("entry", "条目")),
    Column("key", Text("key", "键")),
    Column("change", Text("change", "变更")),
    Column("field", Text("field", "字段")),
    Column("before", Text("before", "原值")),
    Column("after", Text("after", "新值")),
)


def _documents(files: list[str], entry: str) -> list[Document]:
    from keyacct.registry.importing import Document, read_documents

    if files == ["-"]:
        return [Document("-", sys.stdin.buffer.read(), ".csv" if entry else ".toml", entry)]
    return list(read_documents(files, kind=entry))


def _take(
    workspace: Workspace,
    files: list[str],
    entry: str,
    *,
    replace: bool,
    partial: bool,
    dry_run: bool,
    differences: bool,
) -> ImportReport:
    from keyacct.registry.importing import import_documents

    return import_documents(
        workspace, _documents(files, entry), replace=replace, partial=partial, dry_run=dry_run, differences=differences
    )


@command(
    app,
    name="import",
    help=str(
        Text(
            "Take TOML, CSV or xlsx files into the registry: all or nothing; every bad cell is listed.",
            "导入 TOML、CSV、xlsx 台账: 全部导入或全不导入, 列出每个错误单元格。",
        )
    ),
)
def import_(
    files: FilesArgument,
    entry: EntryOption = "",
    replace: ReplaceOption = False,
    partial: Annotated[
        bool,
        typer.Option(
            "--partial",
            help=str(
                Text(
                    "Import what is good, leave out the bad entries and what refers to them (exit 6).",
                    "只导入正确条目, 略去有错的及引用它们的条目 (退出码 6)。",
                )
            ),
        ),
    ] = False,
    dry_run: DryRunOption = False,
    format: FormatOption = Format.table,
) -> int | None:
    """Import registry files."""
    from keyacct.registry.fault import registry_invalid

    workspace = open_workspace()
    report = _take(workspace, files, entry, replace=replace, partial=partial, dry_run=dry_run, differences=False)
    if report.faults:
        write_rows((fault.as_row() for fault in report.faults), FAULTS, format)
        if not partial:
            raise registry_invalid(report.faults, listed=True)
        say(
            Text(
                f"{len(report.faults)} faults, {report.left_out} entries left out, {report.changes.total} written",
                f"{len(report.faults)} 处错误, 略去 {report.left_out} 条, 写入 {report.changes.total} 条",
            )
        )
        return exit_codes.PARTIAL
    write_rows(report.changes.rows(), CHANGES, format)
    _tell_dry(dry_run)
    return None


def _tell_dry(dry_run: bool) -> None:
    if dry_run:
        say(Text("dry run: nothing was written", "试运行: 未写入"))


@command(
    app,
    help=str(Text("What an import would change, field by field; writes nothing.", "导入会改变的每个字段, 不写入。")),
)
def diff(
    files: FilesArgument,
    entry: EntryOption = "",
    replace: ReplaceOption = False,
    format: FormatOption = Format.table,
) -> int | None:
    """Show what an import would change."""
    from keyacct.registry.fault import registry_invalid

    report = _take(
        open_workspace(), files, entry, replace=replace, partial=False, dry_run=True, differences=True
    )  # fmt: skip
    if report.faults:
        write_rows((fault.as_row() for fault in report.faults), FAULTS, format)
        raise registry_invalid(report.faults, listed=True)
    write_rows(report.differences, DIFFERENCES, format)
    return None


@command(
    app,
    help=str(
        Text(
            "The registry as TOML, CSV files or a workbook, as `import` takes them.",
            "导出台账为 TOML、CSV 或工作簿, 可再导入。",
        )
    ),
)
def export(
    out: Annotated[
        str,
        typer.Option(
            "--out", metavar="PATH", help=str(Text("File, for CSV a folder (else stdout).", "输出文件或目录。"))
        ),
    ] = "-",
    kind: KindOption = FileKind.toml,
) -> int | None:
    """Export the registry."""
    from keyacct.errors import UsageError
    from keyacct.workflow.registry_files import export_files, export_text

    workspace = open_workspace()
    if out == "-":
        if kind is not FileKind.toml:
            raise UsageError("usage.invalid", f"{kind.value} cannot go to stdout", hint="name a place with --out PATH")
        sys.stdout.write(export_text(workspace))
        return None
    for path in export_files(workspace, Path(out), kind.value):
        say(str(path))
    return None


@command(
    app,
    help=str(Text("An empty registry file to fill in, every field explained.", "空白台账模板, 含每个字段的说明。")),
)
def template(
    out: Annotated[
        str, typer.Option("--out", metavar="PATH", help=str(Text("File or folder.", "输出文件或目录。")))
    ] = "-",
    kind: KindOption = FileKind.toml,
    entries: Annotated[
        list[str] | None,
        typer.Option("--entry", metavar="NAME", help=str(Text("Only these kinds of entry.", "只含这些条目种类。"))),
    ] = None,
) -> int | None:
    """Write a template."""
    from keyacct.errors import UsageError
    from keyacct.registry.editing import find_entity
    from keyacct.registry.entities import ENTITIES
    from keyacct.registry.writing import toml_template, write_template

    chosen = [find_entity(name) for name in entries] if entries else list(ENTITIES)
    if out == "-":
        if kind is not FileKind.toml:
            raise UsageError("usage.invalid", f"{kind.value} cannot go to stdout", hint="name a place with --out PATH")
        sys.stdout.write(toml_template(chosen))
        return None
    for path in write_template(Path(out), kind.value, chosen):
        say(str(path))
    return None


@command(
    app,
    name="list",
    help=str(
        Text(
            "List accounts, points, meters, tariffs or any kind of entry.",
            "列出户、计量点、电表、电价时段或任一种条目。",
        )
    ),
)
def list_(
    what: Annotated[
        str,
        typer.Argument(
            help=str(
                Text(
                    "accounts, points, meters, tariffs, or a kind of entry.",
                    "accounts、points、meters、tariffs 或条目。",
                )
            )
        ),
    ],
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="FIELD=VALUE",
            help=str(Text("Condition: = != < <= > >= ~ (contains); all must hold.", "条件, ~ 为包含, 须全部满足。")),
        ),
    ] = None,
    as_of: AsOfOption = None,
    format: FormatOption = Format.table,
) -> int | None:
    """List what the registry holds."""
    from keyacct.registry.editing import instant
    from keyacct.registry.listing import list_rows, listed_columns

    names = listed_columns(what)
    if format is Format.table:  # a table for the eye; the other formats hold every column
        names = _SHORT.get(what, names)
    columns = [_column(name) for name in names]
    workspace = open_workspace()
    at = instant(workspace, as_of) if as_of is not None else None
    write_rows(list_rows(workspace, what, where=where or (), as_of_ms=at), columns, format)
    return None


_NAMES = {
    "account_no": Text("account", "户号"), "account_name": Text("name", "户名"), "customer": Text("customer", "客户"),
    "voltage_level_kv": Text("kV", "电压kV"), "contract_capacity_kva": Text("capacity kVA", "合同容量kVA"),
    "pf_standard": Text("PF standard", "功率因数标准"), "points": Text("points", "计量点数"),
    "point": Text("point", "计量点"), "kind": Text("kind", "类别"), "meter": Text("meter", "表号"),
    "meter_no": Text("meter", "表号"), "wiring": Text("wiring", "接线"), "pt": Text("PT", "PT变比"),
    "ct": Text("CT", "CT变比"), "lower_v": Text("lower V", "下限V"), "upper_v": Text("upper V", "上限V"),
    "monitoring_class": Text("class", "监测类别"), "protocol": Text("protocol", "规约"), "address": Text("address", "地址"),
    "reading_side": Text("side", "示数侧"), "interval_min": Text("interval min", "间隔min"),
    "tariff_table": Text("tariff table", "时段表"), "season_from": Text("from", "季起"), "season_to": Text("to", "季止"),
    "day_type": Text("days", "日类"), "start": Text("start", "开始"), "end": Text("end", "结束"),
    "period": Text("period", "时段"),
    "service_address": Text("address", "用电地址"), "industry_code": Text("industry", "行业分类"),
    "account_class": Text("class", "客户类别"), "critical_grade": Text("grade", "重要等级"),
    "supply_station": Text("station", "供电所"), "running_capacity_kva": Text("running kVA", "运行容量kVA"),
    "annual_energy_kwh": Text("annual kWh", "年用电量kWh"), "tariff_mode": Text("tariff mode", "电价方式"),
    "contract_demand_kw": Text("contract demand kW", "合同需量kW"), "reading_day": Text("reading day", "抄表例日"),
    "status": Text("status", "状态"), "substation": Text("substation", "变电站"), "busbar": Text("busbar", "母线"),
    "supply_line": Text("line", "供电线路"), "line_kind": Text("kind", "线路性质"), "source": Text("source", "电源"),
    "role": Text("role", "角色"), "capacity_kva": Text("capacity kVA", "容量kVA"),
    "transformer": Text("transformer", "变压器"),
    "rated_kva": Text("rated kVA", "额定容量kVA"), "terminal_no": Text("terminal", "采集终端"),
    "contact": Text("contact", "联系人"), "mobile": Text("mobile", "手机"), "staff_no": Text("staff", "工号"),
    "staff_name": Text("name", "姓名"), "desk_manager": Text("desk manager", "内勤经理"),
    "field_manager": Text("field manager", "外勤经理"), "safety_load_kw": Text("safety load kW", "保安负荷kW"),
    "shift_pattern": Text("shifts", "生产班次"), "rest_day": Text("rest day", "厂休日"),
    "exchanged_at": Text("exchanged", "换表时间"), "reason": Text("reason", "原因"),
    "price_table": Text("price table", "电价表"), "point_name": Text("name", "名称"),
    "valid_from": Text("from", "生效"), "valid_to": Text("to", "失效"),
}  # fmt: skip


_SHORT = {
    "accounts": ("account_no", "account_name", "voltage_level_kv", "contract_capacity_kva", "pf_standard", "points"),
    "points": ("point", "account_no", "kind", "meter", "wiring", "pt", "ct", "lower_v", "upper_v", "monitoring_class"),
    "meters": ("meter_no", "point", "protocol", "address", "reading_side", "interval_min"),
}
_DECIMALS = {"voltage_level_kv": 2, "contract_capacity_kva": 0, "pf_standard": 2, "points": 0, "pt": 2, "ct": 2,
             "lower_v": 1, "upper_v": 1, "interval_min": 0}  # fmt: skip


def _column(name: str) -> Column:
    return Column(name, _NAMES.get(name, Text(name, name)), _DECIMALS.get(name))


class Shown(StrEnum):
    """What `registry show` shows."""

    account = "account"


@command(app, help=str(Text("Everything about one account, by date.", "一户的全部台账, 含生效日期。")))
def show(
    what: Annotated[Shown, typer.Argument(help=str(Text("account", "account (户)")))],
    number: Annotated[str, typer.Argument(metavar="NO", help=str(Text("Account number.", "户号。")))],
    as_of: AsOfOption = None,
    format: FormatOption = Format.table,
) -> int | None:
    """Show one account."""
    from keyacct.registry.editing import instant
    from keyacct.registry.listing import show_account

    workspace = open_workspace()
    document = show_account(workspace, number, as_of_ms=instant(workspace, as_of) if as_of is not None else None)
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


def _pairs(words: list[str] | None) -> dict[str, str]:
    from keyacct.errors import UsageError

    pairs: dict[str, str] = {}
    for word in words or []:
        name, equals, value = word.partition("=")
        if not equals or not name or name in pairs:
            raise UsageError(
                "usage.invalid", f"{word!r} is no FIELD=VALUE, or the field stands twice", hint="e.g. ct=600/5"
            )
        pairs[name] = value
    return pairs


def _tell(changes: Changes, dry_run: bool, format: Format) -> None:
    write_rows([row for row in changes.rows() if row["added"] or row["changed"] or row["removed"]], CHANGES, format)
    if not changes.total:
        say(Text("nothing changes", "无变更"))
    _tell_dry(dry_run)


@command(
    app,
    name="set",
    help=str(
        Text(
            "Change fields of an entry from a date on; what held before stays.",
            "自某日起修改条目字段, 原值保留为历史。",
        )
    ),
)
def set_(
    name: NameArgument,
    fields: FieldsArgument,
    reason: ReasonOption,
    from_: FromOption = None,
    dry_run: DryRunOption = False,
    format: FormatOption = Format.table,
) -> int | None:
    """Change an entry."""
    from keyacct.registry.editing import instant, set_fields

    workspace = open_workspace()
    start = instant(workspace, from_) if from_ is not None else None
    _tell(set_fields(workspace, name, _pairs(fields), from_ms=start, reason=reason, dry_run=dry_run), dry_run, format)
    return None


@command(app, help=str(Text("Add one entry.", "新增一个条目。")))
def add(
    name: NameArgument,
    fields: FieldsArgument,
    reason: ReasonOption,
    from_: FromOption = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="DATE", help=str(Text("Holds until this date.", "至何时失效。")))
    ] = None,
    dry_run: DryRunOption = False,
    format: FormatOption = Format.table,
) -> int | None:
    """Add an entry."""
    from keyacct.registry.editing import add_entry, instant

    workspace = open_workspace()
    start, end_ms = (instant(workspace, text) if text is not None else None for text in (from_, to))
    changes = add_entry(
        workspace, name, _pairs(fields), from_ms=start, to_ms=end_ms, reason=reason, dry_run=dry_run
    )  # fmt: skip
    _tell(changes, dry_run, format)
    return None


@command(app, help=str(Text("End a dated entry; it stays as history.", "终止一个有期限的条目, 保留为历史。")))
def end(
    name: NameArgument,
    fields: FieldsArgument,
    reason: ReasonOption,
    at: Annotated[str, typer.Option("--at", metavar="DATE", help=str(Text("It holds until then.", "终止时间。")))],
    dry_run: DryRunOption = False,
    format: FormatOption = Format.table,
) -> int | None:
    """End an entry."""
    from keyacct.registry.editing import end_entry, instant

    workspace = open_workspace()
    changes = end_entry(
        workspace, name, _pairs(fields), at_ms=instant(workspace, at), reason=reason, dry_run=dry_run
    )  # fmt: skip
    _tell(changes, dry_run, format)
    return None


@command(
    app,
    name="exchange-meter",
    help=str(
        Text(
            "Put another meter at a point, with the last reading of the old and the first of the new.",
            "换表: 记录旧表止度与新表起度。",
        )
    ),
)
def exchange_meter(
    point: Annotated[str, typer.Argument(metavar="POINT", help=str(Text("Metering point.", "计量点。")))],
    meter: Annotated[str, typer.Argument(metavar="METER", help=str(Text("Number of the new meter.", "新表号。")))],
    at: Annotated[str, typer.Option("--at", metavar="TIME", help=str(Text("When it was done.", "换表时间。")))],
    reason: ReasonOption,
    old: Annotated[
        list[str] | None,
        typer.Option(
            "--old", metavar="REGISTER=VALUE", help=str(Text("Old meter, e.g. import_kwh=1234.56.", "旧表止度。"))
        ),
    ] = None,
    new: Annotated[
        list[str] | None,
        typer.Option("--new", metavar="REGISTER=VALUE", help=str(Text("New meter, e.g. import_kwh=0.", "新表起度。"))),
    ] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option("--meter", metavar="FIELD=VALUE", help=str(Text("Fields of the new meter.", "新表的字段。"))),
    ] = None,
    staff: Annotated[
        str, typer.Option("--staff", metavar="NO", help=str(Text("Who did it (staff_no).", "换表人员。")))
    ] = "",
    dry_run: DryRunOption = False,
    format: FormatOption = Format.table,
) -> int | None:
    """Exchange a meter."""
    from keyacct.registry.editing import instant
    from keyacct.workflow.exchange import exchange_meter

    workspace = open_workspace()
    changes = exchange_meter(
        workspace, point, meter, at_ms=instant(workspace, at), reason=reason, old_readings=_pairs(old),
        new_readings=_pairs(new), meter=_pairs(fields), staff_no=staff, dry_run=dry_run,
    )  # fmt: skip
    _tell(changes, dry_run, format)
    return None


@command(app, help=str(Text("Every audited change of one entry.", "一个条目的全部变更记录。")))
def history(name: NameArgument, fields: FieldsArgument, format: FormatOption = Format.table) -> int | None:
    """Show the history of an entry."""
    from keyacct.registry.editing import history

    columns = (
        Column("seq", Text("no.", "序号"), 0), Column("at", Text("at", "时间")), Column("action", Text("action", "操作")),
        Column("change", Text("change", "变更")), Column("key", Text("key", "键")), Column("field", Text("field", "字段")),
        Column("before", Text("before", "原值")), Column("after", Text("after", "新值")),
        Column("reason", Text("reason", "原因")),
    )  # fmt: skip
    write_rows(history(open_workspace(), name, _pairs(fields)), columns, format)
    return None
