"""When a backup is due, who is reminded, and how many are kept."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from office_days import fill

from keyacct import clock
from keyacct.cli.run import run
from keyacct.config import Workspace, open_workspace
from keyacct.workflow.auditing import AuditFilter, list_audit
from keyacct.workflow.backup.content import backups_in
from keyacct.workflow.backup.schedule import backup_state, list_backups, prune
from keyacct.workflow.backup.take import take_backup
from keyacct.workflow.doctor import check_workspace
from keyacct.workflow.workspace import init_workspace

Cron = Callable[..., int]


@pytest.fixture
def office(tmp_path: Path) -> Workspace:
    clock.fix("2026-06-01T01:00+08:00")
    init_workspace(tmp_path / "office", name="office")
    marker = tmp_path / "office" / "keyacct.toml"
    text = marker.read_text("utf-8")
    text = text.replace('# folder = ""', f'folder = "{tmp_path}/backups"').replace("# keep = 14", "keep = 3")
    marker.write_text(text, encoding="utf-8")
    clock.fix(None)
    return open_workspace(tmp_path / "office")


@pytest.fixture
def at(office: Workspace) -> Cron:
    """`at("06-01T02:00", "--due")` runs `keyacct backup` at a time."""

    def backup(when: str, *arguments: str) -> int:
        return run(["backup", *arguments, "--workspace", str(office.root), "--now", f"2026-{when}+08:00"])

    return backup


def test_due_takes_one_a_day_however_often_cron_asks(office: Workspace, tmp_path: Path, at: Cron) -> None:
    taken = []
    for day in (1, 2, 3):
        for hour in ("02:00:03", "02:00:02", "05:00:00", "14:00:00"):
            assert at(f"06-0{day}T{hour}", "--due") == 0
            taken.append(len(backups_in(tmp_path / "backups")))
    assert taken == [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3], "cron a second early is not a day late"


def test_a_clock_that_was_set_back_makes_nothing_due(office: Workspace, tmp_path: Path, at: Cron) -> None:
    assert at("06-02T02:00", "--due") == 0
    assert at("05-30T02:00", "--due") == 0
    assert len(backups_in(tmp_path / "backups")) == 1


def test_the_oldest_go_when_there_are_more_than_are_kept(office: Workspace, tmp_path: Path, at: Cron) -> None:
    other = init_workspace(tmp_path / "other")
    foreign = take_backup(other, tmp_path / "backups").path
    (tmp_path / "backups" / "holiday.jpg").write_text("mine")
    for day in range(1, 7):
        assert at(f"06-0{day}T02:00", "--due") == 0
    names = [path.name for path in backups_in(tmp_path / "backups") if path != foreign]
    assert [name.split("-")[2] for name in names] == ["20260603T180000Z", "20260604T180000Z", "20260605T180000Z"]
    assert foreign.exists()
    assert (tmp_path / "backups" / "holiday.jpg").exists()
    states = [row["state"] for row in list_backups(office)]
    assert states == ["removed"] * 3 + ["there"] * 3
    assert [row["body"]["names"] for row in list_audit(office, AuditFilter(action="backup.remove"))] != []


def test_the_newest_whole_backup_is_never_removed(office: Workspace, tmp_path: Path) -> None:
    fill(office, 1)
    whole = take_backup(office, tmp_path / "backups").path
    for segment in office.samples.rglob("*.parquet"):
        segment.unlink()
    for path in (whole / "samples").rglob("*.parquet"):
        path.rename(path.with_suffix(".away"))  # so that nothing heals the later ones
    for _ in range(3):
        assert take_backup(office, tmp_path / "backups").manifest.problems
    for path in (whole / "samples").rglob("*.away"):
        path.rename(path.with_suffix(".parquet"))
    prune(office, tmp_path / "backups", 1)
    assert whole in backups_in(tmp_path / "backups")
    assert len(backups_in(tmp_path / "backups")) == 2


@pytest.mark.parametrize(
    ("hours", "tty", "quiet", "told"),
    [(47, True, [], False), (48, True, [], True), (500, True, [], True), (500, False, [], False), (500, True, ["-q"], False)],
)  # fmt: skip
def test_the_operator_is_reminded_at_a_terminal(
    office: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, at: Cron,
    hours: int, tty: bool, quiet: list[str], told: bool,
) -> None:  # fmt: skip
    assert at("06-01T02:00") == 0
    now = f"2026-06-{1 + (2 + hours) // 24:02d}T{(2 + hours) % 24:02d}:00+08:00"
    capsys.readouterr()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: tty, raising=False)
    command = ["registry", "list", "meters", "--workspace", str(office.root), "--now", now, *quiet]
    for lang, words in (("en", "reminder: no backup for"), ("zh", "提醒: 已")):
        assert run([*command, "--lang", lang]) == 0
        said = capsys.readouterr()
        assert (words in said.err) is told
        assert words not in said.out
        assert said.err.count("\n") == told, "one line"
    advice = [check.state for check in _doctor(office, now) if check.check == "backup"]
    assert advice == (["look"] if hours >= 48 else ["ok"])


def _doctor(office: Workspace, now: str) -> list[Any]:
    clock.fix(now)
    try:
        return check_workspace(office)
    finally:
        clock.fix(None)


def test_a_workspace_never_backed_up_is_due_at_once_and_overdue_later(office: Workspace) -> None:
    states = []
    for now in ("2026-06-01T02:00+08:00", "2026-06-03T00:59+08:00", "2026-06-03T01:00+08:00"):
        clock.fix(now)
        states.append((backup_state(office).due, backup_state(office).overdue))
    clock.fix(None)
    assert states == [(True, False), (True, False), (True, True)]


def test_a_backup_that_was_taken_away_is_noticed(office: Workspace, tmp_path: Path, at: Cron) -> None:
    assert at("06-01T02:00") == 0
    (tmp_path / "backups").rename(tmp_path / "elsewhere")
    (found,) = [check for check in _doctor(office, "2026-06-01T03:00+08:00") if check.check == "backup"]
    assert (found.state, "not in" in found.message) == ("look", True)
    assert [row["state"] for row in list_backups(office)] == ["gone"]


def test_the_commands_say_what_they_do(
    office: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str], at: Cron
) -> None:
    assert at("06-01T02:00", "--dry-run") == 0
    assert backups_in(tmp_path / "backups") == []
    assert at("06-01T02:00", "--to", str(tmp_path / "x.tar"), "--due") == 2
    assert at("06-01T02:00", "--format", "json") == 0
    capsys.readouterr()
    (path,) = backups_in(tmp_path / "backups")
    assert run(["backup", "verify", "--workspace", str(office.root), "--format", "json"]) == 0
    assert capsys.readouterr().out == "[]\n"
    (path / "register.db").write_bytes(b"")
    assert run(["backup", "verify", str(path), "--format", "json"]) == 7
    assert '"damaged"' in capsys.readouterr().out
    as_file = "--database-url="
    assert run(["restore", str(path), str(tmp_path / "back"), as_file]) == 4
    assert "register.db" in capsys.readouterr().err
    assert run(["restore", str(tmp_path / "nothing"), str(tmp_path / "back")]) == 4
    assert run(["restore", str(tmp_path / "backups"), str(tmp_path / "back")]) == 4
    assert path.name in capsys.readouterr().err, "the newest is named"
    assert run(["restore", str(path), str(office.root), as_file]) == 3
    plain = init_workspace(tmp_path / "plain")
    assert run(["backup", "--workspace", str(plain.root)]) == 3
    assert "--to" in capsys.readouterr().err
