"""An event of orderly power use (有序用电): what a plan orders of whom in which time block, period by period.

Periods are numbered from 0; period t covers [start + t·minutes, start + (t+1)·minutes), its stamp is its end.
A time block is a run of periods, `blocks[k] = (first, end)` with `end` not included.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

MEASURES = ("shift", "avoid", "limit", "trip")
"""In the order in which they are taken: 错峰, 避峰, 限电, 拉闸."""


@dataclass(frozen=True)
class ShedCustomer:
    """A customer of an event. protected: must never be touched. notice_periods: per measure. load_kw: expected load
    of each period.
    """

    customer: str
    area: str
    cls: int
    safety_kw: float
    history_h: float
    resting: bool
    notice_periods: Mapping[str, int]
    load_kw: tuple[float, ...]

    @property
    def protected(self) -> bool:
        """Whether the customer is of class 0."""
        return self.cls == 0


@dataclass(frozen=True)
class ShedOrder:
    """One measure that one customer takes over one time block.

    block: its place in the event's blocks. kw: ordered reduction of each period of the block. ceiling_kw: of a limit,
    the one power ceiling over the block.
    """

    customer: str
    block: int
    measure: str
    first: int
    kw: tuple[float, ...]
    ceiling_kw: float | None = None

    @property
    def end(self) -> int:
        """The period after the last."""
        return self.first + len(self.kw)

    @property
    def mean_kw(self) -> float:
        """Mean ordered reduction."""
        return sum(self.kw) / len(self.kw)

    def periods(self) -> range:
        """The periods of the order."""
        return range(self.first, self.end)


@dataclass(frozen=True)
class ShedEvent:
    """A plan with what it was made for.

    required_kw: demanded reduction of every period, margin contained; headroom_kw: room for returning load, None
    without a limit. areas: the same demand of single areas, by period. returns: kW that come back, by customer and
    period. plan_sha256: of the bytes of the plan file.
    """

    start: dt.datetime
    minutes: int
    issue_period: int
    blocks: tuple[tuple[int, int], ...]
    return_windows: tuple[tuple[int, int], ...]
    required_kw: tuple[float, ...]
    headroom_kw: tuple[float | None, ...]
    areas: Mapping[str, Mapping[int, float]]
    customers: Mapping[str, ShedCustomer]
    orders: tuple[ShedOrder, ...]
    returns: Mapping[str, Mapping[int, float]]
    plan_sha256: str

    @property
    def periods(self) -> int:
        """How many periods the event's horizon has."""
        return len(self.required_kw)

    @property
    def hours(self) -> float:
        """Length of a period in hours."""
        return self.minutes / 60

    def begin_of(self, period: int) -> dt.datetime:
        """When a period begins."""
        return self.start + dt.timedelta(minutes=self.minutes * period)

    def end_of(self, period: int) -> dt.datetime:
        """When a period ends: its stamp."""
        return self.begin_of(period + 1)

    def event_periods(self) -> list[int]:
        """The periods of all time blocks, ascending."""
        return [t for first, end in self.blocks for t in range(first, end)]

    @property
    def begins_at(self) -> dt.datetime:
        """When the first time block begins."""
        return self.begin_of(min((first for first, _ in self.blocks), default=0))

    @property
    def ends_at(self) -> dt.datetime:
        """When the last time block ends."""
        return self.begin_of(max((end for _, end in self.blocks), default=0))

    @cached_property
    def by_customer(self) -> Mapping[str, tuple[ShedOrder, ...]]:
        """The orders of each touched customer, by time."""
        found: dict[str, list[ShedOrder]] = {}
        for order in self.orders:
            found.setdefault(order.customer, []).append(order)
        return {name: tuple(orders) for name, orders in found.items()}

    def planned_kw(self, *, area: str | None = None) -> list[float]:
        """Ordered reduction of every period, of all customers or of one area's."""
        given = [0.0] * self.periods
        for order in self.orders:
            if area is None or self.customers[order.customer].area == area:
                for t, kw in zip(order.periods(), order.kw, strict=True):
                    given[t] += kw
        return given

    def limit_kw(self, order: ShedOrder) -> list[float]:
        """What the customer may draw in each period of an order: the ceiling, else the expected load less the order."""
        if order.ceiling_kw is not None:
            return [order.ceiling_kw] * len(order.kw)
        load = self.customers[order.customer].load_kw
        return [load[t] - kw for t, kw in zip(order.periods(), order.kw, strict=True)]

    def left_kw(self, order: ShedOrder) -> Iterator[float]:
        """Expected load that an order leaves, period by period."""
        load = self.customers[order.customer].load_kw
        return (load[t] - kw for t, kw in zip(order.periods(), order.kw, strict=True))

    def deadline_of(self, order: ShedOrder) -> dt.datetime:
        """When the customer must have been told at the latest: the measure's notice before the block begins."""
        notice = self.customers[order.customer].notice_periods.get(order.measure, 0)
        return self.begin_of(order.first - notice)
