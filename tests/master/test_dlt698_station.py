"""The 698.45 side of the station; what it sends is read by an independent implementation, the PyPI package `dlt698`."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from dlt698 import codec

from keyacct import wire
from keyacct.capture.master.dlt698 import Dlt698Station

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


def test_a_report_is_confirmed_again_but_kept_once() -> None:
    station = Dlt698Station("127.0.0.1", 0)
    terminal = Terminal(station)
    try:
        terminal.socket.sendall(LOGIN)
        terminal.hear()
        station.take()
        report = uplink(0x83, "88010701200002000101" + "0312089912089A12089B" + "0000")
        for _ in range(2):
            terminal.socket.sendall(report)
            answer = codec.decode_frame(terminal.hear()).payload
            assert answer.hex().upper() == "080107012000020000"
        assert station.counts["replayed"] == 1
        assert station.take()[0] == [report]
    finally:
        terminal.socket.close()
        station.front.shut()


def test_a_denied_object_is_a_failure_and_no_value() -> None:
    station = Dlt698Station("127.0.0.1", 0)
    terminal = Terminal(station)
    try:
        terminal.socket.sendall(LOGIN)
        terminal.hear()
        station.take()
        station.ask(station.question("read", "voltage", {"service": "GetRequestNormal", "oad": "20000200"}))
        number = codec.decode_frame(terminal.hear()).payload[2]
        terminal.socket.sendall(uplink(0xC3, f"8501{number:02X}2000020000060000"))
        terminal.until(lambda: station.failures)
        assert station.failures[0].cause == "refused"
        assert station.take()[0] == []
    finally:
        terminal.socket.close()
        station.front.shut()
