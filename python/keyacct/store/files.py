"""Segment files: written to the stage, synced, moved into place; the order of steps is what the store promises."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from keyacct import clock
from keyacct.config import Workspace
from keyacct.errors import from_os_error
from keyacct.model import civil
from keyacct.store.families import SCHEMA_VERSION, Family
from keyacct.store.index import Segment
from keyacct.store.ulid import ulid

ROW_GROUP_ROWS = 8_192
"""Small, so that the curve of one meter is a small read; `tests/bench/store_scale.py` has the figures."""
SEGMENT_ROWS = 131_072
"""A day of more rows is cut into several segments between meters: the index alone then tells which file to open."""
CRASH_VARIABLE = "KEYACCT_CRASH_AT"


def crash_point(step: int) -> None:
    """Die as by `kill -9` right after a step of the write path, when `KEYACCT_CRASH_AT` names it (fault tests)."""
    if os.environ.get(CRASH_VARIABLE) == str(step):
        os.kill(os.getpid(), signal.SIGKILL)


def sync_file(path: Path) -> None:
    """Force a file, or the entries of a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class PendingSegment:
    """A segment on its way: `stage/` first, then its day folder; unknown to readers until the index has it."""

    def __init__(self, workspace: Workspace, family: Family, day: str, batches: Iterable[pa.RecordBatch]) -> None:
        """Write the rows (sorted by key, in the family's schema) to the stage. Raises WriteError."""
        self.family = family
        self.day = day
        self.root = workspace.root
        name = f"seg-{ulid()}.parquet"
        self.staged = workspace.stage / name
        self.folder = workspace.samples / f"family={family.name}" / f"day={day}"
        self.target = self.folder / name
        self.rows = self.unresolved_rows = 0
        self.meters: tuple[str, str] = ("", "")
        self.stamps: tuple[int, int] = (0, 0)
        self.batch_range: tuple[int, int] = (0, 0)
        self.unique_keys = True
        with _as_write_error(self.staged):
            self._write(batches)
            self.sha256 = file_sha256(self.staged)
            self.bytes = self.staged.stat().st_size

    def _write(self, batches: Iterable[pa.RecordBatch]) -> None:
        workspace_stage = self.staged.parent
        workspace_stage.mkdir(exist_ok=True)
        schema = self.family.schema
        writer = pq.ParquetWriter(
            self.staged, schema, compression="zstd", store_decimal_as_integer=True,
            use_dictionary=["meter", "kind"] + [name for name, _ in self.family.subkey],
            write_statistics=["meter", "ts"],  # what readers skip by; of the rest they would only swell the footer
        )  # fmt: skip
        held: list[pa.RecordBatch] = []
        held_rows = 0
        last: tuple[object, ...] | None = None

        def flush() -> None:
            table = pa.Table.from_batches(held, schema).combine_chunks()
            writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
            held.clear()

        try:
            for batch in batches:
                if batch.num_rows == 0:
                    continue
                first_batch, last_batch = _min_max(pc.min_max(batch.column("batch")))
                first_ts, last_ts = _min_max(pc.min_max(batch.column("ts").cast(pa.int64())))
                low, high = batch.column("meter")[0].as_py(), batch.column("meter")[-1].as_py()
                known = self.rows > 0
                self.meters = (self.meters[0] if known else low, high)
                self.stamps = (
                    min(self.stamps[0], first_ts) if known else first_ts,
                    max(self.stamps[1], last_ts) if known else last_ts,
                )
                self.batch_range = (
                    min(self.batch_range[0], first_batch) if known else first_batch,
                    max(self.batch_range[1], last_batch) if known else last_batch,
                )
                self.unresolved_rows += pc.sum(pc.starts_with(batch.column("meter"), "?")).as_py()
                self.unique_keys = self.unique_keys and _unique(batch, self.family, last)
                last = tuple(batch.column(key)[-1].as_py() for key in self.family.keys)
                self.rows += batch.num_rows
                held.append(batch)
                held_rows += batch.num_rows
                if held_rows >= SEGMENT_ROWS:
                    flush()
                    held_rows = 0
            if held or not self.rows:
                flush()
        finally:
            writer.close()

    def sync(self) -> None:
        """Step 3: force the staged file to the disk."""
        with _as_write_error(self.staged):
            sync_file(self.staged)

    def make_folder(self) -> None:
        """Step 4: make the day folder."""
        with _as_write_error(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)

    def place(self) -> None:
        """Step 5: move the file into place."""
        with _as_write_error(self.target):
            self.staged.rename(self.target)

    def sync_folder(self) -> None:
        """Step 6: force the day folder's entry to the disk."""
        with _as_write_error(self.folder):
            sync_file(self.folder)

    def discard(self) -> None:
        """Take the file away again, wherever it is; what cannot be removed is an orphan for `store clean`."""
        for path in (self.staged, self.target):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def entry(self) -> Segment:
        """The row of the index."""
        return Segment(
            path=self.target.relative_to(self.root).as_posix(), family=self.family.name, day=self.day,
            rows=self.rows, min_ts=self.stamps[0], max_ts=self.stamps[1],
            min_meter=self.meters[0], max_meter=self.meters[1], bytes=self.bytes, sha256=self.sha256,
            first_batch=self.batch_range[0], last_batch=self.batch_range[1], schema_version=SCHEMA_VERSION,
            unique_keys=self.unique_keys, unresolved_rows=self.unresolved_rows, created_at=clock.now_ms(),
        )  # fmt: skip


