"""Simulated devices at work beside a test."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from keyacct.simulation.description import load_description
from keyacct.simulation.park import Park


@contextlib.contextmanager
def at_work(description: Path) -> Iterator[Park]:
    """The devices of a description, in a thread of their own."""
    park, ready, over, loop = (
        Park(load_description(description)),
        threading.Event(),
        asyncio.Event(),
        asyncio.new_event_loop(),
    )

    async def work() -> None:
        await park.start()
        ready.set()
        await over.wait()
        await park.stop()

    thread = threading.Thread(target=lambda: loop.run_until_complete(work()))
    thread.start()
    assert ready.wait(10)
    try:
        yield park
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()
