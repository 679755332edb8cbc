"""Metered load of the customers of an event, day by day: from a file (CSV or Parquet), or from the store.

File: one row per customer and interval with the columns `customer` (also `id`, `account_no`), `time` (end of the
interval, ISO 8601; without an offset in the event's zone) and `kw` (mean kW of 15 minutes; empty = missing). Other
customers, and further columns, are left alone.
"""

from __future__ import annotations

import datetime as dt
import io
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from keyacct.analysis.load_curve import PERIOD_MIN, PERIODS, Curve
from keyacct.analysis.shed_event import ShedEvent
from keyacct.config import Workspace
from keyacct.errors import InputError
from keyacct.i18n import Text

DayCurves = Callable[[dt.date], Mapping[str, Curve]]
"""Curves of a civil day, 96 quarters of an hour, by customer; None where nothing is measured."""

NAMES = {"customer": ("customer", "id", "account_no"), "time": ("time", "ts"), "kw": ("kw",)}


def check_grid(event: ShedEvent, zone: dt.tzinfo) -> None:
    """Raises InputError unless the event's periods are quarters of an hour on the clock."""
    start = event.start.astimezone(zone)
    if event.minutes != PERIOD_MIN or start.minute % PERIOD_MIN or start.second or start.microsecond:
        raise InputError(
            "input.value",
            str(
                Text(
                    f"periods of {event.minutes} min from {event.start.isoformat()} are no quarters of an hour",
                    f"时段 {event.minutes} 分钟、起点 {event.start.isoformat()}, 不是整刻钟",
                )
            ),
            hint=str(Text("an evaluation needs a plan in periods of 15 minutes", "评价须为15分钟时段的方案")),
            where={"file": "meta.json"},
        )


def stored_curves(workspace: Workspace, accounts: Collection[str]) -> DayCurves:
    """The curves of accounts in the store. A value stands for its own interval only: where statistics bridge a short
    gap, here it stays a gap, for what was not measured is not proved.
    """
    from keyacct.analysis.load_curve import day_curves

    samples = workspace.settings.samples.model_copy(update={"max_gap_intervals": 1})
    strict = replace(workspace, settings=workspace.settings.model_copy(update={"samples": samples}))
    return lambda day: day_curves(strict, day, sorted(accounts))


def file_curves(content: bytes, name: str, zone: dt.tzinfo, customers: Collection[str]) -> DayCurves:
    """The curves of customers in a file. Raises InputError that names the row."""
    table = _columns(_table(content, name), name)
    table = table.append_column("row", pa.array(range(1, table.num_rows + 1), pa.int64()))
    wanted = pa.array(sorted(customers), pa.string())
    table = table.filter(pc.is_in(table["customer"], wanted))
    days: dict[dt.date, dict[str, list[float | None]]] = {}
    for customer, time, kw, row in _rows(table):
        where: dict[str, str | int] = {"file": name, "row": row}
        day, slot = _slot(time, zone, where)
        value = _kw(kw, where)
        if value is None:
            continue
        curve = days.setdefault(day, {}).setdefault(customer, [None] * PERIODS)
        before = curve[slot]
        if before is not None and before != value:
            raise InputError(
                "input.value",
                str(
                    Text(
                        f"customer '{customer}' has {before} kW and {value} kW at {time}",
                        f"客户 '{customer}' 在 {time} 有 {before} kW 与 {value} kW 两个值",
                    )
                ),
                hint=str(Text("keep one value of an interval", "每个时刻只保留一个值")),
                where=where,
            )
        curve[slot] = value
    found = {day: {c: tuple(curve) for c, curve in curves.items()} for day, curves in days.items()}
    return lambda day: found.get(day, {})


