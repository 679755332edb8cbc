"""The master's side of DL/T 698.45: link requests, reads, reports, clock. Source: DL/T 698.45-2017 §6 to §8."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from keyacct import wire
from keyacct.capture import dlt698
from keyacct.capture.harmless import check_harmless
from keyacct.capture.master.front import Connection
from keyacct.capture.master.station import EVENT_BACKLOG, Question, Session, Station
from keyacct.capture.records import Rows
from keyacct.errors import UsageError
from keyacct.i18n import Text

_LINK, _REPORT = 0x01, 0x88
_SINGLE = b"\x85\x01"  # GetResponseNormal
_NEW_EVENTS = "33200200"
"""The object that lists new events (terminal file of the object model)."""
_LOGIN, _HEARTBEAT, _LOGOUT = 0, 1, 2
MOST_PARTS = 64
"""Split frames, or blocks, of one answer."""


class Dlt698Station(Station):
    """A master station for terminals of DL/T 698.45."""

    protocol = "dlt698.45"

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._parts: dict[Session, list[tuple[int, bytes]]] = {}  # split frames that have come, with their numbers
        self._following: dict[Session, Mapping[str, Any]] = {}  # the block that is asked for
        self._blocks: dict[Session, int] = {}

    @staticmethod
    def address_of(name: str) -> bytes:
        """AF and SA of an address of twelve digits, as they stand in a frame."""
        digits = name.strip()
        if re.fullmatch("[0-9]{12}", digits) is None:
            raise UsageError(
                "usage.invalid", str(Text(f"{name!r} is no address of a terminal", f"{name!r} 不是终端地址")),
                hint=str(Text("write twelve digits", "应为十二位数字")),
            )  # fmt: skip
        return b"\x05" + bytes.fromhex(digits)[::-1]

    @staticmethod
    def name_of(address: bytes) -> str:
        """The digits of an address."""
        return address[:0:-1].hex().upper()

    def question(self, purpose: str, name: str, message: Mapping[str, Any]) -> Question:
        """A request for any terminal: an APDU without `piid`. Raises InputError when it cannot be encoded."""
        apdu = {"time_tag": None, **message}
        check_harmless(self._encode("000000000001", {**apdu, "piid": 1}), self.protocol)
        return Question(purpose, name, apdu)

    def read_clock(self) -> Question:
        """The question for the terminal's clock."""
        return self.question("clock", "clock", {"service": "GetRequestNormal", "oad": "40000200"})

    def challenge(self) -> Question:
        """A read of the clock."""
        return self.question("challenge", "clock", {"service": "GetRequestNormal", "oad": "40000200"})

    def set_clock(self, session: Session, at: dt.datetime) -> None:
        """Set a terminal's clock (SET 4000 attribute 2)."""
        data = {"date_time_s": at.isoformat(timespec="seconds")}
        message = {"service": "SetRequestNormal", "oad": "40000200", "data": data}
        self.ask(self.question("set_clock", "set clock", message), (session,))

    def _encode(self, name: str, apdu: Mapping[str, Any]) -> bytes:
        return wire.encode({"address": name, "apdu": dict(apdu)}, self.protocol, registers=self._registers)

    def _transmit(self, session: Session, question: Question, now: float) -> None:
        for begun in (self._following, self._blocks, self._parts):
            begun.pop(session, None)
        self.front.send(session.connection, self._asked_frame(session, question), now)

    def gone(self, connection: Connection, why: str, now: float) -> None:
        """A connection is closed; what of an answer had come is forgotten."""
        for begun in (self._following, self._blocks, self._parts):
            begun.pop(connection.session, None)
        super().gone(connection, why, now)

    def frame(self, connection: Connection, frame: bytes, now: float) -> None:
        """A whole frame has come."""
        size = (frame[4] & 0x0F) + 1
        address, apdu = frame[4 : 5 + size], frame[8 + size : -3]
        session: Session | None = connection.session
        if session is None:
            if frame[3] & 0x80 and apdu[:1] == b"\x01" and len(apdu) >= 15 and apdu[2] in (_LOGIN, _HEARTBEAT):
                self.login(connection, address, frame, now)
            else:
                self.refuse("before_login", connection.peer)
            return
        if address != session.address:
            self.spoofed(session, address)
            return
        if not frame[3] & 0x80 or len(apdu) < 3:
            self.counts["wrong_direction"] += 1
            return
        if session.challenger is not None:
            self.alive(session, now)
        if frame[3] & 0x20:
            self._part(session, frame, now)
        elif apdu[0] == _LINK:
            self._link(connection, frame, apdu, now)
        elif apdu[0] == _REPORT:
            self._report(session, frame, now)
        else:
            self._answer(session, frame, apdu, now)

    def _link(self, connection: Connection, frame: bytes, apdu: bytes, now: float) -> None:
        self._confirm_login(connection, frame, now)
        if apdu[2] == _LOGOUT:
            self.front.close(connection, "logged_out", now)
        else:
            self.counts["heartbeats"] += 1

    def _confirm_login(self, connection: Connection, frame: bytes, now: float) -> None:
        """LINK-Response: our clock is right, all is well, and the three times."""
        request = self.describe(frame)
        if "apdu" not in request:
            self.counts["unreadable"] += 1
            return
        self.front.send(connection, dlt698.link_response(request, self._civil_now(), trusted=True), now)
        self.keep(frame, connection.session)  # it says the terminal's time

    def _part(self, session: Session, frame: bytes, now: float) -> None:
        """A split frame: confirmed, and kept until its APDU is whole; then it is the answer, or a report."""
        part = self.describe(frame)
        fragment = part.get("fragment", {})
        if fragment.get("kind") not in ("first", "middle", "last"):
            self.counts["unasked"] += 1
            return
        held = self._parts.get(session, [])
        number = fragment["block"]
        if fragment["kind"] == "first":
            held = []
        elif not held or number != (held[-1][0] + 1 & 0x0FFF):
            if held and number == held[-1][0]:  # again: our confirmation was lost
                self.front.send(session.connection, dlt698.confirm_of(part), now)
            self.counts["unasked"] += 1
            return
        held.append((number, frame))
        if len(held) > MOST_PARTS:
            self._parts.pop(session, None)
            self.refuse("split_frame", session.connection.peer, terminal=self.name_of(session.address))
            return
        if fragment["kind"] != "last":
            self._parts[session] = held
            self.front.send(session.connection, dlt698.confirm_of(part), now)
            self._more_time(session, now)
            return
        self._parts.pop(session, None)
        frames = [each for _, each in held]
        apdu = dlt698.described(frames)[-1].get("apdu")
        if apdu is None:
            self.counts["unreadable"] += 1
            return
        whole = wire.encode(
            {"address": part["address"], "link": {"dir": 1, "prm": part["link"]["prm"]}, "apdu": apdu}, self.protocol,
            registers=self._registers,
        )  # fmt: skip
        body = whole[8 + (whole[4] & 0x0F) + 1 : -3]
        if body[0] == _REPORT:
            self._report(session, whole, now)
        else:
            self._answer(session, whole, body, now)

    def _answer(self, session: Session, frame: bytes, apdu: bytes, now: float) -> None:
        question = session.asking
        if question is None or not wire.answers(self._asked_frame(session, question), frame, self.protocol):
            self.counts["unasked"] += 1
            return
        if question.purpose == "read" and apdu[:2] == _SINGLE and apdu[7] == 1:  # the usual one: nothing to look at
            self.counts["answers"] += 1
            self.keep(frame, session)
            self._ended(session, question, apdu[2], now)
            return
        said = self.describe(frame).get("apdu")
        if said is None:
            self.counts["unreadable"] += 1
            return
        service = str(said.get("service", ""))
        self.counts["answers"] += 1
        if service == "SetResponseNormal":
            if said["dar"]:
                self._fail(session, question, "refused")
            else:
                self.counts["obeyed"] += 1
        elif service in ("ERROR-Response", "SECURITY-Response") or said.get("dar") is not None:
            self._fail(session, question, "refused")
        else:
            self.keep(frame, session)
            for result in said.get("results", ()):
                if result.get("dar"):
                    self._fail(session, Question("read", f"{question.name} {result['oad']}", None), "refused")
            if question.purpose in ("clock", "challenge"):
                self._use_clock(session, frame)
            following = dlt698.next_of(said)
            if following is not None and self._blocks.get(session, 0) < MOST_PARTS:
                self._blocks[session] = self._blocks.get(session, 0) + 1
                self._more_time(session, now)
                self._following[session] = following
                self.front.send(session.connection, self._asked_frame(session, question), now)
                return
            if question.purpose == "events" and question.parts.get("oad") == _NEW_EVENTS:
                self._fetch_records(session, said)
        self._blocks.pop(session, None)
        self._following.pop(session, None)
        self._ended(session, question, int(said.get("piid_acd") or 0), now)

    def _ended(self, session: Session, question: Question, piid_acd: int, now: float) -> None:
        """The whole answer has come; where it says that an event waits, that is fetched."""
        self._done(session, now)
        if piid_acd & 0x40 and question.purpose != "events":
            waiting = (session.asking, *(session.todo or ()))
            if not any(q is not None and q.purpose == "events" for q in waiting):
                self.counts["event_fetches"] += 1
                message = {"service": "GetRequestNormal", "oad": _NEW_EVENTS}
                self.ask(self.question("events", "new events", message), (session,))

    def _more_time(self, session: Session, now: float) -> None:
        """The next part of an answer has a time of its own."""
        if session in self._asked:
            del self._asked[session]
            session.deadline = now + self.limits.answer_s
            self._asked[session] = None

    def _asked_frame(self, session: Session, question: Question) -> bytes:
        """The request that is under way: the question, or that for the next block of its answer."""
        apdu = self._following.get(session) or {**question.parts, "piid": session.number}
        return self._encode(self.name_of(session.address), apdu)

    def _fetch_records(self, session: Session, said: Mapping[str, Any]) -> None:
        """The last record of each event that the terminal calls new."""
        listed = said.get("data", {}).get("array", [])
        for entry in listed[:EVENT_BACKLOG]:
            oad = entry.get("OAD") if isinstance(entry, dict) else None
            if not isinstance(oad, str) or len(oad) != 8:
                continue
            rows = Rows(last=1).requests(oad[:6] + "00")[0]
            self.ask(self.question("events", f"event {oad}", rows), (session,))

    def _use_clock(self, session: Session, frame: bytes) -> None:
        data = self.describe(frame).get("apdu", {}).get("data")
        try:
            told = dt.datetime.fromisoformat(str(next(iter(data.values()))))
        except (AttributeError, StopIteration, ValueError):
            return
        here = self._civil_now()
        self.deviations_s[self.name_of(session.address)] = (told - here).total_seconds()

    def _report(self, session: Session, frame: bytes, now: float) -> None:
        """Confirm a report; the same one again is confirmed again, but kept once."""
        shown = self.describe(frame)
        if "apdu" not in shown:
            self.counts["unreadable"] += 1
            return
        kind = str(shown.get("service", "")).removeprefix("ReportNotification")
        answer: dict[str, Any] = {
            "service": f"ReportResponse{kind}", "piid": shown["apdu"]["piid_acd"] & 0x3F, "time_tag": None,
        }  # fmt: skip
        if kind != "TransData":
            answer["oads"] = [entry["oad"] for entry in shown["apdu"].get("results", ())]
        self.front.send(session.connection, self._encode(shown["address"], answer), now)
        self.keep_once(frame, session)
