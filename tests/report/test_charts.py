"""Charts: round scales, well-formed drawings, labels that neither touch nor leave the drawing."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET  # the drawings under test are our own
from decimal import Decimal
from importlib.resources import files
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyacct.i18n import Text
from keyacct.report import palette
from keyacct.report.document import Axis, Chart, Document, Limit, Series
from keyacct.report.scale import nice_scale
from keyacct.report.svg import FONT_PX, draw
from keyacct.report.text_width import pixel_width

VALUES = st.decimals(-10_000_000, 10_000_000, places=3)


@given(st.lists(VALUES, max_size=20), st.booleans())
def test_a_scale_holds_all_values_in_few_even_round_steps(values: list[Decimal], zero: bool) -> None:
    scale = nice_scale(values, zero=zero)
    assert all(scale.low <= value <= scale.high for value in values)
    assert not zero or scale.low <= 0 <= scale.high
    assert 2 <= len(scale.ticks) <= 8
    steps = {b - a for a, b in pairwise(scale.ticks)}
    assert len(steps) == 1
    assert f"{steps.pop().normalize():E}".split("E")[0] in {"1", "2", "2.5", "5"}
    assert len(set(scale.labels())) == len(scale.ticks)


@given(
    st.lists(st.none() | VALUES, min_size=1, max_size=100),
    st.lists(VALUES, max_size=3),
    st.sampled_from(["line", "bar"]),
    st.booleans(),
)
def test_any_chart_can_be_drawn(
    values: list[Decimal | None],
    limits: list[Decimal],
    kind: str,
    wide: bool,
) -> None:
    chart = Chart(
        "c", kind, Text("<t>", "题"), Text("&", "述"), Text("x", "横"),
        tuple(Text(f"<{n}>", f"{n}日") for n in range(len(values))),
        (Series("s", Text("s", "列"), tuple(values)),), Axis(Text("y", "纵")),
        limits=tuple(Limit(Text("limit", "限"), limit) for limit in limits), wide=wide,
    )  # fmt: skip
    for lang in ("en", "zh"):
        check(draw(chart, lang, "c"))


def boxes(root: ET.Element, kind: str) -> list[tuple[float, float, float]]:
    """(left, right, baseline) of every text of a class."""
    found = []
    for text in root.iter("text"):
        name = text.get("class", "")
        if name.split()[0] != kind or text.text is None:
            continue
        x, y, width = float(text.get("x", "0")), float(text.get("y", "0")), pixel_width(text.text, FONT_PX)
        left = x - width if "end" in name else x - width / 2 if "mid" in name else x
        found.append((left, left + width, y))
    return found


def check(svg: str) -> None:
    root = ET.fromstring(svg)
    _, _, width, height = map(float, root.get("viewBox", "").split())
    assert root.find("title") is not None
    assert root.find("desc") is not None
    for kind in ("tick", "axis-title", "limit-name"):
        for left, right, y in boxes(root, kind):
            assert left >= -1
            assert right <= width + 1, (kind, right, width)
            assert 0 <= y <= height
    below = sorted(box for box in boxes(root, "tick") if box[2] == max(b[2] for b in boxes(root, "tick")))
    for (_, right, _), (left, _, _) in pairwise(below):
        assert left >= right, "labels of the axis touch"
    names = sorted(y for _, _, y in boxes(root, "limit-name"))
    assert all(b - a >= 12.9 for a, b in pairwise(names)), "names of limits touch"
    assert "nan" not in svg.lower()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_chart_of_the_month_report_is_clean(document: Document, lang: str) -> None:
    charts = [chart for section in document.sections for chart in section.charts]
    assert {chart.kind for chart in charts} == {"line", "bar", "band"}
    for chart in charts:
        check(draw(chart, lang, chart.key))


def test_a_gap_in_the_data_is_a_gap_in_the_line(document: Document) -> None:
    chart = next(c for s in document.sections for c in s.charts if c.key == "load_curve")
    assert [c.zh for c, v in zip(chart.categories, chart.series[0].values, strict=True) if v is None] == [
        "12:30", "12:45", "13:00",
    ]  # fmt: skip
    assert chart.categories[-1].en == "24:00"
    assert len(re.findall(r'class="line s0"', draw(chart, "en", "c"))) == 2


def rects(svg: str) -> list[tuple[float, float, str]]:
    """(left, width, class) of every bar, the keys of the legend left out."""
    found = [r for r in ET.fromstring(svg).iter("rect") if r.find("title") is not None]
    return [(float(r.get("x", "")), float(r.get("width", "")), r.get("class", "")) for r in found]


def bars(values: list[list[int | None]], *, stacked: bool = False) -> Chart:
    """A bar chart with one series a row."""
    series = tuple(
        Series(f"s{n}", Text(f"row {n}", f"第{n}行"), tuple(None if v is None else Decimal(v) for v in row), n, "bar")
        for n, row in enumerate(values)
    )
    names = tuple(Text(f"c{n}", f"类{n}") for n in range(len(values[0])))
    return Chart("c", "bar", Text("t", "题"), Text("d", "述"), Text("x", "横"), names, series, Axis(Text("y", "纵")),
                 stacked=stacked)  # fmt: skip


def test_bars_of_several_series_stand_side_by_side_and_have_a_legend() -> None:
    svg = draw(bars([[3, 1], [2, None], [1, 2]]), "en", "c")
    check(svg)
    drawn = sorted(rects(svg))
    assert len(drawn) == 5
    assert all(a[0] + a[1] <= b[0] + 0.02 for a, b in pairwise(drawn)), "bars overlap"
    assert all(f">row {n}</text>" in svg for n in range(3))


def test_bars_on_one_another_share_their_place() -> None:
    assert len({left for left, _, _ in rects(draw(bars([[3], [2]], stacked=True), "en", "c"))}) == 1


def test_bars_that_are_named_below_need_no_legend_and_say_their_value() -> None:
    svg = draw(bars([[3, None], [None, 2]]), "en", "c")
    assert "row 0</text>" not in svg
    assert svg.count(">3</text>") == 2  # on the bar and at the axis
    assert len({left for left, _, _ in rects(svg)}) == 2


def test_counts_have_no_steps_of_fractions() -> None:
    assert "0.2" not in draw(bars([[1]]), "en", "c")


def test_a_name_too_long_for_the_legend_is_shortened_there_and_whole_elsewhere() -> None:
    names = ["进线" * 60, "feeder " * 60]
    series = tuple(Series(name[:1], Text(name, name), (Decimal(1),)) for name in names)
    chart = Chart(
        "c",
        "line",
        Text("t", "t"),
        Text("d", "d"),
        Text("x", "x"),
        (Text("1", "1"),),
        series,
        Axis(Text("y", "y")),
    )
    root = ET.fromstring(draw(chart, "zh", "c"))
    legend = [text.text or "" for text in root.iter("text") if text.get("class") == "legend"]
    assert all(text.endswith("…") and 24 + pixel_width(text, 12) <= 560 for text in legend)
    said = " ".join(title.text or "" for title in root.iter("title"))
    assert all(name in said for name in names)


def test_the_style_sheet_has_the_palette(document: Document) -> None:
    css = (files("keyacct.report") / "templates" / "style.css").read_text("utf-8")
    assert tuple(re.findall(r"--c\d: (#[0-9a-f]{6})", css)[:6]) == palette.SERIES
    used = {series.color for s in document.sections for c in s.charts for series in c.series}
    assert used <= set(range(len(palette.SERIES)))
