"""Frames of meters and terminals: bytes to readings, and hex text to an annotated description."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keyacct import _core
from keyacct.errors import InputError, from_os_error

if TYPE_CHECKING:
    import os
    from typing import TypeAlias

    import pyarrow as pa

    Buffer: TypeAlias = Any


def protocols() -> list[str]:
    """Names that a `protocol` argument takes: `auto` and the protocols that can be decoded."""
    return _core.protocols()


def frame_cutter(protocol: str, most: int) -> _core.FrameCutter:
    """Cuts live streams of peers that cannot be trusted: `cutter(data)` gives (whole frames, bytes of a frame that has
    begun, cost of what was no frame). What has begun comes again in front of the next bytes.

    most: the longest frame; one that says to be longer is refused by its header, so no more is ever held. The cost counts
    each byte passed over, and a sixteenth of those whose checksum was added up in vain: a budget in bytes also bounds the
    time. Raises UsageError for an unknown protocol.
    """
    return _core.FrameCutter(protocol, most)


def open_registers(files: Sequence[str | os.PathLike[str]] = (), *, model: str | None = None) -> _core.Registers:
    """The register catalogue with a user's own files on top. A file may add keys, not say a known one again.

    model: what the Modbus devices of a stream are (`sdm630`, or `# model: NAME` of a file), so that the
    answer to a read that is in the same stream makes readings.
    Raises UsageError for an unknown model, InputError `input.catalogue` with file and line, or that of an
    unreadable file.
    """
    texts = []
    for file in files:
        try:
            texts.append((str(file), Path(file).read_text(encoding="utf-8-sig")))
        except UnicodeDecodeError as error:
            raise InputError(
                "input.catalogue",
                f"the file is no UTF-8 text (byte {error.start})",
                hint="it is a tab-separated text; `keyacct registers --help` names the columns",
                where={"file": str(file)},
            ) from None
        except OSError as error:
            raise from_os_error(error, writing=False, file=str(file)) from None
    return _core.Registers(texts, model)


def describe(
    lines: Iterable[str],
    protocol: str = "auto",
    *,
    registers: _core.Registers | None = None,
    fields: bool = False,
    chinese: bool = False,
) -> Iterator[str]:
    """JSON objects, one for each frame of each line of hex text; `valid: false` for a line without any.

    fields: add the annotated tree. Lines without bytes (blank, comment) give nothing.
    Raises UsageError for a protocol that is not known or not built.
    """
    known = registers if registers is not None else _core.Registers()
    for number, line in enumerate(lines, 1):
        yield from _core.describe(known, line, number, protocol, fields=fields, chinese=chinese)


def decode(
    buffer: Buffer,
    protocol: str = "auto",
    *,
    registers: _core.Registers | None = None,
    threads: int | None = None,
) -> pa.Table:
    """Readings of a whole byte stream, one row a value in the order of the frames.

    buffer: any buffer of bytes (bytes, memoryview, mmap, a uint8 array); it is read without the GIL and must
    not be written to meanwhile. Requests make no readings; noise and broken frames are passed over.
    threads: at most so many, all cores if None; they change nothing in the result.
    Answers split over follow frames are joined first; their offset is that of the last frame.
    Columns: line (null here), offset (of the frame's first byte), device, protocol, kind, quantity, phase,
    tariff, index (which of the last n), time (naive local civil time), value, unit, text (for what is no
    number), quality (bits of `keyacct_model::Quality`).
    Raises UsageError for a protocol that is not known or not built.
    """
    import pyarrow as pa

    known = registers if registers is not None else _core.Registers()
    stream, _ = _core.decode(known, buffer, protocol, threads=threads)
    return pa.RecordBatchReader.from_stream(stream).read_all()  # pa.table would import pandas where it is installed


def decode_file(
    path: str | os.PathLike[str],
    protocol: str = "auto",
    *,
    registers: _core.Registers | None = None,
    threads: int | None = None,
) -> pa.Table:
    """Readings of a file of raw bytes, as `decode` gives them; the file is read in windows of 16 MiB a thread.

    A log or a packet capture is for `keyacct.capture.replay`.
    Raises InputError for a file that cannot be read, UsageError for an unknown protocol.
    """
    import pyarrow as pa

    known = registers if registers is not None else _core.Registers()
    stream, _ = _core.decode_file(known, str(path), protocol, threads=threads)
    return pa.table(stream)


def encode(message: Mapping[str, Any], protocol: str, *, registers: _core.Registers | None = None) -> bytes:
    """The frame of a message: the way back from what `describe` shows, with the same keys for every protocol.

    message: of DL/T 645 `address control di` with `values` of the register or `data` in hex; of Q/GDW 1376.1
    `address msa control afn seq items aux`; of DL/T 698.45 `address apdu` and, where needed, `link`; of Modbus `unit
    function` with its parts, over TCP `transaction`. `dlt698.45-apdu` gives the APDU alone. docs/encoding.md has
    every key with an example.
    values: in the order of the register's fields: numbers (int, float, Decimal), texts, times as printed, None.
    registers: the catalogue with a user's own rows; built in if None.
    Raises InputError `input.value` that names the key and what belongs there, never what was given (it may be a
    password); UsageError for `auto` and for an unknown protocol.
    """
    known = registers if registers is not None else _core.Registers()
    frame = _core.encode(known, dict(message), protocol)
    lost = _lost(message, frame, protocol, known)
    if lost is not None:
        raise InputError(
            "input.value",
            f"{lost}: not all of it can be given back in this form",
            hint="what stands there is said otherwise by the bytes: correct it, or give the bytes as `data` in hex",
        )
    return frame


def _lost(message: Mapping[str, Any], frame: bytes, protocol: str, registers: _core.Registers) -> str | None:
    """The key of the first published value that the frame does not say again, `items.1.values.3`; None if all are there."""
    if not any(_is_published(message.get(key)) for key in ("values", "items")):
        return None
    said = json.loads(next(iter(describe([frame.hex()], protocol, registers=registers)), "{}"))
    lost = _unsaid(message.get("values"), said.get("values"), "values")
    given, found = (part.get("items") or [] for part in (message, said))
    for n, item in enumerate(given):
        values = found[n].get("values") if n < len(found) else None
        lost = lost or _unsaid(item.get("values"), values, f"items.{n + 1}.values")
    return lost


def _unsaid(given: object, said: object, key: str) -> str | None:
    """The place of the first published value of a list that does not follow in another one."""
    found = iter(said if isinstance(said, list) else [])
    for n, item in enumerate(given if isinstance(given, list) else [], 1):
        if _is_published([item]) and not any(_agrees(item, value) for value in found):
            return f"{key}.{n}"
    return None


def _agrees(given: Mapping[str, Any], said: Mapping[str, Any]) -> bool:
    """Whether all that is given of a value is said of it."""
    return all(
        (float(wanted) if isinstance(wanted, Decimal) else wanted) == said.get(member)
        for member, wanted in given.items()
    )


def _is_published(part: object) -> bool:
    """Whether it has the form in which decoding shows values: objects with a `quantity`."""
    items = part if isinstance(part, list) else []
    return any(isinstance(item, dict) and ("quantity" in item or _is_published(item.get("values"))) for item in items)


def answers(request: bytes, reply: bytes, protocol: str) -> bool:
    """Whether a frame is the answer to another one: same device, function, identifier or number of the exchange.

    An answer that says why there are no data counts. Bytes that are no whole frame of the protocol answer nothing.
    """
    return _core.answers(request, reply, protocol)


def decode_reply(
    request: Buffer, reply: Buffer, model: str, protocol: str = "modbus-rtu", *, registers: Sequence[str] = ()
) -> pa.Table:
    """Readings of one Modbus reply, by the registers of a model; columns of `decode`.

    request: the read that was sent, whole frame; reply: the frame that came back. A reply that is not one to this
    request (function, unit, transaction or number of registers differ) and an exception give no rows.
    """
    known = open_registers(registers, model=model)
    return decode(bytes(request) + bytes(reply), protocol, registers=known)


def register_rows(registers: _core.Registers | None = None, text: str | None = None) -> list[dict[str, Any]]:
    """Rows of the register catalogue in the order of protocol and file; with `text` those that hold it.

    A whole identifier (`02010100`) also finds the row with variables (`0201{p}00`) that it belongs to.
    """
    known = registers if registers is not None else _core.Registers()
    rows = known.rows()
    if text is None:
        return rows
    wanted = text.casefold()
    keys = known.rows_of_key(text)
    return [
        row
        for row in rows
        if (row["protocol"], row["key"]) in keys
        or any(
            wanted in str(row[column]).casefold()
            for column in ("key", "name", "quantity", "chinese", "format", "source")
        )
    ]
