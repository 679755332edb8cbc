"""Simulated meters behind a socket of this process, and a workspace that knows them."""

import contextlib
import dataclasses
import socket
import threading
import zoneinfo

from keyacct import clock
from keyacct.cli.run import run
from keyacct.config import open_workspace
from keyacct.database.engine import open_database
from keyacct.simulation.description import SimulatedLine
from keyacct.simulation.device import Meter
from keyacct.simulation.park import LineServer
from keyacct.simulation.shape import SHAPES, Load
from keyacct.workflow.care.lines import Lines
from keyacct.workflow.poll_targets import read_targets

ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")
NOON = "2026-07-01T12:20:00+08:00"


class LineAtWork:
    """One simulated line over TCP. before: called with every request before the devices see it."""

    def __init__(self, meters):
        self.meters = meters
        self.heard = []
        self.before = lambda data: None
        self.devices = LineServer(SimulatedLine(None, meters, None))
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.server.accept()
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        held = b""
        with contextlib.suppress(OSError), connection:
            while data := connection.recv(4096):
                self.heard.append(data)
                self.before(data)
                held = self.devices.take(held, data, connection.sendall)

    def functions(self):
        """Control codes of what came, in order."""
        return [frame[frame.index(0x68) + 8] for frame in self.heard]

    def close(self):
        self.server.close()


def meter(number, protocol="dlt645-2007", **more):
    load = Load(kw=10.0, shape=SHAPES["flat"], power_factor=0.95, voltage_v=220.0, start_kwh=100.0, seed=number)
    address = str(number) if protocol.startswith("modbus") else f"{number:012d}"
    return Meter(protocol, address, load, ZONE, **more)


@dataclasses.dataclass
class Office:
    folder: object
    lines: list

    @property
    def workspace(self):
        return open_workspace(self.folder)

    def care(self, **care):
        text = "[care]\n" + "".join(f"{key} = {str(value).lower()}\n" for key, value in care.items())
        old = (self.folder / "keyacct.toml").read_text().partition("[care]")[0]
        (self.folder / "keyacct.toml").write_text(old.rstrip() + "\n\n" + text)

    def registry(self, text):
        file = self.folder / "more.toml"
        file.write_text(text)
        now = clock.now().isoformat()
        assert run(["registry", "import", str(file), "--workspace", str(self.folder), "--now", now]) == 0
        clock.fix(now)

    def targets(self, *names):
        known = read_targets(self.workspace)
        return [known[name] for name in names] if names else list(known.values())

    def at_work(self):
        return Lines(self.workspace, 0.5)

    def rows(self, table):
        with open_database(self.workspace).read() as connection:
            return [dict(row) for row in connection.execute(table.select()).mappings()]
