"""Pages without data say so: no kind shows a zero that looks measured, and every format can be written."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path
from types import ModuleType

import pytest
from python_calamine import CalamineWorkbook

from keyacct.config import Workspace, open_workspace
from keyacct.model import Period
from keyacct.registry.importing import import_registry
from keyacct.report.document import Document
from keyacct.report.kinds import KINDS
from keyacct.report.writers import FORMATS, parts

AVAILABLE = [kind.name for kind in KINDS.values() if kind.build is not None]
MEASURED_UNITS = {"kWh", "kvarh", "kVAh", "kW", "kvar", "kVA", "V", "A", "CNY"}
BARE = "3301000199"
SILENT = "3301000198"


@pytest.fixture(scope="module")
def quiet_town(golden: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The town, with an account that has no meter and one whose meter never said anything."""
    workspace = golden.make_town(tmp_path_factory.mktemp("quiet"))
    entries = f"""
        [[account]]
        account_no = "{BARE}"
        account_name = "无表户"
        [[account]]
        account_no = "{SILENT}"
        account_name = "无数据户"
        [[point]]
        point = "SILENT-1"
        [[point_account]]
        point = "SILENT-1"
        account_no = "{SILENT}"
        [[meter]]
        meter_no = "330100000999"
        [[meter_point]]
        meter_no = "330100000999"
        point = "SILENT-1"
        [[point_ratio]]
        point = "SILENT-1"
        wiring = "3p4w"
        pt = 1
        ct = 1
    """
    import_registry(workspace, entries, file="quiet.toml")
    return open_workspace(Path(workspace.root))


def build(workspace: Workspace, kind: str, period: str, account: str, now: dt.datetime) -> list[Document]:
    make = KINDS[kind].build
    assert make is not None
    return make(workspace, Period.parse(period), [account], now)


def said(document: Document) -> str:
    notes = [*document.notes, *(note for section in document.sections for note in section.notes)]
    reasons = [figure.cell.absent for figure in (*document.figures, document.completeness) if figure.cell.absent]
    reasons += [reason for table in document.tables() for reason, _ in table.reasons()]
    return " ".join([note.text.en for note in notes if note.level == "warning"] + [reason.en for reason in reasons])


def measured_zeros(document: Document) -> list[str]:
    figures = [(figure.column, figure.cell) for figure in (*document.figures, document.completeness)]
    cells = [
        (column, cell)
        for table in document.tables()
        for row in table.rows
        for column, cell in zip(table.spec.columns, row, strict=True)
    ]
    return [
        column.key
        for column, cell in [*figures, *cells]
        if cell.number is not None and not cell.number and column.unit.en in MEASURED_UNITS
    ]


@pytest.mark.parametrize("kind", AVAILABLE)
@pytest.mark.parametrize(
    ("account", "period"),
    [(BARE, "2026-06"), (SILENT, "2026-06"), ("3301000103", "2025-03")],
    ids=["without meter", "without data", "empty month"],
)
def test_no_data_is_said_and_never_a_zero(
    kind: str, account: str, period: str, quiet_town: Workspace, golden: ModuleType
) -> None:
    for document in build(quiet_town, kind, period, account, golden.NOW):
        assert measured_zeros(document) == []
        assert said(document), "the page does not say that something is missing"
        for lang in golden.LANGS:
            for name in FORMATS:
                assert all(part.content for part in parts(document, lang, name))
        (pdf,) = parts(document, "en", "pdf")
        assert golden.pdf_lines(pdf.content).count("–") >= sum(
            figure.cell.absent is not None for figure in document.figures
        )


@pytest.mark.parametrize("kind", AVAILABLE)
def test_a_month_in_progress_is_not_taken_for_a_whole_one(kind: str, quiet_town: Workspace, golden: ModuleType) -> None:
    now = dt.datetime(2026, 6, 11, 4, 0, tzinfo=dt.UTC)
    for document in build(quiet_town, kind, "2026-06", "3301000103", now):
        assert said(document), "the page does not say that the period still runs"
        book = CalamineWorkbook.from_filelike(io.BytesIO(parts(document, "en", "xlsx")[0].content))
        cells = {str(cell) for row in book.get_sheet_by_index(0).to_python() for cell in row}
        assert any(
            note.text.en in cells
            for note in (*document.notes, *(n for section in document.sections for n in section.notes))
            if note.level == "warning"
        )
