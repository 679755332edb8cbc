"""The only target that gets a command: a simulated device that this process has made itself, out of a description.

There is no address in it and no connection: a frame is handed to a Python object and the answer is what the object returns.
Nobody can put a real device behind it. A `keyacct simulate` in another process is reached over a socket like a real device
and therefore counts as one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from keyacct.control.targets import Target
from keyacct.errors import InputError
from keyacct.i18n import Text
from keyacct.simulation.description import load_description
from keyacct.simulation.device import Meter
from keyacct.simulation.dlt645 import Meter645, requests
from keyacct.simulation.terminal698 import Terminal698
from keyacct.simulation.terminal1376 import Terminal1376


class Simulated(Protocol):
    """A simulated device."""

    def answer(self, frame: bytes) -> bytes | None:
        """The frame that it answers."""


class Rehearsal:
    """A simulated device inside this process, made by `of_file` or of a simulated device in memory, of no other class."""

    def __init__(self, device: Terminal1376 | Terminal698 | Meter645) -> None:
        if type(device) not in (Terminal1376, Terminal698, Meter645):
            raise TypeError("a rehearsal takes a simulated device of ours, nothing else")
        self._device = device
        self._meters = [device.meter] if isinstance(device, Meter645) else [device.clock, *device.meters]

    @classmethod
    def of_file(cls, file: Path, target: Target) -> Rehearsal:
        """The device of a description that has the target's protocol and address. Raises InputError when it has none."""
        description = load_description(file)
        if target.protocol == "dlt645-2007":
            for line in description.lines:
                for meter in line.meters:
                    if meter.protocol == target.protocol and meter.address == target.address:
                        return cls(Meter645(meter))
        for terminal in description.terminals:
            if terminal.protocol == target.protocol and terminal.address == target.address:
                if terminal.protocol == "gdw1376.1":
                    return cls(Terminal1376(terminal.address, terminal.meters, terminal.clock))
                return cls(Terminal698(terminal.address, terminal.meters, terminal.clock))
        raise InputError(
            "input.value",
            str(Text(f"no simulated device {target} in it", f"其中没有模拟设备 {target}")),
            hint=str(
                Text("give --protocol and --address of one that the file describes", "请给出文件中某台设备的规约和地址")
            ),
            where={"file": str(file)},
        )

    def ask(self, frame: bytes) -> bytes | None:
        """Hand a frame to the device; its answer."""
        if isinstance(self._device, Meter645):
            found, _ = requests(frame, "dlt645-2007")
            return next((answer for request in found if (answer := self._device.answer(request)) is not None), None)
        return self._device.answer(frame)

    @property
    def meter(self) -> Meter:
        """The meter whose clock the device goes by."""
        return self._meters[0]

    def let_pass(self, minutes: float) -> None:
        """Let the device's time pass."""
        for meter in self._meters:
            meter.set_by_s += minutes * 60
