"""The master's side of Q/GDW 1376.1: log-in, heartbeat, reads, events, clock. Source: Q/GDW 1376.1-2013 §5 to §7."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from keyacct import wire
from keyacct.capture.harmless import check_harmless
from keyacct.capture.master.front import Connection
from keyacct.capture.master.station import EVENT_BACKLOG, Question, Session, Station
from keyacct.errors import UsageError
from keyacct.i18n import Text

MSA = 1
"""Our number as a master station."""
_LINK = 2  # AFN of log-in, log-out and heartbeat
_F1, _F2, _F3 = b"\x00\x00\x01\x00", b"\x00\x00\x02\x00", b"\x00\x00\x04\x00"


class _Parts:
    """A request but for address, number and checksum."""

    __slots__ = ("afn", "base", "first", "head", "tail")

    def __init__(self, frame: bytes) -> None:
        self.head = frame[:7]
        self.tail = frame[14:-2]
        self.afn = frame[12]
        self.first = frame[14:18]
        self.base = frame[6] + frame[11] + frame[12] + sum(self.tail)

    def frame(self, address: bytes, number: int) -> bytes:
        """The request of a terminal; FIR and FIN set, number in the low four bits."""
        seq = 0x60 | number & 15
        check = self.base + sum(address) + seq & 0xFF
        return b"%b%b%c%c%c%b%c\x16" % (self.head, address, MSA << 1, self.afn, seq, self.tail, check)


class Gdw1376Station(Station):
    """A master station for terminals of Q/GDW 1376.1."""

    protocol = "gdw1376.1"

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._clock = self.question("clock", "clock", {"afn": "0C", "items": [{"pn": 0, "fn": 2}]})
        self._challenge = self.question("challenge", "clock", {"afn": "0C", "items": [{"pn": 0, "fn": 2}]})

    @staticmethod
    def address_of(name: str) -> bytes:
        """`9612-3456` as it stands in a frame."""
        match = re.fullmatch(r"([0-9]{4})-([0-9A-Fa-f]{4})", name.strip())
        if match is None:
            raise UsageError(
                "usage.invalid",
                str(Text(f"{name!r} is no address of a terminal", f"{name!r} 不是终端地址")),
                hint=str(Text("write for example 9612-3456", "应写作如 9612-3456")),
            )
        return bytes.fromhex(match[1])[::-1] + bytes.fromhex(match[2])[::-1]

    @staticmethod
    def name_of(address: bytes) -> str:
        """`9612-3456`."""
        return f"{address[1::-1].hex()}-{address[:1:-1].hex().upper()}"

    def question(self, purpose: str, name: str, message: Mapping[str, Any]) -> Question:
        """A request for any terminal: `afn` and `items` as `keyacct.wire.encode` takes them. Raises InputError."""
        whole = {"address": "0000-0000", "msa": MSA, "control": "0x4B", **message}
        frame = wire.encode(whole, self.protocol, registers=self._registers)
        check_harmless(frame, self.protocol)
        return Question(purpose, name, _Parts(frame))

    def read_clock(self) -> Question:
        """The question for the terminal's clock."""
        return self._clock

    def challenge(self) -> Question:
        """A read of the clock."""
        return self._challenge

    def _transmit(self, session: Session, question: Question, now: float) -> None:
        self.front.send(session.connection, question.parts.frame(session.address, session.number), now)

    def frame(self, connection: Connection, frame: bytes, now: float) -> None:
        """A whole frame has come."""
        session: Session | None = connection.session
        if session is None:
            if frame[6] & 0xC0 == 0xC0 and frame[12] == _LINK and frame[14:18] in (_F1, _F3):
                self.login(connection, frame[7:11], frame, now)
            else:
                self.refuse("before_login", connection.peer)
            return
        if frame[7:11] != session.address:
            self.spoofed(session, frame[7:11])
            return
        if session.challenger is not None:
            self.alive(session, now)
        if frame[6] & 0xC0 == 0x80:
            self._answer(session, frame, now)
        elif frame[6] & 0xC0 == 0xC0:
            self._report(session, frame, now)
        else:
            self.counts["wrong_direction"] += 1

    def _answer(self, session: Session, frame: bytes, now: float) -> None:
        question = session.asking
        if question is None or frame[13] & 15 != session.number & 15:
            self.counts["unasked"] += 1
            return
        parts = question.parts
        if frame[12] == parts.afn and frame[14:18] == parts.first:
            self.counts["answers"] += 1
            if question.purpose == "read" and not session.unverified:
                self.frames.append(frame)
                self.received_ms.append(self.now_ms)
            else:
                self._use(session, question, frame, now)
        elif frame[12] == 0:
            if frame[14:18] != _F1 or parts.afn != 5:
                self._fail(session, question, "refused")
            else:
                self.counts["obeyed"] += 1
        else:
            self.counts["unasked"] += 1
            return
        if frame[13] & 0x20 or not frame[13] & 0x40:  # the last part, or a terminal that says 01 for a single one
            self._done(session, now)
        if frame[6] & 0x20:
            self._events_wait(session, frame)

    def _use(self, session: Session, question: Question, frame: bytes, now: float) -> None:
        self.keep(frame, session)
        if question.purpose in ("clock", "challenge"):
            told = _clock(frame[18:24])
            if told is not None:
                here = self._civil_now()
                self.deviations_s[self.name_of(session.address)] = (told - here).total_seconds()
        elif question.purpose == "events":
            session.event_pointer = frame[21]

    def _events_wait(self, session: Session, frame: bytes) -> None:
        at = len(frame) - (10 if frame[13] & 0x80 else 4)
        newest = frame[at]
        since = session.event_pointer
        if since < 0:
            since = newest - min(EVENT_BACKLOG, newest) & 0xFF
        waiting = (session.asking, *(session.todo or ()))
        if since == newest or any(q is not None and q.purpose == "events" for q in waiting):
            return
        data = bytes((since, newest)).hex()
        items = [{"pn": 0, "fn": 1, "data": data}]
        self.counts["event_fetches"] += 1
        self.ask(self.question("events", "events", {"afn": "0E", "items": items}), (session,))

    def _report(self, session: Session, frame: bytes, now: float) -> None:
        if frame[12] == _LINK:
            self.confirm(session.connection, frame, now)
            if len(frame) > 20:  # a heartbeat that says the terminal's time
                self.keep(frame, session)
            if frame[14:18] == _F2:
                self.front.close(session.connection, "logged_out", now)
            else:
                self.counts["heartbeats"] += 1
            return
        if frame[13] & 0x80 and self._is_late(frame):
            self.counts["late"] += 1
            return
        if frame[13] & 0x10:
            self.confirm(session.connection, frame, now)
        if not self.keep_once(frame, session):
            return
        if frame[12] == 0x0E and len(frame) > 24:
            session.event_pointer = frame[21]
        if frame[6] & 0x20:
            self._events_wait(session, frame)

    def _is_late(self, frame: bytes) -> bool:
        """Whether the frame's time tag (second, minute, hour, day and minutes allowed) is over."""
        second, minute, hour, day, allowed = frame[-7:-2]
        if not allowed:
            return False
        here = self._civil_now()
        try:
            sent = here.replace(day=_bcd(day), hour=_bcd(hour), minute=_bcd(minute), second=_bcd(second), microsecond=0)
        except ValueError:
            return True
        return abs((here - sent).total_seconds()) > allowed * 60

    def confirm(self, connection: Connection, frame: bytes, now: float) -> None:
        """Say that a frame that a terminal began has come (AFN 00 F1)."""
        seq = 0x60 | frame[13] & 15
        body = b"\x00%b\x00\x00%c%b" % (frame[7:11], seq, _F1)
        self.front.send(connection, b"\x68\x32\x00\x32\x00\x68%b%c\x16" % (body, sum(body) & 0xFF), now)

    def _confirm_login(self, connection: Connection, frame: bytes, now: float) -> None:
        self.confirm(connection, frame, now)

    def set_clock(self, session: Session, at: dt.datetime) -> None:
        """Set a terminal's clock (AFN 05 F31)."""
        digits = [at.second, at.minute, at.hour, at.day]
        data = bytes(_to_bcd(n) for n in digits) + bytes(
            (at.isoweekday() << 5 | _to_bcd(at.month), _to_bcd(at.year % 100))
        )
        message = {
            "afn": "05", "control": "0x4A", "items": [{"pn": 0, "fn": 31, "data": data.hex()}], "aux": {"pw": "00" * 16},
        }  # fmt: skip
        self.ask(self.question("set_clock", "set clock", message), (session,))


def _bcd(byte: int) -> int:
    high, low = byte >> 4, byte & 15
    if high > 9 or low > 9:
        raise ValueError
    return high * 10 + low


def _to_bcd(number: int) -> int:
    return number // 10 << 4 | number % 10


def _clock(data: bytes) -> dt.datetime | None:
    """Format A.1 as a time; None for what is none."""
    try:
        second, minute, hour, day = (_bcd(b) for b in data[:4])
        return dt.datetime(2000 + _bcd(data[5]), _bcd(data[4] & 0x1F), day, hour, minute, second)
    except (ValueError, IndexError):
        return None
