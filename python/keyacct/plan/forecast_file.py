"""A load forecast from a file: `account_no`, `at` (end of the quarter of an hour), `kw`."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import zoneinfo
from collections.abc import Collection

from keyacct.analysis.load_curve import PERIOD_MIN
from keyacct.errors import InputError
from keyacct.plan.priority_file import decode


def read_forecast(
    data: bytes, file: str, day: dt.date, zone: zoneinfo.ZoneInfo, accounts: Collection[str], periods: int
) -> dict[str, dict[int, float]]:
    """KW by account and period. Accounts of no interest and times outside the horizon are passed over.

    Raises InputError with file, row and column for what is no number from 0 up, no quarter of an hour, or stands twice.
    """
    reader = csv.DictReader(io.StringIO(decode(data, file), newline=""), strict=True)
    result: dict[str, dict[int, float]] = {}
    start = dt.datetime.combine(day, dt.time())
    try:
        for name in ("account_no", "at", "kw"):
            if name not in (reader.fieldnames or []):
                raise InputError(
                    "input.schema", f"the column '{name}' is missing", hint="columns are account_no, at, kw",
                    where={"file": file, "row": 1},
                )  # fmt: skip
        for row in reader:
            account = (row["account_no"] or "").strip()
            if account not in accounts:
                continue
            period = _period((row["at"] or "").strip(), start, zone, file, reader.line_num)
            kw = _kw((row["kw"] or "").strip(), file, reader.line_num)
            own = result.setdefault(account, {})
            if period in own:
                raise _bad(f"account {account} has a value for {row['at']} already", file, reader.line_num, "at")
            if 0 <= period < periods:
                own[period] = kw
    except csv.Error as error:
        where: dict[str, str | int] = {"file": file, "row": reader.line_num}
        raise InputError("input.format", f"not valid CSV: {error}", hint="mend this line", where=where) from None
    return result


def _period(text: str, start: dt.datetime, zone: zoneinfo.ZoneInfo, file: str, row: int) -> int:
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        raise _bad(f"{text!r} is no time, write for example 2026-07-15T17:15", file, row, "at") from None
    local = at.astimezone(zone).replace(tzinfo=None) if at.tzinfo else at
    minutes = (local - start).total_seconds() / 60
    if minutes % PERIOD_MIN:
        raise _bad(f"{text!r} is no quarter of an hour", file, row, "at")
    return int(minutes // PERIOD_MIN) - 1


def _kw(text: str, file: str, row: int) -> float:
    try:
        kw = float(text)
    except ValueError:
        kw = math.nan
    if not math.isfinite(kw) or kw < 0 or kw > 1e9:
        raise _bad(f"{text!r} is no load from 0 up, kW", file, row, "kw")
    return kw


def _bad(what: str, file: str, row: int, column: str) -> InputError:
    where: dict[str, str | int] = {"file": file, "row": row, "column": column}
    return InputError("input.value", what, hint="mend the row and run again", where=where)
