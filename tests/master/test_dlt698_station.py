"""The 698.45 side of the station; what it sends is read by an independent implementation, the PyPI package `dlt698`."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dlt698 import codec

from keyacct import wire
from keyacct.capture.master.dlt698 import Dlt698Station
from keyacct.capture.master.plan import load_plan
from keyacct.errors import InputError

LOGIN = bytes.fromhex("681E008105111111111111009E7601000000B407E90403040F14050000E8B016")
"""A real log-in of terminal 111111111111."""


def uplink(control: int, apdu: str) -> bytes:
    """A frame of that terminal, its checksums by the peer."""
    body = bytes.fromhex(apdu)
    head = (len(body) + 15).to_bytes(2, "little") + bytes((control, 5)) + b"\x11" * 6 + b"\x00"
    head += codec.crc16(head).to_bytes(2, "little")
    return b"\x68" + head + body + codec.crc16(head + body).to_bytes(2, "little") + b"\x16"


class Terminal:
    def __init__(self, station: Dlt698Station) -> None:
        self.station = station
        self.socket = socket.create_connection(("127.0.0.1", station.front.port), 5)
        self.socket.setblocking(False)

    def hear(self) -> bytes:
        """The next bytes of the station."""
        end = time.monotonic() + 5
        while time.monotonic() < end:
            self.station.turn(0.01)
            try:
                return self.socket.recv(4096)
            except BlockingIOError:
                pass
        raise AssertionError("nothing came")

    def until(self, holds: Callable[[], object]) -> None:
        end = time.monotonic() + 5
        while not holds():
            self.station.turn(0.01)
            assert time.monotonic() < end, dict(self.station.counts)


@pytest.fixture
def logged_in() -> Iterator[tuple[Dlt698Station, Terminal]]:
    station = Dlt698Station("127.0.0.1", 0)
    terminal = Terminal(station)
    terminal.socket.sendall(LOGIN)
    terminal.hear()
    station.take()
    yield station, terminal
    terminal.socket.close()
    station.front.shut()


def test_a_peer_reads_what_the_station_says() -> None:
    station = Dlt698Station("127.0.0.1", 0, allowed=["111111111111"])
    terminal = Terminal(station)
    try:
        terminal.socket.sendall(LOGIN)
        response = codec.decode_frame(terminal.hear())
        apdu = codec.decode_apdu(response.payload)
        assert type(apdu).__name__ == "LinkResponse"
        assert codec.encode_apdu(apdu) == response.payload
        assert response.payload[:3] == bytes((0x81, 0, 0x80))  # same PIID, our clock is right, success
        assert response.payload[3:13].hex().upper() == "07E90403040F14050000"  # the time of the request

        station.ask(station.question("read", "voltage", {"service": "GetRequestNormal", "oad": "20000200"}))
        request = codec.decode_frame(terminal.hear()).payload
        assert codec.encode_apdu(codec.decode_apdu(request)) == request
        assert request[:2] + request[3:] == bytes.fromhex("0501" + "20000200" + "00")
        number = request[2]

        terminal.socket.sendall(uplink(0xC3, f"8501{number ^ 1:02X}2000020001010312089912089A12089B0000"))
        terminal.until(lambda: station.counts["unasked"] == 1)
        terminal.socket.sendall(uplink(0xC3, f"8501{number | 0x40:02X}2000020001010312089912089A12089B0000"))
        events = codec.decode_frame(terminal.hear()).payload  # bit 6 of the PIID says that an event waits
        assert events[3:7].hex() == "33200200"
        frames, _ = station.take()
        rows = [r for r in wire.decode(b"".join(frames), "dlt698.45").to_pylist() if r["quantity"] == "voltage"]
        assert [row["value"] for row in rows] == [220.1, 220.2, 220.3]
    finally:
        terminal.socket.close()
        station.front.shut()


def test_a_report_is_confirmed_again_but_kept_once(logged_in: tuple[Dlt698Station, Terminal]) -> None:
    station, terminal = logged_in
    report = uplink(0x83, "88010701200002000101" + "0312089912089A12089B" + "0000")
    for _ in range(2):
        terminal.socket.sendall(report)
        answer = codec.decode_frame(terminal.hear()).payload
        assert answer.hex().upper() == "080107012000020000"
    assert station.counts["replayed"] == 1
    assert station.take()[0] == [report]


def test_a_denied_object_is_a_failure_and_no_value(logged_in: tuple[Dlt698Station, Terminal]) -> None:
    station, terminal = logged_in
    station.ask(station.question("read", "voltage", {"service": "GetRequestNormal", "oad": "20000200"}))
    number = codec.decode_frame(terminal.hear()).payload[2]
    terminal.socket.sendall(uplink(0xC3, f"8501{number:02X}2000020000060000"))
    terminal.until(lambda: station.failures)
    assert station.failures[0].cause == "refused"
    assert station.take()[0] == []


def values(station: Dlt698Station, quantity: str) -> list[object]:
    frames, _ = station.take()
    rows = wire.decode(b"".join(frames), "dlt698.45").to_pylist()
    return [row["value"] if row["value"] is not None else row["text"] for row in rows if row["quantity"] == quantity]


def test_a_list_keeps_what_was_answered_and_names_what_was_denied(logged_in: tuple[Dlt698Station, Terminal]) -> None:
    station, terminal = logged_in
    message = {"service": "GetRequestNormalList", "oads": ["20000200", "200F0200"]}
    station.ask(station.question("read", "list", message))
    request = codec.decode_frame(terminal.hear()).payload
    assert codec.encode_apdu(codec.decode_apdu(request)) == request
    answer = f"8502{request[2]:02X}02" + "20000200" + "01010312089912089A12089B" + "200F0200" + "0006" + "0000"
    terminal.socket.sendall(uplink(0xC3, answer))
    terminal.until(lambda: not station.busy)
    assert values(station, "voltage") == [220.1, 220.2, 220.3]
    assert [(failed.name, failed.cause) for failed in station.failures] == [("list 200F0200", "refused")]


def test_blocks_are_asked_for_until_the_last(logged_in: tuple[Dlt698Station, Terminal]) -> None:
    station, terminal = logged_in
    message = {"service": "GetRequestNormalList", "oads": ["200F0200", "20000200"]}
    station.ask(station.question("read", "list", message))
    number = codec.decode_frame(terminal.hear()).payload[2]
    terminal.socket.sendall(
        uplink(0xC3, f"8505{number:02X}00" + "0001" + "01" + "01" + "200F0200" + "01121388" + "0000")
    )
    following = codec.decode_frame(terminal.hear()).payload
    assert following == bytes.fromhex(f"0505{number:02X}000100")
    wrong = f"8505{number:02X}01" + "0007" + "01" + "01" + "200F0200" + "01121300" + "0000"
    terminal.socket.sendall(uplink(0xC3, wrong))  # not the block that was asked for
    terminal.until(lambda: station.counts["unasked"] == 1)
    last = f"8505{number:02X}01" + "0002" + "01" + "01" + "20000200" + "01010312089912089A12089B" + "0000"
    terminal.socket.sendall(uplink(0xC3, last))
    terminal.until(lambda: not station.busy)
    frames, _ = station.take()
    told = [row["value"] for row in wire.decode(b"".join(frames), "dlt698.45").to_pylist()]
    assert told == [50, 220.1, 220.2, 220.3]
    assert station.failures == []


def test_split_frames_are_confirmed_one_by_one_and_joined(logged_in: tuple[Dlt698Station, Terminal]) -> None:
    station, terminal = logged_in
    station.ask(station.question("read", "voltage", {"service": "GetRequestNormal", "oad": "20000200"}))
    number = codec.decode_frame(terminal.hear()).payload[2]
    apdu = f"8501{number:02X}2000020001010312089912089A12089B0000"
    pieces = [apdu[:10], apdu[10:20], apdu[20:]]
    for block, (kind, piece) in enumerate(zip((0, 3, 1), pieces, strict=True)):
        header = (kind << 14 | block).to_bytes(2, "little").hex()
        terminal.socket.sendall(uplink(0xE3, header + piece))
        if kind != 1:
            confirm = codec.decode_frame(terminal.hear())
            assert confirm.payload == (2 << 14 | block).to_bytes(2, "little")
        if kind == 3:  # the same part again: its confirmation was lost
            terminal.socket.sendall(uplink(0xE3, header + piece))
            assert codec.decode_frame(terminal.hear()).payload == confirm.payload
    terminal.until(lambda: not station.busy)
    assert values(station, "voltage") == [220.1, 220.2, 220.3]
    assert station.counts["answers"] == 1


def test_the_records_of_new_events_are_fetched(logged_in: tuple[Dlt698Station, Terminal]) -> None:
    station, terminal = logged_in
    station.ask(station.question("read", "voltage", {"service": "GetRequestNormal", "oad": "20000200"}))
    number = codec.decode_frame(terminal.hear()).payload[2] | 0x40  # an event waits
    terminal.socket.sendall(uplink(0xC3, f"8501{number:02X}2000020001010312089912089A12089B0000"))
    number = codec.decode_frame(terminal.hear()).payload[2]
    terminal.socket.sendall(uplink(0xC3, f"8501{number:02X}33200200" + "01" + "0101" + "5130110200" + "0000"))
    request = codec.decode_frame(terminal.hear()).payload
    assert request[:2] + request[3:] == bytes.fromhex("0503" + "30110200" + "0901" + "00" + "00")
    columns = "05" + "".join("00" + oad for oad in ("20220200", "201E0200", "20200200", "20240200", "33000200"))
    row = "0600000007" + "1C07E80701060000" + "1C07E80701070000" + "00" + "00"
    terminal.socket.sendall(uplink(0xC3, f"8503{request[2]:02X}30110200{columns}0101{row}0000"))
    terminal.until(lambda: not station.busy)
    assert values(station, "event_start") == ["2024-07-01T06:00:00"]


def test_rows_of_a_table_are_asked_for_by_the_plan(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    text = '[[read]]\nrows = ["freeze_day:active_import@last"]\nevery = "1d"\n'
    text += '[[read]]\noad = ["20000200", "20010200"]\nlist = true\n'
    file.write_text(text, encoding="utf-8")
    rows, several = load_plan(file, "dlt698.45").reads
    assert rows.message == {
        "service": "GetRequestRecord", "oad": "50040200", "rsd": {"selector": 9, "last": 1},
        "columns": ["20210200", "00100200"],
    }  # fmt: skip
    assert several.message == {"service": "GetRequestNormalList", "oads": ["20000200", "20010200"]}
    file.write_text('[[read]]\nrows = "freeze_day@last7"\n', encoding="utf-8")
    with pytest.raises(InputError, match="one request"):
        load_plan(file, "dlt698.45")
