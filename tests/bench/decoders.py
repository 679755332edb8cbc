"""One decoder over one stream, in a process of its own: prints a line of JSON with the CPU and wall seconds of every pass.

    python decoders.py ENGINE FILE PROTOCOL --passes 5 [--threads 1]

ENGINE: keyacct (to an Arrow table), python (our tuned parser in one loop, DL/T 645), dlt645 (PyPI, pure Python: stream in
pieces of 1 KiB, values stay undecoded), dlt698 (PyPI, C++ with Python objects: link layer, APDU and attribute objects).
The file is read and everything imported before the clock runs.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import frames

MINUS_33 = bytes((b - 0x33) & 255 for b in range(256))
# Decimal places of the raw numbers, by quantity of the table.
PLACES = {"voltage": 1, "current": 3, "active_power": 4, "reactive_power": 4, "power_factor": 3, "active_import": 2}


def pure_python(data: bytes) -> tuple[int, int, int]:
    """(frames, values, sum of the unscaled values): addresses, identifiers and values go to lists."""
    shapes = {di: (size, signed) for di, (_, size, signed) in frames.ITEMS.items()}
    addresses, identifiers, numbers = [], [], []
    find, at, end = data.find, 0, len(data)
    while (at := find(b"\x68", at)) >= 0 and at + 12 <= end:
        if data[at + 7] != 0x68:
            at += 1
            continue
        last = at + 10 + data[at + 9]
        if last + 2 > end or data[last + 1] != 0x16 or sum(data[at:last]) & 255 != data[last]:
            at += 1
            continue
        addresses.append(data[at + 6 : at : -1].hex())
        if data[at + 8] & 0x40:
            identifiers.append(0)
        else:
            plain = data[at + 10 : last].translate(MINUS_33)[::-1]
            identifier = int.from_bytes(plain[-4:], "big")
            identifiers.append(identifier)
            size, signed = shapes.get(identifier, (0, False))
            if size:
                for first in range(len(plain) - 4 - size, -1, -size):
                    digits = plain[first : first + size]
                    if signed and digits[0] & 0x80:
                        numbers.append(-int((bytes((digits[0] & 0x7F,)) + digits[1:]).hex()))
                    else:
                        numbers.append(int(digits.hex()))
        at = last + 2
    return len(addresses), len(numbers), sum(numbers)


def dlt645(data: bytes) -> tuple[int, int, int]:
    """Frames of the PyPI package, which keeps what is left over of a piece."""
    from dlt645.protocol.protocol import DLT645Protocol

    count, rest = 0, b""
    for at in range(0, len(data), 1024):
        rest += data[at : at + 1024]
        while True:
            rest, frame = DLT645Protocol.deserialize_with_remaining(rest)
            if frame is None:
                break
            count += 1
    return count, 0, 0


def dlt698(data: bytes) -> tuple[int, int, int]:
    """Frames of the PyPI package with the attributes of their APDUs."""
    from dlt698 import _native

    decoder, count, attributes = _native.FrameStreamDecoder(), 0, 0
    for at in range(0, len(data), 4096):
        for frame in decoder.feed(data[at : at + 4096]):
            if type(frame) is _native.Frame:
                count += 1
                for result in _native.decode_apdu(frame.payload).attributes:
                    _ = (result.attribute, result.value if hasattr(result, "value") else result.result)
                    attributes += 1
    return count, 0, 0


def keyacct_check(data: bytes, protocol: str, threads: int) -> tuple[int, int, int]:
    """Frames by the tally, values and their unscaled sum by the table."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from keyacct import _core

    stream, tally = _core.decode(_core.Registers(), data, protocol, threads=threads)
    table: Any = pa.table(stream).unify_dictionaries()
    count = total = 0
    for quantity, places in PLACES.items():
        values = table.filter(pc.equal(table["quantity"].cast(pa.string()), quantity))["value"]
        numbers = np.rint(values.drop_null().to_numpy() * 10**places).astype("i8")
        count += len(numbers)
        total += int(numbers.sum())
    return sum(tally["frames"].values()), count, total


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("engine", choices=("keyacct", "python", "dlt645", "dlt698"))
    parser.add_argument("file", type=Path)
    parser.add_argument("protocol")
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    choice = parser.parse_args()
    data = choice.file.read_bytes()
    found: tuple[int, int, int] | None = None
    run: Callable[[], Any]
    if choice.engine == "keyacct":
        import keyacct
        from keyacct import _core

        registers = _core.Registers()

        def run() -> Any:
            return keyacct.decode(data, choice.protocol, registers=registers, threads=choice.threads)

        keyacct.decode(data[:1000], choice.protocol, registers=registers)  # imports pyarrow
        found = keyacct_check(data, choice.protocol, choice.threads)
    else:
        engine = {"python": pure_python, "dlt645": dlt645, "dlt698": dlt698}[choice.engine]

        def run() -> Any:
            return engine(data)

    cpu_s, wall_s = [], []
    for _ in range(choice.passes):
        wall, cpu = time.perf_counter(), time.process_time()
        result = run()
        cpu_s.append(time.process_time() - cpu)
        wall_s.append(time.perf_counter() - wall)
        if found is None:
            found = result
        del result
    assert found is not None
    print(json.dumps({"cpu_s": cpu_s, "wall_s": wall_s, "frames": found[0], "values": found[1], "sum": found[2]}))


if __name__ == "__main__":
    main()
