"""Care of terminals that dial in: the same rule, journal and findings as for meters on lines."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import sqlalchemy as sa

from keyacct import clock
from keyacct.capture.device_clock import ClockReading
from keyacct.capture.master.clocks import ClockBook
from keyacct.config import Workspace
from keyacct.database.care_tables import care_finding
from keyacct.database.engine import open_database
from keyacct.workflow.care import journal
from keyacct.workflow.care.clocks import clock_checks, open_book
from keyacct.workflow.care.findings import note_findings
from keyacct.workflow.care.journal import TERMINAL, Act

_UNCERTAINTY_S = 1.0
"""Of a terminal's clock as the station sees it: whole seconds there, and the way of the answer."""


class TerminalCare:
    """What is known of the clocks of terminals, and what is kept of it. Writes little: only what changes."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.book: ClockBook = open_book(workspace, TERMINAL)
        self._told: dict[str, str] = {}
        self._pending: dict[str, int] = {}
        table = care_finding
        query = sa.select(table.c.device).where(table.c.device_kind == TERMINAL, table.c.resolved_at.is_(None))
        with open_database(workspace).read() as connection:
            self._wrong = {row[0] for row in connection.execute(query)}

    def note(self, seen: Mapping[str, tuple[float, str]], local: dt.datetime) -> None:
        """Deviations and verdicts of some terminals: findings opened and closed, settings that are now proved."""
        if clock.is_fixed():
            return
        worth = {
            terminal: (deviation_s, verdict)
            for terminal, (deviation_s, verdict) in seen.items()
            if verdict != self._told.get(terminal, "right") or terminal in self._wrong or terminal in self._pending
        }
        proved = []
        changed = {t: each for t, each in worth.items() if self._told.get(t) != each[1]}
        for terminal, (deviation_s, _) in worth.items():
            number = self._pending.pop(terminal, None)
            if number is not None:
                good = abs(deviation_s) <= self.book.rule.least_s
                proved.append((number, "done" if good else "failed", f"{deviation_s:+.1f} s"))
        if proved:
            journal.end(self.workspace, proved)
        if not changed:
            return
        settings, now = self.workspace.settings.care, clock.now_ms()
        with open_database(self.workspace).write() as connection:
            for terminal, (deviation_s, verdict) in changed.items():
                there = (local + dt.timedelta(seconds=deviation_s)).replace(microsecond=0)
                reading = ClockReading(there, deviation_s, _UNCERTAINTY_S, now, 0.0)
                journal.note_clock(connection, (TERMINAL, terminal), reading, verdict, right_s=settings.clock_right_s)
                checks = clock_checks(reading, verdict, settings, local)
                note_findings(connection, (TERMINAL, terminal), checks, now)
                (self._wrong.add if any(each.differs for each in checks) else self._wrong.discard)(terminal)
                self._told[terminal] = verdict

    def begin(self, deviations_s: Mapping[str, float], protocol: str, local: dt.datetime) -> None:
        """Keep which terminals are about to be set, all in one transaction. Raises WriteError: then none is."""
        acts = [
            Act("sync", (TERMINAL, terminal), "set", "", {
                "protocol": protocol, "deviation_s": round(deviation_s, 1), "set_to": local.isoformat(),
            })
            for terminal, deviation_s in deviations_s.items()
        ]  # fmt: skip
        if acts:
            self._pending |= dict(zip(deviations_s, journal.begin(self.workspace, acts), strict=True))
