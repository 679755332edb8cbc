"""Month statistics over ranges of meters, on the workers of a Dask cluster.

A task is a pure function of its files, its limits and its range of meters; what it gives lands whole, under the digest of
all that, in a folder that every worker sees. A task that is run twice is harmless, and one whose result lies there
already is not run again. Needs the extra `cluster` (dask and distributed, BSD).
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from keyacct import __version__, _core
from keyacct.errors import CODES, ConfigError, InputError, KeyacctError, LinkError, WriteError, from_os_error
from keyacct.i18n import Text

STAGE = ".keyacct-stats"
"""Folder beside the results in which tasks land; it is gone when the tables are written."""
TASKS_A_THREAD = 2
_TABLES = ("day.parquet", "month.parquet")
_DONE = "done.json"


@dataclass(frozen=True)
class Task:
    """One range of meters [from_meter, before_meter); None is open. files: (path, bytes, ns of the last change)."""

    data: str
    limits: str
    limits_sha256: str
    files: tuple[tuple[str, int, int], ...]
    interval_ms: int
    loss: float
    from_meter: str | None
    before_meter: str | None
    stage: str

    @property
    def digest(self) -> str:
        """SHA-256 of everything that the result depends on, and of the program."""
        told = {**asdict(self), "stage": None, "version": __version__}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def bucket(self) -> str:
        """The range as a person reads it."""
        first, before = self.from_meter or "the first", self.before_meter
        return f"meters from {first}" + (f" to before {before}" if before is not None else " on")


@dataclass(frozen=True)
class Outcome:
    """Where a task's result lies, or the error that it ended with (as `KeyacctError.as_dict`)."""

    digest: str
    error: dict[str, Any] | None = None


@dataclass(frozen=True)
class Merged:
    """A finished job: rows read, meters without limits, tasks, and how many attempts were begun and lost."""

    rows: int
    without_limits: tuple[str, ...]
    tasks: int
    retried: int


def run_task(task: Task) -> Outcome:
    """Compute one range of meters into `stage/<digest>`: the same function wherever it runs.

    The folder appears whole by a rename. A failure that another try would not mend is an answer, not an exception, so
    that no engine tries it again.
    """
    stage, digest = Path(task.stage), task.digest
    target = stage / digest
    if (target / _DONE).exists():
        return Outcome(digest)
    attempt = stage / f"{digest}.{socket.gethostname()}.{os.getpid()}.attempt"
    try:
        for path, size, changed in task.files:
            there = os.stat(path)
            if (there.st_size, there.st_mtime_ns) != (size, changed):
                raise InputError(
                    "input.unreadable", "a worker sees another file than the one that was planned",
                    hint="let every worker see the same folder, and leave it alone while it is read",
                    where={"file": path},
                )  # fmt: skip
        shutil.rmtree(attempt, ignore_errors=True)
        attempt.mkdir(parents=True)
        _, _, without, rows = _core.month_stats(
            task.data, task.limits, interval_ms=task.interval_ms, loss=task.loss, out=str(attempt), threads=1,
            meters=(task.from_meter, task.before_meter),
        )  # fmt: skip
        (attempt / _DONE).write_text(json.dumps({"rows": rows, "without_limits": without}), encoding="utf-8")
        try:
            attempt.rename(target)
        except OSError:
            if not (target / _DONE).exists():
                raise
            shutil.rmtree(attempt, ignore_errors=True)  # another attempt was quicker, and its result is the same
    except KeyacctError as error:
        shutil.rmtree(attempt, ignore_errors=True)
        return Outcome(digest, error.as_dict())
    except OSError as error:
        shutil.rmtree(attempt, ignore_errors=True)
        return Outcome(digest, from_os_error(error, writing=True, file=str(error.filename or stage)).as_dict())
    return Outcome(digest)


