"""The office's own style and templates: filled, tried beforehand, unable to run, read or fetch anything."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pypdfium2
import pytest
from openpyxl.workbook.defined_name import DefinedName
from python_calamine import CalamineWorkbook

from keyacct.config import Workspace, open_workspace
from keyacct.errors import ConfigError, InputError
from keyacct.report.document import Document
from keyacct.report.html import write_html
from keyacct.report.look import LARGEST_LOGO_BYTES, Look, read_logo, read_look
from keyacct.report.pdf import write_pdf
from keyacct.report.templates_check import check_templates
from keyacct.report.writers import parts
from keyacct.report.xlsx import write_xlsx

NAMED = {
    "keyacct_title": "A1",
    "keyacct_account_name": "B2",
    "keyacct_first_day": "B3",
    "keyacct_figure_max_demand_kw": "B5",
    "keyacct_figure_voltage_compliance_pct": "B6",
    "keyacct_table_load_total": "A10",
    "keyacct_column_load_daily.energy_kwh": "Z10",
}


def png(width: int, height: int) -> bytes:
    """A white PNG by its specification."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + b"\xff" * 3 * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def workbook(file: Path, names: dict[str, str]) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "报表"
    sheet["A2"] = "户名"
    sheet["C5"] = "=B5*2"
    for name, place in names.items():
        names_of = sheet.defined_names if name == "keyacct_title" else book.defined_names  # of a sheet, of the book
        names_of[name] = DefinedName(name, attr_text=f"'报表'!${place[0]}${place[1:]}")
    book.save(file)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "templates"
    folder.mkdir()
    return folder


@pytest.fixture
def look(folder: Path) -> Look:
    return Look(templates=folder)


def test_a_workbook_of_the_office_is_filled_by_its_named_cells(
    make: Callable[..., Document], folder: Path, look: Look
) -> None:
    document = make(name='=HYPERLINK("http://x")')
    workbook(folder / "month.report.xlsx", NAMED)
    content = write_xlsx(document, "zh", look)
    rows = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    figures = {figure.column.key: figure.cell.number for figure in document.figures}
    assert rows[0][0] == "月报"
    assert rows[1][:2] == ["户名", '=HYPERLINK("http://x")']
    assert str(rows[2][1]) == "2026-06-01"
    assert rows[4][1] == float(figures["max_demand_kw"] or 0)
    assert rows[5][1] == float(figures["voltage_compliance_pct"] or 0)
    tables = {table.spec.key: table for table in document.tables()}
    heads = [column.heading("zh") for column in tables["load_total"].spec.columns]
    assert rows[9][: len(heads)] == heads
    assert rows[10][0] == float(tables["load_total"].rows[0][0].number or 0)
    place = [column.key for column in tables["load_daily"].spec.columns].index("energy_kwh")
    daily = [row[place] for row in tables["load_daily"].rows]
    column = [row[25] for row in rows[9 : 9 + len(daily)]]
    assert column == [float(cell.number) if cell.number is not None else "–" for cell in daily]
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert sheet.count("<f>") == 1, "only the office's own formula is one"
    assert content == write_xlsx(document, "zh", look)


def test_a_template_of_one_kind_does_not_touch_another(make: Callable[..., Document], folder: Path, look: Look) -> None:
    workbook(folder / "voltage.report.xlsx", NAMED)
    document = make()
    assert write_xlsx(document, "en", look) == write_xlsx(document, "en")


