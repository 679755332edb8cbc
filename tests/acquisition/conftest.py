"""Devices that nobody of this project wrote, and lines to them."""

import contextlib
import datetime as dt
import socket
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # peer698.py and peers.py
sys.path.insert(0, str(Path(__file__).parents[1] / "simulation"))  # park_at_work.py
from peers import Loop, free_port, sdm630
from pump import Pump


def _filled(service):
    from dlt645 import Demand

    service.set_address(bytes.fromhex("610100000000"))  # as on the wire
    service.set_00(0x00010000, 123.45)
    service.set_00(0x00010100, 23.45)
    service.set_00(0x00020000, 0.07)
    service.set_02(0x02010100, 230.1)
    service.set_02(0x02020100, -1.234)
    service.set_02(0x02030000, 12.3456)
    service.set_02(0x02060000, 0.987)
    service.set_01(0x01010000, Demand(12.3456, dt.datetime(2026, 7, 1, 8, 15)))
    service.set_04(0x04000103, "15")
    return service


@pytest.fixture
def filled():
    """Gives a meter of the package dlt645 its values."""
    return _filled


@pytest.fixture(scope="session")
def meter_645():
    """Port of the PyPI package dlt645's meter over TCP."""
    from dlt645 import MeterServerService, disable_logging

    disable_logging()
    port = free_port()
    service = _filled(MeterServerService.new_tcp_server("127.0.0.1", port, 60))
    assert service.start()
    yield port
    service.stop()


@pytest.fixture
def serial_pair():
    pump = Pump()
    yield pump.names
    pump.close()


@pytest.fixture
def modbus_tcp():
    from pymodbus.server import ModbusTcpServer

    loop, port = Loop(), free_port()

    async def start():
        server = ModbusTcpServer(sdm630(), address=("127.0.0.1", port))
        await server.serve_forever(background=True)
        return server

    server = loop.run(start())
    yield port
    loop.run(server.shutdown())
    loop.close()


class Responder:
    """A TCP server that answers each request by a function of the test; it may answer nothing (None)."""

    def __init__(self, answer):
        self.answer = answer
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.requests = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.server.accept()
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        with contextlib.suppress(OSError), connection:
            while data := connection.recv(4096):
                self.requests.append(data)
                reply = self.answer(data)
                if reply is False:
                    return
                for piece in reply if isinstance(reply, list) else [reply]:
                    if piece:
                        connection.sendall(piece)

    def close(self):
        self.server.close()


@pytest.fixture
def respond():
    made = []

    def make(answer):
        made.append(Responder(answer))
        return made[-1]

    yield make
    for responder in made:
        responder.close()
