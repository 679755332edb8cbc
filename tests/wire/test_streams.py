"""Whole streams: any number of threads, files, spoilt bytes, bytes that are all start bytes."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from keyacct import decode
from keyacct.capture.replay import replay
from keyacct.errors import InputError
from keyacct.wire import decode_file

# identifier: values, bytes each, signed, places (DL/T 645-2007, tables A.1 and A.3)
ITEMS = {
    0x02010100: (1, 2, False, 1),
    0x0201FF00: (3, 2, False, 1),
    0x0202FF00: (3, 3, True, 3),
    0x0203FF00: (4, 3, True, 4),
    0x0206FF00: (4, 2, True, 3),
    0x0001FF00: (5, 4, False, 2),
}


def _frame(chance: random.Random) -> bytes:
    identifier = chance.choice(list(ITEMS))
    count, size, signed, _ = ITEMS[identifier]
    plain = bytearray(identifier.to_bytes(4, "little"))
    for _ in range(count):
        plain += bytes(chance.randrange(10) << 4 | chance.randrange(10) for _ in range(size - 1))
        plain.append(chance.choice((0x00, 0x12, 0x79, 0x80 if signed else 0x40)))
    if chance.random() < 0.02:
        plain[4:] = b"\xff" * (len(plain) - 4)
    head = b"\x68" + bytes([chance.randrange(40), 1, 0, 0, 0, 0x33]) + b"\x68\x91" + bytes([len(plain)])
    body = head + bytes((byte + 0x33) & 255 for byte in plain)
    return b"\xfe" * chance.randrange(5) + body + bytes([sum(body) & 255, 0x16])


def _stream(frames: int, spoilt: float, seed: int) -> bytes:
    chance = random.Random(seed)
    data = bytearray(b"".join(_frame(chance) for _ in range(frames)))
    for at in range(len(data)):
        if chance.random() < spoilt:
            data[at] = chance.randrange(256)
    return bytes(data)


def _slow(data: bytes) -> list[tuple[int, str, float | None]]:
    """(offset of the frame, device, value) by the plain rules of the standard, byte by byte."""
    found: list[tuple[int, str, float | None]] = []
    at = 0
    while at + 12 <= len(data):
        end = at + 12 + data[at + 9]
        if (
            data[at] != 0x68
            or data[at + 7] != 0x68
            or end > len(data)
            or data[end - 1] != 0x16
            or sum(data[at : end - 2]) % 256 != data[end - 2]
        ):
            at += 1
            continue
        plain = bytes((byte - 0x33) & 255 for byte in data[at + 10 : end - 2])
        identifier = int.from_bytes(plain[:4], "little")
        if data[at + 8] == 0x91 and identifier in ITEMS:
            count, size, signed, places = ITEMS[identifier]
            for first in range(4, min(len(plain) - size, 4 + (count - 1) * size) + 1, size):
                digits = bytearray(plain[first : first + size][::-1])
                minus = signed and digits[0] & 0x80
                if signed:
                    digits[0] &= 0x7F
                text = digits.hex()
                number = (-1 if minus else 1) * int(text) / 10**places if text.isdecimal() else None
                found.append((at, data[at + 6 : at : -1].hex().upper(), number))
        at = end
    return found


def _rows(table: pa.Table) -> list[tuple[int, str, float | None]]:
    return list(zip(table["offset"].to_pylist(), table["device"].to_pylist(), table["value"].to_pylist(), strict=True))


@pytest.mark.parametrize("spoilt", [0.0, 0.001, 0.1])
def test_values_are_those_of_a_slow_parser_whatever_is_spoilt(spoilt: float) -> None:
    data = _stream(6000, spoilt, seed=7)
    expected = _slow(data)
    assert len(expected) > 100
    assert _rows(decode(data, "dlt645-2007", threads=1)) == expected


def test_threads_and_files_give_the_same_table(tmp_path: Path) -> None:
    data = _stream(120_000, 0.001, seed=8)
    assert len(data) > 3 << 20
    one = decode(data, threads=1).unify_dictionaries().combine_chunks()
    file = tmp_path / "line.bin"
    file.write_bytes(data)
    for threads in (2, 3):
        assert decode(data, threads=threads).unify_dictionaries().combine_chunks().equals(one)
        assert decode_file(file, threads=threads).unify_dictionaries().combine_chunks().equals(one)


def test_a_table_outlives_the_memory_of_later_ones() -> None:
    data = _stream(30_000, 0.0, seed=9)
    kept = decode(data)
    assert len(kept) > 90_000, "so many rows that they lie in memory which later tables take over"
    expected = _rows(kept)
    for _ in range(3):
        decode(data[::-1] + data[5_000:])
    assert _rows(kept) == expected


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.bin"):
        decode_file(tmp_path / "nothing.bin")


def test_start_bytes_alone_are_noise_in_little_memory(tmp_path: Path) -> None:
    file = tmp_path / "start.bin"
    file.write_bytes(b"\x68" * 16_000_000)
    code = (
        "import pathlib, re, resource, sys; from keyacct import _core\n"
        "read = getattr(_core, sys.argv[1])\n"
        "_, tally = read(_core.Registers(), sys.argv[2])\n"
        "print(tally['noise_bytes'], sum(tally['frames'].values()), sum(tally['invalid'].values()))\n"
        # Linux: ru_maxrss would be the peak of the process that started this one, too.
        "status = pathlib.Path('/proc/self/status')\n"
        "own = re.search(r'VmHWM:\\s*(\\d+)', status.read_text()) if status.exists() else None\n"
        "print(int(own[1]) // 1024 if own else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)"
    )
    for door in ("replay", "decode_file"):
        told = subprocess.run([sys.executable, "-c", code, door, str(file)], capture_output=True, text=True, check=True)
        noise, frames, invalid, megabytes = map(int, told.stdout.split())
        assert (noise, frames) == (16_000_000, 0)
        assert 0 < invalid <= 16_000_000 // 100, "a false start claims the bytes of a frame, which are not told again"
        assert megabytes < 128


def test_a_raw_capture_of_start_bytes_says_what_it_holds(tmp_path: Path) -> None:
    file = tmp_path / "start.bin"
    file.write_bytes(b"\x68" * 100_000)
    with pytest.raises(InputError, match="no frame in 100000 bytes"):
        replay(file)
