"""Answers of meters as readings (long, what the device said) and as rows for people; what failed stays a failure."""

from __future__ import annotations

import dataclasses
import datetime as dt
import zoneinfo
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from keyacct import wire
from keyacct.capture.asking import Answer
from keyacct.capture.line import CAUSES, Failure
from keyacct.i18n import Text

if TYPE_CHECKING:
    import pyarrow as pa

NO_DATA, INVALID_DIGIT, CLOCK_SUSPECT, OUT_OF_RANGE, TIME_OF_RECEIPT, SUSPECT = 1, 2, 4, 16, 64, 512
QUALITY_NAMES = (
    (NO_DATA, "no_data"), (INVALID_DIGIT, "invalid_digit"), (CLOCK_SUSPECT, "clock_suspect"), (8, "substituted"),
    (OUT_OF_RANGE, "out_of_range"), (SUSPECT, "suspect"),
)  # fmt: skip
"""Bits of `keyacct_model::Quality` that say something about a value; that it is stamped on receipt does not."""

FUTURE = dt.timedelta(minutes=5)
"""A stamp so far ahead of us is no stamp to trust (domain rule: 5 min is a clock deviation)."""

_POSSIBLE = {"power_factor": (-1.0, 1.0), "frequency": (40.0, 70.0)}
"""Range of quantities that no device can leave; what lies outside is a fault of device or line."""


def read_answers(
    answers: Sequence[Answer], zone: zoneinfo.ZoneInfo, registers: Sequence[str] = ()
) -> tuple[pa.Table, list[Answer]]:
    """Readings of all answers, and the answers again, each with its values or with why there are none.

    readings: the columns of `keyacct.wire.decode`, and `meter` (as asked) and `recv_at` (UTC). Where a frame has no
    time of its own, `time` is that of receipt in `zone`, with the quality bit `time_of_receipt`.
    """
    import pyarrow as pa

    result = list(answers)
    groups: dict[tuple[str, str | None], list[int]] = {}
    for number, answer in enumerate(answers):
        if answer.failure is None and answer.frames:
            groups.setdefault((answer.item.protocol, answer.item.model), []).append(number)
    tables = []
    for (protocol, model), numbers in groups.items():
        table, found = _decoded([answers[n] for n in numbers], protocol, model, zone, registers)
        tables.append(table)
        for number, values in zip(numbers, found, strict=True):
            result[number] = _judged(answers[number], values)
    if not tables:
        return _empty(), result
    return pa.concat_tables([table.unify_dictionaries() for table in tables], promote_options="permissive"), result


def _empty() -> pa.Table:
    import pyarrow as pa

    table = wire.decode(b"", "dlt645-2007")
    return table.append_column("meter", pa.nulls(0, pa.string())).append_column(
        "recv_at", pa.nulls(0, pa.timestamp("ms", tz="UTC"))
    )


def _decoded(
    answers: Sequence[Answer], protocol: str, model: str | None, zone: zoneinfo.ZoneInfo, registers: Sequence[str]
) -> tuple[pa.Table, list[list[dict[str, Any]]]]:
    """Readings of answers in one protocol, and for each answer its rows."""
    import pyarrow as pa

    starts, stream = [], bytearray()
    for answer in answers:
        starts.append(len(stream))
        stream += b"".join(answer.frames)
    known = wire.open_registers(registers, model=model)
    table = wire.decode(bytes(stream), protocol, registers=known, threads=1)
    found: list[list[dict[str, Any]]] = [[] for _ in answers]
    rows = table.to_pylist()
    owners = [bisect_right(starts, row["offset"]) - 1 for row in rows]
    times, qualities, received, indexes = [], [], [], []
    for row, owner in zip(rows, owners, strict=True):
        answer = answers[owner]
        recv_at = dt.datetime.fromtimestamp(answer.recv_at_ms / 1000, dt.UTC)
        local = recv_at.astimezone(zone).replace(tzinfo=None)
        quality, time = int(row["quality"] or 0), row["time"]
        if time is None and answer.frozen_at is not None:
            time = dt.datetime.fromisoformat(answer.frozen_at)
        if time is None:
            time, quality = local, quality | TIME_OF_RECEIPT
        elif time > local + FUTURE and row["kind"] not in ("parameter", "event"):
            quality |= CLOCK_SUSPECT
        if answer.item.span is not None and row["time"] is not None and _off_raster(row["time"], answer.item.span):
            quality |= CLOCK_SUSPECT
        if _impossible(row):
            quality |= OUT_OF_RANGE
        if answer.doubtful:
            quality |= SUSPECT
        # The n-th freeze back from now is another one tomorrow: once its instant is known, only that names it.
        dated = row["kind"].startswith("freeze_") and (row["time"] is not None or answer.frozen_at is not None)
        indexes.append(0 if dated else row["index"])
        times.append(time)
        qualities.append(quality)
        received.append(answer.recv_at_ms)
        found[owner].append({**row, "time": time, "quality": quality, "recv_at": recv_at})
    columns = {
        "time": pa.array(times, table.schema.field("time").type),
        "quality": pa.array(qualities, pa.uint16()),
        "index": pa.array(indexes, table.schema.field("index").type),
    }
    for name, column in columns.items():
        table = table.set_column(table.column_names.index(name), name, column)
    table = table.append_column("meter", pa.array([answers[owner].meter for owner in owners], pa.string()))
    table = table.append_column("recv_at", pa.array(received, pa.timestamp("ms", tz="UTC")))
    return table, found


