"""Asks many meters on many lines: one conversation at a time on a line, all lines at once.

A line is served by one thread: with a blocking exchange of tens of milliseconds to seconds there is nothing to gain from
an event loop, and serial drivers, RFC 2217 and name look-ups block anyway (docs/design/acquisition.md has the figures).
"""

from __future__ import annotations

import dataclasses
import heapq
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from keyacct.capture import dlt698
from keyacct.capture.asking import Answer, ask, ask_list, can_be_listed
from keyacct.capture.interrupts import on_interrupt
from keyacct.capture.items import Item
from keyacct.capture.line import RETRIED, Failure, Line
from keyacct.errors import KeyacctError, LinkError

ALARM, ON_DEMAND, SCHEDULE, BACKFILL = 0, 1, 2, 3
"""Priorities: what has the smaller number is asked first."""

MOST_LINES = 512
MOST_LISTED = 16
"""Items of one meter that are asked for in one request, where the protocol has such requests."""
MOST_LOSSES = 3
PULSE_S = 1.0
_STACK_BYTES = 512 * 1024


@dataclass(frozen=True)
class Task:
    """Items of one meter. meter: the name it has in the results; tag: the number that the caller knows it by."""

    meter: str
    address: str
    items: tuple[Item, ...]
    priority: int = ON_DEMAND
    tag: int = field(default=0, compare=False)


@dataclass(frozen=True)
class LineWork:
    """One line and what is to be asked on it. make: gives the line, called in the line's own thread."""

    make: Callable[[], Line]
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class Finished:
    """One item that is done, well or not; `first` whether the first attempt already gave it."""

    task: Task
    answer: Answer

    @property
    def first(self) -> bool:
        """Whether it came at the first attempt."""
        return self.answer.failure is None and self.answer.attempts == 1


