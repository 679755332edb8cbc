"""What `keyacct poll` does with the meters of a workspace."""

from __future__ import annotations

import contextlib
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from keyacct import clock
from keyacct.cli import exit_codes
from keyacct.cli.options import Format
from keyacct.cli.poll_view import PollView, log
from keyacct.cli.render import Column, say, write_rows
from keyacct.cli.session import open_workspace
from keyacct.i18n import Text

if TYPE_CHECKING:
    from keyacct.config import Workspace
    from keyacct.workflow.care.due import CareJob
    from keyacct.workflow.poll_backfill import Gap
    from keyacct.workflow.poll_due import Job
    from keyacct.workflow.poll_round import Progress, RoundResult

SUMMARY = (
    Column("meters", Text("meters", "电表"), 0), Column("items", Text("items", "项目"), 0),
    Column("read", Text("read", "读到"), 0), Column("failed", Text("failed", "失败"), 0),
    Column("first_pass_rate", Text("first pass", "一次成功率"), 4), Column("final_rate", Text("final", "最终成功率"), 4),
    Column("rows_added", Text("rows added", "新增行"), 0),
)  # fmt: skip
PLANS = (
    Column("plan", Text("plan", "计划")), Column("schedule", Text("schedule", "时间")),
    Column("meters", Text("meters", "电表"), 0), Column("due", Text("due", "到期"), 0),
    Column("oldest_due", Text("oldest due", "最早到期")), Column("last_served", Text("last served", "最近执行")),
    Column("items_today", Text("items today", "今日项目"), 0),
    Column("first_pass_rate", Text("first pass", "一次成功率"), 4), Column("final_rate", Text("final", "最终成功率"), 4),
    Column("missed", Text("missed", "漏采"), 0),
)  # fmt: skip
FAILURES = (
    Column("meter_no", Text("meter", "电表")), Column("item", Text("item", "项目")), Column("cause", Text("cause", "原因")),
    Column("detail", Text("seen", "现象")), Column("failed_at", Text("last", "最近")), Column("times", Text("times", "次数"), 0),
)  # fmt: skip
GAPS = (
    Column("meter", Text("meter", "电表")), Column("family", Text("values", "数据")), Column("kind", Text("kind", "类别")),
    Column("first", Text("first", "起")), Column("last", Text("last", "止")), Column("count", Text("missing", "缺失"), 0),
    Column("cause", Text("cause", "原因")),
)  # fmt: skip
MOST_TOLD = 20


@dataclass(frozen=True)
class Wish:
    """What the command line asks of a workspace."""

    meters: tuple[str, ...] = ()
    group: str | None = None
    items: tuple[str, ...] = ()
    everybody: bool = False
    due: bool = False
    backfill: str | None = None
    gaps: str | None = None
    every: str | None = None
    status: bool = False
    failing: bool = False
    retries: int | None = None
    timeout_s: float | None = None
    registers: tuple[str, ...] = ()
    out: str | None = None
    trace: str | None = None
    metrics: str | None = None
    metrics_port: int | None = None
    dry_run: bool = False


def poll_workspace(wish: Wish, format: Format) -> int:
    """Show how things stand, run one round, or serve; the exit code."""
    from keyacct.errors import UsageError
    from keyacct.workflow import poll_status
    from keyacct.workflow.poll import check_patience

    check_patience(wish.timeout_s, wish.retries)
    workspace = open_workspace()
    if wish.failing:
        write_rows(poll_status.failing(workspace), FAILURES, format)
        return exit_codes.DONE
    if wish.gaps is not None:
        write_rows([gap.as_row() for gap in _gaps(workspace, wish)], GAPS, format)
        return exit_codes.DONE
    if wish.status:
        write_rows(poll_status.plan_status(workspace), PLANS, format)
        if wish.metrics:
            poll_status.write_metrics(workspace, Path(wish.metrics))
        return exit_codes.DONE
    if wish.every is None:
        if wish.metrics_port is not None:
            raise UsageError(
                "usage.invalid",
                str(Text("--metrics-port is for a service (--every)", "--metrics-port 需配合 --every")),
                hint=str(Text("--metrics FILE writes a text file after the round", "--metrics 文件 在一轮后写出")),
            )
        return _one(workspace, wish, format)
    return _serve(workspace, wish, format)


class _Watch:
    """What goes on beside a round: the live view, signs of life for systemd, figures for Prometheus."""

    def __init__(self, workspace: Workspace, wish: Wish) -> None:
        from keyacct.capture.metrics_page import MetricsPage
        from keyacct.workflow.daemon.notify import Heart

        self.workspace = workspace
        self.heart = Heart()
        self.page = MetricsPage(Path(wish.metrics) if wish.metrics else None, wish.metrics_port)
        self._standing = ""

    def round(self, progress: Progress | None = None) -> None:
        """A round goes on."""
        from keyacct.workflow.poll_status import round_metrics_text

        self.heart.beat()
        if self.page.shown:
            self.page.show(self._standing + round_metrics_text(progress))

    def between(self) -> None:
        """No round goes on: figures of the plans anew."""
        from keyacct.workflow.poll_status import metrics_text

        if self.page.shown:
            self._standing = metrics_text(self.workspace)
            self.round()