def test_own_page_and_typst_templates_take_the_place_of_ours(
    make: Callable[..., Document], folder: Path, look: Look
) -> None:
    document = make(name="<b>{{ 7*7 }} #panic()")
    (folder / "report.html.j2").write_text(
        '{% extends "base.html.j2" %}{% import "table.html.j2" as parts with context %}{% block title %}own{% endblock %}'
        "{% block body %}<h1>{{ document.account_name }}</h1>{% for s in document.sections %}"
        "{% for t in s.tables %}{{ parts.show(t) }}{% endfor %}{% endfor %}{% endblock %}"
    )
    (folder / "report.typ").write_text(
        "#let d = json(bytes(sys.inputs.document))\n#set text(font: d.font)\nOwn page: #d.account_name",
        encoding="utf-8",
    )
    page = write_html(document, "zh", look).decode()
    assert "<h1>&lt;b&gt;{{ 7*7 }} #panic()</h1>" in page
    assert 'id="load_daily"' in page
    pdf = pypdfium2.PdfDocument(write_pdf(document, "zh", look))
    assert pdf[0].get_textpage().get_text_bounded().strip() == "Own page: <b>{{ 7*7 }} #panic()"
    pdf.close()
    assert [(finding.file, finding.error) for finding in check_templates(look, None)] == [
        ("report.html.j2", None), ("report.typ", None),
    ]  # fmt: skip


WRONG = {
    "report.html.j2": [
        ("{{ document.", "the template fails"),
        ("{% extends 'base.html.j2' %}{% block body %}{{ documnt.title }}{% endblock %}", "documnt"),
        ("<p>{{ document.title.en }}</p>", "content-security policy"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{% include '/etc/passwd' %}", "passwd"),
    ],
    "report.typ": [
        ("#let x =", "expected"),
        ('#import "@preview/cetz:0.3.1": canvas', "from the network"),
        ('#read("/etc/passwd")', "not found"),
        ('#read("../style.css")', "fails"),
        ("#sys.inputs.nothing", "nothing"),
    ],
    "other.typ": [("Hello", "no template has such a name")],
    "unknown.report.typ": [("Hello", "no kind of report")],
}


@pytest.mark.parametrize(("name", "text", "says"), [(n, t, s) for n, cases in WRONG.items() for t, s in cases])
def test_a_wrong_template_is_found_before_a_report_is_made(
    folder: Path, look: Look, name: str, text: str, says: str
) -> None:
    (folder / name).write_text(text, encoding="utf-8")
    (finding,) = check_templates(look, None)
    assert isinstance(finding.error, ConfigError)
    assert says in finding.error.message
    assert finding.error.hint


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ({}, "no cell has a name"),
        ({"keyacct_titel": "A1"}, "'keyacct_titel'|keyacct_titel is not known"),
        ({"keyacct_figure_max_demand_kv": "A1"}, "figure_max_demand_kv"),
    ],
)
def test_a_workbook_with_wrong_names_is_found(folder: Path, look: Look, names: dict[str, str], says: str) -> None:
    workbook(folder / "report.xlsx", names)
    (finding,) = check_templates(look, None)
    assert finding.error is not None
    assert any(part in finding.error.message for part in says.split("|"))


def test_what_is_no_workbook_is_said(folder: Path, look: Look) -> None:
    (folder / "report.xlsx").write_bytes(b"PK\x03\x04 broken")
    (finding,) = check_templates(look, None)
    assert finding.error is not None
    assert "no workbook" in finding.error.message


def test_check_template_ends_with_7_when_one_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from keyacct.cli.run import run

    (tmp_path / "keyacct.toml").write_text('[report]\ntemplates = "own"\n')
    (tmp_path / "own").mkdir()
    command = ["report", "check-template", "--workspace", str(tmp_path), "--format", "jsonl"]
    assert run(command) == 0
    (tmp_path / "own" / "report.typ").write_text("#let d = 1")
    assert run(command) == 0
    (tmp_path / "own" / "report.html.j2").write_text("{{")
    assert run(command) == 7
    assert '"works": false' in capsys.readouterr().out


