"""Ctrl-C and SIGTERM while something must be finished first."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def on_interrupt(act: Callable[[], None]) -> Iterator[None]:
    """While it lasts the first SIGINT or SIGTERM calls `act` instead of raising; the second raises KeyboardInterrupt.

    An exception out of nowhere in the middle of a commit would lose what it holds. Outside the main thread, where
    signals do not arrive, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen = 0

    def heard(_number: int, _frame: object) -> None:
        nonlocal seen
        seen += 1
        if seen > 1:
            raise KeyboardInterrupt
        act()

    before = {number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
