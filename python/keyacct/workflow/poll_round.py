"""One round of polling into the store: what is read is stored as it comes, and what was done is marked with it."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from keyacct import clock
from keyacct.capture.asking import Answer
from keyacct.capture.interrupts import on_interrupt
from keyacct.capture.items import Item
from keyacct.capture.line import RETRIED, BackOff, Line
from keyacct.capture.open_files import allow_lines
from keyacct.capture.opening import make_transport
from keyacct.capture.poller import Finished, LineWork, Poller, Task
from keyacct.capture.readings import causes, read_answers
from keyacct.capture.trace import Trace, TracingTransport
from keyacct.config import Workspace
from keyacct.database.engine import open_database
from keyacct.errors import RefusedError, from_os_error
from keyacct.i18n import Text
from keyacct.store.ingest import BatchWriter
from keyacct.workflow.family_rows import family_rows
from keyacct.workflow.poll_due import Job
from keyacct.workflow.poll_marks import add_tally, note_failures, write_marks
from keyacct.workflow.poll_targets import PollLine, Target, sources_of

DECODER = "poll-1"


@dataclass
class Progress:
    """How far a round is. Items, not meters, but for `meters_done`."""

    items: int = 0
    done: int = 0
    failed: int = 0
    first_pass: int = 0
    meters: int = 0
    meters_done: int = 0
    rows_added: int = 0
    oldest_due_ms: int | None = None
    began: float = field(default_factory=time.monotonic)

    @property
    def rate_per_s(self) -> float:
        """Items a second."""
        return self.done / max(time.monotonic() - self.began, 0.001)


@dataclass
class RoundResult:
    """What a round came to. first_pass_rate, final_rate: shares of the items asked for, None without any."""

    progress: Progress
    failed: list[Answer] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    interrupted: bool = False
    answered: bool = False

    @property
    def first_pass_rate(self) -> float | None:
        """Share that the first attempt gave."""
        return self.progress.first_pass / self.progress.items if self.progress.items else None

    @property
    def final_rate(self) -> float | None:
        """Share that was read in the end."""
        good = self.progress.items - len(self.failed)
        return good / self.progress.items if self.progress.items else None

    def as_row(self) -> dict[str, Any]:
        """As one row for printing."""
        return {
            "meters": self.progress.meters, "items": self.progress.items, "read": self.progress.items - len(self.failed),
            "failed": len(self.failed), "first_pass_rate": _rounded(self.first_pass_rate),
            "final_rate": _rounded(self.final_rate), "rows_added": self.progress.rows_added, "causes": causes(self.failed),
        }  # fmt: skip


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 6)


@contextlib.contextmanager
def poll_lock(workspace: Workspace) -> Iterator[None]:
    """Only one process polls a workspace at a time. The system lets go of the lock of one that died.

    Raises RefusedError, and WriteError where no file can be made.
    """
    path = workspace.root / "poll.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise from_os_error(error, writing=True, file=str(path)) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 64).decode("ascii", "replace").partition(" ")[0].strip()
            raise RefusedError(
                "refused.incomplete",
                str(Text(f"process {holder} is polling this workspace", f"进程 {holder} 正在召测此工作区")),
                hint=str(Text("wait for it; `keyacct poll --status` shows how far things are",
                              "请等待; `keyacct poll --status` 可查看进度")),
                where={"file": str(path)},
            ) from None  # fmt: skip
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {boot_id()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def boot_id() -> str:
    """Which start of the machine this is: process numbers of another one say nothing. Empty where it does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def run_round(
    workspace: Workspace,
    jobs: Sequence[Job],
    *,
    progress: Callable[[Progress], None] | None = None,
    pulse: Callable[[Progress], None] | None = None,
    trace: str | None = None,
    retries: int | None = None,
    timeout_s: float | None = None,
    registers: Sequence[str] = (),
    keep_answers: bool = False,
    seed: int | None = None,
) -> RoundResult:
    """Ask all jobs, store as it comes. An interrupt lets running exchanges end and stores what was read.

    progress: called with every finished item; pulse: about once a second, also while nothing is finished.
    timeout_s: for one answer on every line; that of the line, else by its speed, if None. registers: a user's own files.
    keep_answers: hold every answer with its values in the result (small rounds). Raises WriteError.
    """
    settings = workspace.settings.poll
    capture = Trace(trace) if trace is not None else None
    result = RoundResult(Progress(
        items=sum(len(job.items) for job in jobs), meters=len({job.target.meter_no for job in jobs}),
        oldest_due_ms=min((job.due_at_ms for job in jobs if job.due_at_ms), default=None),
    ))  # fmt: skip
    ledger = _Ledger(workspace, jobs, result, keep_answers=keep_answers, registers=registers)
    poller = Poller(
        _work(jobs, capture, seed, timeout_s),
        retries=settings.retries if retries is None else retries,
        most_lines=allow_lines(min(len(jobs), settings.lines_at_once)),
        pulse=None if pulse is None else lambda: pulse(result.progress),
    )
    last_commit = time.monotonic()

    def take(finished: Finished) -> None:
        nonlocal last_commit
        ledger.take(finished)
        if progress is not None:
            progress(result.progress)
        due = time.monotonic() - last_commit >= settings.commit_s
        if ledger.waiting >= settings.commit_items or (due and ledger.waiting):
            ledger.commit()
            last_commit = time.monotonic()

    def interrupted() -> None:
        result.interrupted = True
        poller.stop()

    try:
        with on_interrupt(interrupted):  # also while the rest is stored
            try:
                poller.each(take, interrupted)
            finally:
                ledger.commit()
    finally:
        if capture is not None:
            capture.close()
    return result


