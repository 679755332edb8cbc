"""Exports: numbered and kept, never silently incomplete, corrections marked, the same bytes again."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from billing_office import ACCOUNT, freeze_registers, local, put, register
from python_calamine import CalamineWorkbook

from keyacct.cli.run import run
from keyacct.config import Workspace
from keyacct.database.bills import billing_export, billing_freeze
from keyacct.database.engine import open_database
from keyacct.errors import ConfigError, RefusedError, WriteError
from keyacct.model import Period
from keyacct.workflow import billing
from keyacct.workflow.auditing import AuditFilter, check_audit, list_audit

JUNE = Period.parse("2026-06")


@pytest.fixture
def june(office: Workspace) -> Workspace:
    """June complete: 100.00 kWh secondary, 3 500 000 kWh."""
    freeze_registers(office, "2026-06-01T00:00", "500.00", ("125", "125", "125", "125"), "100.00", "10.00")
    freeze_registers(office, "2026-07-01T00:00", "600.00", ("150", "150", "150", "150"), "130.00", "10.00")
    put(office, "demand", "2026-07-01T00:00", **{"import": "0.2", "import_at": local("2026-06-09T11:15")})
    return office


def table(path: Path) -> list[dict[str, str]]:
    text = path.read_bytes().decode("utf-8-sig")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def correct_june(workspace: Workspace) -> None:
    """The meter's own value comes late: 601.00 and 151.00 flat, 35 000 kWh more."""
    put(workspace, "energy", "2026-07-01T00:00", recv="2026-07-05T00:00", **{"import": "601.00"})
    put(workspace, "tariff_energy", "2026-07-01T00:00", recv="2026-07-05T00:00", tariff=3, **{"import": "151.00"})


