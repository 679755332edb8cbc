"""Round ticks for a value axis."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from keyacct.report.document import Chart

STEPS = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))


@dataclass(frozen=True)
class Scale:
    """Ends of the axis and its ticks, both multiples of one round step."""

    low: Decimal
    high: Decimal
    ticks: tuple[Decimal, ...]

    def labels(self) -> list[str]:
        """The ticks as text, all with the same number of decimals."""
        decimals = max(max(0, -int(tick.normalize().as_tuple().exponent)) for tick in self.ticks)
        return [f"{tick:,.{decimals}f}" for tick in self.ticks]


def scale_of(chart: Chart) -> Scale:
    """The value axis of a chart: holds all its values, sums and limits; whole numbers have whole steps."""
    if chart.stacked:
        columns = zip(*(series.values for series in chart.series), strict=True)
        values = [sum((v for v in column if v is not None), Decimal(0)) for column in columns]
    else:
        values = [value for series in chart.series for value in series.values if value is not None]
    whole = chart.decimals == 0 and all(value == value.to_integral_value() for value in values)
    values += [limit.value for limit in chart.limits]
    return nice_scale(values, zero=chart.kind == "bar", low=chart.axis.low, high=chart.axis.high, whole=whole)


def nice_scale(
    values: Iterable[Decimal],
    *,
    zero: bool,
    low: Decimal | None = None,
    high: Decimal | None = None,
    about: int = 5,
    whole: bool = False,
) -> Scale:
    """A scale of about so many steps (1, 2, 2.5 or 5 times a power of ten) that holds all values.

    zero: the axis must show 0 (bars). low, high: values that it must show. whole: no step below 1. An axis without
    values runs 0..1.
    """
    given = [value for value in (low, high) if value is not None]
    found = [*values, *given, *([Decimal(0)] if zero else [])]
    if not found:
        found = [Decimal(0), Decimal(1)]
    least, most = min(found), max(found)
    if least == most:
        room = abs(least) / 20 or Decimal(1)
        least, most = (least, most + room) if zero or least == 0 else (least - room, most + room)
    step = _step((most - least) / about)
    if whole:
        step = Decimal(5) if step == Decimal("2.5") else max(step, Decimal(1))
    start = (least / step).to_integral_value(ROUND_FLOOR) * step
    end = (most / step).to_integral_value(ROUND_CEILING) * step
    count = int((end - start) / step)
    return Scale(start, end, tuple(start + step * n for n in range(count + 1)))


def _step(rough: Decimal) -> Decimal:
    power = Decimal(1).scaleb(rough.adjusted())
    return next(factor * power for factor in STEPS if factor * power >= rough)
