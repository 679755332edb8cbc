"""A late answer never passes for the answer to the same question asked again (DL/T 645 numbers no request)."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import zoneinfo

import pytest

from keyacct import wire
from keyacct.workflow.poll import make_question, poll_once

ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")
ADDRESS = "000000000161"


LATE = "late"
"""An answer that comes only when the next request is there, in front of its answer: whoever asked has given up by then."""


class SlowMeter:
    """Answers in order, at once, or as the test says: `LATE`, or never (None); the voltage is the number of the request."""

    def __init__(self, manners, protocol="dlt645-2007", refuses=()):
        self.manners, self.protocol, self.refuses = list(manners), protocol, refuses
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.asked, self.voltages = [], 0
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def close(self):
        self.thread.join()

    def _serve(self):
        with self.server:
            connection, _ = self.server.accept()
        held = b""
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(4096):
                request = json.loads(next(iter(wire.describe([data.hex()], self.protocol))))
                answer = self._answer(request)
                manner = self.manners.pop(0) if self.manners else ""
                if manner == LATE:
                    held += answer
                elif manner is not None:
                    connection.sendall(held + answer)
                    held = b""

    def _answer(self, request):
        self.asked.append(request["di"])
        read, error = ("0x91", "0xD1") if self.protocol == "dlt645-2007" else ("0x81", "0xC1")
        if request["di"] in self.refuses:
            return wire.encode({"address": ADDRESS, "control": error, "error": "02"}, self.protocol)
        message = {"address": ADDRESS, "control": read, "di": request["di"]}
        if request["di"] in ("02010100", "B611"):
            self.voltages += 1
            message["values"] = [220 + self.voltages]
        elif request["di"] == "04000401":
            message["values"] = [ADDRESS]
        elif request["di"] == "C010":
            message["data"] = "04302711"
        else:
            message["data"] = "000000000000"
        return wire.encode(message, self.protocol)


@pytest.fixture
def slow():
    made = []

    def make(*arguments, **more):
        made.append(SlowMeter(*arguments, **more))
        return made[-1]

    yield make
    for meter in made:
        meter.close()


def voltage(meter, **more):
    question = make_question(
        f"socket://127.0.0.1:{meter.port}", meter.protocol, [ADDRESS], ["voltage_a"], **({"timeout_s": 0.8} | more)
    )
    return poll_once(question, ZONE)


@pytest.mark.parametrize("protocol", ["dlt645-2007", "dlt645-1997"])
def test_the_late_answer_to_the_first_request_is_not_taken_for_that_to_the_second(slow, protocol):
    meter = slow([LATE], protocol)
    (row,) = voltage(meter).rows(ZONE)
    assert (row["value"], row["quality"]) == (222, "good")  # 221 was the answer to the request that timed out
    voltage_id = "02010100" if protocol == "dlt645-2007" else "B611"
    assert meter.asked[0] == meter.asked[-1] == voltage_id
    assert len(meter.asked) == 3  # what was asked in between is something else
    assert meter.asked[1] != voltage_id


def test_a_meter_that_stays_silent_is_asked_no_more_often_than_before(slow):
    meter = slow([None] * 9)
    result = voltage(meter, retries=2)
    assert [answer.failure.cause for answer in result.answers] == ["timeout"]
    assert len(meter.asked) == 3
    assert len(set(meter.asked)) == 3  # each of them can be told from the others when it comes late


def test_the_late_refusal_of_a_request_is_not_taken_for_that_of_another(slow):
    meter = slow([LATE], refuses=("02020100",))
    question = make_question(
        f"socket://127.0.0.1:{meter.port}", "dlt645-2007", [ADDRESS], ["02020100,voltage_a"], timeout_s=0.8, retries=1
    )
    current, volts = poll_once(question, ZONE).answers
    assert current.failure.cause == "refused"
    assert volts.failure is None
    assert volts.values[0]["value"] == 221


def test_where_the_protocol_gives_no_way_to_tell_the_value_is_marked(slow):
    fences = ("04000401", "04000402", "04000101", "04000102", "04000403")
    meter = slow([LATE], refuses=fences)
    (row,) = voltage(meter, retries=1).rows(ZONE)
    assert (row["value"], row["quality"]) == (222, "suspect")
