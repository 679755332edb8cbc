"""One conversation at a time on a line, whichever process of this machine asks: an abstract socket with the line's name.

The system gives the name back when its holder ends, however it ends, and tells its process number: no file is left
behind that somebody would have to judge by process number and boot.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import socket
import struct
import sys
import time

from keyacct.capture.transport import link_error
from keyacct.i18n import Text

_LOOK_AGAIN_S = 0.1


class LineLock:
    """The right to talk on a line. place: host and port, or the path of a serial port."""

    def __init__(self, place: str) -> None:
        self.place = place
        self._held: socket.socket | None = None

    @property
    def name(self) -> str:
        """The name of the socket: the same for every way to write a device's path."""
        place = os.path.realpath(self.place) if self.place.startswith("/") else self.place.lower()
        return "\0keyacct-line-" + hashlib.sha256(place.encode()).hexdigest()[:32]

    def take(self, wait_s: float) -> None:
        """Have the line, waiting for whoever talks on it. Raises LinkError that names the process."""
        if self._held is not None or sys.platform != "linux":  # abstract sockets are Linux's
            return
        until = time.monotonic() + wait_s
        while True:
            door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                door.bind(self.name)
                door.listen(1)
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
            time.sleep(min(_LOOK_AGAIN_S, max(until - time.monotonic(), 0)))

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
        if self._held is not None:
            self._held.close()
            self._held = None

    def __del__(self) -> None:
        self.give_back()
