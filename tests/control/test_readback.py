"""The control state is read from devices that might be real: on a line, and from terminals that dial in."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import subprocess
import sys
import time

import pytest
from control_orders import ADDRESSES, STAMP
from park_at_work import at_work

from keyacct import clock, wire
from keyacct.capture.link import parse_link
from keyacct.control.commands import Trip
from keyacct.control.encoding import frames_of
from keyacct.control.readback import read_state
from keyacct.control.targets import RelayRound, Target
from keyacct.errors import LinkError
from keyacct.secrets import Secrets
from keyacct.workflow.controlling import state_of_dialler, state_over_link


@contextlib.contextmanager
def running(file):
    """A park of simulated devices in a thread; gives it."""
    clock.fix(None)  # the devices and the line live in real time
    with at_work(file) as park:
        yield park


def test_a_meter_on_a_line_says_its_state(description):
    with running(description) as park:
        link = parse_link(f"socket://{park.places[0].place}")
        target = Target("dlt645-2007", "161")
        state = state_over_link(link, target, 5.0)
        assert (state.open_rounds, state.alarming, state.not_said) == ((), (), ())
        assert state.power_kw > 0
        assert (
            abs((state.clock - dt.datetime.now(dt.UTC).astimezone().replace(tzinfo=None)).total_seconds()) < 24 * 3600
        )
        park.description.lines[0].meters[0].breakers.trip(1, 0, None)
        assert state_over_link(link, target, 5.0).open_rounds == (0,)


def test_a_line_on_which_nobody_answers_says_so_soon(description):
    with running(description) as park:
        begun = time.monotonic()
        with pytest.raises(LinkError, match="000000000777"):
            state_over_link(parse_link(f"socket://{park.places[0].place}"), Target("dlt645-2007", "777"), 0.2)
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize("protocol", ["gdw1376.1", "dlt698.45"])
def test_a_terminal_that_dials_in_says_its_state(protocol, description):
    started = []

    def ready(host, port):
        text = description.read_text(encoding="utf-8").replace("127.0.0.1:1", f"{host}:{port}")
        description.write_text(text, encoding="utf-8")
        context = running(description)
        park = context.__enter__()
        for device in park.devices:
            device.breakers.trip(3, 0, None)
            if device.protocol == "gdw1376.1":
                device.breakers.excluded = True
        started.append(context)

    try:
        state = state_of_dialler(("127.0.0.1", 0), Target(protocol, ADDRESSES[protocol]), 20.0, ready=ready)
    finally:
        for context in started:
            context.__exit__(None, None, None)
    assert state.open_rounds == (3,)
    assert state.keep_supply is False
    assert state.power_kw == 0.0
    assert state.excluded is (True if protocol == "gdw1376.1" else None)
    assert state.not_said == ()


def test_a_terminal_that_does_not_come_is_named():
    clock.fix(None)
    with pytest.raises(LinkError, match="3701-0001"):
        state_of_dialler(("127.0.0.1", 0), Target("gdw1376.1", "3701-0001"), 0.3)


def test_only_reads_are_asked():
    """Whatever the device says: every question of a read-back may leave by itself."""
    from keyacct.capture.harmless import is_harmless

    for protocol, address in ADDRESSES.items():
        asked = []
        read_state(lambda frame, asked=asked: asked.append(frame), Target(protocol, address))
        assert asked
        assert all(is_harmless(frame, protocol) for frame in asked)


def test_a_status_word_of_a_real_meter_is_understood():
    """Bits of status word 3, DL/T 645-2007 table A.5: 4 relay open, 7 alarm; sent low byte first."""

    def ask(frame):
        if frame[10:14] != bytes(b + 0x33 & 0xFF for b in (0x03, 0x05, 0x00, 0x04)):
            return None
        body = bytes.fromhex("68610100000000689106") + bytes(b + 0x33 & 0xFF for b in (3, 5, 0, 4, 0x90, 0))
        return body + bytes((sum(body) & 0xFF, 0x16))

    state = read_state(ask, Target("dlt645-2007", "161"))
    assert (state.open_rounds, state.alarming, state.power_kw) == ((0,), (0,), None)
    assert state.not_said == ("02030000", "04000102", "04000101")


def test_state_words_of_a_1376_terminal_by_hand():
    """0C F5 and F6 laid out byte by byte, one totals group."""
    words = {
        5: "05 01" + "00 00 0C 00 02 00",  # keep-supply and dunning; suspension and down-float in force, round 2
        6: "81 00 01" + "48 84 20 00 00 00 06 00",  # rounds 8 and 1 open; 448 kW; alarms of rounds 2 and 3
    }

    def ask(frame):
        fn = 8 * frame[17] + frame[16].bit_length()
        if frame[12] != 0x0C or frame[14:16] != b"\x00\x00" or fn not in words:
            return None
        body = (
            bytes.fromhex("88 01 37 01 00 02 0C")
            + bytes((0x60 | frame[13] & 15,))
            + frame[14:18]
            + bytes.fromhex(words[fn])
        )
        length = (len(body) << 2 | 2).to_bytes(2, "little")
        return b"\x68" + length * 2 + b"\x68" + body + bytes((sum(body) & 0xFF, 0x16))

    state = read_state(ask, Target("gdw1376.1", "3701-0001"))
    assert (state.open_rounds, state.alarming, state.keep_supply, state.excluded) == ((1, 8), (2, 3), True, False)
    assert [(limit.group, limit.enabled, limit.down_float) for limit in state.limits] == [(1, True, True)]


def test_a_trip_of_the_wire_reaches_a_simulated_meter_of_another_process(description):
    """`keyacct simulate` obeys as well; nothing of keyacct but this test's own socket sends to it."""
    import socket

    command = [sys.executable, "-m", "keyacct.cli", "simulate", str(description), "--for", "20"]
    clock.fix(None)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**os.environ, "KEYACCT_NOW": "2026-07-01T10:00:00+08:00"}
    ) as process:
        try:
            place = json.loads(process.stdout.readline())["lines"][0]["place"]
            host, _, port = place.rpartition(":")
            (trip,) = frames_of(Trip(None, 60), Target("dlt645-2007", "161"), STAMP, Secrets())
            with socket.create_connection((host, int(port)), 10) as line:
                line.sendall(trip.data)
                answer = line.recv(64)
            assert wire.answers(trip.data, answer, "dlt645-2007")
            assert state_over_link(parse_link(f"socket://{place}"), Target("dlt645-2007", "161"), 5.0).open_rounds == (
                0,
            )
        finally:
            process.terminate()


def test_relay_rounds_are_not_numbers():
    assert RelayRound(2) != 2
