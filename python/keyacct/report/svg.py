"""Charts as inline SVG, drawn from the `Chart` alone: the same chart gives the same bytes.

Colours are classes of the page's style sheet (`s0` … `s5`), so one drawing serves light, dark and
print; lines differ by dash as well as by colour. There are a title and a description for screen
readers; points and bars say their value.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from html import escape

from keyacct.i18n import Lang
from keyacct.report.document import Chart, Series
from keyacct.report.scale import Scale, scale_of
from keyacct.report.text_width import pixel_width

FONT_PX = 11.5
LEGEND_PX = 12.0
HEIGHT = 300
WIDTH = 560
WIDE = 1000
GAP = 14


@dataclass(frozen=True)
class _Frame:
    """The plot area and how values fall into it."""

    left: float
    top: float
    right: float
    bottom: float
    scale: Scale
    count: int

    def x(self, index: int) -> float:
        """Middle of a category."""
        return self.left + (self.right - self.left) * (index + 0.5) / max(self.count, 1)

    def y(self, value: Decimal) -> float:
        """Height of a value."""
        share = float((value - self.scale.low) / (self.scale.high - self.scale.low))
        return self.bottom - (self.bottom - self.top) * share

    @property
    def step(self) -> float:
        """Width of a category."""
        return (self.right - self.left) / max(self.count, 1)


def draw(chart: Chart, lang: Lang, identifier: str) -> str:
    """The chart as one `<svg>` element. identifier: unique in the page, for the title's reference."""
    width = WIDE if chart.wide else WIDTH
    scale = scale_of(chart)
    marks = scale.labels()
    left = max(pixel_width(mark, FONT_PX) for mark in marks) + 12
    right = 14 + max((pixel_width(_limit_text(chart, i, lang), FONT_PX) for i in range(len(chart.limits))), default=2)
    legend, legend_bottom = _legend(chart, lang, width)
    top = legend_bottom + 28
    bottom = HEIGHT + legend_bottom - 44
    height = HEIGHT + legend_bottom
    frame = _Frame(left, top, width - right, bottom, scale, len(chart.categories))
    parts = [
        f'<svg class="chart" viewBox="0 0 {width} {_n(height)}" role="img" '
        f'aria-labelledby="{identifier}-t {identifier}-d">',
        f'<title id="{identifier}-t">{escape(chart.title.to(lang))}</title>',
        f'<desc id="{identifier}-d">{escape(chart.summary.to(lang))}</desc>',
        *legend,
        *_value_axis(chart, frame, marks, lang),
        *_category_axis(chart, frame, lang),
    ]
    if chart.kind == "bar":
        parts += _bars(chart, frame, lang)
    else:
        parts += _band(chart, frame)
        for series in chart.series:
            if series.role == "line":
                parts += _line(series, chart, frame, lang)
        if chart.kind == "band":
            parts += _band_points(chart, frame, lang)
    parts += _limits(chart, frame, lang)
    parts.append("</svg>")
    return "".join(parts)


def _n(value: float) -> str:
    """A coordinate: two digits after the point, no trailing zeros, no minus zero."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _legend(chart: Chart, lang: Lang, width: int) -> tuple[list[str], float]:
    """The legend's rows from the top, and where they end. A single series needs none: the title names it."""
    entries: list[tuple[str, str]] = []
    for series in chart.series:
        if series.role == "high":
            continue  # drawn and named with its `low`
        entries.append((_shortened(series.name.to(lang), width - 40), _key_mark(series)))
    if len(entries) < 2 or _named_by_category(chart):
        return [], 2.0
    parts: list[str] = []
    x, y = 4.0, 14.0
    for name, mark in entries:
        needed = 26 + pixel_width(name, LEGEND_PX)
        if x > 4 and x + needed > width - 4:
            x, y = 4.0, y + 18
        parts.append(f'<g transform="translate({_n(x)} {_n(y)})">{mark}')
        parts.append(f'<text class="legend" x="24" y="0">{escape(name)}</text></g>')
        x += needed + GAP
    return parts, y + 4


def _shortened(name: str, room_px: float) -> str:
    """A name that fits; a longer one ends in an ellipsis, and is whole in the chart's values."""
    if pixel_width(name, LEGEND_PX) <= room_px:
        return name
    while pixel_width(name + "…", LEGEND_PX) > room_px:
        name = name[:-1]
    return name.rstrip() + "…"


