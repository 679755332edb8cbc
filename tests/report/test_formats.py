"""The three formats: the same digits in each, the same bytes each time, nothing in a name is ever run."""

from __future__ import annotations

import base64
import csv
import dataclasses
import hashlib
import io
import os
import re
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest
from python_calamine import CalamineWorkbook

from keyacct.config import Workspace
from keyacct.report.csv import BOM, write_csv
from keyacct.report.document import DASH, Document, Table
from keyacct.report.html import IndexEntry, IndexGroup, IndexValue, write_html, write_index
from keyacct.report.kinds import KINDS
from keyacct.report.pdf import write_pdf
from keyacct.report.xlsx import HEADER_ROW, write_xlsx

LANGS = ("en", "zh")
PAYLOADS = (
    "=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1+1", "\r=1+1", "=HYPERLINK(\"http://x\",\"y\")", "＝1+1",
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "</style><script>alert(1)</script>",
    "{{ 7*7 }}", "&lt;b&gt; & 'quoted'", "http://example.org/", "{=1+1}",
)  # fmt: skip


class Page(HTMLParser):
    """The tables of a page by id: rows of (text, data-value, title); and every tag with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[tuple[str, str | None, str | None]]]] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._rows: list[list[tuple[str, str | None, str | None]]] | None = None
        self._cell: tuple[list[str], str | None, str | None] | None = None
        self._raw = ""
        self.raw: dict[str, list[str]] = {"style": [], "script": []}
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append((tag, values))
        if tag == "table":
            self._rows = self.tables.setdefault(values.get("id") or "", [])
        elif tag == "tr" and self._rows is not None:
            self._rows.append([])
        elif tag == "td":
            self._cell = ([], values.get("data-value"), values.get("title"))
        elif tag in self.raw:
            self._raw = tag

    def handle_data(self, data: str) -> None:
        if self._raw:
            self.raw[self._raw].append(data)
        elif self._cell is not None:
            self._cell[0].append(data)
        self.texts.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "td" and self._cell is not None and self._rows:
            self._rows[-1].append(("".join(self._cell[0]).strip(), self._cell[1], self._cell[2]))
            self._cell = None
        elif tag in self.raw:
            self._raw = ""


def sheet_of(workbook: CalamineWorkbook, table: Table, lang: str) -> list[list[object]]:
    return workbook.get_sheet_by_name(table.spec.short.to(lang)).to_python(skip_empty_area=False)


def compared(document: Document, lang: str) -> int:
    """How many cells of a document were found the same in xlsx, HTML and CSV; its numbers stand in the PDF too."""
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(write_xlsx(document, lang)))
    page = Page(write_html(document, lang).decode())
    parts = write_csv(document, lang)
    count = 0
    shown_numbers: Counter[str] = Counter()
    for table in document.tables():
        sheet = sheet_of(workbook, table, lang)[HEADER_ROW + 1 :]
        html = page.tables[table.spec.key][1:]
        fields = list(csv.DictReader(io.StringIO(parts[table.spec.key].decode())))
        assert len(html) == len(fields) == len(table.rows)
        for number, row in enumerate(table.rows):
            for place, (column, cell) in enumerate(zip(table.spec.columns, row, strict=True)):
                shown, value, title = html[number][place]
                field, excel = fields[number][column.key], sheet[number][place]
                assert shown == cell.text.to(lang)
                if cell.number is not None:
                    shown_numbers[shown] += 1
                    assert shown.replace(",", "") == field == f"{cell.number:f}"
                    assert (value or shown) == field
                    assert f"{excel:.{column.decimals}f}" == field
                elif cell.absent is not None:
                    assert (excel, field, title) == (DASH, "", cell.absent.to(lang))
                elif cell.day is not None:
                    assert (excel, field) == (cell.day, cell.day.isoformat())
                else:
                    assert excel == shown
                count += 1
    said = Counter(golden_module().pdf_lines(write_pdf(document, lang)).replace("\u200b", "").split())
    missing = shown_numbers - said
    assert not missing, missing
    return count


def golden_module() -> ModuleType:
    return sys.modules["golden"]


@pytest.mark.parametrize("lang", LANGS)
def test_every_format_shows_the_digits_of_the_document(document: Document, lang: str, golden: ModuleType) -> None:
    assert compared(document, lang) > 3000


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS.values() if kind.build is not None])
def test_every_kind_shows_the_same_digits_in_every_format(kind: str, golden: ModuleType, town: Workspace) -> None:
    documents = golden.documents(town, kind)
    assert sum(compared(document, lang) for document in documents for lang in LANGS) > 0


@pytest.mark.parametrize("lang", LANGS)
def test_key_figures_are_the_same_in_every_format(document: Document, lang: str) -> None:
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(write_xlsx(document, lang)))
    summary = workbook.get_sheet_by_index(0).to_python(skip_empty_area=False)
    page = write_html(document, lang).decode()
    fields = {row["figure"]: row for row in csv.DictReader(io.StringIO(write_csv(document, lang)["figures"].decode()))}
    for figure in (*document.figures, document.completeness):
        title = figure.column.title.to(lang)
        assert figure.cell.number is not None
        assert fields[figure.column.key]["value"] == f"{figure.cell.number:f}"
        assert [row[1] for row in summary if row[0] == title] == [float(figure.cell.number)]
        card = page.partition(f'id="figure-{figure.column.key}"')[2].partition("</div>")[0]
        assert f">{figure.cell.text.to(lang)}</span>" in card


SCRIPT = """
import datetime as dt, hashlib, importlib.util, pathlib, sys
spec = importlib.util.spec_from_file_location("sample_results", sys.argv[1])
sample = importlib.util.module_from_spec(spec); sys.modules["sample_results"] = sample
spec.loader.exec_module(sample)
from keyacct.config import Settings, Workspace
from keyacct.model import Period
from keyacct.report.csv import write_csv
from keyacct.report.html import write_html
from keyacct.report.inputs import split_by_account
from keyacct.report.kinds.month import build_from
from keyacct.report.subject import Subject
from keyacct.report.kinds import KINDS
from keyacct.report.pdf import write_pdf
from keyacct.report.xlsx import write_xlsx
workspace = Workspace(pathlib.Path("."), Settings())
rows = split_by_account(sample.month_results(), workspace.zone)["3301000001"]
now = dt.datetime(2026, 7, 1, 0, 30, tzinfo=dt.UTC)
document = build_from(rows, Subject("3301000001", "名", {}), workspace, Period.parse("2026-06"), now)
for lang in ("en", "zh"):
    parts = write_csv(document, lang).values()
    for content in (write_xlsx(document, lang), write_html(document, lang), *parts):
        print(hashlib.sha256(content).hexdigest())
