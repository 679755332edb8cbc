"""Files in and out: CSV, workbooks and TOML give the same bytes back; diff before it writes; partial imports."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import malformed
import pytest
from python_calamine import CalamineWorkbook

from keyacct.config import Workspace
from keyacct.database import audit
from keyacct.database.engine import open_database
from keyacct.errors import InputError, UsageError
from keyacct.registry.document import export_registry
from keyacct.registry.entities import ENTITIES
from keyacct.registry.importing import Document, import_documents, import_registry, read_documents
from keyacct.registry.listing import list_rows
from keyacct.registry.writing import export_to, field_help, write_template
from keyacct.workflow.workspace import init_workspace

ROOT = Path(__file__).resolve().parents[2]

ODD = """
[[customer]]
customer = "=1+1"
customer_name = "+86 \\"quoted\\", 日月, '=x"

[[customer]]
customer = "'=1"
customer_name = " space "
remark = "@x -y 'z"

[[account]]
account_no = "0000000001"
account_name = "-"
customer = "=1+1"
voltage_level_kv = 0.1
annual_energy_kwh = 12345678.9

[[energy_price]]
price_table = "T"
price_cny_per_kwh = "0.61230001"
valid_from = 2026-01-01T00:00:00.001

[[price_table]]
price_table = "T"
"""


def everything(workspace: Workspace) -> None:
    """One entry of every kind, the demo, and texts that spreadsheets take for something else."""
    documents = [Document(file, data, ".csv") for file, data in malformed.base()]
    assert import_documents(workspace, documents).faults == []
    import_registry(workspace, (ROOT / "fixtures/demo/registry.toml").read_text("utf-8"))
    import_registry(workspace, ODD)


@pytest.mark.parametrize("kind", ["toml", "csv", "xlsx"])
def test_an_export_imports_into_the_same_registry_and_the_same_bytes(
    workspace: Workspace, tmp_path: Path, kind: str
) -> None:
    everything(workspace)
    files = export_to(workspace, tmp_path / f"out.{kind}", kind)
    other = init_workspace(tmp_path / "other")
    report = import_documents(other, read_documents(files))
    assert report.faults == []
    assert export_registry(other) == export_registry(workspace)
    again = export_to(other, tmp_path / f"again.{kind}", kind)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in files]
    assert import_documents(workspace, read_documents(files), replace=True).changes.total == 0


def test_no_exported_cell_is_a_formula(workspace: Workspace, tmp_path: Path) -> None:
    import_registry(workspace, ODD)
    export_to(workspace, tmp_path / "csv", "csv")
    for path in (tmp_path / "csv").iterdir():
        for row in csv.reader(io.StringIO(path.read_bytes().decode(), newline="")):
            assert not [cell for cell in row if cell[:1] in "=+-@\t\r" and cell]
    export_to(workspace, tmp_path / "r.xlsx", "xlsx")
    sheet = CalamineWorkbook.from_path(tmp_path / "r.xlsx").get_sheet_by_name("customer").to_python()
    assert [row[0] for row in sheet[1:]] == ["''=1", "'=1+1"]


def test_every_bad_cell_is_listed_and_nothing_is_written(workspace: Workspace) -> None:
    text = "meter_no,interval_min,reading_side\nM1,15,secondary\nM2,x,left\nM3,15,secondary\nM4,-1,primary\n"
    report = import_documents(workspace, [Document("meter.csv", text.encode(), ".csv")])
    assert [(f.place.file, f.place.row, f.column) for f in report.faults] == [
        ("meter.csv", 3, "interval_min"), ("meter.csv", 3, "reading_side"), ("meter.csv", 5, "interval_min"),
    ]  # fmt: skip
    assert not report.written
    assert export_registry(workspace) == ""


def test_partial_leaves_out_the_bad_and_what_hangs_on_them(workspace: Workspace) -> None:
    files = {
        "account": "account_no,account_name\n1,a\n2,\n3,c\n",
        "point": "point,kind\nP1,billing\nP2,billing\nP3,bogus\n",
        "point_account": "point,account_no\nP1,1\nP2,2\nP3,3\n",
        "meter": "meter_no\nM1\nM2\n",
        "meter_point": "meter_no,point\nM1,P1\nM2,P3\n",
    }
    documents = [Document(f"{name}.csv", text.encode(), ".csv") for name, text in files.items()]
    report = import_documents(workspace, documents, partial=True)
    assert report.written
    assert [(f.place.file, f.place.row) for f in report.faults] == [
        ("account.csv", 3), ("meter_point.csv", 3), ("point.csv", 4), ("point_account.csv", 3), ("point_account.csv", 4),
    ]  # fmt: skip
    assert report.left_out == 5
    kept = {name: [next(iter(row.values())) for row in list_rows(workspace, name)] for name in files}
    assert kept == {
        "account": ["1", "3"], "point": ["P1", "P2"], "point_account": ["P1"], "meter": ["M1", "M2"],
        "meter_point": ["M1"],
    }  # fmt: skip
    with pytest.raises(UsageError):
        import_documents(workspace, documents, partial=True, replace=True)


def test_a_diff_says_each_field_before_and_after_and_writes_nothing(workspace: Workspace) -> None:
    import_registry(workspace, '[[meter]]\nmeter_no = "M1"\n\n[[meter]]\nmeter_no = "M2"\nmake = "A"\n')
    new = '[[meter]]\nmeter_no = "M2"\nmake = "B"\n\n[[meter]]\nmeter_no = "M3"\ninterval_min = 5\n'
    report = import_documents(
        workspace, [Document("m.toml", new.encode())], replace=True, dry_run=True, differences=True
    )  # fmt: skip
    assert [tuple(row.values()) for row in report.differences] == [
        ("meter", "M2", "changed", "make", "A", "B"), ("meter", "M3", "added", "reading_side", None, "secondary"),
        ("meter", "M3", "added", "interval_min", None, 5), ("meter", "M1", "removed", None, None, None),
    ]  # fmt: skip
    assert len(list(list_rows(workspace, "meter"))) == 2


def test_one_audit_row_names_the_files_of_an_import(workspace: Workspace, tmp_path: Path) -> None:
    everything(workspace)
    with open_database(workspace).read() as connection:
        rows, bad, _ = audit.verify(connection)
    assert (rows, bad) == (4, None), "init and three imports"


@pytest.mark.parametrize("kind", ["toml", "csv", "xlsx"])
def test_a_template_has_every_field_and_is_itself_empty(workspace: Workspace, tmp_path: Path, kind: str) -> None:
    files = write_template(tmp_path / f"t.{kind}", kind)
    with pytest.raises(InputError, match="no entry"):
        import_documents(workspace, read_documents(files))
    if kind == "xlsx":
        book = CalamineWorkbook.from_path(files[0])
        assert book.sheet_names == ["_help", *(entity.name for entity in ENTITIES)]
        assert book.get_sheet_by_name("meter_point").to_python()[0] == ["meter_no", "point", "valid_from", "valid_to"]
        assert len(book.get_sheet_by_name("_help").to_python()) == len(list(field_help())) + 1


def test_a_long_document_is_read_in_pieces_with_true_lines(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyacct.registry.read_toml.PIECE_CHARACTERS", 200)
    lines = [f'[[meter]]\nmeter_no = "M{n:04d}"\n\n' for n in range(300)]
    lines[250] = '[[meter]]\nmeter_no = "M0250"\ninterval_min = 0\n\n'
    report = import_documents(workspace, [Document("m.toml", "".join(lines).encode())])
    assert [fault.place.row for fault in report.faults] == [751]
    lines[250] = '[[service_record]]\nrecord_no = "R"\naccount_no = """\n[[meter]]\n"""\n\n'
    report = import_documents(workspace, [Document("m.toml", "".join(lines).encode())])
    assert {fault.place.entry for fault in report.faults} == {"[[service_record]] 1"}


def test_a_meter_of_the_demo_is_found_by_condition_and_date(workspace: Workspace) -> None:
    everything(workspace)
    for where in (["account_no=3301000107"], ["account_name~化工", "contract_capacity_kva>=6300"]):
        assert [row["account_no"] for row in list_rows(workspace, "accounts", where=where)] == ["3301000107"]
    assert list(list_rows(workspace, "accounts", where=["account_name~100%"])) == []
    assert list(list_rows(workspace, "accounts", where=["account_no=' OR 1=1 --"])) == []
    for bad in (["colour=red"], ["nothing"], ["contract_capacity_kva>many"]):
        with pytest.raises(UsageError):
            list(list_rows(workspace, "accounts", where=bad))
    with pytest.raises(UsageError, match="no listing 'meterz'"):
        list(list_rows(workspace, "meterz"))


def test_bytes_of_csv_may_begin_with_a_mark_and_end_lines_either_way(workspace: Workspace) -> None:
    data = "\ufeffmeter_no,make\r\nM1,日\r\n".encode()
    assert import_documents(workspace, [Document("meter.csv", data, ".csv")]).changes.total == 1
    assert [row["make"] for row in list_rows(workspace, "meter")] == ["日"]
