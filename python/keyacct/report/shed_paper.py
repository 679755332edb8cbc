"""What the papers of orderly power use are made from: the checked plan, dispatch's order, names, contacts, recovery."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keyacct.analysis.shed_event import ShedEvent, ShedOrder
from keyacct.i18n import Text
from keyacct.model import Period
from keyacct.report.dispatch_order import DispatchOrder, Person, TableVersion

MEASURE_NAMES: dict[str, Text] = {
    "shift": Text("shift", "错峰"),
    "avoid": Text("avoid", "避峰"),
    "limit": Text("limit", "限电"),
    "trip": Text("trip", "拉闸"),
}

FIELD_LINE = "________________"
"""A line to write on."""


@dataclass(frozen=True)
class Office:
    """Whose paper it is. zone: of civil times."""

    name: str
    zone: dt.tzinfo
    generated_at: dt.datetime


@dataclass(frozen=True)
class RecoveryRules:
    """How load is released after an event. stage_share: of the released kW at most so much in one stage [D];
    stage_min: minutes between stages [D].
    """

    stage_share: float = 0.20
    stage_min: int = 5


@dataclass(frozen=True)
class PlanPaper:
    """A plan on its way to paper. figures: of the independent check. names, contacts: by customer, as far as known.
    reserve, explanation: as the planner wrote them, where they are at hand. draft: its name in the workspace.
    """

    event: ShedEvent
    order: DispatchOrder
    office: Office
    figures: Mapping[str, float]
    table: TableVersion | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    contacts: Mapping[str, tuple[Person, ...]] = field(default_factory=dict)
    reserve: Sequence[Mapping[str, Any]] = ()
    explanation: Mapping[str, Any] | None = None
    draft: str = ""
    recovery: RecoveryRules = field(default_factory=RecoveryRules)

    def people(self, customer: str) -> tuple[Person, ...]:
        """Whom to call: those of the order, else those of the registry."""
        return self.order.contact_of(customer) or self.contacts.get(customer, ())

    def local(self, at: dt.datetime) -> dt.datetime:
        """A time as the office's clocks show it."""
        return at.astimezone(self.office.zone)

    def target_kw(self, period: int, area: str | None = None) -> float | None:
        """What dispatch demands in a period, None where its order says nothing: the largest of the targets that cover it."""
        event = self.event
        begin, end = event.begin_of(period), event.end_of(period)
        found = [t.kw for t in self.order.targets if t.area == area and t.from_at < end and begin < t.to_at]
        return max(found, default=None)


@dataclass(frozen=True)
class Release:
    """A customer that gets its load back: at which end of a block, in which stage, how much."""

    order: ShedOrder
    release_at: dt.datetime
    stage: int
    stage_at: dt.datetime
    kw: float


def releases(event: ShedEvent, rules: RecoveryRules) -> list[Release]:
    """Who is released when: the last shed first, of those the more important class first, in stages.

    A customer that goes on in a block right behind is not released in between.
    """
    found: list[Release] = []
    for _, end in event.blocks:
        ending = [order for order in event.orders if order.end == end and not _goes_on(event, order)]
        ending.sort(key=lambda o: (-_began(event, o), event.customers[o.customer].cls, -o.kw[-1], o.customer))
        total = sum(order.kw[-1] for order in ending)
        stage, filled = 1, 0.0
        at = event.begin_of(end)
        for order in ending:
            kw = order.kw[-1]
            if filled > 0 and filled + kw > rules.stage_share * total:
                stage, filled = stage + 1, 0.0
            filled += kw
            later = dt.timedelta(minutes=rules.stage_min * (stage - 1))
            found.append(Release(order, at, stage, at + later, kw))
    return found


def _goes_on(event: ShedEvent, order: ShedOrder) -> bool:
    return any(other.first == order.end for other in event.by_customer[order.customer])


def _began(event: ShedEvent, order: ShedOrder) -> int:
    """The period in which the customer's run of neighbouring blocks began."""
    first = order.first
    for other in reversed(event.by_customer[order.customer]):
        if other.end == first:
            first = other.first
    return first


def event_period(event: ShedEvent, zone: dt.tzinfo) -> Period:
    """The civil days of an event's time blocks."""
    first = event.begins_at.astimezone(zone).date()
    last = (event.ends_at.astimezone(zone) - dt.timedelta(milliseconds=1)).date()
    return Period.parse(str(first) if first == last else f"{first}..{last}")


def moment(at: dt.datetime | None) -> str | None:
    """A time as papers write it, to the minute."""
    return None if at is None else at.strftime("%Y-%m-%d %H:%M")


def span(first: dt.datetime, last: dt.datetime) -> str:
    """A span of time: `08:30–09:15`, with the day in front when asked of a whole event."""
    return f"{first:%H:%M}–{last:%H:%M}"