"""


def test_the_same_document_gives_the_same_bytes_in_any_process() -> None:
    file = Path(__file__).with_name("sample_results.py")
    outputs = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(file)],
            capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LANG": lang},
        ).stdout.split()
        for seed, zone, lang in (("0", "UTC", "C"), ("4711", "America/New_York", "zh_CN.UTF-8"))
    ]  # fmt: skip
    assert len(outputs[0]) == 2 * (2 + 14)
    assert outputs[0] == outputs[1]


def test_the_same_document_twice_in_one_process_gives_the_same_bytes(document: Document) -> None:
    assert write_xlsx(document, "zh") == write_xlsx(document, "zh")
    assert write_html(document, "zh") == write_html(document, "zh")
    assert write_csv(document, "zh") == write_csv(document, "zh")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_name_becomes_a_formula_or_a_link_in_excel(make: Callable[..., Document], payload: str) -> None:
    content = write_xlsx(make(name=payload), "en")
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        for name in book.namelist():
            text = book.read(name).decode("utf-8")
            if name.startswith("xl/worksheets/"):
                assert not re.search(r"<f[ >/]", text)
                assert "<hyperlink" not in text
            assert "externalLink" not in name
    summary = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    values = [str(row[1]) for row in summary if row[0] == "Account name"]
    assert [value.replace("\r", "") for value in values] == [payload.replace("\r", "")]  # XML reads CR as a line end


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_text_begins_a_formula_in_csv(make: Callable[..., Document], sample: object, payload: str) -> None:
    results = sample.month_results("3301000001", payload, points=1)
    total = results.voltage.total
    index = total.column_names.index("point")
    renamed = total.set_column(index, "point", pa.array([payload] * total.num_rows))
    results = dataclasses.replace(results, voltage=dataclasses.replace(results.voltage, total=renamed))
    document = make(name=payload, results=results)
    for name, content in write_csv(document, "en").items():
        for row in csv.DictReader(io.StringIO(content.decode(), newline="")):
            for key, field in row.items():
                if field[:1] in ("=", "+", "-", "@", "\t", "\r", "＝"):
                    assert re.fullmatch(r"-\d+(\.\d+)?", field), (name, key, field)
        if name == "voltage_compliance":
            fields = [row["point"] for row in csv.DictReader(io.StringIO(content.decode(), newline=""))]
            assert {field.removeprefix("'") for field in fields} == {payload}


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_name_becomes_markup(make: Callable[..., Document], payload: str) -> None:
    document = make(name=payload)
    harmless = Page(write_html(make(name="x"), "en").decode())
    page = Page(write_html(document, "en").decode())
    assert [(tag, sorted(a)) for tag, a in page.tags] == [(tag, sorted(a)) for tag, a in harmless.tags]
    assert any(payload.strip().replace("\r", "") in text.replace("\r", "") for text in page.texts)
    value = IndexValue(payload, payload, payload, payload, "pass")
    entry = IndexEntry(payload, payload, (value,), (("html", payload),))
    group = IndexGroup(payload, payload, {}, (entry,))
    index = Page(write_index([group], payload, document.generated_at, "en").decode())
    assert [tag for tag, _ in index.tags].count("script") == 1
    assert not any(name.startswith("on") for _, attrs in index.tags for name in attrs)
    assert all(re.fullmatch(r"[\w.~%-]*", a["href"] or "") for tag, a in index.tags if tag == "a")


@pytest.mark.parametrize("lang", LANGS)
def test_a_page_is_self_contained_and_runs_only_its_own_script(document: Document, lang: str) -> None:
    text = write_html(document, lang).decode()
    page = Page(text)
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "img", "object", "embed", "base", "form"}
        assert not {"src", "style", "srcset", "data", "action"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")
    assert "://" not in text
    assert "@import" not in text
    assert "url(" not in text
    policy = next(a["content"] or "" for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for name in ("style", "script"):
        assert len([tag for tag, _ in page.tags if tag == name]) == 1
        digest = base64.b64encode(hashlib.sha256("".join(page.raw[name]).encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert f'<html lang="{"zh-Hans" if lang == "zh" else "en"}">' in text


def test_identifiers_of_a_page_are_unique(document: Document) -> None:
    page = Page(write_html(document, "en").decode())
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = {name for _, a in page.tags for name in (a.get("aria-labelledby") or "").split()}
    assert named <= set(ids)


def test_the_workbook_is_set_up_for_reading_and_printing(document: Document) -> None:
    with zipfile.ZipFile(io.BytesIO(write_xlsx(document, "en"))) as book:
        core = book.read("docProps/core.xml").decode()
        workbook = book.read("xl/workbook.xml").decode()
        sheets = {
            name: book.read(f"xl/worksheets/sheet{number}.xml").decode()
            for number, name in enumerate(re.findall(r'<sheet name="([^"]+)"', workbook), 1)
        }
        charts = [name for name in book.namelist() if name.startswith("xl/charts/chart")]
    assert core.count("2026-07-01T00:30:00Z") == 2  # created and modified: the document's own time
    assert len(charts) == sum(len(section.charts) for section in document.sections)
    assert workbook.count("_xlnm.Print_Titles") == len(document.tables()) + 1
    for table in document.tables():
        sheet = sheets[table.spec.short.en]
        assert 'paperSize="9"' in sheet
        assert 'orientation="landscape"' in sheet
        assert 'state="frozen"' in sheet
    assert {"Summary", "Data dictionary", "Chart data"} <= set(sheets)
    assert all(len(name) <= 31 for name in sheets)


def test_chart_data_of_the_workbook_are_those_of_the_document(document: Document) -> None:
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(write_xlsx(document, "en")))
    rows = workbook.get_sheet_by_name("Chart data").to_python(skip_empty_area=False)
    for chart in (chart for section in document.sections for chart in section.charts):
        column = rows[0].index(chart.title.en)
        for place, series in enumerate(chart.series, column + 1):
            got = [row[place] for row in rows[2 : 2 + len(series.values)]]
            assert got == ["" if value is None else float(value) for value in series.values]


def test_csv_begins_with_a_byte_order_mark_only_when_asked(document: Document) -> None:
    assert all(not part.decode().startswith(BOM) for part in write_csv(document, "zh").values())
    assert all(part.decode().startswith(BOM) for part in write_csv(document, "zh", bom=True).values())


def test_csv_headers_are_the_same_in_both_languages(document: Document) -> None:
    heads = [
        {name: part.decode().splitlines()[0] for name, part in write_csv(document, lang).items()} for lang in LANGS
    ]
    assert heads[0] == heads[1]
