"""A line behind a TCP address: a serial gateway in raw mode, a Modbus device, a simulator."""

from __future__ import annotations

import errno
import select
import socket
import time

from keyacct.capture.transport import link_error, lost
from keyacct.errors import LinkError
from keyacct.i18n import Text


class TcpTransport:
    """One TCP connection."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._socket: socket.socket | None = None

    @property
    def place(self) -> str:
        """Address and port."""
        return f"{self.host}:{self.port}"

    def open(self, timeout_s: float) -> None:
        """Connect within the time, name look-up apart. Raises LinkError."""
        self.close()
        try:
            connection = socket.create_connection((self.host, self.port), timeout=max(timeout_s, 0.001))
        except OSError as error:
            raise self._refused(error, timeout_s) from None
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setblocking(False)  # waiting is `poll`'s: a time-out set before every call costs a call of its own
        self._socket = connection

    def _refused(self, error: OSError, timeout_s: float) -> LinkError:
        if isinstance(error, socket.gaierror):
            return link_error(
                self.place,
                Text(f"the name {self.host!r} is not known", f"无法解析主机名 {self.host!r}"),
                Text("check the spelling, or write the IP address", "请检查拼写, 或直接写 IP 地址"),
            )
        if isinstance(error, TimeoutError):
            return link_error(
                self.place,
                Text(f"no connection within {timeout_s:g} s", f"{timeout_s:g} 秒内未能建立连接"),
                Text("check address, power of the gateway and firewall", "请检查地址、网关电源和防火墙"),
            )
        if error.errno == errno.ECONNREFUSED:
            return link_error(
                self.place,
                Text("nobody listens on this port", "该端口无服务"),
                Text(
                    "check the port number and that the gateway is in server mode",
                    "请检查端口号, 并确认网关工作于服务器模式",
                ),
            )
        reason = error.strerror or str(error)
        return link_error(
            self.place,
            Text(f"cannot connect: {reason}", f"无法连接: {reason}"),
            Text("check address and network", "请检查地址和网络"),
        )

    def write(self, data: bytes, deadline: float) -> None:
        """Send all of it. Raises LinkError."""
        connection, left = self._opened(), memoryview(data)
        while left:
            try:
                left = left[connection.send(left) :]
            except BlockingIOError:
                if not self._ready(select.POLLOUT, deadline):
                    raise lost(self.place, str(Text("it takes no more bytes", "对端不再接收"))) from None
            except OSError as error:
                raise lost(self.place, error.strerror or str(error)) from None

    def read(self, deadline: float) -> bytes:
        """What has come until the deadline. Raises LinkError when the other side has hung up."""
        connection = self._opened()
        try:
            if deadline > time.monotonic() and not self._ready(select.POLLIN, deadline):
                return b""
            data = connection.recv(65_536)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise lost(self.place, error.strerror or str(error)) from None
        if not data:
            raise lost(self.place, str(Text("the other side hung up", "对端已挂断")))
        return data

    def _ready(self, event: int, deadline: float) -> bool:
        waiting = select.poll()
        waiting.register(self._opened(), event)
        return bool(waiting.poll(max(deadline - time.monotonic(), 0) * 1000))

    def _opened(self) -> socket.socket:
        if self._socket is None:
            raise lost(self.place)
        return self._socket

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
