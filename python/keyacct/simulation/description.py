"""What is simulated: a TOML file. `count` makes many of a thing; everything follows from the seed."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import zoneinfo
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keyacct.capture.faults import Faults
from keyacct.errors import InputError
from keyacct.i18n import Text
from keyacct.simulation.device import Habits, Meter
from keyacct.simulation.memory import read_memory
from keyacct.simulation.shape import SHAPES, Load
from keyacct.simulation.trouble import MODBUS_TROUBLES, TROUBLES, allot
from keyacct.toml_file import read_toml

METERS = ("dlt645-2007", "dlt645-1997", "dlt698.45", "modbus-rtu", "modbus-tcp")
TERMINALS = ("gdw1376.1", "dlt698.45")
MOST = 200_000
MOST_KW = 70
_METER_KEYS = {
    "protocol", "address", "count", "kw", "shape", "power_factor", "voltage_v", "start_kwh", "clock_offset_s",
    "drift_ppm", "silent", "late", "late_s", "wrong_address", "flip", "failing", "slow", "slow_s", "stumbling",
    "memory", "parameters",
}  # fmt: skip
_LINE_KEYS = {"listen", "pty", "count", "meter", "faults"}
_TERMINAL_KEYS = {
    "protocol", "master", "address", "count", "meter", "heartbeat_s", "clock_offset_s", "drift_ppm", "event", "faults",
}  # fmt: skip
_FAULTS = {"drop", "flip", "split", "delay", "echo", "babble", "split_s", "delay_s", "babble_bytes"}


@dataclass
class SimulatedLine:
    """A line with meters: listen is `host:port` (0: any free one), or None for a pty."""

    listen: str | None
    meters: list[Meter]
    faults: Faults | None = None


@dataclass
class SimulatedTerminal:
    """A terminal that dials in to a master. events: ERC 14 at these seconds after the start, each so many minutes long."""

    protocol: str
    master: str
    address: str
    meters: list[Meter]
    clock: Meter
    heartbeat_s: float = 60.0
    faults: Faults | None = None
    events: list[tuple[float, int]] = field(default_factory=list)


@dataclass
class Description:
    """Everything that is simulated."""

    seed: int
    lines: list[SimulatedLine]
    terminals: list[SimulatedTerminal]


def load_description(file: Path) -> Description:
    """What a file describes. Raises InputError with the place of what is wrong."""
    document = read_toml(file, lambda said: _wrong(file, said))
    try:
        return _described(document)
    except KeyError as error:
        raise _wrong(file, f"{error.args[0]} is missing") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise _wrong(file, str(error)) from None


def _wrong(file: Path, message: str) -> InputError:
    return InputError(
        "input.format",
        str(Text(f"not a description of devices: {message}", f"模拟设备描述有误: {message}")),
        hint=str(Text("docs/simulation.md shows one", "格式见 docs/simulation.md")),
        where={"file": str(file)},
    )


def _described(document: dict[str, Any]) -> Description:
    _known("the file", document, {"seed", "timezone", "line", "terminal"})
    seed = int(document.get("seed", 0))
    zone = zoneinfo.ZoneInfo(document.get("timezone", "Asia/Shanghai"))
    lines: list[SimulatedLine] = []
    made = 0
    for number, entry in enumerate(document.get("line", []), 1):
        _known(f"[[line]] {number}", entry, _LINE_KEYS)
        fates = _fates(entry, seed)
        for copy in range(_count(entry)):
            meters = _meters(entry.get("meter", []), zone, seed, copy, len(lines), fates)
            made += len(meters)
            if made > MOST:
                raise ValueError(f"more than {MOST} devices")
            if not meters:
                raise ValueError(f"[[line]] {number}: no [[line.meter]]")
            for alone in ("modbus-tcp", "dlt698.45"):
                if len({meter.protocol == alone for meter in meters}) > 1:
                    raise ValueError(f"[[line]] {number}: {alone} shares no line")
            listen = None if entry.get("pty") else _numbered_port(str(entry.get("listen", "127.0.0.1:0")), copy)
            lines.append(SimulatedLine(listen, meters, _faults(entry.get("faults"), seed + len(lines))))
    terminals: list[SimulatedTerminal] = []
    for number, entry in enumerate(document.get("terminal", []), 1):
        _known(f"[[terminal]] {number}", entry, _TERMINAL_KEYS)
        for copy in range(_count(entry)):
            terminals.append(_terminal(entry, zone, seed, copy, len(terminals)))
            if made + len(terminals) > MOST:
                raise ValueError(f"more than {MOST} devices")
    if not lines and not terminals:
        raise ValueError("no [[line]] and no [[terminal]]")
    return Description(seed, lines, terminals)


def _known(where: str, entry: dict[str, Any], keys: set[str]) -> None:
    unknown = sorted(set(entry) - keys)
    if unknown:
        raise ValueError(f"{where}: unknown {', '.join(unknown)}; known are {', '.join(sorted(keys))}")


def _count(entry: dict[str, Any]) -> int:
    count = entry.get("count", 1)
    if not isinstance(count, int) or not 1 <= count <= MOST:
        raise ValueError(f"count = {count!r}: from 1 to {MOST}")
    return count


def _numbered_port(listen: str, copy: int) -> str:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"listen = {listen!r}: HOST:PORT")
    return f"{host}:{int(port) + copy if int(port) else 0}"


def _faults(entry: dict[str, Any] | None, seed: int) -> Faults | None:
    if entry is None:
        return None
    _known("faults", entry, _FAULTS)
    return Faults(**entry, seed=seed)


_Fates = list[dict[int, str]]


def _fates(line: dict[str, Any], seed: int) -> _Fates:
    """For each entry of meters of a line and its copies: who of them fails, is slow or stumbles, by running number."""
    fates: _Fates = []
    for number, entry in enumerate(line.get("meter", [])):
        shares = {name: float(entry.get(name, 0)) for name in ("failing", "slow", "stumbling")}
        fates.append(allot(_count(line) * _count(entry), shares, seed + number))
    return fates


def _meters(
    entries: list[dict[str, Any]], zone: dt.tzinfo, seed: int, copy: int, place: int, fates: _Fates | None = None
) -> list[Meter]:
    """The meters of the copy-th line of an entry; addresses go on from one line to the next."""
    found: list[Meter] = []
    for index, entry in enumerate(entries):
        _known("[[meter]]", entry, _METER_KEYS)
        protocol = entry["protocol"]
        if protocol not in METERS:
            raise ValueError(f"protocol = {protocol!r}: one of {', '.join(METERS)}")
        count = _count(entry)
        for number in range(count):
            modbus = protocol.startswith("modbus")
            first = int(entry["address"])
            address = str(first + number) if modbus else f"{first + copy * count + number:012d}"
            if modbus and not 1 <= int(address) <= 247:
                raise ValueError(f"unit {address}: from 1 to 247")
            if len(address) > 12:
                raise ValueError(f"address {address}: at most 12 digits")
            meter = _meter(entry, protocol, address, zone, seed + 1000 * place + len(found))
            if fates is not None:
                _fall(meter, fates[index], copy * count + number, entry)
            found.append(meter)
    return found


def _fall(meter: Meter, fates: dict[int, str], number: int, entry: dict[str, Any]) -> None:
    """Give a meter the fate that was allotted to its number."""
    fate = fates.get(number)
    if fate == "failing":
        kinds = tuple(TROUBLES) if meter.protocol.startswith("dlt645") else MODBUS_TROUBLES
        meter.trouble = kinds[sum(other < number for other, one in fates.items() if one == fate) % len(kinds)]
    elif fate == "slow":
        meter.habits = dataclasses.replace(meter.habits, late=1.0, late_s=float(entry.get("slow_s", 1.0)))
    elif fate == "stumbling":
        meter.stumbles, meter.stumbling = 1, True


def _meter(entry: dict[str, Any], protocol: str, address: str, zone: dt.tzinfo, seed: int) -> Meter:
    shape = entry.get("shape", "day_shift")
    hours = SHAPES.get(shape) if isinstance(shape, str) else tuple(float(share) for share in shape)
    if hours is None or len(hours) != 24:
        raise ValueError(f"shape = {shape!r}: one of {', '.join(SHAPES)}, or 24 numbers")
    load = Load(
        kw=float(entry.get("kw", 10.0)), shape=hours, power_factor=float(entry.get("power_factor", 0.95)),
        voltage_v=float(entry.get("voltage_v", 220.0)), start_kwh=float(entry.get("start_kwh", 100.0)), seed=seed,
    )  # fmt: skip
    if not 0 < load.power_factor <= 1 or load.kw < 0 or load.voltage_v <= 0:
        raise ValueError("kw from 0, voltage_v above 0, power_factor above 0 and at most 1")
    if load.kw > MOST_KW and not protocol.startswith("modbus"):
        raise ValueError(f"kw = {load.kw:g}: at most {MOST_KW} (the meter's side of the transformers: XX.XXXX kW)")
    habits = Habits(
        **{key: float(entry[key]) for key in ("silent", "late", "late_s", "wrong_address", "flip") if key in entry}
    )
    return Meter(
        protocol, address, load, zone, float(entry.get("clock_offset_s", 0)), float(entry.get("drift_ppm", 0)), habits,
        memory=read_memory(entry.get("memory", {})), parameters=_parameters(entry.get("parameters", {})),
    )  # fmt: skip


def _parameters(entry: dict[str, Any]) -> dict[str, Any]:
    """Identifiers and what the meter says of them: values in a list, or data in hex as a text."""
    found = {}
    for key, told in entry.items():
        if not re.fullmatch("[0-9A-F]{4}|[0-9A-F]{8}", key) or not isinstance(told, str | list):
            raise ValueError(f"parameters: {key} = {told!r}: an identifier, and values or hex")
        found[key] = told
    return found


def _terminal(entry: dict[str, Any], zone: dt.tzinfo, seed: int, copy: int, place: int) -> SimulatedTerminal:
    protocol = entry["protocol"]
    if protocol not in TERMINALS:
        raise ValueError(f"protocol = {protocol!r}: one of {', '.join(TERMINALS)}")
    address = str(entry["address"])
    if protocol == "gdw1376.1":
        area, _, number = address.partition("-")
        address = f"{area}-{int(number, 16) + copy:04X}"
        if len(address) != 9 or not area.isdecimal():
            raise ValueError(f"address {address!r}: 4 digits, a dash, 4 hex digits")
    else:
        address = f"{int(address) + copy:012d}"
    meters = _meters(entry.get("meter", []), zone, seed, copy, 500 + place)
    if any(meter.protocol != "dlt645-2007" for meter in meters):
        raise ValueError("behind a terminal: dlt645-2007")
    clock = Meter(
        protocol, address, Load(), zone, float(entry.get("clock_offset_s", 0)), float(entry.get("drift_ppm", 0))
    )
    events = [(float(event.get("after_s", 0)), int(event.get("minutes", 5))) for event in entry.get("event", [])]
    return SimulatedTerminal(
        protocol, str(entry["master"]), address, meters, clock, float(entry.get("heartbeat_s", 60)),
        _faults(entry.get("faults"), seed + place), events,
    )  # fmt: skip
