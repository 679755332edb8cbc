"""The promises of the store, each with the figure that shows it. `nox -s faults` (KEYACCT_FAULTS=full) runs the long form."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import pathlib
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from keyacct.config import Workspace
from keyacct.database.engine import open_database
from keyacct.errors import WriteError
from keyacct.store import quality
from keyacct.store.compact import compact
from keyacct.store.families import FAMILIES
from keyacct.store.index import live_segments
from keyacct.store.ingest import ingest
from keyacct.store.read import read_table
from keyacct.store.verify import verify
from keyacct.workflow.workspace import init_workspace

sys.path.insert(0, str(Path(__file__).parent))

from fault_figures import note

LONG = os.environ.get("KEYACCT_FAULTS") == "full"
WORKER = Path(__file__).with_name("kill_worker.py")
VOLTAGE = FAMILIES["voltage"].input_schema
T0 = 1_782_835_200_000


def worker(*arguments: object) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "KEYACCT_CRASH_AT"}
    result = subprocess.run(
        [sys.executable, WORKER, *map(str, arguments)], capture_output=True, text=True, check=False, env=environment
    )
    assert result.returncode == 0, result.stderr
    print(result.stdout, end="")
    return result.stdout


def rows(*values: dict[str, object]) -> pa.Table:
    default = {**dict.fromkeys(VOLTAGE.names), "meter": "m", "kind": "snapshot", "ts": T0, "quality": 0}
    return pa.Table.from_pylist([{**default, **value} for value in values], schema=VOLTAGE)


def everything(workspace: Workspace) -> list[dict[str, object]]:
    return read_table(workspace, "voltage", 0, 2**42).to_pylist()


def test_p1_p3_a_batch_is_whole_or_absent_after_a_crash_at_every_step(tmp_path: Path) -> None:
    out = worker("crash", tmp_path / "office")
    assert "kill -9: 9 of 9 reopened, torn 0, lost 0, twice 0" in out
    assert "replays 27, rows added 0" in out
    note("kill -9 after each step, replayed", 9)


def test_p1_a_batch_is_whole_or_absent_after_random_kills(tmp_path: Path) -> None:
    kills = 200 if LONG else 50
    out = worker("random", tmp_path / "office", kills, 7)
    assert f"kill -9: {kills} of {kills} reopened, torn 0, lost 0, twice 0" in out
    note("kill -9 at random", kills)
    acknowledged = re.search(r"\((\d+) batches", out)
    assert acknowledged is not None
    assert int(acknowledged[1]) >= kills // 10, "the writers were killed before they did anything"


def test_p3_replaying_a_capture_changes_nothing(workspace: Workspace) -> None:
    table = rows({"a": 220}, {"ts": T0 + 900_000, "a": 221, "recv_at": T0})
    first = ingest(workspace, {"voltage": table}, source="x", sha256="1" * 64)
    before = everything(workspace)
    with open_database(workspace).read() as connection:
        index = live_segments(connection)
    again = [ingest(workspace, {"voltage": table}, source="x", sha256="1" * 64) for _ in range(3)]
    other_bytes = ingest(workspace, {"voltage": table}, source="y", sha256="2" * 64)
    with open_database(workspace).read() as connection:
        assert live_segments(connection) == index
    assert everything(workspace) == before
    assert (first.added, [s.already_ingested for s in again]) == (2, [True] * 3)
    assert (other_bytes.added, other_bytes.duplicates) == (0, 2)
    print("replays 4, rows added 0, catalogue and content equal")
    note("capture replayed", 4)


POINT = st.tuples(
    st.sampled_from("abc"),
    st.sampled_from([220_000, 221_000, 222_000]),
    st.sampled_from([0, quality.ESTIMATED, quality.SUBSTITUTED, quality.SUSPECT, quality.EDITED]),
    st.integers(0, 4),
)


def winner(points: list[tuple[str, int, int, int]]) -> dict[str, int]:
    """The slow rule: per column the value of the best rank, then of the latest receipt."""
    order = {quality.EDITED: 5, 0: 4, quality.SUBSTITUTED: 3, quality.SUSPECT: 2, quality.ESTIMATED: 1}
    best: dict[str, tuple[tuple[int, int], int]] = {}
    for column, value, bits, receipt in points:
        standing = (order[bits], receipt)
        if column not in best or standing > best[column][0]:
            best[column] = (standing, value)
    return {column: value for column, (_, value) in best.items()}


@settings(
    max_examples=8 if LONG else 2,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    points=st.lists(POINT, min_size=3, max_size=8, unique_by=lambda p: (p[0], p[2], p[3])),
    seed=st.integers(0, 2**32),
)  # fmt: skip
def test_p4_the_value_does_not_depend_on_the_order_of_arrival(
    tmp_path_factory: pytest.TempPathFactory, points: list[tuple[str, int, int, int]], seed: int
) -> None:
    """Each of K meters gets the same points in another order, split over other batches, some of them twice."""
    workspace = init_workspace(tmp_path_factory.mktemp("orders") / "office")
    orders, batches = 500, 5
    chance = random.Random(seed)
    arriving: list[list[dict[str, object]]] = [[] for _ in range(batches)]
    for number in range(orders):
        own = points + chance.sample(points, len(points) // 2)
        chance.shuffle(own)
        for column, value, bits, receipt in own:
            arriving[chance.randrange(batches)].append(
                {"meter": f"{number:04d}", column: Decimal(value) / 1000, "quality": bits, "recv_at": T0 + receipt}
            )
    for number, batch in enumerate(arriving):
        if batch:
            ingest(workspace, {"voltage": rows(*batch)}, source="x", sha256=f"{number:064x}")
        if number == 2:
            list(compact(workspace))
    expected = winner(points)
    for state in ("as it came", "compacted"):
        found = {
            tuple((column, int(row[column] * 1000)) for column in "abc" if row[column] is not None)
            for row in everything(workspace)
        }
        assert found == {tuple(sorted(expected.items()))}, state
        assert len(everything(workspace)) == orders
        list(compact(workspace))
    print(f"orders tried {orders}, distinct results {len(found)}")
    note("order of arrival shuffled", orders, lost=len(found) - 1)


def test_p6_two_writers_lose_nothing(tmp_path: Path) -> None:
    transactions = 250 if LONG else 60
    out = worker("writers", tmp_path / "office", 4, transactions)
    assert f"{4 * transactions} of {4 * transactions}, integrity_check ok" in out
    note("four writers at once (transactions)", 4 * transactions)


class Fault:
    """Makes the n-th call of a function fail with an errno."""

    def __init__(self, real: object, at: int, number: int) -> None:
        self.real, self.left, self.number = real, at, number
        self.hit = False

    def __call__(self, *arguments: object, **named: object) -> object:
        self.left -= 1
        if self.left == 0:
            self.hit = True
            raise OSError(self.number, os.strerror(self.number))
        return self.real(*arguments, **named)


def test_p7_a_failing_disk_is_an_error_and_loses_nothing(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(workspace, {"voltage": rows({"a": 220})}, source="x", sha256="0" * 64)
    faults = silent = 0
    for owner, name in ((os, "fsync"), (pathlib.Path, "rename"), (pathlib.Path, "mkdir"), (pq, "ParquetWriter")):
        for number in (errno.ENOSPC, errno.EIO, *((errno.EROFS, errno.EACCES) if LONG else ())):
            meter = f"{name}-{number}"
            new = {"voltage": rows({"meter": meter, "a": 1}, {"meter": meter, "ts": T0 + 86_400_000, "a": 2})}
            sha256 = hashlib.sha256(meter.encode()).hexdigest()
            before = everything(workspace)
            for at in itertools.count(1):
                fault = Fault(getattr(owner, name), at, number)
                with monkeypatch.context() as patch:
                    patch.setattr(owner, name, lambda *a, fault=fault, **k: fault(*a, **k))
                    if at > 20:
                        pytest.fail(f"{name} never came to its end")
                    try:
                        stored = ingest(workspace, new, source="y", sha256=sha256)
                    except WriteError as error:
                        faults += 1
                        assert error.exit_code == 9
                        assert error.hint
                        assert everything(workspace) == before
                        continue
                silent += fault.hit
                assert stored.added == 2
                break
            assert at > 1, f"{name} was never reached"
            assert len(everything(workspace)) == len(before) + 2
    assert verify(workspace).findings == [], "something half-written remains"
    print(f"I/O faults {faults}, silent losses {silent}")
    note("failing write, fsync, rename, mkdir", faults, lost=silent, refused="9")
    assert silent == 0


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A small file system in memory; skips nothing: without the right to mount, the caller falls back."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True, capture_output=True)


def can_mount(tmp_path: Path) -> bool:
    try:
        with mounted(tmp_path / "probe", "size=64k"):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def fill(workspace: Workspace) -> tuple[int, WriteError | None]:
    """Ingest until the disk is full: how many batches were acknowledged, and the error."""
    for batch in range(400):
        table = rows(
            *({"ts": T0 + n * 1000, "a": Decimal((n * 7919 + batch * 31) % 400_000) / 1000} for n in range(2000))
        )
        table = table.set_column(0, "meter", pa.array([f"{batch:03d}"] * 2000))
        try:
            ingest(workspace, {"voltage": table}, source="x", sha256=f"{batch:064x}")
        except WriteError as error:
            return batch, error
    return 400, None


def test_p7_a_full_disk_is_an_error_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if can_mount(tmp_path):
        with mounted(tmp_path / "small", "size=1500k"):
            workspace = init_workspace(tmp_path / "small" / "office")
            acknowledged, error = fill(workspace)
            assert len({row["meter"] for row in everything(workspace)}) == acknowledged
            assert verify(workspace).damaged is False
    else:
        workspace = init_workspace(tmp_path / "office")
        real, calls = os.fsync, iter(range(1000))

        def full(handle: int) -> None:
            if next(calls) > 30:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(handle)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            acknowledged, error = fill(workspace)
        assert len({row["meter"] for row in everything(workspace)}) == acknowledged
    assert error is not None
    assert (error.code, error.exit_code) == ("write.disk_full", 9)
    assert acknowledged > 0
    print(f"disk full after {acknowledged} batches, silent losses 0")
    note("disk full", 1, refused="9")


def test_a_read_only_workspace_can_be_read_and_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = {"voltage": rows({"ts": T0 + 900_000, "a": 1})}
    if can_mount(tmp_path):
        with mounted(tmp_path / "disk", "size=16m"):
            workspace = init_workspace(tmp_path / "disk" / "office")
            ingest(workspace, {"voltage": rows({"a": 220})}, source="x", sha256="0" * 64)
            before = everything(workspace)
            subprocess.run(["mount", "-o", "remount,ro", tmp_path / "disk"], check=True)
            with pytest.raises(WriteError) as caught:
                ingest(workspace, new, source="y", sha256="1" * 64)
            assert everything(workspace) == before
            subprocess.run(["mount", "-o", "remount,rw", tmp_path / "disk"], check=True)
            assert everything(workspace) == before
    else:
        workspace = init_workspace(tmp_path / "office")
        ingest(workspace, {"voltage": rows({"a": 220})}, source="x", sha256="0" * 64)
        before = everything(workspace)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", Fault(os.fsync, 1, errno.EROFS))
            with pytest.raises(WriteError) as caught:
                ingest(workspace, new, source="y", sha256="1" * 64)
        assert everything(workspace) == before
    assert caught.value.code == "write.read_only"
    note("disk read-only", 1, refused="9")


def test_p8_a_flipped_bit_is_found(workspace: Workspace) -> None:
    count = 20
    for batch in range(count):
        ingest(workspace, {"voltage": rows({"meter": f"{batch}", "a": batch + 1})}, source="x", sha256=f"{batch:064x}")
    assert verify(workspace).findings == []
    with open_database(workspace).read() as connection:
        segments = live_segments(connection)
    chance = random.Random(1)
    for segment in segments:
        path = workspace.root / segment.path
        data = bytearray(path.read_bytes())
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
    found = [finding.path for finding in verify(workspace).findings if finding.code == "damaged"]
    print(f"store verify: {len(found)} of {len(segments)} found")
    note("flipped bit", count, lost=len(segments) - len(found), refused="7 (store verify)")
    assert sorted(found) == sorted(segment.path for segment in segments)
    assert len(segments) == count


def test_a_missing_file_is_found_and_named(workspace: Workspace) -> None:
    ingest(workspace, {"voltage": rows({"a": 220})}, source="x")
    with open_database(workspace).read() as connection:
        segment = live_segments(connection)[0]
    (workspace.root / segment.path).unlink()
    assert [(f.code, f.path) for f in verify(workspace).findings] == [("missing", segment.path)]
    with pytest.raises(WriteError) as caught:
        everything(workspace)
    assert caught.value.code == "write.store_damaged"
