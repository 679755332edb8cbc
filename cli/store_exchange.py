"""`keyacct store history`, `export`, `publish` and `retire`: what goes out of the store, and what lost in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keyacct.cli.options import DryRunOption, Format, FormatOption
from keyacct.cli.render import Column, say, write_rows
from keyacct.cli.session import command, open_workspace
from keyacct.i18n import Text

_FAMILY = Column("family", Text("family", "数据族"))
_DAY = Column("day", Text("day", "日期"))
_ROWS = Column("rows", Text("rows", "行数"), 0)
_BYTES = Column("bytes", Text("bytes", "字节"), 0)

PeriodArgument = Annotated[
    str, typer.Argument(metavar="PERIOD", help=str(Text("2026-06, 2026-06-01, FROM..TO …", "时段, 如 2026-06。")))
]
FamilyOption = Annotated[
    str | None, typer.Option("--family", help=str(Text("Only this family.", "只处理此数据族。")))
]  # fmt: skip


def add_commands(app: typer.Typer) -> None:
    """Put these commands under `keyacct store`."""
    command(
        app,
        help=str(
            Text(
                "Values that lost against another of their key: when, why, and what holds now.",
                "同一键上被替代的数值: 何时、为何, 以及现行值。",
            )
        ),
    )(history)
    command(
        app,
        help=str(
            Text(
                "Write samples as Parquet for other programs; --wide: one row per meter and time, as `keyacct stats` reads.",
                "导出 Parquet 供其它程序使用; --wide: 每表每时刻一行, 即 `keyacct stats` 的输入。",
            )
        ),
    )(export)
    command(
        app,
        help=str(
            Text(
                "Bring Delta Lake tables up to the live days (extra keyacct[lake]); again changes nothing.",
                "发布为 Delta Lake 表 (需 keyacct[lake]); 重复执行不产生变化。",
            )
        ),
    )(publish)
    command(
        app,
        help=str(
            Text(
                "Take days out of the store that are older than [retention] says. A dry run unless --execute.",
                "按 [retention] 的年限移除过期日期。未加 --execute 时只试运行。",
            )
        ),
    )(retire)


def history(
    period: PeriodArgument,
    meter: Annotated[
        str | None, typer.Option("--meter", metavar="NO", help=str(Text("Only this meter.", "只看此表。")))
    ] = None,
    family: FamilyOption = None,
    column: Annotated[str | None, typer.Option("--column", help=str(Text("Only this column.", "只看此列。")))] = None,
    format: FormatOption = Format.table,
) -> int | None:
    """What lost."""
    from keyacct.model import Period
    from keyacct.store.history import history as read

    workspace = open_workspace()
    start, end = Period.parse(period).bounds_ms(workspace.zone)
    columns = (
        Column("meter", Text("meter", "表号")),
        _FAMILY,
        Column("ts", Text("time", "时间")),
        Column("column", Text("column", "列")),
        Column("value", Text("lost", "被替代值")),
        Column("quality", Text("its quality", "原质量")),
        Column("reason", Text("reason", "原因")),
        Column("holds", Text("holds now", "现行值")),
        Column("holds_quality", Text("quality", "现行质量")),
    )
    write_rows(read(workspace, start, end + 1, meter=meter, family=family, column=column), columns, format)
    return None


def export(
    period: PeriodArgument,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help=str(Text("Folder to write to.", "输出目录。")))],
    wide: Annotated[
        bool, typer.Option("--wide", help=str(Text("All families side by side.", "各数据族并列为宽表。")))
    ] = False,
    family: FamilyOption = None,
    stamp: Annotated[
        str,
        typer.Option(
            "--stamp", metavar="end|start",
            help=str(Text("With --wide: which end of its interval a time names.", "宽表时标为区间终点或起点。")),
        ),
    ] = "end",
    format: FormatOption = Format.table,
) -> int | None:  # fmt: skip
    """Export samples."""
    from keyacct.errors import UsageError
    from keyacct.model import Period

    if stamp not in ("end", "start"):
        raise UsageError("usage.invalid", f"--stamp {stamp!r}", hint="choose end or start")
    if wide == (family is not None):
        raise UsageError("usage.invalid", "choose one: --wide, or --family NAME", hint="see --help")
    workspace = open_workspace()
    start, end = Period.parse(period).bounds_ms(workspace.zone)
    if wide:
        from keyacct.workflow.wide_export import export_limits, export_wide

        # Interval values lie in the civil day that their stamp closes: 00:00 of the next day still belongs here.
        files = export_wide(workspace, out, start + 1, end + 1, stamp=stamp)
        path, limits = export_limits(workspace, out, start, end)
        files.append((path, limits.table.num_rows))
        _say_limits(limits.incomplete, limits.changed)
    else:
        from keyacct.workflow.wide_export import export_family

        files = export_family(workspace, family or "", out, start + 1, end + 1)
    write_rows(
        [{"path": str(path), "rows": rows} for path, rows in files],
        (Column("path", Text("path", "路径")), _ROWS),
        format,
    )
    return None


def _say_limits(incomplete: tuple[str, ...], changed: tuple[str, ...]) -> None:
    """What the limits file cannot say."""
    if incomplete:
        names = ", ".join(incomplete[:10]) + (" …" if len(incomplete) > 10 else "")
        say(
            Text(
                f"{len(incomplete)} meter(s) are not in limits.parquet, as the registry lacks ratio, limits, standard or "
                f"tariff: {names}",
                f"{len(incomplete)} 块表计不在 limits.parquet 中 (台账缺变比、限值、标准或时段): {names}",
            )
        )
    if changed:
        names = ", ".join(changed[:10]) + (" …" if len(changed) > 10 else "")
        say(
            Text(
                f"{len(changed)} meter(s) changed ratio, limits, standard or tariff; those of the end are written: {names}",
                f"{len(changed)} 块表计的变比、限值、标准或时段有变更, 取时段末的值: {names}",
            )
        )


def publish(
    target: Annotated[
        str, typer.Argument(metavar="DIR|URL", help=str(Text("Folder or object store.", "目录或对象存储。")))
    ],
    family: FamilyOption = None,
    period: Annotated[
        str | None, typer.Option("--period", metavar="PERIOD", help=str(Text("Only these days.", "只发布此时段。")))
    ] = None,
    format: FormatOption = Format.table,
) -> int | None:
    """Publish to Delta Lake."""
    from keyacct.model import Period
    from keyacct.store.families import family_of
    from keyacct.store.publish import publish as bring

    days = Period.parse(period) if period is not None else None
    done = bring(
        open_workspace(), target, family=family_of(family).name if family is not None else None,
        from_day=days.first.isoformat() if days else "", to_day=days.last.isoformat() if days else "9",
    )  # fmt: skip
    columns = (_FAMILY, _DAY, _ROWS, Column("changed", Text("written", "已写入")))
    write_rows((published.as_row() for published in done), columns, format)
    return None


def retire(
    execute: Annotated[bool, typer.Option("--execute", help=str(Text("Really do it.", "确实执行。")))] = False,
    dry_run: DryRunOption = False,
    format: FormatOption = Format.table,
) -> int | None:
    """Retire old days."""
    from keyacct.errors import UsageError
    from keyacct.store.retention import retire as leave

    if execute and dry_run:
        raise UsageError("usage.invalid", "--execute and --dry-run exclude each other", hint="choose one")
    found = leave(open_workspace(), execute=execute)
    columns = (
        _FAMILY, _DAY, Column("keep_days", Text("keep days", "保留天数"), 0),
        Column("segments", Text("segments", "段数"), 0), _ROWS, _BYTES,
    )  # fmt: skip
    write_rows([retired.as_row() for retired in found], columns, format)
    if not execute:
        say(Text("dry run: nothing was retired; --execute does it", "试运行: 未移除; 加 --execute 执行"))
    return None
