"""A batch goes on where it stopped, keeps what is done, and its manifest describes the whole folder."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keyacct import clock
from keyacct.config import Workspace, open_workspace
from keyacct.errors import ConfigError
from keyacct.model import Period
from keyacct.report.fonts import Font
from keyacct.workflow import reports
from keyacct.workflow.report_manifest import JOURNAL, MANIFEST
from keyacct.workflow.report_work import do
from keyacct.workflow.reports import Batch, write_reports

SPAN = Period.parse("2026-06-10")
ACCOUNTS = ["3301000103", "3301000107", "1000000002"]
KEYACCT = str(Path(sys.executable).with_name("keyacct"))


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYACCT_NOW", "2026-07-01T08:30+08:00")
    clock.fix(None)


@pytest.fixture
def own_town(town: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the town that a test may change."""
    root = tmp_path / "town"
    shutil.copytree(town.root, root)
    return open_workspace(root)


def write(workspace: Workspace, out: Path, accounts: list[str] | None = None, **more: object) -> Batch:
    options: dict[str, object] = {"formats": ("xlsx", "pdf", "csv"), "lang": "zh"} | more
    return write_reports(workspace, "month", SPAN, accounts=accounts or ACCOUNTS, out=out, **options)


def digests(out: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in out.iterdir() if file.name != MANIFEST}


def manifest(out: Path) -> dict:
    return json.loads((out / MANIFEST).read_text("utf-8"))


def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[str, ...]]]:
    """Every (account, formats) that is put on paper from now on."""
    seen: list[tuple[str, tuple[str, ...]]] = []

    def counting(job: object, paper: object) -> object:
        seen.append((job.document.account_no, job.formats))
        return do(job, paper)

    monkeypatch.setattr("keyacct.workflow.report_work.do", counting)
    return seen


