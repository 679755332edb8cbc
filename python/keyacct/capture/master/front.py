"""The sockets of the master station: one thread, readiness events, bounded buffers.

It knows bytes and frames, no meaning. Why neither asyncio nor threads: docs/design/listening.md has the figures.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

from keyacct.capture.master.limits import Limits
from keyacct.errors import LinkError
from keyacct.i18n import Text

if TYPE_CHECKING:
    from collections.abc import Callable

    Cut = Callable[[bytes], tuple[list[bytes], bytes, int]]  # as of `wire.frame_cutter`

_RECEIVE = 4096
_READ, _WRITE = select.EPOLLIN | select.EPOLLRDHUP, select.EPOLLOUT


class Connection:
    """One peer. `session` belongs to whoever handles the frames; None until the peer has logged in."""

    __slots__ = ("closed", "fd", "heard", "held", "junk", "line", "opened", "peer", "rate", "session", "unsent")

    def __init__(self, fd: int, peer: str, now: float) -> None:
        self.fd, self.peer, self.opened, self.heard = fd, peer, now, now
        self.held = b""
        self.unsent: bytearray | None = None
        self.junk = 0
        self.rate = 0  # frames in the present second << 32 | the second
        self.session: Any = None
        self.line: Any = None
        self.closed = False


class Handler(Protocol):
    """What the front tells."""

    def frame(self, connection: Connection, frame: bytes, now: float) -> None:
        """A whole frame has come."""

    def gone(self, connection: Connection, why: str, now: float) -> None:
        """A connection is closed, whoever did it."""

    def came(self, connection: Connection, data: bytes) -> None:
        """Bytes have come; called only where `traced`."""

    def sent(self, connection: Connection, data: bytes) -> None:
        """Bytes have left; called only where `traced`."""


class Front:
    """A listening socket and its connections. Not for several threads, but for `stop`."""

    def __init__(self, host: str, port: int, cut: Cut, limits: Limits, handler: Handler) -> None:
        """Raises LinkError when it cannot listen there."""
        self.limits, self.handler = limits, handler
        self.traced = False
        self.counts: Counter[str] = Counter()
        self.connections: dict[int, Connection] = {}
        self.new: dict[Connection, None] = {}  # in the order of their coming: all have the same time to log in
        self._begun: dict[Connection, float] = {}  # in the order in which their frames began
        self._new_of: Counter[str] = Counter()
        self._known_peers: set[str] = set()
        self._cut = cut
        self._swept = 0.0
        self._socket = _listen(host, port)
        self.host, self.port = self._socket.getsockname()[:2]
        self._listen_fd = self._socket.fileno()
        self._poll = select.epoll()
        self._poll.register(self._listen_fd, select.EPOLLIN)
        self._wake_out, self._wake_in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll.register(self._wake_out, select.EPOLLIN)

    def wake(self) -> None:
        """End the wait of `turn`; from any thread, and from a signal handler."""
        with contextlib.suppress(OSError):
            os.write(self._wake_in, b"!")

    def turn(self, wait_s: float) -> float:
        """Wait for something to happen, at most so long, and handle it; gives the time of `time.monotonic`."""
        events = self._poll.poll(wait_s, 1024)
        now = time.monotonic()
        connections = self.connections
        for fd, what in events:
            connection = connections.get(fd)
            if connection is None:
                if fd == self._listen_fd:
                    self._accept(now)
                elif fd == self._wake_out:
                    with contextlib.suppress(OSError):
                        os.read(fd, 4096)
                continue
            if what & _WRITE:
                self._flush(connection, now)
            if what & ~_WRITE and not connection.closed:
                self._read(connection, now)
        self._expire(now)
        return now

    def send(self, connection: Connection, data: bytes, now: float) -> None:
        """Send a frame; what does not fit into the socket now waits, within bounds."""
        if connection.closed:
            return
        if self.traced:
            self.handler.sent(connection, data)
        if connection.unsent is None:
            try:
                sent = os.write(connection.fd, data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.close(connection, "lost", now)
                return
            if sent == len(data):
                return
            connection.unsent = bytearray(data[sent:])
            self._poll.modify(connection.fd, _READ | _WRITE)
            return
        connection.unsent += data
        if len(connection.unsent) > self.limits.unsent:
            self.close(connection, "does_not_read", now)

    def logged_in(self, connection: Connection) -> None:
        """The peer is a known terminal now."""
        if self.new.pop(connection, 0) is None:
            self._leave_new(connection)
            self._known_peers.add(connection.peer)

    def close(self, connection: Connection, why: str, now: float) -> None:
        """Close a connection, and tell."""
        if connection.closed:
            return
        connection.closed = True
        del self.connections[connection.fd]
        os.close(connection.fd)  # which takes it out of the poll as well
        if self.new.pop(connection, 0) is None:
            self._leave_new(connection)
        self._begun.pop(connection, None)
        self.counts[f"closed_{why}"] += 1
        self.handler.gone(connection, why, now)

    def stop_accepting(self) -> None:
        """No further connections."""
        if self._listen_fd >= 0:
            self._poll.unregister(self._listen_fd)
            self._socket.close()
            self._listen_fd = -1

    def shut(self) -> None:
        """Close everything."""
        self.stop_accepting()
        now = time.monotonic()
        for connection in list(self.connections.values()):
            self.close(connection, "stopped", now)
        self._poll.close()
        os.close(self._wake_out)
        os.close(self._wake_in)

    def _leave_new(self, connection: Connection) -> None:
        self._new_of[connection.peer] -= 1
        if not self._new_of[connection.peer]:
            del self._new_of[connection.peer]

    def _accept(self, now: float) -> None:
        limits = self.limits
        for _ in range(256):
            try:
                accepted, address = self._socket.accept()
            except BlockingIOError:
                return
            except OSError:  # out of files, or the peer is gone again
                self.counts["accept_failed"] += 1
                return
            peer = address[0]
            held = len(self.connections)
            if held >= limits.connections or self._new_of[peer] >= limits.new_per_address:
                self.counts["refused_full" if held >= limits.connections else "refused_address"] += 1
                accepted.close()
                continue
            if held >= limits.connections * (1 - limits.known_share) and peer not in self._known_peers:
                self.counts["refused_unknown_address"] += 1
                accepted.close()
                continue
            accepted.setblocking(False)
            connection = Connection(accepted.detach(), peer, now)
            self.connections[connection.fd] = connection
            self.new[connection] = None
            self._new_of[peer] += 1
            self._poll.register(connection.fd, _READ)
            self.counts["accepted"] += 1

    def _read(self, connection: Connection, now: float) -> None:
        try:
            data = os.read(connection.fd, _RECEIVE)
        except BlockingIOError:
            return
        except OSError:
            self.close(connection, "lost", now)
            return
        if not data:
            self.close(connection, "left", now)
            return
        connection.heard = now
        if self.traced:
            self.handler.came(connection, data)
        had = connection.held
        frames, held, junk = self._cut(had + data if had else data)
        connection.held = held
        if frames:
            connection.junk = 0
            if had:
                self._begun.pop(connection, None)
            self._frames(connection, frames, now)
        if connection.closed:
            return
        if held:
            if connection not in self._begun:
                self._begun[connection] = now
        elif had:
            self._begun.pop(connection, None)
        if junk:
            self.counts["junk_bytes"] += junk
            connection.junk += junk
            if connection.junk > self.limits.junk:
                self.close(connection, "junk", now)

    def _frames(self, connection: Connection, frames: list[bytes], now: float) -> None:
        second = int(now)
        rate = connection.rate
        count = (rate >> 32 if rate & 0xFFFF_FFFF == second else 0) + len(frames)
        connection.rate = count << 32 | second
        if count > self.limits.frames_per_s:
            self.counts["frames_over_rate"] += len(frames)
            if count > 20 * self.limits.frames_per_s:
                self.close(connection, "flood", now)
            return
        for frame in frames:
            self.handler.frame(connection, frame, now)
            if connection.closed:
                return

    def _flush(self, connection: Connection, now: float) -> None:
        waiting = connection.unsent
        if waiting is None:
            return
        try:
            sent = os.write(connection.fd, waiting)
        except BlockingIOError:
            return
        except OSError:
            self.close(connection, "lost", now)
            return
        del waiting[:sent]
        if not waiting:
            connection.unsent = None
            self._poll.modify(connection.fd, _READ)

    def _expire(self, now: float) -> None:
        limits = self.limits
        while self.new:
            connection = next(iter(self.new))
            if now - connection.opened < limits.login_s:
                break
            self.close(connection, "no_login", now)
        while self._begun:
            connection, since = next(iter(self._begun.items()))
            if now - since < limits.frame_s:
                break
            self.close(connection, "slow", now)
        if now - self._swept >= min(10.0, limits.idle_s / 4):
            self._swept = now
            for connection in [c for c in self.connections.values() if now - c.heard > limits.idle_s]:
                self.close(connection, "silent", now)


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket whose connections keep alive and do not delay small frames."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for option, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
            if hasattr(socket, option):
                listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        listener.bind((host, port))
        listener.listen(4096)
    except OSError as error:
        listener.close()
        raise LinkError(
            "link.failed",
            str(Text(f"cannot listen on {host}:{port}: {error.strerror}", f"无法监听 {host}:{port}: {error.strerror}")),
            hint=str(
                Text(
                    "another program may hold the port, or the address is not of this machine",
                    "端口可能被占用, 或地址不属于本机",
                )
            ),
        ) from None
    return listener
