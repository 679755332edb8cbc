"""Kept day states of the workspace's store: what the field analyses take instead of the samples of a closed span.

A state belongs to one meter at one point on one civil day. It holds for as long as the day's live segments, the
settings and the parameters that it was made by are the same, so a late reading makes its day alone again, and a late
ratio or limit the days and meters that it touches. All of it may be deleted at any time.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from keyacct import __version__, _core, clock
from keyacct.analysis.question import Question
from keyacct.errors import ConfigError, WriteError
from keyacct.model import DAY_MS, MINUTE_MS, midnight_ms, zone_offsets

_FORM = 2
"""Of what is kept; another release (its rules may be others) makes everything again anyway."""
_AROUND_DAYS = (4, 3)
"""Days of parameters before and behind the period that a state may depend on."""
_MOST_POINTS = 0.5
"""A question for a smaller share of all points reads samples: theirs are fewer than everybody's states."""

Tables = tuple[pa.Table, ...]
FamilyColumns = tuple[str, tuple[str, ...], int]
"""Family, columns and digits after the point, as `Question.samples` takes them."""

_SORTED = {"voltage": (), "load": ("account_no", "day", "at"), "energy": ("row",), "integrated": ("row",)}


def field_tables(
    question: Question, what: str, families: Sequence[FamilyColumns], from_samples: Callable[[Question], Tables]
) -> Tables:
    """The tables of a field kernel: joined from day states where the span is closed, else from samples.

    what: `voltage`, `load`, `energy` or `integrated`; from_samples: runs the kernel over a question's samples. Both ways
    give the same bytes. Accounts whose meters changed places in a way that days cannot be joined over (a meter that was
    away and came back, a point that went to another account) are computed from samples.
    """
    if not usable(question, what):
        return from_samples(question)
    wide = _wide(question)
    if not _days_cut(question, wide):
        return from_samples(question)
    points = set(question.parameters["point"].to_pylist())
    kinds = pa.array(sorted(set(question.parameters["kind"].to_pylist())), pa.string())
    if question.points_asked < _MOST_POINTS * len(set(wide.filter(pc.is_in(wide["kind"], kinds))["point"].to_pylist())):
        return from_samples(question)
    wide = wide.filter(pc.is_in(wide["point"], pa.array(sorted(points), pa.string())))
    odd = set() if what == "voltage" else _odd_accounts(wide)
    accounts = question.parameters["account_no"].to_pylist()
    rows = [n for n, account in enumerate(accounts) if account not in odd]
    rest = [n for n, account in enumerate(accounts) if account in odd]
    parts: list[tuple[list[int], Tables]] = []
    if rows:
        part = replace(question, parameters=question.parameters.take(rows))
        joined = _joined(part, what, families, wide)
        if joined is None:
            return from_samples(question)
        parts.append((rows, joined))
    if rest:
        parts.append((rest, from_samples(replace(question, parameters=question.parameters.take(rest)))))
    return parts[0][1] if len(parts) == 1 else _together(parts, what)


def usable(question: Question, what: str) -> bool:
    """Whether day states can answer: the span is closed and made of whole days, and values stand for the time before."""
    settings = question.workspace.settings
    first, end = question.period.bounds_ms(question.workspace.zone)
    if not settings.samples.day_states or not question.parameters.num_rows:
        return False
    if (question.from_ms, question.to_ms) != (first, end) or end > clock.now_ms():
        return False
    if settings.samples.snapshot_stands_for == "following":
        return False
    window_ms = settings.demand.window_min * MINUTE_MS
    return what != "load" or all((end_ms - start_ms) % window_ms == 0 for _, start_ms, end_ms in _days(question))


def _days(question: Question) -> list[tuple[str, int, int]]:
    """ISO date, beginning and end of the day before the period, its days, and the day behind it."""
    zone, one = question.workspace.zone, dt.timedelta(days=1)
    days = [question.period.first - one, *question.period.days(), question.period.last + one]
    return [(day.isoformat(), midnight_ms(day, zone), midnight_ms(day + one, zone)) for day in days]


def _wide(question: Question) -> pa.Table:
    """Parameters of all accounts around the period, so that a day's state does not depend on who asks for what."""
    from keyacct.registry.parameters import point_parameters

    before, behind = _AROUND_DAYS
    return point_parameters(question.workspace, question.from_ms - before * DAY_MS, question.to_ms + behind * DAY_MS)


