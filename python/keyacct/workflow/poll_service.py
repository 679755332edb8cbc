"""Polling as a service: rounds at even times until told to stop; systemd is told when it is ready and when it ends."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator

from keyacct import clock
from keyacct.errors import UsageError
from keyacct.i18n import Text
from keyacct.workflow.daemon.notify import Heart

_UNITS_S = {"s": 1, "min": 60, "h": 3600}


def parse_every(text: str) -> int:
    """Seconds of `15min`, `1h`, `30s`. Raises UsageError."""
    match = re.fullmatch(r"(\d{1,6})\s*(s|min|h)", text.strip())
    if match is None or int(match[1]) == 0:
        raise UsageError(
            "usage.invalid",
            str(Text(f"--every {text!r} is no time", f"--every {text!r} 不是时间")),
            hint=str(Text("write 15min, 1h or 30s", "应写作 15min、1h 或 30s")),
        )
    return int(match[1]) * _UNITS_S[match[2]]


@contextlib.contextmanager
def stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """While it lasts SIGTERM ends the round in work like an interrupt, and sets `stop`."""

    def end(_number: int, _frame: object) -> None:
        stop.set()
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, old)


def serve(
    every_s: int,
    act: Callable[[], None],
    *,
    stop: threading.Event,
    heart: Heart | None = None,
    rounds: int | None = None,
) -> int:
    """Act at every multiple of `every_s` of the clock, at once first; how many rounds. Ends when `stop` is set.

    A round that takes longer than the interval is followed at the next even time; rounds never overlap. systemd is told
    that we are ready, alive (also between rounds; within one `act` beats the heart) and stopping.
    """
    heart = heart or Heart()
    heart.ready()
    done = 0
    try:
        while not stop.is_set():
            act()
            done += 1
            heart.status(f"{done} rounds")
            if rounds is not None and done >= rounds:
                break
            _wait(every_s - clock.now_ms() / 1000 % every_s, stop, heart)
    finally:
        heart.stopping()
    return done


def _wait(left_s: float, stop: threading.Event, heart: Heart) -> None:
    until = time.monotonic() + left_s
    while (left_s := until - time.monotonic()) > 0 and not stop.is_set():
        stop.wait(min(left_s, heart.every_s / 2) if heart.every_s else left_s)
        heart.beat()
