"""Every byte of the lines as a packet capture, each line a TCP conversation: `keyacct replay` and Wireshark read it."""

from __future__ import annotations

import struct
import threading
from pathlib import Path
from typing import BinaryIO

from keyacct import clock
from keyacct.capture.transport import Transport
from keyacct.errors import from_os_error

_RAW_IP = 101
_SEGMENT = 1400
_OURS = 0x0A000001  # 10.0.0.1


class Trace:
    """A capture that is being written; lines of several threads may share it."""

    def __init__(self, path: Path | str) -> None:
        """Raises WriteError when the file cannot be made."""
        self.path = str(path)
        self._lock = threading.Lock()
        self._lines = 0
        try:
            self._file: BinaryIO = Path(path).open("wb")  # noqa: SIM115  # closed by `close`
            self._file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, _RAW_IP))
            self._file.flush()
        except OSError as error:
            raise from_os_error(error, writing=True, file=self.path) from None

    def line(self, port: int = 0) -> TracedLine:
        """A line of its own in the capture."""
        with self._lock:
            self._lines += 1
            return TracedLine(self, self._lines, port)

    def packet(self, data: bytes, at_ms: int | None = None) -> int:
        """One packet, stamped now or at an instant (UTC milliseconds); the stamp."""
        stamp = clock.now_ms() if at_ms is None else at_ms
        head = struct.pack("<IIII", stamp // 1000, stamp % 1000 * 1000, len(data), len(data))
        try:
            with self._lock:
                self._file.write(head + data)
                self._file.flush()
        except OSError as error:
            raise from_os_error(error, writing=True, file=self.path) from None
        return stamp

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()


class TracedLine:
    """One line of a trace: what was sent and what came, as segments of a TCP conversation."""

    def __init__(self, trace: Trace, number: int, port: int) -> None:
        self._trace = trace
        self._theirs = 0x0A010000 + number  # 10.1.x.y
        self._port = port or 8000
        self._ours_port = 20_000 + number % 40_000
        self._sent = 1
        self._came = 1

    def sent(self, data: bytes, at_ms: int | None = None) -> None:
        """Bytes that left."""
        for start in range(0, len(data), _SEGMENT):
            piece = data[start : start + _SEGMENT]
            self._write(_OURS, self._theirs, self._ours_port, self._port, self._sent, self._came, piece, at_ms)
            self._sent = (self._sent + len(piece)) & 0xFFFF_FFFF

    def came(self, data: bytes, at_ms: int | None = None) -> int:
        """Bytes that arrived; the stamp of the last of them."""
        stamp = 0
        for start in range(0, len(data), _SEGMENT):
            piece = data[start : start + _SEGMENT]
            stamp = self._write(self._theirs, _OURS, self._port, self._ours_port, self._came, self._sent, piece, at_ms)
            self._came = (self._came + len(piece)) & 0xFFFF_FFFF
        return stamp

    def _write(
        self,
        source: int,
        target: int,
        from_port: int,
        to_port: int,
        number: int,
        seen: int,
        data: bytes,
        at_ms: int | None,
    ) -> int:
        tcp = struct.pack(">HHIIBBHHH", from_port, to_port, number, seen, 5 << 4, 0x18, 65_535, 0, 0)
        ip = struct.pack(">BBHHHBBHII", 0x45, 0, 40 + len(data), 0, 0, 64, 6, 0, source, target)
        total = sum(struct.unpack(">10H", ip))
        total = (total & 0xFFFF) + (total >> 16)
        ip = ip[:10] + struct.pack(">H", ~(total + (total >> 16)) & 0xFFFF) + ip[12:]
        return self._trace.packet(ip + tcp + data, at_ms)


class TracingTransport:
    """A transport whose bytes are written down as they go by. received_ms: the stamp of what came last.

    A request that carries a password is written down without it (`veil`). Until the next answer (`unveil`) nothing else is
    then written that came: it may be an echo of the password, whole, broken or late.
    """

    def __init__(self, inner: Transport, line: TracedLine) -> None:
        self._inner, self._line = inner, line
        self.received_ms: int | None = None
        self._veiled = False
        self._instead: bytes | None = None

    @property
    def place(self) -> str:
        """Where the line is."""
        return self._inner.place

    def open(self, timeout_s: float) -> None:
        """Open the line below."""
        self._inner.open(timeout_s)

    def veil(self, shown: bytes) -> None:
        """The next bytes that are sent carry a password: these are written down in their place."""
        self._veiled, self._instead = True, shown

    def unveil(self, answer: bytes) -> None:
        """An answer has come: everything that was sent before it has come back by now, if it comes back at all."""
        if self._veiled:
            self._veiled = False
            self._line.came(answer, self.received_ms)

    def write(self, data: bytes, deadline: float) -> None:
        """Send, and note it."""
        shown, self._instead = self._instead, None
        self._line.sent(data if shown is None else shown)
        self._inner.write(data, deadline)

    def read(self, deadline: float) -> bytes:
        """What has come, noted."""
        data = self._inner.read(deadline)
        if data:
            self.received_ms = clock.now_ms() if self._veiled else self._line.came(data)
        return data

    def close(self) -> None:
        """Close the line below."""
        self._inner.close()