def _key_mark(series: Series) -> str:
    if series.role == "line":
        return f'<path class="line s{series.color}" d="M0 -4H18"/>'
    soft = " soft" if series.role == "low" else ""
    return f'<rect class="fill f{series.color}{soft}" x="2" y="-10" width="14" height="11"/>'


def _value_axis(chart: Chart, frame: _Frame, marks: list[str], lang: Lang) -> list[str]:
    parts = [
        f'<text class="axis-title" x="2" y="{_n(frame.top - 13)}">{escape(chart.axis.heading(lang))}</text>',
    ]
    if chart.band is not None:
        low, high = (min(max(v, frame.scale.low), frame.scale.high) for v in chart.band)
        parts.append(
            f'<rect class="allowed" x="{_n(frame.left)}" y="{_n(frame.y(high))}" '
            f'width="{_n(frame.right - frame.left)}" height="{_n(frame.y(low) - frame.y(high))}"/>'
        )
    for value, mark in zip(frame.scale.ticks, marks, strict=True):
        y = frame.y(value)
        kind = "base" if value == frame.scale.low else "grid"
        parts.append(f'<path class="{kind}" d="M{_n(frame.left)} {_n(y)}H{_n(frame.right)}"/>')
        parts.append(f'<text class="tick end" x="{_n(frame.left - 6)}" y="{_n(y + 4)}">{mark}</text>')
    return parts


def _category_axis(chart: Chart, frame: _Frame, lang: Lang) -> list[str]:
    candidates = list(chart.ticks or range(len(chart.categories)))
    names = {index: chart.categories[index].to(lang) for index in candidates}
    widest = max((pixel_width(name, FONT_PX) for name in names.values()), default=0) + 8
    apart = frame.step * (candidates[1] - candidates[0]) if len(candidates) > 1 else widest
    every = next((n for n in (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 24, 31) if n * apart >= widest), len(candidates))
    shown = candidates[::-1][::every][::-1] if chart.ticks_from_end else candidates[::every]
    parts = []
    for index in shown:
        x = frame.x(index)
        parts.append(f'<path class="base" d="M{_n(x)} {_n(frame.bottom)}v4"/>')
        half = pixel_width(names[index], FONT_PX) / 2
        over = x + half > frame.right + 13  # the last label must not leave the drawing
        anchor, at = ("tick end", frame.right + 13) if over else ("tick mid", x)
        parts.append(f'<text class="{anchor}" x="{_n(at)}" y="{_n(frame.bottom + 17)}">{escape(names[index])}</text>')
    middle = (frame.left + frame.right) / 2
    parts.append(
        f'<text class="axis-title mid" x="{_n(middle)}" y="{_n(frame.bottom + 36)}">'
        f"{escape(chart.category_title.to(lang))}</text>"
    )
    return parts


def _said(chart: Chart, index: int, name: str, value: str, lang: Lang) -> str:
    unit = chart.axis.unit.to(lang)
    where = chart.categories[index].to(lang)
    head = where if _named_by_category(chart) else f"{where} {name}"
    return f"<title>{escape(f'{head}: {value} {unit}'.rstrip())}</title>"


def _named_by_category(chart: Chart) -> bool:
    """Bars that each stand for themselves: every series has one category, which is its name."""
    return (
        chart.kind == "bar"
        and not chart.stacked
        and 1 < len(chart.series) == len(chart.categories)
        and all(v is None for at, series in enumerate(chart.series) for i, v in enumerate(series.values) if i != at)
    )


def _bars(chart: Chart, frame: _Frame, lang: Lang) -> list[str]:
    parts = []
    alone = _named_by_category(chart)
    beside = 1 if chart.stacked or alone else len(chart.series)
    thick = min(frame.step * 0.72 / beside, 56)
    base = [Decimal(0)] * frame.count
    for place, series in enumerate(chart.series):
        shift = thick * (place - beside / 2) if beside > 1 else -thick / 2
        for index, value in enumerate(series.values):
            if value is None:
                continue
            start = base[index] if chart.stacked else Decimal(0)
            end = start + value
            base[index] = end
            y0, y1 = sorted((frame.y(start), frame.y(end)))
            parts.append(
                f'<rect class="fill f{series.color}" x="{_n(frame.x(index) + shift)}" y="{_n(y0)}" '
                f'width="{_n(thick)}" height="{_n(max(y1 - y0, 0))}">'
                f"{_said(chart, index, series.name.to(lang), f'{value:,f}', lang)}</rect>"
            )
            if alone:
                parts.append(f'<text class="tick mid" x="{_n(frame.x(index))}" y="{_n(y0 - 5)}">{value:,f}</text>')
    return parts


