"""Tables from elsewhere (CSV, CSV in gzip, Parquet) as chunks of text columns with the row numbers of the file."""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from keyacct.errors import InputError, from_os_error

CHUNK_ROWS = 65_536
MAX_RATIO = 200
MAX_COLUMNS = 4096
MAX_FIELD_CHARS = 4096


@dataclass(frozen=True)
class Chunk:
    """Some rows of a table. columns: by name, text (times of Parquet stay timestamps). first_row: from 1, header not
    counted. lines: line in the file of each row (text files only).
    """

    columns: dict[str, pa.Array]
    first_row: int
    rows: int
    lines: Sequence[int] = ()


class _Capped(io.RawIOBase):
    """A decompressed stream that ends in an error instead of filling the memory (a few bytes can hold terabytes)."""

    def __init__(self, stream: BinaryIO, limit: int, file: str) -> None:
        self._stream, self._left, self._file = stream, limit, file

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # a raw stream's own signature
        """Fill the buffer."""
        data = self._stream.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise InputError(
                "input.limit",
                f"the file unpacks to more than {MAX_RATIO} times its size",
                hint="unpack it yourself and look what it holds",
                where={"file": self._file},
            )
        buffer[: len(data)] = data
        return len(data)


def file_digest(path: Path) -> tuple[str, int]:
    """SHA-256 and length of a file. Raises InputError."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size
    except OSError as error:
        raise from_os_error(error, writing=False, file=str(path)) from None


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def column_names(path: Path) -> list[str]:
    """The columns of a table. Raises InputError."""
    try:
        if _is_parquet(path):
            names = list(_parquet(path).schema_arrow.names)
        else:
            with _open_text(path) as text:
                names = _header(csv.reader(text), path)
    except OSError as error:
        raise from_os_error(error, writing=False, file=str(path)) from None
    return names


def read_chunks(path: Path, wanted: Sequence[str]) -> Iterator[Chunk]:
    """The wanted columns of a table, chunk by chunk. Raises InputError with the line or row."""
    try:
        yield from _parquet_chunks(path, wanted) if _is_parquet(path) else _csv_chunks(path, wanted)
    except (gzip.BadGzipFile, EOFError) as error:
        raise InputError(
            "input.unreadable", f"the gzip stream is broken: {error}", hint="fetch it again", where={"file": str(path)}
        ) from None
    except OSError as error:
        raise from_os_error(error, writing=False, file=str(path)) from None


def _parquet(path: Path) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise InputError(
            "input.format", f"not a readable Parquet file: {str(error).splitlines()[0]}",
            hint="write it again", where={"file": str(path)},
        ) from None  # fmt: skip
    if len(file.schema_arrow.names) > MAX_COLUMNS:
        raise InputError(
            "input.limit", f"{len(file.schema_arrow.names)} columns, at most {MAX_COLUMNS} are taken",
            hint="select the columns you need", where={"file": str(path)},
        )  # fmt: skip
    return file


def _parquet_chunks(path: Path, wanted: Sequence[str]) -> Iterator[Chunk]:
    file = _parquet(path)
    row = 1
    try:
        for batch in file.iter_batches(batch_size=CHUNK_ROWS, columns=list(wanted)):
            columns = {name: _as_text(batch.column(batch.schema.get_field_index(name)), name, path) for name in wanted}
            yield Chunk(columns, row, batch.num_rows)
            row += batch.num_rows
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(
            "input.unreadable", f"the Parquet file is damaged: {str(error).splitlines()[0]}",
            hint="fetch it again", where={"file": str(path), "row": row},
        ) from None  # fmt: skip


def _as_text(column: pa.Array, name: str, path: Path) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type):
        return column
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise InputError(
            "input.schema", f"a column of type {column.type} cannot be taken",
            hint="numbers, texts and times can", where={"file": str(path), "column": name},
        ) from None  # fmt: skip


def _encoding(start: bytes) -> str:
    """UTF-8 with or without mark, UTF-16 with mark, else GB 18030 (which holds GBK)."""
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return "gb18030"
    return "utf-8"


@contextlib.contextmanager
def _open_text(path: Path) -> Iterator[io.TextIOWrapper]:
    with contextlib.ExitStack() as open_files:
        raw = open_files.enter_context(path.open("rb"))
        packed = raw.peek(2)[:2] == b"\x1f\x8b"
        buffered: io.BufferedReader = raw
        if packed:
            limit = path.stat().st_size * MAX_RATIO + (1 << 20)
            unpacked = open_files.enter_context(gzip.GzipFile(fileobj=raw))
            capped = _Capped(cast("BinaryIO", unpacked), limit, str(path))
            buffered = open_files.enter_context(io.BufferedReader(cast("io.RawIOBase", capped), 1 << 18))
        head = buffered.peek(1 << 16)[: 1 << 16]
        yield open_files.enter_context(io.TextIOWrapper(buffered, encoding=_encoding(head), newline=""))


def _header(rows: Iterator[list[str]], path: Path) -> list[str]:
    try:
        names = [name.strip() for name in next(rows, [])]
    except UnicodeDecodeError as error:
        raise _not_text(error, path) from None
    if not any(names):
        raise InputError(
            "input.empty", "the file has no header line", hint="its first line must name the columns",
            where={"file": str(path)},
        )  # fmt: skip
    if len(names) > MAX_COLUMNS:
        raise InputError(
            "input.limit", f"{len(names)} columns, at most {MAX_COLUMNS} are taken",
            hint="select the columns you need", where={"file": str(path)},
        )  # fmt: skip
    twice = {name for name in names if names.count(name) > 1 and name}
    if twice:
        raise InputError(
            "input.schema", f"the column {sorted(twice)[0]!r} is there twice", hint="rename one",
            where={"file": str(path), "line": 1},
        )  # fmt: skip
    return names


def _not_text(error: UnicodeDecodeError, path: Path) -> InputError:
    return InputError(
        "input.format", f"the text is neither UTF-8 nor GB 18030 ({error.reason})", hint="save it as UTF-8",
        where={"file": str(path)},
    )  # fmt: skip


def _csv_chunks(path: Path, wanted: Sequence[str]) -> Iterator[Chunk]:
    with _open_text(path) as text:
        rows = csv.reader(text)
        names = _header(rows, path)
        indices = [names.index(name) for name in wanted]
        held: list[list[str]] = [[] for _ in wanted]
        lines: list[int] = []
        first = 1
        try:
            for fields in rows:
                if not fields:
                    continue
                if len(fields) != len(names):
                    raise InputError(
                        "input.format", f"{len(fields)} fields, the header has {len(names)}",
                        hint="mend the line", where={"file": str(path), "line": rows.line_num},
                    )  # fmt: skip
                for column, index in zip(held, indices, strict=True):
                    column.append(fields[index][:MAX_FIELD_CHARS])
                lines.append(rows.line_num)
                if len(lines) == CHUNK_ROWS:
                    yield _chunk(wanted, held, first, lines)
                    first += len(lines)
                    held, lines = [[] for _ in wanted], []
        except UnicodeDecodeError as error:
            raise _not_text(error, path) from None
        except csv.Error as error:
            raise InputError(
                "input.format", f"not valid CSV: {error}", hint="mend the line",
                where={"file": str(path), "line": rows.line_num},
            ) from None  # fmt: skip
        if lines:
            yield _chunk(wanted, held, first, lines)


def _chunk(wanted: Sequence[str], held: list[list[str]], first: int, lines: list[int]) -> Chunk:
    columns = {name: pa.array(values, pa.string()) for name, values in zip(wanted, held, strict=True)}
    return Chunk(columns, first, len(lines), lines)


def blank_to_null(column: pa.Array) -> pa.Array:
    """Text without surrounding blanks; nothing at all becomes null."""
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)
