"""The government's priority table: files, approval, validity."""

from __future__ import annotations

import datetime as dt
import io

import pytest
import xlsxwriter
from office import FOUNDRY, TABLE, table_bytes

from keyacct.database.engine import ConstraintError, open_database
from keyacct.database.shedding_tables import priority_entry
from keyacct.plan.priority_tables import load_table

IMPORT = ("--issued-by", "City", "--valid-from", "2026-06-01", "--valid-to", "2026-09-30")
DRAFT = ("draft", "--level", "yellow", "--target", "900", "--rounds", "17:00-19:00", "--dry-run", "--format", "json",
                 "--mode", "weights")  # fmt: skip


def imported(shed, workspace, tmp_path, version="v1", data=None, name="table.csv", *more):
    path = tmp_path / name
    path.write_bytes(table_bytes() if data is None else data)
    return shed(workspace, "table", "import", path, "--version", version, *IMPORT, "--format", "json", *more)


def test_only_an_approved_valid_table_is_used_and_the_refusal_names_table_and_date(shed, fresh, tmp_path):
    none = shed(fresh, *DRAFT, "--date", "2026-06-24")
    assert (none.code, "2026-06-24" in none.error["message"]) == (8, True)
    assert imported(shed, fresh, tmp_path).code == 0
    bare = shed(fresh, *DRAFT, "--date", "2026-06-24")
    assert bare.code == 8
    assert "v1 is not approved" in bare.error["message"]
    assert "2026-06-24" in bare.error["message"]
    approve = ("table", "approve", "v1", "--by", "City", "--approval-no", "7", "--on")
    assert shed(fresh, *approve, "2026-07-01").code == 8  # today is 2026-06-23
    assert shed(fresh, *approve, "2026-06-10").code == 0
    assert shed(fresh, *approve, "2026-06-11").code == 2  # approved before
    for day, code in (("2026-06-24", 0), ("2026-09-30", 0), ("2026-10-01", 8), ("2026-05-31", 8), ("2026-06-09", 8)):
        found = shed(fresh, *DRAFT, "--date", day)
        assert found.code in ((code,) if code else (0, 6)), day
        if code:
            assert "v1" in found.error["message"]
            assert day in found.error["message"]
    assert shed(fresh, *DRAFT, "--date", "2026-06-24", "--table", "v9").code == 3


def test_of_several_valid_versions_the_one_that_began_last_is_used(shed, fresh, tmp_path):
    imported(shed, fresh, tmp_path, "old")
    later = ("table", "import", tmp_path / "table.csv", "--version", "new", "--issued-by", "City", "--valid-from", "2026-06-20",
             "--valid-to", "2026-06-30")  # fmt: skip
    assert shed(fresh, *later).code == 0
    for version in ("old", "new"):
        shed(fresh, "table", "approve", version, "--by", "City", "--approval-no", "7", "--on", "2026-06-01")
    assert shed(fresh, *DRAFT, "--date", "2026-06-24").json[0]["table"]["version"] == "new"
    assert shed(fresh, *DRAFT, "--date", "2026-06-24", "--table", "old").json[0]["table"]["version"] == "old"


def test_csv_chinese_heads_gb18030_and_workbook_say_the_same(shed, fresh, tmp_path):
    heads = ("户号", "序号", "等级", "保护")
    rows = [heads, *TABLE[1:]]
    chinese = "\n".join(",".join(row) for row in rows).encode("gb18030")
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer) as book:
        sheet = book.add_worksheet("序位表")
        for number, row in enumerate(rows):
            for column, cell in enumerate(row):
                if cell.isdigit() and column in (1, 2):
                    sheet.write_number(number, column, int(cell))
                else:
                    sheet.write_string(number, column, cell)
    digests = [
        imported(shed, fresh, tmp_path, "a").json[0]["digest"],
        imported(shed, fresh, tmp_path, "b", chinese).json[0]["digest"],
        imported(shed, fresh, tmp_path, "c", buffer.getvalue(), "table.xlsx").json[0]["digest"],
    ]
    assert len(set(digests)) == 1
    assert [e.account_no for e in load_table(fresh, "c").entries] == [row[0] for row in TABLE[1:]]
    listed = shed(fresh, "table", "list", "--format", "json").json
    assert [(r["version"], r["accounts"], r["protected"]) for r in listed] == [("a", 7, 0), ("b", 7, 0), ("c", 7, 0)]


@pytest.mark.parametrize(
    ("change", "row", "column", "word"),
    [
        ({1: ("999", "1", "4", "")}, 2, None, "'999' is not in the registry"),
        ({2: (FOUNDRY, "2", "3", "")}, 3, "account_no", "stands in row 2"),
        ({3: ("3302000005", "1", "3", "")}, 4, "seq", "stands in row 2"),
        ({1: (FOUNDRY, "1", "5", "")}, 2, "cls", "no class"),
        ({1: (FOUNDRY, "1", "4", "yes")}, 2, "cls", "is protected, but of class 4"),
        ({1: (FOUNDRY, "-1", "4", "")}, 2, "seq", "no place"),
        ({1: ("", "1", "4", "")}, 2, "account_no", "missing"),
        ({0: ("account_no", "seq", "class", "protected")}, 1, None, "unknown column"),
        ({0: ("account_no", "seq", "cls", "weight"), 1: (FOUNDRY, "1", "4", "nan")}, 2, "weight", "no weight"),
    ],
)
def test_a_faulty_table_exits_4_names_file_and_row_and_keeps_nothing(shed, office, tmp_path, change, row, column, word):
    rows = list(TABLE)
    for number, cells in change.items():
        rows[number] = cells
    if change.get(0, ("",) * 4)[3] == "weight":
        rows = rows[:2]
    found = imported(shed, office, tmp_path, "bad", table_bytes(rows))
    assert found.code == 4
    assert word in found.error["message"]
    assert found.error["where"]["file"] == "table.csv"
    assert found.error["where"]["row"] == row
    assert found.error["where"].get("column") == column
    assert "bad" not in {r["version"] for r in shed(office, "table", "list", "--format", "json").json}


def test_a_version_never_changes(shed, fresh, tmp_path):
    imported(shed, fresh, tmp_path)
    assert imported(shed, fresh, tmp_path).code == 0  # the same again is no change
    other = imported(shed, fresh, tmp_path, "v1", table_bytes(TABLE[:-1]))
    assert (other.code, "already" in other.error["message"]) == (2, True)
    with pytest.raises(ConstraintError, match="append-only"), open_database(fresh).write() as connection:
        connection.execute(priority_entry.delete())
    assert len(load_table(fresh, "v1").entries) == 7
    assert load_table(fresh, "v1").valid_to == dt.date(2026, 9, 30)


def test_a_dry_import_keeps_nothing_and_a_formula_is_refused(shed, fresh, tmp_path):
    assert imported(shed, fresh, tmp_path, "v1", None, "table.csv", "--dry-run").code == 0
    assert shed(fresh, "table", "list", "--format", "json").json == []
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer) as book:
        sheet = book.add_worksheet()
        for column, head in enumerate(("account_no", "cls")):
            sheet.write_string(0, column, head)
        sheet.write_string(1, 0, FOUNDRY)
        sheet.write_formula(1, 1, "=2+2")
    found = imported(shed, fresh, tmp_path, "v1", buffer.getvalue(), "table.xlsx")
    assert (found.code, "formula" in found.error["message"]) == (4, True)