def _serve(workspace: Workspace, wish: Wish, format: Format) -> int:
    from keyacct.errors import KeyacctError
    from keyacct.workflow.poll_service import parse_every, serve, stopped_by_signals

    every_s = parse_every(wish.every or "")
    stop = threading.Event()
    watch = _Watch(workspace, wish)

    def act() -> None:
        try:
            _one(workspace, wish, format, watch)
        except KeyacctError as error:
            if error.exit_code in (exit_codes.CONFIG, exit_codes.USAGE, exit_codes.WRITE, exit_codes.INTERNAL):
                raise
            if error.exit_code == exit_codes.INTERRUPTED:
                stop.set()
            log("poll_error", code=error.code, message=str(error))

    with stopped_by_signals(stop):
        try:
            watch.between()
            serve(every_s, act, stop=stop, heart=watch.heart)
        except KeyboardInterrupt:
            stop.set()
        finally:
            watch.page.close()
    say(Text("stopped; what was read is stored", "已停止, 已读数据均已入库"))
    return exit_codes.DONE


def _gaps(workspace: Workspace, wish: Wish) -> list[Gap]:
    """What is missing of the days that --gaps or --backfill names."""
    from keyacct.workflow.poll_backfill import find_gaps
    from keyacct.workflow.poll_targets import choose, read_targets

    option, days = ("--gaps", wish.gaps) if wish.gaps is not None else ("--backfill", wish.backfill or "")
    everybody = wish.everybody or not (wish.meters or wish.group)
    targets = choose(read_targets(workspace), wish.meters, wish.group, everybody=everybody)
    return find_gaps(workspace, targets, days, option=option)


def _tell_gaps(workspace: Workspace, wish: Wish) -> None:
    """What is still missing after a backfill, by cause: nobody shall take it for filled."""
    left: dict[str, list[int]] = {}
    for gap in _gaps(workspace, wish):
        counts = left.setdefault(gap.cause, [0, 0])
        counts[0] += 1
        counts[1] += gap.count
    for cause, (gaps, values) in sorted(left.items()):
        say(Text(f"still missing, {cause}: {values} values in {gaps} gaps; `keyacct poll --gaps {wish.backfill}` names them",
                 f"仍缺失, {cause}: {gaps} 段共 {values} 个值; `keyacct poll --gaps {wish.backfill}` 可列出"))  # fmt: skip


def _jobs(workspace: Workspace, wish: Wish) -> list[Job]:
    from keyacct.capture.items import ItemCatalogue
    from keyacct.capture.poller import ON_DEMAND
    from keyacct.errors import UsageError
    from keyacct.workflow.poll_due import Job, due_jobs
    from keyacct.workflow.poll_targets import choose, items_for, read_plans, read_targets

    targets, plans = read_targets(workspace), read_plans(workspace)
    if wish.backfill is not None:
        from keyacct.workflow.poll_backfill import backfill_jobs

        asked = choose(targets, wish.meters, wish.group, everybody=wish.everybody or not (wish.meters or wish.group))
        return backfill_jobs(workspace, asked, wish.backfill)
    if wish.due:
        if wish.meters or wish.group:
            targets = {target.meter_no: target for target in choose(targets, wish.meters, wish.group)}
        return due_jobs(workspace, targets, plans, clock.now(), wish.registers)
    catalogue = ItemCatalogue(wish.registers)
    given = [part.strip() for text in wish.items for part in text.split(",") if part.strip()]
    jobs = []
    for target in choose(targets, wish.meters, wish.group, everybody=wish.everybody):
        names = given or [name for plan in plans if plan.covers(target) for name in plan.items]
        items = items_for(catalogue, target, names)
        if items:
            jobs.append(Job(target, items, ON_DEMAND))
    if not jobs:
        raise UsageError(
            "usage.invalid",
            str(
                Text(
                    "nothing to ask: no --item, and no plan covers these meters",
                    "无可召测项目: 未给 --item, 也无适用计划",
                )
            ),
            hint=str(
                Text("add --item, or a [[poll_plan]] with a [[poll_assignment]]", "加 --item, 或在台账中配置计划")
            ),
        )
    return jobs


