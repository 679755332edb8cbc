"""Where a line is reached: the URL of a link, taken apart and checked."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from typing import Any

from keyacct.errors import UsageError
from keyacct.i18n import Text

BAUDS = (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
PARITIES = {"N": "none", "E": "even", "O": "odd"}
FORMS = "/dev/ttyUSB0?baud=2400&parity=E, socket://host:port, rfc2217://host:port, modbus+tcp://host:port, modbus+rtu:///dev/ttyUSB0"
MODBUS_PORT = 502


@dataclass(frozen=True)
class Link:
    """One line. kind: `serial`, `socket` or `rfc2217`. protocol: what the URL itself says is spoken, else None.

    turn_s: quiet time between an answer and the next request (RS-485 turn-round); echo: our own bytes come back.
    """

    url: str
    kind: str
    host: str = ""
    port: int = 0
    device: str = ""
    baud: int = 2400
    parity: str = "E"
    data_bits: int = 8
    stop_bits: int = 1
    turn_s: float = 0.0
    rts: bool = False
    protocol: str | None = None

    @property
    def place(self) -> str:
        """Where it is, as messages say it."""
        return self.device if self.kind == "serial" else f"{self.host}:{self.port}"

    @property
    def timed(self) -> bool:
        """Whether bytes take the time of a serial line that we know."""
        return self.kind in ("serial", "rfc2217")

    def answer_s(self, most_bytes: int = 267) -> float:
        """How long an answer may take: DL/T 645's 500 ms before it, its bytes at the line's speed, and the way there."""
        if self.timed:
            return 0.5 + most_bytes * 11 / self.baud + (0.2 if self.kind == "serial" else 1.0)
        return 3.0


def parse_link(url: str) -> Link:
    """The link of a URL. Raises UsageError that names the part that is wrong."""
    scheme, separator, _ = url.partition("://")
    if not separator:
        if not url.startswith("/"):
            raise _wrong(url, Text("it is neither a device (/dev/…) nor a URL", "既不是设备路径 (/dev/…) 也不是 URL"))
        return _serial(url, url, None)
    scheme = scheme.lower()
    if scheme == "modbus+rtu":
        rest = url[len("modbus+rtu://") :]
        if rest.startswith("/"):
            return _serial(url, rest, "modbus-rtu")
        return _network(url, "socket", "modbus-rtu", None)
    if scheme == "serial":
        return _serial(url, url[len("serial://") :], None)
    if scheme == "modbus+tcp":
        return _network(url, "socket", "modbus-tcp", MODBUS_PORT)
    if scheme in ("socket", "tcp"):
        return _network(url, "socket", None, None)
    if scheme == "rfc2217":
        return _network(url, "rfc2217", None, None)
    raise _wrong(url, Text(f"{scheme}:// is no kind of link", f"{scheme}:// 不是可用的链路"))


def _wrong(url: str, reason: Text) -> UsageError:
    shown = _without_password(url)
    return UsageError(
        "usage.invalid",
        str(Text(f"link {shown!r}: {reason.en}", f"链路 {shown!r}: {reason.zh}")),
        hint=str(Text(f"write one of: {FORMS}", f"可用写法: {FORMS}")),
    )


def _without_password(url: str) -> str:
    head, at, tail = url.rpartition("@")
    return f"{head.partition('://')[0]}://…@{tail}" if at and "://" in head else url


def _options(url: str, query: str, known: frozenset[str]) -> dict[str, str]:
    try:
        pairs = urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise _wrong(url, Text(f"{query!r} is no list of options", f"{query!r} 不是选项列表")) from None
    given = dict(pairs)
    for name in given:
        if name not in known:
            names = ", ".join(sorted(known))
            raise _wrong(url, Text(f"unknown option {name!r}, known: {names}", f"未知选项 {name!r}, 可用: {names}"))
    return given


_LINE = frozenset({"baud", "parity", "bits", "stop", "turn_ms", "rts"})


def _line_options(url: str, query: str, *, modbus: bool) -> dict[str, Any]:
    given = _options(url, query, _LINE)
    baud = _whole(url, given, "baud", 9600 if modbus else 2400)
    if baud not in BAUDS:
        listed = ", ".join(str(known) for known in BAUDS)
        raise _wrong(url, Text(f"baud={baud}: choose one of {listed}", f"baud={baud}: 应为 {listed}"))
    parity = given.get("parity", "N" if modbus else "E").upper()
    if parity not in PARITIES:
        raise _wrong(url, Text(f"parity={parity}: choose N, E or O", f"parity={parity}: 应为 N、E 或 O"))
    bits = _whole(url, given, "bits", 8)
    stop = _whole(url, given, "stop", 1)
    if bits not in (7, 8) or stop not in (1, 2):
        raise _wrong(url, Text("bits is 7 or 8, stop is 1 or 2", "bits 为 7 或 8, stop 为 1 或 2"))
    if given.get("rts", "0") not in ("0", "1"):
        raise _wrong(url, Text("rts is 0 or 1", "rts 为 0 或 1"))
    turn_ms = _whole(url, given, "turn_ms", 20)
    return {
        "baud": baud, "parity": parity, "data_bits": bits, "stop_bits": stop,
        "turn_s": turn_ms / 1000, "rts": given.get("rts", "0") == "1",
    }  # fmt: skip


def _whole(url: str, given: dict[str, str], name: str, default: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise _wrong(url, Text(f"{name}={text!r} is no number", f"{name}={text!r} 不是数字"))
    return int(text)


def _serial(url: str, rest: str, protocol: str | None) -> Link:
    device, _, query = rest.partition("?")
    if not device.startswith("/") or "\0" in device:
        raise _wrong(url, Text("name the port, as /dev/ttyUSB0", "应给出端口, 如 /dev/ttyUSB0"))
    more = _line_options(url, query, modbus=protocol is not None)
    return Link(url, "serial", device=device, protocol=protocol, **more)


def _network(url: str, kind: str, protocol: str | None, port: int | None) -> Link:
    try:
        parts = urllib.parse.urlsplit(url)
        given_port = parts.port
    except ValueError:
        raise _wrong(url, Text("the port is a number from 1 to 65535", "端口号为 1 至 65535")) from None
    if parts.username is not None or parts.password is not None:
        raise _wrong(url, Text("links take no user and no password", "链路不带用户名和口令"))
    if not parts.hostname:
        raise _wrong(url, Text("the host is missing", "缺少主机名"))
    chosen = given_port if given_port is not None else port
    if not chosen:
        raise _wrong(url, Text("the port is missing", "缺少端口号"))
    if parts.path not in ("", "/"):
        raise _wrong(url, Text(f"nothing is known of {parts.path!r}", f"无法识别 {parts.path!r}"))
    if kind == "rfc2217":
        more = _line_options(url, parts.query, modbus=False)
    else:
        given = _options(url, parts.query, frozenset({"turn_ms"}))
        more = {"turn_s": _whole(url, given, "turn_ms", 0) / 1000}
    return Link(url, kind, host=parts.hostname, port=chosen, protocol=protocol, **more)
