"""Builds the command tree, runs one command, turns whatever happens into an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
import typer.core

from keyacct import i18n
from keyacct.cli import exit_codes, session
from keyacct.errors import InternalError, InterruptedRunError, KeyacctError, UsageError, from_os_error
from keyacct.i18n import Lang, Text

ClickUsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""The command-line parser's own usage error; typer keeps the parser private, so it is found by inheritance."""

COMMANDS: dict[str, tuple[str, Text]] = {
    "demo": ("demo", Text("A workspace with real and synthetic data, from frames to reports", "演示: 从报文到报表")),
    "init": ("init", Text("Make a workspace", "新建工作区")),
    "decode": ("decode", Text("Frames of meters and terminals, byte by byte", "逐字节解析表计与终端报文")),
    "registers": ("registers", Text("Data identifiers that can be decoded", "可解析的数据标识")),
    "replay": ("replay", Text("Captured bytes into readings and the store", "回放报文记录, 入库或导出")),
    "poll": ("poll", Text("Ask meters on a line, now or by plan", "召测电表: 即时或按计划")),
    "listen": ("listen", Text("Master station for terminals that dial in", "终端主站")),
    "service": ("service", Text("Unit files to run polling or listening as a service", "服务单元文件")),
    "simulate": ("simulate", Text("Simulated meters and terminals", "模拟电表与终端")),
    "read": ("read", Text("Registers of one meter, by name, now", "按名称立即读一块表")),
    "scan": ("scan", Text("What answers on a line", "搜索线路上的设备")),
    "care": ("care", Text("Clocks, parameters and freezes of meters", "表计维护: 时钟、参数、冻结")),
    "control": ("control", Text("Commands to breakers: shown, rehearsed, read back", "控制命令: 演示、演练、回读")),
    "registry": ("registry", Text("Accounts, points, meters, tariffs, by date", "户、计量点、电表、电价台账")),
    "roster": ("roster", Text("The list of key accounts: rules, decisions, review", "大客户名单")),
    "samples": ("samples", Text("Load curves from elsewhere into the store", "导入外部负荷曲线")),
    "quality": ("quality", Text("Data quality: checks, estimates, edits", "数据质量: 校验、估算、修正")),
    "store": ("store", Text("The sample store: files, check, compaction", "采样库: 文件、校验、压实")),
    "sql": ("sql", Text("One SQL statement over samples and registry", "用 SQL 查询样本与台账")),
    "stats": ("stats", Text("Day and month statistics of Parquet samples", "Parquet 样本的日、月统计")),
    "voltage": ("voltage", Text("Voltage compliance", "电压合格率")),
    "pf": ("pf", Text("Power factor and its assessment", "功率因数及考核")),
    "load": ("load", Text("Load, demand and energy", "负荷、需量与电量")),
    "demand": ("demand", Text("Maximum demand; two-part tariff compared", "最大需量与两部制电价比较")),
    "loading": ("loading", Text("Loading of transformers and CTs in bands", "变压器、互感器负载率分段")),
    "balance": ("balance", Text("Energy balance of busbars, line loss", "母线电量平衡与线损")),
    "imbalance": ("imbalance", Text("Voltage and current unbalance of three phases", "三相电压、电流不平衡度")),
    "query": ("query", Text("Any quantity of any set over any span", "任意数据项、对象、时段的查询")),
    "report": ("report", Text("Reports of accounts as Excel, HTML, CSV", "客户报表 (Excel、HTML、CSV)")),
    "billing": ("billing", Text("Frozen registers for billing, by settlement cycle", "按结算周期冻结并移交结算数据")),
    "audit": ("audit", Text("Who changed what; the chain and its check", "审计链: 谁改了什么, 及其校验")),
    "backup": ("backup", Text("Backups: take, check, list; when one is due", "备份: 执行、校验、列表、到期")),
    "restore": ("restore", Text("Bring a backup back into an empty folder", "把备份恢复到空目录")),
    "config": ("config", Text("Settings of the workspace", "工作区设置")),
    "doctor": ("doctor", Text("Check the workspace and this installation", "检查工作区与安装环境")),
    "shed": ("shed", Text("Orderly power use: plan, and check a plan", "有序用电: 编制方案与校核方案")),
}
"""Command name → (module of `keyacct.cli`, one line of help). A new command is one line here and one module."""