def plan_tasks(
    data: Path, limits: Path, *, interval_ms: int, loss: float, stage: Path, tasks: int
) -> list[Task]:  # fmt: skip
    """Cut the meters of the limits file into ranges of about equal numbers. Raises InputError (exit 4)."""
    import pyarrow.parquet as pq

    data, limits = data.absolute(), limits.absolute()
    try:
        files = _files(data, limits)
        sha = hashlib.sha256(limits.read_bytes()).hexdigest()
        ids = sorted(
            set(pq.read_table(limits, columns=["meter_id"])["meter_id"].cast("string").drop_null().to_pylist())
        )
    except OSError as error:
        raise from_os_error(error, writing=False) from None
    except (ValueError, KeyError) as error:  # pyarrow's own errors are of these kinds
        raise InputError(
            "input.format", f"not readable as limits: {error}", hint="name the file with the limits of each meter",
            where={"file": str(limits)},
        ) from None  # fmt: skip
    count = max(1, min(tasks, len(ids)))
    cuts: list[str | None] = [None, *(ids[len(ids) * n // count] for n in range(1, count)), None]
    return [
        Task(str(data), str(limits), sha, files, interval_ms, loss, low, high, str(stage.absolute()))
        for low, high in itertools.pairwise(cuts)
    ]


def _files(data: Path, limits: Path) -> tuple[tuple[str, int, int], ...]:
    """The files of a data set by the rule of the core; it raises where there are none."""
    if data.is_file():
        found = [data]
    else:
        every = sorted(path for path in data.iterdir() if path.suffix == ".parquet" and path.is_file())
        found = [path for path in every if path.name.startswith("part-")] or [p for p in every if p != limits]
    return tuple((str(path), (told := path.stat()).st_size, told.st_mtime_ns) for path in found)


def write_with_dask(
    data: Path, limits: Path, out: Path, *, interval_ms: int, loss: float, scheduler: str | None, tasks: int | None
) -> Merged:  # fmt: skip
    """Compute the tables on a cluster and write them to `out`, which every worker must see.

    scheduler: its address; None starts workers on this machine for the time of the call. tasks: ranges of meters, two a
    thread of the cluster when None. Finished ranges stay in `out/.keyacct-stats` when the job fails, and are taken from
    there by the next call. Raises ConfigError without the extra, LinkError where no scheduler answers, and the error of
    the first range that fails, naming it.
    """
    with _client(scheduler) as client:
        threads = sum(client.nthreads().values())
        stage = out.absolute() / STAGE
        planned = plan_tasks(
            data, limits, interval_ms=interval_ms, loss=loss, stage=stage, tasks=tasks or max(threads, 1) * TASKS_A_THREAD
        )  # fmt: skip
        try:
            stage.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise from_os_error(error, writing=True, file=str(stage)) from None
        for left in stage.glob("*.attempt"):  # of an earlier job that was stopped
            shutil.rmtree(left, ignore_errors=True)
        _run(client, planned)
    return merge_results(planned, out)


def _distributed() -> Any:
    """The package distributed, whose functions are not typed."""
    try:
        import distributed
    except ImportError:
        raise ConfigError(
            "config.invalid",
            str(Text("the engine dask needs the package distributed", "dask 引擎需要 distributed 软件包")),
            hint="pip install 'keyacct[cluster]'",
        ) from None
    return distributed


@contextlib.contextmanager
def _client(scheduler: str | None) -> Iterator[Any]:
    distributed = _distributed()
    if scheduler is not None:
        try:
            client = distributed.Client(scheduler, timeout="10s", set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise LinkError(
                "link.failed", f"no Dask scheduler at {scheduler}: {error}",
                hint="start `dask scheduler`, and workers where keyacct[cluster] is installed",
            ) from None  # fmt: skip
        with client:
            yield client
        return
    workers = os.cpu_count() or 1
    with (
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


def _run(client: Any, planned: Sequence[Task]) -> None:
    distributed = _distributed()
    of_key = {f"keyacct-stats-{task.digest}": task for task in planned}
    futures = [client.submit(run_task, task, key=key, pure=True) for key, task in of_key.items()]
    try:
        for future in distributed.as_completed(futures, loop=client.loop):
            task = of_key[future.key]
            try:
                outcome: Outcome = future.result()
            except distributed.KilledWorker as error:
                raise LinkError(
                    "link.failed", f"{task.bucket}: every worker that took it has died ({error.last_worker.name})",
                    hint="look at the workers' logs; less memory than one range needs ends a worker",
                ) from None  # fmt: skip
            if outcome.error is not None:
                told = outcome.error["error"]
                raise CODES[told["code"]](
                    told["code"], f"{task.bucket}: {told['message']}", hint=told["hint"], where=told["where"]
                )
    finally:
        client.cancel([future for future in futures if not future.done()], force=True)


def merge_results(planned: Sequence[Task], out: Path) -> Merged:
    """Join the results of all ranges into the two tables of `out`, which appear whole, and clear the stage."""
    import pyarrow.parquet as pq

    stage = Path(planned[0].stage)
    folders = [stage / task.digest for task in planned]
    try:
        told = [json.loads((folder / _DONE).read_text(encoding="utf-8")) for folder in folders]
        staged = []
        for name in _TABLES:
            path = stage / name
            with pq.ParquetWriter(path, pq.read_schema(folders[0] / name), compression="zstd") as writer:
                for folder in folders:
                    with pq.ParquetFile(folder / name) as file:
                        for group in range(file.num_row_groups):
                            writer.write_table(file.read_row_group(group))
            with path.open("rb") as file:
                os.fsync(file.fileno())
            staged.append(path)
        for path in staged:
            path.replace(out / path.name)
    except OSError as error:
        raise from_os_error(error, writing=True) from None
    except ValueError as error:
        raise WriteError("write.failed", f"a result cannot be read back: {error}", where={"file": str(stage)}) from None
    retried = sum(1 for _ in stage.glob("*.attempt"))
    shutil.rmtree(stage, ignore_errors=True)
    without = sorted({meter for of in told for meter in of["without_limits"]})
    rows = sum(pq.ParquetFile(path).metadata.num_rows for path, _, _ in planned[0].files)
    return Merged(rows, tuple(without), len(planned), retried)


def tables_digest(folder: Path) -> str:
    """SHA-256 of both tables of a folder, whatever the order of their rows; floats count to the last bit."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import ipc

    digest = hashlib.sha256()
    for name in _TABLES:
        table = pq.read_table(folder / name)
        keys = [(key, "ascending") for key in table.column_names[:2]]
        plain = table.set_column(0, "meter_id", table["meter_id"].cast(pa.string())).sort_by(keys).combine_chunks()
        sink = pa.BufferOutputStream()
        with ipc.new_stream(sink, plain.schema.remove_metadata()) as writer:
            writer.write_table(plain.replace_schema_metadata(None))
        digest.update(sink.getvalue())
    return digest.hexdigest()
