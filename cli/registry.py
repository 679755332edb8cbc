"""`keyacct registry`: files in and out; single entries are in `registry_entries`, lists in `registry_lists`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keyacct.cli import exit_codes
from keyacct.cli.options import DryRunOption, Format, FormatOption
from keyacct.cli.registry_entries import CHANGES, tell_dry
from keyacct.cli.registry_entries import register as register_entries
from keyacct.cli.registry_lists import register as register_lists
from keyacct.cli.render import Column, say, write_rows
from keyacct.cli.session import command, make_app, open_workspace
from keyacct.i18n import Text

if TYPE_CHECKING:
    from keyacct.config import Workspace
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
KindOption = Annotated[FileKind, typer.Option("--as", help=str(Text("Form of the file.", "文件格式。")))]

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
    tell_dry(dry_run)
    return None


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


def _check_stdout(kind: FileKind) -> None:
    from keyacct.errors import UsageError

    if kind is not FileKind.toml:
        raise UsageError("usage.invalid", f"{kind.value} cannot go to stdout", hint="name a place with --out PATH")


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
    from keyacct.workflow.registry_files import export_files, export_text

    workspace = open_workspace()
    if out == "-":
        _check_stdout(kind)
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
    from keyacct.registry.editing import find_entity
    from keyacct.registry.entities import ENTITIES
    from keyacct.registry.writing import toml_template, write_template

    chosen = [find_entity(name) for name in entries] if entries else list(ENTITIES)
    if out == "-":
        _check_stdout(kind)
        sys.stdout.write(toml_template(chosen))
        return None
    for path in write_template(Path(out), kind.value, chosen):
        say(str(path))
    return None


# behind those of files: help lists commands in the order in which they are added
register_lists(app)
register_entries(app)
