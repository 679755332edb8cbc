"""A line with meters on it: opened when needed, opened again after a loss, one exchange at a time."""

from __future__ import annotations

import functools
import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from keyacct import clock, wire
from keyacct.capture.harmless import check_harmless, check_part
from keyacct.capture.line_lock import LineLock
from keyacct.capture.link import Link
from keyacct.capture.masking import without_password
from keyacct.capture.opening import make_transport
from keyacct.capture.trace import TracingTransport
from keyacct.capture.transport import Transport
from keyacct.errors import LinkError
from keyacct.i18n import Text, language
from keyacct.secrets import SourceOf

CAUSES: dict[str, Text] = {
    "timeout": Text("no answer in time", "超时无应答"),
    "incomplete": Text("the answer broke off", "应答不完整"),
    "bad_checksum": Text("the answer's checksum is wrong", "应答校验错误"),
    "noise": Text("bytes came, but no frame", "收到字节但不成帧"),
    "wrong_address": Text("another device answered", "其他设备应答"),
    "late": Text("only the answer to another request came", "只收到其他请求的应答"),
    "refused": Text("the meter refused", "电表拒绝"),
    "password": Text("the password is refused, or missing", "密码被拒绝或缺少密码"),
    "no_data": Text("the meter has no value for it", "电表无此数据"),
    "clock_suspect": Text("the meter's clock is in doubt", "电表时钟可疑"),
    "implausible": Text("the value is impossible", "数值不合理"),
    "unreadable": Text("the answer cannot be read as values", "应答无法解析为数值"),
    "link": Text("the line is down", "通信线路不通"),
    "interrupted": Text("stopped before it was asked", "未召测即被中断"),
}
"""Why an item was not read, by its code."""

RETRIED = frozenset({"timeout", "incomplete", "bad_checksum", "noise", "wrong_address", "late", "link"})
"""Causes that may be gone the next time. A refusal is an answer and is not asked again."""

SPOKEN = frozenset({"incomplete", "bad_checksum", "wrong_address", "late", "refused", "no_data", "implausible"})
"""Causes that prove that a device spoke, if badly. Silence does not, nor do bytes that are no frame (a wrong speed)."""

Accept = Callable[[bytes, bytes, dict[str, Any]], bool]
Unasked = Callable[[bytes, dict[str, Any]], bytes | None]
_T = TypeVar("_T")
_MOST_HELD = 16_384
_LINGER_S = 1.0
_LET_IN_S = 0.3
GIVE_WAY_S = 120.0
"""How long something more urgent may have the line before the rest of a round on it fails."""


@dataclass(frozen=True)
class Failure:
    """Why there is no value: a code of `CAUSES` and what was seen, in one sentence."""

    cause: str
    detail: str = ""
    hint: str = ""

    def __str__(self) -> str:
        return f"{CAUSES[self.cause]}: {self.detail}" if self.detail else str(CAUSES[self.cause])


class ExchangeError(Exception):
    """A request that got no usable answer. frames: what went over the line all the same."""

    def __init__(self, failure: Failure, frames: tuple[bytes, ...] = ()) -> None:
        super().__init__(str(failure))
        self.failure, self.frames = failure, frames


@dataclass(frozen=True)
class Reply:
    """The frame that answered, what it says, and when it was whole (UTC milliseconds)."""

    frame: bytes
    message: dict[str, Any]
    recv_at_ms: int


@functools.cache
def built_in_registers() -> Any:
    """The built-in catalogue, once: only framing and refusals are read here, and hundreds of lines share it."""
    return wire.open_registers()


class BackOff:
    """Seconds to wait before the line is opened again: doubled each time, with jitter so that lines do not march in step."""

    def __init__(self, first_s: float = 0.5, most_s: float = 60.0, seed: int | None = None) -> None:
        self.first_s, self.most_s = first_s, most_s
        self._random = random.Random(seed)  # noqa: S311  # jitter, no secret
        self._failures = 0

    def next_s(self) -> float:
        """The next pause: half of it certain, half of it chance."""
        pause: float = min(self.first_s * 2 ** min(self._failures, 30), self.most_s)
        self._failures += 1
        return pause * (0.5 + 0.5 * self._random.random())

    @property
    def losses(self) -> int:
        """Losses since the line last worked."""
        return self._failures

    def reset(self) -> None:
        """The line works again."""
        self._failures = 0


