"""The simulated devices at work: lines that listen, terminals that dial in. One thread, asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keyacct import wire
from keyacct.capture.faults import FaultInjector
from keyacct.capture.master.limits import LONGEST_FRAME
from keyacct.errors import LinkError
from keyacct.i18n import Text
from keyacct.simulation.description import Description, SimulatedLine, SimulatedTerminal
from keyacct.simulation.device import Meter
from keyacct.simulation.dlt645 import Meter645, requests
from keyacct.simulation.modbus import MeterModbus, crc
from keyacct.simulation.terminal698 import Terminal698
from keyacct.simulation.terminal1376 import Terminal1376, power_off
from keyacct.simulation.trouble import troubled

Send = Callable[[bytes], None]
_CUT_698 = wire.frame_cutter("dlt698.45", LONGEST_FRAME["dlt698.45"])


@dataclass(frozen=True)
class Place:
    """Where a line is to be found: `host:port`, or the path of a pty."""

    line: int
    place: str
    meters: tuple[str, ...]


class LineServer:
    """The devices of one line, whoever talks to it."""

    def __init__(self, line: SimulatedLine) -> None:
        self.line = line
        self._by_address: dict[str, Meter645] = {}
        self._modbus: dict[int, MeterModbus] = {}
        self._servers: dict[str, Terminal698] = {}
        for meter in line.meters:
            if meter.protocol == "dlt698.45":
                self._servers[meter.address] = Terminal698(meter.address, [meter], meter)
            elif meter.protocol.startswith("modbus"):
                self._modbus[int(meter.address)] = MeterModbus(meter)
            else:
                self._by_address[meter.address] = Meter645(meter)
        self._tcp = any(meter.protocol == "modbus-tcp" for meter in line.meters)
        self._injector = FaultInjector(line.faults) if line.faults is not None else None

    def take(self, held: bytes, data: bytes, send: Send) -> bytes:
        """Answer what has come; gives the bytes that may still become a request."""
        if self._injector is not None and self._injector.echoes():
            send(data)
        stream = held + data
        if self._tcp:
            return self._modbus_tcp(stream, send)
        rest = stream
        if self._modbus:
            rest = self._modbus_rtu(stream, send)
        if self._by_address:
            rest = self._dlt645(stream, send)
        if self._servers:
            rest = self._dlt698(stream, send)
        return rest[-4096:]

    def _dlt698(self, stream: bytes, send: Send) -> bytes:
        frames, rest, _ = _CUT_698(stream)
        for frame in frames:
            device = self._servers.get(frame[5 : 5 + (frame[4] & 15) + 1][::-1].hex())
            if device is not None:
                device.meters[0].asked += 1
                self._reply(device.meters[0], device.answer(frame), send)
        return rest

    def _dlt645(self, stream: bytes, send: Send) -> bytes:
        found, rest = requests(stream, "auto")
        for request in found:
            address = request["address"]
            exact = self._by_address.get(address)
            if exact is not None:
                meant = [exact]
            elif "A" in address.upper() or address == "999999999999":
                meant = [
                    device for device in self._by_address.values() if address[:1] == "9" or device.is_meant(address)
                ]
            else:
                continue
            for device in meant:
                if request["protocol"] == device.meter.protocol:
                    self._reply(device.meter, device.answer(request), send)
        return rest

    def _modbus_rtu(self, stream: bytes, send: Send) -> bytes:
        """Requests of functions 3 and 4; eight bytes, known by their checksum."""
        at = 0
        while len(stream) - at >= 8:
            frame = stream[at : at + 8]
            if crc(frame[:6]) == frame[6] | frame[7] << 8 and frame[1] < 0x80:
                device = self._modbus.get(frame[0])
                if device is not None:
                    self._reply(device.meter, device.rtu(device.pdu(frame[1:6])), send)
                at += 8
            else:
                at += 1
        return stream[at:]

    def _modbus_tcp(self, stream: bytes, send: Send) -> bytes:
        while len(stream) >= 8:
            transaction, protocol, length, unit = struct.unpack(">HHHB", stream[:7])
            if protocol != 0 or not 2 <= length <= 254:
                return b""
            if len(stream) < 6 + length:
                break
            device = self._modbus.get(unit)
            if device is not None:
                pdu = device.pdu(stream[7 : 6 + length])
                head = struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit)
                self._reply(device.meter, head + pdu, send)
            stream = stream[6 + length :]
        return stream

    def _reply(self, meter: Meter, answer: bytes | None, send: Send) -> None:
        if answer is None:
            return
        if meter.stumbles:
            meter.stumbles -= 1
            return
        if meter.trouble:
            answer = troubled(answer, meter.trouble, meter.protocol)
            if answer is not None:
                send(answer)
            return
        habits, chance = meter.habits, meter.chance
        if habits.silent and chance.random() < habits.silent:
            return
        if habits.wrong_address and chance.random() < habits.wrong_address and answer[0] == 0x68:
            other = bytearray(answer)
            other[1] ^= 1
            other[-2] = sum(other[:-2]) & 0xFF
            answer = bytes(other)
        if habits.flip and chance.random() < habits.flip:
            other = bytearray(answer)
            other[chance.randrange(len(other))] ^= 1 << chance.randrange(8)
            answer = bytes(other)
        meter.answered += 1
        wait_s = habits.late_s if habits.late and chance.random() < habits.late else 0.0
        pieces = self._injector.apply(answer) if self._injector is not None else [(0.0, answer)]
        for delay_s, piece in pieces:
            wait_s += delay_s
            if wait_s:
                asyncio.get_running_loop().call_later(wait_s, send, piece)
            else:
                send(piece)


class _LinePeer(asyncio.Protocol):
    def __init__(self, server: LineServer) -> None:
        self._server, self._held = server, b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._held = self._server.take(self._held, data, self._send)

    def _send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


class _Dialled(asyncio.Protocol):
    """A terminal's connection to its master."""

    def __init__(self, device: Terminal1376 | Terminal698, injector: FaultInjector | None) -> None:
        self._device, self._injector, self._held = device, injector, b""
        self._cut = wire.frame_cutter(device.protocol, LONGEST_FRAME[device.protocol])
        self.ended = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.send(self._device.login())

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        frames, self._held, _ = self._cut(self._held + data)
        for frame in frames:
            answer = self._device.answer(frame)
            if answer is not None:
                self.send(answer)

    def send(self, data: bytes) -> None:
        pieces = [(0.0, data)] if self._injector is None else self._injector.apply(data)
        at = 0.0
        for wait_s, piece in pieces:
            at += wait_s
            if at:
                asyncio.get_running_loop().call_later(at, self._write, piece)
            else:
                self._write(piece)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Park:
    """All devices of a description. `start`, then `stop`."""

    def __init__(self, description: Description) -> None:
        self.description = description
        self.places: list[Place] = []
        self.devices: list[Terminal1376 | Terminal698] = []
        self._servers: list[asyncio.Server] = []
        self._ptys: list[tuple[int, int]] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Open the lines, let the terminals dial. Raises LinkError when a line cannot be opened."""
        for number, line in enumerate(self.description.lines):
            place = self._open_pty(line) if line.listen is None else await self._listen(line, line.listen)
            self.places.append(Place(number, place, tuple(meter.address for meter in line.meters)))
        for terminal in self.description.terminals:
            device: Terminal1376 | Terminal698
            if terminal.protocol == "gdw1376.1":
                device = Terminal1376(terminal.address, terminal.meters, terminal.clock)
            else:
                device = Terminal698(terminal.address, terminal.meters, terminal.clock, int(terminal.heartbeat_s))
            self.devices.append(device)
            self._tasks.append(asyncio.create_task(self._dial(terminal, device)))

    async def _listen(self, line: SimulatedLine, listen: str) -> str:
        host, _, port = listen.rpartition(":")
        server = LineServer(line)
        try:
            listener = await asyncio.get_running_loop().create_server(lambda: _LinePeer(server), host, int(port))
        except OSError as error:
            raise LinkError(
                "link.failed",
                str(Text(f"cannot listen on {listen}: {error.strerror}", f"无法监听 {listen}: {error.strerror}")),
                hint=str(Text("another program may hold the port", "端口可能被占用")),
            ) from None
        self._servers.append(listener)
        address = listener.sockets[0].getsockname()
        return f"{address[0]}:{address[1]}"

    def _open_pty(self, line: SimulatedLine) -> str:
        import pty
        import tty

        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        self._ptys.append((ours, theirs))
        server = LineServer(line)
        held = b""

        def readable() -> None:
            nonlocal held
            with contextlib.suppress(OSError):
                held = server.take(held, os.read(ours, 4096), send)

        def send(data: bytes) -> None:
            with contextlib.suppress(OSError):
                os.write(ours, data)

        asyncio.get_running_loop().add_reader(ours, readable)
        return os.ttyname(theirs)

    async def _dial(self, terminal: SimulatedTerminal, device: Terminal1376 | Terminal698) -> None:
        host, _, port = terminal.master.rpartition(":")
        loop = asyncio.get_running_loop()
        injector = FaultInjector(terminal.faults) if terminal.faults is not None else None
        talking: list[_Dialled] = []

        def happen(minutes: int) -> None:
            """A loss of supply; terminals of 1376.1 report it at once."""
            if isinstance(device, Terminal1376):
                device.happen(*power_off(terminal.clock.now(), minutes))
                for peer in talking:
                    peer.send(device.report())

        for after_s, minutes in terminal.events:
            loop.call_later(after_s, happen, minutes)
        wait_s = 0.5
        while True:
            try:
                _, peer = await loop.create_connection(lambda: _Dialled(device, injector), host, int(port))
            except OSError:
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, 30.0)
                continue
            talking[:] = [peer]
            try:
                while not peer.ended.done():
                    await asyncio.wait([peer.ended], timeout=terminal.heartbeat_s)
                    if not peer.ended.done():
                        peer.send(device.heartbeat())
                wait_s = min(wait_s * 2, 30.0)
            except asyncio.CancelledError:
                peer.send(device.logout())
                peer.close()
                raise
            await asyncio.sleep(wait_s)

    async def stop(self) -> None:
        """Log out, close everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for server in self._servers:
            server.close()
        for ours, theirs in self._ptys:
            asyncio.get_running_loop().remove_reader(ours)
            os.close(ours)
            os.close(theirs)
        await asyncio.sleep(0)
