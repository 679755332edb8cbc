"""What systemd is told by a service of Type=notify: ready, alive, stopping (the datagrams of sd_notify(3))."""

from __future__ import annotations

import contextlib
import os
import socket
import time


def notify(state: str) -> None:
    """Tell systemd, where it listens (`NOTIFY_SOCKET`)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.connect("\0" + address[1:] if address.startswith("@") else address)
        channel.send(state.encode())


def watchdog_s() -> float | None:
    """Seconds between two signs of life: half of what systemd waits (`WATCHDOG_USEC`); None where it does not wait."""
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not (usec.isascii() and usec.isdigit() and int(usec)) or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 2e6


class Heart:
    """Signs of life, no more often than systemd wants them. Call `beat` wherever the work goes on."""

    def __init__(self) -> None:
        self.every_s = watchdog_s()
        self._last = time.monotonic()

    def ready(self, status: str = "") -> None:
        """The service is up."""
        notify("READY=1" + (f"\nSTATUS={status}" if status else ""))

    def beat(self) -> None:
        """Alive: the loop that does the work has come round."""
        now = time.monotonic()
        if self.every_s is not None and now - self._last >= self.every_s / 2:
            self._last = now
            notify("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Alive, and what `systemctl status` shows."""
        self._last = time.monotonic()
        notify(f"WATCHDOG=1\nSTATUS={text}")

    def stopping(self) -> None:
        """The service ends: what it holds is being stored."""
        notify("STOPPING=1")
