"""The master station against terminals that behave, and against peers that do not. The figures are printed (`-s`)."""

from __future__ import annotations

import contextlib
import math
import os
import random
import socket
import time
import zoneinfo
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import slow_cut
from frames1376 import BODY, CONFIRM, F25, LOGIN, uplink
from hypothesis import given
from hypothesis import strategies as st

from keyacct import wire
from keyacct.capture.master.gdw1376 import Gdw1376Station
from keyacct.capture.master.limits import Limits
from keyacct.capture.master.readings import frame_readings

REGISTERS = wire.open_registers()
CUT = wire.frame_cutter("gdw1376.1", 16_384)

LONG = os.environ.get("KEYACCT_FAULTS") == "full"
"""Whether the abuse is at full size: `nox -s abuse`."""


class Peer:
    """A terminal's end of a connection."""

    def __init__(self, port: int, address: str = "9612-3456", source: str = "127.0.0.1") -> None:
        self.address = address
        self.socket = socket.create_connection(("127.0.0.1", port), 5, source_address=(source, 0))
        self.socket.setblocking(False)
        self.got = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def login(self, seq: int = 0x73) -> None:
        self.send(uplink(self.address, 0xC9, 2, seq, b"\0\0\1\0"))

    def answer(self) -> int:
        """Answer every read of F25 that has come; how many."""
        self.read()
        frames, self.got, _ = CUT(self.got)
        count = 0
        for frame in frames:
            if frame[12] == 0x0C:
                data = F25 + BODY if frame[14:18] == F25 else frame[14:18] + bytes.fromhex("003012610726")
                self.send(uplink(self.address, 0x88, 0x0C, 0x60 | frame[13] & 15, data))
                count += 1
        return count

    def read(self) -> bytes:
        try:
            while data := self.socket.recv(65_536):
                self.got += data
        except (BlockingIOError, ConnectionResetError):
            pass
        return self.got

    def closed(self) -> bool:
        try:
            while data := self.socket.recv(65_536):
                self.got += data
        except BlockingIOError:
            return False
        except ConnectionResetError:
            pass
        return True


@contextmanager
def station(**limits: object) -> Iterator[Gdw1376Station]:
    allowed = limits.pop("allowed", None)
    running = Gdw1376Station("127.0.0.1", 0, limits=Limits(**limits), allowed=allowed)
    peers: list[Peer] = []
    running.peers = peers
    try:
        yield running
    finally:
        running.front.shut()
        for peer in peers:
            peer.socket.close()


def dial(running: Gdw1376Station, address: str = "9612-3456", source: str = "127.0.0.1") -> Peer:
    peer = Peer(running.front.port, address, source)
    running.peers.append(peer)
    return peer


def pump(running: Gdw1376Station, until: Callable[[], object], within_s: float = 5.0) -> None:
    """Turn the station until something holds; the test fails when it does not in time."""
    end = time.monotonic() + within_s
    while not until():
        running.turn(0.01)
        assert time.monotonic() < end, f"not within {within_s} s; {dict(running.counts)}"


def settle(running: Gdw1376Station, seconds: float = 0.2) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        running.turn(0.01)


def healthy(running: Gdw1376Station, count: int = 5) -> list[Peer]:
    """Terminals that are logged in."""
    peers = [dial(running, f"3701-{number:04X}", "127.0.0.9") for number in range(1, count + 1)]
    for peer in peers:
        peer.login()
    pump(running, lambda: len(running.sessions) >= count)
    return peers


def served(running: Gdw1376Station, peers: list[Peer]) -> float:
    """Seconds of one round; every healthy terminal is asked and answers."""
    sessions = [running.sessions[running.address_of(peer.address)] for peer in peers]
    question = running.question("read", "F25", {"afn": "0C", "items": [{"pn": 1, "fn": 25}]})
    running.take()
    begun = time.monotonic()
    running.ask(question, sessions)
    pump(running, lambda: [peer.answer() for peer in peers] and len(running.frames) == len(peers))
    frames, _ = running.take()
    table = wire.decode(b"".join(frames), "gdw1376.1", registers=REGISTERS)
    assert table.num_rows == 24 * len(peers)
    return time.monotonic() - begun


