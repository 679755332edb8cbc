"""What leaves by itself: reads, clocks, freezes. Lines and stations let nothing else out, whatever it is said to be."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from control_orders import ADDRESSES, PROTOCOL_COMMANDS, STAMP
from hypothesis import given, settings

from keyacct import wire
from keyacct.capture.harmless import check_harmless, is_harmless
from keyacct.capture.line import Line
from keyacct.capture.link import parse_link
from keyacct.control.encoding import frames_of
from keyacct.control.targets import Target
from keyacct.errors import RefusedError
from keyacct.secrets import Secrets

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "python" / "keyacct"
PROTOCOLS = ("dlt645-2007", "dlt645-1997", "gdw1376.1", "dlt698.45", "modbus-rtu", "modbus-tcp")


class Wire:
    """A transport that notes what is written."""

    place = "nowhere"

    def __init__(self):
        self.written = []

    def open(self, timeout_s):
        pass

    def write(self, data, deadline):
        self.written.append(data)

    def read(self, deadline):
        return b""

    def close(self):
        pass


@settings(max_examples=100, deadline=None)
@given(PROTOCOL_COMMANDS)
def test_no_frame_of_a_command_is_harmless_whatever_protocol_it_is_said_to_be(chosen):
    protocol, command = chosen
    for frame in frames_of(command, Target(protocol, ADDRESSES[protocol]), STAMP, Secrets()):
        for said in PROTOCOLS:
            assert not is_harmless(frame.data, said)
            assert not is_harmless(b"\xfe\xfe\xfe\xfe" + frame.data, said)
        with pytest.raises(RefusedError):
            check_harmless(frame.data, None)


def test_a_line_writes_no_byte_of_a_command():
    transport = Wire()
    line = Line(parse_link("socket://127.0.0.1:1"), transport=transport, timeout_s=0.01)
    trip = bytes.fromhex("68090051050326681C1035333333333333334D338C8C566445CC8116")
    for call in (
        lambda: line.exchange(trip, "dlt645-2007"),
        lambda: line.exchange(b"", "dlt645-2007", preamble=trip),
        lambda: line.gather(trip, "dlt645-2007"),
        lambda: line.gather_first(trip, "dlt645-1997"),
        lambda: line.send(trip),
    ):
        with pytest.raises(RefusedError) as error:
            call()
        assert error.value.exit_code == 8
    assert transport.written == []


def fixtures():
    for file in sorted((ROOT / "fixtures" / "frames").glob("*.jsonl")):
        for text in file.read_text(encoding="utf-8").splitlines():
            line = json.loads(text)
            if line["protocol"] in PROTOCOLS and line.get("layer") != "apdu":
                yield line


def test_public_control_frames_stay_here_and_public_reads_may_go():
    stays, goes = 0, 0
    for line in fixtures():
        expect, frame = line["expect"], bytes.fromhex(line["hex"]).lstrip(b"\xfe")
        protocol = line["protocol"]
        if (
            expect.get("control") == "0x1C"
            or expect.get("afn") in ("01", "04", "06", "0F")
            or (expect.get("afn") == "05" and expect["items"][0]["fn"] != 31)
        ):
            stays += 1
            assert not is_harmless(frame, protocol), line["id"]
        if (
            expect.get("valid")
            and protocol == "dlt645-2007"
            and expect.get("control") == "0x11"
            and line.get("kind") == "frame"
        ):
            goes += 1
            assert is_harmless(frame, protocol), line["id"]
    assert stays > 20
    assert goes > 40


GOES = [
    ("dlt645-2007", {"control": "0x11", "di": "02010100"}),
    ("dlt645-2007", {"control": "0x13", "address": "AAAAAAAAAAAA"}),
    ("dlt645-2007", {"control": "0x08", "address": "999999999999", "values": ["2026-07-01T10:00:00"]}),
    ("dlt645-2007", {"control": "0x16", "address": "999999999999", "values": ["99999999"]}),
    ("gdw1376.1", {"afn": "0C", "items": [{"pn": 0, "fn": 6}]}),
    ("gdw1376.1", {"afn": "0A", "items": [{"pn": 1, "fn": 44}]}),
    ("gdw1376.1", {"afn": "05", "items": [{"pn": 0, "fn": 31, "data": "000010010726"}], "aux": {"pw": "00" * 16}}),
    ("dlt698.45", {"service": "GetRequestNormal", "piid": 1, "oad": "80000300", "time_tag": None}),
    ("dlt698.45", {"service": "SetRequestNormal", "piid": 1, "oad": "40000200",
                   "data": {"date_time_s": "2026-07-01T10:00:00"}, "time_tag": None}),
]  # fmt: skip
STAYS = [
    ("dlt645-2007", {"control": "0x14", "di": "04000F01", "password": "02000000", "operator": "00000000", "data": "00"}),
    ("dlt645-2007", {"control": "0x1A", "password": "02000000", "operator": "00000000"}),
    ("gdw1376.1", {"afn": "05", "items": [{"pn": 0, "fn": 33}], "aux": {"pw": "00" * 16}}),
    # the clock, and a trip in the same frame
    ("gdw1376.1", {"afn": "05", "items": [{"pn": 0, "fn": 31, "data": "000010010726"}, {"pn": 1, "fn": 1, "data": "11"}],
                   "aux": {"pw": "00" * 16}}),
    ("gdw1376.1", {"afn": "01", "items": [{"pn": 0, "fn": 1}], "aux": {"pw": "00" * 16}}),
    ("gdw1376.1", {"afn": "04", "items": [{"pn": 1, "fn": 45, "data": "01"}], "aux": {"pw": "00" * 16}}),
    ("dlt698.45", {"service": "ActionRequestNormal", "piid": 1, "omd": "43000100", "data": {"null": None}, "time_tag": None}),
    ("dlt698.45", {"service": "SetRequestNormal", "piid": 1, "oad": "80010200", "data": {"enum": 0}, "time_tag": None}),
]  # fmt: skip


def built(protocol, part):
    message = {"address": ADDRESSES[protocol]}
    if protocol == "gdw1376.1":
        message |= {"msa": 1, "control": "0x4A", "seq": 0x71}
    return wire.encode(message | ({"apdu": part} if protocol == "dlt698.45" else part), protocol)


@pytest.mark.parametrize(("protocol", "part"), GOES, ids=[f"{n}-{p}" for n, (p, _) in enumerate(GOES)])
def test_reads_clocks_and_freezes_may_go(protocol, part):
    assert is_harmless(built(protocol, part), protocol)


@pytest.mark.parametrize(("protocol", "part"), STAYS, ids=[f"{n}-{p}" for n, (p, _) in enumerate(STAYS)])
def test_writes_resets_and_clears_stay(protocol, part):
    assert not is_harmless(built(protocol, part), protocol)


def relay(inner, tail=b""):
    data = bytes((1, 0x6B, 0x85, 50)) + len(inner).to_bytes(2, "little") + inner + tail
    items = [{"pn": 0, "fn": 1, "data": data.hex()}]
    message = {
        "address": "3701-0001",
        "msa": 1,
        "control": "0x4B",
        "afn": "10",
        "items": items,
        "aux": {"pw": "00" * 16},
    }
    return wire.encode(message, "gdw1376.1")


def test_a_relay_carries_a_read_and_no_trip():
    read = wire.encode({"address": "000000000161", "control": "0x11", "di": "02010100"}, "dlt645-2007")
    trip = bytes.fromhex("68090051050326681C1035333333333333334D338C8C566445CC8116")
    assert is_harmless(relay(read), "gdw1376.1")
    assert not is_harmless(relay(trip), "gdw1376.1")
    assert not is_harmless(relay(b"\xfe" * 4 + trip), "gdw1376.1")
    assert not is_harmless(relay(read + trip), "gdw1376.1")
    assert not is_harmless(relay(read, trip), "gdw1376.1")


def test_modbus_writes_stay():
    assert is_harmless(bytes.fromhex("01030000000AC5CD"), "modbus-rtu")
    assert not is_harmless(bytes.fromhex("0105000AFF00AC38"), "modbus-rtu")
    assert not is_harmless(bytes.fromhex("000100000006010600010003"), "modbus-tcp")


def test_hidden_apdus_stay():
    """What cannot be read is not known to be harmless: encrypted, in parts, or for a meter behind."""
    inner = {"service": "ActionRequestNormal", "piid": 1, "omd": "80008100", "data": {"null": None}, "time_tag": None}
    plain = wire.encode({"apdu": inner}, "dlt698.45-apdu").hex()
    hidden = [
        {"apdu": "1001" + "0401020304" + "0202010202" + "0304"},
        {"apdu": "0907" + "01" + "F2010201" + "0603080100" + "0010" + "03E8" + "02" + "6816" + "00"},
        {"link": {"split": 1}, "fragment": {"block": 0, "kind": "first", "payload": plain}},
    ]
    for message in hidden:
        assert not is_harmless(wire.encode({"address": "000000000002", **message}, "dlt698.45"), "dlt698.45")
    confirm = {"link": {"split": 1}, "fragment": {"block": 0, "kind": "confirm", "payload": ""}}
    assert is_harmless(wire.encode({"address": "000000000002", **confirm}, "dlt698.45"), "dlt698.45")


def test_of_the_proxy_services_only_reads_may_go():
    """A proxy carries to a meter behind what could not be sent to it: ProxySet, ProxyAction, ProxyTransCommand stay here."""
    from keyacct.capture.harmless import _READS_698

    proxies = {name for name in _READS_698 if "Proxy" in name}
    assert proxies == {"ProxyGetRequestList", "ProxyGetRequestRecord"}
    acts = [name for name in _READS_698 if re.match("(Set|Action|SECURITY|Proxy(Set|Action|Trans))", name)]
    assert acts == []


def test_a_station_asks_nothing_that_acts():
    import datetime as dt

    from keyacct.workflow.listen import make_station

    wrong = {
        "gdw1376.1": {"afn": "05", "control": "0x4A", "items": [{"pn": 1, "fn": 2}], "aux": {"pw": "00" * 16}},
        "dlt698.45": {"service": "ActionRequestNormal", "omd": "80017F00", "data": {"null": None}},
    }
    for protocol, message in wrong.items():
        station = make_station(protocol, "127.0.0.1", 0, dt.UTC)
        try:
            with pytest.raises(RefusedError):
                station.question("read", "x", message)
        finally:
            station.front.stop_accepting()
            station.front.shut()


# what the code itself says ---------------------------------------------------------------------------------------------


def trees():
    for file in sorted([*PACKAGE.rglob("*.py"), *(ROOT / "cli").glob("*.py")]):
        yield file, ast.parse(file.read_text(encoding="utf-8"))


def importers(of):
    found = set()
    for file, tree in trees():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            if of in names:
                found.add(file.name)
    return found


def test_only_the_door_imports_the_encoders_and_only_the_command_line_the_door():
    assert importers("keyacct.control.encoding") == {"door.py"}
    assert importers("keyacct.control.door") == {"control_options.py", "control_rows.py"}


def test_the_door_has_nothing_to_send_with():
    """No module of the package `control` imports a line, a transport, a station or a socket."""
    for file in sorted((PACKAGE / "control").glob("*.py")):
        text = file.read_text(encoding="utf-8")
        for word in ("keyacct.capture", "import socket", "serial", "asyncio", "subprocess"):
            assert f"import {word}" not in text, file.name
            assert f"from {word}" not in text, file.name


def test_everything_that_writes_to_a_device_asks_first():
    """Writes to a transport are in `Line` (which checks) and in wrappers; a station sends what `question` has checked."""
    writers, senders = set(), set()
    for file, tree in trees():
        if file.parent.name == "simulation":
            continue  # those are the devices
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = ast.unparse(node.func.value)
                if node.func.attr == "write" and owner.endswith(("_transport", "_inner")):
                    writers.add(file.name)
                if node.func.attr == "send" and owner.endswith("front"):
                    senders.add(file.name)
    assert writers == {"line.py", "trace.py", "faults.py"}
    assert senders == {"gdw1376.py", "dlt698.py"}
    line = next(tree for file, tree in trees() if file.name == "line.py")
    for function in ast.walk(line):
        if isinstance(function, ast.FunctionDef) and "_transport.write" in ast.unparse(function):
            assert "check_harmless(" in ast.unparse(function), function.name
            assert function.name == "exchange" or "part_of" not in ast.unparse(function)
    for name in senders:
        tree = next(tree for file, tree in trees() if file.name == name and file.parent.name == "master")
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef) and function.name == "question":
                assert "check_harmless(" in ast.unparse(function)


def test_a_split_frame_goes_as_a_piece_of_a_harmless_request_only():
    from keyacct.capture.harmless import check_part
    from keyacct.errors import RefusedError

    def whole(apdu):
        return wire.encode({"address": "000000000002", "apdu": {"piid": 1, "time_tag": None, **apdu}}, "dlt698.45")

    def piece(kind, payload, address="000000000002"):
        message = {
            "address": address, "link": {"dir": 0, "prm": 1, "split": 1, "func": 3},
            "fragment": {"block": 0, "kind": kind, "payload": payload.hex()},
        }  # fmt: skip
        return b"\xfe" * 4 + wire.encode(message, "dlt698.45")

    reading = whole({"service": "GetRequestNormalList", "oads": ["20000200", "20010200", "00100200"]})
    acting = whole({"service": "ActionRequestNormal", "omd": "80008100", "data": {"null": None}})
    body = reading[8 + 5 + 1 : -3]
    for kind, payload in (("first", body[:6]), ("middle", body[4:9]), ("last", body[-5:])):
        check_part(piece(kind, payload), reading)
    for frame, request in (
        (piece("first", acting[14:-3]), acting),  # a piece of what acts
        (piece("first", acting[14:-3]), reading),  # of another request
        (piece("first", body[2:6]), reading),  # not where it says it is
        (piece("first", body[:6], "000000000003"), reading),  # to somebody else
        (piece("confirm", b""), reading),
        (reading, reading),  # no piece at all
    ):
        with pytest.raises(RefusedError):
            check_part(frame, request)
