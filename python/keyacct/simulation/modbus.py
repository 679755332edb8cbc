"""Simulated Modbus meters: the input registers of an SDM630, over RTU and TCP. Source: `registers/modbus/sdm630.tsv`."""

from __future__ import annotations

import struct

from keyacct import wire
from keyacct.simulation.device import Meter

_REGISTERS = wire.open_registers()


class MeterModbus:
    """Answers the PDUs of one unit."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.unit = int(meter.address)

    def _values(self) -> dict[int, float]:
        meter, now = self.meter, self.meter.now()
        load, kw = meter.load, meter.power_kw(now)
        closed = 1.0 if meter.breaker_closed else 0.0
        kvar, kva = kw * load.reactive_share(), kw / load.power_factor
        values: dict[int, float] = {}
        for phase in range(3):
            values[2 * phase] = load.voltage(now, phase)
            values[6 + 2 * phase] = load.current_a(now, phase) * closed
            values[0x0C + 2 * phase] = kw * 1000 / 3
            values[0x12 + 2 * phase] = kva * 1000 / 3
            values[0x18 + 2 * phase] = kvar * 1000 / 3
            values[0x1E + 2 * phase] = load.power_factor
        energy = load.energy_kwh(now)[0]
        values |= {0x34: kw * 1000, 0x38: kva * 1000, 0x3C: kvar * 1000, 0x3E: load.power_factor, 0x46: 50.0}
        return values | {0x48: energy, 0x4A: 0.0, 0x4C: energy * load.reactive_share(), 0x4E: 0.0}

    def pdu(self, pdu: bytes) -> bytes:
        """The answer to a request: registers by functions 3 and 4, an exception for anything else."""
        self.meter.asked += 1
        function = pdu[0]
        if function not in (3, 4) or len(pdu) != 5:
            return bytes((function | 0x80, 1))
        address, count = struct.unpack(">HH", pdu[1:])
        if not 1 <= count <= 125:
            return bytes((function | 0x80, 3))
        if address + count > 0x50:
            return bytes((function | 0x80, 2))
        cells = bytearray(2 * 0x50)
        for start, value in self._values().items():
            cells[2 * start : 2 * start + 4] = struct.pack(">f", value)
        data = cells[2 * address : 2 * (address + count)]
        return bytes((function, len(data))) + bytes(data)

    def rtu(self, pdu: bytes) -> bytes:
        """A PDU with unit and checksum."""
        return wire.encode({"unit": self.unit, "pdu": pdu.hex()}, "modbus-rtu", registers=_REGISTERS)


def crc(data: bytes) -> int:
    """CRC-16 of Modbus RTU."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return value
