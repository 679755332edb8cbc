"""The plan document: the gap of every interval and what the plan sets against it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from keyacct.analysis.shed_event import MEASURES
from keyacct.i18n import Text
from keyacct.report.document import Axis, Chart, Note, Section, Series, Value
from keyacct.report.sections import shed_columns as c
from keyacct.report.sections.common import KW, number, plain
from keyacct.report.sections.office import listed
from keyacct.report.shed_paper import MEASURE_NAMES, PlanPaper, moment

SHORT_KW = 0.0005
"""A demand is short from here on: less is rounding of the plan file."""


WHOLE = Text("whole system", "全系统")


def gap(paper: PlanPaper) -> Section:
    """Demand and plan: chart, blocks, measures, areas, and what stays behind."""
    event = paper.event
    planned = event.planned_kw()
    rows: list[dict[str, Value]] = []
    for k, (first, end) in enumerate(event.blocks):
        rows.append(
            {
                "block": k + 1, "from_at": moment(paper.local(event.begin_of(first))),
                "to_at": moment(paper.local(event.begin_of(end))),
                **_against(paper, range(first, end), planned, event.required_kw, None),
                "short_kwh": sum(max(event.required_kw[t] - planned[t], 0.0) for t in range(first, end)) * event.hours,
            }
        )  # fmt: skip
    tables = [c.BLOCKS_TABLE.fill(rows), c.MEASURES_TABLE.fill(_measures(paper))]
    if event.areas:
        tables.append(c.AREAS_TABLE.fill(_areas(paper)))
    notes = _shortfalls(paper, planned)
    return Section(
        "gap", Text("Gap and reduction", "缺口与压减"), tuple(tables), (_chart(paper, planned),), tuple(notes)
    )


def _against(
    paper: PlanPaper, periods: range, planned: Sequence[float], required: Sequence[float], area: str | None
) -> dict[str, Value]:
    """Demand and plan over some periods: the highest of each, and the smallest margin."""
    targets = [kw for t in periods if (kw := paper.target_kw(t, area)) is not None]
    demanded = [t for t in periods if required[t] > 0]
    return {
        "target_kw": max(targets, default=None),
        "required_kw": max((required[t] for t in demanded), default=None),
        "planned_kw": max((planned[t] for t in periods), default=None),
        "margin_kw": min((planned[t] - required[t] for t in demanded), default=None),
    }


def _areas(paper: PlanPaper) -> list[dict[str, Value]]:
    event = paper.event
    rows: list[dict[str, Value]] = []
    for area, demand in event.areas.items():
        planned = event.planned_kw(area=area)
        required = [demand.get(t, 0.0) for t in range(event.periods)]
        for k, (first, end) in enumerate(event.blocks):
            orders = [o for o in event.orders if o.block == k and event.customers[o.customer].area == area]
            if not any(required[first:end]) and not orders:
                continue
            rows.append(
                {
                    "area": area, "block": k + 1, **_against(paper, range(first, end), planned, required, area),
                    "customers": len({o.customer for o in orders}),
                    "energy_kwh": sum(sum(o.kw) for o in orders) * event.hours,
                }
            )  # fmt: skip
    return rows


def _measures(paper: PlanPaper) -> list[dict[str, Value]]:
    event = paper.event
    rows: list[dict[str, Value]] = []
    for k in range(len(event.blocks)):
        for measure in MEASURES:
            orders = [o for o in event.orders if o.block == k and o.measure == measure]
            if orders:
                rows.append(
                    {
                        "block": k + 1, "measure": MEASURE_NAMES[measure], "customers": len(orders),
                        "reduction_kw": sum(o.mean_kw for o in orders),
                        "energy_kwh": sum(sum(o.kw) for o in orders) * event.hours,
                    }
                )  # fmt: skip
    return rows


def _shortfalls(paper: PlanPaper, planned: Sequence[float]) -> list[Note]:
    """What the plan does not reach: its own requirement, and the targets of dispatch's order."""
    event = paper.event
    notes = []
    if paper.figures["unmet_kwh"] >= SHORT_KW:
        kwh = number(paper.figures["unmet_kwh"], 2)
        text = Text(
            f"The demand cannot be met: {kwh} kWh are not covered. No safety load was used for it.",
            f"需求无法全部满足: 缺 {kwh} kWh。未动用保安负荷。",
        )
        notes.append(Note("warning", text))
    for area in (None, *event.areas):
        given = planned if area is None else event.planned_kw(area=area)
        short = {
            t: target - given[t]
            for t in range(event.periods)
            if (target := paper.target_kw(t, area)) is not None and target - given[t] > SHORT_KW
        }
        if short:
            worst = max(short, key=lambda t: (short[t], -t))
            where = WHOLE if area is None else Text(f"area {area}", f"区域 {area}")
            kw, at = number(short[worst], 1), moment(paper.local(event.end_of(worst)))
            text = Text(
                f"Below dispatch's target, {where.en}: in {len(short)} intervals, most at {at}: {kw} kW short.",
                f"未达调度指标 ({where.zh}): {len(short)} 个时刻, 最大缺 {kw} kW ({at})。",
            )
            notes.append(Note("warning", text))
    strange = sorted({t.area for t in paper.order.targets if t.area is not None} - _known_areas(paper))
    if strange:
        names = listed(strange)
        text = Text(f"The order has targets of unknown areas: {names.en}.", f"指令中有未知区域的指标: {names.zh}。")
        notes.append(Note("warning", text))
    return notes


def _known_areas(paper: PlanPaper) -> set[str]:
    return {customer.area for customer in paper.event.customers.values()}


def _chart(paper: PlanPaper, planned: Sequence[float]) -> Chart:
    """Planned reduction against requirement and dispatch's target, interval by interval."""
    event = paper.event
    periods = range(min(a for a, _ in event.blocks), max(b for _, b in event.blocks)) if event.blocks else range(0)
    inside = set(event.event_periods())
    targets = [paper.target_kw(t) for t in periods]
    series = [
        Series(
            "required_kw", Text("required", "需求"), tuple(_kw(event.required_kw[t], t in inside) for t in periods), 1
        ),
        Series("planned_kw", Text("planned", "计划"), tuple(_kw(planned[t], t in inside) for t in periods), 0),
    ]
    if any(target is not None for target in targets):
        values = tuple(None if target is None else number(target, 1) for target in targets)
        series.append(Series("target_kw", Text("dispatch target", "调度指标"), values, 2))
    stamps = [paper.local(event.end_of(t)) for t in periods]
    return Chart(
        key="shed_reduction",
        kind="line",
        title=Text("Reduction against target", "压减负荷与指标"),
        summary=Text(
            f"Planned and required reduction over {len(stamps)} intervals.",
            f"{len(stamps)} 个时刻的计划与需求压减负荷。",
        ),
        category_title=Text("End of interval", "时段止点"),
        categories=tuple(plain(f"{at:%H:%M}") for at in stamps),
        series=tuple(series),
        axis=Axis(Text("Reduction", "压减负荷"), KW, low=Decimal(0)),
        decimals=1,
        ticks=tuple(n for n, at in enumerate(stamps) if at.minute == 0) if len(stamps) > 12 else (),
        wide=True,
    )


def _kw(value: float, inside: bool) -> Decimal | None:
    return number(value, 1) if inside else None
