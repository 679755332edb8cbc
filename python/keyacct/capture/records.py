"""Rows of record tables of DL/T 698.45: which table, which columns, which rows, as a person writes it.

`freeze_day:active_import+voltage@2026-07-01..2026-07-03`: a table (by name, or an OAD), its columns (all where none are
named), and behind `@` the rows: `last`, `last3`, one time, or from..to, both ends included. Source: DL/T 698.45-2017
§7.3.4 (RSD, RCSD) and annex A.5 (freezing).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keyacct.errors import UsageError
from keyacct.i18n import Text

TABLES = {
    "freeze_instant": "50000200", "freeze_second": "50010200", "freeze_minute": "50020200", "freeze_hour": "50030200",
    "freeze_day": "50040200", "freeze_settlement": "50050200", "freeze_month": "50060200", "freeze_year": "50070200",
    "task_records": "60120300",
}  # fmt: skip
"""Record tables that every server may have, by the names that they have here; event tables are in the catalogue."""

FREEZE_TIME, EVENT_START, STORE_TIME = "20210200", "201E0200", "60420200"
MOST_LAST = 100
_FORM = re.compile(
    r"(?P<table>\w+)(?::(?P<columns>\w+(?:\+\w+)*))?(?:@(?P<rows>last\d*|[\dT:-]+(?:\.\.[\dT:-]+)?))?", re.ASCII
)


@dataclass(frozen=True)
class Rows:
    """Which columns and rows. columns: OADs, all that there are if none; last: so many; else begin to end (civil, ISO).

    end None: the one row of `begin`. key: the column of the times.
    """

    columns: tuple[str, ...] = ()
    last: int = 0
    begin: str = ""
    end: str | None = None
    key: str = FREEZE_TIME

    def requests(self, table: str) -> list[dict[str, Any]]:
        """The requests for them, as `keyacct.wire.encode` takes an APDU; one for each of the last rows.

        The newest n at once (selector 10) is for the tasks of terminals; selector 9 is the n-th last row alone.
        """
        rsds: list[dict[str, Any]]
        if self.last and self.key == STORE_TIME:
            rsds = [{"selector": 10, "last": self.last, "ms": "all"}]
        elif self.last:
            rsds = [{"selector": 9, "last": number} for number in range(1, self.last + 1)]
        elif self.end is None:
            rsds = [{"selector": 1, "oad": self.key, "value": {"date_time_s": self.begin}}]
        else:
            rsds = [{
                "selector": 2, "oad": self.key, "begin": {"date_time_s": self.begin},
                "end": {"date_time_s": self.end}, "interval": {"null": None},
            }]  # fmt: skip
        columns = list(self.columns)
        return [{"service": "GetRequestRecord", "oad": table, "rsd": rsd, "columns": columns} for rsd in rsds]


def parse_rows(text: str, column: Callable[[str], str], table: Callable[[str], str]) -> tuple[str, Rows] | None:
    """(OAD of the table, rows) that a text names; None when it names no rows of a table. Raises UsageError.

    column, table: give the OAD of a name that is no name of `TABLES`; they raise UsageError.
    """
    if not re.search(r"[:@]", text) and text not in TABLES:
        return None
    match = _FORM.fullmatch(text)
    if match is None:
        raise _wrong(text)
    name = match["table"]
    oad = TABLES.get(name) or table(name)
    is_event, is_task = oad[:2] in ("30", "31", "32"), oad[:3] == "601"
    key = EVENT_START if is_event else STORE_TIME if is_task else FREEZE_TIME
    columns = tuple(dict.fromkeys(column(part) for part in match["columns"].split("+"))) if match["columns"] else ()
    if columns and key not in columns:
        columns = (key, *columns)  # without it nobody knows of when a row is
    rows = match["rows"] or "last"
    if rows.startswith("last"):
        count = int(rows[4:] or 1)
        if not 1 <= count <= MOST_LAST:
            raise _wrong(text)
        return oad, Rows(columns, count, key=key)
    begin, several, end = rows.partition("..")
    try:
        first = dt.datetime.fromisoformat(begin)
        if not several:
            return oad, Rows(columns, begin=first.isoformat(), key=key)
        last = dt.datetime.fromisoformat(end) + (dt.timedelta(days=1) if "T" not in end else dt.timedelta(seconds=1))
    except ValueError:
        raise _wrong(text) from None
    if last <= first or first.tzinfo is not None or last.tzinfo is not None:
        raise _wrong(text)
    return oad, Rows(columns, begin=first.isoformat(), end=last.isoformat(), key=key)


def _wrong(text: str) -> UsageError:
    names = ", ".join(TABLES)
    return UsageError(
        "usage.invalid",
        str(Text(f"{text!r} names no rows of a record table", f"{text!r} 不是记录表的行")),
        hint=str(
            Text(
                f"write TABLE:COLUMN+COLUMN@ROWS, rows as last, last3, 2026-07-01 or 2026-07-01..2026-07-03; tables: "
                f"{names}, or an OAD",
                f"写作 表:列+列@行, 行为 last、last3、2026-07-01 或 2026-07-01..2026-07-03; 表: {names} 或 OAD",
            )
        ),
    )
