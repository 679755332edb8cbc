"""The typical day of accounts: the measured day whose energy lies in the middle (S0 §1.5.2.2)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keyacct.analysis.load import load
from keyacct.config import CalendarSettings, Workspace
from keyacct.model import Period

Row = Mapping[str, Any]


@dataclass(frozen=True)
class TypicalDay:
    """A day and its curve. day: None when no day has an energy. of_days: among how many days it was chosen; workdays:
    whether those were workdays only. curve: (end of the demand window, mean kW or None), in order.
    """

    account_no: str
    day: dt.date | None
    of_days: int
    workdays: bool
    curve: tuple[tuple[dt.datetime, float | None], ...]


def choose_day(days: Iterable[Row], calendar: CalendarSettings | None = None) -> tuple[dt.date | None, int, bool]:
    """The day of median energy: of complete workdays, else of complete days, else of any with an energy.

    days: rows of `Load.day` of one account. Of an even number the lower of the two in the middle, of equal energies the
    earlier day. Returns (day, number of days looked at, only workdays?). calendar: holidays and
    make-up working days (None: the weekday decides).
    """
    kind_of = (calendar or CalendarSettings.model_construct()).kind
    measured = [row for row in days if row["energy_kwh"] is not None]
    complete = [row for row in measured if row["completeness"] is not None and row["completeness"] >= 1]
    workdays = [row for row in complete if kind_of(row["day"]) == "workday"]
    for candidates, only in ((workdays, True), (complete, False), (measured, False)):
        if candidates:
            ordered = sorted(candidates, key=lambda row: (row["energy_kwh"], row["day"]))
            return ordered[(len(ordered) - 1) // 2]["day"], len(ordered), only
    return None, 0, False


def typical_day(workspace: Workspace, days: Mapping[str, Sequence[Row]]) -> dict[str, TypicalDay]:
    """The typical day of each account and its load curve; one run of the kernel for all accounts of a day.

    days: rows of `Load.day` by account number, as `load` gave them for the period.
    """
    chosen = {account: choose_day(rows, workspace.settings.calendar) for account, rows in days.items()}
    curves: dict[str, list[tuple[dt.datetime, float | None]]] = {}
    for day in sorted({day for day, _, _ in chosen.values() if day is not None}):
        accounts = [account for account, (own, _, _) in chosen.items() if own == day]
        for row in load(workspace, Period.parse(str(day)), accounts=accounts).peak_day_curve.to_pylist():
            at = row["at"].astimezone(workspace.zone)
            curves.setdefault(row["account_no"], []).append((at, row["kw"]))
    return {
        account: TypicalDay(account, day, of_days, workdays, tuple(sorted(curves.get(account, ()))))
        for account, (day, of_days, workdays) in chosen.items()
    }
