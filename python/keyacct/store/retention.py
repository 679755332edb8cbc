"""Retention: whole days of a family that are older than their time are taken out of the store, audited."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from keyacct import clock
from keyacct.config import Workspace
from keyacct.database import audit
from keyacct.database.engine import open_database
from keyacct.errors import WriteError
from keyacct.model import civil
from keyacct.store.families import FAMILIES
from keyacct.store.index import Segment, kill_segments, live_segments


@dataclass(frozen=True)
class Retired:
    """A day of a family that is out of its time."""

    family: str
    day: str
    keep_days: int
    segments: int
    rows: int
    bytes: int

    def as_row(self) -> dict[str, Any]:
        """As a row for printing."""
        return {**self.__dict__}


NEVER = frozenset({"energy", "tariff_energy", "demand", "parameter", "event"})
"""Families whose rows bills, corrections and disputes rest on; `retention` has no key for them."""


def keep_days(workspace: Workspace) -> dict[str, int]:
    """Days that each family is kept; 0: for ever."""
    chosen = workspace.settings.retention.model_dump()
    return {name: 0 if name in NEVER else int(chosen.get(f"{name}_days", 0)) for name in FAMILIES}


def retire(workspace: Workspace, *, execute: bool = False) -> list[Retired]:
    """The days that are out of their time; with `execute` they leave the store (their files go after the grace time).

    One transaction with its audit row. Raises WriteError when the store changed meanwhile: nothing was done then.
    """
    kept = keep_days(workspace)
    today = civil(clock.now_ms(), workspace.zone).date()
    database = open_database(workspace)
    with database.read() as connection:
        live = live_segments(connection)
    days: dict[tuple[str, str], list[Segment]] = {}
    for segment in live:
        limit = kept[segment.family]
        if limit and dt.date.fromisoformat(segment.day) < today - dt.timedelta(days=limit):
            days.setdefault((segment.family, segment.day), []).append(segment)
    found = [
        Retired(family, day, kept[family], len(own), sum(s.rows for s in own), sum(s.bytes for s in own))
        for (family, day), own in sorted(days.items())
    ]
    if not execute or not found:
        return found
    leaving = [segment for own in days.values() for segment in own]
    with database.write() as connection:
        now = clock.now_ms()
        if not kill_segments(connection, [s.id for s in leaving if s.id is not None], now):
            raise WriteError(
                "write.failed", "the store was compacted meanwhile", hint="nothing was retired; run again",
                where={"file": str(workspace.root)},
            )  # fmt: skip
        body = {
            "days": [retired.as_row() for retired in found],
            "segments": [[segment.path, segment.sha256] for segment in leaving],
        }
        audit.append(connection, "store.retire", body)
    return found
