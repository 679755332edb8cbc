"""What the store lacks of the meters behind terminals that dial in, as questions for those terminals.

Q/GDW 1376.1: curves and day freezes of class 2 (AFN 0D), by point; DL/T 698.45: rows of the minute and day freezes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from keyacct import clock
from keyacct.capture.items import ItemCatalogue
from keyacct.capture.link import parse_link
from keyacct.config import Workspace
from keyacct.database import tables
from keyacct.database.engine import open_database
from keyacct.workflow.poll_backfill import Gap, find_gaps_of, rows_698
from keyacct.workflow.poll_targets import PollLine, Target

_CURVES = {1: (89, 90, 91, 92, 93, 94), 2: (81, 82, 83, 84, 85, 86, 87, 88), 3: (105,)}
"""Curves of class 2 that hold what a class of values is made of (Q/GDW 1376.1-2013, AFN 0D)."""
_DAY_REGISTERS = 161
_DENSITIES = {15: 1, 30: 2, 60: 3, 5: 254, 1: 255}
_POINTS_A_READ = 24
_CLASSES = frozenset({1, 2})


@dataclass(frozen=True)
class Wanted:
    """A question for one terminal: its name, and the message for `Station.question`."""

    terminal: str
    name: str
    message: Mapping[str, Any]


def terminal_questions(
    workspace: Workspace, protocol: str, terminals: Iterable[str], days_back: int
) -> tuple[list[Wanted], list[Gap]]:
    """(questions, gaps) of the meters behind terminals, of today and so many days before.

    Gaps that no terminal can fill any more (`beyond_depth`) are among the gaps and have no question.
    """
    today = clock.now().astimezone(workspace.zone).date()
    first = today - dt.timedelta(days=days_back)
    names = set(terminals)
    points = {
        target.meter_no: (target, number) for target, number in _points(workspace, protocol) if target.address in names
    }
    gaps = find_gaps_of(workspace, [target for target, _ in points.values()], first, today, lambda _: set(_CLASSES))
    catalogue = ItemCatalogue()
    questions: list[Wanted] = []
    for gap in gaps:
        if gap.cause == "open":
            if protocol == "dlt698.45":
                questions += _rows(catalogue, gap)
            else:
                questions += _class_2(gap, points[gap.target.meter_no][1])
    return questions, gaps


def _points(workspace: Workspace, protocol: str) -> Iterator[tuple[Target, int]]:
    """The meters that terminals speak for today, and their point numbers."""
    now = clock.now_ms()
    line = PollLine("", parse_link("socket://127.0.0.1:1"), None, None)
    device, meter = tables.device, tables.meter
    with open_database(workspace).read() as connection:
        query = sa.select(device).where(
            device.c.protocol == protocol, device.c.valid_from <= now, device.c.valid_to > now
        )
        for row in connection.execute(query).mappings():
            yield Target(row["meter_no"], row["address"], protocol, line), int(row["point_no"])
        own = sa.select(meter.c.meter_no, meter.c.address).where(
            meter.c.protocol == protocol, meter.c.address.is_not(None)
        )
        for number, address in connection.execute(own):
            yield Target(number, address, protocol, line), 0


def _class_2(gap: Gap, point: int) -> Iterator[Wanted]:
    terminal = gap.target.address
    if gap.kind == "freeze_day":
        for index in range(gap.count):
            day = (gap.first + dt.timedelta(days=index - 1)).date().isoformat()  # the freeze of its end
            item = {"pn": point, "fn": _DAY_REGISTERS, "at": day}
            yield Wanted(terminal, f"0D P{point} F{_DAY_REGISTERS} {day}", {"afn": "0D", "items": [item]})
        return
    density = _DENSITIES.get(gap.step // dt.timedelta(minutes=1), 1)
    for index in range(0, gap.count, _POINTS_A_READ):
        at = f"{gap.first + index * gap.step:%Y-%m-%dT%H:%M}"
        points = min(_POINTS_A_READ, gap.count - index)
        for fn in _CURVES[gap.number]:
            item = {"pn": point, "fn": fn, "at": at, "density": density, "points": points}
            yield Wanted(terminal, f"0D P{point} F{fn} {at} +{points - 1}", {"afn": "0D", "items": [item]})


def _rows(catalogue: ItemCatalogue, gap: Gap) -> Iterator[Wanted]:
    for item in rows_698(catalogue, gap):
        if item.rows is not None:
            for request in item.rows.requests(item.key):
                yield Wanted(gap.target.address, item.name, request)
