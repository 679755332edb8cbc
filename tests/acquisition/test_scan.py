"""`keyacct scan` and `keyacct read`."""

import json
import time

import pytest

from keyacct import wire
from keyacct.capture.line import Line
from keyacct.capture.link import parse_link
from keyacct.capture.scan import _question, scan_line, variants
from keyacct.cli.run import run


def bus(*addresses):
    """A line on which every meter that is asked answers, all at once when there are several."""

    def answer(request):
        start = request.index(b"h") + 1
        asked = request[start : start + 6][::-1].hex().upper()
        frames = [
            wire.encode({"address": a, "control": "0x91", "di": "00010000", "values": [1.0]}, "dlt645-2007")
            for a in addresses
            if a.endswith(asked.lstrip("A"))
        ]
        if len(frames) < 2:
            return frames
        return bytes(a & b for a, b in zip(*frames[:2], strict=True))  # two that pull the line low together

    return answer


def scanned(capsys, *words):
    code = run(["scan", *words, "--format", "json"])
    told = capsys.readouterr()
    return code, json.loads(told.out), told.err


def test_one_meter_is_found_by_wildcard(respond, capsys):
    server = respond(bus("000000000161"))
    link = f"socket://127.0.0.1:{server.port}"
    code, rows, _ = scanned(capsys, "--link", link, "--protocol", "dlt645-2007", "--timeout", "1")
    assert (code, rows) == (0, [{"link": link, "protocol": "dlt645-2007", "address": "000000000161"}])


class Bus:
    """A transport with the bus behind it, without a network between."""

    place = "bus"

    def __init__(self, answer):
        self.answer, self.held = answer, b""

    def open(self, timeout_s):
        pass

    def write(self, data, deadline):
        reply = self.answer(data)
        self.held = b"".join(reply) if isinstance(reply, list) else reply

    def read(self, deadline):
        data, self.held = self.held, b""
        if not data:
            time.sleep(max(deadline - time.monotonic(), 0))
        return data

    def close(self):
        pass


def test_meters_that_answer_at_once_are_found_one_by_one_and_no_phantom_of_their_bits():
    addresses = ("000000000161", "000000000162", "000000000261")
    line = Line(parse_link("socket://h:1"), transport=Bus(bus(*addresses)), timeout_s=0.005)
    # Bits of 161 and 162 pulled low together make a whole frame of 160, which does not exist.
    assert line.gather(_question("dlt645-2007", ""), "dlt645-2007")[0][0].message["address"] == "000000000160"
    assert {found.address for found in scan_line(line, "dlt645-2007")} == set(addresses)


def test_nobody_there_is_exit_5_and_tells_what_to_try(respond, capsys):
    server = respond(lambda _: None)
    code, rows, told = scanned(capsys, "--link", f"socket://127.0.0.1:{server.port}", "--timeout", "0.05")
    assert (code, rows) == (5, [])
    assert "wiring" in told


def test_units_of_a_modbus_gateway_are_found(modbus_tcp, capsys):
    link = f"modbus+tcp://127.0.0.1:{modbus_tcp}"
    code, rows, _ = scanned(capsys, "--link", link, "--unit", "1", "--timeout", "1")
    assert (code, [row["address"] for row in rows]) == (0, ["1"])


def test_a_sweep_keeps_what_else_the_url_says():
    (first, second, *_) = variants(parse_link("/dev/ttyX?stop=2&baud=300"), [(2400, "E"), (9600, "N")])
    assert (first.url, first.baud, first.parity, first.stop_bits) == (
        "/dev/ttyX?baud=2400&parity=E&stop=2",
        2400,
        "E",
        2,
    )
    assert (second.baud, second.parity) == (9600, "N")
    assert variants(parse_link("socket://h:1"), [(2400, "E")]) == [parse_link("socket://h:1")]


def test_read_by_name_on_a_line(meter_645, capsys):
    link = ["--link", f"socket://127.0.0.1:{meter_645}", "--format", "json"]
    assert run(["read", "161", "voltage_a", "active_import_t1", *link]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["quantity"], row["value"]) for row in rows] == [("voltage", 230.1), ("active_import", 23.45)]


@pytest.mark.parametrize("words", [["--unit", "0"], ["--unit", "5..2"], ["--protocol", "gdw1376.1"]])
def test_wrong_wishes_are_usage_errors(words):
    assert run(["scan", "--link", "socket://127.0.0.1:1", *words]) == 2
