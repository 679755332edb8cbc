"""Sessions of terminals: who is logged in, what each is asked, what came of it. The same for every protocol.

A session binds an address to a connection. Frames of another address on it, frames from before the log-in and answers
that nobody asked for are counted and thrown away.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from keyacct import clock, wire
from keyacct.capture.master.front import Connection, Front
from keyacct.capture.master.limits import LONGEST_FRAME, Limits
from keyacct.capture.trace import Trace

Log = Callable[..., None]
AUDITED = frozenset({"spoofed", "duplicate_login", "quarantined"})
"""Refusals that leave a row in the audit chain: somebody may have claimed to be another terminal."""
EVENT_BACKLOG = 8
"""Events that are fetched from a terminal whose pointer we do not know yet."""
_SEEN = 16
"""Reports of a session that are known again."""


class Question:
    """What a terminal is asked. purpose: `read`, `clock`, `set_clock`, `events` or `challenge`; name: for messages."""

    __slots__ = ("name", "parts", "purpose")

    def __init__(self, purpose: str, name: str, parts: Any) -> None:
        self.purpose, self.name, self.parts = purpose, name, parts


class Session:
    """A terminal that has logged in. unverified: who is on the connection has also claimed to be another terminal.

    proved: when it last proved to be alive while somebody else wanted its place.
    """

    __slots__ = (
        "address", "asking", "challenger", "connection", "deadline", "event_pointer", "number", "proved", "seen", "todo",
        "tries", "unverified",
    )  # fmt: skip

    def __init__(self, address: bytes, connection: Connection) -> None:
        self.address, self.connection = address, connection
        self.asking: Question | None = None
        self.todo: deque[Question] | None = None
        self.number = self.tries = 0
        self.deadline = 0.0
        self.proved = -math.inf
        self.event_pointer = -1
        self.seen: tuple[int, ...] = ()
        self.challenger: tuple[Connection, bytes, float] | None = None
        self.unverified = False


@dataclass(frozen=True)
class Failed:
    """A question without an answer: `timeout`, `refused`, `left` (the terminal went away)."""

    terminal: str
    name: str
    cause: str
    at_ms: int


class Station(ABC):
    """What the protocols share. A protocol gives `frame` (Handler), `name_of`, `_login_of`, `_transmit`, `_confirm_login`."""

    protocol = ""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        limits: Limits | None = None,
        allowed: Iterable[str] | None = None,
        trace: Trace | None = None,
        log: Log | None = None,
        zone: dt.tzinfo = dt.UTC,
    ) -> None:
        """allowed: addresses of terminals as people write them; any if None. log: called with an event and its fields.
        zone: of the terminals' clocks.

        Raises LinkError when it cannot listen there.
        """
        self._registers = wire.open_registers()
        self._zone = zone
        self.limits = limits or Limits()
        cut = wire.frame_cutter(self.protocol, self.limits.frame or LONGEST_FRAME[self.protocol])
        self.front = Front(host, port, cut, self.limits, self)
        self.front.traced = trace is not None
        self.counts = self.front.counts
        self.sessions: dict[bytes, Session] = {}
        self.frames: list[bytes] = []
        self.received_ms: list[int] = []
        self.unverified: set[int] = set()
        self.incidents: list[dict[str, Any]] = []
        self.failures: list[Failed] = []
        self.deviations_s: dict[str, float] = {}
        self.on_login: tuple[Question, ...] = ()
        self.now_ms = clock.now_ms()
        self._allowed = None if allowed is None else {self.address_of(name) for name in allowed}
        self._asked: dict[Session, None] = {}  # in the order of their deadlines
        self._challenged: dict[Session, float] = {}
        self._takeovers: dict[bytes, deque[float]] = {}
        self._quarantine: dict[bytes, float] = {}
        self._trace = trace
        self._log = log or (lambda event, **fields: None)
        self._told: Counter[tuple[str, str]] = Counter()
        self._told_from = 0.0

    # what a protocol gives -------------------------------------------------------------------------------------------

    @abstractmethod
    def question(self, purpose: str, name: str, message: Mapping[str, Any]) -> Question:
        """A question for any terminal. Raises InputError."""

    @abstractmethod
    def read_clock(self) -> Question:
        """The question for the terminal's clock."""

    @abstractmethod
    def set_clock(self, session: Session, at: dt.datetime) -> None:
        """Set a terminal's clock to a local civil time."""

    @staticmethod
    @abstractmethod
    def address_of(name: str) -> bytes:
        """The bytes of an address as they stand in a frame. Raises UsageError."""

    @staticmethod
    @abstractmethod
    def name_of(address: bytes) -> str:
        """The address as people write it."""

    @abstractmethod
    def frame(self, connection: Connection, frame: bytes, now: float) -> None:
        """A whole frame has come."""

    @abstractmethod
    def _transmit(self, session: Session, question: Question, now: float) -> None:
        """Send a question."""

    @abstractmethod
    def _confirm_login(self, connection: Connection, frame: bytes, now: float) -> None:
        """Answer a log-in."""

    def _civil_now(self) -> dt.datetime:
        """What a terminal's clock should show."""
        return dt.datetime.fromtimestamp(self.now_ms / 1000, self._zone).replace(tzinfo=None)

    @abstractmethod
    def challenge(self) -> Question:
        """What a silent terminal is asked to prove that it is there."""

    # asking ----------------------------------------------------------------------------------------------------------

    def turn(self, wait_s: float = 0.05) -> None:
        """Wait for something and handle it."""
        self.now_ms = clock.now_ms()
        now = self.front.turn(wait_s)
        asked = self._asked
        while asked:
            session = next(iter(asked))
            if session.deadline > now:
                break
            self._timed_out(session, now)
        if self._challenged:
            for session in [s for s, until in self._challenged.items() if until <= now]:
                self._replace(session, now)

    def ask(self, question: Question, sessions: Iterable[Session] | None = None) -> int:
        """Ask terminals, all if None, after what they are being asked already; gives how many."""
        count = 0
        now = time.monotonic()
        for session in list(self.sessions.values()) if sessions is None else sessions:
            count += 1
            if session.asking is None:
                self._put(session, question, now)
            elif session.todo is None:
                session.todo = deque((question,))
            else:
                session.todo.append(question)
        return count

    @property
    def busy(self) -> int:
        """Terminals that have not answered yet."""
        return len(self._asked)

    def _put(self, session: Session, question: Question, now: float) -> None:
        session.asking = question
        session.number = session.number + 1 & 63
        session.tries = 1
        session.deadline = now + self.limits.answer_s
        self._asked[session] = None
        self._transmit(session, question, now)

    def _next(self, session: Session, now: float) -> None:
        todo = session.todo
        if todo is None:
            return
        question = todo.popleft()
        if not todo:
            session.todo = None
        self._put(session, question, now)

    def _done(self, session: Session, now: float) -> None:
        """The present question is answered."""
        session.asking = None
        del self._asked[session]
        if session.todo is not None:
            self._next(session, now)

    def _timed_out(self, session: Session, now: float) -> None:
        del self._asked[session]
        question = session.asking
        if question is None:
            return
        if session.tries < self.limits.tries and question.purpose != "challenge":
            session.tries += 1
            session.deadline = now + self.limits.answer_s
            self._asked[session] = None
            self.counts["repeated"] += 1
            self._transmit(session, question, now)
            return
        session.asking = None
        self._fail(session, question, "timeout")
        self._next(session, now)

    def _fail(self, session: Session, question: Question, cause: str) -> None:
        self.counts[f"failed_{cause}"] += 1
        if question.purpose != "challenge":
            self.failures.append(Failed(self.name_of(session.address), question.name, cause, self.now_ms))

    def keep(self, frame: bytes, session: Session | None = None) -> None:
        """A frame whose values are wanted."""
        if session is not None and session.unverified:
            self.unverified.add(len(self.frames))
        self.frames.append(frame)
        self.received_ms.append(self.now_ms)

    def keep_once(self, frame: bytes, session: Session) -> bool:
        """Keep what a terminal reports; False where it is one of the last reports again, which is only counted."""
        mark = hash(frame)
        if mark in session.seen:
            self.counts["replayed"] += 1
            return False
        session.seen = (*session.seen[1 - _SEEN :], mark)
        self.counts["reports"] += 1
        self.keep(frame, session)
        return True

    def describe(self, frame: bytes) -> dict[str, Any]:
        """A frame as decoding shows it."""
        shown: dict[str, Any] = json.loads(
            next(iter(wire.describe([frame.hex()], self.protocol, registers=self._registers)))
        )
        return shown

    def spoofed(self, session: Session, claimed: bytes) -> None:
        """A frame with another address than that of its session: thrown away, and what the session says is in doubt."""
        session.unverified = True
        self.refuse(
            "spoofed", session.connection.peer, terminal=self.name_of(session.address), claimed=self.name_of(claimed)
        )

    def take(self) -> tuple[list[bytes], list[int]]:
        """What has come since the last call: frames, and when each was whole (UTC milliseconds)."""
        frames, received_ms, _ = self.take_all()
        return frames, received_ms

    def take_all(self) -> tuple[list[bytes], list[int], set[int]]:
        """As `take`, and the numbers of those frames whose source is not verified."""
        frames, received_ms, unverified = self.frames, self.received_ms, self.unverified
        self.frames, self.received_ms, self.unverified = [], [], set()
        return frames, received_ms, unverified

    def take_incidents(self) -> list[dict[str, Any]]:
        """What somebody tried since the last call, for the audit chain: one of a kind, peer and minute."""
        incidents, self.incidents = self.incidents, []
        return incidents

    # logging in ------------------------------------------------------------------------------------------------------

    def login(self, connection: Connection, address: bytes, frame: bytes, now: float) -> None:
        """A terminal wants to log in on a connection that has no session."""
        if self._allowed is not None and address not in self._allowed:
            self.refuse("unknown_terminal", connection.peer, terminal=self.name_of(address))
            return
        if self._quarantine.get(address, 0.0) > now:
            self.refuse("quarantined", connection.peer, terminal=self.name_of(address))
            self.front.close(connection, "quarantined", now)
            return
        old = self.sessions.get(address)
        if old is None:
            self._admit(connection, address, frame, now)
            return
        proved = now - old.proved < self.limits.challenge_s  # or log-ins without end would drown it in challenges
        if old.challenger is not None or proved:
            if proved or (old.challenger is not None and old.challenger[0] is not connection):
                self.refuse("duplicate_login", connection.peer, terminal=self.name_of(address))
                self.front.close(connection, "duplicate", now)
            return
        old.challenger = (connection, frame, now)
        self._challenged[old] = now + self.limits.challenge_s
        self.counts["challenged"] += 1
        if old.asking is None:
            self._put(old, self.challenge(), now)

    def alive(self, session: Session, now: float) -> None:
        """A session that somebody else wants to take over has just proved itself."""
        challenger = session.challenger
        if challenger is None:
            return
        session.challenger, session.proved = None, now
        self._challenged.pop(session, None)
        self.refuse("duplicate_login", challenger[0].peer, terminal=self.name_of(session.address))
        self.front.close(challenger[0], "duplicate", now)

    def _replace(self, session: Session, now: float) -> None:
        """The older session kept silent: the newer takes its place."""
        del self._challenged[session]
        challenger, session.challenger = session.challenger, None
        address = session.address
        self.front.close(session.connection, "replaced", now)
        if challenger is None or challenger[0].closed:
            return
        changes = self._takeovers.setdefault(address, deque(maxlen=self.limits.takeovers))
        changes.append(now)
        if len(changes) == self.limits.takeovers and now - changes[0] < self.limits.quarantine_s:
            self._quarantine[address] = now + self.limits.quarantine_s
            self.counts["quarantines"] += 1
            flapping = {
                "cause": "flapping",
                "terminal": self.name_of(address),
                "quarantine_s": self.limits.quarantine_s,
            }
            self._log("alarm", **flapping)
            self.incidents.append({"peer": challenger[0].peer, "at_ms": self.now_ms, **flapping})
            self.front.close(challenger[0], "quarantined", now)
            return
        self._admit(challenger[0], address, challenger[1], now)

    def _admit(self, connection: Connection, address: bytes, frame: bytes, now: float) -> None:
        session = Session(address, connection)
        connection.session = session
        self.sessions[address] = session
        self.front.logged_in(connection)
        self.counts["logins"] += 1
        self._log("login", terminal=self.name_of(address), peer=connection.peer)
        self._confirm_login(connection, frame, now)
        for question in self.on_login:
            self.ask(question, (session,))

    def refuse(self, what: str, peer: str, **fields: Any) -> None:
        """Count something unwanted; it is told once a minute and peer."""
        self.counts[what] += 1
        now = time.monotonic()
        if now - self._told_from >= 60:
            self._told.clear()
            self._told_from = now
        if len(self._told) < 1000:
            self._told[what, peer] += 1
            if self._told[what, peer] == 1:
                self._log("refused", cause=what, peer=peer, **fields)
                if what in AUDITED:
                    self.incidents.append({"cause": what, "peer": peer, "at_ms": self.now_ms, **fields})

    # what the front tells --------------------------------------------------------------------------------------------

    def gone(self, connection: Connection, why: str, now: float) -> None:
        """A connection is closed."""
        session: Session | None = connection.session
        if why in ("junk", "slow", "flood", "does_not_read", "no_login"):
            self.refuse(why, connection.peer)
        if session is None:
            return
        connection.session = None
        self._asked.pop(session, None)
        if self.sessions.get(session.address) is session:
            del self.sessions[session.address]
        for question in (session.asking, *(session.todo or ())):
            if question is not None:
                self._fail(session, question, "left")
        session.asking, session.todo = None, None
        self._log("logout", terminal=self.name_of(session.address), cause=why)
        if session.challenger is not None and session in self._challenged:
            challenger, session.challenger = session.challenger, None
            del self._challenged[session]
            if not challenger[0].closed:
                self._admit(challenger[0], session.address, challenger[1], now)

    def came(self, connection: Connection, data: bytes) -> None:
        """Bytes for the trace."""
        self._line(connection).came(data, self.now_ms)

    def sent(self, connection: Connection, data: bytes) -> None:
        """Bytes for the trace."""
        self._line(connection).sent(data, self.now_ms)

    def _line(self, connection: Connection) -> Any:
        if connection.line is None and self._trace is not None:
            connection.line = self._trace.line(self.front.port)
        return connection.line
