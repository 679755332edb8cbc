"""Terminals that dial in: ask them by a plan, keep what they say in the store or in a file."""

from __future__ import annotations

import datetime as dt
import time
import zoneinfo
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keyacct import clock
from keyacct.capture.master.clocks import ClockBook, ClockRule
from keyacct.capture.master.limits import Limits, allow_files
from keyacct.capture.master.plan import Plan, Read
from keyacct.capture.master.readings import frame_readings
from keyacct.capture.master.station import Failed, Question, Session, Station
from keyacct.config import CareSettings, Workspace
from keyacct.errors import InputError, UsageError, Where, from_os_error
from keyacct.i18n import Text

if TYPE_CHECKING:
    import pyarrow as pa

    from keyacct.workflow.care.terminals import TerminalCare

DECODER = "listen-1"
FLUSH_FRAMES, FLUSH_S = 20_000, 60.0


@dataclass
class ListenSummary:
    """What came of it. counts: of the station (`docs/listening.md` names them)."""

    counts: dict[str, int] = field(default_factory=dict)
    readings: int = 0
    rows_added: int = 0
    failures: list[Failed] = field(default_factory=list)


def make_station(protocol: str, host: str, port: int, zone: zoneinfo.ZoneInfo, **more: Any) -> Station:
    """The master station of a protocol. Raises LinkError, UsageError."""
    limits: Limits = more.get("limits") or Limits()
    allow_files(limits.connections)
    return _station_of(protocol)(host, port, zone=zone, **more)


def _station_of(protocol: str) -> type[Station]:
    if protocol == "dlt698.45":
        from keyacct.capture.master.dlt698 import Dlt698Station

        return Dlt698Station
    from keyacct.capture.master.gdw1376 import Gdw1376Station

    return Gdw1376Station


