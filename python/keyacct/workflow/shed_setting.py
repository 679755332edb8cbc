"""Where a draft begins: what is asked for, and what holds for its day, whether new or planned again."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from keyacct import clock
from keyacct.analysis.load_curve import PERIOD_MIN, PERIODS
from keyacct.config import Workspace
from keyacct.errors import InputError, RefusedError, UsageError
from keyacct.i18n import Text
from keyacct.model import MINUTE_MS, midnight_ms
from keyacct.plan.accounts import AccountFacts, facts_of
from keyacct.plan.baseline import Horizon
from keyacct.plan.demand import Demand, clock_text, flat_demand, read_demand, span_periods
from keyacct.plan.draft_problem import Terms, cut_windows
from keyacct.plan.drafts import StoredDraft, load_draft
from keyacct.plan.kept_orders import stored_demand
from keyacct.plan.planner import Method
from keyacct.plan.priority_tables import PriorityTable, table_for
from keyacct.plan.rule_sets import LEVELS, MEASURES, RULE_SETS

OPEN_STATES = ("draft", "approved", "notified", "executing")
"""States in which a draft can be planned again."""


@dataclass(frozen=True)
class DraftWishes:
    """What is asked for. target: kW, or (file name, content); None only when planning again. at: from when orders may
    change (planning again). emergency: the reason why no notice is kept.
    """

    day: dt.date | None = None
    level: str | None = None
    target: float | tuple[str, bytes] | None = None
    rounds: tuple[str, ...] = ()
    rule_set: str | None = None
    method: Method = "optimise"
    mode: Literal["strict", "weights"] = "strict"
    table: str | None = None
    forecast: tuple[str, bytes] | None = None
    margin: float | None = None
    measures: tuple[str, ...] | None = None
    expected_max_kw: float | None = None
    emergency: str | None = None
    order: str | None = None
    from_draft: str | None = None
    at: str | None = None
    threads: int = 0


@dataclass(frozen=True)
class Setting:
    """Where a draft begins: what holds for its day, whether new or planned again."""

    day: dt.date
    level: str
    terms: Terms
    table: PriorityTable
    horizon: Horizon
    windows: list[tuple[int, int]]
    demand: Demand
    facts: dict[str, AccountFacts]


def stored_of(workspace: Workspace, wishes: DraftWishes) -> StoredDraft | None:
    """The draft that is planned again, None for a new one. Raises ConfigError, RefusedError, UsageError."""
    if wishes.from_draft is None:
        return None
    stored = load_draft(workspace, wishes.from_draft)
    if stored.state not in OPEN_STATES:
        raise RefusedError(
            "refused.not_approved", f"draft {stored.draft} is {stored.state}: it is not planned again",
            hint="make a new draft",
        )  # fmt: skip
    if wishes.day is not None and wishes.day.isoformat() != stored.day:
        raise UsageError(
            "usage.invalid", f"draft {stored.draft} is of {stored.day}, not {wishes.day}", hint="leave --date out"
        )
    if wishes.rounds or wishes.forecast is not None:
        raise UsageError(
            "usage.invalid",
            "planning again keeps time blocks and expected loads",
            hint="leave --rounds and --forecast out",
        )
    return stored


def setting_of(workspace: Workspace, wishes: DraftWishes, before: StoredDraft | None, warnings: list[Text]) -> Setting:
    """Day, level, table, horizon, demand and facts of a draft; what is doubtful is added to `warnings`.

    Raises UsageError, InputError for the demand, RefusedError for the priority table.
    """
    settings, zone = workspace.settings.shedding, workspace.zone
    day = dt.date.fromisoformat(before.day) if before is not None else wishes.day
    if day is None:
        raise UsageError("usage.invalid", "the day of the event is missing", hint="--date 2026-07-15")
    table = table_for(workspace, day, wishes.table or (before.table_version if before is not None else None))
    margin = settings.margin if wishes.margin is None else wishes.margin
    if not math.isfinite(margin) or margin < 0:
        raise UsageError("usage.invalid", f"{margin!r} is no margin", hint="a share from 0 up, 0.05 is 5 %")
    if before is not None:
        horizon, windows, demand, margin = _again(wishes, before, workspace, margin)
    else:
        demand = _demand(wishes, day, workspace)
        windows = cut_windows([span_periods(text) for text in settings.return_windows], demand.blocks)
        periods = max(end for _, end in [*demand.blocks, *windows, (0, PERIODS)])
        issue = math.ceil((clock.now_ms() - midnight_ms(day, zone)) / (PERIOD_MIN * MINUTE_MS))
        horizon = Horizon(day, periods, demand.blocks, issue)
        if issue > min(first for first, _ in demand.blocks):
            warnings.append(
                Text(f"the first time block began at {clock_text(min(demand.blocks)[0])}: nothing can be ordered in it",
                     f"首个时段 {clock_text(min(demand.blocks)[0])} 已开始, 不能再下达")
            )  # fmt: skip
    level = _level(wishes, before, demand, settings.rule_set if wishes.rule_set is None else wishes.rule_set, warnings)
    measures = wishes.measures or settings.measures(level)
    for measure in measures:
        if measure not in MEASURES:
            raise UsageError("usage.invalid", f"{measure!r} is no measure", hint=f"they are {', '.join(MEASURES)}")
    terms = Terms(tuple(m for m in MEASURES if m in measures), margin, wishes.emergency is not None)
    begins, ends = instants_of(workspace, horizon)
    facts = facts_of(workspace, [entry.account_no for entry in table.entries], day, begins, ends)
    known = {fact.area for fact in facts.values()}
    for area in demand.areas:
        if area not in known:
            file = wishes.target[0] if isinstance(wishes.target, tuple) else ""
            raise InputError(
                "input.value", f"area {area!r} has no account of the priority table",
                hint=f"areas are by {settings.area}: {', '.join(sorted(known - {'-'})) or 'none known'}",
                where={"file": file, "column": "area"},
            )  # fmt: skip
    return Setting(day, level, terms, table, horizon, windows, demand, facts)


def _again(
    wishes: DraftWishes, before: StoredDraft, workspace: Workspace, margin: float
) -> tuple[Horizon, list[tuple[int, int]], Demand, float]:
    """Horizon, windows and demand of a draft that is planned again; margin 0 where the old demand stands, which has one."""
    if wishes.at is None:
        raise UsageError("usage.invalid", "from when may orders change?", hint="--at 17:30")
    terms, old = stored_demand(before)
    clock_only = len(wishes.at) <= 5 and ":" in wishes.at
    issue = terms.period_of(f"{before.day}T{wishes.at.zfill(5)}" if clock_only else wishes.at)
    periods = len(old.required_kw)
    if not 0 <= issue <= periods:
        raise UsageError(
            "usage.invalid", f"{wishes.at} lies outside the event of {before.day}", hint="a time of that day"
        )
    horizon = Horizon(dt.date.fromisoformat(before.day), periods, tuple(terms.blocks), issue)
    if wishes.target is None:
        return horizon, list(terms.return_windows), old, 0.0
    rounds = [f"{clock_text(first)}-{clock_text(end)}" for first, end in terms.blocks]
    demand = _target(wishes.target, rounds, horizon.day, workspace, own=False)
    # What is over is over: its demand stands as it was, so that the shortfall of the past is no reason to change.
    past = {t: kw / (1 + margin) for t, kw in old.required_kw.items() if t < issue}
    required = {**{t: kw for t, kw in demand.required_kw.items() if t >= issue}, **past}
    areas = {a: dict(kws) for a, kws in demand.areas.items()}
    return horizon, list(terms.return_windows), Demand(
        demand.blocks, required, areas, demand.response_kw, demand.stated_response
    ), margin  # fmt: skip


def _demand(wishes: DraftWishes, day: dt.date, workspace: Workspace) -> Demand:
    if wishes.target is None:
        raise UsageError("usage.invalid", "what is asked for?", hint="--target FILE or --target 12000 (kW)")
    rounds = wishes.rounds or workspace.settings.shedding.rounds
    own = not wishes.rounds
    return _target(wishes.target, rounds, day, workspace, own=own)


def _target(
    target: float | tuple[str, bytes], rounds: Sequence[str], day: dt.date, workspace: Workspace, *, own: bool
) -> Demand:
    """own: a file's rows may make time blocks of their own."""
    if not isinstance(target, tuple):
        return flat_demand(target, rounds)
    name, content = target
    most = workspace.settings.shedding.round_most_min
    return read_demand(content, name, day, workspace.zone, rounds=None if own else rounds, most_min=most)


