"""Abuse that must leave its trace, or none, in the store: through the whole way from the socket to the database."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from frames1376 import BODY, F25, uplink
from test_dlt698_station import LOGIN as LOGIN_698
from test_dlt698_station import uplink as uplink_698
from test_station import LONG, Peer

from keyacct import wire
from keyacct.capture.master.limits import Limits
from keyacct.capture.master.plan import Plan
from keyacct.config import Workspace, open_workspace
from keyacct.database import audit
from keyacct.database.engine import open_database
from keyacct.database.tables import audit as audit_table
from keyacct.store.read import read_family
from keyacct.workflow.listen import Listening, ListenSummary, make_station

FAMILIES = ("voltage", "current", "power", "energy")


@pytest.fixture
def town(tmp_path: Path) -> Workspace:
    folder = tmp_path / "town"
    subprocess.run(
        [sys.executable, "-m", "keyacct.cli", "init", str(folder)], check=True, capture_output=True, timeout=60
    )
    return open_workspace(folder)


@contextmanager
def master(
    town: Workspace, protocol: str = "gdw1376.1", **limits: float
) -> Iterator[tuple[Listening, list[ListenSummary]]]:
    """A master station at work in a thread; what came of it is in the list when it has ended."""
    station = make_station(protocol, "127.0.0.1", 0, town.zone, limits=Limits(**limits))
    listening = Listening(station, Plan(clock=False), town.zone, workspace=town)
    done: list[ListenSummary] = []
    thread = threading.Thread(target=lambda: done.append(listening.run()))
    thread.start()
    try:
        yield listening, done
    finally:
        listening.stop()
        thread.join(30)


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not holds():
        time.sleep(0.01)
        assert time.monotonic() < end


def chain(town: Workspace) -> list[dict[str, object]]:
    """Bodies of the refusals in the audit chain; the chain must be whole."""
    with open_database(town).read() as connection:
        assert audit.verify(connection)[1] is None
        query = sa.select(audit_table.c.body).where(audit_table.c.action == "listen.refused")
        return [json.loads(row[0])["body"] for row in connection.execute(query)]


def test_a_spoofed_address_leaves_a_row_in_the_audit_chain_and_no_data(town: Workspace) -> None:
    with master(town) as (listening, done):
        thief = Peer(listening.station.front.port, "3701-0001", "127.0.0.1")
        with thief.socket:
            thief.login()
            until(lambda: listening.station.sessions)
            for _ in range(40):
                thief.send(uplink("3701-0002", 0xC4, 0x0C, 0x60, F25 + BODY))
            until(lambda: listening.station.counts["spoofed"] == 40)
    rows = chain(town)
    print(f"spoofed 40, accepted {done[0].readings}, audit rows {len(rows)}")
    assert done[0].readings == 0
    assert [(row["cause"], row["terminal"], row["claimed"], row["peer"]) for row in rows] == [
        ("spoofed", "3701-0001", "3701-0002", "127.0.0.1")
    ]


def test_flapping_leaves_its_alarm_in_the_audit_chain(town: Workspace) -> None:
    with master(town, challenge_s=0.1, takeovers=2, quarantine_s=60.0) as (listening, _):
        peers = []
        for number in range(3):
            peers.append(Peer(listening.station.front.port, "3701-00AA", "127.0.0.1"))
            peers[-1].login()
            until(lambda peer=peers[-1], n=number: peer.read() or peer.closed() or n == 2)
        until(lambda: listening.station.counts["quarantines"])
        for peer in peers:
            peer.socket.close()
    causes = [row["cause"] for row in chain(town)]
    print(f"flaps {len(peers) - 1}, audit rows {causes}")
    assert "flapping" in causes


def test_a_report_that_is_replayed_over_new_connections_adds_no_row(town: Workspace) -> None:
    report = uplink("3701-0001", 0xC4, 0x0C, 0x71, F25 + BODY)
    seen, sent = [], 0
    for _ in range(3):
        with master(town) as (listening, done):
            peer = Peer(listening.station.front.port, "3701-0001", "127.0.0.1")
            with peer.socket:
                peer.login()
                until(lambda: listening.station.sessions)
                for _ in range(5):
                    peer.send(report)
                    sent += 1
                until(lambda: listening.station.counts["replayed"] == 4)
        assert done[0].readings > 0
        seen.append(
            [read_family(town, family, 0, 1 << 42).read_all().drop_columns(["recv_at", "batch"]) for family in FAMILIES]
        )
    rows = [sum(table.num_rows for table in tables) for tables in seen]
    print(f"replayed {sent - 1}, rows added {rows[-1] - rows[0]}")
    assert rows[0] > 0
    assert seen[1] == seen[2] == seen[0]


def nested(depth: int, *, count: int = 1) -> str:
    """The APDU of an answer whose value is so many structures in one another."""
    return "85010120000200" + "01" + f"02{count:02X}" * depth + "00" * count + "0000"


def test_deep_nesting_and_huge_counts_are_bounded(town: Workspace) -> None:
    cases = [nested(depth) for depth in (1, 15, 16, 17, 100, 900)]
    cases += ["85010120000200" + "01" + "01" + size for size in ("7F", "81FF", "82FFFF", "83FFFFFF", "84FFFFFFFF", "8")]
    cases += ["85010120000200" + "01" + kind + "84FFFFFFFF" for kind in ("04", "09", "0A", "0C")]
    cases += ["850201" + "84FFFFFFFF", "850301500402008400FFFFFF", "88010184FFFFFFFF"]
    cases *= 20 if LONG else 1
    cases = [case if len(case) % 2 == 0 else case + "0" for case in cases]
    # The first pass loads what decoding and storing need; the second is measured.
    for several in (cases[:19], cases):
        before, slowest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0.0
        with master(town, "dlt698.45", frames_per_s=10_000) as (listening, done):
            peer = Peer(listening.station.front.port, "x", "127.0.0.1")
            with peer.socket:
                peer.send(LOGIN_698)
                until(lambda: listening.station.sessions)
                for case in several:
                    frame = uplink_698(0x83, case)
                    begun = time.perf_counter()
                    for text in wire.describe([frame.hex()], "dlt698.45"):
                        json.loads(text)
                    wire.decode(frame, "dlt698.45")
                    slowest = max(slowest, time.perf_counter() - begun)
                    peer.send(frame)
                counts = listening.station.counts
                until(
                    lambda counts=counts, least=len(several): (
                        counts["unasked"] + counts["unreadable"] + counts["reports"] + counts["replayed"] >= least
                    )
                )
                assert listening.station.sessions  # who sends it is still served
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"cases {len(cases)}, slowest {slowest * 1e3:.1f} ms, memory grown by {grown} KiB")
    assert grown < 65_536
    assert slowest < 0.5
    assert done[0].readings <= 3  # what the log-in says of itself
