"""`keyacct stats`: month statistics of plain Parquet files."""

from __future__ import annotations

from typing import Annotated

import typer

from keyacct.cli import session
from keyacct.cli.session import command, make_app
from keyacct.i18n import Text

app = make_app()


@command(app, help=str(Text("Day and month statistics of a Parquet data set.", "Parquet 样本的日、月统计。")))
def stats(
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="DIR",
            help=str(Text("Folder with part-*.parquet.", "样本目录 (part-*.parquet)。")),
        ),
    ],
    limits: Annotated[
        str,
        typer.Option(
            "--limits",
            metavar="FILE",
            help=str(Text("Parquet file with the limits of each meter.", "各表计限值文件。")),
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            "--out",
            metavar="DIR",
            help=str(Text("Folder for day.parquet and month.parquet.", "结果目录。")),
        ),
    ],
    interval: Annotated[
        str, typer.Option("--interval", help=str(Text("Nominal interval, for example 15min.", "名义间隔。")))
    ],
    loss: Annotated[
        float,
        typer.Option(
            "--loss",
            help=str(Text("Share of nominal below which a voltage is not assessed.", "低于此标幺值的电压不考核。")),
        ),
    ] = 0.70,
    state: Annotated[
        str | None,
        typer.Option(
            "--state",
            metavar="DIR",
            help=str(
                Text(
                    "Keep the states of days there and compute only what is new or has changed.",
                    "在此目录保存日状态, 只计算新增或变更的部分。",
                )
            ),
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option("--engine", help=str(Text("Where to compute: local.", "计算引擎: local。")))
    ] = "local",
) -> int | None:
    """Compute the tables, and say which meters had no limits."""
    from keyacct.analysis.month_stats import write_stats

    written = write_stats(data, limits, out, interval=interval, loss=loss, engine=engine, state=state)
    if missing := written.without_limits:
        # Not through cli.render: it brings json and csv along, and this command counts its milliseconds.
        names = ", ".join(missing[:10]) + (" …" if len(missing) > 10 else "")
        text = Text(
            f"{len(missing)} meter(s) with readings but without limits are left out: {names}",
            f"{len(missing)} 块表计有读数而无限值, 未统计: {names}",
        )
        _say(text)
    _say(Text(f"{written.rows} readings -> {out}", f"{written.rows} 条读数 -> {out}"), level=1)
    return None


def _say(text: Text, level: int = 0) -> None:
    import sys

    if level <= session.current().verbosity:
        sys.stderr.write(f"{text}\n")