def _level(wishes: DraftWishes, before: StoredDraft | None, demand: Demand, rule_set: str, warnings: list[Text]) -> str:
    """The level: as named, else of the draft that is planned again, else of the gap. A level that the gap contradicts is
    named, not changed: dispatch sets it.
    """
    if rule_set not in RULE_SETS:
        raise UsageError("usage.invalid", f"{rule_set!r} is no rule set", hint=f"they are {', '.join(RULE_SETS)}")
    given = wishes.level or (before.level if before is not None else None)
    if given is not None and given not in LEVELS:
        raise UsageError("usage.invalid", f"{given!r} is no level", hint=f"they are {', '.join(LEVELS)}")
    most = wishes.expected_max_kw
    if most is None:
        if given is None:
            raise UsageError(
                "usage.invalid", "the level of the alarm is missing",
                hint="--level yellow, or --expected-max KW to take it from the gap",
            )  # fmt: skip
        return given
    if not math.isfinite(most) or most <= 0:
        raise UsageError("usage.invalid", f"{most!r} is no expected maximum", hint="kW above 0")
    gap = demand.peak_kw / most
    found = RULE_SETS[rule_set].level_of(gap)
    if given is not None and given != found:
        warnings.append(
            Text(f"the gap is {100 * gap:.1f} % of the expected maximum: that is {found}, not {given}",
                 f"缺口为预计最大负荷的 {100 * gap:.1f} %, 应为 {found}, 而非 {given}")
        )  # fmt: skip
    return given or found


def instants_of(workspace: Workspace, horizon: Horizon) -> tuple[int, int]:
    """UTC ms of the first beginning and the last end of a time block."""
    start = midnight_ms(horizon.day, workspace.zone)
    first, last = min(b[0] for b in horizon.blocks), max(b[1] for b in horizon.blocks)
    return start + first * PERIOD_MIN * MINUTE_MS, start + last * PERIOD_MIN * MINUTE_MS
