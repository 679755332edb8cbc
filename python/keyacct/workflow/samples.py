"""Load curves from elsewhere (CSV, Parquet) into the store: exact, whole or not at all, each value once."""

from __future__ import annotations

import datetime as dt
import decimal
import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from keyacct.config import Workspace
from keyacct.database import tables
from keyacct.database.engine import open_database
from keyacct.errors import ConfigError, InputError
from keyacct.store import merge, quality
from keyacct.store.engine import query_engine
from keyacct.store.families import FAMILIES
from keyacct.store.ingest import BatchWriter, IngestSummary
from keyacct.workflow.local_time import UTC_MS, parse_time, utc_from_local
from keyacct.workflow.mapping import TableMapping, Target
from keyacct.workflow.tabular import Chunk, blank_to_null, column_names, file_digest, read_chunks

DECODER = "samples-1"
_WIDE = pa.decimal128(30, 12)


@dataclass
class ImportSummary:
    """What an import of one file came to. rejected_rows: rows left out with `partial`; first_faults: why."""

    file: str
    rows: int = 0
    rejected_rows: int = 0
    first_faults: list[str] = field(default_factory=list)
    stored: IngestSummary = field(default_factory=IngestSummary)

    def as_row(self) -> dict[str, Any]:
        """As a row for printing."""
        stored = self.stored.as_row()
        stored.pop("rows")
        stored.pop("rejects")
        return {"file": self.file, "rows": self.rows, "rejected_rows": self.rejected_rows, **stored}


@dataclass(frozen=True)
class ImportOptions:
    """partial: leave bad rows out. rounding: round what has too many decimals. dry_run: check only."""

    partial: bool = False
    rounding: bool = False
    dry_run: bool = False


def import_samples(
    workspace: Workspace, path: Path, mapping: TableMapping, options: ImportOptions | None = None
) -> ImportSummary:
    """Take one file into the store as one batch. The same file again, or the same values, add nothing.

    Raises InputError with row and column of the first fault (nothing of the file is stored then, unless `partial`),
    ConfigError for a meter or side that the registry contradicts, WriteError.
    """
    options = options or ImportOptions()
    sha256, length = file_digest(path)
    _check_columns(path, mapping)
    meters = _Meters(workspace, mapping)
    summary = ImportSummary(str(path))
    decoder = f"{DECODER}:{mapping.digest()}:{'p' if options.partial else ''}{'r' if options.rounding else ''}"
    with BatchWriter(workspace, source=str(path), sha256=sha256, length=length, decoder=decoder) as writer:
        if writer.already_ingested():
            summary.stored.already_ingested = True
            return summary
        for chunk in read_chunks(path, mapping.columns):
            _take_chunk(workspace, writer, path, chunk, mapping, meters, options, summary)
        if not options.partial:
            _refuse_contradictions(workspace, writer, path)
        if summary.rows == 0:
            raise InputError(
                "input.empty", "the file has no rows", hint="check that it is the right one", where={"file": str(path)}
            )
        if not options.dry_run:
            summary.stored = writer.commit(rejects=summary.rejected_rows)
    return summary


def _check_columns(path: Path, mapping: TableMapping) -> None:
    names = column_names(path)
    for wanted in mapping.columns:
        if wanted not in names:
            near = difflib.get_close_matches(wanted, names, n=1)
            raise InputError(
                "input.schema", f"there is no column {wanted!r}",
                hint=f"did you mean {near[0]!r}?" if near else f"the columns are {', '.join(names[:20])}",
                where={"file": str(path), "column": wanted},
            )  # fmt: skip


class _Meters:
    """The meters of the registry, asked by number."""

    def __init__(self, workspace: Workspace, mapping: TableMapping) -> None:
        with open_database(workspace).read() as connection:
            rows = connection.execute(sa.select(tables.meter)).mappings()
            self.known = {row["meter_no"]: (row["reading_side"], row["interval_min"]) for row in rows}
        self.side = mapping.side
        if mapping.meter is not None and (fault := self.fault(mapping.meter)) is not None:
            raise fault

    def fault(self, meter: str) -> ConfigError | None:
        """Why values of this meter cannot be taken, or None."""
        if meter not in self.known:
            near = difflib.get_close_matches(meter, self.known, n=1)
            return ConfigError(
                "config.registry_not_found", f"there is no meter {meter!r} in the registry",
                hint=f"did you mean {near[0]}?" if near else "add it with `keyacct registry import`",
                where={"meter": meter},
            )  # fmt: skip
        side = self.known[meter][0]
        if self.side is not None and self.side != side:
            return ConfigError(
                "config.registry_invalid",
                f"the values are said to be {self.side}, the registry has reading_side {side} for this meter",
                hint="correct one of them: the ratio is applied to secondary values only",
                where={"meter": meter},
            )
        return None


