"""The evaluation of an event: metered values, baseline, judgement, and the hours for the rotation account."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Literal

import sqlalchemy as sa

from keyacct import clock
from keyacct.analysis.load_curve import PERIOD_MIN
from keyacct.analysis.shed_evaluation import Curves, Evaluation, EvaluationRules, evaluate_event
from keyacct.config import CalendarSettings, SheddingSettings, Workspace
from keyacct.database import audit
from keyacct.database.engine import open_database
from keyacct.database.shedding_tables import shed_burden, shed_state
from keyacct.errors import RefusedError
from keyacct.i18n import Text
from keyacct.model import civil
from keyacct.report.inputs import digest_of
from keyacct.report.kinds.shed_evaluation import EvaluationPaper
from keyacct.workflow.shed_documents import known_of, office_of
from keyacct.workflow.shed_metered import DayCurves, check_grid, over_horizon
from keyacct.workflow.shed_source import PlanSource

BaselineKind = Literal["plan", "like-days"]
OVER = ("replaced", "withdrawn")
"""States of drafts that were never carried out to their end: nobody bore anything under them."""


def rules_of(settings: SheddingSettings) -> EvaluationRules:
    """The rules as the settings have them."""
    return EvaluationRules(
        limit_tolerance=settings.limit_tolerance,
        executed_share=settings.executed_share,
        on_time_intervals=settings.on_time_intervals,
        borne_kw=settings.borne_kw,
        rebound_h=settings.rebound_watch_h,
    )


def evaluate(
    source: PlanSource,
    curves: DayCurves,
    *,
    baseline: BaselineKind = "plan",
    workspace: Workspace | None = None,
    event_days: Collection[dt.date] = (),
) -> EvaluationPaper:
    """The evaluation of a checked plan, ready for paper.

    curves: metered load by civil day. baseline: the plan's expected load, or the mean of like days with same-day
    adjustment. event_days: earlier days with an event, which are no like days; those of the rotation account are known.
    Raises InputError for a plan that is not in quarters of an hour.
    """
    event = source.event
    zone = workspace.zone if workspace is not None else source.zone
    settings = workspace.settings.shedding if workspace is not None else SheddingSettings.model_construct()
    check_grid(event, zone)
    metered = over_horizon(event, zone, curves)
    warnings: list[Text] = []
    if baseline == "plan":
        base: Curves = {customer: event.customers[customer].load_kw for customer in event.by_customer}
    else:
        days = {*event_days, *(burden_days(workspace) if workspace is not None else ())}
        calendar = workspace.settings.calendar if workspace is not None else None
        base = like_days(source, zone, curves, settings, days, warnings, calendar=calendar)
    rules = rules_of(settings)
    if clock.now() < event.ends_at:
        warnings.append(Text("The event is not over yet.", "事件尚未结束。"))
    names, _ = known_of(workspace, event.begins_at, set(event.by_customer))
    return EvaluationPaper(
        event=event,
        evaluation=evaluate_event(event, metered, base, rules),
        office=office_of(source, workspace),
        baseline=baseline,
        metered_sha256=digest_of({"metered": metered, "baseline": {c: list(base[c]) for c in sorted(base)}}),
        rules=rules,
        names=names,
        warnings=warnings,
        draft=source.draft,
    )


def like_days(
    source: PlanSource,
    zone: dt.tzinfo,
    curves: DayCurves,
    settings: SheddingSettings,
    event_days: Collection[dt.date],
    warnings: list[Text],
    *,
    calendar: CalendarSettings | None = None,
) -> Curves:
    """Mean of like days, scaled by the hours before the first block; a customer without a measured day has none."""
    from keyacct.plan.baseline import Horizon, baselines

    event = source.event
    start = event.start.astimezone(zone)
    shift = (start.hour * 60 + start.minute) // PERIOD_MIN
    blocks = tuple((first + shift, end + shift) for first, end in event.blocks)
    horizon = Horizon(start.date(), shift + event.periods, blocks, min((first for first, _ in blocks), default=0))
    # What a customer would have drawn is the mean itself; the low quantile is for planning only.
    plain = settings.model_copy(update={"volatile_from": float("inf")})
    customers = list(event.by_customer)
    found = baselines(
        customers,
        horizon,
        plain,
        curves,
        events=event_days,
        last_day=start.date() - dt.timedelta(days=1),
        calendar=calendar,
    )
    bare = [customer for customer in customers if found[customer].origin == "none"]
    if bare:
        shown = ", ".join(bare[:20])
        warnings.append(
            Text(
                f"No day stands for a baseline of {len(bare)} customers: {shown}.", f"{len(bare)} 户无基线日: {shown}。"
            )
        )
    doubtful = [warning for customer in customers if customer not in bare for warning in found[customer].warnings]
    warnings += doubtful[:20]
    return {customer: found[customer].kw[shift:] for customer in customers if customer not in bare}


def burden_days(workspace: Workspace) -> set[dt.date]:
    """Days on which somebody bore something: they had an event."""
    with open_database(workspace).read() as connection:
        rows = connection.execute(sa.select(shed_burden.c.day).distinct())
        return {dt.date.fromisoformat(row.day) for row in rows}


def hold_to_end(workspace: Workspace, draft: str) -> str:
    """The state of a draft whose event is over. Raises RefusedError while it is not, and for a draft that was replaced or
    withdrawn: nobody bore anything under it.
    """
    from keyacct.plan.drafts import load_draft

    stored = load_draft(workspace, draft)
    if clock.now_ms() < stored.ends_ms:
        ends = civil(stored.ends_ms, workspace.zone).isoformat(timespec="minutes")
        raise RefusedError(
            "refused.incomplete",
            str(Text(f"the event of draft {draft} ends at {ends}", f"方案 {draft} 的事件于 {ends} 结束")),
            hint=str(Text("evaluate afterwards; --dry-run looks without writing", "请事后评价; --dry-run 只看不写")),
        )
    if stored.state in OVER:
        raise RefusedError(
            "refused.incomplete",
            str(Text(f"draft {draft} is {stored.state}", f"方案 {draft} 状态为 {stored.state}")),
            hint=str(Text("evaluate the draft that took its place", "请评价取代它的方案")),
        )
    return stored.state


def record_burden(workspace: Workspace, draft: str, evaluation: Evaluation) -> int:
    """Write the hours and energy borne under a draft into the rotation account, in place of what stood there; the rows.

    A released draft becomes an evaluated one. Raises RefusedError as `hold_to_end`.
    """
    state = hold_to_end(workspace, draft)
    now = clock.now_ms()
    rows = [
        {
            "draft": draft, "account_no": row["customer"], "day": row["day"].isoformat(), "hours": row["borne_h"],
            "energy_kwh": row["borne_kwh"], "noted_at": now,
        }
        for row in evaluation.burdens
    ]  # fmt: skip
    with open_database(workspace).write() as connection:
        connection.execute(sa.delete(shed_burden).where(shed_burden.c.draft == draft))
        if rows:
            connection.execute(shed_burden.insert(), rows)
        if state == "released":
            number = connection.execute(
                sa.select(sa.func.max(shed_state.c.number)).where(shed_state.c.draft == draft)
            ).scalar()
            connection.execute(
                shed_state.insert().values(
                    draft=draft, number=(number or 0) + 1, state="evaluated", reason=None,
                    noted_by=audit.operator_of(connection), noted_at=now,
                )
            )  # fmt: skip
        body = {
            "draft": draft, "accounts": len({row["account_no"] for row in rows}),
            "hours": round(sum(row["hours"] for row in rows), 3),
            "energy_kwh": round(sum(row["energy_kwh"] for row in rows), 3),
        }  # fmt: skip
        audit.append(connection, "shed.evaluate", body)
    return len(rows)
