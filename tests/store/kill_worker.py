"""Runs writers in child processes and kills them; a script of its own, so that it can fork before any thread is there.

`kill_worker.py crash DIR`, `… random DIR KILLS SEED`, `… writers DIR PROCESSES TRANSACTIONS`: prints the figures.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from keyacct.config import Workspace, open_workspace
from keyacct.database import audit
from keyacct.database.engine import open_database
from keyacct.store.families import FAMILIES
from keyacct.store.index import live_segments
from keyacct.store.ingest import ingest
from keyacct.store.read import read_table
from keyacct.store.verify import verify
from keyacct.workflow.workspace import init_workspace

DAY_1_MS = 1_782_835_200_000 - 8 * 3_600_000
QUARTER_MS = 900_000
CHECK_EVERY = 5
ROWS = 150  # 150 quarters of an hour: two civil days
COLUMN = {"voltage": "a", "energy": "import"}


def rows_of(batch: int) -> dict[str, pa.Table]:
    """What batch number `batch` of the test holds: two families, one meter of its own, two days."""
    tables = {}
    for name, column in COLUMN.items():
        schema = FAMILIES[name].input_schema
        tables[name] = pa.Table.from_pylist(
            [
                {
                    **dict.fromkeys(schema.names), "meter": f"b{batch:05d}", "kind": "interval",
                    "ts": DAY_1_MS + (n + 1) * QUARTER_MS, column: Decimal(batch * 1000 + n) / 100, "quality": 0,
                }
                for n in range(ROWS)
            ],
            schema=schema,
        )  # fmt: skip
    return tables


def write_batch(workspace: Workspace, batch: int) -> bool:
    """Ingest a batch; whether it was there already."""
    return ingest(workspace, rows_of(batch), source="test", sha256=f"{batch:064x}").already_ingested


def in_child(work: Callable[[], None]) -> int:
    """Run something in a child process; its wait status."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def check(workspace: Workspace, acknowledged: set[int]) -> tuple[int, int, int]:
    """(torn, lost, twice) as a reader sees the store."""
    seen: dict[int, int] = {}
    torn = twice = 0
    for name, column in COLUMN.items():
        for row in read_table(workspace, name, 0, 2**42).to_pylist():
            batch = int(row["meter"][1:])
            seen[batch] = seen.get(batch, 0) + 1
            n = round((row["ts"].timestamp() * 1000 - DAY_1_MS) / QUARTER_MS) - 1
            torn += row[column] != Decimal(batch * 1000 + n) / 100
    torn += sum(count != ROWS * len(COLUMN) for count in seen.values())
    lost = len(acknowledged - seen.keys())
    with open_database(workspace).read() as connection:
        stored = sum(segment.rows for segment in live_segments(connection))
    twice = stored - sum(seen.values())
    torn += verify(workspace).damaged
    return torn, lost, twice


def report(workspace: Workspace, acknowledged: set[int], fd: int) -> None:
    os.write(fd, (" ".join(map(str, check(workspace, acknowledged))) + "\n").encode())


def checked_in_child(workspace: Workspace, acknowledged: set[int]) -> tuple[int, int, int]:
    reading, writing = os.pipe()
    status = in_child(lambda: report(workspace, acknowledged, writing))
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    assert status == 0, "the store could not be reopened"
    torn, lost, twice = map(int, text.split())
    return torn, lost, twice


def crash(folder: Path) -> None:
    """Die after each step of the write path, then replay the same capture three times."""
    reopened = 0
    totals = [0, 0, 0]
    replays = 0
    acknowledged: set[int] = set()
    workspace = open_workspace(folder)
    for step in range(1, 10):

        def dying(step: int = step) -> None:
            os.environ["KEYACCT_CRASH_AT"] = str(step)
            write_batch(workspace, step)

        status = in_child(dying)
        assert os.WIFSIGNALED(status), f"step {step} was not reached"
        assert os.WTERMSIG(status) == signal.SIGKILL
        committed = {step} if step >= 8 else set()
        for kind, value in enumerate(checked_in_child(workspace, acknowledged | committed)):
            totals[kind] += value
        reopened += 1

        def thrice(step: int = step) -> None:
            for _ in range(3):
                write_batch(workspace, step)

        assert in_child(thrice) == 0
        replays += 3
        acknowledged.add(step)
    torn, lost, added = checked_in_child(workspace, acknowledged)
    totals[0] += torn
    totals[1] += lost
    print(f"kill -9: {reopened} of 9 reopened, torn {totals[0]}, lost {totals[1]}, twice {totals[2]}")
    print(f"replays {replays}, rows added {added}")


