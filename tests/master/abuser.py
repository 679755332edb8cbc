"""A process that abuses a master station: `python abuser.py KIND PORT SECONDS PEERS`; prints what it did as JSON."""

from __future__ import annotations

import contextlib
import json
import random
import resource
import select
import socket
import sys
import time
from collections.abc import Callable

from frames1376 import BODY, F25, LOGIN, uplink

REPORT = uplink("3701-0A01", 0xC4, 0x0C, 0x71, F25 + BODY)
NEAR = REPORT[:-2] + bytes((REPORT[-2] ^ 1, 0x16))
RANDOM = random.Random(7).randbytes(65_536)
LIES = [size.to_bytes(2, "little") for size in (0, 2, 0x32, 0x4002, 0xFFCE, 0xFFFF)]
HEADS = [b"\x68" + first + second + b"\x68" for first in LIES for second in LIES]


def login(address: str, seq: int = 0x73) -> bytes:
    return uplink(address, 0xC9, 2, seq, b"\0\0\1\0")


class Peer:
    """One bad connection: what it says first, and again and again."""

    def __init__(self, port: int, number: int, first: bytes) -> None:
        source = f"127.0.{1 + number % 250 // 50}.{1 + number % 50}"
        self.socket = socket.create_connection(("127.0.0.1", port), 5, source_address=(source, 0))
        self.socket.setblocking(False)
        self.at, self.next = 0, time.monotonic()
        self.say(first)

    def say(self, data: bytes) -> int:
        with contextlib.suppress(BlockingIOError):
            return self.socket.send(data) if data else 0
        return 0

    @property
    def closed(self) -> bool:
        try:
            while self.socket.recv(65_536):
                pass
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True


def address(number: int) -> str:
    return f"3701-{0x0A00 + number % 200:04X}"


# kind: (first words by the peer's number, what it says again, pause between two times)
Kind = tuple[Callable[[int], bytes], Callable[[int], bytes], float]
KINDS: dict[str, Kind] = {
    "garbage": (lambda n: b"", lambda at: RANDOM, 0.0),
    "starts": (lambda n: b"", lambda at: b"\x68" * 65_536, 0.0),
    "near_valid": (lambda n: b"", lambda at: NEAR * 500, 0.0),
    "lengths": (lambda n: HEADS[n % len(HEADS)] + bytes(64), lambda at: b"\0", 0.3),
    "slow": (lambda n: b"", lambda at: LOGIN[at % 19 : at % 19 + 1], 0.2),
    "half_open": (lambda n: b"", lambda at: b"", 1.0),
    "unknown": (lambda n: login("4400-0001"), lambda at: login("4400-0001"), 0.1),
    "spoofed": (lambda n: login(address(n)), lambda at: uplink("3701-0001", 0xC4, 0x0C, 0x60 | at % 16, F25 + BODY), 0.05),
    "replayed": (lambda n: login(address(0)) if n == 0 else login(address(n)), lambda at: REPORT, 0.05),
    "duplicate": (lambda n: login(f"3701-{n % 20 + 1:04X}"), lambda at: b"", 0.05),
    "right_flood": (lambda n: login(address(n)), lambda at: REPORT * 20, 0.0),
}  # fmt: skip


def flood_of_connections(port: int, until: float) -> int:
    """Connections that are opened and left as fast as it goes."""
    made = 0
    while time.monotonic() < until:
        made += 1
        with contextlib.suppress(OSError), socket.socket() as tried:
            tried.settimeout(1)
            tried.bind((f"127.0.{1 + made % 5}.{1 + made % 200}", 0))
            tried.connect(("127.0.0.1", port))
    return made


def main() -> None:
    kind, port, seconds, count = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    until, sent, made = time.monotonic() + seconds, 0, 0
    if kind == "connects":
        print(json.dumps({"connections": flood_of_connections(port, until), "sent": 0}))
        return
    first, again, pause = KINDS[kind]
    peers: list[Peer | None] = [None] * count
    while (now := time.monotonic()) < until:
        for number, peer in enumerate(peers):
            if peer is None or peer.closed:
                if peer is not None:
                    peer.socket.close()
                peers[number] = None
                with contextlib.suppress(OSError):
                    peers[number] = Peer(port, number, first(number))
                    made += 1
            elif peer.next <= now:
                with contextlib.suppress(OSError):
                    sent += peer.say(again(peer.at))
                peer.at += 1
                peer.next = now + pause
        select.select([], [], [], 0.005)
    for peer in peers:
        if peer is not None:
            peer.socket.close()
    print(json.dumps({"connections": made, "sent": sent}))


if __name__ == "__main__":
    main()
