"""The master's side of DL/T 698.45: link requests, reads, reports, clock. Source: DL/T 698.45-2017 §6 to §8."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from keyacct import wire
from keyacct.capture.harmless import check_harmless
from keyacct.capture.master.front import Connection
from keyacct.capture.master.station import Question, Session, Station
from keyacct.errors import UsageError

_LINK, _GET, _SET, _REPORT = 0x01, 0x85, 0x86, 0x88
_NEW_EVENTS = "33200200"
"""The object that lists new events (terminal file of the object model)."""
_LOGIN, _HEARTBEAT, _LOGOUT = 0, 1, 2
_SEEN = 16


class Dlt698Station(Station):
    """A master station for terminals of DL/T 698.45."""

    protocol = "dlt698.45"

    @staticmethod
    def address_of(name: str) -> bytes:
        """AF and SA of an address of twelve digits, as they stand in a frame."""
        digits = name.strip()
        if len(digits) != 12 or not digits.isdecimal():
            raise UsageError("usage.invalid", f"{name!r} is no address of a terminal", hint="write twelve digits")
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
        frame = self._encode(self.name_of(session.address), {**question.parts, "piid": session.number})
        self.front.send(session.connection, frame, now)

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
            self.refuse("spoofed", connection.peer, terminal=self.name_of(session.address))
            return
        if not frame[3] & 0x80 or len(apdu) < 3:
            self.counts["wrong_direction"] += 1
            return
        if session.challenger is not None:
            self.alive(session, now)
        if frame[3] & 0x20:
            self.refuse("split_frame", connection.peer, terminal=self.name_of(session.address))
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
        here = self._civil_now()
        told = here.isoformat(timespec="milliseconds")
        apdu = {
            "service": "LINK-Response", "piid": request["apdu"]["piid_acd"] & 0x3F,
            "result": {"code": 0, "clock_trusted": True}, "request_time": request["apdu"].get("time"),
            "receive_time": told, "response_time": told,
        }  # fmt: skip
        self.front.send(connection, self._encode(request["address"], apdu), now)
        self.keep(frame)  # it says the terminal's time

    def _answer(self, session: Session, frame: bytes, apdu: bytes, now: float) -> None:
        question = session.asking
        if question is None or apdu[2] & 0x3F != session.number or apdu[1] != 1:
            self.counts["unasked"] += 1
            return
        wanted = _SET if question.purpose == "set_clock" else _GET
        if apdu[0] != wanted or apdu[3:7].hex().upper() != question.parts["oad"]:
            self.counts["unasked"] += 1
            return
        self.counts["answers"] += 1
        if wanted == _SET:
            if apdu[7]:
                self._fail(session, question, "refused")
            else:
                self.counts["obeyed"] += 1
        elif apdu[7] != 1:
            self._fail(session, question, "refused")
        else:
            self.keep(frame)
            if question.purpose in ("clock", "challenge"):
                self._use_clock(session, frame)
        self._done(session, now)
        if apdu[2] & 0x40 and question.purpose != "events":
            waiting = (session.asking, *(session.todo or ()))
            if not any(q is not None and q.purpose == "events" for q in waiting):
                self.counts["event_fetches"] += 1
                message = {"service": "GetRequestNormal", "oad": _NEW_EVENTS}
                self.ask(self.question("events", "new events", message), (session,))

    def _use_clock(self, session: Session, frame: bytes) -> None:
        data = self.describe(frame)["apdu"].get("data")
        try:
            told = dt.datetime.fromisoformat(str(next(iter(data.values()))))
        except (AttributeError, StopIteration, ValueError):
            return
        here = self._civil_now()
        self.deviations_s[self.name_of(session.address)] = (told - here).total_seconds()

    def _report(self, session: Session, frame: bytes, now: float) -> None:
        """Confirm a report; the same one again is confirmed again, but kept once."""
        shown = self.describe(frame)
        kind = str(shown.get("service", "")).removeprefix("ReportNotification")
        answer: dict[str, Any] = {
            "service": f"ReportResponse{kind}", "piid": shown["apdu"]["piid_acd"] & 0x3F, "time_tag": None,
        }  # fmt: skip
        if kind != "TransData":
            answer["oads"] = [entry["oad"] for entry in shown["apdu"].get("results", ())]
        self.front.send(session.connection, self._encode(shown["address"], answer), now)
        mark = hash(frame)
        if mark in session.seen:
            self.counts["replayed"] += 1
            return
        session.seen = (*session.seen[1 - _SEEN :], mark)
        self.counts["reports"] += 1
        self.keep(frame)

    def describe(self, frame: bytes) -> dict[str, Any]:
        """A frame as decoding shows it."""
        shown: dict[str, Any] = json.loads(
            next(iter(wire.describe([frame.hex()], self.protocol, registers=self._registers)))
        )
        return shown
