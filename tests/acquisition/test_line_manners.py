"""What a line owes its meters: pauses kept, losses borne, reopened with pauses that grow; and the words when it fails."""

from __future__ import annotations

import contextlib
import os
import pty
import threading
import time
import tty

import pytest

from keyacct import wire
from keyacct.capture.items import ItemCatalogue
from keyacct.capture.line import BackOff, Line
from keyacct.capture.link import parse_link
from keyacct.capture.poller import MOST_LOSSES, LineWork, Poller, Task
from keyacct.cli.run import run
from keyacct.i18n import set_language

VOLTAGE = "02010100"
GOOD = wire.encode({"address": "161", "control": "0x91", "di": VOLTAGE, "values": [230.1]}, "dlt645-2007")
OTHER = wire.encode({"address": "999", "control": "0x91", "di": VOLTAGE, "values": [230.1]}, "dlt645-2007")


class Port:
    """A serial port of this machine with a device on it: what the device says to each request, and when."""

    def __init__(self, answer):
        self.answer, self.requests = answer, []
        self.master, self.slave = pty.openpty()
        tty.setraw(self.master)
        tty.setraw(self.slave)
        self.name = os.ttyname(self.slave)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        held = b""
        while True:
            try:
                data = os.read(self.master, 4096)
            except OSError:
                return
            came = time.monotonic()
            if not held:
                began = came
            held += data
            if not held.endswith(b"\x16"):
                continue
            reply = self.answer(held)
            held = b""
            self.requests.append((began, time.monotonic()))  # before it is written: nobody has it earlier
            if reply:
                os.write(self.master, reply)

    def close(self):
        for descriptor in (self.master, self.slave):
            with contextlib.suppress(OSError):
                os.close(descriptor)


@pytest.fixture
def port():
    made = []

    def make(answer):
        made.append(Port(answer))
        return made[-1]

    yield make
    for each in made:
        each.close()


def items(count):
    keys = [VOLTAGE, "02010200", "02010300", "00010000", "00020000"]
    return tuple(ItemCatalogue().find(keys[number % len(keys)], "dlt645-2007") for number in range(count))


def answer_any(request):
    key = bytes(byte - 0x33 & 0xFF for byte in request.lstrip(b"\xfe")[10:14])[::-1].hex().upper()
    value = 230.1 if key.startswith("0201") else 1.0
    return wire.encode({"address": "161", "control": "0x91", "di": key, "values": [value]}, "dlt645-2007")


def test_the_pause_before_the_next_request_is_kept_on_the_wire(port):
    """RS-485: the direction of the line turns round; nobody may speak into it."""
    device = port(answer_any)
    line = Line(parse_link(f"{device.name}?baud=2400&turn_ms=150"), timeout_s=5)
    poller = Poller([LineWork(lambda: line, (Task("m", "000000000161", items(4)),))], retries=0)
    answers = [finished.answer for finished in poller.run()]
    assert all(answer.failure is None for answer in answers)
    # Stamped by the device just before it answers and when it has heard, so what it sees is never shorter than the pause.
    pauses = [after - before for (_, before), (after, _) in zip(device.requests, device.requests[1:], strict=False)]
    assert len(pauses) == 3
    assert min(pauses) >= 0.15


def test_without_a_pause_nobody_waits(port):
    slept = []
    device = port(answer_any)
    line = Line(parse_link(f"{device.name}?turn_ms=0"), timeout_s=5, sleep=slept.append)
    line.exchange(wire.encode({"address": "161", "control": "0x11", "di": VOLTAGE}, "dlt645-2007"), "dlt645-2007")
    line.exchange(wire.encode({"address": "161", "control": "0x11", "di": VOLTAGE}, "dlt645-2007"), "dlt645-2007")
    line.close()
    assert slept == []


class Waits(threading.Event):
    """A stop signal that notes how long somebody waits for it, instead of waiting."""

    def __init__(self):
        super().__init__()
        self.noted = []

    def wait(self, timeout=None):
        self.noted.append(timeout)
        return False


def lost_every_time(respond, retries, count=6):
    """A gateway that takes every connection and hangs up at the first bytes, and what the poller makes of it."""
    gateway = respond(lambda _: False)
    line = Line(parse_link(f"socket://127.0.0.1:{gateway.port}"), timeout_s=1, back_off=BackOff(0.5, 60.0, seed=1))
    poller = Poller([LineWork(lambda: line, (Task("m", "000000000161", items(count)),))], retries=retries)
    poller._stop = Waits()
    return gateway, poller, [finished.answer for finished in poller.run()]


