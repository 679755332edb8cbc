"""Writing a batch: whole files, a true manifest, one bad account spoils no other."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyacct import clock
from keyacct.config import Workspace
from keyacct.errors import ConfigError, InputError, KeyacctError, UsageError, WriteError
from keyacct.model import Period
from keyacct.report import subject as subjects
from keyacct.report.files import file_part, write_whole
from keyacct.report.inputs import Results
from keyacct.report.kinds import month
from keyacct.report.subject import Subject
from keyacct.workflow import reports
from keyacct.workflow.reports import Batch, check_formats, find_kind, write_reports

ACCOUNTS = ["3301000001", "3301000002", "3301000003"]
JUNE = Period.parse("2026-06")


@pytest.fixture(autouse=True)
def three_accounts(sample: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three accounts; the analyses refuse any set that holds an account beginning with `bad`."""

    def load_subjects(workspace: Workspace, accounts: Sequence[str]) -> list[Subject]:
        return [Subject(account, f"客户{account[-1]}", {}) for account in accounts]

    def analyse(workspace: Workspace, period: Period, accounts: Sequence[str]) -> Results:
        for account in accounts:
            if account.startswith("bad"):
                raise InputError("input.value", f"limits of {account} contradict")
        every = [sample.month_results(account, "客户", points=1) for account in accounts]
        return join(every)

    monkeypatch.setattr(month, "load_subjects", load_subjects)
    monkeypatch.setattr(month, "analyse", analyse)
    monkeypatch.setattr(month, "with_points", lambda workspace, period, accounts: list(accounts))
    monkeypatch.setattr(reports, "all_accounts", lambda workspace: list(ACCOUNTS))
    monkeypatch.setenv("KEYACCT_NOW", "2026-07-01T08:30+08:00")
    clock.fix(None)


def join(every: list[Results]) -> Results:
    import pyarrow as pa

    def tables(name: str) -> object:
        parts = [getattr(result, name) for result in every]
        joined = {
            field.name: pa.concat_tables([getattr(part, field.name) for part in parts])
            for field in dataclasses.fields(parts[0])
            if getattr(parts[0], field.name) is not None
        }
        return dataclasses.replace(parts[0], **joined)

    return Results(tables("voltage"), tables("power_factor"), tables("load"))


def write(workspace: Workspace, out: Path, accounts: list[str] | None = None, **more: object) -> Batch:
    options: dict[str, object] = {"formats": ("xlsx", "html", "csv"), "lang": "zh"} | more
    return write_reports(workspace, "month", JUNE, accounts=accounts, out=out, **options)