class Poller:
    """Runs work on lines. `run` yields every item of every task exactly once, as it is finished."""

    def __init__(
        self,
        work: Sequence[LineWork],
        *,
        retries: int = 2,
        most_lines: int = MOST_LINES,
        pulse: Callable[[], None] | None = None,
    ) -> None:
        """retries: further attempts for what may be gone the next time. They come after all first attempts of a line.

        pulse: called about once a second in the thread that takes the results, also while nothing is finished.
        """
        self.retries = retries
        self._pulse = pulse or (lambda: None)
        self._waiting: queue.SimpleQueue[LineWork] = queue.SimpleQueue()
        for part in work:
            self._waiting.put(part)
        self._threads = min(len(work), most_lines)
        self._results: queue.SimpleQueue[Finished | BaseException | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._left = 0
        self.link_errors: list[LinkError] = []

    def stop(self) -> None:
        """Let every line finish the exchange it is in; what was not asked yet fails as `interrupted`."""
        self._stop.set()

    def run(self) -> Iterator[Finished]:
        """Every item as it is finished. Raises what a worker raised that is no failure of a line."""
        old = threading.stack_size(_STACK_BYTES)
        try:
            workers = [threading.Thread(target=self._work, daemon=True) for _ in range(self._threads)]
            for worker in workers:
                worker.start()
        finally:
            threading.stack_size(old)
        self._left = len(workers)
        yield from self.rest()

    def rest(self) -> Iterator[Finished]:
        """What is still to come of a round whose `run` was left, by an interrupt perhaps."""
        try:
            beaten = time.monotonic()
            while self._left:
                try:
                    result = self._results.get(timeout=PULSE_S)
                except queue.Empty:
                    self._pulse()
                    beaten = time.monotonic()
                    continue
                if time.monotonic() - beaten >= PULSE_S:
                    self._pulse()
                    beaten = time.monotonic()
                if result is None:
                    self._left -= 1
                elif isinstance(result, BaseException):
                    raise result
                else:
                    yield result
        finally:
            self.stop()

    def each(self, take: Callable[[Finished], None], interrupted: Callable[[], None]) -> None:
        """Give every finished item to `take`. At Ctrl-C or SIGTERM `interrupted` is called, nothing more is asked, and what
        is under way is still given; a second one goes up.
        """

        def end() -> None:
            interrupted()
            self.stop()

        with on_interrupt(end):
            self._each(take, interrupted)

    def _each(self, take: Callable[[Finished], None], interrupted: Callable[[], None]) -> None:
        rounds, stopped = self.run(), False
        while True:
            try:
                for finished in rounds:
                    take(finished)
            except KeyboardInterrupt:
                if stopped:
                    raise
                stopped = True
                interrupted()
                self.stop()
                rounds = self.rest()
                continue
            return

    def _work(self) -> None:
        try:
            while True:
                try:
                    part = self._waiting.get_nowait()
                except queue.Empty:
                    return
                self._line(part)
        except BaseException as error:
            self._results.put(error)
        finally:
            self._results.put(None)

    def _line(self, part: LineWork) -> None:
        line = part.make()
        turns = _turns(part.tasks)
        line.priority = min((turn[0] for turn in turns), default=ON_DEMAND)
        silent: dict[tuple[int, str], Failure] = {}
        down: dict[int, Failure] = {}
        try:
            while turns:
                priority, attempt, order, number, item = heapq.heappop(turns)
                task = part.tasks[number]
                if self._stop.is_set():
                    self._give(task, Answer(task.meter, task.address, item, attempts=attempt - 1,
                                            failure=Failure("interrupted")))  # fmt: skip
                    continue
                key = (attempt, task.address)
                known = down.get(attempt) or silent.get(key)
                together = [(order, item)]
                if known is not None:
                    answers = [Answer(task.meter, task.address, item, failure=known)]
                else:
                    self._give_way(line, priority)
                    if can_be_listed(item):
                        together += _taken(turns, priority, attempt, number)
                    answers = self._ask(line, task, [each for _, each in together])
                    lost = next(
                        (a.failure for a in answers if a.failure is not None and a.failure.cause == "link"), None
                    )
                    if lost is not None and not self._reopened(line):
                        down[attempt] = lost  # nobody on it is asked before the next round of attempts
                for (place, asked), answer in zip(together, answers, strict=True):
                    cause = answer.failure.cause if answer.failure is not None else None
                    if cause == "timeout" and answer.failure is not None:
                        silent[key] = answer.failure  # a silent meter is not asked its other items before its next turn
                    if cause in RETRIED and attempt <= self.retries:
                        heapq.heappush(turns, (priority, attempt + 1, place, number, asked))
                    else:
                        self._give(task, dataclasses.replace(answer, attempts=attempt))
            dlt698.release(line)
        finally:
            line.close()

    def _give_way(self, line: Line, priority: int) -> None:
        """Between two questions: something more urgent of another process goes first."""
        line.priority = priority
        try:
            line.give_way(priority)
        except LinkError as error:
            self.link_errors.append(error)  # the next question finds the line as it is and says why

    def _ask(self, line: Line, task: Task, items: list[Item]) -> list[Answer]:
        try:
            if len(items) > 1:
                return ask_list(line, task.meter, task.address, items)
            return [ask(line, task.meter, task.address, items[0])]
        except LinkError as error:
            self.link_errors.append(error)
            failure = Failure("link", error.message, error.hint)
        except KeyacctError as error:
            failure = Failure("unreadable", error.message, error.hint)
        return [Answer(task.meter, task.address, item, failure=failure) for item in items]

    def _reopened(self, line: Line) -> bool:
        """Whether a line that was lost came back after a pause. One that is lost again and again without an answer is
        left alone until the next round of attempts.
        """
        if line.back_off.losses >= MOST_LOSSES:
            return False
        line.pause(self._stop)
        try:
            line.open()
        except LinkError as error:
            self.link_errors.append(error)
            return False
        return True

    def _give(self, task: Task, answer: Answer) -> None:
        self._results.put(Finished(task, answer))


_Turn = tuple[int, int, int, int, Item]


def _taken(turns: list[_Turn], priority: int, attempt: int, number: int) -> list[tuple[int, Item]]:
    """Turns of the same task and attempt that can be asked in the same request, taken out of the heap."""
    found = sorted(
        (turn for turn in turns if turn[0] == priority and turn[1] == attempt and turn[3] == number
         and can_be_listed(turn[4])), key=lambda turn: turn[2],
    )[: MOST_LISTED - 1]  # fmt: skip
    for turn in found:
        turns.remove(turn)
    heapq.heapify(turns)
    return [(turn[2], turn[4]) for turn in found]


def _turns(tasks: Sequence[Task]) -> list[_Turn]:
    """(priority, attempt, order, task, item): by priority; then all meters of the line in turn, item by item."""
    rounds: dict[int, list[tuple[int, int, Item]]] = defaultdict(list)
    for number, task in enumerate(tasks):
        for place, item in enumerate(task.items):
            rounds[place].append((task.priority, number, item))
    turns: list[_Turn] = []
    order = 0
    for place in sorted(rounds):
        for priority, number, item in rounds[place]:
            turns.append((priority, 1, order, number, item))
            order += 1
    heapq.heapify(turns)
    return turns
