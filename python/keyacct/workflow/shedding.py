"""Drafts of plans for orderly power use: from the workspace to a checked, explained, recorded plan.

Nothing is recorded or published before the written plan has passed the checker. A draft orders nothing from anybody:
approval, notices, execution and release follow in their own steps (`keyacct.plan.drafts.FOLLOWS`).
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keyacct import clock
from keyacct.analysis.load_curve import PERIOD_MIN, day_curves
from keyacct.config import Workspace
from keyacct.database import audit
from keyacct.database.chain import canonical
from keyacct.database.engine import open_database
from keyacct.errors import InternalError, UsageError, from_os_error
from keyacct.i18n import Text
from keyacct.model import MINUTE_MS, civil, midnight_ms
from keyacct.plan import draft_files, planner
from keyacct.plan.accounts import event_days
from keyacct.plan.baseline import Baseline, baselines
from keyacct.plan.digests import sha256
from keyacct.plan.draft_problem import ProblemFiles, problem_files
from keyacct.plan.drafts import StoredDraft, add_draft, load_draft, next_name
from keyacct.plan.folder import ProblemFolder, read_folder
from keyacct.plan.forecast_file import read_forecast
from keyacct.plan.kept_orders import fixed_rows, stored_loads
from keyacct.plan.planner import Planned, Wishes
from keyacct.plan.rule_sets import RULE_SETS, size_sentence
from keyacct.workflow.shed_setting import DraftWishes, Setting, instants_of, setting_of, stored_of

NAMELESS = "(dry run)"


@dataclass(frozen=True)
class Drafted:
    """A draft that has passed the checker. header: its draft.json. folder: None on a dry run."""

    header: dict[str, Any]
    planned: Planned = field(repr=False)
    methods: list[dict[str, Any]]
    files: dict[str, bytes] = field(repr=False)
    warnings: list[Text]
    folder: Path | None


def draft(workspace: Workspace, wishes: DraftWishes, out: Path | None, *, record: bool = True) -> Drafted:
    """Draft a plan, check it, write its folder and record it in the database with an audit row.

    out: the folder to write, new or empty; None: `shedding/<draft>` in the workspace. record False is a dry run: nothing
    is written. Raises UsageError, InputError (exit 4), RefusedError (exit 8: priority table), InternalError when the
    checker finds a breach (nothing is recorded), WriteError.
    """
    if out is not None and record:
        _refuse_full(out)
    before = stored_of(workspace, wishes)
    warnings: list[Text] = []
    setting = setting_of(workspace, wishes, before, warnings)
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
    doubts = {account: [str(text) for text in texts] for account, texts in problem.warnings.items()}
    files |= draft_files.side_files(folder, planned, wishes.method, doubts)
    texts = _by_account(bases, doubts)
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


def _baselines(
    workspace: Workspace, wishes: DraftWishes, setting: Setting, warnings: list[Text]
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
        calendar=workspace.settings.calendar,
    )  # fmt: skip
    for base in found.values():
        warnings += base.warnings
    return found


def _rules_warnings(
    workspace: Workspace, wishes: DraftWishes, setting: Setting, loads: dict[str, tuple[float, ...]]
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


def _by_account(bases: dict[str, Baseline], doubts: dict[str, list[str]]) -> dict[str, list[str]]:
    result: dict[str, list[str]] = {}
    for account, base in bases.items():
        result.setdefault(account, []).extend(str(text) for text in base.warnings)
    for account, texts in doubts.items():
        result.setdefault(account, []).extend(texts)
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
    workspace: Workspace, wishes: DraftWishes, setting: Setting, planned: Planned, folder: ProblemFolder,
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
    workspace: Workspace, setting: Setting, header: dict[str, Any], files: dict[str, bytes], wishes: DraftWishes
) -> dict[str, Any]:
    """Name the draft, put its header among the files, keep everything in the database."""
    begins, ends = instants_of(workspace, setting.horizon)
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
