"""`keyacct store`."""

from __future__ import annotations

from typing import Annotated

import typer

from keyacct.cli import exit_codes, store_exchange
from keyacct.cli.options import DryRunOption, Format, FormatOption
from keyacct.cli.render import Column, say, write_rows
from keyacct.cli.session import command, make_app, open_workspace
from keyacct.i18n import Text

app = make_app(
    no_args_is_help=True,
    help=str(Text("The sample store: files, check, compaction, export.", "采样库: 文件、校验、压实、导出。")),
)

_BYTES = Column("bytes", Text("bytes", "字节"), 0)
_PATH = Column("path", Text("path", "路径"))


@command(
    app,
    help=str(
        Text("The live sample files of one snapshot, for other programs.", "当前有效的采样文件清单, 供其它程序读取。")
    ),
)
def files(
    family: Annotated[
        str | None, typer.Option("--family", help=str(Text("Only this family.", "只列此数据族。")))
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="PERIOD", help=str(Text("From this day or period on.", "起始日期。"))),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="PERIOD", help=str(Text("To the end of this day or period.", "截止日期 (含)。"))),
    ] = None,
    format: FormatOption = Format.table,
) -> int | None:
    """List the live sample files."""
    from keyacct.model import Period
    from keyacct.store.families import family_of
    from keyacct.store.verify import store_files

    workspace = open_workspace()
    start = Period.parse(from_).bounds_ms(workspace.zone)[0] if from_ is not None else None
    end = Period.parse(to).bounds_ms(workspace.zone)[1] if to is not None else None
    rows = store_files(workspace, family_of(family).name if family is not None else None, start, end)
    columns = (
        _PATH,
        Column("family", Text("family", "数据族")),
        Column("day", Text("day", "日期")),
        Column("rows", Text("rows", "行数"), 0),
        Column("min_ts", Text("first", "最早")),
        Column("max_ts", Text("last", "最晚")),
        _BYTES,
        Column("sha256", Text("sha256", "sha256")),
    )
    write_rows(rows, columns, format)
    return None


@command(
    app,
    help=str(
        Text(
            "Check every live file, the database and the audit chain; exit 7 when something is damaged.",
            "校验全部有效文件、数据库与审计链; 有损坏时退出码 7。",
        )
    ),
)
def verify(
    quick: Annotated[
        bool, typer.Option("--quick", help=str(Text("Sizes only, no content.", "只查大小, 不查内容。")))
    ] = False,
    format: FormatOption = Format.table,
) -> int | None:
    """Verify the store."""
    from keyacct.store.verify import verify as check

    result = check(open_workspace(), quick=quick)
    columns = (Column("code", Text("code", "代码")), _PATH, Column("message", Text("message", "说明")))
    write_rows([finding.as_row() for finding in result.findings], columns, format)
    bad = sum(finding.damage for finding in result.findings)
    say(
        Text(
            f"{result.files} files, {result.bytes} bytes, {result.audit_rows} audit rows checked; {bad} damaged",
            f"已校验文件 {result.files} 个, {result.bytes} 字节, 审计 {result.audit_rows} 行; 损坏 {bad} 处",
        )
    )
    return exit_codes.GATE if result.damaged else exit_codes.DONE


@command(app, help=str(Text("Join the segments of each day into one.", "把每天的多个数据段压实为一个。")))
def compact(
    minimum: Annotated[
        int,
        typer.Option(
            "--minimum", min=2, help=str(Text("Only days in so many segments or more.", "至少这么多段才压实。"))
        ),
    ] = 2,
    dry_run: DryRunOption = False,
    format: FormatOption = Format.table,
) -> int | None:
    """Compact the store."""
    from keyacct.store.compact import compact as join
    from keyacct.store.compact import due

    workspace = open_workspace()
    columns = (
        Column("family", Text("family", "数据族")),
        Column("day", Text("day", "日期")),
        Column("segments", Text("segments", "段数"), 0),
        Column("rows_before", Text("rows before", "原行数"), 0),
        Column("rows_after", Text("rows after", "现行数"), 0),
        Column("bytes_before", Text("bytes before", "原字节"), 0),
        Column("bytes_after", Text("bytes after", "现字节"), 0),
    )
    if dry_run:
        rows = [
            {
                "family": family, "day": day, "segments": len(segments),
                "rows_before": sum(s.rows for s in segments), "bytes_before": sum(s.bytes for s in segments),
            }
            for family, day, segments in due(workspace, minimum=minimum)
        ]  # fmt: skip
        write_rows(rows, columns[:4] + columns[5:6], format)
        return None
    write_rows((done.as_row() for done in join(workspace, minimum=minimum)), columns, format)
    return None


@command(
    app,
    help=str(
        Text(
            "Remove files that were replaced, after the grace time, and left-over files older than a day.",
            "清除已被替换且过宽限期的文件, 以及一天以前的残留文件。",
        )
    ),
)
def clean(
    grace: Annotated[
        int,
        typer.Option(
            "--grace", metavar="SECONDS", min=0,
            help=str(Text("How long a replaced file is kept for readers.", "被替换文件的保留秒数。")),
        ),
    ] = 3600,
    dry_run: DryRunOption = False,
    format: FormatOption = Format.table,
) -> int | None:  # fmt: skip
    """Clean the store."""
    from keyacct.store.verify import clean as remove

    removed = remove(open_workspace(), grace_s=grace, dry_run=dry_run)
    write_rows([{"path": path} for path in removed], (_PATH,), format)
    return None


store_exchange.add_commands(app)