def test_a_second_run_makes_nothing_and_builds_nothing(
    town: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    first = write(town, out)
    before = digests(out)
    stamps = {file.name: file.stat().st_mtime_ns for file in out.iterdir() if file.name != MANIFEST}
    seen = counted(monkeypatch)
    monkeypatch.setattr(reports, "_documents", lambda *arguments: pytest.fail("a document was built"))
    second = write(town, out)
    assert seen == []
    assert second.kept == len(second.files) == len(first.files)
    assert {file.file for file in second.files} == {file.file for file in first.files}
    assert digests(out) == before
    assert {file.name: file.stat().st_mtime_ns for file in out.iterdir() if file.name != MANIFEST} == stamps
    assert (manifest(out)["written"], manifest(out)["kept"]) == (0, len(first.files))


def test_only_what_a_change_touches_is_made_again(
    own_town: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keyacct.registry.importing import import_registry

    out = tmp_path / "out"
    write(own_town, out)
    import_registry(own_town, '[[account]]\naccount_no = "3301000107"\naccount_name = "新名"\n', file="change.toml")
    seen = counted(monkeypatch)
    again = write(own_town, out)
    assert [account for account, formats in seen if formats] == ["3301000107"]
    fresh = tmp_path / "fresh"
    write(own_town, fresh)
    assert digests(out) == digests(fresh)
    assert 0 < again.kept < len(again.files)


def test_a_later_day_keeps_files_that_say_the_same_and_their_time(
    town: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    write(town, out)
    before = digests(out)
    monkeypatch.setenv("KEYACCT_NOW", "2026-07-05T08:30+08:00")
    assert write(town, out).kept == len(before)
    assert digests(out) == before
    assert {entry["generated_at"] for entry in manifest(out)["files"]} == {
        "2026-07-01T08:30:00+08:00",
        "2026-07-01T00:30:00+00:00",
    }
    write(town, out, rewrite=True)
    assert digests(out).keys() == before.keys()
    assert digests(out)["month_3301000103_2026-06-10_zh.pdf"] != before["month_3301000103_2026-06-10_zh.pdf"]


def test_a_file_that_was_changed_or_lost_is_made_again(town: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(town, out)
    before = digests(out)
    (out / "month_3301000103_2026-06-10_zh.xlsx").write_bytes(b"cut")
    (out / "month_3301000107_2026-06-10_zh_figures.csv").unlink()
    write(town, out)
    assert digests(out) == before


def test_the_manifest_describes_every_file_of_the_folder_over_several_runs(town: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(town, out)
    write(town, out, lang="en", formats=("html",))
    write_reports(
        town, "month", Period.parse("2026-06-11"), accounts=ACCOUNTS[:1], formats=("csv",), out=out, lang="zh"
    )
    document = manifest(out)
    listed = {entry["file"]: entry["sha256"] for entry in document["files"]}
    assert listed == digests(out)
    assert {(entry["lang"], entry["period"]) for entry in document["files"] if entry["account_no"]} == {
        ("zh", "2026-06-10"), ("en", "2026-06-10"), ("zh", "2026-06-11"),
    }  # fmt: skip
    assert document["audit_head"]["seq"] > 0
    assert document["run_seconds"] >= 0
    for file in out.iterdir():
        if file.name != MANIFEST:
            assert document["audit_head"]["hash"].encode() not in file.read_bytes()


def test_the_index_lists_the_reports_of_earlier_runs_too(town: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(town, out, ACCOUNTS[:2], formats=("csv",))
    write(town, out, ACCOUNTS[1:], formats=("html",))
    page = (out / "index_zh.html").read_text("utf-8")
    for account in ACCOUNTS:
        assert f"<td>{account}</td>" in page
    links = {name for name in digests(out) if f'href="{name}"' in page}
    assert links == {name for name in digests(out) if name != "index_zh.html"}


def test_several_processes_write_the_bytes_that_one_writes(town: Workspace, tmp_path: Path) -> None:
    accounts = [*ACCOUNTS, "3301000101", "3301000102"]
    one = write(town, tmp_path / "one", accounts, jobs=1)
    two = write(town, tmp_path / "two", accounts[::-1], jobs=2)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert [file.account_no for file in two.files if file.format == "pdf"] == accounts[::-1]
    assert sorted(one.files, key=lambda file: file.file) == sorted(two.files, key=lambda file: file.file)


def test_a_killed_run_is_taken_up_where_it_stopped(
    town: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    command = [
        KEYACCT, "report", "month", "--workspace", str(town.root), "--period", str(SPAN.label), "--as", "xlsx,pdf",
        "--lang", "zh", "--jobs", "1", "--out", str(out),
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not ((out / JOURNAL).exists() and (out / JOURNAL).stat().st_size):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / MANIFEST).exists()
    finished = {
        json.loads(line)["reports"][0]["account_no"] for line in (out / JOURNAL).read_text("utf-8").splitlines()
    }
    assert finished
    seen = counted(monkeypatch)
    accounts = sorted({*finished, *ACCOUNTS})
    batch = write(town, out, accounts, formats=("xlsx", "pdf"))
    assert {account for account, formats in seen if formats} == set(accounts) - finished
    assert not (out / JOURNAL).exists()
    assert {file.file for file in batch.files} <= set(digests(out))
    fresh = tmp_path / "fresh"
    write(town, fresh, accounts, formats=("xlsx", "pdf"))
    wanted = {name: digest for name, digest in digests(fresh).items() if name != "index_zh.html"}
    assert {name: digests(out)[name] for name in wanted} == wanted


def test_an_interrupted_run_leaves_a_true_manifest(
    town: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stops(job: object, paper: object) -> object:
        if job.document.account_no == ACCOUNTS[1]:
            raise KeyboardInterrupt
        return do(job, paper)

    monkeypatch.setattr("keyacct.workflow.report_work.do", stops)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        write(town, out)
    assert {entry["file"]: entry["sha256"] for entry in manifest(out)["files"]} == digests(out)
    assert {entry["account_no"] for entry in manifest(out)["files"]} == {ACCOUNTS[0]}


def test_a_table_that_a_report_no_longer_has_leaves_no_old_file(town: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(town, out, formats=("csv",))
    document = manifest(out)
    old = out / "month_3301000103_2026-06-10_zh_gone.csv"
    old.write_bytes(b"old")
    entry = next(entry for entry in document["files"] if entry["account_no"] == "3301000103")
    entry = {**entry, "file": old.name, "bytes": 3, "sha256": hashlib.sha256(b"old").hexdigest()}
    document["files"].append(entry)
    (out / MANIFEST).write_text(json.dumps(document), "utf-8")
    foreign = out / "notes.txt"
    foreign.write_text("mine")
    write(town, out, formats=("csv",), rewrite=True)
    assert not old.exists()
    assert foreign.read_text() == "mine"


def test_a_damaged_manifest_costs_a_new_run_and_nothing_else(town: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(town, out, ACCOUNTS[1:], formats=("csv",))
    before = digests(out)
    for content in (
        b"",
        b"{",
        b"[]",
        b'{"form": 2}',
        b'{"form": 2, "files": [{"file": "../x"}], "reports": [], "failed": []}',
    ):
        (out / MANIFEST).write_bytes(content)
        write(town, out, ACCOUNTS[1:], formats=("csv",))
        assert digests(out) == before
        assert {entry["file"] for entry in manifest(out)["files"]} == set(before)


def test_no_font_with_chinese_stops_a_chinese_pdf_at_once_and_says_what_to_install(
    town: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latin = Font("Libertinus Serif", None, "typesetter", chinese=False)
    for module in ("fonts", "pdf", "fingerprint"):
        monkeypatch.setattr(f"keyacct.report.{module}.find_font", lambda *arguments: latin)
    with pytest.raises(ConfigError, match="no font with Chinese characters") as caught:
        write(town, tmp_path / "out")
    assert "apt install" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_one_format_that_fails_leaves_the_others_and_the_account_is_named(
    town: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latin = Font("Libertinus Serif", None, "typesetter", chinese=False)
    for module in ("fonts", "pdf", "fingerprint"):
        monkeypatch.setattr(f"keyacct.report.{module}.find_font", lambda *arguments: latin)
    out = tmp_path / "out"
    batch = write(town, out, lang="en", formats=("xlsx", "pdf"))
    assert [failure.account_no for failure in batch.failed] == ACCOUNTS  # the office's name is Chinese
    assert {file.format for file in batch.files} == {"xlsx", "html"}
    assert len(manifest(out)["failed"]) == len(ACCOUNTS)


def test_the_command_ends_with_6_and_names_what_failed(
    town: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from keyacct.cli.run import run
    from keyacct.errors import InputError

    def bad(job: object, paper: object) -> object:
        if job.document.account_no == ACCOUNTS[1]:
            error = InputError("input.value", "spoilt", hint="mend it")
            return [], (error.code, error.message, error.hint, error.where)
        return do(job, paper)

    monkeypatch.setattr("keyacct.workflow.report_work.do", bad)
    chosen = [part for account in ACCOUNTS for part in ("--account", account)]
    status = run(["report", "month", "--workspace", str(town.root), "--period", SPAN.label, "--as", "csv",
                  "--out", str(tmp_path / "out"), "--format", "json", *chosen])  # fmt: skip
    captured = capsys.readouterr()
    assert status == 6
    assert {row["account_no"] for row in json.loads(captured.out)} == {*ACCOUNTS, ""} - {ACCOUNTS[1]}
    assert f"no report of account {ACCOUNTS[1]}: spoilt" in captured.err
    assert "\r" not in captured.err, "a bar was drawn where there is no terminal"
