"""The colours of charts: told apart with every common kind of colour blindness (after Okabe and Ito)."""

from __future__ import annotations

import functools

SERIES = ("#0072b2", "#d55e00", "#009e73", "#e69f00", "#56b4e9", "#8a94a3")
"""By `Series.color`; the style sheet has the same as `--c0` … `--c5`, and lighter ones for dark screens."""

INK, SOFT, LINE, PANEL = "#1b2430", "#5b6674", "#d9dde3", "#f6f7f9"
ACCENT, GOOD, BAD = "#0b5394", "#00694a", "#a63c00"
ALLOWED = "#f1f6f1"
DASHES = ("", "7 4", "2 4", "10 3 2 3", "4 3", "12 4")
"""Dash of each colour's line, so that lines differ in black and white too."""


@functools.cache
def svg_style() -> str:
    """Style of a drawing that stands alone, on paper: the classes of `svg.py` in fixed colours."""
    rules = [
        f".chart text{{fill:{SOFT};font-size:11.5px}}",
        f".chart .legend{{fill:{INK};font-size:12px}}",
        ".chart .end{text-anchor:end}.chart .mid{text-anchor:middle}",
        f".chart .grid{{stroke:{LINE};stroke-width:1;fill:none}}",
        f".chart .base{{stroke:{SOFT};stroke-width:1;fill:none}}",
        f".chart .limit{{stroke:{INK};stroke-width:1;stroke-dasharray:3 3;fill:none}}",
        f".chart .limit-name{{fill:{INK}}}.chart .allowed{{fill:{ALLOWED}}}",
        ".chart .line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}",
        ".chart .soft{opacity:.32}.chart .touch{fill:none}",
    ]
    for place, (color, dash) in enumerate(zip(SERIES, DASHES, strict=True)):
        dashed = f";stroke-dasharray:{dash}" if dash else ""
        rules.append(f".chart .s{place}{{stroke:{color}{dashed}}}.chart .f{place}{{fill:{color}}}")
    return "".join(rules)
