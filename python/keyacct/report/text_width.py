"""How wide a text stands: for column widths of sheets and for label places of charts."""

from __future__ import annotations

import unicodedata


def display_width(text: str) -> int:
    """Width in columns of a Latin digit; Chinese characters and full-width signs take two."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def pixel_width(text: str, font_px: float) -> float:
    """Estimated width in pixels of a sans-serif text, on the wide side."""
    return sum(font_px * (1.02 if unicodedata.east_asian_width(c) in "WF" else 0.58) for c in text)
