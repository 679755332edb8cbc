"""Putting documents on paper, in this process or in several: one job is one document in the formats that it lacks."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from keyacct.errors import CODES, InternalError, KeyacctError
from keyacct.i18n import Lang
from keyacct.report import fingerprint
from keyacct.report.document import Document
from keyacct.report.files import file_part, write_whole
from keyacct.report.look import Look
from keyacct.report.writers import parts
from keyacct.workflow.report_manifest import Written

JOBS_AHEAD = 2
"""Documents that wait for each process; more would only take memory."""


@dataclass(frozen=True)
class Paper:
    """How a run writes. out: None for a dry run."""

    lang: Lang
    look: Look
    root: Path
    out: Path | None


@dataclass(frozen=True)
class Job:
    """A document and the formats to write it in."""

    document: Document
    formats: tuple[str, ...]


@dataclass(frozen=True)
class Made:
    """A file that a job made: format, name, rows, bytes, SHA-256."""

    format: str
    file: str
    rows: int
    bytes: int
    sha256: str


Trouble = tuple[str, str, str, dict[str, str | int]]
"""An error that can travel between processes: code, message, hint, where."""


def entries_of(
    document: Document,
    made: Iterable[Made],
    lang: str,
    writing: Mapping[str, str],
    state: Mapping[str, str] | None = None,
) -> list[Written]:
    """What the manifest holds of the files of a document. writing, state: digests by format (see `Written`)."""
    content = fingerprint.of_document(document)
    return [
        Written(
            document.account_no, file.format, file.file, file.rows, file.bytes, file.sha256, document.inputs_sha256,
            document.kind, document.period.label, lang, document.generated_at.isoformat(timespec="seconds"),
            fingerprint.joined(content, writing[file.format]), state[file.format] if state else "",
        )
        for file in made
    ]  # fmt: skip


Outcome = tuple[list[Made], Trouble | None]
Take = Callable[[Job, Outcome], None]


def processes() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def file_name(document: Document, lang: Lang, format: str, part: str = "") -> str:
    """Name of a report's file. part: the table of a CSV file. A report of the whole office has no account in it."""
    period = period_part(document.period.label)
    tail = f"_{part}" if part else ""
    who = f"_{file_part(document.account_no)}" if document.account_no else ""
    return f"{file_part(document.kind)}{who}_{period}_{lang}{tail}.{format}"


def period_part(label: str) -> str:
    """A period's label as part of a file name."""
    return label.replace("..", "_to_").replace("/", "_")


def do(job: Job, paper: Paper) -> Outcome:
    """Write one document; a format that fails leaves the others. A file that cannot be written ends the job."""
    made: list[Made] = []
    trouble: Trouble | None = None
    for name in job.formats:
        try:
            for part in parts(job.document, paper.lang, name, paper.look, paper.root):
                file = file_name(job.document, paper.lang, name, part.name)
                if paper.out is not None:
                    write_whole(paper.out / file, part.content)
                digest = hashlib.sha256(part.content).hexdigest()
                made.append(Made(name, file, part.rows, len(part.content), digest))
        except KeyacctError as error:
            trouble = (error.code, error.message, error.hint, error.where)
            if error.kind in ("write", "internal"):
                break
    return made, trouble


def error_of(trouble: Trouble) -> KeyacctError:
    """The error again."""
    code, message, hint, where = trouble
    return CODES[code](code, message, hint=hint, where=where)


def work(jobs: Iterable[Job], paper: Paper, count: int, take: Take) -> None:
    """Do every job and give it with its outcome to `take`, in their order. count: processes; with 1 all is done here.

    When the run ends early, what was being written gets whole and is given to `take` before the error goes up.
    Raises InternalError when a process of ours dies.
    """
    if count <= 1:
        for job in jobs:
            take(job, do(job, paper))
        return
    waiting: list[tuple[Job, Future[Outcome]]] = []
    # Fresh processes: a copy of this one would share its threads' locks.
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_begin, initargs=(paper,))
    try:
        for job in jobs:
            waiting.append((job, pool.submit(_do, job)))
            while waiting and (len(waiting) > count * JOBS_AHEAD or waiting[0][1].done()):
                _give(waiting, take)
        while waiting:
            _give(waiting, take)
    except BrokenProcessPool:
        raise InternalError(
            "internal.bug", "a process that writes reports died, perhaps for want of memory", hint="try --jobs 1"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for job, future in waiting:
            if future.done() and not future.cancelled() and future.exception() is None:
                with contextlib.suppress(KeyacctError):  # the first error is the one that goes up
                    take(job, future.result())


def _give(waiting: list[tuple[Job, Future[Outcome]]], take: Take) -> None:
    outcome = waiting[0][1].result()
    job, _ = waiting.pop(0)
    take(job, outcome)


_paper: list[Any] = []


def _begin(paper: Paper) -> None:
    """A worker leaves Ctrl-C to the process that started it, so that what is being written gets whole."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _paper[:] = [paper]


def _do(job: Job) -> Outcome:
    return do(job, _paper[0])
