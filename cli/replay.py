"""`keyacct replay`."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keyacct.cli import exit_codes
from keyacct.cli.options import DryRunOption, Format, FormatOption
from keyacct.cli.render import Column, say, write_rows
from keyacct.cli.session import command, make_app, open_workspace
from keyacct.cli.tally import say_failure, say_tally
from keyacct.i18n import Text

if TYPE_CHECKING:
    from keyacct.workflow.replay import ReplayOptions

app = make_app()


@command(
    app,
    help=str(
        Text(
            "Read captures (text logs, raw bytes, pcap): readings go to the workspace, or to --out. Replaying the same "
            "capture again adds nothing. Ends with a tally on stderr.",
            "回放报文记录 (文本日志、原始字节、pcap): 读数入库或写到 --out。重复回放不增加数据。统计写到标准错误。",
        )
    ),
)
def replay(
    captures: Annotated[list[str], typer.Argument(metavar="CAPTURE…", help=str(Text("Captures.", "报文记录文件。")))],
    out: Annotated[
        str | None,
        typer.Option(
            "--out", metavar="FILE|DIR",
            help=str(Text("Write readings to this file or folder.", "读数写到文件或目录。")),
        ),
    ] = None,
    expect: Annotated[
        Path | None,
        typer.Option("--expect", metavar="FILE", help=str(Text("Compare with this JSONL.", "与 JSONL 比较。"))),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help=str(Text("A bad frame is a failure (exit 6).", "坏帧视为失败。")))
    ] = False,
    protocol: Annotated[str, typer.Option("--protocol", help=str(Text("Protocol.", "规约。")))] = "auto",
    date: Annotated[
        str | None, typer.Option("--date", help=str(Text("Day of a log that has only times of day.", "日志日期。")))
    ] = None,
    assume_time: Annotated[
        str | None,
        typer.Option("--assume-time", metavar="START[+STEP]", help=str(Text("Time of frames.", "无时标帧的时间。"))),
    ] = None,
    registers: Annotated[
        list[str] | None, typer.Option("--registers", metavar="FILE", help=str(Text("Further registers.", "附加标识表。")))
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="NAME",
            help=str(Text("What the Modbus devices are (sdm630 …).", "Modbus 设备型号 (sdm630 等)。")),
        ),
    ] = None,
    dry_run: DryRunOption = False,
    format: FormatOption = Format.table,
) -> int | None:  # fmt: skip
    """Replay captures."""
    from keyacct.workflow.replay import ReplayOptions

    options = ReplayOptions(protocol, _day(date), assume_time, tuple(registers or ()), strict, model)
    if out is not None or expect is not None:
        return _to_files(captures, options, out, expect, dry_run=dry_run)
    return _to_store(captures, options, format, dry_run=dry_run)


def _day(text: str | None) -> dt.date | None:
    """The day of `--date`."""
    if text is None:
        return None
    from keyacct.errors import UsageError

    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            "usage.invalid",
            str(Text(f"--date {text!r} is no day", f"--date {text!r} 不是日期")),
            hint=str(Text("write --date 2026-07-01", "应写作 --date 2026-07-01")),
        ) from None


def _to_store(captures: list[str], options: ReplayOptions, format: Format, *, dry_run: bool) -> int:
    from keyacct.workflow.replay import replay_capture

    summaries = replay_capture(open_workspace(), captures, options, dry_run=dry_run)
    done = [summary for summary in summaries if summary.error is None]
    columns = (
        Column("file", Text("capture", "报文记录")),
        Column("readings", Text("readings", "读数"), 0),
        Column("undated", Text("undated", "无时标"), 0),
        Column("added", Text("rows added", "新增行"), 0),
        Column("duplicates", Text("duplicates", "重复"), 0),
        Column("revisions", Text("revisions", "修订"), 0),
        Column("already_ingested", Text("known", "已入库")),
    )
    if done:
        write_rows([summary.as_row() for summary in done], columns, format)
    failed = False
    only_error = None if done else summaries[0].error  # raised below, so not told here as well
    for summary in summaries:
        say_tally(summary.file, summary.tally)
        if summary.error is not None and summary.error is not only_error:
            say_failure(summary.error)
        if summary.failure is not None:
            say_failure(summary.failure)
            failed = True
        if summary.no_time and summary.error is None:
            say(summary.no_time)
            failed = True
        for device, rows in summary.stored.unresolved.items() if summary.stored is not None else ():
            say(
                Text(
                    f"unknown device {device}: {rows} rows are kept under this name until the registry knows it",
                    f"未知设备 {device}: {rows} 行暂以此名保存, 台账登记后自动归入",
                )
            )
        failed = failed or _bad_frames(summary.tally, options)
    if not done:
        error = summaries[0].error
        if error is None:
            return exit_codes.DONE
        raise error
    if dry_run:
        say(Text("dry run: nothing was written", "试运行: 未写入"))
    return exit_codes.PARTIAL if failed or len(done) < len(summaries) else exit_codes.DONE


def _to_files(
    captures: list[str], options: ReplayOptions, out: str | None, expect: Path | None, *, dry_run: bool
) -> int:
    import pyarrow as pa

    from keyacct.errors import GateError, InputError, KeyacctError, PartialError
    from keyacct.workflow.replay import compare, read_readings, reading_line, reading_rows, tally_dict, write_readings

    tables: list[tuple[str, Any]] = []
    failures: list[KeyacctError] = []
    failed = False
    for capture in captures:
        try:
            for name, replayed in read_readings([capture], options):
                tally = tally_dict(replayed.tally)
                say_tally(name, tally)
                failed = failed or _bad_frames(tally, options)
                if replayed.failure is not None:
                    say_failure(replayed.failure)
                    failed = True
                tables.append((name, replayed.readings))
        except (InputError, PartialError) as error:
            failures.append(error)
            say_failure(error)
    if not tables:
        raise failures[0]
    joined = pa.concat_tables([table.unify_dictionaries() for _, table in tables], promote_options="permissive")
    if out == "-":
        for row in reading_rows(joined):
            sys.stdout.write(reading_line(row) + "\n")
    elif out is not None and not dry_run:
        target = Path(out)
        if target.is_dir() or not target.suffix:
            _write_folder(target, tables)
        else:
            write_readings(joined, target)
    if expect is not None:
        difference = compare(joined, expect)
        if difference:
            say("\n".join(difference))
            raise GateError(
                "gate.failed",
                str(Text("the readings differ from the golden list", "读数与标准结果不一致")),
                where={"file": str(expect)},
            )
    return exit_codes.PARTIAL if failures or failed else exit_codes.DONE


def _write_folder(folder: Path, tables: list[tuple[str, Any]]) -> None:
    from keyacct.errors import from_os_error
    from keyacct.workflow.replay import write_readings

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise from_os_error(error, writing=True, file=str(folder)) from None
    used: set[str] = set()
    for name, table in tables:
        stem = Path(name).name if name != "-" else "stdin"
        number = 1
        while (unique := stem if number == 1 else f"{stem}-{number}") in used:
            number += 1
        used.add(unique)
        write_readings(table, folder / f"{unique}.parquet")


def _bad_frames(tally: dict[str, Any], options: ReplayOptions) -> bool:
    """Whether `--strict` was asked for and a frame is bad."""
    return options.strict and bool(tally.get("invalid"))
