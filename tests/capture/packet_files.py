"""Frames, packets and capture files for the tests, built byte by byte from the standards."""

import struct

CAPTURED_US = 1_782_835_200_000_000  # 2026-06-30T16:00:00Z, midnight of 1 July in Shanghai
METER, MASTER = ("10.0.0.7", 4001), ("10.0.0.1", 50_000)


def frame(control, data, address="000000000161"):
    """A frame by the rule of the standard, written out: 68 A 68 C L DATA+33 CS 16."""
    plain = bytes([control, len(data)]) + bytes((b + 0x33) % 256 for b in data)
    body = b"\x68" + bytes.fromhex(address)[::-1] + b"\x68" + plain
    return body + bytes([sum(body) % 256, 0x16])


def answer(di, data, control=0x91, address="000000000161"):
    return frame(control, bytes.fromhex(di)[::-1] + bytes.fromhex(data), address)


VOLTAGE = answer("02010100", "7123")  # 237.1 V
REQUEST = frame(0x11, bytes.fromhex("02010100")[::-1])


def ip(host):
    return bytes(int(part) for part in host.split("."))


def tcp(source, destination, seq, payload, flags=0x18):
    segment = struct.pack(">HHIIBBHHH", source[1], destination[1], seq, 1, 5 << 4, flags, 8192, 0, 0) + payload
    total = 20 + len(segment)
    header = struct.pack(">BBHHHBBH", 0x45, 0, total, 0, 0, 64, 6, 0) + ip(source[0]) + ip(destination[0])
    return b"\0" * 12 + b"\x08\x00" + header + segment


ARP = b"\0" * 12 + b"\x08\x06" + b"\0" * 28


def pcap(packets, start_us=CAPTURED_US, step_us=1_000_000):
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)
    for number, packet in enumerate(packets):
        seconds, micros = divmod(start_us + number * step_us, 1_000_000)
        out += struct.pack("<IIII", seconds, micros, len(packet), len(packet)) + packet
    return out


def pcapng(packets):
    def block(kind, body):
        body += b"\0" * (-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

    out = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)) + block(1, struct.pack("<HHI", 1, 0, 65_535))
    for number, packet in enumerate(packets):
        stamp = CAPTURED_US + number * 1_000_000
        head = struct.pack("<IIIII", 0, stamp >> 32, stamp & 0xFFFF_FFFF, len(packet), len(packet))
        out += block(6, head + packet)
    return out
