"""Replay of a capture: the readings it holds and a tally of what else was in it."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keyacct import _core
from keyacct.errors import InputError, KeyacctError, PartialError, UsageError, from_os_error
from keyacct.i18n import Text
from keyacct.wire import open_registers

if TYPE_CHECKING:
    import os

    import pyarrow as pa

_UNITS_MS = {"ms": 1, "s": 1000, "min": 60_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_EPOCH = dt.datetime(1970, 1, 1)
_TIME_OF_RECEIPT = 1 << 6  # keyacct_model::Quality::TIME_OF_RECEIPT
DEFAULT_ZONE = "Asia/Shanghai"


@dataclass(frozen=True)
class Tally:
    """What a capture held.

    frames by protocol, invalid by the code of the cause; noise_bytes belong to no frame; undated readings
    have no time and are refused by the store. first_invalid: by cause (line, byte offset, what is wrong in English
    and in Chinese) of the first broken frame; first_noise: (line, byte offset). Lines count from 1 and are 0 where
    there are none; offsets are those of the line, of the packet, else of the byte itself.
    incomplete_answers are split answers whose follow frames did not come, stale_parts follow frames that fit
    none. container: what raw bytes, gzip and packets around them counted (lost_bytes, retransmitted_bytes,
    other_packets, broken_packets, …; zeros left out), with first_dropped: the offset of the first packet of each
    sort that was dropped; None for a text log.
    """

    bytes: int
    frames: Mapping[str, int]
    noise_bytes: int
    invalid: Mapping[str, int]
    readings: int
    events: int
    unknown_identifiers: int
    undated: int
    first_invalid: Mapping[str, tuple[int, int, str, str]] = field(default_factory=dict)
    first_noise: tuple[int, int] | None = None
    incomplete_answers: int = 0
    stale_parts: int = 0
    container: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Replay:
    """Readings of a capture, their tally, the digest of the file.

    readings: the columns of `keyacct.wire.decode`; those of packets also have recv_at, when the packet was
    captured (UTC). failure: why the file was not read to its end, though something of it was.
    """

    readings: pa.Table
    tally: Tally
    sha256: str
    failure: KeyacctError | None = None


def replay(
    path: str | os.PathLike[str],
    *,
    protocol: str = "auto",
    date: dt.date | None = None,
    assume_time: str | None = None,
    registers: Sequence[str | os.PathLike[str]] | None = None,
    strict: bool = False,
    model: str | None = None,
    zone: str = DEFAULT_ZONE,
) -> Replay:
    """Readings of a capture: a text log, raw bytes, pcap or pcapng, gzip around any of them; `-` is stdin.

    Each direction of each conversation is a stream of its own; what the master sent makes no reading.
    The time of a reading is the frame's own stamp, else that of its line (`date` completes a time of day;
    going back by more than half a day is midnight), else that of its packet in `zone`, marked with the quality
    bit `time_of_receipt`, else `assume_time` (`START` or `START+STEP`, for example
    `2026-07-01T00:00+15min`) for the frames without any time in their order, marked with the quality bit
    `time_assumed`; else null.
    model: what the Modbus devices of the capture are; without it their registers make no readings.
    A file that is broken midway (cut, damaged, decompressed beyond the bounds) gives what came before, and `failure`.
    Raises InputError for a file that is no capture, PartialError with `strict` when a frame is broken.
    """
    import pyarrow as pa

    name = str(path)
    assumed = parse_assumed_time(assume_time) if assume_time is not None else None
    day = (date - _EPOCH.date()).days if date is not None else None
    catalogue = open_registers(registers or (), model=model)
    with _on_disk(name) as file:
        stream, counts = _core.replay(catalogue, file, protocol, name=name, day=day, assumed=assumed)
        digest = _digest(file, name)
    failure = counts.pop("failure")
    tally = Tally(**counts)
    if not any(tally.frames.values()):
        if failure is not None:
            raise failure
        raise InputError(
            "input.no_frame",
            str(Text(f"no frame in {tally.bytes} bytes", f"{tally.bytes} 字节中没有报文")),
            hint=str(
                Text(
                    "check that this is a capture of meters or terminals; name the protocol with --protocol",
                    "请确认这是电表或终端的报文记录; 用 --protocol 指定规约",
                )
            ),
            where={"file": name},
        )
    if strict and tally.invalid:
        line, offset, en, zh = min(tally.first_invalid.values(), key=lambda first: first[:2])
        count = sum(tally.invalid.values())
        raise PartialError(
            "partial.some_failed",
            str(Text(f"{count} broken frames, the first one: {en}", f"{count} 个坏帧, 第一个: {zh}")),
            hint=str(Text("without --strict they are counted and passed over", "不加 --strict 时只计数, 不视为失败")),
            where={"file": name, **({"line": line} if line else {}), "offset": offset},
        )
    return Replay(_with_receipt(pa.table(stream), zone), tally, digest, failure)


def _with_receipt(readings: pa.Table, zone: str) -> pa.Table:
    """Readings whose `time` is the civil time of receipt in `zone` where nothing else is known."""
    if "recv_at" not in readings.column_names:
        return readings
    import pyarrow as pa
    import pyarrow.compute as pc

    local = pc.local_timestamp(readings["recv_at"].cast(pa.timestamp("ms", tz=zone)))
    received = pc.not_equal(pc.bit_wise_and(readings["quality"], pa.scalar(_TIME_OF_RECEIPT, pa.uint16())), 0)
    time = pc.if_else(received, local, readings["time"])
    return readings.set_column(readings.column_names.index("time"), "time", time)


@contextmanager
def _on_disk(name: str) -> Iterator[str]:
    """The path of a capture; what can be read only once is kept in a temporary file, so that it can be digested too."""
    if name != "-" and not _is_pipe(name):
        yield name
        return
    with tempfile.NamedTemporaryFile(prefix="keyacct-") as file:
        try:
            if name == "-":
                shutil.copyfileobj(sys.stdin.buffer, file)
            else:
                with Path(name).open("rb") as pipe:
                    shutil.copyfileobj(pipe, file)
            file.flush()
        except OSError as error:
            raise from_os_error(error, writing=True, file=file.name) from None
        yield file.name


def _is_pipe(name: str) -> bool:
    try:
        return stat.S_ISFIFO(Path(name).stat().st_mode)
    except (OSError, ValueError):
        return False  # the reader tells what is wrong with it


def _digest(file: str, name: str) -> str:
    try:
        with Path(file).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise from_os_error(error, writing=False, file=name) from None


def parse_assumed_time(text: str) -> tuple[int, int]:
    """(civil ms since 1970, step in ms) of `START` or `START+STEP`, such as `2026-07-01T00:00+15min`.

    START is civil time without offset; STEP is a number with ms, s, min, h or d. Raises UsageError.
    """
    wrong = UsageError(
        "usage.invalid",
        str(Text(f"{text!r} is no assumed time", f"{text!r} 不是可用的时间")),
        hint=str(
            Text(
                "write a civil time and perhaps a step, for example 2026-07-01T00:00+15min",
                "应为本地时间, 可加步长, 例如 2026-07-01T00:00+15min",
            )
        ),
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