def read_allow_list(file: Path, protocol: str) -> list[str]:
    """Addresses of terminals of a file: one a line, `#` begins a comment. Raises InputError with file and line."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise from_os_error(error, writing=False, file=str(file)) from None
    except UnicodeDecodeError as error:
        raise InputError(
            "input.format", str(Text("a list of addresses is text in UTF-8", "地址表应为 UTF-8 文本")),
            hint=str(Text("one address a line, such as 3701-0001", "每行一个地址, 如 3701-0001")),
            where={"file": str(file), "offset": error.start},
        ) from None  # fmt: skip
    found = []
    for number, line in enumerate(lines, 1):
        address = line.partition("#")[0].strip()
        if not address:
            continue
        try:
            _station_of(protocol).address_of(address)
        except UsageError as error:
            where: Where = {"file": str(file), "line": number}
            raise InputError("input.value", error.message, hint=error.hint, where=where) from None
        found.append(address)
    return found


def registered_terminals(workspace: Workspace, protocol: str) -> list[str]:
    """Addresses of the terminals that the registry knows for a protocol, or without saying a protocol."""
    import sqlalchemy as sa

    from keyacct.database.engine import open_database
    from keyacct.database.registry_tables import terminal

    with open_database(workspace).read() as connection:
        query = sa.select(terminal.c.address).where(
            sa.or_(terminal.c.protocol == protocol, terminal.c.protocol.is_(None))
        )
        return sorted({row[0] for row in connection.execute(query) if row[0]})


class Listening:
    """A station at work. `run` until `stop` is called (from any thread) or the rounds are done."""

    def __init__(
        self,
        station: Station,
        plan: Plan,
        zone: zoneinfo.ZoneInfo,
        *,
        workspace: Workspace | None = None,
        out: Path | None = None,
        rounds: int | None = None,
        expected: int = 1,
        log: Callable[..., None] | None = None,
        watch: Callable[[Station], None] | None = None,
        backfill_days: int | None = None,
    ) -> None:
        """backfill_days: ask each terminal, when it has logged in, what the store lacks of today and so many days before.
        rounds: stop after so many rounds of the whole plan, the first when `expected` terminals are there.

        watch: called about once a second.
        """
        self.station, self.plan, self.zone = station, plan, zone
        self.workspace, self.out, self.rounds, self.expected = workspace, out, rounds, expected
        self.summary = ListenSummary()
        self._log = log or (lambda event, **fields: None)
        self._watch = watch
        care = workspace.settings.care if workspace is not None else CareSettings.model_construct()
        self._clocks = ClockBook(ClockRule.of(care))
        self._care: TerminalCare | None = None
        if workspace is not None and plan.clock:
            from keyacct.workflow.care.terminals import TerminalCare

            self._care = TerminalCare(workspace)
            self._clocks = self._care.book
        self._backfill_days = backfill_days if workspace is not None else None
        self._filled: dict[bytes, Session] = {}
        self._stopping = False
        self._slots: dict[str, int] = {}
        self._clock_day: dt.date | None = None
        self._tables: list[pa.Table] = []
        self._saving: Future[None] | None = None

    def stop(self) -> None:
        """Take no more questions, keep what has come, and end."""
        self._stopping = True
        self.station.front.wake()

    def run(self) -> ListenSummary:
        """Serve until stopped. Raises WriteError when what came cannot be kept."""
        station = self.station
        self._note_slots(self._local())
        flushed = looked = time.monotonic()
        asked = 0
        with ThreadPoolExecutor(1) as saver:
            try:
                while not self._stopping:
                    station.turn(0.1)
                    now = time.monotonic()
                    if self.rounds is not None and self._idle():
                        if asked == self.rounds:
                            break
                        if len(station.sessions) >= self.expected:
                            asked += 1
                            self._ask_all()
                    if now - looked >= 1.0:
                        looked = now
                        self._look()
                    if len(station.frames) >= FLUSH_FRAMES or (
                        (station.frames or station.incidents) and now - flushed >= FLUSH_S
                    ):
                        flushed = now
                        self._flush(saver)
            finally:
                station.front.stop_accepting()
                try:
                    self._flush(saver, wait=True)
                finally:
                    station.front.shut()
        self.summary.counts = dict(sorted(station.counts.items()))
        self.summary.failures = station.failures
        self._write_out()
        return self.summary

    def _idle(self) -> bool:
        """Whether every question is answered or given up."""
        station = self.station
        return not station.busy and not any(session.todo for session in station.sessions.values())

    def _local(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.station.now_ms / 1000, self.zone).replace(tzinfo=None)

    def _question(self, read: Read, local: dt.datetime) -> Question:
        return self.station.question("read", read.name, read.at(local))

    def _ask_all(self, sessions: Iterable[Session] | None = None) -> None:
        local = self._local()
        self._fill()
        for read in self.plan.reads:
            self.station.ask(self._question(read, local), sessions)

    def _fill(self) -> None:
        """Ask terminals that have logged in since the last time what the store lacks of their meters."""
        if self._backfill_days is None or self.workspace is None:
            return
        from keyacct.workflow.listen_backfill import terminal_questions

        station = self.station
        new = {s.address: s for s in station.sessions.values() if self._filled.get(s.address) is not s}
        if not new:
            return
        self._filled.update(new)
        sessions = {station.name_of(address): session for address, session in new.items()}
        wanted, gaps = terminal_questions(self.workspace, station.protocol, sessions, self._backfill_days)
        for question in wanted:
            station.ask(station.question("read", question.name, question.message), (sessions[question.terminal],))
        for gap in gaps:
            self._log("gap", terminal=gap.target.address, meter=gap.target.meter_no, family=gap.family, kind=gap.kind,
                      first=gap.first.isoformat(), last=gap.last.isoformat(), count=gap.count, cause=gap.cause)  # fmt: skip

    def _look(self) -> None:
        """Once a second: what is due, clocks, figures."""
        station, local = self.station, self._local()
        if self._watch is not None:
            self._watch(station)
        if self.rounds is None:
            for question in self._note_slots(local):
                station.ask(question)
        self._fill()
        deviations, station.deviations_s = station.deviations_s, {}
        verdicts = {
            terminal: (deviation_s, self._clocks.judge(terminal, deviation_s, local))
            for terminal, deviation_s in deviations.items()
        }
        if self._care is not None and verdicts:
            self._care.note(verdicts, local)
            to_set = {t: s for t, (s, verdict) in verdicts.items() if verdict == "set" and self._may_set(t)}
            self._care.begin(to_set, self.station.protocol, local)
        for terminal, (deviation_s, verdict) in verdicts.items():
            self._clock(terminal, deviation_s, verdict, local)

    def _note_slots(self, local: dt.datetime) -> list[Question]:
        """What became due since the last call; a terminal that logs in is asked everything once."""
        if self.rounds is not None:
            return []
        slots = {f"{number} {read.name}": read.slot(local) for number, read in enumerate(self.plan.reads)}
        due = [r for (key, slot), r in zip(slots.items(), self.plan.reads, strict=True) if self._slots.get(key) != slot]
        clock_due = self.plan.clock and self._clock_day != local.date()
        self._slots, self._clock_day = slots, local.date()
        questions = [self._question(read, local) for read in due]
        if clock_due:
            questions.append(self.station.read_clock())
        if questions:
            clock = (self.station.read_clock(),) if self.plan.clock else ()
            self.station.on_login = (*clock, *(self._question(read, local) for read in self.plan.reads))
        return questions

    def _may_set(self, terminal: str) -> bool:
        """Whether the plan lets clocks be set, ours runs, and the terminal is there."""
        there = self.station.sessions.get(self.station.address_of(terminal)) is not None
        return self.plan.sync and not clock.is_fixed() and there

    def _clock(self, terminal: str, deviation_s: float, verdict: str, local: dt.datetime) -> None:
        if verdict == "right":
            return
        if verdict == "later":
            self.station.deviations_s.setdefault(terminal, deviation_s)
            return
        if verdict == "set" and not self._may_set(terminal):
            verdict = "off"
        self._log("clock", terminal=terminal, deviation_s=round(deviation_s, 1), verdict=verdict)
        self.station.counts[f"clock_{verdict}"] += 1
        if verdict == "set":
            session = self.station.sessions.get(self.station.address_of(terminal))
            if session is not None:
                self._clocks.was_set(terminal, local)
                self.station.set_clock(session, local)
                if self._care is not None:
                    self.station.ask(self.station.read_clock(), (session,))

    def _flush(self, saver: ThreadPoolExecutor, *, wait: bool = False) -> None:
        """Hand what has come to the other thread; the one before must be through, so that order is kept."""
        if self._saving is not None:
            self._saving.result()
            self._saving = None
        frames, received_ms, unverified = self.station.take_all()
        incidents = self.station.take_incidents()
        if frames or incidents:
            self._saving = saver.submit(self._save, frames, received_ms, unverified, incidents)
        if wait and self._saving is not None:
            self._saving.result()
            self._saving = None

    def _save(
        self, frames: list[bytes], received_ms: list[int], unverified: set[int], incidents: list[dict[str, Any]]
    ) -> None:
        if incidents and self.workspace is not None:
            from keyacct.workflow.auditing import record

            for incident in incidents:
                record(self.workspace, "listen.refused", {"protocol": self.station.protocol, **incident})
        if not frames:
            return
        readings = frame_readings(frames, received_ms, self.station.protocol, self.zone, unverified=unverified)
        self.summary.readings += readings.num_rows
        if self.workspace is None:
            self._tables.append(readings)
            return
        from keyacct.store.ingest import BatchWriter
        from keyacct.workflow.family_rows import family_rows

        rows, _ = family_rows(self.workspace, readings)
        with BatchWriter(
            self.workspace, source=f"listen {self.station.protocol}", sha256=None, decoder=DECODER
        ) as writer:
            for family, table in rows.items():
                writer.add(family, table)
            self.summary.rows_added += writer.commit().added

    def _write_out(self) -> None:
        if self.out is None:
            return
        import pyarrow as pa

        from keyacct import wire
        from keyacct.workflow.replay import write_readings

        tables = self._tables or [wire.decode(b"", self.station.protocol)]
        write_readings(
            pa.concat_tables([table.unify_dictionaries() for table in tables], promote_options="permissive"), self.out
        )
