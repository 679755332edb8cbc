"""Links: their URLs, what goes wrong with them said in a sentence, deadlines that are kept."""

import os
import socket
import subprocess
import sys
import time

import pytest

from keyacct.capture.faults import FaultInjector, Faults, FaultyTransport
from keyacct.capture.line import BackOff
from keyacct.capture.link import parse_link
from keyacct.capture.opening import make_transport, open_transport
from keyacct.errors import LinkError, UsageError


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/dev/ttyUSB0?baud=2400&parity=E", ("serial", "/dev/ttyUSB0", 2400, "E", None)),
        ("/dev/ttyS1", ("serial", "/dev/ttyS1", 2400, "E", None)),
        ("socket://10.1.2.3:8001", ("socket", "10.1.2.3:8001", 2400, "E", None)),
        ("rfc2217://gw:4000?baud=9600", ("rfc2217", "gw:4000", 9600, "E", None)),
        ("modbus+tcp://plc", ("socket", "plc:502", 2400, "E", "modbus-tcp")),
        ("modbus+rtu:///dev/ttyUSB1", ("serial", "/dev/ttyUSB1", 9600, "N", "modbus-rtu")),
        ("modbus+rtu://gw:8001", ("socket", "gw:8001", 2400, "E", "modbus-rtu")),
        ("socket://[::1]:99", ("socket", "::1:99", 2400, "E", None)),
    ],
)
def test_a_url_says_where_the_line_is(url, expected):
    link = parse_link(url)
    assert (link.kind, link.place, link.baud, link.parity, link.protocol) == expected


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("ttyUSB0", "ttyUSB0"),
        ("http://host:80", "http://"),
        ("socket://host", "port"),
        ("socket://:80", "host"),
        ("socket://host:99999", "65535"),
        ("socket://host:80/x", "/x"),
        ("socket://u:secret@host:80", "password"),
        ("/dev/tty?baud=2401", "2401"),
        ("/dev/tty?parity=Q", "Q"),
        ("/dev/tty?bauds=2400", "bauds"),
        ("/dev/tty?baud=x", "x"),
        ("modbus+rtu://", "host"),
    ],
)
def test_a_wrong_url_names_the_part_that_is_wrong(url, named):
    with pytest.raises(UsageError) as caught:
        parse_link(url)
    assert named in str(caught.value)
    assert "socket://host:port" in caught.value.hint
    assert "secret" not in str(caught.value)


def test_a_port_that_does_not_exist_is_told_with_what_to_try():
    with pytest.raises(LinkError, match="no such port") as caught:
        open_transport(parse_link("/dev/ttyNOTHERE9"))
    assert "adapter" in caught.value.hint


def test_a_busy_port_is_told(serial_pair):
    link = parse_link(f"{serial_pair[0]}?baud=2400")
    first = open_transport(link)
    try:
        with pytest.raises(LinkError, match="another program") as caught:
            open_transport(link)
        assert "fuser" in caught.value.hint
    finally:
        first.close()


DENIED = """
import os, sys
import serial
from keyacct.capture.link import parse_link
from keyacct.capture.opening import open_transport
from keyacct.errors import LinkError
os.chmod(sys.argv[1], 0)
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)  # root may open anything, so it becomes nobody; who is not root is held off by the mode alone
try:
    open_transport(parse_link(sys.argv[1]))
    print("opened")
except LinkError as error:
    print(error, "|", error.hint)
"""


