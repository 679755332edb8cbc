"""Healthy terminals keep being served while another process abuses the station. The figures are printed (`-s`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from abuser import KINDS
from test_station import LONG, Peer, healthy, p99, pump, station

from keyacct.capture.master.gdw1376 import Gdw1376Station

SECONDS = 5.0 if LONG else 0.6
HEALTHY = 20
ALLOWED = [*(f"3701-{n:04X}" for n in range(1, HEALTHY + 1)), *(f"3701-{0x0A00 + n:04X}" for n in range(200))]
MANY = {
    "slow": 1000,
    "half_open": 1000,
    "unknown": 200,
    "spoofed": 50,
    "replayed": 50,
    "duplicate": 20,
    "right_flood": 20,
}
CAUGHT = {
    "garbage": "closed_junk", "starts": "closed_junk", "near_valid": "closed_junk", "lengths": "junk_bytes",
    "slow": "closed_slow", "half_open": "refused_unknown_address", "unknown": "unknown_terminal", "spoofed": "spoofed",
    "replayed": "replayed", "duplicate": "duplicate_login", "right_flood": "frames_over_rate", "connects": "accepted",
}  # fmt: skip
"""Abuse → what the station counts of it."""


def exchanges(running: Gdw1376Station, peers: list[Peer], until: object) -> tuple[list[float], int]:
    """Seconds from question to answer of one healthy terminal after the other, at most 25 a second each; longest buffer."""
    question = running.question("read", "F25", {"afn": "0C", "items": [{"pn": 1, "fn": 25}]})
    found: list[float] = []
    longest, number = 0, 0
    while not until():
        peer = peers[number % len(peers)]
        number += 1
        session = running.sessions[running.address_of(peer.address)]
        running.take()
        begun = time.monotonic()
        running.ask(question, [session])
        wanted = bytes.fromhex(peer.address.split("-")[1])[::-1]

        def answered(wanted: bytes = wanted) -> bool:
            for each in peers:
                each.answer()
            return any(frame[9:11] == wanted for frame in running.frames)

        pump(running, answered, 20.0)
        found.append(time.monotonic() - begun)
        longest = max([longest, *(len(c.held) for c in running.front.connections.values())])
        rest = begun + 1 / (25 * len(peers)) - time.monotonic()
        end = time.monotonic() + rest
        while time.monotonic() < end:
            running.turn(0.001)
    return found, longest


@pytest.mark.parametrize("kind", [*KINDS, "connects"])
def test_healthy_terminals_are_served_under(kind: str) -> None:
    count = MANY.get(kind, 20) // (1 if LONG else 5)
    most = 3000 if kind == "slow" else 150
    limits = {
        "connections": most,
        "new_per_address": 20,
        "frame_s": 0.8 if LONG else 0.2,
        "login_s": 1.5,
        "challenge_s": 0.5,
    }
    files = len(os.listdir("/proc/self/fd"))
    with station(allowed=ALLOWED, **limits) as running:
        peers = healthy(running, HEALTHY)
        end = time.monotonic() + SECONDS / 3
        before, _ = exchanges(running, peers, lambda: time.monotonic() >= end)
        running.counts.clear()
        cpu, begun = time.process_time(), time.monotonic()
        abuser = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("abuser.py")), kind, str(running.front.port), str(SECONDS),
             str(count)], stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        during, longest = exchanges(running, peers, lambda: abuser.poll() is not None)
        share = (time.process_time() - cpu) / (time.monotonic() - begun)
        assert abuser.stdout is not None
        told = json.loads(abuser.stdout.read())
        abuser.stdout.close()
        connections = len(running.front.connections)
        print(
            f"{kind}: {told['connections']} connections, {told['sent'] / 1e6:.1f} MB sent, {CAUGHT[kind]} "
            f"{running.counts[CAUGHT[kind]]}; healthy asked {len(during)} times, lost {len(running.failures)}, p99 ms "
            f"{p99(before) * 1e3:.1f} before, {p99(during) * 1e3:.1f} during; longest buffer {longest}, cpu {share:.2f}"
        )
        assert told["connections"] > 0
        assert running.counts[CAUGHT[kind]] > 0, dict(running.counts)
        assert running.failures == []
        assert {running.address_of(peer.address) for peer in peers} <= set(running.sessions)
        assert longest <= 16_384 + 4096
        assert connections <= most
        pump(running, lambda: [peer.answer() for peer in peers] and len(running.front.connections) == HEALTHY, 20.0)
    assert len(os.listdir("/proc/self/fd")) <= files
