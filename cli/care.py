"""`keyacct care`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keyacct.cli import exit_codes
from keyacct.cli.options import AllOption, Format, FormatOption, GroupOption, TimeoutOption
from keyacct.cli.render import Column, say, write_rows
from keyacct.cli.session import command, make_app, open_workspace
from keyacct.i18n import Text

if TYPE_CHECKING:
    from keyacct.workflow.care.lines import Lines
    from keyacct.workflow.care.parameters import Compared
    from keyacct.workflow.poll_targets import Target

app = make_app(
    no_args_is_help=True,
    help=str(
        Text(
            "Care of meters: clocks read and set, parameters compared, freezes; what is not as it should be.",
            "表计维护: 读时钟与校时、参数比对、冻结命令; 列出异常。",
        )
    ),
)

_METER = Column("meter", Text("meter", "表号"))
_LINE = Column("line", Text("line", "线路"))
_STATE = Column("state", Text("state", "状态"))
_DETAIL = Column("detail", Text("detail", "说明"))
_FRAME = Column("frame", Text("frame", "报文"))
_METHOD = Column("method", Text("method", "方式"))
_EXPECTED = Column("expected", Text("expected", "应为"))
_FOUND = Column("found", Text("found", "实为"))
_CLOCK = (
    _METER, _LINE, Column("verdict", Text("verdict", "判断")), Column("deviation_s", Text("off s", "误差 秒"), 1),
    Column("uncertainty_s", Text("± s", "± 秒"), 1), Column("device_time", Text("its time", "表时间")),
)  # fmt: skip
_SYNC = (
    *_CLOCK[:5], _STATE, _METHOD, Column("after_s", Text("after s", "校后 秒"), 1), _DETAIL, _FRAME,
)  # fmt: skip
_FREEZE = (_METER, _LINE, _STATE, _METHOD, Column("frozen_at", Text("frozen at", "冻结时间")), _DETAIL, _FRAME)
_CHECK = (_METER, Column("parameter", Text("parameter", "参数")), _STATE, _EXPECTED, _FOUND, _DETAIL)
_DEVICE = Column("device", Text("device", "设备"))
_FINDINGS = (
    Column("rule", Text("rule", "规则")), _DEVICE, Column("account_no", Text("account", "户号")),
    Column("parameter", Text("parameter", "参数")), Column("severity", Text("severity", "程度")), _EXPECTED, _FOUND,
    Column("since", Text("since", "起")), Column("resolved_at", Text("until", "止")), _DETAIL,
)  # fmt: skip
_ACTIONS = (
    Column("action", Text("no", "序号"), 0), Column("begun_at", Text("at", "时间")), Column("kind", Text("what", "操作")),
    _DEVICE, _METHOD, _STATE, Column("seen", Text("seen", "结果")), Column("noted_by", Text("by", "操作人")),
)  # fmt: skip

MetersArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[METER]…", help=str(Text("Meters of the registry.", "台账中的电表。")))
]
ExecuteOption = Annotated[
    bool, typer.Option("--execute", help=str(Text("Send it; without, it is only shown.", "下发; 不加则只演示。")))
]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", metavar="NO", help=str(Text("Only this meter or terminal.", "只看此表或终端。"))),
]


@contextlib.contextmanager
def _round(
    meters: Sequence[str] | None, group: str | None, timeout_s: float | None, *, everybody: bool
) -> Iterator[tuple[Lines, list[Target]]]:
    """The lines of the workspace and the meters that were chosen, while no other round goes on."""
    from keyacct.workflow.care.lines import Lines
    from keyacct.workflow.poll_round import poll_lock
    from keyacct.workflow.poll_targets import choose, read_targets

    workspace = open_workspace()
    chosen = choose(read_targets(workspace), tuple(meters or ()), group, everybody=everybody)
    lines = Lines(workspace, timeout_s)
    with poll_lock(workspace):
        yield lines, chosen


def _code(lines: Lines, failed: Sequence[bool], *, heard: bool = False) -> int:
    """0; 6 when something failed; 5 when all did and nobody was heard. Raises InterruptedRunError (130)."""
    if lines.stop.is_set():
        from keyacct.errors import InterruptedRunError

        raise InterruptedRunError(
            "interrupted.by_user", str(Text("stopped; what was read is kept", "已中断, 已读数据均已保存"))
        )
    if not any(failed):
        return exit_codes.DONE
    return exit_codes.LINK if all(failed) and not heard else exit_codes.PARTIAL


@command(
    app,
    help=str(
        Text(
            "Read the clocks of meters against the middle of the exchange. Off by more than 5 min is a finding.",
            "读表计时钟, 以通信往返中点为准。超差 5 分钟以上记为异常。",
        )
    ),
)
def clocks(
    meters: MetersArgument = None,
    everybody: AllOption = False,
    group: GroupOption = None,
    timeout: TimeoutOption = None,
    format: FormatOption = Format.table,
) -> int | None:
    """Read clocks."""
    from keyacct.workflow.care.clocks import keep, measure

    with _round(meters, group, timeout, everybody=everybody) as (lines, chosen):
        found = measure(lines, chosen)
        opened, closed = keep(lines.workspace, found)
    rows = [each.row() for each in found]
    write_rows(rows, (*_CLOCK, _DETAIL), format)
    _say_findings(opened, closed)
    return _code(lines, [each.verdict == "failed" for each in found])


def _say_findings(opened: int, closed: int) -> None:
    from keyacct import clock

    if clock.is_fixed():
        say(Text("our clock is fixed: what clocks said is not kept", "本机时钟已固定: 时钟结果不保存"))
    if opened or closed:
        say(Text(f"{opened} findings opened, {closed} closed", f"新增异常 {opened} 项, 消除 {closed} 项"))


@command(
    app,
    help=str(
        Text(
            "Set clocks that are 1 to 15 min off: a dry run that shows the frames unless --execute and care.sync_clock. "
            "Never near a full hour or midnight, once a day, and read back.",
            "对误差 1 至 15 分钟的表校时: 默认只演示报文, 需 --execute 且 care.sync_clock 开启。"
            "临近整点和零点不校时, 每日一次, 校后回读。",
        )
    ),
)
def sync(
    meters: MetersArgument = None,
    everybody: AllOption = False,
    group: GroupOption = None,
    broadcast: Annotated[
        bool,
        typer.Option(
            "--broadcast",
            help=str(
                Text(
                    "One 08H to a whole line, if all its meters were read and are within 5 min.",
                    "整条线路广播校时 (08H), 要求全部表已读到且误差不超过 5 分钟。",
                )
            ),
        ),
    ] = False,
    compared: Annotated[
        bool,
        typer.Option(
            "--clock-compared",
            help=str(
                Text(
                    "Our own clock was compared: it is most meters that are wrong alike.",
                    "已核对本机时钟: 确为多数表一致超差。",
                )
            ),
        ),
    ] = False,
    execute: ExecuteOption = False,
    timeout: TimeoutOption = None,
    format: FormatOption = Format.table,
) -> int | None:
    """Set clocks."""
    from keyacct.workflow.care.sync import sync_clocks

    with _round(meters, group, timeout, everybody=everybody) as (lines, chosen):
        done = sync_clocks(lines, chosen, execute=execute, broadcast=broadcast, trusted=compared)
    rows = [setting.row() for setting in done.settings]
    write_rows(rows, _SYNC, format)
    for text in done.refusals.values():
        say(Text(f"against it: {text.en}", f"不可执行: {text.zh}"))
    if not done.executed:
        say(Text("dry run: no clock was set", "试运行: 未校时"))
    _say_findings(done.opened, done.closed)
    bad = ("failed", "unproved", "not_sent", "changed")
    wrong = [s.clock.verdict == "failed" or (done.executed and s.state in bad) for s in done.settings]
    return _code(lines, wrong, heard=any(setting.clock.reading is not None for setting in done.settings))


@command(
    app,
    help=str(
        Text(
            "Tell meters to freeze (DL/T 645-2007): a dry run that shows the frames unless --execute and care.freeze. "
            "A freeze at once is read back and stored.",
            "下发冻结命令 (DL/T 645-2007): 默认只演示报文, 需 --execute 且 care.freeze 开启。瞬时冻结随即回读入库。",
        )
    ),
)
def freeze(
    meters: MetersArgument = None,
    everybody: AllOption = False,
    group: GroupOption = None,
    at: Annotated[
        str,
        typer.Option(
            "--at",
            metavar="WHEN",
            help=str(Text("now, hour:MM, day:HHMM, month:DDHHMM.", "now、hour:MM、day:HHMM、month:DDHHMM。")),
        ),
    ] = "now",
    broadcast: Annotated[
        bool,
        typer.Option(
            "--broadcast",
            help=str(Text("One command to whole lines, all at the same instant.", "对整条线路广播, 同一时刻冻结。")),
        ),
    ] = False,
    execute: ExecuteOption = False,
    timeout: TimeoutOption = None,
    format: FormatOption = Format.table,
) -> int | None:
    """Freeze."""
    from keyacct.capture.device_freeze import freeze_word
    from keyacct.workflow.care.freeze import freeze_meters

    word = freeze_word(at)
    with _round(meters, group, timeout, everybody=everybody) as (lines, chosen):
        done = freeze_meters(lines, chosen, word, execute=execute, broadcast=broadcast)
    rows = [each.row() for each in done.freezings]
    write_rows(rows, _FREEZE, format)
    if not done.executed:
        say(Text("dry run: nothing was frozen", "试运行: 未冻结"))
        return exit_codes.DONE
    bad = ("failed", "unproved", "not_sent")
    failed = [each.state in bad for each in done.freezings if each.state != "not_offered"]
    if done.stored is not None:
        added = done.stored.progress.rows_added
        say(Text(f"{added} rows of frozen registers stored", f"冻结示数入库 {added} 行"))
        if done.stored.failed:
            return exit_codes.PARTIAL
    return _code(lines, failed, heard=any(each.state not in ("not_sent", "not_offered") for each in done.freezings))


@command(
    app,
    help=str(
        Text(
            "Compare clocks and parameters with the registry: ratios, demand window and slip, constant, freeze time, "
            "tariff tables, the meter's reference set. What differs is a finding until it agrees again.",
            "将时钟与参数同台账比对: 变比、需量周期与滑差、常数、冻结时间、时段表、参数集。不符记为异常, 一致后自动消除。",
        )
    ),
)
def check(
    meters: MetersArgument = None,
    everybody: AllOption = False,
    group: GroupOption = None,
    timeout: TimeoutOption = None,
    fail: Annotated[
        bool, typer.Option("--fail-on-finding", help=str(Text("Exit 7 when something differs.", "有不符时退出码 7。")))
    ] = False,
    format: FormatOption = Format.table,
) -> int | None:
    """Compare parameters."""
    from keyacct.workflow.care.clocks import keep, measure
    from keyacct.workflow.care.parameters import compare_parameters, keep_parameters

    with _round(meters, group, timeout, everybody=everybody) as (lines, chosen):
        found = measure(lines, chosen)
        kept = keep(lines.workspace, found)
        compared = compare_parameters(lines, chosen)
        also = keep_parameters(lines.workspace, compared)
    limit_s = lines.workspace.settings.care.clock_limit_s
    rows: list[dict[str, Any]] = []
    by_meter: dict[str, list[Compared]] = {}
    for one in compared:
        if one.parameter:
            by_meter.setdefault(one.target.meter_no, []).append(one)
    for each in found:
        row = each.row()
        off = each.reading is not None and each.reading.least_s > limit_s
        state = each.verdict if each.reading is None or each.verdict == "unclear" else "differs" if off else "agrees"
        said = f"{row['deviation_s']:+.1f} s" if each.reading else ""
        rows.append({"meter": row["meter"], "line": row["line"], "parameter": "clock", "state": state,
                     "expected": f"±{limit_s:g} s", "found": said, "detail": row["detail"]})  # fmt: skip
        rows += [one.row() for one in by_meter.get(each.target.meter_no, ()) if one.state != "no_reference"]
    write_rows(rows, _CHECK, format)
    _say_findings(kept[0] + also[0], kept[1] + also[1])
    silent = sum(each.state == "no_reference" for each in compared)
    if silent:
        say(Text(f"of {silent} parameters the registry says nothing", f"有 {silent} 项参数台账未规定"))
    failed = {each.target.meter_no for each in found if each.verdict == "failed"}
    failed |= {each.target.meter_no for each in compared if each.state == "failed"}
    if fail and any(row["state"] == "differs" for row in rows):
        return exit_codes.GATE
    return _code(lines, [target.meter_no in failed for target in chosen])


@command(app, help=str(Text("What is not as it should be, by device; asks nobody.", "列出异常, 不召测。")))
def findings(
    device: DeviceOption = None,
    rule: Annotated[str | None, typer.Option("--rule", help=str(Text("Only this rule.", "只看此规则。")))] = None,
    resolved: Annotated[
        bool, typer.Option("--resolved", help=str(Text("Also what is over.", "包括已消除的。")))
    ] = False,
    format: FormatOption = Format.table,
) -> int | None:
    """List findings."""
    from keyacct.workflow.care.findings import findings as read

    write_rows(read(open_workspace(), device=device, rule=rule, resolved=resolved), _FINDINGS, format)
    return None


@command(
    app,
    help=str(Text("What was sent to devices, and what came of it; asks nobody.", "列出已下发的操作及结果, 不召测。")),
)
def actions(device: DeviceOption = None, format: FormatOption = Format.table) -> int | None:
    """List actions."""
    from keyacct.workflow.care.journal import actions as read

    write_rows(read(open_workspace(), device=device), _ACTIONS, format)
    return None
