"""Captures into the store, into a file, or against a golden list."""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from keyacct.config import Workspace
from keyacct.errors import InputError, KeyacctError, PartialError, UsageError, from_os_error
from keyacct.i18n import Text
from keyacct.store.ingest import BatchWriter, IngestSummary
from keyacct.workflow.family_rows import family_rows

DECODER = "replay-1"


class Replayed(Protocol):
    """What `keyacct.capture.replay.replay` gives."""

    @property
    def readings(self) -> pa.Table:
        """The readings, long."""

    @property
    def tally(self) -> Any:
        """What else was in the capture."""

    @property
    def sha256(self) -> str:
        """Digest of the file."""

    @property
    def failure(self) -> KeyacctError | None:
        """Why the file was not read to its end, though something of it was."""


Replay = Callable[..., Replayed]


@dataclass(frozen=True)
class ReplayOptions:
    """How captures are read; see `keyacct.capture.replay.replay`."""

    protocol: str = "auto"
    date: dt.date | None = None
    assume_time: str | None = None
    registers: tuple[str, ...] = ()
    strict: bool = False
    model: str | None = None

    def arguments(self) -> dict[str, Any]:
        """As keyword arguments of a replay. `strict` is none of them: bad frames are told when the good ones are stored."""
        told = {**dataclasses.asdict(self), "registers": list(self.registers) or None}
        del told["strict"]
        return told

    def digest(self) -> str:
        """A name of this way of reading: a capture read with another date is another batch."""
        told = self.arguments().items()
        return "|".join(f"{key}={value}" for key, value in told if value)


@dataclass
class CaptureSummary:
    """One capture: readings decoded, stored rows, readings without a time, what went wrong."""

    file: str
    sha256: str = ""
    readings: int = 0
    undated: int = 0
    stored: IngestSummary | None = None
    tally: dict[str, Any] = field(default_factory=dict)
    error: KeyacctError | None = None
    failure: KeyacctError | None = None  # the file broke midway: what came before is stored

    @property
    def no_time(self) -> str:
        """The sentence about undated readings; empty when there are none."""
        if not self.undated:
            return ""
        return f"{self.file}: " + str(
            Text(
                f"{self.undated} of {self.readings} readings have no time and were not stored: "
                "give the day with --date 2026-07-01, or a time with --assume-time 2026-07-01T00:00+15min",
                f"{self.readings} 个读数中有 {self.undated} 个没有时标, 未入库: "
                "用 --date 2026-07-01 给出日期, 或用 --assume-time 2026-07-01T00:00+15min 给出时间",
            )
        )

    def as_row(self) -> dict[str, Any]:
        """As a row for printing."""
        stored = self.stored.as_row() if self.stored is not None else {}
        return {
            "file": self.file, "sha256": self.sha256, "readings": self.readings, "undated": self.undated,
            **{key: stored.get(key) for key in ("added", "duplicates", "revisions", "already_ingested", "batch")},
            "unresolved_devices": sorted(self.stored.unresolved) if self.stored is not None else [],
        }  # fmt: skip


def _replay(path: str | os.PathLike[str], options: ReplayOptions, replay: Replay | None) -> Replayed:
    if replay is not None:
        return replay(path, **options.arguments())
    from keyacct.capture.replay import replay as replay_file

    return replay_file(path, **options.arguments())


def tally_dict(tally: object) -> dict[str, Any]:
    """A tally as a plain dictionary, whatever record it is."""
    if isinstance(tally, dict):
        return dict(tally)
    if dataclasses.is_dataclass(tally) and not isinstance(tally, type):
        return dataclasses.asdict(tally)
    return {key: value for key, value in vars(tally).items() if not key.startswith("_")}


def replay_capture(
    workspace: Workspace,
    paths: Sequence[str | os.PathLike[str]],
    options: ReplayOptions | None = None,
    *,
    replay: Replay | None = None,
    dry_run: bool = False,
) -> list[CaptureSummary]:
    """Take captures into the store, each one batch; a capture that is in the store already adds nothing.

    A file that fails is noted in its summary, the others go on. Readings without a time are not stored; a capture of
    which nothing can be stored for that reason fails with `input.no_time`. replay: what reads a capture, else
    `keyacct.capture.replay.replay`. Raises WriteError.
    """
    options = options or ReplayOptions()
    summaries = []
    for path in paths:
        summary = CaptureSummary(os.fspath(path))
        summaries.append(summary)
        try:
            _take(workspace, path, options, replay, summary, dry_run=dry_run)
        except (InputError, PartialError) as error:
            summary.error = error
    return summaries


