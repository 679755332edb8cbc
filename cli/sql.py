"""`keyacct sql`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keyacct.cli.options import Format, FormatOption
from keyacct.cli.render import Column, say, write_rows
from keyacct.cli.session import command, make_app, open_workspace
from keyacct.i18n import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

app = make_app()


@command(
    app,
    help=str(
        Text(
            "One SQL statement over samples and registry, by DuckDB, in memory. It reads the workspace and nothing "
            "else; names by --tables and in docs/store.md. `-` takes the statement from stdin.",
            "用一条 SQL (DuckDB, 内存中) 查询样本与台账。只读本工作区; 表名见 --tables 与 docs/store.md。"
            "`-` 表示从标准输入读取语句。",
        )
    ),
)
def sql(
    statement: Annotated[
        str | None, typer.Argument(metavar="SQL | -", help=str(Text("What to ask.", "查询语句。")))
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help=str(Text("Write a Parquet file instead.", "写入 Parquet 文件。"))),
    ] = None,
    names: Annotated[
        bool, typer.Option("--tables", help=str(Text("List the names and stop.", "只列出可用表名。")))
    ] = False,
    format: FormatOption = Format.table,
) -> int | None:
    """Query the workspace."""
    from keyacct.errors import UsageError
    from keyacct.workflow.sql import query, table_names

    if names:
        rows = [{"name": name, "what": what} for name, what in table_names().items()]
        write_rows(rows, (Column("name", Text("name", "名称")), Column("what", Text("what", "类别"))), format)
        return None
    if statement is None:
        raise UsageError("usage.invalid", "no statement", hint='write keyacct sql "SELECT …", or - for stdin')
    text = sys.stdin.read() if statement == "-" else statement
    with query(open_workspace(), text) as reader:
        if out is not None:
            say(Text(f"{_write(reader, out)} rows in {out}", f"已写入 {out}"))
            return None
        write_rows(_rows(reader), [_column(field) for field in reader.schema], format)
    return None


def _write(reader: pa.RecordBatchReader, out: Path) -> int:
    from keyacct.workflow.wide_export import write_parquet

    return write_parquet(reader, out)


def _rows(reader: pa.RecordBatchReader) -> Iterator[dict[str, Any]]:
    for batch in reader:
        for row in batch.to_pylist():
            yield {key: _shown(value) for key, value in row.items()}


def _shown(value: Any) -> Any:
    """A value that every format can hold."""
    if isinstance(value, bytes):
        return value.hex().upper()
    if type(value).__name__ == "timedelta":
        return str(value)
    return value


def _column(field: pa.Field) -> Column:
    import pyarrow as pa

    decimals = None
    if pa.types.is_decimal(field.type):
        decimals = field.type.scale
    elif pa.types.is_integer(field.type):
        decimals = 0
    return Column(field.name, Text(field.name, field.name), decimals)