def test_an_export_is_numbered_kept_and_the_same_again(june: Workspace, tmp_path: Path) -> None:
    done = billing.export(june, JUNE, tmp_path / "out")
    assert done.number == 1
    (account,) = table(tmp_path / "out" / "billing-000001.accounts.csv")
    assert (account["account_no"], account["import_total_kwh"], account["import_flat_kwh"]) == (
        ACCOUNT, "3500000", "875000",
    )  # fmt: skip
    assert (account["demand_kw"], account["demand_at"]) == ("7000", "2026-06-09T11:15:00+08:00")
    assert (account["complete"], account["estimated"], account["corrects_export"]) == ("yes", "no", "")
    # tan φ = 30/100, cos φ = 1/√1.09 = 0.9578, assessed 0.96: five hundredths and more above 0.90: −0.75 %.
    assert (account["pf_assessed"], account["adjustment_pct"]) == ("0.96", "-0.75")
    manifest = json.loads((tmp_path / "out" / "billing-000001.json").read_text("utf-8"))
    for entry in manifest["files"]:
        data = (tmp_path / "out" / entry["file"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (entry["bytes"], entry["sha256"])
    again = billing.again(june, 1, tmp_path / "again")
    assert again.number == 1
    for file in done.files:
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes(), file.name
    with pytest.raises(ConfigError):
        billing.again(june, 2, tmp_path / "again")


def test_what_was_handed_over_is_not_handed_over_again(june: Workspace, tmp_path: Path) -> None:
    billing.export(june, JUNE, tmp_path)
    once_more = billing.export(june, JUNE, tmp_path)
    assert (once_more.number, once_more.unchanged, once_more.files) == (None, 1, [])
    assert len(billing.list_exports(june)) == 1


def test_a_correction_names_the_earlier_export_and_the_differences(june: Workspace, tmp_path: Path) -> None:
    billing.export(june, JUNE, tmp_path)
    correct_june(june)
    second = billing.export(june, JUNE, tmp_path)
    assert second.number == 2
    (account,) = table(tmp_path / "billing-000002.accounts.csv")
    assert (account["import_total_kwh"], account["corrects_export"]) == ("3535000", "1")
    changed = {row["item"]: row for row in table(tmp_path / "billing-000002.corrections.csv")}
    total = changed["import_total_kwh"]
    assert (total["before"], total["now"], total["difference"], total["corrects_export"]) == (
        "3500000", "3535000", "35000", "1",
    )  # fmt: skip
    assert changed["import_flat_kwh"]["difference"] == "35000"
    assert "import_peak_kwh" not in changed
    assert any(name.endswith("import total end") for name in changed)
    assert json.loads((tmp_path / "billing-000002.json").read_text("utf-8"))["corrects_exports"] == [1]
    put(
        june,
        "demand",
        "2026-07-01T00:00",
        recv="2026-07-06T00:00",
        **{"import": "0.25", "import_at": local("2026-06-10T11:15")},
    )
    third = billing.export(june, JUNE, tmp_path)
    assert third.content is not None
    assert [item.corrects_number for item in third.content.items] == [2], "the one that holds now, not the first"
    assert [row["corrections"] for row in billing.list_exports(june)] == [0, 1, 1]
    assert (tmp_path / "billing-000001.accounts.csv").exists(), "an earlier export stays as it was"


def test_a_ratio_corrected_afterwards_corrects_the_bill(june: Workspace, tmp_path: Path) -> None:
    billing.export(june, JUNE, tmp_path)
    with open_database(june).write() as connection:
        connection.exec_driver_sql("UPDATE point_ratio SET ct = 120")
    second = billing.export(june, JUNE, tmp_path)
    (account,) = table(tmp_path / "billing-000002.accounts.csv")
    assert (second.number, account["import_total_kwh"]) == (2, "4200000")


def test_an_incomplete_set_is_refused_and_what_lacks_is_named(
    office: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    freeze_registers(office, "2026-06-01T00:00", "500.00", ("125", "125", "125", "125"), "100.00", "10.00")
    with pytest.raises(RefusedError) as caught:
        billing.export(office, JUNE, tmp_path / "out")
    assert caught.value.code == "refused.incomplete"
    assert not (tmp_path / "out").exists()
    with open_database(office).read() as connection:
        for kept in (billing_export, billing_freeze):
            assert connection.execute(sa.select(sa.func.count()).select_from(kept)).scalar() == 0
    command = [
        "billing", "export", "--workspace", str(office.root), "--period", "2026-06", "--out", str(tmp_path / "out"),
        "--now", "2026-08-15T00:00+08:00",
    ]  # fmt: skip
    assert run(command) == 8
    said = capsys.readouterr()
    assert said.out == ""
    named = "import total, import sharp, import peak, import flat, import valley, q1 total, q4 total"
    assert f"missing: 1000000001 P1 M1, 2026-07-01T00:00:00+08:00: {named}: no freeze at this instant" in said.err
    assert "--allow-partial" in said.err
    assert run([*command, "--allow-partial", "--format", "json"]) == 6
    said = capsys.readouterr()
    (shown,) = json.loads(said.out)
    assert (shown["number"], shown["bills"]) == (1, 1)
    assert "missing: " in said.err
    (account,) = table(tmp_path / "out" / "billing-000001.accounts.csv")
    assert (account["complete"], account["import_total_kwh"], account["pf"]) == ("no", "", ""), "nothing, not 0"
    lacking = table(tmp_path / "out" / "billing-000001.missing.csv")
    assert {row["what"] for row in lacking} >= {"import total", "demand"}
    readings = table(tmp_path / "out" / "billing-000001.readings.csv")
    assert {row["end_quality"] for row in readings} == {"9"}


def test_what_was_partial_is_corrected_when_it_is_complete(office: Workspace, tmp_path: Path) -> None:
    freeze_registers(office, "2026-06-01T00:00", "500.00", ("125", "125", "125", "125"), "100.00", "10.00")
    first = billing.export(office, JUNE, tmp_path, allow_partial=True)
    freeze_registers(office, "2026-07-01T00:00", "600.00", ("150", "150", "150", "150"), "130.00", "10.00")
    put(office, "demand", "2026-07-01T00:00", **{"import": "0.2", "import_at": local("2026-06-09T11:15")})
    second = billing.export(office, JUNE, tmp_path)
    assert (first.number, second.number, second.missing) == (1, 2, [])
    changed = {row["item"]: row for row in table(tmp_path / "billing-000002.corrections.csv")}
    assert (changed["import_total_kwh"]["before"], changed["import_total_kwh"]["now"]) == ("", "3500000")


def test_a_cycle_that_runs_still_is_never_handed_over(june: Workspace, tmp_path: Path) -> None:
    from keyacct import clock

    clock.fix("2026-06-20T00:00+08:00")
    done = billing.export(june, JUNE, tmp_path, allow_partial=True)
    assert (done.number, [row["what"] for row in done.missing]) == (None, ["cycle"])


def test_the_workbook_says_what_the_tables_say(june: Workspace, tmp_path: Path) -> None:
    register(june, '[[account]]\naccount_no = "1000000001"\naccount_name = "=HYPERLINK(1) 日月"\n')
    done = billing.export(june, JUNE, tmp_path, lang="zh")
    book = CalamineWorkbook.from_path(tmp_path / "billing-000001.xlsx")
    assert book.sheet_names == ["用户", "示数", "需量"]
    compared = 0
    for sheet, name in zip(book.sheet_names, ("accounts", "readings", "demands"), strict=True):
        cells = book.get_sheet_by_name(sheet).to_python()
        rows = table(tmp_path / f"billing-000001.{name}.csv")
        assert len(cells) == len(rows) + 1
        for line, row in zip(cells[1:], rows, strict=True):
            for cell, text in zip(line, row.values(), strict=True):
                if isinstance(cell, float):
                    assert Decimal(repr(cell)) == Decimal(text)
                else:
                    assert cell == text.removeprefix("'")
                compared += 1
    assert compared > 200
    assert done.content is not None
    assert table(tmp_path / "billing-000001.accounts.csv")[0]["account_name"].startswith("'=")


def test_two_exports_of_one_workspace_have_the_same_bytes(june: Workspace, tmp_path: Path) -> None:
    done = billing.export(june, JUNE, tmp_path / "a")
    code = (
        "import sys; from pathlib import Path; from keyacct.config import open_workspace; from keyacct.workflow import billing\n"
        "billing.again(open_workspace(sys.argv[1]), 1, Path(sys.argv[2]))"
    )
    for seed in ("0", "42"):
        subprocess.run(
            [sys.executable, "-c", code, str(june.root), str(tmp_path / seed)], check=True,
            env={**__import__("os").environ, "PYTHONHASHSEED": seed},
        )  # fmt: skip
        for file in done.files:
            assert (tmp_path / seed / file.name).read_bytes() == file.read_bytes(), file.name


def test_files_that_cannot_be_written_can_be_written_later(june: Workspace, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file where the folder should be")
    with pytest.raises(WriteError, match="export 1 is kept") as caught:
        billing.export(june, JUNE, tmp_path / "out")
    assert "--again 1" in caught.value.hint
    assert len(billing.again(june, 1, tmp_path / "other").files) == 5


def test_what_was_frozen_and_handed_over_cannot_be_changed(june: Workspace, tmp_path: Path) -> None:
    import sqlite3

    billing.export(june, JUNE, tmp_path)
    for statement in (
        "UPDATE billing_freeze SET body = '{}'", "DELETE FROM billing_freeze", "UPDATE billing_export SET label = ''",
        "DELETE FROM billing_export_item",
    ):  # fmt: skip
        with pytest.raises(sqlite3.IntegrityError, match="append-only"), open_database(june).write() as connection:
            connection.exec_driver_sql(statement)


def test_every_freeze_and_hand_over_is_in_the_audit_chain(june: Workspace, tmp_path: Path) -> None:
    billing.export(june, JUNE, tmp_path)
    billing.again(june, 1, tmp_path)
    actions = [row["action"] for row in list_audit(june, AuditFilter(action="billing"))]
    assert actions == ["billing.freeze", "billing.export", "billing.export_again"]
    assert [row["action"] for row in list_audit(june, AuditFilter(about=ACCOUNT, action="billing"))] == [
        "billing.export"
    ]
    assert check_audit(june).broken is None


def test_freezing_keeps_a_version_a_change_and_nothing_else(june: Workspace) -> None:
    states = []
    for _ in range(2):
        states += [(f.state, f.version) for f in billing.freeze(june, JUNE)]
    correct_june(june)
    assert [(f.state, f.version) for f in billing.freeze(june, JUNE, dry_run=True)] == [("changed", 2)]
    states += [(f.state, f.version) for f in billing.freeze(june, JUNE)]
    assert states == [("new", 1), ("same", 1), ("changed", 2)]


EXPORTER = """
import sys
from pathlib import Path
from keyacct import clock
from keyacct.config import open_workspace
from keyacct.model import Period
from keyacct.workflow import billing
clock.fix("2026-08-15T00:00+08:00")
print(billing.export(open_workspace(sys.argv[1]), Period.parse("2026-06"), Path(sys.argv[2])).number)
"""


def test_two_exports_at_once_hand_over_once(june: Workspace, tmp_path: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", EXPORTER, str(june.root), str(tmp_path / str(n))], stdout=subprocess.PIPE, text=True
        )
        for n in range(3)
    ]
    numbers = sorted(process.communicate()[0].strip() for process in started)
    assert [process.returncode for process in started] == [0, 0, 0]
    assert numbers == ["1", "None", "None"]


def test_a_reading_day_that_was_moved_afterwards_corrects_what_it_overlaps(june: Workspace, tmp_path: Path) -> None:
    billing.export(june, JUNE, tmp_path)
    entry: dict[str, Any] = {"reading_day": 16}
    with open_database(june).write() as connection:
        connection.exec_driver_sql(f"UPDATE account_terms SET reading_day = {entry['reading_day']}")
    freeze_registers(june, "2026-06-16T00:00", "550.00", ("137.5",) * 4, "115.00", "10.00")
    freeze_registers(june, "2026-05-16T00:00", "450.00", ("112.5",) * 4, "85.00", "10.00")
    put(june, "demand", "2026-06-16T00:00", **{"import": "0.2", "import_at": local("2026-06-09T11:15")})
    second = billing.export(june, JUNE, tmp_path)
    assert second.content is not None
    (item,) = second.content.items
    assert (item.bill["cycle_to"], item.corrects_number) == ("2026-06-16T00:00:00+08:00", 1)