def over_horizon(event: ShedEvent, zone: dt.tzinfo, curves: DayCurves) -> dict[str, list[float | None]]:
    """The curve of every customer with an order over the event's horizon."""
    places = []
    for t in range(event.periods):
        begin = event.begin_of(t).astimezone(zone)
        places.append((begin.date(), (begin.hour * 60 + begin.minute) // PERIOD_MIN))
    days = {day: curves(day) for day in sorted({day for day, _ in places})}
    found: dict[str, list[float | None]] = {}
    for customer in event.by_customer:
        own = {day: listed.get(customer) for day, listed in days.items()}
        found[customer] = [None if (curve := own[day]) is None else curve[slot] for day, slot in places]
    return found


def _table(content: bytes, name: str) -> pa.Table:
    try:
        if content[:4] == b"PAR1":
            return pq.read_table(io.BytesIO(content))
        texts = {alias: pa.string() for aliases in NAMES.values() for alias in aliases}
        return pacsv.read_csv(
            io.BytesIO(content.removeprefix(b"\xef\xbb\xbf")),
            convert_options=pacsv.ConvertOptions(column_types=texts, strings_can_be_null=True, null_values=[""]),
        )
    except (pa.ArrowInvalid, pa.ArrowException, OSError) as error:
        raise InputError(
            "input.format",
            str(Text(f"neither CSV nor Parquet: {error}", f"既不是 CSV 也不是 Parquet: {error}")),
            hint=str(Text("write customer,time,kw", "请写 customer,time,kw")),
            where={"file": name},
        ) from None


def _columns(table: pa.Table, name: str) -> pa.Table:
    """The three columns under their own names."""
    chosen = {}
    for column, aliases in NAMES.items():
        found = next((alias for alias in aliases if alias in table.column_names), None)
        if found is None:
            raise InputError(
                "input.schema",
                str(Text(f"the column '{column}' is missing", f"缺少列 '{column}'")),
                hint=str(
                    Text("needed are customer, time (end of the interval) and kw", "须有 customer、time (时段止点)、kw")
                ),
                where={"file": name, "column": column},
            )
        chosen[column] = table[found]
    chosen["customer"] = chosen["customer"].cast(pa.string())
    return pa.table(chosen)


def _rows(table: pa.Table) -> Iterator[tuple[str, Any, Any, int]]:
    for batch in table.to_batches():
        yield from zip(*(batch[name].to_pylist() for name in ("customer", "time", "kw", "row")), strict=True)


def _slot(time: object, zone: dt.tzinfo, where: Mapping[str, str | int]) -> tuple[dt.date, int]:
    """Civil day and quarter of an hour that a stamp ends."""
    at = time
    if isinstance(time, str):
        try:
            at = dt.datetime.fromisoformat(time.strip())
        except ValueError:
            at = None
    if not isinstance(at, dt.datetime):
        raise InputError(
            "input.value",
            str(Text(f"{str(time)[:60]!r} is no time", f"{str(time)[:60]!r} 不是时间")),
            hint=str(Text("write 2026-07-15T17:15:00+08:00", "请写 2026-07-15T17:15:00+08:00")),
            where={**where, "column": "time"},
        )
    local = at.astimezone(zone) if at.tzinfo else at.replace(tzinfo=zone)
    if local.minute % PERIOD_MIN or local.second or local.microsecond:
        raise InputError(
            "input.value",
            str(Text(f"{local.isoformat()} ends no quarter of an hour", f"{local.isoformat()} 不是刻钟止点")),
            hint=str(Text("give mean kW of 15 minutes, stamped at their end", "请给出15分钟平均负荷, 时标为止点")),
            where={**where, "column": "time"},
        )
    begin = local - dt.timedelta(minutes=PERIOD_MIN)
    return begin.date(), (begin.hour * 60 + begin.minute) // PERIOD_MIN


def _kw(kw: object, where: Mapping[str, str | int]) -> float | None:
    if kw is None or (isinstance(kw, float) and math.isnan(kw)):
        return None
    try:
        value = float(kw)  # type: ignore[arg-type]  # a text or a number; anything else fails as it should
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise InputError(
            "input.value",
            str(Text(f"{str(kw)[:60]!r} is no number of kW from 0 up", f"{str(kw)[:60]!r} 不是不小于0的kW数")),
            hint=str(Text("leave the cell empty where nothing was measured", "无数据处请留空")),
            where={**where, "column": "kw"},
        )
    return value