def test_a_line_that_is_lost_three_times_without_an_answer_is_left_alone_until_the_next_attempts(respond):
    gateway, _, answers = lost_every_time(respond, retries=0)
    assert [answer.failure.cause for answer in answers] == ["link"] * 6
    assert len(gateway.requests) == MOST_LOSSES + 1  # the first, and once after each of three pauses
    gateway, _, answers = lost_every_time(respond, retries=2)
    assert {answer.attempts for answer in answers} == {3}
    assert len(gateway.requests) <= MOST_LOSSES + 1 + 2  # and once in each further round of attempts


def test_pauses_before_a_line_is_opened_again_grow_with_jitter(respond):
    _, poller, _ = lost_every_time(respond, retries=0)
    noted = poller._stop.noted
    assert len(noted) == MOST_LOSSES
    assert all(0.25 * 2**n <= wait <= 0.5 * 2**n for n, wait in enumerate(noted))
    other = BackOff(0.5, 60.0, seed=2)
    assert [other.next_s() for _ in noted] != noted  # lines do not march in step


def test_an_answer_makes_a_line_good_again(respond):
    said = []

    def gateway(request):
        said.append(request)
        return False if len(said) % 2 else answer_any(request)

    line = Line(
        parse_link(f"socket://127.0.0.1:{respond(gateway).port}"), timeout_s=5, back_off=BackOff(0.5, 60.0, seed=1)
    )
    poller = Poller([LineWork(lambda: line, (Task("m", "000000000161", items(5)),))], retries=3)
    poller._stop = Waits()
    answers = [finished.answer for finished in poller.run()]
    assert all(answer.failure is None for answer in answers)
    assert max(poller._stop.noted) <= 0.5  # each loss is the first again


def test_a_lost_line_does_not_hold_the_others(respond):
    bad, good = respond(lambda _: False), respond(answer_any)
    lines = [Line(parse_link(f"socket://127.0.0.1:{each.port}"), timeout_s=5) for each in (bad, good)]
    work = [LineWork(lambda line=line: line, (Task(str(n), "000000000161", items(3)),)) for n, line in enumerate(lines)]
    poller = Poller(work, retries=0)
    poller._stop = Waits()
    answers = [finished.answer for finished in poller.run()]
    assert {(answer.meter, answer.failure is None) for answer in answers} == {("0", False), ("1", True)}


WORDS = {
    "silent": (lambda _: None, ("check address, baud rate, parity and wiring", "请检查地址、波特率、校验和接线")),
    "echo": (lambda request: request, ("wires A and B", "A/B 线")),
    "wrong_speed": (lambda _: bytes.fromhex("00F8801CE0") * 3, ("the baud rate, the parity", "波特率、校验位")),
    "wrong_address": (lambda _: OTHER, ("000000000999 answered, 000000000161 was asked", "应答者为 000000000999")),
    "checksum": (lambda _: GOOD[:-2] + bytes((GOOD[-2] ^ 1, 0x16)), ("line noise, or two meters", "线路干扰或多表")),
    "broken_off": (lambda _: GOOD[:-3], ("give a longer --timeout", "可加长 --timeout")),
}
ANSWERED = ("wrong_address", "checksum", "broken_off")
"""Somebody is there: the line works, the reading failed."""


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("trouble", WORDS)
def test_each_trouble_of_a_serial_line_says_in_a_sentence_what_to_try(trouble, lang, port, capsys):
    answer, told = WORDS[trouble]
    device = port(answer)
    try:
        set_language(lang)
        code = run(["poll", "--lang", lang, "--link", f"{device.name}?baud=2400&parity=E", "--protocol", "dlt645-2007",
                    "--address", "161", "--item", "voltage_a", "--timeout", "0.3", "--retries", "0"])  # fmt: skip
    finally:
        set_language(None)
    said = capsys.readouterr().err
    assert code == (6 if trouble in ANSWERED else 5)
    assert told[lang == "zh"] in said
    if lang == "zh":
        frame_words = [word for word in ("checksum", "needs", "computed") if word in said]
        assert frame_words == []


def test_a_pseudo_terminal_can_be_opened_again_and_again(port):
    """It knows no parity and refuses to be set to it; `keyacct simulate` gives such ports."""
    device = port(answer_any)
    for _ in range(3):
        line = Line(parse_link(f"{device.name}?baud=2400&parity=E"), timeout_s=5)
        frame = wire.encode({"address": "161", "control": "0x11", "di": VOLTAGE}, "dlt645-2007")
        assert line.exchange(frame, "dlt645-2007").message["values"][0]["value"] == 230.1
        line.close()
