"""`keyacct listen`."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keyacct.cli import exit_codes
from keyacct.cli.render import say
from keyacct.cli.session import command, make_app, open_workspace
from keyacct.i18n import Text

if TYPE_CHECKING:
    from keyacct.capture.master.limits import Limits
    from keyacct.capture.master.metrics import Metrics
    from keyacct.capture.master.station import Station
    from keyacct.config import Workspace
    from keyacct.workflow.daemon.notify import Heart
    from keyacct.workflow.listen import Listening, ListenSummary

app = make_app()
PROTOCOLS = ("gdw1376.1", "dlt698.45")


@command(
    app,
    help=str(
        Text(
            "Master station for terminals that dial in: confirms log-ins and heartbeats, asks by a plan, fetches "
            "events, keeps the readings in the workspace or in --out. Serves until stopped (Ctrl-C, SIGTERM). "
            "The first line on stdout says where it listens.",
            "主站: 接受终端登录与心跳, 按计划召测, 读取事件, 读数入库或写到 --out。运行到被停止 (Ctrl-C、SIGTERM)。"
            "标准输出首行给出监听地址。",
        )
    ),
)
def listen(
    bind: Annotated[str, typer.Option("--bind", metavar="HOST:PORT", help=str(Text("Where to listen.", "监听地址。")))],
    protocol: Annotated[
        str, typer.Option("--protocol", help=str(Text("gdw1376.1 or dlt698.45.", "gdw1376.1 或 dlt698.45。")))
    ] = "gdw1376.1",
    plan: Annotated[
        Path | None, typer.Option("--plan", metavar="FILE", help=str(Text("What is asked (TOML).", "召测计划 (TOML)。")))
    ] = None,
    allow: Annotated[
        Path | None,
        typer.Option(
            "--allow", metavar="FILE",
            help=str(Text("Addresses of terminals, one a line; else those of the registry.", "终端地址表; 默认取台账。")),
        ),
    ] = None,
    allow_any: Annotated[
        bool, typer.Option("--allow-any", help=str(Text("Serve any terminal.", "接受任何终端。")))
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help=str(Text("Readings to .parquet or .jsonl.", "读数写到文件。"))),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option("--trace", metavar="FILE", help=str(Text("Every byte as a capture.", "记录全部字节。"))),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option("--rounds", min=1, help=str(Text("Ask the plan so often, then stop.", "召测若干轮后结束。"))),
    ] = None,
    backfill: Annotated[
        int | None,
        typer.Option("--backfill", metavar="DAYS", min=0, max=400,
                     help=str(Text("Ask each terminal at its log-in what the store lacks of the last days.",
                                   "终端登录后补召库中最近几天所缺的数据。"))),
    ] = None,
    terminals: Annotated[
        int, typer.Option("--terminals", min=1, help=str(Text("With --rounds: wait for so many.", "等待的终端数。")))
    ] = 1,
    connections: Annotated[
        int | None, typer.Option("--connections", min=1, help=str(Text("At most so many at once.", "最大连接数。")))
    ] = None,
    new_per_address: Annotated[
        int | None,
        typer.Option(
            "--new-per-address", min=1,
            help=str(Text("Not logged in, of one network address.", "单一网络地址未登录连接上限。")),
        ),
    ] = None,
    heartbeat: Annotated[
        float | None, typer.Option("--heartbeat", min=1, help=str(Text("Seconds; three without: closed.", "心跳秒数。")))
    ] = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=0.1, help=str(Text("Seconds for an answer.", "应答超时秒数。")))
    ] = None,
    tries: Annotated[
        int | None, typer.Option("--tries", min=1, help=str(Text("Times asked.", "召测次数。")))
    ] = None,
    metrics: Annotated[
        Path | None,
        typer.Option("--metrics", metavar="FILE", help=str(Text("Prometheus textfile.", "Prometheus 文本文件。"))),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            "--metrics-port", min=0, max=65_535,
            help=str(Text("Prometheus endpoint on 127.0.0.1; 0: any port, the first line says which.",
                          "127.0.0.1 上的 Prometheus 端口; 0 为任意, 首行给出。")),
        ),
    ] = None,
) -> int | None:  # fmt: skip
    """Serve terminals."""
    from keyacct.capture.master.metrics import Metrics
    from keyacct.capture.master.plan import default_plan, load_plan
    from keyacct.capture.replay import DEFAULT_ZONE
    from keyacct.capture.trace import Trace
    from keyacct.errors import UsageError
    from keyacct.workflow.daemon.notify import Heart
    from keyacct.workflow.listen import Listening, make_station, read_allow_list, registered_terminals

    if protocol not in PROTOCOLS:
        raise UsageError(
            "usage.invalid",
            str(
                Text(f"--protocol {protocol}: terminals do not dial in with it", f"--protocol {protocol} 不是终端规约")
            ),
            hint=" | ".join(PROTOCOLS),
        )
    host, port = _address(bind)
    if out is not None and out.suffix not in (".parquet", ".jsonl"):
        raise UsageError("usage.invalid", f"--out {out}: unknown kind of file", hint="end it in .parquet or .jsonl")
    workspace = open_workspace() if out is None else None
    if workspace is not None:
        zone = workspace.zone
    else:
        import zoneinfo

        zone = zoneinfo.ZoneInfo(DEFAULT_ZONE)
    allowed = read_allow_list(allow, protocol) if allow is not None else None
    if allowed is None and not allow_any:
        if workspace is None:
            raise UsageError(
                "usage.invalid",
                str(Text("which terminals are served?", "未指明允许的终端")),
                hint=str(Text("give --allow FILE, or --allow-any", "请给出 --allow FILE 或 --allow-any")),
            )
        allowed = registered_terminals(workspace, protocol)
    limits = _limits(
        workspace, len(allowed or ()), connections=connections, new_per_address=new_per_address, heartbeat_s=heartbeat,
        answer_s=timeout, tries=tries,
    )  # fmt: skip
    recording = Trace(trace) if trace is not None else None
    station = make_station(
        protocol, host, port, zone, limits=limits, allowed=allowed, trace=recording, log=_log
    )  # fmt: skip
    figures, heart = Metrics(metrics, metrics_port), Heart()
    listening = Listening(
        station, load_plan(plan, protocol) if plan is not None else default_plan(protocol), zone,
        workspace=workspace, out=out, rounds=rounds, expected=terminals, log=_log, watch=_watching(figures, heart),
        backfill_days=backfill,
    )  # fmt: skip
    place: dict[str, Any] = {"listening": station.front.host, "port": station.front.port, "protocol": protocol}
    place |= {"metrics_port": figures.port} if metrics_port is not None else {}
    sys.stdout.write(json.dumps(place) + "\n")
    sys.stdout.flush()
    with _stopped_by_signals(listening, heart) as stopped:
        try:
            heart.ready(f"listening on {station.front.host}:{station.front.port}")
            summary = listening.run()
        finally:
            figures.show(station)
            figures.close()
            if recording is not None:
                recording.close()
    _tell(summary)
    if stopped and stopped[0] == signal.SIGINT:
        return exit_codes.INTERRUPTED
    if rounds is not None and summary.failures:
        return exit_codes.PARTIAL if summary.counts.get("answers") else exit_codes.LINK
    return exit_codes.DONE


def _watching(figures: Metrics, heart: Heart) -> Callable[[Station], None]:
    """What is called once a second: figures, and a sign of life for systemd."""

    def watch(station: Station) -> None:
        figures.show(station)
        heart.beat()

    return watch


@contextlib.contextmanager
def _stopped_by_signals(listening: Listening, heart: Heart) -> Iterator[list[int]]:
    """While it lasts Ctrl-C and SIGTERM end the listening; gives the signals that came. systemd is told at the end."""
    stopped: list[int] = []

    def stop(number: int, frame: object) -> None:
        stopped.append(number)
        listening.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        heart.stopping()
        for number, handler in before.items():
            signal.signal(number, handler)


def _limits(workspace: Workspace | None, terminals: int, **given: float | None) -> Limits:
    """The limits of the settings, and what the command line says instead."""
    from keyacct.capture.master.limits import Limits
    from keyacct.config import ListenSettings

    settings = workspace.settings.listen if workspace is not None else ListenSettings.model_construct()
    if given["connections"] is None:
        given["connections"] = max(settings.connections, int(1.5 * terminals))
    return Limits.of(settings, **given)


def _address(bind: str) -> tuple[str, int]:
    from keyacct.errors import UsageError

    host, _, port = bind.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise UsageError("usage.invalid", f"--bind {bind!r} is no HOST:PORT", hint="--bind 127.0.0.1:8001")
    return host.strip("[]"), int(port)


def _log(event: str, **fields: Any) -> None:
    """One line of JSON on stderr."""
    from keyacct import clock

    entry = {"time": clock.now().isoformat(timespec="milliseconds"), "event": event, **fields}
    sys.stderr.write(json.dumps(entry, ensure_ascii=False) + "\n")


def _tell(summary: ListenSummary) -> None:
    counts = summary.counts
    say(
        Text(
            f"{counts.get('logins', 0)} log-ins, {counts.get('answers', 0)} answers, {counts.get('reports', 0)} reports, "
            f"{summary.readings} readings, {len(summary.failures)} without an answer",
            f"登录 {counts.get('logins', 0)}, 应答 {counts.get('answers', 0)}, 上报 {counts.get('reports', 0)}, "
            f"读数 {summary.readings}, 失败 {len(summary.failures)}",
        )
    )
    for failed in summary.failures[:20]:
        say(f"  {failed.terminal} {failed.name}: {failed.cause}")
    if len(summary.failures) > 20:
        say(Text(f"  … {len(summary.failures) - 20} more", f"  … 另有 {len(summary.failures) - 20} 项"))