def _runs(values: tuple[Decimal | None, ...]) -> list[list[int]]:
    """Unbroken runs of present values: a gap in the data is a gap in the line."""
    runs: list[list[int]] = []
    for index, value in enumerate(values):
        if value is None:
            continue
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return runs


def _line(series: Series, chart: Chart, frame: _Frame, lang: Lang) -> list[str]:
    parts = []
    for run in _runs(series.values):
        points = [(frame.x(i), frame.y(value)) for i in run if (value := series.values[i]) is not None]
        if len(points) == 1:
            x, y = points[0]
            parts.append(f'<circle class="fill f{series.color}" cx="{_n(x)}" cy="{_n(y)}" r="2.5"/>')
            continue
        path = "L".join(f"{_n(x)} {_n(y)}" for x, y in points)
        parts.append(f'<path class="line s{series.color}" d="M{path}"/>')
    for index, value in enumerate(series.values):
        if value is not None:
            parts.append(
                f'<circle class="touch" cx="{_n(frame.x(index))}" cy="{_n(frame.y(value))}" r="6">'
                f"{_said(chart, index, series.name.to(lang), f'{value:,f}', lang)}</circle>"
            )
    return parts


def _pairs(chart: Chart) -> list[tuple[Series, Series]]:
    lows = [series for series in chart.series if series.role == "low"]
    highs = [series for series in chart.series if series.role == "high"]
    return list(zip(lows, highs, strict=True))


def _band(chart: Chart, frame: _Frame) -> list[str]:
    parts = []
    for low, high in _pairs(chart):
        both = tuple(a if b is not None else None for a, b in zip(low.values, high.values, strict=True))
        for run in _runs(both):
            upper = [(frame.x(i), frame.y(v)) for i in run if (v := high.values[i]) is not None]
            lower = [(frame.x(i), frame.y(v)) for i in run if (v := low.values[i]) is not None]
            if len(run) == 1:  # one day alone: a bar as wide as half a day
                upper = [(upper[0][0] + d * frame.step / 4, upper[0][1]) for d in (-1, 1)]
                lower = [(lower[0][0] + d * frame.step / 4, lower[0][1]) for d in (-1, 1)]
            path = "L".join(f"{_n(x)} {_n(y)}" for x, y in upper + lower[::-1])
            parts.append(f'<path class="fill f{low.color} soft" d="M{path}Z"/>')
    return parts


def _band_points(chart: Chart, frame: _Frame, lang: Lang) -> list[str]:
    parts = []
    for low, high in _pairs(chart):
        for series in (low, high):
            for index, value in enumerate(series.values):
                if value is not None:
                    parts.append(
                        f'<circle class="touch" cx="{_n(frame.x(index))}" cy="{_n(frame.y(value))}" r="5">'
                        f"{_said(chart, index, low.name.to(lang), f'{value:,f}', lang)}</circle>"
                    )
    return parts


def _limit_text(chart: Chart, index: int, lang: Lang) -> str:
    limit = chart.limits[index]
    return f"{limit.name.to(lang)} {limit.value:,f}"


def _limits(chart: Chart, frame: _Frame, lang: Lang) -> list[str]:
    """Dashed lines named at the right edge; names that would touch are moved apart."""
    parts = []
    order = sorted(range(len(chart.limits)), key=lambda i: (-chart.limits[i].value, i))
    lowest = frame.top - 12
    for index in order:
        limit = chart.limits[index]
        y = frame.y(limit.value)
        label = max(y + 4, lowest + 13)
        lowest = label
        parts.append(f'<path class="limit" d="M{_n(frame.left)} {_n(y)}H{_n(frame.right)}"/>')
        parts.append(
            f'<text class="limit-name" x="{_n(frame.right + 6)}" y="{_n(label)}">'
            f"{escape(_limit_text(chart, index, lang))}</text>"
        )
    return parts