def _days_cut(question: Question, wide: pa.Table) -> bool:
    """Whether the question's spans are those of the registry, or cut at midnights."""
    midnights = {at for _, start_ms, end_ms in _days(question) for at in (start_ms, end_ms)}
    edges = [set(of[name].to_pylist()) for of in (question.parameters, wide) for name in ("from_ms", "to_ms")]
    return (edges[0] | edges[1]) <= (edges[2] | edges[3] | midnights)


def _odd_accounts(wide: pa.Table) -> set[str | None]:
    """Accounts with a meter that left a point for a time, or with a point that belonged to another account too."""
    spans: dict[tuple[str, str], list[tuple[int, int, str | None]]] = {}
    names = ("point", "meter", "from_ms", "to_ms", "account_no")
    for point, meter, from_ms, to_ms, account in zip(*(wide[name].to_pylist() for name in names), strict=True):
        spans.setdefault((point, meter), []).append((from_ms, to_ms, account))
    odd: set[str | None] = set()
    for of in spans.values():
        of.sort(key=lambda span: span[0])
        accounts = {account for _, _, account in of}
        if len(accounts) > 1 or any(a[1] != b[0] for a, b in pairwise(of)):
            odd |= accounts
    return odd


def _made_of(question: Question, what: str, families: Sequence[FamilyColumns]) -> list[tuple[int, int, str, str]]:
    """Days as the core takes them: what all states of a day were made of is their digest."""
    from keyacct.store.day_digests import day_digests

    workspace, settings = question.workspace, question.workspace.settings
    days = _days(question)
    own: list[object] = [_FORM, __version__, what, families, settings.samples.max_gap_intervals]
    if what == "voltage":
        own += [settings.voltage.assessment_floor, settings.voltage.overvoltage]
    if what == "load":
        own.append(settings.demand.window_min)
    digests = day_digests(workspace, [family for family, _, _ in families], [day for day, _, _ in days])
    result = []
    for (day, start_ms, end_ms), segments in zip(days, digests, strict=True):
        told = [own, start_ms, end_ms, zone_offsets(start_ms, end_ms, workspace.zone), segments]
        folder = workspace.states / what / f"day={day}"
        result.append((start_ms, end_ms, str(folder), hashlib.sha256(json.dumps(told).encode()).hexdigest()))
    return result


def _joined(question: Question, what: str, families: Sequence[FamilyColumns], wide: pa.Table) -> Tables | None:
    """The tables from states, after those that are missing have been made; None where that cannot be."""
    settings = question.workspace.settings
    days = _made_of(question, what, families)
    # Offsets over all days, so that the one before the period has its own.
    offsets = zone_offsets(days[0][0] - DAY_MS, days[-1][1] + DAY_MS, question.workspace.zone)
    from_ms, to_ms, _, gap, follow, special = question.kernel
    rules = (
        settings.voltage.assessment_floor, settings.voltage.overvoltage, settings.demand.window_min * MINUTE_MS,
        settings.demand.minimum_coverage,
    )  # fmt: skip
    try:
        kept = _core.FieldDays(
            what, days, question.kernel_parameters, replace(question, parameters=wide).kernel_parameters,
            question.tariffs(), (from_ms, to_ms, offsets, gap, follow, special), rules,
        )  # fmt: skip
    except ConfigError:  # of some time outside the period: the samples do not need it
        return None
    try:
        for number, meters in enumerate(kept.outdated()):
            if meters:
                start_ms, end_ms, _, _ = days[number]
                samples = [question.read(*family, start_ms + 1, end_ms + 1, meters) for family in families]
                _make(question, kept, number, samples)
    except WriteError as error:
        if error.code == "write.store_damaged":
            raise
        return None  # a workspace that cannot be written can still be asked
    tables = kept.tables()
    return None if tables is None else tuple(pa.table(table) for table in tables)


def _make(question: Question, kept: _core.FieldDays, number: int, samples: Sequence[pa.RecordBatchReader]) -> None:
    def run() -> tuple[object, ...]:
        kept.make(number, samples)
        return ()

    question.run(run)


def _together(parts: Sequence[tuple[list[int], Tables]], what: str) -> Tables:
    """The tables of two sets of accounts as one pass over all of them gives them."""
    result = []
    for number in range(len(parts[0][1])):
        tables = []
        for rows, of in parts:
            table = of[number]
            if "row" in table.column_names:
                at = table.column_names.index("row")
                table = table.set_column(at, table.schema.field("row"), pa.array(rows, pa.int64()).take(table["row"]))
            tables.append(table)
        table = pa.concat_tables(tables)
        keys = [(name, "ascending") for name in _SORTED[what] if name in table.column_names]
        result.append(table.sort_by(keys).combine_chunks())
    return tuple(result)