def test_all_accounts_with_index_and_manifest(workspace: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    batch = write(workspace, out)
    assert not batch.failed
    names = {path.name for path in out.iterdir()}
    assert names == {file.file for file in batch.files} | {"manifest.json"}
    assert {"month_3301000001_2026-06_zh.xlsx", "month_3301000002_2026-06_zh.html", "index_zh.html"} <= names
    assert "month_3301000003_2026-06_zh_load_daily.csv" in names
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    assert (manifest["generated_at"], manifest["failed"]) == ("2026-07-01T00:30:00+00:00", [])
    for entry in manifest["files"]:
        content = (out / entry["file"]).read_bytes()
        assert (entry["bytes"], entry["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        assert entry["inputs_sha256"] or entry["file"] == "index_zh.html"
    daily = next(entry for entry in manifest["files"] if entry["file"].endswith("1_2026-06_zh_load_daily.csv"))
    assert daily["rows"] == 30


def test_the_same_batch_again_gives_the_same_bytes(workspace: Workspace, tmp_path: Path) -> None:
    first, second = write(workspace, tmp_path / "a"), write(workspace, tmp_path / "b")
    assert first == second
    for file in first.files:
        assert (tmp_path / "a" / file.file).read_bytes() == (tmp_path / "b" / file.file).read_bytes()


def test_one_account_alone_has_no_index_and_the_bytes_it_has_in_a_batch(workspace: Workspace, tmp_path: Path) -> None:
    alone = write(workspace, tmp_path / "a", ["3301000002"])
    batch = write(workspace, tmp_path / "b")
    assert not any(file.file.startswith("index") for file in alone.files)
    assert set(alone.files) <= set(batch.files)


def test_a_bad_account_spoils_no_other(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = [*ACCOUNTS, "bad1", *(f"44010000{n:02d}" for n in range(4)), "bad2"]
    monkeypatch.setattr(reports, "ACCOUNTS_AT_ONCE", 5)
    batch = write(workspace, tmp_path / "out", accounts, formats=("csv",))
    assert [failure.account_no for failure in batch.failed] == ["bad1", "bad2"]
    assert batch.failed[0].message == "limits of bad1 contradict"
    done = list(dict.fromkeys(file.account_no for file in batch.files if file.account_no))
    assert done == [account for account in accounts if not account.startswith("bad")]
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["failed"][0]["code"] == "input.value"


def test_when_no_report_can_be_made_the_error_comes_up(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="bad1"):
        write(workspace, tmp_path / "out", ["bad1", "bad2"])
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_damage_is_no_accounts_fault(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def damaged(*arguments: object) -> Results:
        calls.append(arguments)
        raise WriteError("write.store_damaged", "segment 7 is damaged")

    monkeypatch.setattr(month, "analyse", damaged)
    with pytest.raises(WriteError):
        write(workspace, tmp_path / "out")
    assert len(calls) == 1


def test_a_dry_run_writes_nothing(workspace: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "out"
    dry = write(workspace, out, dry_run=True)
    assert not out.exists()
    assert dry == write(workspace, out)


def test_an_account_number_cannot_leave_the_folder(workspace: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "a" / "b" / "out"
    batch = write(workspace, out, ["../../../evil", "/etc/passwd", "con:x", ".."], formats=("html",))
    assert len({file.file for file in batch.files}) == 5
    assert {path.parent for path in tmp_path.rglob("*.html")} == {out}


@given(st.lists(st.text(max_size=90), min_size=2, max_size=20, unique=True))
def test_file_parts_are_safe_and_do_not_meet(texts: list[str]) -> None:
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    parts = {text: file_part(text) for text in texts}
    assert len(set(parts.values())) == len(parts)
    assert all(part and len(part) <= 69 and set(part) <= reports_safe() for part in parts.values())


def reports_safe() -> set[str]:
    return set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "r.html"
    write_whole(file, b"old")

    def fails(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("keyacct.report.files.os.fsync", fails)
    with pytest.raises(WriteError) as caught:
        write_whole(file, b"new")
    assert caught.value.code == "write.disk_full"
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("r.html", b"old")]


def test_a_folder_that_cannot_be_made_is_a_write_error(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(WriteError):
        write(workspace, tmp_path / "taken" / "out", ["3301000001"])


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("mnth", UsageError, "no report 'mnth'"),
        ("forecast", ConfigError, "unavailable: needs load forecasts"),
    ],
)
def test_what_is_no_report_is_told_apart(name: str, kind: type[KeyacctError], says: str) -> None:
    with pytest.raises(kind, match=says):
        find_kind(name)


def test_formats_come_once_and_in_order() -> None:
    assert check_formats(["csv", "xlsx", "csv"]) == ("xlsx", "csv")
    for wrong in (["docx"], []):
        with pytest.raises(UsageError):
            check_formats(wrong)


def test_facts_of_the_registry_are_shown_with_unit_and_word() -> None:
    subject = Subject("1", "n", {"contract_capacity_kva": 6300.0, "critical_grade": "1", "industry_code": None})
    assert [(fact.label.en, fact.value.zh) for fact in subjects.facts(subject)] == [
        ("Critical grade", "一级"), ("Contract capacity", "6300 kVA"),
    ]  # fmt: skip