def _off_raster(time: dt.datetime, span: tuple[str, str, int]) -> bool:
    """Whether a record's stamp is no end of an interval: its meter's clock was wrong, or its records are."""
    return (time - dt.datetime.fromisoformat(span[0])) % dt.timedelta(minutes=span[2]) != dt.timedelta(0)


def _outside(answer: Answer, told: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the records of an answer are all of other times than those that were asked for."""
    if answer.item.span is None:
        return False
    first, last = (dt.datetime.fromisoformat(text) for text in answer.item.span[:2])
    return not any(row["value"] is not None and first <= row["time"] <= last for row in told)


def _impossible(row: dict[str, Any]) -> bool:
    bounds = _POSSIBLE.get(row["quantity"])
    return bounds is not None and row["value"] is not None and not bounds[0] <= row["value"] <= bounds[1]


def _judged(answer: Answer, values: list[dict[str, Any]]) -> Answer:
    """The answer with its values, or with the failure that they are."""
    told = [row for row in values if row["value"] is not None or row["text"] is not None]
    if not values:
        payload = sum(len(frame) for frame in answer.frames[1::2])
        failure = Failure(
            "unreadable",
            str(Text(f"{payload} bytes of answer without a known register", f"应答 {payload} 字节, 无可解析寄存器")),
            str(Text("`keyacct registers` lists what can be read", "`keyacct registers` 列出可解析的寄存器")),
        )
        return dataclasses.replace(answer, failure=failure)
    if not told:
        return dataclasses.replace(answer, values=tuple(values), failure=Failure("no_data"))
    for bit, cause in ((OUT_OF_RANGE, "implausible"), (INVALID_DIGIT, "implausible"), (CLOCK_SUSPECT, "clock_suspect")):
        bad = [row for row in told if row["quality"] & bit]
        if bad:
            shown = ", ".join(f"{row['quantity']} {row['value']}" for row in bad[:3])
            if bit == CLOCK_SUSPECT:
                shown = f"{bad[0]['time']:%Y-%m-%d %H:%M}"
            return dataclasses.replace(answer, values=tuple(values), failure=Failure(cause, shown))
    if _outside(answer, told):
        begin, end = (text.replace("T", " ") for text in (answer.item.span or ("", "", 0))[:2])
        failure = Failure("no_data", str(Text(f"no record of {begin} to {end}", f"无 {begin} 至 {end} 的记录")))
        return dataclasses.replace(answer, values=tuple(values), failure=failure)
    return dataclasses.replace(answer, values=tuple(values))


def rows_of(answers: Sequence[Answer], zone: zoneinfo.ZoneInfo) -> Iterator[dict[str, Any]]:
    """Rows `meter, time, quantity, phase, tariff, value, unit, quality`; one without value for each item that failed.

    The quality of a value is `good` or the names of its doubts, of a failed item the code of its cause.
    """
    for answer in answers:
        if answer.failure is not None and not any(row["value"] is not None for row in answer.values):
            yield {
                "meter": answer.meter, "time": None, "quantity": str(answer.item), "phase": None, "tariff": None,
                "value": None, "unit": None, "quality": answer.failure.cause,
            }  # fmt: skip
            continue
        for row in answer.values:
            value = row["value"] if row["value"] is not None else row["text"]
            yield {
                "meter": answer.meter, "time": row["time"].replace(tzinfo=zone), "quantity": row["quantity"],
                "phase": row["phase"], "tariff": row["tariff"], "value": _number(value), "unit": row["unit"],
                "quality": quality_text(row["quality"]),
            }  # fmt: skip


def quality_text(bits: int) -> str:
    """`good`, or the doubts of a value, `|` between them."""
    return "|".join(name for bit, name in QUALITY_NAMES if bits & bit) or "good"


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value


def tell(answer: Answer) -> str:
    """One sentence about an item that failed."""
    failure = answer.failure
    assert failure is not None, "only what failed has something to tell"  # noqa: S101  # a slip of ours, no data makes it
    tries = Text(f", asked {answer.attempts} times", f", 已试 {answer.attempts} 次") if answer.attempts > 1 else ""
    return f"{answer.meter} {answer.item}: {failure}{tries}"


def causes(answers: Sequence[Answer]) -> dict[str, int]:
    """How many items failed of each cause, in the order of `CAUSES`."""
    counts = dict.fromkeys(CAUSES, 0)
    for answer in answers:
        if answer.failure is not None:
            counts[answer.failure.cause] += 1
    return {cause: count for cause, count in counts.items() if count}
