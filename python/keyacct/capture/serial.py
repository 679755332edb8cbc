"""A serial line: a port of this machine, or one that a server lends by RFC 2217."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import select
import termios
import time
from typing import Any

from keyacct.capture.link import Link
from keyacct.capture.transport import link_error, lost
from keyacct.errors import LinkError
from keyacct.i18n import Text

_PSEUDO_MAJORS = range(136, 144)  # Unix98 slaves, Documentation/admin-guide/devices.txt of Linux


def _lent_port() -> Any:
    """A port by RFC 2217 that is not open yet. pyserial's own leaves the socket open where the server hung up first."""
    import serial.rfc2217

    class LentPort(serial.rfc2217.Serial):  # type: ignore[misc]  # pyserial tells no types
        def close(self) -> None:
            connection = self._socket
            super().close()
            if connection is not None:
                connection.close()

    return LentPort()


class SerialTransport:
    """One serial line through pyserial."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self._port: Any = None
        self._descriptor: int | None = None

    @property
    def place(self) -> str:
        """The port's name, or the server's address."""
        return self.link.place

    def open(self, timeout_s: float) -> None:
        """Open the port for ourselves alone. Raises LinkError: missing, no permission, busy, no serial port."""
        import serial

        self.close()
        link = self.link
        remote = link.kind == "rfc2217"
        try:
            port = _lent_port() if remote else serial.Serial()
            port.port = f"rfc2217://{link.host}:{link.port}?timeout={max(timeout_s, 0.1):g}" if remote else link.device
            port.baudrate, port.stopbits = link.baud, link.stop_bits
            if remote or not _is_pseudo(link.device):
                port.parity, port.bytesize = link.parity, link.data_bits
            port.timeout = 0.05 if remote else 0
            if not remote:
                port.write_timeout = 10.0  # changing it later would configure the line again
            if not remote:
                port.exclusive = True
            port.open()
            if link.rts and not remote:
                import serial.rs485

                port.rs485_mode = serial.rs485.RS485Settings()
        except (OSError, ValueError, termios.error) as error:  # pyserial's own error is an OSError
            raise self._refused(error) from None
        self._port = port
        self._descriptor = None if remote else port.fileno()

    def _refused(self, error: Exception) -> LinkError:
        number = getattr(error, "errno", None)
        if self.link.kind == "rfc2217":
            return link_error(
                self.place,
                Text(f"no serial port by RFC 2217: {error}", f"RFC 2217 串口打不开: {error}"),
                Text(
                    "check that the server speaks RFC 2217 there; a raw port is socket://host:port",
                    "请确认该端口支持 RFC 2217; 透传端口应写 socket://host:port",
                ),
            )
        if number == errno.ENOENT:
            names = ", ".join(ports()) or str(Text("none", "无"))
            return link_error(
                self.place,
                Text("there is no such port", "没有此端口"),
                Text(
                    f"plug the adapter in; ports of this machine: {names}",
                    f"请插好转换器; 本机可用端口: {names}",
                ),
            )
        if number in (errno.EACCES, errno.EPERM):
            return link_error(
                self.place,
                Text("this user may not use the port (permission denied)", "当前用户无权使用该端口 (权限不足)"),
                Text(
                    "add the user to the group that owns it (usually `sudo usermod -aG dialout USER`) and log in again",
                    "将用户加入端口所属组 (通常 `sudo usermod -aG dialout 用户`), 重新登录",
                ),
            )
        if number in (errno.EBUSY, errno.EAGAIN) or "lock" in str(error).lower():
            return link_error(
                self.place,
                Text("another program has the port open", "端口被其他程序占用"),
                Text(f"find and stop it: fuser {self.link.device}", f"查找并停止该程序: fuser {self.link.device}"),
            )
        return link_error(
            self.place,
            Text(f"cannot be opened as a serial port: {_reason(error)}", f"无法作为串口打开: {_reason(error)}"),
            Text("check the name and the settings of the port", "请检查端口名和参数"),
        )

    def write(self, data: bytes, deadline: float) -> None:
        """Send all of it and wait until it is out. Raises LinkError."""
        port = self._opened()
        try:
            port.write(data)
        except OSError as error:
            raise lost(self.place, _reason(error)) from None

    def read(self, deadline: float) -> bytes:
        """What has come until the deadline. Raises LinkError when the cable was pulled."""
        port = self._opened()
        try:
            while True:
                left = deadline - time.monotonic()
                if self._descriptor is not None:
                    waiting = select.poll()
                    waiting.register(self._descriptor, select.POLLIN)
                    if not waiting.poll(max(left, 0) * 1000):
                        return b""
                    data: bytes = port.read(max(port.in_waiting, 1))
                    if not data:
                        raise lost(self.place)
                    return data
                data = port.read(max(port.in_waiting, 1))
                if data or left <= 0:
                    return data
        except LinkError:
            raise
        except (OSError, TypeError, AttributeError) as error:  # pyserial's own, and what it raises when torn down
            raise lost(self.place, _reason(error)) from None

    def _opened(self) -> Any:
        if self._port is None:
            raise lost(self.place)
        return self._port

    def close(self) -> None:
        """Close the port."""
        if self._port is not None:
            with contextlib.suppress(Exception):
                self._port.close()
            self._port, self._descriptor = None, None


def _reason(error: Exception) -> str:
    """The words of an error, without its number. `termios.error` has both in its arguments, pyserial's all in a text."""
    words = getattr(error, "strerror", None) or (error.args[-1] if error.args else error)
    match = re.search(r"\(\d+, '([^']+)'\)", str(words))
    return match[1] if match is not None else str(words)


def _is_pseudo(device: str) -> bool:
    """Whether it is a pseudo-terminal: those carry bytes, know no parity, and refuse to be set to what they do not know."""
    with contextlib.suppress(OSError):
        return os.major(os.stat(device).st_rdev) in _PSEUDO_MAJORS
    return False


def ports() -> list[str]:
    """Serial ports of this machine."""
    from serial.tools import list_ports

    return sorted(found.device for found in list_ports.comports())
