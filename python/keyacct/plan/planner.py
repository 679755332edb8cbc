"""Plans a problem folder, has the plan checked by `checks`, and only then puts it in its place."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from keyacct import _core, clock
from keyacct.errors import InternalError, from_os_error
from keyacct.plan import checks
from keyacct.plan.folder import ProblemFolder
from keyacct.plan.priority import hold_to_priority_table

Method = Literal["optimise", "list", "list_hardest_first"]

CHANGE_COST = 10_000.0
"""Cost of one changed order when planning again, in units of the objective [D]: five unmet kWh, and more than
nearly any order itself, so that orders change where demand would be missed, and not to save a little."""

RESERVE_SHARE = 0.10
"""Share of a block's highest demand that the reserve list holds [D]."""


@dataclass(frozen=True)
class Wishes:
    """How to plan. strict: means in strict order instead of weights. fairness: price on the growth of the square of a
    customer's hours. previous, replan_from: the plan in force (file name and content), and the period from which its
    orders may still change.
    """

    method: Method = "optimise"
    strict: bool = False
    fairness: float = 0.0
    threads: int = 0
    explain: bool = False
    previous: tuple[str, bytes] | None = None
    replan_from: int | None = None
    change_cost: float = CHANGE_COST


@dataclass(frozen=True)
class Planned:
    """A checked plan.

    content: the plan file. figures: objective, unmet_kwh, … of the plan; trials: the same for every method. bound: no
    allowed plan has a lower objective; gap: (objective - bound) / objective. binding: (kind, area, period, price,
    amount) of the rows with a price. levels: strict mode, (level, value, proved lower bound). shortfall: (area or None,
    period, kW). reasons, reliefs, reserve: with `explain`.
    """

    content: bytes = field(repr=False)
    figures: dict[str, Any]
    trials: list[dict[str, Any]]
    bound: float
    gap: float
    binding: list[tuple[str, str | None, int | None, float, float]] = field(repr=False)
    levels: list[tuple[str, float, float]]
    shortfall: list[tuple[str | None, int, float]] = field(repr=False)
    reasons: list[dict[str, Any]] = field(repr=False)
    reliefs: list[tuple[str, float]] = field(repr=False)
    reserve: list[dict[str, Any]] = field(repr=False)
    warnings: list[str] = field(repr=False)


def plan(folder: ProblemFolder, wishes: Wishes | None = None) -> Planned:
    """Plans. The plan is not checked yet; `publish` does that.

    Raises InputError for faulty tables, RefusedError for a priority table that may not be used.
    """
    wishes = wishes or Wishes()
    hold_to_priority_table(folder, clock.now().date())
    t = folder.terms
    terms = {
        "minutes": t.minutes,
        "issue_period": t.issue_period,
        "blocks": t.blocks,
        "return_windows": t.return_windows,
        "cost_per_kwh": list(t.cost_per_kwh),
        "touch_cost": t.touch_cost,
        "unmet_cost_per_kwh": t.unmet_cost_per_kwh,
        "history_factor": t.history_factor,
        "replan_from": wishes.replan_from if wishes.previous is not None else None,
        "change_cost": wishes.change_cost,
        "previous_name": wishes.previous[0] if wishes.previous is not None else "",
        "method": wishes.method,
        "strict": wishes.strict,
        "fairness": wishes.fairness,
        "threads": wishes.threads or os.cpu_count() or 1,
        "explain": wishes.explain,
        "reserve_share": RESERVE_SHARE,
    }
    tables = folder.tables
    found = _core.shed_plan(
        terms,
        tables["customers.csv"],
        tables["baseline.csv"],
        tables["system.csv"],
        tables.get("areas.csv"),
        tables.get("fixed.csv"),
        wishes.previous[1] if wishes.previous is not None else None,
    )
    content = found.pop("plan")
    return Planned(content=content, **found)


def publish(folder: ProblemFolder, planned: Planned, out: Path | None, wishes: Wishes | None = None) -> checks.Verdict:
    """Writes the plan beside its place, checks the written file, and renames it into place. The checker's verdict.

    out: None only checks (a dry run, or standard output). Raises InternalError and leaves the old file as it was when
    the checker finds a breach; WriteError when the disk does not take the file.
    """
    wishes = wishes or Wishes()
    held = None
    if wishes.previous is not None and wishes.replan_from is not None:
        held = checks.Held(wishes.previous[0], wishes.previous[1], wishes.replan_from)
    target_folder = out.parent if out is not None else None
    try:
        handle, name = tempfile.mkstemp(prefix=".plan-", suffix=".csv", dir=target_folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(planned.content)
                file.flush()
                os.fsync(file.fileno())
            verdict = checks.check(folder.path, Path(name), held=held)
            if verdict.breaches:
                first = verdict.breaches[0]
                raise InternalError(
                    "internal.bug",
                    f"the planner made a plan with {len(verdict.breaches)} breach(es), first: {first.sentence()}",
                    hint="nothing was written; please report this with the problem folder",
                )
            if out is not None:
                umask = os.umask(0)
                os.umask(umask)
                os.chmod(name, 0o666 & ~umask)
                os.replace(name, out)
        finally:
            if os.path.exists(name):
                os.unlink(name)
    except OSError as error:
        raise from_os_error(error, writing=True, file=str(out) if out is not None else None) from None
    return verdict
