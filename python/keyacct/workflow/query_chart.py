"""A query's first figure as a chart file: SVG that stands alone, or PNG."""

from __future__ import annotations

import os
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from keyacct.analysis.query import QUANTITIES, Asked
from keyacct.errors import InternalError, UsageError, WriteError
from keyacct.i18n import Lang, Text
from keyacct.report.document import Axis, Chart, Series
from keyacct.report.palette import SERIES, svg_style
from keyacct.report.svg import draw

MOST_POINTS = 2_000
WIDTH_PT = 720


def write_chart(asked: Asked, rows: Sequence[dict[str, Any]], path: Path, lang: str) -> None:
    """Write the chart of a query's answer. Raises UsageError for another ending, too many groups or buckets; WriteError."""
    ending = path.suffix.lower()
    if ending not in (".svg", ".png"):
        raise UsageError("usage.invalid", f"a chart is .svg or .png, not {path.name}", hint="end the name so")
    language: Lang = "zh" if lang == "zh" else "en"
    drawing = _svg(_chart(asked, rows), language)
    content = drawing.encode() if ending == ".svg" else _png(drawing)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise WriteError(
            "write.failed", f"cannot write {path}: {error.strerror}", hint="choose another place"
        ) from error


def _chart(asked: Asked, rows: Sequence[dict[str, Any]]) -> Chart:
    quantity = QUANTITIES[asked.quantities[0]]
    figure, title = next(iter(quantity.figures.items()))
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in asked.by), []).append(row)
    known = {name: of for name, of in groups.items() if any(row[figure] is not None for row in of)}
    if not known:
        raise UsageError("usage.invalid", "there is nothing to draw: no value", hint="ask without --chart")
    if len(known) > len(SERIES):
        raise UsageError(
            "usage.invalid", f"{len(known)} groups do not fit in one chart",
            hint=f"choose at most {len(SERIES)} with --where, or leave --by away",
        )  # fmt: skip
    labels = [row["bucket"] for row in next(iter(known.values()))]
    if len(labels) > MOST_POINTS:
        raise UsageError("usage.invalid", f"{len(labels)} buckets do not fit in one chart", hint="take longer buckets")
    short = [label[5:16].replace("T", " ") if len(label) > 10 else label for label in labels]
    series = tuple(
        Series(
            f"s{n}",
            _words(" ".join("–" if part is None else str(part) for part in group)) if group else quantity.name,
            tuple(None if row[figure] is None else _decimal(row[figure]) for row in of),
            n,
            "line",
        )
        for n, (group, of) in enumerate(known.items())
    )
    span = asked.period.label
    return Chart(
        "query", "line", Text(f"{quantity.name.en}, {span}", f"{quantity.name.zh} {span}"),
        Text(f"{title.en} by {asked.bucket}", f"{title.zh}, 按 {asked.bucket}"),
        Text("time", "时间"), tuple(_words(label) for label in short), series,
        Axis(title, Text("", "")), 2 if figure == "pf" else 1, wide=True,
    )  # fmt: skip


def _words(text: str) -> Text:
    return Text(text, text)


def _decimal(value: float | Decimal) -> Decimal:
    return Decimal(str(value)) if isinstance(value, float) else value


def _svg(chart: Chart, lang: Lang) -> str:
    """The drawing with its style, so that it needs no page."""
    head = '<svg xmlns="http://www.w3.org/2000/svg" font-family="Noto Sans, Noto Sans SC, Arial, sans-serif"'
    drawing = draw(chart, lang, chart.key).replace("<svg", head, 1)
    ground = '<rect width="100%" height="100%" fill="#fff"/>'
    return drawing.replace(">", f"><style>{svg_style()}</style>{ground}", 1) + "\n"


def _png(drawing: str) -> bytes:
    import typst

    from keyacct.report.fonts import find_font
    from keyacct.report.pdf import compiler_with

    page = (
        "#set page(width: auto, height: auto, margin: 6pt)\n"
        f'#image(bytes(sys.inputs.drawing), format: "svg", width: {WIDTH_PT}pt)'
    )
    try:
        found = compiler_with(find_font("")).compile(
            input=page.encode(), format="png", ppi=144.0, sys_inputs={"drawing": drawing}
        )
    except typst.TypstError as error:
        raise InternalError("internal.bug", f"the chart cannot be drawn: {error.message}") from error
    if not isinstance(found, bytes):
        raise InternalError("internal.bug", "the typesetter gave no picture")
    return found
