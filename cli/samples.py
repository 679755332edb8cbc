"""`keyacct samples`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keyacct.cli import exit_codes
from keyacct.cli.options import DryRunOption, Format, FormatOption
from keyacct.cli.render import Column, say, write_rows
from keyacct.cli.session import command, make_app, open_workspace
from keyacct.i18n import Text

app = make_app(no_args_is_help=True, help=str(Text("Load curves from elsewhere.", "外部负荷曲线。")))


@app.callback()
def samples() -> None:
    """Load curves from elsewhere."""


@command(
    app,
    name="import",
    help=str(
        Text(
            "Take CSV (also .gz; UTF-8 or GBK) or Parquet files into the store. A fault is named by row "
            "and column and nothing of it is stored; the same values again add nothing.",
            "导入 CSV (含 .gz; UTF-8 或 GBK) 或 Parquet 文件。文件有错时指明行列且整个文件不入库; 重复导入不增加数据。",
        )
    ),
)
def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help=str(Text("Files to take.", "要导入的文件。")))],
    map_: Annotated[
        list[str] | None,
        typer.Option(
            "--map", metavar="COLUMN=FAMILY.COLUMN,…",
            help=str(Text("What columns stand for, as kwh=energy.import.", "列的含义, 如 kwh=energy.import。")),
        ),
    ] = None,
    unit: Annotated[
        list[str] | None,
        typer.Option(
            "--unit", metavar="COLUMN=UNIT,…",
            help=str(Text("Units of columns, as kwh=Wh (else the family's).", "列的单位, 如 kwh=Wh (默认同数据族)。")),
        ),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option("--mapping", metavar="FILE", help=str(Text("TOML file with all of this.", "TOML 映射文件。"))),
    ] = None,
    meter: Annotated[
        str | None, typer.Option("--meter", metavar="NO", help=str(Text("Meter of all rows.", "全部行的表号。")))
    ] = None,
    meter_column: Annotated[
        str | None, typer.Option("--meter-column", help=str(Text("Column of meter numbers.", "表号列。")))
    ] = None,
    time_column: Annotated[
        str | None, typer.Option("--time-column", help=str(Text("Column of times (else ts).", "时间列 (默认 ts)。")))
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind", metavar="interval|register|snapshot",
            help=str(Text("What a value is of its time (else interval).", "数值与时间的关系 (默认 interval)。")),
        ),
    ] = None,
    stamp: Annotated[
        str | None,
        typer.Option(
            "--stamp", metavar="start|end",
            help=str(Text("Which end of its interval a time names (else end).", "时标为区间起点或终点 (默认 end)。")),
        ),
    ] = None,
    interval: Annotated[
        int | None,
        typer.Option(
            "--interval", metavar="MINUTES", min=1, max=1440,
            help=str(Text("Length of an interval (else the meter's).", "区间分钟数 (默认取电表台账)。")),
        ),
    ] = None,
    side: Annotated[
        str | None,
        typer.Option(
            "--side", metavar="primary|secondary",
            help=str(Text("Side of the values, checked against the registry.", "数值所在侧, 与台账核对。")),
        ),
    ] = None,
    round_: Annotated[
        bool,
        typer.Option("--round", help=str(Text("Round what has too many decimals.", "小数位过多时舍入。"))),
    ] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help=str(Text("Leave bad rows out (exit 6).", "跳过坏行 (退出码 6)。")))
    ] = False,
    dry_run: DryRunOption = False,
    format: FormatOption = Format.table,
) -> int | None:  # fmt: skip
    """Import samples."""
    from keyacct.workflow.mapping import build_mapping, parse_pairs, read_mapping_file
    from keyacct.workflow.samples import ImportOptions, import_samples

    table = build_mapping(
        parse_pairs(map_ or [], "--map"),
        parse_pairs(unit or [], "--unit"),
        read_mapping_file(mapping) if mapping is not None else {},
        meter=meter, meter_column=meter_column, time_column=time_column, kind=kind, stamp=stamp,
        interval_min=interval, side=side,
    )  # fmt: skip
    workspace = open_workspace()
    options = ImportOptions(partial=partial, rounding=round_, dry_run=dry_run)
    done = []
    for path in files:
        summary = import_samples(workspace, path, table, options)
        for fault in summary.first_faults:
            say(fault)
        done.append(summary)
    columns = (
        Column("file", Text("file", "文件")),
        Column("rows", Text("rows", "行数"), 0),
        Column("added", Text("added", "新增"), 0),
        Column("duplicates", Text("duplicates", "重复"), 0),
        Column("revisions", Text("revisions", "修订"), 0),
        Column("rejected_rows", Text("rejected", "剔除"), 0),
        Column("already_ingested", Text("known file", "已导入过")),
    )
    write_rows([summary.as_row() for summary in done], columns, format)
    if dry_run:
        say(Text("dry run: nothing was written", "试运行: 未写入"))
    return exit_codes.PARTIAL if any(summary.rejected_rows for summary in done) else exit_codes.DONE


@command(
    app,
    help=str(
        Text(
            "Write wide sample files (as `keyacct stats` reads them) in our own layout: exact decimals, delta-coded, smaller "
            "and read about three times as fast. Nothing is rounded; any Parquet reader reads the copy.",
            "将宽表样本 (即 `keyacct stats` 的输入) 改写为自有布局: 精确小数、差分编码, 更小, 读取约快三倍。"
            "数值不舍入; 任何 Parquet 软件均可读取。",
        )
    ),
)
def pack(
    data: Annotated[
        Path, typer.Argument(metavar="DIR", help=str(Text("Folder with part-*.parquet.", "样本目录 (part-*.parquet)。")))
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help=str(Text("Folder to write to.", "输出目录。")))],
    limits: Annotated[
        Path | None,
        typer.Option(
            "--limits", metavar="FILE",
            help=str(
                Text("Limits file to copy along (else DIR/limits.parquet).", "随同复制的限值文件 (缺省 DIR/limits.parquet)。")
            ),
        ),
    ] = None,
    format: FormatOption = Format.table,
) -> int | None:  # fmt: skip
    """Write samples anew in our own layout."""
    from keyacct.workflow.sample_pack import pack_samples

    packed = pack_samples(data, out, limits=limits)
    columns = (
        Column("column", Text("column", "列")),
        Column("type", Text("type", "类型")),
        Column("kept_for", Text("kept as it is for", "因此值保持原样")),
    )
    write_rows(
        [{"column": column.name, "type": column.type, "kept_for": column.kept_for} for column in packed.columns],
        columns, format,
    )  # fmt: skip
    for column in packed.columns:
        if column.kept_for is not None:
            say(
                Text(
                    f"{column.name} stays {column.type}: no decimal of up to eight places is exactly {column.kept_for!r}",
                    f"{column.name} 保持 {column.type}: 八位以内小数无法精确表示 {column.kept_for!r}",
                )
            )
    say(
        Text(
            f"{packed.rows} readings, {packed.bytes_read} -> {packed.bytes_written} bytes -> {out}",
            f"{packed.rows} 条读数, {packed.bytes_read} -> {packed.bytes_written} 字节 -> {out}",
        )
    )
    return None
