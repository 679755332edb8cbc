"""The colours of charts: told apart with every common kind of colour blindness (after Okabe and Ito)."""

from __future__ import annotations

SERIES = ("#0072b2", "#d55e00", "#009e73", "#e69f00", "#56b4e9", "#8a94a3")
"""By `Series.color`; the style sheet has the same as `--c0` … `--c5`, and lighter ones for dark screens."""

INK, SOFT, LINE, PANEL = "#1b2430", "#5b6674", "#d9dde3", "#f6f7f9"
ACCENT, GOOD, BAD = "#0b5394", "#00694a", "#a63c00"
