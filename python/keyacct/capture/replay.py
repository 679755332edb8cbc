"""Replay of a capture: the readings it holds and a tally of what else was in it."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keyacct import _core
from keyacct.errors import PartialError, UsageError, from_os_error
from keyacct.wire import open_registers

if TYPE_CHECKING:
    import os

    import pyarrow as pa

_UNITS_MS = {"ms": 1, "s": 1000, "min": 60_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_EPOCH = dt.datetime(1970, 1, 1)


@dataclass(frozen=True)
class Tally:
    """What a capture held.

    frames by protocol, invalid by the code of the cause; noise_bytes belong to no frame; undated readings
    have no time and are refused by the store. first_invalid: (line, what is wrong) of the first broken frame.
    """

    bytes: int
    frames: Mapping[str, int]
    noise_bytes: int
    invalid: Mapping[str, int]
    readings: int
    events: int
    unknown_identifiers: int
    undated: int
    first_invalid: tuple[int, str] | None = None


@dataclass(frozen=True)
class Replay:
    """Readings of a capture (columns of `keyacct.wire.decode`), their tally, the digest of the file."""

    readings: pa.Table
    tally: Tally
    sha256: str


def replay(
    path: str | os.PathLike[str],
    *,
    protocol: str = "auto",
    date: dt.date | None = None,
    assume_time: str | None = None,
    registers: Sequence[str | os.PathLike[str]] | None = None,
    strict: bool = False,
    model: str | None = None,
) -> Replay:
    """Readings of a text log; each direction is a stream of its own, what the master sent makes no reading.

    The time of a reading is the frame's own stamp, else that of its line (`date` completes a time of day;
    going back by more than half a day is midnight), else `assume_time` (`START` or `START+STEP`, for example
    `2026-07-01T00:00+15min`) for the frames without any time in their order, marked with the quality bit
    `time_assumed`; else null.
    model: what the Modbus devices of the capture are; without it their registers make no readings.
    Raises InputError for a file that is no capture, PartialError with `strict` when a frame is broken.
    """
    import pyarrow as pa

    name = str(path)
    assumed = parse_assumed_time(assume_time) if assume_time is not None else None
    day = (date - _EPOCH.date()).days if date is not None else None
    catalogue = open_registers(registers or (), model=model)
    stream, counts = _core.replay(catalogue, name, protocol, day=day, assumed=assumed)
    tally = _tally(counts)
    if strict and tally.invalid:
        line, what = tally.first_invalid or (0, "")
        count = sum(tally.invalid.values())
        raise PartialError(
            "partial.some_failed",
            f"{count} broken frames, the first one: {what}",
            hint="without --strict they are counted and passed over",
            where={"file": name, "line": line} if line else {"file": name},
        )
    return Replay(pa.table(stream), tally, _digest(name))


def _tally(counts: Mapping[str, Any]) -> Tally:
    return Tally(**counts)


def _digest(name: str) -> str:
    try:
        with Path(name).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise from_os_error(error, writing=False, file=name) from None


def parse_assumed_time(text: str) -> tuple[int, int]:
    """(civil ms since 1970, step in ms) of `START` or `START+STEP`, such as `2026-07-01T00:00+15min`.

    START is civil time without offset; STEP is a number with ms, s, min, h or d. Raises UsageError.
    """
    wrong = UsageError(
        "usage.invalid",
        f"{text!r} is no assumed time",
        hint="write a civil time and perhaps a step, for example 2026-07-01T00:00+15min",
    )
    match = re.fullmatch(r"\s*([0-9T: .-]+?)\s*(?:\+\s*(\d+)\s*(ms|s|min|m|h|d))?\s*", text)
    if match is None:
        raise wrong
    try:
        start = dt.datetime.fromisoformat(match[1])
    except ValueError:
        raise wrong from None
    if start.tzinfo is not None:
        raise wrong
    step = int(match[2]) * _UNITS_MS[match[3]] if match[2] else 0
    return (start - _EPOCH) // dt.timedelta(milliseconds=1), step
