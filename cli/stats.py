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
        str,
        typer.Option(
            "--engine",
            help=str(
                Text("local, or dask: ranges of meters on many machines.", "local, 或 dask (按表计分段, 多机计算)。")
            ),
        ),
    ] = "local",
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler",
            metavar="ADDRESS",
            envvar="KEYACCT_DASK_SCHEDULER",
            help=str(
                Text(
                    "Dask scheduler, for example tcp://host:8786 (else workers are started here).",
                    "Dask 调度器地址, 如 tcp://host:8786 (缺省在本机启动)。",
                )
            ),
        ),
    ] = None,
) -> int | None:
    """Compute the tables, and say which meters had no limits."""
    from keyacct.analysis.month_stats import write_stats

    written = write_stats(
        data, limits, out, interval=interval, loss=loss, engine=engine, state=state,
        scheduler=scheduler if engine == "dask" else None,
    )  # fmt: skip
    if missing := written.without_limits:
        # Not through cli.render: it brings json and csv along, and this command counts its milliseconds.
        names = ", ".join(missing[:10]) + (" …" if len(missing) > 10 else "")
        text = Text(
            f"{len(missing)} meter(s) with readings but without limits are left out: {names}",
            f"{len(missing)} 块表计有读数而无限值, 未统计: {names}",
        )
        _say(text)
    if engine == "dask" and session.current().verbosity >= 1:
        from pathlib import Path

        from keyacct.analysis.cluster_stats import tables_digest

        digest = tables_digest(Path(out))[:16]
        _say(
            Text(
                f"digest {digest}, tasks {written.tasks}, retried tasks {written.retried}",
                f"摘要 {digest}, 任务 {written.tasks}, 重试任务 {written.retried}",
            ),
            level=1,
        )
    _say(Text(f"{written.rows} readings -> {out}", f"{written.rows} 条读数 -> {out}"), level=1)
    session.current().leaves_nothing = engine == "local"
    return None


def _say(text: Text, level: int = 0) -> None:
    import sys

    if level <= session.current().verbosity:
        sys.stderr.write(f"{text}\n")