def test_a_login_is_confirmed_byte_for_byte() -> None:
    with station() as running:
        peer = dial(running)
        peer.send(LOGIN)
        pump(running, peer.read)
        assert peer.got == CONFIRM
        assert running.counts["logins"] == 1


def test_heartbeat_and_logout_are_confirmed() -> None:
    with station() as running:
        peer = dial(running)
        peer.login(0x71)
        peer.send(uplink(peer.address, 0xC9, 2, 0x72, b"\0\0\4\0"))
        peer.send(uplink(peer.address, 0xC9, 2, 0x73, b"\0\0\2\0"))
        pump(running, lambda: peer.read() and peer.closed())
        assert [peer.got[at + 13] & 15 for at in (0, 20, 40)] == [1, 2, 3]
        assert running.sessions == {}
        assert running.failures == []


def test_a_silent_terminal_is_asked_again_and_then_named() -> None:
    with station(answer_s=0.15, tries=3) as running:
        (peer,) = healthy(running, 1)
        peer.read()
        peer.got = b""
        running.ask(running.question("read", "F25", {"afn": "0C", "items": [{"pn": 1, "fn": 25}]}))
        pump(running, lambda: running.failures)
        assert peer.read().count(F25) == 3
        (failed,) = running.failures
        assert (failed.terminal, failed.name, failed.cause) == ("3701-0001", "F25", "timeout")


def test_a_denial_is_no_value() -> None:
    with station() as running:
        (peer,) = healthy(running, 1)
        running.ask(running.question("read", "F25", {"afn": "0C", "items": [{"pn": 1, "fn": 25}]}))
        settle(running, 0.05)
        seq = running.sessions[running.address_of("3701-0001")].number
        peer.send(uplink("3701-0001", 0x88, 0, 0x60 | seq & 15, b"\0\0\2\0"))
        pump(running, lambda: running.failures)
        assert running.failures[0].cause == "refused"
        assert running.frames == []


def test_a_waiting_event_is_fetched() -> None:
    with station() as running:
        (peer,) = healthy(running, 1)
        running.ask(running.question("read", "F25", {"afn": "0C", "items": [{"pn": 1, "fn": 25}]}))
        settle(running, 0.05)
        seq = running.sessions[running.address_of("3701-0001")].number
        peer.read()
        peer.got = b""
        peer.send(uplink("3701-0001", 0xA8, 0x0C, 0x60 | seq & 15, F25 + BODY + b"\x03\x00"))
        pump(running, peer.read)
        assert peer.got[12] == 0x0E
        assert peer.got[14:20] == b"\0\0\1\0\x00\x03"  # events 0 to 3


def test_an_unknown_terminal_gets_no_reply() -> None:
    with station(allowed=["3701-0001"], login_s=0.3) as running:
        peers = healthy(running, 1)
        strangers = [dial(running, f"9999-{n:04X}") for n in range(20)]
        for stranger in strangers:
            stranger.login()
        pump(running, lambda: all(stranger.closed() for stranger in strangers))
        assert [stranger.got for stranger in strangers] == [b""] * 20
        print(f"unknown {running.counts['unknown_terminal']}, sessions created {len(running.sessions) - 1}")
        assert running.counts["unknown_terminal"] == 20
        served(running, peers)