def _work(jobs: Sequence[Job], trace: Trace | None, seed: int | None, timeout_s: float | None) -> list[LineWork]:
    lines: dict[str, tuple[PollLine, list[Task]]] = {}
    targets: dict[str, list[Target]] = {}
    for number, job in enumerate(jobs):
        line = job.target.line
        task = Task(job.target.meter_no, job.target.address, job.items, job.priority, tag=number)
        lines.setdefault(line.link.place, (line, []))[1].append(task)  # two names of one place are one line
        targets.setdefault(line.link.place, []).append(job.target)

    def maker(line: PollLine, number: int) -> Callable[[], Line]:
        source_of = sources_of(targets[line.link.place])

        def make() -> Line:
            transport = make_transport(line.link)
            if trace is not None:
                transport = TracingTransport(transport, trace.line(line.link.port))
            back_off = BackOff(seed=None if seed is None else seed + number)
            patience_s = timeout_s if timeout_s is not None else line.timeout_s
            return Line(line.link, transport=transport, timeout_s=patience_s, back_off=back_off, source_of=source_of)

        return make

    # What is urgent goes first among lines, too: more lines than threads wait in this order.
    ordered = sorted(lines.values(), key=lambda entry: min(task.priority for task in entry[1]))
    return [LineWork(maker(line, number), tuple(tasks)) for number, (line, tasks) in enumerate(ordered)]