def _one(workspace: Workspace, wish: Wish, format: Format, watch: _Watch | None = None) -> int:
    from keyacct.workflow.poll_round import poll_lock, run_round

    if wish.dry_run:
        return _dry(workspace, wish, _jobs(workspace, wish), format)
    watch = watch or _Watch(workspace, wish)
    by_hand = not wish.due and wish.backfill is None and wish.every is None
    # What a person asks waits for no round of another process: it has no due times, and lines give way to it.
    with contextlib.nullcontext() if by_hand else poll_lock(workspace):
        jobs = _jobs(workspace, wish)
        if not jobs:
            code = _care(workspace, wish)
            if wish.backfill is not None:
                say(Text("nothing can be filled", "没有可补采的数据"))
                _tell_gaps(workspace, wish)
            elif code is None:
                say(Text("nothing is due", "没有到期项目"))
            watch.between()
            return code or exit_codes.DONE
        view = PollView(workspace.zone)

        def pulse(progress: Progress) -> None:
            view.pulse(progress)
            watch.round(progress)

        try:
            result = run_round(
                workspace, jobs, progress=view, pulse=pulse, trace=wish.trace, retries=wish.retries,
                timeout_s=wish.timeout_s, registers=wish.registers, keep_answers=by_hand,
            )  # fmt: skip
        finally:
            view.close()
        code = None if result.interrupted else _care(workspace, wish)
    watch.between()
    if wish.backfill is not None and not result.interrupted:
        _tell_gaps(workspace, wish)
    return _conclude(workspace, wish, result, format, by_hand=by_hand) or code or exit_codes.DONE


def _care(workspace: Workspace, wish: Wish) -> int | None:
    """Care of devices that is due by plan; None where none is."""
    if not wish.due:
        return None
    from keyacct.workflow.care.due import run_care
    from keyacct.workflow.care.lines import Lines

    jobs = _care_jobs(workspace, wish)
    if not jobs:
        return None
    summary = run_care(Lines(workspace, wish.timeout_s), jobs)
    log("care_round", **summary.as_row())
    return exit_codes.PARTIAL if summary.failed else exit_codes.DONE


def _care_jobs(workspace: Workspace, wish: Wish) -> list[CareJob]:
    from keyacct.workflow.care.due import due_care
    from keyacct.workflow.poll_targets import choose, read_plans, read_targets

    targets = read_targets(workspace)
    if wish.meters or wish.group:
        targets = {target.meter_no: target for target in choose(targets, wish.meters, wish.group)}
    return due_care(workspace, targets, read_plans(workspace), clock.now())


def _dry(workspace: Workspace, wish: Wish, jobs: list[Job], format: Format) -> int:
    care = [
        {"meter": target.meter_no, "line": target.line.name, "plan": job.plan, "items": [job.care],
         "tries": job.tries[target.meter_no]}
        for job in (_care_jobs(workspace, wish) if wish.due else ())
        for target in job.targets
    ]  # fmt: skip
    rows = [
        {"meter": job.target.meter_no, "line": job.target.line.name, "plan": job.plan or "–",
         "items": [str(item) for item in job.items], "tries": job.tries}
        for job in jobs
    ]  # fmt: skip
    columns = (
        Column("meter", Text("meter", "电表")), Column("line", Text("line", "线路")), Column("plan", Text("plan", "计划")),
        Column("items", Text("items", "项目")),
    )  # fmt: skip
    write_rows([*rows, *care], columns, format)
    say(Text("dry run: nobody was asked", "试运行: 未召测"))
    return exit_codes.DONE


def _conclude(workspace: Workspace, wish: Wish, result: RoundResult, format: Format, *, by_hand: bool) -> int:
    from keyacct.capture.readings import rows_of, tell
    from keyacct.cli.poll_rows import ROW_COLUMNS
    from keyacct.errors import InterruptedRunError, LinkError

    if by_hand:
        order = {name: number for number, name in enumerate(dict.fromkeys(a.meter for a in result.answers))}
        rows = list(rows_of(sorted(result.answers, key=lambda answer: order[answer.meter]), workspace.zone))
        if wish.out not in (None, "-"):
            from keyacct.workflow.poll import write_rows_file

            write_rows_file(rows, Path(str(wish.out)))
        else:
            write_rows(rows, ROW_COLUMNS, format)
    else:
        write_rows([result.as_row()], SUMMARY, format)
    sys.stdout.flush()
    told = [answer for answer in result.failed if answer.failure is not None and answer.failure.cause != "interrupted"]
    if sys.stderr.isatty() or by_hand or len(told) <= MOST_TOLD:
        for answer in told[:MOST_TOLD]:
            say(tell(answer))
        if len(told) > MOST_TOLD:
            more = len(told) - MOST_TOLD
            say(Text(f"… and {more} more: keyacct poll --failing", f"… 另有 {more} 项: keyacct poll --failing"))
    if not sys.stderr.isatty() and not by_hand:
        log("poll_round", **result.as_row())
    if result.interrupted:
        raise InterruptedRunError(
            "interrupted.by_user", str(Text("stopped; what was read is stored", "已中断, 已读数据均已入库"))
        )
    if not result.failed:
        return exit_codes.DONE
    if not result.answered:
        raise LinkError(
            "link.failed",
            str(Text("no device answered", "没有设备应答")),
            hint=str(Text("`keyacct poll --failing` tells why", "`keyacct poll --failing` 列出原因")),
        )
    return exit_codes.PARTIAL