def test_another_address_on_a_session_is_thrown_away_noted_and_doubted() -> None:
    with station() as running:
        peers = healthy(running, 2)
        served(running, peers)
        running.take_incidents()
        for _ in range(10):
            peers[0].send(uplink("3701-0002", 0xC4, 0x0C, 0x60, F25 + BODY))
        pump(running, lambda: running.counts["spoofed"] == 10)
        print(f"spoofed 10, accepted {len(running.frames)}")
        assert running.frames == []
        (incident,) = running.take_incidents()  # one a minute and peer, so that nobody floods the chain
        assert (incident["cause"], incident["terminal"], incident["claimed"]) == ("spoofed", "3701-0001", "3701-0002")
        question = running.question("read", "F25", {"afn": "0C", "items": [{"pn": 1, "fn": 25}]})
        running.ask(question)
        pump(running, lambda: [peer.answer() for peer in peers] and len(running.frames) == 2)
        frames, received_ms, unverified = running.take_all()
        zone = zoneinfo.ZoneInfo("Asia/Shanghai")
        rows = frame_readings(frames, received_ms, "gdw1376.1", zone, unverified=unverified).to_pylist()
        marked = {row["device"] for row in rows if row["quality"] & 512}
        assert {row["device"].split("/")[0] for row in rows} - {d.split("/")[0] for d in marked} == {"3701-0002"}
        assert {d.split("/")[0] for d in marked} == {"3701-0001"}


def test_answers_that_nobody_asked_for_are_thrown_away() -> None:
    with station() as running:
        (peer,) = healthy(running, 1)
        for seq in range(16):
            peer.send(uplink("3701-0001", 0x88, 0x0C, 0x60 | seq, F25 + BODY))
        pump(running, lambda: running.counts["unasked"] == 16)
        assert running.frames == []


def test_a_replayed_report_is_kept_once() -> None:
    with station() as running:
        (peer,) = healthy(running, 1)
        report = uplink("3701-0001", 0xC4, 0x0C, 0x71, F25 + BODY)
        for _ in range(25):
            peer.send(report)
        pump(running, lambda: running.counts["replayed"] == 24)
        print(f"replayed {running.counts['replayed']}, kept {len(running.frames)}")
        assert running.frames == [report]


def test_a_frame_whose_time_tag_is_over_is_thrown_away() -> None:
    with station() as running:
        (peer,) = healthy(running, 1)
        old = bytes((1, 0x00, 0x00, 0x00, 0x01, 5))  # PFC, midnight of the first, five minutes allowed
        peer.send(uplink("3701-0001", 0xC4, 0x0C, 0xF1, F25 + BODY + old))
        pump(running, lambda: running.counts["late"] == 1)
        assert running.frames == []


def test_a_second_login_is_refused_while_the_first_is_alive() -> None:
    with station(challenge_s=2.0) as running:
        peers = healthy(running, 1)
        thief = dial(running, "3701-0001")
        thief.login()
        pump(running, lambda: [peer.answer() for peer in peers] and thief.closed())
        assert running.counts["duplicate_login"] == 1
        served(running, peers)


def test_the_newer_login_wins_over_a_dead_one() -> None:
    with station(challenge_s=0.2) as running:
        (dead,) = healthy(running, 1)
        newer = dial(running, "3701-0001")
        newer.login()
        pump(running, lambda: dead.read() and dead.closed() and newer.read())
        assert len(running.sessions) == 1
        newer.got = b""
        served(running, [newer])


def test_flapping_ends_in_quarantine() -> None:
    with station(challenge_s=0.1, takeovers=3, quarantine_s=60.0) as running:
        others = healthy(running, 3)
        claimed = "3701-00AA"
        first = dial(running, claimed)
        first.login()
        pump(running, first.read)
        for _ in range(3):
            again = dial(running, claimed)
            again.login()
            pump(running, lambda peer=again: peer.read() or peer.closed())
        assert running.counts["quarantines"] == 1
        last = dial(running, claimed)
        last.login()
        pump(running, last.closed)
        print(f"flaps 4, samples mixed {len(running.frames)}")
        served(running, others)


