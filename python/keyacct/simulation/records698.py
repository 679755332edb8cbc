"""Record tables of simulated servers of DL/T 698.45: minute, hour, day and month freezes by GetRecord. Source: §7.3.4, A.5."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from keyacct.simulation.device import Meter

FREEZE_TIME, STORE_TIME = "20210200", "60420200"
_COLUMNS = ("00100200", "20000200", "20010200", "20040200")
"""What a row has when the request names no columns."""
MOST_ROWS = 24
"""Rows of one answer, which goes in one frame; a request for more gets the first of them."""

Present = Callable[[Meter, dt.datetime, str], dict[str, Any]]


def record_answer(meter: Meter, apdu: dict[str, Any], present: Present) -> dict[str, Any]:
    """`columns` with `rows`, or `dar`, of a GetRequestRecord. present: an attribute of a meter at a time."""
    table, rsd = str(apdu["oad"]), apdu["rsd"]
    columns = [str(column) for column in apdu["columns"]] or [FREEZE_TIME, *_COLUMNS]
    stamps = stamps_of(meter, table, meter.now())
    if stamps is None:
        return {"dar": 6}
    key = STORE_TIME if table.startswith("6012") else FREEZE_TIME
    chosen = _chosen(stamps, rsd)
    if chosen is None:
        return {"dar": 4}
    rows = []
    for stamp in chosen[:MOST_ROWS]:
        written = meter.memory.written(stamp) if table.startswith("5002") else stamp
        row: list[dict[str, Any]] = []
        for column in columns:
            if column in (key, FREEZE_TIME, STORE_TIME):
                row.append({"date_time_s": written.isoformat(timespec="seconds")})
            else:
                row.append(present(meter, stamp, column).get("data", {"null": None}))
        rows.append(row)
    return {"columns": columns, "rows": rows}


def stamps_of(meter: Meter, table: str, now: dt.datetime) -> list[dt.datetime] | None:
    """Times of the rows that a table keeps, the oldest first; None for a table that the server does not have."""
    memory = meter.memory
    if table in ("50020200", "60120300"):
        return list(memory.load_stamps(now))
    if table == "50030200":
        found = (memory.hour(now, back) for back in range(1, memory.hourly_freezes + 1))
    elif table == "50040200":
        found = (memory.day(now, back) for back in range(1, memory.daily_freezes + 1))
    elif table == "50060200":
        return memory.month_begins(now)[::-1]
    else:
        return None
    return [stamp for stamp in found if stamp is not None][::-1]


def _chosen(stamps: list[dt.datetime], rsd: dict[str, Any]) -> list[dt.datetime] | None:
    """The rows of a selection (selectors 1, 2, 9 and 10); None for another."""
    selector = rsd.get("selector")
    if selector == 1:
        at = _time(rsd["value"])
        return [stamp for stamp in stamps if stamp == at]
    if selector == 2:  # begin included, end not
        begin, end = _time(rsd["begin"]), _time(rsd["end"])
        return [stamp for stamp in stamps if begin <= stamp < end]
    if selector == 9:
        number = int(rsd["last"])
        return stamps[-number : len(stamps) - number + 1] if 1 <= number <= len(stamps) else []
    if selector == 10:
        return stamps[-int(rsd["last"]) :]
    return None


def _time(value: dict[str, Any]) -> dt.datetime:
    return dt.datetime.fromisoformat(str(value["date_time_s"]))
