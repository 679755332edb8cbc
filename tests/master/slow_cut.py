"""A slow, obvious reference of how a stream of the master station is cut: start, lengths, checksum and end, byte by byte.

Source: Q/GDW 1376.1-2013 §5, DL/T 698.45-2017 §6. The cost counts each byte passed over, and a sixteenth of the length of
each candidate whose checksum was added up in vain.
"""

from __future__ import annotations

_CRC = []
for _byte in range(256):
    _value = _byte
    for _ in range(8):
        _value = _value >> 1 ^ 0x8408 if _value & 1 else _value >> 1
    _CRC.append(_value)


def crc16(data: bytes) -> int:
    """CRC-16/X-25 of DL/T 698.45."""
    value = 0xFFFF
    for byte in data:
        value = value >> 8 ^ _CRC[(value ^ byte) & 0xFF]
    return value ^ 0xFFFF


def cut_gdw1376(data: bytes, most: int) -> tuple[list[bytes], bytes, int]:
    """Frames of Q/GDW 1376.1."""
    frames: list[bytes] = []
    at, size, junk = 0, len(data), 0
    while at < size:
        if data[at] != 0x68:
            start = data.find(0x68, at)
            if start < 0:
                return frames, b"", junk + size - at
            junk += start - at
            at = start
        if size - at < 6:
            if _may_begin(data[at:]):
                return frames, data[at:], junk
            at += 1
            junk += 1
            continue
        if data[at + 5] == 0x68 and data[at + 1] == data[at + 3] and data[at + 2] == data[at + 4]:
            end = at + ((data[at + 1] | data[at + 2] << 8) >> 2) + 8
            if 16 <= end - at <= most:
                if end > size:
                    return frames, data[at:], junk
                if data[end - 1] == 0x16:
                    if sum(data[at + 6 : end - 2]) & 0xFF == data[end - 2]:
                        frames.append(data[at:end])
                        at = end
                        continue
                    junk += (end - at) >> 4
        at += 1
        junk += 1
    return frames, b"", junk


def _may_begin(head: bytes) -> bool:
    """Whether fewer than six bytes can be the beginning of a 1376.1 header."""
    return not ((len(head) > 3 and head[3] != head[1]) or (len(head) > 4 and head[4] != head[2]))


def cut_dlt698(data: bytes, most: int) -> tuple[list[bytes], bytes, int]:
    """Frames of DL/T 698.45; the header's own checksum bounds the length before anything is waited for."""
    frames: list[bytes] = []
    at, size, junk = 0, len(data), 0
    while at < size:
        if data[at] != 0x68:
            start = data.find(0x68, at)
            if start < 0:
                return frames, b"", junk + size - at
            junk += start - at
            at = start
        if size - at < 5:
            return frames, data[at:], junk
        length = data[at + 1] | data[at + 2] << 8
        header = 6 + (data[at + 4] & 0x0F)  # L, C, AF, SA, CA behind the 68H
        end = at + length + 2
        if header + 6 <= length + 2 <= most:
            if size - at < header + 3:
                return frames, data[at:], junk
            told = data[at + 1 + header] | data[at + 2 + header] << 8
            if crc16(data[at + 1 : at + 1 + header]) == told:
                if end > size:
                    return frames, data[at:], junk
                if data[end - 1] == 0x16 and crc16(data[at + 1 : end - 3]) == data[end - 3] | data[end - 2] << 8:
                    frames.append(data[at:end])
                    at = end
                    continue
                junk += (end - at) >> 4
        at += 1
        junk += 1
    return frames, b"", junk


CUTS = {"gdw1376.1": (cut_gdw1376, 16_384), "dlt698.45": (cut_dlt698, 2048)}
