"""One self-contained HTML file a document: style, sort script and charts inside, nothing fetched.

Nothing runs but the one script whose hash the page's own content-security policy names.
"""

from __future__ import annotations

import base64
import datetime as dt
import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from keyacct.errors import ConfigError
from keyacct.i18n import Lang
from keyacct.report import wording
from keyacct.report.dictionary import of_document
from keyacct.report.document import VERDICTS, Chart, Column, Document
from keyacct.report.look import Look
from keyacct.report.svg import draw

TEMPLATE = "report.html.j2"
LANGUAGE_TAGS: dict[Lang, str] = {"en": "en", "zh": "zh-Hans"}


@dataclass(frozen=True)
class IndexValue:
    """A key figure in the index: its key, as shown, as a program reads it, why it is missing, its assessment."""

    key: str
    shown: str
    plain: str = ""
    absent: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class IndexEntry:
    """A line of the index: the account, its key figures, its files (format, name)."""

    account_no: str
    account_name: str
    figures: tuple[IndexValue, ...]
    files: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class IndexGroup:
    """The reports of one kind over one period. columns: the kind's key figures, by key."""

    title: str
    period: str
    columns: Mapping[str, Column]
    entries: tuple[IndexEntry, ...]

    def heads(self) -> list[tuple[str, Column | None]]:
        """The keys of all figures in the order in which they first come, with their columns."""
        keys = dict.fromkeys(value.key for entry in self.entries for value in entry.figures)
        return [(key, self.columns.get(key)) for key in keys]


def write_html(document: Document, lang: Lang, look: Look | None = None) -> bytes:
    """The document as one HTML page, UTF-8, by the office's own template where it has one.

    Raises ConfigError for an own template that fails or whose page could load or run something.
    """
    look = look or Look()
    values = {
        "document": document,
        "draw": functools.partial(_drawn, lang=lang),
        "dictionary": of_document(document),
    }
    own = look.template(document.kind, TEMPLATE)
    return _render(TEMPLATE, lang, look, **values) if own is None else _render_own(own, lang, look, **values)


def _render_own(file: Path, lang: Lang, look: Look, **values: Any) -> bytes:
    """A page by a template of the office's own, which sees the same names as ours and may use our parts."""
    from jinja2 import TemplateError

    try:
        environment = _own_environment(file.read_text(encoding="utf-8"))
        page = _render(TEMPLATE, lang, look, environment=environment, **values)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        where: dict[str, str | int] = {"file": str(file)} | ({"line": line} if isinstance(line, int) else {})
        raise ConfigError(
            "config.invalid", f"the template fails: {error.message or error}", hint="mend this line", where=where
        ) from None
    except (OSError, UnicodeDecodeError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            "config.invalid", f"the template fails: {error}", hint="mend it", where={"file": str(file)}
        ) from None
    if b'http-equiv="Content-Security-Policy"' not in page:
        raise ConfigError(
            "config.invalid",
            "the page of the template has no content-security policy, so it could load and run anything",
            hint='begin the template with {% extends "base.html.j2" %}',
            where={"file": str(file)},
        )
    return page


def write_index(
    groups: Sequence[IndexGroup], office: str, made: dt.datetime, lang: Lang, look: Look | None = None
) -> bytes:
    """The page that lists the reports of a folder, a table a kind and period."""
    return _render("index.html.j2", lang, look or Look(), groups=groups, office=office, made=made)


def _drawn(chart: Chart, identifier: str, lang: Lang) -> Any:
    from markupsafe import Markup

    return Markup(draw(chart, lang, identifier))


def _render(template: str, lang: Lang, look: Look, environment: Any = None, **values: Any) -> bytes:
    from markupsafe import Markup

    style, script = _asset("style.css").replace("size: A4", f"size: {look.paper}"), _asset("sort.js")
    page = (
        (environment or _environment())
        .get_template(template)
        .render(
            lang=lang,
            tag=LANGUAGE_TAGS[lang],
            style=Markup(style),
            script=Markup(script),
            policy=(
                f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
                f"{'img-src data:; ' if look.logo is not None else ''}base-uri 'none'; form-action 'none'"
            ),
            logo=look.logo,
            words=wording,
            verdicts=VERDICTS,
            **values,
        )
    )
    return str(page).encode("utf-8")


@functools.cache
def _environment() -> Any:
    from jinja2 import Environment

    return _furnished(Environment, {})


@functools.cache
def _own_environment(text: str) -> Any:
    """For a template that is not ours: a sandbox, where it reaches nothing but what it is given."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return _furnished(ImmutableSandboxedEnvironment, {TEMPLATE: text})


def _furnished(kind: Any, own: Mapping[str, str]) -> Any:
    from jinja2 import DictLoader, StrictUndefined

    names = ("base.html.j2", TEMPLATE, "index.html.j2", "table.html.j2")
    environment = kind(
        loader=DictLoader({**{name: _asset(name) for name in names}, **own}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["file_url"] = lambda name: quote(name, safe="")
    return environment


@functools.cache
def _asset(name: str) -> str:
    return (files("keyacct.report") / "templates" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
