"""Drafts of plans for orderly power use: from the workspace to a checked, explained, recorded plan.

Nothing is recorded or published before the written plan has passed the checker. A draft orders nothing from anybody:
approval, notices, execution and release follow in their own steps (`keyacct.plan.drafts.FOLLOWS`).
"""

from __future__ import annotations

import datetime as dt
import math
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from keyacct import clock
from keyacct.analysis.load_curve import PERIOD_MIN, day_curves
from keyacct.config import Workspace
from keyacct.database import audit
from keyacct.database.chain import canonical
from keyacct.database.engine import open_database
from keyacct.errors import InputError, InternalError, RefusedError, UsageError, from_os_error
from keyacct.i18n import Text
from keyacct.model import MINUTE_MS, civil, midnight_ms
from keyacct.plan import draft_files, planner
from keyacct.plan.accounts import AccountFacts, event_days, facts_of
from keyacct.plan.baseline import Baseline, Horizon, baselines
from keyacct.plan.demand import Demand, clock_text, flat_demand, read_demand, span_periods
from keyacct.plan.digests import sha256
from keyacct.plan.draft_problem import ProblemFiles, Terms, cut_windows, problem_files
from keyacct.plan.drafts import StoredDraft, add_draft, load_draft, next_name
from keyacct.plan.folder import ProblemFolder, read_folder
from keyacct.plan.forecast_file import read_forecast
from keyacct.plan.kept_orders import fixed_rows, stored_demand, stored_loads
from keyacct.plan.planner import Method, Planned, Wishes
from keyacct.plan.priority_tables import PriorityTable, table_for
from keyacct.plan.rule_sets import LEVELS, MEASURES, RULE_SETS, size_sentence

NAMELESS = "(dry run)"
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
class Drafted:
    """A draft that has passed the checker. header: its draft.json. folder: None on a dry run."""

    header: dict[str, Any]
    planned: Planned = field(repr=False)
    methods: list[dict[str, Any]]
    files: dict[str, bytes] = field(repr=False)
    warnings: list[Text]
    folder: Path | None


@dataclass(frozen=True)
class _Setting:
    """Where a draft begins: what holds for its day, whether new or planned again."""

    day: dt.date
    level: str
    terms: Terms
    table: PriorityTable
    horizon: Horizon
    windows: list[tuple[int, int]]
    demand: Demand
    facts: dict[str, AccountFacts]


def draft(workspace: Workspace, wishes: DraftWishes, out: Path | None, *, record: bool = True) -> Drafted:
    """Draft a plan, check it, write its folder and record it in the database with an audit row.

    out: the folder to write, new or empty; None: `shedding/<draft>` in the workspace. record False is a dry run: nothing
    is written. Raises UsageError, InputError (exit 4), RefusedError (exit 8: priority table), InternalError when the
    checker finds a breach (nothing is recorded), WriteError.
    """
    if out is not None and record:
        _refuse_full(out)
    before = _stored(workspace, wishes)
    warnings: list[Text] = []
    setting = _setting(workspace, wishes, before, warnings)
    bases = {} if before is not None else _baselines(workspace, wishes, setting, warnings)
    loads = {a: b.kw for a, b in bases.items()} if before is None else stored_loads(before)
    settings = workspace.settings.shedding
    problem = problem_files(
        setting.table, setting.facts, loads, setting.demand, setting.horizon, setting.windows, setting.terms, settings,
        workspace.zone,
    )  # fmt: skip
    for account in problem.warnings:
        warnings += problem.warnings[account]
    warnings += _rules_warnings(workspace, wishes, setting, loads)
    try:
        holder = tempfile.TemporaryDirectory(prefix="keyacct-shed-")
    except OSError as error:
        raise from_os_error(error, writing=True) from None
    with holder as temporary:
        place = Path(temporary)
        folder = _write_problem(place / "problem", problem)
        solver = Wishes(
            method=wishes.method, strict=wishes.mode == "strict", threads=wishes.threads, explain=True,
            previous=("plan.csv", before.plan) if before is not None else None,
            replan_from=setting.horizon.issue_period if before is not None else None,
        )  # fmt: skip
        planned = planner.plan(folder, solver)
        planner.publish(folder, planned, place / "plan.csv", solver)  # the checker reads what was written
        plan = (place / "plan.csv").read_bytes()
    if plan != planned.content:
        raise InternalError("internal.bug", "the plan that was checked is not the plan that was made")
    files = {f"problem/{name}": data for name, data in problem.files.items()}
    if before is not None:
        files["problem/fixed.csv"] = fixed_rows(before, plan, setting.horizon)
        files["previous.csv"] = before.plan
    files["plan.csv"] = plan
    files |= draft_files.side_files(folder, planned, wishes.method)
    texts = _by_account(bases, problem)
    rows = draft_files.account_rows(setting.table, setting.facts, bases, texts)
    files["accounts.csv"] = draft_files.rows_bytes(rows, draft_files.ACCOUNT_COLUMNS)
    warnings += [Text(w, w) for w in planned.warnings]
    header = _header(workspace, wishes, setting, planned, folder, files, before, warnings)
    if not record:
        return Drafted(header, planned, draft_files.method_rows(planned, wishes.method), files, warnings, None)
    header = _record(workspace, setting, header, files, wishes)
    target = out if out is not None else workspace.root / "shedding" / header["draft"]
    write_folder(files, target, header["draft"])
    return Drafted(header, planned, draft_files.method_rows(planned, wishes.method), files, warnings, target)