class _Faults:
    """Bad rows of a chunk: the first ends the import, or with `partial` each is noted and left out."""

    def __init__(self, path: Path, chunk: Chunk, options: ImportOptions, summary: ImportSummary) -> None:
        self.path, self.chunk, self.options, self.summary = path, chunk, options, summary
        self.rows: set[int] = set()

    def add(self, index: int, column: str, message: str, hint: str) -> None:
        """Note a fault of the row with this index in the chunk. Raises InputError unless `partial`."""
        where: dict[str, str | int] = {"file": str(self.path), "row": self.chunk.first_row + index, "column": column}
        if self.chunk.lines:
            where["line"] = self.chunk.lines[index]
        error = InputError("input.value", message, hint=hint, where=where)
        if not self.options.partial:
            raise error
        if index not in self.rows:
            self.rows.add(index)
            self.summary.rejected_rows += 1
            if len(self.summary.first_faults) < 20:
                self.summary.first_faults.append(str(error))


def _take_chunk(
    workspace: Workspace, writer: BatchWriter, path: Path, chunk: Chunk, mapping: TableMapping, meters: _Meters,
    options: ImportOptions, summary: ImportSummary,
) -> None:  # fmt: skip
    faults = _Faults(path, chunk, options, summary)
    summary.rows += chunk.rows
    meter = _meter_array(chunk, mapping, meters, faults)
    ts = _times(workspace, chunk, mapping, meters, meter, faults)
    values = {target: _numbers(chunk, target, faults) for target in mapping.targets}
    good = pa.array([index not in faults.rows for index in range(chunk.rows)]) if faults.rows else None
    row_numbers = pa.array(range(chunk.first_row, chunk.first_row + chunk.rows), pa.int64())
    for name in dict.fromkeys(target.family for target in mapping.targets):
        family = FAMILIES[name]
        own = {target.column: values[target] for target in mapping.targets if target.family == name}
        some = None
        rounded = None
        columns: dict[str, pa.Array] = {}
        for column in family.values:
            if column.name not in own:
                columns[column.name] = pa.nulls(chunk.rows, column.type)
                continue
            array, was_rounded = own[column.name]
            columns[column.name] = array
            valid = array.is_valid()
            some = valid if some is None else pc.or_(some, valid)
            if was_rounded is not None:
                rounded = was_rounded if rounded is None else pc.or_(rounded, was_rounded)
        bits = pa.array([0], pa.uint16()).take(pa.array([0] * chunk.rows))
        if rounded is not None:
            bits = pc.if_else(rounded, pa.scalar(quality.ROUNDED, pa.uint16()), bits)
        table = pa.table(
            {
                "meter": meter, "kind": pa.array([mapping.kind]).take(pa.array([0] * chunk.rows)), "ts": ts, **columns,
                "quality": bits, "recv_at": pa.nulls(chunk.rows, UTC_MS), "row": row_numbers,
            }
        )  # fmt: skip
        keep = some if good is None else pc.and_(some, good)
        table = table.filter(keep)
        writer.add(name, table.drop_columns("row"), sequence=table["row"])


def _meter_array(chunk: Chunk, mapping: TableMapping, meters: _Meters, faults: _Faults) -> pa.Array:
    if mapping.meter_column is None:
        return pa.array([mapping.meter]).take(pa.array([0] * chunk.rows))
    column = blank_to_null(chunk.columns[mapping.meter_column])
    for index in range(chunk.rows) if column.null_count else ():
        if not column[index].is_valid:
            faults.add(index, mapping.meter_column, "no meter number", "fill it in")
    for meter in pc.unique(column.drop_null()).to_pylist():
        error = meters.fault(meter)
        if error is None:
            continue
        at = pc.index(column, pa.scalar(meter)).as_py()
        if not faults.options.partial:
            error.where.update(file=str(faults.path), row=chunk.first_row + at, column=mapping.meter_column)
            raise error
        for index, value in enumerate(column.to_pylist()):
            if value == meter:
                faults.add(index, mapping.meter_column, error.message, error.hint)
    return column


def _times(
    workspace: Workspace, chunk: Chunk, mapping: TableMapping, meters: _Meters, meter: pa.Array, faults: _Faults
) -> pa.Array:
    column = chunk.columns[mapping.time_column]
    if pa.types.is_timestamp(column.type):
        ts = column.cast(UTC_MS) if column.type.tz is not None else utc_from_local(column, workspace.zone)
        for index in range(chunk.rows) if ts.null_count else ():
            if not ts[index].is_valid:
                faults.add(index, mapping.time_column, "no time", "fill it in")
    else:
        try:
            ts = utc_from_local(column.cast(pa.timestamp("ms")), workspace.zone)
            if ts.null_count:
                ts = None
        except pa.ArrowInvalid:
            ts = None
        if ts is None:
            ts = _times_one_by_one(workspace, column, mapping.time_column, faults)
    if mapping.kind == "interval" and mapping.stamp == "start":
        ts = pc.add(ts, _intervals(mapping, meters, meter))
    return ts


def _intervals(mapping: TableMapping, meters: _Meters, meter: pa.Array) -> Any:
    """Length of the interval: the option's, else the meter's nominal one."""
    if mapping.interval_min is not None:
        return pa.scalar(dt.timedelta(minutes=mapping.interval_min), pa.duration("ms"))
    minutes = {name: known[1] for name, known in meters.known.items()}
    return pa.array(
        [None if name is None else dt.timedelta(minutes=minutes.get(name, 0)) for name in meter.to_pylist()],
        pa.duration("ms"),
    )


