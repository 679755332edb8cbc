"""What the tests of several files need to run devices of other people."""

import asyncio
import socket
import threading

ADDRESS = "000000000161"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Loop:
    """An event loop in a thread, for servers that want one."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


def sdm630():
    """A device of pymodbus with the registers of an SDM630, values as its manual's example and round numbers."""
    from pymodbus.simulator import DataType, SimData, SimDevice

    def float32(address, value):
        return SimData(address, values=float(value), datatype=DataType.FLOAT32)

    inputs = [float32(0x0000, 230.2), float32(0x0002, 231.5), float32(0x0006, 5.25), float32(0x0034, 12_500.0),
              float32(0x0046, 50.0), float32(0x0048, 1234.5)]  # fmt: skip
    block = SimData(0, values=0, datatype=DataType.REGISTERS)
    bits = SimData(0, count=16, values=False, datatype=DataType.BITS)
    return SimDevice(1, simdata=([bits], [bits], [block], inputs))
