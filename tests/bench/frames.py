"""Seeded synthetic streams of answers: DL/T 645-2007, and GetResponseNormal of DL/T 698.45.

    python frames.py FILE --frames 1000000 [--protocol dlt645-2007|dlt698.45]

Frames with preambles; 1 % error answers, one frame in a thousand with a bad checksum, one with noise before it.
Writes FILE and returns what a decoder must find.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from pathlib import Path

# identifier → (values, bytes each, signed)
ITEMS = {
    0x02010100: (1, 2, False),
    0x0201FF00: (3, 2, False),
    0x0202FF00: (3, 3, True),
    0x0203FF00: (4, 3, True),
    0x0204FF00: (4, 3, True),
    0x0206FF00: (4, 2, True),
    0x00010000: (1, 4, False),
    0x0001FF00: (5, 4, False),
}
# attribute → (values, type tag, bytes each, signed)
OBJECTS = {
    0x20000200: (3, 0x12, 2, False),
    0x20010200: (3, 0x05, 4, True),
    0x20040200: (4, 0x05, 4, True),
    0x20050200: (4, 0x05, 4, True),
    0x200A0200: (4, 0x10, 2, True),
    0x00100200: (5, 0x06, 4, False),
}
PLUS_33 = bytes((b + 0x33) & 255 for b in range(256))
METERS = 5000


@dataclass
class Expected:
    """What is in a stream: valid frames, values, and their sum without decimal point."""

    frames: int = 0
    values: int = 0
    total: int = 0


def _address(chance: random.Random) -> bytes:
    return bytes.fromhex(f"{330100000000 + chance.randrange(METERS) * 37:012d}")[::-1]


def one_645(chance: random.Random) -> tuple[bytes, list[int]]:
    """A frame and its values."""
    head = b"\x68" + _address(chance) + b"\x68"
    values: list[int] = []
    if chance.random() < 0.01:
        body = head + b"\xd1\x01\x35"
    else:
        identifier = chance.choice(list(ITEMS))
        count, size, signed = ITEMS[identifier]
        data = bytearray(identifier.to_bytes(4, "little"))
        for _ in range(count):
            number = chance.randrange(8 * 10 ** (2 * size - 1) if signed else 10 ** (2 * size))
            digits = bytearray.fromhex(f"{number:0{2 * size}d}")
            if signed and chance.random() < 0.1:
                digits[0] |= 0x80
                number = -number
            data += digits[::-1]
            values.append(number)
        body = head + bytes([0x91, len(data)]) + bytes(data).translate(PLUS_33)
    return body + bytes([sum(body) & 255, 0x16]), values


def _x25(data: bytes) -> bytes:
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8408 if crc & 1 else crc >> 1
    return (crc ^ 0xFFFF).to_bytes(2, "little")


def one_698(chance: random.Random) -> tuple[bytes, list[int]]:
    """A frame and its values."""
    attribute = chance.choice(list(OBJECTS))
    count, tag, size, signed = OBJECTS[attribute]
    apdu = b"\x85\x01" + bytes([chance.randrange(64)]) + attribute.to_bytes(4, "big")
    values: list[int] = []
    if chance.random() < 0.01:
        apdu += b"\x00\x04"
    else:
        apdu += bytes([1, 1, count])
        for _ in range(count):
            number = chance.randrange(30_000 if size == 2 else 10**8)
            number = -number if signed and chance.random() < 0.2 else number
            apdu += bytes([tag]) + number.to_bytes(size, "big", signed=signed)
            values.append(number)
    apdu += b"\x00\x00"
    head = (15 + len(apdu)).to_bytes(2, "little") + b"\xc3\x05" + _address(chance) + b"\x10"
    body = head + _x25(head) + apdu
    return b"\x68" + body + _x25(body) + b"\x16", values


def write(file: Path, frames: int, protocol: str = "dlt645-2007", seed: int = 645) -> Expected:
    """Write a stream; what is in it."""
    chance = random.Random(seed)
    one = one_645 if protocol == "dlt645-2007" else one_698
    stock = [one(chance) for _ in range(20_000)]
    expected = Expected()
    with file.open("wb") as out:
        for _ in range(frames):
            frame, values = chance.choice(stock)
            fate = chance.random()
            if fate < 0.001:
                out.write(frame[:-2] + bytes([frame[-2] ^ 0x5A]) + frame[-1:])
                continue
            if fate < 0.002:
                out.write(bytes(chance.choice((0x00, 0x68, 0x16, 0xFF)) for _ in range(chance.randrange(1, 12))))
            out.write(b"\xfe" * chance.choice((0, 1, 4, 4)) + frame)
            expected.frames += 1
            expected.values += len(values)
            expected.total += sum(values)
    return expected


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--protocol", default="dlt645-2007")
    choice = parser.parse_args()
    print(write(choice.file, choice.frames, choice.protocol))