class Line:
    """One line. Its exchanges take turns, whoever asks."""

    def __init__(
        self,
        link: Link,
        *,
        transport: Transport | None = None,
        connect_s: float = 10.0,
        timeout_s: float | None = None,
        back_off: BackOff | None = None,
        sleep: Callable[[float], None] = time.sleep,
        source_of: SourceOf | None = None,
    ) -> None:
        """timeout_s: from the last byte sent to the last byte of the answer; by the line's speed if None.

        source_of: where the password of a device on it is.
        """
        self.link = link
        self.connect_s = connect_s
        self.timeout_s = timeout_s if timeout_s is not None else link.answer_s()
        self.back_off = back_off or BackOff()
        self._transport = transport if transport is not None else make_transport(link)
        self._line_lock = LineLock(link.place)
        self._open = False
        self.priority = 1  # of what is asked now, for whoever has the line before us
        self._quiet_from = 0.0
        self._lock = threading.Lock()
        self._sleep = sleep
        self._registers = built_in_registers()
        self.associations: dict[str, Any] = {}  # by address; what was agreed with a device ends with the connection
        self.source_of: SourceOf = source_of or (lambda protocol, address: None)
        self.locked_out: dict[
            str, Failure
        ] = {}  # by address; a password that was refused is not tried again on this line
        self.unanswered: dict[str, dict[bytes, None]] = {}  # by address; what may still be answered, late

    @property
    def is_open(self) -> bool:
        """Whether the line is open."""
        return self._open

    @property
    def is_taken(self) -> bool:
        """Whether another process talks on it right now."""
        return self._line_lock.is_taken

    def open(self) -> None:
        """Open the line if it is not, once no other process talks on it. Raises LinkError."""
        if not self._open:
            self._line_lock.take(self.connect_s, self.priority)
            try:
                self._transport.open(self.connect_s)
            except BaseException:
                self._line_lock.give_back()
                raise
            self._open = True

    def close(self) -> None:
        """Close the line."""
        self._transport.close()
        self._line_lock.give_back()
        self._open = False
        self.associations.clear()

    def give_way(self, priority: int) -> bool:
        """Leave the line to another process that waits with something more urgent, and take it again behind it.

        Whether it did. Raises LinkError when the line does not come back within `GIVE_WAY_S`.
        """
        if not self._open or not self._line_lock.is_wanted(priority):
            return False
        self.close()
        self._sleep(_LET_IN_S)  # who waits looks every tenth of a second
        self._line_lock.take(GIVE_WAY_S, priority)
        self.open()
        return True

    def pause(self, stop: threading.Event) -> None:
        """Wait as long as the line should be left alone after a loss, or until we are to stop."""
        stop.wait(self.back_off.next_s())

    def send(self, request: bytes) -> None:
        """Send what nobody answers (a broadcast). Raises LinkError."""
        check_harmless(request, None)
        with self._lock:
            self._begin()
            self._guarded(lambda: self._transport.write(request, time.monotonic() + self.timeout_s))
            self._quiet_from = time.monotonic()

    def exchange(
        self,
        request: bytes,
        protocol: str,
        *,
        preamble: bytes = b"",
        accept: Accept | None = None,
        unasked: Unasked | None = None,
        part_of: bytes | None = None,
    ) -> Reply:
        """Send a request and wait for its answer. Raises ExchangeError (no usable answer), LinkError (line is gone).

        Our own echo, answers to other requests, noise and broken frames are passed over until the deadline; then the
        error says which of them it was. accept: whether a frame answers, `wire.answers` if None. unasked: what is sent
        to a frame that a device began by itself (a log-in); None for a frame that is none. part_of: the whole frame
        of which the request is a split frame (DL/T 698.45).
        """
        if part_of is None:
            check_harmless(preamble + request, protocol)
        else:
            check_part(preamble + request, part_of)
        shown = without_password(request, protocol)
        with self._lock:
            self._begin()
            waiting = self._drain()
            if unasked is not None and waiting:
                for frame, message in self._frames(waiting, protocol):
                    self._tell(unasked, frame, message)
            traced = self._transport if isinstance(self._transport, TracingTransport) else None
            if traced is not None and shown != request:
                traced.veil(preamble + shown)
            self._guarded(lambda: self._transport.write(preamble + request, time.monotonic() + self.timeout_s))
            sent_s = len(preamble + request) * 11 / self.link.baud if self.link.timed else 0.0
            deadline = time.monotonic() + sent_s + self.timeout_s
            try:
                reply = self._await(request, protocol, deadline, accept, unasked)
            except ExchangeError as error:
                if shown != request:  # what was seen may be a broken echo
                    raise ExchangeError(Failure(error.failure.cause, hint=error.failure.hint)) from None
                raise
            finally:
                self._quiet_from = time.monotonic()
            if traced is not None:
                traced.unveil(reply.frame)
            self.back_off.reset()  # only an answer: a gateway may take every connection and hang up
            return reply

    def gather(self, request: bytes, protocol: str, *, preamble: bytes = b"") -> tuple[list[Reply], bool]:
        """Every answer until the timeout, and whether bytes came that belong to none (several spoke at once, or noise).

        For requests to wildcard addresses. Raises LinkError.
        """
        check_harmless(preamble + request, protocol)
        with self._lock:
            self._begin()
            self._drain()
            self._guarded(lambda: self._transport.write(preamble + request, time.monotonic() + self.timeout_s))
            deadline = time.monotonic() + self.timeout_s
            held = b""
            while time.monotonic() < deadline and len(held) < _MOST_HELD:
                data = self._guarded(lambda: self._transport.read(deadline))
                if not data:
                    break
                held += data
            self._quiet_from = time.monotonic()
            replies, rest = [], held
            for frame, message in self._frames(held, protocol):
                rest = rest.replace(frame, b"", 1)
                if frame != request and wire.answers(request, frame, protocol):
                    replies.append(Reply(frame, message, clock.now_ms()))
            return replies, bool(rest.strip(b"\xfe\xff\x00"))

    def gather_first(self, request: bytes, protocol: str) -> tuple[list[Reply], bool]:
        """The answer, as soon as it is there, in the form of `gather`."""
        try:
            return [self.exchange(request, protocol)], False
        except ExchangeError as error:
            return [], error.failure.cause not in ("timeout", "link")

    def _begin(self) -> None:
        self.open()
        wait_s = self._quiet_from + self.link.turn_s - time.monotonic()
        if wait_s > 0:
            self._sleep(wait_s)

    def _guarded(self, action: Callable[[], _T]) -> _T:
        try:
            return action()
        except LinkError:
            self.close()
            raise

    def _drain(self) -> bytes:
        """Take away what lies there from before; the last of it."""
        gone = b""
        until = time.monotonic() + 1.0  # a line that never stops talking must not hold us
        while time.monotonic() < until:
            data = self._guarded(lambda: self._transport.read(time.monotonic()))
            if not data:
                break
            gone = (gone + data)[-_MOST_HELD:]
        return gone

    def _tell(self, unasked: Unasked | None, frame: bytes, message: dict[str, Any]) -> bool:
        """Whether a frame was begun by a device; what it waits for is sent."""
        said = unasked(frame, message) if unasked is not None else None
        if said:
            check_harmless(said, None)
            self._guarded(lambda: self._transport.write(said, time.monotonic() + self.timeout_s))
        return said is not None

    def _await(
        self, request: bytes, protocol: str, deadline: float, accept: Accept | None, unasked: Unasked | None
    ) -> Reply:
        held = b""
        told: set[bytes] = set()
        seen = 0
        others: list[dict[str, Any]] = []
        while True:
            data = self._guarded(lambda: self._transport.read(deadline))
            if not data:
                break
            received_ms = getattr(self._transport, "received_ms", None) or clock.now_ms()
            seen += len(data)
            held += data
            for frame, message in self._frames(held, protocol):
                if frame == request:
                    continue  # the echo of a two-wire adapter
                if accept(request, frame, message) if accept is not None else wire.answers(request, frame, protocol):
                    return Reply(frame, message, received_ms)  # the stamp of the trace, where there is one
                if frame in told:
                    continue
                if self._tell(unasked, frame, message):
                    told.add(frame)
                elif message not in others:
                    others.append(message)
            if len(held) > _MOST_HELD:
                held = held[-_MOST_HELD // 4 :]
            if time.monotonic() >= deadline:
                break
        if protocol == "modbus-rtu":
            self._linger()  # its answers do not say to what: a late one would pass for the next one's
        for frame in told:
            held = held.replace(frame, b"")
        seen = seen if held.strip(b"\xfe") or not told else 0
        raise ExchangeError(self._why(request, protocol, held, seen, others))

    def _linger(self) -> None:
        until = time.monotonic() + min(self.timeout_s, _LINGER_S)
        while self._guarded(lambda: self._transport.read(until)):
            if time.monotonic() >= until:
                return

    def _frames(self, held: bytes, protocol: str) -> list[tuple[bytes, dict[str, Any]]]:
        found = []
        for text in wire.describe([held.hex()], protocol, registers=self._registers):
            message = json.loads(text)
            if message.get("valid"):
                start = message["offset"]
                found.append((held[start : start + message["length"]], message))
        return found

    def _why(self, request: bytes, protocol: str, held: bytes, seen: int, others: list[dict[str, Any]]) -> Failure:
        """What went wrong, from what was seen until the deadline."""
        waited = Text(f"{self.timeout_s:g} s waited", f"已等待 {self.timeout_s:g} 秒")
        asked = self._frames(request, protocol)
        address = asked[0][1].get("address", asked[0][1].get("unit")) if asked else None
        answers = [other for other in others if other.get("direction") not in ("request", "downlink")]
        if answers:
            theirs = answers[-1].get("address", answers[-1].get("unit"))
            if address is not None and theirs is not None and theirs != address and protocol != "modbus-rtu":
                return Failure(
                    "wrong_address",
                    str(Text(f"{theirs} answered, {address} was asked", f"询问 {address}, 应答者为 {theirs}")),
                    str(Text("two meters may share an address, or the line is shared", "可能地址重复或线路被共用")),
                )
            return Failure("late", str(Text("the line is slower than the timeout", "线路慢于超时设置")))
        if not seen:
            hint = Text(
                "check address, baud rate, parity and wiring; `keyacct scan` finds what answers",
                "请检查地址、波特率、校验和接线; `keyacct scan` 可搜索应答设备",
            )
            return Failure("timeout", str(waited), str(hint))
        echo = request in held
        rest = held.replace(request, b"", 1) if echo else held
        if not rest.strip(b"\xfe\xff\x00"):
            only_echo = Text(f"{waited.en}, only our own echo came", f"{waited.zh}, 只收到自身回波")
            swapped = Text(
                "the adapter works; check the address, whether the meter has power, and wires A and B",
                "转换器正常; 请检查表地址、电表是否有电、A/B 线是否接反",
            )
            return Failure("timeout", str(only_echo if echo else waited), str(swapped) if echo else "")
        code, message = self._broken(rest, protocol)
        if code in ("frame.checksum", "frame.header_checksum"):
            return Failure(
                "bad_checksum", message, str(Text("line noise, or two meters at once", "线路干扰或多表同时应答"))
            )
        if code in ("frame.truncated", "frame.end_byte"):
            return Failure("incomplete", message, str(Text("give a longer --timeout", "可加长 --timeout")))
        count = f"{seen} bytes" if seen > 1 else "1 byte"
        return Failure(
            "noise",
            str(Text(f"{count} that are no {protocol}", f"{seen} 字节, 不是 {protocol}")),
            str(Text("the baud rate, the parity or the protocol may be wrong", "波特率、校验位或规约可能不对")),
        )

    def _broken(self, held: bytes, protocol: str) -> tuple[str, str]:
        for text in wire.describe([held.hex()], protocol, registers=self._registers, chinese=language() == "zh"):
            error = json.loads(text).get("error")
            if isinstance(error, dict) and "code" in error:
                return str(error["code"]), str(error["message"])
        return "", ""