def export_draft(workspace: Workspace, name: str, out: Path) -> StoredDraft:
    """Write the folder of a recorded draft once more. Raises ConfigError (unknown), UsageError, WriteError."""
    stored = load_draft(workspace, name)
    _refuse_full(out)
    write_folder(stored.files, out, name)
    return stored


def _stored(workspace: Workspace, wishes: DraftWishes) -> StoredDraft | None:
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


def _setting(workspace: Workspace, wishes: DraftWishes, before: StoredDraft | None, warnings: list[Text]) -> _Setting:
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
        periods = max(end for _, end in [*demand.blocks, *windows, (0, 96)])
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
    begins, ends = _instants(workspace, horizon)
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
    return _Setting(day, level, terms, table, horizon, windows, demand, facts)


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


def _instants(workspace: Workspace, horizon: Horizon) -> tuple[int, int]:
    start = midnight_ms(horizon.day, workspace.zone)
    first, last = min(b[0] for b in horizon.blocks), max(b[1] for b in horizon.blocks)
    return start + first * PERIOD_MIN * MINUTE_MS, start + last * PERIOD_MIN * MINUTE_MS


def _baselines(
    workspace: Workspace, wishes: DraftWishes, setting: _Setting, warnings: list[Text]
) -> dict[str, Baseline]:
    accounts = [entry.account_no for entry in setting.table.entries]
    forecast = None
    if wishes.forecast is not None:
        name, content = wishes.forecast
        horizon = setting.horizon
        forecast = read_forecast(content, name, horizon.day, workspace.zone, set(accounts), horizon.periods)
    today = civil(clock.now_ms(), workspace.zone).date()
    found = baselines(
        accounts, setting.horizon, workspace.settings.shedding, lambda day: day_curves(workspace, day, accounts),
        events=event_days(workspace), last_day=today - dt.timedelta(days=1), forecast=forecast,
    )  # fmt: skip
    for base in found.values():
        warnings += base.warnings
    return found


def _rules_warnings(
    workspace: Workspace, wishes: DraftWishes, setting: _Setting, loads: dict[str, tuple[float, ...]]
) -> list[Text]:
    """What the rule set says about the plan as a whole."""
    settings = workspace.settings.shedding
    rules = RULE_SETS[wishes.rule_set or settings.rule_set]
    result = []
    if rules.demand_response_first and not setting.demand.stated_response and wishes.from_draft is None:
        result.append(
            Text(f"{rules.basis}: demand response goes first; the demand does not say what has been bought (demand_response_kw)",
                 f"{rules.basis}: 应先实施需求响应; 目标未注明已签约响应 (demand_response_kw)")
        )  # fmt: skip
    slots = [t for first, end in setting.horizon.blocks for t in range(first, end)]
    sheddable = max(
        sum(
            max(loads[a][t] - (f.safety_load_kw or 0.0), 0.0)
            for a, f in setting.facts.items()
            if f.plan is not None and f.safety_load_kw is not None and not f.kept
        )
        for t in slots
    )
    sentence = size_sentence(rules, sheddable, settings.historical_max_kw)
    return [*result, sentence] if sentence is not None else result


def _by_account(bases: dict[str, Baseline], problem: ProblemFiles) -> dict[str, list[str]]:
    result: dict[str, list[str]] = {}
    for account, base in bases.items():
        result.setdefault(account, []).extend(str(text) for text in base.warnings)
    for account, texts in problem.warnings.items():
        result.setdefault(account, []).extend(str(text) for text in texts)
    return result


def _write_problem(place: Path, problem: ProblemFiles) -> ProblemFolder:
    try:
        place.mkdir()
        for name, data in problem.files.items():
            (place / name).write_bytes(data)
    except OSError as error:
        raise from_os_error(error, writing=True, file=str(place)) from None
    return read_folder(place)