class _Ledger:
    """What is finished and not yet stored, and what of each job is still open."""

    def __init__(
        self,
        workspace: Workspace,
        jobs: Sequence[Job],
        result: RoundResult,
        *,
        keep_answers: bool,
        registers: Sequence[str] = (),
    ) -> None:
        self.registers = registers
        self.workspace, self.jobs, self.result = workspace, jobs, result
        self.keep_answers = keep_answers
        self.held: list[tuple[int, Finished]] = []
        self.open: list[dict[Item, None]] = [dict.fromkeys(job.items) for job in jobs]
        self.missing: list[list[str]] = [[] for _ in jobs]
        self.begun: set[int] = set()
        self.left_of_meter: dict[str, int] = {}
        for job in jobs:
            self.left_of_meter[job.target.meter_no] = self.left_of_meter.get(job.target.meter_no, 0) + len(job.items)

    @property
    def waiting(self) -> int:
        """Finished items that are not stored yet."""
        return len(self.held)

    def take(self, finished: Finished) -> None:
        """One item is finished."""
        number = finished.task.tag
        self.held.append((number, finished))
        progress = self.result.progress
        progress.done += 1
        meter = finished.task.meter
        self.left_of_meter[meter] -= 1
        progress.meters_done += self.left_of_meter[meter] == 0
        progress.failed += finished.answer.failure is not None
        self.result.answered = self.result.answered or finished.answer.heard

    def commit(self) -> None:
        """Store what is held: readings, marks, failures and tallies in one transaction."""
        if not self.held:
            return
        held, self.held = self.held, []
        readings, answers = read_answers([finished.answer for _, finished in held], self.workspace.zone, self.registers)
        judged = [(number, finished, answer) for (number, finished), answer in zip(held, answers, strict=True)]
        for number, finished, answer in judged:
            self.result.progress.first_pass += answer.failure is None and finished.first
            if answer.failure is not None and finished.answer.failure is None:
                self.result.progress.failed += 1  # it answered, but with nothing that can be used
            if answer.failure is not None:
                self.result.failed.append(dataclasses.replace(answer, frames=()))
            if self.keep_answers:
                self.result.answers.append(answer)
            self.open[number].pop(answer.item, None)
            if answer.failure is not None and (
                answer.failure.cause in RETRIED or answer.failure.cause == "interrupted"
            ):
                self.missing[number].append(str(answer.item) if answer.item.model else answer.item.key)
        with BatchWriter(self.workspace, source="poll", sha256=None, decoder=DECODER) as writer:
            if readings.num_rows:
                rows, _ = family_rows(self.workspace, readings)
                for family, table in rows.items():
                    writer.add(family, table)
                summary = writer.commit(record=lambda connection, _: self._record(connection, judged))
                self.result.progress.rows_added += summary.added
                return
        with open_database(self.workspace).write() as connection:
            self._record(connection, judged)

    def _record(self, connection: sa.Connection, judged: Sequence[tuple[int, Finished, Answer]]) -> None:
        now = clock.now_ms()
        note_failures(connection, [answer for _, _, answer in judged], now)
        tallies: dict[tuple[str, str], dict[str, Any]] = {}
        for number, finished, answer in judged:
            job = self.jobs[number]
            tally = tallies.setdefault((self._day(job, now), job.counted_as), {
                "scheduled": 0, "first_pass": 0, "final": 0, "causes": {},
            })  # fmt: skip
            if number not in self.begun and job.fresh:
                tally["scheduled"] += len(job.items)
            self.begun.add(number)
            tally["first_pass"] += answer.failure is None and finished.first and job.tries == 0
            tally["final"] += answer.failure is None
            if answer.failure is not None:
                cause = answer.failure.cause
                tally["causes"][cause] = tally["causes"].get(cause, 0) + 1
        for (day, plan), tally in tallies.items():
            add_tally(connection, day, plan, tally, now)
        numbers = dict.fromkeys(number for number, _, _ in judged)
        write_marks(connection, [self._mark(number, now) for number in numbers if self.jobs[number].plan])

    def _day(self, job: Job, now: int) -> str:
        at = job.due_at_ms or now
        return dt.datetime.fromtimestamp(at / 1000, dt.UTC).astimezone(self.workspace.zone).date().isoformat()

    def _mark(self, number: int, now: int) -> dict[str, Any]:
        """The row of `poll_mark` of a job as it stands."""
        job = self.jobs[number]
        unasked = [str(item) if item.model else item.key for item in self.open[number]]
        left = [*self.missing[number], *unasked]
        stopped = self.result.interrupted
        return {
            "poll_plan": job.plan, "meter_no": job.target.meter_no, "due_at": job.due_at_ms,
            "state": "done" if not left else "failed" if len(left) == len(job.items) else "partial",
            "tries": job.tries + (not unasked and not stopped), "items_left": json.dumps(left), "missed": job.missed,
            "finished_at": now,
        }  # fmt: skip