def test_a_port_that_this_user_may_not_use_is_told(serial_pair):
    done = subprocess.run([sys.executable, "-c", DENIED, serial_pair[0]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "permission denied" in done.stdout
    assert "dialout" in done.stdout


def test_a_file_is_no_serial_port(tmp_path):
    (tmp_path / "x").write_text("no port")
    with pytest.raises(LinkError, match="cannot be opened as a serial port"):
        open_transport(parse_link(str(tmp_path / "x")))


def test_a_closed_tcp_port_and_an_unknown_host_are_told():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(LinkError, match="nobody listens"):
        open_transport(parse_link(f"socket://127.0.0.1:{port}"))
    with pytest.raises(LinkError, match="not known"):
        open_transport(parse_link("socket://no-such-host.invalid:80"))


def test_a_pulled_cable_is_told(respond):
    gone = respond(lambda _: False)  # hangs up at the first bytes
    transport = open_transport(parse_link(f"socket://127.0.0.1:{gone.port}"))
    transport.write(b"x", time.monotonic() + 1)
    with pytest.raises(LinkError, match="went away") as caught:
        transport.read(time.monotonic() + 5)
    transport.close()
    assert "cable" in caught.value.hint


def test_a_pulled_serial_adapter_is_told():
    master, slave = os.openpty()
    name = os.ttyname(slave)
    transport = open_transport(parse_link(name))
    os.close(slave)
    os.close(master)
    with pytest.raises(LinkError, match="went away"):
        transport.read(time.monotonic() + 5)
    transport.close()


@pytest.mark.parametrize("timeout_s", [0.05, 0.3])
def test_read_deadlines_are_kept_on_tcp_and_serial(respond, serial_pair, timeout_s):
    silent = respond(lambda _: None)
    for url in (f"socket://127.0.0.1:{silent.port}", serial_pair[0]):
        transport = open_transport(parse_link(url))
        began = time.monotonic()
        assert transport.read(began + timeout_s) == b""
        took = time.monotonic() - began
        transport.close()
        assert timeout_s - 0.005 <= took < timeout_s + 0.25


def test_connecting_takes_no_longer_than_allowed():
    transport = make_transport(parse_link("socket://192.0.2.1:9"))  # TEST-NET-1: nobody is there
    began = time.monotonic()
    with pytest.raises(LinkError):
        transport.open(0.2)
    assert time.monotonic() - began < 2


def test_pauses_double_to_a_bound_and_are_the_same_for_a_seed():
    pauses = [BackOff(0.5, 8, seed=7) for _ in range(2)]
    first, second = ([pause.next_s() for _ in range(8)] for pause in pauses)
    assert first == second
    for number, pause in enumerate(first):
        whole = min(0.5 * 2**number, 8)
        assert whole / 2 <= pause <= whole


def test_faults_are_the_same_for_a_seed_and_keep_every_byte_when_only_split():
    data = bytes(range(60))
    sequences = [[FaultInjector(Faults(drop=0.3, flip=0.3, split=0.5), seed=3).apply(data)] for _ in range(2)]
    assert sequences[0] == sequences[1]
    pieces = FaultInjector(Faults(split=1.0)).apply(data)
    assert len(pieces) > 1
    assert b"".join(piece for _, piece in pieces) == data
    assert FaultInjector(Faults(drop=1.0)).apply(data) == []
    ((_, flipped),) = FaultInjector(Faults(flip=1.0)).apply(data)
    assert sum((a ^ b).bit_count() for a, b in zip(flipped, data, strict=True)) == 1


class Replier:
    """A transport that gives what it was written."""

    place = "here"

    def __init__(self):
        self.held = b""

    def open(self, timeout_s):
        pass

    def write(self, data, deadline):
        self.held += data

    def read(self, deadline):
        data, self.held = self.held, b""
        return data

    def close(self):
        pass


def test_a_delayed_answer_comes_after_the_deadline_and_is_still_there_later():
    transport = FaultyTransport(Replier(), Faults(delay=1.0, delay_s=0.2))
    transport.open(1)
    transport.write(b"abc", 0)
    assert transport.read(time.monotonic() + 0.05) == b""
    assert transport.read(time.monotonic() + 1) == b"abc"


def test_an_echo_comes_before_the_answer():
    transport = FaultyTransport(Replier(), Faults(echo=1.0))
    transport.open(1)
    transport.write(b"abc", 0)
    assert [transport.read(time.monotonic() + 1) for _ in range(2)] == [b"abc", b"abc"]
