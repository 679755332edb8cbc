"""What a round leaves in the database beside its readings: due times served, what is failing, counts of the day."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from keyacct.capture.asking import Answer
from keyacct.database import acquisition_tables as tables


def write_marks(connection: sa.Connection, marks: Sequence[dict[str, Any]]) -> None:
    """Rows of `poll_mark`, in place of those that are there. All statements of a batch go as one."""
    if not marks:
        return
    table = tables.poll_mark
    plans = sorted({mark["poll_plan"] for mark in marks})
    query = sa.select(table.c.poll_plan, table.c.meter_no).where(table.c.poll_plan.in_(plans))
    there = {(plan, meter) for plan, meter in connection.execute(query)}
    old = [mark for mark in marks if (mark["poll_plan"], mark["meter_no"]) in there]
    new = [mark for mark in marks if (mark["poll_plan"], mark["meter_no"]) not in there]
    if old:
        changed: dict[str, Any] = {
            name: sa.bindparam(f"new_{name}") for name in old[0] if name not in ("poll_plan", "meter_no")
        }
        same = (table.c.poll_plan == sa.bindparam("of_plan"), table.c.meter_no == sa.bindparam("of_meter"))
        connection.execute(table.update().where(*same).values(**changed), [
            {f"new_{name}": mark[name] for name in changed}
            | {"of_plan": mark["poll_plan"], "of_meter": mark["meter_no"]}
            for mark in old
        ])  # fmt: skip
    if new:
        connection.execute(table.insert(), list(new))


def note_failures(connection: sa.Connection, answers: Sequence[Answer], now: int) -> None:
    """The last failure of every item that is failing; an item that was read has none."""
    table = tables.poll_failure
    there = {(meter, item) for meter, item in connection.execute(sa.select(table.c.meter_no, table.c.item))}
    for answer in answers:
        key = (answer.meter, str(answer.item))
        same = (table.c.meter_no == key[0], table.c.item == key[1])
        if answer.failure is None:
            if key in there:
                connection.execute(table.delete().where(*same))
                there.discard(key)
            continue
        if answer.failure.cause == "interrupted":
            continue
        values = {"cause": answer.failure.cause, "detail": answer.failure.detail[:300], "failed_at": now}
        if key in there:
            connection.execute(table.update().where(*same).values(times=table.c.times + 1, **values))
        else:
            connection.execute(table.insert().values(meter_no=key[0], item=key[1], times=1, **values))
            there.add(key)


def add_tally(connection: sa.Connection, day: str, plan: str, tally: dict[str, Any], now: int) -> None:
    """Add the counts of a batch to those of a day and plan."""
    table = tables.poll_tally
    same = (table.c.day == day, table.c.poll_plan == plan)
    old = connection.execute(sa.select(table).where(*same)).mappings().first()
    if old is None:
        row = {**tally, "causes": json.dumps(tally["causes"], sort_keys=True), "updated_at": now}
        connection.execute(table.insert().values(day=day, poll_plan=plan, **row))
        return
    counts: dict[str, int] = json.loads(old["causes"])
    for cause, count in tally["causes"].items():
        counts[cause] = counts.get(cause, 0) + count
    connection.execute(table.update().where(*same).values(
        scheduled=old["scheduled"] + tally["scheduled"], first_pass=old["first_pass"] + tally["first_pass"],
        final=old["final"] + tally["final"], causes=json.dumps(counts, sort_keys=True), updated_at=now,
    ))  # fmt: skip