def test_the_logo_stands_in_every_format(document: Document, tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(png(120, 40))
    look = Look(logo=read_logo(tmp_path / "logo.png"))
    page = write_html(document, "zh", look).decode()
    assert page.count('src="data:image/png;base64,') == 1
    assert "img-src data:;" in page
    assert "data:" not in write_html(document, "zh").decode()
    with zipfile.ZipFile(io.BytesIO(write_xlsx(document, "zh", look))) as book:
        assert book.read("xl/media/image1.png") == png(120, 40)
    assert len(write_pdf(document, "zh", look)) > len(write_pdf(document, "zh")) + 100
    assert write_pdf(document, "zh", look) == write_pdf(document, "zh", look)


def test_a_logo_that_is_none_or_too_large_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "logo.png"
    for content, says in (
        (b"<svg onload='x'/>", "no PNG or JPEG"),
        (png(1, 1) + b"\0" * LARGEST_LOGO_BYTES, "more than 256 KiB"),
        (png(5000, 1), "5000 x 1 pixels"),
        (b"\xff\xd8\xff", "no PNG or JPEG"),
    ):
        file.write_bytes(content)
        with pytest.raises(ConfigError, match=says):
            read_logo(file)
    with pytest.raises(InputError):
        read_logo(tmp_path / "none.png")


@pytest.mark.parametrize("setting", ['logo = "../logo.png"', 'templates = "/etc"', 'templates = "none"'])
def test_what_the_look_names_lies_inside_the_workspace(tmp_path: Path, setting: str) -> None:
    root = tmp_path / "w"
    root.mkdir()
    (root / "keyacct.toml").write_text(f"[report]\n{setting}\n")
    with pytest.raises(ConfigError):
        read_look(open_workspace(root))


def test_paper_of_print_is_a_setting(document: Document) -> None:
    look = Look(paper="A3")
    with zipfile.ZipFile(io.BytesIO(write_xlsx(document, "en", look))) as book:
        assert 'paperSize="8"' in book.read("xl/worksheets/sheet1.xml").decode()
    pdf = pypdfium2.PdfDocument(write_pdf(document, "en", look))
    assert [round(side / 72 * 25.4) for side in pdf[0].get_size()] == [420, 297]
    pdf.close()
    assert "size: A3 landscape" in write_html(document, "en", look).decode()


def test_a_font_of_the_workspace_is_used_and_a_missing_one_named(
    workspace: Workspace, document: Document, tmp_path: Path
) -> None:
    import shutil

    import pylopdf_fonts_zh_cn

    serif = Path(pylopdf_fonts_zh_cn.__file__).with_name("NotoSerifSC-Regular.otf")
    shutil.copy(serif, workspace.root / "office.otf")
    (part,) = parts(document, "zh", "pdf", Look(font="office.otf"), workspace.root)
    assert b"NotoSerifSC" in part.content
    for font in ("none.otf", "../x.otf", "No Such Family 9"):
        with pytest.raises(ConfigError, match=r"report\.font"):
            parts(document, "zh", "pdf", Look(font=font), workspace.root)


def test_a_character_that_the_font_lacks_is_named(make: Callable[..., Document]) -> None:
    name = "㐂\U00020001化工"  # the second is a rare character that few fonts have
    pdf = pypdfium2.PdfDocument(write_pdf(make(name=name), "zh"))
    text = "\n".join(page.get_textpage().get_text_bounded() for page in pdf)
    pdf.close()
    found = [line for line in text.splitlines() if "缺少以下字符" in line]
    assert len(found) == 1
    assert "U+20001。" in found[0]
    plain = pypdfium2.PdfDocument(write_pdf(make(), "zh"))
    assert not any("缺少以下字符" in page.get_textpage().get_text_bounded() for page in plain)
    plain.close()


def test_a_font_file_tells_which_characters_it_has(tmp_path: Path) -> None:
    import pylopdf_fonts_zh_cn

    from keyacct.report.glyphs import covered, lacking

    sans = Path(pylopdf_fonts_zh_cn.__file__).with_name("NotoSansSC-Regular.otf")
    assert lacking(sans, "电压合格率 kWh – ü") == ""
    assert lacking(sans, "ก中\U00020001") == "ก\U00020001"
    assert sum(last - first + 1 for first, last in covered(sans)) > 20_000
    for content in (b"", b"ttcf", b"OTTO\x00\x09" + bytes(200), b"\0\1\0\0\xff\xff" + bytes(50)):
        broken = tmp_path / f"{len(content)}.otf"
        broken.write_bytes(content)
        assert covered(broken) == ()
