"""Texts for people, in English and Chinese, written side by side where they are used.

Data keys, error codes and identifiers are never translated.
"""

from __future__ import annotations

import os
from typing import Literal, NamedTuple

Lang = Literal["en", "zh"]


class Text(NamedTuple):
    """One text in both languages."""

    en: str
    zh: str

    def to(self, lang: Lang) -> str:
        """The text in a language."""
        return self.zh if lang == "zh" else self.en

    def __str__(self) -> str:
        return self.to(language())


_language: Lang | None = None


def set_language(lang: Lang | None) -> None:
    """Choose the language of this process; None goes back to the environment's."""
    global _language
    _language = lang


def language() -> Lang:
    """The chosen language, else by `LC_ALL`, `LC_MESSAGES`, `LANG`, else English."""
    if _language is not None:
        return _language
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name)
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"
