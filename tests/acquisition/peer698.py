"""Servers of the PyPI package `dlt698`, filled by the tests: attributes through its server, record tables through its engine."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from dlt698 import Data, Oad, Server
from dlt698 import _native as native
from dlt698.expert import Endpoint

ADDRESS = "000000000161"


def oad(text: str) -> Oad:
    """An attribute by its eight digits."""
    return Oad(oi=int(text[:4], 16), attribute=int(text[4:6], 16))


def stamp(day: int, hour: int = 0) -> Data:
    """A time in July 2026."""
    return Data.date_time_s([0x07, 0xEA, 7, day, hour, 0, 0])


def options(*, blocks: bool, frame: int) -> native.SessionOptions:
    """Of a server at `ADDRESS`. blocks: long answers by GetResponseNext, else in split frames of `frame` bytes."""
    made = native.SessionOptions()
    made.prefer_get_blocks = blocks
    server = made.server
    server.bytes = bytes.fromhex(ADDRESS)[::-1]
    made.server = server
    sizes = made.parameters
    sizes.send_frame_bytes = sizes.receive_frame_bytes = frame
    made.parameters = sizes
    return made


VALUES = {
    "00100200": Data.array([Data.uint32(n) for n in (12345, 3000, 4000, 5000, 345)]),
    "00200200": Data.array([Data.uint32(n) for n in (77, 0, 70, 7, 0)]),
    "10100200": Data.array(
        [Data.structure([Data.uint32(123456 + n), Data.date_time_s([0x07, 0xEA, 7, 1, 8, 15, n])]) for n in range(5)]
    ),
    "20000200": Data.array([Data.uint16(n) for n in (2301, 2299, 2305)]),
    "20010200": Data.array([Data.int32(n) for n in (5251, -1234, 0)]),
    "20040200": Data.array([Data.int32(n) for n in (123_456, 41_000, 41_000, 41_456)]),
    "200A0200": Data.array([Data.int16(n) for n in (987, 990, -985, 1000)]),
    "200F0200": Data.uint16(4998),
    "40000200": Data.date_time_s([0x07, 0xEA, 7, 1, 12, 30, 5]),
}
"""What the server is given, raw as on the wire."""


@contextlib.contextmanager
def meter(*, blocks: bool = True, frame: int = 1024) -> Iterator[int]:
    """A server with `VALUES`; gives its port."""
    more = native.ServerOptions()
    more.protocol = options(blocks=blocks, frame=frame)
    server = Server(options=more)
    for key, value in VALUES.items():
        server.set(oad(key), value)
    server.start_tcp("127.0.0.1", 0)
    try:
        yield server.local_port
    finally:
        server.close()


@contextlib.contextmanager
def recorder(*, blocks: bool = True, frame: int = 1024, days: int = 10) -> Iterator[int]:
    """A server with day and month freezes of the first days of July 2026 and two power failures; gives its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ready, stop = threading.Event(), threading.Event()

    def run() -> None:
        objects = native.ObjectRegistry()
        for oi in (0x5004, 0x5006):
            columns = [oad(key) for key in ("20230200", "20210200", "00100200", "20000200")]
            table = native.MemoryRecords.create(oi, columns)
            table.replace_rows(
                [[Data.uint32(n), stamp(n), Data.array([Data.uint32(1000 * n + t) for t in range(5)]),
                  Data.array([Data.uint16(2200 + n + phase) for phase in range(3)])] for n in range(1, days + 1)]
            )  # fmt: skip
            native.register_standard_object(objects, oi, bytes([2]), table)
        events = native.MemoryRecords.create(0x3011, [oad(k) for k in ("20220200", "201E0200", "20200200", "20240200")])
        events.replace_rows(
            [[Data.uint32(n), stamp(n, 6), stamp(n, 7), Data.null()] for n in (1, 2)]
        )  # fmt: skip
        native.register_standard_object(objects, 0x3011, bytes([2]), events)
        endpoint = Endpoint(options(blocks=blocks, frame=frame), objects)
        endpoint.engine.listen("127.0.0.1", port, native.ConnectionProfile.local_public, 16, native.Role.server)
        ready.set()
        while not stop.is_set():
            endpoint.poll(0.005)
        endpoint.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(5)
    try:
        yield port
    finally:
        stop.set()
        thread.join()
