"""Work on meters, line by line: one conversation at a time on a line, many lines at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from keyacct.capture import dlt698
from keyacct.capture.interrupts import on_interrupt
from keyacct.capture.line import RETRIED, ExchangeError, Failure, Line
from keyacct.capture.open_files import allow_lines
from keyacct.capture.opening import make_transport
from keyacct.capture.poller import MOST_LOSSES
from keyacct.capture.trace import Trace, TracingTransport
from keyacct.config import Workspace
from keyacct.errors import LinkError
from keyacct.workflow.poll_targets import Target, sources_of

R = TypeVar("R")


def why(error: ExchangeError | LinkError) -> str:
    """What an exchange that failed, or a line that was lost, says."""
    return str(error.failure) if isinstance(error, ExchangeError) else error.message


@dataclass(frozen=True)
class Done(Generic[R]):
    """What came of one meter: a result, or why there is none."""

    target: Target
    result: R | None
    failure: Failure | None = None


@dataclass(frozen=True)
class Lines:
    """How lines are served. stop: set by Ctrl-C and SIGTERM; then nothing more is begun on any line."""

    workspace: Workspace
    timeout_s: float | None = None
    trace: Trace | None = None
    stop: threading.Event = field(default_factory=threading.Event, compare=False)

    def each(self, targets: Sequence[Target], work: Callable[[Line, Target], R], *, retries: int = 0) -> list[Done[R]]:
        """The work on every meter, in the order of `targets`. Ctrl-C and SIGTERM let the meters under way be finished.

        retries: further attempts at what may be gone the next time.
        """
        places: dict[str, list[Target]] = {}
        for target in targets:
            places.setdefault(target.line.link.place, []).append(target)
        done: dict[str, Done[R]] = {}
        if not places:
            return []
        at_once = allow_lines(min(len(places), self.workspace.settings.poll.lines_at_once))
        with on_interrupt(self.stop.set), ThreadPoolExecutor(max_workers=max(at_once, 1)) as pool:
            for part in pool.map(lambda group: self._line(group, work, retries), places.values()):
                done |= {each.target.meter_no: each for each in part}
        return [done[target.meter_no] for target in targets]

    def of_line(self, targets: Sequence[Target], work: Callable[[Line], R]) -> R:
        """Work on the line that these meters share. Raises LinkError, ExchangeError when it is to be left."""
        if self.stop.is_set():
            raise ExchangeError(Failure("interrupted"))
        line = self._make(targets)
        try:
            with on_interrupt(self.stop.set):
                return work(line)
        finally:
            line.close()

    def _make(self, targets: Sequence[Target]) -> Line:
        target = targets[0]
        transport = make_transport(target.line.link)
        if self.trace is not None:
            transport = TracingTransport(transport, self.trace.line(target.line.link.port))
        patience_s = self.timeout_s if self.timeout_s is not None else target.line.timeout_s
        return Line(target.line.link, transport=transport, timeout_s=patience_s, source_of=sources_of(targets))

    def _line(self, targets: Sequence[Target], work: Callable[[Line, Target], R], retries: int) -> list[Done[R]]:
        line = self._make(targets)
        done: list[Done[R]] = []
        lost, stop = 0, self.stop
        down = Failure("link")
        try:
            for target in targets:
                failure = Failure("interrupted") if stop.is_set() else None
                result = None
                for attempt in range(retries + 1):
                    if stop.is_set() or lost >= MOST_LOSSES:
                        break
                    try:
                        result, failure = work(line, target), None
                        lost = 0
                        break
                    except ExchangeError as error:
                        failure = error.failure
                        if failure.cause not in RETRIED:
                            break
                    except LinkError as error:
                        failure = down = Failure("link", error.message, error.hint)
                        lost += 1
                        if lost < MOST_LOSSES and attempt < retries:
                            line.pause(stop)
                done.append(Done(target, result, failure or (down if result is None else None)))
            dlt698.release(line)
        finally:
            line.close()
        return done