def _header(
    workspace: Workspace, wishes: DraftWishes, setting: _Setting, planned: Planned, folder: ProblemFolder,
    files: dict[str, bytes], before: StoredDraft | None, warnings: Sequence[Text],
) -> dict[str, Any]:  # fmt: skip
    table, horizon = setting.table, setting.horizon
    rules = RULE_SETS[wishes.rule_set or workspace.settings.shedding.rule_set]
    required = {t: kw * (1 + setting.terms.margin) for t, kw in setting.demand.required_kw.items()}
    problem = {path.removeprefix("problem/"): data for path, data in files.items() if path.startswith("problem/")}
    blocks = draft_files.block_rows(folder, planned, horizon.periods, required)
    reliefs = sorted(planned.reliefs, key=lambda pair: -pair[1])
    return {
        "draft": NAMELESS, "state": "draft", "day": setting.day.isoformat(), "level": setting.level,
        "rule_set": rules.key, "legal_basis": rules.basis, "order": wishes.order,
        "measures": list(setting.terms.measures), "method": wishes.method, "mode": wishes.mode,
        "margin": setting.terms.margin, "emergency": wishes.emergency,
        "expected_max_kw": wishes.expected_max_kw, "peak_demand_kw": round(setting.demand.peak_kw, 3),
        "demand_response_peak_kw": round(max(setting.demand.response_kw.values(), default=0.0), 3),
        "table": {
            "version": table.version, "title": table.title, "digest": table.digest, "issued_by": table.issued_by,
            "approved_by": table.approved_by, "approval_no": table.approval_no, "approved_on": str(table.approved_on),
            "valid_from": table.valid_from.isoformat(), "valid_to": table.valid_to.isoformat(),
            "accounts": len(table.entries), "protected": sum(entry.protected for entry in table.entries),
        },
        "from_draft": before.draft if before is not None else None,
        "replan_from": _time(folder, horizon.issue_period) if before is not None else None,
        "issue_period": horizon.issue_period, "input_digest": draft_files.input_digest(problem),
        "plan_digest": sha256(files["plan.csv"]),
        "figures": {key: round(v, 4) if isinstance(v, float) else v for key, v in planned.figures.items()},
        "accounts_ordered": len(draft_files.ordered_accounts(files["plan.csv"])),
        "bound": round(planned.bound, 4), "gap": round(planned.gap, 6), "blocks": blocks,
        "shortfall": [{"area": a, "period": t, "at": _time(folder, t), "kw": round(kw, 4)} for a, t, kw in planned.shortfall],
        "levels": [{"level": n, "value": round(v, 4), "bound": round(b, 4)} for n, v, b in planned.levels],
        "reliefs": [{"rule": rule, "saving_at_most": round(saving, 2)} for rule, saving in reliefs],
        "warnings": [{"en": text.en, "zh": text.zh} for text in warnings],
        "made_by": None, "made_at": civil(clock.now_ms(), workspace.zone).isoformat(),
    }  # fmt: skip


def _time(folder: ProblemFolder, period: int) -> str | None:
    at = folder.terms.begin_of(period)
    return at.isoformat() if at is not None else None


def _record(
    workspace: Workspace, setting: _Setting, header: dict[str, Any], files: dict[str, bytes], wishes: DraftWishes
) -> dict[str, Any]:
    """Name the draft, put its header among the files, keep everything in the database."""
    begins, ends = _instants(workspace, setting.horizon)
    given = draft_files.given_kw(files["plan.csv"], setting.horizon.periods)
    now = clock.now_ms()
    start = midnight_ms(setting.day, workspace.zone)
    with open_database(workspace).write() as connection:
        who = audit.operator_of(connection)
        header = {**header, "draft": next_name(connection, header["day"]), "made_by": who}
        files["draft.json"] = draft_files.json_bytes(header)
        figures = header["figures"]
        row = {
            "draft": header["draft"], "day": header["day"], "level": header["level"], "rule_set": header["rule_set"],
            "method": header["method"], "mode": header["mode"], "table_version": setting.table.version,
            "table_digest": setting.table.digest, "input_digest": header["input_digest"],
            "plan_digest": header["plan_digest"], "from_draft": header["from_draft"],
            "replan_from_ms": start + setting.horizon.issue_period * PERIOD_MIN * MINUTE_MS
            if wishes.from_draft is not None else None,
            "begins_ms": begins, "ends_ms": ends, "accounts_ordered": header["accounts_ordered"],
            "required_peak_kw": max(block["required_kw"] for block in header["blocks"]), "reduced_peak_kw": max(given),
            "unmet_kwh": figures["unmet_kwh"], "objective": figures["objective"], "bound": header["bound"],
            "header": canonical(header),
        }  # fmt: skip
        add_draft(connection, row, files, who, now)
    return header


def _refuse_full(out: Path) -> None:
    try:
        full = out.exists() and (not out.is_dir() or any(out.iterdir()))
    except OSError as error:
        raise from_os_error(error, writing=True, file=str(out)) from None
    if full:
        raise UsageError("usage.invalid", f"{out} is there already and not empty", hint="name a new or an empty folder")


def write_folder(files: dict[str, bytes], out: Path, name: str) -> None:
    """Write a draft's files so that the folder appears whole or not at all. Raises WriteError; the draft stays recorded."""
    made: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".shed-", dir=out.parent))
        made.chmod(0o755)
        for path, data in files.items():
            file = made / path
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(data)
        if out.exists():
            out.rmdir()
        made.rename(out)
    except OSError as error:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)
        failure = from_os_error(error, writing=True, file=str(out))
        failure.hint = f"draft {name} is recorded: keyacct shed status {name} --out DIR writes it once more"
        raise failure from None
