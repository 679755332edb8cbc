"""One conversation at a time on a line, whichever process of this machine asks: an abstract socket with the line's name.

The system gives the name back when its holder ends, however it ends, and tells its process number: no file is left
behind that somebody would have to judge by process number and boot. Who waits knocks with what it waits for, so that the
holder can let something more urgent go first.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import select
import socket
import struct
import sys
import time

from keyacct.capture.transport import link_error
from keyacct.i18n import Text

_LOOK_AGAIN_S = 0.1
_KNOCK_AGAIN_S = 1.0
"""A line may have changed hands since the last knock."""


class LineLock:
    """The right to talk on a line. place: host and port, or the path of a serial port."""

    def __init__(self, place: str) -> None:
        self.place = place
        self._held: socket.socket | None = None
        self._knocks: list[socket.socket] = []

    @property
    def name(self) -> str:
        """The name of the socket: the same for every way to write a device's path."""
        place = os.path.realpath(self.place) if self.place.startswith("/") else self.place.lower()
        return "\0keyacct-line-" + hashlib.sha256(place.encode()).hexdigest()[:32]

    def take(self, wait_s: float, priority: int = 1) -> None:
        """Have the line, waiting for whoever talks on it. Raises LinkError that names the process.

        priority: of what shall be asked (`capture.poller`; the smaller the more urgent), told to who has the line.
        """
        if self._held is not None or sys.platform != "linux":  # abstract sockets are Linux's
            return
        until = time.monotonic() + wait_s
        with contextlib.ExitStack() as knocking:
            self._wait_for(until, priority, knocking)

    def _wait_for(self, until: float, priority: int, knocking: contextlib.ExitStack) -> None:
        knocked = 0.0
        while True:
            door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                door.bind(self.name)
                door.listen(64)
                door.setblocking(False)
            except OSError as error:
                door.close()
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                self._held = door
                return
            if time.monotonic() >= until:
                holder = self._holder()
                who = Text(f"process {holder}", f"进程 {holder}") if holder else Text("another process", "其他进程")
                raise link_error(
                    self.place,
                    Text(f"{who.en} is talking on this line", f"{who.zh} 正在使用该线路"),
                    Text("wait until it is through, or stop it; a line carries one conversation at a time",
                         "请等待其结束或停止该进程; 一条线路同时只能有一个会话"),
                )  # fmt: skip
            if time.monotonic() >= knocked:
                knocked = time.monotonic() + _KNOCK_AGAIN_S
                knocking.close()
                self._knock(priority, knocking)
            time.sleep(min(_LOOK_AGAIN_S, max(until - time.monotonic(), 0)))

    def _knock(self, priority: int, knocking: contextlib.ExitStack) -> None:
        """Tell who has the line what waits for it; the knock lasts as long as its connection."""
        knock = knocking.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        with contextlib.suppress(OSError):
            knock.setblocking(False)
            knock.connect(self.name)
            knock.send(bytes((priority,)))

    def is_wanted(self, priority: int) -> bool:
        """Whether somebody who is still there waits for the line with something more urgent than this priority."""
        if self._held is None:
            return False
        with contextlib.suppress(OSError):
            while True:
                knock, _ = self._held.accept()
                knock.setblocking(False)
                self._knocks.append(knock)
        wanted = False
        for knock in list(self._knocks):
            try:
                said = knock.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                continue  # it has not said yet what it wants
            except OSError:
                said = b""
            if said and not _is_gone(knock):
                wanted = wanted or said[0] < priority
            else:
                self._knocks.remove(knock)
                knock.close()
        return wanted

    @property
    def is_taken(self) -> bool:
        """Whether somebody else has the line right now."""
        return self._held is None and self._holder() != 0

    def _holder(self) -> int:
        """Process number of the holder; 0 when it has just gone."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
            knock.setblocking(False)
            knock.connect(self.name)
            pid, _, _ = struct.unpack("3i", knock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            return int(pid)
        return 0

    def give_back(self) -> None:
        """Leave the line to others."""
        for knock in self._knocks:
            knock.close()
        self._knocks.clear()
        if self._held is not None:
            self._held.close()
            self._held = None

    def __del__(self) -> None:
        self.give_back()


def _is_gone(knock: socket.socket) -> bool:
    """Whether who knocked has given up: nothing but its one byte is there, and its end is closed."""
    poll = select.poll()
    poll.register(knock, select.POLLHUP | select.POLLRDHUP)
    return bool(poll.poll(0))
