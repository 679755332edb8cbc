"""A seeded synthetic stream of DL/T 645-2007 answers, and a tuned pure-Python decoder of it as a peer.

python frames.py FILE --frames 1000000        writes the stream
python frames.py FILE --decode                decodes it in pure Python; prints frames, values, sum
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

# identifier → (values, bytes each, signed)
ITEMS = {
    0x02010100: (1, 2, False),
    0x0201FF00: (3, 2, False),
    0x0202FF00: (3, 3, True),
    0x0203FF00: (4, 3, True),
    0x0206FF00: (4, 2, True),
    0x00010000: (1, 4, False),
    0x0001FF00: (5, 4, False),
}
PLUS_33 = bytes((b + 0x33) & 255 for b in range(256))
MINUS_33 = bytes((b - 0x33) & 255 for b in range(256))


def one(chance: random.Random) -> bytes:
    di = chance.choice(list(ITEMS))
    count, size, signed = ITEMS[di]
    data = bytearray(di.to_bytes(4, "little"))
    for _ in range(count):
        top = 8 * 10 ** (2 * size - 1) if signed else 10 ** (2 * size)
        digits = bytes.fromhex(f"{chance.randrange(top):0{2 * size}d}")
        if signed and chance.random() < 0.1:
            digits = bytes([digits[0] | 0x80]) + digits[1:]
        data += digits[::-1]
    address = bytes.fromhex(f"{330100000000 + chance.randrange(5000):012d}")[::-1]
    body = b"\x68" + address + b"\x68\x91" + bytes([len(data)]) + bytes(data).translate(PLUS_33)
    return body + bytes([sum(body) & 255, 0x16])


def write(file: Path, frames: int, seed: int = 645) -> None:
    """Frames with preambles; one in a thousand has a bad checksum, one in a thousand has noise before it."""
    chance = random.Random(seed)
    stock = [one(chance) for _ in range(20_000)]
    with file.open("wb") as out:
        for _ in range(frames):
            frame = chance.choice(stock)
            fate = chance.random()
            if fate < 0.001:
                frame = frame[:-2] + bytes([frame[-2] ^ 0x5A]) + frame[-1:]
            elif fate < 0.002:
                frame = bytes(chance.choice((0x00, 0x68, 0x16, 0xFF)) for _ in range(7)) + frame
            out.write(b"\xfe" * chance.choice((0, 1, 4)) + frame)


def decode(data: bytes) -> tuple[int, int, int]:
    """(frames, values, sum of the unscaled values) of a stream, one Python loop."""
    frames = values = total = 0
    at, end, find = 0, len(data), data.find
    while (at := find(b"\x68", at)) >= 0 and at + 12 <= end:
        stop = at + 12 + data[at + 9]
        if (
            data[at + 7] != 0x68
            or stop > end
            or data[stop - 1] != 0x16
            or sum(data[at : stop - 2]) & 255 != data[stop - 2]
        ):
            at += 1
            continue
        frames += 1
        body = data[at + 10 : stop - 2].translate(MINUS_33)
        _, size, signed = ITEMS[int.from_bytes(body[:4], "little")]
        for first in range(4, len(body), size):
            item = body[first : first + size][::-1]
            negative = signed and item[0] & 0x80
            number = int((bytes([item[0] & 0x7F]) + item[1:] if negative else item).hex())
            total += -number if negative else number
            values += 1
        at = stop
    return frames, values, total


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--decode", action="store_true")
    choice = parser.parse_args()
    if choice.decode:
        print(*decode(choice.file.read_bytes()))
    else:
        write(choice.file, choice.frames)