class LazyGroup(typer.core.TyperGroup):
    """The root command: knows the names of its commands, imports one only when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, imported now; None when there is none of that name."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        from importlib import import_module

        app = import_module(f"keyacct.cli.{entry[0]}").app
        command = typer.main.get_command(app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list of commands in `--help`, from the table alone."""
        with formatter.section(str(Text("Commands", "命令"))):
            formatter.write_dl([(name, str(text)) for name, (_, text) in COMMANDS.items()])


def build() -> Any:
    """The root command."""
    app = typer.Typer(
        cls=LazyGroup,
        add_completion=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        help=str(
            Text(
                "Toolkit for the key-account service of a power utility.\n\n"
                "Data goes to stdout, talk to stderr. Every command has --help.",
                "电力大客户服务工具箱。\n\n数据写到标准输出, 提示写到标准错误。每个命令都有 --help。",
            )
        ),
    )

    app.callback()(session.with_shared_options(_root))
    return typer.main.get_command(app)


def _root(
    version: Annotated[bool, typer.Option("--version", help=str(Text("Print the version.", "显示版本。")))] = False,
) -> None:
    if version:
        from keyacct._core import __version__

        sys.stdout.write(f"keyacct {__version__}\n")
        raise typer.Exit


def run(argv: Sequence[str]) -> int:
    """Run one command line; the published exit code."""
    with session.scope():
        return _run(list(argv))


def _run(argv: list[str]) -> int:
    machine = _option(argv, "--format") in ("json", "jsonl")
    debug = "--debug" in argv
    try:
        # Help texts are made when a command is imported, so the language must be known before.
        lang = _option(argv, "--lang")
        if lang is not None:
            i18n.set_language(_language(lang))
        status = build().main(args=_without(argv, "--lang"), prog_name="keyacct", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else exit_codes.DONE
    except KeyacctError as error:
        return _fail(error, machine=machine, debug=debug)
    except KeyboardInterrupt:
        return _fail(
            InterruptedRunError("interrupted.by_user", str(Text("stopped", "已中断"))),
            machine=machine,
            debug=debug,
        )
    except (session.ReaderGoneError, BrokenPipeError):
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_codes.DONE
    except OSError as error:
        writing = error.errno in (errno.ENOSPC, errno.EROFS, errno.EDQUOT)
        return _fail(from_os_error(error, writing=writing), machine=machine, debug=debug)
    except MemoryError:
        return _fail(InternalError("internal.bug", "out of memory"), machine=machine, debug=debug)
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            sys.stderr.write(f"{error}\n")
            return exit_codes.USAGE
        if isinstance(error, ClickUsageError):
            return _fail(_usage(error), machine=machine, debug=debug)
        if isinstance(error, typer.Abort):
            return exit_codes.INTERRUPTED
        hint = "run again with --debug and report what it prints"
        return _fail(
            InternalError("internal.bug", f"{type(error).__name__}: {error}", hint=hint),
            machine=machine,
            debug=debug,
        )


def _usage(error: Any) -> UsageError:
    context = error.ctx
    path = context.command_path if context is not None else "keyacct"
    return UsageError("usage.invalid", str(error.format_message()), hint=f"see `{path} --help`")


def _option(argv: Sequence[str], name: str) -> str | None:
    """The value of an option that must be known before the command line is parsed."""
    for index, word in enumerate(argv):
        if word == "--":
            return None
        if word == name and index + 1 < len(argv):
            return argv[index + 1]
        if word.startswith(name + "="):
            return word.partition("=")[2]
    return None


def _without(argv: Sequence[str], name: str) -> list[str]:
    """The command line without an option that has been dealt with, wherever it stood."""
    kept: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--":
            return [*kept, word, *words]
        if word == name:
            next(words, None)
        elif not word.startswith(name + "="):
            kept.append(word)
    return kept


def _language(name: str) -> Lang:
    if name == "en":
        return "en"
    if name == "zh":
        return "zh"
    raise UsageError("usage.invalid", f"--lang {name!r}", hint="choose en or zh")


def _fail(error: KeyacctError, *, machine: bool, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    if machine:
        import json

        sys.stderr.write(json.dumps(error.as_dict(), ensure_ascii=False) + "\n")
    else:
        sys.stderr.write(f"{Text('error', '错误')}: {_plain(str(error))}\n")
        if error.hint:
            sys.stderr.write(f"{Text('hint', '提示')}: {_plain(error.hint)}\n")
    return error.exit_code


def _plain(text: str) -> str:
    """Text of unknown origin without control characters, so that no file name can steer the terminal."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