def write_segments(
    workspace: Workspace, family: Family, day: str, batches: Iterable[pa.RecordBatch], into: list[PendingSegment]
) -> None:
    """Stage the rows of a day, sorted by key, as one or more segments that share no meter; each is added to `into`."""
    for part in _cut(batches):
        into.append(PendingSegment(workspace, family, day, part))


def _cut(batches: Iterable[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Runs of about SEGMENT_ROWS rows, each ending where a meter ends."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        start = 0
        while start < batch.num_rows:
            if rows < SEGMENT_ROWS:
                end = min(batch.num_rows, start + SEGMENT_ROWS - rows)
            else:  # full: only what is left of the last meter still belongs here
                last = held[-1].column("meter")[-1]
                other = pc.not_equal(batch.column("meter").slice(start), last)
                first = pc.index(other, True).as_py()
                if first == 0:
                    yield held
                    held, rows = [], 0
                    continue
                end = batch.num_rows if first < 0 else start + first
            held.append(batch.slice(start, end - start))
            rows += end - start
            start = end
    if held:
        yield held


def move_into_place(segments: list[PendingSegment]) -> None:
    """Steps 3 to 6 for all segments of a batch: nothing of it is in the index yet. Raises WriteError."""
    for segment in segments:
        segment.sync()
    crash_point(3)
    for segment in segments:
        segment.make_folder()
    # Always, not only when a folder is new: an earlier run may have made it and died before its entry was on the disk.
    for parent in {path for segment in segments for path in (segment.folder.parent, segment.folder.parent.parent)}:
        with _as_write_error(parent):
            sync_file(parent)
    crash_point(4)
    for segment in segments:
        segment.place()
    crash_point(5)
    for folder in {segment.folder: segment for segment in segments}.values():
        folder.sync_folder()
    crash_point(6)


def civil_day(ms: int, workspace: Workspace) -> str:
    """The partition of an instant: the civil day in which the interval that ends at it lies (00:00 closes a day)."""
    return civil(ms - 1, workspace.zone).date().isoformat()


def _min_max(scalar: pa.Scalar) -> tuple[int, int]:
    found = scalar.as_py()
    return found["min"], found["max"]


def _unique(batch: pa.RecordBatch, family: Family, last: tuple[object, ...] | None) -> bool:
    """Whether no two neighbours of a sorted batch (and the row before it) have the same key."""
    if last is not None and last == tuple(batch.column(key)[0].as_py() for key in family.keys):
        return False
    same = None
    for key in family.keys:
        column = batch.column(key)
        equal = pc.equal(column.slice(1), column.slice(0, batch.num_rows - 1))
        same = equal if same is None else pc.and_(same, equal)
    return not pc.any(same).as_py()


@contextlib.contextmanager
def _as_write_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise from_os_error(error, writing=True, file=str(path)) from error