def _times_one_by_one(workspace: Workspace, column: pa.Array, name: str, faults: _Faults) -> pa.Array:
    """Times in one of the other ways of writing them, or the place of the first that is none."""
    naive: list[dt.datetime | None] = []
    fixed: list[dt.datetime | None] = []
    for index, text in enumerate(column.to_pylist()):
        time = None
        try:
            time = parse_time(text or "")
        except ValueError as error:
            faults.add(index, name, str(error), "mend it, or leave bad rows out with --partial")
        naive.append(time if time is not None and time.tzinfo is None else None)
        fixed.append(time if time is not None and time.tzinfo is not None else None)
    local = utc_from_local(pa.array(naive, pa.timestamp("ms")), workspace.zone)
    return pc.coalesce(pa.array(fixed, UTC_MS), local)


def _numbers(chunk: Chunk, target: Target, faults: _Faults) -> tuple[pa.Array, pa.Array | None]:
    """Exact values in the family's unit and type, and which of them were rounded (None: none could be)."""
    column = chunk.columns[target.source]
    if pa.types.is_timestamp(column.type):
        raise InputError(
            "input.schema", "a time stands where a number is wanted", hint="check --map",
            where={"file": str(faults.path), "column": target.source},
        )  # fmt: skip
    column = blank_to_null(column)
    try:
        wide = column.cast(_WIDE)
        shifted = pa.Array.from_buffers(
            pa.decimal128(38, _WIDE.scale - target.power), len(wide), wide.buffers(), offset=wide.offset
        )
        return shifted.cast(target.type), None
    except pa.ArrowInvalid:
        return _numbers_one_by_one(column, target, faults)


def _numbers_one_by_one(column: pa.Array, target: Target, faults: _Faults) -> tuple[pa.Array, pa.Array]:
    """Numbers with a place for each that cannot be taken as it is."""
    step = decimal.Decimal(1).scaleb(-target.type.scale)
    largest = decimal.Decimal(10) ** (target.type.precision - target.type.scale)
    values: list[decimal.Decimal | None] = []
    rounded: list[bool] = []
    with decimal.localcontext(prec=60):
        for index, text in enumerate(column.to_pylist()):
            value, was_rounded = None, False
            if text is not None:
                value, was_rounded = _number(text, target, step, largest, index, faults)
            values.append(value)
            rounded.append(was_rounded)
    return pa.array(values, target.type), pa.array(rounded, pa.bool_())


def _number(
    text: str, target: Target, step: decimal.Decimal, largest: decimal.Decimal, index: int, faults: _Faults
) -> tuple[decimal.Decimal | None, bool]:
    try:
        number = decimal.Decimal(text) if len(text) <= 60 and "_" not in text else decimal.Decimal("NaN")
    except decimal.InvalidOperation:
        number = decimal.Decimal("NaN")
    if not number.is_finite() or abs(number.adjusted()) > 40:
        faults.add(index, target.source, f"{text[:60]!r} is no number", "mend it, or leave bad rows out with --partial")
        return None, False
    exact = number.scaleb(target.power)
    if abs(exact) >= largest:
        faults.add(index, target.source, f"{text} is too large for {target.family}.{target.column}", "check the unit")
        return None, False
    kept = exact.quantize(step, decimal.ROUND_HALF_EVEN)
    if kept != exact and not faults.options.rounding:
        faults.add(
            index, target.source,
            f"{text} has more decimals than {target.family}.{target.column} keeps ({target.type.scale})",
            "allow rounding with --round",
        )  # fmt: skip
        return None, False
    return kept, kept != exact


def _refuse_contradictions(workspace: Workspace, writer: BatchWriter, path: Path) -> None:
    """A meter and time that the file has twice with different values: nobody can say which one holds."""
    with query_engine(workspace) as engine:
        for family, source in writer.sources(engine):
            keys = merge.names(family.keys)
            differs = " OR ".join(f"count(DISTINCT {merge.quote(c)}) > 1" for c in family.value_names)
            found = engine.execute(
                f"SELECT meter, epoch_ms(ts), min(seq), max(seq) FROM {source} GROUP BY {keys}"
                f" HAVING count(*) > 1 AND ({differs}) ORDER BY max(seq) LIMIT 1"
            ).fetchall()
            if found:
                meter, ms, first, second = found[0]
                time = dt.datetime.fromtimestamp(ms / 1000, workspace.zone).isoformat()
                raise InputError(
                    "input.value",
                    f"meter {meter} has another value at {time} in row {first}",
                    hint="keep one of the two rows, or take the later one with --partial",
                    where={"file": str(path), "row": second},
                )


def import_files(
    workspace: Workspace, paths: Sequence[Path], mapping: TableMapping, options: ImportOptions | None = None
) -> list[ImportSummary]:
    """Several files, each a batch of its own; the first that fails ends it, those before are stored."""
    return [import_samples(workspace, path, mapping, options) for path in paths]