@pytest.mark.parametrize("kind", ["random", "starts", "near_valid", "near_valid_long"])
def test_a_flood_of_garbage_is_cut_off_in_bounded_time(kind: str) -> None:
    chance = random.Random(5)
    if kind.startswith("near_valid"):
        near = uplink("3701-0099", 0x88, 0x0C, 0x60, bytes(4000) if kind.endswith("long") else F25 + BODY)
        garbage = (near[:-2] + bytes((near[-2] ^ 1, 0x16))) * (300_000 // len(near))
    else:
        garbage = chance.randbytes(300_000) if kind == "random" else b"\x68" * 300_000
    with station(frames_per_s=1000) as running:
        peers = healthy(running, 5)
        before = served(running, peers)
        flooder = dial(running)
        begun, cpu = time.monotonic(), time.process_time()
        sent = 0
        longest = 0
        while not flooder.closed() and time.monotonic() < begun + 10:
            try:
                sent += flooder.socket.send(garbage[sent : sent + 65_536])
            except BlockingIOError:
                pass
            except OSError:
                break
            running.turn(0.001)
            longest = max(longest, *(len(c.held) for c in running.front.connections.values()))
            if sent >= len(garbage):
                settle(running, 0.05)
        during = served(running, peers)
        print(
            f"{kind}: garbage {sent / 2**20:.2f} MiB in {time.monotonic() - begun:.2f} s, cpu "
            f"{time.process_time() - cpu:.2f} s, buffer max {longest}, round before {before * 1e3:.0f} ms, after "
            f"{during * 1e3:.0f} ms, good terminals lost 0 frames"
        )
        assert running.counts["closed_junk"] + running.counts["closed_slow"] >= 1
        assert running.counts["junk_bytes"] < 200_000
        assert longest <= 2 * 16_384


def test_lengths_that_lie_allocate_nothing() -> None:
    cases = [(a, b) for a in (0, 2, 0x32, 0xFFCE, 0xFFFF) for b in (0, 2, 0x32, 0xFFCE, 0xFFFF)]
    with station(new_per_address=100, frame_s=0.3) as running:
        peers = healthy(running, 3)
        liars = []
        for first, second in cases:
            liar = dial(running)
            head = b"\x68" + first.to_bytes(2, "little") + second.to_bytes(2, "little") + b"\x68"
            liar.send(head + bytes(64))
            liars.append(liar)
        settle(running, 0.1)
        held = max(len(connection.held) for connection in running.front.connections.values())
        print(f"length cases {len(cases)}, held max {held} bytes")
        assert held <= 70
        served(running, peers)
        settle(running, 0.5)
        assert running.counts["closed_slow"] == 1  # 0FFCEH twice is a length that could come true: 16 KiB


def latencies(running: Gdw1376Station, peers: list[Peer], rounds: int) -> list[float]:
    """Seconds from a question to its answer, of each terminal in each round; none may fail."""
    sessions = [running.sessions[running.address_of(peer.address)] for peer in peers]
    question = running.question("read", "F25", {"afn": "0C", "items": [{"pn": 1, "fn": 25}]})
    found = []
    for _ in range(rounds):
        for session, peer in zip(sessions, peers, strict=True):
            running.take()
            begun = time.monotonic()
            running.ask(question, [session])
            pump(running, lambda peer=peer: [peer.answer()] and len(running.frames) == 1)
            found.append(time.monotonic() - begun)
    return found


def p99(seconds: list[float]) -> float:
    return sorted(seconds)[max(math.ceil(len(seconds) * 0.99) - 1, 0)]


def test_slow_bytes_are_closed_at_the_deadline_and_nobody_waits_for_them() -> None:
    count = 1000 if LONG else 400
    with station(
        new_per_address=2000, frame_s=1.5, connections=3 * count, login_s=30.0, frames_per_s=10_000
    ) as running:  # fmt: skip
        peers = healthy(running, 10)
        before = latencies(running, peers, 30 if LONG else 10)
        slow = [dial(running, source=f"127.0.0.{20 + n % 50}") for n in range(count)]
        begun = time.monotonic()
        for peer in slow:
            peer.send(LOGIN[:1])
        settle(running, 0.1)
        during = latencies(running, peers, 30 if LONG else 10)
        number = 1
        while running.counts["closed_slow"] < len(slow) and time.monotonic() < begun + 10:
            for peer in slow:
                if not peer.closed():
                    with contextlib.suppress(OSError):
                        peer.socket.send(LOGIN[number : number + 1])
            number = min(number + 1, 15)
            during += latencies(running, peers[:3], 1)
            settle(running, 0.2)
        held = time.monotonic() - begun
        print(f"slow {len(slow)} held <= {held:.1f} s, good p99 ms {p99(before) * 1e3:.1f}/{p99(during) * 1e3:.1f}")
        assert running.counts["closed_slow"] == len(slow)
        assert held < 8.0
        assert running.failures == []


def test_half_open_connections_beyond_the_limit_leave_room_for_known_terminals() -> None:
    with station(connections=60, new_per_address=20, known_share=0.2, login_s=0.8) as running:
        peers = healthy(running, 5)  # their address is known from now on
        flood = []
        for number in range(100):
            flood.append(dial(running, source=f"127.0.1.{number % 25 + 1}"))
            running.turn(0)
        settle(running, 0.1)
        assert len(running.front.connections) == 48  # 80 % of 60
        late = [dial(running, f"3702-{n:04X}", "127.0.0.9") for n in range(10)]
        for peer in late:
            peer.login()
        pump(running, lambda: len(running.sessions) == 15)
        served(running, peers)
        settle(running, 1.0)
        refused = sum(running.counts[key] for key in ("refused_full", "refused_address", "refused_unknown_address"))
        print(
            f"half-open 100, refused {refused}, known terminals logged in 10/10, left after: {len(running.front.connections)}"
        )
        assert len(running.front.connections) == 15
        assert running.counts["closed_no_login"] + refused == 100


def test_one_address_cannot_take_more_than_its_share() -> None:
    with station(new_per_address=20, login_s=5.0) as running:
        for _ in range(50):
            dial(running)
        settle(running, 0.2)
        assert len(running.front.connections) == 20
        assert running.counts["refused_address"] == 30


def test_a_peer_that_never_reads_is_closed() -> None:
    with station(unsent=4096, frames_per_s=10**6) as running:
        peers = healthy(running, 3)
        deaf = dial(running, "3701-00BB")
        deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.login()
        pump(running, lambda: len(running.sessions) == 4)
        (connection,) = [
            c for c in running.front.connections.values() if c.session and c.session.address[2:] == b"\xbb\0"
        ]
        size = 0
        while not connection.closed and size < 64 << 20:
            running.front.send(connection, bytes(65_536), time.monotonic())
            size += 65_536
        assert running.counts["closed_does_not_read"] == 1
        served(running, peers)


def test_a_flood_of_right_frames_is_held_to_the_rate() -> None:
    with station(frames_per_s=50) as running:
        peers = healthy(running, 3)
        flooder = dial(running, "3701-00CC")
        flooder.login()
        pump(running, lambda: len(running.sessions) == 4)
        for _ in range(40):
            with contextlib.suppress(OSError):
                flooder.send(uplink("3701-00CC", 0xC4, 0x0C, 0x61, F25 + BODY) * 50)
            running.turn(0)
        pump(running, flooder.closed)
        print(f"frames over the rate {running.counts['frames_over_rate']}, kept {len(running.frames)}")
        assert running.counts["closed_flood"] == 1
        served(running, peers)


def test_no_file_is_left_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with station(login_s=0.1) as running:
            for _ in range(15):
                dial(running)
            settle(running, 0.3)
            assert running.front.connections == {}
    print(f"half-open 45 freed, files left {len(os.listdir('/proc/self/fd')) - before}")
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_stream_says_the_same_at_every_split() -> None:
    cut = CUT
    stream = b"\xfe\xfe" + LOGIN + b"\x68\x68noise" + uplink("3701-0001", 0x88, 0x0C, 0x61, F25 + BODY) + LOGIN
    whole = cut(stream)[0]
    assert len(whole) == 3
    different = 0
    for at in range(len(stream) + 1):
        first, held, _ = cut(stream[:at])
        second, _, _ = cut(held + stream[at:])
        different += first + second != whole
    print(f"splits {len(stream) + 1}, different results {different}")
    assert different == 0


def test_a_698_stream_says_the_same_at_every_split() -> None:
    cut = wire.frame_cutter("dlt698.45", 2048)
    frame = bytes.fromhex("681E008105111111111111009E7601000000B407E90403040F14050000E8B016")  # a real log-in
    stream = b"\xfe" * 4 + frame + b"\x68\x11" + frame
    whole = cut(stream)[0]
    assert whole == [frame, frame]
    for at in range(len(stream) + 1):
        first, held, _ = cut(stream[:at])
        assert first + cut(held + stream[at:])[0] == whole


FRAMES = {
    "gdw1376.1": [LOGIN, CONFIRM, uplink("3701-0001", 0x88, 0x0C, 0x61, F25 + BODY)],
    "dlt698.45": [bytes.fromhex("681E008105111111111111009E7601000000B407E90403040F14050000E8B016")],
}
ITEMS = {
    name: st.one_of(
        st.sampled_from(frames), st.binary(max_size=12), st.just(b"\x68" * 7), st.just(b"\xfe\xfe"),
        st.tuples(st.sampled_from(frames), st.integers(0, 200), st.integers(0, 255)).map(
            lambda told: told[0][: told[1] % len(told[0])] + bytes((told[2],)) + told[0][told[1] % len(told[0]) + 1 :]
        ),
        st.tuples(st.sampled_from(frames), st.integers(1, 200)).map(lambda told: told[0][: told[1] % len(told[0])]),
    )
    for name, frames in FRAMES.items()
}  # fmt: skip


@pytest.mark.parametrize("protocol", FRAMES)
@given(data=st.data())
def test_the_core_cuts_as_the_slow_reference_does(protocol: str, data: st.DataObject) -> None:
    """The same frames; nothing is held beyond the longest frame, and a peer is charged for what it passed."""
    stream = b"".join(data.draw(st.lists(ITEMS[protocol], max_size=12)))
    most = data.draw(st.sampled_from([40, 120, slow_cut.CUTS[protocol][1]]))
    frames, held, cost = wire.frame_cutter(protocol, most)(stream)
    slow_frames, slow_held, slow_cost = slow_cut.CUTS[protocol][0](stream, most)
    assert frames == slow_frames
    assert len(held) <= most
    assert held.endswith(slow_held)  # the core may wait for a byte more before it says no
    passed = len(stream) - len(held) - sum(map(len, frames))
    wake = stream.count(b"\xfe")  # bytes that wake a line up belong to the frame behind them
    assert passed - wake <= cost <= slow_cost + len(stream) // 8 + 1


@pytest.mark.parametrize("protocol", FRAMES)
def test_the_foreign_bytes_of_a_megabyte_are_cut_in_linear_time(protocol: str) -> None:
    """Garbage four times as long takes about four times as long, whatever it is made of."""
    frame = FRAMES[protocol][0]
    near = frame[:-2] + bytes((frame[-2] ^ 1, 0x16))
    cut = wire.frame_cutter(protocol, 2048)
    for filling in (b"\x68", near, frame[:6], random.Random(3).randbytes(4096)):
        spent = []
        for size in (1 << 20, 4 << 20):
            stream = filling * (size // len(filling))
            began = time.process_time()
            _, held, cost = cut(stream)
            spent.append(time.process_time() - began)
            assert len(held) <= 2048
            assert cost >= len(stream) - 2048
        assert spent[1] < 8 * spent[0] + 0.05, filling[:8].hex()
