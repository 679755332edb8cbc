"""What a finished file depends on, as digests: a file is made again only when one of them has changed."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path

from keyacct.report.document import Cell, Chart, Document, Figure, Note, Table
from keyacct.report.fonts import find_font
from keyacct.report.look import Look

LIBRARIES = ("jinja2", "openpyxl", "typst", "xlsxwriter")
_END = "\x1f"


def of_document(document: Document) -> str:
    """SHA-256 of everything that a document says, but for the time at which it was made."""
    state = hashlib.sha256()
    for text in _texts(document):
        state.update(text.encode())
        state.update(b"\x1e")
    return state.hexdigest()


def of_writing(look: Look, root: Path | None, lang: str, format: str) -> str:
    """SHA-256 of what a file of one format depends on beside its document: program, libraries, look, font, templates."""
    named = [lang, format, _program(), *look.digest_parts()]
    if format == "pdf":
        named.append(find_font(look.font, root).digest())
    named += _templates(look.templates)
    return hashlib.sha256(_END.join(named).encode()).hexdigest()


def joined(*parts: str) -> str:
    """One digest of several texts."""
    return hashlib.sha256(_END.join(parts).encode()).hexdigest()


@functools.cache
def of_computing() -> str:
    """SHA-256 of the program that computes the figures: the whole package with its native core."""
    return _digest_of(Path(str(files("keyacct"))), {".py", ".so", ".pyd", ".tsv"}).hexdigest()


def _digest_of(folder: Path, suffixes: set[str]) -> hashlib._Hash:
    state = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in suffixes):
        state.update(file.relative_to(folder).as_posix().encode())
        state.update(file.read_bytes())
    return state


@functools.cache
def _program() -> str:
    """Digest of the writers' own files and the versions of the libraries that write."""
    state = _digest_of(Path(str(files("keyacct.report"))), {".py", ".j2", ".css", ".js", ".typ"})
    for name in LIBRARIES:
        try:
            state.update(f"{name} {version(name)}".encode())
        except PackageNotFoundError:
            state.update(f"{name} –".encode())
    return state.hexdigest()


def _templates(folder: Path | None) -> list[str]:
    if folder is None:
        return []
    found = sorted(path for path in folder.iterdir() if path.is_file())
    return [f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in found]


def _texts(document: Document) -> Iterator[str]:
    yield from (document.kind, *document.title, *document.subtitle, document.office)
    yield from (document.account_no, document.account_name, repr(document.period), document.inputs_sha256)
    for fact in (*document.facts, *document.parameters):
        yield from (*fact.label, *fact.value)
    for figure in (*document.figures, document.completeness):
        yield from _figure(figure)
    for section in document.sections:
        yield from (section.key, *section.title)
        yield from _notes(section.notes)
        for table in section.tables:
            yield from _table(table)
        for chart in section.charts:
            yield _chart(chart)
    yield from _notes(document.notes)


def _figure(figure: Figure) -> Iterator[str]:
    yield from (repr(figure.column), _cell(figure.cell), figure.verdict or "", *figure.detail)


def _notes(notes: Iterable[Note]) -> Iterator[str]:
    for note in notes:
        yield from (note.level, *note.text)


def _table(table: Table) -> Iterator[str]:
    yield repr(table.spec)
    for row in table.rows:
        yield _END.join(map(_cell, row))


def _cell(cell: Cell) -> str:
    absent = "" if cell.absent is None else f"{cell.absent.en}{_END}{cell.absent.zh}"
    return f"{cell.text.en}{_END}{cell.text.zh}{_END}{cell.plain}{_END}{absent}"


def _chart(chart: Chart) -> str:
    return repr(chart)
