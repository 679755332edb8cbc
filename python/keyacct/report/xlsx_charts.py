"""Native Excel charts: their data on a sheet of their own, the same digits as in the tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from keyacct.i18n import Lang
from keyacct.report import wording
from keyacct.report.document import Chart, Limit, Series
from keyacct.report.palette import ACCENT, INK, LINE, SERIES, SOFT
from keyacct.report.scale import scale_of

DASHES = ("solid", "dash", "round_dot", "dash_dot", "square_dot", "long_dash")
WIDTH_PX, HEIGHT_PX, ROW_PX = 860, 330, 20
GAP_ROWS = 1
PRINT_SCALE_PCT = 90
"""At this scale two charts fill a landscape page of A4."""


class ChartSheets:
    """The charts of a workbook. Each takes a block of columns on the sheet of chart data."""

    def __init__(self, book: Any, lang: Lang, format: Callable[..., Any]) -> None:
        self.book = book
        self.lang = lang
        self.format = format
        self.blocks: list[tuple[int, Chart]] = []
        self.column = 0

    @property
    def used(self) -> bool:
        """Whether any chart was placed."""
        return bool(self.blocks)

    def place(self, sheet: Any, charts: Sequence[Chart]) -> None:
        """Put charts on a sheet, one below the other."""
        row = 0
        breaks: list[int] = []
        for chart in charts:
            native = self._native(chart)
            native.set_size({"width": WIDTH_PX, "height": HEIGHT_PX})
            sheet.insert_chart(row, 0, native, {"description": chart.summary.to(self.lang), "y_offset": 8})
            row += HEIGHT_PX // ROW_PX + 1 + GAP_ROWS
            self.blocks.append((self.column, chart))
            breaks.append(row)
            self.column += 2 + len(chart.series) + len(chart.limits)

        sheet.set_h_pagebreaks(breaks[1:-1:2])

    def write_data(self, sheet: Any) -> None:
        """The numbers behind the charts: title, headings, one row a category."""
        head = self.format(bold=True, text_wrap=True, valign="top")
        for first, chart in self.blocks:
            sheet.set_column(first, first + len(chart.series) + len(chart.limits), 14)
            sheet.write_string(0, first, chart.title.to(self.lang), self.format(bold=True, font_color=ACCENT))
            sheet.write_string(1, first, chart.category_title.to(self.lang), head)
            for row, category in enumerate(chart.categories, 2):
                sheet.write_string(row, first, category.to(self.lang), self.format())
            pattern = "#,##0" + ("." + "0" * chart.decimals if chart.decimals else "")
            number = self.format(num_format=pattern)
            for place, (name, values) in enumerate(self._columns(chart), first + 1):
                sheet.write_string(1, place, name, head)
                for row, value in enumerate(values, 2):
                    if value is not None:
                        sheet.write_number(row, place, float(value), number)
        sheet.freeze_panes(2, 0)

    def _columns(self, chart: Chart) -> list[tuple[str, Sequence[Decimal | None]]]:
        columns: list[tuple[str, Sequence[Decimal | None]]] = [
            (self._name(series), series.values) for series in chart.series
        ]
        columns += [(limit.name.to(self.lang), (limit.value,) * len(chart.categories)) for limit in chart.limits]
        return columns

    def _name(self, series: Series) -> str:
        """A band's two edges are two lines here, so each says which one it is."""
        edge = {"low": wording.LOWEST, "high": wording.HIGHEST}.get(series.role)
        return (edge or series.name).to(self.lang)

    def _native(self, chart: Chart) -> Any:
        bars = chart.kind == "bar"
        native = self.book.add_chart({"type": "column", "subtype": "stacked"} if bars else {"type": "line"})
        data = wording.CHART_DATA.to(self.lang)
        last = 1 + len(chart.categories)
        items: list[Series | Limit] = [*chart.series, *chart.limits]
        for place, item in enumerate(items, self.column + 1):
            native.add_series(
                {
                    "name": [data, 1, place],
                    "categories": [data, 2, self.column, last, self.column],
                    "values": [data, 2, place, last, place],
                    **self._look(item, bars=bars, labels=bars and not chart.stacked and len(chart.series) > 1),
                }
            )
        scale = scale_of(chart)
        small = {"size": 9, "color": SOFT}
        native.set_title({"name": chart.title.to(self.lang), "name_font": {"size": 12, "bold": True}, "overlay": False})
        native.set_x_axis(
            {
                "name": chart.category_title.to(self.lang),
                "name_font": {**small, "bold": False},
                "num_font": small,
                "line": {"color": SOFT},
                "label_position": "low",
                **_thin(chart),
            }
        )
        decimals = max(max(0, -int(tick.normalize().as_tuple().exponent)) for tick in scale.ticks)
        native.set_y_axis(
            {
                "name": chart.axis.heading(self.lang),
                "name_font": {**small, "bold": False},
                "num_font": small,
                "num_format": "#,##0" + ("." + "0" * decimals if decimals else ""),
                "min": float(scale.low),
                "max": float(scale.high),
                "major_unit": float(scale.ticks[1] - scale.ticks[0]),
                "major_gridlines": {"visible": True, "line": {"color": LINE, "width": 0.75}},
                "line": {"none": True},
            }
        )
        alone = len(items) == 1 or (bars and not chart.stacked)
        native.set_legend({"none": True} if alone else {"position": "bottom", "font": small})
        native.show_blanks_as("gap")
        return native

    def _look(self, item: Series | Limit, *, bars: bool, labels: bool) -> dict[str, Any]:
        if isinstance(item, Limit):
            return {"line": {"color": INK, "width": 1, "dash_type": "square_dot"}, "marker": {"type": "none"}}
        color = SERIES[item.color]
        if bars:
            look: dict[str, Any] = {"fill": {"color": color}, "gap": 40}
            return look | ({"data_labels": {"value": True, "num_format": "#,##0;-#,##0;;"}} if labels else {})
        thin = item.role in ("low", "high")
        return {
            "line": {
                "color": color,
                "width": 1 if thin else 2,
                "dash_type": "solid" if thin else DASHES[item.color],
            },
            "marker": {"type": "none"},
        }


def _thin(chart: Chart) -> dict[str, Any]:
    """Fewer labels on a long axis; where only some categories may be labelled, those."""
    if len(chart.ticks) > 1:
        apart = chart.ticks[1] - chart.ticks[0]
        return {"interval_unit": apart * max(1, len(chart.ticks) // 12), "interval_tick": apart}
    count = len(chart.categories)
    return {"interval_unit": max(1, -(-count // 31))}