def _take(
    workspace: Workspace,
    path: str | os.PathLike[str],
    options: ReplayOptions,
    replay: Replay | None,
    summary: CaptureSummary,
    *,
    dry_run: bool,
) -> None:
    replayed = _replay(path, options, replay)
    summary.sha256, summary.tally = replayed.sha256, tally_dict(replayed.tally)
    summary.readings = replayed.readings.num_rows
    summary.failure = getattr(replayed, "failure", None)
    length = os.stat(path).st_size if os.fspath(path) != "-" else 0
    decoder = f"{DECODER}|{options.digest()}"
    source = os.fspath(path)
    with BatchWriter(workspace, source=source, sha256=replayed.sha256, length=length, decoder=decoder) as writer:
        if writer.already_ingested():
            summary.stored = IngestSummary(already_ingested=True)
            summary.undated = int(pc.sum(pc.is_null(replayed.readings["time"])).as_py() or 0)
            return
        rows, summary.undated = family_rows(workspace, replayed.readings)
        if summary.undated and summary.undated == summary.readings:
            raise InputError(
                "input.no_time",
                str(
                    Text(
                        f"none of the {summary.readings} readings has a time, so nothing can be stored",
                        f"{summary.readings} 个读数都没有时标, 无法入库",
                    )
                ),
                hint=str(
                    Text(
                        "give the day with --date 2026-07-01, or a time with --assume-time 2026-07-01T00:00+15min",
                        "用 --date 2026-07-01 给出日期, 或用 --assume-time 2026-07-01T00:00+15min 给出时间",
                    )
                ),
                where={"file": source},
            )
        for family, table in rows.items():
            writer.add(family, table)
        if not dry_run:
            summary.stored = writer.commit(rejects=summary.undated)


def read_readings(
    paths: Sequence[str | os.PathLike[str]], options: ReplayOptions, *, replay: Replay | None = None
) -> Iterator[tuple[str, Replayed]]:
    """Captures as they are read, without a workspace."""
    for path in paths:
        yield os.fspath(path), _replay(path, options, replay)


def reading_rows(readings: pa.Table) -> Iterator[dict[str, Any]]:
    """Readings as JSON objects: times ISO 8601 as the device said them, what is null left out."""
    for batch in readings.to_batches(max_chunksize=16_384):
        for row in batch.to_pylist():
            yield {key: _plain(value) for key, value in row.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="milliseconds" if value.microsecond else "seconds")
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    return value


def reading_line(row: dict[str, Any]) -> str:
    """One reading as one line of JSON."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False)


def write_readings(readings: pa.Table, out: Path) -> None:
    """Readings to a `.parquet` or `.jsonl` file, whole or not at all. Raises UsageError, WriteError."""
    if out.suffix not in (".parquet", ".jsonl"):
        raise UsageError("usage.invalid", f"--out {out}: unknown kind of file", hint="end it in .parquet or .jsonl")
    staged = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        if out.suffix == ".parquet":
            import pyarrow.parquet as pq

            pq.write_table(readings, staged, compression="zstd")
        else:
            with staged.open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(reading_line(row) + "\n" for row in reading_rows(readings))
        staged.replace(out)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise from_os_error(error, writing=True, file=str(out)) from None


def compare(readings: pa.Table, golden: Path) -> list[str]:
    """The differences between readings and a golden JSONL list, as a unified diff; empty when equal.

    Only the keys that a golden line has are compared on that line. Raises InputError.
    """
    expected = []
    try:
        lines = golden.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError):
            raise from_os_error(error, writing=False, file=str(golden)) from None
        raise InputError("input.format", "not UTF-8", hint="save it as UTF-8", where={"file": str(golden)}) from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            expected.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise InputError(
                "input.format", f"not JSON: {error.msg}", hint="mend the line",
                where={"file": str(golden), "line": number},
            ) from None  # fmt: skip
        if not isinstance(expected[-1], dict):
            raise InputError(
                "input.format", "not a JSON object", hint="mend the line", where={"file": str(golden), "line": number}
            )
    found = list(reading_rows(readings))
    left, right = [], []
    for index in range(max(len(expected), len(found))):
        want = expected[index] if index < len(expected) else None
        have = found[index] if index < len(found) else None
        if want is not None:
            left.append(_canonical(want))
        if have is not None:
            keys = want.keys() if want is not None else have.keys()
            right.append(_canonical({key: have.get(key) for key in keys}))
    return list(difflib.unified_diff(left, right, str(golden), "replayed", lineterm="", n=1))


def _canonical(row: dict[str, Any]) -> str:
    return json.dumps({key: _plain(value) for key, value in row.items()}, ensure_ascii=False, sort_keys=True)