def random_kills(folder: Path, kills: int, seed: int) -> None:
    """Kill a writer at a random instant, again and again."""
    chance = random.Random(seed)
    workspace = open_workspace(folder)
    acknowledged: set[int] = set()
    totals = [0, 0, 0]
    reopened = 0
    batch = 100
    took = 0.2
    for kill in range(1, kills + 1):
        reading, writing = os.pipe()
        first = batch

        def writer(first: int = first, writing: int = writing) -> None:
            os.write(writing, b"begin\n")
            for number in range(first, first + 1000):
                write_batch(workspace, number)
                os.write(writing, f"{number}\n".encode())

        child = os.fork()
        if child == 0:
            try:
                writer()
            finally:
                os._exit(1)
        os.close(writing)
        # Where the axe falls is measured in batches, so that a busy machine is hit in all steps as well as an idle one.
        with os.fdopen(reading) as pipe:
            pipe.readline()
            started = time.monotonic()
            done = [int(pipe.readline()) for _ in range(kill % 2)]
            took = time.monotonic() - started if done else took
            time.sleep(chance.uniform(0, took))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            done += [int(line) for line in pipe.read().splitlines()]
        acknowledged.update(done)
        reopened += not open_database(workspace).integrity()
        if kill % CHECK_EVERY == 0 or kill == kills:
            for kind, value in enumerate(checked_in_child(workspace, acknowledged)):
                totals[kind] += value
        batch = max([first, *done]) + 2
    print(
        f"kill -9: {reopened} of {kills} reopened, torn {totals[0]}, lost {totals[1]}, twice {totals[2]}"
        f" ({len(acknowledged)} batches acknowledged)"
    )


def writers(folder: Path, processes: int, transactions: int) -> None:
    """Several processes write audit rows at once."""
    workspace = open_workspace(folder)

    def one(name: int, writing: int) -> None:
        worst = 0.0
        for number in range(transactions):
            start = time.monotonic()
            with open_database(workspace).write() as connection:
                audit.append(connection, "test.write", {"process": name, "number": number})
            worst = max(worst, time.monotonic() - start)
        os.write(writing, f"{worst * 1000:.0f}\n".encode())

    reading, writing = os.pipe()
    start = time.monotonic()
    children = []
    for name in range(processes):
        child = os.fork()
        if child == 0:
            try:
                one(name, writing)
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    seconds = time.monotonic() - start
    os.close(writing)
    with os.fdopen(reading) as pipe:
        worst = max(int(line) for line in pipe.read().split())
    database = open_database(workspace)
    with database.read() as connection:
        found = connection.exec_driver_sql("SELECT count(*) FROM audit WHERE action = 'test.write'").scalar_one()
        _, bad, _ = audit.verify(connection)
    total = processes * transactions
    sound = "ok" if not database.integrity() and bad is None and not any(statuses) else "BROKEN"
    print(f"{found} of {total}, integrity_check {sound}, {total / seconds:.0f} tx/s, worst {worst} ms")


def main() -> None:
    mode, folder = sys.argv[1], Path(sys.argv[2])
    if not (folder / "keyacct.toml").exists():
        assert in_child(lambda: (init_workspace(folder), None)[1]) == 0
    numbers = [int(text) for text in sys.argv[3:]]
    {"crash": crash, "random": random_kills, "writers": writers}[mode](folder, *numbers)


if __name__ == "__main__":
    main()
